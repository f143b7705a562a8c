"""Looks at sampling profiles while they are taken: what is there so far is a capture of its own, and
the profile goes on as if nobody had looked."""

import contextlib
import gzip
import json
from xml.etree import ElementTree

import pytest

from lab import readers, sampled
from lab.cdp import Client, is_sampling
from lab.chromium import Chromium, isolate
from lab.ctl import Ctl
from lab.daemon import PLAIN
from lab.deno import Deno
from lab.firefox import Firefox
from lab.gc import force
from lab.wait import until
from lab.workerd import Workerd

SOON = dict(PLAIN, gc_interval="1s")


def ask(daemon, **wishes):
    answer = daemon.post("/api/v1/targets/app/captures",
                         json.dumps({"kind": "sampling", "interval": "1KiB", **wishes}).encode(),
                         {"Content-Type": "application/json"})
    assert answer.status == 202, answer.text
    return answer.json()["data"]["id"]


def peek(daemon, identity):
    return daemon.post(f"/api/v1/captures/{identity}/peek")


def ended(daemon, identity, state="succeeded"):
    """What the API says of it when it is there."""
    return until(lambda: (c := daemon.api(f"/captures/{identity}"))["state"] == state and c,
                 lambda: f"{state} of {daemon.api(f'/captures/{identity}')}; {daemon.tail()}")


def wished(daemon, identity):
    """The id of a look at it, which can be had as soon as it sleeps, and gc_interval lets it."""
    answer = until(lambda: (a := peek(daemon, identity)).status == 202 and a,
                   lambda: f"a look: {peek(daemon, identity).text}; {daemon.tail()}")
    return answer.json()["data"]["id"]


def looked(daemon, identity):
    """The manifest of a look at it."""
    return ended(daemon, wished(daemon, identity))


def blocked(client):
    """The program does nothing else for a while: what it is asked for waits. One answer comes."""
    client.call("Runtime.enable")
    client.send("Runtime.evaluate", expression="{ console.log('on'); const end = Date.now() + 800;"
                                               "while (Date.now() < end); }")
    client.wait_event("Runtime.consoleAPICalled")


def path_of(daemon, manifest):
    return daemon.storage / "spool" / "ready" / manifest["name"]


def top(daemon, manifest):
    """(the table, {function: bytes of its own})"""
    table = Ctl().json("profile", "top", path_of(daemon, manifest))
    return table, {row["function"]: row["self_bytes"] for row in table["functions"]}


def kept_bytes(node):
    return int(node.nudge(r"^kept (\d+)")[1])


@pytest.fixture
def watched(start_node, watch):
    """watched(major) -> (Node, Daemon)"""
    def start(major=24):
        node = start_node(major, "allocate")
        daemon = watch(app=node.address, sections={"capture": SOON})
        daemon.wait_up("app")
        return node, daemon
    return start


def test_what_is_there_so_far(watched, major):
    node, daemon = watched(major)
    with Client(node.port) as client:
        identity = ask(daemon, duration="6s", format=["heapprofile", "pprof"])
        until(lambda: is_sampling(client), "it samples")
        half = kept_bytes(node)
        first = looked(daemon, identity)
        assert is_sampling(client)
        kept_bytes(node)
        whole = ended(daemon, identity)
        assert not is_sampling(client)
    table, own = top(daemon, first)
    assert table["what"] == "live" and 0 < table["duration_seconds"] < 6
    size = sampled.array_bytes(8)
    assert own["keepMany"] + own["keepFew"] == pytest.approx(half, rel=sampled.error(16000, size, 1024))
    assert readers.devtools_profile(path_of(daemon, first))["total"] == table["bytes"]
    table, both = top(daemon, whole)
    assert table["duration_seconds"] == 6
    # All of the first half, by the same samples, and as much again.
    assert both["keepMany"] + both["keepFew"] == \
        pytest.approx(2 * half, rel=sampled.error(32000, size, 1024))

    assert first["kind"] == "sampling" and first["cause"] == f"a look at {identity}, which goes on"
    packed = until(lambda: [m for m in daemon.api("/captures")["ready"]
                            if m["format"] == "pb.gz" and m["cause"] == first["cause"]], "pprof")
    read = readers.pprof(path_of(daemon, packed[0]))
    for name in ("keepMany", "keepFew"):
        assert read["self"][name][1] == own[name]


KEEP = ("globalThis.kept ??= []; (function keepMany() { for (let i = 0; i < 16000; i++)"
        " kept.push(new Array(128).fill(i)) })(); 1")


def a_deno(nursery, home, site):
    deno = Deno(nursery, home, "100")
    return deno.address, "main", 8, lambda: Client(deno.port)


def a_page(nursery, home, site):
    browser = Chromium(nursery, home, site.url + "page.html")
    return browser.address, isolate(browser.page), 4, browser.client


def a_workerd(nursery, home, site):
    """It bears one client: it is asked by its own requests."""
    workerd = Workerd(nursery, home)
    return workerd.address, workerd.isolate, 4, lambda: Visitor(workerd)


class Visitor(contextlib.AbstractContextManager):
    def __init__(self, workerd):
        self._workerd = workerd

    def evaluate(self, _):
        self._workerd.visit("keep=16000")

    def __exit__(self, *_):
        pass


@pytest.mark.parametrize("start", [a_deno, a_page, a_workerd])
def test_other_runtimes_of_v8(nursery, watch, tmp_path, site, start):
    """What is allocated between the first look and the second is in the second, and what comes after
    that is in the whole."""
    address, name, pointer, open_client = start(nursery, tmp_path / "program", site)
    daemon = watch(app=address, sections={"capture": SOON})
    daemon.wait_isolate("app", name)
    daemon.wait_up("app")
    identity = ask(daemon, duration="12s", isolate=name)
    before = looked(daemon, identity)
    with open_client() as client:
        client.evaluate(KEEP)
        first = looked(daemon, identity)
        client.evaluate(KEEP)
    whole = ended(daemon, identity)
    assert "keepMany" not in top(daemon, before)[1]
    size = sampled.array_bytes(pointer)
    for manifest, n in ((first, 16000), (whole, 32000)):
        table, own = top(daemon, manifest)
        assert table["functions"][0]["function"] == "keepMany"
        # And what their list has grown to.
        assert own["keepMany"] == pytest.approx(n * size, rel=sampled.error(n, size, 1024) + 0.01)
        sampled.check_mean(table["functions"][0], pointer, 1024)
        if manifest == whole:
            assert table["duration_seconds"] == 12
        else:
            assert 0 < table["duration_seconds"] < 12


def test_only_one_at_a_time_and_only_of_what_samples(watched):
    node, daemon = watched()
    assert peek(daemon, "0123").status == 404
    diagnostics = daemon.post("/api/v1/targets/app/captures?kind=diagnostics").json()["data"]["id"]
    ended(daemon, diagnostics)
    answer = peek(daemon, diagnostics)
    assert answer.status == 409 and "no sampling profile" in answer.text
    with Client(node.port) as client:
        identity = ask(daemon, duration="1h")
        until(lambda: is_sampling(client), "it samples")
        blocked(client)
        waits = wished(daemon, identity)
        again = peek(daemon, identity)
        assert again.status == 409 and "another look" in again.text
        # Ended while somebody waits for a look: that one is told why.
        assert daemon.get(f"/api/v1/captures/{identity}", method="DELETE").status == 202
        failed = ended(daemon, waits, "failed")
        assert (failed["reason"], failed["error"]) == ("refused", "the profile has ended")
        assert ended(daemon, identity, "failed")["reason"] == "cancelled"
        client.receive()
        until(lambda: not is_sampling(client), "it does not sample")


def test_a_look_that_nobody_waits_for(watched):
    """It is deleted before it has come; the profile does not mind."""
    node, daemon = watched()
    with Client(node.port) as client:
        identity = ask(daemon, duration="4s")
        until(lambda: is_sampling(client), "it samples")
        blocked(client)
        gone = wished(daemon, identity)
        assert daemon.get(f"/api/v1/captures/{gone}", method="DELETE").status == 202
        client.receive()
        looked(daemon, identity)
    ended(daemon, identity)
    assert daemon.api(f"/captures/{gone}")["reason"] == "cancelled"
    assert len([m for m in daemon.api("/captures")["ready"] if m["kind"] == "sampling"]) == 2


def test_it_is_judged_as_a_forced_collection(watched):
    """For V8 collects for it: once a second at the most, here."""
    node, daemon = watched()
    identity = ask(daemon, duration="1h")
    looked(daemon, identity)
    answer = peek(daemon, identity)
    assert answer.status == 429 and "gc_interval: 1s left of 1s" in answer.text
    assert force(daemon).status == 429
    assert daemon.value("heapwatch_captures_suppressed_total", target="app", reason="gc_interval") >= 1
    looked(daemon, identity)
    assert node.process.running()


def test_addresses_are_redacted_as_those_of_the_whole(start_node, watch):
    node = start_node(24, "allocate")
    daemon = watch(app=node.address, sections={"capture": dict(PLAIN, redact="strings")})
    daemon.wait_up("app")
    with Client(node.port) as client:
        identity = ask(daemon, duration="3s", format=["heapprofile", "pprof"])
        until(lambda: is_sampling(client), "it samples")
        client.evaluate("globalThis.late = []; process.getBuiltinModule('vm').runInThisContext("
                        "'(function keepLate() { for (let i = 0; i < 9000; i++)"
                        " late.push(new Array(128).fill(i)) })',"
                        " { filename: 'https://shop.example/app.js?token=hunter2' })(); 1")
        first = looked(daemon, identity)
    ended(daemon, identity)
    assert first["redact"] == "strings"
    places = {row["function"]: row["url"] for row in top(daemon, first)[0]["functions"]}
    assert places["keepLate"] == "https://shop.example/app.js"
    for path in (daemon.storage / "spool").rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert b"hunter2" not in (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data), path


def test_firefox_tells_nothing_before_the_end(nursery, watch, tmp_path):
    firefox = Firefox(nursery, tmp_path / "program")
    daemon = watch(app=firefox.address, sections={"capture": PLAIN})
    until(lambda: daemon.value("heapwatch_heap_used_bytes", target="app", isolate=firefox.isolate),
          "the tab")
    answer = daemon.post("/api/v1/targets/app/captures?kind=sampling&duration=2s"
                         f"&isolate={firefox.isolate}")
    identity = answer.json()["data"]["id"]
    ended(daemon, identity, "running")
    answer = peek(daemon, identity)
    assert answer.status == 422 and "firefox tells of nothing before the end" in answer.text
    ended(daemon, identity)


def peeked(ctl, identity):
    try:
        return ctl.lines("peek", identity, "--wait")
    except AssertionError:
        return None


def test_the_command_waits_for_both_formats_and_names_both(watched):
    node, daemon = watched()
    ctl = Ctl("-H", f"http://127.0.0.1:{daemon.port}")
    identity = ask(daemon, duration="1h", format=["heapprofile", "pprof"])
    both = until(lambda: peeked(ctl, identity), "a look")
    assert len(both) == 2 and identity not in both
    assert [ended(daemon, i)["format"] for i in both] == ["heapprofile", "pb.gz"]
    assert {ended(daemon, i)["profile"] for i in both} == {both[0]}
    assert "second" not in daemon.api(f"/captures/{identity}")


def test_the_command(watched, tmp_path):
    node, daemon = watched()
    ctl = Ctl("-H", f"http://127.0.0.1:{daemon.port}", cwd=tmp_path)
    identity, = ctl.lines("capture", "sampling", "app", "--duration=5s")
    with Client(node.port) as client:
        until(lambda: is_sampling(client), "it samples")
    looked(daemon, identity)
    assert "gc_interval" in ctl("peek", identity, exit=4).stderr
    mine, = until(lambda: peeked(ctl, identity), "a look")
    assert mine != identity
    ctl("export", mine, "-o", tmp_path / "mine.heapprofile")
    assert Ctl().json("profile", "top", tmp_path / "mine.heapprofile")["duration_seconds"] < 5
    assert "peek: which capture?" in ctl("peek", exit=2).stderr
    assert "no capture has this id" in ctl("peek", "nothing", exit=1).stderr
    ended(daemon, identity)
    assert "it is not sampling now (succeeded)" in ctl("peek", identity, exit=1).stderr


def test_what_came_after_the_look(watched, tmp_path):
    """profile diff, and the flame graph of a profile with a base."""
    node, daemon = watched()
    with Client(node.port) as client:
        identity = ask(daemon, duration="4s", objects="all")
        until(lambda: is_sampling(client), "it samples")
        kept_bytes(node)
        first = looked(daemon, identity)
        client.evaluate("globalThis.late = []; function keepLate() {"
                        "for (let i = 0; i < 9000; i++) late.push(new Array(128).fill(i)) }"
                        "keepLate(); 1")
        whole = ended(daemon, identity)
    paths = path_of(daemon, first), path_of(daemon, whole)
    (then, before), (now, after) = top(daemon, first), top(daemon, whole)
    assert "keepLate" not in before
    rows = Ctl().json("profile", "diff", *paths)["functions"]
    assert rows[0]["function"] == "keepLate" and rows[0]["base_bytes"] == 0
    assert rows[0]["bytes"] == after["keepLate"]
    assert sum(row["bytes"] - row["base_bytes"] for row in rows) == now["bytes"] - then["bytes"]
    shown = Ctl()("profile", "diff", *paths).stdout.splitlines()
    assert shown[0].split() == ["CHANGE", "BEFORE", "NOW", "FUNCTION", "PLACE"]
    assert "keepLate" in shown[1]

    graph = tmp_path / "change.svg"
    Ctl()("profile", "flame", *paths, "-o", graph)
    fills = {}
    for frame in ElementTree.parse(graph).findall(".//{*}g"):
        name = frame.find("{*}title").text.split()[0]
        fills.setdefault(name, set()).add(frame.find("{*}rect").get("fill"))
    assert fills.get("keepLate") == {"#ff6464"}, fills
    assert "#ff6464" not in fills["keepMany"] | fills["waste"]
