"""Acceptance of code or config changes that do not affect a finished training.

At a scale with ``ask_before_retraining`` (paper, single_gpu), a finished training is repeated only
if the user confirms it. configs/accepted.yaml lists the changes that were accepted instead. An
entry is valid for exactly one state of code and configs; after any further change the workflow asks
again.
"""

from __future__ import annotations

import getpass
import json
import os
import shlex
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date as Date
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from seesaw.core import paths
from seesaw.core.borders import plain
from seesaw.core.files import write_atomic
from seesaw.core.integrity import sha256_of
from seesaw.core.json import json_or_none
from seesaw.core.records import dump, is_current, provenance_path, read_record, record_of
from seesaw.core.secrets import masked
from seesaw.core.yaml import Strict, read_model
from seesaw.spec import claims
from seesaw.spec.scales import Scale, snakemake_command
from seesaw.training import run_log

HEAD = """\
# Changes of code or configs that `seesaw accept` took for equivalent: the finished training stays.
# Commit this file to share them; take an entry out, and its training is asked for again.
"""
_HASH = r"^[0-9a-f]{16}$"
SHOWN = 4


class Acceptance(Strict):
    """One finished training and the state of code and configs for which it is accepted."""

    training: str
    seed: int
    scale: str
    trained: str = Field(pattern=_HASH)
    accepted: str = Field(pattern=_HASH)
    changed: list[str] = []
    because: str
    by: str
    date: Date

    @property
    def key(self) -> str:
        """The training's key among the fingerprints."""
        return f"train/{self.training}/seed{self.seed}"

    @property
    def remark(self) -> str:
        """The sentence that appears in the record and below the tables."""
        return (
            f"{', '.join(self.changed)} changed after the training; accepted as equivalent by "
            f"{self.by} on {self.date}: {self.because}"
        )


@with_config(ConfigDict(extra="allow"))
class _Parts(TypedDict):
    """What a training's fingerprint is computed from."""

    config: dict[str, Any]
    code: dict[str, str]
    dataset: str
    parent: str | None


class _File(Strict):
    accepted: list[Acceptance] = []


def load() -> list[Acceptance]:
    """Read the accepted changes; the file need not exist."""
    if not paths.ACCEPTED.is_file():
        return []
    return read_model(paths.ACCEPTED, _File).accepted


def stands_for(scale: str) -> dict[tuple[str, str], str]:
    """Return (key, accepted fingerprint) -> fingerprint of the finished training, at a scale."""
    return {(a.key, a.accepted): a.trained for a in load() if a.scale == scale}


def remember(fingerprint: str, parts: Mapping[str, Any]) -> None:
    """Save the parts that a fingerprint is computed from, so that changes can be listed later."""
    path = _parts(fingerprint)
    if json_or_none(path, _Parts) is None:
        with suppress(OSError):  # with a read-only checkout, changes cannot be listed later
            write_atomic(path, json.dumps(parts, default=str))


def changes(old: str, new: str) -> list[str]:
    """List what differs between two fingerprints: config keys, modules, data, starting weights."""
    a, b = (json_or_none(_parts(made), _Parts) for made in (old, new))
    if a is None or b is None:
        return ["its code or config"]

    def differing(part: str, described: Callable[[str], str]) -> list[str]:
        one, other = a[part], b[part]
        found = [k for k in sorted(one.keys() | other.keys()) if one.get(k) != other.get(k)]
        more = [f"{len(found) - SHOWN} more"] if len(found) > SHOWN else []
        return [*map(described, found[:SHOWN]), *more]

    def values(key: str) -> str:
        one, other = (plain(json.dumps(x["config"].get(key)), 30) for x in (a, b))
        return f"{key} {one} -> {other}"

    found = differing("config", values) + differing("code", str)
    found += ["the data"] if a["dataset"] != b["dataset"] else []
    return found + (["the weights it starts from"] if a["parent"] != b["parent"] else [])


def outdated(scale: Scale, fingerprints: Mapping[str, Any]) -> dict[str, str]:
    """Return key -> fingerprint of trainings finished with other code or configs than now."""
    found = {}
    for training, seeds in claims.training_seeds(scale).items():
        for seed in seeds:
            key = f"train/{training}/seed{seed}"
            model = scale.model(training, seed)
            record = record_of(model) or {}
            if model.is_file() and not is_current(record, fingerprints.get(key)):
                found[key] = record["fingerprint"]
    return found


def question(scale: Scale, fingerprints: Mapping[str, Any], found: Mapping[str, str]) -> str:
    """Return a question about `outdated` trainings: what changed, and a command per answer."""
    rows, files, names = [], [], {}
    for key, trained in found.items():
        _, training, seed = key.split("/")
        what = ", ".join(changes(trained, computed(fingerprints, key)))
        rows.append(f"{training} {seed} ({what})")
        files.append(str(scale.model(training, int(seed.removeprefix("seed")))))
        names[training] = None
    accept = " ".join(["seesaw accept", *names, scale.options, "--because '...'"])
    return (
        f"finished trainings would be made again, as these have changed since: {'; '.join(rows)}. "
        f"If the weights stay the same: {accept}; to train again: rm {shlex.join(files)}"
    )


def unexplained(
    scale: Scale, fingerprints: Mapping[str, Any], reasons: Mapping[str, str]
) -> dict[str, str]:
    """Return those finished trainings that would begin anew, with Snakemake's reason.

    Where the last checkpoint is still there, a repetition only writes the weights again. Without
    it, a lost file of Snakemake or a touched input would cost weeks. ``reasons``: key -> reason of
    each training that Snakemake would run.
    """
    found, anew = {}, set()
    trained = scale.table.trainings
    for key in sorted(reasons, key=lambda k: trained[k.split("/")[1]].init_from is not None):
        _, training, seed = key.split("/")
        parent = f"train/{trained[training].init_from}/{seed}"
        model = scale.model(training, int(seed.removeprefix("seed")))
        start = ((record_of(model) or {}).get("inputs") or {}).get("init_from")
        now = Path(start["path"]) if start else model
        other = start and now.is_file() and sha256_of(now) != start["sha256"]
        if parent not in anew and not other and _kept(scale, key, fingerprints[key]):
            continue
        anew.add(key)
        if model.is_file():
            found[key] = reasons[key]
    return found


def _kept(scale: Scale, key: str, fingerprint: str) -> bool:
    """Whether the checkpoint after a training's last iteration is there, and of the data here."""
    work = scale.work / key.removeprefix("train/") / fingerprint
    log = run_log.read(work / run_log.NAME)
    total = log.attempts[-1].get("iterations") if log.attempts else None
    of = (log.header.get("dataset") or {}).get("manifest")
    now = sha256_of(scale.entry.manifest) if scale.entry.manifest.is_file() else of
    return (work / f"iter_{total}.pth").is_file() and of == now


def warning(scale: Scale, found: Mapping[str, str]) -> str:
    """Return a sentence about `unexplained` trainings, with a command per answer."""
    rows, files = [], []
    for key, reason in found.items():
        _, training, seed = key.split("/")
        rows.append(f"{training} {seed} ({' '.join(reason.split())})")
        files.append(str(scale.model(training, int(seed.removeprefix("seed")))))
    return (
        f"finished trainings would begin anew, though their code and configs are the same: "
        f"{'; '.join(rows)}. To keep them, restore what has changed or, if that makes no "
        f"difference: {snakemake_command(scale, '--touch', *files)}; to train again: "
        f"rm {shlex.join(files)}"
    )


def accept(
    scale: Scale, fingerprints: Mapping[str, Any], found: Mapping[str, str], why: str
) -> list[Acceptance]:
    """Accept finished trainings for the current state, note this in their records, and return it.

    ``found``: key -> fingerprint of the finished training, as from `outdated`; ``why`` is the
    reason.
    """
    made = []
    for key, trained in found.items():
        _, training, seed = key.split("/")
        now = computed(fingerprints, key)
        made.append(
            Acceptance(
                training=training,
                seed=int(seed.removeprefix("seed")),
                scale=scale.full_name,
                trained=trained,
                accepted=now,
                changed=changes(trained, now),
                because=masked(why),
                by=_user(),
                date=datetime.now(timezone.utc).date(),
            )
        )
    rows = [a.model_dump() for a in [*load(), *made]]
    text = yaml.safe_dump({"accepted": rows}, sort_keys=False, allow_unicode=True, width=100)
    write_atomic(paths.ACCEPTED, HEAD + text)
    for entry in made:
        path = provenance_path(scale.model(entry.training, entry.seed))
        record = read_record(path)
        assert record is not None, path  # its fingerprint was read from this record
        record["remarks"] = [*(record.get("remarks") or []), entry.remark]
        write_atomic(path, dump(record))
    return made


def computed(fingerprints: Mapping[str, Any], key: str) -> str:
    """Return the current state's fingerprint, even where a finished training is accepted for it."""
    return fingerprints.get("accepted", {}).get(key, fingerprints[key])


def _user() -> str:
    """Return the name of the user who accepts: from git or else the login."""
    with suppress(OSError):  # no git
        done = subprocess.run(["git", "config", "user.name"], capture_output=True)
        if name := done.stdout.decode(errors="replace").strip():  # git takes any encoding
            return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"user {os.getuid()}"


def _parts(fingerprint: str) -> Path:
    return paths.CACHE / "fingerprints" / "parts" / f"{fingerprint}.json"
