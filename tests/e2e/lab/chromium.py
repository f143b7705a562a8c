"""Real Chromium, headless, with its remote debugging on a port of its own."""

import json
import shutil
import signal
import urllib.parse
import urllib.request

from . import cdp
from .wait import until

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--remote-debugging-port=0"]


def binary():
    found = shutil.which("chromium")
    assert found, "chromium is missing: run tests/run.sh"
    return found


class Chromium:
    """With one page open, `page` its target's id; `address` is what a target says."""

    def __init__(self, nursery, home, url, flags=()):
        self.process = nursery.start([binary(), *FLAGS, *flags, f"--user-data-dir={home}", url])
        heard = self.process.wait_line(r"^DevTools listening on ws://127\.0\.0\.1:(\d+)(/\S+)")
        self.port, self.path = int(heard[1]), heard[2]
        self.address = f"127.0.0.1:{self.port}"
        self.pid = self.process.pid
        self.page = until(lambda: self._loaded(url), f"{url} in a page")

    def _get(self, path, method="GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()

    def targets(self, kind="page"):
        return [t for t in json.loads(self._get("/json/list")) if t["type"] == kind]

    def _loaded(self, url):
        return next((t["id"] for t in self.targets() if t["url"] == url and t["title"] == "shop"), None)

    def open(self, url):
        opened = json.loads(self._get("/json/new?" + urllib.parse.quote(url, safe=""), "PUT"))
        until(lambda: any(t["id"] == opened["id"] and t["title"] == "shop" for t in self.targets()),
              f"{url} in a page")
        return opened["id"]

    def shut(self, page):
        self._get(f"/json/close/{page}")

    def client(self, page=None):
        """Another person at the same page, or at the browser itself for ""."""
        page = self.page if page is None else page
        return cdp.Client(self.port, path=f"/devtools/page/{page}" if page else self.path)

    def grow(self, n, page=None):
        with self.client(page) as client:
            client.evaluate(f"grow({n})")

    def stop(self):
        self.process.signal(signal.SIGTERM)
        return self.process.wait_exit()


def isolate(page, kind="page"):
    """What the isolate of a target is called."""
    return f"{kind}:{page[:8]}"
