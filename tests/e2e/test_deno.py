"""Deno: a program that ends by itself, and its workers."""

from datetime import datetime, timezone

from lab import readers
from lab.cdp import Client
from lab.daemon import PLAIN
from lab.deno import Deno
from lab.wait import until

USED = "heapwatch_heap_used_bytes"


def test_a_program_that_ends_by_itself_ends(nursery, watch, tmp_path):
    """It waits for a client that stays and does not say so: we are there only while we poll."""
    program = Deno(nursery, tmp_path / "deno", "10", "leave", "4000")
    daemon = watch(app=program.address)
    daemon.wait_up("app")
    assert program.process.wait_exit() == 0
    daemon.wait_value("heapwatch_up", 0, target="app")


def test_nor_is_it_held_until_the_next_poll(nursery, watch, tmp_path):
    """Who stays finds out then that it wants to end. The second poll comes at any time within the interval."""
    program = Deno(nursery, tmp_path / "deno", "10", "leave", "4000")
    daemon = watch(app=program.address, sections={"poll": {"interval": "1h", "timeout": "2s"}})
    daemon.wait_up("app")
    assert program.process.wait_exit() == 0


def test_workers_are_isolates(nursery, watch, tmp_path):
    program = Deno(nursery, tmp_path / "deno", "10", "workers")
    daemon = watch(app=program.address, sections={"capture": PLAIN})
    daemon.wait_up("app")
    daemon.wait_value("heapwatch_target_isolates", 2, target="app")
    (worker,) = {labels["isolate"] for labels, _ in
                 daemon.values("heapwatch_heap_used_bytes", target="app")} - {"main"}
    snapshot = daemon.capture("app", isolate=worker)
    assert readers.devtools(snapshot, "WorkerThing")[2] == 4321


def test_a_worker_that_another_client_keeps_from_us(nursery, watch, tmp_path):
    program = Deno(nursery, tmp_path / "deno", "10", "workers")
    daemon = watch(app=program.address,
                   sections={"capture": dict(PLAIN, start_timeout="2s")})
    daemon.wait_up("app")
    daemon.wait_value("heapwatch_target_isolates", 2, target="app")
    (worker,) = isolates(daemon) - {"main"}
    with Client(program.port):
        asked = daemon.post(f"/api/v1/targets/app/captures?isolate={worker}").json()["data"]["id"]
        failed = until(lambda: daemon.api(f"/captures/{asked}").get("error"), "it fails")
        assert failed == "the worker did not begin within 2s: its event loop is blocked, or " \
            "while another client is connected Deno gives us no worker"
    left = datetime.now(timezone.utc)
    until(lambda: daemon.is_up_since("app", left) and worker in isolates(daemon),
          lambda: f"the worker again; log:\n{daemon.tail()}")
    assert daemon.capture("app", isolate=worker).stat().st_size > 0


def isolates(daemon):
    return {labels["isolate"] for labels, _ in daemon.values(USED, target="app")}


def test_a_worker_that_ends_is_gone(nursery, watch, tmp_path):
    program = Deno(nursery, tmp_path / "deno", "10", "ending")
    daemon = watch(app=program.address)
    daemon.wait_up("app")
    until(lambda: len(isolates(daemon)) == 2, "the worker")
    program.grow()
    until(lambda: isolates(daemon) == {"main"}, lambda: f"{isolates(daemon)}; log:\n{daemon.tail()}")
    assert daemon.value("heapwatch_target_isolates", target="app") == 1
    assert {i["name"] for i in daemon.target("app")["isolates"]} == {"main"}
    assert daemon.state("app") == "up" and program.process.running()
