"""Rules that go by the clock, in a daemon: `every` and `on_calendar`."""

import signal
from datetime import datetime

import yaml

from lab.daemon import static_config
from lab.wait import until

EVERY_S = 60  # the least there is
LATE_S = 4  # an evaluation each second, on a busy machine


def start(start_daemon, folder, rule, *targets):
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "clock", "interval": "1s", "rules": [rule]}]}))
    return start_daemon(static_config(dict(targets), rule_files=[str(path)]),
                        home=folder / "daemon")


def moments(daemon, seen):
    """Adds to {target: {seconds}} when the alerts that fire now began."""
    for alert in daemon.api("/alerts")["alerts"]:
        began = datetime.fromisoformat(alert["activeAt"].replace("Z", "+00:00")).timestamp()
        seen.setdefault(alert["labels"]["target"], set()).add(began)
    return seen


def apart(a, b, period):
    """How far two moments are from being periods apart."""
    return min((a - b) % period, (b - a) % period)


def test_every_target_has_its_own_moment_also_after_a_restart(start_node, start_daemon, tmp_path):
    app = start_node(24, "idle")
    targets = [(f"app{i}", app.address) for i in range(12)]
    rule = {"alert": "Each", "when": {"every": "1m", "keep_firing_for": "10s"}}
    daemon, before, after = start(start_daemon, tmp_path, rule, *targets), {}, {}
    until(lambda: len(moments(daemon, before)) >= 4, lambda: f"four of them: {before}", EVERY_S + 20)
    times = [at for times in before.values() for at in times]
    assert len(times) == len(before) and max(times) - min(times) > 2, before
    daemon.process.signal(signal.SIGTERM)
    daemon.process.wait_exit()
    daemon = start(start_daemon, tmp_path, rule, *targets)
    until(lambda: set(before) <= set(moments(daemon, after)), lambda: f"{before}, then {after}",
          EVERY_S + 20)
    for target, (began,) in before.items():
        assert all(apart(at, began, EVERY_S) < LATE_S for at in after[target]), (before, after)


def test_on_calendar_when_its_time_has_come(start_node, start_daemon, tmp_path):
    rule = {"alert": "Tens", "when": {"on_calendar": "*:*:00/10", "keep_firing_for": "2s"},
            "guards": {"cooldown": "0", "max_captures": 0}, "actions": [{"capture": "diagnostics"}]}
    daemon = start(start_daemon, tmp_path, rule, ("app", start_node(24, "idle").address))
    daemon.wait_up("app")
    seen = {}
    until(lambda: len(moments(daemon, seen).get("app", [])) >= 2, lambda: f"two turns: {seen}", 60)
    assert all(at % 10 < LATE_S for at in seen["app"]), seen
    until(lambda: sum(c["rule"] == "Tens" and c["kind"] == "diagnostics"
                      for c in daemon.api("/captures")["ready"]) >= 2,
          lambda: f"a capture each time; log:\n{daemon.tail()}")
