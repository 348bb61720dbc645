"""A stand-alone config for mmengine's Runner, as mmdet's tools take it, from a resolved config."""

from __future__ import annotations

from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from seesaw.errors import UserError
from seesaw.spec.scales import Scale
from seesaw.training.schedule import iterations

KEPT = ("custom_imports", "default_scope", "optim_wrapper", "find_unused_parameters")


def standalone(cfg: Config, scale: Scale, gpus: int, load_from: str | None = None) -> Config:
    """Return a config that `mmengine.runner.Runner.from_cfg` takes whole: train, val and test.

    Trainings have the length, batch size and learning rates of `seesaw train`. Their random numbers
    are mmengine's own, so the weights are not those of `seesaw train`. With test-time augmentation,
    which trains nothing, the config has the test alone. ``gpus`` processes share a batch; the
    training starts from ``load_from``.

    Raises:
        UserError: the processes cannot share a batch evenly, or the annotations, whose images a
            schedule of fractional epochs counts, are missing.
    """
    if cfg.batch_size % gpus:
        raise UserError(
            f"--gpus is {gpus}, which cannot share a batch of {cfg.batch_size} images evenly; "
            f"use a divisor of it."
        )
    made = {key: cfg[key] for key in KEPT if key in cfg}
    imports = cfg.custom_imports
    made["custom_imports"] = imports | dict(imports=[*imports.imports, "seesaw.evaluation.metric"])
    test = cfg.test_dataloader.to_dict()
    annotations = f"{test['dataset']['data_root']}{test['dataset']['ann_file']}"
    metric = dict(type="StreamedLVISMetric", ann_file=annotations)
    made |= dict(
        model=cfg.model,
        test_dataloader=test,
        test_evaluator=metric,
        test_cfg=dict(type="TestLoop"),
        load_from=load_from,
        visualizer=dict(
            type="DetLocalVisualizer",
            name="visualizer",
            vis_backends=[dict(type="LocalVisBackend")],
        ),
        env_cfg=dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method="fork")),
        log_level="INFO",
    )
    if "tta_model" in cfg:
        return Config(made | dict(model=cfg.tta_model | dict(module=cfg.model)))
    return Config(
        made
        | _training(cfg, scale, gpus)
        | dict(val_dataloader=test, val_evaluator=metric, val_cfg=dict(type="ValLoop"))
    )


def _training(cfg: Config, scale: Scale, gpus: int) -> dict:
    """Return what a training needs: loader, loop, schedule and hooks."""
    # the gradients that this hook counts are for files of `seesaw train`
    hooks = [h for h in cfg.get("custom_hooks", []) if not h["type"].endswith("GradientRatioHook")]
    loader = cfg.train_dataloader.to_dict() | dict(batch_size=cfg.batch_size // gpus)
    schedule = cfg.schedule
    whole = all(float(n).is_integer() for n in (schedule.epochs, *schedule.milestones))
    if whole:  # with one iteration an epoch, total and milestones are epochs
        total, (warmup, decay) = iterations(schedule, 1, 1)
        loop: dict = dict(type="EpochBasedTrainLoop", max_epochs=total, val_interval=total)
        loader |= dict(sampler=dict(type="DefaultSampler", shuffle=True))
    else:
        total, (warmup, decay) = iterations(schedule, _images(cfg, scale), cfg.batch_size)
        loop = dict(type="IterBasedTrainLoop", max_iters=total, val_interval=total)
    return dict(
        train_dataloader=loader,
        train_cfg=loop,
        param_scheduler=[warmup, decay | dict(by_epoch=whole)],
        auto_scale_lr=dict(enable=False, base_batch_size=cfg.batch_size),
        default_hooks=dict(
            timer=dict(type="IterTimerHook"),
            logger=dict(type="LoggerHook", interval=50),
            param_scheduler=dict(type="ParamSchedulerHook"),
            checkpoint=dict(type="CheckpointHook", interval=1 if whole else total, by_epoch=whole),
            sampler_seed=dict(type="DistSamplerSeedHook"),
            visualization=dict(type="DetVisualizationHook"),
        ),
        custom_hooks=[dict(type="CheckInvalidLossHook", interval=10), *hooks],
        log_processor=dict(type="LogProcessor", window_size=50, by_epoch=whole),
    )


def _images(cfg: Config, scale: Scale) -> int:
    """Return the length of the training set, repeats included."""
    path = scale.entry.root / scale.entry.train
    if not path.is_file():
        raise UserError(
            f"{path} is missing, and the schedule of {scale.name} is counted in its images; "
            f"run `{scale.data_command}` first."
        )
    init_default_scope(cfg.default_scope)
    return len(DATASETS.build(cfg.train_dataloader.dataset))
