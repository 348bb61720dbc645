"""Links in the README and the guides: the file is there, and so is the heading."""

import re

import pytest
import yaml
from pages import PAGES, REPOSITORY, anchors, links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for link in links(page):
        if re.match(r"https?://", link):
            continue
        if of_github := re.match(r"\.\./\.\./actions/workflows/([\w.]+)", link):
            # from the README as GitHub shows it, whatever the repository's address
            assert (REPOSITORY / ".github/workflows" / of_github[1]).is_file()
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{page.name} links to {link}, which is not there"
        assert target.is_relative_to(REPOSITORY)
        assert not anchor or anchor in anchors(target), f"{page.name}: {link} has no such heading"


def test_every_guide_is_in_the_readme_and_in_the_sites_navigation():
    guides = {page.name for page in PAGES} - {"README.md"}
    readme = {link.removeprefix("docs/") for link in links(PAGES[0]) if link.endswith(".md")}
    assert guides == readme
    text = (REPOSITORY / "mkdocs.yml").read_text().partition("\nnav:")[2]
    nav = str(yaml.safe_load(text))
    assert set(re.findall(r"[\w]+\.md", nav)) == guides | {"index.md"}


def test_the_site_builder_is_pinned():
    """`make docs` installs without resolving; the rest of what it needs is in requirements.lock."""
    pins = (REPOSITORY / "requirements-docs.lock").read_text().lower()
    main = (REPOSITORY / "requirements.lock").read_text().lower()
    names = re.findall(r"^([\w.-]+)==", pins, re.M)
    assert {"mkdocs", "mkdocs-material"} <= set(names)
    assert not set(names) & set(re.findall(r"^([\w.-]+)==", main, re.M))
