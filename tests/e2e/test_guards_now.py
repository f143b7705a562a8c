"""Guards judge what is, not what the last poll has told: with an interval of an hour a heap is what it
was an hour ago, and is polled again right before anything is done to the program, or refused."""

import json
import re
import signal
import time

import pytest

from lab import cdp, every
from lab.ctl import Ctl
from lab.daemon import PLAIN
from lab.gc import force
from lab.wait import until

MIB = 1 << 20
HOURLY = {"interval": "1h", "timeout": "2s", "backoff_max": "1s"}
USED = "heapwatch_heap_used_bytes"
MORE = 48 * MIB  # at least


def grow(node):
    """A person's inspector does it, so that no poll is near."""
    with cdp.Client(node.port) as client:
        client.evaluate("globalThis.more = Array.from({ length: 1 << 20 }, (_, i) => ({ i, at: [] }));"
                        "more.length")


def shrink(node):
    with cdp.Client(node.port) as client:
        client.evaluate("globalThis.more = 0")
        client.call("HeapProfiler.collectGarbage")


def wait_old(daemon):
    """The last poll is none of just now, and no other comes."""
    told = daemon.value("heapwatch_last_poll_timestamp_seconds", target="app")
    until(lambda: time.time() - told > 1.2, "the poll to be of the past")
    assert daemon.value("heapwatch_polls_total", target="app") == 1


def available():
    with open("/proc/meminfo", encoding="ascii") as file:
        return 1024 * int(re.search(r"MemAvailable:\s+(\d+) kB", file.read())[1])


def between(small, large):
    """Of memory that is free now, for which heaps of so many bytes do and do not fit so often."""
    return round(available() / (small * large) ** 0.5)


def hourly(watch, node, **capture):
    daemon = watch(app=node.address, sections={"poll": HOURLY, "capture": dict(PLAIN, **capture)})
    daemon.wait_up("app")
    assert daemon.value(USED, target="app", isolate="main") < 16 * MIB
    return daemon


def expect_refused(daemon, reason, numbers):
    daemon.wait_value("heapwatch_captures_suppressed_total", 1, target="app", rule="", reason=reason)
    (entry,) = daemon.api("/captures")["refused"]
    told = re.search(numbers, entry["text"])
    assert told and float(told[1]) * MIB > MORE, entry
    assert daemon.value("heapwatch_polls_total", target="app") == 2
    assert daemon.value(USED, target="app", isolate="main") > MORE


def test_a_heap_that_has_outgrown_max_heap(start_node, watch, major):
    node = start_node(major, "idle")
    daemon = hourly(watch, node, guards={"max_heap": "32MiB", "headroom": 0})
    grow(node)
    wait_old(daemon)
    daemon.capture("app", wait=False)
    expect_refused(daemon, "max_heap", r"^max_heap: the heap uses ([\d.]+) MiB, at most 32 MiB$")
    assert daemon.ready() == [] and daemon.incoming() == []


def test_who_waits_is_told_of_the_guard(start_node, watch):
    node = start_node(24, "idle")
    daemon = hourly(watch, node, guards={"max_heap": "32MiB", "headroom": 0})
    grow(node)
    wait_old(daemon)
    ctl = Ctl("-H", f"http://127.0.0.1:{daemon.port}")
    assert "max_heap: the heap uses" in ctl("capture", "--wait", "snapshot", "app", exit=4).stderr


def test_a_heap_that_has_outgrown_the_headroom(start_node, watch):
    node = start_node(24, "idle")
    daemon = hourly(watch, node, guards={"headroom": between(16 * MIB, MORE)})
    grow(node)
    wait_old(daemon)
    daemon.capture("app", wait=False)
    expect_refused(daemon, "headroom", r"^headroom: a snapshot may take \d+ x ([\d.]+) MiB = ")
    assert daemon.ready() == [] and daemon.incoming() == []


def test_nor_is_its_garbage_collected(start_node, watch):
    node = start_node(24, "idle")
    daemon = hourly(watch, node, guards={"max_heap": "32MiB"})
    grow(node)
    wait_old(daemon)
    assert force(daemon).status != 200
    expect_refused(daemon, "max_heap", r"^max_heap: the heap uses ([\d.]+) MiB, at most 32 MiB$")


@pytest.fixture
def shrunk(start_node, watch):
    """shrunk(major, guards) -> Daemon that knows of a large heap, which is small now."""
    def start(major, **guards):
        node = start_node(major, "idle")
        grow(node)
        daemon = watch(app=node.address, sections={"poll": HOURLY, "capture": dict(PLAIN, guards=guards)})
        daemon.wait_up("app")
        assert daemon.value(USED, target="app", isolate="main") > MORE
        shrink(node)
        wait_old(daemon)
        return daemon
    return start


def expect_taken(daemon):
    assert daemon.values("heapwatch_captures_suppressed_total", target="app") == []
    assert daemon.value(USED, target="app", isolate="main") < 16 * MIB


def test_a_heap_that_is_below_max_heap_again(shrunk, major):
    daemon = shrunk(major, max_heap="32MiB", headroom=0)
    snapshot = daemon.capture("app")
    manifest = json.loads(snapshot.with_name(snapshot.name + ".json").read_text())
    assert manifest["heap_used_bytes"] < 16 * MIB
    expect_taken(daemon)


def test_a_heap_that_has_headroom_again(shrunk):
    daemon = shrunk(24, headroom=between(16 * MIB, MORE))
    daemon.capture("app")
    expect_taken(daemon)


def test_garbage_of_a_heap_that_is_below_max_heap_again(shrunk):
    daemon = shrunk(24, max_heap="32MiB")
    assert force(daemon).status == 200
    expect_taken(daemon)


def test_what_is_captured_is_told_as_it_is(start_node, watch, major):
    node = start_node(major, "idle")
    daemon = hourly(watch, node, guards={"headroom": 0})
    grow(node)
    wait_old(daemon)
    snapshot = daemon.capture("app")
    manifest = json.loads(snapshot.with_name(snapshot.name + ".json").read_text())
    assert manifest["heap_used_bytes"] > MORE
    assert daemon.value("heapwatch_polls_total", target="app") >= 2


@pytest.mark.parametrize("major", [20, 26])
def test_a_program_may_take_its_time_to_answer(start_node, watch, major):
    """Who polls in a hurry asks again soon; what waits for this poll does not."""
    node = start_node(major, "idle")
    daemon = watch(app=node.address, sections={
        "poll": dict(HOURLY, timeout="300ms"), "capture": dict(PLAIN, guards={"headroom": 0})})
    daemon.wait_up("app")
    wait_old(daemon)
    node.process.signal(signal.SIGSTOP)
    daemon.capture("app", wait=False)
    daemon.wait_value("heapwatch_polls_total", 2, target="app")
    time.sleep(1)  # so long nothing is to happen
    assert daemon.api("/captures")["failed"] == []
    node.process.signal(signal.SIGCONT)
    daemon.wait_capture()


@pytest.mark.parametrize("name", every.NAMES)
def test_each_runtime_bears_a_capture_right_behind_a_poll(nursery, watch, tmp_path, site, name):
    """Some bear one client only, and some are left after each poll."""
    address = every.start(name, nursery, tmp_path / "program", site)
    daemon = watch(app=address, sections={"poll": HOURLY, "capture": dict(PLAIN, guards={"headroom": 0})})
    daemon.wait_up("app", 60)
    isolate = until(lambda: daemon.isolates("app"), "an isolate")[0]
    for n in (1, 2, 3):
        told = daemon.value("heapwatch_last_poll_timestamp_seconds", target="app")
        until(lambda told=told: time.time() - told > 1.2, "the poll to be of the past")
        daemon.capture("app", isolate=isolate)
        assert len(daemon.ready()) == n, daemon.api("/captures")["failed"]
        daemon.wait_up("app")
    assert daemon.api("/captures")["failed"] == []
