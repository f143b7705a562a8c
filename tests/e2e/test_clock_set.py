"""The wall clock of the daemon is set while it runs, forth and back by hours and years: nothing fires,
nothing is resolved, nothing is polled or captured because of it, at a real Alertmanager least of all."""

import json
import threading
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from lab.alertmanager import Alertmanager, static, told_at
from lab.clock import Clock
from lab.daemon import static_config
from lab.wait import until

HOUR_S, YEAR_S = 3600, 365 * 86400
STEPS_S = (HOUR_S, -2 * YEAR_S, YEAR_S, 0)
INTERVAL_S = 0.5
FOR_S, KEEP_S, RESEND_S = 15, 6, 2

HIGH = {"metric": "array_buffers", "above": "20MiB"}
RULES = [
    {"alert": "Firing", "when": HIGH, "guards": {"cooldown": "1h", "headroom": 0},
     "actions": [{"capture": "snapshot"}]},
    {"alert": "Pending", "when": dict(HIGH, **{"for": f"{FOR_S}s"})},
    {"alert": "Kept", "when": dict(HIGH, keep_firing_for=f"{KEEP_S}s")},
    {"alert": "Quiet", "when": {"metric": "array_buffers", "above": "1TiB"}},
    {"alert": "Calendar", "when": {"on_calendar": "*-*-* 03:33:33"}},
]


class Hook:
    """What Alertmanager tells: [(alert, status)] in its order."""

    def __init__(self):
        self.told = told = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                told.extend((a["labels"]["alertname"], a["status"]) for a in body["alerts"])
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def of(self, alert):
        return [status for name, status in self.told if name == alert]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def clock(tmp_path):
    made = Clock(tmp_path / "clock")
    yield made
    made.close()


@pytest.fixture
def hook():
    made = Hook()
    yield made
    made.close()


@pytest.fixture
def watched(start_daemon, start_node, nursery, tmp_path, clock, hook):
    """(daemon, app, manager), the daemon by that clock."""
    app = start_node(24, "toggle", 50, flags=["--expose-gc"])
    manager = Alertmanager(nursery, tmp_path / "am", config=told_at(hook.url))
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [
        {"name": "memory", "interval": "1s", "rules": RULES}]}, sort_keys=False))
    daemon = start_daemon(static_config(
        {"app": app.address}, rule_files=[str(path)],
        alerting={"resend_delay": f"{RESEND_S}s", "alertmanagers": [static(manager)]}),
        env=clock.environment)
    daemon.wait_up("app")
    return daemon, app, manager


def states(daemon):
    return {a["labels"]["alertname"]: a["state"] for a in daemon.api("/alerts")["alerts"]}


def seconds(text):
    return datetime.fromisoformat(text).timestamp()


def wait_more(daemon, n, name, **labels):
    before = daemon.value(name, **labels) or 0
    daemon.wait_value(name, lambda value: value >= before + n, **labels)


def live_under(daemon, clock, manager):
    """Some polls and resends by the clock as it is now; all that tells a time tells that."""
    url = f"http://{manager.target}/api/v2/alerts"
    polls, began = daemon.value("heapwatch_polls_total", target="app"), time.monotonic()
    wait_more(daemon, 3, "heapwatch_polls_total", target="app")
    firing = list(states(daemon).values()).count("firing")
    wait_more(daemon, 2 * firing, "heapwatch_notifications_sent_total", url=url)
    polls = daemon.value("heapwatch_polls_total", target="app") - polls
    assert polls <= (time.monotonic() - began) / INTERVAL_S + 2, "no faster than asked for"
    assert daemon.state("app") == "up"
    polled = daemon.value("heapwatch_last_poll_timestamp_seconds", target="app")
    assert abs(polled - clock.now()) < 60
    (target,) = daemon.api("/targets")["activeTargets"]
    assert abs(seconds(target["lastScrape"]) - clock.now()) < 60
    (row,) = daemon.api("/targets/app/series?metric=heap_used")["result"]
    times = [when for when, _ in row["values"]]
    assert times == sorted(times) and abs(times[-1] - clock.now()) < 60


def test_nothing_fires_and_nothing_is_resolved(watched, clock, hook):
    daemon, app, manager = watched
    began = time.monotonic()
    app.nudge("^on")
    daemon.wait_capture()
    starts = manager.wait_alert("Firing")["startsAt"]
    manager.wait_alert("Kept")
    taken = [daemon.ready()[0]]
    for off_s in STEPS_S:
        clock.set(off_s)
        live_under(daemon, clock, manager)
        now = states(daemon)
        assert now["Firing"] == now["Kept"] == "firing" and not {"Quiet", "Calendar"} & set(now)
        # What is asked before the time has come is answered before.
        assert now["Pending"] == "pending" or time.monotonic() - began >= FOR_S
        taken.append(daemon.capture("app", force=True))
        alert = manager.wait_alert("Firing")
        assert alert["status"]["state"] == "active"
        assert abs(seconds(alert["startsAt"]) - seconds(starts)) < 60
        assert seconds(alert["endsAt"]) - time.time() < 600, "it would be forgotten"
    assert taken[-1] != taken[-2] and len(set(taken)) == len(STEPS_S) + 1
    listed = [entry["name"] for entry in daemon.api("/captures")["ready"]]
    assert sorted(listed) == sorted(path.name for path in taken), "none was taken for old"
    manager.wait_alert("Pending")
    assert time.monotonic() - began >= FOR_S
    clock.set(YEAR_S)
    ended = time.monotonic()
    app.nudge("^off")
    until(lambda: hook.of("Firing") == ["firing", "resolved"], lambda: hook.told)
    clock.set(-YEAR_S)
    until(lambda: "Kept" not in states(daemon), lambda: states(daemon))
    assert time.monotonic() - ended >= KEEP_S
    manager.wait_none()
    for name in ("Firing", "Pending", "Kept"):
        until(lambda: len(hook.of(name)) == 2, lambda: hook.told)
        assert hook.of(name) == ["firing", "resolved"]
    assert hook.of("Quiet") == hook.of("Calendar") == []
