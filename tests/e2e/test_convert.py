"""Snapshots of JSC and Gecko, as the daemon took them from real programs: converted, they are what
DevTools and MemLab load, with the counts and sizes of the source; and analysed as they are, the
numbers are those that DevTools has of the converted file."""

import gzip
import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from lab import fxsnapshot, readers, snapshots, webkit
from lab.converted import convert, holds, jsc_source
from lab.ctl import Ctl
from lab.daemon import PLAIN
from lab.firefox import Firefox

COUNT = 4567
ANYHOW = {"capture": dict(PLAIN, guards={"headroom": 0})}
SAMPLES = Path(__file__).parent / "samples"
STACKS = SAMPLES / "firefox-withstacks.fxsnapshot"


def check(source, path, name, count, tmp_path, counts):
    wanted = holds(path, counts, name, count)
    assert readers.memlab(path, name) == wanted
    report = readers.devtools_report(path, tmp_path / "report.json")
    found = Ctl().json("analyze", source, "--json=short", "--top=0")
    assert found["digest"] == report["digest"]
    assert {c["key"]: [c["count"], c["self_bytes"], c["retained_bytes"], c["distance"]]
            for c in found["classes"]} == report["classes"]


@pytest.mark.parametrize("kind", [webkit.GTK, webkit.WPE], ids=["gtk", "wpe"])
def test_webkit(kind, nursery, watch, tmp_path):
    browser = webkit.Browser(nursery, tmp_path / "browser", kind)
    browser.grow(COUNT)
    daemon = watch(app=browser.address, sections=ANYHOW)
    daemon.wait_up("app")
    source = daemon.capture("app", isolate="page:1", gc_before=True)
    check(source, convert(source, tmp_path), "KnownThing", COUNT, tmp_path, jsc_source(source))
    browser.grow(COUNT)
    later = daemon.capture("app", isolate="page:1", gc_before=True)
    # Over two connections, none of which had the domain Heap enabled.
    report = Ctl().json("diff", source, later, "--json=short", "--class=KnownThing")
    assert report["matched_by"] == "ids"
    assert [(row["added"], row["removed"]) for row in report["classes"]] == [(COUNT, 0)]
    chain = Ctl().json("retainers", source, "--class=KnownThing", "--json=short")["dominators"]
    assert chain[0]["class"] == ",KnownThing" and len(chain) > 1


def test_firefox(nursery, watch, tmp_path):
    firefox = Firefox(nursery, tmp_path / "program")
    firefox.grow(COUNT)
    daemon = watch(app=firefox.address, sections=ANYHOW)
    daemon.wait_up("app")
    source = daemon.capture("app", isolate=firefox.isolate, gc_before=True)
    check(source, convert(source, tmp_path), "KnownThing", COUNT, tmp_path, fxsnapshot.holds(source))
    chain = Ctl().json("retainers", source, "--class=KnownThing", "--json=short")["dominators"]
    assert chain[0]["class"] == ",KnownThing" and chain[0]["id"] > 2**32, "an address"
    assert Ctl().json("analyze", source, "--json=short",
                      f"--node=@{chain[0]['id']}")["node"]["id"] == chain[0]["id"]


def rows(numbers, width):
    return zip(*(numbers[i::width] for i in range(width)))


def debugging(path):
    """({reason: references from the root to what is a root by it}, {label: functions of it}), from
    the file itself: a reason's own label counts, else that of what reaches it."""
    found = json.loads(path.read_text())
    labels = found["labels"]
    why = {id_: labels[own] or labels[reached] for id_, own, reached in rows(found["roots"], 3)}
    reasons = Counter(why[to] for from_, to, _, _ in rows(found["edges"], 4)
                      if from_ == 0 and why.get(to))
    function = found["nodeClassNames"].index("Function")
    return reasons, Counter(labels[label] for _, _, class_, _, label, *_ in rows(found["nodes"], 7)
                            if class_ == function and label)


def converted_debugging(path):
    """The same of the converted file."""
    found = json.loads(path.read_text())
    strings, (types, *_) = found["strings"], found["snapshot"]["meta"]["node_types"]
    reasons, functions = Counter(), Counter()
    for kind, name, _, _, edges, _ in rows(found["nodes"], 6):
        if types[kind] == "synthetic":
            reasons[strings[name]] = edges
        elif types[kind] == "closure":
            functions[strings[name]] += 1
    return reasons, functions


def test_webkit_for_debugging(nursery, tmp_path):
    """Of a real page: all counts and sizes, why roots are roots, what functions are called."""
    browser = webkit.Browser(nursery, tmp_path / "browser", debugging=True)
    browser.grow(COUNT)
    source = tmp_path / "s.jsc.json"
    with browser.client() as client:
        source.write_text(webkit.Page(client).call("Heap.snapshot")["snapshotData"])
    assert json.loads(source.read_text())["type"] == "GCDebugging"
    path = convert(source, tmp_path)
    check(source, path, "KnownThing", COUNT, tmp_path, jsc_source(source))
    reasons, functions = debugging(source)
    found = converted_debugging(path)
    assert reasons["StrongHandles"] > 50 and functions["grow"] == 1
    assert reasons.items() <= found[0].items()
    assert {name: found[1][name] for name in functions if name != "Function"} == \
        {name: n for name, n in functions.items() if name != "Function"}


def test_roots_have_their_reasons(tmp_path):
    source = tmp_path / "s.json"
    subprocess.run(["zstd", "-dq", SAMPLES / "bun-small.gcdebugging.json.zst", "-o", source],
                   check=True)
    path = convert(source, tmp_path)
    check(source, path, "Widget", 10000, tmp_path, jsc_source(source))
    strings = set(json.loads(path.read_text())["strings"])
    assert {"StrongReferences", "StrongHandles"} <= strings


def test_ids_beyond_32_bits(tmp_path):
    """As an Inspector that has been attached for long would have them: ours are of 64 bits, those of
    the converted file the places of objects in it."""
    plain, source = tmp_path / "plain.json", tmp_path / "s.json"
    subprocess.run(["zstd", "-dq", SAMPLES / "bun-small.gcdebugging.json.zst", "-o", plain],
                   check=True)
    found = json.loads(plain.read_text())
    for numbers, width, at in ((found["nodes"], 7, (0,)), (found["edges"], 4, (0, 1)),
                               (found["roots"], 3, (0,))):
        for column in at:
            numbers[column::width] = [id_ and id_ + (1 << 33) for id_ in numbers[column::width]]
    source.write_text(json.dumps(found, separators=(",", ":")))
    check(source, convert(source, tmp_path), "Widget", 10000, tmp_path, jsc_source(source))
    ids = json.loads((tmp_path / "converted.heapsnapshot").read_text())["nodes"][2::6]
    assert len(set(ids)) == len(ids) and max(ids) < 2**32
    node = Ctl().json("retainers", source, "--class=Widget", "--json=short")["dominators"][0]["id"]
    assert node > 2**33
    assert Ctl().json("analyze", source, f"--node=@{node}", "--json=short")["node"]["id"] == node
    matched = Ctl().json("diff", source, source, "--json=short")
    assert matched["matched_by"] == "ids" and not matched["classes"]


def test_stacks_of_allocations_do_not_confuse_the_texts(tmp_path):
    check(STACKS, convert(STACKS, tmp_path), "Widget", 10000, tmp_path, fxsnapshot.holds(STACKS))


def test_v8_stays_as_it_is(tmp_path):
    source, _ = snapshots.take(None, tmp_path, "node24")
    assert convert(source, tmp_path).read_bytes() == Path(source).read_bytes()


def test_what_is_packed_and_what_is_cut(tmp_path):
    source = STACKS
    plain, packed, cut = (tmp_path / name for name in ("raw", "s.zst", "cut"))
    plain.write_bytes(gzip.decompress(source.read_bytes()))
    subprocess.run(["zstd", "-q", source, "-o", packed], check=True)
    digests = [Ctl().json("analyze", path, "--json=short")["digest"]
               for path in (source, plain, packed)]
    assert digests[0] == digests[1] == digests[2]
    cut.write_bytes(source.read_bytes()[:-1000])
    assert "gzip: cut short" in Ctl()("convert", cut, f"--output={tmp_path / 'no'}", exit=1).stderr
    cut.write_bytes(plain.read_bytes()[:-1])
    said = Ctl()("convert", cut, f"--output={tmp_path / 'no'}", exit=1).stderr
    assert "inside of node" in said and "cut short" in said
    assert not (tmp_path / "no").exists()
    assert Ctl()("analyze", source, "--memory-max=1MiB", exit=4).stderr


def test_the_default_name_is_the_capture_s_and_nothing_is_overwritten(tmp_path):
    source = SAMPLES / "bun-small.gcdebugging.json.zst"
    here = Ctl(cwd=tmp_path)
    here("convert", source)
    assert (tmp_path / "bun-small.gcdebugging.heapsnapshot").stat().st_size > 1000
    assert "exists" in here("convert", source, exit=1).stderr
    whole = here("convert", source, "--output=-", text=False).stdout
    assert whole == (tmp_path / "bun-small.gcdebugging.heapsnapshot").read_bytes()
