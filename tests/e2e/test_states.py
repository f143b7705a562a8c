"""A target that is not up says which state it is in and why, on the API, the page and in metrics."""

import json
import os
import signal
import socket
import threading

import pytest

from lab import cdp, listener, node
from lab.chromium import Chromium
from lab.daemon import POLL
from lab.deno import Deno
from lab.wait import until


@pytest.fixture
def closing():
    """closing(thing) -> thing, closed at the end of the test."""
    things = []

    def keep(thing):
        things.append(thing)
        return thing
    yield keep
    for thing in reversed(things):
        thing.close()


def shown(daemon, name, state, reason):
    """State and reason are visible wherever a person looks."""
    entry = daemon.wait_state(name, state)
    text = json.dumps(entry)
    assert reason in text, text
    page = daemon.get("/").text
    assert state in page and reason in page, page
    assert sum(v for labels, v in daemon.values("heapwatch_target_state", target=name)) == 1
    return entry


def test_down_when_nothing_listens(watch):
    daemon = watch(app=f"127.0.0.1:{listener.free_port()}")
    shown(daemon, "app", "down", "refused")
    assert daemon.value("heapwatch_up", target="app") == 0
    daemon.wait_value("heapwatch_poll_failures_total", lambda n: n >= 2, target="app",
                      reason="refused")


def test_comes_up_when_the_program_starts_later(watch, start_node):
    port = listener.free_port()
    daemon = watch(app=f"127.0.0.1:{port}")
    daemon.wait_state("app", "down")
    start_node(24, "idle", port=port)
    daemon.wait_up("app")
    assert daemon.value("heapwatch_up", target="app") == 1


def test_blocked_in_native_code(watch, start_node, major, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    app = start_node(major, "block", fifo)
    daemon = watch(app=app.address)
    daemon.wait_up("app")
    app.nudge("^blocked")
    shown(daemon, "app", "blocked", "main thread")
    assert daemon.value("heapwatch_up", target="app") == 0
    fifo.write_text("go on\n")
    app.process.wait_line("^free")
    daemon.wait_up("app")
    assert app.process.count_lines("Debugger attached") == 1, "it must wait, not reconnect"


def test_busy_javascript_is_still_polled(watch, start_node, major):
    app = start_node(major, "busy", 3000)
    daemon = watch(app=app.address)
    daemon.wait_up("app")
    app.nudge("^busy")
    first = daemon.value("heapwatch_polls_total", target="app")
    daemon.wait_value("heapwatch_polls_total", lambda n: n >= first + 3, target="app")
    assert daemon.state("app") == "up"
    assert app.process.count_lines("^free") == 0, "the loop ended before the polls: no proof"


def test_paused_by_another_client(watch, start_node, major):
    app = start_node(major, "idle")
    daemon = watch(app=app.address)
    daemon.wait_up("app")
    with cdp.Client(app.port) as person:
        person.call("Debugger.enable")
        person.call("Runtime.evaluate", expression="void setTimeout(() => { debugger; }, 0)")
        person.wait_event("Debugger.paused")
        shown(daemon, "app", "paused", "breakpoint")
        assert daemon.value("heapwatch_heap_used_bytes", target="app", isolate="main") > 0
        person.call("Debugger.resume")
        daemon.wait_up("app")


def test_stopped_by_a_signal(watch, start_node, major):
    app = start_node(major, "idle")
    daemon = watch(app=app.address)
    daemon.wait_up("app")
    app.process.signal(signal.SIGSTOP)
    shown(daemon, "app", "stopped", "SIGSTOP")
    app.process.signal(signal.SIGCONT)
    daemon.wait_up("app")


def test_exiting_is_told(watch, start_node, major):
    app = start_node(major, "leave", "exit")
    daemon = watch(app=app.address)
    daemon.wait_up("app")
    mark = daemon.process.mark()
    app.nudge()
    assert app.process.wait_exit() == 0
    daemon.process.wait_line("target is exiting.*state=\"?exiting", since=mark)
    daemon.wait_state("app", "down")


def test_killed_is_down(watch, start_node, major):
    app = start_node(major, "idle")
    daemon = watch(app=app.address)
    daemon.wait_up("app")
    app.process.kill()
    daemon.wait_state("app", "down")


class Keeping(listener.Listener):
    """A proxy that does not tell its clients when what is behind it ends: what they say is taken."""

    def __init__(self, port):
        self.to = port
        super().__init__(self._keep)

    def _keep(self, client):
        server = socket.create_connection(("127.0.0.1", self.to))
        threading.Thread(target=self._pump, args=(server, client), daemon=True).start()
        self._pump(client, server)
        while client.recv(1 << 16):
            pass
        server.close()

    @staticmethod
    def _pump(source, sink):
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
        except OSError:
            pass


@pytest.mark.parametrize("kind", ["node", "deno", "chromium"])
def test_a_successor_behind_a_proxy_that_keeps_the_connection(watch, closing, nursery, tmp_path, kind):
    """Its inspector answers, so it looks blocked, until it is seen that it is another one."""
    def start(name):
        if kind == "node":
            return node.Node(nursery, 24, "idle")
        if kind == "deno":
            return Deno(nursery, tmp_path / name, "1")
        return Chromium(nursery, tmp_path / name, "data:text/html,<title>shop</title>")
    first, second = start("first"), start("second")
    proxy = closing(Keeping(first.port))
    # Connected all the while, as Deno would not be by itself.
    daemon = watch(app=proxy.address, sections={"poll": dict(POLL, policy="attached")})
    daemon.wait_up("app")
    assert daemon.target("app")["pid"] == first.pid
    proxy.to = second.port
    first.process.stop()
    until(lambda: daemon.target("app")["pid"] == second.pid,
          lambda: f"its successor is watched: {daemon.target('app')}; log:\n{daemon.tail()}")
    daemon.wait_up("app")


def test_a_web_server_is_no_inspector(watch, nursery):
    _, heard = node.plain(nursery, 24, "server")
    port = int(heard.string.split()[1])
    daemon = watch(shop=f"127.0.0.1:{port}")
    shown(daemon, "shop", "invalid", "not JSON")


@pytest.mark.parametrize("body, reason", [
    (b"[]", "/json/list"), (b"{}", "/json/list"), (b"[{\"id\": 1}]", "/json/list"),
    (b"not json", "/json/list"), (b"[" * 5000, "/json/list"),
    (b"[" + b"{}," * 1000000 + b"{}]", "larger than allowed"),
], ids=["empty", "table", "foreign", "text", "deep", "big"])
def test_a_server_with_another_list_is_no_inspector(watch, closing, body, reason):
    version = b'{"Browser": "node.js/v24.0.0", "Protocol-Version": "1.1"}'
    server = closing(listener.http({"/json/version": (200, "application/json", version),
                                    "/json/list": (200, "application/json", body)}))
    daemon = watch(app=server.address)
    shown(daemon, "app", "invalid", reason)


def test_a_hidden_address_is_told(watch, nursery):
    """--inspect-publish-uid=stderr: Node answers the list with 404."""
    process = nursery.start([node.binary(24), "--inspect=127.0.0.1:0",
                             "--inspect-publish-uid=stderr", node.PROGRAMS / "idle.js"],
                            env=node.environment())
    port = process.wait_line(r"^Debugger listening on ws://127\.0\.0\.1:(\d+)/")[1]
    process.wait_line("^ready")
    daemon = watch(app=f"127.0.0.1:{port}")
    entry = daemon.wait_state("app", "invalid")
    assert "404" in json.dumps(entry), entry


def test_a_talker_is_no_inspector(watch, closing):
    daemon = watch(app=closing(listener.talker()).address)
    shown(daemon, "app", "invalid", "not HTTP")


def test_a_tls_port_is_no_inspector(watch, closing, tmp_path):
    daemon = watch(app=closing(listener.tls(tmp_path)).address)
    entry = until(lambda: daemon.state("app") in ("invalid", "down") and daemon.target("app"),
                  daemon.tail)
    assert entry["lastError"], entry


def test_a_silent_listener_is_down_with_the_reason(watch, closing):
    daemon = watch(app=closing(listener.silent()).address)
    shown(daemon, "app", "down", "answers nothing")


def test_bad_neighbours_do_not_delay_a_good_one(watch, start_node, closing):
    app = start_node(24, "idle")
    bad = {f"bad{i}": closing(listener.silent()).address for i in range(5)}
    daemon = watch(good=app.address, **bad)
    daemon.wait_up("good")
    first = daemon.value("heapwatch_polls_total", target="good")
    daemon.wait_value("heapwatch_polls_total", lambda n: n >= first + 4, target="good")
    assert sum(v for _, v in daemon.values("heapwatch_poll_failures_total", target="good")) == 0
