"""Series with exact ids: V8 tracks objects from the first snapshot to the last, so that they are
compared by ids, and no longer, however the series ends: the program then allocates as fast as
before."""

import json
import signal
import socket
import threading

import pytest
import yaml

from lab import chromium, every, hoards
from lab.cdp import Client, is_tracking
from lab.ctl import Ctl
from lab.daemon import PLAIN, POLL, static_config
from lab.deno import Deno
from lab.node import STEADY, allocates_at_least, allocation_speed
from lab.relay import Relay
from lab.verdicts import configuration, report_of, rule, series_of, wait_verdict
from lab.wait import until

LEVEL = 0.55  # of the speed before, as in test_harm.py
NO_GUARDS = dict(PLAIN, guards={"headroom": 0})
LIMIT_S = 90


def ask(daemon, isolate="main", **series):
    return daemon.post("/api/v1/targets/app/captures",
                       json.dumps({"isolate": isolate, "series": {
                           "count": 3, "spacing": "1s", "ids": "exact", **series}}).encode(),
                       {"Content-Type": "application/json"})


def begin(daemon, isolate="main", **series):
    daemon.wait_isolate("app", isolate)
    answer = ask(daemon, isolate, **series)
    assert answer.status == 202, answer.text
    return answer.json()["data"]["id"]


def wait_ended(daemon):
    return daemon.process.wait_line(r"the series \S+ of app ends before .*")[0]


def check_leak(daemon, tmp_path, class_, held_as, isolate="main"):
    """The leaks of the three that are there were found by ids."""
    daemon.wait_capture(3, LIMIT_S)
    captures = series_of(daemon, "app")
    assert [c["ids"] for c in captures] == ["exact"] * 3 and captures[0]["isolate"] == isolate
    report = Ctl(cwd=tmp_path).json("leaks", *daemon.ready())
    assert report["matched_by"] == "ids", report
    found = [(s["class"].split(",")[-1], s["held_as"]) for s in report["suspects"]]
    assert (class_, held_as) in found, report["suspects"]
    shown = Ctl("-H", f"127.0.0.1:{daemon.port}")("info", captures[0]["id"]).stdout
    assert f"1 of 3, begun by {captures[0]['id']}, ids exact\n" in shown


def test_a_series_is_compared_by_ids(start_node, watch, tmp_path, major):
    node = start_node(major, "steady", "history")
    daemon = watch(app=node.address, sections={"capture": NO_GUARDS})
    with Client(node.port) as client:
        begin(daemon)
        until(lambda: is_tracking(client), lambda: f"it tracks; log:\n{daemon.tail()}", LIMIT_S)
        check_leak(daemon, tmp_path, "HistoryEntry", "log")
        until(lambda: not is_tracking(client), "it does not")


def test_a_client_that_leaves_takes_the_ids_from_all(start_node, watch, tmp_path):
    """V8 tells nobody; the analyser finds out."""
    node = start_node(24, "steady", "history")
    daemon = watch(app=node.address, sections={"capture": NO_GUARDS})
    begin(daemon, spacing="5s")
    for n in (1, 2):
        daemon.wait_capture(n)
        with Client(node.port) as client:
            assert is_tracking(client)
        with Client(node.port) as client:
            until(lambda: not is_tracking(client), "it does not")
    daemon.wait_capture(3, LIMIT_S)
    assert Ctl(cwd=tmp_path).json("leaks", *daemon.ready())["matched_by"] == "paths"


def test_a_worker_thread(start_node, watch, tmp_path):
    node = start_node(24, "workers", 1)
    daemon = watch(app=node.address, sections={"capture": NO_GUARDS})
    begin(daemon, "worker:1")
    daemon.wait_capture(3, LIMIT_S)
    report = Ctl(cwd=tmp_path).json("leaks", *daemon.ready())
    assert report["matched_by"] == "ids", report


def test_a_page_of_chromium(nursery, watch, tmp_path):
    browser = chromium.Chromium(nursery, tmp_path / "profile", "data:text/html,<title>shop</title><body>")
    daemon = watch(app=browser.address, sections={"capture": NO_GUARDS})
    with browser.client() as client:
        client.evaluate(hoards.SCRIPT.read_text() + "; hoards.start('tickets');"
                        "setInterval(() => hoards.work(40), 100); 1")
        page = chromium.isolate(browser.page)
        begin(daemon, page)
        until(lambda: is_tracking(client), lambda: f"it tracks; log:\n{daemon.tail()}", LIMIT_S)
        check_leak(daemon, tmp_path, "Ticket", "tickets", page)
        until(lambda: not is_tracking(client), "it does not")


def test_deno_if_it_is_not_left_after_each_poll(nursery, start_daemon, tmp_path):
    deno = Deno(nursery, tmp_path / "program", "0")
    config = static_config({"app": deno.address}, capture=NO_GUARDS,
                           poll=dict(POLL, policy="attached"))
    with Client(deno.port, limit_s=60) as client:
        client.evaluate(hoards.SCRIPT.read_text() + "; hoards.start('tickets');"
                        "setInterval(() => hoards.work(40), 100); 1")
        daemon = start_daemon(config)
        begin(daemon)
        check_leak(daemon, tmp_path, "Ticket", "tickets")


def test_of_a_rule(start_node, start_daemon, tmp_path):
    node = start_node(24, "steady", "sessions")
    daemon = start_daemon(configuration(tmp_path, {"app": node.address}, rule(ids="exact")))
    assert "SessionRecord" in wait_verdict(daemon, "app")
    leaks = report_of(daemon, series_of(daemon, "app")[-1])["leaks"]
    assert leaks["matched_by"] == "ids", leaks


# ---- ends ----

def end_by_itself(daemon, client, config):
    begin(daemon)
    daemon.wait_capture(3, LIMIT_S)


def between(daemon, client, **series):
    """A series that waits for its second snapshot."""
    identity = begin(daemon, **{"count": 2, "spacing": "5m", **series})
    daemon.wait_capture(1)
    assert is_tracking(client)
    assert daemon.value("heapwatch_objects_tracked", target="app") == 1
    return identity


def end_killed(daemon, client, config):
    between(daemon, client)
    daemon.process.kill()


def end_stopped(daemon, client, config):
    between(daemon, client)
    assert daemon.process.stop() == 0


def end_cancelled(daemon, client, config):
    identity = between(daemon, client)
    assert daemon.get(f"/api/v1/captures/{identity}", method="DELETE").status == 200
    assert wait_ended(daemon).endswith('2 of 2: cancelled"')
    until(lambda: daemon.values("heapwatch_objects_tracked") == [], "it is over")


def end_refused(daemon, client, config):
    """A guard of the reload says no to the second."""
    between(daemon, client, spacing="5s")
    daemon.configure(dict(config, capture=dict(PLAIN, guards={"headroom": 0, "max_heap": "1KiB"})))
    daemon.process.signal(signal.SIGHUP)
    assert "2 of 2: max_heap: " in wait_ended(daemon)


def end_dropped(daemon, client, config):
    between(daemon, client)
    daemon.configure(dict(config, targets=[]))
    daemon.process.signal(signal.SIGHUP)
    assert wait_ended(daemon).endswith('the target is gone"')


ENDS = [(major, end) for end in (end_by_itself, end_killed) for major in (20, 22, 24, 26)] + \
    [(24, end_stopped), (20, end_cancelled), (22, end_refused), (26, end_dropped)]


@pytest.mark.parametrize("version, end", ENDS)
def test_allocation_is_as_fast_afterwards(start_node, watch, version, end):
    node = start_node(version, "alloc", flags=STEADY)
    before = allocation_speed(node)
    config = static_config({"app": node.address}, capture=NO_GUARDS)
    daemon = watch(app=node.address, sections={"capture": NO_GUARDS})
    with Client(node.port) as client:
        end(daemon, client, config)
        until(lambda: not is_tracking(client), lambda: f"it does not; log:\n{daemon.tail()}")
    assert allocates_at_least(node, before * LEVEL)


class Stuck(Relay):
    """One that does not tell the program that its client has gone."""

    def _relay(self, client):
        server = socket.create_connection(("127.0.0.1", self._to))
        self.conversations.append(server)

        def back():
            try:
                while data := server.recv(1 << 16):
                    client.sendall(data)
            except OSError:
                pass
        threading.Thread(target=back, daemon=True).start()
        while data := client.recv(1 << 16):
            server.sendall(data)


def test_the_next_session_ends_what_a_kill_has_left_on(start_node, start_daemon, tmp_path):
    node = start_node(24, "idle")
    relay = Stuck(node.port)
    config = static_config({"app": f"127.0.0.1:{relay.port}"}, capture=NO_GUARDS)
    daemon = start_daemon(config, home=tmp_path / "daemon")
    with Client(node.port) as client:
        between(daemon, client)
        daemon.process.kill()
        assert is_tracking(client)
        daemon = start_daemon(config, home=tmp_path / "daemon")
        until(lambda: not is_tracking(client), lambda: f"it does not; log:\n{daemon.tail()}")
        assert "2 of 2: the ids of objects are lost: heapwatchd was restarted" in wait_ended(daemon)
    relay.close()


def test_a_program_that_exits_is_not_held(start_node, watch, major):
    node = start_node(major, "idle")
    daemon = watch(app=node.address, sections={"capture": NO_GUARDS})
    with Client(node.port) as client:
        between(daemon, client)
        client.call("Runtime.evaluate", expression="setTimeout(() => process.exit(7), 300)")
    assert node.process.wait_exit() == 7
    assert "2 of 2: the ids of objects are lost: " in wait_ended(daemon)


def test_nobody_else_comes_between(start_node, watch):
    """Their leaving would end the ids."""
    node = start_node(24, "idle")
    daemon = watch(app=node.address,
                   sections={"capture": NO_GUARDS, "poll": dict(POLL, profile_interval="1s")})
    daemon.wait_isolate("app", "main")
    with Client(node.port) as client:
        identity = between(daemon, client)
        for kind in ("snapshot", "sampling", "timeline"):
            answer = daemon.post(f"/api/v1/targets/app/captures?kind={kind}")
            assert answer.status == 409 and answer.json()["error"].startswith(
                f"busy: the series {identity} has exact ids"), answer.text
        assert daemon.post("/api/v1/targets/app/captures?kind=diagnostics").status == 202
        taken = daemon.value("heapwatch_polls_total", target="app")
        daemon.wait_value("heapwatch_polls_total", lambda n: n >= taken + 5, target="app")
        assert is_tracking(client)
    assert not daemon.api("/captures")["running"]


# ---- what is refused ----

@pytest.mark.parametrize("series, why", [
    ({"spacing": "10m"}, "series.ids: exact ids are kept for at most 5m, and 3 snapshots 10m apart "
                         "take 20m: the program is several times slower meanwhile"),
    ({"spacing": "151s"}, "series.ids: exact ids are kept for at most 5m, and 3 snapshots 2m31s "
                          "apart take 5m2s: the program is several times slower meanwhile"),
    ({"count": 1}, "series.ids: exact ids go with a count of 2 or more"),
    ({"growth": "20%"}, "series.ids: exact ids do not go with growth, which takes as long as it "
                        "takes: the program is several times slower meanwhile"),
    ({"ids": "some"}, "series.ids: 'some' is not one of any, exact")])
def test_what_is_refused(start_daemon, tmp_path, series, why):
    daemon = start_daemon(static_config({"app": "127.0.0.1:9"}))
    answer = ask(daemon, **series)
    assert answer.status == 400 and answer.json()["error"] == why
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [rule(
        **{"ids": "exact", **series})]}]}))
    daemon = start_daemon({"rule_files": [str(rules)]}, wait=False)
    assert daemon.process.wait_exit() == 1 and why in daemon.tail()


JSC_IDS = "JavaScriptCore forgets the ids of objects when a client that had its domain Heap enabled " \
          "leaves, and between two snapshots of a series one may"
CANNOT = {
    "bun": "its snapshots number the objects anew",
    "workerd": "it bears one client, and the ids are lost when that leaves",
    "deno": "with a connection for each poll, whose end is the end of the ids; with policy: "
            "attached they can be had",
    "webkit": JSC_IDS,
    "safari": JSC_IDS,
    "firefox": "its snapshots tell addresses, which others take over",
}


@pytest.mark.parametrize("runtime", CANNOT)
def test_who_cannot(nursery, watch, tmp_path, site, runtime):
    daemon = watch(app=every.start(runtime, nursery, tmp_path / "program", site),
                   sections={"capture": NO_GUARDS})
    daemon.wait_up("app")
    isolate = until(lambda: daemon.isolates("app"), "an isolate")[0]
    answer = ask(daemon, isolate)
    assert answer.status == 422, answer.text
    said = answer.json()["error"]
    assert said.startswith(f"ids: exact: not supported by {runtime}") and \
        said.endswith(CANNOT[runtime]), said
