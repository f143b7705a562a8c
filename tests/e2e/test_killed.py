"""The daemon is killed while snapshots stream. Node 20 and 22 may die of that (docs/RUNTIMES.md), so
systemd keeps the connections, and the next daemon hears them out."""

import os
import signal
import socket

import pytest

from lab.killed import AT_ONCE, HELD, begin, config, heard_out, one_round, wait_heard_out
from lab.node import STEADY, allocates_at_least, allocation_speed
from lab.wait import until

ROUNDS = max(2, round(30 * float(os.environ.get("HEAPWATCH_TEST_SCALE", "0.1"))))
LEVEL = 0.55  # of the speed before; while object ids are tracked it is less than half
MAY_DIE = pytest.mark.parametrize("major", [20, 22])


def test_while_a_snapshot_streams_systemd_has_its_connection(start_node, start_daemon, manager, major):
    node = start_node(major, "idle")
    daemon = start_daemon(config([node]), env={"NOTIFY_SOCKET": manager.path})
    daemon.wait_up("app0")
    assert manager.lines("FDSTORE") == []
    daemon.capture("app0")
    manager.wait("FDNAME=", 2)
    (entry,) = daemon.api("/captures")["ready"]
    name = f"FDNAME=capture-{entry['id']}"
    assert manager.lines("FD") == ["FDSTORE=1", name, "FDSTOREREMOVE=1", name]
    assert manager.store == {}


@MAY_DIE
@pytest.mark.first
def test_the_next_daemon_hears_it_out(start_node, start_daemon, manager, major):
    """And the program is then as it was before, also to be captured."""
    node = start_node(major, "alloc", HELD, flags=STEADY)
    before = allocation_speed(node)
    daemon = start_daemon(config([node]), env={"NOTIFY_SOCKET": manager.path})
    begin(daemon, [node])
    daemon.process.kill()
    assert not daemon.ready(), "the capture was over before the daemon died: no proof"
    assert len(manager.store) == 1
    with manager.passing() as options:
        daemon = start_daemon(config([node]), home=daemon.home, **options)
    assert daemon.incoming() == []
    daemon.wait_up("app0", 60)
    daemon.capture("app0", wait=False)
    assert allocates_at_least(node, before * LEVEL), "while it is heard"
    assert daemon.api("/captures")["running"][0]["state"] == "waiting"
    assert heard_out(daemon) == [], "it was over before: no proof"
    ((address, size, how),) = wait_heard_out(daemon, 1)
    assert address == node.address and size > 1 << 20 and how == "nothing came"
    until(lambda: manager.store == {}, lambda: f"{manager.store}")
    daemon.wait_capture(limit_s=120)
    assert allocates_at_least(node, before * LEVEL)
    assert daemon.process.stop() == 0
    node.process.signal(signal.SIGTERM)
    assert node.process.wait_exit(2) == -signal.SIGTERM


@MAY_DIE
def test_no_program_dies_of_a_daemon_that_is_killed(start_node, start_daemon, manager, major):
    """120 programs at HEAPWATCH_TEST_SCALE=1, a tenth by default."""
    for _ in range(ROUNDS):
        ends, _ = one_round(start_node, start_daemon, major, manager)
        assert ends == [0] * AT_ONCE


def test_what_is_no_connection_of_ours_is_closed(start_daemon, manager, tmp_path):
    """Also what has the name of one."""
    ours, peer = socket.socketpair()
    with open(tmp_path / "file", "w") as plain, socket.create_server(("127.0.0.1", 0)) as listener, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram, ours:
        for name, what in (("file", plain), ("listener", listener), ("good", ours), ("datagram", datagram)):
            manager.put(f"capture-{name}", what.fileno())
    with manager.passing() as options:
        daemon = start_daemon(config([]), **options)
    manager.wait("FDSTOREREMOVE=1", 3)
    until(lambda: set(manager.store) == {"capture-good"}, lambda: f"{manager.store}")
    assert daemon.process.count_lines("it is closed") == 3
    peer.close()
    ((_, size, how),) = wait_heard_out(daemon, 1)
    assert (size, how) == (0, "the target closed it")
    until(lambda: manager.store == {}, lambda: f"{manager.store}")
    assert daemon.get("/-/healthy").status == 200


def test_nothing_is_said_on_it_and_it_costs_no_memory(start_daemon, manager):
    """A peer that sends 256 MiB, pings among them, hears nothing; polls and HTTP go on."""
    ours, peer = socket.socketpair()
    peer.settimeout(60)
    manager.put("capture-0123", ours.fileno())
    ours.close()
    with manager.passing() as options:
        daemon = start_daemon(config([]), **options)
    daemon.process.wait_line("is heard out")
    block = (b"\x89\x00" + b"\x82\x7f" + (65536).to_bytes(8, "big") + bytes(65536)) * 16
    daemon.process.forget_peak()
    before = daemon.process.rss_bytes()
    for _ in range(256):
        peer.sendall(block)
    assert daemon.get("/-/healthy").status == 200
    assert daemon.process.peak_rss_bytes() - before < 32 << 20
    peer.setblocking(False)
    with pytest.raises(BlockingIOError):
        peer.recv(1)
    peer.close()
    ((_, size, _),) = wait_heard_out(daemon, 1)
    assert size == 256 * len(block)


def test_a_daemon_that_stops_leaves_it_to_the_next(start_daemon, manager):
    ours, peer = socket.socketpair()
    peer.setblocking(False)
    manager.put("capture-0123", ours.fileno())
    ours.close()
    for _ in range(2):
        with manager.passing() as options:
            daemon = start_daemon(config([]), **options)
        daemon.process.wait_line("is heard out")
        assert daemon.process.stop() == 0
        assert list(manager.store) == ["capture-0123"]
        with pytest.raises(BlockingIOError):
            peer.recv(1)
