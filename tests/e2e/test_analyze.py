"""The analyser: equal to Chrome DevTools' heap worker in every number, on snapshots that the
runtimes themselves write; and what it says of files that are none."""

import json
import random
import re
import subprocess

import pytest

from lab import numbers, readers, snapshots
from lab.ctl import Ctl
from lab.numbers import analyze, differences, rows

THREADS = ("1", "2")
# Bun numbers all objects anew for each snapshot, which DevTools' comparison by id does not know.
IDS_LAST = [runtime for runtime in snapshots.RUNTIMES if runtime != "bun"]


@pytest.fixture(params=snapshots.RUNTIMES)
def runtime(request):
    return request.param


@pytest.fixture
def pair(runtime, nursery, tmp_path):
    return snapshots.take(nursery, tmp_path, runtime)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    home = tmp_path_factory.mktemp("small")
    return snapshots.take(None, home, "node24")


def test_all_numbers_are_those_of_devtools(runtime, pair, tmp_path):
    before, after = pair
    wanted = readers.devtools_report(after, tmp_path / "devtools.json", before)
    for threads in THREADS:
        numbers.check(analyze(after, "--threads", threads), wanted)
    assert differences(before, after, "--match=ids") == wanted["diff"]
    if runtime in IDS_LAST:
        assert differences(before, after) == wanted["diff"]
    else:
        assert Ctl().json("diff", before, after)["matched_by"] == "classes"


def test_what_a_range_of_ids_misses(nursery, tmp_path):
    """What DevTools lists as allocated between two snapshots: Blink counts ids of its own, which are
    smaller than those that V8 has given before."""
    before, after = snapshots.take(nursery, tmp_path, "chromium")
    wanted = readers.devtools_report(after, tmp_path / "devtools.json", before)
    added = {key: row[0] for key, row in differences(before, after).items() if row[0]}
    assert added == {key: row[0] for key, row in wanted["diff"].items() if row[0]}
    missed = {key for key, n in added.items() if wanted["between"].get(key, 0) != n}
    assert ",Detached Text" in missed and ",Object" not in missed
    assert not [key for key in missed if wanted["between"].get(key)]


TYPES = ["hidden", "array", "string", "object", "code", "closure", "regexp", "number", "native",
         "synthetic", "concatenated string", "sliced string"]


KINDS = ["context", "element", "property", "internal", "hidden", "shortcut", "weak"]
NUMBERED = ("element", "hidden")


def write(path, things, strings, links=None):
    """A snapshot of a root and these: (type, place of the name in strings, bytes of its own). links:
    (from, kind, to), counted from 1 in things, 0 is the root; the root has all of them without."""
    if links is None:
        links = [(0, "property", i + 1) for i in range(len(things))]
    links = sorted(links, key=lambda link: link[0])
    nodes = [[TYPES.index(kind), name, 2 * i + 1, size, sum(link[0] == i for link in links)]
             for i, (kind, name, size) in enumerate([("synthetic", 0, 0), *things])]
    edges = [[KINDS.index(kind), i if kind in NUMBERED else 1, 5 * to]
             for i, (_, kind, to) in enumerate(links)]
    path.write_text(json.dumps({
        "snapshot": {"meta": {
            "node_fields": ["type", "name", "id", "self_size", "edge_count"],
            "node_types": [TYPES, "string", "number", "number", "number"],
            "edge_fields": ["type", "name_or_index", "to_node"],
            "edge_types": [KINDS, "string_or_number", "node"]},
            "node_count": len(nodes), "edge_count": len(edges), "trace_function_count": 0},
        "nodes": sum(nodes, []), "edges": sum(edges, []), "trace_function_infos": [],
        "trace_tree": [], "samples": [], "locations": [], "strings": strings}))
    return path


def test_two_classes_of_one_key_are_one_row(tmp_path):
    """Functions are a class by their type, which DevTools' worker calls by a string of its own: an
    object whose class the file calls Function has the same outward key, and overwrites them."""
    path = write(tmp_path / "same.heapsnapshot",
                 [("closure", 1, 64), ("closure", 1, 64), ("object", 2, 1000), ("object", 3, 16)],
                 ["", "handler", "Function", "Thing"])
    wanted = readers.devtools_report(path, tmp_path / "devtools.json")
    found = analyze(path)
    assert found["digest"] == wanted["digest"]
    # Two functions of 64 bytes, and the object.
    assert rows(found).pop(",Function")[:3] == [3, 1128, 1128]
    assert wanted["classes"][",Function"][:3] == [1, 1000, 1000]
    assert {**rows(found), ",Function": None} == {**wanted["classes"], ",Function": None}


def same_as_devtools(path, out):
    found = [analyze(path, "--threads", threads) for threads in THREADS]
    wanted = readers.devtools_report(path, out)
    for report in found:
        numbers.check(report, wanted)
    return rows(found[0])


def test_what_nothing_reaches_but_itself(tmp_path):
    """Circles, which a collector has taken before V8 writes a snapshot, but not always all."""
    things = [("object", 2, 100 + i) for i in range(10)]
    links = [(0, "element", 1), (1, "property", 2), (2, "property", 1),
             (3, "property", 4), (4, "property", 3),  # a circle
             (5, "property", 3),  # held by what nobody holds
             (6, "element", 6),  # itself alone
             (7, "property", 8), (8, "context", 9), (9, "internal", 7), (9, "property", 1),
             (2, "weak", 10), (10, "property", 3)]
    path = write(tmp_path / "circles.heapsnapshot", things, ["", "way", "Thing"], links)
    (thing,) = same_as_devtools(path, tmp_path / "devtools.json").values()
    assert thing[0] == len(things)


@pytest.mark.parametrize("seed", range(4))
def test_graphs_that_no_program_makes(tmp_path, seed):
    """Of few references, so that much of it is not reached; of each kind, also to itself."""
    chance = random.Random(seed)
    kinds = ["object"] * 6 + ["array", "closure", "code", "hidden", "native", "synthetic"]
    things = [(chance.choice(kinds), 2 + chance.randrange(20), 8 * chance.randrange(40))
              for _ in range(3000)]
    links = [(chance.randrange(3001), chance.choice(KINDS), chance.randrange(1, 3001))
             for _ in range(4500)] + [(0, "element", 1 + 5 * i) for i in range(20)]
    strings = ["", "way", *(f"Thing{i}" for i in range(20))]
    path = write(tmp_path / "random.heapsnapshot", things, strings, links)
    assert len(same_as_devtools(path, tmp_path / "devtools.json")) > 20


def test_sizes_of_4_gib_and_more_do_not_wrap(tmp_path):
    """As DevTools' do, which are of 32 bits."""
    size = 5 << 30
    path = write(tmp_path / "large.heapsnapshot", [("object", 1, size), ("object", 2, 16)],
                 ["", "Large", "Thing"])
    found = analyze(path)
    wanted = readers.devtools_report(path, tmp_path / "devtools.json")
    ours, theirs = rows(found), wanted["classes"]
    large = next(key for key in ours if key.endswith("Large"))
    assert ours[large][:3] == [1, size, size] and found["statistics"]["total_bytes"] == size + 16
    assert theirs[large][:3] == [1, size % (1 << 32), size % (1 << 32)]
    assert {k: v for k, v in ours.items() if k != large} == \
        {k: v for k, v in theirs.items() if k != large}


def test_packed_and_sealed_files_are_read_as_they_are(small, tmp_path):
    plain = analyze(small[1])
    packed, sealed, key = (tmp_path / n for n in ("s.zst", "s.zst.age", "key"))
    subprocess.run(["zstd", "-q", small[1], "-o", packed], check=True)
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    subprocess.run(["age", "-e", "-i", key, "-o", sealed, packed], check=True)
    for path, flags in ((packed, ()), (sealed, ("--identity", key))):
        assert analyze(path, *flags)["digest"] == plain["digest"]
        assert differences(small[0], path, *flags) == differences(*small)
        why = [Ctl().json("retainers", each, "--class=Node", "--json=short", *flags)
               for each in (small[1], path)]
        assert why[0]["dominators"] == why[1]["dominators"]
        converted = [tmp_path / f"{each.name}.heapsnapshot" for each in (small[1], path)]
        for each, to in zip((small[1], path), converted):
            Ctl()("convert", each, f"--output={to}", *flags)
        assert converted[0].read_bytes() == converted[1].read_bytes()
        for to in converted:
            to.unlink()
    for command in ("analyze", "retainers", "convert"):
        flags = {"analyze": (), "retainers": ("--class=Node",),
                 "convert": (f"--output={tmp_path / 'never'}",)}[command]
        assert "--identity" in Ctl()(command, sealed, *flags, exit=1).stderr
    assert not (tmp_path / "never").exists()


def test_a_file_that_is_cut_short_is_told_from_a_whole_one(small, tmp_path):
    whole = small[0].read_bytes()
    cut = tmp_path / "cut"
    for name in (b'"nodes":[', b'"edges":[', b'"locations":[', b'"strings":['):
        size = whole.index(name) + len(name) + 100
        cut.write_bytes(whole[:size])
        said = Ctl()("analyze", cut, exit=1).stderr
        assert f"byte {size}" in said and "cut short" in said
        # What has not even room for its nodes is told so at its head.
        assert (name.decode()[:-2] if name != b'"nodes":[' else "tells of") in said


@pytest.mark.parametrize("text, word", [
    (b"", "empty"), (b"PK\x03\x04", "not a heap snapshot"), (b'{"version":2,"type":"Inspector"}',
                                                              'no section "nodes"')])
def test_what_is_no_snapshot_is_refused_by_name(tmp_path, text, word):
    path = tmp_path / "file"
    path.write_bytes(text)
    assert word in Ctl()("analyze", path, exit=1).stderr


def test_a_damaged_number_is_told_with_its_place(small, tmp_path):
    text = bytearray(small[0].read_bytes())
    at = text.index(b'"edges":[') + 5000
    text[at] = ord("x")
    path = tmp_path / "damaged"
    path.write_bytes(text)
    assert f'section "edges", byte {at}' in Ctl()("analyze", path, exit=1).stderr


def test_memory_is_estimated_before_it_is_taken(small):
    said = Ctl()("analyze", small[0], "--memory-max=1MiB", exit=4).stderr
    assert "1 MiB may be taken" in said


def test_the_table_has_units_and_the_class(small):
    lines = Ctl().lines("analyze", small[0], "--top=5")
    heads = list(re.finditer(r"\S+", lines[3]))
    assert [head[0] for head in heads] == ["RETAINED", "SELF", "COUNT", "DISTANCE", "CLASS"]
    assert len(lines) == 9
    bytes_ = r"\d+(?:\.\d)? (?:B|KiB|MiB)"
    for line in lines[4:]:
        row = re.fullmatch(rf" *({bytes_}) +({bytes_}) +(\d+) +(\d+|-)  (\S.*)", line)
        assert row, line
        assert [row.end(n) for n in range(1, 5)] == [head.end() for head in heads[:4]], line
        assert row.start(5) == heads[4].start(), line
    nodes = Ctl().lines("analyze", small[0], "--class=Node")
    assert len(nodes) == 6 and {line.split()[-1] for line in nodes[4:]} == {"Node"}


def test_one_object_is_shown_by_its_id(small):
    found = analyze(small[0], "--node=@1")
    assert found["node"]["retained_bytes"] > 0
    assert Ctl()("analyze", small[0], "--node=@4294967295", exit=1).stderr


LINKS = 20000  # of zoo.js


def last_link(path):
    """The id of the one that all others lead to."""
    whole = json.loads(path.read_bytes())
    nodes, edges, strings = whole["nodes"], whole["edges"], whole["strings"]
    fields = len(whole["snapshot"]["meta"]["node_fields"])
    text = next(at for at in range(0, len(nodes), fields) if strings[nodes[at + 1]] == "link 0")
    at = first = 0
    for at in range(0, len(nodes), fields):
        after = first + 3 * nodes[at + 4]
        if strings[nodes[at + 1]] == "Node" and text in edges[first + 2:after:3]:
            return nodes[at + 2]
        first = after
    raise AssertionError("no link 0")


def test_a_chain_is_one_step(small):
    tail = last_link(small[0])
    found = Ctl().json("retainers", small[0], f"--node=@{tail}", "--json=short")
    for path in (found["dominators"], found["shortest_path"]):
        run, = (step for step in path if step["times"] > 1)
        assert (run["edge"], run["times"]) == ("next", LINKS - 1)
        assert path[path.index(run) + 1]["edge"] == "head"
    text = Ctl()("retainers", small[0], f"--node=@{tail}").stdout
    assert text.count(f"next \u00d7{LINKS - 1} of Node @") == 2


def test_retainers_name_the_holder_and_collapse_a_chain(small):
    found = Ctl().json("retainers", small[0], "--class=Node", "--json=short")
    first, chain = found["dominators"][0], found["dominators"]
    assert first["class"].endswith(",Node") and chain[-1]["retained_bytes"] > first["retained_bytes"]
    assert "head" in [step["edge"] for step in chain]
    text = Ctl()("retainers", small[0], f"--node=@{first['id']}").stdout
    assert text.index("held by:") < text.index("shortest path:")
    links = Ctl().json("retainers", small[0], "--class=Array", "--json=short")
    assert links["shortest_path"][0]["retained_bytes"] > 0
    assert "--node" in Ctl()("retainers", small[0], exit=2).stderr
