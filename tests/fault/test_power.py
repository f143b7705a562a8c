"""The power fails at any moment of captures: what was told to be there is there afterwards, and what is in
ready/ is whole, although nothing else but what was synced has reached the disk."""

import os
import subprocess

import pytest

import power
import snapshots
from faults import Faults
from invariants import Storage

LOSSES = 400  # at full scale
COMMANDS = ("open", "pair {path} none 1", "report", "file {path} strings 0", "pin", "text 500 1")


@pytest.fixture
def recording(driver_program, tmp_path, dice):
    """(acts, [(words of an answer, how long the log was then)], storage)"""
    storage = Storage(tmp_path / "storage")
    storage.path.mkdir()
    faults = Faults(tmp_path / "control", storage.spool)
    faults.arm("count")
    log, path = tmp_path / "log", snapshots.write(tmp_path / "snapshot", 20000, dice)
    child = subprocess.Popen(
        [driver_program, storage.spool, "0", "0", "0"], text=True, bufsize=1,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=dict(os.environ, HEAPWATCH_FAULT_LOG=os.fspath(log), **faults.environment()))
    answers = []
    for command in COMMANDS:
        child.stdin.write(command.format(path=path) + "\n")
        answers.append((child.stdout.readline().split(), log.stat().st_size))
    child.stdin.close()
    assert child.wait(60) == 0
    faults.close()
    assert [a[0][0] for a in answers] == ["ok", "ready", "reported", "ready", "ok", "ready"]
    return power.read(log), answers, storage


def acknowledge(storage, answers, end):
    for (what, *words), told_at in answers:
        if told_at <= end and what == "ready":
            storage.acknowledge([dict(zip(("name", "sha256", "scripts_sha256"), words))])
        elif told_at <= end and what == "reported":
            storage.acknowledge([dict(zip(("name", "report_sha256"), words))])


def lose(recording, drive, cut, variant, dice):
    """Problems, as texts."""
    acts = recording[0]
    where = f"power lost after {acts[cut - 1].what} {acts[cut - 1].path} ({cut}), {variant} kept"
    try:
        return [f"{where}: {problem}" for problem in judge(recording, drive, cut, variant, dice)]
    except ValueError as error:
        return [f"{where}: a manifest cannot be read: {error}"]


def judge(recording, drive, cut, variant, dice):
    acts, answers, made = recording
    storage = Storage(made.path)
    disk = power.Disk(storage.spool, acts[:cut])
    disk.write(disk.lose(variant, dice))
    acknowledge(storage, answers, acts[cut - 1].end)
    problems, halves = storage.after_kill()
    told = drive(storage.spool, "open\nverify\nclose\n")
    if [line.split()[0] for line in told] != ["ok", "ok", "ok"]:
        problems.append(f"the next start: {told}")
    listed = [{"name": name} for name in storage.captures()]
    return problems + storage.after_start(halves, listed) + storage.whole()


def test_power_fails(recording, drive, dice, share, record_property):
    acts = recording[0]
    losses = [(cut, variant) for cut in range(1, len(acts) + 1) for variant in power.VARIANTS]
    chosen = dice.sample(losses, min(len(losses), share(LOSSES)))
    problems = [p for loss in chosen for p in lose(recording, drive, *loss, dice)]
    record_property("losses of power", len(chosen))
    record_property("acts", len(acts))
    assert not problems, f"{len(problems)}:\n" + "\n".join(problems[:20])


@pytest.mark.parametrize("of", ["files", "the folder"])
def test_a_sync_that_is_left_out_is_noticed(of, recording, drive, dice):
    acts, answers, storage = recording
    ready = os.fspath(storage.ready)
    less = [act for act in acts if act.what != "sync" or (act.path == ready) == (of == "files")]
    assert len(less) < len(acts)
    variant = {"files": "names", "the folder": "contents"}[of]
    assert lose((less, answers, storage), drive, len(less), variant, dice)
