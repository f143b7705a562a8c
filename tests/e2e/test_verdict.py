"""Verdicts: a rule's series of snapshots is compared when its last one is in the spool, and what
accumulates is said where people look: report, alert, Alertmanager, metrics, journal."""

import os
import re
import signal

import pytest

from lab import bun, chromium, deno, hoards
from lab.alertmanager import Alertmanager, static
from lab.ctl import Ctl
from lab.verdicts import alert_of, configuration, report_of, rule, series_of, wait_verdict
from lab.wait import until

KEY = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
RUN = ("; hoards.start('%s'); setInterval(() => hoards.work(40), 100); 1"
       "\n//# sourceURL=http://shop/hoards.js")


def start_deno(nursery, home, leak):
    program = deno.Deno(nursery, home, "0")
    with hoards.cdp.Client(program.port, limit_s=60) as client:
        client.evaluate(hoards.SCRIPT.read_text() + RUN % leak)
    return program


def start_chromium(nursery, home, leak):
    browser = chromium.Chromium(nursery, home, "data:text/html,<title>shop</title><body>")
    with browser.client() as client:
        client.evaluate(hoards.SCRIPT.read_text() + RUN % leak)
    return browser


def test_what_leaks_is_named_on_every_engine(nursery, start_node, start_daemon, tmp_path):
    planted = {"node20": ("SessionRecord", "Map", "sessions"),
               "node24": ("HistoryEntry", "Object", "log"),
               "bun": ("RequestTrace", "Array", "traces"),
               "deno": ("Ticket", "Set", "tickets"),
               "chromium": ("Detached <section>", "Array", "removed")}
    programs = {"node20": start_node(20, "steady", "sessions"),
                "node24": start_node(24, "steady", "history"),
                "healthy": start_node(24, "steady"),
                "both": start_node(24, "steady", "sessions", "history"),
                "bun": bun.Bun(nursery, "requests", program="steady"),
                "deno": start_deno(nursery, tmp_path / "deno", "tickets"),
                "chromium": start_chromium(nursery, tmp_path / "chromium", "detached")}
    peer = Alertmanager(nursery, tmp_path / "alertmanager")
    daemon = start_daemon(configuration(
        tmp_path, {name: program.address for name, program in programs.items()},
        alerting={"alertmanagers": [static(peer)], "resend_delay": "1h"}))
    for name, (class_, holder, held_as) in planted.items():
        text = wait_verdict(daemon, name)
        alert, captures = alert_of(daemon, name), series_of(daemon, name)
        notes = alert["annotations"]
        assert notes["summary"] == f"{name}: {text}"
        last = captures[-1]
        leaks = report_of(daemon, last)["leaks"]
        assert leaks["verdict"] == "leak" and leaks["text"] == text, (name, text)
        first, *rest = leaks["suspects"]
        assert first["class"].endswith(class_) and first["held_as"] == held_as, (name, text)
        assert first["holder_name"] == holder, (name, text)
        # From the holder all the way to a root.
        path = first["shortest_path"]
        assert path[0]["id"] == first["holder"], (name, path)
        assert held_as in [step["edge"] for step in path], (name, path)
        names = notes["verdict_path"].split(" > ")
        assert held_as in names and len(notes["verdict_path"]) < 256, (name, notes)
        assert names[0] == "..." or len(names) == len(path) - 1, (name, names, path)
        more = notes.get("verdict_more", "")
        assert bool(more) == bool(rest) and more.count("iB)") <= 2, (name, notes)
        assert (last["verdict_path"], last["verdict_more"]) == (notes["verdict_path"], more)
        # The engine's own may grow beside it, by little.
        assert sum(s["bytes"] for s in rest) < first["bytes"] / 5, (name, leaks["suspects"])
        assert re.match(rf"\+[\d,]+ {re.escape(class_)}.* \([\d.]+ [KM]iB\) held by "
                        rf'{holder} "{held_as}"', text), text
        assert (last["verdict"], last["verdict_text"]) == ("leak", text)
        assert last["series_index"] == 3 and [c["verdict"] for c in captures[:-1]] == ["", ""]
        assert "leaks" not in report_of(daemon, captures[0])
        labels = {"target": name, "rule": "Growing"}
        assert daemon.value("heapwatch_leak_verdict", **labels) == 1
        assert daemon.value("heapwatch_leak_verdict_objects", **labels) == first["count"] > 100
        assert daemon.value("heapwatch_leak_verdict_bytes", **labels) == first["bytes"]
        ((told, _),) = daemon.values("heapwatch_leak_verdict_info", target=name)
        assert (told["class"], told["holder"], told["held_as"]) == (class_, holder, held_as)
        assert told.get("place", "") == last["verdict_place"] == leaks.get("place", ""), told
        assert not told.get("place") or f" in {told['place']}" in text, (name, text, told)
        # It was sent once when it began to fire, and is not due for an hour but for this.
        until(lambda: any(a["annotations"].get("verdict") == text for a in peer.alerts()),
              lambda: f"Alertmanager to know of {text}: {peer.alerts()}")
        daemon.process.wait_line(  # where quotes are escaped
            f"of the series of {name}: " + re.escape(text.partition('"')[0]))
    for name in ("node24", "deno", "chromium"):
        assert re.search(r"\bin \S+/hoards\.js:\d+", wait_verdict(daemon, name)), name
        ((told, _),) = daemon.values("heapwatch_leak_verdict_info", target=name)
        assert re.fullmatch(r"\S+/hoards\.js:\d+", told["place"]), name

    # Of two the line has one, the other is beside it.
    text, notes = wait_verdict(daemon, "both"), alert_of(daemon, "both")["annotations"]
    assert "more place" in text, text
    second = {"SessionRecord": "HistoryEntry", "HistoryEntry": "SessionRecord"}[
        re.match(r"\+[\d,]+ (\w+)", text)[1]]
    assert re.match(rf"\+[\d,]+ {second}.* \([\d.]+ [KM]iB\) held by ", notes["verdict_more"]), notes

    # What only fills its caches has none, and that is said.
    text = wait_verdict(daemon, "healthy")
    assert text.startswith("nothing accumulates"), text
    leaks = report_of(daemon, series_of(daemon, "healthy")[-1])["leaks"]
    assert (leaks["verdict"], leaks["suspects"]) == ("nothing", [])
    assert daemon.value("heapwatch_leak_verdict", target="healthy") == 0
    assert daemon.values("heapwatch_leak_verdict_info", target="healthy") == []
    assert "Verdict: nothing accumulates" in Ctl("-H", f"127.0.0.1:{daemon.port}")(
        "info", series_of(daemon, "healthy")[-1]["id"]).stdout


def test_over_a_kill(start_node, start_daemon, tmp_path):
    """The alert knows its series, and its verdict, after a restart."""
    app, home = start_node(24, "steady", "sessions"), tmp_path / "daemon"
    config = configuration(tmp_path, {"app": app.address}, rule(count=2))
    daemon = start_daemon(config, home=home)
    daemon.wait_capture(1)
    for _ in range(2):
        until(lambda: "series" in (daemon.storage / "state/alerts.json").read_text(),
              "the alert to be kept")
        daemon.process.signal(signal.SIGKILL)
        daemon.process.wait_exit()
        daemon = start_daemon(config, home=home)
        text = wait_verdict(daemon, "app")
        assert "SessionRecord" in text and "of two snapshots" in text
        assert "sessions" in alert_of(daemon, "app")["annotations"]["verdict_path"].split(" > ")
    assert len(series_of(daemon, "app")) == 2


@pytest.mark.parametrize("capture, text", [
    ({"encrypt": [KEY]}, "no verdict: it is encrypted, and the daemon has no key"),
], ids=["encrypted"])
def test_why_there_is_none(start_node, start_daemon, tmp_path, capture, text):
    app = start_node(24, "steady", "sessions")
    daemon = start_daemon(configuration(tmp_path, {"app": app.address}, rule(count=2), capture))
    assert wait_verdict(daemon, "app") == text
    assert series_of(daemon, "app")[-1]["verdict"] == "none"
    assert daemon.value("heapwatch_leak_verdict", target="app") == -1


def test_earlier_ones_that_are_gone(start_node, start_daemon, tmp_path):
    app = start_node(24, "steady", "sessions")
    daemon = start_daemon(configuration(tmp_path, {"app": app.address}, rule(count=2)))
    path = daemon.wait_capture(1)
    until(lambda: series_of(daemon, "app")[0]["analysis"]["state"] == "done", "its own report")
    os.unlink(path)
    assert wait_verdict(daemon, "app") == \
        "no verdict: the earlier snapshots of the series cannot be read"


def changed(whole):
    """A letter among the numbers of the references, and where."""
    at = whole.index(b'"edges":[') + 5000
    return whole[:at] + b"x" + whole[at + 1:], f'section "edges", byte {at}: neither a number nor the end'


def cut(whole):
    size = len(whole) * 2 // 3
    return whole[:size], f'the file ends at byte {size}, inside of section "'


def cut_packed(whole):
    size = len(whole) // 2
    return whole[:size], "unpacked, the file ends at byte "


@pytest.mark.parametrize("which, compress, harm", [
    ((1,), "none", changed), ((1, 2), "none", cut), ((2,), "zstd", cut_packed)])
def test_earlier_ones_that_are_damaged_are_named_with_the_place(start_node, start_daemon, tmp_path,
                                                                which, compress, harm):
    app = start_node(24, "steady", "sessions")
    daemon = start_daemon(configuration(tmp_path, {"app": app.address}, rule(spacing="15s"),
                                        {"compress": compress}))
    wanted = []
    for n in which:
        path = daemon.wait_capture(n)
        until(lambda n=n: (taken := series_of(daemon, "app"))[n - 1:]
              and taken[n - 1]["analysis"]["state"] == "done",
              lambda: f"its own report; log:\n{daemon.tail()}", 60)
        assert path.name == series_of(daemon, "app")[n - 1]["name"]
        damaged, words = harm(path.read_bytes())
        path.write_bytes(damaged)
        wanted.append(f"{path.name}: {words}")
    text = wait_verdict(daemon, "app")
    assert text.startswith(f"no verdict: {wanted[0]}"), text
    assert all(f"; {words}" in text for words in wanted[1:]), text
    if compress == "zstd":
        assert re.search(rf'section "\w+": it is cut short: zstd: cut short after {len(damaged)} bytes',
                         text), text
    last = series_of(daemon, "app")[-1]
    assert (last["series_index"], last["verdict"], last["verdict_text"]) == (3, "none", text)
    assert last["analysis"]["state"] == "done"
    assert report_of(daemon, last)["leaks"] == {"verdict": "none", "text": text}


def test_of_an_alert_that_fires_again(start_node, start_daemon, tmp_path):
    """While its series goes on, and when that is over: within the cooldown there is no other."""
    app = start_node(24, "toggle", 50, flags=["--expose-gc"])
    daemon = start_daemon(configuration(tmp_path, {"app": app.address}, rule(
        {"metric": "array_buffers", "above": "25MiB"}, count=2)))

    def toggle(fires):
        app.nudge("^on" if fires else "^off")
        until(lambda: bool(alert_of(daemon, "app")) == fires,
              lambda: f"{fires}: {alert_of(daemon, 'app')}; log:\n{daemon.tail()}")
    daemon.wait_up("app")
    for fires in (True, False, True):
        toggle(fires)
    text = wait_verdict(daemon, "app")
    assert text.startswith("nothing accumulates"), text
    for fires in (False, True):
        toggle(fires)
    assert wait_verdict(daemon, "app") == text
    assert [c["verdict"] for c in series_of(daemon, "app")] == ["", "nothing"]
