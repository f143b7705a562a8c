"""Real Firefox without a window, its debugger on a port or a unix socket of its own."""

import json
import re
import shutil
import socket

from . import node
from .rdp import Rdp
from .wait import until

PREFS = {
    "devtools.debugger.remote-enabled": True,
    "devtools.chrome.enabled": True,
    "devtools.debugger.prompt-connection": False,
    # Nothing leaves this machine, and nothing comes up that no test has started.
    "app.update.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.search.update": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage": "about:blank",
    "browser.startup.page": 0,
    "browser.tabs.unloadOnLowMemory": False,
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.disable_open_during_load": False,
    "dom.ipc.processPrelaunch.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.prefetch-next": False,
    "services.settings.server": "http://127.0.0.1:1/",
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.server": "http://127.0.0.1:1/",
}


def binary():
    path = shutil.which("firefox-esr")
    assert path, "firefox-esr is missing: install the packages of tests/packages.txt"
    return path


def _free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _value(value):
    return str(value).lower() if isinstance(value, bool) else \
        f'"{value}"' if isinstance(value, str) else str(value)


class Firefox:
    """One tab with programs/firefox.html; `address` is what a target says."""

    def __init__(self, nursery, home, unix=False, pages=1, prefs=None, env=None):
        profile, self.tmp = home / "profile", home / "tmp"
        for directory in (profile, self.tmp):
            directory.mkdir(parents=True)
        (profile / "user.js").write_text("".join(
            f'user_pref("{name}", {_value(value)});\n'
            for name, value in {**PREFS, **(prefs or {})}.items()))
        where = str(home / "s.sock") if unix else str(_free_port())
        self.port = None if unix else int(where)
        self.address = f"unix:{where}" if unix else f"127.0.0.1:{where}"
        page = (node.PROGRAMS / "firefox.html").as_uri()
        self.process = nursery.start(
            [binary(), "--headless", "--no-remote", "--profile", profile,
             "--start-debugger-server", where, *[page] * pages],
            env=dict(node.environment(), HOME=str(home), TMPDIR=str(self.tmp),
                     MOZ_CRASHREPORTER_DISABLE="1", DBUS_SESSION_BUS_ADDRESS="disabled:",
                     **(env or {})))
        self.pid = self.process.pid
        self.client = until(self._connect, lambda: f"Firefox; {self.process.output()}", limit_s=60)
        until(lambda: len(self.pages()) == pages, "the pages", limit_s=60)
        self.descriptor = self.pages()[0]["actor"]
        self.console = self.client.target(self.descriptor)["consoleActor"]

    def _connect(self):
        try:
            return Rdp(self.address)
        except OSError:
            assert self.process.running(), self.process.output()
            return None

    def pages(self):
        return [tab for tab in self.client.tabs() if tab["title"] == "page"]

    @property
    def isolate(self):
        return f"tab:{self.pages()[0]['browserId']}"

    @property
    def content_pid(self):
        return self.client.target(self.descriptor)["processID"]

    def evaluate(self, text, wait=True):
        return self.client.evaluate(self.console, text, wait)

    def grow(self, n):
        return self.evaluate(f"grow({n})")

    def census(self, name):
        """(count, bytes) of the objects of a class of the language that the page reaches, as Firefox
        itself counts them."""
        memory = self.client.target(self.descriptor)["memoryActor"]
        self.client.ask(memory, "attach")
        found = self.client.ask(memory, "takeCensus")["objects"][name]
        return found["count"], found["bytes"]

    def reads(self, path):
        """How many things Firefox itself counts in a file: in the browser, whose tools read them."""
        browser = next(p for p in self.client.ask("root", "listProcesses")["processes"] if p["isParent"])
        target = self.client.ask(browser["actor"], "getTarget")["process"]
        return self.client.evaluate(target["consoleActor"], f"""
            ChromeUtils.readHeapSnapshot({json.dumps(str(path))})
                       .takeCensus({{breakdown: {{by: 'count', count: true, bytes: false}}}}).count""")

    def slices(self):
        """[(reason, seconds)] of the slices of major collections in the page's process that are over,
        as its collector writes them down by itself with JS_GC_PROFILE=0, rounded to whole milliseconds
        from 1 ms on. Left out are collections of which Firefox tells nobody, those after a cycle collection."""
        found, under_way, total_at, pid = [], [], 0, str(self.content_pid)
        for line in self.process.lines:
            if line.startswith("MajorGC: PID"):
                total_at = line.index("Budget") + len("Budget ")
            if line.split()[:2] != ["MajorGC:", pid]:
                continue
            reason, after = re.search(r"([A-Z_]+) +\d+ -> (\d+)", line).groups()
            under_way.append((reason, float(line[total_at:total_at + 6]) / 1e3))
            if after == "0":
                found += under_way if under_way[0][0] != "CC_FINISHED" else []
                under_way = []
        return found

    def leftovers(self):
        return sorted(self.tmp.rglob("*.fxsnapshot"))

    def save_snapshot(self, memory, path, collect=True):
        """By an attached memory actor, of what is left after collections, or of all."""
        if collect:
            self.collect(memory)
        named = self.client.ask(memory, "saveHeapSnapshot")["snapshotId"]
        until(lambda: [left for left in self.leftovers() if left.stem == named],
              f"{named}.fxsnapshot")[0].rename(path)

    def collect(self, memory):
        # A removed element and its listener hold each other, across C++: the cycle collector takes
        # such pairs apart only where a garbage collection has found that no script holds them, and
        # what it has let go is there until the next one.
        for collect in ("forceGarbageCollection", "forceCycleCollection") * 2:
            self.client.ask(memory, collect)
        self.client.ask(memory, "forceGarbageCollection")
