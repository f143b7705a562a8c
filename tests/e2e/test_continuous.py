"""Continuous profiles of real programs: one after the other, together they say what was allocated and
by whom; whatever else is wanted of the target comes first; nothing stays on in it."""

import json
import signal

import pytest

from lab import readers, sampled
from lab.cdp import Client, is_sampling, used_bytes
from lab.chromium import Chromium, isolate
from lab.ctl import Ctl
from lab.daemon import PLAIN, POLL, static_config
from lab.deno import Deno
from lab.gc import force
from lab.wait import until

# The end of each makes V8 collect, which it may do once in gc_interval.
CAPTURE = dict(PLAIN, profile_sampling_interval="8KiB", guards={"headroom": 3}, gc_interval="1s")
ALWAYS = "1h"

# What is allocated makes 5700 samples: the deviation is 1.3 %, and this is five of it and the gap
# between two profiles.
SUM_ERROR = 0.08
FINER = dict(CAPTURE, profile_sampling_interval="1KiB")


def sections(interval, capture=CAPTURE, **more):
    return {"poll": dict(POLL, profile_interval=interval), "capture": capture, **more}


def ready(daemon, kind="sampling"):
    """Manifests, oldest first."""
    found = [m for m in daemon.api("/captures")["ready"] if m["kind"] == kind]
    return sorted(found, key=lambda m: m["finished_wall_ms"])


def path_of(daemon, manifest):
    return daemon.storage / "spool" / "ready" / manifest["name"]


def top(*paths):
    return Ctl().json("profile", "top", *paths)


def wait_sampling(daemon, client):
    until(lambda: is_sampling(client), lambda: f"it samples; log:\n{daemon.tail()}")


def wait_profiles(daemon, n):
    until(lambda: len(ready(daemon)) >= n, lambda: f"{n} profiles; log:\n{daemon.tail()}")
    return ready(daemon)


def reload(daemon, config):
    daemon.configure(config)
    daemon.process.signal(signal.SIGHUP)


def kept_bytes(node):
    return int(node.nudge(r"^kept (\d+)")[1])


def allocated(daemon, isolate_name="main"):
    return daemon.value("heapwatch_allocated_bytes_total", target="app", isolate=isolate_name)


def wait_sum(daemon, isolate_name="main"):
    """The counter is the sum of the profiles, of those that were in the spool before the question or
    after it. What it was each time."""
    seen = []

    def total():
        return top(*[path_of(daemon, m) for m in ready(daemon)])["bytes"]

    def agrees():
        before = total()
        seen.append(allocated(daemon, isolate_name))
        return before <= seen[-1] <= total()
    until(agrees, lambda: f"the sum of the profiles; seen {seen[-3:]}")
    return seen


def counted(client):
    """By a V8 that counts what it allocates."""
    return client.evaluate("process.getBuiltinModule('v8').getHeapStatistics().total_allocated_bytes")


def wait_counted(daemon, client):
    """The counter is what the engine counts, at a moment between two questions."""
    before, polls = counted(client), daemon.value("heapwatch_polls_total", target="app")
    daemon.wait_value("heapwatch_polls_total", lambda n: n >= polls + 2, target="app")
    told = allocated(daemon)
    assert before <= told <= counted(client)
    return told


def test_one_after_the_other(start_node, watch, major):
    node = start_node(major, "allocate")
    daemon = watch(app=node.address, sections=sections("3s"))
    with Client(node.port) as client:
        kept = 0
        for n in range(3):
            wait_profiles(daemon, n)
            wait_sampling(daemon, client)
            kept += kept_bytes(node)
        manifests = wait_profiles(daemon, 4)
        assert all(m["continuous"] == 1 and m["cause"] == "continuous" for m in manifests)
        paths = [path_of(daemon, m) for m in manifests]
        table = top(*paths)
        assert table["what"] == "allocated" and table["interval_bytes"] == 8192
        assert [row["function"] for row in table["functions"][:3]] == ["waste", "keepMany", "keepFew"]
        own = sum(row["self_bytes"] for row in table["functions"][:3])
        # keepMany() and keepFew() make 16000 of the arrays, waste() 30000.
        assert own == pytest.approx(kept * 46 / 16,
                                    rel=sampled.error(3 * 46000, sampled.array_bytes(8), 8192))
        single = top(paths[0])
        assert single["duration_seconds"] == 3
        assert readers.devtools_profile(paths[0])["total"] == single["bytes"]


KEEP_ALL = {"max_profiles": 0, "keep_free": 0}


def test_the_counter(start_node, watch, major):
    """Node 26 counts by itself, from its start."""
    node = start_node(major, "allocate")
    daemon = watch(app=node.address, sections=sections("4s", spool=KEEP_ALL))
    with Client(node.port) as client:
        wait_sampling(daemon, client)
        before = wait_counted(daemon, client) if major == 26 else 0
        kept = kept_bytes(node)
        seen = [before]

        def grown():
            seen.append(allocated(daemon) or 0)
            return seen[-1] > before + kept
        until(grown, lambda: f"more than {kept}: {seen[-3:]}")
        manifests = wait_profiles(daemon, 2)
        seen += [wait_counted(daemon, client)] if major == 26 else wait_sum(daemon)
    # Not far more, either: it is what the engine or the profiles say.
    assert seen[-1] - before >= kept * 46 / 16 * (1 if major == 26 else 1 - SUM_ERROR)
    assert major != 26 or seen[-1] > top(*[path_of(daemon, m) for m in manifests])["bytes"]
    assert seen == sorted(seen)


def test_another_capture_comes_first(start_node, watch, major):
    node = start_node(major, "allocate")
    daemon = watch(app=node.address, sections=sections(ALWAYS))
    with Client(node.port) as client:
        wait_sampling(daemon, client)
        kept_bytes(node)
        daemon.wait_up("app")  # the garbage it has just made may have blocked it for a poll
        answer = daemon.post("/api/v1/targets/app/captures?kind=snapshot")
        assert answer.status == 202, answer.text
        snapshot, = until(lambda: ready(daemon, "snapshot"), lambda: f"it; log:\n{daemon.tail()}")
        profile, = wait_profiles(daemon, 1)
        assert profile["finished_wall_ms"] <= snapshot["finished_wall_ms"]
        table = top(path_of(daemon, profile))
        assert 0 < table["duration_seconds"] < 60
        assert table["functions"][0]["function"] == "waste"
        wait_sampling(daemon, client)

        # A person's own profile, of which there can be one only.
        daemon.wait_up("app")
        assert daemon.post("/api/v1/targets/app/captures?kind=sampling&duration=1s").status == 202
        own = until(lambda: [m for m in ready(daemon) if m["continuous"] == 0], "a person's")
        assert top(path_of(daemon, own[0]))["what"] == "live"
        wait_sampling(daemon, client)

        # A collection of garbage needs no other to leave.
        until(lambda: force(daemon).status == 200, lambda: f"its turn: {force(daemon).text}")
        assert is_sampling(client) and len(ready(daemon)) == 3


def test_a_profile_that_would_be_refused_ends_none(start_node, watch):
    """For a person's own, the one under way would end, and V8 collect: that counts for gc_interval."""
    node = start_node(24, "allocate")
    daemon = watch(app=node.address, sections=sections(ALWAYS, dict(CAPTURE, gc_interval="1h")))
    with Client(node.port) as client:
        wait_sampling(daemon, client)
        daemon.wait_up("app")
        answer = daemon.post("/api/v1/targets/app/captures?kind=sampling&duration=59m")
        assert answer.status == 429 and "gc_interval: 1h left of 1h" in answer.text
        assert is_sampling(client) and daemon.api("/captures")["running"] and not ready(daemon)


def test_the_page_of_a_target(start_node, watch):
    """What allocated most in the last profiles, those of an earlier process too, in one table."""
    node = start_node(24, "allocate")
    daemon = watch(app=node.address, sections=sections(
        "2s", analysis={"enabled": True, "headroom": 0, "max_memory": "64MiB"}))
    assert '<a href="/targets/app/profile">profile</a>' in daemon.get("/").text
    none = daemon.get("/targets/app/profile")
    assert none.status == 404 and "no continuous profile" in none.text
    with Client(node.port) as client:
        for n in range(2):
            wait_profiles(daemon, n)
            wait_sampling(daemon, client)
            kept_bytes(node)
    last = wait_profiles(daemon, 3)[2]

    def report():
        answer = daemon.get(f"/api/v1/captures/{last['id']}/report")
        return answer.json() if answer.status == 200 else None
    merged = until(report, lambda: f"its report; log:\n{daemon.tail()}")
    assert merged["profiles"] == 3 and merged["duration_seconds"] == 6
    table = top(*[path_of(daemon, m) for m in ready(daemon) if m["finished_wall_ms"] <= last["finished_wall_ms"]],
                "--top=0")
    assert merged["bytes"] == table["bytes"] and merged["functions_in_all"] == len(table["functions"])
    assert len(merged["functions"]) > 2
    assert merged["functions"] == table["functions"][:len(merged["functions"])]
    assert merged["functions"][0]["function"] == "waste"

    page = daemon.get("/targets/app/profile")
    assert page.status == 200 and "continuous" in page.text and "one after the other" in page.text
    assert page.text.index("waste") < page.text.index("keepMany")


ALL_THE_TIME = ("setInterval(function allocateAlways() {"
                " for (let i = 0; i < 200; i++) new Array(128).fill(i) }, 20), 1")


def test_a_table_of_the_last_twelve(start_node, watch):
    """However many there are, and of those the newest."""
    # Once it is inlined, what a function allocates is its caller's (docs/RUNTIMES.md).
    node = start_node(24, "idle", flags=["--no-turbo-inlining", "--no-maglev-inlining"])
    with Client(node.port) as client:
        client.evaluate(ALL_THE_TIME)
    daemon = watch(app=node.address, sections=sections(
        "1s", analysis={"enabled": True, "headroom": 0, "max_memory": "64MiB"}))
    until(lambda: len(ready(daemon)) >= 14, lambda: f"14 profiles; log:\n{daemon.tail()}", 60)
    manifests = ready(daemon)

    def report(manifest):
        answer = daemon.get(f"/api/v1/captures/{manifest['id']}/report")
        return answer.json() if answer.status == 200 else None
    for n in (11, 12, 13, 14):
        merged = until(lambda: report(manifests[n - 1]), lambda: f"its report; log:\n{daemon.tail()}", 60)
        paths = [path_of(daemon, m) for m in manifests[:n]]
        table = top(*paths[-12:], "--top=0")
        assert merged["profiles"] == merged["duration_seconds"] == min(n, 12)
        assert table["functions"][0]["function"] == "allocateAlways"
        assert merged["bytes"] == table["bytes"]
        assert (table["bytes"] < top(*paths)["bytes"]) == (n > 12)
        assert merged["functions"] == table["functions"][:len(merged["functions"])]


def test_they_push_out_no_snapshot(start_node, watch):
    node = start_node(24, "allocate")
    daemon = watch(app=node.address, sections=sections(
        "1s", spool={"max_profiles": 2, "max_files": 1, "keep_free": 0}))
    daemon.wait_up("app")
    assert daemon.post("/api/v1/targets/app/captures?kind=snapshot").status == 202
    until(lambda: ready(daemon, "snapshot"), lambda: f"it; log:\n{daemon.tail()}")
    gone = {m["id"] for m in wait_profiles(daemon, 2)}
    until(lambda: not gone & {m["id"] for m in ready(daemon)}, "newer ones only")
    assert len(ready(daemon)) <= 3 and len(ready(daemon, "snapshot")) == 1
    names = {path.name for path in (daemon.storage / "spool" / "ready").iterdir()}
    assert sum(name.endswith(".heapprofile") for name in names) <= 3


def test_on_and_off(start_node, start_daemon):
    node = start_node(24, "allocate")
    config = static_config({"app": node.address}, capture=CAPTURE)
    daemon = start_daemon(config)
    daemon.wait_up("app")
    with Client(node.port) as client:
        polls = daemon.value("heapwatch_polls_total", target="app")
        until(lambda: daemon.value("heapwatch_polls_total", target="app") > polls + 2, "polls")
        assert not is_sampling(client) and not daemon.api("/captures")["running"]
        assert allocated(daemon) is None

        config["targets"][0]["profile_interval"] = ALWAYS
        reload(daemon, config)
        wait_sampling(daemon, client)
        kept_bytes(node)
        del config["targets"][0]["profile_interval"]
        reload(daemon, config)
        until(lambda: not is_sampling(client), "it does not")
        profile, = wait_profiles(daemon, 1)
        assert top(path_of(daemon, profile))["functions"][0]["function"] == "waste"


def test_the_guards_of_collections_hold(start_node, start_daemon):
    """The end of each makes V8 collect: where that is forbidden there is none, which is told once."""
    node = start_node(24, "allocate")

    def config(**capture):
        return static_config({"app": node.address}, poll=dict(POLL, profile_interval="1s"),
                             capture=dict(CAPTURE, **capture))

    def told(reason):
        return daemon.value("heapwatch_captures_suppressed_total", target="app", reason=reason) or 0

    def still(reason):
        """Not begun, and not told again, though it was due several times."""
        until(lambda: not daemon.api("/captures")["running"], "the last is there")
        n, polls = len(ready(daemon)), daemon.value("heapwatch_polls_total", target="app")
        until(lambda: daemon.value("heapwatch_polls_total", target="app") > polls + 4, "polls")
        assert told(reason) == 1 and len(ready(daemon)) == n and not daemon.api("/captures")["running"]
    daemon = start_daemon(config(guards={"headroom": 3, "max_heap": "1MiB"}))
    until(lambda: told("max_heap"), lambda: f"it is told; log:\n{daemon.tail()}")
    still("max_heap")
    refused, = daemon.api("/captures")["refused"]
    assert refused["text"].startswith("max_heap: the heap uses")

    reload(daemon, config())
    wait_profiles(daemon, 2)
    assert told("gc_interval") == 0
    reload(daemon, config(gc_interval="1h"))
    until(lambda: told("gc_interval"), lambda: f"it is told; log:\n{daemon.tail()}")
    still("gc_interval")

    reload(daemon, config())
    wait_profiles(daemon, len(ready(daemon)) + 1)


FORCED = r"Mark-Compact.*sampling profiler"  # of --trace-gc: what is done for a profile


def printed_so_far(node, client):
    mark = node.process.mark()
    client.evaluate("console.log('so far'), 1")
    node.process.wait_line("^so far", since=mark)


def test_a_heap_that_outgrows_max_heap_is_not_collected_for_its_end(start_node, start_daemon, major):
    """It was small enough when the profile began: that is given up, and the program left."""
    node = start_node(major, "allocate", flags=["--trace-gc"])
    daemon = start_daemon(static_config(
        {"app": node.address}, poll=dict(POLL, profile_interval="4s"),
        capture=dict(CAPTURE, guards={"headroom": 3, "max_heap": "14MiB"})))
    with Client(node.port) as client:
        wait_profiles(daemon, 1)
        node.process.wait_line(FORCED)  # which shows what it would look like
        wait_sampling(daemon, client)
        printed_so_far(node, client)  # for that question makes V8 collect, too
        mark, n = node.process.mark(), len(ready(daemon))
        client.evaluate("globalThis.held = []; for (let i = 0; i < 20000; i++)"
                        " held.push(new Array(128).fill(i)); 1")
        failed, = until(lambda: daemon.api("/captures")["failed"],
                        lambda: f"its end; log:\n{daemon.tail()}")
        assert failed["reason"] == "max_heap" and failed["error"].startswith("max_heap: the heap uses")
        printed_so_far(node, client)
        assert node.process.count_lines(FORCED, since=mark) == 0
        # Nor is there a next one, and it is told once.
        polls = daemon.value("heapwatch_polls_total", target="app")
        daemon.wait_value("heapwatch_polls_total", lambda now: now > polls + 4, target="app")
        assert not daemon.api("/captures")["running"] and len(ready(daemon)) == n
        assert daemon.value("heapwatch_captures_suppressed_total", target="app", reason="max_heap") == 1
        client.evaluate("held = null; 1")
        client.call("HeapProfiler.collectGarbage")
        wait_profiles(daemon, n + 1)
        assert daemon.value("heapwatch_forced_gcs_total", target="app") is None


def test_the_daemon_stops(start_node, watch):
    node = start_node(24, "allocate")
    daemon = watch(app=node.address, sections=sections(ALWAYS))
    with Client(node.port) as client:
        wait_sampling(daemon, client)
        daemon.process.signal(signal.SIGTERM)
        assert daemon.process.wait_exit() == 0
        assert not is_sampling(client)
    assert not list((daemon.storage / "spool" / "incoming").iterdir())


def test_a_program_that_exits_is_not_held(start_node, watch, major):
    node = start_node(major, "allocate")
    daemon = watch(app=node.address, sections=sections(ALWAYS))
    with Client(node.port) as client:
        wait_sampling(daemon, client)
        client.call("Runtime.evaluate", expression="setTimeout(() => process.exit(7), 300)")
    assert node.process.wait_exit() == 7
    failed = until(lambda: daemon.api("/captures")["failed"], "its end")
    assert failed[0]["reason"] in ("exiting", "lost")


def test_somebody_else_who_samples_is_left_alone(start_node, watch):
    node = start_node(24, "allocate")
    with Client(node.port) as person:
        person.call("HeapProfiler.startSampling", samplingInterval=4096)
        daemon = watch(app=node.address, sections=sections("1s"))
        until(lambda: len(daemon.api("/captures")["failed"]) > 1, "it is tried again")
        kept_bytes(node)
        assert "keepMany" in json.dumps(person.call("HeapProfiler.stopSampling"))
        wait_profiles(daemon, 1)


def test_deno(nursery, watch, tmp_path):
    deno = Deno(nursery, tmp_path / "program", "50000")
    daemon = watch(app=deno.address, sections=sections("2s"))
    with Client(deno.port) as client:
        wait_sampling(daemon, client)
        deno.grow()
        manifests = wait_profiles(daemon, 2)
        wait_sampling(daemon, client)
    assert all(m["continuous"] == 1 and m["runtime"] == "deno" for m in manifests)
    table = top(*[path_of(daemon, m) for m in manifests])
    assert table["what"] == "allocated" and table["duration_seconds"] == 2 * len(manifests)
    first = table["functions"][0]
    assert first["function"] in ("KnownThing", "grow") and first["url"].endswith("deno.js")


DENO_WORK = ("function keepHere() { for (let i = 0; i < 16000; i++) kept[i] = new Array(128).fill(i) }"
             "function wasteHere() { let n = 0; for (let i = 0; i < 30000; i++)"
             " n += new Array(128).fill(i).length; return n } keepHere(); wasteHere()")


def test_the_sum_of_deno(nursery, watch, tmp_path):
    deno = Deno(nursery, tmp_path / "program", "100")
    with Client(deno.port) as client:
        client.evaluate("globalThis.kept = new Array(16000); 0")
        before = used_bytes(client)
        daemon = watch(app=deno.address, sections=sections("3s", FINER))
        n = len(wait_profiles(daemon, 1))
        wait_sampling(daemon, client)  # the next has begun just now
        client.evaluate(DENO_WORK)
        manifests = wait_profiles(daemon, n + 1)
        kept = used_bytes(client) - before
    table = top(*[path_of(daemon, m) for m in manifests])
    first, second = table["functions"][:2]
    assert (first["function"], second["function"]) == ("wasteHere", "keepHere")
    # As of Node: 16000 of the arrays are kept, and 30000 are not.
    assert first["self_bytes"] + second["self_bytes"] == \
        pytest.approx(kept * 46 / 16, rel=sampled.error(46000, sampled.array_bytes(8), 1024))
    sampled.check_mean(first, 8, 1024)
    assert wait_sum(daemon)[-1] >= table["bytes"]


def test_deno_that_ends_by_itself_ends_with_its_profile(nursery, watch, tmp_path):
    deno = Deno(nursery, tmp_path / "program", "100", "leave", "2000")
    daemon = watch(app=deno.address, sections=sections("3s"))
    with Client(deno.port) as client:
        wait_sampling(daemon, client)
    assert deno.process.wait_exit() == 0


def test_pages_of_chromium(nursery, watch, tmp_path, site):
    browser = Chromium(nursery, tmp_path / "profile", site.url + "page.html")
    daemon = watch(app=browser.address, sections=sections("3s", FINER))
    page = isolate(browser.page)
    work = ("function wasteOfPage() { let n = 0; for (let i = 0; i < 20000; i++)"
            " n += new Array(128).fill(i).length; return n } wasteOfPage()")
    with browser.client() as client:
        n = len(wait_profiles(daemon, 1))
        wait_sampling(daemon, client)  # the next has begun just now
        client.evaluate(work)
    manifests = wait_profiles(daemon, n + 1)
    assert {m["isolate"] for m in manifests} == {page}
    table = top(*[path_of(daemon, m) for m in manifests])
    first = table["functions"][0]
    assert first["function"] == "wasteOfPage"
    size = sampled.array_bytes(4)
    assert first["self_bytes"] == pytest.approx(20000 * size, rel=sampled.error(20000, size, 1024))
    sampled.check_mean(first, 4, 1024)
    assert wait_sum(daemon, page)[-1] >= table["bytes"]
