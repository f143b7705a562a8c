"""The tables of `analyze`, `diff`, `leaks`, `retainers` and `profile`: columns stand in line, and whatever
is of bytes has its unit."""

import re
import subprocess

import pytest

from lab import hoards, node, snapshots, tables
from lab.ctl import Ctl
from lab.tables import BYTES, COUNT, ID, NUMBER_OR_NONE, PERCENT, TEXT

STACKS = node.PROGRAMS.parent / "samples" / "firefox-withstacks.fxsnapshot"
TIMELINE = node.MODULES.parent / "fuzz" / "corpus" / "heap_v8" / "timeline"
CLASSES = [("GROWTH", BYTES), ("COUNT", COUNT), ("BEFORE", COUNT), ("BYTES", BYTES),
           ("BEFORE", BYTES), ("CLASS", TEXT)]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return snapshots.take(None, tmp_path_factory.mktemp("zoo"), "node24")


@pytest.fixture(scope="module")
def leaks(tmp_path_factory):
    """Three snapshots of Bun, which leaks in three places, and in a list."""
    return hoards.of_bun(None, tmp_path_factory.mktemp("leaks"),
                         ["sessions", "callbacks", "requests", "history"])[hoards.HEALTHY:]


def table(first, *arguments):
    return tables.after(Ctl().lines(*arguments), first)


def test_analyze(zoo):
    rows = tables.check(table("RETAINED", "analyze", zoo[0], "--top=0"), [
        ("RETAINED", BYTES), ("SELF", BYTES), ("COUNT", COUNT), ("DISTANCE", NUMBER_OR_NONE),
        ("CLASS", TEXT)])
    found = Ctl().json("analyze", zoo[0], "--top=0")["classes"]
    assert [int(row[2]) for row in rows] == [c["count"] for c in found]
    assert {row[0].split()[1] for row in rows} >= {"B", "KiB", "MiB"}
    rows = tables.check(table("WASTED", "analyze", zoo[0], "--strings"), [
        ("WASTED", BYTES), ("BYTES", BYTES), ("COUNT", COUNT), ("FIRST", ID), ("STRING", TEXT)])
    assert len(rows) > 5
    rows = tables.check(table("RETAINED", "analyze", zoo[0], "--collections"), [
        ("RETAINED", BYTES), ("ENTRIES", COUNT), ("ID", ID), ("CLASS", TEXT)])
    assert len(rows) > 3
    # Firefox does not tell what is gone.
    for path, bytes_, count in ((TIMELINE, BYTES, COUNT), (STACKS, "-", "-")):
        tables.check(table("ALLOCATED", "analyze", path, "--allocations"), [
            ("ALLOCATED", bytes_), ("COUNT", count), ("LIVE", BYTES), ("LIVE COUNT", COUNT),
            ("FUNCTION", TEXT)])


def test_diff(zoo):
    """Forth, and back, which has a minus."""
    for pair, minus in ((zoo, False), (zoo[::-1], True)):
        rows = tables.check(table("GROWTH", "diff", *pair, "--top=0"), [
            ("GROWTH", BYTES), ("ADDED", COUNT), ("REMOVED", COUNT), ("ALLOCATED", BYTES),
            ("FREED", BYTES), ("CLASS", TEXT)])
        assert (minus, len(rows) > 5) == (rows[-1][0].startswith("-"), True)
        rows = tables.check(table("GROWTH", "diff", *pair, "--match=classes", "--top=0"), CLASSES)
        assert minus == rows[-1][0].startswith("-")
    tables.check(table("MORE", "diff", *zoo, "--collections"), [
        ("MORE", COUNT), ("ENTRIES", COUNT), ("BEFORE", COUNT), ("ID", ID), ("CLASS", TEXT)])


def test_leaks(leaks):
    columns = [("BYTES", BYTES), ("GROWTH", PERCENT), ("LAST STEP", BYTES), ("COUNT", COUNT),
               ("CLASS", TEXT), ("HOLDER", TEXT), ("HELD AS", TEXT)]
    rows = tables.check(table("BYTES", "leaks", *leaks), columns)
    assert len(rows) == 4 and {"callbacks", "traces", "log"} <= {row[6] for row in rows}
    tables.check(table("GROWTH", "leaks", *leaks, "--match=classes", "--top=0"), CLASSES)


STEP = rf" of \S.* {ID}, {BYTES}$"


def check_tree(lines, first):
    """Every line two columns further than the one it refers to, and each has its size."""
    depth = first
    for line in lines:
        step = len(line) - len(line.lstrip())
        assert step % 2 == 0 and first <= step <= depth + 2, lines
        assert re.search(STEP, line) or re.fullmatch(r" *\.\.\. \d+ more", line), line
        depth = step


def test_retainers(zoo):
    lines = Ctl().lines("retainers", zoo[0], "--class=Node", "--top=12")
    assert re.search(rf"^Node.* {ID}, {BYTES}$", lines[0]), lines[0]
    titles = [i for i, line in enumerate(lines) if line.endswith(":")]
    assert [lines[i] for i in titles] == ["held by:", "shortest path:", "referred to by:"]
    for first, end in zip(titles, [*titles[1:], len(lines)]):
        part = [line for line in lines[first + 1:end] if line]
        check_tree(part, 2)
    for i in titles[:2]:  # of which each step stands below the one before
        part = [line for line in lines[i + 1:titles[titles.index(i) + 1]] if line]
        assert [len(line) - len(line.lstrip()) for line in part] == \
            [2 * (n + 1) for n in range(len(part))]


ALLOCATING = """
globalThis.kept = [];
function keepMany(n) { for (let i = 0; i < n; i++) kept.push(new Array(100).fill(i)); }
function keepFew() { kept.push(new Array(20000).fill(0)); }
keepMany(Number(process.argv[1]));
keepFew();
"""


@pytest.fixture(scope="module")
def profiles(tmp_path_factory):
    """Two that Node itself writes at its end, of different work."""
    home = tmp_path_factory.mktemp("profiles")
    program = home / "allocating.js"
    program.write_text(ALLOCATING.replace("argv[1]", "argv[2]"))
    for name, n in (("before", 3000), ("after", 9000)):
        subprocess.run([node.binary(24), "--heap-prof", "--heap-prof-interval=8192",
                        f"--heap-prof-name={name}.heapprofile", program, str(n)], check=True,
                       cwd=home, env=node.environment(), capture_output=True)
    return home / "before.heapprofile", home / "after.heapprofile"


def test_profile(profiles):
    rows = tables.check(table("SELF", "profile", "top", profiles[1], "--top=0"), [
        ("SELF", BYTES), ("SELF%", PERCENT), ("TOTAL", BYTES), ("TOTAL%", PERCENT),
        ("SAMPLES", COUNT), ("FUNCTION", TEXT), ("PLACE", TEXT)])
    (many,) = [row for row in rows if row[5] == "keepMany"]
    assert re.search(r"allocating\.js:\d+$", many[6])
    rows = tables.check(table("CHANGE", "profile", "diff", *profiles), [
        ("CHANGE", BYTES), ("BEFORE", BYTES), ("NOW", BYTES), ("FUNCTION", TEXT), ("PLACE", TEXT)])
    assert rows[0][3] == "keepMany"
