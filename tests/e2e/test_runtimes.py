"""Runtimes of V8, each from its start to its end: recognised by itself, its growth seen, a snapshot
after a forced garbage collection with the exact count of a known class, and its end."""

import json
import signal
import time

import pytest

from lab import chromium, node, readers
from lab.daemon import PLAIN
from lab.deno import Deno
from lab.site import Site
from lab.wait import until
from lab.workerd import Workerd, Wrangler

COUNT = 23456
GROWTH_BYTES = 16 * COUNT  # at least


class Case:
    """A runtime under test and what is to be seen of it."""

    def __init__(self, name, engine, program, isolate, grow, guards=None):
        self.name, self.engine, self.program = name, engine, program
        self.isolate, self.grow = isolate, grow
        self.guards = guards or {}


def start_node(major):
    def start(nursery, home):
        program = node.Node(nursery, major, "things", str(COUNT))
        return Case("node", "v8", program, "main", lambda: program.nudge("^grown"))
    return start


def start_deno(nursery, home):
    program = Deno(nursery, home, str(COUNT))
    return Case("deno", "v8", program, "main", program.grow)


def start_workerd(nursery, home):
    program = Workerd(nursery, home)
    program.grow(COUNT)
    return Case("workerd", "v8", program, program.isolate, lambda: program.grow(COUNT))


def start_wrangler(nursery, home):
    program = Wrangler(nursery, home)
    program.grow(COUNT)
    # Its process is not the one that listens: the headroom cannot be seen.
    return Case("workerd", "v8", program, program.isolate, lambda: program.grow(COUNT),
                {"headroom": 0})


def start_chromium(nursery, home):
    site = Site()
    program = chromium.Chromium(nursery, home, site.url + "page.html")
    program.grow(COUNT)
    return Case("chromium", "v8", program, chromium.isolate(program.page),
                lambda: program.grow(COUNT))


STARTS = {"chromium": start_chromium, "deno": start_deno, "workerd": start_workerd, "wrangler": start_wrangler,
          **{f"node{major}": start_node(major) for major in node.MAJORS}}


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


def test_from_start_to_end(case, watch):
    daemon = watch(app=case.program.address,
                   sections={"capture": dict(PLAIN, guards=case.guards)})
    daemon.wait_up("app")
    (labels, _), = daemon.values("heapwatch_target_info", target="app")
    assert labels["runtime"] == case.name and labels["engine"] == case.engine
    grows(daemon, case)
    snapshot = daemon.capture("app", isolate=case.isolate, gc_before=True)
    nodes, edges, count = readers.devtools(snapshot, "KnownThing")
    assert count == 2 * COUNT
    assert readers.memlab(snapshot, "KnownThing") == (nodes, edges, count)
    daemon.wait_up("app")
    grows(daemon, case)
    case.program.process.stop()
    daemon.wait_value("heapwatch_up", 0, target="app")
    assert daemon.values("heapwatch_heap_used_bytes", target="app") == []
