"""Every call by which a whole daemon touches its files during captures of real Nodes fails: the
capture fails with its reason, what is in ready/ is whole and what its manifest says, the daemon goes on,
polls, answers, and the next capture succeeds."""

import errno
import os

import pytest

import faults
from faults import ERRORS, SPACE, fault_of
from invariants import Storage
from lab import node
from lab.daemon import Daemon, static_config
from lab.wait import until
from probe import Probe

FAULTS = 400  # at full scale
CAPTURE_S = 60.0
POLL_S = 0.2
# What a file keeps when deleting it fails; the next start deletes it.
LEAVES_FILES = ("unlink",)


class Victim:
    """A daemon with the shim, and targets to capture one after the other."""

    def __init__(self, nursery, home, targets, quiet, shim, environment):
        self.home, self.names = home, list(targets)
        self.storage = Storage(home / "storage")
        addresses = {name: target.address for name, target in targets.items()}
        addresses["quiet"] = quiet.address
        home.mkdir()
        self.faults = faults.Faults(home / "control", self.storage.path)
        self.config = static_config(
            addresses, spool={"keep_free": "0", "max_files": 8},
            poll={"interval": f"{round(POLL_S * 1000)}ms", "timeout": "200ms",
                  "backoff_max": "200ms"},
            capture={"guards": {"headroom": 0}})
        self.daemon = Daemon(nursery, home, self.config, flags=["--log.level=info"],
                             env=dict(environment, LD_PRELOAD=str(shim),
                                      **self.faults.environment()))
        for name in addresses:
            self.daemon.wait_up(name)

    def capture(self, name):
        """(state, reason, all that the API says), or ("refused", kind, text)"""
        answer = None

        def taken():
            nonlocal answer
            answer = self.daemon.post(f"/api/v1/targets/{name}/captures", b'{"kind": "snapshot"}',
                                      {"Content-Type": "application/json"})
            return answer.status != 409
        until(taken, lambda: f"{name}: {answer.text}")
        if answer.status != 202:
            return "refused", answer.status, answer.text
        path = f"/captures/{answer.json()['data']['id']}"
        ended = until(lambda: (c := self.daemon.api(path))["state"] in ("succeeded", "failed") and c,
                      lambda: f"the end of {self.daemon.api(path)}", CAPTURE_S)
        return ended["state"], ended.get("reason"), ended

    def settle(self):
        """Also diagnostics, and what is being deleted."""
        until(lambda: not self.daemon.api("/captures")["running"], "all captures to end")

    def intact(self):
        """What is there, and what has been told of it: problems as texts."""
        problems = self.storage.whole() + self.storage.changed()
        self.acknowledge()
        return problems

    def acknowledge(self):
        """What is listed; what is so no more has been vacuumed."""
        listed = self.daemon.api("/captures")["ready"]
        for name in set(self.storage.acknowledged) - {entry["name"] for entry in listed}:
            del self.storage.acknowledged[name]
        self.storage.acknowledge(listed)

    def strike(self, name, fault):
        """Problems, as texts."""
        self.faults.arm(**fault)
        state, reason, ended = self.capture(name)
        self.settle()
        self.faults.disarm()
        what = f"{fault} at {self.faults.what}"
        problems = [f"{what}: {problem}" for problem in self.intact()]
        if state == "failed" and fault.get("error") in SPACE and reason != "space":
            problems.append(f"{what}: {ended}")
        again, _, ended = self.capture(name)
        if again != "succeeded":
            problems.append(f"{what}: and then, without faults: {ended}")
        self.settle()
        problems += [f"{what}, and then: {problem}" for problem in self.intact()]
        if fault["kinds"][0] not in LEAVES_FILES:
            until(lambda: not os.listdir(self.storage.incoming),
                  lambda: f"{what}: {os.listdir(self.storage.incoming)} in incoming/")
        return problems

    def baseline(self, name):
        self.faults.arm("count")
        state, _, told = self.capture(name)
        assert state == "succeeded", f"{told}\n{self.daemon.tail()}"
        self.settle()
        return self.faults.calls()


@pytest.fixture(params=["release", "sanitized"])
def build(request, shim):
    """What to run, and what else its environment needs."""
    if request.param == "release":
        request.getfixturevalue("release")
        return 0.8, {}
    options = os.environ.get("ASAN_OPTIONS", "")
    return 0.2, {"ASAN_OPTIONS": f"{options}:verify_asan_link_order=0".lstrip(":")}


def test_every_call_of_a_daemon_fails(build, nursery, tmp_path, start_node, shim, dice, share,
                                      record_property):
    part, environment = build
    targets = {f"node{major}": start_node(major, "idle") for major in node.MAJORS}
    victim = Victim(nursery, tmp_path / "daemon", targets, start_node(24, "idle"), shim,
                    environment)
    victim.capture("node24")
    calls = victim.baseline("node24")
    chosen = [fault_of(kind, dice.choice(ERRORS[kind]), dice.randint(1, calls[kind]),
                       dice.random() < 0.3)
              for kind in dice.choices([k for k in calls if ERRORS[k]], k=share(FAULTS * part))]
    for fault in chosen:
        if fault.get("error") == errno.EINTR:
            fault["sticky"] = False
    problems, fired = [], 0
    with Probe(victim.daemon, "quiet", POLL_S) as probe:
        for i, fault in enumerate(chosen):
            try:
                problems += victim.strike(victim.names[i % len(victim.names)], fault)
            except (OSError, AssertionError) as error:
                problems.append(f"{fault} at {victim.faults.what}: {error}\n{victim.daemon.tail()}")
                break
            fired += victim.faults.fired > 0
        assert victim.daemon.process.running(), "\n".join(
            [f"the daemon ended: {victim.daemon.process.wait_exit()}", *problems])
        probe.end()
    record_property("faults", fired)
    record_property("slowest answer", round(probe.slowest, 3))
    assert not problems, "\n".join([f"{len(problems)} of {len(chosen)}:", *problems[:20]])
    probe.check()
    check_restart(victim, nursery)


def check_restart(victim, nursery):
    victim.acknowledge()
    victim.daemon.process.stop()
    problems, halves = victim.storage.after_kill()
    assert not problems
    again = Daemon(nursery, victim.home, victim.config)
    assert not victim.storage.after_start(halves, again.api("/captures")["ready"])
    victim.faults.close()
