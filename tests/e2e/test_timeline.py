"""Timelines of allocations from real programs: what was allocated when and by whom is in the file,
Chrome DevTools and the analyser read it, redaction leaves what tells of time and stacks, and the
program allocates as fast as before once it is over, however it ended."""

import json
import re
import signal
import threading
import time
from contextlib import closing

import pytest

from lab import numbers, readers
from lab.cdp import Client, Worker, in_worker, is_tracking, used_bytes, wait_interval
from lab.chromium import Chromium, isolate
from lab.ctl import Ctl
from lab.daemon import PATIENT, PLAIN, static_config
from lab.deno import Deno
from lab.firefox import Firefox
from lab.node import STEADY, allocates_at_least, allocation_speed
from lab.relay import Frames, Packets, Relay
from lab.snapshots import take_one
from lab.tables import bytes_of
from lab.wait import until
from lab.workerd import WAYS, Workerd

LEVEL = 0.55  # of the speed before, as in test_harm.py
NO_GUARDS = dict(PLAIN, guards={"headroom": 0})


def files(daemon, ending=".heaptimeline"):
    return sorted(path for path in (daemon.storage / "spool" / "ready").iterdir()
                  if path.name.endswith(ending))


def ask(daemon, **wishes):
    return daemon.post("/api/v1/targets/app/captures",
                       json.dumps({"kind": "timeline", **wishes}).encode(),
                       {"Content-Type": "application/json"})


def begin(daemon, **wishes):
    answer = ask(daemon, **wishes)
    assert answer.status == 202, answer.text
    return answer.json()["data"]["id"]


def wait_file(daemon, ending=".heaptimeline"):
    found, = until(lambda: files(daemon, ending), lambda: f"{ending}; log:\n{daemon.tail()}", 60)
    entry = until(lambda: [e for e in daemon.api("/captures")["ready"] if e["name"] == found.name],
                  "it in the list")
    return found, entry[0]


def read(path):
    """{"functions": names, "calls": of the tree that allocated, "samples": pairs}"""
    whole = json.loads(path.read_text())
    meta, infos = whole["snapshot"]["meta"], whole["trace_function_infos"]
    fields = meta["trace_function_info_fields"]
    names = [whole["strings"][i] for i in infos[fields.index("name")::len(fields)]]
    pending, bytes_of = [whole["trace_tree"]], {}
    while pending:
        level = pending.pop()
        for at in range(0, len(level), 5):
            _, function, _, size, below = level[at:at + 5]
            bytes_of[names[function]] = bytes_of.get(names[function], 0) + size
            pending.append(below)
    return {"functions": set(names), "bytes": bytes_of, "samples": len(whole["samples"]) // 2,
            "strings": whole["strings"],
            "traced": "trace_node_id" in meta["node_fields"]}


def living(path, name):
    """Of what lives, by the function that allocated it: (objects of this name, bytes of all)."""
    whole = json.loads(path.read_text())
    meta, infos = whole["snapshot"]["meta"], whole["trace_function_infos"]
    fields, strings = meta["trace_function_info_fields"], whole["strings"]
    names = [strings[i] for i in infos[fields.index("name")::len(fields)]]
    pending, function_of = [whole["trace_tree"]], {}
    while pending:
        level = pending.pop()
        for at in range(0, len(level), 5):
            function_of[level[at]] = names[level[at + 1]]
            pending.append(level[at + 4])
    width, nodes = len(meta["node_fields"]), whole["nodes"]
    columns = [nodes[meta["node_fields"].index(field)::width]
               for field in ("name", "self_size", "trace_node_id")]
    found = {}
    for title, size, trace in zip(*columns):
        if trace:
            count, total = found.get(function_of[trace], (0, 0))
            found[function_of[trace]] = count + (strings[title] == name), total + size
    return found


# As programs/allocate.js, for whoever evaluates it. What allocates is there before anybody looks: of
# functions that come and go V8 takes one for another that was at its address.
ALLOCATORS = """globalThis.kept = [];
globalThis.keepMany = function keepMany() {
  for (let i = 0; i < 3000; i++) kept.push(new Array(128).fill(i)); };
globalThis.keepFew = function keepFew() {
  for (let i = 0; i < 1000; i++) kept.push(new Array(128).fill(i)); };
globalThis.waste = function waste() { let n = 0;
  for (let i = 0; i < 7500; i++) n += new Array(128).fill(i).length; return n; };
kept.length"""
ALLOCATE = "keepMany(); keepFew(); waste(); kept.length"
# It keeps stacks by address, too, and moves them with objects that have no id yet only
# (HeapProfiler::ObjectMoveEvent); all get one each 50 ms. One that moves later is told of nobody, or
# of whoever allocated what was at that place before. So each moves once, when it becomes old.
STILL = "--gc-global --never-compact"
KEPT_ARRAYS = 16000


def check_allocated(path, kept):
    """Of ALLOCATE four times, which the collector counted as so many bytes: what was allocated by
    each function."""
    found = read(path)
    assert first_of(found) == "waste"
    rows = sorted(found["bytes"], key=found["bytes"].get, reverse=True)[:3]
    assert rows == ["waste", "keepMany", "keepFew"]
    assert sum(found["bytes"][name] for name in rows) == pytest.approx(kept * 46 / 16, rel=0.03)
    assert found["bytes"]["waste"] == pytest.approx(kept * 30 / 16, rel=0.03)


def check_sums(path, kept):
    """And what lives of it."""
    check_allocated(path, kept)
    lives = living(path, "Array")
    # V8 forgets the stack of some that it moves.
    assert 0.95 * KEPT_ARRAYS <= lives["keepMany"][0] + lives["keepFew"][0] <= KEPT_ARRAYS
    assert lives["keepMany"][0] == pytest.approx(3 * lives["keepFew"][0], rel=0.2)
    assert lives["keepMany"][1] + lives["keepFew"][1] == pytest.approx(kept, rel=0.07)
    assert lives.get("waste", (0, 0))[0] == 0


def allocate(client):
    """How much more lives after it."""
    before = used_bytes(client)
    for _ in range(4):
        client.evaluate(ALLOCATE)
    return used_bytes(client) - before


def first_of(found):
    """The function that most was allocated in."""
    return max(found["bytes"], key=found["bytes"].get)


def check_readers(path, tmp_path):
    """The analyser counts what DevTools counts, and has all its numbers, which are returned."""
    seen = numbers.analyze(path, "--no-index")
    report = readers.devtools_report(path, tmp_path / "devtools.json")
    assert (seen["nodes"], seen["edges"]) == (report["nodes"], report["edges"])
    numbers.check(seen, report)
    check_functions(path, report["allocations"])
    return report


def functions(path):
    """By which of them was allocated, as the analyser finds; None where that is not told."""
    found = Ctl().json("analyze", path, "--allocations", "--top=0", "--json=short", "--no-index")
    return found["allocations"] and found["allocations"]["functions"]


def check_functions(path, wanted):
    """Those of the analyser are those of DevTools."""
    rows = functions(path)
    assert (rows is None) == (not wanted)
    assert sorted((row["function"], row["count"], row["bytes"]) for row in rows or () if row["count"]) == \
        sorted((name or "(anonymous)", count, size) for name, count, size in wanted or ())


def check_stack(path, function):
    """Of one object that this function allocated, by its id."""
    whole = json.loads(path.read_text())
    fields, infos = whole["snapshot"]["meta"]["node_fields"], whole["trace_function_infos"]
    name = whole["snapshot"]["meta"]["trace_function_info_fields"].index("name")
    width = len(whole["snapshot"]["meta"]["trace_function_info_fields"])
    pending, calls = [whole["trace_tree"]], set()
    while pending:
        level = pending.pop()
        for at in range(0, len(level), 5):
            if whole["strings"][infos[level[at + 1] * width + name]] == function:
                calls.add(level[at])
            pending.append(level[at + 4])
    traces = whole["nodes"][fields.index("trace_node_id")::len(fields)]
    node = next(i for i, call in enumerate(traces) if call in calls)
    id_ = whole["nodes"][node * len(fields) + fields.index("id")]
    stack = Ctl().json("analyze", path, f"--node=@{id_}", "--json=short")["node"]["allocated_at"]
    assert stack[0]["function"] == function and len(stack) > 1


def check_allocations(rows, found, kept):
    """DevTools' view of allocations by function, of allocate.js."""
    assert [name for name, *_ in rows[:3]] == ["waste", "keepMany", "keepFew"]
    assert all(size == found["bytes"][name] for name, _, size in rows[:3])
    # 16000 of the arrays are kept and 30000 are not; `kept` itself needs to grow.
    assert sum(size for _, _, size in rows[:3]) == pytest.approx(kept * 46 / 16, rel=0.02)


def wait_known(daemon, name="main"):
    daemon.wait_up("app")
    until(lambda: daemon.value("heapwatch_heap_used_bytes", target="app", isolate=name), name)


# The first makes the classes; each adds to one, and drops of the other.
ROUND = """
globalThis.Kept ??= class Kept { constructor(i) { this.of = [i, { i }]; } };
globalThis.Gone ??= class Gone { constructor(i) { this.text = `gone ${i}`; } };
globalThis.rounds ??= { kept: [], gone: Array.from({ length: 900 }, (_, i) => new Gone(i)) };
for (let i = 0; i < 700; i++) rounds.kept.push(new Kept(i));
rounds.gone.splice(0, 200).length"""
PER_ROUND = {"Kept": [700, 0], "Gone": [0, 200]}


def record(client, path, stacks):
    """A timeline of a round, of one session with others: ids last."""
    client.call("HeapProfiler.startTrackingHeapObjects", trackAllocations=stacks)
    assert client.evaluate(ROUND) == 200
    client.call("HeapProfiler.stopTrackingHeapObjects", reportProgress=False)
    path.write_text("".join(e["params"]["chunk"] for e in client.events
                            if e["method"] == "HeapProfiler.addHeapSnapshotChunk"))
    client.events.clear()
    return path


@pytest.mark.parametrize("stacks", [True, False], ids=["stacks", "plain"])
def test_differences_of_two(start_node, tmp_path, major, stacks):
    """And of a timeline and a snapshot: as DevTools has them."""
    node = start_node(major, "idle")
    paths = [tmp_path / f"{i}.heaptimeline" for i in range(3)]
    with Client(node.port, limit_s=60) as client:
        client.call("HeapProfiler.enable")
        for path in paths[:2]:
            record(client, path, stacks)
        client.evaluate(ROUND)
        take_one(client, paths[2])
    for before, after in zip(paths, paths[1:]):
        wanted = readers.devtools_report(after, tmp_path / "devtools.json", before)
        numbers.check(numbers.analyze(after), wanted)
        found = numbers.differences(before, after)
        assert found == numbers.differences(before, after, "--match=ids") == wanted["diff"]
        assert {key.split(",")[-1]: row[:2] for key, row in found.items()
                if key.split(",")[-1] in PER_ROUND} == PER_ROUND


def check_samples(samples, found, seconds, kept):
    """The bars of DevTools' overview: one for each interval, as high as what lives of it. The first has
    what was there before."""
    ms, sizes = samples["ms"], samples["sizes"]
    assert len(ms) == len(sizes) == found["samples"] > 2
    assert ms == sorted(ms) and ms[-1] - ms[0] <= seconds * 1000 + 1000
    assert sum(sizes[1:]) == pytest.approx(kept, rel=0.03)


def check_chart(entry, seconds, kept):
    chart = entry["timeline"]
    assert 0 < len(chart) <= 60 and chart[-1]["at_ms"] == pytest.approx(1000 * seconds, abs=70)
    assert all(p["live_bytes"] <= p["seen_bytes"] for p in chart)
    assert sum(p["live_bytes"] for p in chart) == pytest.approx(kept, rel=0.02)


def check_shown(daemon, entry):
    """On its page without a report, and by the command."""
    seen, live = (sum(p[key] for p in entry["timeline"]) for key in ("seen_bytes", "live_bytes"))
    page = daemon.get(f"/captures/{entry['id']}")
    assert page.status == 200 and f'<a href="/captures/{entry["id"]}">chart</a>' in daemon.get("/").text
    assert page.text.count("<g><title>") == sum(p["seen_bytes"] > 0 for p in entry["timeline"])
    told = re.search(r"<small>(.+) in (\S+)s, of which (.+) are still alive", page.text)
    assert bytes_of(told[1]) == pytest.approx(seen, rel=0.05) and bytes_of(told[3]) == pytest.approx(live, rel=0.05)
    lines = Ctl("-H", f"http://127.0.0.1:{daemon.port}").lines("info", entry["id"])
    first = next(i for i, line in enumerate(lines) if "Timeline: " in line)
    assert lines[first].split(": ")[1] == \
        f"{told[1]} allocated in {told[2]}s, {told[3]} of it still alive (#) at the end"
    rows = [re.fullmatch(r" +(\S+)s +(\S+ \S+) +(\S+ \S+)  (#*)(-*)", line).groups()
            for line in lines[first + 1:first + 13]]
    assert [float(row[0]) for row in rows] == sorted(float(row[0]) for row in rows)
    assert sum(bytes_of(row[1]) for row in rows) == pytest.approx(seen, rel=0.05)
    assert sum(bytes_of(row[2]) for row in rows) == pytest.approx(live, rel=0.05)
    assert max(len(row[3] + row[4]) for row in rows) == 32
    for row in rows:
        assert (len(row[3]) > 0) == (bytes_of(row[2]) > max(bytes_of(r[1]) for r in rows) / 64), rows


class Ends(Relay):
    """Holds the request that ends a timeline: when it has come V8 tracks, also where nobody else can
    look, and until it is let go that goes on. `intervals`: how many V8 has told of until now."""

    def __init__(self, port, kind=Frames):
        self.asked, self.let_go, self.intervals = threading.Event(), threading.Event(), 0
        super().__init__(port, kind)

    @staticmethod
    def _is_end(heard):
        if isinstance(heard, Packets):
            return any(packet["type"] == "saveHeapSnapshot" for packet in heard)
        return any(b"stopTrackingHeapObjects" in message for message in list(heard.messages))

    def _heard(self, heard):
        if self._is_end(heard):
            self.asked.set()
            assert self.let_go.wait(60)

    def _passed(self, heard, data):
        self.intervals += data.count(b"HeapProfiler.lastSeenObjectId")
        return data


def record_allocate(watch, node, seconds, **wishes):
    """(daemon, file, its entry, by how much the heap grew as the collector counts it, the seconds it
    tracked for at most). On a busy machine few intervals pass in the time that is asked for, so there
    are six of them at least."""
    with closing(Ends(node.port)) as between, Client(node.port) as client:
        daemon = watch(app=between.address, sections={"capture": NO_GUARDS})
        wait_known(daemon)
        assert not is_tracking(client)
        asked = time.monotonic()
        begin(daemon, duration=f"{seconds}s", **wishes)
        until(lambda: is_tracking(client), lambda: f"it tracks; log:\n{daemon.tail()}")
        wait_interval(client)
        kept = int(node.nudge(r"^kept (\d+)")[1])
        until(lambda: between.asked.is_set() and between.intervals > 5,
              lambda: f"6 intervals, {between.intervals} were told; log:\n{daemon.tail()}", 60)
        tracked = time.monotonic() - asked
        between.let_go.set()
        path, entry = wait_file(daemon)
        assert not is_tracking(client)
    return daemon, path, entry, kept, tracked


def test_with_stacks(start_node, watch, tmp_path, major):
    node = start_node(major, "allocate")
    daemon, path, entry, kept, tracked = record_allocate(watch, node, 2, stacks=True)
    found = read(path)
    assert found["traced"] and {"keepMany", "keepFew", "waste"} <= found["functions"]
    many, few = found["bytes"]["keepMany"], found["bytes"]["keepFew"]
    assert first_of(found) == "waste"  # half of all, and dead
    assert many == pytest.approx(3 * few, rel=0.2)  # what `kept` needs to grow is either's
    assert found["samples"] > 5
    report = check_readers(path, tmp_path)
    check_allocations(report["allocations"], found, kept)
    check_samples(report["samples"], found, tracked, kept)
    check_stack(path, "keepFew")

    assert (entry["kind"], entry["format"]) == ("timeline", "heaptimeline")
    assert entry["pause_ns"] > 0 and entry["duration_ns"] > 2e9
    assert (path.parent / entry["scripts_name"]).is_file()
    check_chart(entry, 2, kept)
    check_shown(daemon, entry)


def test_without_stacks(start_node, watch, tmp_path, major):
    """When it was allocated is told all the same."""
    node = start_node(major, "allocate")
    _, path, entry, kept, tracked = record_allocate(watch, node, 2)
    found = read(path)
    assert not found["bytes"]
    check_samples(check_readers(path, tmp_path)["samples"], found, tracked, kept)
    check_chart(entry, 2, kept)


def test_redacted_without_stacks(start_node, watch, tmp_path, major):
    """Values are gone, names and times stay: as of snapshots."""
    node = start_node(major, "allocate")
    daemon = watch(app=node.address,
                   sections={"capture": dict(NO_GUARDS, redact="strings", compress="zstd")})
    wait_known(daemon)
    secret = "the-secret-of-this-program"
    with Client(node.port) as client:
        begin(daemon, duration="1s")
        until(lambda: is_tracking(client), "it tracks")
        client.call("Runtime.evaluate",
                    expression=f"globalThis.held = {{ known: '{secret}' + process.pid }}")
        path, entry = wait_file(daemon, ".heaptimeline.zst")
    assert entry["redact"] == "strings" and entry["compress"] == "zstd"
    plain = tmp_path / "plain.heaptimeline"
    ctl = Ctl("-H", f"http://127.0.0.1:{daemon.port}", cwd=tmp_path)
    ctl("export", entry["id"], "-o", plain)
    assert secret not in plain.read_text()
    found = read(plain)
    assert found["samples"] > 2 and "known" in found["strings"] and not found["bytes"]
    check_readers(plain, tmp_path)
    assert path.name.endswith(".heaptimeline.zst")


def test_stacks_are_redacted_right(start_node, watch, tmp_path):
    node = start_node(24, "allocate")
    daemon = watch(app=node.address, sections={"capture": dict(NO_GUARDS, redact="strings")})
    wait_known(daemon)
    with Client(node.port) as client:
        begin(daemon, duration="2s", stacks=True)
        until(lambda: is_tracking(client), "it tracks")
        node.nudge(r"^kept (\d+)")
        path, _ = wait_file(daemon)
    found = read(path)
    assert {"keepMany", "keepFew", "waste"} <= found["functions"]
    assert found["bytes"]["keepMany"] > found["bytes"]["keepFew"] > 0
    check_readers(path, tmp_path)


def end_by_itself(daemon, client):
    begin(daemon, duration="1s", stacks=True)
    wait_file(daemon)


def end_cancelled(daemon, client):
    identity = begin(daemon, duration="5m", stacks=True)
    until(lambda: is_tracking(client), "it tracks")
    assert daemon.get(f"/api/v1/captures/{identity}", method="DELETE").status == 202
    ended, = until(lambda: daemon.api("/captures")["failed"], "its end")
    assert ended["reason"] == "cancelled" and not files(daemon)


def end_killed(daemon, client):
    begin(daemon, duration="5m", stacks=True)
    until(lambda: is_tracking(client), "it tracks")
    daemon.process.kill()


def end_stopped(daemon, client):
    begin(daemon, duration="5m")
    until(lambda: is_tracking(client), "it tracks")
    assert daemon.process.stop() == 0


@pytest.mark.parametrize("end", [end_by_itself, end_cancelled, end_killed, end_stopped])
def test_allocation_is_as_fast_afterwards(start_node, watch, major, end):
    node = start_node(major, "alloc", flags=STEADY)
    before = allocation_speed(node)
    daemon = watch(app=node.address, sections={"capture": NO_GUARDS})
    wait_known(daemon)
    with Client(node.port) as client:
        end(daemon, client)
        until(lambda: not is_tracking(client), "it does not")
    assert allocates_at_least(node, before * LEVEL)


def test_a_program_that_exits_is_not_held(start_node, watch, major):
    node = start_node(major, "allocate")
    daemon = watch(app=node.address, sections={"capture": NO_GUARDS})
    wait_known(daemon)
    begin(daemon, duration="5m")
    with Client(node.port) as client:
        until(lambda: is_tracking(client), "it tracks")
        client.call("Runtime.evaluate", expression="setTimeout(() => process.exit(7), 300)")
    assert node.process.wait_exit() == 7
    failed = until(lambda: daemon.api("/captures")["failed"], "its failure")
    assert failed[0]["reason"] in ("exiting", "lost")


def test_a_worker_thread(start_node, watch, tmp_path):
    node = start_node(24, "workers", 1)
    daemon = watch(app=node.address, sections={"capture": NO_GUARDS})
    wait_known(daemon, "worker:1")
    begin(daemon, isolate="worker:1", duration="1s", stacks=True)
    path, entry = wait_file(daemon)
    assert read(path)["samples"] > 2 and entry["isolate"] == "worker:1" and entry["timeline"]
    check_readers(path, tmp_path)


def test_sums_of_a_worker_thread(start_node, watch, tmp_path, major):
    node = start_node(major, "workers", 1)
    daemon = watch(app=node.address, sections={"capture": NO_GUARDS})
    wait_known(daemon, "worker:1")
    with Client(node.port) as client:
        worker = Worker(client)
        worker.evaluate(ALLOCATORS)
        begin(daemon, isolate="worker:1", duration="8s", stacks=True)
        until(lambda: is_tracking(worker), lambda: f"it tracks; log:\n{daemon.tail()}")
        wait_interval(worker)
        kept = allocate(worker)
        path, entry = wait_file(daemon)
        assert not is_tracking(worker)
    assert entry["isolate"] == "worker:1"
    check_chart(entry, 8, kept)
    check_allocations(check_readers(path, tmp_path)["allocations"], read(path), kept)


def test_pages_of_chromium(nursery, watch, tmp_path, site):
    browser = Chromium(nursery, tmp_path / "profile", site.url + "page.html")
    daemon = watch(app=browser.address, sections={"capture": NO_GUARDS})
    page = isolate(browser.page)
    wait_known(daemon, page)
    # It tells of intervals between two turns of its loop only.
    work = ("globalThis.kept ??= []; function keepPage() {"
            "for (let i = 0; i < 500; i++) kept.push(new Array(128).fill(i)); return kept.length }"
            "keepPage()")
    with browser.client() as client:
        begin(daemon, isolate=page, duration="3s", stacks=True)
        until(lambda: is_tracking(client), lambda: f"it tracks; log:\n{daemon.tail()}")
        for _ in range(20):
            client.evaluate(work)
        path, entry = wait_file(daemon)
        assert not is_tracking(client)
    found = read(path)
    assert first_of(found) == "keepPage"
    assert found["bytes"]["keepPage"] >= 20 * 500 * 128 * 4 and entry["timeline"]
    check_readers(path, tmp_path)


@pytest.mark.parametrize("flags, check", [((), check_allocated), ((f"--js-flags={STILL}",), check_sums)],
                         ids=["allocated", "lives"])
def test_sums_of_a_page(nursery, watch, tmp_path, site, flags, check):
    browser = Chromium(nursery, tmp_path / "profile", site.url + "page.html", flags=flags)
    daemon = watch(app=browser.address, sections={"capture": NO_GUARDS})
    page = isolate(browser.page)
    wait_known(daemon, page)
    with browser.client() as client:
        client.evaluate(ALLOCATORS)
        begin(daemon, isolate=page, duration="8s", stacks=True)
        until(lambda: is_tracking(client), lambda: f"it tracks; log:\n{daemon.tail()}")
        kept = allocate(client)
        path, _ = wait_file(daemon)
    check(path, kept)


class Intervals(Relay):
    """Knows when V8 has told its client of an interval: the first has what was there before."""

    def __init__(self, port):
        self.told = threading.Event()
        super().__init__(port)

    def _passed(self, heard, data):
        if b"HeapProfiler.lastSeenObjectId" in data:
            self.told.set()
        return data


def test_a_page_without_stacks(nursery, watch, tmp_path, site):
    browser = Chromium(nursery, tmp_path / "profile", site.url + "page.html",
                       flags=[f"--js-flags={STILL}"])
    page = isolate(browser.page)
    with closing(Intervals(browser.port)) as between, browser.client() as client:
        client.evaluate(ALLOCATORS)
        daemon = watch(app=between.address, sections={"capture": NO_GUARDS})
        wait_known(daemon, page)
        begin(daemon, isolate=page, duration="8s")
        until(between.told.is_set, lambda: f"an interval; log:\n{daemon.tail()}")
        kept = allocate(client)
        path, entry = wait_file(daemon)
    found = read(path)
    assert not found["traced"] and not found["bytes"]
    check_samples(check_readers(path, tmp_path)["samples"], found, 8, kept)
    check_chart(entry, 8, kept)


def test_sums_of_deno(nursery, watch, tmp_path):
    deno = Deno(nursery, tmp_path / "program", "1000")
    daemon = watch(app=deno.address, sections={"capture": NO_GUARDS})
    wait_known(daemon)
    with Client(deno.port) as client:
        client.evaluate(ALLOCATORS)
        begin(daemon, duration="8s", stacks=True)
        until(lambda: is_tracking(client), lambda: f"it tracks; log:\n{daemon.tail()}")
        kept = allocate(client)
        path, _ = wait_file(daemon)
    check_sums(path, kept)


def keep_until_whole(daemon, keep):
    """Where nobody else can look whether it tracks: keep() keeps a thousand arrays of 128, again and
    again. The timeline, and how many times that was."""
    times = 0

    def finished():
        nonlocal times
        if times < 60:
            keep()
            times += 1
        return files(daemon)
    until(finished, lambda: f"a timeline; log:\n{daemon.tail()}", 60)
    return wait_file(daemon)[0], times


def below(path, function):
    """Of what was allocated in this function and in what it called: (the sizes of what lives, all
    bytes)."""
    whole = json.loads(path.read_text())
    meta, infos = whole["snapshot"]["meta"], whole["trace_function_infos"]
    fields = meta["trace_function_info_fields"]
    names = [whole["strings"][i] for i in infos[fields.index("name")::len(fields)]]
    pending, calls, allocated = [(whole["trace_tree"], False)], set(), 0
    while pending:
        level, inside = pending.pop()
        for at in range(0, len(level), 5):
            call, called, _, size, more = level[at:at + 5]
            counts = inside or names[called] == function
            if counts:
                calls.add(call)
                allocated += size
            pending.append((more, counts))
    width, nodes = len(meta["node_fields"]), whole["nodes"]
    sizes, traces = (nodes[meta["node_fields"].index(field)::width]
                     for field in ("self_size", "trace_node_id"))
    return [size for size, trace in zip(sizes, traces) if trace in calls], allocated


# V8 gives all objects ids at the end of a timeline and moves some after that, whose stacks are
# forgotten: of an array and of its list of elements apart. Lists as large as these it never moves.
LARGE, TURNS, EACH = 40000, 4, 25
KEEP_LARGE = (f"globalThis.kept ??= []; globalThis.model ??= Array.from({{ length: {LARGE} }}, (_, i) => i);"
              " globalThis.keepLarge ??= function keepLarge(n) {"
              " for (let i = 0; i < n; i++) kept.push(model.slice()); };"
              f" keepLarge({EACH}); kept.length")


def sums_between(port, watch, isolate, keep):
    """The timeline of an isolate of the program at this port, in which keep() is called TURNS times,
    each for EACH large arrays, after it was called once before."""
    with closing(Ends(port)) as between:
        daemon = watch(app=f"127.0.0.1:{between.port}", sections={"capture": NO_GUARDS})
        isolate = isolate(daemon)
        keep()
        begin(daemon, isolate=isolate, duration="1s", stacks=True)
        until(between.asked.is_set, lambda: f"the end of it; log:\n{daemon.tail()}", 60)
        for _ in range(TURNS):
            keep()
        between.let_go.set()
        return wait_file(daemon)[0]


def check_kept(path, pointer):
    """All of it, to the byte. Besides there are the arrays of these lists, and `kept`, which grows."""
    sizes, allocated = below(path, "keepLarge")
    large = (2 + LARGE) * pointer
    assert [size for size in sizes if size > LARGE] == [large] * (TURNS * EACH)
    kept = TURNS * EACH * large
    assert kept <= sum(sizes) <= kept * 1.01
    assert kept <= allocated <= kept * 1.01


def test_sums_of_a_worker_of_deno(nursery, watch, tmp_path):
    deno = Deno(nursery, tmp_path / "program", "1000", "workers")

    def keep():
        # With another client there for longer Deno gives us no worker.
        with Client(deno.port) as client:
            in_worker(client, KEEP_LARGE)

    def isolate(daemon):
        wait_known(daemon, "worker:1")
        return "worker:1"
    check_kept(sums_between(deno.port, watch, isolate, keep), 8)


def test_sums_of_a_worker_of_chromium(nursery, watch, tmp_path, site):
    """Its pointers have four bytes."""
    browser = Chromium(nursery, tmp_path / "profile", site.url + "page.html")
    with browser.client() as client:
        path = sums_between(browser.port, watch, lambda daemon: daemon.wait_worker("app"),
                            lambda: in_worker(client, KEEP_LARGE))
    check_kept(path, 4)


def watched_workerd(start, nursery, watch, tmp_path):
    workerd = start(nursery, tmp_path / "program")
    daemon = watch(app=workerd.address, sections={"capture": NO_GUARDS})
    daemon.wait_isolate("app", workerd.isolate)
    return workerd, daemon


@pytest.mark.parametrize("start", WAYS.values(), ids=WAYS)
def test_sums_of_workerd(nursery, watch, tmp_path, start):
    """Its pointers have four bytes."""
    workerd = start(nursery, tmp_path / "program")

    def isolate(daemon):
        daemon.wait_isolate("app", workerd.isolate)
        return workerd.isolate
    check_kept(sums_between(workerd.port, watch, isolate, lambda: workerd.visit(f"large={EACH}")), 4)


def test_deno(nursery, watch, tmp_path):
    """It tells nothing while it tracks: the file has the stacks, and there is no chart."""
    deno = Deno(nursery, tmp_path / "program", "1000")
    daemon = watch(app=deno.address, sections={"capture": NO_GUARDS})
    wait_known(daemon)
    with Client(deno.port) as client:
        begin(daemon, duration="3s", stacks=True)
        until(lambda: is_tracking(client), lambda: f"it tracks; log:\n{daemon.tail()}")
        deno.grow()
        path, entry = wait_file(daemon)
        assert not is_tracking(client)
    assert first_of(read(path)) in ("KnownThing", "grow")
    assert "timeline" not in entry
    check_readers(path, tmp_path)


def check_untold(path, entry, tmp_path):
    """Of one without stacks whose runtime tells nothing meanwhile: all that lives is in one interval.
    How many KnownThing live."""
    found = read(path)
    size, = check_readers(path, tmp_path)["samples"]["sizes"]
    assert not found["traced"] and not found["bytes"] and found["samples"] == 1
    assert "timeline" not in entry
    things = readers.parse(path, "KnownThing")[2]
    assert size > things * 24  # with what it holds, where pointers have four bytes
    return things


def test_deno_without_stacks(nursery, watch, tmp_path):
    deno = Deno(nursery, tmp_path / "program", "1000")
    daemon = watch(app=deno.address, sections={"capture": NO_GUARDS})
    wait_known(daemon)
    with Client(deno.port) as client:
        begin(daemon, duration="3s")
        until(lambda: is_tracking(client), lambda: f"it tracks; log:\n{daemon.tail()}")
        deno.grow()
        path, entry = wait_file(daemon)
        assert not is_tracking(client)
    assert check_untold(path, entry, tmp_path) == 2000


def test_workerd_without_stacks(nursery, watch, tmp_path):
    workerd, daemon = watched_workerd(Workerd, nursery, watch, tmp_path)
    begin(daemon, isolate=workerd.isolate, duration="2s")
    path, times = keep_until_whole(daemon, lambda: workerd.grow(500))
    things = check_untold(path, wait_file(daemon)[1], tmp_path)
    assert 500 <= things <= times * 500 and things % 500 == 0


@pytest.mark.parametrize("start", WAYS.values(), ids=WAYS)
def test_workerd(nursery, watch, tmp_path, start):
    """It bears one client: nobody else can look, so it grows all the time."""
    workerd, daemon = watched_workerd(start, nursery, watch, tmp_path)
    begin(daemon, isolate=workerd.isolate, duration="2s", stacks=True)

    def finished():
        workerd.grow(500)
        return files(daemon)
    until(finished, lambda: f"a timeline; log:\n{daemon.tail()}", 60)
    path, entry = wait_file(daemon)
    assert first_of(read(path)) in ("KnownThing", "fetch") and "timeline" not in entry
    check_readers(path, tmp_path)
    daemon.wait_up("app")


ANY = """
groups:
- name: memory
  interval: 1s
  rules:
  - alert: Any
    when: {metric: heap_used, above: 1MiB}
    actions:
    - {capture: timeline, duration: 1s, stacks: true}
"""


def check_filled(path, n, size):
    """fill() in programs/firefox.html is first, and has made so many that live, of so many bytes each."""
    fill = functions(path)[0]
    assert fill["function"] == "fill"
    assert n <= fill["live_count"] <= n + 10  # the elements of `filled` are its own
    assert fill["live_bytes"] == pytest.approx(fill["live_count"] * size, rel=0.05)


def test_firefox(nursery, start_daemon, tmp_path):
    """A snapshot of its own format with the stacks of what was made meanwhile; it tells no times. Of a
    process by the command, of the tab by a rule: with what was noted before, for objects keep their stacks."""
    firefox = Firefox(nursery, tmp_path / "program")
    assert firefox.evaluate("fill(500)") == 500
    process = f"process:{firefox.content_pid}"
    with closing(Ends(firefox.port, Packets)) as between:
        config = static_config({"app": between.address}, capture=NO_GUARDS, poll=PATIENT)
        daemon = start_daemon(config)
        ctl = Ctl("-H", f"http://127.0.0.1:{daemon.port}")
        daemon.wait_isolate("app", process)
        command = ("capture", "timeline", "app", f"--isolate={process}", "--duration=1s")
        assert "one with stacks can be had" in ctl(*command, exit=1).stderr
        before = firefox.census("Object")
        ctl(*command, "--stacks")
        until(between.asked.is_set, lambda: f"the end of it; log:\n{daemon.tail()}", 60)
        assert firefox.evaluate("fill(3000)") == 3500
        between.let_go.set()
        path, entry = wait_file(daemon, ".fxsnapshot")
        assert (entry["kind"], entry["format"], entry["isolate"]) == ("timeline", "fxsnapshot", process)
        assert "timeline" not in entry and entry["duration_ns"] > 1e9
        count, size = (after - b for after, b in zip(firefox.census("Object"), before))
        check_filled(path, 3000, size / count)
        # Of the process: also what the debugger allocates there.
        assert any(row["place"].startswith("resource://devtools/") for row in functions(path))

        assert firefox.evaluate("fill(400)") == 3900
        between.asked.clear(), between.let_go.clear()
        (tmp_path / "rules.yaml").write_text(ANY)
        daemon.configure(dict(config, rule_files=[str(tmp_path / "rules.yaml")]))
        daemon.process.signal(signal.SIGHUP)
        until(between.asked.is_set, lambda: f"its end; log:\n{daemon.tail()}", 60)
        assert firefox.evaluate("fill(200)") == 4100
        between.let_go.set()
        entry, = until(lambda: [c for c in daemon.api("/captures")["ready"] if c.get("rule") == "Any"
                                and c["kind"] == "timeline"], lambda: f"its; log:\n{daemon.tail()}", 60)
    assert (entry["format"], entry["isolate"]) == ("fxsnapshot", firefox.isolate)
    check_filled(daemon.storage / "spool" / "ready" / entry["name"], 3200, size / count)


class Begins(Relay):
    """`begun`: Firefox has answered the request to record allocations."""

    def __init__(self, port):
        self.begun = threading.Event()
        super().__init__(port, Packets)

    def _passed(self, heard, data):
        if any(packet["type"] == "startRecordingAllocations" for packet in heard):
            self.begun.set()
        return data


@pytest.mark.parametrize("end", ["cancelled", "killed"])
def test_firefox_that_is_left_meanwhile_records_no_longer(nursery, watch, tmp_path, end):
    """A later snapshot has the stacks of what was made until then, and of nothing since."""
    firefox = Firefox(nursery, tmp_path / "program")
    with closing(Begins(firefox.port)) as between:
        daemon = watch(app=between.address, sections={"capture": NO_GUARDS, "poll": PATIENT})
        daemon.wait_isolate("app", firefox.isolate)
        identity = begin(daemon, isolate=firefox.isolate, duration="4m", stacks=True)
        until(between.begun.is_set, lambda: f"it records; log:\n{daemon.tail()}", 60)
        assert firefox.evaluate("fill(2000)") == 2000
        if end == "killed":
            daemon.process.kill()
        else:
            assert daemon.get(f"/api/v1/captures/{identity}", method="DELETE").status == 202
        until(lambda: all(heard.left.is_set() for heard in between.conversations
                          if any(p["type"] == "startRecordingAllocations" for p in heard)), "it has left")
    assert firefox.evaluate("fill(5000)") == 7000
    memory = firefox.client.target(firefox.descriptor)["memoryActor"]
    firefox.client.ask(memory, "attach")
    firefox.client.ask(memory, "saveHeapSnapshot")
    path, = firefox.leftovers()
    fill, = [row for row in functions(path) if row["function"] == "fill"]
    assert 2000 <= fill["live_count"] <= 2010


def test_a_rule_the_command_and_what_is_refused(start_node, start_daemon, tmp_path):
    node = start_node(24, "allocate")
    rules = tmp_path / "rules.yaml"
    rules.write_text(ANY)
    daemon = start_daemon({"poll": {"interval": "500ms", "timeout": "500ms"}, "capture": NO_GUARDS,
                           "rule_files": [str(rules)],
                           "targets": [{"name": "app", "address": node.address}]})
    path, entry = wait_file(daemon)
    assert entry["rule"] == "Any" and read(path)["traced"]

    ctl = Ctl("-H", f"http://127.0.0.1:{daemon.port}", cwd=tmp_path)
    identity, = ctl.lines("capture", "timeline", "app", "--duration=1s", "--wait")
    ctl("export", identity, "-o", tmp_path / "mine.heaptimeline")
    assert not read(tmp_path / "mine.heaptimeline")["bytes"]

    for query, why in ((dict(duration="6m"), "at most 5m"),
                       (dict(kind="snapshot", stacks=True), "stacks: of timeline only"),
                       (dict(kind="diagnostics", duration="1s"),
                        "duration: of sampling, timeline and tracking only"),
                       (dict(interval="8KiB"), "of sampling only")):
        answer = ask(daemon, **query)
        assert answer.status == 400 and why in answer.json()["error"], answer.text


def test_guards_judge_as_of_snapshots(start_node, watch):
    node = start_node(24, "idle")
    daemon = watch(app=node.address,
                   sections={"capture": dict(PLAIN, guards={"headroom": 0, "max_heap": "1MiB"})})
    wait_known(daemon)
    answer = ask(daemon, duration="1s")
    assert answer.status == 409 and answer.json()["error"].startswith("max_heap: ")
    assert ask(daemon, duration="1s", force=True, dry_run=True).status == 200


def test_a_heap_that_outgrows_max_heap_meanwhile(start_node, watch):
    """The snapshot at its end is not taken, and V8 no longer tracks."""
    node = start_node(24, "idle")
    daemon = watch(app=node.address,
                   sections={"capture": dict(PLAIN, guards={"headroom": 0, "max_heap": "24MiB"})})
    wait_known(daemon)
    with Client(node.port) as client:
        identity = begin(daemon, duration="6s")
        until(lambda: is_tracking(client), lambda: f"it tracks; log:\n{daemon.tail()}")
        client.evaluate("globalThis.held = Array.from({ length: 40 }, () => new Array(1 << 17).fill(0)), 1")
        ended = until(lambda: (c := daemon.api(f"/captures/{identity}"))["state"] == "failed" and c,
                      lambda: f"its end; log:\n{daemon.tail()}", 60)
        assert ended["reason"] == "max_heap" and ended["error"].startswith("max_heap: the heap uses"), ended
        assert not is_tracking(client)
    assert not daemon.ready() and not daemon.incoming()


@pytest.mark.parametrize("action, why", [
    ("{capture: timeline, duration: 6m}", "at most 5m"),
    ("{capture: timeline, interval: 8KiB}", "capture: sampling"),
    ("{capture: snapshot, stacks: true}", "capture: timeline"),
    ("{capture: snapshot, duration: 1s}",
     "duration goes with capture: sampling, capture: timeline and capture: tracking")])
def test_rules_that_make_no_sense(start_daemon, tmp_path, action, why):
    rules = tmp_path / "rules.yaml"
    rules.write_text("groups: [{name: g, rules: [{alert: A, when: {metric: heap_used, above: 1KiB},"
                     f" actions: [{action}]}}]}}]")
    daemon = start_daemon({"rule_files": [str(rules)]}, wait=False)
    assert daemon.process.wait_exit() == 1 and why in daemon.tail()
