"""Cloudflare workerd: one client at a time, and a server that must be able to stop."""

import signal

import pytest

from lab import readers
from lab.cdp import Client
from lab.daemon import PLAIN
from lab.wait import until
from lab.workerd import Miniflare, Workerd

ENDED = "heapwatch_last_poll_timestamp_seconds"
USED = "heapwatch_heap_used_bytes"


@pytest.fixture
def program(nursery, tmp_path):
    return Workerd(nursery, tmp_path / "workerd")


def test_each_worker_has_its_series(program, watch):
    daemon = watch(app=program.address)
    daemon.wait_up("app")
    daemon.wait_value("heapwatch_target_isolates", 2, target="app")
    before = {name: daemon.value(USED, target="app", isolate=f"worker:{name}")
              for name in ("main", "second")}
    program.grow(50000)
    until(lambda: daemon.value(USED, target="app", isolate="worker:main") > before["main"] + 800000,
          "the growth of the one that grew")
    assert daemon.value(USED, target="app", isolate="worker:second") < before["second"] + 400000


def test_stops_when_it_is_told_to(program, watch):
    """With a client connected SIGTERM makes it crash: we are there only while we poll."""
    daemon = watch(app=program.address)
    daemon.wait_up("app")
    last = daemon.value(ENDED, target="app")
    until(lambda: daemon.value(ENDED, target="app") > last, "the end of a poll")
    until(lambda: program.clients() == 0, "nobody connected")
    program.process.signal(signal.SIGTERM)
    assert program.process.wait_exit() in (0, -signal.SIGTERM)
    assert not program.process.count_lines("[Ff]atal|\\*\\*\\* ")
    daemon.wait_value("heapwatch_up", 0, target="app")


def test_a_capture_is_not_ended_by_a_poll(program, watch):
    """A second client ends the first."""
    program.grow(400000)
    often = {"interval": "100ms", "timeout": "100ms"}
    daemon = watch(app=program.address, sections={"capture": PLAIN, "poll": often})
    daemon.wait_up("app")
    for _ in range(3):
        daemon.capture("app", isolate=program.isolate)


def test_nor_by_one_who_stays_otherwise(program, watch):
    """With `policy: attached` we leave for as long as a capture lasts."""
    program.grow(100000)
    often = {"interval": "100ms", "timeout": "100ms", "policy": "attached"}
    daemon = watch(app=program.address, sections={"capture": PLAIN, "poll": often})
    daemon.wait_up("app")
    snapshot = daemon.capture("app", isolate=program.isolate)
    assert readers.parse(snapshot, "KnownThing")[2] == 100000
    until(lambda: program.clients() == 2, "we are at both workers again")


def test_a_worker_that_ends_is_gone(nursery, tmp_path, watch):
    program = Workerd(nursery, tmp_path / "workerd", flags=["--watch"])
    daemon = watch(app=program.address)

    def isolates():
        return {labels["isolate"] for labels, _ in daemon.values(USED, target="app")}
    until(lambda: isolates() == {"worker:main", "worker:second"}, "both")
    program.drop_second()
    until(lambda: isolates() == {"worker:main"}, lambda: f"{isolates()}; log:\n{daemon.tail()}")
    daemon.wait_value("heapwatch_target_isolates", 1, target="app")
    assert daemon.state("app") == "up" and program.process.running()


def test_behind_miniflare_who_comes_second_is_turned_away(nursery, watch):
    """A person's debugger is not ended by our polls, and we have the worker again when it has left."""
    program = Miniflare(nursery)
    with Client(program.port, path="/") as person:
        assert person.call("Runtime.getHeapUsage")["usedSize"] > 0
        daemon = watch(app=program.address)
        daemon.wait_value("heapwatch_polls_total", lambda n: n > 3, target="app")
        assert daemon.values(USED, target="app") == []
        assert person.call("Runtime.getHeapUsage")["usedSize"] > 0
    daemon.wait_isolate("app", program.isolate)
