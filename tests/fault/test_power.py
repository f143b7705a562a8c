"""The power fails at any moment of captures: what was told to be there is there afterwards, what was told
to be removed is not, what is in ready/ is whole, and the state is as it was noted, although nothing else
but what was synced has reached the disk."""

import json
import os
import subprocess
from dataclasses import replace

import pytest

import power
import snapshots
from faults import Faults
from invariants import Storage

LOSSES = 400  # at full scale
COMMANDS = ("open", "pair {path} none 1", "report", "state first", "file {path} strings 0", "pin",
            "pair {path} none 0", "report", "state second", "remove", "text 500 1")
ANSWERS = ["ok", "ready", "reported", "noted", "ready", "ok", "ready", "reported", "noted", "removing",
           "removed", "ready"]


@pytest.fixture
def recording(driver_program, tmp_path, dice):
    """(acts, [(words of an answer, how long the log was then)], storage). What is about to happen is
    told for as long as the log was before."""
    storage = Storage(tmp_path / "storage")
    storage.path.mkdir()
    faults = Faults(tmp_path / "control", storage.path)
    faults.arm("count")
    log, path = tmp_path / "log", snapshots.write(tmp_path / "snapshot", 20000, dice)
    log.touch()
    child = subprocess.Popen(
        [driver_program, storage.spool, "0", "0", "0"], text=True, bufsize=1,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=dict(os.environ, HEAPWATCH_FAULT_LOG=os.fspath(log), **faults.environment()))
    answers = []
    for command in COMMANDS:
        before = log.stat().st_size
        child.stdin.write(command.format(path=path) + "\n")
        answer = child.stdout.readline().split()
        if answer[0] == "removing":
            answers.append((answer, before + 1))
            answer = child.stdout.readline().split()
        answers.append((answer, log.stat().st_size))
    child.stdin.close()
    assert child.wait(60) == 0
    faults.close()
    assert [a[0][0] for a in answers] == ANSWERS
    return power.read(log), answers, storage


def acknowledge(storage, answers, end):
    """What is missing of the state, or there again, as texts."""
    removed, noted = set(), set()
    for (what, *words), told_at in answers:
        if told_at > end:
            continue
        if what == "ready":
            storage.acknowledge([dict(zip(("name", "sha256", "scripts_sha256"), words))])
        elif what == "reported":
            storage.acknowledge([dict(zip(("name", "report_sha256"), words))])
        elif what == "removing":
            storage.let_go(words[0])
        elif what == "removed":
            removed.add(words[0])
        elif what == "noted":
            noted.add(words[0])
    problems = [f"{name} was removed and is back" for name in removed & set(storage.captures())]
    state = storage.path / "state" / "state.json"
    found = set(json.loads(state.read_text())["open"]) if state.exists() else set()
    return problems + [f"{name} is not in the state" for name in noted - found]


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
    disk = power.Disk(storage.path, acts[:cut])
    disk.write(disk.lose(variant, dice))
    problems = acknowledge(storage, answers, acts[cut - 1].end)
    more, halves = storage.after_kill()
    problems += more
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
    ready, state = os.fspath(storage.ready), os.fspath(storage.path / "state")
    less = [act for act in acts if act.what != "sync" or act.path.startswith(state)
            or (act.path == ready) == (of == "files")]
    assert len(less) < len(acts)
    variant = {"files": "names", "the folder": "contents"}[of]
    assert lose((less, answers, storage), drive, len(less), variant, dice)


@pytest.mark.parametrize("of", ["the removal", "the state"])
def test_a_late_sync_that_is_left_out_is_noticed(of, recording, drive, dice):
    """Of the folder, right after somebody was told that it is safe."""
    acts, answers, storage = recording
    word, folder = {"the removal": ("removed", storage.ready),
                    "the state": ("noted", storage.path / "state")}[of]
    told_at = [told for (what, *_), told in answers if what == word][-1]
    done = [act for act in acts if act.end <= told_at]
    syncs = [act for act in done if act.what == "sync" and act.path == os.fspath(folder)]
    assert not lose((done, answers, storage), drive, len(done), "contents", dice)
    less = [replace(act, path="") if act is syncs[-1] else act for act in done]
    assert lose((less, answers, storage), drive, len(less), "contents", dice)
