"""The docs site as `make docs` builds it, opened from the disk in a real browser."""

import pytest
from browser import CONTRAST, CUT, WIDTHS, installed
from repository import REPOSITORY, python
from waiting import wait_until

from seesaw.spec import figures

pytest.importorskip("mkdocs", reason="`make docs` installs it")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not installed(), reason="needs Chromium: apt-get install chromium"),
]
SCHEME = "document.body.dataset.mdColorScheme"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    python(REPOSITORY, "-m", "mkdocs", "build", "-q", "--strict", "-d", folder)
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_pages_are_readable_and_ask_for_nothing(site, tab, width, scheme):
    pages = [page for page in site.glob("*.html") if page.name != "404.html"]
    pages += site.glob("notebooks/*.html")
    assert len(pages) > 20
    name = "slate" if scheme == "dark" else "default"
    for page in pages:
        tab.open(page, width, scheme)
        wait_until(lambda: tab.value(f"{SCHEME} == '{name}'"))
        assert tab.complaints == [], page
        assert [url for url in tab.requests if not url.startswith(("data:", "file:"))] == [], page
        assert tab.fits(width), page
        ratio, where = tab.value(CONTRAST)
        assert ratio >= 4.5, (page, where)
        assert width < 1280 or tab.value(CUT) == [], page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_reference_results_are_on_one_page(site, tab, width, scheme):
    page = site / "reference/mini/report/report.html"
    tab.open(page, width, scheme)
    assert tab.complaints == [] and tab.fits(width) and tab.value(CUT) == []
    ratio, where = tab.value(CONTRAST)
    assert ratio >= 4.5, where
    drawn = [name for name in figures.FIGURES if figures.committed(name)["png"].is_file()]
    assert tab.value("[...document.images].every(i => i.naturalWidth > 0)")
    assert tab.value("document.querySelectorAll('.drawing').length") == len(drawn) > 0
    for link in tab.value("[...document.links].map(a => a.getAttribute('href'))"):
        assert link.startswith("#") or (page.parent / link).is_file(), link
    tab.open(site / "report.html", width, scheme)
    assert tab.value("[...document.links].some(a => a.href.endsWith('mini/report/report.html'))")


def test_the_search_finds_pages_without_a_server(site, tab):
    tab.open(site / "data.html", 1280, "light")
    tab.value("document.querySelector('#__search').click()")
    field = "document.querySelector('.md-search__input')"
    tab.value(f"{field}.focus(), {field}.value = 'lint-imports'")
    tab.value(f"{field}.dispatchEvent(new Event('keyup'))")
    links = "[...document.querySelectorAll('.md-search-result__link')].map(a => a.pathname)"
    found = wait_until(lambda: tab.value(f"(links => links.length ? links : null)({links})"))
    assert (site / "architecture.html").as_posix() in found
    assert tab.complaints == []


def test_formulas_are_drawn_and_code_is_as_it_was(site):
    page = (site / "notebooks/gradient_analysis.html").read_text()
    assert "<math" in page and "&lt;math" not in page
