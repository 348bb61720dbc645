"""The receipt beside a package, ``<package>.receipt.json``, and the results of its submission.

Entries are only ever added to ``records``: *uploaded* (by the user), *server* (the server's AP) and
*graded* (AP computed here, on a generated dataset). Each names the sha256 of its package, so a
score is never shown for another file. The receipt is no output of the workflow, which deletes
outputs before it makes them again.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

from seesaw.core.files import sha256_file, write_atomic
from seesaw.core.json import read_json
from seesaw.core.records import provenance_path, record_of
from seesaw.errors import UserError
from seesaw.spec.outputs import Receipt

EVIDENCE = ("command", "git", "lock", "versions", "inputs", "host", "start", "duration")


def receipt_path(package: Path | str) -> Path:
    """Return the path of a package's receipt."""
    return Path(f"{package}.receipt.json")


def write(package: Path, facts: dict) -> dict:
    """Write a package's receipt from its provenance record and facts; old entries are kept.

    Raises:
        UserError: There is no provenance record, or the old receipt is damaged.
    """
    evidence = record_of(package)
    if evidence is None:
        raise UserError(f"{provenance_path(package)} is missing; run `seesaw submit` again.")
    old = _read(package) or {}
    receipt = {
        "package": evidence["artefact"],
        **facts,
        "provenance": {key: evidence[key] for key in EVIDENCE},
        "records": old.get("records", []),
    }
    _save(package, receipt)
    return receipt


def lasting(package: Path) -> dict | None:
    """Return the part of a receipt for the reference: no evidence, times of server entries only."""
    kept = _read(package)
    if kept is None:
        return None
    records = [
        {k: v for k, v in entry.items() if k != "time" or entry["kind"] == "server"}
        for entry in kept["records"]
    ]
    return {k: v for k, v in kept.items() if k != "provenance"} | {"records": records}


def add_entry(package: Path, kind: str, ap: float | None = None, **facts) -> None:
    """Add an entry to a package's receipt: "uploaded", "server" or "graded".

    ``ap`` is the mask AP in percent, None for "uploaded"; ``facts`` are plain data.

    Raises:
        UserError: There is no receipt, or the package has changed since it was written.
    """
    receipt = _read(package)
    if receipt is None or not package.is_file():
        raise UserError(f"{package} or its receipt is missing; run `seesaw submit` first.")
    if receipt["package"]["sha256"] != sha256_file(package):
        raise UserError(f"{package} is not the file of its receipt; run `seesaw submit` again.")
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    entry = {"kind": kind, "AP": ap, "sha256": receipt["package"]["sha256"], "time": now, **facts}
    receipt["records"].append(entry)
    _save(package, receipt)


def parse_answer(text: str) -> float | None:
    """Parse the value of ``--record``: None for "pending", else mask AP in percent.

    Raises:
        UserError: The value is neither, or the number is no percentage.
    """
    if text == "pending":
        return None
    try:
        ap = float(text)
    except ValueError:
        ap = -1.0
    # A fraction would be taken for a score that is a hundred times too low.
    if not 1 <= ap <= 100:
        raise UserError(
            f"--record {text}: give mask AP in percent (38.92, not 0.3892), "
            "or `pending` once the package is uploaded."
        )
    return ap


def status(package: Path) -> str:
    """Return a package's status for the line under Table A1, the first of these that applies.

    The server's AP; "submitted, pending" once the upload has been recorded; the AP graded here,
    marked as such; else "not submitted", because a package on disk is no submission.
    """
    receipt = _read(package)
    # The reference holds only the receipt, without its evidence.
    if receipt is None or ("provenance" in receipt and not package.is_file()):
        return "not submitted"
    own = receipt["package"]["sha256"]
    last = {r["kind"]: r for r in receipt["records"] if r["sha256"] == own}
    if "server" in last:
        answer = last["server"]
        return f"{answer['AP']:.2f}, LVIS server, recorded {answer['time'][:10]}"
    if "uploaded" in last:
        return "submitted, pending"
    if "graded" in last:
        return f"{last['graded']['AP']:.1f}, graded here on the generated truth, no server's score"
    return "not submitted"


def _read(package: Path) -> dict | None:
    """Return a receipt; its entries cannot be made again, so a damaged one is never replaced."""
    path = receipt_path(package)
    if not path.is_file():
        return None
    again = "restore it, or delete it with all that the server has answered"
    return read_json(path, Receipt, again)


def _save(package: Path, receipt: dict) -> None:
    write_atomic(receipt_path(package), json.dumps(receipt, indent=1) + "\n")
