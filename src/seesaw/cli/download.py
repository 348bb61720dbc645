"""``seesaw download``."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from seesaw.cli.common import scale_of
from seesaw.core.borders import console
from seesaw.errors import UserError


def add(verb) -> None:
    """Declare the verbs."""
    sub = verb(download, "download the scale's dataset and pre-trained weights, or what is named")
    sub.add_argument("what", nargs="*", help="lvis_v1, pretrained, zoo or a file of downloads.yaml")
    sub.add_argument("--list", action="store_true", help="print what there is and what is missing")
    sub.add_argument("--keep", action="store_true", help="keep archives after they are unpacked")


def download(args: Namespace) -> None:
    """Download the given sets or those that the scale needs, with a record of each complete set."""
    from seesaw.data.download import obtain
    from seesaw.data.lvis_folder import write_json
    from seesaw.spec import downloads, site

    scale, files = scale_of(args), downloads.load()
    words = args.what or scale.downloads
    remotes = list({r.name: r for word in words for r in files.find(word)}.values())
    if args.list:
        return _list(remotes or [r for files in files.sets.values() for r in files.values()])
    if not remotes:
        print(f"scale {scale.name} on {scale.dataset} needs nothing from the network")
        return None
    coco = site.load().coco
    if coco and not Path(coco).expanduser().is_dir():
        raise UserError(f"{site.FILE}: coco is {coco!r}, which is no folder; correct or remove it.")
    folder = Path(coco).expanduser() if coco else None
    obtain.check_space(remotes, site.FILE, args.keep)
    facts = {r.name: obtain.obtain(r, folder, args.keep) for r in remotes}
    for group, members in files.sets.items():
        if members.keys() <= facts.keys():
            path = downloads.record(group)
            write_json({"files": {name: facts[name] for name in members}}, path)
            print(f"{path}: {group} is complete")
    return None


def _list(remotes) -> None:
    """Print a line for each file."""
    from rich import box
    from rich.table import Table

    from seesaw.spec import downloads

    body = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for head in ("set", "file", "MB", "sha256", "state"):
        body.add_column(head, justify="right" if head == "MB" else "left", overflow="fold")
    for r in remotes:
        part = r.path.with_name(f"{r.name}.part")
        state = "there" if r.made.exists() else "archive there" if r.path.exists() else "missing"
        if state == "missing" and part.exists():
            state = f"{part.stat().st_size / 1e6:,.0f} MB there"
        size = f"{r.bytes / 1e6:,.1f}" if r.bytes else "unknown"
        known = "" if len(r.sha256) == downloads.DIGITS else f" ({len(r.sha256)} of 64 digits)"
        body.add_row(r.set, r.name, size, f"{r.sha256[:8]}…{known}", state)
    console(140).print(body)
    print()
