"""A service manager: what systemd hears of us."""

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
        self._listens = True
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        while self._listens:
            for line in self._socket.recv(4096).decode().splitlines():
                self.heard.append((time.monotonic(), line))

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
