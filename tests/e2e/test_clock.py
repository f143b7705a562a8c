"""The wall clock is set while programs run: those that began before are found all the same, for they
tell their age as well, which no clock that is set can change."""

import os
import time
from datetime import datetime

import pytest

from lab import bun, deno, node
from lab.clock import CLOCK_OFF
from lab.daemon import static_config

HOUR_S = 3600


@pytest.fixture
def wrong(monkeypatch):
    """wrong(start, seconds) -> what start() starts, with a wall clock that is off by so much."""
    def start(begin, seconds):
        assert os.access(CLOCK_OFF, os.R_OK), CLOCK_OFF
        with monkeypatch.context() as patch:
            patch.setenv("LD_PRELOAD", str(CLOCK_OFF))
            patch.setenv("CLOCK_OFF_SECONDS", str(seconds))
            return begin()
    return start


def found(start_daemon, app, off_s):
    daemon = start_daemon(static_config({"app": app.address}, poll={"interval": "200ms"}))
    daemon.wait_up("app")
    told = datetime.fromisoformat(daemon.target("app")["startTime"])
    assert abs(time.time() + off_s - told.timestamp()) < HOUR_S / 2, "its clock was right"
    daemon.wait_value("heapwatch_target_process_cpu_seconds_total", lambda s: s > 0, target="app")
    began = daemon.value("heapwatch_target_process_start_time_seconds", target="app")
    assert abs(time.time() - began) < HOUR_S / 2, "by the clock of the machine"


@pytest.mark.parametrize("off_s", (HOUR_S, -HOUR_S))
def test_node(start_daemon, start_node, wrong, major, off_s):
    found(start_daemon, wrong(lambda: start_node(major, "idle"), off_s), off_s)


def test_deno(start_daemon, nursery, tmp_path, wrong):
    found(start_daemon, wrong(lambda: deno.Deno(nursery, tmp_path), -HOUR_S), -HOUR_S)


def test_bun(start_daemon, nursery, wrong):
    found(start_daemon, wrong(lambda: bun.Bun(nursery), -HOUR_S), -HOUR_S)


@pytest.fixture
def late(nursery):
    """late(major) -> a Node that a shell became, seconds after its process began."""
    def start(major):
        process = nursery.start(["/bin/sh", "-c", 'sleep 3; exec "$@"', "sh", node.binary(major),
                                 "--inspect=127.0.0.1:0", node.PROGRAMS / "idle.js"],
                                env=node.environment())
        heard = process.wait_line(r"^Debugger listening on ws://(127\.0\.0\.1:\d+)/")
        process.wait_line("^ready")
        return process, heard[1]
    return start


@pytest.mark.parametrize("number", (20, 26))
def test_a_program_that_began_long_after_its_process(start_daemon, late, number):
    """As from a script that prepares things and then becomes the program: the kernel dates the process
    by the script. That it listens where we ask tells that it is the one."""
    process, address = late(number)
    daemon = start_daemon(static_config({"app": address}, poll={"interval": "200ms"}))
    daemon.wait_up("app")
    daemon.wait_value("heapwatch_target_process_cpu_seconds_total", lambda s: s > 0, target="app")
    answer = daemon.post("/api/v1/targets/app/captures", b'{"kind": "snapshot", "dry_run": true}',
                         {"Content-Type": "application/json"})
    assert "cannot be seen" not in answer.text
    assert daemon.target("app")["pid"] == process.pid
