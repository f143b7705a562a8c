"""What the daemon says to each runtime is what docs/RUNTIMES.md lists, and no more; of Node and Firefox
in test_harm.py and test_firefox.py."""

import json
import re
import threading

import pytest

from lab import said, webkit
from lab.bun import Bun, PATH
from lab.chromium import Chromium, isolate
from lab.daemon import PLAIN, POLL
from lab.deno import Deno
from lab.gc import force
from lab.relay import Relay
from lab.wait import until
from lab.workerd import Workerd

CAPTURE = dict(PLAIN, guards={"headroom": 0}, gc_interval="1s")
JSON = {"GET /json/version", "GET /json/list"}
KINDS = {"snapshot": {"gc_before": True}, "sampling": {"duration": "1s"},
         "timeline": {"duration": "1s"}}
JSC_KINDS = {"snapshot": {"gc_before": True}, "tracking": {"duration": "1s", "gc_before": True}}
CAPTURES = {"tracking": 2}  # other kinds are one


@pytest.fixture
def converse(watch):
    """converse(port, isolate, kinds, ...): the daemon does all it can, by way of the relay returned."""
    def run(port, isolate_name, kinds, path="", poll=()):
        between = Relay(port)
        address = f"ws://{between.address}{path}" if path else between.address
        daemon = watch(app=address, sections={"capture": CAPTURE, "poll": dict(POLL, **dict(poll))})
        daemon.wait_isolate("app", isolate_name)
        daemon.wait_up("app")
        until(lambda: force(daemon, isolate=isolate_name).status == 200,
              lambda: f"a collection; log:\n{daemon.tail()}")
        for kind in kinds:
            daemon.wait_up("app")
            answer = daemon.post("/api/v1/targets/app/captures", json.dumps(
                {"kind": kind, "isolate": isolate_name, **{**KINDS, **JSC_KINDS}[kind]}).encode(),
                {"Content-Type": "application/json"})
            assert answer.status == 202, answer.text
            daemon.wait_value("heapwatch_captures_total", CAPTURES.get(kind, 1), target="app", kind=kind)
        polls = daemon.value("heapwatch_polls_total", target="app")
        daemon.wait_value("heapwatch_polls_total", lambda n: n > polls + 1, target="app")
        assert daemon.process.stop() == 0
        between.close()
        assert between.complaints() == []
        return between
    return run


def expressions(messages):
    """What was evaluated, with numbers as N."""
    return {re.sub(r"\b\d+\b", "N", m["params"]["expression"]) for m in messages
            if m["method"] == "Runtime.evaluate"}


def methods(messages):
    return {m["method"] for m in messages}


def test_deno(nursery, tmp_path, converse):
    program = Deno(nursery, tmp_path / "deno", "10", "workers")
    between = converse(program.port, "main", KINDS)
    messages = said.messages(between)
    assert methods(messages) <= said.listed("Node.js"), methods(messages)
    assert {"NodeWorker.enable", "Runtime.getHeapUsage", "Runtime.evaluate",
            "HeapProfiler.collectGarbage", "HeapProfiler.takeHeapSnapshot", "HeapProfiler.disable",
            "HeapProfiler.startSampling", "HeapProfiler.startTrackingHeapObjects"} <= methods(messages)
    assert len(expressions(messages)) == 2
    assert not any("require" in e or "node:" in e for e in expressions(messages)), "that would load it"
    assert between.requests() == JSON | {f"GET /{program.inspector_id.split('/')[-1]}"}


def test_workerd(nursery, tmp_path, converse):
    program = Workerd(nursery, tmp_path / "workerd")
    done = threading.Event()

    def visit():  # it collects with its next request
        while not done.wait(0.2):
            program.grow(1)
    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        between = converse(program.port, program.isolate, KINDS)
    finally:
        done.set()
        visitor.join()
    messages = said.messages(between)
    assert methods(messages) == said.listed("Cloudflare workerd")
    assert between.requests() == JSON | {"GET /main", "GET /second"}


def test_chromium(nursery, tmp_path, site, converse):
    browser = Chromium(nursery, tmp_path / "profile", site.url + "page.html?shared")
    with browser.client() as client:
        client.call("Runtime.evaluate", awaitPromise=True, expression=(
            "navigator.serviceWorker.register('service.js').then(() => navigator.serviceWorker.ready)"))
    between = converse(browser.port, isolate(browser.page), KINDS, poll={"gc_events": "always"})
    messages = said.messages(between)
    allowed = said.listed("Chromium") | said.listed("Node.js", "capture")
    assert methods(messages) <= allowed, methods(messages) - allowed
    assert said.listed("Chromium") <= methods(messages)
    assert {"HeapProfiler.takeHeapSnapshot", "HeapProfiler.startSampling", "HeapProfiler.disable",
            "HeapProfiler.startTrackingHeapObjects"} <= methods(messages)
    limit, = expressions(messages)
    assert "performance.memory.jsHeapSizeLimit" in limit
    # Asked of the browser itself, window.open() would hang.
    assert all("sessionId" in m for m in messages if m["method"] == "Target.setAutoAttach")
    assert between.requests() == {"GET /json/version", f"GET {browser.path}"}


def test_bun(nursery, converse):
    program = Bun(nursery, "100")
    between = converse(program.port, "main", JSC_KINDS, path=PATH, poll={"gc_events": "always"})
    messages = said.messages(between)
    assert methods(messages) == said.listed("Bun")
    # Who it is, its memory; is there a way, make, read a slice, free; its heap.
    assert len(expressions(messages)) == 7
    assert between.requests() == {"GET /json/version", f"GET {PATH}"}


@pytest.mark.parametrize("kind", ["gtk", "wpe", "safari"])
def test_webkit(nursery, tmp_path, converse, kind):
    browser = webkit.Browser(nursery, tmp_path / "browser", webkit.WPE if kind == "wpe" else webkit.GTK)
    proxy = webkit.Proxy(browser.port) if kind == "safari" else None
    between = converse(proxy.port if proxy else browser.port, "page:1", JSC_KINDS,
                       poll={"gc_events": "always"})
    messages = said.messages(between)
    assert methods(messages) == said.listed("WebKit") | {"Target.sendMessageToTarget"}
    assert all("params" not in m for m in messages if m["method"] != "Target.sendMessageToTarget")
    assert between.requests() == {"GET /json/version", "GET /"} | (
        {"GET /json/list", "GET /devtools/page/1"} if proxy else {f"GET {webkit.PAGE}"})
