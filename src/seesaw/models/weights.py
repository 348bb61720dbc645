"""Read checkpoints without running code that they may contain; all of the project reads them here.

A checkpoint is a pickle, which can name any function and call it. torch's ``weights_only`` reads
tensors and plain data alone. mmengine's own loader falls back to reading everything; importing this
module replaces it, so that resuming, ``load_from`` and pre-trained backbones use `load` too.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import checkpoint as mmengine_checkpoint

from seesaw.errors import UserError

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_NAMED = re.compile(r"GLOBAL (\S+)")


def _statistic(owner: type, name: str) -> Any:
    """Stand for ``getattr`` in a checkpoint: mmengine's log histories name their methods by it."""
    if owner is HistoryBuffer and name in ("min", "max", "mean", "current"):
        return getattr(HistoryBuffer, name)
    raise pickle.UnpicklingError(f"GLOBAL getattr of {name!r}")


def _safe_globals() -> list:
    """Return what mmengine's checkpoints contain beside tensors: log histories, numpy's numbers."""
    multiarray = np._core.multiarray
    numbers = "?" + np.typecodes["AllInteger"] + np.typecodes["AllFloat"]
    return [
        HistoryBuffer,
        (_statistic, "builtins.getattr"),
        np.ndarray,
        np.dtype,
        *{type(np.dtype(code)) for code in numbers},
        # numpy 1 has another name for the package
        *((multiarray.scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
        *(
            (multiarray._reconstruct, f"numpy.{core}.multiarray._reconstruct")
            for core in ("core", "_core")
        ),
    ]


def load(path: Path, fix: str, map_location: Any = "cpu", mmap: bool = False) -> Any:
    """Return the content of a checkpoint; a file that could run code is refused.

    Args:
        path: the file.
        fix: what the user can do if the file cannot be read, the end of a sentence.
        map_location: device of the tensors, see `torch.load`.
        mmap: whether tensors are read when they are used, where the file's format allows it.

    Raises:
        UserError: the file is missing, damaged, or contains more than weights and plain data.
    """
    lazy = mmap and zipfile.is_zipfile(path)
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_safe_globals()):
            warnings.simplefilter("ignore")  # the error says it
            return torch.load(path, map_location=map_location, weights_only=True, mmap=lazy)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; {fix}.") from None
    except Exception as error:  # torch raises many kinds on a damaged archive
        raise UserError(f"{path} is no readable model ({_reason(error)}); {fix}.") from None


def state_dict(path: Path, fix: str, mmap: bool = False) -> dict[str, torch.Tensor]:
    """Return the tensors by name of a file of this project, of mmengine, mmdet or torchvision.

    Raises:
        UserError: the file cannot be read (see `load`) or holds no tensors by name.
    """
    content = load(path, fix, mmap=mmap)
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not state:
        raise UserError(f"{path} is no readable model (it holds no state_dict); {fix}.")
    if other := [k for k, v in state.items() if not isinstance(v, torch.Tensor)]:
        raise UserError(f"{path} is no readable model ({other[0]!r} is no tensor); {fix}.")
    return dict(state)


def fill(model: torch.nn.Module, path: Path, config: str, fix: str) -> None:
    """Load a file's weights into a model; each tensor must fit.

    Args:
        model: the model.
        path: the file, see `state_dict`.
        config: the model's config, which a message names.
        fix: what the user can do if the file does not fit, the end of a sentence.

    Raises:
        UserError: the file cannot be read, or a tensor is missing, unexpected or of another shape.
    """
    state, own = state_dict(path, fix), model.state_dict()
    # checkpoints of old torch versions lack num_batches_tracked
    state |= {k: v for k, v in own.items() if k.endswith("num_batches_tracked") and k not in state}
    wrong = sorted(map(str, own.keys() ^ state.keys()))
    wrong += sorted(k for k in own.keys() & state.keys() if own[k].shape != state[k].shape)
    if wrong:
        raise UserError(
            f"{path} does not fit {config}: {len(wrong)} tensors differ, first {wrong[0]}; {fix}."
        )
    model.load_state_dict(state)


def _reason(error: Exception) -> str:
    text = _ESCAPES.sub("", str(error))
    if named := _NAMED.search(text):
        return f"it names {named[1]}, so that reading it could run code"
    reason = text.partition("WeightsUnpickler error: ")[2] or text
    return re.split(r"\.\s|\n", reason.strip())[0].rstrip(".") or type(error).__name__


def _for_mmengine(file: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
    """Replace mmengine's loader, with its arguments; the last one has no effect."""
    return load(file, "delete it, and train or download it again", map_location)


mmengine_checkpoint._safe_torch_load = _for_mmengine
