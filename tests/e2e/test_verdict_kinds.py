"""Verdicts on each kind of leak, and on one that nobody but the trend has seen; series that go by
growth."""

import re
import signal

from lab import firefox, hoards
from lab.alertmanager import Alertmanager, static
from lab.verdicts import alert_of, configuration, report_of, rule, series_of, wait_verdict
from lab.wait import until

# Windows of seconds, as in test_trend.py.
FAST = {"poll": {"interval": "100ms", "timeout": "100ms"},
        "leak": {"warmup": "0s", "fast_window": "20s", "slow_window": "40s"}}

# What is planted: class, class of the holder, variable or property that leads there.
KINDS = {
    "sessions": ("SessionRecord", "Map", "sessions"),  # a cache without a bound
    "callbacks": ("Function", "Array", "callbacks"),
    "listeners": ("Function", "Array", "tick"),
    "emitter": ("Function", "Array", "tick"),  # the same of an EventEmitter
    "timers": ("Timeout", None, None),
}


def check(daemon, name, class_, holder, held_as):
    text = wait_verdict(daemon, name)
    leaks = report_of(daemon, series_of(daemon, name)[-1])["leaks"]
    assert (leaks["verdict"], leaks["text"]) == ("leak", text), (name, text)
    first = leaks["suspects"][0]
    assert class_ in first["class"] and class_ in text, (name, text)
    if holder:
        assert (first["holder_name"], first["held_as"]) == (holder, held_as), (name, text)
    assert daemon.value("heapwatch_leak_verdict", target=name) == 1


def test_each_kind_is_first_in_its_verdict(start_node, start_daemon, tmp_path):
    programs = {kind: start_node(22, "steady", kind) for kind in KINDS}
    programs["healthy"] = start_node(22, "steady")
    daemon = start_daemon(configuration(
        tmp_path, {name: program.address for name, program in programs.items()}))
    for name, expected in KINDS.items():
        check(daemon, name, *expected)
    assert wait_verdict(daemon, "healthy").startswith("nothing accumulates")
    assert daemon.value("heapwatch_leak_verdict", target="healthy") == 0


def test_firefox(nursery, start_daemon, tmp_path):
    """A .fxsnapshot has no ids that last, and is of the whole browser besides."""
    browser = firefox.Firefox(nursery, tmp_path / "firefox")
    browser.evaluate(hoards.SCRIPT.read_text() +
                     "; hoards.start('sessions'); setInterval(() => hoards.work(40), 100); 1")
    daemon = start_daemon(configuration(tmp_path, {"browser": browser.address}))
    check(daemon, "browser", *KINDS["sessions"])


def test_a_trend_is_explained_without_a_person(nursery, start_node, start_daemon, tmp_path):
    """The `leak` condition fires, three snapshots are taken as the heap grows, and the alert names
    the culprit, in Alertmanager too; what only works beside it is left alone."""
    programs = {"leaky": start_node(24, "leak", "0.2", "250"),
                "healthy": start_node(24, "steady")}
    peer = Alertmanager(nursery, tmp_path / "alertmanager")
    daemon = start_daemon(configuration(
        tmp_path, {name: program.address for name, program in programs.items()},
        rule({"leak": {}, "for": "1s"}, growth="30%", deadline="1h"),
        alerting={"alertmanagers": [static(peer)], "resend_delay": "1h"}, **FAST))
    text = wait_verdict(daemon, "leaky")
    until(lambda: [a["annotations"].get("verdict") for a in peer.alerts()] == [text],
          lambda: f"Alertmanager to know of {text}: {peer.alerts()}")
    assert re.match(r'\+[\d,]+ LeakedOrder .* held by Array "kept" in \S+/leak\.js:\d+', text), text
    alert, captures = alert_of(daemon, "leaky"), series_of(daemon, "leaky")
    assert alert["annotations"]["cause"] == "heap" and alert["annotations"]["verdict"] == text
    assert [c["series_index"] for c in captures] == [1, 2, 3]
    sizes = [c["size_bytes"] for c in captures]
    assert sizes[1] > 1.2 * sizes[0] and sizes[2] > 1.2 * sizes[1], sizes
    for index in (2, 3):
        daemon.process.wait_line(rf"the heap of leaky has grown from .* to .*: {index} of the series")
    assert alert_of(daemon, "healthy") is None and series_of(daemon, "healthy") == []


def test_what_does_not_grow_is_given_up_over_a_kill(start_node, start_daemon, tmp_path):
    app, home = start_node(24, "steady"), tmp_path / "daemon"
    config = configuration(tmp_path, {"app": app.address}, rule(
        growth="100%", deadline="12s", at_deadline="give_up"), **FAST)
    daemon = start_daemon(config, home=home)
    daemon.wait_capture(1)
    until(lambda: '"growth":1' in (daemon.storage / "state/state.json").read_text(),
          "the series to be kept")
    until(lambda: "series" in (daemon.storage / "state/alerts.json").read_text(),
          "the alert to be kept")
    daemon.process.signal(signal.SIGKILL)
    daemon.process.wait_exit()
    daemon = start_daemon(config, home=home)
    assert wait_verdict(daemon, "app") == ("no verdict: the series ended before 2 of 3: the heap has "
                                           "not grown by 100% within 12s")
    assert len(series_of(daemon, "app")) == 1
