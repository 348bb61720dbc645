"""The page in a real browser: phone and desktop, light and dark."""

import re

import pytest
from browser import browser, installed

from seesaw.results.report import content, page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not installed(), reason="needs Chromium: apt-get install chromium"),
]
BODY = "getComputedStyle(document.body)"
# Ratio of WCAG 2 between the text and the nearest background that is not transparent.
CONTRAST = """(() => {
  const parts = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = c => parts(c).slice(0, 3).map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = e => {
    const own = e ? getComputedStyle(e).backgroundColor : 'rgb(255, 255, 255)';
    return parts(own)[3] === 0 ? behind(e.parentElement) : own;
  };
  let worst = [99, ''];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const style = getComputedStyle(e);
    const ink = e.closest('svg') ? style.fill : style.color;
    const [a, b] = [light(ink), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < worst[0]) worst = [ratio, e.tagName + ' ' + e.className + ' ' + e.textContent];
  }
  return worst;
})()"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_is_readable_and_asks_for_nothing(scale, tab, width, scheme):
    path = page.write(content.gather(scale), scale)
    tab.open(path, width, scheme)
    assert tab.complaints == []
    assert [url for url in tab.requests if not url.startswith("data:")] == [path.resolve().as_uri()]
    root = "document.documentElement"
    assert tab.value(f"{root}.scrollWidth <= {root}.clientWidth && innerWidth == {width}")
    ink, paper = (
        sum(map(int, re.findall(r"\d+", tab.value(f"{BODY}.{name}"))[:3]))
        for name in ("color", "backgroundColor")
    )
    assert ink < paper if scheme == "light" else ink > paper
    assert tab.value("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert tab.value("document.images.length") == 2
    ratio, where = tab.value(CONTRAST)
    assert ratio >= 4.5, where
    wide = "[...document.querySelectorAll('.scroll')].every(e => e.scrollWidth > e.clientWidth)"
    assert tab.value(wide) is True if width == 390 else True
    # drawings are black on white: dark pages turn them
    turned = tab.value("getComputedStyle(document.querySelector('.drawing')).filter") != "none"
    assert turned == (scheme == "dark")
    stroke = tab.value("getComputedStyle(document.querySelector('polyline.total')).stroke")
    assert stroke == tab.value(f"{BODY}.color")


def test_it_would_be_told(tab, tmp_path):
    """The checks see a page that breaks each of them."""
    bad = "<body style='width: 900px; color: #999; background: #fff'><img src='gone.png'><p>grey"
    path = tmp_path / "bad.html"
    path.write_text(f"<!doctype html><meta name=viewport content='width=device-width'>{bad}")
    tab.open(path, 390, "light")
    assert tab.complaints and len(tab.requests) == 2
    assert tab.value("document.documentElement.scrollWidth") > 390
    assert tab.value(CONTRAST)[0] == pytest.approx(2.85, abs=0.01)
