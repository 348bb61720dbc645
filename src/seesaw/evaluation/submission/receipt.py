"""The receipt beside a package, ``<package>.receipt.json``, and what became of the package.

``records`` grows and is never cut: *uploaded* (you have), *server* (its AP), *graded* (ours, on a
generated dataset). Each names the sha256 of the package that it is about, so a score is never
shown for other bytes. The receipt is no output of the workflow, which deletes outputs before it
makes them again. Standard library only.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from seesaw.core.files import sha256_file, write_atomic
from seesaw.core.records import provenance_path, read_record
from seesaw.errors import UserError

EVIDENCE = ("command", "git", "lock", "versions", "inputs", "host", "start", "duration")


def receipt_path(package: Path | str) -> Path:
    """Where the receipt of a package lies."""
    return Path(f"{package}.receipt.json")


def write(package: Path, facts: dict) -> dict:
    """Write the receipt of a package from its provenance record and facts; old records stay."""
    evidence = read_record(provenance_path(package))
    if evidence is None:
        raise UserError(f"{provenance_path(package)} is missing; run `seesaw submit` again.")
    old = read_record(receipt_path(package)) or {}
    receipt = {
        "package": evidence["artefact"],
        **facts,
        "provenance": {key: evidence[key] for key in EVIDENCE},
        "records": old.get("records", []),
    }
    _save(package, receipt)
    return receipt


def lasting(package: Path) -> dict | None:
    """What the reference results keep of a receipt: no evidence, times of the server's AP only."""
    kept = read_record(receipt_path(package))
    if kept is None:
        return None
    records = [
        {k: v for k, v in entry.items() if k != "time" or entry["kind"] == "server"}
        for entry in kept["records"]
    ]
    return {k: v for k, v in kept.items() if k != "provenance"} | {"records": records}


def record(package: Path, kind: str, ap: float | None = None, **facts) -> None:
    """Enter what became of a package: "uploaded", "server" or "graded".

    Args:
        package: The zip that was uploaded or graded.
        kind: One of the three.
        ap: Mask AP in percent; None for "uploaded".
        facts: More to enter, plain data.

    Raises:
        UserError: There is no receipt, or the package has changed since it was written.
    """
    receipt = read_record(receipt_path(package))
    if receipt is None or not package.is_file():
        raise UserError(f"{package} or its receipt is missing; run `seesaw submit` first.")
    if receipt["package"]["sha256"] != sha256_file(package):
        raise UserError(f"{package} is not the file of its receipt; run `seesaw submit` again.")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entry = {"kind": kind, "AP": ap, "sha256": receipt["package"]["sha256"], "time": now, **facts}
    receipt["records"].append(entry)
    _save(package, receipt)


def parse_answer(text: str) -> float | None:
    """What ``--record`` was given: None for "pending", else mask AP in percent.

    Raises:
        UserError: Neither, or a number that is no percentage.
    """
    if text == "pending":
        return None
    try:
        ap = float(text)
    except ValueError:
        ap = -1.0
    # A fraction would be a hundred times too low and would look like a score.
    if not 1 <= ap <= 100:
        raise UserError(
            f"--record {text}: give mask AP in percent (38.92, not 0.3892), "
            "or `pending` once the package is uploaded."
        )
    return ap


def status(package: Path) -> str:
    """What the line under Table A1 says of a package, the strongest that is known.

    The server's AP; "submitted, pending" once the upload has been recorded; the AP graded here,
    named as such; else "not submitted": a package on disk is no submission.
    """
    receipt = read_record(receipt_path(package))
    # Reference results keep the receipt alone, without its evidence.
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


def _save(package: Path, receipt: dict) -> None:
    write_atomic(receipt_path(package), json.dumps(receipt, indent=1) + "\n")
