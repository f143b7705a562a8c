"""The other side of the shim (shim.c): which call of a process is to fail, and how."""

import ctypes
import errno
import mmap
import os

KINDS = ("open", "write", "fsync", "fdatasync", "sync_file_range", "close", "rename", "unlink",
         "mkdir", "statvfs", "setxattr", "read", "stat", "link", "truncate")
PEER_KINDS = ("connect", "send", "recv")  # of connections to the peer that `part` names
ALL_KINDS = KINDS + ("socket", *PEER_KINDS, "memory")
ACTIONS = ("count", "error", "short", "delay", "kill_before", "kill_after")
FOREVER = (1 << 64) - 1


class _Layout(ctypes.Structure):
    """struct fault_control."""
    _fields_ = [("armed", ctypes.c_uint32), ("kinds", ctypes.c_uint32),
                ("action", ctypes.c_uint32), ("error", ctypes.c_int32),
                ("nth", ctypes.c_uint64), ("last", ctypes.c_uint64), ("delay_us", ctypes.c_uint64),
                ("seen", ctypes.c_uint64), ("fired", ctypes.c_uint64),
                ("calls", ctypes.c_uint64 * len(ALL_KINDS)),
                ("below", ctypes.c_char * 256), ("part", ctypes.c_char * 128),
                ("what", ctypes.c_char * 320)]


class Faults:
    """One file, mapped by us and by the process that has `environment` in its own."""

    def __init__(self, path, below):
        self.path = os.fspath(path)
        with open(self.path, "wb") as file:
            file.truncate(mmap.PAGESIZE)
        with open(self.path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self._control = _Layout.from_buffer(self._map)
        self._control.below = os.fspath(below).encode()

    def environment(self):
        return {"HEAPWATCH_FAULT_FILE": self.path}

    def arm(self, action, kinds=KINDS, error=0, nth=1, sticky=False, part="", delay_s=0.0,
            times=1):
        """The nth call of these kinds, so many in all, and with sticky all after it."""
        control = self._control
        control.armed = 0
        control.kinds = sum(1 << ALL_KINDS.index(kind) for kind in kinds)
        control.action = ACTIONS.index(action)
        control.error = error
        control.nth, control.last = nth, FOREVER if sticky else nth + times - 1
        control.delay_us = int(delay_s * 1e6)
        control.part = part.encode()
        control.what = b""
        control.seen = control.fired = 0
        for kind in range(len(ALL_KINDS)):
            control.calls[kind] = 0
        control.armed = 1

    def disarm(self):
        self._control.armed = 0

    def close(self):
        del self._control
        self._map.close()

    @property
    def fired(self):
        return self._control.fired

    @property
    def what(self):
        return self._control.what.decode(errors="replace")

    def calls(self):
        """{kind: how many since armed}"""
        return {kind: n for kind, n in zip(ALL_KINDS, self._control.calls) if n}


DISK = (errno.EIO, errno.ENOSPC, errno.EDQUOT)
# What the calls can say. EINTR for ever is no kernel's answer: not with sticky.
ERRORS = {
    "open": (*DISK, errno.EINTR, errno.EMFILE, errno.ENFILE),
    "write": (*DISK, errno.EINTR, "short"),
    "fsync": (*DISK, errno.EINTR),
    "fdatasync": (*DISK, errno.EINTR),
    "sync_file_range": DISK,
    "close": (*DISK, errno.EINTR),
    "rename": (*DISK, errno.EINTR),
    "unlink": (errno.EIO, errno.EINTR),
    "mkdir": (*DISK, errno.EMFILE),
    "statvfs": (errno.EIO, errno.EINTR),
    "setxattr": (*DISK, errno.EINTR),
    "read": (errno.EIO, errno.EINTR, "short"),
    "stat": (errno.EIO,),
    "link": (*DISK, errno.EMFILE),
    "truncate": DISK,
}
# What the calls of the network can say.
NETWORK = {
    "socket": (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM),
    "connect": (errno.ECONNREFUSED, errno.ETIMEDOUT, errno.ENETUNREACH, errno.EADDRNOTAVAIL),
    "send": (errno.ECONNRESET, errno.EPIPE, errno.ENOBUFS, errno.ENOMEM, errno.EINTR, "short"),
    "recv": (errno.ECONNRESET, errno.ETIMEDOUT, errno.ENOMEM, errno.EINTR, "short"),
}


def peer(address):
    """How the shim names 127.0.0.1:9229."""
    return f"{address};"


SPACE = (errno.ENOSPC, errno.EDQUOT)


def fault_of(kind, error, nth, sticky, **more):
    if error == "short":
        return {"action": "short", "kinds": (kind,), "nth": nth, "sticky": sticky, **more}
    return {"action": "error", "kinds": (kind,), "nth": nth, "sticky": sticky, "error": error, **more}
