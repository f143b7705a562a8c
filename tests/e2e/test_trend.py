"""Memory that grows on a real Node, seen in windows of seconds: series, cause, slope, ETA, alert."""

import math
import signal
import time

import pytest
import yaml

from lab.cgroups import memory_group
from lab.daemon import static_config
from lab.wait import until

# Windows of 20 s have buckets of 0.2 s, and thirty of them are judged.
FAST = {"poll": {"interval": "100ms", "timeout": "100ms"},
        "leak": {"warmup": "0s", "fast_window": "20s", "slow_window": "40s"}}
RULE = {"alert": "Leak", "when": {"leak": {"eta_below": "100d"}, "for": "1s"},
        "annotations": {"summary": "{{ $labels.cause }} of {{ $labels.target }} grows by "
                                   "{{ $labels.slope }}, full in {{ $labels.eta }}"}}


@pytest.fixture
def watched(start_daemon, tmp_path):
    """watched({name: node}, rule..., poll's) -> Daemon that sees leaks within seconds."""
    def start(targets, *rules, **poll):
        path = tmp_path / "rules.yaml"
        path.write_text(yaml.safe_dump({"groups": [
            {"name": "leaks", "interval": "1s", "rules": list(rules)}]}))
        daemon = start_daemon(static_config({n: t.address for n, t in targets.items()},
                                            rule_files=[str(path)],
                                            **dict(FAST, poll=dict(FAST["poll"], **poll))))
        for name in targets:
            daemon.wait_up(name)
        return daemon
    return start


def cause(daemon, target):
    return [have["cause"] for have, value in daemon.values("heapwatch_leak_cause", target=target)
            if value == 1]


def rows(daemon, query="", target="app"):
    data = daemon.api(f"/targets/{target}/series{query}")
    assert data["resultType"] == "matrix"
    return {(r["metric"]["__name__"], r["metric"]["resolution"]): r["values"]
            for r in data["result"]}


def test_heap_and_buffers_are_told_apart_and_alerted(watched, start_node):
    apps = {kind: start_node(24, "drip", kind, 400) for kind in ("heap", "buffers", "nothing")}
    daemon = watched(apps, RULE)
    for name in ("heap", "buffers"):
        daemon.wait_value("heapwatch_leak_suspected", 1, limit_s=40, target=name)
        assert cause(daemon, name) == [name]
        assert daemon.value("heapwatch_leaks_detected_total", target=name) >= 1
    assert daemon.value("heapwatch_heap_growth_bytes_per_second", target="heap",
                        isolate="main") == pytest.approx(8 << 20, rel=0.3)
    eta = daemon.value("heapwatch_heap_limit_eta_seconds", target="heap", isolate="main")
    limit = daemon.value("heapwatch_heap_limit_bytes", target="heap", isolate="main")
    assert 0.5 * limit / (8 << 20) < eta < 1.5 * limit / (8 << 20)
    assert daemon.value("heapwatch_leak_confidence_ratio", target="heap", isolate="main") >= 0.5

    def firing():
        return {a["labels"]["target"]: a for a in daemon.api("/alerts")["alerts"]
                if a["state"] == "firing"}
    until(lambda: "heap" in firing(), lambda: f"the alert: {daemon.api('/alerts')}")
    notes = firing()["heap"]["annotations"]
    assert notes["cause"] == "heap" and notes["slope"].endswith("GiB/h")
    assert float(notes["confidence"]) >= 0.5 and notes["eta"][0].isdigit()
    assert notes["summary"].startswith("heap of heap grows by ") and notes["eta"] in notes["summary"]
    assert float(firing()["heap"]["value"]) == pytest.approx(8 << 20, rel=0.4)
    assert "nothing" not in firing() and cause(daemon, "nothing") in ([], ["none"], ["churn"])
    assert daemon.value("heapwatch_leak_suspected", target="nothing", isolate="main") == 0
    # It did grow while it began, until that leaves the windows.
    daemon.wait_value("heapwatch_heap_limit_eta_seconds", math.isinf, limit_s=60, target="nothing",
                      isolate="main")


def test_a_restart_of_the_daemon_ends_no_leak(watched, start_daemon, start_node):
    """Its past is gone, and until it is known again nobody says that the leak is over."""
    daemon = watched({"app": start_node(24, "drip", "heap", 400)}, RULE)
    named = {"target": "app", "isolate": "main"}

    def firing(daemon):
        return [a for a in daemon.api("/alerts")["alerts"] if a["state"] == "firing"]
    (before,) = until(lambda: firing(daemon), lambda: daemon.api("/alerts"), limit_s=40)
    saved = daemon.storage / "state" / "alerts.json"
    until(lambda: '"firing":true' in saved.read_text(), lambda: saved.read_text())
    daemon.process.signal(signal.SIGKILL)
    daemon.process.wait_exit()
    again = start_daemon(daemon.config_file.read_text(), home=daemon.home)
    again.process.wait_line("1 alerts of before the restart go on")
    again.wait_value("heapwatch_leak_suspected", 0, **named)
    again.wait_value("heapwatch_leak_suspected", 1, limit_s=40, **named)
    (after,) = firing(again)
    assert after["activeAt"] == before["activeAt"]
    assert again.process.count_lines("alert (resolved|firing)") == 0


def test_when_the_control_group_will_be_full(watched, start_node, record_property):
    """Where groups cannot be made, that of the machine stands for it, if that has a limit. Which of
    them it was is in the results."""
    app = start_node(24, "drip", "heap", 400)
    group = memory_group(app.pid, 3 << 30)
    named = {"target": "app", "isolate": "main"}
    try:
        daemon = watched({"app": app}, {"alert": "Near", "when": {"eta_below": "1h"}})
        limited = daemon.values("heapwatch_target_cgroup_memory_limit_bytes", target="app")
        record_property("control group", "of its own" if group else
                        "of the machine" if limited else "without a limit")
        if group is None and not limited:
            daemon.wait_value("heapwatch_heap_limit_eta_seconds", math.isfinite, limit_s=40, **named)
            assert daemon.values("heapwatch_cgroup_limit_eta_seconds", target="app") == []
            return
        eta = daemon.wait_value("heapwatch_cgroup_limit_eta_seconds", math.isfinite, limit_s=40,
                                **named)
        left = daemon.value("heapwatch_target_cgroup_memory_limit_bytes", target="app") - \
            daemon.value("heapwatch_target_cgroup_memory_usage_bytes", target="app")
        assert group is None or left < 3 << 30
        assert 0.5 * left / (8 << 20) < eta < 1.5 * left / (8 << 20)
        # It is nearer than the limit of the heap, and what rules ask for.
        if group is not None:
            assert eta < daemon.value("heapwatch_heap_limit_eta_seconds", **named)
        alert = until(lambda: daemon.api("/alerts")["alerts"], "the alert")[0]
        assert alert["labels"]["alertname"] == "Near" and float(alert["value"]) < 3600
    finally:
        app.process.kill()
        if group:
            until(lambda: group.rmdir() is None or True, "the group to go")


def test_native_and_churn_are_told_from_heap(watched, start_node):
    """What OpenSSL keeps is of no heap; much garbage between two collections is no leak."""
    daemon = watched({"native": start_node(24, "drip", "native", 100),
                      "churn": start_node(24, "drip", "churn", 20 << 10)}, gc_events="always")
    daemon.wait_value("heapwatch_leak_suspected", 1, limit_s=40, target="native")
    until(lambda: cause(daemon, "native") == ["native"], lambda: cause(daemon, "native"))
    until(lambda: cause(daemon, "churn") == ["churn"], lambda: cause(daemon, "churn"))


def test_series_in_three_resolutions(watched, start_node):
    daemon = watched({"app": start_node(24, "drip", "heap", 100)})
    until(lambda: len(rows(daemon).get(("heapwatch_heap_live_bytes", "slow"), [])) >= 3,
          lambda: f"three buckets: {rows(daemon)}")
    all_rows = rows(daemon)
    assert {k for k in all_rows} == {
        (f"heapwatch_{metric}_bytes", resolution) for metric, resolution in
        [("heap_used", "raw"), ("heap_size", "raw")] +
        [(m, r) for m in ("heap_live", "external_memory", "native_memory", "heap_peak")
         for r in ("fast", "slow")]}
    for values in all_rows.values():
        times = [t for t, _ in values]
        assert times == sorted(times) and abs(times[-1] - time.time()) < 5
    live = [int(v) for _, v in all_rows["heapwatch_heap_live_bytes", "fast"]]
    peak = [int(v) for _, v in all_rows["heapwatch_heap_peak_bytes", "fast"]]
    assert len(live) == len(peak) and all(a <= b for a, b in zip(live, peak))
    fast = rows(daemon, "?metric=heap_live&resolution=fast&isolate=main")
    assert list(fast) == [("heapwatch_heap_live_bytes", "fast")]
    middle = fast["heapwatch_heap_live_bytes", "fast"][1][0]
    later = rows(daemon, f"?metric=heap_live&resolution=fast&start={middle}")
    assert later["heapwatch_heap_live_bytes", "fast"][0][0] >= middle - 0.01
    assert rows(daemon, "?end=1")["heapwatch_heap_used_bytes", "raw"] == []


@pytest.mark.parametrize("query, status", [
    ("nobody/series", 404), ("app/series?isolate=worker:9", 404), ("app/series?metric=load", 400),
    ("app/series?resolution=week", 400), ("app/series?start=soon", 400),
    ("app/series?end=-x", 400)])
def test_what_no_series_answers(watched, start_node, query, status):
    daemon = watched({"app": start_node(24, "idle")})
    assert daemon.get(f"/api/v1/targets/{query}").status == status
