"""From a value over its threshold to a snapshot in the spool, and every step of it visible."""

import json
import re
import time

import pytest
import yaml

from lab.daemon import program, static_config
from lab.wait import until

MIB = 1 << 20

RULE = {
    "alert": "BuffersHigh",
    "match": '{runtime="node",team="shop"}',
    "when": {"metric": "array_buffers", "above": "20MiB", "for": "1s"},
    "labels": {"severity": "page"},
    "annotations": {"summary": "{{ $labels.target }} holds {{ $value | humanize1024 }}B"},
    "guards": {"cooldown": "1h", "max_captures": 3, "window": "24h"},
    "actions": [{"capture": "snapshot"}],
}


@pytest.fixture
def ruled(start_daemon, tmp_path):
    """ruled({name: node}, rule...) -> Daemon with these rules, evaluated every second."""
    def start(targets, *rules, **extra):
        path = tmp_path / "rules.yaml"
        path.write_text(yaml.safe_dump({"groups": [
            {"name": "memory", "interval": "1s", "rules": list(rules)}]}, sort_keys=False))
        config = static_config({n: t.address for n, t in targets.items()},
                               rule_files=[str(path)], **extra)
        for target in config["targets"]:
            target["labels"] = {"team": "shop"}
        daemon = start_daemon(config)
        for name in targets:
            daemon.wait_up(name)
        return daemon
    return start


@pytest.fixture
def app(start_node):
    return start_node(24, "toggle", 50, flags=["--expose-gc"])


def alert(daemon, name="BuffersHigh", target="app"):
    for entry in daemon.api("/alerts")["alerts"]:
        if entry["labels"]["alertname"] == name and entry["labels"]["target"] == target:
            return entry
    return None


def wait_alert(daemon, state, **names):
    return until(lambda: (a := alert(daemon, **names)) and a["state"] == state and a,
                 lambda: f"{state}: {alert(daemon, **names)}; log:\n{daemon.tail()}")


def test_pending_then_firing_then_a_snapshot(ruled, app):
    daemon = ruled({"app": app}, RULE)
    assert alert(daemon) is None
    app.nudge("^on")
    wait_alert(daemon, "pending")
    assert daemon.ready() == []
    firing = wait_alert(daemon, "firing")
    assert firing["labels"] == {"alertname": "BuffersHigh", "target": "app", "isolate": "main",
                                "severity": "page", "team": "shop"} or \
        firing["labels"].items() >= {"alertname": "BuffersHigh", "severity": "page"}.items()
    assert firing["annotations"]["summary"].startswith("app holds 50")
    assert float(firing["value"]) >= 50 * (1 << 20)
    snapshot = daemon.wait_capture()
    manifest = json.loads(snapshot.with_name(snapshot.name + ".json").read_text())
    assert manifest["rule"] == "BuffersHigh" and manifest["target"] == "app"
    # The number of the cause, in bytes; the text has it rounded.
    assert 50 * MIB <= manifest["cause_value"] < 54 * MIB
    assert re.fullmatch(r"array_buffers > 20MiB for 1s \(now 5[0-3](\.\d)? MiB\)",
                        manifest["cause"]), manifest["cause"]
    (listed,) = daemon.api("/captures")["ready"]
    assert (listed["cause_value"], listed["cause"]) == (manifest["cause_value"], manifest["cause"])
    assert daemon.value("heapwatch_captures_total", target="app", rule="BuffersHigh") == 1
    page = daemon.get("/").text
    assert "BuffersHigh" in page and f"/api/v1/captures/{manifest['id']}/file" in page
    app.nudge("^off")
    until(lambda: alert(daemon) is None, lambda: f"no alert: {alert(daemon)}")
    daemon.process.wait_line("4d88c1af6c944e1e8bc5497b468b9c4c|BuffersHigh")


def test_pending_alone_takes_no_snapshot(ruled, app):
    daemon = ruled({"app": app}, dict(RULE, when=dict(RULE["when"], **{"for": "1h"})))
    app.nudge("^on")
    wait_alert(daemon, "pending")
    app.nudge("^off")
    until(lambda: alert(daemon) is None, "the alert to go")
    assert daemon.ready() == [] and daemon.value("heapwatch_captures_in_progress") == 0


def test_keep_firing_for_keeps_it_firing(ruled, app):
    when = {"metric": "array_buffers", "above": "20MiB", "keep_firing_for": "1h"}
    daemon = ruled({"app": app}, dict(RULE, when=when, actions=[]))
    app.nudge("^on")
    wait_alert(daemon, "firing")
    app.nudge("^off")
    daemon.wait_value("heapwatch_array_buffers_bytes", lambda v: v < 20 << 20, target="app",
                      isolate="main")
    evaluations = time.monotonic() + 2.5
    until(lambda: time.monotonic() > evaluations or alert(daemon)["state"] != "firing", "two turns")
    assert alert(daemon)["state"] == "firing"


def refire(daemon, app):
    app.nudge("^off")
    until(lambda: alert(daemon) is None, "the alert to go")
    app.nudge("^on")
    wait_alert(daemon, "firing")


@pytest.mark.parametrize("guards, reason", [
    ({"cooldown": "1h", "max_captures": 9}, "cooldown"),
    ({"cooldown": "0", "max_captures": 1}, "max_captures"),
])
def test_a_guard_that_refuses_is_visible(ruled, app, guards, reason):
    daemon = ruled({"app": app}, dict(RULE, guards=guards))
    app.nudge("^on")
    daemon.wait_capture()
    refire(daemon, app)
    daemon.wait_value("heapwatch_captures_suppressed_total", 1, target="app", rule="BuffersHigh",
                      reason=reason)
    assert len(daemon.ready()) == 1
    daemon.process.wait_line(reason)
    assert reason in json.dumps(daemon.api("/rules"))
    assert reason in daemon.get("/").text
    (refused,) = daemon.api("/rules")["groups"][0]["rules"][0]["suppressed"]
    assert (refused["target"], refused["reason"]) == ("app", reason)
    assert refused["text"] and refused in daemon.api("/captures")["refused"]


def test_without_cooldown_every_firing_captures(ruled, app):
    daemon = ruled({"app": app}, dict(RULE, guards={"cooldown": "0", "max_captures": 0}))
    app.nudge("^on")
    daemon.wait_capture(1)
    refire(daemon, app)
    daemon.wait_capture(2)


def test_relative_rules_and_match(ruled, start_node):
    limited = start_node(22, "heap", 1000, 80, flags=["--max-old-space-size=150"])
    roomy = start_node(22, "heap", 1000, 80, flags=["--max-old-space-size=1500"])
    rule = {"alert": "NearLimit", "when": {
        "metric": "heap_used", "relative_to": "heap_limit", "above": "40%", "for": "0"}}
    other = dict(rule, alert="Other", match='{team="elsewhere"}')
    low = {"alert": "Low", "match": '{target=~"r.*y"}',
           "when": {"metric": "heap_used", "relative_to": "heap_limit", "below": "20%"}}
    daemon = ruled({"limited": limited, "roomy": roomy}, rule, other, low)
    wait_alert(daemon, "firing", name="NearLimit", target="limited")
    wait_alert(daemon, "firing", name="Low", target="roomy")
    names = {(a["labels"]["alertname"], a["labels"]["target"]) for a in
             daemon.api("/alerts")["alerts"]}
    assert names == {("NearLimit", "limited"), ("Low", "roomy")}


def test_a_target_that_is_down_fires_nothing(ruled, app):
    daemon = ruled({"app": app}, dict(RULE, actions=[]))
    app.nudge("^on")
    wait_alert(daemon, "firing")
    app.process.kill()
    until(lambda: alert(daemon) is None, "the alert to go")


def test_a_worker_that_fires_is_captured_itself(ruled, start_node):
    app = start_node(24, "workers", 1)
    rule = {"alert": "Worker", "when": {"metric": "heap_used", "above": "1MiB"},
            "guards": {"cooldown": "0", "max_captures": 0}, "actions": [{"capture": "snapshot"}]}
    daemon = ruled({"app": app}, rule)

    def captured():
        return {json.loads(f.with_name(f.name + ".json").read_text())["isolate"]
                for f in daemon.ready()}
    until(lambda: daemon.values("heapwatch_captures_suppressed_total", target="app")
          or len(captured()) == 2, lambda: f"{captured()}; log:\n{daemon.tail()}")
    assert captured() <= {"main", "worker:1"}


def test_api_has_prometheus_shape(ruled, app):
    daemon = ruled({"app": app}, RULE, {"alert": "Never", "when": {"metric": "heap_used",
                                                                  "above": "1TiB"}})
    app.nudge("^on")
    wait_alert(daemon, "firing")
    (group,) = daemon.api("/rules")["groups"]
    assert group["name"] == "memory" and group["file"].endswith("rules.yaml")
    assert group["interval"] == 1 and isinstance(group["interval"], (int, float))
    fired, never = group["rules"]
    for rule in (fired, never):
        assert rule["type"] == "alerting" and rule["health"] == "ok"
        assert isinstance(rule["query"], str) and isinstance(rule["duration"], (int, float))
        assert set(rule) >= {"name", "labels", "annotations", "alerts", "state", "lastEvaluation"}
    assert (fired["state"], never["state"]) == ("firing", "inactive")
    (instance,) = fired["alerts"]
    assert instance["state"] == "firing" and instance["activeAt"].endswith("Z")
    assert never["alerts"] == []
    assert daemon.value("ALERTS", alertname="BuffersHigh", alertstate="firing") in (1, None)


@pytest.mark.parametrize("rule, complaint", [
    (dict(RULE, when={"metric": "heap_usd", "above": "1MiB"}), "heap_used"),
    (dict(RULE, when={"metric": "heap_used"}), "above"),
    (dict(RULE, match='{team=~"("}'), "match"),
    (dict(RULE, actions=[{"capture": "photo"}]), "photo"),
    (dict(RULE, annotations={"summary": "{{ $nothing }}"}), "summary"),
    (dict(RULE, guards={"cooldown": "10 parsecs"}), "parsecs"),
])
def test_check_finds_mistakes_in_rules(tmp_path, nursery, rule, complaint):
    path, config = tmp_path / "rules.yaml", tmp_path / "heapwatchd.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [rule]}]}))
    config.write_text("rule_files: [rules.yaml]\n")
    process = nursery.start([program(), f"--config.file={config}", "--check"])
    assert process.wait_exit() == 1
    process.wait_line(rf"rules\.yaml:\d+:\d+: .*{complaint}")
