"""Cloudflare workerd: one client at a time, and a server that must be able to stop."""

import signal
import threading

import pytest

from lab import readers
from lab.cdp import Client
from lab.daemon import PLAIN
from lab.relay import BothWays
from lab.wait import until
from lab.workerd import WAYS, Miniflare, Workerd

ENDED = "heapwatch_last_poll_timestamp_seconds"
USED = "heapwatch_heap_used_bytes"


@pytest.fixture
def program(nursery, tmp_path):
    return Workerd(nursery, tmp_path / "workerd")


def test_each_worker_has_its_series(program, watch):
    daemon = watch(app=program.address)
    daemon.wait_up("app")
    daemon.wait_value("heapwatch_target_isolates", 2, target="app")
    before = {name: daemon.value(USED, target="app", isolate=f"worker:{name}")
              for name in ("main", "second")}
    program.grow(50000)
    until(lambda: daemon.value(USED, target="app", isolate="worker:main") > before["main"] + 800000,
          "the growth of the one that grew")
    assert daemon.value(USED, target="app", isolate="worker:second") < before["second"] + 400000


def test_stops_when_it_is_told_to(program, watch):
    """With a client connected SIGTERM makes it crash: we are there only while we poll."""
    daemon = watch(app=program.address)
    daemon.wait_up("app")
    last = daemon.value(ENDED, target="app")
    until(lambda: daemon.value(ENDED, target="app") > last, "the end of a poll")
    until(lambda: program.clients() == 0, "nobody connected")
    program.process.signal(signal.SIGTERM)
    assert program.process.wait_exit() in (0, -signal.SIGTERM)
    assert not program.process.count_lines("[Ff]atal|\\*\\*\\* ")
    daemon.wait_value("heapwatch_up", 0, target="app")


def test_a_capture_is_not_ended_by_a_poll(program, watch):
    """A second client ends the first."""
    program.grow(400000)
    often = {"interval": "100ms", "timeout": "100ms"}
    daemon = watch(app=program.address, sections={"capture": PLAIN, "poll": often})
    daemon.wait_up("app")
    for _ in range(3):
        daemon.wait_up("app")  # again: it answers nothing while a snapshot is made
        daemon.capture("app", isolate=program.isolate)


def test_nor_by_one_who_stays_otherwise(program, watch):
    """With `policy: attached` we leave for as long as a capture lasts."""
    program.grow(100000)
    often = {"interval": "100ms", "timeout": "100ms", "policy": "attached"}
    daemon = watch(app=program.address, sections={"capture": PLAIN, "poll": often})
    daemon.wait_up("app")
    snapshot = daemon.capture("app", isolate=program.isolate)
    assert readers.parse(snapshot, "KnownThing")[2] == 100000
    until(lambda: program.clients() == 2, "we are at both workers again")


def test_a_worker_that_ends_is_gone(nursery, tmp_path, watch):
    program = Workerd(nursery, tmp_path / "workerd", flags=["--watch"])
    daemon = watch(app=program.address)

    def isolates():
        return {labels["isolate"] for labels, _ in daemon.values(USED, target="app")}
    until(lambda: isolates() == {"worker:main", "worker:second"}, "both")
    program.drop_second()
    until(lambda: isolates() == {"worker:main"}, lambda: f"{isolates()}; log:\n{daemon.tail()}")
    daemon.wait_value("heapwatch_target_isolates", 1, target="app")
    assert daemon.state("app") == "up" and program.process.running()


@pytest.mark.parametrize("way", ["wrangler", "miniflare"])
def test_behind_a_proxy_who_comes_second_is_turned_away(nursery, watch, tmp_path, way):
    """A person's debugger is not ended by our polls, and we have the worker again when it has left."""
    program = WAYS[way](nursery, tmp_path / "program")
    with Client(program.port, path=program.path) as person:
        assert person.call("Runtime.getHeapUsage")["usedSize"] > 0
        daemon = watch(app=program.address)
        daemon.wait_value("heapwatch_polls_total", lambda n: n > 3, target="app")
        assert daemon.values(USED, target="app") == []
        says_who_has_it(daemon, program.isolate)
        assert person.call("Runtime.getHeapUsage")["usedSize"] > 0
    daemon.wait_isolate("app", program.isolate)
    until(lambda: daemon.target("app")["reason"] == "", lambda: daemon.target("app")["reason"])
    daemon.process.wait_line("all of it is polled again")
    assert daemon.process.count_lines(MISSED) == 1


MISSED = "not all of it can be polled"


def says_who_has_it(daemon, isolate):
    """On the API, the page and, once, in the journal."""
    reason = f"{isolate} is not polled: another client has its one connection"
    assert daemon.target("app")["reason"] == reason and daemon.state("app") == "up"
    assert reason in daemon.get("/").text
    said = daemon.process.wait_line(f"{MISSED}.*")[0]
    assert reason in said, said


def test_one_of_two_that_another_has_is_named(nursery, watch):
    """The other is polled."""
    program = Miniflare(nursery, "one", "two")
    with Client(program.port, path="/two"):
        daemon = watch(app=program.address)
        until(lambda: daemon.target("app")["reason"], "a reason")
        daemon.wait_value(USED, lambda v: v > 0, target="app", isolate="worker:one")
        says_who_has_it(daemon, "worker:two")
        assert daemon.isolates("app") == ["worker:one"]
    daemon.wait_isolate("app", "worker:two")


def test_a_capture_of_a_worker_that_another_has_says_so(nursery, watch):
    program = Miniflare(nursery)
    rarely = {"interval": "1h", "timeout": "2s"}
    daemon = watch(app=program.address,
                   sections={"capture": dict(PLAIN, guards={"headroom": 0}), "poll": rarely})
    daemon.wait_isolate("app", "main")
    until(lambda: program.clients() == 0, "nobody connected")
    with Client(program.port, path="/"):
        asked = daemon.post("/api/v1/targets/app/captures?isolate=main").json()["data"]["id"]
        failed = until(lambda: daemon.api(f"/captures/{asked}").get("error"), "it fails")
    assert failed == "another client has the target's one connection"


class Late(BothWays):
    """A proxy learns from it late that a client has left, as one that is busy does."""

    def __init__(self, port):
        self._gone = []
        super().__init__(port)

    def _part(self, heard):
        if b"Upgrade: websocket" in heard.head:
            threading.Event().wait(LATE_S)
        self._gone.append(heard)

    def is_alone(self):
        return len(self._gone) == len(self.conversations)

    def turned_away(self):
        return sum(b"Too many clients" in said for said in list(self._said.values()))


LATE_S = 1


@pytest.mark.parametrize("way", ["wrangler", "miniflare"])
def test_a_capture_waits_for_who_is_leaving(nursery, watch, tmp_path, way):
    """The poll before it was ours, and to the proxy it is still there."""
    program = WAYS[way](nursery, tmp_path / "program")
    program.grow(1000)
    between = Late(program.port)
    daemon = watch(app=between.address,
                   sections={"capture": dict(PLAIN, guards={"headroom": 0}),
                             "poll": {"interval": "1h", "timeout": "2s"}})
    daemon.wait_isolate("app", program.isolate)
    until(between.is_alone, "nobody connected")
    assert between.turned_away() == 0
    snapshot = daemon.capture("app", isolate=program.isolate)
    assert readers.parse(snapshot, "KnownThing")[2] == 1000
    assert between.turned_away() > 0
    assert program.process.running(), program.process.output()


OFTEN = {"interval": "100ms", "timeout": "100ms", "backoff_max": "100ms"}
HELD_MS = 60  # of the 250 that we wait


def test_a_proxy_of_miniflare_is_not_spoken_to_before_it_is_connected(nursery, watch):
    """What it is told before, and a client that leaves before, ends the process that runs it."""
    program = Miniflare(nursery, held_ms=HELD_MS)
    daemon = watch(app=program.address, sections={"poll": OFTEN})
    for _ in range(8):
        daemon.wait_isolate("app", "main")
        program.reload()
        polls = daemon.value("heapwatch_polls_total", target="app")
        daemon.wait_value("heapwatch_polls_total", lambda n: n > polls + 2, target="app")
        assert program.process.running(), program.process.output()
    daemon.wait_isolate("app", "main")


def test_nor_by_a_capture(nursery, watch):
    program = Miniflare(nursery, held_ms=HELD_MS)
    daemon = watch(app=program.address,
                   sections={"capture": dict(PLAIN, guards={"headroom": 0}),
                             "poll": {"interval": "1h", "timeout": "2s"}})
    daemon.wait_isolate("app", "main")
    for _ in range(5):
        program.reload()
        daemon.capture("app")
        assert program.process.running(), program.process.output()


def profile_of(program):
    """What a person hears who asks for it, once they are let in."""
    try:
        with Client(program.port, path=program.path) as person:
            asked = person.send("HeapProfiler.getSamplingProfile")
            while (answer := person.receive()).get("id") != asked:
                pass
            return "error" if "error" in answer else "profile"
    except ConnectionError:
        return None


START = {"sampling": "HeapProfiler.startSampling", "timeline": "HeapProfiler.startTrackingHeapObjects"}


@pytest.mark.parametrize("kind", ["sampling", "timeline"])
@pytest.mark.parametrize("end", ["cancelled", "killed"])
@pytest.mark.parametrize("start", [WAYS["wrangler"], WAYS["miniflare"]], ids=["wrangler", "miniflare"])
def test_nothing_stays_on_behind_a_proxy(nursery, tmp_path, start_daemon, start, kind, end):
    """It stays connected to the worker when we leave it, so that leaving ends nothing."""
    program = start(nursery, tmp_path / "program")
    between = BothWays(program.port)
    config = {"poll": {"interval": "2s", "timeout": "2s"},
              "capture": dict(PLAIN, guards={"headroom": 0}, gc_interval="1s"),
              "targets": [{"name": "app", "address": between.address}]}
    daemon = start_daemon(config, home=tmp_path / "d")
    daemon.wait_isolate("app", program.isolate)
    asked = daemon.post(f"/api/v1/targets/app/captures?kind={kind}&isolate={program.isolate}"
                        "&duration=1m").json()["data"]["id"]
    until(lambda: START[kind] in between.answered(), lambda: f"its begin; log:\n{daemon.tail()}")
    if end == "cancelled":
        assert daemon.get(f"/api/v1/captures/{asked}", method="DELETE").status in (200, 202)
    else:
        daemon.process.kill()
        daemon = start_daemon(config, home=tmp_path / "d")
    # A client that has been killed is there to wrangler for some seconds more.
    until(lambda: "HeapProfiler.disable" in between.answered(), lambda: f"its end; log:\n{daemon.tail()}",
          limit_s=60)
    assert daemon.process.stop() == 0
    assert until(lambda: profile_of(program), "a person") == "error", "it samples"
