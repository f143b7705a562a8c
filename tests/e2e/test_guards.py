"""Guards: every refusal is told with its name and its numbers wherever a person may look, what was
captured is remembered over every kind of end, and what has changed since is judged again."""

import json
import os
import re
import signal

import pytest
import yaml

from lab import cgroups
from lab.daemon import PLAIN, static_config
from lab.wait import until

MIB = 1 << 20
SUPPRESSED = "31fd108702744bada8dd92bf931fce5c"
HIGH = {"metric": "heap_used", "above": "1MiB"}
OPEN = {"cooldown": "0", "max_captures": 0, "headroom": 0}
TAKE = [{"capture": "snapshot"}]


def rule(name, when=None, guards=None, **more):
    return {"alert": name, "when": when or HIGH, "guards": dict(OPEN, **(guards or {})),
            "actions": TAKE, **more}


@pytest.fixture
def ruled(start_daemon, tmp_path):
    """ruled({name: node}, rule...) -> Daemon with these rules, evaluated every second."""
    def start(targets, *rules, home=None, **extra):
        path = tmp_path / "rules.yaml"
        path.write_text(yaml.safe_dump({"groups": [
            {"name": "memory", "interval": "1s", "rules": list(rules)}]}, sort_keys=False))
        config = static_config({n: t.address for n, t in targets.items()},
                               rule_files=[str(path)], **extra)
        daemon = start_daemon(config, **({"home": home} if home else {}))
        for name in targets:
            daemon.wait_up(name)
        return daemon
    return start


def refused(daemon, name):
    return [entry for entry in daemon.api("/captures")["refused"] if entry["rule"] == name]


def expect_told(daemon, name, target, reason, numbers):
    """In the metric, the log, the list of refusals and the state of the rule."""
    daemon.wait_value("heapwatch_captures_suppressed_total", lambda n: n >= 1, target=target,
                      rule=name, reason=reason)
    entry = refused(daemon, name)[0]
    assert entry["reason"] == reason and re.search(numbers, entry["text"]), entry
    daemon.process.wait_line(rf"capture of {target} suppressed: {numbers}.*reason={reason}")
    (group,) = daemon.api("/rules")["groups"]
    (mine,) = [r for r in group["rules"] if r["name"] == name]
    assert mine["capturesSuppressed"][reason] >= 1, mine


def test_every_guard_says_no_and_with_which_numbers(ruled, start_node):
    heap, busy = start_node(24, "heap", 1000, 40), start_node(22, "spin")
    daemon = ruled(
        {"heap": heap, "busy": busy},
        rule("Room", guards={"headroom": 1000}, match='{target="heap"}'),
        rule("Size", guards={"max_heap": "1MiB"}, match='{target="heap"}'),
        rule("Young", guards={"min_uptime": "30d"}, match='{target="heap"}'),
        rule("Cpu", dict(HIGH, **{"for": "3s"}), {"max_cpu": 0.1}, match='{target="busy"}'),
        rule("Quiet", guards={"quiet_hours": "00:00-24:00"}, match='{target="heap"}'),
        rule("Try", match='{target="heap"}', dry_run=True))
    size = r"[\d.]+ [KMG]?i?B"
    expect_told(daemon, "Room", "heap", "headroom",
                rf"headroom: a snapshot may take 1000 x {size} = {size}, {size} are free "
                rf"\(control group: .*; host: {size} available\)")
    expect_told(daemon, "Size", "heap", "max_heap",
                rf"max_heap: the heap uses {size}, at most 1 MiB")
    expect_told(daemon, "Young", "heap", "min_uptime", r"min_uptime: up for \S+ of 30d")
    expect_told(daemon, "Cpu", "busy", "max_cpu",
                r"max_cpu: [\d.]+ cores in use, at most 0.1")
    expect_told(daemon, "Quiet", "heap", "quiet_hours",
                r"quiet_hours: it is \d\d:\d\d, quiet is 00:00-24:00")
    expect_told(daemon, "Try", "heap", "dry_run",
                r"dry_run: would have captured a snapshot of heap \(isolate main\)")
    assert daemon.ready() == [] and daemon.incoming() == []
    assert daemon.values("heapwatch_captures_total", target="heap") == []
    shown = {r["name"]: r for r in daemon.api("/rules")["groups"][0]["rules"]}
    assert shown["Room"]["guards"]["headroom"] == 1000 and shown["Try"]["dryRun"] is True
    assert shown["Young"]["guards"]["minUptime"] == 30 * 86400
    assert shown["Quiet"]["guards"]["quietHours"] == ["00:00-24:00"]


SIZE = r"[\d.]+ [KMGT]?i?B"


def test_no_room_in_the_spool_is_told(ruled, start_node):
    app = start_node(24, "heap", 1000, 1)
    daemon = ruled({"app": app}, rule("Room"), spool={"keep_free": "1023TiB"})
    expect_told(daemon, "Room", "app", "space",
                rf"space: about {SIZE} needed; the spool has 0 files with {SIZE} of {SIZE}, "
                rf"the disk {SIZE}( and \d+ inodes)? free")
    assert daemon.ready() == [] and daemon.incoming() == []


def test_two_rules_at_once_are_one_capture_at_a_time(ruled, start_node):
    """The later one is told to wait, and has its capture at a later evaluation."""
    app = start_node(24, "levels", 0, 50)
    daemon = ruled({"app": app}, rule("First", LEVELS), rule("Second", LEVELS))
    level(app, daemon, 50)
    expect_told(daemon, "Second", "app", "busy", r"busy: capture \S+ is (waiting|running)")
    daemon.wait_capture(2)
    assert daemon.values("heapwatch_captures_suppressed_total", rule="First") == []


class Held:
    """A program that is blocked, whose capture therefore begins and does not end."""

    def __init__(self, start_node, fifo):
        os.mkfifo(fifo)
        self._fifo, self._node = fifo, start_node(24, "block", fifo)
        self.address = self._node.address

    def block(self):
        self._node.nudge("^blocked")

    def let_go(self):
        self._fifo.write_text("go on\n")


@pytest.fixture
def held(ruled, start_node, tmp_path):
    """held(n, rule..., capture settings) -> (Daemon, targets): captures of `first` and `second` are
    asked for; the first n of them have begun and do not end. `app` is one more."""
    def start(n, *rules, **capture):
        targets = {name: Held(start_node, tmp_path / name) for name in ("first", "second")}
        targets["app"] = start_node(24, "levels", 0, 50)
        daemon = ruled(targets, *rules, capture=dict(PLAIN, guards={"headroom": 0},
                                                     start_timeout="10m", **capture))
        for i, name in enumerate(("first", "second")):
            if i < n:
                targets[name].block()
            daemon.capture(name, wait=False)
        return daemon, targets
    return start


def steps(daemon):
    return {c["target"]: c["state"] for c in daemon.api("/captures")["running"]}


def test_a_full_queue_is_told(held):
    only = rule("Queue", LEVELS, match='{target="app"}')
    daemon, targets = held(1, only, threads=1, queue=1)
    until(lambda: steps(daemon) == {"first": "running", "second": "waiting"},
          lambda: f"one that waits: {steps(daemon)}")
    level(targets["app"], daemon, 50)
    expect_told(daemon, "Queue", "app", "queue", "queue: 1 captures wait already")
    targets["first"].let_go()
    daemon.wait_capture(3)


def test_two_of_one_host_at_once(held):
    """By default, however many threads there are."""
    daemon, targets = held(2, threads=4)
    daemon.capture("app", wait=False)
    both = {"first": "running", "second": "running", "app": "waiting"}
    until(lambda: steps(daemon) == both, lambda: f"{both}: {steps(daemon)}")
    polls = daemon.value("heapwatch_polls_total", target="app")
    daemon.wait_value("heapwatch_polls_total", lambda n: n >= polls + 2, target="app")
    assert steps(daemon) == both
    targets["first"].let_go()
    daemon.wait_capture(2)  # of the first, and of the one that waited
    assert steps(daemon) == {"second": "running"}
    targets["second"].let_go()
    daemon.wait_capture(3)


def test_headroom_looks_at_the_control_group(ruled, start_node, record_property):
    """In the place where a snapshot would get the program killed. Who is not root may not make groups:
    then the memory of the host stands for it. Which it was is in the results."""
    app = start_node(24, "heap", 1000, 40)
    group = cgroups.memory_group(app.pid, 400 * MIB)
    record_property("version of control groups", cgroups.version(group) if group else "none")
    guards = {"headroom": 22} if group else {"headroom": 1000}
    told = r"control group: limit 400 MiB, " if group else r"headroom: "
    try:
        daemon = ruled({"app": app}, rule("Room", guards=guards))
        expect_told(daemon, "Room", "app", "headroom", rf".*{told}.*")
        assert daemon.ready() == []
    finally:
        app.process.kill()
        if group:
            until(lambda: group.rmdir() is None or True, "the group to go")


LEVELS = {"metric": "array_buffers", "above": "20MiB"}


def level(app, daemon, mib):
    app.nudge(rf"^level {mib}$")
    daemon.wait_value("heapwatch_array_buffers_bytes",
                      lambda v: mib * MIB <= v < (mib + 4) * MIB, target="app", isolate="main")


def test_captures_again_only_when_the_value_was_back(ruled, start_node):
    app = start_node(24, "levels", 0, 50, 15, 50, 0, 50)
    daemon = ruled({"app": app}, rule("Buffers", LEVELS, {"rearm_below": "10MiB"}))
    level(app, daemon, 50)
    daemon.wait_capture(1)
    level(app, daemon, 15)
    until(lambda: daemon.api("/alerts")["alerts"] == [], "the alert to go")
    level(app, daemon, 50)
    expect_told(daemon, "Buffers", "app", "rearm",
                r"rearm: the value has not been back below 10MiB since the last capture, \S+ ago")
    assert len(daemon.ready()) == 1
    level(app, daemon, 0)
    until(lambda: daemon.api("/alerts")["alerts"] == [], "the alert to go")
    level(app, daemon, 50)
    daemon.wait_capture(2)


def wait_no_alert(daemon):
    until(lambda: daemon.api("/alerts")["alerts"] == [], "the alert to go")


COUNTS = [
    ({"max_captures": 1}, 0, r"max_captures: 1 of 1 in (24h|1d)"),
    ({"rearm_below": "10MiB"}, 15,
     r"rearm: the value has not been back below 10MiB since the last capture, \S+ ago"),
]
COUNTS_IDS = ["max_captures", "rearm"]


@pytest.mark.parametrize("guards, low, text", COUNTS, ids=COUNTS_IDS)
def test_what_was_captured_counts_after_a_restart(ruled, start_node, guards, low, text):
    app = start_node(24, "levels", 0, 50, low, 50, 0, 50)
    buffers = rule("Buffers", LEVELS, guards)
    daemon = ruled({"app": app}, buffers)
    level(app, daemon, 50)
    daemon.wait_capture(1)
    daemon.process.kill()
    again = ruled({"app": app}, buffers, home=daemon.home)
    level(app, again, low)
    wait_no_alert(again)
    level(app, again, 50)
    expect_told(again, "Buffers", "app", text.partition(":")[0], text)
    assert len(again.ready()) == 1


@pytest.mark.parametrize("guards, low, text", COUNTS, ids=COUNTS_IDS)
def test_what_was_captured_counts_after_the_target_has_restarted(ruled, start_node, guards, low, text):
    app = start_node(24, "levels", 0, 50)
    daemon = ruled({"app": app}, rule("Buffers", LEVELS, guards))
    level(app, daemon, 50)
    daemon.wait_capture(1)
    app.process.kill()
    wait_no_alert(daemon)
    later = start_node(24, "levels", low, 50, 0, 50, port=app.port)
    until(lambda: daemon.target("app")["pid"] == later.pid, "the new one")
    daemon.wait_up("app")
    level(later, daemon, 50)
    expect_told(daemon, "Buffers", "app", text.partition(":")[0], text)
    assert len(daemon.ready()) == 1


def test_that_the_value_was_back_counts_after_a_restart(ruled, start_node):
    app = start_node(24, "levels", 0, 50, 0, 50)
    buffers = rule("Buffers", LEVELS, {"rearm_below": "10MiB"})
    daemon = ruled({"app": app}, buffers)
    level(app, daemon, 50)
    daemon.wait_capture(1)
    level(app, daemon, 0)
    wait_no_alert(daemon)
    assert daemon.process.stop() == 0
    again = ruled({"app": app}, buffers, home=daemon.home)
    level(app, again, 50)
    again.wait_capture(2)


def test_cooldown_survives_a_kill_amid_the_capture(ruled, start_node):
    """Of the daemon as soon as the target has been asked; and of the target after that."""
    app = start_node(24, "levels", 0, 50)
    buffers = rule("Buffers", LEVELS, {"cooldown": "1h"})
    daemon = ruled({"app": app}, buffers)
    app.process.wait_line("Debugger attached")
    app.nudge("^level 50$")
    until(lambda: daemon.incoming() or daemon.ready(), "the capture to begin", step_s=0.001)
    daemon.process.kill()
    kept = len(daemon.ready())
    again = ruled({"app": app}, buffers, home=daemon.home)
    expect_told(again, "Buffers", "app", "cooldown", r"cooldown: \S+ left of 1h")
    app.process.kill()
    until(lambda: again.api("/alerts")["alerts"] == [], "the alert to go")
    later = start_node(24, "levels", 50, port=app.port)
    again.wait_up("app")
    again.wait_value("heapwatch_captures_suppressed_total", lambda n: n >= 2, target="app",
                     rule="Buffers", reason="cooldown")
    assert len(again.ready()) == kept
    assert later.process.running()


def test_a_state_file_of_no_use_is_set_aside(ruled, start_node):
    app = start_node(24, "idle")
    daemon = ruled({"app": app})
    assert daemon.process.stop() == 0
    state = daemon.storage / "state" / "state.json"
    assert json.loads(state.read_text())["version"] == 1
    state.write_text("{")
    again = ruled({"app": app}, home=daemon.home)
    again.process.wait_line("state file is of no use")
    assert (state.parent / "state.json.bad").read_text() == "{"


def test_what_changed_while_it_waited_is_judged_again(watch, start_node):
    first, second = start_node(24, "heap", 1000, 10), start_node(22, "idle")
    sections = {"capture": dict(PLAIN, threads=1)}
    daemon = watch(first=first.address, second=second.address, sections=sections)
    daemon.wait_up("first")
    daemon.wait_up("second")
    # The first one holds the only thread, for it is stopped.
    first.process.signal(signal.SIGSTOP)
    daemon.capture("first", wait=False)
    daemon.wait_value("heapwatch_captures_in_progress", 1)
    daemon.capture("second", wait=False)
    sections["capture"]["guards"] = {"quiet_hours": "00:00-24:00"}
    daemon.configure(static_config({"first": first.address, "second": second.address},
                                   **sections))
    daemon.process.signal(signal.SIGHUP)
    daemon.process.wait_line("configuration loaded again")
    first.process.signal(signal.SIGCONT)
    expect = {"target": "second", "rule": "", "reason": "quiet_hours"}
    daemon.wait_value("heapwatch_captures_suppressed_total", 1, **expect)
    entries = daemon.api("/captures")["refused"]
    assert entries[0].items() >= expect.items(), entries
    daemon.wait_capture(1)
    assert len(daemon.ready()) == 1 and daemon.ready()[0].name.startswith("first.")


def start_again(daemon, second, start_node):
    second.process.kill()
    later = start_node(22, "idle", port=second.port)
    until(lambda: daemon.target("second")["pid"] == later.pid, "the new one")
    daemon.wait_up("second")


def begin_to_spin(daemon, second, start_node):
    """And two polls have seen it."""
    cpu = "heapwatch_target_process_cpu_seconds_total"
    second.nudge("^spins")
    for _ in range(2):
        before = daemon.value(cpu, target="second")
        daemon.wait_value(cpu, lambda now, before=before: now >= before + 0.1, target="second")


def wait_agrees(daemon, name):
    """Its guards would let a capture begin."""
    def asked():
        return daemon.post(f"/api/v1/targets/{name}/captures", b'{"dry_run": true}',
                           {"Content-Type": "application/json"})
    until(lambda: asked().status == 200, lambda: asked().text, step_s=0.2)


@pytest.mark.parametrize("guard, limit, change, numbers", [
    ("min_uptime", "10s", start_again, r"min_uptime: up for \d+s of 10s"),
    ("max_cpu", 0.1, begin_to_spin, r"max_cpu: \d\.\d\d cores in use, at most 0\.1")])
def test_who_changed_while_it_waited_is_judged_again(guard, limit, change, numbers, watch, start_node,
                                                     tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    first, second = start_node(24, "block", fifo), start_node(22, "spin", "later")
    daemon = watch(first=first.address, second=second.address, sections={
        "capture": dict(PLAIN, threads=1, start_timeout="60s", guards={guard: limit, "headroom": 0})})
    for name in ("first", "second"):
        daemon.wait_up(name)
        wait_agrees(daemon, name)
    expect = {"target": "second", "rule": "", "reason": guard}

    def told():
        return [e for e in daemon.api("/captures")["refused"] if e.items() >= expect.items()]
    refusals = len(told())
    # The first one holds the only thread, for it is blocked and does not begin.
    first.nudge("^blocked")
    daemon.capture("first", wait=False)
    daemon.wait_value("heapwatch_captures_in_progress", 1)
    daemon.capture("second", wait=False)
    change(daemon, second, start_node)
    assert len(told()) == refusals and daemon.ready() == []
    fifo.write_text("go on\n")
    until(lambda: len(told()) == refusals + 1, lambda: f"a refusal: {told()}\n{daemon.tail()}")
    assert re.search(numbers, told()[0]["text"]), told()
    daemon.wait_capture(1)
    assert [path.name.split(".")[0] for path in daemon.ready()] == ["first"]
