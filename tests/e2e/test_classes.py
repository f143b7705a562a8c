"""Classes of one name in two files of a real program: rows of their own where the snapshot tells where
a class is, one where it does not, and their differences; all of it as DevTools has it."""

import pytest

from lab import cdp, chromium, deno, listener, numbers, readers, snapshots
from lab.wait import until

# Each has one on line 1, and one further down that tells them apart by its line.
ONE = """\
export class Session { constructor(i) { this.one = { i }; } }
export function open(to, i) { to.push(new Session(i)); }
"""
TWO = """\
const opened = [];
export class Session { constructor(i) { this.two = [i, { i }]; } }
export function open(to, i) { opened.push(to.push(new Session(i)) & 1); }
"""
MAIN = """\
import { open as one } from './one.js';
import { open as two } from './two.js';
const sessions = [];
globalThis.grow = (ones, twos) => {
  for (let i = 0; i < ones; i++) one(sessions, i);
  for (let i = 0; i < twos; i++) two(sessions, i);
  return sessions.length;
};
"""
READY = "setInterval(() => {}, 1 << 30);\nconsole.log('ready');\n"
BUILT, GROWN = (700, 300), (120, 50)
URLS_TOLD = ("deno", "chromium")  # from V8 15 on


def write(home, more=""):
    home.mkdir(exist_ok=True)
    (home / "package.json").write_text('{"type":"module"}')
    for name, text in {"one.js": ONE, "two.js": TWO, "main.js": MAIN + more}.items():
        (home / name).write_text(text)
    return home / "main.js"


def by_itself(runtime, home):
    main = write(home)
    return snapshots.after(None, home, runtime, *(
        f"await import('file://{main}'); grow({ones}, {twos});" for ones, twos in (BUILT, GROWN)))


def over_cdp(client, home):
    paths = [home / "1.heapsnapshot", home / "2.heapsnapshot"]
    with client:
        until(lambda: client.evaluate("typeof grow") == "function", "the module")
        client.call("HeapProfiler.enable")  # so that ids last
        for path, (ones, twos) in zip(paths, (BUILT, GROWN)):
            assert client.evaluate(f"grow({ones}, {twos})") > 0
            snapshots.take_one(client, path)
    return paths


def of_deno(nursery, home):
    program = deno.Deno(nursery, home / "deno", program=write(home / "files", READY))
    return over_cdp(cdp.Client(program.port, limit_s=60), home)


def of_chromium(nursery, home):
    page = b"<!doctype html><title>shop</title><script type=module src=main.js></script>"
    kind = "text/javascript"
    site = listener.http({"/": (200, "text/html", page), **{
        f"/{name}": (200, kind, text.encode())
        for name, text in {"one.js": ONE, "two.js": TWO, "main.js": MAIN}.items()}})
    browser = chromium.Chromium(nursery, home / "profile", f"http://127.0.0.1:{site.port}/")
    try:
        return over_cdp(browser.client(), home)
    finally:
        site.close()


@pytest.fixture(params=snapshots.RUNTIMES)
def taken(request, nursery, tmp_path):
    """(runtime, before, after)"""
    if request.param == "deno":
        return request.param, *of_deno(nursery, tmp_path)
    if request.param == "chromium":
        return request.param, *of_chromium(nursery, tmp_path)
    return request.param, *by_itself(request.param, tmp_path)


def test_rows_and_differences_are_those_of_devtools(taken, tmp_path):
    runtime, before, after = taken
    wanted = readers.devtools_report(after, tmp_path / "devtools.json", before)
    found = numbers.analyze(after)
    numbers.check(found, wanted)
    sessions = {row["key"]: row for row in found["classes"] if row["name"] == "Session"}
    counts = sorted(row["count"] for row in sessions.values())
    both = [BUILT[0] + GROWN[0], BUILT[1] + GROWN[1]]
    assert counts == ([sum(both)] if runtime == "bun" else sorted(both))
    if runtime in URLS_TOLD:
        places = {row["count"]: row["place"] for row in sessions.values()}
        assert places[both[0]].endswith("/one.js:1") and places[both[1]].endswith("/two.js:2")
    assert numbers.differences(before, after, "--match=ids") == wanted["diff"]
    if runtime != "bun":
        rows = numbers.differences(before, after)
        assert rows == wanted["diff"]
        assert sorted(rows[key][0] for key in sessions) == sorted(GROWN)
