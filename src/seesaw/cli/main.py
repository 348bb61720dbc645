"""The command line, `seesaw`: one verb for each thing that the workflow or a person does."""

from __future__ import annotations

import argparse
import errno
import io
import os
import re
import select
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import NoReturn, TextIO

from seesaw import __version__
from seesaw.cli.common import MOST, at_least
from seesaw.core import paths
from seesaw.core.borders import one_line
from seesaw.core.names import close, instead
from seesaw.core.secrets import masked
from seesaw.errors import Interrupted, UserError

SCALE = os.environ.get("SEESAW_SCALE") or "mini"
SEEDS = 2**32 - 1  # the largest that numpy takes
# The modules that declare verbs, in the order of the help.
MODULES = (
    "data",
    "training",
    "evaluation",
    "zoo",
    "submission",
    "results",
    "evidence",
    "planning",
    "preflight",
    "inference",
    "versioning",
    "inspect",
)


class Parser(argparse.ArgumentParser):
    """``argparse.ArgumentParser`` with suggestions, which argparse itself has from Python 3.14."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message, and exit with 2."""
        message = one_line(message)
        if found := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            choices = re.findall(r"'([^']*)'", found[2])
            message = message.replace(found[0], f"{found[1]!r} is unknown; ")
            message += instead(found[1], choices)
        super().error(message)

    def refuse(self, arguments: list[str]) -> NoReturn:
        """Exit with 2 because of arguments that the verb does not have."""
        given = next((a for a in arguments if a.startswith("-")), arguments[0]).partition("=")[0]
        options = [o for action in self._actions for o in action.option_strings]
        hint = f"; {instead(given, options)}" if close(given, options) else ""
        self.error(f"unrecognized arguments: {' '.join(arguments)}{hint}")


def parser() -> Parser:
    """Return the parser with all verbs and their arguments."""
    root = Parser(
        prog="seesaw",
        description="Rebuild the supplementary of Seesaw Loss, step by step.",
        epilog="Experiments, tables and figures may be named by a unique prefix: a01, table_a1.",
    )
    root.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    verbs = root.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(run: Callable, text: str, *, threads: bool = False, seed: bool = False) -> Parser:
        sub = verbs.add_parser(run.__name__.replace("_", "-"), help=text, description=text)
        sub.set_defaults(run=run, parser=sub)
        sub.add_argument(
            "--scale",
            default=SCALE,
            help="a file of configs/scales: smoke, mini, paper, ... (default: %(default)s)",
        )
        sub.add_argument(
            "--dataset", help="name in datasets.yaml or LVIS-format folder (default: the scale's)"
        )
        if threads:
            sub.add_argument(
                "--threads", type=at_least(1, MOST), default=1, help="CPU threads (default: 1)"
            )
        if seed:
            sub.add_argument(
                "--seed",
                type=at_least(0, SEEDS),
                default=0,
                help="of the training (default: 0)",
            )
        return sub

    for name in MODULES:
        import_module(f"seesaw.cli.{name}").add(verb)
    return root


# A disk or a folder that does not take what a verb writes, or a name that is too long for it
_NO_PLACE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}
_NO_PLACE |= {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EFBIG, errno.ENAMETOOLONG}
# Two processes that put a folder into one place, links in a circle, a disk or server that fails
_NO_PLACE |= {errno.ENOTEMPTY, errno.ELOOP, errno.EIO, errno.ESTALE}


def main(argv: list[str] | None = None) -> int:
    """Run one verb; a user's mistake is reported in one sentence, with exit code 2."""
    sys.stdout, sys.stderr = _open(sys.stdout), _open(sys.stderr)
    for stream in (sys.stdout, sys.stderr):  # a locale without the signs that a table has
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    args, unknown = parser().parse_known_args(argv)
    if unknown:
        args.parser.refuse(unknown)
    # Before torch and OpenCV load, because too many OpenMP threads make training four times slower.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(getattr(args, "threads", 1))
    try:
        paths.check_root()
        code = args.run(args) or 0
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"seesaw {args.verb}: {one_line(masked(error))}", file=sys.stderr)
        return 2
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package == "seesaw":
            raise
        what = f"needs the Python package {package}"
        if not isinstance(error, ModuleNotFoundError):  # a library of the system, or mmdet's own
            what = f"cannot import what it needs ({one_line(masked(error)).rstrip('.')})"
        fix = "`tools/setup.sh` installs all, pip install 'PATH_OF_THE_REPOSITORY[workflow]' too"
        print(f"seesaw {args.verb}: {what}; {fix}.", file=sys.stderr)
        return 2
    except BrokenPipeError:
        if not _reader_left():
            raise
        _drop_output()
        return 128 + signal.SIGPIPE
    except OSError as error:
        if error.errno not in _NO_PLACE:
            raise
        try:
            sys.stdout.flush()
        except OSError:  # it is the output that takes no more
            _drop_output()
        # of two files it is the second that is replaced; the first is a temporary one
        what = error.filename2 or error.filename or "a file or the output"
        fault = f"{what} cannot be written or read ({error.strerror})"
        fix = "give this user the permission, make room, or name another place"
        print(f"seesaw {args.verb}: {one_line(masked(fault))}; {fix}.", file=sys.stderr)
        return 2
    except Interrupted as stop:
        if os.environ.get("RANK", "0") == "0":  # only one of torchrun's processes prints it
            print(f"seesaw {args.verb}: {masked(stop)}", file=sys.stderr)
        return os.EX_TEMPFAIL
    except KeyboardInterrupt:
        print(f"seesaw {args.verb}: interrupted", file=sys.stderr)
        return 130


def _open(stream: TextIO | None) -> TextIO:
    """Return the stream, or one that drops all if the caller has closed it, as ``>&-`` does."""
    return stream or open(os.devnull, "w", encoding="utf-8")


def _drop_output() -> None:
    """Drop what is still to be written, as Python flushes once more at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _reader_left() -> bool:
    """Whether the process that reads this one's output has ended, as ``head`` does."""
    output = select.poll()
    output.register(1, 0)
    return any(event & select.POLLERR for _, event in output.poll(0))
