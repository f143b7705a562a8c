"""A whole daemon with the shim before it, whose captures are watched while a call of it fails."""

import os
from datetime import datetime, timezone

import faults
from faults import SPACE
from invariants import NO_KEEP, Storage
from lab.daemon import Daemon, static_config
from lab.wait import until
from probe import Probe

CAPTURE_S = 60.0
POLL_S = 0.2
MAX_FILES = 8
# What a file keeps when deleting it fails; the next start deletes it.
LEAVES_FILES = ("unlink",)


class Victim:
    """A daemon with the shim, and targets to capture one after the other."""

    def __init__(self, nursery, home, targets, quiet, shim, environment, **capture):
        self.home, self.names, self.undeleted = home, list(targets), set()
        self.storage = Storage(home / "storage")
        addresses = {name: target.address for name, target in targets.items()}
        addresses["quiet"] = quiet.address
        home.mkdir()
        self.faults = faults.Faults(home / "control", self.storage.path)
        self.config = static_config(
            addresses, spool={"keep_free": "0", "max_files": MAX_FILES, **NO_KEEP},
            poll={"interval": f"{round(POLL_S * 1000)}ms", "timeout": "200ms",
                  "backoff_max": "200ms"},
            capture={"guards": {"headroom": 0}, **capture})
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
        if ended["state"] == "succeeded":
            self.storage.acknowledge([ended])
        return ended["state"], ended.get("reason"), ended

    def wait_polled(self, name):
        """By a poll since now: one that met the fault may still fail."""
        now = datetime.now(timezone.utc)
        until(lambda: self.daemon.is_up_since(name, now),
              lambda: f"{name} is up again: {self.daemon.target(name)}")

    def settle(self):
        """Also diagnostics, and what is being deleted."""
        until(lambda: not self.daemon.api("/captures")["running"], "all captures to end")

    def intact(self):
        """What is there, and what has been told of it: problems as texts."""
        problems = self.storage.whole() + self.storage.changed() + self.storage.lost(MAX_FILES)
        return problems + self.acknowledge()

    def acknowledge(self):
        """What is listed. Problems: what is there and is not."""
        listed = self.daemon.api("/captures")["ready"]
        self.storage.acknowledge(listed)
        return self.storage.unlisted(listed)

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
        self.wait_polled(name)
        again, _, ended = self.capture(name)
        if again != "succeeded":
            problems.append(f"{what}: and then, without faults: {ended}")
        self.settle()
        problems += [f"{what}, and then: {problem}" for problem in self.intact()]
        self.wait_cleared(fault, what)
        return problems

    def wait_cleared(self, fault, what):
        """Nothing is in incoming/ but what could not be deleted."""
        def there():
            return set(os.listdir(self.storage.incoming)) - self.undeleted
        if fault["kinds"][0] in LEAVES_FILES:
            self.undeleted |= there()
        else:
            until(lambda: not there(), lambda: f"{what}: {there()} in incoming/")

    def baseline(self, name, **which):
        """{kind: calls} of a capture when nothing fails."""
        self.faults.arm("count", **which)
        state, _, told = self.capture(name)
        assert state == "succeeded", f"{told}\n{self.daemon.tail()}"
        self.settle()
        return self.faults.calls()


def check_restart(victim, nursery):
    victim.settle()
    assert not victim.intact()
    victim.daemon.process.stop()
    problems, halves = victim.storage.after_kill()
    assert not problems
    again = Daemon(nursery, victim.home, victim.config)
    assert not victim.storage.after_start(halves, again.api("/captures")["ready"])
    victim.faults.close()


def strike_all(victim, chosen, record_property):
    """Each (name of the target, fault) in turn, while others are polled and HTTP is answered. How many
    were hit."""
    problems, fired = [], 0
    with Probe(victim.daemon, "quiet", POLL_S) as probe:
        for name, fault in chosen:
            try:
                problems += victim.strike(name, fault)
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
    return fired
