"""A relay before an inspector that knows how far a capture is, and can act right there."""

import socket
import struct
import threading
import time

from lab.listener import Listener
from lab.relay import Frames

CHUNK = b"HeapProfiler.addHeapSnapshotChunk"
PHASES = ("before connect", "scripts", "building", "streaming", "last words", "publish")
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


class Tap(Listener):
    """One address for one Node after another. `arm(phase, act)`: when the next capture comes to
    this phase, act() is called, and nothing passes meanwhile."""

    def __init__(self, to=None):
        self.to = to  # the port of the Node
        self.asked = []  # when snapshots were asked for
        self._lock = threading.Lock()
        self._phase = self._act = None
        self._pairs = []
        super().__init__(self._relay)

    def arm(self, phase, act):
        with self._lock:
            self._phase, self._act = phase, act

    def armed(self):
        """It has not come to that phase."""
        return self._phase is not None

    def _event(self, phase):
        with self._lock:
            act = self._act if phase == self._phase else None
            if act:
                self._phase = self._act = None
        if act:
            act()

    def cut(self):
        """All connections, by a reset."""
        for pair in self._pairs:
            for end in pair:
                self._reset(end)
        self._pairs.clear()

    @staticmethod
    def _reset(end):
        try:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        end.close()

    def _relay(self, client):
        pair = [client]
        self._pairs.append(pair)
        self._event("before connect")
        server = socket.create_connection(("127.0.0.1", self.to))
        pair.append(server)
        capture = threading.Event()
        threading.Thread(target=self._back, args=(client, server, capture), daemon=True).start()
        frames = Frames()
        try:
            with server:
                while data := client.recv(1 << 16):
                    frames.feed(data)
                    phase = self._hear(frames.messages, capture)
                    if phase in ("scripts", "last words"):
                        self._event(phase)
                    server.sendall(data)
                    if phase == "building":
                        self._event(phase)
        finally:  # the daemon may leave with a reset
            if capture.is_set():
                self._event("publish")

    def _hear(self, messages, capture):
        """The phase that what the daemon has just said begins."""
        phase = None
        for message in messages:
            if b"Debugger.enable" in message:
                phase = "scripts"
            elif b"HeapProfiler.takeHeapSnapshot" in message:
                phase = "building"
                capture.set()
                self.asked.append(time.monotonic())
            elif b"HeapProfiler.disable" in message and capture.is_set():
                phase = "last words"
        messages.clear()
        return phase

    def _back(self, client, server, capture):
        tail = b""
        try:
            while data := server.recv(1 << 16):
                if capture.is_set() and CHUNK in tail + data:
                    self._event("streaming")
                tail = data[-len(CHUNK):]
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            self._reset(client)
