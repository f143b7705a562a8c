"""A small client of the Chrome DevTools Protocol: another person at the same inspector."""

import base64
import json
import os
import socket
import struct
import urllib.request

LIMIT_S = 20.0


class Client:
    def __init__(self, port, limit_s=LIMIT_S, path=None, headers=""):
        path = path or self._listed(port, limit_s)
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=limit_s)
        self._bytes = b""
        self._next = 0
        self.events = []
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall((f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                              "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                              f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                              f"{headers}\r\n").encode())
        while b"\r\n\r\n" not in self._bytes:
            self._more()
        head, self._bytes = self._bytes.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101"), head

    @staticmethod
    def _listed(port, limit_s):
        listed = urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=limit_s)
        # Node leaves the connection open: read what Content-Length says.
        text = listed.read(int(listed.headers["Content-Length"]))
        return "/" + json.loads(text)[0]["webSocketDebuggerUrl"].split("/", 3)[3]

    def _more(self):
        data = self._socket.recv(1 << 20)
        if not data:
            raise ConnectionError("the inspector closed the connection")
        self._bytes += data

    def _take(self, n):
        while len(self._bytes) < n:
            self._more()
        taken, self._bytes = self._bytes[:n], self._bytes[n:]
        return taken

    def send(self, method, **params):
        self._next += 1
        self.send_frame(0x81, json.dumps({"id": self._next, "method": method, "params": params}).encode())
        return self._next

    def send_frame(self, first, payload):
        """Also one that no inspector should be sent: `first` is its first byte."""
        mask = os.urandom(4)
        size = len(payload)
        head = struct.pack("!BB", first, 0x80 | size) if size < 126 else \
            struct.pack("!BBH", first, 0x80 | 126, size)
        self._socket.sendall(head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload)))

    def receive(self):
        first, size = self._take(2)
        size &= 0x7F
        if size == 126:
            size = struct.unpack("!H", self._take(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self._take(8))[0]
        payload = self._take(size)
        if first & 0x0F == 8:
            raise ConnectionError("the inspector closed the connection")
        return json.loads(payload)

    def call(self, method, **params):
        """The result; events that come before it are kept."""
        wanted = self.send(method, **params)
        while True:
            message = self.receive()
            if message.get("id") == wanted:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def wait_event(self, method):
        while True:
            for message in self.events:
                if message.get("method") == method:
                    self.events.remove(message)
                    return message["params"]
            self.events.append(self.receive())

    def evaluate(self, expression):
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"]["value"]

    def close(self):
        self._socket.close()

    def leave(self):
        """Closes it, and waits until the inspector has, too: the next client comes after it."""
        self.send_frame(0x88, struct.pack("!H", 1000))
        with self._socket:
            try:
                while self._socket.recv(1 << 20):
                    pass
            except ConnectionResetError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Worker(Client):
    """The first worker thread of a Node, through a client of its main thread."""

    def __init__(self, client):
        self._client, self._next, self.events = client, 0, []
        client.call("NodeWorker.enable", waitForDebuggerOnStart=False)
        self._session = client.wait_event("NodeWorker.attachedToWorker")["sessionId"]

    def send(self, method, **params):
        self._next += 1
        message = json.dumps({"id": self._next, "method": method, "params": params})
        self._client.call("NodeWorker.sendMessageToWorker", sessionId=self._session, message=message)
        return self._next

    def receive(self):
        return json.loads(self._client.wait_event("NodeWorker.receivedMessageFromWorker")["message"])


def in_worker(client, script):
    """What it comes to in `worker` of the program of this client, a Deno or a page: a second client of
    the worker itself is not answered."""
    return client.call("Runtime.evaluate", awaitPromise=True, returnByValue=True, expression=(
        "new Promise((done) => { worker.onmessage = ({ data }) => done(data);"
        f" worker.postMessage({json.dumps(script)}); }})"))["result"]["value"]


def used_bytes(client):
    """What lives."""
    client.call("HeapProfiler.collectGarbage")
    return client.call("Runtime.getHeapUsage")["usedSize"]


def is_sampling(client):
    client.send("HeapProfiler.getSamplingProfile")
    return "result" in client.receive()


def is_tracking(client):
    """Objects have ids only while somebody tracks them."""
    found = client.call("Runtime.evaluate", expression="globalThis", objectGroup="test")
    answer = client.call("HeapProfiler.getHeapObjectId", objectId=found["result"]["objectId"])
    client.call("Runtime.releaseObjectGroup", objectGroup="test")
    return answer["heapSnapshotObjectId"] != "0"


def wait_interval(client):
    """What is allocated before V8 has closed its first interval, after 50 ms, counts as what was
    there before. Its timer runs in the program's own loop, and so before a later one of that."""
    client.call("Runtime.evaluate", expression="new Promise((done) => setTimeout(done, 200))",
                awaitPromise=True)
