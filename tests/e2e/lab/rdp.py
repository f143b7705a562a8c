"""A second client of a Firefox, over its Remote Debugging Protocol: what a person's debugger would
do, and how the tests make a page do things."""

import json
import socket

EVENTS = {"frameUpdate", "tabNavigated", "tabListChanged", "forwardingCancelled",
          "garbage-collection", "allocations", "evaluationResult", "processListChanged"}


class Rdp:
    def __init__(self, address, limit_s=20.0):
        if address.startswith("unix:"):
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(limit_s)
            self._socket.connect(address.removeprefix("unix:"))
        else:
            host, port = address.rsplit(":", 1)
            self._socket = socket.create_connection((host, int(port)), timeout=limit_s)
        self._file = self._socket.makefile("rb")
        self.hello = self.packet()
        self.root = self.ask("root", "getRoot")

    def packet(self):
        head = b""
        while not head.endswith(b":"):
            byte = self._file.read(1)
            if not byte:
                raise EOFError(f"ended after {head!r}")
            head += byte
        return json.loads(self._file.read(int(head[:-1])))

    def send(self, to, kind, **more):
        text = json.dumps({"to": to, "type": kind, **more}).encode()
        self._socket.sendall(b"%d:" % len(text) + text)

    def ask(self, to, kind, **more):
        self.send(to, kind, **more)
        while True:
            packet = self.packet()
            if packet.get("from") == to and packet.get("type") not in EVENTS:
                assert "error" not in packet, packet
                return packet

    def tabs(self):
        return self.ask("root", "listTabs")["tabs"]

    def processes(self):
        """The pids of content processes."""
        return [p["id"] for p in self.ask("root", "listProcesses")["processes"]
                if not p["isParent"]]

    def target(self, descriptor):
        return self.ask(descriptor, "getTarget")["frame"]

    def evaluate(self, console, text, wait=True):
        """The value of an expression in a page."""
        id_ = self.ask(console, "evaluateJSAsync", text=text)["resultID"]
        while wait:
            packet = self.packet()
            if packet.get("type") == "evaluationResult" and packet["resultID"] == id_:
                assert not packet["hasException"], packet
                return packet["result"]
        return None

    def close(self):
        self._file.close()
        self._socket.close()
