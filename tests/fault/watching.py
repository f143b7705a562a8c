"""Events of a spool's folders as the kernel tells them, for acting within a millisecond of one."""

import ctypes
import os
import select
import struct
import time

CREATE, CLOSE_WRITE, MOVED_FROM, MOVED_TO, DELETE = 0x100, 0x8, 0x40, 0x80, 0x200
EVENTS = CREATE | CLOSE_WRITE | MOVED_FROM | MOVED_TO | DELETE
_HEAD = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    def __init__(self, *folders):
        self._fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._names = {}
        for folder in folders:
            wd = _libc.inotify_add_watch(self._fd, os.fsencode(folder), EVENTS)
            if wd < 0:
                raise OSError(ctypes.get_errno(), f"inotify_add_watch {folder}")
            self._names[wd] = os.path.basename(folder)

    def take(self):
        """[(folder, mask, name)] of what has happened; does not wait."""
        events = []
        while True:
            try:
                data = os.read(self._fd, 65536)
            except BlockingIOError:
                return events
            at = 0
            while at < len(data):
                wd, mask, _, size = _HEAD.unpack_from(data, at)
                at += _HEAD.size
                name = data[at:at + size].rstrip(b"\0").decode()
                at += size
                events.append((self._names.get(wd, "?"), mask, name))

    def wait(self, until):
        """What has happened, as soon as something has; [] at that time (monotonic)."""
        left = until - time.monotonic()
        if left > 0:
            select.select([self._fd], [], [], left)
        return self.take()

    def close(self):
        os.close(self._fd)
