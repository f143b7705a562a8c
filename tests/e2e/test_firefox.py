"""Firefox, from its start to its end, over TCP and over a unix socket: recognised by itself, its
growth seen, a snapshot with the exact count of a known class, and what of it must not be hurt."""

import gzip
import json
import os
import re
import signal
import sys
from contextlib import closing

import pytest

from lab import converted, fxsnapshot, node
from lab.ctl import Ctl
from lab.daemon import PLAIN
from lab.firefox import Firefox
from lab.fxsnapshot import Snapshot
from lab.listener import Listener, http
from lab.relay import Packets, Relay
from lab.wait import until

COUNT = 23456
GROWTH_BYTES = 100 * COUNT  # at least

# A browser's own thread is easily late by a second when a machine is busy.
POLL = {"interval": "2s", "timeout": "2s", "backoff_max": "1s"}


@pytest.fixture
def look(watch):
    """look(firefox or its address, capture options) -> Daemon"""
    def start(firefox, home=None, **capture):
        return watch(app=getattr(firefox, "address", firefox), home=home,
                     sections={"poll": POLL, "capture": dict(PLAIN, **capture)})
    return start


def take(daemon, isolate, **wishes):
    daemon.wait_up("app")
    return daemon.capture("app", isolate=isolate, **wishes)


def used(daemon, isolate):
    return daemon.value("heapwatch_heap_used_bytes", target="app", isolate=isolate)


def grows(daemon, firefox, isolate):
    before = until(lambda: used(daemon, isolate), lambda: f"a sample; log:\n{daemon.tail()}")
    firefox.grow(COUNT)
    until(lambda: (used(daemon, isolate) or 0) > before + GROWTH_BYTES,
          lambda: f"{used(daemon, isolate)} after {before}; log:\n{daemon.tail()}")


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_from_start_to_end(unix, nursery, tmp_path, look):
    firefox = Firefox(nursery, tmp_path / "program", unix=unix)
    daemon = look(firefox)
    daemon.wait_up("app")
    (labels, _), = daemon.values("heapwatch_target_info", target="app")
    assert (labels["runtime"], labels["engine"], labels["protocol"]) == \
        ("firefox", "spidermonkey", "rdp")
    version = firefox.client.ask(firefox.client.root["deviceActor"],
                                 "getDescription")["value"]["version"]
    assert labels["runtime_version"] == version
    grows(daemon, firefox, firefox.isolate)
    # A node of the tab's heap, and the process it is in.
    processes = {f"process:{pid}" for pid in firefox.client.processes()}
    unique = {labels["isolate"]
              for labels, _ in daemon.values("heapwatch_unique_memory_bytes", target="app")}
    assert f"process:{firefox.content_pid}" in unique and unique <= processes
    start = daemon.value("heapwatch_target_process_start_time_seconds", target="app")
    assert start is not None  # the pid of the browser was found
    path = take(daemon, isolate=firefox.isolate, gc_before=True)
    assert path.name.endswith(".fxsnapshot")
    snapshot = Snapshot(path)
    assert snapshot.count("KnownThing") == COUNT
    assert snapshot.dangling() == 0
    converted.holds(converted.convert(path, tmp_path), fxsnapshot.holds(path), "KnownThing", COUNT)
    assert firefox.leftovers() == []
    daemon.wait_up("app")
    grows(daemon, firefox, firefox.isolate)
    firefox.process.stop()
    daemon.wait_value("heapwatch_up", 0, target="app")
    assert daemon.values("heapwatch_heap_used_bytes", target="app") == []
    assert daemon.values("heapwatch_unique_memory_bytes", target="app") == []


@pytest.fixture
def firefox(nursery, tmp_path):
    return Firefox(nursery, tmp_path / "program")


def isolates(daemon, name="heapwatch_heap_used_bytes"):
    return {labels["isolate"] for labels, _ in daemon.values(name, target="app")}


def test_tabs_and_processes_come_and_go(firefox, look):
    daemon = look(firefox)
    first = firefox.isolate
    until(lambda: isolates(daemon) == {first}, lambda: f"one tab; log:\n{daemon.tail()}")
    firefox.evaluate("window.other = window.open(location.href), 1")
    until(lambda: len(isolates(daemon)) == 2, "two tabs")
    firefox.evaluate("other.close()")
    until(lambda: isolates(daemon) == {first}, "one tab again")
    # The process ends, and its tab shows that it crashed: the browser and its tab are still there.
    name = f"process:{firefox.content_pid}"
    until(lambda: name in isolates(daemon, "heapwatch_unique_memory_bytes"), name)
    os.kill(firefox.content_pid, signal.SIGKILL)
    until(lambda: name not in isolates(daemon, "heapwatch_unique_memory_bytes"), f"no {name}")
    until(lambda: daemon.state("app") == "up" and used(daemon, first), "the tab of the browser")
    assert firefox.process.running()


def test_a_tab_that_changes_its_process_keeps_its_series(firefox, look):
    """Its old actors never answer again, of which nothing tells but the list: it shows another browsing
    context."""
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi"

    def serve(client):
        client.recv(4096)
        client.sendall(page)
    with closing(Listener(serve)) as site:
        daemon = look(firefox)
        isolate, before = firefox.isolate, firefox.content_pid
        until(lambda: used(daemon, isolate), "a sample")
        firefox.evaluate(f"location.href = 'http://127.0.0.1:{site.port}/', 1")
        until(lambda: firefox.content_pid != before, "another process")
        until(lambda: f"process:{firefox.content_pid}"
              in isolates(daemon, "heapwatch_unique_memory_bytes"), "seen there")
        polls = daemon.value("heapwatch_polls_total", target="app")
        daemon.wait_value("heapwatch_polls_total", lambda v: v >= polls + 3, target="app")
        # What it holds there is measured, and before a target that is silent would be got anew (30 s).
        known = used(daemon, isolate)
        firefox.client.evaluate(firefox.client.target(firefox.descriptor)["consoleActor"],
                                f"window.kept = Array.from({{length: {COUNT}}}, (_, i) => ({{i}})), 1")
        until(lambda: used(daemon, isolate) > known + 16 * COUNT,
              lambda: f"{used(daemon, isolate)} after {known}; log:\n{daemon.tail()}", limit_s=10)
        assert daemon.state("app") == "up"
        assert daemon.value("heapwatch_poll_failures_total", target="app", reason="protocol") == 0


def test_what_a_process_that_dies_was_asked_is_not_waited_for(firefox, start_daemon):
    """Nobody would answer until the poll's time-out, 10 s."""
    with closing(Relay(int(firefox.address.rsplit(":", 1)[1]), Packets)) as relay:
        def measured():
            return sum(packet["type"] == "measure" for heard in relay.conversations for packet in heard)
        daemon = start_daemon({"poll": {"interval": "10s", "timeout": "10s"}, "targets": [
            {"name": "app", "address": f"127.0.0.1:{relay.port}", "runtime": "firefox"}]})
        pid = firefox.content_pid
        until(lambda: used(daemon, firefox.isolate), "a sample")
        asked = measured()
        firefox.evaluate("block(60000)", wait=False)
        until(lambda: measured() > asked, "a poll")
        stamp = daemon.value("heapwatch_last_poll_timestamp_seconds", target="app")
        os.kill(pid, signal.SIGKILL)
        daemon.wait_value("heapwatch_last_poll_timestamp_seconds", lambda v: v > stamp, limit_s=5,
                          target="app")
        assert daemon.value("heapwatch_poll_failures_total", target="app", reason="timeout") == 0


def test_a_blocked_page(firefox, look):
    """It is waited for, without another connection; the processes beside it are still polled."""
    daemon = look(firefox)
    isolate = firefox.isolate
    until(lambda: used(daemon, isolate), "a sample")
    firefox.evaluate("block(4000)", wait=False)
    stamp = daemon.value("heapwatch_last_poll_timestamp_seconds", target="app")
    daemon.wait_value("heapwatch_last_poll_timestamp_seconds", lambda v: v > stamp + 1,
                      target="app")
    firefox.grow(1)  # answered when it is over
    before = used(daemon, isolate)
    firefox.grow(COUNT)
    until(lambda: (used(daemon, isolate) or 0) > (before or 0) + GROWTH_BYTES, "it is back")


def test_a_content_process_as_a_whole(firefox, look, tmp_path):
    firefox.grow(COUNT)
    daemon = look(firefox)
    isolate = f"process:{firefox.content_pid}"
    until(lambda: isolate in isolates(daemon, "heapwatch_unique_memory_bytes"), isolate)
    path = take(daemon, isolate=isolate, gc_before=True)
    snapshot = Snapshot(path)
    assert snapshot.count("KnownThing") == COUNT and snapshot.dangling() == 0
    converted.holds(converted.convert(path, tmp_path), fxsnapshot.holds(path), "KnownThing", COUNT)
    assert firefox.leftovers() == []
    manifest = daemon.api("/captures")["ready"][0]
    # The memory of that process, not of the browser.
    assert manifest["resident_before_bytes"] < daemon.value(
        "heapwatch_target_process_resident_memory_bytes", target="app")


# ---- redaction ----

def test_no_value_of_a_string_is_in_a_snapshot(firefox, look):
    """So `redact: strings` holds as it is; what is more than that is refused."""
    firefox.grow(1000)
    daemon = look(firefox, redact="strings")
    daemon.wait_up("app")
    until(lambda: used(daemon, firefox.isolate), "a sample")
    snapshot = Snapshot(take(daemon, isolate=firefox.isolate))
    assert snapshot.count("KnownThing") == 1000
    for text in ("secret-value", "t7"):
        assert text.encode() not in snapshot.data
        assert text.encode("utf-16-le") not in snapshot.data
    assert daemon.api("/captures")["ready"][0]["redact"] == "strings"
    answer = daemon.post("/api/v1/targets/app/captures",
                         json.dumps({"isolate": firefox.isolate, "redact": "all"}).encode(),
                         {"Content-Type": "application/json"})
    assert answer.status != 202
    assert re.search(r"redact: all: not supported by firefox \d+", answer.text), answer.text
    assert len(daemon.ready()) == 1


def planted(text):
    """As it would stand in a snapshot: of one kind or the other."""
    return text.encode(), text.encode("utf-16-le")


@pytest.fixture
def scripted(firefox):
    """A page with a script whose address has a secret, as its function is one that allocates while a
    person records where that happens; and a property that is such an address."""
    script = (b"window.Planted = class Planted {}; window.plant = n => {"
              b"window.all = []; while (all.length < n) all.push(new Planted())};")
    site = http({"/app.js": (200, "text/javascript", script)})
    address = f"http://127.0.0.1:{site.port}/app.js"
    console, memory = (firefox.client.target(firefox.descriptor)[name]
                       for name in ("consoleActor", "memoryActor"))
    firefox.client.evaluate(console, f"""
        window.byAddress = {{['{address}?key=qKEYSECRET']: {{}}}};
        document.head.append(Object.assign(document.createElement('script'),
                                           {{src: '{address}?token=qSCRIPTSECRET'}})), 1""")
    until(lambda: firefox.evaluate("typeof plant") == "function", "its script")
    firefox.client.ask(memory, "attach")
    firefox.client.ask(memory, "startRecordingAllocations", options={"probability": 1})
    firefox.evaluate("plant(1000), 1")
    yield address
    site.close()


SECRETS = "qSCRIPTSECRET", "qKEYSECRET"


def test_addresses_of_scripts_are_cut(firefox, look, scripted, tmp_path):
    """Where they stand in a snapshot: the names of files, stacks of allocations, properties. What is
    left is whole: the same nodes, and Firefox itself reads it."""
    daemon = look(firefox, redact="strings")
    until(lambda: used(daemon, firefox.isolate), "a sample")
    path = take(daemon, isolate=firefox.isolate)
    data = gzip.decompress(path.read_bytes())
    for form in planted(scripted):
        assert form in data
    for form in (form for secret in SECRETS for form in planted(secret)):
        assert form not in data
    held = fxsnapshot.holds(path)
    foreign = converted.convert(path, tmp_path)
    converted.holds(foreign, held, "Planted", 1000)
    assert not any(secret in foreign.read_text() for secret in SECRETS)
    found = Ctl().json("analyze", path, "--allocations", "--json=short")["allocations"]["functions"]
    plant = next(row for row in found if row["function"] == "window.plant")
    assert plant["live_count"] >= 1000 and plant["place"].startswith(scripted)
    assert not any(secret in json.dumps(found) for secret in SECRETS)
    assert firefox.reads(path) == held[0] - 1, "all but the root"


def test_addresses_of_scripts_stay_where_nothing_is_redacted(firefox, look, scripted):
    daemon = look(firefox, redact="none")
    until(lambda: used(daemon, firefox.isolate), "a sample")
    path = take(daemon, isolate=firefox.isolate)
    assert firefox.reads(path) == fxsnapshot.holds(path)[0] - 1
    data = gzip.decompress(path.read_bytes())
    for secret in SECRETS:
        assert any(form in data for form in planted(secret)), f"{secret} was never there: no proof"
    assert planted(SECRETS[0])[0] in data, "no name of a file"
    assert planted(SECRETS[0])[1] in data, "no stack"


# ---- harm ----

def test_nothing_else_is_said(firefox, start_daemon):
    """The closed list; one connection to watch, one to capture; the target of a tab is got once."""
    with closing(Relay(int(firefox.address.rsplit(":", 1)[1]), Packets)) as relay:
        config = {"poll": POLL, "capture": dict(PLAIN, guards={"headroom": 0}),
                  "targets": [{"name": "app", "address": f"127.0.0.1:{relay.port}",
                               "runtime": "firefox"}]}
        daemon = start_daemon(config)
        isolate = firefox.isolate
        until(lambda: used(daemon, isolate), "a sample")
        daemon.wait_value("heapwatch_polls_total", lambda v: v >= 4, target="app")
        take(daemon, isolate=isolate, gc_before=True)
        watched, captured = map(list, relay.conversations)
    types = [packet["type"] for packet in captured]
    assert types == ["getRoot", "listTabs", "getTarget", "attach", "forceGarbageCollection",
                     "saveHeapSnapshot", "transferHeapSnapshot"]
    assert {packet["type"] for packet in watched} == {
        "getRoot", "getDescription", "listTabs", "listProcesses", "getTarget", "measure",
        "residentUnique"}
    got = [packet["to"] for packet in watched if packet["type"] == "getTarget"]
    assert len(got) == len(set(got))


def test_a_capture_that_is_cancelled_hurts_nobody(firefox, look):
    """While it is being saved; the file is deleted all the same."""
    daemon = look(firefox)
    until(lambda: used(daemon, firefox.isolate), "a sample")
    firefox.grow(50000)
    daemon.wait_up("app")
    answer = daemon.post("/api/v1/targets/app/captures",
                         json.dumps({"isolate": firefox.isolate}).encode(),
                         {"Content-Type": "application/json"})
    assert answer.status == 202, answer.text
    until(lambda: firefox.leftovers(), "it is being saved")
    assert daemon.get(f"/api/v1/captures/{answer.json()['data']['id']}",
                      method="DELETE").status in (200, 202)
    until(lambda: daemon.value("heapwatch_capture_failures_total", target="app",
                               reason="cancelled") == 1, "cancelled")
    assert firefox.grow(1) == 50001  # it answers, when it has saved
    until(lambda: firefox.leftovers() == [], "the file is deleted", limit_s=30)
    daemon.wait_up("app")
    assert firefox.process.running()


def test_a_page_whose_process_dies_while_it_is_saved(firefox, look):
    """Its actors never answer, which Firefox says (forwardingCancelled): the capture ends at once, and
    polling goes on. The file has no name yet: it is told, and stays."""
    daemon = look(firefox)
    isolate = firefox.isolate
    until(lambda: used(daemon, isolate), "a sample")
    firefox.grow(100000)
    daemon.wait_up("app")
    pid = firefox.content_pid
    daemon.capture("app", isolate=isolate, wait=False)
    until(firefox.leftovers, "it is being saved", step_s=0.001)
    os.kill(pid, signal.SIGKILL)
    # It would be waited for 20 s, if nobody had said that it is gone.
    until(lambda: daemon.value("heapwatch_capture_failures_total", target="app", reason="lost") == 1,
          lambda: f"it is lost; log:\n{daemon.tail()}", limit_s=10)
    assert daemon.process.count_lines(f"{isolate} is gone: its process has ended") == 1, daemon.tail()
    assert daemon.ready() == [] and daemon.incoming() == []
    left, = firefox.leftovers()
    said = daemon.process.wait_line("app was saving a snapshot when its capture ended.*")[0]
    assert f"{firefox.tmp}: {left.name}" in said, said
    # The browser shows that the tab crashed, and is watched.
    polls = daemon.value("heapwatch_polls_total", target="app")
    daemon.wait_value("heapwatch_polls_total", lambda v: v >= polls + 2, target="app")
    assert daemon.state("app") == "up"
    assert f"process:{pid}" not in isolates(daemon, "heapwatch_unique_memory_bytes")
    assert daemon.value("heapwatch_poll_failures_total", target="app", reason="protocol") == 0


def test_its_file_is_deleted_as_soon_as_it_is_handed_over(nursery, look, tmp_path):
    """Not when all of it has come: a daemon that is killed meanwhile could not delete it any more."""
    program = tmp_path / "firefox"  # by its name it is known to be the one that listens
    program.symlink_to(os.path.realpath(sys.executable))
    program = nursery.start([program, node.PROGRAMS / "stalling_firefox.py"],
                            env=dict(node.environment(), TMPDIR=str(tmp_path)))
    port = program.wait_line(r"^listens at (\d+)")[1]
    daemon = look(f"127.0.0.1:{port}", guards={"headroom": 0})
    daemon.wait_value("heapwatch_target_process_start_time_seconds", bool, target="app")
    daemon.capture("app", isolate="tab:1", wait=False)
    program.wait_line("^begun")
    until(lambda: list(tmp_path.glob("*.fxsnapshot")) == [], lambda: f"its file is deleted; log:\n{daemon.tail()}")
    assert daemon.state("app") == "capturing" and daemon.ready() == [], "it was over: no proof"


def test_what_a_killed_daemon_may_have_left_is_named(firefox, look, tmp_path):
    """And stays, for it may be a person's. What was there before is not ours."""
    home = tmp_path / "home"
    old = firefox.tmp / "1.fxsnapshot"
    old.write_bytes(b"older")
    os.utime(old, (0, 0))
    daemon = look(firefox, home=home)
    until(lambda: used(daemon, firefox.isolate), "a sample")
    firefox.grow(100000)
    daemon.wait_up("app")
    daemon.capture("app", isolate=firefox.isolate, wait=False)
    until(lambda: len(firefox.leftovers()) > 1, "it is being saved", step_s=0.001)
    daemon.process.kill()
    assert firefox.grow(1) == 100001  # it answers when it has saved
    left, = set(firefox.leftovers()) - {old}
    daemon = look(firefox, home=home)
    said = daemon.process.wait_line("app was being captured when heapwatchd ended.*")[0]
    assert f"{firefox.tmp}: {left.name}" in said, said
    daemon.capture("app", isolate=firefox.isolate)
    assert firefox.leftovers() == sorted([old, left])


def test_a_firefox_that_asks_a_person_first(start_daemon):
    """devtools.debugger.prompt-connection: it accepts and stays mute until somebody clicks. It is
    waited for, on one connection."""
    calls = []

    def serve(client):
        calls.append(client)
        client.recv(1)
    with closing(Listener(serve)) as mute:
        daemon = start_daemon({"poll": {"interval": "500ms", "timeout": "500ms"},
                               "targets": [{"name": "app", "address": mute.address,
                                            "runtime": "firefox"}]})
        daemon.wait_value("heapwatch_poll_failures_total", lambda v: v >= 4, target="app",
                          reason="timeout")
        assert daemon.value("heapwatch_up", target="app") == 0
        assert len(calls) == 1
