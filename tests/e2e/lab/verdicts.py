"""Rules that take a series, and what comes of them: the alert's annotation, the report, the
captures of the series."""

import yaml

from .daemon import static_config
from .wait import until

RULE = {
    "alert": "Growing",
    "when": {"metric": "heap_used", "above": "100KiB"},
    "guards": {"headroom": 0, "cooldown": "1h"},
    "annotations": {"summary": "{{ $labels.target }}: {{ $labels.verdict }}"},
    "actions": [{"capture": "snapshot", "series": {"count": 3, "spacing": "10s"}}],
}
LIMIT_S = 150
SUSPECTED_LIMIT_S = 90
STEP_S = 0.5  # what takes half a minute at least need not be asked for often


def rule(when=RULE["when"], **series):
    return dict(RULE, when=when, actions=[
        {"capture": "snapshot", "series": {**RULE["actions"][0]["series"], **series}}])


def configuration(tmp_path, targets, made=RULE, capture=None, **sections):
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [
        {"name": "memory", "interval": "1s", "rules": [made]}]}, sort_keys=False))
    return static_config(targets, rule_files=[str(path)],
                         capture={"diagnostics": False, **(capture or {})},
                         analysis={"enabled": True, "headroom": "64MiB"}, **sections)


def alert_of(daemon, target):
    """The alert of this target, if there is one."""
    return next((a for a in daemon.api("/alerts")["alerts"] if a["labels"]["target"] == target), None)


def wait_verdict(daemon, target):
    def told():
        alert = alert_of(daemon, target)
        return alert and alert["annotations"].get("verdict")
    return until(told, lambda: f"a verdict on {target}; it has {alert_of(daemon, target)}; "
                                f"log:\n{daemon.tail(60)}", LIMIT_S, STEP_S)


def wait_suspected(daemon, target):
    until(lambda: daemon.value("heapwatch_leak_suspected", target=target) == 1,
          lambda: f"a leak of {target}; log:\n{daemon.tail(60)}", SUSPECTED_LIMIT_S, STEP_S)


def series_of(daemon, target):
    return sorted((c for c in daemon.api("/captures")["ready"] if c["target"] == target),
                  key=lambda c: c["series_index"])


def report_of(daemon, capture):
    answer = daemon.get(f"/api/v1/captures/{capture['id']}/report")
    assert answer.status == 200, answer.text
    return answer.json()
