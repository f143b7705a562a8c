"""Deno: a program that ends by itself, and its workers."""

from lab import readers
from lab.daemon import PLAIN
from lab.deno import Deno


def test_a_program_that_ends_by_itself_ends(nursery, watch, tmp_path):
    """It waits for a client that stays and does not say so: we are there only while we poll."""
    program = Deno(nursery, tmp_path / "deno", "10", "leave", "4000")
    daemon = watch(app=program.address)
    daemon.wait_up("app")
    assert program.process.wait_exit() == 0
    daemon.wait_value("heapwatch_up", 0, target="app")


def test_workers_are_isolates(nursery, watch, tmp_path):
    program = Deno(nursery, tmp_path / "deno", "10", "workers")
    daemon = watch(app=program.address, sections={"capture": PLAIN})
    daemon.wait_up("app")
    daemon.wait_value("heapwatch_target_isolates", 2, target="app")
    (worker,) = {labels["isolate"] for labels, _ in
                 daemon.values("heapwatch_heap_used_bytes", target="app")} - {"main"}
    snapshot = daemon.capture("app", isolate=worker)
    assert readers.devtools(snapshot, "WorkerThing")[2] == 4321
