"""Alerts at real Alertmanagers, and at webhooks: who is told what, when, and what a restart, a peer
that is down or a receiver that misbehaves change of it."""

import hashlib
import hmac
import json
import signal
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from lab.alertmanager import Alertmanager, static
from lab.daemon import static_config
from lab.gate import Authority, Gate
from lab.listener import Listener, free_port
from lab.relay import Relay
from lab.wait import until

RULE = {"alert": "BuffersHigh", "when": {"metric": "array_buffers", "above": "20MiB"},
        "labels": {"severity": "page"},
        "annotations": {"summary": "{{ $labels.target }} holds {{ $value | humanize1024 }}B"}}


@pytest.fixture
def app(start_node):
    return start_node(24, "toggle", 50, flags=["--expose-gc"])


def configuration(tmp_path, app, *rules, **alerting):
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [
        {"name": "memory", "interval": "1s", "rules": list(rules or (RULE,))}]}, sort_keys=False))
    return static_config({"app": app.address}, rule_files=[str(path)],
                         alerting={"resend_delay": "1s", **alerting})


@pytest.fixture
def cluster(nursery, tmp_path):
    one = Alertmanager(nursery, tmp_path / "am1")
    return one, Alertmanager(nursery, tmp_path / "am2", peers=[one])


class Receiver:
    """A webhook: what came as (headers, body); answers what `answer(body)` says, 200 without."""

    def __init__(self, answer=None, port=0):
        self.seen = seen = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seen.append((dict(self.headers), body))
                status, text = answer(body) if answer else (200, b"")
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.target = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def wait(self, n):
        until(lambda: len(self.seen) >= n, lambda: f"{n} requests: {self.seen}")
        return self.seen[n - 1]

    def alerts(self):
        return [json.loads(body) for _, body in self.seen]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receive():
    """receive(answer, port) -> Receiver"""
    made = []

    def make(answer=None, port=0):
        made.append(Receiver(answer, port))
        return made[-1]
    yield make
    for one in made:
        one.close()


# ---- Alertmanager ----

def test_firing_and_resolved_at_each_peer_of_a_cluster(start_daemon, tmp_path, app, cluster):
    daemon = start_daemon(configuration(
        tmp_path, app, alertmanagers=[static(*cluster)], external_labels={"datacenter": "eu"}))
    daemon.wait_up("app")
    app.nudge("^on")
    for peer in cluster:
        alert = peer.wait_alert("BuffersHigh")
        assert alert["labels"] == {"alertname": "BuffersHigh", "target": "app", "isolate": "main",
                                   "severity": "page", "datacenter": "eu"}
        assert alert["annotations"]["summary"].startswith("app holds 50")
        assert alert["generatorURL"].startswith("http://127.0.0.1:")
        assert alert["status"]["state"] == "active"
        assert "BuffersHigh" in peer.amtool("alert", "query")
        url = f"http://{peer.target}/api/v2/alerts"
        daemon.wait_value("heapwatch_notifications_sent_total", lambda n: n >= 3,
                          receiver="alertmanager", url=url)
    first = cluster[0].wait_alert("BuffersHigh")
    later = until(lambda: (a := cluster[0].wait_alert("BuffersHigh"))["endsAt"] > first["endsAt"] and a,
                  "a resend that puts endsAt off")
    assert later["startsAt"] == first["startsAt"]
    app.nudge("^off")
    for peer in cluster:
        peer.wait_none()


def test_a_peer_that_is_down_keeps_nobody_else(start_daemon, nursery, tmp_path, app):
    up, port = Alertmanager(nursery, tmp_path / "am"), free_port()
    entry = {"static_configs": [{"targets": [f"127.0.0.1:{port}", up.target]}]}
    daemon = start_daemon(configuration(tmp_path, app, alertmanagers=[entry]))
    daemon.wait_up("app")
    app.nudge("^on")
    up.wait_alert("BuffersHigh")
    daemon.process.wait_line(rf"127\.0\.0\.1:{port}.* takes no alerts")
    daemon.wait_value("heapwatch_notifications_queue_length", 1,
                      url=f"http://127.0.0.1:{port}/api/v2/alerts")
    late = Alertmanager(nursery, tmp_path / "late", port=port)
    late.wait_alert("BuffersHigh")
    daemon.process.wait_line(rf"127\.0\.0\.1:{port}.* takes alerts again")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_a_restart_is_not_seen(start_daemon, nursery, tmp_path, app, receive, how):
    manager, hook = Alertmanager(nursery, tmp_path / "am"), receive()
    rule = dict(RULE, guards={"cooldown": "0", "max_captures": 0}, actions=[{"capture": "snapshot"}])
    config = configuration(tmp_path, app, rule, alertmanagers=[static(manager)],
                           webhooks=[{"url": f"http://{hook.target}/"}])
    daemon = start_daemon(config)
    daemon.wait_up("app")
    app.nudge("^on")
    before = manager.wait_alert("BuffersHigh")
    daemon.wait_capture()
    hook.wait(1)
    saved = daemon.storage / "state" / "alerts.json"
    until(lambda: all(a["told"] and a["acted"] for a in json.loads(saved.read_text())["alerts"]),
          lambda: saved.read_text())
    daemon.process.signal(how)
    daemon.process.wait_exit()
    again = start_daemon(config, home=daemon.home)
    again.process.wait_line("1 alerts of before the restart go on")
    assert manager.alerts()[0]["startsAt"] == before["startsAt"]
    url = f"http://{manager.target}/api/v2/alerts"
    again.wait_up("app")
    again.wait_value("heapwatch_notifications_sent_total", lambda n: n >= 3, url=url)
    (after,) = manager.alerts()
    assert after["startsAt"] == before["startsAt"] and after["fingerprint"] == before["fingerprint"]
    assert len(hook.seen) == 1 and len(again.ready()) == 1
    app.nudge("^off")
    manager.wait_none()
    hook.wait(2)
    assert [a["status"] for a in hook.alerts()] == ["firing", "resolved"]
    assert hook.alerts()[1]["alerts"][0]["startsAt"] == hook.alerts()[0]["alerts"][0]["startsAt"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_what_ends_while_nobody_hears_is_told_after_a_restart(
        start_daemon, nursery, tmp_path, app, receive, how):
    """Each receiver that was down at that moment hears of it then, and each that was not, once."""
    down = threading.Event()
    hook, other = receive(lambda body: (503, b"later") if down.is_set() else (204, b"")), receive()
    manager = Alertmanager(nursery, tmp_path / "am")
    relay = Relay(manager.port)
    config = configuration(
        tmp_path, app, alertmanagers=[{"static_configs": [{"targets": [relay.address]}]}],
        webhooks=[{"url": f"http://{one.target}/"} for one in (hook, other)], resend_delay="10m")
    daemon = start_daemon(config)
    daemon.wait_up("app")
    app.nudge("^on")
    before = manager.wait_alert("BuffersHigh")
    hook.wait(1)
    other.wait(1)
    down.set()
    relay.close()
    app.nudge("^off")
    other.wait(2)
    tries = len(hook.seen)
    until(lambda: len(hook.seen) > tries, "a try")
    saved = daemon.storage / "state" / "alerts.json"
    until(lambda: sorted(e["receiver"] != "" for e in json.loads(saved.read_text())["ended"]) ==
          [False, True], saved.read_text)
    daemon.process.signal(how)
    daemon.process.wait_exit()
    assert manager.alerts()[0]["endsAt"] == before["endsAt"]
    down.clear()
    told = len(hook.seen)
    config["alerting"]["alertmanagers"].append(static(manager))
    daemon = start_daemon(config, home=daemon.home)
    manager.wait_none()
    alert = json.loads(hook.wait(told + 1)[1])
    assert alert["status"] == "resolved"
    assert alert["alerts"][0]["startsAt"] == hook.alerts()[0]["alerts"][0]["startsAt"]
    until(lambda: [e["receiver"] for e in json.loads(saved.read_text())["ended"]] == [""],
          saved.read_text)
    assert [a["status"] for a in other.alerts()] == ["firing", "resolved"]


@pytest.mark.parametrize("good", [True, False], ids=["let in", "kept out"])
def test_tls_and_password(start_daemon, nursery, tmp_path, app, good):
    authority = Authority(tmp_path / "ca", "ours")
    certificate, key = authority.issue("server", "DNS:alerts.example,IP:127.0.0.1")
    import crypt  # pylint: disable=deprecated-module
    web = {"config": {"tls_server_config": {"cert_file": str(certificate), "key_file": str(key)},
                      "basic_auth_users": {"heapwatch": crypt.crypt(
                          "let me in", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))}},
           "context": ssl.create_default_context(cafile=str(authority.ca))}
    manager = Alertmanager(nursery, tmp_path / "am", web=web, login=("heapwatch", "let me in"))
    password = tmp_path / "password"
    password.write_text("let me in\n" if good else "let me out\n")
    daemon = start_daemon(configuration(tmp_path, app, alertmanagers=[static(
        manager, scheme="https", basic_auth={"username": "heapwatch", "password_file": str(password)},
        tls_config={"ca_file": str(authority.ca), "server_name": "alerts.example"})]))
    daemon.wait_up("app")
    app.nudge("^on")
    if good:
        manager.wait_alert("BuffersHigh")
        return
    daemon.process.wait_line("takes no alerts: status 401")
    assert manager.alerts() == []
    password.write_text("let me in\n")  # read at each request
    manager.wait_alert("BuffersHigh")


def test_tls_and_a_token(start_daemon, nursery, tmp_path, app):
    """A proxy before it that asks for a certificate and a token, as those of clouds do."""
    manager, authority = Alertmanager(nursery, tmp_path / "am"), Authority(tmp_path / "ca", "ours")
    certificate, key = authority.issue("daemon")
    gate = Gate(manager.port, authority, token="let.me-in~1", alternatives="DNS:alerts.example")
    token = tmp_path / "token"
    token.write_text("let.me-out~1\n")
    daemon = start_daemon(configuration(tmp_path, app, alertmanagers=[{
        "static_configs": [{"targets": [f"127.0.0.1:{gate.port}"]}], "scheme": "https",
        "authorization": {"credentials_file": str(token)},
        "tls_config": {"ca_file": str(authority.ca), "server_name": "alerts.example",
                       "cert_file": str(certificate), "key_file": str(key)}}]))
    daemon.wait_up("app")
    app.nudge("^on")
    daemon.process.wait_line("takes no alerts: status 401")
    assert manager.alerts() == []
    token.write_text("let.me-in~1\n")  # read at each request
    manager.wait_alert("BuffersHigh")
    app.nudge("^off")
    manager.wait_none()
    assert all(head.startswith("POST /api/v2/alerts HTTP/1.1\r\n") for head in gate.heads)
    assert "let.me" not in daemon.process.output() + daemon.get("/metrics").text
    gate.close()


# ---- a receiver that misbehaves: a stand-in, for no Alertmanager does ----

@pytest.fixture
def picky(start_daemon, tmp_path, app, receive):
    """picky(status, text) -> the daemon of five alerts, when a receiver that says this of every batch
    with Bad in it has had the four others."""
    def start(status, text):
        taken = set()

        def answer(body):
            names = {a["labels"]["alertname"] for a in json.loads(body)}
            if "Bad" in names:
                return status, text
            taken.update(names)
            return 200, b""
        rules = [dict(RULE, alert=name) for name in ("A", "Bad", "C", "D", "E")]
        daemon = start_daemon(configuration(tmp_path, app, *rules,
                                            alertmanagers=[static(receive(answer))]))
        daemon.wait_up("app")
        app.nudge("^on")
        until(lambda: taken == {"A", "C", "D", "E"}, lambda: f"{taken}")
        return daemon
    return start


def test_one_bad_alert_keeps_no_other(picky):
    daemon = picky(400, b"bad alert")
    daemon.wait_value("heapwatch_notifications_dropped_total", lambda n: n >= 1, reason="refused")
    daemon.process.wait_line("does not take the alert Bad of app.*400: bad alert")
    assert daemon.process.count_lines("does not take the alert") == 1


def test_an_alert_that_it_fails_at_keeps_no_other(picky):
    """Not even where alerts are sent again sooner than they are tried."""
    picky(500, b"later")


def test_batches_as_large_as_prometheus_sends(start_daemon, nursery, tmp_path, app, receive):
    manager, hook = Alertmanager(nursery, tmp_path / "am"), receive()
    names = {f"A{i:02}" for i in range(70)}
    rules = [dict(RULE, alert=name) for name in sorted(names)]
    daemon = start_daemon(configuration(tmp_path, app, *rules, resend_delay="1m",
                                        alertmanagers=[static(manager), static(hook)]))
    daemon.wait_up("app")
    app.nudge("^on")
    until(lambda: {a["labels"]["alertname"] for a in manager.alerts()} == names,
          lambda: f"{len(manager.alerts())} alerts")
    hook.wait(2)
    batches = [[a["labels"]["alertname"] for a in batch] for batch in hook.alerts()]
    assert [len(batch) for batch in batches] == [64, 6]
    assert sorted(sum(batches, [])) == sorted(names)


def test_a_resolved_alert_is_sent_again(start_daemon, tmp_path, app, receive):
    """Its end is a time that has passed, and stays what it was."""
    hook = receive()
    daemon = start_daemon(configuration(tmp_path, app, alertmanagers=[static(hook)]))
    daemon.wait_up("app")
    app.nudge("^on")
    hook.wait(1)
    app.nudge("^off")

    def ends():
        return [alert["endsAt"] for batch in hook.alerts() for alert in batch]
    until(lambda: ends().count(ends()[-1]) >= 3, ends)
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    assert ends()[-1] < now
    assert len({alert["startsAt"] for batch in hook.alerts() for alert in batch}) == 1


@pytest.mark.parametrize("hostile", ["hang", "drip", "huge"])
def test_a_hostile_receiver_harms_nobody(start_daemon, nursery, tmp_path, app, receive, hostile):
    released = threading.Event()

    def answer(body):
        if hostile == "huge":
            return 200, b"x" * (8 << 20)
        released.wait(60)
        return 200, b""

    def drip(connection):
        connection.recv(65536)
        while not released.wait(0.1):
            connection.sendall(b"H")
    bad = Listener(drip) if hostile == "drip" else receive(answer)
    target = bad.address if hostile == "drip" else bad.target
    good = Alertmanager(nursery, tmp_path / "am")
    daemon = start_daemon(configuration(tmp_path, app, alertmanagers=[
        {"static_configs": [{"targets": [target]}], "timeout": "500ms"}, static(good)]))
    daemon.wait_up("app")
    app.nudge("^on")
    good.wait_alert("BuffersHigh")
    daemon.wait_value("heapwatch_notifications_errors_total", lambda n: n >= 2,
                      url=f"http://{target}/api/v2/alerts")
    assert daemon.get("/-/healthy").status == 200 and daemon.state("app") == "up"
    released.set()
    if hostile == "drip":
        bad.close()


@pytest.mark.parametrize("how", ["down", "slow"])
def test_a_queue_that_is_full_drops_the_oldest_of_its_own(
        start_daemon, nursery, tmp_path, app, receive, how):
    manager, good, capacity = Alertmanager(nursery, tmp_path / "am"), receive(), 3
    held = Listener(lambda connection: connection.recv(1)) if how == "slow" else None
    port = held.port if held else free_port()
    bad, url = f"http://127.0.0.1:{port}/", {"url": f"http://127.0.0.1:{port}/"}
    daemon = start_daemon(configuration(
        tmp_path, app, alertmanagers=[static(manager)], queue_capacity=capacity,
        webhooks=[{"url": bad, "timeout": "1s"}, {"url": f"http://{good.target}/"}]))
    daemon.wait_up("app")
    changes = 8
    for i in range(changes):
        app.nudge("^on" if i % 2 == 0 else "^off")
        good.wait(i + 1)
    assert [a["status"] for a in good.alerts()] == ["firing", "resolved"] * (changes // 2)
    manager.wait_none()
    # What is on its way waits in no queue, and comes back to it.
    dropped = daemon.wait_value("heapwatch_notifications_dropped_total",
                                lambda n: n >= changes - capacity - 1, reason="queue_full", **url)
    waiting = daemon.value("heapwatch_notifications_queue_length", **url)
    assert waiting <= capacity + 1 and dropped <= changes - capacity
    assert daemon.process.count_lines("queue of .* is full") == 1
    drops = daemon.values("heapwatch_notifications_dropped_total")
    assert {labels["url"] for labels, value in drops if value > 0} == {bad}
    assert {labels["reason"] for labels, value in drops if value > 0} == {"queue_full"}
    if held:
        held.close()
    late = receive(port=port)
    daemon.process.signal(signal.SIGHUP)  # it is tried at once
    late.wait(int(changes - dropped))
    daemon.wait_value("heapwatch_notifications_queue_length", 0, **url)
    assert late.alerts()[-1] == good.alerts()[-1], "the newest is not lost"
    assert daemon.value("heapwatch_notifications_sent_total", **url) == changes - dropped


# ---- webhooks ----

def test_a_webhook_is_signed_and_told_of_changes_only(start_daemon, tmp_path, app, receive):
    failing = [503, 503]
    hook = receive(lambda body: (failing.pop(), b"later") if failing else (204, b""))
    secret = tmp_path / "secret"
    secret.write_text("it is ours\n")
    daemon = start_daemon(configuration(tmp_path, app, webhooks=[
        {"url": f"http://{hook.target}/hook", "secret_file": str(secret)}]))
    daemon.wait_up("app")
    app.nudge("^on")
    headers, body = hook.wait(3)
    deliveries = {h["X-Heapwatch-Delivery"] for h, _ in hook.seen}
    assert len(deliveries) == 1  # the same change, tried again
    signed = headers["X-Heapwatch-Timestamp"].encode() + b"." + body
    expected = hmac.new(b"it is ours", signed, hashlib.sha256).hexdigest()
    assert headers["X-Heapwatch-Signature"] == f"sha256={expected}"
    assert abs(int(headers["X-Heapwatch-Timestamp"]) - time.time()) < 30
    message = json.loads(body)
    assert message["version"] == "4" and message["status"] == "firing"
    (alert,) = message["alerts"]
    assert alert["labels"]["alertname"] == "BuffersHigh" and alert["endsAt"].startswith("0001-")
    daemon.wait_value("heapwatch_notifications_sent_total", 1, receiver="webhook")
    app.nudge("^off")
    _, body = hook.wait(4)
    assert json.loads(body)["status"] == "resolved" and len(hook.seen) == 4


def test_a_webhook_hears_of_the_capture_if_the_alert_says_so(start_daemon, tmp_path, app, receive):
    """Another rule takes one too and says nothing of it: it is told once."""
    hook = receive()
    takes = {"actions": [{"capture": "diagnostics"}]}
    daemon = start_daemon(configuration(
        tmp_path, app, dict(RULE, alert="Mute", **takes),
        dict(RULE, alert="Named", annotations={"file": "{{ $labels.capture_path }}"}, **takes),
        webhooks=[{"url": f"http://{hook.target}/hook"}]))
    daemon.wait_up("app")
    app.nudge("^on")
    hook.wait(3)
    until(lambda: len(daemon.api("/captures")["ready"]) == 2, "both captures")
    app.nudge("^off")
    hook.wait(5)
    told = {}
    for headers, body in hook.seen:
        message = json.loads(body)
        change = headers["X-Heapwatch-Delivery"].rsplit("-", 1)[1]
        told.setdefault(message["alerts"][0]["labels"]["alertname"], []).append(
            (change, message["alerts"][0]["annotations"].get("file", "")))
    (mine,) = [m for m in daemon.api("/captures")["ready"] if m["rule"] == "Named"]
    assert [change for change, _ in told["Mute"]] == ["firing", "resolved"]
    assert [change for change, _ in told["Named"]] == ["firing", "capture1", "resolved"]
    assert [file.rsplit("/", 1)[-1] for _, file in told["Named"]] == ["", mine["name"], mine["name"]]


def test_a_webhook_that_fails_at_one_alert_takes_the_others(start_daemon, tmp_path, app, receive):
    """It is tried again behind them, and is not lost."""
    failing = True

    def answer(body):
        bad = json.loads(body)["alerts"][0]["labels"]["alertname"] == "Poison"
        return (500, b"later") if bad and failing else (204, b"")
    hook = receive(answer)
    daemon = start_daemon(configuration(
        tmp_path, app, *[dict(RULE, alert=name) for name in ("Poison", "One", "Two")],
        webhooks=[{"url": f"http://{hook.target}/hook"}]))
    daemon.wait_up("app")
    app.nudge("^on")
    daemon.wait_value("heapwatch_notifications_sent_total", 2, receiver="webhook")
    failing = False
    daemon.wait_value("heapwatch_notifications_sent_total", 3, receiver="webhook")
    names = [json.loads(body)["alerts"][0]["labels"]["alertname"] for _, body in hook.seen]
    assert names[0] == names[-1] == "Poison" and sorted(set(names)) == ["One", "Poison", "Two"]
