"""Sampling profiles of real programs: the function that allocates stands first, the sum is what the
collector counts within what sampling can tell, other tools read the files, and the program is left
as it was."""

import json
import re
from contextlib import closing

import pytest

from lab import readers, sampled
from lab.cdp import Client, Worker, in_worker, is_sampling, used_bytes
from lab.chromium import Chromium, isolate
from lab.ctl import Ctl
from lab.daemon import PLAIN, POLL
from lab.deno import Deno
from lab.firefox import Firefox
from lab.gc import force, forced
from lab.node import OLD, binary, environment
from lab.relay import Packets, Relay
from lab.wait import until
from lab.workerd import WAYS

KEPT = ("keepMany", "keepFew")
INTERVAL = 1024

# What is kept makes 10400 samples.
SUM_ERROR = sampled.error(16000, sampled.array_bytes(8), INTERVAL)
# A quarter of them is keepFew's, and with it what the list of all has grown to, 4 % more.
SHARE_ERROR = sampled.error(4000, sampled.array_bytes(8), INTERVAL) + 0.04

HEADROOM = dict(PLAIN, guards={"headroom": 3})  # which is for snapshots
# And what is for all that goes over the whole heap.
GUARDED = dict(PLAIN, guards={"headroom": 3, "max_heap": "1MiB"})
COLLECTED = r"Mark-Compact"  # of --trace-gc


@pytest.fixture
def idle_node(start_node, watch):
    node = start_node(24, "idle")
    daemon = watch(app=node.address, sections={"capture": PLAIN})
    daemon.wait_up("app")
    return node, daemon


def files(daemon, ending):
    return sorted(path for path in (daemon.storage / "spool" / "ready").iterdir()
                  if path.name.endswith(ending))


def ask(daemon, target="app", **wishes):
    return daemon.post(f"/api/v1/targets/{target}/captures",
                       json.dumps({"kind": "sampling", **wishes}).encode(),
                       {"Content-Type": "application/json"})


def wait_files(daemon, ending, n=1):
    found = until(lambda: files(daemon, ending)[n - 1:],
                  lambda: f"{n} {ending}; log:\n{daemon.tail()}")
    until(lambda: found[0].name in {entry["name"] for entry in daemon.api("/captures")["ready"]},
          "it in the list")
    return files(daemon, ending)


def sample(daemon, client, work, **wishes):
    """One profile of what `work` does, which is done once sampling is on."""
    before = len(files(daemon, ".heapprofile"))
    answer = ask(daemon, duration="3s", interval=str(INTERVAL), **wishes)
    assert answer.status == 202, answer.text
    until(lambda: is_sampling(client), lambda: f"it samples; log:\n{daemon.tail()}")
    result = work()
    profile = wait_files(daemon, ".heapprofile", before + 1)[-1]
    assert not is_sampling(client)
    return profile, result


def top(path):
    return Ctl().json("profile", "top", path)


def self_bytes(path):
    return {row["function"]: row["self_bytes"] for row in top(path)["functions"]}


def kept_bytes(node):
    return int(node.nudge(r"^kept (\d+)")[1])


def check_go(packed, table, column, first=2):
    """`go tool pprof` finds the sum and the first functions that ours finds; ours reads it as well."""
    assert top(packed) == table
    counted = "samples" if table["counted"] == "samples" else column.replace("space", "objects")
    for name, sums in ((column, "self_bytes"), (counted, "self_count")):
        told = readers.go_pprof(packed, name)
        assert told["type"] == name
        assert told["functions"][:first] == [(row["function"], row[sums])
                                             for row in table["functions"][:first]]
    assert readers.go_pprof(packed, column)["total"] == table["bytes"]


def check_waste(row, pointer):
    """Of one that has made 30000 of the arrays, and let go of them."""
    size = sampled.array_bytes(pointer)
    assert row["self_bytes"] == pytest.approx(30000 * size, rel=sampled.error(30000, size, INTERVAL))
    sampled.check_mean(row, pointer, INTERVAL)


def check_keep(row, pointer):
    """Of KEEP, and of workerd.js."""
    size = sampled.array_bytes(pointer)
    assert row["self_bytes"] == pytest.approx(sampled.kept_bytes(pointer),
                                              rel=sampled.error(16000, size, INTERVAL))
    sampled.check_mean(row, pointer, INTERVAL)


def test_live_objects(start_node, watch, major):
    node = start_node(major, "allocate")
    daemon = watch(app=node.address, sections={"capture": HEADROOM})
    daemon.wait_up("app")
    with Client(node.port) as client:
        profile, kept = sample(daemon, client, lambda: kept_bytes(node),
                               format=["heapprofile", "pprof"])
    table = top(profile)
    assert table["what"] == "live" and table["counted"] == "samples"
    assert table["interval_bytes"] == INTERVAL and table["duration_seconds"] == 3
    first, second = table["functions"][:2]
    assert (first["function"], second["function"]) == KEPT
    assert first["url"].endswith("programs/allocate.js") and first["line"] == 9
    both = first["self_bytes"] + second["self_bytes"]
    assert both == pytest.approx(kept, rel=SUM_ERROR)
    assert second["self_bytes"] == pytest.approx(both / 4, rel=SHARE_ERROR)
    sampled.check_mean(first, 8, INTERVAL)
    assert self_bytes(profile).get("waste", 0) < both * 0.05

    seen = readers.devtools_profile(profile)
    assert seen["total"] == table["bytes"]
    assert {name: seen["self"][name] for name in KEPT} == \
        {row["function"]: row["self_bytes"] for row in (first, second)}

    packed, = wait_files(daemon, ".pb.gz")
    read = readers.pprof(packed)
    assert read["columns"] == ["samples", "inuse_space"] and read["units"] == ["count", "bytes"]
    assert read["default"] == "inuse_space" and read["period"] == INTERVAL
    assert {name: read["self"][name][1] for name in KEPT} == {n: seen["self"][n] for n in KEPT}
    assert read["self"]["keepMany"][0] == first["self_count"]
    assert read["duration"] == 3 * 10**9 and read["depth"] == seen["depth"]
    check_go(packed, table, "inuse_space")

    manifests = {m["format"]: m for m in daemon.api("/captures")["ready"]}
    assert set(manifests) == {"heapprofile", "pb.gz"}
    assert all(m["kind"] == "sampling" and m["redact"] == "none" for m in manifests.values())
    assert len({m["started_wall_ms"] for m in manifests.values()}) == 1


def test_all_objects(start_node, watch, major):
    node = start_node(major, "allocate")
    daemon = watch(app=node.address, sections={"capture": PLAIN})
    daemon.wait_up("app")
    with Client(node.port) as client:
        profile, kept = sample(daemon, client, lambda: kept_bytes(node), objects="all",
                               format=["heapprofile", "pprof"])
    table = top(profile)
    assert table["what"] == "allocated"
    assert [row["function"] for row in table["functions"][:3]] == ["waste", *KEPT]
    own = self_bytes(profile)
    check_waste(table["functions"][0], 8)
    assert own["keepMany"] + own["keepFew"] == pytest.approx(kept, rel=SUM_ERROR + 0.02)  # its list was shorter
    packed, = wait_files(daemon, ".pb.gz")
    read = readers.pprof(packed)
    assert read["columns"] == ["samples", "alloc_space"] and read["units"] == ["count", "bytes"]
    assert read["default"] == "alloc_space" and read["period"] == INTERVAL
    assert {name: read["self"][name][1] for name in ("waste", *KEPT)} == \
        {name: own[name] for name in ("waste", *KEPT)}
    check_go(packed, table, "alloc_space")


@pytest.mark.parametrize("interval", ("1", "512", "1023", "0", "-1", "0.5", "1e300", "99999999999999999999"))
def test_intervals_that_kill_are_refused(idle_node, interval):
    """V8 dies of an interval below one byte, and of small ones by its own work: the least is 1 KiB."""
    node, daemon = idle_node
    answer = daemon.post(f"/api/v1/targets/app/captures?kind=sampling&interval={interval}")
    assert answer.status == 400 and "interval" in answer.json()["error"], answer.text
    with Client(node.port) as client:
        assert used_bytes(client) > 0


def test_an_old_v8_is_not_asked_for_what_it_does_not_keep(start_node, watch):
    node = start_node(OLD, "allocate")
    daemon = watch(app=node.address, sections={"capture": PLAIN})
    daemon.wait_up("app")
    answer = daemon.post("/api/v1/targets/app/captures?kind=sampling&objects=all")
    assert answer.status == 422 and answer.json()["errorType"] == "unsupported"
    assert "objects: all: not supported by node 18." in answer.json()["error"]
    answer = daemon.post("/api/v1/targets/app/captures?kind=sampling&objects=live&dry_run=true")
    assert answer.status == 200, answer.text


DEEP = """globalThis.deep = n => n > 0 ? [deep(n - 1)] : new Array(1 << 16).fill(n);
(globalThis.kept ??= []).push(deep(200)); 1"""


def depth(node):
    """Of calls, without the root."""
    return max((1 + depth(child) for child in node["children"]), default=0)


def test_how_deep_the_stacks_are(start_node, watch, major):
    """V8 before 14.6 ignores the wish; the daemon refuses it there, whoever asks."""
    node = start_node(major, "idle")
    daemon = watch(app=node.address, sections={"capture": PLAIN})
    daemon.wait_up("app")
    with Client(node.port) as client:
        client.call("HeapProfiler.startSampling", samplingInterval=1024, stackDepth=5)
        client.evaluate(DEEP)
        found = depth(client.call("HeapProfiler.stopSampling")["profile"]["head"])
        assert found == (5 if major >= 26 else 128)
        if major >= 26:
            profile, _ = sample(daemon, client, lambda: client.evaluate(DEEP), stack_depth=5)
            assert depth(json.loads(profile.read_text())["head"]) == 5
            return
        answer = ask(daemon, stack_depth=5)
        assert answer.status == 422 and answer.json()["errorType"] == "unsupported"
        why = (f"stack_depth: 5: not supported by node {node.version()}: its V8 takes 128 calls of "
               "each stack, whatever it is asked for")
        assert answer.json()["error"] == why
        refused, = daemon.api("/captures")["refused"]
        assert refused["text"] == why and refused["reason"] == "unsupported"
        profile, _ = sample(daemon, client, lambda: client.evaluate(DEEP), stack_depth=128)
        assert depth(json.loads(profile.read_text())["head"]) == 128


def test_deno_and_chromium_heed_how_deep(nursery, watch, tmp_path, site):
    deno = Deno(nursery, tmp_path / "deno", "100")
    browser = Chromium(nursery, tmp_path / "profile", site.url + "page.html")
    for address, where, client in ((deno.address, "main", Client(deno.port)),
                                   (browser.address, isolate(browser.page), browser.client())):
        daemon = watch(app=address, sections={"capture": PLAIN})
        daemon.wait_isolate("app", where)
        daemon.wait_up("app")
        with client:
            profile, _ = sample(daemon, client, lambda: client.evaluate(DEEP), isolate=where,
                                stack_depth=5)
        assert depth(json.loads(profile.read_text())["head"]) == 5


def test_pages_of_chromium(nursery, watch, tmp_path, site):
    browser = Chromium(nursery, tmp_path / "profile", site.url + "page.html")
    daemon = watch(app=browser.address, sections={"capture": PLAIN})
    daemon.wait_up("app")
    page = isolate(browser.page)
    until(lambda: daemon.value("heapwatch_heap_used_bytes", target="app", isolate=page), page)
    work = ("globalThis.kept = []; function keepPage() {"
            "for (let i = 0; i < 20000; i++) kept.push(new Array(128).fill(i)); return kept.length }"
            "keepPage()")
    with browser.client() as client:
        profile, _ = sample(daemon, client, lambda: client.evaluate(work), isolate=page,
                            format=["heapprofile", "pprof"])
    table = top(profile)
    assert table["functions"][0]["function"] == "keepPage"
    # Its pointers have four bytes.
    size = sampled.array_bytes(4)
    assert table["functions"][0]["self_bytes"] == \
        pytest.approx(20000 * size, rel=sampled.error(20000, size, INTERVAL) + 0.01)  # and their list
    sampled.check_mean(table["functions"][0], 4, INTERVAL)
    assert readers.devtools_profile(profile)["total"] == table["bytes"]
    check_go(wait_files(daemon, ".pb.gz")[0], table, "inuse_space", first=1)


KEEP = ("globalThis.kept = []; function keepHere() { for (let i = 0; i < 16000; i++)"
        " kept.push(new Array(128).fill(i)); return kept.length } keepHere()")


def test_deno(nursery, watch, tmp_path):
    deno = Deno(nursery, tmp_path / "program", "100")
    daemon = watch(app=deno.address, sections={"capture": PLAIN})
    daemon.wait_up("app")
    with Client(deno.port) as client:
        before = used_bytes(client)
        profile, _ = sample(daemon, client, lambda: client.evaluate(KEEP),
                            format=["heapprofile", "pprof"])
        kept = used_bytes(client) - before
    table = top(profile)
    first = table["functions"][0]
    assert first["function"] == "keepHere"
    assert first["self_bytes"] == pytest.approx(kept, rel=SUM_ERROR)
    check_keep(first, 8)
    assert readers.devtools_profile(profile)["total"] == table["bytes"]
    check_go(wait_files(daemon, ".pb.gz")[0], table, "inuse_space", first=1)


def sample_workerd(daemon, workerd, visit, **wishes):
    """It bears one client: nobody else can see when it samples, but a look at the profile can be had
    from then on."""
    until(lambda: daemon.values("heapwatch_heap_used_bytes", target="app"), "an isolate")
    # keepMany() and waste() are called by fetch(), which is one too many.
    answer = ask(daemon, isolate=workerd.isolate, duration="4s", interval=str(INTERVAL), stack_depth=1,
                 format="heapprofile,pprof", **wishes)
    identity = answer.json()["data"]["id"]
    until(lambda: daemon.post(f"/api/v1/captures/{identity}/peek").status == 202, "it samples")
    workerd.visit(visit)

    def written(one):
        """The file of this id, when it is there."""
        until(lambda: daemon.api(f"/captures/{one}")["state"] == "succeeded",
              lambda: f"a profile; log:\n{daemon.tail()}")
        return daemon.storage / "spool" / "ready" / daemon.api(f"/captures/{one}")["name"]
    profile = written(identity)
    return profile, written(daemon.api(f"/captures/{identity}")["second"])


@pytest.mark.parametrize("start", WAYS.values(), ids=WAYS)
def test_workerd(nursery, watch, tmp_path, start):
    workerd = start(nursery, tmp_path / "program")
    daemon = watch(app=workerd.address, sections={"capture": PLAIN})
    daemon.wait_up("app")

    def used():
        polls = daemon.value("heapwatch_polls_total", target="app")
        daemon.wait_value("heapwatch_polls_total", lambda n: n >= polls + 2, target="app")
        return daemon.value("heapwatch_heap_used_bytes", target="app", isolate=workerd.isolate)
    daemon.wait_isolate("app", workerd.isolate)
    before = used()
    profile, packed = sample_workerd(daemon, workerd, "keep=16000")
    table = top(profile)
    first = table["functions"][0]
    # What else it has allocated is there as well.
    assert first["self_bytes"] == pytest.approx(used() - before, rel=0.11)
    assert depth(json.loads(profile.read_text())["head"]) == 1
    assert table["what"] == "live"
    assert first["function"] == "keepMany" and first["url"].endswith("workerd.js")
    check_keep(first, 4)
    assert readers.devtools_profile(profile)["total"] == table["bytes"]
    check_go(packed, table, "inuse_space", first=1)


@pytest.mark.parametrize("start", WAYS.values(), ids=WAYS)
def test_all_objects_of_workerd(nursery, watch, tmp_path, start):
    workerd = start(nursery, tmp_path / "program")
    daemon = watch(app=workerd.address, sections={"capture": PLAIN})
    daemon.wait_up("app")
    profile, packed = sample_workerd(daemon, workerd, "keep=2000&waste=30000", objects="all")
    table = top(profile)
    assert table["what"] == "allocated"
    assert [row["function"] for row in table["functions"][:2]] == ["waste", "keepMany"]
    check_waste(table["functions"][0], 4)
    check_go(packed, table, "alloc_space")


def test_a_worker_thread(start_node, watch):
    node = start_node(24, "workers", 1)
    daemon = watch(app=node.address, sections={"capture": PLAIN})
    daemon.wait_up("app")
    until(lambda: daemon.value("heapwatch_heap_used_bytes", target="app", isolate="worker:1"),
          "the worker")
    assert ask(daemon, isolate="worker:1", duration="1s").status == 202
    profile, = wait_files(daemon, ".heapprofile")
    assert json.loads(profile.read_text())["head"]["callFrame"]["functionName"] == "(root)"


def test_a_worker_thread_that_allocates(start_node, watch, major):
    node = start_node(major, "workers", 1)
    daemon = watch(app=node.address, sections={"capture": PLAIN})
    daemon.wait_isolate("app", "worker:1")
    with Client(node.port) as client:
        worker = Worker(client)
        before = used_bytes(worker)
        profile, _ = sample(daemon, worker, lambda: worker.evaluate(KEEP), isolate="worker:1")
        kept = used_bytes(worker) - before
    first = top(profile)["functions"][0]
    assert first["function"] == "keepHere"
    assert first["self_bytes"] == pytest.approx(kept, rel=SUM_ERROR)
    check_keep(first, 8)


def sample_worker(daemon, isolate_name, open_client):
    """Of one whom nobody but the daemon can ask: its program lets it work once a look can be had."""
    identity = ask(daemon, isolate=isolate_name, duration="2s",
                   interval=str(INTERVAL)).json()["data"]["id"]
    until(lambda: daemon.post(f"/api/v1/captures/{identity}/peek").status == 202,
          lambda: f"it samples; log:\n{daemon.tail()}")
    with open_client() as client:
        assert in_worker(client, KEEP) == 16000
    until(lambda: daemon.api(f"/captures/{identity}")["state"] == "succeeded",
          lambda: f"a profile; log:\n{daemon.tail()}")
    return top(daemon.storage / "spool" / "ready" / daemon.api(f"/captures/{identity}")["name"])[
        "functions"][0]


def test_a_worker_of_deno_that_allocates(nursery, watch, tmp_path):
    deno = Deno(nursery, tmp_path / "program", "100", "workers")
    daemon = watch(app=deno.address, sections={"capture": PLAIN})
    daemon.wait_up("app")
    daemon.wait_isolate("app", "worker:1")
    first = sample_worker(daemon, "worker:1", lambda: Client(deno.port))
    assert first["function"] == "keepHere"
    check_keep(first, 8)


def test_a_worker_of_chromium_that_allocates(nursery, watch, tmp_path, site):
    browser = Chromium(nursery, tmp_path / "profile", site.url + "page.html")
    daemon = watch(app=browser.address, sections={"capture": PLAIN})
    first = sample_worker(daemon, daemon.wait_worker("app"), browser.client)
    assert first["function"] == "keepHere"
    check_keep(first, 4)


@pytest.mark.parametrize("kind", ["iframe", "shared_worker"])
def test_others_of_chromium_that_allocate(nursery, watch, tmp_path, site, kind):
    """A frame of another site, which has a process of its own, and a worker of several pages."""
    browser = Chromium(nursery, tmp_path / "profile", site.url + "page.html?shared")
    with browser.client() as client:
        client.evaluate("document.body.append(Object.assign(document.createElement('iframe'),"
                        f" {{src: '{site.other_url}page.html'}})), 1")
    target = until(lambda: browser.targets(kind), kind)[0]["id"]
    name = isolate(target, kind)
    if kind == "iframe":
        name = isolate(browser.page) + "/" + name
    daemon = watch(app=browser.address, sections={"capture": PLAIN})
    until(lambda: daemon.value("heapwatch_heap_used_bytes", target="app", isolate=name),
          lambda: f"{name}; log:\n{daemon.tail()}")
    with browser.client(target) as client:
        profile, _ = sample(daemon, client, lambda: client.evaluate(KEEP), isolate=name)
    first = top(profile)["functions"][0]
    assert first["function"] == "keepHere"
    check_keep(first, 4)


def test_somebody_else_who_samples_is_left_alone(start_node, watch, major):
    node = start_node(major, "allocate")
    daemon = watch(app=node.address, sections={"capture": PLAIN})
    daemon.wait_up("app")
    with Client(node.port) as person:
        person.call("HeapProfiler.startSampling", samplingInterval=4096)
        assert ask(daemon, duration="1s").status == 202
        failed = until(lambda: daemon.api("/captures")["failed"], "its failure")
        assert failed[0]["reason"] == "refused" and "sampling already" in failed[0]["error"]
        kept_bytes(node)
        assert "keepMany" in json.dumps(person.call("HeapProfiler.stopSampling"))


def test_somebody_else_who_samples_a_page_is_left_alone(nursery, watch, tmp_path, site):
    """The clients of a Chromium have sessions of their own, but one sampling profiler."""
    browser = Chromium(nursery, tmp_path / "profile", site.url + "page.html")
    daemon = watch(app=browser.address, sections={"capture": PLAIN})
    daemon.wait_isolate("app", isolate(browser.page))
    with browser.client() as person:
        person.call("HeapProfiler.startSampling", samplingInterval=4096)
        assert ask(daemon, duration="1s", isolate=isolate(browser.page)).status == 202
        failed = until(lambda: daemon.api("/captures")["failed"], "its failure")
        assert failed[0]["reason"] == "refused" and "sampling already" in failed[0]["error"]
        person.evaluate(KEEP)
        assert "keepHere" in json.dumps(person.call("HeapProfiler.stopSampling"))


def test_cancelled_it_is_switched_off(start_node, watch, major):
    node = start_node(major, "allocate", flags=["--trace-gc"])
    daemon = watch(app=node.address, sections={"capture": PLAIN})
    daemon.wait_up("app")
    identity = ask(daemon, duration="1h").json()["data"]["id"]
    with Client(node.port) as client:
        until(lambda: is_sampling(client), "it samples")
        node.process.wait_line(COLLECTED)  # for that question
        mark = node.process.mark()
        assert daemon.get(f"/api/v1/captures/{identity}", method="DELETE").status == 202
        ended = until(lambda: daemon.api("/captures")["failed"], "its end")
        # Nobody wants the profile, so V8 need not collect for it, and that counts for nothing.
        client.call("Runtime.evaluate", expression="console.log('so far')")
        node.process.wait_line("^so far", since=mark)
        assert node.process.count_lines(COLLECTED, since=mark) == 0
        until(lambda: not is_sampling(client), "it does not")
    assert [(one["id"], one["reason"]) for one in ended] == [(identity, "cancelled")]
    assert not files(daemon, ".heapprofile")
    forced(daemon)


def test_it_is_judged_as_the_collection_at_its_end(start_node, watch, major):
    node = start_node(major, "allocate", flags=["--trace-gc"])
    daemon = watch(app=node.address, sections={"capture": GUARDED})
    daemon.wait_up("app")
    answer = ask(daemon, duration="1s")
    assert answer.status == 409 and answer.json()["errorType"] == "guard"
    assert answer.json()["error"].startswith("max_heap: the heap uses")
    assert ask(daemon, duration="1s", force=True).status == 202
    wait_files(daemon, ".heapprofile")
    node.process.wait_line(COLLECTED)
    answer = ask(daemon, duration="1s", force=True)
    assert answer.status == 429 and re.fullmatch(r"gc_interval: (1m|\d+s) left of 1m",
                                                 answer.json()["error"])
    assert force(daemon, force=True).status == 429
    # One that ends later may begin.
    assert ask(daemon, duration="61s", force=True).status == 202
    assert {r["reason"] for r in daemon.api("/captures")["refused"]} == {"max_heap", "gc_interval"}


def test_a_program_that_exits_is_not_held(start_node, watch, major):
    node = start_node(major, "allocate")
    daemon = watch(app=node.address, sections={"capture": PLAIN})
    daemon.wait_up("app")
    assert ask(daemon, duration="1h").status == 202
    with Client(node.port) as client:
        until(lambda: is_sampling(client), "it samples")
        client.call("Runtime.evaluate", expression="setTimeout(() => process.exit(7), 300)")
    assert node.process.wait_exit() == 7
    failed = until(lambda: daemon.api("/captures")["failed"], "its failure")
    assert failed[0]["reason"] in ("exiting", "lost")


def test_a_rule_and_the_command(start_node, start_daemon, tmp_path):
    node = start_node(24, "allocate")
    rules = tmp_path / "rules.yaml"
    rules.write_text("""
groups:
- name: memory
  interval: 1s
  rules:
  - alert: Any
    when: {metric: heap_used, above: 1MiB}
    actions:
    - {capture: sampling, duration: 1s, interval: 16KiB, format: [heapprofile, pprof]}
""")
    daemon = start_daemon({"poll": {"interval": "500ms", "timeout": "500ms"}, "capture": dict(PLAIN, gc_interval="1s"),
                           "rule_files": [str(rules)],
                           "targets": [{"name": "app", "address": node.address}]})
    wait_files(daemon, ".pb.gz")
    by_rule, = wait_files(daemon, ".heapprofile")
    table = top(by_rule)
    assert table["interval_bytes"] == 16384 and table["duration_seconds"] == 1
    facts, head, *rows = Ctl().lines("profile", "top", by_rule, "--top=3")
    assert re.fullmatch(r"\S+ \S+ alive, in 1s, a sample every 16(\.0)? KiB", facts), facts
    assert head.split() == ["SELF", "SELF%", "TOTAL", "TOTAL%", "SAMPLES", "FUNCTION", "PLACE"]
    for row, wanted in zip(rows, table["functions"][:3], strict=True):
        share = f"{100 * wanted['self_bytes'] / table['bytes']:.1f}%"
        assert share in row and f" {wanted['self_count']} " in row and \
            (wanted["function"] or "(anonymous)") in row, (row, wanted)
    both = Ctl().json("profile", "top", by_rule, by_rule)
    assert {row["function"]: row["self_bytes"] for row in both["functions"]} == \
        {name: 2 * size for name, size in self_bytes(by_rule).items()}
    assert (both["what"], both["duration_seconds"]) == ("live", 2)

    ctl = Ctl("-H", f"http://127.0.0.1:{daemon.port}", cwd=tmp_path)
    identity, = ctl.lines("capture", "sampling", "app", "--duration=1s", "--wait")
    exported = tmp_path / "mine.heapprofile"
    ctl("export", identity, "-o", exported)
    assert top(exported)["interval_bytes"] == 32768
    assert "not a known kind" in ctl("capture", "everything", "app", exit=1).stderr
    assert "duration: of sampling, timeline and tracking only" in \
        ctl("capture", "snapshot", "app", "--duration=1s", exit=1).stderr
    ctl("profile", "pprof", exported)
    assert readers.pprof(tmp_path / "mine.pb.gz")["columns"] == ["samples", "inuse_space"]


def test_what_node_writes_by_itself_is_read_too(nursery, tmp_path, major):
    process = nursery.start([binary(major), "--heap-prof", f"--heap-prof-interval={INTERVAL}",
                             f"--heap-prof-dir={tmp_path}", "-e", KEEP], env=environment())
    assert process.wait_exit() == 0
    written, = tmp_path.glob("*.heapprofile")
    table = top(written)
    assert table["functions"][0]["function"] == "keepHere"
    check_keep(table["functions"][0], 8)
    seen = readers.devtools_profile(written)
    assert seen["total"] == table["bytes"]
    Ctl()("profile", "pprof", written, "-o", tmp_path / "mine.pb.gz")
    assert readers.pprof(tmp_path / "mine.pb.gz")["self"]["keepHere"][1] == seen["self"]["keepHere"]
    Ctl()("profile", "flame", written, "-o", tmp_path / "mine.svg")
    assert "keepHere" in (tmp_path / "mine.svg").read_text()
    rows = Ctl().json("profile", "diff", written, written)["functions"]
    assert all(row["bytes"] == row["base_bytes"] for row in rows)


def test_the_command_waits_for_both_formats_and_names_both(idle_node):
    node, daemon = idle_node
    ctl = Ctl("-H", f"http://127.0.0.1:{daemon.port}")
    both = ctl.lines("capture", "sampling", "app", "--duration=1s", "--format=heapprofile,pprof",
                     "--interval=1KiB", "--objects=all", "--wait")
    ready = {m["id"]: m for m in daemon.api("/captures")["ready"]}
    assert [ready[i]["format"] for i in both] == ["heapprofile", "pb.gz"]
    assert [ready[i]["profile"] for i in both] == [both[0]] * 2
    assert daemon.api(f"/captures/{both[0]}")["second"] == both[1]
    assert "second" not in daemon.api(f"/captures/{both[1]}")
    for identity in both:
        assert f"Profile: {both[0]} (in both formats)" in ctl("info", identity).stdout
        table = top(daemon.storage / "spool" / "ready" / ready[identity]["name"])
        assert (table["what"], table["interval_bytes"]) == ("allocated", 1024)
    assert "its V8 takes 128 calls" in \
        ctl("capture", "sampling", "app", "--stack-depth=5", exit=1).stderr

    one, = ctl.lines("capture", "sampling", "app", "--duration=61s", "--format=pprof")
    assert "profile" not in daemon.api(f"/captures/{one}")


def fetches(relay):
    """How many times the log of allocations of Firefox was asked for, looks for others left out."""
    found = 0
    for heard in relay.conversations:
        probability = 0
        for packet in heard:
            probability = packet.get("options", {}).get("probability", probability)
            found += packet["type"] == "getAllocations" and probability > 0
    return found


def test_firefox_tells_all_allocations(nursery, start_daemon, tmp_path):
    """It takes objects by chance, here one of sixteen, and each stands for so many. Its log loses
    nothing between its begin and the last time it is asked for, and all the work is in between."""
    firefox = Firefox(nursery, tmp_path / "program")
    isolate_name = firefox.isolate
    firefox.evaluate("window.kept = new Array(40000), window.last = new Number(0);"
                     "window.keep = () => { for (let i = 0; i < 40000; i++) kept[i] = new Number(i); };"
                     "window.waste = () => { for (let i = 0; i < 120000; i++)"
                     " window.last = new Number(i); };"
                     "window.some = () => { for (let i = 0; i < 500; i++) window.last = new Number(i); }; 1")
    before = firefox.census("Number")  # the prototype is one, the last of what is not kept another
    with closing(Relay(int(firefox.address.rsplit(":", 1)[1]), Packets)) as relay:
        daemon = start_daemon({"poll": POLL, "capture": GUARDED, "targets": [
            {"name": "app", "address": relay.address, "runtime": "firefox"}]})
        daemon.wait_isolate("app", isolate_name)
        ctl = Ctl("-H", f"http://127.0.0.1:{daemon.port}")
        command = ("capture", "sampling", "app", f"--isolate={isolate_name}")
        assert "firefox bears at most 5m" in ctl(*command, "--duration=301s", exit=1).stderr
        ctl(*command, "--duration=8s", "--interval=1KiB", "--format=heapprofile,pprof")
        # Or it would not be asked.
        until(lambda: fetches(relay), lambda: f"it records; log:\n{daemon.tail()}")
        firefox.evaluate("keep(), waste(), 1")
        while_working = fetches(relay)
        profile, = wait_files(daemon, ".heapprofile")
        assert fetches(relay) > while_working, "the work was not over before the end: no proof"
        count, size = (after - b for after, b in zip(firefox.census("Number"), before))
        firefox.evaluate("setInterval(some, 20), 1")
        daemon.wait_isolate("app", f"process:{firefox.content_pid}")
        ctl("capture", "sampling", "app", f"--isolate=process:{firefox.content_pid}", "--duration=2s",
            "--interval=1KiB", "--wait")
        of_process, = (path for path in wait_files(daemon, ".heapprofile", 2) if path != profile)
    table = top(profile)
    assert table["what"] == "allocated" and table["counted"] == "objects"
    first, second = table["functions"][:2]
    assert (first["function"], second["function"]) == ("window.waste", "window.keep")
    # 7500 samples and 2500: the deviations are 1.1 % and 2 %, and this is five of them.
    assert first["self_count"] == pytest.approx(120000, rel=0.055)
    assert second["self_count"] == pytest.approx(40000, rel=0.1)
    assert count == 40000  # nobody else has such objects
    for row in (first, second):
        assert row["self_bytes"] * count == row["self_count"] * size
    packed, = wait_files(daemon, ".pb.gz")
    assert top(packed) == table
    read = readers.pprof(packed)
    assert read["columns"] == ["alloc_objects", "alloc_space"]
    assert read["self"]["window.waste"][0] == first["self_count"]
    told = readers.go_pprof(packed, "alloc_space")
    assert told["functions"][0] == ("window.waste", first["self_bytes"])
    assert told["total"] == table["bytes"]
    assert readers.devtools_profile(profile)["total"] == table["bytes"]
    rows = top(of_process)["functions"]
    assert rows[0]["function"] == "window.some"
    assert rows[0]["self_bytes"] * count == rows[0]["self_count"] * size
    assert any(row["url"].startswith("resource://devtools/") for row in rows)


def test_a_log_of_firefox_that_came_full_is_a_failure(nursery, start_daemon, tmp_path):
    """It has lost what is oldest, without a word. One script makes more than it holds, of which
    nothing is fetched before the script ends."""
    firefox = Firefox(nursery, tmp_path / "program")
    isolate_name = firefox.isolate
    firefox.evaluate("window.last = new Number(0);"
                     "window.waste = () => { for (let i = 0; i < 600000; i++)"
                     " window.last = new Number(i); }; 1")
    with closing(Relay(int(firefox.address.rsplit(":", 1)[1]), Packets)) as relay:
        daemon = start_daemon({"poll": POLL, "capture": GUARDED, "targets": [
            {"name": "app", "address": relay.address, "runtime": "firefox"}]})
        daemon.wait_isolate("app", isolate_name)
        assert ask(daemon, isolate=isolate_name, duration="5m", interval="1KiB",
                   format="heapprofile,pprof").status == 202
        until(lambda: fetches(relay), lambda: f"it records; log:\n{daemon.tail()}")
        # One of sixteen is noted, 37500 where 20000 have a place.
        firefox.evaluate("waste(), 1")
        failed, = until(lambda: daemon.api("/captures")["failed"],
                        lambda: f"its failure; log:\n{daemon.tail()}")
        assert failed["reason"] == "refused" and "its log of allocations was full" in failed["error"]
        assert not files(daemon, ".heapprofile") and not files(daemon, ".pb.gz")
        assert daemon.incoming() == []
        # The page goes on.
        assert firefox.grow(1000) == 1000
        daemon.wait_isolate("app", isolate_name)


def test_a_log_of_firefox_that_another_client_fills_is_a_failure(nursery, start_daemon, tmp_path):
    """It takes objects for all by the highest probability, and tells nobody: each would stand for too
    many. Whoever records before or after is seen where the page allocates."""
    firefox = Firefox(nursery, tmp_path / "program")
    isolate_name = firefox.isolate
    firefox.evaluate("setInterval(() => { for (let i = 0; i < 500; i++) window.last = new Number(i); }, 20); 1")
    memory = firefox.client.target(firefox.descriptor)["memoryActor"]
    firefox.client.ask(memory, "attach")
    with closing(Relay(int(firefox.address.rsplit(":", 1)[1]), Packets)) as relay:
        daemon = start_daemon({"poll": {"interval": "10s", "timeout": "10s"}, "capture": GUARDED, "targets": [
            {"name": "app", "address": relay.address, "runtime": "firefox"}]})
        daemon.wait_isolate("app", isolate_name)

        def begin():
            # On a busy machine the page may be blocked at this moment.
            until(lambda: ask(daemon, isolate=isolate_name, duration="1s").status == 202,
                  lambda: f"a beginning; log:\n{daemon.tail()}")

        def fails(n):
            failed = until(lambda: len(f := daemon.api("/captures")["failed"]) == n and f,
                           lambda: f"its failure; log:\n{daemon.tail()}")
            assert all(one["reason"] == "refused" and "another client records" in one["error"]
                       for one in failed)

        def record():
            firefox.client.ask(memory, "startRecordingAllocations", options={"probability": 0.5})
        record()
        begin()
        fails(1)
        assert fetches(relay) == 0
        firefox.client.ask(memory, "stopRecordingAllocations")
        begin()
        until(lambda: fetches(relay), lambda: f"it records; log:\n{daemon.tail()}")
        record()
        fails(2)
        assert not files(daemon, ".heapprofile") and daemon.incoming() == []
