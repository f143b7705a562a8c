"""A connection is lost and comes back while the program goes on: its workers and tabs keep their past.

WebKit's pages do, too, after the minute for which the daemon leaves a page to whoever has taken it:
tests/unit/watch/test_missing.c."""

import time

import pytest

from lab import chromium, firefox, node
from lab.cut import cut
from lab.daemon import static_config
from lab.deno import Deno
from lab.site import Site
from lab.wait import until


def start_node(major):
    def start(nursery, home):
        program = node.Node(nursery, major, "workers", "2")
        return program, program.port, "worker:"
    return start


def start_deno(nursery, home):
    program = Deno(nursery, home, "100", "workers")
    return program, program.port, "worker:"


def start_chromium(nursery, home):
    program = chromium.Chromium(nursery, home, Site().url + "page.html")
    return program, program.port, chromium.isolate(program.page)


def start_firefox(nursery, home):
    program = firefox.Firefox(nursery, home)
    return program, int(program.address.rsplit(":", 1)[1]), program.isolate


STARTS = {"node20": start_node(20), "node26": start_node(26), "deno": start_deno,
          "chromium": start_chromium, "firefox": start_firefox}


def past(daemon, isolate):
    """When the heap of an isolate was looked at, oldest first."""
    query = f"/targets/app/series?metric=heap_used&resolution=raw&isolate={isolate}"
    (row,) = daemon.api(query)["result"]
    return [at for at, _ in row["values"]]


@pytest.fixture
def watched(nursery, start_daemon, tmp_path):
    """watched(name) -> daemon, port, isolates beside the main one"""
    def start(name):
        program, port, prefix = STARTS[name](nursery, tmp_path / "program")
        daemon = start_daemon(static_config(
            {"app": program.address},
            poll={"interval": "200ms", "timeout": "200ms", "policy": "attached"}))
        daemon.wait_up("app")
        found = until(lambda: [i for i in daemon.isolates("app") if i.startswith(prefix)],
                      lambda: f"{prefix}, not only {daemon.isolates('app')}")
        return daemon, port, found
    return start


@pytest.mark.parametrize("name", STARTS)
def test_the_same_isolate_goes_on(watched, name):
    daemon, port, isolates = watched(name)
    for isolate in isolates:
        until(lambda: len(past(daemon, isolate)) >= 3, f"a past of {isolate}")
    before = {isolate: past(daemon, isolate) for isolate in isolates}
    lost_s = time.time()
    assert cut(daemon.process.pid, port) >= 1
    for isolate, times in before.items():
        until(lambda: past(daemon, isolate)[-1] > lost_s + 0.5,
              lambda: f"{isolate} again; log:\n{daemon.tail()}")
        assert past(daemon, isolate)[0] == pytest.approx(times[0], abs=0.01), daemon.tail()
    assert daemon.value("heapwatch_target_restarts_total", target="app") == 0
    # It was lost indeed.
    assert sum(v for _, v in daemon.values("heapwatch_poll_failures_total", target="app")) >= 1


def test_of_another_program_nothing_is_kept(start_node, start_daemon):
    first = start_node(24, "workers", 1)
    daemon = start_daemon(static_config(
        {"app": first.address}, poll={"interval": "200ms", "timeout": "200ms"}))
    until(lambda: "worker:1" in daemon.isolates("app"), lambda: daemon.isolates("app"))
    until(lambda: len(past(daemon, "worker:1")) >= 3, "a past")
    first.process.kill()
    daemon.wait_state("app", "down")
    assert daemon.isolates("app") in ([], ["main"])
    killed_s = time.time()
    start_node(24, "workers", 1, port=first.port)
    until(lambda: "worker:1" in daemon.isolates("app"), lambda: daemon.isolates("app"))
    until(lambda: len(past(daemon, "worker:1")) >= 1, "a past")
    assert past(daemon, "worker:1")[0] > killed_s
    assert daemon.value("heapwatch_target_restarts_total", target="app") == 1
