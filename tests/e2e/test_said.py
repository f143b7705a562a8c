"""What the daemon says to each runtime is what docs/RUNTIMES.md lists, all of it and no more."""

import json
import re
import signal
import threading

import pytest

from lab import said, webkit
from lab.bun import Bun, PATH
from lab.chromium import Chromium, isolate
from lab.daemon import PLAIN, POLL
from lab.deno import Deno
from lab.firefox import Firefox
from lab.gc import force
from lab.relay import Frames, Packets, Relay
from lab.wait import until
from lab.workerd import WAYS

CAPTURE = dict(PLAIN, guards={"headroom": 0}, gc_interval="1s")
JSON = {"GET /json/version", "GET /json/list"}
KINDS = {"snapshot": {"gc_before": True}, "sampling": {"duration": "1s"},
         "timeline": {"duration": "1s"}}
JSC_KINDS = {"snapshot": {"gc_before": True}, "tracking": {"duration": "1s", "gc_before": True}}
FIREFOX_KINDS = {"snapshot": {"gc_before": True}, "sampling": {"duration": "2s", "interval": "1KiB"},
                 "timeline": {"duration": "1s", "stacks": True}}
CAPTURES = {"tracking": 2}  # other kinds are one


@pytest.fixture
def converse(watch):
    """converse(port, isolate, kinds, ...): the daemon does all it can, by way of the relay returned."""
    def run(port, isolate_name, kinds, path="", poll=(), words=Frames):
        between = Relay(port, words)
        address = f"ws://{between.address}{path}" if path else between.address
        daemon = watch(app=address, sections={"capture": CAPTURE, "poll": dict(POLL, **dict(poll))})
        daemon.wait_isolate("app", isolate_name)
        daemon.wait_up("app")
        until(lambda: force(daemon, isolate=isolate_name).status == 200,
              lambda: f"a collection; log:\n{daemon.tail()}")
        for kind in kinds:
            daemon.wait_up("app")
            answer = daemon.post("/api/v1/targets/app/captures", json.dumps(
                {"kind": kind, "isolate": isolate_name, **kinds[kind]}).encode(),
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


# Of Node, what is said to the connection and not to an isolate of it: a worker would wait for its
# parent's leave to exit, which cannot give it.
OF_ONE_CONNECTION = {"NodeRuntime.enable", "NodeRuntime.notifyWhenWaitingForDisconnect",
                     "NodeWorker.enable", "NodeWorker.sendMessageToWorker", "NodeTracing.start",
                     "NodeTracing.stop"}
WHEN_NOTHING_IS_EVALUATED = {"Runtime.globalLexicalScopeNames"}
WHEN_MEMORY_RUNS_OUT = {"Debugger.resume"}


@pytest.mark.parametrize("major", [20, 26])
def test_node(start_node, converse, major):
    node = start_node(major, "workers", 1)
    listed = said.listed("Node.js")
    between = converse(node.port, "main", KINDS, poll={"gc_events": "always"})
    assert methods(said.messages(between)) == listed - WHEN_NOTHING_IS_EVALUATED - WHEN_MEMORY_RUNS_OUT
    assert len(expressions(said.messages(between))) == 2
    assert between.requests() == JSON | {f"GET /{node.inspector_id}"}

    of_worker = said.messages(converse(node.port, "worker:1", KINDS))
    inner = [said.wrapped(message) for message in of_worker if said.wrapped(message)]
    assert methods(inner) == listed - OF_ONE_CONNECTION - WHEN_NOTHING_IS_EVALUATED - WHEN_MEMORY_RUNS_OUT
    assert methods(of_worker) <= listed
    assert len(expressions(inner)) == 1, "who it is, the main thread has told"

    blind = said.messages(converse(node.port, "main", {}, poll={"evaluate": "never"}))
    assert methods(blind) <= listed and WHEN_NOTHING_IS_EVALUATED <= methods(blind)
    assert expressions(blind) == set()
    assert node.process.running()


class OutOfMemory(Relay):
    """The answer to Debugger.enable is passed on with what V8 says when memory has run out, so that the
    debugger is on until then; on_enabled() is called when it is."""

    def __init__(self, port, on_enabled):
        self._on_enabled = on_enabled
        self._kept, self.passed = b"", False
        super().__init__(port)

    def _passed(self, heard, data):
        if self.passed or not any(b'"Debugger.enable"' in message for message in heard.messages):
            return data
        was_on = b'"debuggerId"' in self._kept
        self._kept += data
        if not was_on and b'"debuggerId"' in self._kept:
            self._on_enabled()
        if b'"OOM"' not in self._kept:
            return b""
        self.passed = True
        return self._kept


@pytest.mark.parametrize("major", [20, 26])
def test_node_whose_memory_runs_out(start_node, watch, major):
    """While a debugger is on V8 pauses there, and nobody else would resume it: the program goes on, be it
    to its end."""
    node = start_node(major, "things", 150000, flags=["--max-old-space-size=22"])
    between = OutOfMemory(node.port, lambda: node.process.signal(signal.SIGUSR2))
    daemon = watch(app=between.address, sections={"capture": CAPTURE})
    daemon.wait_up("app")
    daemon.capture("app", wait=False)
    until(lambda: between.passed, lambda: f"it runs out of memory: {node.process.output()}")
    until(lambda: WHEN_MEMORY_RUNS_OUT <= methods(said.messages(between)),
          lambda: f"the word; {node.process.output()}; log:\n{daemon.tail()}")
    # The snapshot comes first.
    until(lambda: node.process.count_lines("^grown") or not node.process.running(), "it goes on", 60)
    assert methods(said.messages(between)) <= said.listed("Node.js")
    assert daemon.process.stop() == 0
    between.close()
    assert between.complaints() == []


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


@pytest.mark.parametrize("way, paths", [("alone", {"GET /main", "GET /second"}), ("wrangler", {"GET /ws"}),
                                        ("miniflare", {"GET /"})], ids=list(WAYS))
def test_workerd(nursery, tmp_path, converse, way, paths):
    program = WAYS[way](nursery, tmp_path / "workerd")
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
    assert between.requests() == JSON | paths


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


def test_firefox(nursery, tmp_path, converse):
    firefox = Firefox(nursery, tmp_path / "program")
    poll = {"interval": "2s", "timeout": "2s", "gc_events": "always"}
    tab = converse(firefox.port, firefox.isolate, FIREFOX_KINDS, poll=poll, words=Packets)
    whole = converse(firefox.port, f"process:{firefox.content_pid}", {"snapshot": {}}, poll=poll,
                     words=Packets)
    heard = [list(words) for between in (tab, whole) for words in between.conversations
             if not words.head]
    watching = [packets for packets in heard if any(p["type"] == "getDescription" for p in packets)]
    snapshot, sampling, timeline, of_process = (packets for packets in heard if packets not in watching)
    listed_watching, listed_capturing = said.listed_packets()
    assert {said.packet(p) for packets in watching for p in packets} == listed_watching
    assert {said.packet(p) for p in snapshot + sampling + timeline + of_process} == listed_capturing
    assert [p["type"] for p in of_process] == ["getRoot", "listProcesses", "getTarget", "attach",
                                               "saveHeapSnapshot", "transferHeapSnapshot"]
    types = [p["type"] for p in sampling]
    begun = ["getRoot", "listTabs", "getTarget", "attach"]
    look = ["startRecordingAllocations", "getAllocations", "stopRecordingAllocations"]
    assert types[:7] == begun + look and types[-3:] == look
    assert types[7] == look[0] and types[-4] == look[2]
    assert set(types[8:-4]) == {"getAllocations"} and len(types[8:-4]) >= 2
    with_more = {p["type"]: {name: value for name, value in p.items() if name not in ("to", "type")}
                 for packets in heard for p in packets if len(p) > 2}
    assert set(with_more) == {"startRecordingAllocations", "transferHeapSnapshot"}
    # 64 bytes, a common size of an object, of the interval of 1 KiB.
    assert [p["options"] for p in sampling if p["type"] == look[0]] == [
        {"probability": probability, "maxLogLength": 20000} for probability in (0, 64 / 1024, 0)]
    assert [p["type"] for p in timeline] == [*begun, look[0], "saveHeapSnapshot", look[2],
                                             "transferHeapSnapshot"]
    assert timeline[4]["options"] == {"probability": 1, "maxLogLength": 1}
    assert set(with_more["transferHeapSnapshot"]) == {"snapshotId"}
    assert tab.requests() == {"GET /json/version"}
