"""Collections of garbage: forced by a person, by heapwatchctl and by a rule, in turn with captures and
within their limit; and those that the runtimes tell of, compared with what the programs count."""

import json
import os
import re
import signal

import pytest
import yaml

from lab.bun import Bun
from lab.cdp import Client, in_worker
from lab.chromium import Chromium, isolate
from lab.ctl import Ctl
from lab.daemon import PATIENT, PLAIN, static_config
from lab.deno import Deno
from lab.firefox import Firefox
from lab.gc import BUSY, EVENTS, GC, counts as gc_counts, force, forced, told as told_of
from lab.relay import BothWays
from lab.wait import until
from lab import webkit, workerd

MIB = 1 << 20
USED = "heapwatch_heap_used_bytes"
LEAVES = max(3, round(30 * float(os.environ.get("HEAPWATCH_TEST_SCALE", "0.1"))))


def expect_sizes(got, isolate_name="main"):
    before, after = got["heap_before_bytes"], got["heap_after_bytes"]
    assert got["isolate"] == isolate_name
    assert before > 0 and after > 0 and got["freed_bytes"] == max(0, before - after), got
    assert 0 < got["duration_seconds"] < 10


# ---- forced ----

def test_node_and_its_worker(major, start_node, watch):
    """Of a program that goes on making garbage now and then a collection frees less than comes again
    before the second look."""
    node = start_node(major, "garbage", 8, 2000, "workers")
    daemon = watch(app=node.address, sections={"capture": dict(PLAIN, gc_interval="1s")})
    daemon.wait_up("app")
    until(lambda: (daemon.value(USED, target="app", isolate="worker:1") or 0) > 7 * MIB, "the worker")

    def frees(isolate_name):
        answer = force(daemon, isolate=isolate_name)
        got = answer.json().get("data") if answer.status == 200 else None
        return got if got and got["freed_bytes"] > 0 else None
    for isolate_name in ("main", "worker:1"):
        got = until(lambda: frees(isolate_name), lambda: f"a collection; log:\n{daemon.tail()}", 60)
        expect_sizes(got, isolate_name)
        assert got["heap_after_bytes"] > 7 * MIB
    assert daemon.value("heapwatch_forced_gcs_total", target="app", rule="") >= 2
    assert daemon.value("heapwatch_forced_gc_duration_seconds_count") >= 2
    assert daemon.values("heapwatch_captures_total", target="app") == []


def test_it_is_limited_and_the_refusal_has_the_numbers(start_node, watch):
    node = start_node(24, "garbage", 1, 1000)
    daemon = watch(app=node.address)
    daemon.wait_up("app")
    ctl = Ctl("-H", f"http://127.0.0.1:{daemon.port}")
    assert re.fullmatch(r"app main: \S+ \S+ before, \S+ \S+ after, \S+ \S+ freed, in \d+ ms\n",
                        ctl("gc", "app").stdout)
    answer = force(daemon)
    assert answer.status == 429 and answer.json()["errorType"] == "limit"
    assert re.fullmatch(r"gc_interval: (1m|\d+s) left of 1m", answer.json()["error"])
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert "gc_interval" in ctl("gc", "app", exit=4).stderr
    assert force(daemon, force=True).status == 429
    assert daemon.value("heapwatch_captures_suppressed_total", target="app", rule="",
                        reason="gc_interval") == 3
    assert [e["reason"] for e in daemon.api("/captures")["refused"]][0] == "gc_interval"


def test_what_is_asked_wrongly_is_said(start_node, watch):
    node = start_node(24, "idle")
    daemon = watch(app=node.address)
    daemon.wait_up("app")
    ctl = Ctl("-H", f"http://127.0.0.1:{daemon.port}")
    for answer, status in ((force(daemon, "nobody"), 404), (force(daemon, isolate="worker:9"), 404),
                           (force(daemon, kind="snapshot"), 400), (force(daemon, force=1), 400),
                           (daemon.get("/api/v1/targets/app/gc"), 405)):
        assert answer.status == status, answer.text
    foreign = daemon.post("/api/v1/targets/app/gc", headers={"Origin": "http://evil.example"})
    assert foreign.status == 403
    assert "no target has this name" in ctl("gc", "no such/target", exit=1).stderr
    assert "which target?" in ctl("gc", exit=2).stderr
    assert json.loads(ctl("--json=short", "gc", "app", "--isolate=main").stdout)["target"] == "app"


@pytest.mark.parametrize("guards, reason", [
    ({"max_heap": "1MiB"}, "max_heap"), ({"quiet_hours": "00:00-24:00"}, "quiet_hours"),
    ({"min_uptime": "30d"}, "min_uptime")], ids=lambda v: v if isinstance(v, str) else "")
def test_the_guards_hold_but_for_headroom(start_node, watch, guards, reason):
    node = start_node(24, "garbage", 4, 1000)
    daemon = watch(app=node.address,
                   sections={"capture": dict(PLAIN, guards=dict(guards, headroom=1000))})
    daemon.wait_up("app")
    answer = force(daemon)
    assert answer.status == 409 and answer.json()["errorType"] == "guard"
    assert answer.json()["error"].startswith(reason)
    expect_sizes(forced(daemon, force=True))


def test_a_blocked_program_is_given_up(start_node, watch, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    node = start_node(24, "block", str(fifo))
    daemon = watch(app=node.address)
    daemon.wait_up("app")
    node.nudge("^blocked")
    answer = force(daemon)
    assert answer.status in (409, 503), answer.text
    assert re.search("it is blocked|does not answer", answer.json()["error"])
    fifo.write_text("go\n")
    daemon.wait_up("app")


def test_a_rule_collects_before_it_captures(start_node, start_daemon, tmp_path):
    """And what stands after a capture comes after it."""
    node = start_node(24, "garbage", 4, 1000)
    rules = tmp_path / "rules.yaml"
    when = {"metric": "heap_used", "above": "1MiB"}
    guards = {"cooldown": "1h", "headroom": 0}
    rules.write_text(yaml.safe_dump({"groups": [{"name": "g", "interval": "1s", "rules": [
        {"alert": "First", "when": when, "guards": guards,
         "actions": [{"gc": True}, {"capture": "snapshot"}]},
        {"alert": "Last", "when": when, "guards": guards,
         "actions": [{"gc": True}]}]}]}))
    daemon = start_daemon(static_config({"app": node.address}, rule_files=[str(rules)]))
    daemon.wait_capture()
    daemon.process.wait_line("snapshot of app captured")
    log = daemon.process.lines
    collected = next(i for i, line in enumerate(log) if "garbage of app collected" in line)
    captured = next(i for i, line in enumerate(log) if "snapshot of app captured" in line)
    before, after, ms = re.search(
        r"garbage of app collected: (\S+) MiB before, (\S+) MiB after, in (\d+)ms", log[collected]).groups()
    assert 4 < float(after) <= float(before) < 100
    took_s = daemon.value("heapwatch_forced_gc_duration_seconds_sum")
    assert daemon.value("heapwatch_forced_gc_duration_seconds_count") == 1
    assert int(ms) / 1000 <= took_s < (int(ms) + 1) / 1000 + 1e-6
    assert f'duration={took_s:.3f}' in log[collected]
    assert collected < captured
    assert daemon.value("heapwatch_forced_gcs_total", target="app", rule="First") == 1
    assert daemon.value("heapwatch_captures_total", target="app", rule="First",
                        kind="snapshot") == 1
    (suppressed,) = daemon.values("heapwatch_captures_suppressed_total", target="app", rule="Last")
    assert suppressed[0]["reason"] in ("busy", "gc_interval")


OFTEN = dict(PLAIN, gc_interval="1s")
SLOWER = dict(PATIENT, gc_events="always")
HELD_BYTES = 8 * MIB  # at the least, in each engine
HOLD = "globalThis.held = Array.from({ length: 200000 }, (_, i) => ({ i, pair: [i] })); 1"
DROP = "globalThis.held = null; 1"


def force_when_due(daemon, isolate_name):
    def asked():
        answer = force(daemon, isolate=isolate_name)
        # 503: a poll was late.
        assert answer.status in (200, 409, 429, 503), answer.text
        return answer.json()["data"] if answer.status == 200 else None
    return until(asked, lambda: f"its turn; log:\n{daemon.tail()}", step_s=0.1)


def expect_collected(daemon, isolate_name, run):
    """What has outlived a collection and is let go of is gone after the next one, and not before: no
    engine looks at what is old for the sake of a few words."""
    until(lambda: daemon.value(USED, target="app", isolate=isolate_name), "the isolate")
    run(HOLD)
    held = force_when_due(daemon, isolate_name)["heap_after_bytes"]
    assert held > HELD_BYTES
    run(DROP)
    got = force_when_due(daemon, isolate_name)
    expect_sizes(got, isolate_name)
    assert got["heap_before_bytes"] > HELD_BYTES, "it was collected before: no proof"
    assert got["freed_bytes"] > HELD_BYTES, got
    return got


def by_client(open_client):
    def run(script):
        with open_client() as client:
            assert client.evaluate(script) == 1
    return run


def by_worker(open_client):
    """By a message that its own program sends to `worker`."""
    def run(script):
        with open_client() as client:
            assert in_worker(client, script) == 1
    return run


def test_node(major, start_node, watch):
    node = start_node(major, "idle")
    daemon = watch(app=node.address, sections={"capture": OFTEN})
    expect_collected(daemon, "main", by_client(lambda: Client(node.port)))


def test_chromium(nursery, tmp_path, watch, site):
    browser = Chromium(nursery, tmp_path / "profile", site.url + "page.html")
    daemon = watch(app=browser.address, sections={"capture": OFTEN})
    expect_collected(daemon, isolate(browser.page), by_client(browser.client))


def test_a_worker_of_chromium(nursery, tmp_path, watch, site):
    browser = Chromium(nursery, tmp_path / "profile", site.url + "page.html")
    daemon = watch(app=browser.address, sections={"poll": PATIENT, "capture": OFTEN})
    worker = daemon.wait_worker("app")
    assert worker.startswith(isolate(browser.page) + "/worker:")
    expect_collected(daemon, worker, by_worker(browser.client))


def test_deno(nursery, tmp_path, watch):
    deno = Deno(nursery, tmp_path / "deno", "1000")
    daemon = watch(app=deno.address, sections={"capture": OFTEN})
    daemon.wait_up("app")
    expect_collected(daemon, "main", by_client(lambda: Client(deno.port)))
    daemon.wait_up("app")


def test_a_worker_of_deno(nursery, tmp_path, watch):
    deno = Deno(nursery, tmp_path / "deno", "1000", "workers")
    daemon = watch(app=deno.address, sections={"poll": PATIENT, "capture": OFTEN})
    expect_collected(daemon, daemon.wait_worker("app"), by_worker(lambda: Client(deno.port)))
    daemon.wait_up("app")


def test_where_nothing_is_told_there_is_nothing(nursery, tmp_path, watch):
    """Not a zero: Deno and workerd tell of no collections, whatever is wished."""
    deno, program = Deno(nursery, tmp_path / "deno", 1000), workerd.Workerd(nursery, tmp_path / "w")
    daemon = watch(deno=deno.address, workerd=program.address, sections={"poll": EVENTS})
    polls = {name: until(lambda: daemon.value("heapwatch_polls_total", target=name), name)
             for name in ("deno", "workerd")}
    forced(daemon, "deno")
    program.grow(20000)
    for name, n in polls.items():
        daemon.wait_value("heapwatch_polls_total", lambda now: now >= n + 3, target=name)
    assert told_of(daemon) == set()


def refused(answer):
    """Not done, and not asked too soon after one that was: with what starts a worker, or asks it whether it
    is there, it collects once more."""
    return answer if answer.status not in (200, 429) else None


@pytest.mark.parametrize("start", workerd.WAYS.values(), ids=workerd.WAYS)
def test_workerd_collects_with_its_next_request(nursery, tmp_path, watch, start):
    """While nobody asks it for anything it does not, and is left alive and polled."""
    program = start(nursery, tmp_path / "workerd")
    daemon = watch(app=program.address, sections={"capture": dict(PLAIN, gc_interval="1s")})
    daemon.wait_isolate("app", program.isolate)
    idle = until(lambda: refused(force(daemon, isolate=program.isolate)), "idle")
    assert idle.status == 503 and "no request has come to it" in idle.json()["error"], idle.text
    program.grow(20000)
    polls = daemon.value("heapwatch_polls_total", target="app")
    daemon.wait_value("heapwatch_polls_total", lambda n: n >= polls + 2, target="app")
    with program.visited():
        expect_collected(daemon, program.isolate, lambda script: program.visit(
            "grow=200000" if script == HOLD else "drop"))
    assert daemon.state("app") == "up" and program.process.running()


# ---- told by the runtime ----

def own_counts(node):
    """What the program has counted: {kind: (how many, seconds, longest)}"""
    heard = node.nudge(r"^gc minor (\S+) (\S+) (\S+) major (\S+) (\S+) (\S+)")
    n = [float(heard[i]) for i in range(1, 7)]
    return {"minor": (n[0], n[1], n[2]), "major": (n[3], n[4], n[5])}


FORCED_N = 15  # enough that one is not lost in what may come between two questions


def test_node_tells_its_pauses(major, start_node, watch):
    """Compared with what the program counts itself, from one moment to another."""
    node = start_node(major, "garbage", 8, 4000, flags=BUSY)
    daemon = watch(app=node.address, sections={"poll": EVENTS, "capture": dict(PLAIN, gc_interval="1s")})
    until(lambda: gc_counts(daemon, "minor")[0] > 2, lambda: f"collections; log:\n{daemon.tail()}")
    forced(daemon)
    until(lambda: gc_counts(daemon, "major")[0] > 0, "the forced one")
    own, told = own_counts(node), {k: gc_counts(daemon, k) for k in ("minor", "major")}
    for _ in range(FORCED_N):
        force_when_due(daemon, "main")
    until(lambda: gc_counts(daemon, "minor")[0] > told["minor"][0] + 20, "collections")
    until(lambda: gc_counts(daemon, "major")[0] >= told["major"][0] + FORCED_N, "the forced ones")
    own_after, told_after = own_counts(node), {k: gc_counts(daemon, k) for k in ("minor", "major")}
    for kind in ("minor", "major"):
        n, seconds = (told_after[kind][i] - told[kind][i] for i in (0, 1))
        own_n, own_seconds = (own_after[kind][i] - own[kind][i] for i in (0, 1))
        # What came between the last poll and the question is not told yet, at either end.
        assert abs(n - own_n) <= 3 + own_n * 0.1, (kind, told, told_after, own, own_after)
        assert seconds <= own_seconds * 1.2 + 0.05 + 3 * own_after[kind][2]
        assert seconds >= own_seconds * 0.6 - 0.05 - 3 * own_after[kind][2]
        assert seconds > 0
    # The program heard of each of them: no few others stand in for them.
    assert own_after["major"][0] - own["major"][0] >= FORCED_N
    collections = daemon.value(GC + "collections_total", target="app", isolate="main", kind="minor")
    assert collections >= told_after["minor"][0]
    assert daemon.value(GC + "freed_bytes_total", target="app", isolate="main", kind="minor") > 0


# A worker that makes garbage, and says how many collections of it Node has told it of.
BEGIN_WORKER = """globalThis.counting = new (process.getBuiltinModule('node:worker_threads').Worker)(`
const { parentPort } = require('node:worker_threads');
const { PerformanceObserver, constants } = require('node:perf_hooks');
const whole = [constants.NODE_PERFORMANCE_GC_MINOR, constants.NODE_PERFORMANCE_GC_MAJOR];
let n = 0;
new PerformanceObserver((list) => {
  n += list.getEntries().filter((entry) => whole.includes(entry.detail.kind)).length;
}).observe({ entryTypes: ['gc'] });
parentPort.on('message', () => setImmediate(() => parentPort.postMessage(n)));
let kept = [];
setInterval(() => { kept = []; for (let i = 0; i < 4000; i++) kept.push({ i, pair: [i, { i }] }); }, 20);
`, { eval: true, resourceLimits: { maxYoungGenerationSizeMb: 2 } }); 1"""
COUNTED = "new Promise((done) => { counting.once('message', done); counting.postMessage(0); })"


def test_node_tells_of_workers_that_begin_while_it_is_traced(major, start_node, watch):
    """As many as the worker counts itself; of one that was there before there is nothing, and no zero."""
    node = start_node(major, "garbage", 1, 4000, "workers", flags=BUSY)
    daemon = watch(app=node.address, sections={"poll": EVENTS})
    until(lambda: gc_counts(daemon, "minor")[0] > 2, lambda: f"collections; log:\n{daemon.tail()}")
    daemon.wait_isolate("app", "worker:1")
    with Client(node.port) as client:
        client.evaluate(BEGIN_WORKER)

        def counted():
            return client.call("Runtime.evaluate", expression=COUNTED, awaitPromise=True)["result"]["value"]

        def told():
            return sum(gc_counts(daemon, kind, "worker:2")[0] for kind in ("minor", "major"))
        until(lambda: told() > 20, lambda: f"those of the worker; log:\n{daemon.tail()}", 60)
        before, polls = counted(), daemon.value("heapwatch_polls_total", target="app")
        # The second of them begins after that.
        daemon.wait_value("heapwatch_polls_total", lambda n: n >= polls + 2, target="app")
        n, after = told(), counted()
    # Some may fall between two traces, and some come before the worker counts.
    assert 0.9 * before - 3 <= n <= after + 3, (before, n, after)
    assert told_of(daemon) == {"main", "worker:2"}
    assert {one["name"]: one.get("gcUntold") for one in daemon.target("app")["isolates"]} == {
        "main": None, "worker:1": "it began before the program was traced", "worker:2": None}


# V8 marks in steps when what is old reaches a limit that it has set itself: here a low one at first,
# and so small a young generation that all that is held is old soon.
GROWS_OLD = ("--max-semi-space-size=1", "--initial-old-space-size=16")
GROW_OLD = """globalThis.old = [];
let rounds = 3;
const timer = setInterval(() => {
  for (let i = 0; i < 4000; i++) old.push({ i, pair: [i, { i }] });
  if (old.length < 400000) return;
  old = [];
  if (--rounds === 0) { clearInterval(timer); console.log('grown'); }
}, 5); 1"""


def written_steps(path):
    """Of the trace that a program has written of itself: seconds of each step of marking."""
    events = json.loads(path.read_text())["traceEvents"]
    return [event["dur"] / 1e6 for event in events
            if event["name"] == "V8.GCIncrementalMarking" and event["ph"] == "X"]


def test_node_tells_the_steps_of_marking(major, start_node, watch, tmp_path):
    """As many, and as long, as are in the trace that Node writes of itself; none before there are any."""
    trace = tmp_path / "trace.json"
    node = start_node(major, "idle", flags=(*GROWS_OLD, "--trace-event-categories=v8",
                                            f"--trace-event-file-pattern={trace}"))
    daemon = watch(app=node.address, sections={"poll": EVENTS})

    def wait_polls(n):
        polls = daemon.value("heapwatch_polls_total", target="app")
        daemon.wait_value("heapwatch_polls_total", lambda now: now >= polls + n, target="app")
    daemon.wait_up("app")
    wait_polls(2)
    assert daemon.values(GC + "pause_seconds_count", target="app", kind="incremental") == []
    with Client(node.port) as client:
        assert client.evaluate(GROW_OLD) == 1
        node.process.wait_line("^grown", limit_s=60)
        wait_polls(3)
        n, seconds = gc_counts(daemon, "incremental")
        client.call("Runtime.evaluate", expression="setTimeout(() => process.exit(0), 50)")
    assert node.process.wait_exit() == 0
    written = written_steps(trace)
    # While a poll takes one trace and begins the next there is none.
    assert written and n > 0 and 0.8 * len(written) - 2 <= n <= len(written), (n, len(written))
    assert 0.8 * sum(written) - 2 * max(written) <= seconds <= sum(written) + 1e-3
    assert seconds > 0


def written_collections(path):
    """Of the same file, of its main thread: {kind: [(seconds, bytes freed)]}"""
    found, begun = {"minor": [], "major": []}, {}
    for event in json.loads(path.read_text())["traceEvents"]:
        kind = {"MinorGC": "minor", "MajorGC": "major"}.get(event["name"])
        if kind is None or event["pid"] != event["tid"]:
            continue
        if event["ph"] == "B":
            begun[kind] = event
        elif event["ph"] == "E" and kind in begun:
            was = begun.pop(kind)
            freed = was["args"]["usedHeapSizeBefore"] - event["args"]["usedHeapSizeAfter"]
            found[kind].append(((event["ts"] - was["ts"]) / 1e6, max(0, freed)))
    return found


def test_what_node_frees_is_what_it_writes_down(major, start_node, watch, tmp_path):
    """And how many collections there were, of either kind."""
    trace = tmp_path / "trace.json"
    node = start_node(major, "garbage", 8, 4000, flags=(*BUSY, "--trace-event-categories=v8",
                                                        f"--trace-event-file-pattern={trace}"))
    daemon = watch(app=node.address, sections={"poll": EVENTS, "capture": OFTEN})
    until(lambda: gc_counts(daemon, "minor")[0] > 20, lambda: f"collections; log:\n{daemon.tail()}")
    for _ in range(3):
        force_when_due(daemon, "main")
    until(lambda: gc_counts(daemon, "major")[0] >= 3, "the forced ones")
    polls = daemon.value("heapwatch_polls_total", target="app")
    daemon.wait_value("heapwatch_polls_total", lambda now: now >= polls + 2, target="app")
    with Client(node.port) as client:
        told = {kind: daemon.at_once(*(GC + what for what in (
                    "pause_seconds_count", "pause_seconds_sum", "collections_total", "freed_bytes_total")),
                    target="app", isolate="main", kind=kind)
                for kind in ("minor", "major")}
        client.call("Runtime.evaluate", expression="setTimeout(() => process.exit(0), 50)")
    assert node.process.wait_exit() == 0
    written = written_collections(trace)
    for kind, (n, seconds, collections, freed) in told.items():
        own = written[kind]
        # Less what came before the first poll, in a gap between two traces, or after the last poll.
        assert n == collections <= len(own) and n > 0, (kind, told, len(own))
        most = sorted((one for _, one in own), reverse=True)[:int(n)]
        least = sorted(one for _, one in own)[:int(n)]
        assert sum(least) <= freed <= sum(most), (kind, told, own)
        assert seconds <= sum(one for one, _ in own) + 1e-3
    # Its start has others.
    n, freed, last = told["minor"][0], told["minor"][3], written["minor"][-int(told["minor"][0]):]
    assert freed / n == pytest.approx(sum(one for _, one in last) / len(last), rel=0.2), (told, last)


def test_the_live_set_is_what_a_collection_left(major, start_node, watch):
    """Much of what is in use is garbage; leaks are judged by what is not."""
    node = start_node(major, "garbage", 8, 6000, flags=BUSY)
    daemon = watch(app=node.address, sections={
        "poll": EVENTS, "capture": dict(PLAIN, gc_interval="1s"),
        "leak": {"fast_window": "20s", "slow_window": "10m"}})
    until(lambda: (daemon.value(USED, target="app", isolate="main") or 0) > 10 * MIB, "garbage")
    left = forced(daemon)["heap_after_bytes"]
    live = daemon.wait_value("heapwatch_heap_live_bytes", lambda v: 7 * MIB < v < 1.2 * left,
                             target="app", isolate="main")
    until(lambda: daemon.value(USED, target="app", isolate="main") > live + 2 * MIB,
          lambda: f"more than {live} in use")

    def kept():
        (row,) = daemon.api("/targets/app/series?metric=heap_live&resolution=fast")["result"]
        return [float(value) for _, value in row["values"]]
    # The series of what is held have it too.
    until(lambda: any(7 * MIB < value < 1.2 * left for value in kept()[-3:]),
          lambda: f"about {left} of the live set in {kept()}")


def test_of_workers_nothing_is_told_as_of_the_main_thread(start_node, watch):
    node = start_node(24, "garbage", 1, 4000, "workers", flags=BUSY)
    daemon = watch(app=node.address, sections={"poll": EVENTS})
    until(lambda: gc_counts(daemon, "minor")[0] > 5, "collections")
    told = {labels["isolate"] for labels, _ in daemon.values(GC + "pause_seconds_count", target="app")}
    assert told == {"main"}


TRACED = "process.getBuiltinModule('trace_events').getEnabledCategories() || 'none'"


def test_what_a_killed_daemon_has_begun_has_ended(major, start_node, watch):
    node = start_node(major, "garbage", 1, 2000, flags=BUSY)
    daemon = watch(app=node.address, sections={"poll": EVENTS})
    until(lambda: gc_counts(daemon, "minor")[0] > 0, "a collection")
    with Client(node.port) as client:
        assert "v8" in client.evaluate(TRACED)
        daemon.process.kill()
        until(lambda: client.evaluate(TRACED) == "none", "no trace")


def test_another_client_may_trace_too(start_node, watch):
    node = start_node(24, "garbage", 1, 2000, flags=BUSY)
    daemon = watch(app=node.address, sections={"poll": EVENTS})
    until(lambda: gc_counts(daemon, "minor")[0] > 0, "a collection")
    with Client(node.port) as client:
        client.call("NodeTracing.start", traceConfig={"includedCategories": ["node.perf"]})
        before = gc_counts(daemon, "minor")[0]
        until(lambda: gc_counts(daemon, "minor")[0] > before + 3, "more of them")
        assert "node.perf" in client.evaluate(TRACED)
        client.call("NodeTracing.stop")
        before = gc_counts(daemon, "minor")[0]
        until(lambda: gc_counts(daemon, "minor")[0] > before + 3, "more of them")


def test_a_traced_program_ends_by_itself(major, start_node, watch):
    node = start_node(major, "leave", "natural")
    daemon = watch(app=node.address, sections={"poll": EVENTS})
    daemon.wait_up("app")
    node.process.signal(signal.SIGUSR2)
    assert node.process.wait_exit() == 0


def test_nothing_is_told_that_is_not_asked_for(start_node, watch):
    node = start_node(24, "garbage", 1, 2000, flags=BUSY)
    daemon = watch(app=node.address)
    daemon.wait_up("app")
    forced(daemon)
    assert [name for name, _, _ in daemon.samples() if name.startswith(GC)] == []


GARBAGE = "var a = []; for (var i = 0; i < 200000; i++) a.push({ i, pair: [i] }); a = null; 1"


def test_bun(nursery, watch):
    """It tells spans, which are no pauses; another client that leaves switches that off for a moment."""
    bun = Bun(nursery, 1000)
    daemon = watch(app=bun.address, sections={"poll": EVENTS, "capture": dict(PLAIN, gc_interval="1s")})
    daemon.wait_up("app")
    expect_collected(daemon, "main", by_client(bun.client))
    until(lambda: gc_counts(daemon, "major", what="span_seconds")[0] > 0, "the forced one")
    before = gc_counts(daemon, "major", what="span_seconds")[0]
    with bun.client() as client:
        client.evaluate(GARBAGE)
    until(lambda: force(daemon).status == 200, "a second")
    until(lambda: gc_counts(daemon, "major", what="span_seconds")[0] > before, "the second")
    assert daemon.values(GC + "pause_seconds_count", target="app") == []
    assert daemon.values(GC + "freed_bytes_total", target="app") == []


def spans(messages):
    """What those say: {kind: seconds of each}"""
    found = {"minor": [], "major": []}
    for message in messages:
        if message.get("method") == "Heap.garbageCollected":
            one = message["params"]["collection"]
            found["major" if one["type"] == "full" else "minor"].append(one["endTime"] - one["startTime"])
    return found


def expect_same_spans(daemon, heard, work, isolate_name="main"):
    """Of all that comes from now on until the end of `work` as much is counted as is heard() of; before,
    both have heard of the last of these."""
    def counted():
        return {kind: gc_counts(daemon, kind, isolate_name, what="span_seconds")
                for kind in ("minor", "major")}

    def collections(kind):
        return daemon.value(GC + "collections_total", target="app", isolate=isolate_name, kind=kind)
    before, heard_before = counted(), {k: len(s) for k, s in heard().items()}
    work()

    def agreed():
        told, own = counted(), {k: s[heard_before[k]:] for k, s in heard().items()}
        # Each is one collection; of a kind of which there was none nothing is told.
        same = all(told[k][0] - before[k][0] == len(own[k]) and
                   collections(k) == (told[k][0] or None) for k in own)
        return (told, own) if same and len(own["major"]) > 1 else None
    told, own = until(agreed, lambda: f"one number: {before}, {counted()}, {heard_before}, {heard()}, "
                                      f"{[collections(kind) for kind in before]} collections")
    for kind, seconds in own.items():
        assert told[kind][1] - before[kind][1] == pytest.approx(sum(seconds), abs=1e-6)
    return own


def test_spans_of_bun_are_those_another_client_hears(nursery, watch):
    bun = Bun(nursery, 1000)
    daemon = watch(app=bun.address, sections={"poll": EVENTS})
    daemon.wait_up("app")

    def majors():
        return gc_counts(daemon, "major", what="span_seconds")[0]
    with bun.client() as person:
        person.send("Heap.enable")
        person.receive()  # what one has enabled is enabled for all, and whoever comes second is told so
        person.call("Heap.gc")
        until(majors, lambda: f"it to be told; log:\n{daemon.tail()}")

        def heard():
            person.evaluate("1")  # with what has come before
            return spans(person.events)
        until(lambda: heard()["major"], "it to be heard")

        def work():
            for _ in range(6):
                person.evaluate(GARBAGE)
                person.call("Heap.gc")
        own = expect_same_spans(daemon, heard, work)
        assert len(own["major"]) >= 6


@pytest.mark.parametrize("path", [webkit.GTK, webkit.WPE], ids=["gtk", "wpe"])
def test_spans_of_webkit_are_those_that_the_page_tells(nursery, tmp_path, watch, path):
    """A page has one client: what it says to the daemon is read by the way."""
    browser = webkit.Browser(nursery, tmp_path / "browser", path)
    between = BothWays(browser.port)
    daemon = watch(app=between.address, sections={"poll": SLOWER, "capture": OFTEN})
    until(lambda: daemon.value(USED, target="app", isolate="page:1"), "the page")
    force_when_due(daemon, "page:1")
    until(lambda: gc_counts(daemon, "major", "page:1", what="span_seconds")[0], "the forced one")

    def heard():
        return spans(json.loads(m["params"]["message"]) for m in between.told()
                     if m.get("method") == "Target.dispatchMessageFromTarget")

    def work():
        for _ in range(3):
            assert browser.site.run(GARBAGE) == "1"
            force_when_due(daemon, "page:1")
    own = expect_same_spans(daemon, heard, work, "page:1")
    assert len(own["major"]) >= 3
    assert daemon.process.stop() == 0
    between.close()


LITTER = """setInterval(() => { let a = []; for (let i = 0; i < 20000; i++) a.push({ i }); }, 5); 1"""


@pytest.mark.parametrize("kind", ["gtk", "wpe", "safari"])
def test_webkit(nursery, tmp_path, watch, kind):
    """Spans."""
    browser = webkit.Browser(nursery, tmp_path / "browser", webkit.WPE if kind == "wpe" else webkit.GTK)
    address = webkit.Proxy(browser.port).address if kind == "safari" else browser.address
    daemon = watch(app=address, sections={"poll": SLOWER, "capture": OFTEN})

    def run(script):
        assert browser.site.run(script) == "1"
    until(lambda: daemon.value(USED, target="app", isolate="page:1"), "the page")
    got = forced(daemon)
    assert got["isolate"] == "page:1" and got["heap_after_bytes"] > 0
    expect_collected(daemon, "page:1", run)
    until(lambda: gc_counts(daemon, "major", "page:1", what="span_seconds")[0] > 0, "the forced one")
    assert daemon.values(GC + "pause_seconds_count", target="app") == []
    assert daemon.values(GC + "freed_bytes_total", target="app") == []
    if kind != "safari":
        expect_left_well(browser, daemon, watch)


def expect_left_well(browser, daemon, watch):
    """WPE dies of a client that leaves while something is on its way to it: we do not."""
    browser.site.run(LITTER)
    for _ in range(LEAVES):
        before = sum(gc_counts(daemon, kind, "page:1", what="span_seconds")[0]
                     for kind in ("minor", "major"))
        until(lambda: sum(gc_counts(daemon, kind, "page:1", what="span_seconds")[0]
                          for kind in ("minor", "major")) > before, "another")
        assert daemon.process.stop() == 0
        daemon = watch(app=browser.address, sections={"poll": EVENTS}, home=daemon.home)
        until(lambda: daemon.value(USED, target="app", isolate="page:1"),
              lambda: f"the page again: {browser.process.output()}")
    assert browser.grow(1) == 1


def test_firefox(nursery, tmp_path, watch):
    """Slices are pauses. Each collection is one here: what the browser begins by itself in steps may end
    without a single one of those that are forced."""
    firefox = Firefox(nursery, tmp_path / "program",
                      prefs={"javascript.options.mem.gc_incremental": False})
    daemon = watch(app=firefox.address, sections={"poll": SLOWER, "capture": OFTEN})

    def run(script):
        assert firefox.evaluate(script) == 1
    got = expect_collected(daemon, firefox.isolate, run)
    collections = until(lambda: daemon.value(GC + "collections_total", target="app",
                                             isolate=firefox.isolate, kind="major"), "the forced one")
    assert 0 < collections <= gc_counts(daemon, "major", firefox.isolate)[0]
    assert 0 < gc_counts(daemon, "major", firefox.isolate)[1] < got["duration_seconds"] + 1
    assert daemon.values(GC + "span_seconds_count", target="app") == []
    assert daemon.values(GC + "pause_seconds_count", target="app", kind="minor") == []
    assert daemon.values(GC + "collections_total", target="app", kind="minor") == []
    assert daemon.values(GC + "freed_bytes_total", target="app") == []


SCRAPS = """for (let k = 0, held = []; k < 60; k++, held = held.slice(-8))
    held.push(Array.from({ length: 100000 }, (_, i) => ({ i }))); 1"""


def test_pauses_of_firefox_are_those_its_collector_writes_down(nursery, tmp_path, watch):
    firefox = Firefox(nursery, tmp_path / "program", env={"JS_GC_PROFILE": "0"})
    daemon = watch(app=firefox.address, sections={"poll": SLOWER, "capture": OFTEN})
    name = firefox.isolate
    until(lambda: daemon.value(USED, target="app", isolate=name), "the tab")
    before = len(firefox.slices())
    assert told_of(daemon) == set()
    firefox.evaluate(SCRAPS)
    force_when_due(daemon, name)
    firefox.evaluate(SCRAPS)

    def told():
        return {kind: gc_counts(daemon, kind, name) for kind in ("major", "incremental")}

    def agreed():
        own, by_kind = firefox.slices()[before:], told()
        forced_n = [reason for reason, _ in own].count("COMPONENT_UTILS")
        same = (by_kind["major"][0], by_kind["incremental"][0]) == (forced_n, len(own) - forced_n)
        return (own, by_kind) if forced_n == 3 and len(own) > 20 and same else None
    own, by_kind = until(agreed, lambda: f"one number: {firefox.slices()[before:]} and {told()}")
    for kind, is_forced in (("major", True), ("incremental", False)):
        seconds = [s for reason, s in own if (reason == "COMPONENT_UTILS") == is_forced]
        rounding = sum(0.5e-3 if s >= 1e-3 else 1e-6 for s in seconds)
        assert abs(by_kind[kind][1] - sum(seconds)) <= rounding, (kind, by_kind, own)
    # Its nursery has been collected many times by then, and no slice has a size.
    assert daemon.values(GC + "pause_seconds_count", target="app", kind="minor") == []
    assert daemon.values(GC + "freed_bytes_total", target="app") == []
