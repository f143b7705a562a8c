"""Collections of garbage: forced by a person, by heapwatchctl and by a rule, in turn with captures and
within their limit; and those that the runtimes tell of, compared with what the programs count."""

import json
import os
import re

import pytest
import yaml

from lab.bun import Bun
from lab.chromium import Chromium, isolate
from lab.ctl import Ctl
from lab.daemon import PLAIN, POLL, static_config
from lab.deno import Deno
from lab.firefox import Firefox
from lab.gate import Gate
from lab.site import Site
from lab.wait import until
from lab import webkit, workerd

MIB = 1 << 20
USED = "heapwatch_heap_used_bytes"


def force(daemon, target="app", **wishes):
    return daemon.post(f"/api/v1/targets/{target}/gc", json.dumps(wishes).encode(),
                       {"Content-Type": "application/json"})


def forced(daemon, target="app", **wishes):
    answer = force(daemon, target, **wishes)
    assert answer.status == 200, (answer.status, answer.text, daemon.tail())
    return answer.json()["data"]


def expect_freed(got, isolate_name="main"):
    assert got["isolate"] == isolate_name
    assert got["heap_before_bytes"] > got["heap_after_bytes"] > 0, got
    assert got["freed_bytes"] == got["heap_before_bytes"] - got["heap_after_bytes"]
    assert 0 < got["duration_seconds"] < 10


# ---- forced ----

def test_node_and_its_worker(major, start_node, watch):
    node = start_node(major, "garbage", 8, 2000, "workers")
    daemon = watch(app=node.address, sections={"capture": dict(PLAIN, gc_interval="1s")})
    daemon.wait_up("app")
    until(lambda: daemon.value(USED, target="app", isolate="worker:1"), "the worker")
    until(lambda: daemon.value(USED, target="app", isolate="main") > 16 * MIB, "garbage")
    got = forced(daemon)
    expect_freed(got)
    assert got["heap_after_bytes"] > 7 * MIB
    until(lambda: force(daemon, isolate="worker:1", dry_run=True).status == 200, "a second")
    expect_freed(forced(daemon, isolate="worker:1"), "worker:1")
    assert daemon.value("heapwatch_forced_gcs_total", target="app", rule="") == 2
    assert daemon.value("heapwatch_forced_gc_duration_seconds_count") == 2
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
    expect_freed(forced(daemon, force=True))


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
