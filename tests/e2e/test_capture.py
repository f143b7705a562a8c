"""A snapshot in ready/ is whole, right and readable by those who will read it; taking it costs the
daemon no memory and nobody else their turn."""

import hashlib
import json
import os
import statistics
import threading
import time
from pathlib import Path

import pytest

from lab import cdp, listener, readers
from lab.daemon import static_config
from lab.wait import until

MIB = 1 << 20
COUNT = 12345
SCALE = float(os.environ.get("HEAPWATCH_TEST_SCALE", "0.1"))
# A gigabyte that DevTools can load: it joins all strings of a snapshot into one, and the longest
# string of V8 is 512 MiB; the rest is references.
BIG_STRINGS_MIB = round(400 * SCALE)
BIG_REFERENCES_M = round(17 * SCALE)
BIG_BYTES = 1e9 * SCALE
PARSE_MAX_BYTES = 500 * MIB


@pytest.fixture
def captured(start_node, watch, major):
    """(node, daemon, snapshot) of a heap with COUNT things."""
    node = start_node(major, "heap", COUNT, 5)
    daemon = watch(app=node.address)
    daemon.wait_up("app")
    return node, daemon, daemon.capture("app")


def manifest_of(snapshot):
    return json.loads(snapshot.with_name(snapshot.name + ".json").read_text())


def test_every_reader_counts_the_same(captured):
    _, _, snapshot = captured
    nodes, edges, count = readers.parse(snapshot, "KnownThing")
    assert count == COUNT
    assert readers.devtools(snapshot, "KnownThing") == (nodes, edges, COUNT)
    assert readers.memlab(snapshot, "KnownThing") == (nodes, edges, COUNT)


def test_manifest_tells_all(captured):
    node, _, snapshot = captured
    manifest = manifest_of(snapshot)
    assert manifest["kind"] == "snapshot" and manifest["isolate"] == "main"
    assert manifest["target"] == "app" and manifest["address"] == node.address
    assert manifest["pid"] == node.pid and manifest["runtime"] == "node"
    assert manifest["runtime_version"] == node.version()
    body = snapshot.read_bytes()
    assert manifest["sha256"] == hashlib.sha256(body).hexdigest()
    assert manifest["size_bytes"] == manifest["file_bytes"] == len(body)
    assert manifest["heap_used_bytes"] > 5 * MIB
    assert 0 < manifest["started_wall_ms"] < manifest["finished_wall_ms"]
    assert 0 < manifest["pause_ns"] <= manifest["duration_ns"]


def test_spool_is_private_and_left_clean(captured):
    _, daemon, snapshot = captured
    assert daemon.incoming() == []
    assert snapshot.stat().st_mode & 0o077 == 0
    assert snapshot.parent.stat().st_mode & 0o007 == 0


def test_file_is_served_with_ranges(captured):
    _, daemon, snapshot = captured
    (entry,) = daemon.api("/captures")["ready"]
    path = f"/api/v1/captures/{entry['id']}/file"
    whole = daemon.get(path)
    assert whole.status == 200 and whole.body == snapshot.read_bytes()
    assert snapshot.name in whole.headers["Content-Disposition"]
    part = daemon.get(path, {"Range": "bytes=100-199"})
    assert part.status == 206 and part.body == whole.body[100:200]
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(whole.body)}"


def test_capture_can_be_removed(captured):
    _, daemon, snapshot = captured
    (entry,) = daemon.api("/captures")["ready"]
    assert daemon.get(f"/api/v1/captures/{entry['id']}", method="DELETE").status in (200, 204)
    assert not snapshot.exists() and daemon.api("/captures")["ready"] == []
    assert daemon.get(f"/api/v1/captures/{entry['id']}").status == 404


def test_worker_is_captured(start_node, watch, major):
    node = start_node(major, "workers", 1)
    daemon = watch(app=node.address)
    daemon.wait_value("heapwatch_target_isolates", 2, target="app")
    (worker,) = [labels["isolate"] for labels, _ in
                 daemon.values("heapwatch_heap_used_bytes", target="app")
                 if labels["isolate"] != "main"]
    snapshot = daemon.capture("app", isolate=worker)
    assert manifest_of(snapshot)["isolate"] == worker
    nodes, edges, _ = readers.parse(snapshot, "KnownThing")
    assert readers.devtools(snapshot, "KnownThing")[:2] == (nodes, edges)


def test_polling_goes_on_afterwards(captured):
    _, daemon, _ = captured
    daemon.wait_up("app")
    polls = daemon.value("heapwatch_polls_total", target="app")
    daemon.wait_value("heapwatch_polls_total", lambda n: n >= polls + 2, target="app")
    assert sum(v for _, v in daemon.values("heapwatch_poll_failures_total", target="app")) == 0


def ask(daemon, target, **body):
    return daemon.post(f"/api/v1/targets/{target}/captures", json.dumps(body).encode(),
                       {"Content-Type": "application/json"})


def test_refusals_say_why(watch, start_node):
    node = start_node(24, "heap", COUNT, 40)
    daemon = watch(app=node.address, gone=f"127.0.0.1:{listener.free_port()}")
    daemon.wait_up("app")
    daemon.wait_state("gone", "down")
    assert ask(daemon, "nobody", kind="snapshot").status == 404
    assert ask(daemon, "app", kind="photo").status == 400
    down = ask(daemon, "gone", kind="snapshot")
    assert down.status == 409 and down.json()["status"] == "error" and "down" in down.text
    assert ask(daemon, "app", kind="snapshot").status == 202
    busy = ask(daemon, "app", kind="snapshot")
    assert busy.status == 409 and busy.json()["error"], busy.text
    daemon.wait_capture()


def test_target_that_dies_in_its_capture_leaves_no_file(watch, start_node, major):
    node = start_node(major, "heap", 100000, 20)
    daemon = watch(app=node.address)
    daemon.wait_up("app")
    assert ask(daemon, "app", kind="snapshot").status == 202
    until(lambda: any(f.stat().st_size for f in daemon.incoming()), "bytes", step_s=0.001)
    node.process.kill()
    daemon.wait_value("heapwatch_capture_failures_total", 1, target="app")
    assert daemon.ready() == [] and daemon.incoming() == []
    daemon.wait_state("app", "down")


def test_capture_of_a_program_that_wants_to_exit_lets_it(watch, start_node, major):
    """The program is told to exit while its snapshot is taken: it exits when V8 is done."""
    node = start_node(major, "leave", "exit")
    daemon = watch(app=node.address)
    daemon.wait_up("app")
    assert ask(daemon, "app", kind="snapshot").status == 202
    node.nudge()
    assert node.process.wait_exit() == 0
    daemon.wait_state("app", "down")
    until(lambda: daemon.incoming() == [], lambda: f"an empty incoming/: {daemon.incoming()}")


def test_captures_survive_a_restart_and_halves_do_not(captured, start_daemon):
    node, daemon, snapshot = captured
    daemon.process.kill()
    half = snapshot.parents[1] / "incoming" / ".#half"
    half.write_text("{")
    again = start_daemon(static_config({"app": node.address}), home=daemon.home)
    (entry,) = again.api("/captures")["ready"]
    assert entry["name"] == snapshot.name and not half.exists()


@pytest.fixture
def quick_daemon(monkeypatch):
    """The daemon without sanitizers, whose memory and speed are its own."""
    path = os.environ.get("HEAPWATCHD_RELEASE", "")
    assert os.access(path, os.X_OK), "HEAPWATCHD_RELEASE must name the release build"
    monkeypatch.setenv("HEAPWATCHD", path)


def peak_rss(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def test_a_big_capture_costs_no_memory_and_nobody_their_turn(quick_daemon, watch, start_node):
    """1 GB at HEAPWATCH_TEST_SCALE=1, a tenth of it by default."""
    big = start_node(24, "heap", COUNT, BIG_STRINGS_MIB, BIG_REFERENCES_M)
    other = start_node(22, "idle")
    daemon = watch(big=big.address, other=other.address)
    daemon.wait_up("big")
    daemon.wait_up("other")
    daemon.get("/metrics")
    before = daemon.process.rss_bytes()
    Path(f"/proc/{daemon.process.pid}/clear_refs").write_text("5")  # forget the peak so far
    polls = daemon.value("heapwatch_polls_total", target="other")
    times, done = [], threading.Event()

    def scrape():
        while not done.is_set():
            began = time.monotonic()
            daemon.get("/metrics")
            times.append(time.monotonic() - began)
            done.wait(0.01)
    scraper = threading.Thread(target=scrape)
    scraper.start()
    try:
        snapshot = daemon.capture("big", limit_s=300)
    finally:
        done.set()
        scraper.join()
    grown = peak_rss(daemon.process.pid) - before
    assert grown < 16 * MIB, f"{grown / MIB:.1f} MiB"
    assert statistics.quantiles(times, n=100)[98] < 0.1
    seconds = manifest_of(snapshot)["duration_ns"] / 1e9
    assert daemon.value("heapwatch_polls_total", target="other") - polls >= seconds / 0.5 - 2
    assert sum(v for _, v in daemon.values("heapwatch_poll_failures_total", target="other")) == 0
    assert snapshot.stat().st_size > BIG_BYTES * 0.8
    counts = readers.devtools(snapshot, "KnownThing")
    assert counts[2] == COUNT and readers.memlab(snapshot, "KnownThing") == counts
    if snapshot.stat().st_size < PARSE_MAX_BYTES:
        assert readers.parse(snapshot, "KnownThing") == counts
    with cdp.Client(big.port) as client:
        assert client.evaluate("process.uptime()") > 0
