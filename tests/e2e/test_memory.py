"""What a capture of each runtime costs the daemon: its snapshot goes through, and is nowhere held.
Those of Node, Bun and WebKit are in test_capture.py, test_bun.py and test_webkit.py."""

import pytest

from lab.chromium import Chromium, isolate
from lab.daemon import PLAIN
from lab.deno import Deno
from lab.firefox import Firefox
from lab.wait import until
from lab.workerd import Workerd

THINGS = 200000
FILE_BYTES = 15 << 20  # at least
GROWN_MAX = 1 / 4  # of it


def start_deno(nursery, home, _):
    return Deno(nursery, home, THINGS), "main"


def start_workerd(nursery, home, _):
    program = Workerd(nursery, home)
    program.grow(THINGS)
    return program, program.isolate


def start_chromium(nursery, home, site):
    program = Chromium(nursery, home, site.url + "page.html")
    program.grow(THINGS)
    return program, isolate(program.page)


def start_firefox(nursery, home, _):
    program = Firefox(nursery, home)
    program.grow(5 * THINGS)  # of some 17 bytes each in its file
    return program, program.isolate


@pytest.mark.first
@pytest.mark.parametrize("start", [start_deno, start_workerd, start_chromium, start_firefox],
                         ids=["deno", "workerd", "chromium", "firefox"])
def test_a_snapshot_is_nowhere_held(start, quick_daemon, nursery, tmp_path, site, watch):
    program, name = start(nursery, tmp_path / "program", site)
    daemon = watch(app=program.address,
                   sections={"capture": dict(PLAIN, guards={"headroom": 0})})
    until(lambda: daemon.value("heapwatch_heap_used_bytes", target="app", isolate=name),
          lambda: f"{name}; {daemon.tail()}")
    daemon.get("/metrics")
    before = daemon.process.rss_bytes()
    daemon.process.forget_peak()
    daemon.capture("app", isolate=name, limit_s=120)
    grown = daemon.process.peak_rss_bytes() - before
    (entry,) = daemon.api("/captures")["ready"]
    assert entry["size_bytes"] > FILE_BYTES
    assert grown < GROWN_MAX * entry["size_bytes"], f"{grown >> 20} MiB for {entry['size_bytes'] >> 20} MiB"
