"""Every command of the README and the guides: one that its program takes, with names that exist.

What a program's own parser accepts here is also run: dry by test_docs_dry_runs.py, and on a
finished smoke run by test_docs_finished.py.
"""

import contextlib
import io
import re
import sys
from functools import cache

import pytest
import yaml
from pages import PAGES, REPOSITORY, RUN, blocks, calls, commands
from snakemake.cli import get_argument_parser

from seesaw.cli import main
from seesaw.spec import experiments, figures

# Nothing of this repository.
UNCHECKED = {
    "apt-get": "the system's packages",
    "cd": "shell",
    "cp": "shell",
    "git": "no argument of ours",
    "rm": "shell",
    "source": "shell",
    "tmux": "a terminal",
}
ROWS = re.compile(r"(test_dev_)?[abc]\d\d\w*")


@cache
def names() -> set[str]:
    table = experiments.load()
    return {*table.trainings, *table.evaluations, *table.places, *figures.FIGURES}


def check_seesaw(words, mention):
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            main.parser().parse_args(words)
    except SystemExit as end:
        # A sentence may leave out what a verb needs, but names no verb or option that is not there.
        short = any(s in said.getvalue() for s in ("are required", "expected one"))
        assert end.code == 0 or (mention and short), said.getvalue()
    for word in words:
        if ROWS.fullmatch(word) or word.startswith(("table_", "figure_")):
            found = [name for name in names() if name.startswith(word)]
            assert word in found or len(found) == 1, f"no experiment {word}"


def check_snakemake(words, mention):
    try:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            args = get_argument_parser().parse_args(words)
    except SystemExit:
        raise AssertionError(said.getvalue()) from None
    assert (REPOSITORY / f"profiles/{args.profile[0]}/config.yaml").is_file()
    text = "".join(p.read_text() for p in (REPOSITORY / "workflow/rules").glob("*.smk"))
    rules = re.findall(r"^rule (\w+):", text + (REPOSITORY / "Snakefile").read_text(), re.M)
    rules += [*experiments.PLACES, *figures.FIGURES]
    named = {target for target in args.targets if not target.startswith("results/")}
    assert named <= set(rules), f"no rule {args.targets}"
    for key, value in (item.split("=") for item in args.config or ()):
        assert key in ("scale", "dataset")
        if key == "scale":
            assert (REPOSITORY / f"configs/scales/{value}.yaml").is_file()


def check_make(words, mention):
    targets = re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(), re.M)
    assert {word for word in words if "=" not in word} <= set(targets)


def check_dvc(words, mention):
    from dvc.cli.parser import get_main_parser

    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            args = get_main_parser().parse_args(words)
    except (SystemExit, Exception):
        # in a sentence: `dvc exp run -S`
        assert mention and words[-1].startswith("-"), "dvc does not take this"
        return
    for target in getattr(args, "targets", None) or []:
        if args.cmd in ("repro", "pull", "push", "commit", "status"):
            file, _, stage = target.rpartition(":")
            file = target if target.endswith(".yaml") else file or "dvc.yaml"
            stages = yaml.safe_load((REPOSITORY / file).read_text())["stages"]
            assert target.endswith(".yaml") or stage in stages, f"{file} has no stage {stage}"


def check_pytest(words, mention):
    assert all((REPOSITORY / word).exists() for word in words if not word.startswith("-"))


def check_python(words, mention):
    if words[0] == "-c":
        compile(words[1], "docs", "exec")
    elif words[0] == "-m":
        assert words[1] in sys.stdlib_module_names
    else:
        assert (REPOSITORY / words[0]).is_file()


def check_pip(words, mention):
    lock = (REPOSITORY / "requirements.lock").read_text().lower()
    packages = {word for word in words[1:] if not word.startswith("-")}
    for package in packages - {"PATH_OF_THIS_REPOSITORY"}:
        pinned = package if "==" in package else f"{package}=="
        assert re.search(f"^{re.escape(pinned)}", lock, re.M), f"the lock has no {package}"


def check_xargs(words, mention):
    option, program, *rest = words
    assert option == "-r"  # without input nothing is called
    CHECKS[program](rest, mention)


def check_tool(words, mention):
    """A shell script of tools/ takes a folder and perhaps a version."""
    assert 1 <= len(words) <= 2, words


CHECKS = {
    "seesaw": check_seesaw,
    "xargs": check_xargs,
    "snakemake": check_snakemake,
    "make": check_make,
    "dvc": check_dvc,
    "pytest": check_pytest,
    "python": check_python,
    "python3": check_python,
    "pip": check_pip,
    **{f"tools/{path.name}": check_tool for path in (REPOSITORY / "tools").glob("gpu_*.sh")},
}
COMMANDS = list(dict.fromkeys(c for c in commands() if c.words[0] not in UNCHECKED))


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_shown_command_is_one_that_its_program_takes(command):
    program, *words = command.words
    assert program in CHECKS, f"{program} is neither checked nor in UNCHECKED"
    CHECKS[program](words, command.mention)


def test_what_is_not_checked_is_still_shown():
    assert UNCHECKED.keys() <= {c.words[0] for c in commands()}
    assert all((REPOSITORY / test).is_file() for test in RUN.values())
    assert RUN.keys() <= {page.name for page in PAGES}


def test_calls_of_a_script():
    script = (
        "A=1 make x  # why\ncat > f <<'EOF'\nno\nEOF\nseesaw a 'b c' && srun -n 1 seesaw \\\n d\n"
    )
    assert calls(script) == [
        ["make", "x"],
        ["cat"],
        ["seesaw", "a", "b c"],
        ["seesaw", "d"],
    ]


@pytest.mark.parametrize(
    ("program", "words", "said"),
    [
        ("seesaw", ["trian", "a01"], "'trian'"),
        ("seesaw", ["show", "table_a3"], "no experiment table_a3"),
        ("seesaw", ["status", "--fast"], "unrecognized arguments"),
        ("snakemake", ["--profile", "local", "table_a3"], "no rule"),
        ("dvc", ["repro", "table_a3"], "no stage"),
    ],
)
def test_a_wrong_command_is_found(program, words, said):
    with pytest.raises(AssertionError, match=said):
        CHECKS[program](words, False)


def test_shell_blocks_are_shell():
    """Every block is found by its fence: one without `bash` would not be checked."""
    plain = [
        page.name
        for page in PAGES
        if page.name not in RUN
        for fence in re.findall(r"```(\w*)\n(.*?)```", page.read_text(), re.S)
        if fence[0] in ("", "sh", "shell", "console")
        and re.search(r"^(seesaw|snakemake|make|dvc) ", fence[1], re.M)
    ]
    assert plain == [] and all(blocks(PAGES[0]))
