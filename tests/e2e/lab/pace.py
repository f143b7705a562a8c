"""How fast programs of V8 allocate that are no alloc.js: what they are given to do, by the CPU time
of all processes that may do it, so that a busy machine only makes it wait."""

from pathlib import Path

from . import chromium, deno, node, workerd
from .cdp import Client

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
        self.begin(Client(program.port, limit_s=60), held)


class OnChromium(_Told):
    def __init__(self, nursery, home, held):
        browser = chromium.Chromium(nursery, home, "data:text/html,<title>shop</title><body>",
                                    flags=[f"--js-flags={' '.join(node.STEADY)}"])
        self.process, self.address, self.pid = browser.process, browser.address, browser.pid
        self.isolate = chromium.isolate(browser.page)
        self.begin(browser.client(), held)


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
