"""Every `snakemake` call of the guides as a dry run, in a fresh clone."""

import re
import subprocess
from pathlib import Path

import pytest
from pages import REPOSITORY, commands
from repository import planned, python


def dry_runs() -> dict[tuple[str, ...], set[str]]:
    """Options -> targets: calls that differ in their targets only are one dry run."""
    from snakemake.cli import get_argument_parser

    found: dict[tuple[str, ...], set[str]] = {}
    for command in commands():
        if command.words[0] == "snakemake" and "--unlock" not in command.words:
            args = get_argument_parser().parse_args(command.words[1:])
            options = ("--profile", args.profile[0])
            if args.config:
                options += ("--config", *args.config)
            found.setdefault(options, set()).update(args.targets)
    return found


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A fresh clone, beside a user's dataset, whose name in the guides is PATH."""
    root = tmp_path_factory.mktemp("clone")
    copy = "git ls-files -z | xargs -0 cp -a --parents -t"
    subprocess.run(["bash", "-euc", f"{copy} {root}"], cwd=REPOSITORY, check=True)
    run(root, "seesaw.cli", "data", "--scale", "smoke")
    (root / "data/smoke_lvis").rename(root / "PATH")
    run(root, "seesaw.cli", "data", "--dataset", "PATH")
    return root


def run(root: Path, module: str, *words: str) -> str:
    done = python(root, "-m", module, *words, PYTHONPATH=str(root / "src"))
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("options", dry_runs(), ids=" ".join)
def test_a_shown_workflow_call_plans_its_jobs(clone, options):
    targets = sorted(dry_runs()[options])
    profile, config = options[:2], options[2:]
    assert "train" in planned(run(clone, "snakemake", *profile, "-n", *targets, *config))


def rule_graph(clone: Path, profile: str) -> set[tuple[str, str]]:
    said = run(clone, "snakemake", "--profile", profile, "--rulegraph", "mermaid-js", "all")
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", said))
    return {(names[a], names[b]) for a, b in re.findall(r"(id\d+) --> (id\d+)", said)}


@pytest.mark.slow
def test_the_architectures_table_is_snakemakes_graph(clone):
    page = (REPOSITORY / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([\w`, ]*)\|[^|]+\|$", page, re.M)
    stated = {(before, rule) for rule, cell in rows for before in re.findall(r"\w+", cell)}
    assert stated == rule_graph(clone, "local") | rule_graph(clone, "slurm")
