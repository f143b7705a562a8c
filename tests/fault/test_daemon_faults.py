"""Every call by which a whole daemon touches its files during captures of real Nodes fails: the
capture fails with its reason, what is in ready/ is whole and what its manifest says, the daemon goes on,
polls, answers, and the next capture succeeds. What it takes over is taken over nevertheless, once."""

import errno
import os

import snapshots
from faults import ERRORS, fault_of
from lab import node
from lab.wait import until
from victim import Victim, check_restart, strike_all

FAULTS = 400  # at full scale
DROPS = 100
DROP_BYTES = 200_000
TAKEN_S = 60.0  # also what failed for want of space, which is tried at intervals


def choose(calls, n, dice):
    chosen = [fault_of(kind, dice.choice(ERRORS[kind]), dice.randint(1, calls[kind]),
                       dice.random() < 0.3)
              for kind in dice.choices([k for k in calls if ERRORS[k]], k=n)]
    for fault in chosen:
        if fault.get("error") == errno.EINTR:
            fault["sticky"] = False
    return chosen


def test_every_call_of_a_daemon_fails(build, nursery, tmp_path, start_node, shim, dice, share,
                                      record_property):
    part, environment = build
    targets = {f"node{major}": start_node(major, "idle") for major in node.MAJORS}
    victim = Victim(nursery, tmp_path / "daemon", targets, start_node(24, "idle"), shim,
                    environment)
    victim.capture("node24")
    calls = victim.baseline("node24")
    chosen = choose(calls, share(FAULTS * part), dice)
    strike_all(victim, [(victim.names[i % len(victim.names)], fault) for i, fault in enumerate(chosen)],
               record_property)
    check_restart(victim, nursery)


class Adopter(Victim):
    """Files come to a folder of the storage, one after the other, which the daemon takes over."""

    def __init__(self, nursery, home, targets, quiet, shim, environment, dice):
        self.folder, self.whole = home / "storage" / "drops", home.parent / "whole"
        snapshots.write(self.whole, DROP_BYTES, dice)
        self.unsure, self.dropped = set(), 0
        super().__init__(nursery, home, targets, quiet, shim, environment,
                         adopt=[{"directory": str(self.folder), "settle": "100ms"}])
        self.folder.mkdir()

    def drop(self):
        self.dropped += 1
        path = self.folder / f"dropped-{self.dropped}.heapsnapshot"
        self.whole.with_name("coming").write_bytes(self.whole.read_bytes())
        return self.whole.with_name("coming").rename(path)

    def copies(self, path):
        return [c for c in self.daemon.api("/captures")["ready"] if c["source"] == str(path)]

    def capture(self, name):
        path = self.drop()
        until(lambda: not path.exists(), lambda: f"{path.name}:\n{self.daemon.tail()}", TAKEN_S)
        return "succeeded", None, self.copies(path)

    def strike(self, name, fault):
        self.faults.arm(**fault)
        path = self.drop()
        until(lambda: self.faults.fired or not path.exists(), f"the fault {fault}", TAKEN_S)
        self.settle()
        self.faults.disarm()
        what = f"{fault} at {self.faults.what}"
        problems = [f"{what}: {problem}" for problem in self.intact()]
        until(lambda: self.copies(path), lambda: f"{what}: a copy:\n{self.daemon.tail()}", TAKEN_S)
        # A copy that may be lost with the power is not enough before the next start.
        if fault["kinds"] == ("fsync",):
            self.unsure.add(path)
        else:
            until(lambda: not path.exists(), lambda: f"{what}: its deletion:\n{self.daemon.tail()}",
                  TAKEN_S)
        self.settle()
        self.wait_polled(name)
        problems += [f"{what}, and then: {problem}" for problem in self.intact()]
        if len(self.copies(path)) != 1:
            problems.append(f"{what}: {len(self.copies(path))} copies of {path.name}")
        self.wait_cleared(fault, what)
        return problems


def test_every_call_of_taking_over_fails(build, nursery, tmp_path, start_node, shim, dice, share,
                                         record_property):
    part, environment = build
    victim = Adopter(nursery, tmp_path / "daemon", {"node24": start_node(24, "idle")},
                     start_node(24, "idle"), shim, environment, dice)
    victim.capture("node24")
    calls = victim.baseline("node24")
    chosen = choose(calls, share(DROPS * part), dice)
    fired = strike_all(victim, [("node24", fault) for fault in chosen], record_property)
    assert fired >= len(chosen) / 2, f"{fired} of {len(chosen)} were hit"
    assert set(victim.folder.iterdir()) <= victim.unsure
    check_restart(victim, nursery)
    until(lambda: not os.listdir(victim.folder), lambda: os.listdir(victim.folder))
