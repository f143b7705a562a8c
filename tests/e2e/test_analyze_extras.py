"""What `analyze` and `diff` say besides classes: duplicated strings, large collections, detached
elements, how much of the process's memory it is; and how it is shown."""

import collections
import json
import subprocess

import pytest

from lab import chromium, hoards, node, numbers, readers, snapshots
from lab.ctl import Ctl
from lab.daemon import static_config

PROGRAM = """
const held = { copies: [], numbers: new Map(), names: new Set(), table: {}, list: [], few: [], none: new Map() };
for (let i = 0; i < 300; i++) {
  held.copies.push(JSON.parse('"a text that is there again and again"'));
  held.numbers.set('key ' + i, { i });
  held.names.add({ i });
  held.table['entry' + i] = { i };
}
globalThis.held = held;
globalThis.more = (n) => { for (let i = 0; i < n; i++) held.list.push({ i }); };
more(400);
for (let i = 0; i < 12; i++) held.few.push({ i });
require('node:v8').writeHeapSnapshot(process.argv[1]);
more(100);
for (let i = 0; i < 300; i++) held.few.push({ i });
for (let i = 0; i < 200; i++) held.none.set('n' + i, { i });
require('node:v8').writeHeapSnapshot(process.argv[2]);
"""


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """Two snapshots of one program."""
    home = tmp_path_factory.mktemp("extras")
    paths = [home / "1.heapsnapshot", home / "2.heapsnapshot"]
    subprocess.run([node.binary(26), "-e", PROGRAM, *paths], check=True, env=node.environment(),
                   capture_output=True)
    return paths


def duplicated(path):
    """{text: (count, bytes)}, counted from the file itself."""
    found = json.loads(path.read_text())
    meta, nodes, strings = found["snapshot"]["meta"], found["nodes"], found["strings"]
    fields = len(meta["node_fields"])
    text = meta["node_types"][0].index("string")
    counts, sizes = collections.Counter(), collections.defaultdict(list)
    for i in range(0, len(nodes), fields):
        if nodes[i] == text and nodes[i + 3] > 0 and strings[nodes[i + 1]]:
            counts[nodes[i + 1]] += 1
            sizes[nodes[i + 1]].append(nodes[i + 3])
    return {strings[s]: (n, sum(sizes[s]), sum(sizes[s]) - max(sizes[s]))
            for s, n in counts.items() if n > 1}


def test_duplicated_strings(taken):
    found = Ctl().json("analyze", taken[0], "--extras", "--top=0")["strings"]
    assert {v["value"]: (v["count"], v["bytes"], v["wasted_bytes"])
            for v in found["values"]} == duplicated(taken[0])
    assert found["duplicated"] == len(found["values"]) and found["unknown"] is None
    assert found["wasted_bytes"] == sum(v["wasted_bytes"] for v in found["values"])
    shown = Ctl()("analyze", taken[0], "--strings", "--top=3").stdout
    assert "WASTED" in shown and "a text that is there again and again" in shown


def test_collections_and_those_that_grow(taken):
    found = Ctl().json("analyze", taken[0], "--extras", "--top=0")["collections"]
    for kind, entries in (("Map", 300), ("Set", 300), ("Array", 400)):
        assert any(c["class"] == f",{kind}" and c["entries"] == entries for c in found), kind
    assert any(c["entries"] == 300 and c["class"] not in (",Map", ",Set", ",Array") for c in found)
    assert "RETAINED  ENTRIES" in Ctl()("analyze", taken[0], "--collections").stdout
    grown = Ctl().json("diff", *taken, "--collections", "--top=0")["collections"]
    assert [(c["class"], c["entries_before"], c["entries"]) for c in grown[:3]] == [
        (",Array", 12, 312), (",Map", 0, 200), (",Array", 400, 500)]
    for flag in ("--collections", "--extras"):
        shown = Ctl()("diff", *taken, "--class=Array", flag).stdout
        assert "collections that have more entries" in shown and "  12 " in shown
    kept = Ctl().json("analyze", taken[0], "--extras", "--top=0", "--class=Map")["collections"]
    assert kept and {c["class"] for c in kept} == {",Map"}


def test_what_a_capture_of_the_daemon_tells(start_daemon, start_node):
    program = start_node(26, "heap")
    daemon = start_daemon(static_config({"app": program.address}, capture={"diagnostics": False}))
    daemon.wait_up("app")
    path = daemon.capture("app", force=True)
    report = Ctl().json("analyze", path, "--extras")
    assert report["strings"]["unknown"] == "redacted" and report["strings"]["values"] == []
    memory = report["memory"]
    assert memory["resident_bytes"] > memory["heap_used_bytes"] > 0
    manifest = json.loads(path.with_name(path.name + ".json").read_text())
    assert memory["resident_bytes"] == manifest["resident_before_bytes"]
    assert memory["heap_used_bytes"] == manifest["heap_used_bytes"]
    assert memory["explained"] == report["statistics"]["total_bytes"] / memory["resident_bytes"]
    assert 0 < memory["explained"] < 1
    shown = Ctl()("analyze", path, "--extras").stdout
    assert f"were resident this explains {100 * memory['explained']:.0f} %" in shown
    assert "were resident this explains" in shown and "values were redacted" in shown


def test_without_the_wish_nothing_is_looked_for(taken):
    """They take a look at all references; the classes come from an index without one."""
    assert not {"strings", "collections", "detached"} & set(Ctl().json("analyze", taken[0]))
    assert "duplicated" not in Ctl()("analyze", taken[0]).stdout
    assert "collections" not in Ctl().json("diff", *taken)
    for flag in ("--strings", "--collections"):
        assert "duplicated strings: " in Ctl()("analyze", taken[0], flag).stdout


def test_without_a_manifest_it_says_so(taken):
    assert Ctl().json("analyze", taken[0])["memory"] is None
    assert "not known without a manifest" in Ctl()("analyze", taken[0], "--extras").stdout


# Some alone, trees whose parts go with them, one that a part holds, some that are in the page.
ELEMENTS = """
globalThis.gone = [];
const make = (name, ...inside) => {
  const one = document.createElement(name);
  one.append(...inside);
  return one;
};
for (let i = 0; i < 70; i++) {
  gone.push(make('section'));
  gone.push(make('article', make('p', `text ${i}`), make('ul', make('li'), make('li', 'x'))));
  document.body.append(make('aside', make('b', `text ${i}`)));
}
globalThis.part = make('table', make('tr', make('td', 'kept'))).firstChild;
document.body.append(make('footer'));
document.querySelector('footer').remove();
gone.length"""


def test_detached_elements(nursery, tmp_path):
    browser = chromium.Chromium(nursery, tmp_path / "profile",
                                "data:text/html,<title>shop</title><body>")
    path = tmp_path / "page.heapsnapshot"
    with browser.client() as client:
        assert client.evaluate(ELEMENTS) == 140
        snapshots.take_one(client, path)
    wanted = readers.devtools_report(path, tmp_path / "devtools.json")
    for _ in range(2):  # the second from an index
        found = Ctl().json("analyze", path, "--extras", "--top=0", f"--index={tmp_path}")
        assert list(found["detached"].values()) == wanted["detached"]
    rows = {c["name"]: c["count"] for c in found["classes"] if c["name"].startswith("Detached ")}
    assert sum(rows.values()) == found["detached"]["count"]
    assert rows["Detached <section>"] == 70 and rows["Detached <li>"] == 140
    # What is inside of what is counted is not counted again.
    assert found["detached"]["self_bytes"] <= found["detached"]["retained_bytes"] < sum(
        c["retained_bytes"] for c in found["classes"] if c["name"] in rows)
    assert "detached DOM nodes: " in Ctl()("analyze", path, "--extras").stdout
    numbers.check(found, wanted)


def test_an_engine_that_has_no_values_says_so(tmp_path):
    (path, *_) = hoards.of_bun(None, tmp_path, ["sessions"], form="jsc")
    found = Ctl().json("analyze", path, "--extras")
    assert found["strings"]["unknown"] == "none" and found["detached"] is None


def test_progress_is_on_terminals_only(taken):
    exit_, shown = Ctl("--no-pager").on_terminal("analyze", taken[0])
    assert exit_ == 0
    assert "\r\033[K1.heapsnapshot: reading " in shown and " %" in shown
    last = shown.rindex("\r\033[K")
    assert shown[last:].startswith("\r\033[K") and "objects" in shown[last:]
    assert Ctl()("analyze", taken[0]).stderr == ""
    assert "\033[K" not in Ctl("--no-pager", "--quiet").on_terminal("analyze", taken[0])[1]


@pytest.mark.parametrize("command", ["diff", "leaks", "retainers", "convert"])
def test_progress_of_other_commands(taken, tmp_path, command):
    """Of each file in turn, and gone before the answer."""
    files = taken if command in ("diff", "leaks") else taken[:1]

    def arguments(name):
        flags = {"retainers": ["--class=Map"], "convert": [f"--output={tmp_path / name}"]}
        return command, *files, *flags.get(command, [])
    exit_, shown = Ctl("--no-pager").on_terminal(*arguments("shown"))
    assert exit_ == 0
    for path in files:
        assert f"\r\033[K{path.name}: reading" in shown
    done = Ctl()(*arguments("plain"))
    said = (done.stdout + done.stderr).replace("/plain\n", "/shown\n")
    assert said and shown.endswith("\r\033[K" + said)
    assert "\033[K" not in Ctl("--no-pager", "--quiet").on_terminal(*arguments("quiet"))[1]


def test_who_refers_to_it_is_a_tree(taken):
    arguments = ("retainers", taken[0], "--class=Map")
    found = Ctl().json(*arguments, "--top=12")["retainers"]
    assert found[0]["depth"] == 0 and found[0]["edge"] is None and len(found) <= 13
    ids = [row["id"] for row in found]
    assert len(set(ids)) == len(ids)
    for before, row in zip(found, found[1:]):
        assert 1 <= row["depth"] <= before["depth"] + 1
    every = Ctl().json("retainers", taken[0], "--class=Array", "--top=0")["retainers"]
    assert len(every) > len(Ctl().json("retainers", taken[0], "--class=Array")["retainers"])
    assert "no object @987654321" in Ctl()("retainers", taken[0], "--node=987654321", exit=1).stderr
    lines = Ctl().lines(*arguments)
    assert "referred to by:" in lines and lines.index("held by:") < lines.index("referred to by:")


def test_leaks_of_one_class(nursery, tmp_path):
    paths = hoards.of_bun(nursery, tmp_path, ["callbacks", "history"])[hoards.HEALTHY:]
    (one,) = Ctl().json("leaks", *paths, "--class=HistoryEntry")["suspects"]
    assert one["kind"] == "chain"
    assert Ctl().json("leaks", *paths, f"--node=@{one['holder']}")["suspects"] == [one]
    assert "nothing accumulates" in Ctl()("leaks", *paths, "--class=Nobody", exit=1).stderr
