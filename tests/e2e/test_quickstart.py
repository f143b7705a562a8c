"""docs/quickstart.sh, as a person runs it: from anywhere, on a port of its own, ended by Ctrl-C."""

import os
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from lab import node
from lab.wait import until

TOP = Path(__file__).resolve().parents[2]
DEMO = TOP / "build" / "demo"
PROMISED_S = 120
BUILD_S = 300


def children(pid):
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


@pytest.mark.first
def test_quickstart(nursery, tmp_path):
    DEMO.mkdir(parents=True, exist_ok=True)  # with what an earlier run may have left
    (DEMO / "server.log").write_text("Debugger listening on ws://127.0.0.1:1/earlier\n")
    (DEMO / "heapwatchd.log").write_text("level=info msg=listening address=127.0.0.1:19229\n")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 19229))  # somebody else's: the demonstration takes another port
        taken.listen()
        path = f"{node.binary(24).parent}:{os.environ['PATH']}"
        shell = nursery.start(["sh", TOP / "docs" / "quickstart.sh"], cwd=tmp_path,
                              env=dict(node.environment(), PATH=path))
        url = shell.wait_line(r"status page +(http://\S+)", limit_s=BUILD_S)[1]
        metrics = shell.wait_line(r"metrics +(http://\S+)")[1]
    assert not url.endswith(":19229/")
    assert b"<html" in urllib.request.urlopen(url, timeout=20).read()
    assert b"heapwatch_up" in urllib.request.urlopen(metrics, timeout=20).read()
    shell.wait_line("alert HeapNearLimit is firing", limit_s=PROMISED_S)
    name = shell.wait_line(r"snapshot (\S+) is in the spool", limit_s=PROMISED_S)[1]
    snapshot = DEMO / "storage" / "spool" / "ready" / name
    assert snapshot.stat().st_size > 1 << 20
    started = children(shell.pid)
    assert len(started) == 3  # the server, heapwatchd, the follower
    os.killpg(shell.pid, signal.SIGINT)
    assert shell.wait_exit(10) == 0
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), "all to be gone")
