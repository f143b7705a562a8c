"""Do no harm: what a watched program can feel of being watched, on every major of Node."""

import json
import os
import signal
import statistics
import time
from urllib.request import urlopen

import pytest

from lab import cdp, relay
from lab.daemon import PLAIN, static_config
from lab.node import STEADY, allocates_at_least, allocation_speed
from lab.said import wrapped
from lab.wait import until

WAYS = ("natural", "exit", "sigterm", "uncaught")
ROUNDS = 3
EXIT_LIMIT_S = 0.1
IDLE_SHARE_LIMIT = 0.002  # of a core, at the default interval
DEFAULT_INTERVAL_S = 5
SCALE = float(os.environ.get("HEAPWATCH_TEST_SCALE", "0.1"))
LEVEL = 0.55  # of the speed before; while object ids are tracked it is less than half

# All that the daemon may ever say to a Node (docs/RUNTIMES.md).
MAY_SAY = {
    "NodeRuntime.enable", "NodeRuntime.notifyWhenWaitingForDisconnect", "NodeWorker.enable",
    "NodeWorker.sendMessageToWorker", "Runtime.getHeapUsage", "Runtime.evaluate",
    "Runtime.globalLexicalScopeNames",
    "HeapProfiler.takeHeapSnapshot", "HeapProfiler.collectGarbage", "HeapProfiler.disable",
    "Debugger.setSkipAllPauses", "Debugger.enable", "Debugger.resume", "Debugger.disable",
}

# The debugger is off again before the program is stopped: it slows promises while it is on.
TAKE = "HeapProfiler.takeHeapSnapshot"
SCRIPTS_FIRST = ["Debugger.setSkipAllPauses", "Debugger.enable", "Debugger.disable", TAKE]


def leave(node, way):
    """Seconds from the word to the end, and the exit status."""
    began = time.monotonic()
    node.process.signal(signal.SIGTERM if way == "sigterm" else signal.SIGUSR2)
    status = node.process.wait_exit()
    return node.process.exited_at - began, status


def one_round(start_node, start_daemon, major, workers, watched):
    """Every way to leave once: {way: (seconds, status)}."""
    nodes = {way: start_node(major, "leave", way, workers) for way in WAYS}
    daemon = None
    if watched:
        daemon = start_daemon(static_config({way: nodes[way].address for way in WAYS}))
        for way in WAYS:
            daemon.wait_up(way)
            daemon.wait_value("heapwatch_target_isolates", 1 + workers, target=way)
    times = {way: leave(nodes[way], way) for way in WAYS}
    if daemon:
        assert daemon.process.stop() == 0
    return times


@pytest.mark.parametrize("workers", [0, 2])
def test_a_watched_program_exits_as_fast_as_an_unwatched_one(start_node, start_daemon, major,
                                                             workers):
    # By turns, so that what else the machine does is felt by both.
    plain, watched = zip(*([one_round(start_node, start_daemon, major, workers, w)
                            for w in (False, True)] for _ in range(ROUNDS)))
    for way in WAYS:
        assert {r[way][1] for r in plain} == {r[way][1] for r in watched}, f"{way}: exit status"
        alone = statistics.median(r[way][0] for r in plain)
        seen = statistics.median(r[way][0] for r in watched)
        assert seen - alone <= EXIT_LIMIT_S, f"{way}: {alone:.3f} s alone, {seen:.3f} s watched"


def test_exits_at_once_also_in_the_middle_of_a_poll(start_node, start_daemon, major):
    """Polled without a pause the exit falls into a poll, not between two."""
    config = static_config({}, poll={"interval": "100ms", "timeout": "100ms"})
    for way in WAYS:
        node = start_node(major, "leave", way)
        config["targets"] = [{"name": "app", "address": node.address}]
        daemon = start_daemon(config)
        daemon.wait_up("app")
        seconds, _ = leave(node, way)
        assert seconds < 1, f"{way}: {seconds:.3f} s"
        daemon.process.stop()


@pytest.mark.parametrize("major", [20, 22])
def test_no_program_dies_of_an_answer_that_nobody_waits_for(start_node, start_daemon, major):
    """400 programs at HEAPWATCH_TEST_SCALE=1, a tenth by default. Before there were partings, 25 of
    1,920 died (SIGSEGV), which exited as they were about to answer a poll."""
    for _ in range(max(1, round(50 * SCALE))):
        nodes = [start_node(major, "leave", way) for way in ("exit", "sigterm", "uncaught") * 3][:8]
        daemon = start_daemon(static_config({f"app{i}": n.address for i, n in enumerate(nodes)},
                                            poll={"interval": "100ms", "timeout": "100ms"}))
        for i in range(len(nodes)):
            daemon.wait_up(f"app{i}")
        for node in nodes:
            node.process.signal(signal.SIGTERM if "sigterm" in node.process.argv else signal.SIGUSR2)
        assert -signal.SIGSEGV not in [node.process.wait_exit() for node in nodes]
        daemon.process.stop()


def test_a_poll_costs_an_idle_program_next_to_nothing(start_node, start_daemon, major):
    """The CPU time of many polls, extrapolated to the default interval."""
    node = start_node(major, "idle")
    config = static_config({"app": node.address}, poll={"interval": "100ms", "timeout": "100ms"})
    daemon = start_daemon(config)
    daemon.wait_up("app")
    polls = daemon.value("heapwatch_polls_total", target="app")
    before = node.process.group_cpu_seconds()
    after_polls = daemon.wait_value("heapwatch_polls_total", lambda n: n >= polls + 30, target="app")
    spent = node.process.group_cpu_seconds() - before
    share = spent / (after_polls - polls) / DEFAULT_INTERVAL_S
    assert share < IDLE_SHARE_LIMIT, f"{share:.3%} of a core"


def globals_of(node):
    with cdp.Client(node.port) as client:
        return set(client.evaluate("Reflect.ownKeys(globalThis).map(String)"))


def test_allocation_is_as_fast_after_a_capture_as_before(start_node, watch, major):
    node = start_node(major, "alloc", flags=STEADY)
    names = globals_of(node)
    before = allocation_speed(node)
    daemon = watch(app=node.address)
    daemon.wait_up("app")
    daemon.capture("app")
    assert allocates_at_least(node, before * LEVEL), "while the daemon stays attached"
    assert daemon.process.stop() == 0
    assert allocates_at_least(node, before * LEVEL), "after it left"
    free = max(before, allocation_speed(node))
    assert globals_of(node) == names
    # The bench does notice what it is there for.
    with cdp.Client(node.port) as client:
        client.call("HeapProfiler.takeHeapSnapshot")
        assert allocation_speed(node) < free / 2, "the bench does not see object-id tracking"


def die_in_a_capture(node, watch, home):
    """The daemon is killed while a snapshot streams."""
    daemon = watch(app=node.address, home=home)
    daemon.wait_up("app")
    daemon.capture("app", wait=False)
    until(lambda: any(f.stat().st_size for f in daemon.incoming()), "bytes in incoming/",
          step_s=0.001)
    daemon.process.kill()
    assert not daemon.ready(), "the capture was over before the daemon died: no proof"


def outlives(node):
    """Its own thread is done with the snapshot, and its inspector's has sent what it can. False: it
    died of that."""
    try:
        node.nudge(r"^speed ")
        with urlopen(f"http://{node.address}/json/version", timeout=20) as answer:
            answer.read()
        return True
    except (AssertionError, OSError):
        assert node.process.wait_exit(2) == -signal.SIGSEGV
        return False


def test_allocation_is_as_fast_after_the_daemon_died_in_a_capture(start_node, watch, tmp_path, major):
    """Node 20 and 22 now and then die of a client that vanishes there (docs/RUNTIMES.md): of three
    programs one outlives it."""
    for attempt in range(3):
        node = start_node(major, "alloc", flags=STEADY)
        before = allocation_speed(node)
        die_in_a_capture(node, watch, tmp_path / f"daemon{attempt}")
        if outlives(node):
            break
        assert major in (20, 22), "it died of a client that vanished"
    assert allocates_at_least(node, before * LEVEL)
    node.process.signal(signal.SIGTERM)
    assert node.process.wait_exit(2) == -signal.SIGTERM


def hang(daemon, manager):
    """It tells a service manager that does not listen of a reload."""
    manager.clog()
    daemon.process.signal(signal.SIGHUP)

    def hangs():
        try:
            daemon.get("/-/healthy", limit_s=1)
            return False
        except OSError:
            return True
    until(hangs, "no answer")


def test_a_daemon_that_hangs_lets_its_targets_exit(start_node, start_daemon, manager, major):
    """Nothing but the end of its process can, and systemd's watchdog is not everywhere."""
    node = start_node(major, "leave", "natural")
    daemon = start_daemon(static_config({"app": node.address}),
                          env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "4000000"})
    daemon.wait_up("app")
    hang(daemon, manager)
    node.process.signal(signal.SIGUSR2)
    assert daemon.process.wait_exit() == -signal.SIGABRT
    assert node.process.wait_exit() == 0
    assert node.process.exited_at > daemon.process.exited_at - 1, "it was not held: no proof"
    assert "the control loop hangs" in daemon.tail()


def test_evaluation_leaves_no_trace_in_regexp(start_node, start_daemon, major):
    """Both expressions run in the middle of the program's own JavaScript, at every poll."""
    node = start_node(major, "matches", flags=["--max-old-space-size=300"])
    daemon = start_daemon(static_config({"app": node.address}, poll={
        "interval": "100ms", "timeout": "100ms", "policy": "per_poll"}))
    daemon.wait_value("heapwatch_heap_limit_bytes", 300 << 20, target="app")
    polls = daemon.value("heapwatch_polls_total", target="app")
    daemon.wait_value("heapwatch_polls_total", lambda n: n >= polls + 10, target="app")
    assert "clobbered" not in node.process.output()


def debugger_in_captures(between):
    """Of each conversation that took a snapshot, what it said to the debugger, and the request."""
    for conversation in between.conversations:
        messages = [json.loads(raw) for raw in conversation.messages]
        methods = [(wrapped(message) or message)["method"] for message in messages]
        if TAKE in methods:
            yield [m for m in methods if m == TAKE or m.startswith("Debugger.")]


def test_says_only_what_is_listed_and_well_formed(start_node, watch, major):
    node = start_node(major, "workers", 2)
    between = relay.Relay(node.port)
    daemon = watch(app=between.address)
    daemon.wait_value("heapwatch_target_isolates", 3, target="app")
    daemon.capture("app")
    daemon.capture("app", isolate=next(
        labels["isolate"] for labels, _ in daemon.values("heapwatch_heap_used_bytes", target="app")
        if labels["isolate"] != "main"))
    assert daemon.process.stop() == 0
    between.close()
    assert between.complaints() == []
    said = set()
    for raw in between.messages():
        message = json.loads(raw.decode("utf-8", errors="strict"))
        assert 0 <= message["id"] < 1 << 31 and set(message) <= {"id", "method", "params"}
        said.add(message["method"])
        if message["method"] == "NodeWorker.sendMessageToWorker":
            said.add(json.loads(message["params"]["message"])["method"])
    assert said <= MAY_SAY, said - MAY_SAY
    assert {"Runtime.getHeapUsage", "HeapProfiler.takeHeapSnapshot", "HeapProfiler.disable"} <= said
    assert list(debugger_in_captures(between)) == [SCRIPTS_FIRST] * 2
    assert node.process.running()


def test_without_scripts_the_debugger_stays_off_but_on_node_20(start_node, watch, major):
    """There a snapshot takes minutes without what Debugger.enable leaves behind
    (docs/RUNTIMES.md)."""
    node = start_node(major, "idle")
    between = relay.Relay(node.port)
    daemon = watch(app=between.address, sections={"capture": dict(PLAIN, scripts=False)})
    daemon.wait_up("app")
    daemon.capture("app")
    assert daemon.process.stop() == 0
    between.close()
    assert between.complaints() == []
    assert list(debugger_in_captures(between)) == [SCRIPTS_FIRST if major == 20 else [TAKE]]


def test_a_program_held_at_its_start_is_left_there(start_node, watch, major):
    """--inspect-brk: watched, but neither released nor harmed."""
    node = start_node(major, "idle", flags=["--inspect-brk"], ready=None)
    daemon = watch(app=node.address)
    daemon.wait_value("heapwatch_polls_total", lambda n: n >= 3, target="app")
    assert daemon.process.stop() == 0
    assert node.process.count_lines("^ready") == 0
    with cdp.Client(node.port) as person:
        person.call("Runtime.runIfWaitingForDebugger")
        node.process.wait_line("^ready")
