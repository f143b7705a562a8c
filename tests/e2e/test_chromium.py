"""Chromium: pages and workers of one browser, each an isolate of its own, and what the browser's own
ways could do to the numbers."""

import json
import os
import signal
from pathlib import Path

import pytest

from lab import readers
from lab.chromium import Chromium, isolate
from lab.daemon import PLAIN
from lab.gc import forced
from lab.relay import BothWays
from lab.wait import until

USED = "heapwatch_heap_used_bytes"


EXACT = ("--enable-precise-memory-info", "--js-flags=--max-old-space-size=1024")  # else it rounds


@pytest.fixture
def browser(request, nursery, tmp_path, site):
    """Its parameter: flags."""
    return Chromium(nursery, tmp_path / "profile", site.url + "page.html?shared",
                    getattr(request, "param", ()))


@pytest.fixture
def daemon(watch, browser):
    started = watch(app=browser.address, sections={"capture": PLAIN})
    started.wait_up("app")
    return started


def isolates(daemon):
    return {labels["isolate"] for labels, _ in daemon.values(USED, target="app")}


def wait_isolates(daemon, condition, what):
    return until(lambda: condition(isolates(daemon)),
                 lambda: f"{what}; it has {isolates(daemon)}; log:\n{daemon.tail()}")


def wait_polls(daemon, n):
    """n polls that began after now have ended."""
    begun = daemon.value("heapwatch_polls_total", target="app") + n
    until(lambda: daemon.value("heapwatch_polls_total", target="app") > begun, f"{n} polls")


def kinds(names):
    return sorted(name.rsplit("/", 1)[-1].split(":")[0] for name in names)


@pytest.mark.parametrize("browser", [EXACT], indirect=True, ids=["exact"])
def test_pages_and_workers_are_isolates(daemon, browser):
    wait_isolates(daemon, lambda seen: kinds(seen) == ["page", "shared_worker", "worker"],
                  "a page, its worker, a shared worker")
    page = isolate(browser.page)
    worker = next(name for name in isolates(daemon) if "/worker:" in name)
    shared = next(name for name in isolates(daemon) if name.startswith("shared_worker:"))
    assert worker.startswith(page + "/")
    assert daemon.value("heapwatch_dom_nodes", target="app", isolate=page) > 0
    assert daemon.values("heapwatch_dom_nodes", target="app", isolate=worker) == []
    assert daemon.value("heapwatch_heap_limit_bytes", target="app", isolate=page) == 1 << 30
    for name, thing, count in ((worker, "WorkerThing", 4321), (shared, "SharedThing", 1234)):
        assert readers.devtools(daemon.capture("app", isolate=name), thing)[2] == count


def evaluate(client, script):
    """Of a promise, what comes of it."""
    got = client.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
    assert got["result"].get("value") is True, got


REGISTER = """navigator.serviceWorker.register('service.js')
    .then(() => navigator.serviceWorker.ready).then(() => true)"""
UNREGISTER = "navigator.serviceWorker.ready.then((it) => it.unregister())"


def wait_service_worker(daemon):
    seen = wait_isolates(daemon, lambda seen: [name for name in seen
                                               if name.startswith("service_worker:")],
                         "the service worker")
    (name,) = seen
    return name


def test_a_service_worker_comes_and_goes(daemon, browser):
    with browser.client() as client:
        evaluate(client, REGISTER)
        name = wait_service_worker(daemon)
        assert readers.devtools(daemon.capture("app", isolate=name), "ServiceThing")[2] == 2345
        answer = daemon.post("/api/v1/targets/app/captures", json.dumps(
            {"isolate": name, "series": {"count": 2, "spacing": "1s", "ids": "exact"}}).encode(),
                             {"Content-Type": "application/json"})
        assert answer.status == 422 and "not supported by chromium of a service worker" in \
            answer.json()["error"], answer.text
        client.call("ServiceWorker.enable")
        client.call("ServiceWorker.stopAllWorkers")
        wait_isolates(daemon, lambda seen: name not in seen, "no service worker")
        wait_polls(daemon, 1)
        assert isolate(browser.page) in isolates(daemon)
        assert name not in daemon.isolates("app")


def test_an_unregistered_service_worker_ends_when_we_leave_at_the_latest(daemon, browser):
    """Chromium keeps it for whoever is attached."""
    with browser.client() as client:
        evaluate(client, REGISTER)
        wait_service_worker(daemon)
        evaluate(client, UNREGISTER)
    assert daemon.process.stop() == 0
    until(lambda: not browser.targets("service_worker"), "no service worker")


def test_an_unregistered_service_worker_ends_while_it_is_polled(daemon, browser):
    """Chromium keeps it for whoever is attached: so nobody of us is, but for the moment of a poll. Nor
    is it attached by the page it serves, which would do so if it were not told what we want."""
    with browser.client() as client:
        evaluate(client, REGISTER)
        name = wait_service_worker(daemon)
        evaluate(client, UNREGISTER)
        until(lambda: not browser.targets("service_worker"), "no service worker", 10)
        wait_isolates(daemon, lambda seen: name not in seen, "no series of it")
        wait_polls(daemon, 2)
        assert isolate(browser.page) in isolates(daemon)
        # And the next one is seen.
        evaluate(client, REGISTER)
        assert wait_service_worker(daemon) != name


def test_a_service_worker_is_polled_on_and_collected(watch, browser):
    """One series for all of its polls, each of which attaches anew."""
    daemon = watch(app=browser.address, sections={"capture": dict(PLAIN, gc_interval="1s")})
    daemon.wait_up("app")

    def points():
        got = daemon.api(f"/targets/app/series?isolate={name}&metric=heap_used&resolution=raw")
        return len(got["result"][0]["values"])
    with browser.client() as client:
        evaluate(client, REGISTER)
        name = wait_service_worker(daemon)
        until(lambda: points() >= 4, "a series")
        got = forced(daemon, isolate=name)
        assert got["heap_before_bytes"] > 0 and got["heap_after_bytes"] > 0
        before = points()
        until(lambda: points() >= before + 3, "the series goes on")


def test_the_ids_that_somebody_has_of_a_service_worker_stay(watch, browser):
    """With V8 whoever leaves takes them from all: where somebody is there already we stay."""
    with browser.client() as client:
        evaluate(client, REGISTER)
        until(lambda: browser.targets("service_worker"), "the service worker")
        with browser.client(browser.targets("service_worker")[0]["id"]) as person:
            thing = person.call("Runtime.evaluate", expression="serviceThings[0]")["result"]["objectId"]

            def number():
                return person.call("HeapProfiler.getHeapObjectId", objectId=thing)["heapSnapshotObjectId"]
            person.call("HeapProfiler.takeHeapSnapshot")
            known = number()
            assert known != "0"
            daemon = watch(app=browser.address)
            daemon.wait_up("app")
            name = wait_service_worker(daemon)
            wait_polls(daemon, 3)
            assert name in isolates(daemon)
            assert number() == known


def shown(daemon, name):
    return next((isolate.get("page") for isolate in daemon.target("app")["isolates"]
                 if isolate["name"] == name), None)


def test_what_a_page_shows_is_told_without_its_query(daemon, browser, site):
    until(lambda: shown(daemon, isolate(browser.page)) == site.url + "page.html", "its address")
    manifest = json.loads(daemon.capture("app", isolate=isolate(browser.page))
                          .with_suffix(".heapsnapshot.json").read_text())
    assert manifest["page"] == site.url + "page.html"
    with browser.client() as client:
        client.call("Page.navigate", url=site.other_url + "page.html?token=secret#secret")
    until(lambda: shown(daemon, isolate(browser.page)) == site.other_url + "page.html",
          lambda: f"it shows {shown(daemon, isolate(browser.page))}")


def test_pages_come_and_go(daemon, browser, site):
    wait_isolates(daemon, lambda seen: isolate(browser.page) in seen, "the first page")
    second = browser.open(site.other_url + "page.html")
    wait_isolates(daemon, lambda seen: isolate(second) in seen, "the second page")
    browser.grow(20000, second)
    snapshot = daemon.capture("app", isolate=isolate(second))
    assert readers.devtools(snapshot, "KnownThing")[2] == 20000
    browser.shut(second)
    wait_isolates(daemon, lambda seen: not any(isolate(second) in name for name in seen),
                  "the second page gone")
    assert isolate(browser.page) in isolates(daemon)


def test_a_frame_of_another_site_is_an_isolate(daemon, browser, site):
    """It has a process of its own; what its page holds is not in its snapshot."""
    browser.grow(1000)
    with browser.client() as client:
        client.evaluate(f"""document.body.append(Object.assign(document.createElement('iframe'),
            {{id: 'frame', src: '{site.other_url}page.html'}})), 1""")
        frame = until(lambda: browser.targets("iframe"), "the frame")[0]["id"]
        name = isolate(browser.page) + "/" + isolate(frame, "iframe")
        wait_isolates(daemon, lambda seen: name in seen, "the frame")
        until(lambda: any(seen.startswith(name + "/worker:") for seen in isolates(daemon)), "its worker")
        before = daemon.value(USED, target="app", isolate=name)
        browser.grow(20000, frame)
        daemon.wait_value(USED, lambda v: v > before + 16 * 20000, target="app", isolate=name)
        assert daemon.value("heapwatch_dom_nodes", target="app", isolate=name) > 0
        snapshot = daemon.capture("app", isolate=name, gc_before=True)
        nodes, edges, count = readers.devtools(snapshot, "KnownThing")
        assert count == 20000
        assert readers.memlab(snapshot, "KnownThing") == (nodes, edges, count)
        snapshot = daemon.capture("app", isolate=isolate(browser.page), gc_before=True)
        assert readers.devtools(snapshot, "KnownThing")[2] == 1000
        client.evaluate("document.getElementById('frame').remove(), 1")
        wait_isolates(daemon, lambda seen: not any(one.startswith(name) for one in seen), "it is gone")
        assert isolate(browser.page) in isolates(daemon)


def test_pages_that_share_an_isolate_are_told_once(daemon, browser, site):
    with browser.client() as opener:
        opener.call("Runtime.evaluate", expression="void (globalThis.other = open('page.html'))",
                    userGesture=True)
        until(lambda: len(browser.targets()) == 2, "two pages")
        ids = set()
        for page in browser.targets():
            with browser.client(page["id"]) as client:
                ids.add(client.call("Runtime.getIsolateId")["id"])
        assert len(ids) == 1, "the browser gives each page an isolate of its own"
        second = next(t["id"] for t in browser.targets() if t["id"] != browser.page)
        # Its worker is one of its own: when that is seen, so is the page.
        wait_isolates(daemon, lambda seen: any(name.startswith(isolate(second) + "/worker:")
                                               for name in seen), "the worker of the second page")
        wait_polls(daemon, 2)
        pages = [name for name in isolates(daemon) if kinds([name]) == ["page"]]
        assert pages == [isolate(browser.page)]
        browser.shut(browser.page)
    wait_isolates(daemon, lambda seen: isolate(second) in seen, "the page that is left")


def test_crashed_page_vanishes_and_returns(watch, browser, site):
    """At once, not when its last values are stale: that would take 11 s here."""
    daemon = watch(app=browser.address, sections={
        "capture": PLAIN, "poll": {"interval": "3s", "timeout": "2s", "backoff_max": "1s"}})
    daemon.wait_up("app")
    second = browser.open(site.other_url + "page.html")
    wait_isolates(daemon, lambda seen: {isolate(second), isolate(browser.page)} <= seen, "two pages")
    with browser.client(second) as client:
        client.send("Page.crash")
        until(lambda: isolate(second) not in isolates(daemon), "the crashed page gone", 6)
        wait_polls(daemon, 1)
        assert isolate(browser.page) in isolates(daemon)
        assert daemon.value("heapwatch_up", target="app") == 1
        client.send("Page.reload")
        wait_isolates(daemon, lambda seen: isolate(second) in seen, "the page loaded again")


def test_crashed_frame_vanishes_and_returns(watch, browser, site):
    """Which the browser does not tell, as it does of a page."""
    daemon = watch(app=browser.address, sections={
        "capture": PLAIN, "poll": {"interval": "3s", "timeout": "2s", "backoff_max": "1s"}})
    daemon.wait_up("app")

    def frames(seen):
        return [name for name in seen if kinds([name]) == ["iframe"]]
    with browser.client() as page:
        page.evaluate(f"""document.body.append(Object.assign(document.createElement('iframe'),
            {{id: 'frame', src: '{site.other_url}page.html'}})), 1""")
        wait_isolates(daemon, frames, "the frame")
        with browser.client(browser.targets("iframe")[0]["id"]) as client:
            client.send("Page.crash")
            until(lambda: not frames(isolates(daemon)), "the crashed frame gone", 6)
        wait_polls(daemon, 1)
        assert isolate(browser.page) in isolates(daemon)
        assert daemon.value("heapwatch_up", target="app") == 1
        page.evaluate("document.getElementById('frame').src += '?again', 1")
        wait_isolates(daemon, frames, "the frame loaded again")


def test_nothing_is_asked_of_a_page_that_has_crashed(watch, browser, site):
    """It would never answer, and a poll would wait for that until its time-out."""
    between = BothWays(browser.port)
    daemon = watch(app=between.address)
    daemon.wait_up("app")
    second = browser.open(site.other_url + "page.html")
    wait_isolates(daemon, lambda seen: {isolate(second), isolate(browser.page)} <= seen, "two pages")
    session, = (told["params"]["sessionId"] for told in between.told()
                if told.get("method") == "Target.attachedToTarget" and
                told["params"]["targetInfo"]["targetId"] == second)

    def asked():
        return sum(json.loads(message).get("sessionId") == session for message in between.messages())
    with browser.client(second) as client:
        client.send("Page.crash")
        until(lambda: isolate(second) not in isolates(daemon), "the crashed page gone", step_s=0.001)
        wait_polls(daemon, 1)  # what was under way has arrived
        before = asked()
        wait_polls(daemon, 3)
        assert asked() == before > 0
        client.send("Page.reload")
        wait_isolates(daemon, lambda seen: isolate(second) in seen, "the page loaded again")
        assert asked() > before
    between.close()


def test_a_worker_that_is_terminated_is_gone(watch, browser):
    """At once, not when its last values are stale: that would take 11 s here."""
    daemon = watch(app=browser.address, sections={
        "capture": PLAIN, "poll": {"interval": "3s", "timeout": "2s", "backoff_max": "1s"}})
    name = daemon.wait_worker("app")
    with browser.client() as client:
        client.evaluate("worker.terminate(), 1")
        until(lambda: name not in isolates(daemon), lambda: f"{name} is gone; log:\n{daemon.tail()}", 6)
    assert name not in daemon.isolates("app") and isolate(browser.page) in isolates(daemon)
    wait_polls(daemon, 1)
    assert daemon.state("app") == "up" and name not in isolates(daemon)


def test_busy_page_hides_no_other(daemon, browser, site):
    second = browser.open(site.other_url + "page.html")
    wait_isolates(daemon, lambda seen: isolate(second) in seen, "two pages")
    with browser.client(second) as client:
        client.send("Runtime.evaluate", expression="{const t = Date.now(); while (Date.now() - t < 8000);}")
        before = daemon.value("heapwatch_last_poll_timestamp_seconds", target="app")
        until(lambda: daemon.value("heapwatch_last_poll_timestamp_seconds", target="app") > before + 2,
              lambda: f"polls meanwhile; log:\n{daemon.tail()}")
        assert daemon.value("heapwatch_up", target="app") == 1
        snapshot = daemon.capture("app", isolate=isolate(browser.page))
    assert readers.devtools(snapshot, "Worker")


def resident(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])


def crash(browser, _):
    """As the kernel does where memory is short: the largest, which is the one that is captured. It
    would hear of Page.crash when its snapshot is done."""
    with browser.client("") as client:
        processes = client.call("SystemInfo.getProcessInfo")["processInfo"]
    renderers = [process["id"] for process in processes if process["type"] == "renderer"]
    os.kill(max(renderers, key=resident), signal.SIGKILL)


def a_page(daemon, browser, site):
    page = browser.open(site.other_url + "page.html")
    browser.grow(200000, page)
    return page, isolate(page)


def its_worker(daemon, browser, site):
    page = browser.open(site.other_url + "page.html")
    with browser.client(page) as client:
        client.evaluate("worker.postMessage('for (let i = 0; i < 200000; i++) "
                        "workerThings.push(new WorkerThing(i))'), 1")
    seen = wait_isolates(daemon, lambda seen: [one for one in seen if
                                               one.startswith(isolate(page) + "/worker:")], "its worker")
    return page, seen[0]


def a_frame(daemon, browser, site):
    with browser.client() as client:
        client.evaluate("document.body.append(Object.assign(document.createElement('iframe'), "
                        f"{{src: '{site.other_url}page.html'}})), 1")
    frame = until(lambda: browser.targets("iframe"), "the frame")[0]["id"]
    until(lambda: evaluates(browser, frame), "its things")
    browser.grow(200000, frame)
    return frame, isolate(browser.page) + "/" + isolate(frame, "iframe")


def evaluates(browser, page):
    with browser.client(page) as client:
        return client.evaluate("document.readyState === 'complete' && typeof grow === 'function'")


# What is captured, how it goes, what is said of that.
GOES = {"page closed": (a_page, Chromium.shut, "the isolate ended"),
        "page crashed": (a_page, crash, "the isolate crashed"),
        "worker of a page that crashed": (its_worker, crash, "the isolate ended"),
        "frame crashed": (a_frame, crash, "the isolate crashed")}


@pytest.mark.parametrize("what", GOES)
def test_what_goes_while_it_is_captured(daemon, browser, site, what):
    """Its capture ends with it, and not when idle_timeout is over; nothing of it is kept, and the rest
    of the browser is watched on."""
    of, go, why = GOES[what]
    going, name = of(daemon, browser, site)
    wait_isolates(daemon, lambda seen: name in seen, name)
    asked = daemon.post(f"/api/v1/targets/app/captures?kind=snapshot&isolate={name}").json()["data"]["id"]
    until(lambda: any(f.stat().st_size for f in daemon.incoming()),
          lambda: f"bytes in incoming/; log:\n{daemon.tail()}", 120, step_s=0.001)
    go(browser, going)
    failed = until(lambda: (c := daemon.api(f"/captures/{asked}"))["state"] == "failed" and c,
                   lambda: f"its end; log:\n{daemon.tail()}", 60)
    assert (failed["reason"], failed["error"]) == ("lost", why), failed
    assert daemon.ready() == [] and daemon.incoming() == []
    daemon.wait_up("app")
    wait_isolates(daemon, lambda seen: isolate(browser.page) in seen and name not in seen, "the others")
    wait_polls(daemon, 1)
    snapshot = daemon.capture("app", isolate=isolate(browser.page))
    assert readers.devtools(snapshot, "Worker")


def test_a_person_at_the_same_page(daemon, browser):
    """Polls and a capture take nothing from them: what they have switched on tells on, and their own
    snapshot is whole."""
    name = isolate(browser.page)
    wait_isolates(daemon, lambda seen: name in seen, "the page")
    with browser.client() as person:
        for domain in ("Runtime", "Debugger", "Network"):
            person.call(f"{domain}.enable")

        def is_heard(word):
            person.call("Runtime.evaluate", expression=f"console.log('{word}')")
            said = person.wait_event("Runtime.consoleAPICalled")
            return said["args"][0]["value"] == word
        assert is_heard("before")
        snapshot = daemon.capture("app", isolate=name)
        assert is_heard("after a capture")
        wait_polls(daemon, 2)
        assert is_heard("after polls")
        # Paused by a person, it stays so until they go on.
        person.send("Runtime.evaluate", expression="debugger; console.log('resumed')")
        person.wait_event("Debugger.paused")
        polls = daemon.value("heapwatch_polls_total", target="app")
        daemon.wait_value("heapwatch_polls_total", lambda n: n > polls + 2, target="app")
        assert not [e for e in person.events if e.get("method") == "Debugger.resumed"]
        person.call("Debugger.resume")
        assert person.wait_event("Runtime.consoleAPICalled")["args"][0]["value"] == "resumed"
    assert readers.devtools(snapshot, "Worker")


def test_a_person_at_a_breakpoint_is_left_there(daemon, browser):
    """Also by a capture, whose debugger is told of the pause as theirs is, and which comes all the
    same."""
    name = isolate(browser.page)
    wait_isolates(daemon, lambda seen: name in seen, "the page")
    with browser.client() as person:
        person.call("Runtime.enable")
        person.call("Debugger.enable")
        person.send("Runtime.evaluate", expression="debugger; console.log('passed')")
        person.wait_event("Debugger.paused")
        snapshot = daemon.capture("app", isolate=name)
        assert person.call("Runtime.getHeapUsage")
        heard = [event.get("method") for event in person.events]
        assert "Debugger.resumed" not in heard and "Runtime.consoleAPICalled" not in heard
        person.call("Debugger.resume")
        assert person.wait_event("Runtime.consoleAPICalled")["args"][0]["value"] == "passed"
    assert readers.devtools(snapshot, "Worker")


def test_the_window_of_a_person_s_devtools_is_no_page(watch, browser):
    """To the browser it is one, if it was there before the daemon was."""
    def tools():
        return [t["id"] for t in browser.targets() if t["url"].startswith("devtools:")]
    with browser.client("") as person:
        window = person.call("Target.openDevTools", targetId=browser.page)["targetId"]
        until(lambda: tools() == [window], "it as a page")
        daemon = watch(app=browser.address, sections={"capture": PLAIN})
        wait_isolates(daemon, lambda seen: isolate(browser.page) in seen, "the page")
        wait_polls(daemon, 2)
        assert isolate(window) not in daemon.isolates("app")
        assert tools() == [window]
