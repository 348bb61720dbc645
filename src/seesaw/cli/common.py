"""What the verbs share: scale, data, threads and fingerprints of a call.

Each module of this room declares verbs: ``add(verb)`` gives their arguments, and a function each
does the work; heavy libraries load inside it.
"""

from __future__ import annotations

from argparse import Namespace

from seesaw.errors import UserError
from seesaw.spec import zoo
from seesaw.spec.experiments import Evaluation
from seesaw.spec.scales import Scale


def scale_of(args: Namespace, data: bool = False) -> Scale:
    """The scale of a call.

    Args:
        args: of the call.
        data: whether its dataset must be there.
    """
    scale = Scale(args.scale, args.dataset)
    if data and not scale.entry.manifest.is_file():
        raise UserError(
            f"{scale.entry.manifest} is missing; run `seesaw data --scale {scale.name}` first."
        )
    return scale


def evaluation_of(scale: Scale, name: str) -> Evaluation:
    """An evaluation of the scale's table, or of a released model (configs/zoo.yaml)."""
    if name.startswith("zoo_"):
        return zoo.model(name).evaluation
    return scale.table.evaluation(name)


def set_threads(args: Namespace) -> None:
    """Threads of torch and OpenCV; set after they load, whatever the environment says."""
    import cv2
    import torch

    torch.set_num_threads(args.threads)
    cv2.setNumThreads(0)


def fingerprints_of(args: Namespace) -> dict[str, str]:
    """The fingerprints at a call's scale."""
    from seesaw.workflow.dependencies import cached

    return cached(scale_of(args))
