"""Places in a program's sources: a TypeScript program, bundled and minified, whose classes and
functions are named by their lines in the sources; each place as Node's own reader of source maps
has it."""

import json
import re
import subprocess

import pytest

from lab import bun, cdp, node, snapshots
from lab.ctl import Ctl

SOURCE = """\
export class CustomerOrder {
  readonly lines: string[];
  constructor(n: number) {
    this.lines = [`line ${n}`];
  }
}

export function remember(orders: Map<number, CustomerOrder>, n: number): void {
  orders.set(n, new CustomerOrder(n));
}
"""
MAIN = """\
import { CustomerOrder, remember } from './order';
const orders = new Map<number, CustomerOrder>();
const watchers: Array<() => number> = [];
for (let n = 0; n < 500; n++) {
  remember(orders, n);
  watchers.push(function countOrders() { return orders.size + n; });
}
setInterval(() => watchers.length, 1 << 30);
console.log('ready');
"""
LINE_OF_CLASS = 3  # of its constructor
# Asks Node's reader for places given as LINE:COLUMN, from 0.
ASK = """
const { SourceMap } = require('node:module');
const map = new SourceMap(JSON.parse(require('node:fs').readFileSync(process.argv[1], 'utf8')));
console.log(JSON.stringify(process.argv.slice(2).map((at) => {
  const [line, column] = at.split(':').map(Number);
  const found = map.findEntry(line, column);
  return found.generatedLine === line && found.originalSource ?
    `${found.originalSource}:${found.originalLine + 1}` : null;
})));
"""


def bundle(home, main=MAIN):
    """dist/app.js and its map."""
    (home / "src").mkdir()
    (home / "src" / "order.ts").write_text(SOURCE)
    (home / "src" / "main.ts").write_text(main)
    subprocess.run([node.MODULES / "esbuild" / "bin" / "esbuild", "src/main.ts", "--bundle",
                    "--minify", "--sourcemap", "--platform=node", "--outfile=dist/app.js"],
                   cwd=home, check=True, capture_output=True)
    return home / "dist" / "app.js"


def inspected(nursery, app):
    """A client of the program, which runs."""
    process = nursery.start([node.binary(24), "--inspect=127.0.0.1:0", app],
                            env=node.environment())
    port = int(process.wait_line(r"ws://127\.0\.0\.1:(\d+)/")[1])
    process.wait_line("^ready")
    return cdp.Client(port, limit_s=60)


@pytest.fixture
def taken(nursery, tmp_path):
    """(snapshot, the map): the list of scripts is beside it, as the daemon leaves it."""
    app, snapshot = bundle(tmp_path), tmp_path / "app.heapsnapshot"
    with inspected(nursery, app) as client:
        snapshots.take_one(client, snapshot)
        snapshots.write_scripts(client, snapshot)
    return snapshot, app.with_suffix(".js.map")


def places(snapshot, *arguments):
    """{key: place} of all classes that have one."""
    rows = Ctl().json("analyze", snapshot, "--top=0", *arguments)["classes"]
    return {row["key"]: row["place"] for row in rows if row["place"]}


def test_places_are_those_of_the_sources(taken, tmp_path):
    snapshot, source_map = taken
    plain = {key: place for key, place in places(snapshot).items() if "/app.js:" in place}
    assert plain
    mapped = places(snapshot, f"--source-map-dir={source_map.parent}")
    asked = [":".join(key.split(",")[1:3]) for key in plain]
    told = json.loads(subprocess.run([node.binary(24), "-e", ASK, source_map, *asked], check=True,
                                     capture_output=True, env=node.environment()).stdout)
    assert {key: mapped[key] for key in plain} == dict(zip(plain, told))
    assert f"../src/order.ts:{LINE_OF_CLASS}" in mapped.values()
    # The class goes by the name that the bundler gave it; what holds it says where.
    key = next(key for key, place in mapped.items() if place.endswith("order.ts:3"))
    arguments = ("retainers", snapshot, "--class=" + key.split(",")[-1],
                 f"--source-map-dir={source_map.parent}")
    assert Ctl().json(*arguments)["dominators"][0]["place"] == "../src/order.ts:3"
    assert "(../src/order.ts:3)" in Ctl()(*arguments).stdout
    assert "(../src/order.ts:3)" in Ctl()("analyze", snapshot, arguments[2], arguments[3]).stdout


def test_maps_are_found_by_name_by_file_and_in_sections(taken, tmp_path):
    snapshot, source_map = taken
    wanted = places(snapshot, f"--source-map-dir={source_map.parent}")
    content = json.loads(source_map.read_text())
    for name, map_ in {
        "other.map": dict(content, file="build/app.js"),
        "app.js.map": {"version": 3, "sections": [
            {"offset": {"line": 0, "column": 0}, "map": content}]},
    }.items():
        folder = tmp_path / f"maps-{name}"
        folder.mkdir()
        (folder / name).write_text(json.dumps(map_))
        assert places(snapshot, f"--source-map-dir={folder}") == wanted


def test_of_many_maps_the_first_by_its_name_counts_and_misses_cost_nothing(taken, tmp_path):
    """5000 files that no script wants, and two maps that both say they are of the script."""
    snapshot, source_map = taken
    wanted = places(snapshot, f"--source-map-dir={source_map.parent}")
    content = dict(json.loads(source_map.read_text()), file="app.js")
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(5000):
        (folder / f"chunk-{n}.js").touch()
    (folder / "z.map").write_text(json.dumps(dict(content, sources=["wrong.ts"] * 2)))
    (folder / "y.map").write_text(json.dumps(content))
    assert places(snapshot, f"--source-map-dir={folder}") == wanted


def test_a_file_is_told_in_one_way_with_and_without_the_list(taken):
    """V8s to come name the script of a place in the snapshot itself: by its URL, as the list."""
    snapshot, source_map = taken
    app = str(source_map.with_suffix(""))
    listed = snapshot.with_name("app.scripts.json")
    scripts = json.loads(listed.read_text())
    (number,) = {int(s["scriptId"]) for s in scripts if s["url"].endswith(app)}
    wanted = {key: place for key, place in places(snapshot).items() if app in place}
    assert wanted and all(place.startswith(app) for place in wanted.values())
    listed.unlink()
    assert places(snapshot) == {}
    told = json.loads(snapshot.read_text())
    meta, rows = told["snapshot"]["meta"], told["locations"]
    width = len(meta["location_fields"])
    script = meta["location_fields"].index("script_id")
    meta["location_fields"].append("script_object_index")
    told["locations"] = [value for i in range(0, len(rows), width)
                         for value in rows[i:i + width] + [0 if rows[i + script] != number
                                                           else len(meta["node_fields"])]]
    told["nodes"][len(meta["node_fields"]) + 1] = len(told["strings"])
    told["strings"].append(f"system / Script / file://{app}")
    snapshot.write_text(json.dumps(told))
    assert {key: place for key, place in places(snapshot).items() if app in place} == wanted


def test_a_bad_map_is_a_warning_with_its_place(taken, tmp_path):
    snapshot, source_map = taken
    content = json.loads(source_map.read_text())
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "app.js.map").write_text(json.dumps(dict(content, mappings="AAAA,!")))
    done = Ctl()("analyze", snapshot, f"--source-map-dir={folder}")
    assert done.stderr.count("warning: source map app.js.map: mappings: at character 5") == 1
    assert Ctl()("--quiet", "analyze", snapshot, f"--source-map-dir={folder}").stderr == ""
    assert places(snapshot, f"--source-map-dir={folder}") == places(snapshot)
    (folder / "app.js.map").write_text(source_map.read_text()[:-20])
    assert "near end of file" in Ctl()("analyze", snapshot, f"--source-map-dir={folder}").stderr
    assert "No such file" in Ctl()("analyze", snapshot,
                                   f"--source-map-dir={tmp_path / 'none'}").stderr


LEAK = """\
import { CustomerOrder, remember } from './order';
const orders = new Map<number, CustomerOrder>();
const watchers: Array<() => number> = [];
declare const globalThis: { serve(n: number): number };
globalThis.serve = (n) => {
  for (const end = orders.size + n; orders.size < end;) {
    remember(orders, orders.size);
    watchers.push(function countOrders() { return orders.size + n; });
  }
  return orders.size + watchers.length;
};
globalThis.serve(50);
setInterval(() => watchers.length, 1 << 30);
console.log('ready');
"""
ROUND = 600


def test_leaks_are_told_by_the_sources(nursery, tmp_path):
    """Of classes where they are made, of functions themselves, and of what holds them."""
    app = bundle(tmp_path, LEAK)
    paths = [tmp_path / f"{i + 1}.heapsnapshot" for i in range(3)]
    with inspected(nursery, app) as client:
        client.call("HeapProfiler.enable")
        for i, path in enumerate(paths):
            assert client.evaluate(f"serve({ROUND if i > 0 else 1})") > 0
            snapshots.take_one(client, path)
        snapshots.write_scripts(client, paths[-1])

    def told(*flags):
        """{(place, where what holds it is)}"""
        found = Ctl().json("leaks", *paths, *flags)["suspects"]
        return {(s["place"], s["held_at"]) for s in found}
    plain = told()
    assert plain and {at.rsplit(":", 1)[0] for pair in plain for at in pair} == {str(app)}
    source_maps = f"--source-map-dir={app.parent}"
    made, used, serve = f"../src/order.ts:{LINE_OF_CLASS}", "../src/main.ts:8", "../src/main.ts:5"
    assert told(source_maps) == {(made, serve), (used, serve)}
    shown = Ctl()("leaks", *paths, source_maps).stdout
    n = 2 * ROUND
    assert f" ({made}) in Map @" in shown and f" {n} more Function ({used}) in Array @" in shown
    assert f" of Function n ({serve}) @" in shown and str(app) not in shown


# Function scopes of fewer and more variables than are shown, by what holds an object of a class.
SCOPES = """
class Few { constructor(n) { this.n = n; } }
class Many { constructor(n) { this.n = n; } }
function few() {
  const alpha = new Few(1), beta = { b: 1 };
  return () => [alpha, beta];
}
function many() {
  const one = new Many(1), two = {}, three = [], four = 'text', five = () => 1, six = {};
  return () => [one, two, three, four, five, six];
}
globalThis.kept = [few(), many()];
"""
SAVE = {
    "v8": "require('node:v8').writeHeapSnapshot(process.argv.at(-1));",
    "jsc": "require('fs').writeFileSync(process.argv.at(-1), "
           "JSON.stringify(Bun.generateHeapSnapshot()));",
}


@pytest.mark.parametrize("engine", ["node20", "node26", "bun"])
def test_contexts_are_named_by_their_variables(tmp_path, engine):
    form = "jsc" if engine == "bun" else "v8"
    binary = bun.binary() if engine == "bun" else node.binary(int(engine[4:]))
    program, path = tmp_path / "scopes.js", tmp_path / "scopes"
    program.write_text(SCOPES + SAVE[form])
    subprocess.run([binary, program, path], check=True, env=node.environment(),
                   capture_output=True)
    names = {"Few": ["alpha", "beta"], "Many": ["one", "two", "three", "four", "five", "six"]}
    for class_, variables in names.items():
        lines = Ctl().lines("retainers", path, f"--class={class_}")
        held = lines[lines.index("held by:") + 1]
        shown = re.fullmatch(rf"  {variables[0]} \(variable\) of system / Context.* "
                             r"\{(.*)\} @\d+, .*", held)[1].split(", ")
        # V8 has them in the order of the program, JSC in none; after four comes an ellipsis.
        if form == "v8":
            assert shown == [*variables[:4], "..."][:len(variables)]
        assert len(set(shown)) == len(shown) and set(shown) <= {*variables, "..."}
        assert len(shown) == min(len(variables), 5) and (shown[-1] == "...") == (class_ == "Many")
        # What is no context has none.
        assert lines[0].startswith(f"{class_} @") and "{" not in lines[0]
