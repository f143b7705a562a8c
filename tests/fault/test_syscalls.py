"""Every call by which the daemon touches its files fails in turn: first in a program that does the
disk work of captures and nothing else (driver.c), then in whole daemons with a real Node."""

import errno
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass

import pytest

import faults
import snapshots
from faults import ERRORS, SPACE, fault_of
from invariants import Storage
from keys import public_key

DEADLINE_S = 60
MIB = 1 << 20
UNLIMITED = 0
BAD = ("failed", "trouble")

@dataclass
class Scenario:
    commands: str
    max_files: int = UNLIMITED
    max_use: int = UNLIMITED
    prepared: bool = False  # a spool with captures, and with what a kill leaves


SCENARIOS = {
    "plain": Scenario("open; file {large} none 0; verify"),
    "sealed": Scenario("open; file {small} strings 1 {recipient}; text 5000 1 {recipient}"),
    "pairs": Scenario("open; pair {small} strings 1 {recipient}; pair {small} none 0; remove; verify"),
    "vacuum": Scenario("open; pair {small} none 1; file {small} none 1; pair {small} none 1; vacuum 0",
                       max_files=2),
    "pinned": Scenario("open; file {small} none 1; pin; text 5000 1; vacuum 0; remove; unpin; remove",
                       max_files=1),
    "reports": Scenario("open; pair {small} none 1; report; file {small} none 0; report; remove; verify"),
    "restart": Scenario("open; text 500 0; verify", prepared=True),
}


class Driver:
    """Runs a scenario in a folder of its own, once or with a fault, and holds the result against
    the invariants."""

    def __init__(self, program, home, dice):
        self.program, self.home = program, home
        self.files = {"large": snapshots.write(home / "large", 3 * MIB, dice),
                      "small": snapshots.write(home / "small", 100000, dice),
                      "recipient": public_key()}
        self.folder = home / "storage" / "spool"
        self.folder.parent.mkdir()
        self.faults = faults.Faults(home / "control", self.folder)
        self._template = None

    def run(self, scenario, commands):
        text = commands.format(**self.files).replace("; ", "\n") + "\n"
        done = subprocess.run(
            [self.program, self.folder, str(scenario.max_files), str(scenario.max_use), "0"],
            input=text, capture_output=True, text=True, timeout=DEADLINE_S,
            env=dict(os.environ, **self.faults.environment()))
        return done.returncode, [line.split(" ", 2) for line in done.stdout.splitlines()], done.stderr

    def fresh(self, scenario):
        """An empty spool, or a prepared one."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if scenario.prepared:
            self._prepare()
        return Storage(self.folder.parent)

    def _prepare(self):
        if self._template is None:
            self.faults.disarm()
            self._template = self.home / "template"
            code, answers, complaint = self.run(
                SCENARIOS["plain"], "open; file {small} none 1; pair {small} strings 0; close")
            assert code == 0 and answers[1][0] == answers[2][0] == "ready", complaint
            ready = self.folder / "ready"
            (first, *_) = sorted(ready.glob("*.zst"))
            manifest = (ready / (first.name + ".json")).read_text()
            lonely = first.name.replace("shop", "lonely")
            (ready / (lonely + ".json")).write_text(manifest.replace(first.name, lonely))
            (ready / ".#0123").write_text("half")
            (self.folder / "incoming" / ".#4567").write_text("half")
            shutil.move(self.folder, self._template)
        shutil.copytree(self._template, self.folder, copy_function=shutil.copy2)

    def baseline(self, scenario):
        """{kind: calls} when nothing fails."""
        self.fresh(scenario)
        self.faults.arm("count")
        code, answers, complaint = self.run(scenario, scenario.commands + "; calm; close")
        assert code == 0 and not complaint, complaint
        assert not any(answer[0] in BAD for answer in answers), answers
        return self.faults.calls()

    def strike(self, scenario, **fault):
        """One fault; problems as texts."""
        storage = self.fresh(scenario)
        storage.acknowledge(storage.captures().values())
        self.faults.arm(**fault)
        commands = scenario.commands + "; calm; open; file {small} none 1; close"
        code, answers, complaint = self.run(scenario, commands)
        self.faults.disarm()
        killed = fault["action"].startswith("kill")
        problems = self._judge(storage, answers, fault)
        if code != (-signal.SIGKILL if killed and self.faults.fired else 0):
            problems.append(f"exit status {code}")
        if "Sanitizer" in complaint:
            problems.append(complaint)
        if not killed:
            problems += [f"without faults: {' '.join(a)}" for a in answers[-3:] if a[0] in BAD]
        more, halves = storage.after_kill()
        return problems + more + self._restart(scenario, storage, halves)

    def _judge(self, storage, answers, fault):
        problems = []
        for answer in answers:
            if answer[0] == "ready":
                problems += storage.begin(answer[1])
                storage.acknowledge([dict(zip(("sha256", "scripts_sha256"), answer[2].split()),
                                          name=answer[1])])
            elif answer[0] == "reported":
                storage.acknowledge([{"name": answer[1], "report_sha256": answer[2]}])
            elif answer[0] in ("removed", "removing"):
                storage.let_go(answer[1])
            elif answer[0] == "failed" and fault.get("error") in SPACE and \
                    int(answer[1]) != -errno.ENOSPC:
                problems.append(f"a full disk is told as {' '.join(answer)}")
        return problems

    def _restart(self, scenario, storage, halves):
        """The next start, without faults."""
        code, answers, complaint = self.run(scenario, "open; file {small} none 1; verify; close")
        problems = [problem for answer in answers if answer[0] == "ready"
                    for problem in storage.begin(answer[1])]
        if code != 0 or [a[0] for a in answers] != ["ok", "ready", "ok", "ok"]:
            problems.append(f"the next start: {code} {answers} {complaint}")
        listed = [{"name": name} for name in storage.captures()]
        return problems + storage.after_start(halves, listed) + storage.whole()


@pytest.fixture
def driver(driver_program, tmp_path, dice):
    made = Driver(driver_program, tmp_path, dice)
    yield made
    made.faults.close()


def every_fault(calls):
    return [fault_of(kind, error, nth, sticky)
            for kind, n in calls.items() for error in ERRORS[kind]
            for nth in range(1, n + 1) for sticky in (False, True)
            if not (sticky and error == errno.EINTR)]


def run_all(driver, scenario, chosen):
    fired, bad = 0, []
    for fault in chosen:
        problems = driver.strike(scenario, **fault)
        fired += driver.faults.fired > 0
        if problems:
            bad.append(f"{fault} at {driver.faults.what}: " + "; ".join(problems))
    assert not bad, f"{len(bad)} of {len(chosen)}:\n" + "\n".join(bad[:20])
    return fired


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_call_of_a_capture_fails(name, driver, dice, share, record_property):
    scenario = SCENARIOS[name]
    faults_of_it = every_fault(driver.baseline(scenario))
    chosen = dice.sample(faults_of_it, share(len(faults_of_it)))
    record_property("faults", run_all(driver, scenario, chosen))


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_before_and_after_every_call(name, driver, dice, share, record_property):
    scenario = SCENARIOS[name]
    total = sum(driver.baseline(scenario).values())
    moments = [{"action": action, "nth": nth}
               for nth in range(1, total + 1) for action in ("kill_before", "kill_after")]
    chosen = dice.sample(moments, share(len(moments)))
    record_property("kills at a call", run_all(driver, scenario, chosen))
