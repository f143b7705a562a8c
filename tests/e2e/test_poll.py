"""What a poll says is what the program itself says, on every major of Node."""

import signal
import time

import pytest

from lab import cdp
from lab.node import PROGRAMS, binary, environment
from lab.wait import until

MIB = 1 << 20


def near(value, truth, share=0.1, bytes_=2 * MIB):
    return abs(value - truth) <= max(share * truth, bytes_)


@pytest.fixture
def heap(start_node, major):
    return start_node(major, "heap", 50000, 30, flags=["--max-old-space-size=300"])


def test_values_are_those_of_memory_usage(watch, heap):
    daemon = watch(app=heap.address)
    daemon.wait_up("app")

    def wrong():
        """The values that differ, now; the heap may grow or shrink between a poll and the look."""
        with cdp.Client(heap.port) as client:
            truth = client.evaluate("JSON.parse(JSON.stringify(process.memoryUsage()))")
        assert truth["heapUsed"] > 30 * MIB
        values = {key: daemon.value(name, target="app", isolate="main")
                  for name, key in (("heapwatch_heap_used_bytes", "heapUsed"),
                                    ("heapwatch_heap_size_bytes", "heapTotal"),
                                    ("heapwatch_external_memory_bytes", "external"),
                                    ("heapwatch_array_buffers_bytes", "arrayBuffers"))}
        return {key: (value, truth[key]) for key, value in values.items()
                if not near(value, truth[key])}
    until(lambda: not wrong(), wrong)
    resident = daemon.value("heapwatch_target_process_resident_memory_bytes", target="app")
    assert near(resident, heap.process.rss_bytes())


def test_limit_is_what_the_old_generation_may_grow_to(watch, heap):
    daemon = watch(app=heap.address)
    daemon.wait_up("app")
    limit = daemon.value("heapwatch_heap_limit_bytes", target="app", isolate="main")
    assert near(limit, 300 * MIB, share=0.05), limit / MIB


def test_spaces_add_up(watch, heap):
    daemon = watch(app=heap.address)
    daemon.wait_up("app")
    spaces = daemon.values("heapwatch_heap_space_used_bytes", target="app", isolate="main")
    names = {labels["space"] for labels, _ in spaces}
    assert {"new", "old", "large_object"} <= names, names
    used = daemon.value("heapwatch_heap_used_bytes", target="app", isolate="main")
    assert near(sum(value for _, value in spaces), used)


def test_identity(watch, heap):
    daemon = watch(app=heap.address)
    daemon.wait_up("app")
    (labels, value), = daemon.values("heapwatch_target_info", target="app")
    assert value == 1
    assert labels["runtime"] == "node" and labels["engine"] == "v8"
    assert labels["runtime_version"] == heap.version()
    assert labels["address"] == heap.address
    start = daemon.value("heapwatch_target_process_start_time_seconds", target="app")
    assert 0 < time.time() - start < 120
    assert daemon.value("heapwatch_target_process_cpu_seconds_total", target="app") > 0


def test_exact_allocation_only_where_the_engine_counts_it(watch, heap, major):
    daemon = watch(app=heap.address)
    daemon.wait_up("app")
    allocated = daemon.value("heapwatch_allocated_bytes_total", target="app", isolate="main")
    if major >= 26:
        assert allocated > 30 * MIB
    else:
        assert allocated is None


def test_polls_go_on(watch, start_node, major):
    app = start_node(major, "idle")
    daemon = watch(app=app.address)
    daemon.wait_up("app")
    first = daemon.value("heapwatch_polls_total", target="app")
    daemon.wait_value("heapwatch_polls_total", lambda n: n >= first + 3, target="app")
    assert time.time() - daemon.value("heapwatch_last_poll_timestamp_seconds", target="app") < 5
    assert sum(v for _, v in daemon.values("heapwatch_poll_failures_total", target="app")) == 0
    assert daemon.value("heapwatch_up", target="app") == 1
    assert 0 < daemon.value("heapwatch_inspector_round_trip_seconds", target="app",
                            isolate="main") < 0.5


def test_workers_appear_and_vanish(watch, start_node, major):
    app = start_node(major, "workers", 2)
    daemon = watch(app=app.address)

    def workers():
        return {labels["isolate"] for labels, value in
                daemon.values("heapwatch_heap_used_bytes", target="app")
                if labels["isolate"].startswith("worker:") and value > MIB}
    until(lambda: len(workers()) == 2, lambda: f"two workers, not {workers()}")
    both = workers()
    assert daemon.value("heapwatch_target_isolates", target="app") == 3
    app.nudge("^ended")
    until(lambda: len(workers()) == 1, lambda: f"one worker, not {workers()}")
    assert workers() < both
    app.nudge("^ended")
    daemon.wait_value("heapwatch_target_isolates", 1, target="app")
    assert workers() == set()


def test_restart_is_counted_and_old_values_are_forgotten(watch, start_node, major):
    first = start_node(major, "idle")
    daemon = watch(app=first.address)
    daemon.wait_up("app")
    first.process.kill()
    daemon.wait_value("heapwatch_up", 0, target="app")
    daemon.wait_state("app", "down")
    assert daemon.values("heapwatch_heap_used_bytes", target="app") == []
    assert daemon.values("heapwatch_target_process_resident_memory_bytes", target="app") == []
    start_node(major, "idle", port=first.port)
    daemon.wait_up("app")
    daemon.wait_value("heapwatch_target_restarts_total", 1, target="app")


def test_reconnecting_to_the_same_process_is_no_restart(watch, start_node, tmp_path):
    app = start_node(24, "idle")
    daemon = watch(app=app.address)
    daemon.wait_up("app")
    app.process.signal(signal.SIGSTOP)
    daemon.wait_state("app", "stopped")
    app.process.signal(signal.SIGCONT)
    daemon.wait_up("app")
    assert daemon.value("heapwatch_target_restarts_total", target="app") == 0


def test_another_client_is_not_disturbed(watch, start_node, major):
    app = start_node(major, "idle")
    with cdp.Client(app.port) as client:
        daemon = watch(app=app.address)
        daemon.wait_up("app")
        client.call("HeapProfiler.startSampling", samplingInterval=32768)
        first = daemon.value("heapwatch_polls_total", target="app")
        daemon.wait_value("heapwatch_polls_total", lambda n: n >= first + 2, target="app")
        assert daemon.process.stop() == 0
        # One sampling profiler per isolate: ours must not have ended theirs.
        assert "head" in client.call("HeapProfiler.stopSampling")["profile"]


def test_without_evaluate_only_the_heap_is_known(watch, start_node, major):
    app = start_node(major, "idle")
    poll = {"interval": "500ms", "timeout": "500ms", "evaluate": "never"}
    daemon = watch(app=app.address, sections={"poll": poll})
    daemon.wait_up("app")
    assert daemon.value("heapwatch_heap_used_bytes", target="app", isolate="main") > MIB
    for name in ("heapwatch_heap_limit_bytes", "heapwatch_heap_space_used_bytes",
                 "heapwatch_native_contexts"):
        assert daemon.values(name, target="app") == [], name


def test_per_poll_leaves_between_polls(watch, start_node, major):
    app = start_node(major, "idle")
    poll = {"interval": "500ms", "timeout": "500ms", "policy": "per_poll"}
    daemon = watch(app=app.address, sections={"poll": poll})
    daemon.wait_value("heapwatch_polls_total", lambda n: n >= 3, target="app")
    until(lambda: app.process.count_lines("Debugger attached") >= 3, app.process.output)
    assert app.process.count_lines("Debugger ending on") >= 2
    assert daemon.state("app") == "up"


def test_attached_says_so_once(watch, start_node, major):
    app = start_node(major, "idle")
    daemon = watch(app=app.address)
    daemon.wait_value("heapwatch_polls_total", lambda n: n >= 4, target="app")
    assert app.process.count_lines("Debugger attached") == 1
    assert daemon.process.stop() == 0
    app.process.wait_line("Debugger ending on")


def test_ipv6(watch, nursery):
    process = nursery.start([binary(24), "--inspect=[::1]:0", PROGRAMS / "idle.js"],
                            env=environment())
    port = process.wait_line(r"^Debugger listening on ws://\[::1\]:(\d+)/")[1]
    process.wait_line("^ready")
    daemon = watch(app=f"[::1]:{port}")
    daemon.wait_up("app")
    assert daemon.value("heapwatch_heap_used_bytes", target="app", isolate="main") > MIB
