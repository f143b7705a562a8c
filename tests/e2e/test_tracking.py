"""A tracking of JavaScriptCore: two snapshots of one connection, and what came between is told by
class, object by object. Before the second the guards judge again, and where they say no the program
is left without it."""

import json
import os
import signal

import pytest
import yaml

from lab import readers, said, tracked, webkit
from lab.daemon import PLAIN, static_config
from lab.tracked import COUNT
from lab.verdicts import report_of, wait_verdict
from lab.wait import until

ANYHOW = dict(PLAIN, guards={"headroom": 0})
EACH = pytest.mark.parametrize("runtime", tracked.EACH)


@pytest.fixture
def program(runtime, nursery, tmp_path):
    return tracked.EACH[runtime](nursery, tmp_path)


@pytest.fixture
def track(start_daemon):
    """The daemon, and its relay to the program that says what it is told."""
    def run(program, capture=ANYHOW, **sections):
        between = tracked.relay(program)
        daemon = start_daemon(static_config(
            {"app": program.through(between)}, capture=capture,
            analysis={"enabled": True, "headroom": "64MiB"}, **sections))
        daemon.wait_up("app")
        daemon.wait_isolate("app", program.isolate)
        return daemon, between
    return run


def ask(daemon, program, **wishes):
    return daemon.post("/api/v1/targets/app/captures", json.dumps(
        {"kind": "tracking", "isolate": program.isolate, **wishes}).encode(),
        {"Content-Type": "application/json"})


def begin(daemon, program, **wishes):
    answer = ask(daemon, program, **wishes)
    assert answer.status == 202, answer.text
    return answer.json()["data"]["id"]


def halves(daemon):
    """What is in the spool of it, in order."""
    return sorted((c for c in daemon.api("/captures")["ready"] if c["kind"] == "tracking"),
                  key=lambda c: c["series_index"])


def wait_first(daemon):
    return until(lambda: halves(daemon), lambda: f"the first; log:\n{daemon.tail(60)}", 60)[0]


def wait_both(daemon):
    until(lambda: len(halves(daemon)) == 2, lambda: f"both; log:\n{daemon.tail(60)}", 60)
    return halves(daemon)


def path_of(daemon, capture):
    return daemon.storage / "spool" / "ready" / capture["name"]


def running(daemon):
    return [c for c in daemon.api("/captures")["running"] if c["kind"] == "tracking"]


def wait_waiting(daemon):
    """The second has begun, which is to wait for its time."""
    wait_first(daemon)
    second, = until(lambda: running(daemon) if len(running(daemon)) == 1 else None,
                    lambda: f"the second; log:\n{daemon.tail(60)}")
    assert second["series_index"] == 2
    return second


def wait_ended(daemon, second):
    def ended():
        return next((c for c in daemon.api("/captures")["failed"] if c["id"] == second["id"]), None)
    return until(ended, lambda: f"its end; log:\n{daemon.tail(60)}", 60)


def methods(between):
    return [m["method"] for m in said.messages(between)]


def is_tracked(program):
    """Who asks for the end of a tracking that there is, is told it."""
    return "Heap.trackingComplete" in program.ask("Heap.stopTracking")


def check_left(daemon, program, between):
    """Nothing is left behind, and both go on."""
    daemon.wait_up("app")
    said_last = methods(between)
    assert "Heap.stopTracking" not in said_last and "Heap.disable" in said_last
    daemon.process.stop()
    between.close()
    assert between.complaints() == []
    assert not is_tracked(program)
    program.grow()
    assert program.process.running()


@EACH
def test_what_came_between_is_told(runtime, program, track):
    daemon, between = track(program)
    first_id = begin(daemon, program, duration="3s")
    wait_waiting(daemon)
    program.grow()
    first, second = wait_both(daemon)
    assert first["id"] == first["series"] == second["series"] == first_id
    assert [c["series_index"] for c in (first, second)] == [1, 2]
    assert {c["ids"] for c in (first, second)} == {"exact"}
    assert all(c["name"].endswith(".jsc.json") for c in (first, second))
    before, after = (json.loads(path_of(daemon, c).read_text()) for c in (first, second))
    assert "Parcel" not in before["nodeClassNames"]
    assert readers.jsc(path_of(daemon, second), "Parcel")[2] == COUNT
    done = until(lambda: (c := halves(daemon)[1]).get("analysis_state") == "done" and c,
                 lambda: f"its report; log:\n{daemon.tail(60)}", 60)
    arrived = report_of(daemon, done)["arrived"]
    assert (arrived["classes"][0]["name"], arrived["classes"][0]["count"]) == ("Parcel", COUNT)
    # All of it is what has an id that the first has not; parts of objects are counted with these.
    old = set(before["nodes"][0::4])
    new = [size for i, size in zip(after["nodes"][0::4], after["nodes"][1::4])
           if i not in old and size > 0]
    assert arrived["self_bytes"] == pytest.approx(sum(new), rel=0.001)
    assert len(new) - 10 <= arrived["count"] <= len(new)
    leaks = report_of(daemon, done)["leaks"]
    assert leaks["matched_by"] == "ids" and leaks["verdict"] == "leak"
    assert leaks["suspects"][0]["class"].endswith("Parcel")
    until(lambda: daemon.value("heapwatch_up", target="app") == 1, "polls again")
    assert methods(between).count("Heap.startTracking") == 1
    assert methods(between).count("Heap.stopTracking") == 1
    daemon.process.stop()
    between.close()
    assert between.complaints() == []
    assert set(methods(between)) <= said.listed("Bun" if runtime == "bun" else "WebKit") | \
        {"Target.sendMessageToTarget"}
    assert not is_tracked(program)


@EACH
def test_a_heap_over_the_limit_at_its_end(runtime, program, track):
    daemon, between = track(program)
    begin(daemon, program, duration="3s", gc_before=True)
    second = wait_waiting(daemon)
    program.swell()
    ended = wait_ended(daemon, second)
    limit = "18 MiB" if runtime == "safari" else "100 MiB"
    assert ended["reason"] == "max_heap" and f"can capture at most {limit}" in ended["error"], ended
    assert len(halves(daemon)) == 1
    assert daemon.value("heapwatch_captures_suppressed_total", target="app", reason="max_heap",
                        kind="tracking") == 1
    check_left(daemon, program, between)


@EACH
def test_it_is_cancelled(program, track):
    daemon, between = track(program)
    begin(daemon, program, duration="5m")
    second = wait_waiting(daemon)
    assert daemon.get(f"/api/v1/captures/{second['id']}", method="DELETE").status in (200, 202, 204)
    ended = wait_ended(daemon, second)
    assert ended["reason"] == "cancelled"
    check_left(daemon, program, between)


@EACH
def test_the_daemon_is_killed(program, track):
    """JavaScriptCore drops it when nobody is there any more."""
    daemon, between = track(program)
    begin(daemon, program, duration="5m")
    wait_waiting(daemon)
    daemon.process.kill()
    between.close()
    until(lambda: not is_tracked(program), "an end of it")
    program.grow()
    assert program.process.running()
