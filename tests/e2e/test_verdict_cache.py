"""Verdicts on a cache that warms up: where it is full they say so, and where it is not yet, what
they say of it is true, and over when it is full."""

from lab.verdicts import alert_of, configuration, report_of, rule, series_of, wait_verdict
from lab.wait import until
from test_verdict_kinds import FAST

STEP = 4000  # pages between two snapshots

# The windows and the warm-up of the defaults (30m, 3h, 24h), 360 times as fast.
SCALED = {"poll": {"interval": "100ms", "timeout": "100ms"},
          "leak": {"warmup": "5s", "fast_window": "30s", "slow_window": "4m"}}


def test_what_a_cache_is_when_it_is_full(start_node, start_daemon, tmp_path):
    """Before the second snapshot; after a quarter of the last step; not at all."""
    limits = {"full": 2 * STEP, "slowing": 2 * STEP + STEP // 4, "filling": 9 * STEP}
    programs = {name: start_node(24, "warming", limit, STEP) for name, limit in limits.items()}
    daemon = start_daemon(configuration(
        tmp_path, {name: program.address for name, program in programs.items()}))
    for n in (1, 2):
        for name, program in programs.items():
            until(lambda: len(series_of(daemon, name)) == n, f"snapshot {n} of {name}", 60)
            program.nudge(rf"^holds {min(limits[name], (n + 1) * STEP)}$")
    text = {name: wait_verdict(daemon, name) for name in programs}
    assert text["full"].startswith("nothing accumulates"), text
    assert daemon.value("heapwatch_leak_verdict", target="full") == 0
    for name in ("slowing", "filling"):
        first, *rest = report_of(daemon, series_of(daemon, name)[-1])["leaks"]["suspects"]
        assert first["class"].endswith("CachedPage") and first["held_as"] == "pages" and not rest
        assert text[name].startswith("+") and 'CachedPage' in text[name], text
    # It came to a quarter of a step, which no rule can tell from a leak at less load.
    assert "slowing" in text["slowing"] and "slowing" not in text["filling"], text


def test_what_still_fills_is_no_leak_for_longer_than_it_fills(start_node, start_daemon, tmp_path):
    """Over three snapshots it looks like one, and the alert says so. That ends with the growth."""
    app = start_node(24, "warming", 120000, 200, 100)  # full after a minute
    daemon = start_daemon(configuration(
        tmp_path, {"app": app.address}, rule({"leak": {}, "for": "1s"}), **FAST))
    text = wait_verdict(daemon, "app")
    assert text.startswith("+") and 'CachedPage' in text and 'held by Map "pages"' in text
    assert daemon.value("heapwatch_leak_suspected", target="app") == 1
    until(lambda: alert_of(daemon, "app") is None, lambda: f"no alert: {daemon.tail(20)}", 120)
    assert daemon.value("heapwatch_leak_suspected", target="app") == 0


def test_what_is_full_when_the_warm_up_ends_is_never_looked_at(start_node, start_daemon, tmp_path):
    """No alert, no series and so no verdict, while what leaks beside it has all three."""
    programs = {"cache": start_node(24, "working_set", 60000, 2000, 100),
                "leaky": start_node(24, "leak", "0.4", "250")}
    daemon = start_daemon(configuration(
        tmp_path, {name: program.address for name, program in programs.items()},
        rule({"leak": {}, "for": "1s"}), **SCALED))
    programs["cache"].process.wait_line("^full$")
    daemon.wait_value("heapwatch_heap_used_bytes", lambda v: v > 20 << 20, target="cache")
    assert "LeakedOrder" in wait_verdict(daemon, "leaky")
    # By then the fast window has nothing of the cache but what came after its warm-up.
    daemon.wait_value("heapwatch_heap_growth_bytes_per_second", lambda v: v is not None,
                      target="cache")
    assert alert_of(daemon, "cache") is None and series_of(daemon, "cache") == []
    assert daemon.value("heapwatch_leaks_detected_total", target="cache") == 0
    assert daemon.value("heapwatch_leaks_detected_total", target="leaky") >= 1
    assert daemon.values("heapwatch_leak_verdict", target="cache") == []
