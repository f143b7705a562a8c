"""Runtimes of V8, each from its start to its end: recognised by itself, its growth seen, a snapshot
after a forced garbage collection with the exact count of a known class, and its end."""

import pytest

from lab import converted, readers
from lab.cases import COUNT, STARTS
from lab.daemon import PLAIN
from lab.gc import forced
from lab.listener import clients
from lab.wait import until

GROWTH_BYTES = 16 * COUNT  # at least


@pytest.fixture(params=STARTS)
def case(request, nursery, tmp_path):
    return STARTS[request.param](nursery, tmp_path / "program")


def used(daemon, case):
    return daemon.value("heapwatch_heap_used_bytes", target="app", isolate=case.isolate)


def grows(daemon, case):
    before = used(daemon, case)
    case.grow()
    until(lambda: (used(daemon, case) or 0) > before + GROWTH_BYTES,
          lambda: f"{used(daemon, case)} after {before}; log:\n{daemon.tail()}")


def test_from_start_to_end(case, watch, tmp_path):
    daemon = watch(app=case.program.address,
                   sections={"capture": dict(PLAIN, guards=case.guards, gc_interval="1s")})
    daemon.wait_up("app")
    (labels, _), = daemon.values("heapwatch_target_info", target="app")
    assert labels["runtime"] == case.name and labels["engine"] == case.engine
    grows(daemon, case)
    with case.visited():
        collected = forced(daemon, isolate=case.isolate)
    assert collected["isolate"] == case.isolate and collected["heap_after_bytes"] > GROWTH_BYTES
    snapshot = daemon.capture("app", isolate=case.isolate, gc_before=True)
    nodes, edges, count = readers.devtools(snapshot, "KnownThing")
    assert count == 2 * COUNT
    assert readers.memlab(snapshot, "KnownThing") == (nodes, edges, count)
    converted.stays(snapshot, tmp_path)
    daemon.wait_up("app")
    grows(daemon, case)
    case.program.process.stop()
    daemon.wait_value("heapwatch_up", 0, target="app")
    assert daemon.values("heapwatch_heap_used_bytes", target="app") == []


def test_no_connection_is_left_open_in_it(request, case, watch):
    """But in wrangler's proxy, which closes no client's, however that leaves (docs/RUNTIMES.md)."""
    port = int(case.program.address.rsplit(":", 1)[1])
    wrangler = "wrangler" in request.node.name
    its_own = clients(port)
    if not wrangler:  # who started it has gone as well
        until(lambda: clients(port) == 0, lambda: f"nobody there: {clients(port)}")
    daemon = watch(app=case.program.address, sections={"capture": dict(PLAIN, guards=case.guards)})
    daemon.capture("app", isolate=case.isolate)
    daemon.wait_polled("app")
    assert daemon.process.stop() == 0
    if wrangler:
        assert clients(port) > its_own
    else:
        until(lambda: clients(port) == 0, lambda: f"{clients(port)} left")
    assert case.program.process.running()
