"""A page in headless Chromium, over the DevTools protocol."""

import contextlib
import json
import shutil
import subprocess
import time
import urllib.request

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = (360, 768, 1280)
SEEN = """const seen = selector => [...document.querySelectorAll(selector)].filter(e =>
    e.checkVisibility({opacityProperty: true, visibilityProperty: true})
    && e.getBoundingClientRect().width * e.getBoundingClientRect().height > 1);
  const name = e => [e.tagName, e.className.baseVal ?? e.className, e.textContent].join(' ')
    .slice(0, 80);"""
# The least ratio of WCAG 2 between a text that is seen and what lies behind it, and where it is.
CONTRAST = """(() => {
  SEEN
  const brush = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const parts = colour => {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = colour;
    brush.fillRect(0, 0, 1, 1);
    return [...brush.getImageData(0, 0, 1, 1).data];
  };
  const over = (ink, under) =>
    ink.slice(0, 3).map((v, i) => under[i] + (v - under[i]) * ink[3] / 255);
  const behind = e => {
    if (!e) return [255, 255, 255];
    const own = parts(getComputedStyle(e).backgroundColor);
    return own[3] === 255 ? own : over(own, behind(e.parentElement));
  };
  const light = colour => colour.slice(0, 3).map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  let worst = [99, ''];
  for (const e of seen('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const under = behind(e), style = getComputedStyle(e);
    const ink = over(parts(e.closest('svg') ? style.fill : style.color), under);
    const [a, b] = [light(ink), light(under)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < worst[0]) worst = [ratio, name(e)];
  }
  return worst;
})()""".replace("SEEN", SEEN)
# What is wider than the part of it that a scrolling or clipping element shows.
CUT = """(() => {
  SEEN
  return seen('body *').filter(e => getComputedStyle(e).overflowX !== 'visible'
    && e.scrollWidth > e.clientWidth + 1).map(name);
})()""".replace("SEEN", SEEN)


def installed():
    """The browser's program; None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """A tab that notes every request, console message and exception."""

    def __init__(self, url):
        self._socket = websocket.create_connection(url, timeout=60, suppress_origin=True)
        self._number, self.requests, self.complaints = 0, [], []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            message = self._read()
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]

    def open(self, path, width, scheme):
        """Load a file at a width in a colour scheme; what was noted before is forgotten."""
        self.requests, self.complaints = [], []
        mobile = width < 600
        size = dict(width=width, height=900, deviceScaleFactor=1, mobile=mobile)
        self.call("Emulation.setDeviceMetricsOverride", **size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])
        self.call("Page.navigate", url=path.resolve().as_uri())
        while self._read().get("method") != "Page.loadEventFired":
            pass

    def value(self, expression):
        """What an expression of JavaScript gives."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def fits(self, width):
        """Whether the page is laid out at this width and nothing reaches over its border."""
        root = "document.documentElement"
        return self.value(f"{root}.scrollWidth <= {root}.clientWidth && innerWidth == {width}")

    def _read(self):
        message = json.loads(self._socket.recv())
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded":
                self.complaints.append(message["params"])
        return message


@contextlib.contextmanager
def browser(folder):
    """A tab of a browser of its own, whose profile lies in a folder."""
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0")
    quiet = ("--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage")
    command = [installed(), *options, *quiet, f"--user-data-dir={folder}", "about:blank"]
    with open(folder / "browser.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        port = folder / "DevToolsActivePort"
        for _ in range(600):
            if port.is_file() and port.read_text().strip():
                break
            assert process.poll() is None, (folder / "browser.log").read_text()[-2000:]
            time.sleep(0.1)
        address = f"http://127.0.0.1:{port.read_text().splitlines()[0]}/json"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        tabs = json.loads(opener.open(address, timeout=60).read())
        yield Page(next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"))
    finally:
        process.terminate()
        process.wait(60)
