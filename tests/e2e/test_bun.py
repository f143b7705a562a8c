"""Bun, from its start to its end, and each of its hazards with what keeps it away."""

import re
import signal

import pytest

from lab import converted, node, readers
from lab.bun import Bun, binary
from lab.cdp import Client
from lab.daemon import PLAIN
from lab.relay import Relay
from lab.wait import until

COUNT = 23456
HELD = "!!globalThis[Symbol.for('heapwatch.snapshot')]"


@pytest.fixture
def start_bun(nursery):
    return lambda *arguments, **options: Bun(nursery, *map(str, arguments), **options)


def used(daemon):
    return daemon.value("heapwatch_heap_used_bytes", target="app", isolate="main")


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_from_start_to_end(start_bun, watch, tmp_path, unix):
    bun = start_bun(COUNT, unix=tmp_path / "s.sock" if unix else None)
    daemon = watch(app=bun.address)
    daemon.wait_up("app")
    (labels, _), = daemon.values("heapwatch_target_info", target="app")
    assert (labels["runtime"], labels["engine"]) == ("bun", "jsc")
    assert labels["runtime_version"] == bun.version()
    before = used(daemon)
    bun.grow()
    until(lambda: used(daemon) > before + 16 * COUNT, lambda: f"{used(daemon)} after {before}")
    snapshot = daemon.capture("app", gc_before=True)
    nodes, edges, count = readers.devtools(snapshot, "KnownThing")
    assert count == 2 * COUNT
    assert readers.memlab(snapshot, "KnownThing") == (nodes, edges, count)
    converted.stays(snapshot, tmp_path)
    daemon.wait_up("app")
    bun.process.stop()
    daemon.wait_value("heapwatch_up", 0, target="app")
    assert daemon.values("heapwatch_heap_used_bytes", target="app") == []


@pytest.mark.parametrize("level", ["strings", "all"])
def test_a_redacted_snapshot_is_the_same_graph(start_bun, watch, level):
    bun = start_bun(COUNT)
    daemon = watch(app=bun.address, sections={"capture": dict(PLAIN, redact=level)})
    daemon.wait_up("app")
    snapshot = daemon.capture("app")
    nodes, edges, count = readers.devtools(snapshot, "KnownThing")
    assert count == COUNT
    assert readers.memlab(snapshot, "KnownThing") == (nodes, edges, count)
    assert b"thing-123" not in snapshot.read_bytes()


@pytest.mark.parametrize("captured", [False, True], ids=["polled", "captured"])
def test_a_watched_program_ends_by_itself(start_bun, watch, captured):
    """Bun keeps a program alive for a client that does not say otherwise."""
    bun = start_bun(COUNT, "leave")
    daemon = watch(app=bun.address)
    daemon.wait_up("app")
    if captured:
        daemon.capture("app")
        daemon.wait_up("app")
    bun.process.signal(signal.SIGUSR2)
    assert bun.process.wait_exit() == 0
    daemon.wait_value("heapwatch_up", 0, target="app")


def test_no_connection_keeps_it_alive(start_bun, watch):
    """One that is open for a capture only would keep it for as long as that takes."""
    bun = start_bun(COUNT)
    between = Relay(bun.port)
    daemon = watch(app=bun.address.replace(str(bun.port), str(between.port)),
                   sections={"capture": dict(PLAIN, guards={"headroom": 0})})
    daemon.wait_up("app")
    daemon.capture("app")
    daemon.wait_up("app")
    between.close()
    heads = [frames.head for frames in between.conversations if b"Upgrade: websocket" in frames.head]
    assert len(heads) >= 2, "polls and a capture"
    assert all(b"\r\nRef-Event-Loop: 0" in head for head in heads), heads


class Watched(Relay):
    """Knows how many others were connected when the inspector last said something to a client."""

    def _hold(self, heard):
        heard.beside = [other for other in self.conversations if other is not heard and
                        other.messages and not other.left.is_set()]


def test_nobody_polls_while_a_snapshot_is_read(start_bun, watch):
    """Each slice would come to the one who polls as well."""
    bun = start_bun(COUNT)
    between = Watched(bun.port)
    daemon = watch(app=bun.address.replace(str(bun.port), str(between.port)))
    daemon.wait_up("app")
    daemon.capture("app")
    captured, = [heard for heard in between.conversations
                 if any(b"generateHeapSnapshot" in message for message in heard.messages)]
    assert captured.beside == []


def test_answers_to_others_are_not_taken_for_ours(start_bun, watch):
    """They come to all clients. Those here come before that to the daemon's poll, with every id
    that a daemon which counts from one would use."""
    bun = start_bun(COUNT, "block", 7000)
    daemon = watch(app=bun.address, sections={"poll": {"interval": "5s", "timeout": "5s"}})
    daemon.wait_up("app")
    with bun.client() as other:
        mark = bun.process.mark()
        bun.process.signal(signal.SIGUSR2)
        bun.process.wait_line("^blocking", since=mark)
        for _ in range(200):
            other.send("Runtime.evaluate", returnByValue=True,
                       expression="({heapUsed:77e12,heapTotal:1,external:1,rss:1})")
        polls = daemon.value("heapwatch_polls_total", target="app")
        seen = set()

        def polled():
            seen.add(used(daemon))
            return daemon.value("heapwatch_polls_total", target="app") > polls + 1
        until(polled, "two polls")
        assert 77e12 not in seen and None not in seen
        assert daemon.state("app") == "up"


def test_memory_is_what_the_engine_counts(start_bun, watch):
    """heapTotal leaves out what heapUsed counts: the buffers here are all of it."""
    bun = start_bun(COUNT)
    daemon = watch(app=bun.address)
    daemon.wait_up("app")
    with bun.client() as other:
        other.evaluate("globalThis.big=new Uint8Array(64<<20);Bun.gc(true);1")
        daemon.wait_value("heapwatch_heap_used_bytes", lambda v: v > 64 << 20, target="app")
        stats = other.evaluate("(()=>{const {heapSize,heapCapacity}="
                               "process.getBuiltinModule('bun:jsc').heapStats();"
                               "return {heapSize,heapCapacity}})()")
    daemon.wait_value("heapwatch_heap_used_bytes", lambda v: v == pytest.approx(stats["heapSize"], rel=0.02),
                      target="app")
    daemon.wait_value("heapwatch_heap_size_bytes",
                      lambda v: v == pytest.approx(stats["heapCapacity"], rel=0.02), target="app")
    assert daemon.value("heapwatch_external_memory_bytes", target="app") >= 64 << 20


def test_nothing_is_left_in_the_target(start_bun, watch):
    bun = start_bun(COUNT)
    daemon = watch(app=bun.address)
    daemon.wait_up("app")
    daemon.capture("app")
    with bun.client() as other:
        assert other.evaluate(HELD) is False


def test_what_a_killed_daemon_left_is_freed_by_the_next(start_bun, start_daemon, tmp_path):
    bun = start_bun(20 * COUNT)
    config = {"poll": {"interval": "2s", "timeout": "2s"}, "capture": dict(PLAIN),
              "targets": [{"name": "app", "address": bun.address}]}
    daemon = start_daemon(config, home=tmp_path / "one")
    daemon.wait_up("app")
    daemon.capture("app", wait=False)
    with bun.client(limit_s=60) as other:
        until(lambda: other.evaluate(HELD), "the snapshot in the target")
        daemon.process.kill()
        assert other.evaluate(HELD) is True
        daemon = start_daemon(config, home=tmp_path / "one")
        daemon.wait_up("app")
        until(lambda: other.evaluate(HELD) is False, "its end")


@pytest.mark.first
def test_a_heap_whose_snapshot_would_kill_it(quick_daemon, start_bun, watch):
    """JSC's own snapshot of so many objects is a string that aborts the process."""
    bun = start_bun(1_500_000)
    daemon = watch(app=bun.address, sections={"capture": dict(PLAIN, guards={"headroom": 0})})
    daemon.wait_up("app")
    daemon.get("/metrics")
    before = daemon.process.rss_bytes()
    daemon.process.forget_peak()
    snapshot = daemon.capture("app", limit_s=180)
    grown = daemon.process.peak_rss_bytes() - before
    assert snapshot.stat().st_size > 200_000_000
    assert grown < 16 << 20, f"{grown >> 20} MiB"
    assert readers.parse(snapshot, "KnownThing")[2] == 1_500_000
    assert bun.process.running()
    daemon.wait_up("app")


def test_a_blocked_program_is_left(start_bun, watch):
    bun = start_bun(COUNT, "block", 6000)
    daemon = watch(app=bun.address, sections={"capture": dict(PLAIN, start_timeout="1s")})
    daemon.wait_up("app")
    mark = bun.process.mark()
    bun.process.signal(signal.SIGUSR2)
    bun.process.wait_line("^blocking", since=mark)
    daemon.capture("app", wait=False)
    daemon.process.wait_line("event loop is blocked")
    daemon.wait_state("app", "blocked")
    bun.process.wait_line("^grown", since=mark)
    daemon.wait_up("app")
    daemon.capture("app")


def test_without_its_path_it_says_so(start_bun, watch):
    bun = start_bun(COUNT)
    daemon = watch(app=f"127.0.0.1:{bun.port}")
    assert "does not tell the path" in daemon.wait_state("app", "invalid")["lastError"]


OPENED = """const inspector = require('node:inspector'); inspector.open(0, '127.0.0.1');
setInterval(() => {}, 1 << 30);"""


def test_an_inspector_that_the_program_has_opened_says_so(nursery, watch):
    """It speaks the protocol of Chrome, and answers 0 when asked for its memory."""
    process = nursery.start([binary(), "-e", OPENED], env=node.environment())
    heard = process.wait_line(r"ws://127\.0\.0\.1:(\d+)(/\S+)")
    with Client(int(heard[1]), path=heard[2]) as person:
        assert person.call("Runtime.getHeapUsage")["usedSize"] == 0
    for address in f"127.0.0.1:{heard[1]}", f"ws://127.0.0.1:{heard[1]}{heard[2]}":
        error = watch(app=address).wait_state("app", "invalid")["lastError"]
        assert re.search(r'"Bun/1\.\S+" is not supported: .*node:inspector.*--inspect', error), error
    assert process.running()


def test_without_evaluation_it_says_so(start_bun, watch):
    bun = start_bun(COUNT)
    daemon = watch(app=bun.address, sections={"poll": {"interval": "500ms", "timeout": "500ms",
                                                       "evaluate": "never"}})
    assert "not supported by bun" in daemon.wait_state("app", "invalid")["lastError"]
