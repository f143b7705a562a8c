"""A snapshot in ready/ is whole, right and readable by those who will read it; taking it costs the
daemon no memory and nobody else their turn."""

import hashlib
import json
import os
import re
import statistics
import subprocess
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


# ---- what a capture is made of by default, and what a person may ask for ----

@pytest.fixture
def usual(start_daemon, start_node):
    """(node, daemon) with captures as they are when nothing is configured but a roomy headroom."""
    node = start_node(22, "heap", COUNT, 1)
    config = static_config({"app": node.address}, capture={"guards": {"headroom": 0}})
    daemon = start_daemon(config)
    daemon.wait_up("app")
    return node, daemon


def wait_listed(daemon, n, kind="snapshot"):
    """The manifests of n captures of a kind, oldest first."""
    def listed():
        return [m for m in reversed(daemon.api("/captures")["ready"]) if m["kind"] == kind]
    until(lambda: len(listed()) >= n, lambda: f"{n} of {kind}; log:\n{daemon.tail()}", 60)
    return listed()


def unpacked(path):
    return subprocess.run(["zstd", "-dcq", str(path)], check=True, capture_output=True).stdout


def test_by_default_redacted_compressed_with_diagnostics_and_scripts(usual):
    node, daemon = usual
    assert ask(daemon, "app").status == 202
    (snapshot,), (diagnostics,) = wait_listed(daemon, 1), wait_listed(daemon, 1, "diagnostics")
    assert snapshot["redact"] == "strings" and snapshot["compress"] == "zstd"
    assert snapshot["encrypt"] == "none" and snapshot["name"].endswith(".heapsnapshot.zst")
    assert snapshot["size_bytes"] > snapshot["redacted_bytes"] > snapshot["file_bytes"] > 0
    assert snapshot["compressed_bytes"] == snapshot["file_bytes"]
    assert snapshot["resident_peak_bytes"] >= snapshot["resident_before_bytes"] > MIB
    ready = daemon.storage / "spool" / "ready"
    assert json.loads(unpacked(ready / snapshot["name"]))["snapshot"]["node_count"] > COUNT

    scripts = json.loads(unpacked(ready / snapshot["scripts_name"]))
    assert any(script["url"].endswith("heap.js") for script in scripts)
    assert all(script["scriptId"] for script in scripts)

    told = json.loads(unpacked(ready / diagnostics["name"]))
    assert told["capture"] == snapshot["id"] and told["cause"] == "asked for by hand"
    assert told["process"]["pid"] == node.pid and "heap.js" in told["process"]["command"]
    (main,) = told["isolates"]
    assert main["values"]["heap_used"] == snapshot["heap_used_bytes"]
    assert len(main["spaces"]) > 3 and main["recent"]


def test_diagnostics_alone_do_not_stop_the_target(usual):
    _, daemon = usual
    assert ask(daemon, "app", kind="diagnostics").status == 202
    (diagnostics,) = wait_listed(daemon, 1, "diagnostics")
    assert diagnostics["file_bytes"] < 100000 and daemon.ready() == []
    assert daemon.value("heapwatch_capture_pause_seconds_count", kind="snapshot") == 0


def test_diagnostics_tell_no_secret_of_the_command_line(watch, start_node):
    secrets = ("SECRETvalue", "SECRETword", "SECRETuser", "SECRETbare", "SECRETflag")
    node = start_node(24, "idle", f"--token={secrets[0]}", "--password", secrets[1],
                      f"https://{secrets[2]}:x@example.com/", secrets[3],
                      flags=[f"--conditions={secrets[4]}", "--max-old-space-size=300"])
    daemon = watch(app=node.address, sections={"capture": {"compress": "none"}})
    daemon.wait_up("app")
    assert ask(daemon, "app", kind="diagnostics").status == 202
    (diagnostics,) = wait_listed(daemon, 1, "diagnostics")
    body = (daemon.storage / "spool" / "ready" / diagnostics["name"]).read_text()
    command = json.loads(body)["process"]["command"]
    assert "idle.js" in command and "--token=***" in command, command
    assert "--max-old-space-size=300" in command, command
    for told in (body, json.dumps(daemon.target("app")), json.dumps(diagnostics), daemon.process.output()):
        assert [secret for secret in secrets if secret in told] == []


def test_a_guard_refuses_and_leaves_diagnostics(start_daemon, start_node):
    node = start_node(22, "idle")
    config = static_config({"app": node.address}, capture={"guards": {"headroom": 0, "max_heap": "1MiB"}})
    daemon = start_daemon(config)
    daemon.wait_up("app")
    refused = ask(daemon, "app")
    assert refused.status == 409 and refused.json()["errorType"] == "guard"
    assert "max_heap" in refused.text
    (diagnostics,) = wait_listed(daemon, 1, "diagnostics")
    told = json.loads(unpacked(daemon.storage / "spool" / "ready" / diagnostics["name"]))
    assert told["refused"] == refused.json()["error"] and daemon.ready() == []
    assert ask(daemon, "app", dry_run=True, force=True).status == 200
    assert daemon.ready() == []
    assert ask(daemon, "app", force=True).status == 202
    wait_listed(daemon, 1)


def test_series_goes_on_after_a_restart(usual, start_daemon):
    _, daemon = usual
    assert ask(daemon, "app", series={"count": 3, "spacing": "4s", "gc_before": True}).status == 202
    (first,) = wait_listed(daemon, 1)
    daemon.process.kill()
    again = start_daemon(daemon.config_file.read_text(), home=daemon.home)
    taken = wait_listed(again, 3)
    assert [m["series_index"] for m in taken] == [1, 2, 3]
    assert {m["series"] for m in taken} == {first["id"]}
    assert again.process.running()


# Why V8 collected, as --trace-gc tells: because it was asked to, and before each snapshot.
ASKED, SNAPSHOT = "low memory notification", "heap profiler"


@pytest.mark.parametrize("gc_before", (True, False), ids=("asked", "not-asked"))
def test_garbage_is_collected_before_each_of_a_series(start_node, watch, major, gc_before):
    node = start_node(major, "idle", flags=("--trace-gc",))
    daemon = watch(app=node.address)
    daemon.wait_up("app")
    series = {"count": 2, "spacing": "2s", "gc_before": gc_before}
    assert ask(daemon, "app", series=series).status == 202
    assert [m["series_index"] for m in wait_listed(daemon, 2)] == [1, 2]

    def reasons():
        """Of full collections, those of one reason in a row as one."""
        found = re.findall(rf"Mark-Compact.* ({ASKED}|{SNAPSHOT});", node.process.output())
        return [reason for i, reason in enumerate(found) if i == 0 or found[i - 1] != reason]
    wanted = 2 * [ASKED, SNAPSHOT] if gc_before else [SNAPSHOT]
    until(lambda: reasons() == wanted, lambda: f"{wanted}, not {reasons()}")


def test_deleting_the_first_ends_its_series(usual):
    _, daemon = usual
    assert ask(daemon, "app", series={"count": 3, "spacing": "10m"}).status == 202
    (first,) = wait_listed(daemon, 1)
    assert daemon.get(f"/api/v1/captures/{first['id']}", method="DELETE").status == 200
    daemon.process.wait_line("the series .* ends")
    state = daemon.storage / "state" / "state.json"
    until(lambda: json.loads(state.read_text())["series"] == [],
          lambda: f"no series in {state.read_text()}")


def test_what_passes_through_leaves_no_core(usual):
    _, daemon = usual
    limits = Path(f"/proc/{daemon.process.pid}/limits").read_text()
    (line,) = [row for row in limits.splitlines() if row.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]
    assert (daemon.storage / "state").stat().st_mode & 0o077 == 0


def test_a_big_capture_costs_no_memory_and_nobody_their_turn(quick_daemon, watch, start_node):
    """1 GB at HEAPWATCH_TEST_SCALE=1, a tenth of it by default."""
    big = start_node(24, "heap", COUNT, BIG_STRINGS_MIB, BIG_REFERENCES_M)
    other = start_node(22, "idle")
    plain = {"redact": "none", "compress": "none", "guards": {"headroom": 0}}
    daemon = watch(big=big.address, other=other.address, sections={"capture": plain})
    daemon.wait_up("big")
    daemon.wait_up("other")
    daemon.get("/metrics")
    before = daemon.process.rss_bytes()
    daemon.process.forget_peak()
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
    grown = daemon.process.peak_rss_bytes() - before
    assert grown < 16 * MIB, f"{grown / MIB:.1f} MiB"
    assert statistics.quantiles(times, n=100)[98] < 0.1
    seconds = manifest_of(snapshot)["duration_ns"] / 1e9
    assert daemon.value("heapwatch_polls_total", target="other") - polls >= seconds / 0.5 - 2
    assert sum(v for _, v in daemon.values("heapwatch_poll_failures_total", target="other")) == 0
    assert snapshot.stat().st_size > BIG_BYTES * 0.8
    if snapshot.stat().st_size < PARSE_MAX_BYTES:
        assert readers.parse(snapshot, "KnownThing")[2] == COUNT
    else:  # JSON.parse() takes no such text
        counts = readers.devtools(snapshot, "KnownThing")
        assert counts[2] == COUNT and readers.memlab(snapshot, "KnownThing") == counts
    with cdp.Client(big.port) as client:
        assert client.evaluate("process.uptime()") > 0
