"""WebKitGTK and WPE, and Safari's way through ios-webkit-debug-proxy: from the start to the end, and
each hazard with what keeps it away."""

import json
import os
import signal
import threading

import pytest

from lab import converted, readers, webkit
from lab.cdp import Client
from lab.daemon import PLAIN, POLL
from lab.gc import EVENTS, counts, forced
from lab.listener import clients, http
from lab.relay import Relay
from lab.wait import LIMIT_S, until

COUNT = 23456
SCALE = float(os.environ.get("HEAPWATCH_TEST_SCALE", "0.1"))
ANYHOW = dict(PLAIN, guards={"headroom": 0})
HELD_S = 0.05  # of the 0.1 that a parting may take
SLOW = {"interval": "20s", "timeout": "2s", "backoff_max": "1s"}
EACH_ENGINE = pytest.mark.parametrize("path", [webkit.GTK, webkit.WPE], ids=["gtk", "wpe"])


@pytest.fixture
def start_browser(nursery, tmp_path):
    return lambda *args, **options: webkit.Browser(nursery, tmp_path / "browser", *args, **options)


@pytest.fixture
def browser(start_browser):
    return start_browser()


def used(daemon, isolate="page:1"):
    return daemon.value("heapwatch_heap_used_bytes", target="app", isolate=isolate)


def ask(daemon, **wishes):
    body = json.dumps({"kind": "snapshot", "isolate": "page:1", **wishes}).encode()
    return daemon.post("/api/v1/targets/app/captures", body, {"Content-Type": "application/json"})


@pytest.mark.parametrize("kind", ["gtk", "wpe", "proxy"])
def test_from_start_to_end(start_browser, watch, tmp_path, kind):
    browser = start_browser(webkit.WPE if kind == "wpe" else webkit.GTK)
    proxy = webkit.Proxy(browser.port) if kind == "proxy" else None
    address = proxy.address if proxy else browser.address
    browser.grow(COUNT)
    daemon = watch(app=address, sections={"capture": ANYHOW})
    daemon.wait_up("app")
    (labels, _), = daemon.values("heapwatch_target_info", target="app")
    assert labels["runtime"] == ("safari" if kind == "proxy" else "webkit")
    assert labels["engine"] == "jsc"
    before = used(daemon)
    browser.grow(COUNT)
    until(lambda: (used(daemon) or 0) > before + 16 * COUNT,
          lambda: f"{used(daemon)} after {before}; log:\n{daemon.tail()}")
    snapshot = daemon.capture("app", isolate="page:1", gc_before=True)
    assert readers.jsc(snapshot, "KnownThing")[2] == 2 * COUNT
    converted.holds(converted.convert(snapshot, tmp_path), converted.jsc_source(snapshot),
                    "KnownThing", 2 * COUNT)
    daemon.wait_up("app")
    until(lambda: used(daemon), "the page again")
    assert browser.grow(1) == 2 * COUNT + 1
    browser.process.kill()
    if proxy:
        proxy.close()
    daemon.wait_state("app", "down")
    assert daemon.value("heapwatch_up", target="app") == 0
    assert daemon.values("heapwatch_heap_used_bytes", target="app") == []


def test_the_headroom_is_that_of_the_browser_which_listens(browser, watch):
    daemon = watch(app=browser.address)
    until(lambda: used(daemon), "the page")
    daemon.capture("app", isolate="page:1")


@EACH_ENGINE
def test_a_browser_that_is_started_anew_is_polled_at_once(start_browser, watch, tmp_path, path):
    """Its page has the path of the one before, which nobody has taken from us."""
    page = tmp_path / "page.html"
    page.write_text("<title>shop</title>")
    browser = start_browser(path, url=page.as_uri())
    daemon = watch(app=browser.address)
    until(lambda: used(daemon), "the page")
    browser.process.kill()
    daemon.wait_state("app", "down")
    browser.start()
    until(lambda: used(daemon), lambda: f"its page; log:\n{daemon.tail()}")
    assert daemon.process.count_lines("not all of it can be polled") == 0


def row(path):
    """What ends the row of a title, and begins the next, as the server writes it."""
    return ("</div><div class=\"targeturl\">u</div></td><td class=\"input\"><input type=\"button\" "
            "value=\"Inspect\" onclick=\"window.open('Main.html?ws=' + window.location.host + "
            f"'{path}', '_blank', 'location=no,menubar=no,status=no,toolbar=no');\"></td></tr></tbody>"
            "<tbody><tr><td class=\"data\"><div class=\"targetname\">")


TITLES = {
    "like": "</div><div class=targeturl>u</div></td><td class=input><input onclick=\"window.open("
            "'Main.html?ws=' + window.location.host + '/socket/7/1/WebPage', '_blank')\">",
    "unfinished": row("/socket/1/98/WebPage").replace("targetname", "targetnam"),
    "another": row("/socket/7/1/WebPage"),
    "its": row("/socket/1/99/WebPage"),
}


@pytest.mark.parametrize("kind", TITLES)
def test_a_title_cannot_name_a_page(start_browser, watch, tmp_path, kind):
    """Titles stand in the list as they are. To connect where most of these point crashes the browser;
    where the last one points it refuses, and nobody can know that before."""
    page = tmp_path / "title.html"
    page.write_text(f"<script>document.title = {json.dumps(TITLES[kind])}</script>")
    browser = start_browser(url=page.as_uri())
    daemon = watch(app=browser.address)
    daemon.wait_up("app")
    until(lambda: used(daemon), "the page")
    polls = daemon.value("heapwatch_polls_total", target="app")
    until(lambda: daemon.value("heapwatch_polls_total", target="app") > polls + 2, "polls")
    isolates = {labels["isolate"] for labels, _ in daemon.values("heapwatch_heap_used_bytes")}
    assert isolates == {"page:1"}
    assert TITLES[kind] in browser.list(), "it is cut"
    assert browser.process.running()


def test_what_is_no_longer_listed_is_not_connected_to(browser, watch):
    """The list is read right before a capture, not only at the last poll."""
    proxy = webkit.Proxy(browser.port)
    daemon = watch(app=proxy.address, sections={"capture": ANYHOW, "poll": SLOW})
    daemon.wait_up("app")
    until(lambda: used(daemon), "the page")
    before = proxy.asked.count("/devtools/page/1")
    proxy.listed = False
    assert ask(daemon).status == 202
    daemon.process.wait_line("is no longer there")
    assert proxy.asked.count("/devtools/page/1") == before


def test_a_page_that_another_takes_is_left_to_it(browser, watch):
    daemon = watch(app=browser.address)
    until(lambda: used(daemon), "the page")
    with browser.client() as other:
        until(lambda: used(daemon) is None, "its series to end")
        polls = daemon.value("heapwatch_polls_total", target="app")
        until(lambda: daemon.value("heapwatch_polls_total", target="app") > polls + 4, "polls")
        is_there(other)
        assert ask(daemon).status != 202, "nor is it taken for a capture"
        says_who_has_it(daemon)
    assert daemon.state("app") == "up"


def test_a_page_that_another_takes_from_a_capture_is_left_to_it(browser, watch):
    """With a connection for each poll nobody would ever take it from us: so that is not followed."""
    daemon = watch(app=browser.address, sections={"capture": ANYHOW,
                                                  "poll": dict(POLL, policy="per_poll")})
    daemon.process.wait_line("policy: per_poll is not followed")
    until(lambda: used(daemon), "the page")
    assert ask(daemon, kind="tracking", duration="5m").status == 202
    until(daemon.ready, lambda: f"the first half; log:\n{daemon.tail()}")
    with browser.client() as other:
        daemon.process.wait_line("the connection ended before the end of the tracking: another client")
        until(lambda: daemon.target("app")["reason"], "it is left")
        polls = daemon.value("heapwatch_polls_total", target="app")
        daemon.wait_value("heapwatch_polls_total", lambda n: n > polls + 4, target="app")
        is_there(other)
        assert ask(daemon).status != 202, "nor is it taken for another"
        says_who_has_it(daemon)
    assert daemon.state("app") == "up" and used(daemon) is None


def test_collections_are_told_whatever_the_policy(browser, watch):
    daemon = watch(app=browser.address, sections={"poll": dict(EVENTS, policy="per_poll")})
    until(lambda: used(daemon), "the page")
    forced(daemon, isolate="page:1")
    until(lambda: counts(daemon, "major", "page:1", "span_seconds")[0] > 0, "its span")
    assert daemon.target("app").get("gcUntold") is None


@EACH_ENGINE
def test_no_connection_is_left_open_in_the_browser(start_browser, watch, path):
    """It hears of the end of a client only where it was told to close; 1024 are all it has."""
    browser = start_browser(path)
    daemon = watch(app=browser.address, sections={"capture": ANYHOW})
    for _ in range(2):
        daemon.capture("app", isolate="page:1")
        daemon.wait_polled("app")
    until(lambda: clients(browser.port) == 1, lambda: f"the poll's, not {clients(browser.port)}")
    assert daemon.process.stop() == 0
    until(lambda: clients(browser.port) == 0, lambda: f"none, not {clients(browser.port)}")


def is_there(client):
    asked = client.send("Target.isThere")
    while client.receive().get("id") != asked:
        pass


def says_who_has_it(daemon):
    reason = "page:1 is not polled: another client has its one connection"
    assert daemon.target("app")["reason"] == reason and reason in daemon.get("/").text
    said = daemon.process.wait_line("not all of it can be polled.*")[0]
    assert reason in said, said


def test_a_page_of_safari_that_another_takes_is_left_to_it(browser, watch):
    """We are told so when we say something next."""
    proxy = webkit.Proxy(browser.port)
    daemon = watch(app=proxy.address)
    until(lambda: used(daemon), "the page")
    path = "/devtools/page/1"
    with Client(proxy.port, path=path) as other:
        until(lambda: used(daemon) is None, "its series to end")
        assert proxy.evicted == 1
        asked = proxy.asked.count(path)
        polls = daemon.value("heapwatch_polls_total", target="app")
        until(lambda: daemon.value("heapwatch_polls_total", target="app") > polls + 4, "polls")
        assert proxy.asked.count(path) == asked
        is_there(other)
        assert ask(daemon).status != 202, "nor is it taken for a capture"
        says_who_has_it(daemon)
    assert daemon.state("app") == "up"


def test_what_the_proxy_says_as_it_ends_a_connection_is_told(browser, watch):
    """Nobody has taken the page: it is tried again."""
    proxy = webkit.Proxy(browser.port)
    daemon = watch(app=proxy.address)
    until(lambda: used(daemon), "the page")
    proxy.ends_with = "inspector closed?"
    reason = "page:1 is not polled: closed by the peer with code 1001: inspector closed?"
    until(lambda: daemon.target("app")["reason"] == reason, lambda: daemon.target("app")["reason"])
    assert reason in daemon.process.wait_line("not all of it can be polled.*")[0]
    proxy.ends_with = None
    until(lambda: used(daemon), lambda: f"the page again; log:\n{daemon.tail()}")
    until(lambda: daemon.target("app")["reason"] == "", lambda: daemon.target("app")["reason"])


def test_a_page_that_gets_another_process_is_followed(browser, watch):
    browser.grow(COUNT)
    daemon = watch(app=browser.address)
    until(lambda: used(daemon), "the page")
    before = browser.web_processes()
    browser.site.leave(f"http://localhost:{browser.site.port}/")
    browser.site.run("1")
    assert browser.web_processes() - before
    small = until(lambda: used(daemon), "the page")
    browser.grow(3 * COUNT)
    until(lambda: (used(daemon) or 0) > small + 16 * COUNT, lambda: f"growth; {daemon.tail()}")
    snapshot = daemon.capture("app", isolate="page:1")
    assert readers.jsc(snapshot, "KnownThing")[2] == 3 * COUNT


def test_a_page_that_gets_another_process_in_a_capture_ends_that(browser, watch):
    """The new process knows nothing of what the old one was asked."""
    daemon = watch(app=browser.address, sections={"capture": ANYHOW})
    until(lambda: used(daemon), "the page")
    assert ask(daemon, kind="tracking", duration="5m").status == 202
    until(daemon.ready, lambda: f"the first half; log:\n{daemon.tail()}")
    before = browser.web_processes()
    browser.site.leave(f"http://localhost:{browser.site.port}/")
    browser.site.run("1")
    assert browser.web_processes() - before
    daemon.process.wait_line("the page (is about to get|has got) another process")
    until(lambda: used(daemon), lambda: f"the page again; log:\n{daemon.tail()}")
    assert daemon.incoming() == []
    assert browser.grow(1) == 1


def opening(second):
    """In a process of its own, so that its numbers are its own too."""
    return f"open('http://localhost:{second.port}/', '_blank', 'noopener'); 1"


@pytest.mark.parametrize("kind", ["gtk", "proxy"])
def test_pages_come_and_go(start_browser, watch, kind):
    browser = start_browser(flags=["--javascript-can-open-windows-automatically=true"])
    proxy = webkit.Proxy(browser.port) if kind == "proxy" else None
    daemon = watch(app=proxy.address if proxy else browser.address, sections={"capture": ANYHOW})
    until(lambda: used(daemon), "the first page")
    second = webkit.Site()
    browser.site.run(opening(second))
    expect_second(browser, daemon, second)


def test_pages_of_wpe_come_and_go(start_browser, watch):
    """It opens windows for a person only, as which a Web Inspector counts."""
    browser = start_browser(webkit.WPE)
    second = webkit.Site()
    with browser.client() as client:
        webkit.Page(client).call("Runtime.evaluate", emulateUserGesture=True,
                                 expression=opening(second))
        assert second.run("1") == "1"
    daemon = watch(app=browser.address, sections={"capture": ANYHOW})
    until(lambda: used(daemon), "the first page")
    expect_second(browser, daemon, second)


def expect_second(browser, daemon, second):
    """A series and captures of its own, until it closes."""
    before = until(lambda: used(daemon, "page:2"), lambda: f"the second page; log:\n{daemon.tail()}")
    first = used(daemon)
    assert second.run(f"grow({COUNT})") == str(COUNT)
    until(lambda: (used(daemon, "page:2") or 0) > before + 16 * COUNT,
          lambda: f"{used(daemon, 'page:2')} after {before}; log:\n{daemon.tail()}")
    assert used(daemon) < first + 16 * COUNT
    snapshot = daemon.capture("app", isolate="page:2")
    assert readers.jsc(snapshot, "KnownThing")[2] == COUNT
    second.tell("close(); 'left'")
    until(lambda: daemon.isolates("app") == ["page:1"],
          lambda: f"the first page alone; log:\n{daemon.tail()}")
    until(lambda: used(daemon), "its series")
    assert used(daemon, "page:2") is None
    assert browser.grow(1) == 1


class Tracked(Relay):
    """What the second page tells of its memory is lost: it would be tracked until it is closed."""
    loses = True

    def _passed(self, heard, data):
        if self.loses and b"/2/WebPage" in heard.head:
            return data.replace(b"trackingUpdate", b"trackingUnsaid")
        return data

    def asked(self, of):
        return any(of in message for c in self.conversations if b"/2/WebPage" in c.head
                   for message in c.messages)


def test_a_page_that_gets_another_process_does_not_take_the_others_along(start_browser, watch):
    """WebKit's process crashes when a page of it closes that is tracked, as a window does that was
    opened in the process of the page that opened it, and now gets one of its own."""
    browser = start_browser(flags=["--javascript-can-open-windows-automatically=true"])
    pids = browser.web_processes()
    between, loaded = Tracked(browser.port), threading.Event()
    slow = http({"/": (200, "text/html", lambda _: loaded.wait(LIMIT_S) and b"there")})
    daemon = watch(app=between.address)
    until(lambda: used(daemon), "the first page")
    browser.site.run(opening(slow))
    until(lambda: between.asked(b"Memory."), lambda: f"a poll of the window; log:\n{daemon.tail()}")
    between.loses = False
    loaded.set()
    until(lambda: used(daemon, "page:2"), lambda: f"the window; log:\n{daemon.tail()}")
    polls = daemon.value("heapwatch_polls_total", target="app")
    daemon.wait_value("heapwatch_polls_total", lambda n: n > polls + 2, target="app")
    assert pids <= browser.web_processes()
    assert browser.grow(1) == 1


class Forgetful(Relay):
    """A browser that keeps its first connection, but says nothing on it from a moment on."""
    forgets = False

    def _passed(self, heard, data):
        first = next((c for c in self.conversations if b"Upgrade: websocket" in c.head), None)
        if not self.forgets or heard is not first:
            return data
        return data[:data.index(b"\r\n\r\n") + 4] if data.startswith(b"HTTP/1.1 101") else b""


@pytest.mark.parametrize("from_the_start", [True, False], ids=["greeting", "answers"])
def test_a_connection_that_the_browser_has_lost_is_left(browser, watch, from_the_start):
    """Only what the browser owes by itself tells that from a page that is blocked."""
    between = Forgetful(browser.port)
    between.forgets = from_the_start
    daemon = watch(app=between.address)
    if not from_the_start:
        until(lambda: used(daemon), "the page")
        between.forgets = True
    daemon.process.wait_line("the main thread does not answer")
    until(lambda: daemon.state("app") == "up" and used(daemon),
          lambda: f"the page on another connection; log:\n{daemon.tail()}")


class Slow(Relay):
    """It takes its time to answer a client that has begun to leave."""

    def _hold(self, heard):
        if any(b"Page.disable" in message for message in heard.messages):
            heard.left.wait(HELD_S)


@EACH_ENGINE
def test_a_capture_waits_until_a_poll_has_parted(start_browser, watch, path):
    """The browser would evict who still waits for answers, and WPE dies of that at times."""
    browser = start_browser(path)
    between = Slow(browser.port)
    # With less time than that a busy machine now and then misses a poll, and a capture is refused.
    patient = {"interval": "2s", "timeout": "2s", "gc_events": "always"}
    daemon = watch(app=between.address, sections={"capture": ANYHOW, "poll": patient})
    for _ in range(3):
        polls = daemon.value("heapwatch_polls_total", target="app") or 0
        daemon.wait_value("heapwatch_polls_total", lambda n: n > polls + 1, target="app")
        daemon.capture("app", isolate="page:1")
    parted = [c for c in between.conversations
              if any(b"Page.disable" in message for message in c.messages)]
    assert len(parted) == 3
    assert not [c for c in between.conversations if c.evicted and c.messages]
    assert browser.process.running()


def test_the_silent_death_of_a_page_is_seen(browser, watch):
    daemon = watch(app=browser.address)
    until(lambda: used(daemon), "the page")
    for pid in browser.web_processes():
        os.kill(pid, signal.SIGKILL)
    daemon.wait_value("heapwatch_up", 0, target="app")
    assert daemon.state("app") in ("blocked", "down")
    assert browser.process.running()
    says_its_end(daemon)


def says_its_end(daemon):
    said = "the process of its pages has ended"
    until(lambda: said in daemon.target("app")["reason"],
          lambda: f"{daemon.target('app')}; log:\n{daemon.tail()}")
    assert daemon.value("heapwatch_up", target="app") == 0


@EACH_ENGINE
def test_a_page_that_dies_in_a_capture_is_not_waited_for(start_browser, watch, path):
    """Nothing tells of it but the kernel; and it is seen that none answers then."""
    browser = start_browser(path)
    browser.grow(300000)
    pid, = browser.web_processes()
    daemon = watch(app=browser.address, sections={"capture": ANYHOW})
    until(lambda: used(daemon), "the page")
    idle_s = webkit.cpu_seconds(pid)
    assert ask(daemon).status == 202
    until(lambda: webkit.cpu_seconds(pid) > idle_s + 0.2, "it works on the snapshot")
    os.kill(pid, signal.SIGKILL)
    daemon.process.wait_line("the page's process has ended without a word")
    says_its_end(daemon)
    assert daemon.ready() == [] and daemon.incoming() == []
    assert browser.process.running()


@EACH_ENGINE
def test_a_heap_whose_snapshot_would_kill_it_is_refused(start_browser, watch, path):
    browser = start_browser(path)
    daemon = watch(app=browser.address, sections={"capture": ANYHOW})
    browser.site.run("things.push(new Uint8Array(160 << 20)); grow(400000)")
    until(lambda: (used(daemon) or 0) > 100 << 20, lambda: f"growth; {used(daemon)}")
    answer = ask(daemon, force=True)
    assert answer.status != 202
    assert "at most 100 MiB" in answer.text and "357,913,940" in answer.text
    assert int(browser.site.run("1 + 1")) == 2
    daemon.wait_up("app")


@EACH_ENGINE
def test_a_heap_that_grew_since_the_poll_is_measured_again(start_browser, watch, path):
    browser = start_browser(path)
    daemon = watch(app=browser.address, sections={"capture": ANYHOW, "poll": SLOW})
    until(lambda: used(daemon), "the page")
    browser.site.run("things.push(new Uint8Array(160 << 20)); grow(400000)")
    assert ask(daemon, gc_before=True).status == 202
    daemon.process.wait_line("357,913,940")
    assert daemon.ready() == []
    assert int(browser.site.run("1 + 1")) == 2


def test_what_the_proxy_cannot_pass_on_is_refused(browser, watch):
    proxy = webkit.Proxy(browser.port)
    daemon = watch(app=proxy.address, sections={"capture": ANYHOW})
    browser.grow(400000)
    until(lambda: (used(daemon) or 0) > 18 << 20, lambda: f"growth; {used(daemon)}")
    answer = ask(daemon)
    assert answer.status != 202 and "64 MiB" in answer.text
    assert not proxy.lost


@EACH_ENGINE
def test_a_browser_outlives_many_captures(start_browser, watch, path):
    """WPE crashes when a client leaves before it has all answers: neither polls nor captures do."""
    browser = start_browser(path)
    daemon = watch(app=browser.address, sections={"capture": ANYHOW})
    for _ in range(12):
        until(lambda: used(daemon), lambda: f"the page; {browser.process.output()}")
        daemon.capture("app", isolate="page:1")
    assert browser.process.running()


def test_a_browser_outlives_a_daemon_that_dies_in_a_capture(browser, watch):
    browser.grow(300000)
    daemon = watch(app=browser.address, sections={"capture": ANYHOW})
    until(lambda: used(daemon), "the page")
    assert ask(daemon).status == 202
    daemon.wait_state("app", "capturing")
    until(daemon.incoming, "its beginning")
    daemon.process.kill()
    assert browser.grow(1) == 300001
    assert browser.process.running()


def test_a_large_snapshot_is_one_frame_that_nobody_holds(quick_daemon, browser, watch):
    """300 MB in one frame, quoted twice, at HEAPWATCH_TEST_SCALE=1; a tenth of it by default. Most
    of it are references, by the object's id, which may have three digits or four; the rest is one name
    of quotes, of which each is eight bytes by then. More of either and JSC's own limits are met."""
    browser.grow(1000)
    browser.site.run("const last = things[things.length - 1]; globalThis.kept = [];"
                     f"while (kept.length < 9) kept.push(new Array({int(1e6 * SCALE)}).fill(last));"
                     f"last['\"'.repeat({int(18.4e6 * SCALE)})] = last; 1")
    daemon = watch(app=browser.address, sections={
        "capture": dict(ANYHOW, compress="zstd", start_timeout="10m", timeout="10m")})
    until(lambda: used(daemon), "the page")
    daemon.get("/metrics")
    before = daemon.process.rss_bytes()
    daemon.process.forget_peak()
    daemon.capture("app", isolate="page:1", limit_s=600)
    grown = daemon.process.peak_rss_bytes() - before
    (entry,) = daemon.api("/captures")["ready"]
    assert entry["received_bytes"] > 300_000_000 * SCALE
    assert entry["size_bytes"] < 0.75 * entry["received_bytes"]
    assert grown < 16 << 20, f"{grown >> 20} MiB"
    assert entry["format"] == "jsc.json"


def test_names_cannot_be_redacted(browser, watch):
    daemon = watch(app=browser.address, sections={"capture": dict(ANYHOW, redact="all")})
    until(lambda: used(daemon), "the page")
    answer = ask(daemon)
    assert answer.status == 422
    assert "redact: all: not supported by webkit" in answer.text
    assert daemon.ready() == [] and daemon.incoming() == []


def test_a_list_of_devices_is_no_list_of_pages(watch):
    devices = [{"deviceId": "a1", "deviceName": "phone", "deviceOSVersion": "17.1.0",
                "url": "localhost:9222"}]
    server = http({"/json/list": (200, "application/json", json.dumps(devices).encode())})
    daemon = watch(app=server.address)
    assert "it lists devices" in daemon.wait_state("app", "invalid")["lastError"]
    server.close()
