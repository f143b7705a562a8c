"""A tracking of JavaScriptCore: two snapshots of one connection, and what came between is told by
class, object by object. Before the second the guards judge again, and where they say no the program
is left without it."""

import json
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import readers, said, tracked
from lab.ctl import Ctl
from lab.daemon import PLAIN, static_config
from lab.tracked import COUNT
from lab.verdicts import configuration, report_of, wait_verdict
from lab.wait import until

ANYHOW = dict(PLAIN, guards={"headroom": 0})
EACH = pytest.mark.parametrize("runtime", tracked.EACH)


@pytest.fixture
def program(runtime, nursery, tmp_path):
    return tracked.EACH[runtime](nursery, tmp_path)


@pytest.fixture
def track(start_daemon):
    """The daemon, and its relay to the program that says what it is told."""
    def run(program, capture=ANYHOW, **sections):
        between = tracked.relay(program)
        daemon = start_daemon(static_config(
            {"app": program.through(between)}, capture=capture,
            analysis={"enabled": True, "headroom": "64MiB"}, **sections))
        daemon.wait_up("app")
        daemon.wait_isolate("app", program.isolate)
        return daemon, between
    return run


def ask(daemon, program, **wishes):
    return daemon.post("/api/v1/targets/app/captures", json.dumps(
        {"kind": "tracking", "isolate": program.isolate, **wishes}).encode(),
        {"Content-Type": "application/json"})


def begin(daemon, program, **wishes):
    answer = ask(daemon, program, **wishes)
    assert answer.status == 202, answer.text
    return answer.json()["data"]["id"]


def halves(daemon):
    """What is in the spool of it, in order."""
    return sorted((c for c in daemon.api("/captures")["ready"] if c["kind"] == "tracking"),
                  key=lambda c: c["series_index"])


def wait_first(daemon):
    return until(lambda: halves(daemon), lambda: f"the first; log:\n{daemon.tail(60)}", 60)[0]


def wait_both(daemon):
    until(lambda: len(halves(daemon)) == 2, lambda: f"both; log:\n{daemon.tail(60)}", 60)
    return halves(daemon)


def path_of(daemon, capture):
    return daemon.storage / "spool" / "ready" / capture["name"]


def running(daemon):
    return [c for c in daemon.api("/captures")["running"] if c["kind"] == "tracking"]


def wait_waiting(daemon):
    """The second has begun, which is to wait for its time."""
    wait_first(daemon)
    second, = until(lambda: running(daemon) if len(running(daemon)) == 1 else None,
                    lambda: f"the second; log:\n{daemon.tail(60)}")
    assert second["series_index"] == 2
    return second


def wait_ended(daemon, second):
    def ended():
        return next((c for c in daemon.api("/captures")["failed"] if c["id"] == second["id"]), None)
    return until(ended, lambda: f"its end; log:\n{daemon.tail(60)}", 60)


def methods(between):
    return [m["method"] for m in said.messages(between)]


def is_tracked(program):
    """Who asks for the end of a tracking that there is, is told it."""
    return "Heap.trackingComplete" in program.ask("Heap.stopTracking")


def check_left(daemon, program, between):
    """Nothing is left behind, and both go on."""
    daemon.wait_up("app")
    said_last = methods(between)
    assert "Heap.stopTracking" not in said_last and "Heap.disable" in said_last
    daemon.process.stop()
    between.close()
    assert between.complaints() == []
    program.wait_left()
    assert not is_tracked(program)
    program.grow()
    assert program.process.running()


@EACH
def test_what_came_between_is_told(runtime, program, track):
    daemon, between = track(program)
    first_id = begin(daemon, program, duration="3s")
    wait_waiting(daemon)
    program.grow()
    first, second = wait_both(daemon)
    assert first["id"] == first["series"] == second["series"] == first_id
    assert [c["series_index"] for c in (first, second)] == [1, 2]
    assert {c["ids"] for c in (first, second)} == {"exact"}
    assert all(c["name"].endswith(".jsc.json") for c in (first, second))
    before, after = (json.loads(path_of(daemon, c).read_text()) for c in (first, second))
    assert "Parcel" not in before["nodeClassNames"]
    assert readers.jsc(path_of(daemon, second), "Parcel")[2] == COUNT
    done = until(lambda: (c := halves(daemon)[1]).get("analysis_state") == "done" and c,
                 lambda: f"its report; log:\n{daemon.tail(60)}", 60)
    arrived = report_of(daemon, done)["arrived"]
    assert (arrived["classes"][0]["name"], arrived["classes"][0]["count"]) == ("Parcel", COUNT)
    # All of it is what has an id that the first has not; parts of objects are counted with these.
    old = set(before["nodes"][0::4])
    new = [size for i, size in zip(after["nodes"][0::4], after["nodes"][1::4])
           if i not in old and size > 0]
    assert arrived["self_bytes"] == pytest.approx(sum(new), rel=0.001)
    assert len(new) - 10 <= arrived["count"] <= len(new)
    leaks = report_of(daemon, done)["leaks"]
    assert leaks["matched_by"] == "ids" and leaks["verdict"] == "leak"
    assert leaks["suspects"][0]["class"].endswith("Parcel")
    until(lambda: daemon.value("heapwatch_up", target="app") == 1, "polls again")
    assert methods(between).count("Heap.startTracking") == 1
    assert methods(between).count("Heap.stopTracking") == 1
    daemon.process.stop()
    between.close()
    assert between.complaints() == []
    assert set(methods(between)) <= said.listed("Bun" if runtime == "bun" else "WebKit") | \
        {"Target.sendMessageToTarget"}
    program.wait_left()
    assert not is_tracked(program)


@EACH
def test_a_heap_over_the_limit_at_its_end(runtime, program, track):
    daemon, between = track(program)
    begin(daemon, program, duration="3s", gc_before=True)
    second = wait_waiting(daemon)
    program.swell()
    ended = wait_ended(daemon, second)
    limit = "18 MiB" if runtime == "safari" else "100 MiB"
    assert ended["reason"] == "max_heap" and f"can capture at most {limit}" in ended["error"], ended
    assert len(halves(daemon)) == 1
    assert [r["reason"] for r in daemon.api("/captures")["refused"]] == ["max_heap"]
    check_left(daemon, program, between)


@EACH
def test_it_is_cancelled(program, track):
    daemon, between = track(program)
    begin(daemon, program, duration="5m")
    second = wait_waiting(daemon)
    assert daemon.get(f"/api/v1/captures/{second['id']}", method="DELETE").status == 202
    ended = wait_ended(daemon, second)
    assert ended["reason"] == "cancelled"
    check_left(daemon, program, between)


def test_it_is_cancelled_by_the_name_it_was_asked_for(nursery, tmp_path, track):
    program = tracked.OnBun(nursery, tmp_path)
    daemon, between = track(program)
    first = begin(daemon, program, duration="5m")
    second = wait_waiting(daemon)
    wait_first(daemon)
    assert daemon.get(f"/api/v1/captures/{first}", method="DELETE").status == 200
    assert wait_ended(daemon, second)["reason"] == "cancelled"
    check_left(daemon, program, between)


def test_what_a_rule_wants_behind_it_comes_when_both_have_ended(nursery, start_daemon, tmp_path):
    program = tracked.OnBun(nursery, tmp_path)
    rule = {"alert": "Growing", "when": {"metric": "heap_used", "above": "1KiB"},
            "guards": {"headroom": 0, "cooldown": "1h"},
            "actions": [{"capture": "tracking", "duration": "2s", "wait": True},
                        {"capture": "snapshot"}]}
    daemon = start_daemon(configuration(tmp_path, {"app": program.address}, rule))
    taken = until(lambda: [c for c in daemon.api("/captures")["ready"] if c["kind"] == "snapshot"],
                  lambda: f"the snapshot; log:\n{daemon.tail(60)}", 60)
    assert len(taken) == 1 and len(halves(daemon)) == 2
    assert daemon.api("/captures")["failed"] == []


@EACH
def test_the_daemon_is_killed(program, track):
    """JavaScriptCore drops it when nobody is there any more."""
    daemon, between = track(program)
    begin(daemon, program, duration="5m")
    wait_waiting(daemon)
    if program.tells_collections:  # WPE dies of who vanishes before (docs/RUNTIMES.md)
        assert between.collected.wait(20)
    daemon.process.kill()
    between.close()

    def dropped():
        try:
            return not is_tracked(program)
        except (TimeoutError, ConnectionError):
            return False  # no answer: who comes while another goes may not be told a page, or go along
    until(dropped, "an end of it", 90)
    program.grow()
    assert program.process.running()


def test_a_rule_asks_for_it_and_is_told_why_it_ended(nursery, start_daemon, tmp_path):
    """By a guard of its own, with what the heap has come to; the first is kept, packed and redacted."""
    program = tracked.OnBun(nursery, tmp_path)
    rule = {"alert": "Growing", "when": {"metric": "heap_used", "above": "1KiB"},
            "guards": {"headroom": 0, "cooldown": "1h", "max_heap": "60MiB"},
            "actions": [{"capture": "tracking", "duration": "3s", "compress": "zstd",
                         "redact": "strings"}]}
    daemon = start_daemon(configuration(tmp_path, {"app": program.address}, rule))
    wait_waiting(daemon)
    program.swell()
    told = wait_verdict(daemon, "app")
    assert re.search(r"no verdict: .*max_heap: the heap uses 12\d\.?\d* MiB, at most 60 MiB", told), told
    daemon.wait_value("heapwatch_captures_suppressed_total", 1, target="app", reason="max_heap",
                      rule="Growing")
    first, = halves(daemon)
    assert first["rule"] == "Growing" and first["name"].endswith(".jsc.json.zst")
    assert first["redact"] == "strings"
    daemon.wait_up("app")
    assert not is_tracked(program)


@pytest.mark.parametrize("level", ["strings", "all"])
def test_it_is_redacted_as_snapshots_of_jsc_are(nursery, track, tmp_path, level):
    program = tracked.OnBun(nursery, tmp_path)
    daemon, _ = track(program)
    answer = ask(daemon, program, duration="1s", redact=level)
    assert answer.status == (202 if level == "strings" else 422), answer.text
    if level == "strings":
        assert {c["redact"] for c in wait_both(daemon)} == {"strings"}
    else:
        assert "redact: strings can be had" in answer.json()["error"]


def test_it_is_for_five_minutes_at_most(nursery, track, tmp_path):
    program = tracked.OnBun(nursery, tmp_path)
    daemon, _ = track(program)
    answer = ask(daemon, program, duration="301s")
    assert answer.status == 400 and "a tracking lasts at most 5m" in answer.text
    assert ask(daemon, program, stacks=True).status == 400


def test_a_program_that_ends_meanwhile_is_not_kept(nursery, track, tmp_path):
    program = tracked.OnBun(nursery, tmp_path)
    daemon, _ = track(program)
    begin(daemon, program, duration="5m")
    second = wait_waiting(daemon)
    program.process.signal(signal.SIGTERM)
    assert program.process.wait_exit() == 0
    assert wait_ended(daemon, second)["reason"] == "lost"
    assert len(halves(daemon)) == 1


def test_who_asks_meanwhile_waits_for_its_end(nursery, track, tmp_path):
    """Another client that leaves would end it."""
    program = tracked.OnBun(nursery, tmp_path)
    daemon, between = track(program)
    begin(daemon, program, duration="5m")
    second = wait_waiting(daemon)
    opened = len(between.conversations)
    answer = daemon.post("/api/v1/targets/app/captures?kind=snapshot")
    assert answer.status == 409 and "busy" in answer.text
    assert daemon.process.stop() == 0
    assert len(between.conversations) == opened, "nobody polls"
    assert "Heap.stopTracking" not in methods(between) and second["id"]


def test_a_page_that_is_left_has_other_ids(nursery, track, tmp_path):
    """Of the same process: what its snapshots number is not compared by number."""
    program = tracked.OnPage(nursery, tmp_path)
    daemon, _ = track(program)
    begin(daemon, program, duration="3s")
    wait_waiting(daemon)
    program.browser.site.leave("/?again")
    _, second = wait_both(daemon)
    done = until(lambda: (c := halves(daemon)[1]).get("analysis_state") == "done" and c,
                 lambda: f"its report; log:\n{daemon.tail(60)}", 60)
    assert "arrived" not in report_of(daemon, done) and second["ids"] == "exact"


@EACH
def test_it_is_cancelled_while_the_second_is_made(program, track):
    """It is heard out, and left as it was."""
    daemon, between = track(program)
    begin(daemon, program, duration="2s")
    second = wait_waiting(daemon)
    program.grow()
    until(lambda: "Heap.stopTracking" in methods(between), "the second to be asked for", 20)
    assert daemon.get(f"/api/v1/captures/{second['id']}", method="DELETE").status in (202, 409)
    until(lambda: not running(daemon), "an end")
    daemon.wait_up("app")
    daemon.process.stop()
    between.close()
    assert between.complaints() == [] and "Heap.disable" in methods(between)
    program.grow()
    assert program.process.running()


def test_another_client_ends_it(nursery, track, tmp_path):
    """Bun disables the domains of all when any leaves."""
    program = tracked.OnBun(nursery, tmp_path)
    daemon, _ = track(program)
    begin(daemon, program, duration="3s")
    second = wait_waiting(daemon)
    program.ask("Heap.gc")
    ended = wait_ended(daemon, second)
    assert ended["reason"] == "protocol" and "another client" in ended["error"]
    assert len(halves(daemon)) == 1
    daemon.wait_up("app")
    program.grow()


def test_both_are_compared_by_people(nursery, track, tmp_path):
    """With heapwatchctl, which sees by itself that ids last."""
    program = tracked.OnBun(nursery, tmp_path)
    daemon, _ = track(program)
    ctl = Ctl("-H", f"http://127.0.0.1:{daemon.port}", cwd=tmp_path)
    said_id = ctl("capture", "tracking", "app", "--duration=2s").stdout.split()[0]
    wait_waiting(daemon)
    program.grow()
    first, second = wait_both(daemon)
    assert first["id"] == said_id
    found = json.loads(ctl("diff", path_of(daemon, first), path_of(daemon, second), "--json=short",
                           "--no-index").stdout)
    row, = (r for r in found["classes"] if r["name"] == "Parcel")
    assert found["matched_by"] == "ids" and (row["added"], row["removed"]) == (COUNT, 0)


def test_the_command_waits_for_both_and_names_both(nursery, track, tmp_path):
    program = tracked.OnBun(nursery, tmp_path)
    daemon, _ = track(program)
    ctl = Ctl("-H", f"http://127.0.0.1:{daemon.port}", cwd=tmp_path)
    ids = ctl.lines("capture", "tracking", "app", "--duration=2s", "--wait")
    assert ids == [c["id"] for c in halves(daemon)] and len(ids) == 2
    assert daemon.api(f"/captures/{ids[0]}")["second"] == ids[1]
    assert "second" not in daemon.api(f"/captures/{ids[1]}")


def test_the_command_says_why_the_second_does_not_come(nursery, track, tmp_path):
    program = tracked.OnBun(nursery, tmp_path)
    daemon, _ = track(program)
    ctl = Ctl("-H", f"http://127.0.0.1:{daemon.port}", cwd=tmp_path)
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(ctl, "capture", "tracking", "app", "--duration=3s", "--wait", exit=4)
        second = wait_waiting(daemon)
        program.swell()
        told = told.result()
    assert told.stdout.split() == [second["series"], second["id"]]
    assert "can capture at most 100 MiB" in told.stderr


def test_the_page_shows_what_came(nursery, track, tmp_path):
    program = tracked.OnBun(nursery, tmp_path)
    daemon, _ = track(program)
    begin(daemon, program, duration="2s")
    wait_waiting(daemon)
    program.grow()
    first, second = wait_both(daemon)
    done = until(lambda: (c := halves(daemon)[1]).get("analysis_state") == "done" and c,
                 lambda: f"its report; log:\n{daemon.tail(60)}", 60)
    arrived = report_of(daemon, done)["arrived"]
    assert (done["arrived_objects"], done["arrived_bytes"]) == (arrived["count"], arrived["self_bytes"])
    assert f"tracking 2 of 2, {arrived['count']} objects, " in daemon.get("/").text
    page = daemon.get(f"/captures/{second['id']}")
    assert page.status == 200 and f'<a href="/captures/{second["id"]}">report</a>' in daemon.get("/").text
    row, = (line for line in page.text.splitlines() if line.startswith("<tr><td>Parcel</td>"))
    assert f">{COUNT}</td>" in row
    assert done["verdict_text"].split(",")[0] in page.text
    until(lambda: daemon.api(f"/captures/{first['id']}").get("analysis_state") == "done", "the other")
    assert daemon.get(f"/captures/{first['id']}").status == 404
    ctl = Ctl("-H", f"http://127.0.0.1:{daemon.port}")
    assert re.search(rf"Arrived: {arrived['count']} objects, ", ctl("info", second["id"]).stdout)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["ends", "is-killed"])
def test_a_restart_between_the_two_is_told(nursery, start_daemon, tmp_path, end):
    """The alert has no verdict, and says why; the first is kept, and the program left."""
    program = tracked.OnBun(nursery, tmp_path)
    rule = {"alert": "Growing", "when": {"metric": "heap_used", "above": "1KiB"},
            "guards": {"headroom": 0, "cooldown": "1h"},
            "actions": [{"capture": "tracking", "duration": "5m"}]}
    config = configuration(tmp_path, {"app": program.address}, rule)
    daemon = start_daemon(config)
    second = wait_waiting(daemon)
    saved = daemon.storage / "state" / "alerts.json"
    until(lambda: second["series"] in saved.read_text(), "the alert to be saved")
    daemon.process.signal(end)
    daemon.process.wait_exit()
    daemon = start_daemon(config, home=daemon.home)
    assert wait_verdict(daemon, "app") == \
        "no verdict: heapwatchd was restarted before its last snapshot"
    assert [c["id"] for c in halves(daemon)] == [second["series"]]
    until(lambda: not is_tracked(program), "an end of it", 90)


@EACH
def test_a_first_that_finds_no_room(program, track):
    """It is given up in the middle, or when the second has begun, and with it the tracking."""
    for _ in range(3):
        program.grow()
    daemon, between = track(program, dict(ANYHOW, file_max="1MiB"))
    first_id = begin(daemon, program, duration="5m")
    ended = wait_ended(daemon, {"id": first_id})
    assert ended["reason"] == "space" and halves(daemon) == []
    until(lambda: not running(daemon), "the second, which may have begun, to end")
    check_left(daemon, program, between)
