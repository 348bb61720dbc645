"""``seesaw wandb-sync``."""

from __future__ import annotations

import sys
from argparse import Namespace

from seesaw.cli.common import scale_of
from seesaw.errors import UserError


def add(verb) -> None:
    """Declare the verbs."""
    sub = verb(wandb_sync, "send runs to W&B, whole: curves, AP, example images, record")
    sub.add_argument("training", nargs="?", help="default: all that are finished or under way")
    sub.add_argument(
        "--offline", action="store_true", help="write offline runs to ./wandb, send nothing"
    )
    sub.add_argument(
        "--weights", action="store_true", help="send the weights too, not only their record"
    )


def wandb_sync(args: Namespace) -> int:
    """Send the run logs to W&B; exit code 1 if one could not be sent."""
    from seesaw.results import wandb
    from seesaw.spec import experiments
    from seesaw.training import run_log

    scale = scale_of(args)
    only = experiments.load().training(args.training).id if args.training else "*"
    logs = sorted(scale.results.glob(f"{only}/seed*/{run_log.NAME}"))
    finished = {path.parent.relative_to(scale.results) for path in logs}
    for path in sorted(scale.work.glob(f"{only}/seed*/*/{run_log.NAME}")):
        if path.parents[1].relative_to(scale.work) not in finished:
            logs.append(path)
    if not logs:
        raise UserError(
            f"{scale.results} and {scale.work} hold no {run_log.NAME}; train something first."
        )
    failed = 0
    for log in logs:
        run = run_log.read(log).header
        mode = "offline" if args.offline else "online"
        sent = bool(run) and wandb.send(log, mode, scale, run["seed"], args.weights)
        print(f"{log}: {'sent' if sent else 'not sent'} as {run.get('id', 'unknown')}")
        failed += not sent
    if failed:
        print(f"{failed} of {len(logs)} runs could not be sent.", file=sys.stderr)
    return int(failed > 0)
