"""Daemons that are killed while snapshots stream, and what becomes of the programs."""

import re
import signal

from .daemon import PLAIN, static_config
from .wait import until

AT_ONCE = 4  # programs of one round
HELD = 50000  # objects of each: its snapshot streams for a while
SILENCE_S = 20  # after which what is kept is taken for heard
HEARD_OUT = "has been heard out"


def config(nodes, **capture):
    return static_config({f"app{i}": node.address for i, node in enumerate(nodes)},
                         capture=dict(PLAIN, scripts=False, threads=AT_ONCE, per_host=AT_ONCE,
                                      guards={"headroom": 0}, **capture))


def _size(path):
    """0 also of one that has become ready, or is given up."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def begin(daemon, nodes):
    """Until a snapshot streams from each, or one is whole; from how many it streams."""
    for i in range(len(nodes)):
        daemon.wait_up(f"app{i}")
    for i in range(len(nodes)):
        daemon.capture(f"app{i}", wait=False)

    def streaming():
        return sum(_size(path) > 0 for path in daemon.incoming())
    until(lambda: daemon.ready() or streaming() == len(nodes),
          lambda: f"bytes of all, not of {daemon.incoming()}: {daemon.tail()}", 120, step_s=0.001)
    return streaming()


def heard_out(daemon):
    """[(address, bytes, how it ended)] of the connections that were kept."""
    found = []
    for line in daemon.process.lines:
        if HEARD_OUT in line:
            found.append((re.search(r'address="?([^" ]+)"?', line)[1],
                          int(re.search(r"received_bytes=(\d+)", line)[1]),
                          re.search(r'reason="?([^"]+)"?', line)[1]))
    return found


def wait_heard_out(daemon, n):
    until(lambda: len(heard_out(daemon)) >= n, lambda: f"{n} heard out:\n{daemon.tail()}",
          limit_s=SILENCE_S + 40)
    return heard_out(daemon)


def one_round(start_node, start_daemon, major, manager=None):
    """Exit statuses of programs that are told to exit after the daemon died in their snapshots, and from
    how many it streamed. With a manager, who keeps the connections, the next daemon is there at once."""
    nodes = [start_node(major, "heavy", HELD) for _ in range(AT_ONCE)]
    daemon = start_daemon(config(nodes), env={"NOTIFY_SOCKET": manager.path} if manager else {})
    streaming = begin(daemon, nodes)
    daemon.process.kill()
    for node in nodes:
        node.process.signal(signal.SIGUSR2)
    if manager is None:
        return [node.process.wait_exit(60) for node in nodes], streaming
    with manager.passing() as options:
        kept = len(options["pass_fds"])
        assert kept > 0, "all were over before it died: no proof"
        daemon = start_daemon(config(nodes), home=daemon.home, **options)
    ends = [node.process.wait_exit(60) for node in nodes]
    hows = {how for _, _, how in wait_heard_out(daemon, kept)}
    assert hows <= {"the program wants to exit", "the target closed it"}, hows
    until(lambda: manager.store == {}, lambda: f"an empty store: {manager.store}")
    assert daemon.process.stop() == 0
    return ends, streaming
