"""The seeds of the loaders' fuzzers that were cut out of real snapshots (tests/fuzz/cut.py): they are
still snapshots, which every reader of the engine reads alike; and so are cuts of this run's."""

import json
import sys
from pathlib import Path

import pytest

from lab import node, numbers, readers, snapshots
from lab.ctl import Ctl

FUZZ = Path(__file__).resolve().parents[1] / "fuzz"
sys.path.insert(0, str(FUZZ))

import cut  # noqa: E402

SAMPLES = node.PROGRAMS.parent / "samples"
SEEDS = FUZZ / "corpus"
V8 = [*snapshots.NODES, "deno", "chromium"]
V8_SCOPES = ("chromium",)  # from V8 15 on
OTHERS = {"heap_jsc": ("bun-", "webkitgtk-", "wpe-"), "heap_gecko": ("firefox-",)}
SEED_MAX = 12 << 10


def check_v8(path, tmp_path):
    """The same of DevTools, and something of each kind in it."""
    numbers.check(numbers.analyze(path), readers.devtools_report(path, tmp_path / "devtools.json"))
    found = json.loads(path.read_text())
    meta = found["snapshot"]["meta"]
    fields, (node_types, *_) = len(meta["node_fields"]), meta["node_types"]
    nodes = {node_types[type_] for type_ in found["nodes"][::fields]}
    edges = {meta["edge_types"][0][type_] for type_ in found["edges"][::3]}
    assert nodes >= {"array", "string", "object", "code", "closure", "native", "synthetic"}
    assert edges >= {"context", "element", "property", "internal", "hidden", "shortcut", "weak"}
    assert any(cut.PAIR in text for text in found["strings"]) and found["locations"]
    return found


@pytest.mark.parametrize("runtime", V8)
def test_seeds_of_v8_are_snapshots(tmp_path, runtime):
    path = SEEDS / "heap_v8" / runtime
    assert path.stat().st_size < SEED_MAX
    found = check_v8(path, tmp_path)
    assert (runtime in V8_SCOPES) == bool(found.get("scopes"))


@pytest.mark.parametrize("runtime", snapshots.NODES)
def test_what_is_cut_anew_is_one_as_well(tmp_path, runtime):
    before, _ = snapshots.take(None, tmp_path, runtime)
    path = tmp_path / "cut.heapsnapshot"
    path.write_bytes(cut.cut(before.read_bytes(), each=1))
    assert path.stat().st_size < SEED_MAX
    check_v8(path, tmp_path)


@pytest.mark.parametrize("corpus", OTHERS)
def test_seeds_of_other_engines_are_snapshots(corpus):
    """Of each program that there is."""
    for name in OTHERS[corpus]:
        paths = list((SEEDS / corpus).glob(f"{name}*"))
        assert paths, name
        for path in paths:
            found = Ctl().json("analyze", path, "--no-index")
            assert found["nodes"] > 20 and found["classes"], path
