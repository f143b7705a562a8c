"""Collections that Chromium tells of, by its one trace: counted for whom they were, compared with
what V8 prints itself, and never at the price of somebody else's recording."""

import os
import re
import signal
import time

import pytest

from lab.cdp import in_worker
from lab.chromium import Chromium, isolate
from lab.gc import EVENTS, GC, LITTER, counts, force, forced, told
from lab.daemon import PLAIN
from lab.relay import Relay
from lab.wait import until

SOON = {"poll": EVENTS, "capture": dict(PLAIN, gc_interval="1s")}
# What is collected between two traces is not told, and that may be longer than half a second.
SLOW = dict(SOON, poll=dict(EVENTS, interval="2s", timeout="2s"))
TRACE = {"transferMode": "ReportEvents", "traceConfig": {"includedCategories": ["v8"]}}


@pytest.fixture
def browser(nursery, tmp_path, site):
    return Chromium(nursery, tmp_path / "profile", site.url + "page.html?shared",
                    ["--js-flags=--trace-gc"])


def run(browser, expression, page=None):
    with browser.client(page) as client:
        client.call("Runtime.evaluate", expression=expression, userGesture=True)


def minors(daemon, name):
    return counts(daemon, "minor", name)[0]


def wait_minors(daemon, name, more=0):
    before = minors(daemon, name)
    until(lambda: minors(daemon, name) > before + more,
          lambda: f"collections of {name}; told of {told(daemon)}; log:\n{daemon.tail()}", 40)


def printed(browser):
    """What V8 has printed of its busiest isolate: (pid, {kind: [milliseconds]})"""
    pid, kinds = printed_freed(browser)
    return pid, {kind: [ms for ms, _ in all_of] for kind, all_of in kinds.items()}


def printed_freed(browser):
    """With how many MiB each has freed: (pid, {kind: [(milliseconds, MiB)]})"""
    found = {}
    for pid, at, kind, before, after, ms in re.findall(
            r"^\[(\d+):(0x\w+)\] .* ms: (?:Incremental )?(Scavenge|Mark-Compact)\D*"
            r"([\d.]+) \([\d.]+\) -> ([\d.]+) \([\d.]+\) MB,(?:.* MB,)? ([\d.]+) /",
            browser.process.output(), re.MULTILINE):
        found.setdefault((int(pid), at), {"Scavenge": [], "Mark-Compact": []})[kind].append(
            (float(ms), float(before) - float(after)))
    (pid, _), kinds = max(found.items(), key=lambda item: len(item[1]["Scavenge"]))
    return pid, kinds


def check_printed(daemon, browser, name):
    """Of the isolate that collects most."""
    wait_minors(daemon, name)
    before, own_before = counts(daemon, "minor", name), printed(browser)[1]["Scavenge"]
    wait_minors(daemon, name, 160)  # so many that one which a busy machine held up is not the mean
    (n, seconds), own = counts(daemon, "minor", name), printed(browser)[1]["Scavenge"]
    n, seconds, own = n - before[0], seconds - before[1], own[len(own_before):]
    # Told of is a stretch of the same length, up to one poll and one look earlier.
    assert 0.4 * len(own) <= n <= 1.6 * len(own), (n, len(own))
    mean, own_mean = seconds / n, sum(own) / len(own) / 1e3
    assert own_mean / 4 < mean < 4 * own_mean and mean < 0.5, (mean, own_mean)
    assert daemon.value(GC + "collections_total", target="app", isolate=name, kind="minor") >= n
    freed, all_n = daemon.at_once(GC + "freed_bytes_total", GC + "pause_seconds_count",
                                  target="app", isolate=name, kind="minor")
    own_freed = [mib for _, mib in printed_freed(browser)[1]["Scavenge"]]
    # One decimal is printed.
    assert freed / all_n == pytest.approx(sum(own_freed) / len(own_freed) * (1 << 20), rel=0.2)
    assert daemon.values(GC + "span_seconds_count", target="app") == []


def test_pauses_are_those_that_v8_prints(browser, watch):
    daemon = watch(app=browser.address, sections=SLOW)
    run(browser, LITTER)
    check_printed(daemon, browser, isolate(browser.page))


def test_pauses_of_a_worker_are_those_that_v8_prints(browser, watch):
    daemon = watch(app=browser.address, sections=SLOW)
    name = daemon.wait_worker("app")
    with browser.client() as client:
        assert in_worker(client, LITTER) == 1
    check_printed(daemon, browser, name)
    assert minors(daemon, isolate(browser.page)) < 5


def test_a_forced_collection_is_a_major_one_and_tells_the_live_set(browser, watch):
    name = isolate(browser.page)
    daemon = watch(app=browser.address, sections=SLOW)
    run(browser, LITTER)
    browser.grow(100000)
    wait_minors(daemon, name)
    forced(daemon, isolate=name)
    until(lambda: counts(daemon, "major", name)[0], lambda: f"a major one; log:\n{daemon.tail()}")
    assert 0 < counts(daemon, "major", name)[1] < 10
    live = daemon.wait_value("heapwatch_heap_live_bytes", lambda v: v > 3 << 20, target="app",
                             isolate=name)
    until(lambda: daemon.value("heapwatch_heap_used_bytes", target="app", isolate=name) > live,
          "garbage on top of it")


def wait_printed(browser):
    """All that has been printed until now: V8 keeps up to a pipe's buffer of it back, some twenty lines.
    The busiest isolate goes on meanwhile."""
    before = len(printed(browser)[1]["Scavenge"])
    until(lambda: len(printed(browser)[1]["Scavenge"]) > before + 40, "scavenges", 40)


def wait_polls(daemon, n=2):
    polls = daemon.value("heapwatch_polls_total", target="app")
    daemon.wait_value("heapwatch_polls_total", lambda now: now >= polls + n, target="app")


OURS_N = 10
WANTED = "low memory notification"  # of --trace-gc: what is collected for a client


def printed_for_clients(browser):
    return len(re.findall(rf" Mark-Compact .*{WANTED}", browser.process.output()))


def test_each_that_the_daemon_forces_is_told(browser, watch):
    """The first as soon as the page is known, when nothing is traced yet; the others at all times of the
    interval of polls, also where one trace has ended and the next has not begun."""
    name = isolate(browser.page)
    daemon = watch(app=browser.address, sections=SLOW)
    daemon.wait_isolate("app", name)
    run(browser, LITTER)

    def collected():
        answer = force(daemon, isolate=name)
        assert answer.status in (200, 429), answer.text
        return answer.status == 200

    def told_of(n):
        return lambda: counts(daemon, "major", name)[0] > n
    for n in range(OURS_N):
        before = counts(daemon, "major", name)[0]
        until(collected, "its turn", step_s=0.07)
        until(told_of(before), lambda: f"the {n + 1}.; log:\n{daemon.tail()}", 10)
    wait_polls(daemon)
    wait_printed(browser)
    # V8 collects more than once each time, and now and then by itself.
    assert OURS_N <= printed_for_clients(browser) <= counts(daemon, "major", name)[0]
    assert daemon.value("heapwatch_forced_gcs_total", target="app", rule="") == OURS_N


FORCED_N = 15
# Uneven with the polls, so that they come at all times of the interval.
LATER = "new Promise(done => setTimeout(done, 600))"


def test_major_pauses_are_those_that_v8_prints(browser, watch):
    """A person asks for them, who knows nothing of polls; V8 collects twice each time."""
    name = isolate(browser.page)
    daemon = watch(app=browser.address, sections=SLOW)
    run(browser, LITTER)
    browser.grow(100000)
    wait_minors(daemon, name)
    wait_polls(daemon)
    before = counts(daemon, "major", name)
    wait_printed(browser)
    own_before = len(printed(browser)[1]["Mark-Compact"])
    with browser.client() as client:
        for _ in range(FORCED_N):
            client.call("HeapProfiler.collectGarbage")
            client.call("Runtime.evaluate", expression=LATER, awaitPromise=True)
    wait_polls(daemon)
    n, seconds = (after - was for after, was in zip(counts(daemon, "major", name), before))
    wait_printed(browser)
    own = printed(browser)[1]["Mark-Compact"][own_before:]
    own_seconds = sum(own) / 1e3
    assert len(own) >= FORCED_N
    # Less by what came between two traces.
    assert 0.5 * len(own) <= n <= len(own), (n, len(own))
    assert seconds <= 1.2 * own_seconds + 0.05, (seconds, own)
    assert own_seconds / len(own) / 2 < seconds / n < 2 * own_seconds / len(own), (n, seconds, own)
    collections, pauses = daemon.at_once(GC + "collections_total", GC + "pause_seconds_count",
                                         target="app", isolate=name, kind="major")
    assert collections == pauses


# The heap is marked in steps when what is old reaches a limit that V8 has set itself: here a low one, and
# so small a young generation that all that is held is old soon.
GROWS_OLD = "--js-flags=--trace-gc --max-semi-space-size=1 --initial-old-space-size=16"
GROW_OLD = """var old = [], growing = setInterval(() => {
  for (let i = 0; i < 4000; i++) old.push({ i, pair: [i, { i }] });
  if (old.length >= 100000) old = [];
}, 5); 1"""
STEPS_N = 120


def printed_steps(browser):
    """Of each collection of a heap that was marked in steps: [(how many, seconds, longest)]"""
    return [(int(n), float(ms) / 1e3, float(longest) / 1e3) for ms, n, longest in re.findall(
        r" Mark-Compact .*\(\+ ([\d.]+) ms in (\d+) steps since start of marking, "
        r"biggest step ([\d.]+) ms", browser.process.output())]


def test_steps_of_marking_are_those_that_v8_prints(nursery, tmp_path, site, watch):
    """None before there are any."""
    browser = Chromium(nursery, tmp_path / "profile", site.url + "page.html?shared", [GROWS_OLD])
    name = isolate(browser.page)
    daemon = watch(app=browser.address, sections=SLOW)
    run(browser, LITTER)
    wait_minors(daemon, name)
    assert printed_steps(browser) == []
    assert daemon.values(GC + "pause_seconds_count", target="app", kind="incremental") == []
    run(browser, GROW_OLD)
    until(lambda: counts(daemon, "incremental", name)[0] > STEPS_N,
          lambda: f"steps; told of {counts(daemon, 'incremental', name)}; log:\n{daemon.tail()}", 60)
    run(browser, "clearInterval(growing)")
    wait_polls(daemon)
    n, seconds = counts(daemon, "incremental", name)
    wait_printed(browser)
    own = printed_steps(browser)
    own_n, own_seconds = sum(steps for steps, _, _ in own), sum(took for _, took, _ in own)
    longest = max(step for _, _, step in own)
    # Less by what came between two traces; more by those of a heap whose marking has not ended yet.
    assert 0.4 * own_n <= n <= own_n + max(own)[0], (n, own)
    # One long step may be lost, and the processor may be taken away before V8 begins to count a step.
    assert (own_seconds - longest) / 4 <= seconds <= 4 * own_seconds + 0.02, (seconds, own)


def test_each_is_counted_for_its_own_page_or_worker(browser, site, watch):
    daemon = watch(app=browser.address, sections=SOON)
    second = browser.open(site.other_url + "page.html")
    run(browser, LITTER, second)
    wait_minors(daemon, isolate(second), 3)
    assert minors(daemon, isolate(browser.page)) < 3
    quiet = minors(daemon, isolate(browser.page))
    # Another of each kind of thread in the process of the first.
    run(browser, f"var more = new Worker(URL.createObjectURL(new Blob(['{LITTER}'])));"
                 f"var far = new SharedWorker('data:text/javascript,' + encodeURIComponent('{LITTER}'))")

    def littering():
        return sorted(name.rsplit("/", 1)[-1].split(":")[0] for name in told(daemon)
                      if minors(daemon, name) > 10)
    until(lambda: littering() == ["page", "shared_worker", "worker"],
          lambda: f"all three: {littering()} of {told(daemon)}; log:\n{daemon.tail()}", 40)
    worker = next(name for name in told(daemon) if "/worker:" in name and minors(daemon, name) > 10)
    assert worker.startswith(isolate(browser.page) + "/")
    assert minors(daemon, isolate(browser.page)) < quiet + 5


def test_a_frame_of_another_site_is_counted_for_itself(browser, site, watch):
    daemon = watch(app=browser.address, sections=SOON)
    run(browser, "var frame = document.createElement('iframe');"
                 f"frame.src = '{site.other_url}page.html'; document.body.append(frame)")
    frame = until(lambda: browser.targets("iframe"), "the frame")[0]["id"]
    name = isolate(browser.page) + "/" + isolate(frame, "iframe")
    until(lambda: daemon.value("heapwatch_heap_used_bytes", target="app", isolate=name), "its series")
    run(browser, LITTER, frame)
    wait_minors(daemon, name, 5)
    assert minors(daemon, isolate(browser.page)) < 3


def test_pages_that_share_an_isolate_are_counted_once(browser, watch):
    daemon = watch(app=browser.address, sections=SOON)
    daemon.wait_isolate("app", isolate(browser.page))  # whose it is that was attached first
    run(browser, "void (globalThis.other = open('page.html'))")
    until(lambda: len(browser.targets()) == 2, "two pages")
    second = next(t["id"] for t in browser.targets() if t["id"] != browser.page)
    run(browser, LITTER, second)
    wait_minors(daemon, isolate(browser.page), 5)
    assert isolate(second) not in told(daemon)
    browser.shut(browser.page)
    wait_minors(daemon, isolate(second), 5)
    assert isolate(browser.page) not in told(daemon)


def test_a_page_that_moves_to_another_process_is_followed(browser, site, watch):
    name = isolate(browser.page)
    daemon = watch(app=browser.address, sections=SOON)
    run(browser, LITTER)
    wait_minors(daemon, name)
    with browser.client() as client:
        def at():
            return client.evaluate("location.hostname + ' ' + document.title")
        was = client.call("Runtime.getIsolateId")["id"]
        client.call("Page.navigate", url=site.other_url + "page.html")
        until(lambda: at() == "localhost shop", "the other page")
        assert client.call("Runtime.getIsolateId")["id"] != was
        client.evaluate(LITTER)
    wait_minors(daemon, name, 20)


# ---- one trace for all ----

def begin(client, wait=True):
    """A person's performance recording, as soon as the browser lets it."""
    def begun():
        client.send("Tracing.start", **TRACE)
        return "result" in client.receive()
    if wait:
        until(begun, "a recording")
    return wait or begun()


def finish(client):
    client.call("Tracing.end")
    client.wait_event("Tracing.tracingComplete")


def test_a_recording_of_somebody_else_is_left_alone(browser, watch):
    name = isolate(browser.page)
    run(browser, LITTER)
    with browser.client("") as person:
        begin(person)
        daemon = watch(app=browser.address, sections=SOON)
        daemon.process.wait_line('collections are not told.*reason="?somebody else traces it')
        before = daemon.value("heapwatch_polls_total", target="app")
        until(lambda: daemon.value("heapwatch_polls_total", target="app") > before + 3, "polls")
        assert daemon.value("heapwatch_up", target="app") == 1 and told(daemon) == set()
        finish(person)
        wait_minors(daemon, name, 3)
        daemon.process.wait_line("collections are told again")
    assert daemon.process.count_lines("collections are not told") == 1


def test_a_page_that_stands_still_holds_nothing_up(browser, site, watch):
    """The browser waits 10 s for it before it begins a trace, and 5 s before it ends one."""
    daemon = watch(app=browser.address, sections=SOON)
    second = browser.open(site.other_url + "page.html")
    run(browser, LITTER, second)
    wait_minors(daemon, isolate(second), 20)
    pid, _ = printed(browser)
    os.kill(pid, signal.SIGSTOP)
    began, polls = time.monotonic(), daemon.value("heapwatch_polls_total", target="app")
    until(lambda: daemon.value("heapwatch_polls_total", target="app") > polls + 6, "polls")
    assert time.monotonic() - began < 10
    assert daemon.value("heapwatch_up", target="app") == 1
    os.kill(pid, signal.SIGCONT)
    wait_minors(daemon, isolate(second), 20)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["ends", "is-killed"])
def test_when_the_daemon_has_gone_the_trace_has(browser, watch, end):
    daemon = watch(app=browser.address, sections=SOON)
    run(browser, LITTER)
    wait_minors(daemon, isolate(browser.page))
    with browser.client("") as person:
        until(lambda: not begin(person, False) or finish(person), "the daemon's trace")
        daemon.process.signal(end)
        daemon.process.wait_exit()
        begin(person)
        finish(person)


def test_nothing_is_traced_unless_it_is_asked_for(browser, watch):
    between = Relay(browser.port)
    daemon = watch(app=f"127.0.0.1:{between.port}", sections={"capture": PLAIN})
    name = isolate(browser.page)
    until(lambda: daemon.value("heapwatch_heap_used_bytes", target="app", isolate=name), "the page")
    forced(daemon, isolate=name)
    assert between.messages() and not [m for m in between.messages() if b"Tracing" in m]
    assert told(daemon) == set()
    between.close()


def test_a_page_of_which_too_much_is_told_is_left_alone(browser, watch):
    """Each call of a listener is an event of the trace; nobody waits for it, and it is cut."""
    name = isolate(browser.page)
    daemon = watch(app=browser.address, sections=SOON)
    run(browser, "var to = new EventTarget(); to.addEventListener('x', () => {}); setInterval(() => {"
                 "for (let i = 0; i < 20000; i++) to.dispatchEvent(new Event('x')); }, 50); 1")
    daemon.process.wait_line("collections are not told.*costs too much", limit_s=40)
    polls = daemon.value("heapwatch_polls_total", target="app")
    began = time.monotonic()
    until(lambda: daemon.value("heapwatch_polls_total", target="app") > polls + 4, "polls")
    assert time.monotonic() - began < 10
    assert told(daemon) == set()
    assert daemon.value("heapwatch_heap_used_bytes", target="app", isolate=name) > 0
    with browser.client("") as person:
        begin(person)
        finish(person)
