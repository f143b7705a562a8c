"""What the benches share: where the programs are, processes that end with the bench, the fleet."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path.insert(0, str(TOP / "tests" / "e2e"))

from lab import cdp, node, proc, relay  # noqa: E402
from lab.daemon import Daemon, static_config  # noqa: E402
from lab.wait import until  # noqa: E402

MIB = 1 << 20
FLEET_LIMIT_S = 1800
PER_NET = 250  # addresses of the fleet per 127.1.X.0/24


def arguments(text, **knobs):
    """The command line: --build, and a flag for each knob, whose default tells its type."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--build", type=Path, default=TOP / "build" / "bench",
                        help="a release build with tests (default: build/bench)")
    for name, (default, what) in knobs.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(default), default=default,
                            help=f"{what} (default: {default})")
    options = parser.parse_args()
    options.build = options.build.resolve()
    os.environ["HEAPWATCHD"] = str(options.build / "daemon" / "heapwatchd")
    return options


def row(what, value):
    print(f"  {what:<52} {value}", flush=True)


class Setting:
    """Processes and a folder for them; all are gone when the bench is."""

    def __init__(self, options):
        self.build = options.build
        self.nursery = proc.Nursery()
        # Beside the build, for that is on a disk, as a spool is; /tmp may be memory.
        self.home = options.build / f"bench-{os.getpid()}"
        self.home.mkdir()
        self._daemons = 0
        self._pipes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.nursery.close()
        for pipe in self._pipes:
            os.close(pipe)
        shutil.rmtree(self.home)

    def tool(self, name):
        return self.build / "tests" / "bench" / f"bench_{name}"

    def run_tool(self, name, *argv, limit_s=900):
        done = subprocess.run([self.tool(name), *map(str, argv)], capture_output=True, text=True,
                              timeout=limit_s, check=False)
        assert done.returncode == 0, f"{name}: {done.stderr}"
        return json.loads(done.stdout)

    def node(self, major, program, *argv, **options):
        return node.Node(self.nursery, major, program, *argv, **options)

    def daemon(self, targets, **sections):
        """A daemon as it is shipped, but for these sections of the configuration."""
        self._daemons += 1
        sections.setdefault("poll", {})
        config = static_config(targets, **sections)
        return Daemon(self.nursery, self.home / f"daemon{self._daemons}", config,
                      flags=["--log.level=info"])

    def fleet(self, count):
        """({name: address} of `count` targets in one process, their port, their tape)"""
        tape = record(self)
        # It ends when the pipe to it does, so it cannot outlive this program.
        read, write = os.pipe()
        self._pipes.append(write)
        process = _Fed(self.nursery, [self.tool("fleet"), tape, FLEET_LIMIT_S], read)
        port = int(process.wait_line(r"^listening (\d+)")[1])
        return fleet_addresses(count, port), port, tape


def fleet_addresses(count, port):
    return {f"t{i:05d}": f"127.1.{i // PER_NET}.{1 + i % PER_NET}:{port}" for i in range(count)}


def _Fed(nursery, argv, read):
    """A child whose standard input is `read`."""
    process = nursery.start(["/bin/sh", "-c", f'exec "$@" <&{read}', "fleet", *argv],
                            pass_fds=(read,))
    os.close(read)
    return process


# ---- what is said ----

def _get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return json.loads(answer.read(int(answer.headers["Content-Length"])))


def _without_id(message):
    """The text behind {"id":N, and the method."""
    return re.sub(r'^\{"id":\d+,', "", message), json.loads(message)["method"]


def record(setting):
    """A tape (tape.h) of what the daemon says to a real Node 24 and of what it answers. The Node
    lives on: the daemon will look at its process for every target of a fleet."""
    real = setting.node(24, "idle")
    between = relay.Relay(real.port)
    asker = setting.daemon({"app": between.address},
                           poll={"interval": "200ms", "timeout": "200ms"})
    asker.wait_up("app")
    asker.wait_value("heapwatch_polls_total", lambda n: n >= 3, target="app")
    asker.process.stop()
    between.close()
    lines = {}
    for path in ("/json/version", "/json/list"):
        lines[f"GET {path}"] = json.dumps(_get(real.port, path))
    with cdp.Client(real.port) as client:
        for raw in between.messages():
            request, method = _without_id(raw.decode())
            params = json.loads(raw).get("params", {})
            answer = json.dumps({"result": client.call(method, **params)}, separators=(",", ":"))
            lines[request] = re.sub(r'"turns":\d+', '"turns":@@@@@@@@', answer[1:])
    path = setting.home / "tape"
    path.write_text("".join(f"{k}\n{v}\n" for k, v in lines.items()))
    return path


# ---- what is measured ----

def peak_rss(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def forget_peak(pid):
    Path(f"/proc/{pid}/clear_refs").write_text("5")


class Meter:
    """CPU seconds and wall seconds of a process from here on."""

    def __init__(self, process):
        self._process = process
        self._cpu, self._wall = process.group_cpu_seconds(), time.monotonic()

    def read(self):
        return (self._process.group_cpu_seconds() - self._cpu, time.monotonic() - self._wall)


class Background:
    """Calls step() over and over until it leaves the block; step's values are kept."""

    def __init__(self, step, pause_s=0.0):
        self.values = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(step, pause_s))

    def _run(self, step, pause_s):
        while not self._over.is_set():
            self.values.append(step())
            self._over.wait(pause_s)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


__all__ = ["MIB", "Background", "Meter", "Setting", "arguments", "forget_peak", "node", "peak_rss",
           "percentile", "row", "until"]
