"""The command line: each verb is a rule of the workflow, and runs alone."""

from __future__ import annotations

import argparse
import os
import sys

from seesaw.errors import Interrupted, UserError

SCALE = os.environ.get("SEESAW_SCALE", "mini")
TARGET = "all (default), submission, a table or an experiment"


def parser() -> argparse.ArgumentParser:
    """All verbs and their arguments."""
    root = argparse.ArgumentParser(
        prog="seesaw",
        description="Rebuild the supplementary of Seesaw Loss, step by step.",
        epilog="Experiments, tables and figures may be named by a unique prefix: a01, table_a1.",
    )
    verbs = root.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, text: str, *, threads: bool = False) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        sub.add_argument(
            "--scale", default=SCALE, help="smoke, mini or paper (default: %(default)s)"
        )
        sub.add_argument(
            "--dataset", help="dataset entry or LVIS-format folder (default: the scale's)"
        )
        if threads:
            sub.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
        return sub

    verb("data", "make or check the scale's dataset and write its manifest")
    sub = verb("pretrain", "train or fetch a pre-trained backbone", threads=True)
    sub.add_argument("backbone", help="name in the scale's file")
    sub = verb("train", "train one rung with one seed", threads=True)
    sub.add_argument("training")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--fingerprint", help="the training's hash, if known (default: computed)")
    sub.add_argument(
        "--deadline",
        type=float,
        metavar="MINUTES",
        help="save and end with exit code 75 before so many minutes are over (default: never; "
        "SEESAW_DEADLINE, seconds since 1970, holds too)",
    )
    sub = verb("detect", "detect on the evaluation's split", threads=True)
    sub.add_argument("evaluation")
    sub.add_argument("--seed", type=int, default=0)
    sub = verb("evaluate", "score detections by the LVIS protocol")
    sub.add_argument("evaluation")
    sub.add_argument("--seed", type=int, default=0)
    sub = verb("submit", "package detections for the LVIS server, or enter what it said")
    sub.add_argument("evaluation", nargs="?", help="default: the entry, a12")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--split", choices=["test_dev", "val"], default="test_dev")
    instead = sub.add_mutually_exclusive_group()
    instead.add_argument(
        "--record", metavar="AP", help="`pending` after the upload, then the server's AP in percent"
    )
    instead.add_argument(
        "--check", metavar="FILE", help="list the faults of any results file (.json or .zip)"
    )
    sub = verb("grade", "score a package as the server does, where the truth is known")
    sub.add_argument("evaluation", nargs="?", help="default: the entry, a12")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--split", choices=["test_dev", "val"], default="test_dev")
    sub = verb("speed", "time the frameworks of Table A2, interleaved", threads=True)
    sub.add_argument("--images", type=int, default=5, help="images a round (default: 5)")
    sub.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    sub.add_argument(
        "--detections", type=int, default=300, help="of LVIS-size post-processing (default: 300)"
    )
    sub = verb("table", "write a table from what has been computed")
    sub.add_argument("place", help="table_a1, table_a2 or figure_a2")
    sub = verb("show", "print tables in the terminal and where their files lie")
    sub.add_argument("places", nargs="+")
    sub = verb("plan", "what a target still costs: GPU-hours, wall time, disk, critical path")
    sub.add_argument("target", nargs="?", default="all", help=TARGET)
    sub.add_argument("--gpus", type=int, help="GPUs of a training (default: the site's, or 8)")
    sub.add_argument("--gpu", help="their type (default: the site's, or v100)")
    sub.add_argument("--budget", metavar="GPU-HOURS", help="say what fits, for instance 200gpuh")
    sub = verb("status", "where each experiment stands, from files alone; 1 if one needs you")
    sub.add_argument("target", nargs="?", default="all", help=TARGET)
    sub = verb("diff", "the difference of two resolved configs")
    sub.add_argument("a")
    sub.add_argument("b")
    verb("fingerprints", "what each training, detection and evaluation depends on, as hashes")
    return root


def main(argv: list[str] | None = None) -> int:
    """Run one verb; a user's mistake ends in one sentence and exit code 2."""
    args = parser().parse_args(argv)
    # Before torch and OpenCV load: oversubscribed OpenMP makes training four times slower.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(getattr(args, "threads", 1))
    from seesaw import verbs

    try:
        return getattr(verbs, args.verb)(args) or 0
    except UserError as error:
        print(f"seesaw {args.verb}: {error}", file=sys.stderr)
        return 2
    except Interrupted as stop:
        if os.environ.get("RANK", "0") == "0":  # of torchrun's processes, one says it
            print(f"seesaw {args.verb}: {stop}", file=sys.stderr)
        return os.EX_TEMPFAIL
    except KeyboardInterrupt:
        print(f"seesaw {args.verb}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
