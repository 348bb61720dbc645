"""Helpers that the verbs share: scale, data, threads and fingerprints of a call.

Each module of this package declares verbs: ``add(verb)`` declares their arguments, and one function
for each verb does the work and imports heavy libraries itself.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from seesaw.errors import UserError
from seesaw.spec import zoo
from seesaw.spec.experiments import Evaluation
from seesaw.spec.scales import Scale


def scale_of(args: Namespace, data: bool = False) -> Scale:
    """Return the scale of a call.

    Args:
        args: arguments of the call.
        data: whether the dataset must exist.
    """
    scale = Scale(args.scale, args.dataset)
    if data and not scale.entry.manifest.is_file():
        raise UserError(
            f"{scale.entry.manifest} is missing; run `seesaw data --scale {scale.name}` first."
        )
    return scale


def evaluation_of(scale: Scale, name: str) -> Evaluation:
    """Return an evaluation in the scale's table, or of a released model (configs/zoo.yaml)."""
    if name.startswith("zoo_"):
        return zoo.model(name).evaluation
    return scale.table.evaluation(name)


def set_threads(args: Namespace) -> None:
    """Set the threads of torch and OpenCV after loading them, whatever the environment says."""
    import cv2
    import torch

    torch.set_num_threads(args.threads)
    cv2.setNumThreads(0)


def fingerprints_of(args: Namespace) -> dict[str, str]:
    """Return the fingerprints at a call's scale."""
    from seesaw.workflow.dependencies import cached

    return cached(scale_of(args))


def stopping_options(verb: ArgumentParser) -> None:
    """Declare the options of verbs that stop in time and have loader workers."""
    verb.add_argument(
        "--deadline",
        type=float,
        metavar="MINUTES",
        help="save and end with exit code 75 before so many minutes are over (default: never; "
        "SEESAW_DEADLINE, seconds since 1970, holds too)",
    )
    verb.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that load images (default: the config's on a GPU, none on a CPU)",
    )
