"""Node inspectors that are opened by SIGUSR1: only where the configuration says so, only in a Node
that takes the signal, and closed again."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from lab import cdp, deno, listener, node, readers
from lab.bun import Bun
from lab.daemon import PLAIN, POLL, program
from lab.wait import until
from lab.workerd import Workerd

# What a program may stand still when an inspector is opened, polled and closed, on a busy machine. One
# that waits for a client to leave stands still for as long as that stays.
STOOD_MS = 400

LISTEN = "0A"  # in /proc/net/tcp

AS_NOBODY = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--"]


def listens(port):
    """As the kernel has it. Who connects to find out is a client, and for a client it stays open."""
    rows = [line.split() for family in ("tcp", "tcp6")
            for line in Path("/proc/net", family).read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == LISTEN for row in rows)


def wait_closed(port):
    until(lambda: not listens(port), f"port {port} closed")


class App:
    """A program without an inspector, its pid file, and how a target names it."""

    def __init__(self, nursery, home, major, *arguments, port=None, flags=(), before=(), ready=True,
                 program="signals"):
        self.port = port or listener.free_port()
        self.process, _ = node.plain(nursery, major, program, *(arguments or ("0",)), before=before,
                                     flags=(f"--inspect-port=127.0.0.1:{self.port}", *flags))
        self.pid_file = home / f"{self.port}.pid"
        self.pid_file.write_text(f"{self.process.pid}\n")

    def target(self, **how):
        return {"name": "app", "address": f"127.0.0.1:{self.port}",
                "open_by_sigusr1": how or {"pid_file": str(self.pid_file)}}

    def stood_ms(self):
        mark = self.process.mark()
        self.process.signal(signal.SIGUSR2)
        return float(self.process.wait_line(r"^stood (\d+)", since=mark)[1])


@pytest.fixture
def app(nursery, tmp_path):
    def start(*args, **options):
        return App(nursery, tmp_path, *args, **options)
    return start


def config_of(*targets, **sections):
    return {"poll": dict(POLL), "capture": dict(PLAIN), "targets": list(targets), **sections}


def state(daemon):
    """What it remembers over its own end."""
    return json.loads((daemon.storage / "state" / "openings.json").read_text())["opened"]


def refused(daemon, *texts):
    """Waits for the target to be down for this reason."""
    wanted = "|".join(map(re.escape, texts))
    return until(lambda: (entry := daemon.target("app")) and
                 re.search(wanted, entry["lastError"] or "") and entry,
                 lambda: f"refused with {texts}: {daemon.target('app')}, log:\n{daemon.tail()}")


@pytest.mark.parametrize("workers", [0, 2], ids=["alone", "workers"])
def test_opened_watched_and_closed(app, start_daemon, major, workers):
    one = app(major, workers)
    assert not listens(one.port)
    daemon = start_daemon(config_of(one.target()))
    daemon.wait_up("app")
    daemon.wait_value("heapwatch_heap_used_bytes", lambda v: v > 0, target="app", isolate="main")
    until(lambda: len(daemon.values("heapwatch_heap_used_bytes", target="app")) == 1 + workers,
          "every isolate")
    [entry] = state(daemon)
    assert entry["pid"] == one.process.pid and entry["listened"]
    one.stood_ms()
    assert daemon.process.stop() == 0
    wait_closed(one.port)
    assert one.stood_ms() < STOOD_MS
    assert one.process.running() and state(daemon) == []
    # It can be opened again, by the same way.
    again = start_daemon(config_of(one.target()))
    again.wait_up("app")
    assert again.process.stop() == 0
    wait_closed(one.port)
    assert one.stood_ms() < STOOD_MS
    assert one.process.count_lines("Debugger listening") == 2


def test_captured(app, start_daemon, major):
    one = app(major)
    daemon = start_daemon(config_of(one.target()))
    daemon.wait_up("app")
    snapshot = daemon.capture("app")
    assert readers.parse(snapshot, "Object")
    assert daemon.process.stop() == 0
    wait_closed(one.port)


def test_closed_while_a_capture_is_cut_off_by_the_end(app, start_daemon, major):
    """The capture leaves first: who is asked to close while it is connected would stand still."""
    one = app(major)
    daemon = start_daemon(config_of(one.target()))
    daemon.wait_up("app")
    daemon.capture("app", wait=False)
    assert daemon.process.stop() == 0
    wait_closed(one.port)
    assert one.process.running()


@pytest.mark.parametrize("major", [20, 26])
def test_what_is_evaluated_in_one_that_is_opened(app, start_daemon, major):
    """Who it is and what it holds, and that it be closed: all that docs/RUNTIMES.md has."""
    one = app(major, program="overheard")
    daemon = start_daemon(config_of(one.target()))
    daemon.wait_up("app")

    def evaluated():
        """Each once: while somebody listens V8 compiles each anew."""
        return list(dict.fromkeys(json.loads(line.split(" ", 1)[1]) for line in one.process.lines
                                  if line.startswith("evaluated ")))
    until(lambda: len(evaluated()) == 2, evaluated)
    assert daemon.process.stop() == 0
    wait_closed(one.port)
    until(lambda: len(evaluated()) > 2, evaluated)
    assert one.process.running()
    who, what, shut = evaluated()
    assert "p.pid" in who and "p.memoryUsage()" in what
    assert "g('inspector').close()" in shut and ",300).unref()" in shut


def test_by_its_command_line(app, start_daemon, nursery):
    script = str(node.PROGRAMS / "signals.js")
    one, other = app(24, 0, "first"), app(24, 0, "second")
    daemon = start_daemon(config_of(one.target(command="first")))
    daemon.wait_up("app")
    assert not listens(other.port)
    daemon.configure(config_of(one.target(command=script)))
    daemon.process.signal(signal.SIGHUP)
    wait_closed(one.port)
    refused(daemon, "processes of Node have the argument")
    assert not listens(one.port) and not listens(other.port)
    daemon.configure(config_of(one.target(command="third")))
    daemon.process.signal(signal.SIGHUP)
    refused(daemon, "no process of Node with the argument 'third'")


def test_a_reload_that_drops_the_target_closes(app, start_daemon):
    one = app(22)
    daemon = start_daemon(config_of(one.target()))
    daemon.wait_up("app")
    daemon.configure(config_of())
    daemon.process.signal(signal.SIGHUP)
    wait_closed(one.port)
    until(lambda: state(daemon) == [], "forgotten")
    daemon.configure(config_of(one.target()))
    daemon.process.signal(signal.SIGHUP)
    daemon.wait_up("app")
    # No longer opened by us: what we opened is closed, and the target is down.
    daemon.configure(config_of({"name": "app", "address": f"127.0.0.1:{one.port}"}))
    daemon.process.signal(signal.SIGHUP)
    wait_closed(one.port)
    daemon.wait_state("app", "down")


@pytest.mark.parametrize("watched", [True, False], ids=["watched_again", "watched_no_more"])
def test_a_killed_daemon_has_it_closed_by_the_next(app, start_daemon, tmp_path, watched):
    one = app(26)
    daemon = start_daemon(config_of(one.target()), home=tmp_path / "d")
    daemon.wait_up("app")
    daemon.process.kill()
    assert listens(one.port)
    daemon = start_daemon(config_of(*([one.target()] if watched else [])), home=tmp_path / "d")
    if watched:
        daemon.wait_up("app")
        assert one.process.count_lines("Debugger listening") == 1
        daemon.process.stop()
    wait_closed(one.port)
    until(lambda: state(daemon) == [], "forgotten")
    assert one.process.running()


def test_one_that_was_open_stays_open(start_node, start_daemon, tmp_path):
    one = start_node(24, "idle")
    pid_file = tmp_path / "pid"
    pid_file.write_text(str(one.pid))
    daemon = start_daemon(config_of({"name": "app", "address": one.address,
                                     "open_by_sigusr1": {"pid_file": str(pid_file)}}))
    daemon.wait_up("app")
    assert daemon.process.stop() == 0
    assert listens(one.port) and state_or_nothing(daemon) == []


def state_or_nothing(daemon):
    return state(daemon) if (daemon.storage / "state" / "openings.json").exists() else []


def test_a_reused_pid_is_left_alone(start_node, start_daemon, tmp_path):
    """Another process has the pid that a daemon before this one had opened."""
    one = start_node(24, "idle")
    folder = tmp_path / "d" / "storage" / "state"
    folder.mkdir(parents=True)
    (folder / "openings.json").write_text(json.dumps({"version": 1, "opened": [
        {"address": one.address, "pid": one.pid, "start_ticks": 1, "listened": True}]}))
    daemon = start_daemon(config_of(), home=tmp_path / "d")
    until(lambda: state(daemon) == [], "forgotten")
    assert daemon.process.stop() == 0
    assert listens(one.port)


def test_not_closed_under_another_client(app, start_daemon):
    """Node would stand still until that client leaves."""
    one = app(24)
    daemon = start_daemon(config_of(one.target()))
    daemon.wait_up("app")
    person = cdp.Client(one.port)
    one.stood_ms()
    daemon.configure(config_of())
    daemon.process.signal(signal.SIGHUP)
    daemon.process.wait_line("stays open while a client is connected")
    assert person.evaluate("1+1") == 2 and one.stood_ms() < STOOD_MS
    person.close()
    wait_closed(one.port)
    assert one.stood_ms() < STOOD_MS


def test_the_end_does_not_wait_for_another_client(app, start_daemon, tmp_path):
    one = app(24)
    daemon = start_daemon(config_of(one.target()), home=tmp_path / "d")
    daemon.wait_up("app")
    with cdp.Client(one.port) as person:
        assert daemon.process.stop() == 0
        daemon.process.wait_line("could not be closed in time")
        assert person.evaluate("1+1") == 2
    start_daemon(config_of(), home=tmp_path / "d")
    wait_closed(one.port)


# ---- whom it must not be sent to ----

def test_not_to_another_program(nursery, start_daemon, tmp_path):
    """It would die of it, with or without a name like Node's."""
    false_node = tmp_path / "bin" / "node"
    false_node.parent.mkdir()
    shutil.copy(shutil.which("sleep"), false_node)
    port, pid_file = listener.free_port(), tmp_path / "pid"
    for argv, reason in ((["sleep", "1000"], "is sleep, not Node"),
                         ([false_node, "1000"], "has no handler of SIGUSR1")):
        process = nursery.start(argv)
        until(lambda: os.readlink(f"/proc/{process.pid}/exe") == shutil.which(str(argv[0])), "exec")
        pid_file.write_text(str(process.pid))
        daemon = start_daemon(config_of({"name": "app", "address": f"127.0.0.1:{port}",
                                         "open_by_sigusr1": {"pid_file": str(pid_file)}}))
        refused(daemon, reason)
        daemon.process.stop()
        assert process.running()
        process.kill()
        refused_pid = process.pid
        daemon = start_daemon(config_of({"name": "app", "address": f"127.0.0.1:{port}",
                                         "open_by_sigusr1": {"pid_file": str(pid_file)}}))
        refused(daemon, f"pid {refused_pid}: there is no such process")
        daemon.process.stop()


OTHERS = {"bun": lambda nursery, _: Bun(nursery, "10"), "workerd": Workerd}


@pytest.mark.parametrize("kind", OTHERS)
def test_not_to_another_runtime(nursery, start_daemon, tmp_path, kind):
    """It would end it, by whatever name it goes."""
    program = OTHERS[kind](nursery, tmp_path / "program").process
    false_node = tmp_path / "bin" / "node"
    false_node.parent.mkdir()
    os.link(program.argv[0], false_node)
    again = nursery.start([false_node, *program.argv[1:]], env=node.environment())
    for process, reason in (program, f"is {kind}, not Node"), (again, "has no handler of SIGUSR1"):
        until(lambda: os.readlink(f"/proc/{process.pid}/exe") == os.path.realpath(process.argv[0]), "exec")
        (tmp_path / "pid").write_text(str(process.pid))
        port = listener.free_port()
        daemon = start_daemon(config_of({"name": "app", "address": f"127.0.0.1:{port}",
                                         "open_by_sigusr1": {"pid_file": str(tmp_path / "pid")}}))
        refused(daemon, reason)
        daemon.wait_value("heapwatch_polls_total", lambda n: n >= 3, target="app")
        assert daemon.process.stop() == 0
        assert process.running() and not listens(port)
        process.signal(signal.SIGUSR1)
        assert process.wait_exit() == -signal.SIGUSR1, f"{process.argv} bears the signal: no proof"


def test_not_to_deno(nursery, start_daemon, tmp_path):
    """It ends one that has just begun, and opens the inspector of another, which nobody would close."""
    process = nursery.start([deno.binary(), "run", "--no-config", "--no-remote", "--allow-read",
                             node.PROGRAMS / "deno.js", "10"],
                            env=dict(node.environment(), DENO_DIR=str(tmp_path / "deno")))
    process.wait_line("^ready")
    (tmp_path / "pid").write_text(str(process.pid))
    daemon = start_daemon(config_of({"name": "app", "address": f"127.0.0.1:{listener.free_port()}",
                                     "open_by_sigusr1": {"pid_file": str(tmp_path / "pid")}}))
    refused(daemon, "is deno, not Node")
    daemon.wait_value("heapwatch_polls_total", lambda n: n >= 3, target="app")
    assert daemon.process.stop() == 0
    assert process.running() and process.count_lines("Debugger listening") == 0


def test_not_to_a_program_with_a_handler_that_is_no_node(nursery, start_daemon, tmp_path):
    process = nursery.start(["python3", "-u", "-c", "import signal,time\n"
                             "signal.signal(signal.SIGUSR1, lambda *_: print('heard'))\n"
                             "print('ready')\nwhile True: time.sleep(1)"])
    process.wait_line("ready")
    (tmp_path / "pid").write_text(str(process.pid))
    daemon = start_daemon(config_of({"name": "app", "address": f"127.0.0.1:{listener.free_port()}",
                                     "open_by_sigusr1": {"pid_file": str(tmp_path / "pid")}}))
    refused(daemon, "not Node")
    assert process.count_lines("heard") == 0


@pytest.mark.parametrize("flags", [("--disable-sigusr1",), ("--permission", "--allow-fs-read=*")],
                         ids=["disabled", "permission"])
@pytest.mark.parametrize("major", [22, 24, 26])
def test_not_to_a_node_that_was_told_to_ignore_it(app, start_daemon, major, flags):
    one = app(major, flags=flags)
    daemon = start_daemon(config_of(one.target()))
    refused(daemon, "has no handler of SIGUSR1 and would die of it")
    polls = daemon.value("heapwatch_polls_total", target="app") or 0
    until(lambda: (daemon.value("heapwatch_polls_total", target="app") or 0) > polls + 2, "more tries")
    assert one.process.running()


def test_once_to_a_node_with_a_handler_of_its_own(app, start_daemon, tmp_path, major):
    """Nothing tells it from Node's own: it runs, once, also over a restart of the daemon."""
    one = app(major, 0, "own")
    daemon = start_daemon(config_of(one.target()), home=tmp_path / "d")
    refused(daemon, "it has a handler of its own; it is not sent another")
    assert one.process.count_lines("own handler") == 1
    daemon.process.stop()
    daemon = start_daemon(config_of(one.target()), home=tmp_path / "d")
    refused(daemon, "it has a handler of its own; it is not sent another")
    assert one.process.count_lines("own handler") == 1 and not listens(one.port)


def test_not_to_a_node_of_another_user(app, start_daemon):
    one = app(24, before=AS_NOBODY)
    daemon = start_daemon(config_of(one.target()))
    refused(daemon, f"pid {one.process.pid} is of uid 65534, not of uid 0")
    assert not listens(one.port)
    daemon.configure(config_of(one.target(pid_file=str(one.pid_file), user="nobody")))
    daemon.process.signal(signal.SIGHUP)
    daemon.wait_up("app")
    daemon.process.stop()
    wait_closed(one.port)


def test_a_pid_file_of_a_stranger_is_not_believed(app, start_daemon):
    one = app(24)
    os.chown(one.pid_file, 65534, 65534)
    daemon = start_daemon(config_of(one.target()))
    refused(daemon, "belongs to the stranger with uid 65534")
    os.chown(one.pid_file, 0, 0)
    one.pid_file.chmod(0o666)
    refused(daemon, "can be written by everybody")
    one.pid_file.chmod(0o644)
    one.pid_file.write_text("-1")
    refused(daemon, "holds no pid")
    assert not listens(one.port)
    one.pid_file.write_text(f"{one.process.pid}\n")
    daemon.wait_up("app")


def test_not_where_the_port_is_not_the_targets(app, start_daemon, nursery):
    one = app(24)
    wrong = listener.free_port()
    daemon = start_daemon(config_of({**one.target(), "address": f"127.0.0.1:{wrong}"}))
    refused(daemon, f"its --inspect-port is {one.port}, the target's is {wrong}")
    daemon.process.stop()
    exposed = app(24, flags=(f"--inspect_port=0.0.0.0:{wrong}",))
    daemon = start_daemon(config_of({**exposed.target(), "address": f"127.0.0.1:{wrong}"}))
    refused(daemon, "would open beyond loopback")
    daemon.process.stop()
    with socket.create_server(("127.0.0.1", one.port)):
        daemon = start_daemon(config_of(one.target()))
        refused(daemon, "another process listens there")
    daemon.wait_up("app")
    assert not listens(wrong)


def test_closed_again_when_it_opened_beyond_loopback(nursery, start_daemon, tmp_path):
    """Options from a file of the program's are not seen before."""
    port = listener.free_port()
    (tmp_path / "env").write_text(f"NODE_OPTIONS=--inspect-port=0.0.0.0:{port}\n")
    process = nursery.start([node.binary(24), f"--env-file={tmp_path / 'env'}",
                             node.PROGRAMS / "signals.js"], env=node.environment())
    process.wait_line("^ready")
    (tmp_path / "pid").write_text(str(process.pid))
    daemon = start_daemon(config_of({"name": "app", "address": f"127.0.0.1:{port}",
                                     "open_by_sigusr1": {"pid_file": str(tmp_path / "pid")}}))
    daemon.process.wait_line("has its inspector open beyond loopback: it is closed again")
    wait_closed(port)
    refused(daemon, "opened its inspector beyond loopback; it is not opened again")
    assert process.running() and process.count_lines("Debugger listening") == 1


# ---- the configuration ----

@pytest.mark.parametrize("change, complaint", [
    ({"open_by_sigusr1": {}}, "give either pid_file or command"),
    ({"open_by_sigusr1": {"pid_file": "/a", "command": "b"}}, "give either pid_file or command"),
    ({"evaluate": "never"}, "evaluate is never, and without evaluating the inspector cannot be closed"),
    ({"runtime": "bun"}, "bun has no such signal: only Node does"),
    ({"address": "unix:/run/x.sock"}, "Node opens its inspector at a port of loopback"),
    ({"address": "10.0.0.1:9229"}, "Node opens its inspector at a port of loopback"),
    ({"address": "wss://127.0.0.1:9229"}, "Node opens its inspector at a port of loopback"),
    ({"open_by_sigusr1": {"pid_file": "/a", "user": "nobody-at-all"}}, "there is no user 'nobody-at-all'"),
], ids=["empty", "both", "evaluate", "runtime", "unix", "beyond", "tls", "user"])
def test_a_configuration_that_cannot_be(tmp_path, change, complaint):
    target = {"name": "app", "address": "127.0.0.1:9229", "open_by_sigusr1": {"pid_file": "/a"}, **change}
    file = tmp_path / "c.yaml"
    file.write_text(json.dumps({"allowed_targets": ["0.0.0.0/0", "unix"], "targets": [target]}))
    done = subprocess.run([program(), f"--config.file={file}", "--check"], capture_output=True, text=True)
    assert done.returncode != 0 and complaint in done.stderr, done.stderr
    assert re.search(r"c\.yaml:1:\d+: targets\[0\]\.open_by_sigusr1", done.stderr), done.stderr


def test_discovery_cannot_have_one_opened(app, start_daemon, tmp_path):
    one = app(24)
    targets = tmp_path / "t.json"
    targets.write_text(json.dumps([{"targets": [f"127.0.0.1:{one.port}"], "labels": {
        "__heapwatch_name": "app", "__heapwatch_open_by_sigusr1": str(one.pid_file)}}]))
    daemon = start_daemon(config_of(file_sd_configs=[{"files": [str(targets)]}]))
    daemon.process.wait_line("there is no such setting")
    assert not listens(one.port)
