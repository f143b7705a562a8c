"""Variables that no function can use any more, where V8 tells of scopes: as DevTools finds them."""

import gzip
import json
import re
import subprocess

import pytest

from lab import chromium, node, readers, snapshots, tables
from lab.ctl import Ctl
from lab.daemon import static_config
from lab.tables import BYTES, COUNT, ID, TEXT

SCRIPT = node.PROGRAMS / "variables.js"
URL = "https://shop.example/variables.js"
PAGE = "data:text/html,<title>shop</title><body>"


@pytest.fixture
def page(nursery, tmp_path):
    return chromium.Chromium(nursery, tmp_path / "profile", PAGE)


def take(page, path, *after):
    with page.client() as client:
        for expression in [SCRIPT.read_text(), *after]:
            client.evaluate(expression + "\n; 1")
        snapshots.take_one(client, path)


def of_program(rows):
    return {row["name"]: row for row in rows["values"] if row["script"] == URL}


def test_they_are_those_of_devtools(page, tmp_path):
    path = tmp_path / "page.heapsnapshot"
    take(page, path)
    found = Ctl().json("analyze", path, "--extras", "--top=0")["variables"]
    assert found["unknown"] is None and found["dead"] == len(found["values"])
    ours = {f"{row['script'] or ''}:{row['start']}:{row['name']}":
            [row["contexts"], row["retained_bytes"]] for row in found["values"]}
    assert ours == readers.devtools_report(path, tmp_path / "out.json")["variables"]
    rows = of_program(found)
    assert set(rows) == {"big", "above", "n", "gone", "nothing", "unused"}
    assert rows["big"]["contexts"] == 60 and rows["big"]["alone_bytes"] >= 60 * 500 * 4
    # Every second, every third, and all but the one that was made last.
    assert (rows["above"]["contexts"], rows["gone"]["contexts"]) == (30, 20)
    assert (rows["nothing"]["contexts"], rows["unused"]["contexts"]) == (59, 59)
    assert rows["nothing"]["alone_bytes"] == 0 < rows["unused"]["alone_bytes"]
    assert all(row["retained_bytes"] >= row["alone_bytes"] for row in rows.values())
    order = [row["alone_bytes"] for row in found["values"]]
    assert order == sorted(order, reverse=True)


def test_the_table_and_its_words(page, tmp_path):
    path = tmp_path / "page.heapsnapshot"
    take(page, path)
    shown = Ctl()("analyze", path, "--variables").stdout
    tables.check(tables.after(shown.splitlines(), "ALONE"), [
        ("ALONE", BYTES), ("RETAINED", BYTES), ("CONTEXTS", COUNT), ("CONTEXT", ID), ("VALUE", ID),
        ("VARIABLE", TEXT), ("SCRIPT", TEXT)])
    count = Ctl().json("analyze", path, "--extras")["variables"]["dead"]
    assert f"variables that no function can use any more: {count} (--variables)\n" in shown
    lines = [line.split() for line in shown.splitlines() if URL in line]
    (big,) = [line for line in lines if line[-2] == "big"]
    start = SCRIPT.read_text().index("(n) {")
    assert big[-1] == f"{URL}:+{start}"
    context = big[-4]
    held = Ctl()("retainers", path, f"--node={big[-3]}").stdout
    assert "big (variable) of system / Context" in held and context in held


@pytest.mark.parametrize("packed", [False, True])
def test_beside_an_index_too(page, tmp_path, packed):
    path = tmp_path / ("page.heapsnapshot" + (".gz" if packed else ""))
    plain = tmp_path / "page.heapsnapshot"
    take(page, plain)
    if packed:
        path.write_bytes(gzip.compress(plain.read_bytes()))
    index = f"--index={tmp_path}"
    first = Ctl().json("analyze", path, "--no-index", "--extras")["variables"]
    Ctl()("analyze", path, index)
    assert Ctl().json("analyze", path, index, "--extras")["variables"] == first
    assert first["dead"] >= 4


def test_where_they_are_not_told(page, start_daemon, tmp_path):
    daemon = start_daemon(static_config({"page": page.address}, capture={"diagnostics": False}))
    daemon.wait_up("page")
    with page.client() as client:
        client.evaluate(SCRIPT.read_text() + "\n; 1")
    (isolate,) = daemon.isolates("page")
    redacted = daemon.capture("page", force=True, isolate=isolate)
    for path, why, words in ((redacted, "redacted", "numbers were redacted"),
                             (snapshot_of_node(tmp_path), "none", "does not tell of scopes")):
        found = Ctl().json("analyze", path, "--extras")["variables"]
        assert found == {"unknown": why, "dead": 0, "values": []}
        shown = Ctl()("analyze", path, "--variables").stdout
        assert "dead variables: not known, " in shown and words in shown


def snapshot_of_node(home):
    path = home / "node.heapsnapshot"
    subprocess.run([node.binary(26), "-e", "require('v8').writeHeapSnapshot(process.argv[1])", path],
                   check=True, env=node.environment(), capture_output=True)
    return path


def test_tables_that_are_damaged_are_told_with_their_place(page, tmp_path):
    path = tmp_path / "page.heapsnapshot"
    take(page, path)
    text = path.read_text()
    for section, broken, words in (
            ("scopes", "[1,0,0,0,0]", "section \"scopes\""),
            ("scope_uses", "[1]", "section \"scope_uses\""),
            ("scope_context_vars", "[]", "more variables than there are")):
        start = text.index("[", text.rindex(f'"{section}":'))
        path.write_text(text[:start] + broken + text[text.index("]", start) + 1:])
        done = Ctl()("analyze", path, "--extras", "--no-index", exit=1)
        assert words in done.stderr and str(path) in done.stderr
        assert re.search(rf'section "{SECTION_OF[section]}",.* byte \d+', done.stderr), done.stderr
    assert f"byte {first_with_variables(text)}, row " in done.stderr


# A scope tells how many variables it has, so that it is the one that is wrong when there are less.
SECTION_OF = {"scopes": "scopes", "scope_uses": "scope_uses", "scope_context_vars": "scopes"}


def first_with_variables(text):
    """The byte at which that scope begins."""
    found = json.loads(text)
    fields = found["snapshot"]["meta"]["scope_fields"]
    counts = found["scopes"][fields.index("scope_context_vars_count")::len(fields)]
    row = next(i for i, n in enumerate(counts) if n > 0)
    start = text.index("[", text.rindex('"scopes":')) + 1
    numbers = list(re.finditer(r"\d+", text[start:text.index("]", start)]))
    return start + numbers[row * len(fields)].start()
