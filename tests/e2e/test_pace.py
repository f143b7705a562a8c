"""A program allocates as fast as before once a capture of it is over, however that ended: V8 tracks
objects after a snapshot until it is told not to, which costs most of its speed."""

import signal

import pytest

from lab import pace
from lab.daemon import PLAIN
from lab.wait import until

HELD = 100000  # objects: a snapshot that takes a while
LEVEL = 0.55  # of the speed before; while objects are tracked it is less than half
STOP_S = 40  # a daemon that is told to stop reads on for 20 s at most

DENO, CHROMIUM, WORKERD = "deno", "chromium", "workerd"


def start(nursery, home, what):
    if what == DENO:
        return pace.OnDeno(nursery, home, HELD)
    if what == CHROMIUM:
        return pace.OnChromium(nursery, home, HELD)
    if what == WORKERD:
        return pace.OnWorkerd(nursery, home, HELD)
    return pace.OnNode(nursery, what, HELD)


def request(daemon, program):
    """The id of a capture."""
    daemon.wait_isolate("app", program.isolate)
    answer = daemon.post(f"/api/v1/targets/app/captures?kind=snapshot&isolate={program.isolate}")
    assert answer.status == 202, answer.text
    return answer.json()["data"]["id"]


def ask(daemon, program):
    """The same, of which bytes have come."""
    id_ = request(daemon, program)
    until(lambda: any(f.stat().st_size for f in daemon.incoming()),
          lambda: f"bytes in incoming/; log:\n{daemon.tail()}", step_s=0.001)
    return id_


def check_nothing_is_kept(daemon):
    """Of a capture that did not come to its end."""
    assert daemon.ready() == [] and daemon.incoming() == []
    assert not list(daemon.storage.rglob("*heapsnapshot*"))


def wait_failed(daemon, id_, reason, limit_s=60.0):
    failed = until(lambda: (c := daemon.api(f"/captures/{id_}"))["state"] == "failed" and c,
                   lambda: f"its end; log:\n{daemon.tail()}", limit_s)
    assert failed["reason"] == reason, failed
    check_nothing_is_kept(daemon)
    return failed["error"]


def wait_answers(daemon):
    """The program, to a poll that began after this."""
    polls = daemon.value("heapwatch_polls_total", target="app") or 0
    daemon.wait_value("heapwatch_polls_total", lambda n: n >= polls + 2, target="app")
    daemon.wait_up("app")


def end_whole(daemon, program):
    daemon.capture("app", isolate=program.isolate)


def end_cancelled(daemon, program):
    id_ = ask(daemon, program)
    assert daemon.get(f"/api/v1/captures/{id_}", method="DELETE").status == 202
    wait_failed(daemon, id_, "cancelled")


def end_too_large(daemon, program):
    """So many bytes have come, however short they were to be seen in incoming/."""
    error = wait_failed(daemon, request(daemon, program), "space")
    assert error == "it is larger than file_max", error


def end_overdue(daemon, program):
    """It says nothing for too long, in the middle, and hears nothing of our leaving either."""
    id_ = ask(daemon, program)
    program.process.signal(signal.SIGSTOP)
    wait_failed(daemon, id_, "timeout")
    program.process.signal(signal.SIGCONT)


def end_blocked(daemon, program):
    """It is given up while the program is blocked, and not paid for later either."""
    daemon.wait_isolate("app", program.isolate)
    with program.blocked():
        error = wait_failed(daemon, request(daemon, program), "blocked")
    assert error == "the program's event loop is blocked: it did not begin within 1s"


def end_killed(daemon, program):
    ask(daemon, program)
    daemon.process.kill()
    assert not daemon.ready(), "the capture was over before the daemon died: no proof"


def end_stopped(daemon, program):
    ask(daemon, program)
    assert daemon.process.stop(STOP_S) == 0
    assert not daemon.ready(), "the capture was over before the daemon stopped: no proof"
    check_nothing_is_kept(daemon)


ENDS = {
    "whole": (end_whole, {}),
    "cancelled": (end_cancelled, {}),
    "file_max": (end_too_large, {"file_max": "1MiB"}),
    "timeout": (end_overdue, {"idle_timeout": "5s"}),
    "blocked": (end_blocked, {"start_timeout": "1s"}),
    "killed": (end_killed, {}),
    "stopped": (end_stopped, {}),
}
GONE = ("killed", "stopped")  # the daemon is
# Of Node the other ends have tests where more of them is told: test_harm.py, and
# test_snapshot_conversation.py. Node 20 and 22 may die of a connection that breaks in a snapshot.
CASES = [(what, end) for what in (DENO, CHROMIUM) for end in ENDS] + \
    [(WORKERD, end) for end in ("cancelled", "killed")] + \
    [(major, "file_max") for major in (20, 22, 24, 26)] + \
    [(major, "timeout") for major in (24, 26)] + [(major, "stopped") for major in (20, 24)]


@pytest.mark.parametrize("what, end", CASES, ids=lambda it: f"node{it}" if isinstance(it, int) else it)
def test_it_is_as_fast_as_before(nursery, watch, tmp_path, what, end):
    program = start(nursery, tmp_path / "program", what)
    before = pace.best(program)
    run, settings = ENDS[end]
    sections = {"capture": dict(PLAIN, guards={"headroom": 0}, **settings)}
    home = tmp_path / "daemon"
    daemon = watch(app=program.address, home=home, sections=sections)
    daemon.wait_up("app")
    run(daemon, program)
    if end in GONE:
        daemon = watch(app=program.address, home=home, sections=sections)
        check_nothing_is_kept(daemon)
    wait_answers(daemon)
    assert pace.is_at_least(program, before * LEVEL), f"{pace.best(program)} of {before}"
    assert daemon.process.stop() == 0
    assert pace.is_at_least(program, before * LEVEL), "after it left"


@pytest.mark.parametrize("what", [DENO, CHROMIUM])
def test_what_is_left_on_is_noticed(nursery, tmp_path, what):
    program = start(nursery, tmp_path / "program", what)
    before = pace.best(program)
    program.client.call("HeapProfiler.takeHeapSnapshot")
    assert pace.best(program) < before / 2
    program.client.call("HeapProfiler.disable")
    assert pace.is_at_least(program, before * LEVEL)
