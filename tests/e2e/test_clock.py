"""The wall clock is set while programs run: those that began before are found all the same, for they
tell their age as well, which no clock that is set can change."""

import os
import time
from datetime import datetime

import pytest

from lab import bun, deno
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
