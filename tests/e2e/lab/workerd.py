"""Real Cloudflare workerd: alone, behind the proxy of `wrangler dev`, and behind that of miniflare."""

import contextlib
import json
import os
import signal
import socket
import threading
import urllib.request

from . import listener, node

BINARY = node.MODULES / "@cloudflare" / "workerd-linux-64" / "bin" / "workerd"
WRANGLER = node.MODULES / "wrangler" / "bin" / "wrangler.js"

CONFIG = """using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)%s],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
);
const worker :Workerd.Worker = (
  modules = [(name = "workerd.js", esModule = embed "workerd.js")],
  compatibilityDate = "2025-01-01",
);
"""


SECOND = ', (name = "second", worker = .worker)'


def binary():
    assert os.access(BINARY, os.X_OK), f"workerd is missing ({BINARY}): run tests/run.sh"
    return BINARY


def _free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class _Program:
    """programs/workerd.js; `address` is what a target says."""

    def __init__(self, port):
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.pid = self.process.pid

    def visit(self, wish):
        url = f"http://127.0.0.1:{self.http}/?{wish}"
        assert urllib.request.urlopen(url, timeout=60).read().startswith(b"things")

    def grow(self, n):
        self.visit(f"grow={n}")

    @contextlib.contextmanager
    def visited(self):
        """Meanwhile requests come to it, which add nothing."""
        done = threading.Event()

        def visit():
            while not done.wait(0.2):
                self.visit("waste=1")
        visitor = threading.Thread(target=visit)
        visitor.start()
        try:
            yield
        finally:
            done.set()
            visitor.join()

    def clients(self):
        """How many connections to the inspector it has not closed."""
        return listener.clients(self.port)


class Workerd(_Program):
    """Two workers: `worker:main`, which grows, and `worker:second`. What is changed in its
    configuration it takes over with `flags=["--watch"]`, at the same port."""

    isolate = "worker:main"

    def __init__(self, nursery, home, flags=(), host="127.0.0.1"):
        home.mkdir(parents=True, exist_ok=True)
        self._config = home / "config.capnp"
        self._config.write_text(CONFIG % SECOND)
        (home / "workerd.js").write_text((node.PROGRAMS / "workerd.js").read_text())
        self.process = nursery.start(
            [binary(), "serve", self._config, f"--inspector-addr={host}:{_free_port() if flags else 0}",
             "--control-fd=1", *flags], env=node.environment())
        heard = self.process.wait_line(r'"event":"listen-inspector","port":(\d+)')
        self.http = int(self.process.wait_line(r'"socket":"http","port":(\d+)')[1])
        super().__init__(int(heard[1]))

    def drop_second(self):
        """A server that is watched begins anew, as the same process, without the second worker."""
        mark = self.process.mark()
        self._config.write_text(CONFIG % "")
        self.process.wait_line('"event":"listen-inspector"', since=mark)


class Wrangler(_Program):
    isolate = "worker:ws"
    path = "/ws"

    def __init__(self, nursery, home, host="127.0.0.1"):
        """host: of its inspector."""
        assert WRANGLER.exists(), f"wrangler is missing ({WRANGLER}): run tests/run.sh"
        home.mkdir(parents=True, exist_ok=True)
        (home / "workerd.js").write_text((node.PROGRAMS / "workerd.js").read_text())
        (home / "wrangler.json").write_text(json.dumps(
            {"name": "app", "main": "workerd.js", "compatibility_date": "2025-01-01"}))
        # It would ask the registry for a newer version, and Cloudflare for the properties of a
        # request: neither leaves this machine.
        env = dict(node.environment(), HOME=str(home), CI="1", WRANGLER_SEND_METRICS="false",
                   CLOUDFLARE_CF_FETCH_ENABLED="false", NO_COLOR="1",
                   npm_config_registry="http://127.0.0.1:1/")
        port = _free_port()
        self.process = nursery.start(
            [node.binary(24), WRANGLER, "dev", "--ip", "127.0.0.1", "--port", "0",
             f"--inspector-ip={host}", "--inspector-port", str(port),
             "--show-interactive-dev-session=false"],
            env=env, cwd=home)
        self.http = int(self.process.wait_line(r"Ready on http://127\.0\.0\.1:(\d+)", limit_s=60)[1])
        super().__init__(port)


class Miniflare(_Program):
    """One worker, by itself without a name, or several, behind the proxy of `unsafeInspectorProxy`;
    held_ms: the proxy takes so long to be connected to them; host: of the proxy."""

    def __init__(self, nursery, *names, held_ms="", host="127.0.0.1"):
        self.isolate = f"worker:{names[0]}" if names else "main"
        self.path = "/" + "".join(names[:1])
        self.process = nursery.start(
            [node.binary(24), node.PROGRAMS / "miniflare.js", node.PROGRAMS / "workerd.js",
             ",".join(names), str(held_ms), host], env=node.environment())
        ready = self.process.wait_line(r"^ready, http (\d+) inspector (\d+)", limit_s=60)
        self.http = int(ready[1])
        super().__init__(int(ready[2]))

    def reload(self):
        """The worker begins anew, and the proxy with it."""
        mark = self.process.mark()
        self.process.signal(signal.SIGUSR2)
        self.process.wait_line("^reloaded", since=mark)

    @staticmethod
    def version():
        return json.loads((node.MODULES / "miniflare" / "package.json").read_text())["version"]


# How its inspector is reached: start(nursery, home).
WAYS = {"alone": Workerd, "wrangler": Wrangler,
        "miniflare": lambda nursery, home: Miniflare(nursery)}
