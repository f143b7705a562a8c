"""A relay before an inspector that writes down every message the daemon sends to it."""

import json
import re
import socket
import struct
import threading

from .listener import Listener


class Frames:
    """Takes the bytes of a client after its upgrade; checks the framing that Node insists on."""

    def __init__(self):
        self.messages, self.complaints = [], []
        self.head = b""  # what came before the upgrade, or all where there is none
        self.left = threading.Event()  # the client has said that it closes, or has closed
        self.evicted = False  # the inspector has closed before that
        self._bytes = b""
        self._upgraded = False

    def feed(self, data):
        self._bytes += data
        if not self._upgraded:
            self.head = self._bytes
            if not self._bytes.startswith(b"GET /") or b"Upgrade: websocket" not in self._bytes:
                return
            if b"\r\n\r\n" not in self._bytes:
                return
            head, self._bytes = self._bytes.split(b"\r\n\r\n", 1)
            self.head = head
            self._upgraded = True
            for banned in (b"\r\nOrigin:", b"\r\nUser-Agent:", b"permessage-deflate"):
                if banned.lower() in head.lower():
                    self.complaints.append(f"the upgrade has {banned!r}")
        while self._frame():
            pass

    def _frame(self):
        if len(self._bytes) < 6:
            return False
        first, size, at = self._bytes[0], self._bytes[1] & 0x7F, 2
        masked = self._bytes[1] & 0x80
        if size == 126:
            size, at = struct.unpack("!H", self._bytes[2:4])[0], 4
        elif size == 127:
            size, at = struct.unpack("!Q", self._bytes[2:10])[0], 10
        if len(self._bytes) < at + 4 + size:
            return False
        mask, payload = self._bytes[at:at + 4], self._bytes[at + 4:at + 4 + size]
        self._bytes = self._bytes[at + 4 + size:]
        if not masked:
            self.complaints.append("an unmasked frame")
        if first == 0x88:
            self.left.set()
        if first == 0x81:
            self.messages.append(bytes(b ^ mask[i & 3] for i, b in enumerate(payload)))
        elif first != 0x88:  # a close frame is all that may come beside whole text messages
            self.complaints.append(f"a frame of kind {first:#x}")
        return True


class Packets:
    """What the daemon says to a Firefox on one connection, in packets of its protocol; or over HTTP,
    while it does not know yet what it is."""

    def __init__(self):
        self.left = threading.Event()
        self.evicted = False
        self.complaints = []
        self._data = b""

    def feed(self, data):
        self._data += data

    @property
    def head(self):
        """What came over HTTP."""
        return self._data if self._data.startswith(b"GET ") else b""

    def __iter__(self):
        """Those that have come as a whole."""
        data = b"" if self.head else self._data
        while b":" in data:
            size, _, rest = data.partition(b":")
            if len(rest) < int(size):
                return
            yield json.loads(rest[:int(size)])
            data = rest[int(size):]


def text_frames(data):
    """What an inspector says over a WebSocket, from its answer to the upgrade on: the whole messages
    that have come."""
    at = data.find(b"\r\n\r\n") + 4
    while 4 <= at <= len(data) - 2:
        first, size = data[at], data[at + 1]
        at += 2
        if size == 126:
            size, at = int.from_bytes(data[at:at + 2], "big"), at + 2
        elif size == 127:
            size, at = int.from_bytes(data[at:at + 8], "big"), at + 8
        if at + size > len(data):
            return
        if first == 0x81:
            yield data[at:at + size]
        at += size


class Relay(Listener):
    """Each of its conversations is a `kind` that is fed with what the daemon says."""

    def __init__(self, port, kind=Frames):
        self._to, self._kind = port, kind
        self.conversations = []
        super().__init__(self._relay)

    def _relay(self, client):
        server = socket.create_connection(("127.0.0.1", self._to))
        heard = self._kind()
        self.conversations.append(heard)

        def back():
            try:
                while data := server.recv(1 << 16):
                    self._hold(heard)
                    client.sendall(self._passed(heard, data))
                heard.evicted = not heard.left.is_set()
                client.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        threading.Thread(target=back, daemon=True).start()
        with server:
            try:
                while data := client.recv(1 << 16):
                    heard.feed(data)
                    self._heard(heard)
                    server.sendall(data)
            finally:
                heard.left.set()
                self._part(heard)
            server.shutdown(socket.SHUT_RDWR)  # a close alone waits for back()

    def _heard(self, heard):
        """Called before anything of the client is passed on to the inspector."""

    def _hold(self, heard):
        """Called before anything is passed on to the client of this conversation."""

    def _part(self, heard):
        """Called when the client of this conversation has left, before the inspector is."""

    def _passed(self, heard, data):
        """What of it the client gets."""
        return data

    def requests(self):
        """Of HTTP, as {"GET /path", ...}."""
        return {found.decode() for frames in self.conversations
                for found in re.findall(rb"^([A-Z]+ \S+) HTTP/1\.1\r$", frames.head, re.MULTILINE)}

    def messages(self):
        return [m for frames in self.conversations for m in frames.messages]

    def complaints(self):
        return [c for frames in self.conversations for c in frames.complaints]


class BothWays(Relay):
    """It keeps what the inspector says, too."""

    def __init__(self, port):
        self._said = {}
        super().__init__(port)

    def _passed(self, heard, data):
        self._said[heard] = self._said.get(heard, b"") + data
        return data

    def answered(self):
        """The methods of all requests that were answered, connection by connection."""
        return [asked["method"] for heard in list(self.conversations)
                for asked in map(json.loads, list(heard.messages))
                if any(json.loads(m).get("id") == asked["id"]
                       for m in text_frames(self._said.get(heard, b"")))]

    def told(self):
        """All of it, connection by connection."""
        return [json.loads(m) for heard in list(self.conversations)
                for m in text_frames(self._said.get(heard, b""))]
