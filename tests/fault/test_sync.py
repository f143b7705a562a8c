"""What cannot be synced to the disk is not taken for safe, and a sync that a signal interrupts is
made again."""

import errno
import os
import shutil

import pytest

import faults
from lab.daemon import PLAIN, Daemon, static_config
from lab.wait import until


@pytest.fixture
def begin(nursery, tmp_path, shim):
    """begin(targets, capture settings) -> (Daemon with the shim, Faults of its storage)"""
    home = tmp_path / "daemon"
    home.mkdir()
    control = faults.Faults(home / "control", home / "storage")
    options = os.environ.get("ASAN_OPTIONS", "")

    def start(targets, **capture):
        config = static_config(targets, capture={**PLAIN, **capture})
        return Daemon(nursery, home, config,
                      env={"ASAN_OPTIONS": f"{options}:verify_asan_link_order=0".lstrip(":"),
                           "LD_PRELOAD": str(shim), **control.environment()}), control
    yield start
    control.close()


def test_original_stays_until_its_copy_is_safe(begin, nursery, start_node, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    node = start_node(24, "idle")
    daemon, control = begin({"app": node.address})
    taken = daemon.capture("app")
    name = f"Heap.20260101.120000.{node.pid}.0.001.heapsnapshot"
    shutil.copy(taken, tmp_path / name)
    daemon.process.stop()

    adopt = {"directory": str(source), "settle": "100ms"}
    daemon, control = begin({"app": node.address}, adopt=[adopt])
    control.arm("error", kinds=("fsync",), error=errno.EIO, part="/ready", sticky=True)
    os.rename(tmp_path / name, source / name)
    daemon.process.wait_line("the spool's folder could not be synced")
    daemon.process.wait_line(f"{name} taken over as ")
    assert daemon.get("/-/healthy").status == 200 and control.fired > 0
    assert os.listdir(source) == [name]
    control.disarm()
    daemon.process.stop()

    daemon, _ = begin({"app": node.address}, adopt=[adopt])
    until(lambda: os.listdir(source) == [], lambda: f"it to be deleted; log:\n{daemon.tail()}")
    assert len([c for c in daemon.api("/captures")["ready"] if c["kind"] == "snapshot"]) == 2


def test_a_signal_in_a_sync_fails_nothing(begin, start_node):
    daemon, control = begin({"app": start_node(24, "idle").address})
    control.arm("count", kinds=("fsync",))
    daemon.capture("app")
    syncs = control.calls()["fsync"]
    assert syncs >= 4
    for nth in range(1, syncs + 1):
        control.arm("error", kinds=("fsync",), error=errno.EINTR, nth=nth)
        daemon.capture("app")
        until(lambda: control.fired == 1, f"sync {nth} of {syncs}")
        control.disarm()
