"""What the README and the guides say: their commands, links and anchors."""

import re
import shlex
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from repository import REPOSITORY

PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
]
# Run whole, in their order, by tests of their own.
RUN = {"tutorial_add_a_rung.md": "tests/workflow/test_tutorial.py"}
PROGRAMS = ("seesaw", "snakemake", "make", "dvc", "pytest", "python")
BEFORE = ("srun", "tests/slurm/cluster")  # what starts another command


@dataclass(frozen=True)
class Command:
    """One call of a program; `mention`: in a sentence, where arguments may be left out."""

    page: str
    words: tuple[str, ...]
    mention: bool

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.words)}"


@cache
def tokens(page: Path) -> list:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text())


def blocks(page: Path) -> list[str]:
    """The shell code blocks."""
    return [t.content for t in tokens(page) if t.type == "fence" and t.info.strip() == "bash"]


def inline(page: Path) -> list:
    """All tokens inside of paragraphs, cells and headings."""
    return [child for t in tokens(page) for child in t.children or ()]


def calls(script: str) -> list[list[str]]:
    """The words of each call in a script: no comments, here-documents, redirections, variables."""
    script = re.sub(r"<<'(\w+)'\n.*?\n\1\n", "\n", script, flags=re.DOTALL)
    script = re.sub(r"(^|\s)#.*", r"\1", script).replace("\\\n", " ")
    lexer = shlex.shlex(script, posix=True, punctuation_chars="&|;<>\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    found, target = [[]], False
    for word in lexer:
        if word and set(word) <= set("&|;\n"):
            found.append([])
        elif target or (word and set(word) <= set("<>")):
            target = not target
        elif found[-1] or not re.match(r"[A-Z_]+=", word):
            found[-1].append(word)
    for words in found:
        if words and words[0] in BEFORE:
            del words[: next(i for i, word in enumerate(words) if word in PROGRAMS)]
    return [words for words in found if words]


def commands() -> list[Command]:
    """Every command that a page shows in a block or names in a sentence."""
    found = []
    for page in PAGES:
        if page.name in RUN or page.name == "cli.md":
            continue
        for block in blocks(page):
            found += [Command(page.name, tuple(words), False) for words in calls(block)]
        for token in inline(page):
            if token.type == "code_inline" and re.match(rf"([A-Z_]+=\S+ )*{ANY} ", token.content):
                found += [Command(page.name, tuple(w), True) for w in calls(token.content)]
    return found


ANY = f"({'|'.join(PROGRAMS)})"


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and mkdocs make them."""
    found: set[str] = set()
    every = tokens(page)
    for heading, content in pairwise(every):
        if heading.type == "heading_open":
            title = "".join(c.content for c in content.children).lower()
            found.add(re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-"))
    return found


def links(page: Path) -> list[str]:
    """Targets of links and pictures."""
    return [
        token.attrs.get("href") or token.attrs.get("src")
        for token in inline(page)
        if token.type in ("link_open", "image")
    ]
