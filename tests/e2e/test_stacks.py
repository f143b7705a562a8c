"""Where objects were allocated, as Firefox's snapshots and V8's timelines tell it: which function
made how many is what a reader of the tests says, and Chrome DevTools of the converted file."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from lab import fxsnapshot, readers
from lab.converted import convert
from lab.ctl import Ctl
from lab.firefox import Firefox

COUNT = 20000
SAMPLE = Path(__file__).parent / "samples" / "firefox-withstacks.fxsnapshot"


def allocations(path, *flags):
    return Ctl().json("analyze", path, "--allocations", "--top=0", "--json=short", *flags)["allocations"]


def function(found, name):
    return next(row for row in found["functions"] if row["function"] == name)


def check(path, tmp_path):
    """Ours, the tests' own reader's, and DevTools' of the converted file are the same."""
    wanted = fxsnapshot.Snapshot(path).allocations()
    found = allocations(path)
    rows = sorted((row["function"], row["live_count"], row["live_bytes"])
                  for row in found["functions"])
    assert rows == sorted((name or "(anonymous)", *sums) for (name, *_), sums in wanted.items())
    assert found["objects"] == sum(count for count, _ in wanted.values())
    assert all(row["count"] is None and row["bytes"] is None for row in found["functions"])
    report = readers.devtools_report(convert(path, tmp_path), tmp_path / "report.json")
    assert sorted((name or "(anonymous)", count, size)
                  for name, count, size in report["allocations"]) == rows
    return found


def test_of_a_sample(tmp_path):
    found = check(SAMPLE, tmp_path)
    big = function(found, "big")
    assert big["live_count"] == COUNT and big["place"].startswith("debugger eval code:")
    assert found["functions"][0] == big, "most first"
    shown = Ctl()("analyze", SAMPLE, "--allocations", "--top=1").stdout.splitlines()
    assert "those that are gone are not told" in "\n".join(shown)
    assert re.fullmatch(rf"- +- +\S+ KiB +{COUNT} +big \(debugger eval code:\d+\)", shown[-1].strip())


def test_the_stack_of_an_object(tmp_path):
    """As it was then: the line of each call, not of the function; the same from an index."""
    snapshot = fxsnapshot.Snapshot(SAMPLE)
    node = next(node for node in snapshot.nodes.values() if len(snapshot.stack(node)) > 6)
    wanted = [(name or "(anonymous)", f"{source}:{line}")
              for name, source, line in snapshot.stack(node)]
    ask = ("analyze", SAMPLE, f"--node=@{node.id}", f"--index={tmp_path}")
    answers = [Ctl()(*ask, "--json=short").stdout for _ in range(2)]
    assert answers[0] == answers[1] and list(tmp_path.glob("*.heapindex"))
    assert [(call["function"], call["place"])
            for call in json.loads(answers[0])["node"]["allocated_at"]] == wanted
    shown = Ctl()(*ask).stdout
    assert f"allocated by {wanted[0][0]} ({wanted[0][1]})" in shown
    assert f"called by {wanted[-1][0]} ({wanted[-1][1]})" in shown
    untold = next(node for node in snapshot.nodes.values() if node.frame is None and node.size)
    assert Ctl().json("analyze", SAMPLE, f"--node=@{untold.id}",
                      "--json=short")["node"]["allocated_at"] is None


@pytest.fixture
def recorded(nursery, tmp_path):
    """recorded(probability): the snapshot of a Firefox that recorded allocations of fill()."""
    def start(probability):
        firefox = Firefox(nursery, tmp_path / "program")
        memory = firefox.client.target(firefox.descriptor)["memoryActor"]
        firefox.client.ask(memory, "attach")
        firefox.client.ask(memory, "startRecordingAllocations",
                           options={"probability": probability})
        assert firefox.evaluate(f"fill({COUNT})") == COUNT
        firefox.client.ask(memory, "saveHeapSnapshot")
        path, = firefox.leftovers()
        return path
    return start


def test_of_firefox_that_records_all(recorded, tmp_path):
    fill = function(check(recorded(1), tmp_path), "fill")
    assert COUNT <= fill["live_count"] <= COUNT + 10  # the elements of `filled` are its own
    assert fill["place"].startswith("/") and "firefox.html:" in fill["place"]


def test_of_firefox_that_samples(recorded, tmp_path):
    """It tells of those that it noted: a tenth, give or take six times what chance does."""
    fill = function(check(recorded(0.1), tmp_path), "fill")
    assert fill["live_count"] == pytest.approx(COUNT / 10, abs=6 * (COUNT * 0.09) ** 0.5)


def test_a_snapshot_without_stacks(nursery, tmp_path):
    firefox = Firefox(nursery, tmp_path / "program")
    memory = firefox.client.target(firefox.descriptor)["memoryActor"]
    firefox.client.ask(memory, "attach")
    firefox.client.ask(memory, "saveHeapSnapshot")
    path, = firefox.leftovers()
    assert allocations(path) is None
    assert "has no stacks" in Ctl()("analyze", path, "--allocations").stdout
    found = json.loads(convert(path, tmp_path).read_text())
    assert "trace_node_id" not in found["snapshot"]["meta"]["node_fields"]
    assert found["trace_tree"] == [] and found["trace_function_infos"] == []


def test_damage_is_told_where_stacks_are_asked_for(tmp_path):
    """A frame that is referred to by a number that no frame has: nothing else needs it."""
    data = gzip.decompress(SAMPLE.read_bytes())
    snapshot = fxsnapshot.Snapshot(SAMPLE)
    frame = Counter(node.frame for node in snapshot.nodes.values() if node.frame).most_common(1)[0][0]
    coded = bytearray()
    while frame > 127:
        coded.append(frame & 127 | 128)
        frame >>= 7
    coded.append(frame)
    last = data.rindex(b"\x10" + bytes(coded))  # StackFrame.ref
    damaged = bytearray(data)
    damaged[last + 1] ^= 4
    path = tmp_path / "damaged.fxsnapshot"
    path.write_bytes(bytes(damaged))
    Ctl()("analyze", path)
    for command in ("convert", path, f"--output={tmp_path / 'no'}"), ("analyze", path, "--allocations"):
        said = Ctl()(*command, exit=1).stderr
        assert "stack of node " in said and "before byte " in said and "not there yet" in said
    assert not (tmp_path / "no").exists()
