"""Firefox, from its start to its end, over TCP and over a unix socket: recognised by itself, its
growth seen, a snapshot with the exact count of a known class, and what of it must not be hurt."""

import gzip
import os
import signal
from pathlib import Path

import pytest

from lab import relay
from lab.daemon import PLAIN
from lab.firefox import Firefox
from lab.fxsnapshot import Snapshot
from lab.rdp import Rdp
from lab.wait import until

COUNT = 23456
GROWTH_BYTES = 100 * COUNT  # at least


def used(daemon, isolate):
    return daemon.value("heapwatch_heap_used_bytes", target="app", isolate=isolate)


def grows(daemon, firefox, isolate):
    before = until(lambda: used(daemon, isolate), lambda: f"a sample; log:\n{daemon.tail()}")
    firefox.grow(COUNT)
    until(lambda: (used(daemon, isolate) or 0) > before + GROWTH_BYTES,
          lambda: f"{used(daemon, isolate)} after {before}; log:\n{daemon.tail()}")


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_from_start_to_end(unix, nursery, tmp_path, watch):
    firefox = Firefox(nursery, tmp_path / "program", unix=unix)
    daemon = watch(app=firefox.address)
    daemon.wait_up("app")
    (labels, _), = daemon.values("heapwatch_target_info", target="app")
    assert (labels["runtime"], labels["engine"], labels["protocol"]) == \
        ("firefox", "spidermonkey", "rdp")
    version = firefox.client.ask(firefox.client.root["deviceActor"],
                                 "getDescription")["value"]["version"]
    assert labels["runtime_version"] == version
    grows(daemon, firefox, firefox.isolate)
    # A node of the tab's heap, and the process it is in.
    processes = {f"process:{pid}" for pid in firefox.client.processes()}
    unique = {labels["isolate"]
              for labels, _ in daemon.values("heapwatch_unique_memory_bytes", target="app")}
    assert f"process:{firefox.content_pid}" in unique and unique <= processes
    start = daemon.value("heapwatch_target_process_start_time_seconds", target="app")
    assert start is not None  # the pid of the browser was found
    path = daemon.capture("app", isolate=firefox.isolate, gc_before=True)
    assert path.name.endswith(".fxsnapshot")
    snapshot = Snapshot(path)
    assert snapshot.count("KnownThing") == COUNT
    assert snapshot.dangling() == 0
    assert firefox.leftovers() == []
    daemon.wait_up("app")
    grows(daemon, firefox, firefox.isolate)
    firefox.process.stop()
    daemon.wait_value("heapwatch_up", 0, target="app")
    assert daemon.values("heapwatch_heap_used_bytes", target="app") == []
    assert daemon.values("heapwatch_unique_memory_bytes", target="app") == []
