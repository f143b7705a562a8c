"""A real Node is killed, stopped, cut off or runs out of memory in every phase of its capture: the
capture ends in time and says why, or is whole; nothing stays behind, and nobody else waits."""

import contextlib
import json
import os
import resource
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import pytest

from invariants import Storage
from lab import node
from lab.daemon import Daemon, static_config
from lab.wait import until
from probe import Probe
from tap import PHASES, Tap

SLOTS = 5  # targets in trouble at once
ROUNDS = 4  # of every fault in every phase on every major, at full scale
THINGS, STRINGS_MIB = 2000, 1  # the heap: building takes long enough to be met
GROW = ("--max-old-space-size=64",)
DEADLINE_S = 5  # of silence, the least that can be configured
SLACK_S = 10  # on a busy machine
CUT_OFF = {"lost", "unreachable", "exiting"}
POLL_S = 0.5  # as lab.daemon has it

# What a fault in a phase may come to. None is success: all of the snapshot was there already.
REASONS = {"kill": CUT_OFF, "cut": CUT_OFF, "oom": CUT_OFF, "stop": {"timeout", "blocked"}}
LATE = ("streaming", "last words", "publish")
INSIDE = ("building", "streaming")  # V8 does nothing else meanwhile: no signal reaches the program
BEFORE = ("before connect", "scripts")  # it has not been asked for its snapshot
FAULTS = tuple(REASONS)


def mapped_bytes(pid):
    """Of address space, which RLIMIT_AS counts."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


class Slot:
    """An address that is watched, and a Node behind it that something happens to."""

    def __init__(self, campaign, number):
        self.campaign, self.name = campaign, f"slot{number}"
        self.tap = Tap()
        self.node = None
        self.phase = None  # of the case

    def begin(self, major):
        if self.node is not None and self.node.major == major and self.node.process.running():
            return
        if self.node is not None:
            self.node.process.kill()
        self.node = node.Node(self.campaign.nursery, major, "grow", THINGS, STRINGS_MIB, flags=GROW)
        self.tap.to = self.node.port

    # ---- what happens to it ----

    def kill(self):
        self.node.process.kill()

    def stop(self):
        self.node.process.signal(signal.SIGSTOP)

    def cut(self):
        self.tap.cut()

    def oom(self):
        """In the midst of a snapshot the kernel gives it no more memory from here on; else it grows
        in one go past its limit. V8 aborts it; before the snapshot nothing passes until it has."""
        if self.phase in INSIDE:
            taken = mapped_bytes(self.node.pid)
            resource.prlimit(self.node.pid, resource.RLIMIT_AS, (taken, taken))
        else:
            self.node.process.signal(signal.SIGUSR2)
        if self.phase in BEFORE:
            self.node.process.wait_exit(60)

    # ---- one case ----

    def capture(self):
        """Asks until it is taken; (state, reason, seconds) of the capture."""
        daemon = self.campaign.daemon
        answer = until(lambda: (a := daemon.post(
            f"/api/v1/targets/{self.name}/captures", json.dumps({"kind": "snapshot"}).encode(),
            {"Content-Type": "application/json"})).status == 202 and a,
            lambda: f"{self.name} can be captured: {daemon.target(self.name)}", 60)
        began, path = time.monotonic(), f"/captures/{answer.json()['data']['id']}"
        ended = until(lambda: (c := daemon.api(path))["state"] in ("succeeded", "failed") and c,
                      lambda: f"the end of {daemon.api(path)}", 60)
        if ended["state"] == "succeeded":
            self.campaign.storage.acknowledge([ended])
        return ended["state"], ended.get("reason"), time.monotonic() - began, ended

    def case(self, major, fault, phase):
        """Problems, as texts."""
        what, problems = f"Node {major}: {fault}, {phase}", []
        self.begin(major)
        self.phase = phase
        until(self._is_up, lambda: f"{self.name} is up: {self.campaign.daemon.target(self.name)}", 60)
        self.tap.arm(phase, getattr(self, fault))
        state, reason, seconds, ended = self.capture()
        if self.tap.armed() and phase != "publish":
            problems.append(f"{what}: it was not hit: {state} {reason}")
        if state == "failed" and reason not in REASONS[fault]:
            problems.append(f"{what}: {reason}: {ended['error']}")
        if state == "succeeded" and phase not in LATE:
            problems.append(f"{what}: succeeded")
        if fault == "oom":
            self.campaign.ooms.append((phase, state))
        if seconds > DEADLINE_S + SLACK_S:
            problems.append(f"{what}: it took {seconds:.1f} s")
        self.recover(fault, phase)
        state, reason, _, ended = self.capture()
        if state != "succeeded":
            problems.append(f"{what}: and then {reason}: {ended['error']}")
        return problems

    def recover(self, fault, phase):
        """The same target is there again, or its successor."""
        if phase == "publish":  # the capture is over at about the moment that the fault comes
            until(lambda: not self.tap.armed(), "the fault")
        self.tap.arm(None, None)
        if fault == "stop":
            self.node.process.signal(signal.SIGCONT)
        elif fault != "cut":
            if fault == "oom" and phase in INSIDE and self.node.process.running():
                # It had all that it needed, or ends at this moment.
                with contextlib.suppress(ProcessLookupError):
                    self.node.process.signal(signal.SIGUSR2)
            self.node.process.wait_exit(60)
            self.begin(self.node.major)
        undone = datetime.now(timezone.utc)
        until(lambda: self._is_back(undone),
              lambda: f"{self.name} is up again: {self.campaign.daemon.target(self.name)}", 60)

    def _is_up(self):
        """As this very process, not as one before it."""
        target = self.campaign.daemon.target(self.name)
        return target["state"] == "up" and target["pid"] == self.node.pid

    def _is_back(self, undone):
        """By a poll since the trouble was undone."""
        if not self.node.process.running():
            # Whoever vanishes while a snapshot streams may take these along (RUNTIMES.md).
            assert self.node.major in (20, 22), "it died of a client that vanished"
            self.begin(self.node.major)
        return self.campaign.daemon.is_up_since(self.name, undone) and self._is_up()


class Campaign:
    def __init__(self, nursery, home, quiet):
        self.nursery = nursery
        self.ooms = []  # (phase, what the capture came to)
        self.pool = ThreadPoolExecutor(SLOTS)  # a Node ends with the thread that started it
        self.slots = [Slot(self, i) for i in range(SLOTS)]
        addresses = {slot.name: slot.tap.address for slot in self.slots}
        addresses["quiet"] = quiet.address
        config = static_config(
            addresses, spool={"keep_free": "0", "max_files": 0},
            capture={"threads": SLOTS, "per_host": SLOTS, "guards": {"headroom": 0},
                     "idle_timeout": f"{DEADLINE_S}s", "start_timeout": f"{DEADLINE_S}s"})
        for slot in self.slots:
            slot.begin(24)
        self.home, self.config = home, config
        self.storage = Storage(home / "storage")
        self.daemon = self.start()

    def start(self):
        return Daemon(self.nursery, self.home, self.config, flags=["--log.level=info"])

    def restart(self):
        """All that was told of is there, before and after. Problems, as texts."""
        listed = self.daemon.api("/captures")["ready"]
        self.storage.acknowledge(listed)  # also diagnostics
        problems = self.storage.unlisted(listed)
        self.daemon.process.stop()
        more, halves = self.storage.after_kill()
        problems += more + [f"{half} was left" for half in halves]
        self.daemon = self.start()
        return problems + self.storage.after_start(halves, self.daemon.api("/captures")["ready"])

    def threads(self):
        return len(os.listdir(f"/proc/{self.daemon.process.pid}/task"))

    def run(self, cases):
        """As many at a time as there are slots."""
        free = list(self.slots)

        def one(case):
            slot = free.pop()
            try:
                return slot.case(*case)
            except AssertionError as error:
                return [f"{case}: {error}"]
            finally:
                free.append(slot)
        return [problem for problems in self.pool.map(one, cases) for problem in problems]


@pytest.fixture
def campaign(release, nursery, tmp_path, start_node):
    made = Campaign(nursery, tmp_path / "daemon", start_node(24, "idle"))
    yield made
    made.pool.shutdown()
    for slot in made.slots:
        slot.tap.close()


def test_trouble_in_every_phase(campaign, dice, share, record_property):
    daemon = campaign.daemon
    cases = [(major, fault, phase) for major in node.MAJORS for fault in FAULTS
             for phase in PHASES] * ROUNDS
    chosen = dice.sample(cases, share(len(cases)))
    # Of every major: one in some twelve of Node 20's has all its memory by then, and succeeds.
    chosen += [(major, "oom", phase) for major in node.MAJORS for phase in INSIDE
               if (major, "oom", phase) not in chosen]
    for slot in campaign.slots:
        daemon.wait_up(slot.name, 60)
    assert campaign.run([(24, "cut", "building")] * SLOTS) == []  # all threads are there now
    threads = campaign.threads()
    with Probe(daemon, "quiet", POLL_S) as probe:
        problems = campaign.run(chosen)
        probe.end()
    record_property("target faults", len(chosen))
    for (phase, state), n in sorted(Counter(campaign.ooms).items()):
        record_property(f"out of memory, {phase}: {state}", n)
        print(f"out of memory, {phase}: {n} {state}")
    record_property("slowest answer", round(probe.slowest, 3))
    record_property("longest time without a poll", round(probe.standstill, 3))
    assert not problems, "\n".join(problems)
    assert {(phase, "failed") for phase in INSIDE} <= set(campaign.ooms)
    assert campaign.threads() <= threads
    probe.check()
    assert sum(v for _, v in daemon.values("heapwatch_poll_failures_total", target="quiet")) == 0
    assert os.listdir(campaign.storage.incoming) == []
    assert campaign.restart() == []
    record_property("captures acknowledged", campaign.storage.acknowledged_files()["file"])
