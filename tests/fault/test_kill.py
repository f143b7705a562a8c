"""SIGKILL of the daemon at random moments of captures of real Nodes, restarted at once on the same
storage: nothing half, nothing lost, nothing forgotten, and the targets as fast as before. SIGKILL of
the worker that writes reports: the capture stays, and the daemon goes on. Files that it takes over are there
once, before or after."""

import json
import os
import shutil
import signal
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

import snapshots
from invariants import NO_KEEP, Storage
from keys import public_key
from lab import node
from lab.daemon import Daemon, static_config
from lab.wait import until
from tap import Tap
from watching import Watch

POLL = {"interval": "100ms", "timeout": "100ms", "backoff_max": "100ms"}
KEPT_MAX = 12  # captures in the spool before the older ones are removed, by request
THREADS = 4  # captures at once
WORKER_S = 0.1  # it lives about so long
DROP_BYTES = 1 << 20  # of a file that is taken over
DAY_S = 86400
DROP_S = 0.05  # until it is seen, and for its deletion
GLANCE_S = 0.002  # between looks for one
LOOK_S = 0.03  # at what the daemon says, while waiting for the moment
RULE_S = 3.0  # a rule that may has acted by then
COOLDOWN_S = 3
FAST_SHARE = 0.55  # of the speed of allocation before: what tracked object ids leave is a third

PLAIN = {"redact": "none", "compress": "none", "scripts": False, "diagnostics": False}
SEALED = {"redact": "strings", "compress": "zstd", "scripts": True, "diagnostics": True}
SERIES = {"count": 3, "spacing": "10s"}
OPEN = dict(PLAIN, compress="zstd", scripts=True)
SNAPSHOT = {"kind": "snapshot"}
SAMPLING = {"kind": "sampling", "duration": "1s", "format": ["heapprofile", "pprof"]}
REPORTS = {"enabled": True, "headroom": "64MiB"}
UNDER_WAY = ("queued", "running")  # of an analysis
ENDED = {"none", "done", "failed"}
# How an analysis may fail here. An idle host has memory for all of them.
KILLED = ("killed from outside", "twice the daemon ended")


@dataclass
class Kind:
    kills: int
    capture: dict
    events: int  # of the file system in one capture, about
    spool: dict = field(default_factory=dict)
    rule: dict = None  # what a rule that always holds has besides; None: persons ask
    encrypted: bool = True
    sanitized: bool = False
    wishes: dict = field(default_factory=lambda: SNAPSHOT)  # of a person
    analysis: dict = None  # its section; None: no reports
    drops: bool = False  # nobody asks: files come to a folder


KINDS = {
    "plain": Kind(600, PLAIN, 8, encrypted=False),
    "sealed": Kind(500, SEALED, 20),
    "vacuum": Kind(400, dict(SEALED, diagnostics=False), 20,
                   spool={"max_files": 5, **NO_KEEP}),
    "rules": Kind(200, SEALED, 20, rule={
        "guards": {"cooldown": f"{COOLDOWN_S}s", "max_captures": 0}}),
    "series": Kind(100, SEALED, 20, rule={
        "guards": {"cooldown": "20s", "max_captures": 0},
        "actions": [{"capture": "snapshot", "series": SERIES}]}),
    "sanitized": Kind(200, SEALED, 20, sanitized=True),
    "reports": Kind(60, OPEN, 40, encrypted=False, analysis=REPORTS),
    "sampling": Kind(60, dict(OPEN, gc_interval="1s"), 40, encrypted=False, wishes=SAMPLING, analysis=REPORTS),
    "adopt": Kind(200, dict(SEALED, diagnostics=False), 15, drops=True),
}


class Campaign:
    """One storage, the same targets, many daemons."""

    def __init__(self, kind, nursery, home, addresses, dice):
        self.kind, self.nursery, self.home, self.dice = kind, nursery, home, dice
        self.targets = sorted(addresses)
        self.storage = Storage(home / "storage")
        self.kills = Counter()
        self.capture_s = []  # how long each took
        self.expected_s = 0.0  # what is under way takes
        self.events_max = kind.events
        self.running = False  # when we last looked
        self.lives = 0
        self.config = self._configure(addresses)
        self.daemon = self.watch = None
        self.halves = {}

    def _configure(self, addresses):
        kind = self.kind
        capture = dict(kind.capture, threads=THREADS, per_host=THREADS, guards={"headroom": 0})
        if kind.encrypted:
            capture["encrypt"] = [public_key()]
        if kind.drops:
            capture["adopt"] = [{"directory": str(self.home / "drops"), "settle": "100ms"}]
        sections = {"poll": POLL, "capture": capture, "spool": dict(kind.spool, keep_free="0")}
        if kind.rule is not None:
            sections["rule_files"] = [str(self.home / "rules.yaml")]
        if kind.analysis is not None:
            sections["analysis"] = kind.analysis
        return static_config(addresses, **sections)

    def _write_rules(self):
        """Of a condition that no life before had: what fires goes on over a restart, and captures when
        it begins."""
        rule = {"alert": "Always", "when": {"metric": "heap_used", "above": str(1024 + self.lives)},
                "actions": [{"capture": "snapshot"}], **self.kind.rule}
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "rules.yaml").write_text(yaml.safe_dump(
            {"groups": [{"name": "all", "interval": "1s", "rules": [rule]}]}))

    # ---- a life of the daemon ----

    def start(self):
        self.lives += 1
        if self.kind.rule is not None:
            self._write_rules()
        self.daemon = Daemon(self.nursery, self.home, self.config, flags=["--log.level=info"])
        listed = self.daemon.api("/captures")["ready"]
        self.must_be_fine(self.storage.after_start(
            self.halves, listed, self.kind.spool.get("max_files", 0)))
        self.storage.acknowledge(listed)
        if self.watch is None:
            self.watch = Watch(self.storage.incoming, self.storage.ready)

    def must_be_fine(self, problems):
        assert not problems, "\n".join([f"after {self.kills} kills:", *problems,
                                        self.daemon.tail()])

    def wait_up(self):
        def seen():
            return self.daemon.api("/targets")["activeTargets"]
        until(lambda: all(t["health"] == "up" for t in seen()),
              lambda: "all targets up: " + json.dumps(
                  [(t["labels"]["target"], t["lastError"]) for t in seen()]) + self.daemon.tail())

    def look(self):
        """What the daemon says it has, now."""
        found = self.daemon.api("/captures")
        self.running = bool(found["running"]) or any(
            entry["analysis"]["state"] in UNDER_WAY for entry in found["ready"])
        self.capture_s += [
            entry["duration_seconds"] for entry in found["ready"]
            if entry["name"] not in self.storage.acknowledged and self.is_wanted(entry)]
        self.storage.acknowledge(found["ready"])
        return found["ready"]

    def is_wanted(self, entry):
        """It is not the diagnostics beside what was asked for."""
        return entry["kind"] == self.kind.wishes["kind"]

    def ask(self, wanted):
        """A person asks for captures of so many targets, as soon as one is there."""
        def some():
            asked = 0
            for name in self.dice.sample(self.targets, wanted):
                answer = self.daemon.post(f"/api/v1/targets/{name}/captures",
                                          json.dumps(self.kind.wishes).encode(),
                                          {"Content-Type": "application/json"})
                asked += answer.status == 202
            return asked
        asked = until(some, lambda: f"a target that can be captured:\n{self.daemon.tail()}")
        if self.capture_s:
            self.expected_s = statistics.mean(self.capture_s[-20:]) * (1 + asked) / 2
        self.events_max = self.kind.events * asked

    def wait_for_rule(self):
        until_s = time.monotonic() + RULE_S
        while not self.running and time.monotonic() < until_s:
            self.watch.wait(min(until_s, time.monotonic() + LOOK_S))
            self.look()
        if self.capture_s:
            self.expected_s = statistics.mean(self.capture_s[-20:])
        self.events_max = self.kind.events

    def first_captures(self):
        """Undisturbed, so that we know how long they take."""
        self.wait_up()
        if self.kind.rule is None:
            self.ask(len(self.targets))
        until(lambda: {e["target"] for e in self.look() if self.is_wanted(e)} ==
              set(self.targets), lambda: f"captures:\n{self.daemon.tail()}", 120)
        self.wait_analysed()

    # ---- moments ----

    def any_time(self):
        until_s = time.monotonic() + self.dice.uniform(0, self.expected_s)
        while time.monotonic() < until_s:
            if self.watch.wait(until_s):
                self.look()

    def around_an_event(self):
        """Within 5 ms of a creation, a write's end, a rename or a removal."""
        left = self.dice.randint(1, self.events_max)
        until_s = time.monotonic() + 2 * self.expected_s
        while left > 0 and time.monotonic() < until_s:
            events = self.watch.wait(min(until_s, time.monotonic() + LOOK_S))
            left -= len(events)
            if not events:
                self.look()
                if not self.running:
                    break
        time.sleep(self.dice.uniform(0, 0.005))

    def when_told(self):
        """Right after the daemon has told of a new capture."""
        known = len(self.storage.acknowledged)
        until_s = time.monotonic() + 2 * self.expected_s
        while len(self.storage.acknowledged) == known and time.monotonic() < until_s:
            self.watch.wait(min(until_s, time.monotonic() + LOOK_S))
            self.look()

    # ---- the worker ----

    def worker(self):
        """The pid of the daemon's child, or None."""
        tasks = Path(f"/proc/{self.daemon.process.pid}/task")
        pids = [pid for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
        assert len(pids) < 2, pids
        return int(pids[0]) if pids else None

    def analysed(self):
        """All that is listed has come to its end."""
        return all(entry["analysis"]["state"] not in UNDER_WAY for entry in self.look())

    def wait_analysed(self):
        until(self.analysed, lambda: f"the end of all analyses:\n{self.daemon.tail()}", 60)

    def while_analysed(self):
        """At any time of a worker's life, most likely."""
        until_s = time.monotonic() + 2 * self.expected_s
        while self.worker() is None and time.monotonic() < until_s:
            self.watch.wait(time.monotonic() + GLANCE_S)
        time.sleep(self.dice.uniform(0, WORKER_S))

    def kill_worker(self):
        """Its capture stays as it is, and the daemon goes on and has time for the next."""
        self.while_analysed()
        pid = self.worker()
        if pid is None:
            return
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it has just ended
            return
        self.kills["of the worker"] += 1
        until(lambda: self.analysed() and not self.running,
              lambda: f"the end of all analyses:\n{self.daemon.tail()}", 60)
        self.must_be_fine(self.storage.whole() + self.storage.changed())
        assert self.daemon.get("/-/healthy").status == 200

    def a_worker_is_killed(self):
        self.ask(1)
        self.kill_worker()
        return self.kills["of the worker"] > 0

    def check_reports(self):
        """Each capture has its report, or says why not."""
        self.wait_analysed()
        for entry in self.look():
            analysis = entry["analysis"]
            assert analysis["state"] in ENDED, entry
            if analysis["state"] == "failed":
                assert any(why in analysis["reason"] for why in KILLED), entry
        assert self.storage.acknowledged_files()["report"] > 0
        self.must_be_fine(self.storage.whole() + self.storage.changed())

    # ---- a kill ----

    def moments(self):
        usual = (self.any_time, self.any_time, self.around_an_event, self.around_an_event,
                 self.when_told)
        if self.kind.analysis is None:
            return usual
        return (*usual, self.while_analysed, self.while_analysed, self.kill_worker, self.kill_worker)

    def kill(self):
        """With it ends the worker, if there is one."""
        worker = self.worker() if self.kind.analysis is not None else None
        self.daemon.process.kill()
        if worker is not None:
            self.kills["with a worker"] += 1
            until(lambda: not os.path.exists(f"/proc/{worker}"), f"worker {worker} ends too")

    def cycle(self):
        if self.kind.rule is None:
            self.ask(self.dice.randint(1, 3))
        else:
            self.wait_for_rule()
        self.watch.take()
        self.dice.choice(self.moments())()
        self.kill()
        problems, self.halves = self.storage.after_kill()
        self.kills["all"] += 1
        self.kills["with files under way"] += bool(self.halves)
        self.must_be_fine(problems)
        self.start()
        self.prune()

    def prune(self):
        """So that the disk does not fill: a person removes what is old."""
        if "max_files" in self.kind.spool or len(self.storage.captures()) <= KEPT_MAX:
            return
        for entry in self.look()[3:]:
            self.remove(entry)

    def remove(self, entry):
        self.storage.let_go(entry["name"])
        self.daemon.get(f"/api/v1/captures/{entry['id']}", method="DELETE")


class Drops(Campaign):
    """Whole files come to a folder. Each is there at any time, in the folder or in the spool, and in the
    spool once; when the daemon has done with it, it is in the spool only."""

    def __init__(self, kind, nursery, home, addresses, dice):
        self.folder, self.dropped = home / "drops", []
        self.since_s = int(time.time()) - DAY_S
        self.folder.mkdir(parents=True)
        self.whole = snapshots.write(home / "whole", DROP_BYTES, dice)
        super().__init__(kind, nursery, home, addresses, dice)

    def ask(self, wanted):
        self.watch.take()
        for _ in range(wanted):
            n = len(self.dropped) + self.kills["let go"]
            path = self.folder / f"dropped-{n}.heapsnapshot"
            self.dropped.append(path)
            shutil.copy(self.whole, self.home / "coming")
            # A copy is named by the second in which the file was written: no name comes twice.
            os.utime(self.home / "coming", (self.since_s + n, self.since_s + n))
            (self.home / "coming").rename(path)
        if self.dice.random() < 0.9:  # else it may be killed before it has seen them
            self.watch.wait(time.monotonic() + 1)
        if self.capture_s:
            self.expected_s = DROP_S + statistics.mean(self.capture_s[-20:]) * (1 + wanted) / 2
        self.events_max = self.kind.events * wanted

    def first_captures(self):
        self.wait_up()
        self.ask(THREADS)
        self.wait_taken()

    def remove(self, entry):
        if not os.path.exists(entry["source"]):
            super().remove(entry)
            self.dropped.remove(Path(entry["source"]))
            self.kills["let go"] += 1

    def places(self):
        """[(path, is it there, how many copies there are)]"""
        copies = Counter(told.get("source") for told in self.storage.captures().values())
        return [(path, path.exists(), copies[str(path)]) for path in self.dropped]

    def kill(self):
        super().kill()
        places = self.places()
        self.kills["between copy and deletion"] += any(there and n for _, there, n in places)
        self.must_be_fine([f"{path.name} is {'' if there else 'not '}there and {n} times in the spool"
                           for path, there, n in places if n > 1 or (n == 0 and not there)])

    def wait_taken(self):
        def taken():
            self.look()
            return not self.running and not os.listdir(self.folder)
        until(taken, lambda: f"{os.listdir(self.folder)} to be taken over:\n{self.daemon.tail()}", 60)
        self.must_be_fine([f"{path.name} is {n} times in the spool"
                           for path, _, n in self.places() if n != 1])

    def cycle(self):
        super().cycle()
        if self.dice.random() < 0.5:  # else the next kill finds also what this one has left
            self.wait_taken()


class Targets:
    """Idle Nodes of three majors, and one that allocates and can tell how fast."""

    def __init__(self, start_node):
        self._start = start_node
        self.nodes = {f"node{major}": start_node(major, "idle") for major in (20, 22, 26)}
        self.nodes["alloc"] = start_node(24, "alloc", flags=node.STEADY)
        self.crashes = 0

    def revive(self):
        """No kill of the daemon may end a target. One thing we cannot keep from it: a Node whose
        client vanishes while it streams a snapshot writes to the closed socket now and then and
        dies of SIGSEGV (docs/RUNTIMES.md)."""
        for name, target in self.nodes.items():
            if target.process.running():
                continue
            assert target.process.wait_exit() == -signal.SIGSEGV, \
                f"{name} ended\n{target.process.output()[-3000:]}"
            self.crashes += 1
            flags = node.STEADY if name == "alloc" else ()
            self.nodes[name] = self._start(target.major, target.program, flags=flags,
                                           port=target.port)


def check_cooldown(taps):
    """No kill lets a rule capture again at once. The request is on its way for a moment."""
    for name, tap in taps.items():
        gaps = [b - a for a, b in zip(tap.asked, tap.asked[1:])]
        assert min(gaps, default=COOLDOWN_S) > COOLDOWN_S / 2, f"{name}: {gaps}"


@pytest.mark.parametrize("name", KINDS)
def test_kill(name, nursery, tmp_path, start_node, dice, share, request, record_property):
    kind = KINDS[name]
    if not kind.sanitized:
        request.getfixturevalue("release")
    targets = Targets(start_node)
    speed = node.allocation_speed(targets.nodes["alloc"])
    taps = {name: Tap(target.port) for name, target in targets.nodes.items()} if kind.rule else {}
    campaign = (Drops if kind.drops else Campaign)(
        kind, nursery, tmp_path / "daemon",
        {name: t.address for name, t in (taps or targets.nodes).items()}, dice)
    campaign.start()
    campaign.first_captures()
    for _ in range(share(kind.kills)):
        campaign.cycle()
        targets.revive()
    campaign.wait_up()
    if name == "reports":
        until(campaign.a_worker_is_killed, "a worker that can be killed", 60)
    if kind.analysis is not None:
        campaign.check_reports()
    if kind.drops:
        campaign.wait_taken()
    for what, n in campaign.kills.items():
        record_property(f"kills, {what}", n)
    record_property("Nodes that died of a client's end", targets.crashes)
    for what, n in campaign.storage.acknowledged_files().items():
        record_property(f"acknowledged, {what}", n)
    def asked():
        return sum(len(tap.asked) for tap in taps.values())
    until(lambda: not taps or asked() > len(taps), "a rule that captures after the first kill", 60)
    record_property("requests for snapshots", asked())
    if name == "rules":
        check_cooldown(taps)
    assert node.allocates_at_least(targets.nodes["alloc"], FAST_SHARE * speed), \
        f"{node.allocation_speed(targets.nodes['alloc'])} objects per ms, {speed} before"
