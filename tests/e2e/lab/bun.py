"""Real Bun, by pid, with its inspector on a port and a path of its own."""

import json
import os
import re
import signal

from . import node
from .cdp import Client

BINARY = node.MODULES / "@oven" / "bun-linux-x64" / "bin" / "bun"
PATH = "/known-path"


def binary():
    assert os.access(BINARY, os.X_OK), f"Bun is missing ({BINARY}): run tests/run.sh"
    return BINARY


class Bun:
    """programs/bun.js; `address` is what a target says."""

    def __init__(self, nursery, *arguments, program="bun", host="127.0.0.1", port=0, unix=None,
                 flags=()):
        where = f"ws+unix://{unix}" if unix else f"{host}:{port}{PATH}"
        self.process = nursery.start(
            [binary(), f"--inspect={where}", *flags, node.PROGRAMS / f"{program}.js", *arguments],
            env=node.environment())
        self.address = f"unix:{unix}"
        if not unix:
            heard = self.process.wait_line(rf"ws://{re.escape(host)}:(\d+){PATH}")
            self.port = int(heard[1])
            self.address = f"ws://127.0.0.1:{self.port}{PATH}"
        self.process.wait_line("^ready")
        self.pid = self.process.pid

    def grow(self):
        mark = self.process.mark()
        self.process.signal(signal.SIGUSR2)
        self.process.wait_line("^grown", since=mark)

    def client(self, **options):
        """Another person at the same inspector."""
        return Client(self.port, path=PATH, **options)

    @staticmethod
    def version():
        return json.loads((BINARY.parents[1] / "package.json").read_text())["version"]
