"""Real Node processes of every major, by pid, each with its inspector on a port of its own."""

import os
import re
import signal
from pathlib import Path

from .wait import LIMIT_S

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE.parent / "programs"
MODULES = HERE.parents[1] / "node_modules"
MAJORS = (20, 22, 24, 26)
OLD = 18  # at its end of life; for what only V8 before 11 does


def binary(major):
    path = MODULES / f"node-{major}" / "bin" / "node"
    assert os.access(path, os.X_OK), f"Node {major} is missing ({path}): run tests/run.sh"
    return path


def environment():
    """Ours without what would change the runtimes under test."""
    return {k: v for k, v in os.environ.items()
            if not k.startswith(("NODE_", "ASAN_", "UBSAN_", "LSAN_"))}


class Node:
    """A program of programs/ with the inspector on; `address` is what a target says."""

    def __init__(self, nursery, major, program, *arguments, flags=(), port=0, ready="^ready",
                 limit_s=LIMIT_S, opens=False):
        """opens: the program opens its inspector itself, when it is as it is to be seen."""
        self.major = major
        self.program = program
        self.process = nursery.start(
            [binary(major), f"--inspect{'-port' if opens else ''}=127.0.0.1:{port}", *flags, PROGRAMS / f"{program}.js",
             *arguments], env=environment())
        heard = self.process.wait_line(r"^Debugger listening on ws://127\.0\.0\.1:(\d+)/(\S+)")
        self.port, self.inspector_id = int(heard[1]), heard[2]
        self.address = f"127.0.0.1:{self.port}"
        if ready:
            self.process.wait_line(ready, limit_s=limit_s)
        self.pid = self.process.pid

    def nudge(self, answer=None):
        """SIGUSR2: the program does its thing; waits for the line that says so."""
        mark = self.process.mark()
        self.process.signal(signal.SIGUSR2)
        return self.process.wait_line(answer, since=mark) if answer else None

    def version(self):
        name = (MODULES / f"node-{self.major}" / "package.json").read_text()
        return re.search(r'"version": "([^"]+)"', name)[1]


def plain(nursery, major, program, *arguments, flags=(), before=()):
    """A program without an inspector; `before` is what starts it."""
    process = nursery.start([*before, binary(major), *flags, PROGRAMS / f"{program}.js", *arguments],
                            env=environment())
    return process, process.wait_line("^ready")


# For alloc.js: what it makes survives the young generation and is moved, at the same speed always.
STEADY = ("--no-allocation-site-pretenuring", "--min-semi-space-size=16", "--max-semi-space-size=16")


def allocation_speed(node, tries=5, enough=None):
    """Objects per millisecond of CPU time of alloc.js, the best of some tries: a busy machine only
    slows. Stops as soon as it is enough."""
    best = 0.0
    for _ in range(tries):
        best = max(best, float(node.nudge(r"^speed (\S+)")[1]))
        if enough is not None and best >= enough:
            break
    return best


def allocates_at_least(node, speed):
    """Object-id tracking stays on once it is on, so trying again does not hide it."""
    return allocation_speed(node, 25, speed) >= speed
