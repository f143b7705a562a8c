"""Programs of JavaScriptCore whose heap is tracked: each keeps objects of class Parcel, and swells,
when it is told to."""

import signal
import threading

from . import listener, webkit
from .bun import Bun
from .relay import Relay
from .wait import until

COUNT = 12345
SWELL_MIB = 120  # over each limit

DEFINE = """globalThis.parcels = []; globalThis.buffers = [];
globalThis.Parcel = class Parcel { constructor(i) { this.i = i; this.next = null; } }; 1"""
GROW = f"for (let i = 0; i < {COUNT}; i++) parcels.push(new Parcel(i)); parcels.length"
SWELL = f"buffers.push(new Uint8Array({SWELL_MIB} << 20).fill(1)); 1"


class OnBun:
    isolate = "main"
    tells_collections = False

    def __init__(self, nursery, home):
        self.bun = Bun(nursery, str(COUNT), str(SWELL_MIB), program="parcels")
        self.process, self.address, self.port = self.bun.process, self.bun.address, self.bun.port

    def grow(self):
        self.bun.grow()

    def wait_left(self):
        """Until it is closed, what was connected to it."""
        until(lambda: listener.clients(self.port) == 0, "who was there has left")

    def swell(self):
        mark = self.process.mark()
        self.process.signal(signal.SIGHUP)
        self.process.wait_line("^swollen", since=mark)

    def through(self, relay):
        return self.address.replace(str(self.port), str(relay.port))

    def ask(self, method):
        """What another client is told until the answer to this has come, by method."""
        with self.bun.client() as client:
            client.call(method)
            return [event["method"] for event in client.events]


class OnPage:
    isolate = "page:1"
    tells_collections = True

    def __init__(self, nursery, home, path=webkit.GTK):
        self.browser = webkit.Browser(nursery, home / "browser", path)
        self.process, self.address = self.browser.process, self.browser.address
        self.port = self.browser.port
        assert self.browser.site.run(DEFINE) == "1"

    def grow(self):
        assert int(self.browser.site.run(GROW)) % COUNT == 0

    def wait_left(self):
        until(lambda: listener.clients(self.browser.port) == 0, "who was there has left")

    def swell(self):
        assert self.browser.site.run(SWELL) == "1"

    def through(self, relay):
        return relay.address

    def ask(self, method):
        client = self.browser.next_client()
        try:
            page = webkit.Page(client)
            page.call(method)
        finally:
            client.leave()
        return [event["method"] for event in page.events]


class OnDevice(OnPage):
    """As Safari is reached."""

    def __init__(self, nursery, home):
        super().__init__(nursery, home)
        self.proxy = webkit.Proxy(self.port)
        self.address = self.proxy.address
        self.port = self.proxy.port


def on_wpe(nursery, home):
    return OnPage(nursery, home, webkit.WPE)


EACH = {"bun": OnBun, "gtk": OnPage, "wpe": on_wpe, "safari": OnDevice}


class Told(Relay):
    """It knows when nothing more is on its way of what began: a page tells of the collection that the
    snapshot was after all else."""
    _kept = 64  # bytes: words may come in two pieces

    def __init__(self, port):
        self._before, self._begun = {}, set()
        self.collected = threading.Event()
        super().__init__(port)

    def _passed(self, heard, data):
        seen = self._before.get(heard, b"") + data
        if b"Heap.trackingStart" in seen:
            self._begun.add(heard)
            seen = seen[seen.rindex(b"Heap.trackingStart"):]
        if heard in self._begun and b"Heap.garbageCollected" in seen:
            self.collected.set()
        self._before[heard] = seen[-self._kept:]
        return data


def relay(program):
    return Told(program.port)
