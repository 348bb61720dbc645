"""The checks of a preflight on the dataset and on the numbers that follow from it."""

from __future__ import annotations

from collections.abc import Iterator

from mmengine.registry import init_default_scope

from seesaw.cli.checks.preflight_report import Check, same, spelled
from seesaw.data import facts
from seesaw.models.losses.equalization_loss import EqualizationLoss
from seesaw.models.losses.group_softmax_loss import GroupSoftmaxLoss
from seesaw.spec.config import resolve
from seesaw.spec.expected import FILE, Dataset
from seesaw.spec.scales import Scale

RFS = 1e-3  # threshold of LVIS's repeat factor sampling


def dataset_checks(scale: Scale, found: dict, known: Dataset | None) -> Iterator[Check]:
    """Check the sizes and categories of the annotation files."""
    entry = scale.entry
    for split in ("train", "val", "test_dev"):
        name = f"{split} images"
        if split not in found["images"]:
            file = entry.files.get(split)
            why = f"{entry.root / file} is absent" if file else f"{entry.name} has no {split}"
            yield Check(name, None, why)
        elif known is None:
            yield Check(name, True, spelled(found["images"][split]))
        else:
            yield same(name, found["images"][split], known.images[split])
    if known is None:
        yield Check("categories", None, f"{FILE} knows no numbers of {entry.name}")
        return
    yield same("categories", entry.classes, known.categories)


def derived_checks(scale: Scale, found: dict, known: Dataset | None) -> Iterator[Check]:
    """Check numbers that follow from category counts: groups, repeat factors, tails, epochs."""
    counts = found.get("counts")
    if known is None:
        return
    if counts is None:
        name = "frequency groups, filtered images, repeat factors, EQL tail, BAGS groups"
        yield Check(name, None, f"{scale.entry.category_counts} is absent: `{scale.data_command}`")
    else:
        occurs = {c["id"]: c["image_count"] for c in counts["categories"]}
        factors = facts.repeat_factors(occurs, counts["annotated_images"], RFS)
        yield same(
            "frequency r/c/f", list(facts.groups(counts).values()), list(known.frequency.values())
        )
        yield same("annotated images", counts["annotated_images"], known.filtered)
        yield same("repeated categories", sum(f > 1 for f in factors.values()), known.repeated)
        yield same("largest factor", round(max(factors.values()), 2), known.largest_factor)
        yield from _loss_checks(scale, counts, known)
    for sampler, per_epoch in known.epoch.items():
        name = f"iterations an epoch, {sampler}"
        if "epoch" in found:
            yield same(name, -(-found["epoch"][sampler] // 16), per_epoch)
        else:
            why = f"{scale.entry.root / scale.entry.train} is absent"
            yield Check(name, None, f"{why}; {per_epoch:,} taken")


def _loss_checks(scale: Scale, counts: dict, known: Dataset) -> Iterator[Check]:
    """Check the two losses that use the counts, as the configs build them."""
    init_default_scope("mmdet")
    for name, training, kind, read, wanted in (
        ("EQL tail", "mask_rcnn_random_eql", EqualizationLoss, _tail, known.eql_tail),
        ("BAGS groups", "mask_rcnn_random_bags", GroupSoftmaxLoss, _sizes, known.bags_groups),
    ):
        t = scale.table.trainings.get(training)
        if t is None or t.config is None:
            continue
        cfg = resolve(t.config, scale).model.roi_head.bbox_head.loss_cls.to_dict()
        loss = kind(**{k: v for k, v in cfg.items() if k != "type"} | {"category_counts": counts})
        yield same(name, read(loss), wanted)


def _tail(loss: EqualizationLoss) -> int:
    return int(loss.tail.sum())


def _sizes(loss: GroupSoftmaxLoss) -> list[int]:
    return loss.group_sizes[:-1]  # the last group is background
