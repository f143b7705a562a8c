#!/usr/bin/python3
"""What a sampling profile does to its target while it lasts: the throughput of a Node, a Deno and a page
of Chromium that allocate, before, during and after, in short turns, so that what else the machine does
falls on all three; the same of continuous profiles, switched on and off. Of Node also how long it stands
still when a profile is read, and when it is only left, beside heaps of small objects: V8 collects all
garbage to read one."""

from setting import Setting, arguments, node, row, until

import json
import os
import signal
import statistics
import time
from pathlib import Path

from lab import listener
from lab.cdp import Client
from lab.chromium import Chromium
from lab.daemon import static_config
from lab.deno import Deno

MAJORS = ",".join(map(str, node.MAJORS))
MEGABYTES = 20
SAMPLING = 512 << 10

# The end of each makes V8 collect.
SECTIONS = {"capture": {"guards": {"headroom": 0}, "gc_interval": "1s"}, "poll": {}}


class OnNode:
    def __init__(self, setting, major):
        self._node = setting.node(major, "pulse", MEGABYTES, flags=node.STEADY)
        self.address = self._node.address

    def client(self):
        return Client(self._node.port)

    def over(self, seconds):
        """Objects per millisecond of CPU time of all its threads."""
        pulse = r"^pulse \S+ \S+ \S+ \S+ (\S+)"
        self._node.nudge(pulse)
        time.sleep(seconds)
        return float(self._node.nudge(pulse)[1])


# As programs/pulse.js, for whoever evaluates it: in short pieces, or nobody could poll.
PIECE_MS, WARM_MS = 20, 1000
WORK = f"""globalThis.held = Array.from({{ length: {MEGABYTES * 1000} }}, (_, i) => `${{i}} `.padEnd(1000, '.'));
globalThis.ring = new Array(1 << 16).fill(null);
globalThis.work = (ms) => {{
  const start = performance.now();
  let at = 0, objects = 0;
  do {{
    for (let i = 0; i < 256; i++) {{
      at = (at + 1) & (ring.length - 1);
      ring[at] = {{ i, pair: [at, i] }};
    }}
    objects += 256;
  }} while (performance.now() - start < ms);
  return objects;
}}; 1"""
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_ms(pid):
    """Of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / TICKS


class Worked:
    """A program that a client makes work, which stays."""

    def over(self, seconds):
        """As of Node."""
        before, until_s, objects = cpu_ms(self.pid), time.monotonic() + seconds, 0
        while time.monotonic() < until_s:
            objects += self._person.evaluate(f"work({PIECE_MS})")
        return objects / (cpu_ms(self.pid) - before)

    def _begin(self):
        self._person = self.client()
        self._person.evaluate(WORK)
        self._person.evaluate(f"work({WARM_MS})")


class OnDeno(Worked):
    def __init__(self, setting, _):
        self._deno = Deno(setting.nursery, setting.home / "deno", "0")
        self.address, self.pid = self._deno.address, self._deno.pid
        self._begin()

    def client(self):
        return Client(self._deno.port)


class OnChromium(Worked):
    """A page: the renderer that it is in, is what costs CPU time."""

    def __init__(self, setting, _):
        site = listener.http({"/": (200, "text/html", b"<!doctype html><title>shop</title>")})
        self._browser = Chromium(setting.nursery, setting.home / "profile",
                                 f"http://127.0.0.1:{site.port}/")
        self.address = self._browser.address
        self._begin()
        before = self._renderers()
        self._person.evaluate(f"work({WARM_MS})")
        after = self._renderers()
        self.pid = max(before.keys() & after.keys(), key=lambda pid: after[pid] - before[pid])

    def _renderers(self):
        with self._browser.client("") as client:
            found = client.call("SystemInfo.getProcessInfo")["processInfo"]
        return {p["id"]: cpu_ms(p["id"]) for p in found if p["type"] == "renderer"}

    def client(self):
        return self._browser.client()


class Target:
    def __init__(self, setting, program):
        self._program = program
        self.daemon = setting.daemon({"app": program.address}, **SECTIONS)
        self.daemon.wait_up("app")
        self.isolate = until(lambda: self.daemon.isolates("app"), "its heap")[0]

    def over(self, seconds):
        return self._program.over(seconds)

    def _is_sampling(self):
        with self._program.client() as client:
            client.send("HeapProfiler.getSamplingProfile")
            return "result" in client.receive()

    def sampled(self, seconds, interval, objects):
        """The same, while a profile is taken, which begins before and ends after."""
        wish = {"kind": "sampling", "isolate": self.isolate, "duration": f"{int(seconds * 1000) + 1000}ms",
                "interval": interval, "objects": objects}
        answer = self.daemon.post("/api/v1/targets/app/captures", json.dumps(wish).encode(),
                                  {"Content-Type": "application/json"})
        assert answer.status == 202, answer.text
        until(self._is_sampling, "it samples")
        speed = self.over(seconds)
        identity = answer.json()["data"]["id"]
        until(lambda: any(c["id"] == identity for c in self.daemon.api("/captures")["ready"]),
              lambda: f"the profile; log:\n{self.daemon.tail()}")
        return speed

    def _configure(self, profile_interval, sampling):
        capture = dict(SECTIONS["capture"], profile_sampling_interval=sampling)
        self.daemon.configure(static_config(
            {"app": self._program.address}, capture=capture,
            poll={"profile_interval": f"{int(profile_interval * 1000)}ms"}))
        self.daemon.process.signal(signal.SIGHUP)

    def profiled(self, seconds, interval, sampling):
        """The same while profiles of that interval follow one another."""
        self._configure(interval, sampling)
        until(self._is_sampling, "it samples")
        speed = self.over(seconds)
        self._configure(0, sampling)
        until(lambda: not self._is_sampling(), "it does not")
        return speed


def tell(what, during, after):
    row(f"{what}: during / before, median (each)",
        f"{statistics.median(during):.2f} ({' '.join(f'{r:.2f}' for r in sorted(during))})")
    row("  after / before", f"{statistics.median(after):.2f}")


def measure_continuous(target, options, sampling):
    during, after = [], []
    for _ in range(options.rounds):
        before = target.over(options.span)
        during.append(target.profiled(options.span, options.profile, sampling) / before)
        after.append(target.over(options.span) / before)
    tell(f"{sampling}, continuous", during, after)


def measure(target, options, interval, objects):
    during, after = [], []
    for _ in range(options.rounds):
        before = target.over(options.span)
        during.append(target.sampled(options.span, interval, objects) / before)
        after.append(target.over(options.span) / before)
    tell(f"{interval}, {objects}", during, after)


# ---- how long it stands still ----

def idle(client):
    del client
    time.sleep(0.2)


def collected(client):
    client.call("HeapProfiler.collectGarbage")


def looked_at(client):
    client.call("HeapProfiler.startSampling", samplingInterval=SAMPLING)
    client.call("HeapProfiler.getSamplingProfile")
    client.close()


def stopped(client):
    client.call("HeapProfiler.startSampling", samplingInterval=SAMPLING)
    client.call("HeapProfiler.stopSampling")


def left(client):
    """Whoever samples and goes has ended it, and has no profile."""
    client.call("HeapProfiler.startSampling", samplingInterval=SAMPLING)
    client.close()
    time.sleep(0.2)


def pause_ms(target, act):
    """The longest time the program, which wants to run every 10 ms, could not, while that was done."""
    pulse = r"^pulse \S+ \S+ \S+ (\S+)"
    with Client(target.port, limit_s=120) as client:
        client.call("HeapProfiler.enable")
        target.nudge(pulse)
        act(client)
        return float(target.nudge(pulse)[1])


def measure_pauses(setting, options, major, megabytes):
    target = setting.node(major, "pulse", megabytes, "objects", limit_s=600,
                          flags=[f"--max-old-space-size={2 * megabytes + 512}"])
    for act in (idle, collected, looked_at, stopped, left):
        pauses = sorted(pause_ms(target, act) for _ in range(options.rounds))
        row(f"{megabytes} MiB of objects, {act.__name__.replace('_', ' ')}: ms, median (each)",
            f"{statistics.median(pauses):.0f} ({' '.join(f'{p:.0f}' for p in pauses)})")
    target.process.stop()


def measure_all(setting, options, program):
    target = Target(setting, program)
    for interval in options.intervals.split(","):
        for objects in filter(None, options.objects.split(",")):
            measure(target, options, interval, objects)
        measure_continuous(target, options, interval)


def measure_node(options, major):
    with Setting(options) as setting:
        print(f"Node {major}")
        for megabytes in map(int, filter(None, options.heaps.split(","))):
            measure_pauses(setting, options, major, megabytes)
        if options.intervals:
            measure_all(setting, options, OnNode(setting, major))


OTHERS = {"deno": ("Deno", OnDeno), "chromium": ("Chromium", OnChromium)}


def main():
    options = arguments(__doc__, majors=(MAJORS, "Node versions"),
                        others=(",".join(OTHERS), "besides"), rounds=(7, "profiles each"),
                        span=(1.5, "seconds of each turn"), profile=(1.0, "seconds of each "
                        "continuous profile"), objects=("live,all", "of single profiles"),
                        intervals=("32KiB,512KiB", "bytes between samples"),
                        heaps=("200,1000,2000", "MiB of small objects"))
    for major in map(int, filter(None, options.majors.split(","))):
        measure_node(options, major)
    for name in filter(None, options.others.split(",") if options.intervals else ()):
        title, start = OTHERS[name]
        with Setting(options) as setting:
            print(title)
            measure_all(setting, options, start(setting, None))


if __name__ == "__main__":
    main()
