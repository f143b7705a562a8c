"""A disk that is full: captures are refused or fail with the reason, nothing stays behind, the daemon
goes on, and when there is space again the next capture succeeds. The disks are tmpfs of all sizes, in
a mount namespace of the test's own."""

import ctypes
import json
import os
import re
import subprocess
import threading
from pathlib import Path

import pytest

import snapshots
from invariants import Storage
from lab.daemon import Daemon, static_config
from lab.wait import until
from probe import Probe
from watching import Watch

KIB, MIB = 1 << 10, 1 << 20
CLONE_NEWNS, MS_PRIVATE, MS_REC = 0x20000, 1 << 18, 1 << 14
SMALL_KIB = range(8, 260, 4)  # around a small capture of 180 KB
LARGE_KIB = range(260, 3600, 40)  # around one that is written in several goes
DAEMON_MIB = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 40)
SIZES_MIN = 20
ENOUGH = "64m"
NO_SPACE = -28
RECOVERY_S = 60.0
POLL_S = 0.5  # as lab.daemon has it
_libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(scope="session")
def own_mounts():
    """Nothing that is mounted from here on is seen by anybody else, or outlives this process."""
    if _libc.unshare(CLONE_NEWNS) != 0 or \
            _libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        raise OSError(ctypes.get_errno(), "no mount namespace: the tests of full disks need root")


class Disk:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True)

    def mount(self, size):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.folder], check=True)

    def resize(self, size):
        subprocess.run(["mount", "-o", f"remount,size={size}", self.folder], check=True)

    def inodes_used(self):
        seen = os.statvfs(self.folder)
        return seen.f_files - seen.f_ffree

    def limit_inodes(self, count):
        subprocess.run(["mount", "-o", f"remount,nr_inodes={count}", self.folder], check=True)

    def unmount(self):
        subprocess.run(["umount", self.folder], check=True)


@pytest.fixture
def disk(own_mounts, tmp_path):
    return Disk(tmp_path / "disk")


# ---- the disk work alone ----

class Driver:
    """driver.c, spoken to line by line."""

    def __init__(self, folder):
        program = Path(os.environ["HEAPWATCHD"]).parents[1] / "tests" / "fault" / "fault_driver"
        self._child = subprocess.Popen([program, folder, "0", "0", "0"], text=True, bufsize=1,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, command):
        """The words of the answer."""
        self._child.stdin.write(command + "\n")
        return self._child.stdout.readline().split()

    def end(self):
        self._child.stdin.close()
        return self._child.wait(60)


def acknowledge(storage, answer):
    """What the driver says is ready."""
    if answer[0] == "ready":
        storage.acknowledge([{"name": answer[1], "sha256": answer[2]}])


def one_size(disk, size_kib, path):
    """Problems, as texts, and whether the capture had room."""
    disk.mount(f"{size_kib}k")
    storage, problems = Storage(disk.folder), []
    try:
        driver = Driver(storage.spool)
        opened = driver.ask("open")
        answer = driver.ask(f"file {path} none 0")
        acknowledge(storage, answer)
        if answer[0] == "failed" and int(answer[1]) != NO_SPACE:
            problems.append(f"told as {answer}")
        if storage.incoming.exists() and os.listdir(storage.incoming):
            problems.append("something is left in incoming/")
        problems += storage.whole()
        disk.resize(ENOUGH)
        if opened[0] == "ok":
            again = driver.ask(f"file {path} none 0")
            acknowledge(storage, again)
            if again[0] != "ready":
                problems.append(f"with space: {again}")
        if driver.ask("close")[0] != "ok" or driver.end() != 0:
            problems.append("the driver ended badly")
        problems += storage.whole() + storage.changed() + storage.lost()
        halves = storage.halves()
        if halves:
            problems.append(f"left behind: {halves}")
    finally:
        disk.unmount()
    return [f"{size_kib} KiB: {problem}" for problem in problems], answer[0] == "ready"


@pytest.mark.parametrize("name, size_bytes, sizes", [
    ("small", 180000, SMALL_KIB), ("large", 3 * MIB, LARGE_KIB)], ids=["small", "large"])
def test_every_size_of_disk(name, size_bytes, sizes, disk, tmp_path, dice, share, record_property):
    path = snapshots.write(tmp_path / name, size_bytes, dice)
    chosen = sorted(dice.sample(sizes, max(SIZES_MIN, share(len(sizes)))))
    found = [one_size(disk, size, path) for size in chosen]
    problems = [problem for told, _ in found for problem in told]
    record_property("sizes", len(found))
    record_property("captures that had room", sum(fits for _, fits in found))
    assert not problems, "\n".join(problems)
    assert {fits for _, fits in found} == {True, False}


# ---- whole daemons ----

class Ballast:
    """Takes what is free as soon as a capture has begun to write."""

    def __init__(self, folder, incoming):
        self._path, self._watch = folder / "ballast", Watch(incoming)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._over.is_set() and not self._watch.take():
            self._over.wait(0.001)
        with open(self._path, "wb", buffering=0) as file:
            try:
                while not self._over.is_set():
                    file.write(bytes(64 * KIB))
            except OSError:
                self._over.wait()

    def release(self):
        self._over.set()
        self._thread.join()
        self._path.unlink(missing_ok=True)
        self._watch.close()


class Victim:
    def __init__(self, nursery, home, disk, target, quiet):
        self.disk = disk
        self.storage = Storage(disk.folder / "storage")
        self.ids = {}  # name -> id of the capture that had it last
        config = static_config(
            {"app": target.address, "quiet": quiet.address}, spool={"keep_free": "0"},
            capture={"guards": {"headroom": 0}, "compress": "none", "redact": "none"},
            storage={"path": str(self.storage.path)})
        self.daemon = Daemon(nursery, home, config, flags=[
            "--log.level=info", f"--storage.path={self.storage.path}"])
        for name in ("app", "quiet"):
            self.daemon.wait_up(name)

    def capture(self):
        """(state, reason)"""
        daemon = self.daemon
        answer = until(lambda: (a := daemon.post("/api/v1/targets/app/captures",
                                                 b'{"kind": "snapshot"}')).status != 409 and a,
                       "an answer")
        if answer.status != 202:
            return "refused", answer.text
        path = f"/captures/{json.loads(answer.body)['data']['id']}"
        ended = until(lambda: (c := daemon.api(path))["state"] in ("succeeded", "failed") and c,
                      "the end of the capture", RECOVERY_S)
        if ended["state"] == "succeeded":
            assert self.acknowledge([ended]) == []
        return ended["state"], ended.get("reason", "")

    def acknowledge(self, entries):
        """Problems. A name may come again within its second, when the capture that had it is removed."""
        problems = []
        for entry in entries:
            if self.ids.setdefault(entry["name"], entry["id"]) != entry["id"]:
                problems += self.storage.begin(entry["name"])
                self.ids[entry["name"]] = entry["id"]
        self.storage.acknowledge(entries)
        return problems

    def polls(self):
        return self.daemon.value("heapwatch_polls_total", target="app")

    def goes_on(self):
        """Polls and answers."""
        polls = self.polls()
        until(lambda: self.polls() > polls, "polling goes on")
        assert self.daemon.get("/-/healthy").status == 200

    def delete_all(self):
        """But for what is pinned."""
        for entry in self.daemon.api("/captures")["ready"]:
            if not entry["pinned"]:
                self.storage.let_go(entry["name"])
                self.daemon.get(f"/api/v1/captures/{entry['id']}", method="DELETE")

    def pin_all(self):
        for entry in self.daemon.api("/captures")["ready"]:
            path = f"/api/v1/captures/{entry['id']}"
            assert self.daemon.get(path, method="PATCH", body=b'{"pinned":true}').status == 200

    def clean(self):
        until(lambda: not self.daemon.api("/captures")["running"] and
              not os.listdir(self.storage.incoming), "an empty incoming/")
        listed = self.daemon.api("/captures")["ready"]
        problems = self.acknowledge(listed)
        problems += self.storage.whole() + self.storage.changed() + self.storage.lost()
        return problems + self.storage.unlisted(listed)


@pytest.fixture
def victim(release, nursery, tmp_path, disk, start_node):
    def start(size):
        disk.mount(size)
        return Victim(nursery, tmp_path / "daemon", disk, start_node(24, "idle"),
                      start_node(24, "idle"))
    yield start
    nursery.close()
    disk.unmount()


def test_daemon_on_disks_of_all_sizes(victim, record_property):
    """On one daemon, from the smallest size upward."""
    seen, tried = victim(f"{DAEMON_MIB[0]}m"), {}
    with Probe(seen.daemon, "quiet", POLL_S) as probe:
        for mib in DAEMON_MIB:
            seen.disk.resize(f"{mib}m")
            seen.delete_all()
            state, reason = seen.capture()
            assert state == "succeeded" or "space" in reason, f"{mib} MiB: {state}: {reason}"
            assert seen.clean() == []
            seen.goes_on()
            tried[mib] = state
        probe.end()
    record_property("sizes", len(tried))
    assert tried[DAEMON_MIB[0]] != "succeeded" and tried[DAEMON_MIB[-1]] == "succeeded"
    probe.check()


def test_disk_that_fills_during_a_capture(victim, share, record_property):
    """What was there before stays, and nothing else is deleted for it."""
    seen = victim(ENOUGH)
    assert seen.capture()[0] == "succeeded"
    seen.pin_all()
    rounds = share(50)
    with Probe(seen.daemon, "quiet", POLL_S) as probe:
        for _ in range(rounds):
            ballast = Ballast(seen.disk.folder, seen.storage.incoming)
            state, reason = seen.capture()
            if state != "succeeded":
                assert "space" in reason, reason
            assert seen.clean() == []
            seen.goes_on()
            ballast.release()
            assert seen.capture()[0] == "succeeded"
            seen.delete_all()
        probe.end()
    record_property("disks filled", rounds)
    probe.check()


FILES_OF_CAPTURE = 4  # with its manifest, list of scripts and report
FEW_INODES = " and [0-3] inodes free"


def test_disk_without_inodes(victim):
    """There is space enough, but not for so many files."""
    seen = victim(ENOUGH)
    for left in range(FILES_OF_CAPTURE):
        seen.disk.limit_inodes(seen.disk.inodes_used() + left)
        state, reason = seen.capture()
        assert state == "refused" and re.search(FEW_INODES, reason), f"{left}: {state}: {reason}"
        assert seen.clean() == []
    seen.goes_on()
    seen.daemon.wait_value("heapwatch_captures_suppressed_total", FILES_OF_CAPTURE, target="app",
                           reason="space")
    seen.daemon.process.wait_line(r"capture of app suppressed: space: .*" + FEW_INODES)
    assert seen.daemon.api("/captures")["refused"][0]["reason"] == "space"
    seen.disk.limit_inodes(seen.disk.inodes_used() + 100)
    assert seen.capture()[0] == "succeeded"
    assert seen.clean() == []
