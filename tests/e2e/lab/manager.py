"""A service manager: what systemd hears of us."""

import contextlib
import fcntl
import os
import select
import socket
import threading
import time

from .wait import until


class Manager:
    """The datagrams sent to NOTIFY_SOCKET, here one without a file."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("")  # the kernel picks an abstract name
        self.path = "@" + self._socket.getsockname()[1:].decode()
        self.heard = []
        self.store = {}  # name: [descriptors], as systemd keeps them
        self._lock = threading.Lock()
        self._listens = True
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        while self._listens:
            data, fds, _, _ = socket.recv_fds(self._socket, 4096, 16)
            lines = data.decode().splitlines()
            self._keep(lines, fds)
            for line in lines:
                self.heard.append((time.monotonic(), line))

    # ---- the store ----

    def _keep(self, lines, fds):
        names = [line.removeprefix("FDNAME=") for line in lines if line.startswith("FDNAME=")]
        with self._lock:
            if "FDSTORE=1" in lines:
                self.store.setdefault(names[0], []).extend(fds)
                return
            for fd in fds:
                os.close(fd)
            if "FDSTOREREMOVE=1" in lines:
                self._drop(names[0])

    def _drop(self, name):
        for fd in self.store.pop(name, []):
            os.close(fd)

    def put(self, name, fd):
        with self._lock:
            self.store.setdefault(name, []).append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3))

    def drop_all(self):
        """As when the service has failed for good."""
        with self._lock:
            for name in list(self.store):
                self._drop(name)

    def _living(self):
        """Those whose peer is gone are dropped: nobody said FDPOLL=0."""
        for name, fds in list(self.store.items()):
            poll = select.poll()
            for fd in fds:
                poll.register(fd, 0)
            if poll.poll(0):
                self._drop(name)
        return [(name, fd) for name, fds in self.store.items() for fd in fds]

    @contextlib.contextmanager
    def passing(self):
        """Options of a daemon that gets what is in the store, as systemd would start it."""
        with self._lock:
            kept = [(name, fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100)) for name, fd in self._living()]
        move = " ".join(f"{i}<&{fd} {fd}<&-" for i, (_, fd) in enumerate(kept, 3))
        variables = {"NOTIFY_SOCKET": self.path}
        if kept:
            variables["LISTEN_FDS"] = str(len(kept))
            variables["LISTEN_FDNAMES"] = ":".join(name for name, _ in kept)
        try:
            yield {"env": variables, "pass_fds": [fd for _, fd in kept],
                   "before": ["bash", "-c", f'exec {move}; LISTEN_PID=$$ exec "$@"', "bash"]}
        finally:
            for _, fd in kept:
                os.close(fd)

    def lines(self, prefix=""):
        return [line for _, line in list(self.heard) if line.startswith(prefix)]

    def wait(self, prefix, count=1):
        until(lambda: len(self.lines(prefix)) >= count, lambda: f"{prefix} x{count}: {self.lines()}")

    def clog(self):
        """It listens no more: whoever tells it anything waits for ever."""
        self._listens = False
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            other.connect("\0" + self.path[1:])
            try:
                other.send(b"the last that is heard")
                self._thread.join()
                while True:
                    other.send(b"what nobody hears")
            except BlockingIOError:
                pass
