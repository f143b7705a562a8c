"""What a Firefox says to a daemon that captures its one tab, and of the snapshot only the beginning: it
stops in the middle of handing over the file it has made."""

import json
import os
import socketserver

ROOT = {"preferenceActor": "p1", "deviceActor": "d1", "heapSnapshotFileActor": "f1"}
ANSWERS = {
    "getRoot": ROOT,
    "getDescription": {"value": {"version": "153.8.0", "platformversion": "153.8.0"}},
    "listTabs": {"tabs": [{"actor": "t1", "browserId": 1, "browsingContextID": 2, "url": "about:blank"}]},
    "listProcesses": {"processes": []},
    "getTarget": {"frame": {"memoryActor": "m1", "processID": os.getpid()}},
    "measure": {"jsObjectsSize": 1000, "jsStringsSize": 1000, "jsOtherSize": 0, "domSize": 0,
                "styleSize": 0, "otherSize": 0},
    "attach": {"type": "attached"},
    "forceGarbageCollection": {},
    "saveHeapSnapshot": {"snapshotId": "4711"},
}
PART, WHOLE = 1 << 16, 1 << 20


class Debugger(socketserver.StreamRequestHandler):
    def say(self, actor, **what):
        text = json.dumps({"from": actor, **what}).encode()
        self.wfile.write(b"%d:" % len(text) + text)

    def packet(self):
        size = b""
        while not size.endswith(b":"):
            byte = self.rfile.read(1)
            if not byte:
                return None
            size += byte
        return json.loads(self.rfile.read(int(size[:-1])))

    def handle(self):
        self.say("root", applicationType="browser", testConnectionPrefix="server1.conn0.", traits={})
        while packet := self.packet():
            if packet["type"] == "saveHeapSnapshot":
                with open(os.path.join(os.environ["TMPDIR"], "4711.fxsnapshot"), "wb") as file:
                    file.write(b"\x1f\x8b" + bytes(WHOLE - 2))
            if packet["type"] == "transferHeapSnapshot":
                self.wfile.write(b"bulk f1 undefined %d:" % WHOLE + b"\x1f\x8b" + bytes(PART - 2))
                print("begun", flush=True)
            else:
                self.say(packet["to"], **ANSWERS[packet["type"]])


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


with Server(("127.0.0.1", 0), Debugger) as server:
    print("listens at", server.server_address[1], flush=True)
    server.serve_forever()
