"""What rules may say, on real programs: steps, groups, restarts; rules tried before they are in
force, on samples of a file and on what is known now."""

import json
import re
from pathlib import Path

import pytest
import yaml

from lab.ctl import Ctl
from lab.daemon import static_config
from lab.wait import until

TOP = Path(__file__).resolve().parents[2]
PRESETS = TOP / "conf" / "rules.d" / "presets.yaml"

LADDER = {
    "alert": "Ladder",
    "when": {"all_of": [
        {"metric": "array_buffers", "steps": ["20MiB", "40MiB", "60MiB"]},
        {"any_of": [{"metric": "heap_used", "above": "1"}, {"on": ["target_down"]}]}]},
    "guards": {"cooldown": "1h", "max_captures": 0},
    "actions": [{"capture": "diagnostics", "wait": True}, {"capture": "snapshot"}],
}
RETURNED = {
    "alert": "ReturnedLarge",
    "when": {"all_of": [{"on": ["restart"]}, {"metric": "array_buffers", "above": "45MiB"}],
             "keep_firing_for": "1h"},
    "actions": [{"capture": "snapshot"}],
}


@pytest.fixture
def ruled(start_daemon, tmp_path):
    def start(targets, *rules):
        path = tmp_path / "rules.yaml"
        path.write_text(yaml.safe_dump({"groups": [
            {"name": "g", "interval": "1s", "rules": list(rules)}]}, sort_keys=False))
        daemon = start_daemon(static_config({n: t.address for n, t in targets.items()},
                                            rule_files=[str(path)]))
        for name in targets:
            daemon.wait_up(name)
        return daemon
    return start


def firing(daemon, name):
    return sorted(a["labels"].get("step", "") for a in daemon.api("/alerts")["alerts"]
                  if a["labels"]["alertname"] == name and a["state"] == "firing")


def wait_firing(daemon, name, steps):
    until(lambda: firing(daemon, name) == steps,
          lambda: f"{steps}, not {firing(daemon, name)}; log:\n{daemon.tail()}")


def manifests(daemon, kind="snapshot"):
    return [m for m in daemon.api("/captures")["ready"] if m["kind"] == kind]


def wait_snapshots(daemon, n):
    until(lambda: len(manifests(daemon)) == n,
          lambda: f"{n} snapshots: {manifests(daemon)}; log:\n{daemon.tail()}")


def turns(daemon):
    return daemon.api("/rules")["groups"][0]["rules"][0]["evaluations"]


def wait_turns(daemon, n):
    before = turns(daemon)
    until(lambda: turns(daemon) >= before + n, f"{n} evaluations")


def test_steps_in_a_group_and_a_large_program_that_comes_back(ruled, start_node):
    app = start_node(24, "levels", 10, 25, 50)
    daemon = ruled({"app": app}, LADDER, RETURNED)
    app.nudge("^level 25")
    wait_firing(daemon, "Ladder", ["20MiB"])
    wait_snapshots(daemon, 1)
    app.nudge("^level 50")
    wait_firing(daemon, "Ladder", ["20MiB", "40MiB"])
    # The second step captures too, in spite of the cooldown of the first.
    wait_snapshots(daemon, 2)
    assert sorted(m["step"] for m in manifests(daemon)) == ["20MiB", "40MiB"]
    assert sorted(m["cause"].split("step ")[1].split(" ")[0] for m in manifests(daemon)) == \
        ["20MiB", "40MiB"]
    app.nudge("^level 10")
    wait_firing(daemon, "Ladder", [])
    assert firing(daemon, "ReturnedLarge") == []
    app.process.kill()
    daemon.wait_state("app", "down")
    # Large at its first poll: the restart is judged with what is known a second later at most.
    start_node(24, "levels", 50, port=app.port, opens=True)
    wait_firing(daemon, "ReturnedLarge", [""])
    wait_firing(daemon, "Ladder", ["20MiB", "40MiB"])
    until(lambda: any(m["rule"] == "ReturnedLarge" for m in manifests(daemon)),
          lambda: f"its snapshot; log:\n{daemon.tail()}")
    # Both steps are in their cooldowns still; the higher one has asked.
    refused = [e for e in daemon.api("/captures")["refused"] if e["rule"] == "Ladder"]
    assert {(e["reason"], e["step"]) for e in refused} == {("cooldown", "40MiB")}
    daemon.process.wait_line(r"suppressed: cooldown.* step=40MiB .*reason=cooldown")
    assert sum(m["rule"] == "Ladder" for m in manifests(daemon)) == 2


def test_of_steps_reached_at_once_the_highest_captures(ruled, start_node):
    app = start_node(24, "levels", 10, 70)
    daemon = ruled({"app": app}, dict(LADDER, actions=[
        {"capture": "sampling", "duration": "2s", "wait": True}, {"capture": "snapshot"}]))
    app.nudge("^level 70")
    wait_firing(daemon, "Ladder", ["20MiB", "40MiB", "60MiB"])
    wait_snapshots(daemon, 1)
    (snapshot,) = manifests(daemon)
    (before,) = manifests(daemon, "sampling")
    assert "step 60MiB" in snapshot["cause"]
    # The snapshot waited for what stands before it in the list.
    assert snapshot["started_wall_ms"] >= before["started_wall_ms"] + 2000
    assert daemon.values("heapwatch_captures_suppressed_total", reason="busy") == [], "refused"


def test_growth_and_a_new_maximum(ruled, start_node):
    """Above the mean of its recent past, which catches up; and higher than ever, which is so once."""
    app = start_node(24, "levels", 10, 50, 20, 50, 60)
    daemon = ruled(
        {"app": app},
        {"alert": "Grown", "when": {"metric": "array_buffers", "growth": "100%", "mean_over": "10s"}},
        {"alert": "Highest", "when": {"metric": "array_buffers", "new_max": {"by": "5%"}},
         "guards": {"cooldown": 0, "max_captures": 0}, "actions": [{"capture": "diagnostics"}]})

    def past():
        series = daemon.api("/targets/app/series?resolution=raw&metric=heap_used")["result"]
        times = [at for at, _ in series[0]["values"]]
        return times[-1] - times[0]
    until(lambda: past() > 6, "half of what the mean is over")
    assert firing(daemon, "Grown") == [] and manifests(daemon, "diagnostics") == []
    app.nudge("^level 50")
    wait_firing(daemon, "Grown", [""])
    until(lambda: len(manifests(daemon, "diagnostics")) == 1, "a new maximum")
    wait_firing(daemon, "Grown", [])
    for level, times in ((20, 1), (50, 1), (60, 2)):
        app.nudge(f"^level {level}")
        until(lambda: int(daemon.value("heapwatch_array_buffers_bytes", target="app")) >> 20 == level,
              f"{level} MiB")
        wait_turns(daemon, 2)
        until(lambda: len(manifests(daemon, "diagnostics")) >= times, f"{times} new maxima")
        assert len(manifests(daemon, "diagnostics")) == times


def test_events_of_a_target(ruled, start_node):
    def rule(name, event):
        return {"alert": name, "when": {"on": [event], "keep_firing_for": "1h"}}
    app = start_node(24, "idle")
    daemon = ruled({"app": app}, rule("Up", "target_up"), rule("Down", "target_down"),
                   rule("Again", "restart"))
    until(lambda: turns(daemon) >= 1, "a turn")
    app.process.kill()
    wait_firing(daemon, "Down", [""])
    assert firing(daemon, "Up") == firing(daemon, "Again") == []
    start_node(24, "idle", port=app.port)
    wait_firing(daemon, "Again", [""])
    wait_firing(daemon, "Up", [""])


# ---- rules test ----

SAMPLES = """time,event,heap_used,heap_limit
2026-11-28T10:00:00Z,,500MiB,1GiB
2026-11-28T10:00:15Z,,650MiB,1GiB
2026-11-28T10:00:30Z,,700MiB,1GiB
2026-11-28T10:00:45Z,,800MiB,1GiB
2026-11-28T10:01:00Z,restart,50MiB,1GiB
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "groups:\n- name: g\n  interval: 15s\n  rules:\n"
        "  - {alert: Ladder, extends: HeapLadder,\n"
        "     when: {metric: heap_used, relative_to: heap_limit, steps: [60%, 75%], for: 15s}}\n"
        "  - {alert: Back, extends: Restarted}\n")
    (tmp_path / "samples.csv").write_text(SAMPLES)
    return [PRESETS, tmp_path / "mine.yaml"]


def test_rules_test_explains_each_sample(files, tmp_path):
    ctl = Ctl(cwd=tmp_path)
    got = ctl.json("rules", "test", *files, "--samples=samples.csv", "--explain")
    assert [(r["time"][14:19], r.get("step"), r["state"]) for r in got if r["rule"] == "Ladder"] == [
        ("00:00", "75%", "inactive"), ("00:00", "60%", "inactive"),
        ("00:15", "75%", "inactive"), ("00:15", "60%", "pending"),
        ("00:30", "75%", "inactive"), ("00:30", "60%", "firing"),
        ("00:45", "75%", "pending"), ("00:45", "60%", "firing"),
        ("01:00", "75%", "inactive"), ("01:00", "60%", "inactive")]
    assert [(r["time"][14:19], r["state"]) for r in got if r["rule"] == "Back"] == [
        ("00:00", "inactive"), ("00:15", "inactive"), ("00:30", "inactive"), ("00:45", "inactive"),
        ("01:00", "firing")]
    assert [r["time"][14:19] for r in got if r["acts"]] == ["00:30", "01:00"]
    lines = ctl.lines("rules", "test", *files, "--samples=samples.csv", "--explain")
    assert lines[4] == ("2026-11-28T10:00:15.000Z app main Ladder[60%] pending | "
                        "heap_used / heap_limit = 63.5% > 60%: yes; waits for 15s")
    assert "2026-11-28T10:00:30.000Z app main Ladder[60%] firing (asks for: diagnostics, snapshot) " \
        "| heap_used / heap_limit = 68.4% > 60%: yes" in lines
    plain = ctl.lines("rules", "test", *files, "--samples=samples.csv")
    assert len(plain) == len(lines) == len(got) and not any("|" in line for line in plain)


def test_rules_test_knows_the_limit_of_a_group(files, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(mine.read_text().replace("  interval: 15s\n", "  interval: 15s\n  limit: 1\n"))
    got = Ctl(cwd=tmp_path).json("rules", "test", *files, "--samples=samples.csv", "--explain")
    ladder = [r for r in got if r["rule"] == "Ladder"]
    assert [(r["time"][14:19], r.get("step"), r["state"]) for r in ladder][4:8] == [
        ("00:30", "75%", "inactive"), ("00:30", "60%", "firing"),
        ("00:45", "75%", "inactive"), ("00:45", "60%", "inactive")]
    assert {r["why"] for r in ladder if r["time"][14:19] == "00:45"} == {
        "the rule would have more alerts than its group's limit: it has none"}


def test_rules_test_of_leaks(tmp_path):
    """Heap grows by 3.6 % in three hours, buffers by a half; what is asked decides."""
    whens = {"Any": "{}", "Heap": "{cause: heap}", "Little": "{cause: heap, min_growth: 2%}",
             "Buffers": "{cause: buffers, min_growth: 40%}",
             "Many": "{cause: buffers, min_growth: 50%}"}
    (tmp_path / "leaks.yaml").write_text("groups:\n- name: g\n  rules:\n" + "".join(
        f"  - {{alert: {name}, when: {{leak: {when}}}}}\n" for name, when in whens.items()))
    (tmp_path / "samples.csv").write_text("time,heap_used,external_memory\n" + "".join(
        f"{60 * i},{1000000 + 200 * i}kB,{100000 + 1000 * i}kB\n" for i in range(300)))
    got = Ctl(cwd=tmp_path).json("rules", "test", "leaks.yaml", "--samples=samples.csv", "--explain")
    last = {row["rule"]: row["state"] for row in got}
    assert last == {"Any": "firing", "Heap": "inactive", "Little": "firing", "Buffers": "firing",
                    "Many": "inactive"}


SHAPES = {  # MB of the minute, with garbage that comes and goes
    "little": (300, lambda i: 1000 + i / 5),
    "step": (300, lambda i: 500 + i * 7919 % 101 / 50 + (200 if i >= 230 else 0)),
    "day": (1680, lambda i: 500 + i * 7919 % 101 / 50 + 2 * min(i % 1440, 1440 - i % 1440)),
    "flat": (300, lambda i: 500 + i * 7919 % 101 / 50),
    "young": (20, lambda i: 500)}


@pytest.mark.parametrize("shape, when, why", [
    ("little", "{}", r"slope 11\.4 MiB/h; heap in the fast window: too little growth to matter "
                     r"\(33\.9 MiB of 50\.2 MiB\)"),
    ("little", "{min_growth: 2%, eta_below: 1h}", r"slope 11\.4 MiB/h; at its limit in 24d2h"),
    ("step", "{window: fast}", "slope .*; heap in the fast window: .*one step, and no growth before "
                               "or after it"),
    ("day", "{cause: heap}", "slope .*; heap in the fast window: it was as high before"),
    ("flat", "{window: slow}", "slope .*; heap in the slow window: not enough samples .*"),
    ("flat", "{window: fast}", "slope .*; heap in the fast window: the slope may be zero.*"),
    ("young", "{}", "too young to be judged")])
def test_why_a_leak_does_not_fire(tmp_path, shape, when, why):
    (tmp_path / "leaks.yaml").write_text(
        f"groups:\n- name: g\n  rules:\n  - {{alert: Leak, when: {{leak: {when}}}}}\n")
    n, used = SHAPES[shape]
    (tmp_path / "samples.csv").write_text("time,heap_used,heap_limit\n" + "".join(
        f"{60 * i},{int(1000 * used(i))}kB,8GB\n" for i in range(n)))
    got = Ctl(cwd=tmp_path).json("rules", "test", "leaks.yaml", "--samples=samples.csv", "--explain")
    assert got[-1]["state"] == "inactive"
    assert re.fullmatch(rf"leak.* \({why}\): no", got[-1]["why"]), got[-1]["why"]


def test_rules_test_without_samples(files, tmp_path):
    lines = Ctl().lines("rules", "test", *files)
    assert lines == ["Ladder: heap_used / heap_limit > [60%, 75%] for 15s", "Back: on restart"]
    # By itself it has nothing to extend.
    done = Ctl(cwd=tmp_path)("rules", "test", "mine.yaml", exit=1)
    assert "mine.yaml:5:30: groups[0].rules[0].extends: no other rule or preset is called " \
        "'HeapLadder'" in done.stderr
    (tmp_path / "samples.csv").write_text("time,heap_usde\n1,2\n")
    done = Ctl(cwd=tmp_path)("rules", "test", *files, "--samples=samples.csv", exit=1)
    assert "samples.csv:1:6: 'heap_usde' is no column (did you mean 'heap_used'?)" in done.stderr
    assert Ctl()("rules", "test", *files, "--samples=absent.csv", exit=1).stderr
    assert Ctl()("rules", "check", *files, exit=2).stderr


# ---- rules/eval ----

def evaluate(daemon, rule, query="", status=200):
    answer = daemon.post(f"/api/v1/rules/eval{query}", json.dumps(
        {"groups": [{"name": "g", "rules": [rule]}]}).encode())
    assert answer.status == status, answer.text
    return answer.json()["data"]["rules"][0] if status == 200 else answer.json()["error"]


def test_rules_eval_says_what_would_happen_and_does_nothing(ruled, start_node):
    app = start_node(24, "levels", 30)
    other = start_node(24, "levels", 5)
    daemon = ruled({"app": app, "other": other})
    rule = dict(LADDER, alert="Tried", guards={"min_uptime": "1h"})
    tried = evaluate(daemon, rule)
    assert tried["query"].startswith("array_buffers > [20MiB, 40MiB, 60MiB] and (")
    by = {(r["target"], r["step"]): r for r in tried["results"]}
    assert {k for k, r in by.items() if r["holds"]} == {("app", "20MiB")}
    held = by["app", "20MiB"]
    assert held["isolate"] == "main" and held["value"] >= 30 << 20
    assert "array_buffers = 30" in held["why"] and held["why"].count(": yes") == 2
    diagnostics, snapshot = held["actions"]
    assert (diagnostics["action"], diagnostics["guard"]) == ("diagnostics", "none")
    assert (snapshot["action"], snapshot["guard"]) == ("snapshot", "min_uptime")
    assert "1h" in snapshot["text"]
    assert {r["target"] for r in evaluate(daemon, rule, "?target=other")["results"]} == {"other"}
    dry = evaluate(daemon, dict(rule, guards={"headroom": 0}, dry_run=True), "?target=app")
    assert dry["results"][0]["actions"][1]["guard"] == "dry_run"
    only = evaluate(daemon, dict(rule, match='{target="other"}'))
    assert {r["target"] for r in only["results"]} == {"other"}
    assert daemon.api("/captures")["ready"] == [] and daemon.api("/captures")["refused"] == []
    assert daemon.api("/alerts")["alerts"] == []


def test_rules_eval_takes_yaml_and_refuses_mistakes(ruled, start_node):
    daemon = ruled({"app": start_node(24, "idle")})
    answer = daemon.post("/api/v1/rules/eval", b"groups:\n- name: g\n  rules:\n  - alert: A\n"
                         b"    when: {metric: heap_used, above: 1MiB}\n")
    assert answer.json()["data"]["rules"][0]["results"][0]["holds"] is True
    assert "body:1:" in evaluate(daemon, {"alert": "A", "when": {"metric": "heap_usd"}}, status=400)
    assert evaluate(daemon, LADDER, "?target=nobody", status=404)
    assert daemon.post("/api/v1/rules/eval", b"").status == 400
    stranger = {"Origin": "http://evil.example"}
    assert daemon.post("/api/v1/rules/eval", b"{}", stranger).status == 403


def test_an_alert_names_the_file_of_its_capture(ruled, start_node):
    """Diagnostics are there first, and give way to the snapshot."""
    app = start_node(24, "levels", 10, 30)
    daemon = ruled({"app": app}, {
        "alert": "High", "when": {"metric": "array_buffers", "above": "20MiB"},
        "annotations": {"file": "{{ $labels.capture_path }}", "id": "{{ $labels.capture }}"},
        "actions": [{"capture": "diagnostics"}, {"capture": "snapshot"}]})
    app.nudge("^level 30")
    wait_firing(daemon, "High", [""])
    snapshot = daemon.wait_capture()

    def said():
        return daemon.api("/alerts")["alerts"][0]["annotations"]
    until(lambda: Path(said()["file"]).name == snapshot.name, lambda: f"{snapshot}: {said()}")
    assert Path(said()["file"]).samefile(snapshot)
    assert [m["id"] for m in manifests(daemon)] == [said()["id"]]


def test_a_group_has_labels_and_a_limit(start_node, start_daemon, tmp_path):
    apps = {name: start_node(24, "levels", 10, 30, 10) for name in ("a", "b")}
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [
        {"name": "g", "interval": "1s", "limit": 1, "labels": {"team": "shop"}, "rules": [
            {"alert": "High", "when": {"metric": "array_buffers", "above": "20MiB"},
             "actions": [{"capture": "diagnostics"}]}]}]}))
    daemon = start_daemon(static_config({n: t.address for n, t in apps.items()},
                                        rule_files=[str(path)]))
    for name in apps:
        daemon.wait_up(name)
    apps["a"].nudge("^level 30")
    wait_firing(daemon, "High", [""])
    assert daemon.api("/alerts")["alerts"][0]["labels"]["team"] == "shop"
    assert daemon.value("heapwatch_rule_evaluation_failures_total", rule="High") == 0
    apps["b"].nudge("^level 30")
    daemon.wait_value("heapwatch_rule_evaluation_failures_total", lambda n: n >= 1, rule="High")
    assert firing(daemon, "High") == []
    group = daemon.api("/rules")["groups"][0]
    assert group["limit"] == 1
    (rule,) = group["rules"]
    assert (rule["health"], rule["lastError"]) == ("err", "exceeded limit of 1 with 2 alerts")
    assert [m["target"] for m in manifests(daemon, "diagnostics")] == ["a"]
    apps["a"].nudge("^level 10")
    wait_firing(daemon, "High", [""])
    assert daemon.api("/alerts")["alerts"][0]["labels"]["target"] == "b"
    (rule,) = daemon.api("/rules")["groups"][0]["rules"]
    assert rule["health"] == "ok" and "lastError" not in rule
