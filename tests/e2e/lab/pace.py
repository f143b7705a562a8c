"""How fast programs of V8 allocate that are no alloc.js: what they are given to do, by the CPU time
of all processes that may do it, so that a busy machine only makes it wait."""

import contextlib
import json
import os
import signal
from pathlib import Path

from . import chromium, deno, node, workerd
from .cdp import Client
from .wait import until

# As programs/alloc.js, of which so many are made; what lives is `held` besides.
BENCH = """
globalThis.ring = new Array(1 << 16).fill(null);
globalThis.at = 0;
globalThis.held = Array.from({ length: %d }, (_, i) => ({ i, next: { i } }));
globalThis.bench = (n) => {
  for (let i = 0; i < n; i++) {
    at = (at + 1) & (ring.length - 1);
    ring[at] = { i, pair: [n, i] };
  }
  return n;
};
bench(1 << 22);
"""
OBJECTS = 1 << 22


def _tree(pid):
    """It and all that it has started."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(child)


def _cpu_seconds(pid):
    return sum(int((task / "schedstat").read_text().split()[0])
               for one in _tree(pid) for task in Path(f"/proc/{one}/task").iterdir()) / 1e9


def _writer(fifo):
    """None while nobody reads it."""
    try:
        return os.fdopen(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK), "wb")
    except OSError:
        return None


class _Program:
    def speed(self):
        """Objects per millisecond of CPU time."""
        before = _cpu_seconds(self.pid)
        self.make(OBJECTS)
        return OBJECTS / 1000 / (_cpu_seconds(self.pid) - before)


class _Told(_Program):
    """Told by a client that stays: one that left would end the tracking of others."""

    def begin(self, client, held):
        self.client = client
        self.client.evaluate(BENCH % held)

    def make(self, n):
        self.client.evaluate(f"bench({n})")


class OnDeno(_Told):
    isolate = "main"

    def __init__(self, nursery, home, held):
        program = deno.Deno(nursery, home, "0", flags=[f"--v8-flags={','.join(node.STEADY)}"])
        self.process, self.address, self.pid = program.process, program.address, program.pid
        self._fifo = home / "fifo"
        self.begin(Client(program.port, limit_s=60), held)

    @contextlib.contextmanager
    def blocked(self):
        """Meanwhile its main thread waits in native code."""
        os.mkfifo(self._fifo)
        self.client.send("Runtime.evaluate",
                         expression=f"Deno.readTextFileSync({json.dumps(str(self._fifo))})")
        writer = until(lambda: _writer(self._fifo), "it reads")
        try:
            yield
        finally:
            writer.close()


class OnChromium(_Told):
    def __init__(self, nursery, home, held):
        browser = chromium.Chromium(nursery, home, "data:text/html,<title>shop</title><body>",
                                    flags=[f"--js-flags={' '.join(node.STEADY)}"])
        self.process, self.address, self.pid = browser.process, browser.address, browser.pid
        self._browser, self.isolate = browser, chromium.isolate(browser.page)
        self.begin(browser.client(), held)

    @contextlib.contextmanager
    def blocked(self):
        """Meanwhile the process of its page is stopped, and the browser is not. It is the one that has
        worked most."""
        with self._browser.client("") as client:
            processes = client.call("SystemInfo.getProcessInfo")["processInfo"]
        page = max((one for one in processes if one["type"] == "renderer"), key=lambda one: one["cpuTime"])
        os.kill(page["id"], signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(page["id"], signal.SIGCONT)


class OnWorkerd(_Program):
    """Told by visits, for it bears one client."""

    def __init__(self, nursery, home, held):
        self._program = workerd.Workerd(nursery, home)
        self.process, self.address = self._program.process, self._program.address
        self.pid, self.isolate = self._program.pid, self._program.isolate
        self._program.grow(held)
        self.make(OBJECTS)

    def make(self, n):
        self._program.visit(f"bench={n}")


class OnNode:
    """alloc.js itself, which nobody need be connected to."""
    isolate = "main"

    def __init__(self, nursery, major, held):
        self.node = node.Node(nursery, major, "alloc", held, flags=node.STEADY)
        self.process, self.address, self.pid = self.node.process, self.node.address, self.node.pid

    def speed(self):
        return node.allocation_speed(self.node, 1)


def best(program, tries=5, enough=None):
    """Stops as soon as it is enough."""
    fastest = 0.0
    for _ in range(tries):
        fastest = max(fastest, program.speed())
        if enough is not None and fastest >= enough:
            break
    return fastest


def is_at_least(program, speed):
    """What slows stays on once it is on, so trying again does not hide it."""
    return best(program, 25, speed) >= speed
