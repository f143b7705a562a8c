"""A wall clock that is set while programs run that were started with its environment: preloaded, for
the clock of the machine is everybody's."""

import os
import struct
import time
from pathlib import Path

from .daemon import program

CLOCK_OFF = Path(program()).resolve().parents[1] / "tests" / "fake" / "clock_off.so"


class Clock:
    """`off_s` is by how much it is off at the moment."""

    def __init__(self, path):
        assert os.access(CLOCK_OFF, os.R_OK), CLOCK_OFF
        path.write_bytes(bytes(8))
        self._fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        self.off_s = 0
        # Before the runtime of the sanitizer, which wants to be first.
        sanitizer = os.environ.get("ASAN_OPTIONS", "")
        self.environment = {"LD_PRELOAD": str(CLOCK_OFF), "CLOCK_OFF_FILE": str(path),
                            "ASAN_OPTIONS": f"{sanitizer}:verify_asan_link_order=0".lstrip(":")}

    def set(self, off_s):
        os.pwrite(self._fd, struct.pack("=q", off_s * 1000), 0)
        self.off_s = off_s

    def now(self):
        return time.time() + self.off_s

    def close(self):
        os.close(self._fd)
