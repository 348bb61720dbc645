"""The page in a real browser: phone and desktop, light and dark."""

import re

import pytest
from browser import CONTRAST, CUT, WIDTHS, installed

from seesaw.results.report import content, page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not installed(), reason="needs Chromium: apt-get install chromium"),
]
BODY = "getComputedStyle(document.body)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_readable_and_asks_for_nothing(scale, tab, width, scheme):
    path = page.write(content.gather(scale), scale)
    tab.open(path, width, scheme)
    assert tab.complaints == []
    assert [url for url in tab.requests if not url.startswith("data:")] == [path.resolve().as_uri()]
    assert tab.fits(width)
    assert tab.value(CUT) == []
    ink, paper = (
        sum(map(int, re.findall(r"\d+", tab.value(f"{BODY}.{name}"))[:3]))
        for name in ("color", "backgroundColor")
    )
    assert ink < paper if scheme == "light" else ink > paper
    assert tab.value("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert tab.value("document.images.length") == 2
    ratio, where = tab.value(CONTRAST)
    assert ratio >= 4.5, where
    # drawings are black on white: dark pages turn them
    turned = tab.value("getComputedStyle(document.querySelector('.drawing')).filter") != "none"
    assert turned == (scheme == "dark")
    stroke = tab.value("getComputedStyle(document.querySelector('polyline.total')).stroke")
    assert stroke == tab.value(f"{BODY}.color")


def test_it_would_be_noticed(tab, tmp_path):
    """The checks see a page that breaks each of them."""
    page = "<body style='width: 900px; background: #fff'><img src='gone.png'>"
    cut = "<p style='width: 9px; overflow-x: auto'>wider</p>"
    bad = f"{page}<p style='color: #1118'>grey{cut}"
    path = tmp_path / "bad.html"
    path.write_text(f"<!doctype html><meta name=viewport content='width=device-width'>{bad}")
    tab.open(path, 390, "light")
    assert tab.complaints and len(tab.requests) == 2
    assert not tab.fits(390)
    assert tab.value(CUT) == ["P  wider"]
    assert tab.value(CONTRAST)[0] == pytest.approx(3.95, abs=0.05)
