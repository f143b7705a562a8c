"""Real Deno, by pid, with its inspector on a port of its own."""

import os
import re
import signal

from . import node

BINARY = node.MODULES / "@deno" / "linux-x64-glibc" / "deno"


def binary():
    assert os.access(BINARY, os.X_OK), f"Deno is missing ({BINARY}): run tests/run.sh"
    return BINARY


class Deno:
    """programs/deno.js, or one like it; `address` is what a target says."""

    def __init__(self, nursery, home, *arguments, flags=(), host="127.0.0.1",
                 program=node.PROGRAMS / "deno.js"):
        self.process = nursery.start(
            [binary(), "run", "--no-config", "--no-remote", "--allow-read",
             f"--inspect={host}:0", *flags, program, *arguments],
            env=dict(node.environment(), DENO_DIR=str(home), DENO_NO_UPDATE_CHECK="1"))
        heard = self.process.wait_line(rf"^Debugger listening on ws://{re.escape(host)}:(\d+)/(\S+)")
        self.port, self.inspector_id = int(heard[1]), heard[2]
        self.address = f"127.0.0.1:{self.port}"
        self.process.wait_line("^ready")
        self.pid = self.process.pid

    def grow(self):
        mark = self.process.mark()
        self.process.signal(signal.SIGUSR2)
        self.process.wait_line("^grown", since=mark)
