"""The longest time a program did not answer, as a manifest tells it, is what the program itself felt;
of WebKit it is not less (docs/RUNTIMES.md)."""

import json

import pytest

from lab import webkit
from lab.bun import Bun
from lab.cdp import Client
from lab.chromium import Chromium, isolate
from lab.daemon import PLAIN
from lab.deno import Deno
from lab.firefox import Firefox
from lab.node import Node

POLL = {"interval": "2s", "timeout": "2s", "backoff_max": "1s"}
CLOSE = 0.1  # a share of it, or seconds where it is less than one

# The longest gap of the event loop since it was last asked for, in milliseconds; what is held makes
# a snapshot take its time.
GAPS = """
globalThis.held = Array.from({ length: %d }, (_, i) => ({ i, next: { i } }));
globalThis.longestGap = 0;
globalThis.lastTurn = performance.now();
setInterval(() => {
  const now = performance.now();
  longestGap = Math.max(longestGap, now - lastTurn);
  lastTurn = now;
}, 5);
globalThis.takeGap = () => {
  const longest = Math.max(longestGap, performance.now() - lastTurn);
  longestGap = 0;
  return longest;
};
held.length"""
TAKE_GAP = "takeGap()"
DATA_PAGE = "data:text/html,<title>shop</title><body>"


class OnNode:
    isolate, held = "main", 150000
    seen = True  # its end, from outside

    def __init__(self, nursery, home):
        self.program = self.start(nursery, home)
        self.address = self.program.address

    def start(self, nursery, home):
        return Node(nursery, 24, "idle")

    def client(self):
        return Client(self.program.port, limit_s=60)

    def evaluate(self, text):
        with self.client() as client:
            return client.evaluate(text)


class OnDeno(OnNode):
    def start(self, nursery, home):
        return Deno(nursery, home, "0")


class OnChromium(OnNode):
    def start(self, nursery, home):
        browser = Chromium(nursery, home, DATA_PAGE)
        self.isolate = isolate(browser.page)
        return browser

    def client(self):
        return self.program.client()


class OnBun(OnNode):
    def start(self, nursery, home):
        return Bun(nursery, "1")

    def client(self):
        return self.program.client(limit_s=60)


class OnPage(OnNode):
    """It is gone on before the browser's own process, by way of which all is told, has said so."""
    isolate, path = "page:1", webkit.GTK
    seen = False

    def start(self, nursery, home):
        return webkit.Browser(nursery, home, self.path)

    def evaluate(self, text):
        return float(self.program.site.run(text))


class OnWpe(OnPage):
    path = webkit.WPE


class OnFirefox(OnNode):
    def start(self, nursery, home):
        browser = Firefox(nursery, home)
        self.isolate = browser.isolate
        return browser

    def evaluate(self, text):
        return self.program.evaluate(text)


EACH = {"node": OnNode, "deno": OnDeno, "chromium": OnChromium, "bun": OnBun, "gtk": OnPage,
        "wpe": OnWpe, "firefox": OnFirefox}


@pytest.mark.parametrize("runtime", EACH)
def test_it_is_what_the_program_felt(quick_daemon, nursery, watch, tmp_path, runtime):
    """By the release build, which reads faster than any of them writes."""
    program = EACH[runtime](nursery, tmp_path / "program")
    assert program.evaluate(GAPS % program.held) == program.held
    daemon = watch(app=program.address, sections={
        "poll": POLL, "capture": dict(PLAIN, guards={"headroom": 0})})
    daemon.wait_up("app")
    daemon.wait_isolate("app", program.isolate)
    program.evaluate(TAKE_GAP)
    snapshot = daemon.capture("app", isolate=program.isolate, limit_s=200)
    gap = program.evaluate(TAKE_GAP) / 1000
    manifest = json.loads(snapshot.with_name(snapshot.name + ".json").read_text())
    told = manifest["pause_ns"] / 1e9
    assert gap > 2 * CLOSE, "too short to tell: no proof"
    if program.seen:
        assert told == pytest.approx(gap, rel=CLOSE, abs=CLOSE)
    else:
        assert gap * (1 - CLOSE) < told <= manifest["duration_ns"] / 1e9
