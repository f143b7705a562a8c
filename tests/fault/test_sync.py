"""What cannot be synced to the disk is not taken for safe, and a sync that a signal interrupts is
made again. A file that is taken over stays where it is until it is safe, and no longer."""

import errno
import os
import shutil
import subprocess
import time

import pytest

import faults
import snapshots
from lab.daemon import PLAIN, Daemon, static_config
from lab.wait import until

SLOW_S = 5.0

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


@pytest.mark.parametrize("sticky", [True, False], ids=["always", "once"])
def test_original_stays_until_its_copy_is_safe(sticky, begin, nursery, start_node, tmp_path):
    """Once: the manifest's name may be lost, although the syncs after that say nothing."""
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
    control.arm("error", kinds=("fsync",), error=errno.EIO, part="/ready", sticky=sticky)
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


def test_an_original_stays_when_the_next_start_cannot_sync(begin, start_node, tmp_path):
    """Its copy may be there by its name only: the daemon before may have died before it was synced."""
    source = tmp_path / "source"
    source.mkdir()
    node = start_node(24, "idle")
    adopt = {"directory": str(source), "settle": "100ms", "keep": True}
    daemon, control = begin({"app": node.address})
    taken = daemon.capture("app")
    name = f"Heap.20260101.120000.{node.pid}.0.001.heapsnapshot"
    shutil.copy(taken, tmp_path / name)
    os.rename(tmp_path / name, source / name)
    daemon.process.stop()
    daemon, control = begin({"app": node.address}, adopt=[adopt])
    daemon.process.wait_line(f"{name} taken over as ")
    daemon.process.stop()

    # As if it had been killed before it could delete the original.
    (daemon.storage / "state" / "state.json").unlink()
    adopt["keep"] = False
    control.arm("error", kinds=("fsync",), error=errno.EIO, part="/ready", sticky=True)
    daemon, control = begin({"app": node.address}, adopt=[adopt])
    daemon.process.wait_line("captures may be lost")
    daemon.process.wait_line(f"{name} stays: ")
    assert os.listdir(source) == [name]
    control.disarm()
    daemon.process.stop()
    daemon, control = begin({"app": node.address}, adopt=[adopt])
    until(lambda: os.listdir(source) == [], lambda: f"it to be deleted; log:\n{daemon.tail()}")


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


def test_nobody_waits_for_the_sync_of_a_removal(begin, start_node):
    """A disk that takes its time holds up neither who removes nor anybody else."""
    daemon, control = begin({"app": start_node(24, "idle").address})
    for _ in range(3):
        daemon.capture("app")
    ids = [entry["id"] for entry in daemon.api("/captures")["ready"]]
    assert len(ids) >= 3
    control.arm("delay", kinds=("fsync",), part="/ready", delay_s=SLOW_S, sticky=True)
    before = time.monotonic()
    for identity in ids:
        assert daemon.get(f"/api/v1/captures/{identity}", method="DELETE").status == 200
    assert daemon.api("/captures")["ready"] == []
    assert time.monotonic() - before < SLOW_S
    until(lambda: control.fired >= 1, "a sync")
    daemon.process.stop()
    assert 1 <= control.fired <= 2, "one for all that came meanwhile"


@pytest.fixture
def adopting(begin, start_node, tmp_path, dice):
    """(Daemon that takes over what comes to a folder, Faults, drop() -> path of a file there)"""
    source = tmp_path / "daemon" / "storage" / "source"  # where the faults are
    source.mkdir(parents=True)
    adopt = {"directory": str(source), "settle": "100ms"}
    daemon, control = begin({"app": start_node(24, "idle").address}, adopt=[adopt])

    def drop():
        whole = snapshots.write(tmp_path / "whole", 20000, dice)
        return whole.rename(source / "dropped.heapsnapshot")
    return daemon, control, drop


PASSING = [("open", "/incoming", errno.EMFILE), ("open", "/incoming", errno.ENFILE),
           ("open", "/incoming", errno.ENOMEM), ("open", "/incoming", errno.EINTR),
           ("write", "/incoming", errno.EIO), ("fsync", "/incoming", errno.EIO),
           ("rename", "/ready", errno.EIO), ("open", "/source/dropped", errno.ENOSPC)]


@pytest.mark.parametrize("kind, part, error", PASSING,
                         ids=[f"{kind}-{errno.errorcode[error]}" for kind, _, error in PASSING])
def test_what_may_pass_is_tried_again(kind, part, error, adopting):
    """A whole file never changes, and lies there in clear until it is taken over."""
    daemon, control, drop = adopting
    control.arm("error", kinds=(kind,), error=error, part=part)
    path = drop()
    until(lambda: not path.exists(), lambda: f"it to be taken over:\n{daemon.tail()}")
    assert control.fired == 1
    daemon.process.wait_line("dropped.heapsnapshot is not taken over yet and will be tried again: ")
    (taken,) = daemon.api("/captures")["ready"]
    assert taken["source"] == str(path)


def test_what_does_not_pass_is_told_once(adopting):
    daemon, control, drop = adopting
    control.arm("error", kinds=("open",), error=errno.EMFILE, part="/incoming", sticky=True)
    path = drop()
    until(lambda: control.fired >= 3, lambda: f"the third try:\n{daemon.tail()}")
    control.disarm()
    until(lambda: not path.exists(), lambda: f"it to be taken over:\n{daemon.tail()}")
    assert daemon.process.count_lines("is not taken over") == 1


@pytest.mark.parametrize("command", ["pair {path} none 0", "report"], ids=["capture", "report"])
def test_any_sync_that_fails_is_told(command, driver_program, tmp_path, dice):
    """Of the manifest, of the list of scripts, of the report: no later sync makes up for it."""
    path = snapshots.write(tmp_path / "snapshot", 20000, dice)
    before = "open\n" if command.startswith("pair") else f"open\npair {path} none 0\n"
    control = faults.Faults(tmp_path / "control", tmp_path)

    def run(text, folder):
        done = subprocess.run([driver_program, tmp_path / folder, "0", "0", "0"], input=text,
                              text=True, capture_output=True, timeout=60,
                              env=dict(os.environ, **control.environment()))
        assert done.returncode == 0, done.stderr
        assert "failed" not in done.stdout and "trouble" not in done.stdout, done.stdout
        return done.stderr

    def syncs(text, folder):
        control.arm("count", kinds=("fsync",), part="/ready")
        assert run(text, folder) == ""
        return control.calls()["fsync"]

    first = syncs(before, "a") if command == "report" else 0
    last = syncs(before + command.format(path=path) + "\n", "b")
    assert last - first >= 2
    for nth in range(first + 1, last + 1):
        control.arm("error", kinds=("fsync",), error=errno.EIO, part="/ready", nth=nth)
        told = run(before + command.format(path=path) + "\n", f"c{nth}")
        assert control.fired == 1 and "if the power fails now" in told, (nth, last, told)
    control.close()
