#!/usr/bin/python3
"""What a sampling profile does to its target while it lasts: the throughput of a Node that allocates,
before, during and after, in short turns, so that what else the machine does falls on all three; the
same of continuous profiles, switched on and off. At last how long it stands still when a profile is
read, and when it is only left, beside heaps of small objects: V8 collects all garbage to read one."""

from setting import Setting, arguments, node, row, until

import json
import signal
import statistics
import time

from lab.cdp import Client
from lab.daemon import static_config

MAJORS = ",".join(map(str, node.MAJORS))
MEGABYTES = 20
SAMPLING = 512 << 10

SECTIONS = {"capture": {"guards": {"headroom": 0}}, "poll": {}}


class Target:
    def __init__(self, setting, major):
        self.node = setting.node(major, "pulse", MEGABYTES, flags=node.STEADY)
        self.daemon = setting.daemon({"app": self.node.address}, **SECTIONS)
        self.daemon.wait_up("app")

    def over(self, seconds):
        """Objects per millisecond of CPU time of all its threads."""
        pulse = r"^pulse \S+ \S+ \S+ \S+ (\S+)"
        self.node.nudge(pulse)
        time.sleep(seconds)
        return float(self.node.nudge(pulse)[1])

    def _is_sampling(self):
        with Client(self.node.port) as client:
            client.send("HeapProfiler.getSamplingProfile")
            return "result" in client.receive()

    def sampled(self, seconds, interval, objects):
        """The same, while a profile is taken, which begins before and ends after."""
        wish = {"kind": "sampling", "duration": f"{int(seconds * 1000) + 1000}ms",
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
            {"app": self.node.address}, capture=capture,
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


def main():
    options = arguments(__doc__, majors=(MAJORS, "Node versions"), rounds=(7, "profiles each"),
                        span=(1.5, "seconds of each turn"), profile=(1.0, "seconds of each "
                        "continuous profile"), objects=("live,all", "of single profiles"),
                        intervals=("32KiB,512KiB", "bytes between samples"),
                        heaps=("200,1000,2000", "MiB of small objects"))
    for major in map(int, options.majors.split(",")):
        with Setting(options) as setting:
            print(f"Node {major}")
            for megabytes in map(int, filter(None, options.heaps.split(","))):
                measure_pauses(setting, options, major, megabytes)
            if not options.intervals:
                continue
            target = Target(setting, major)
            for interval in options.intervals.split(","):
                for objects in filter(None, options.objects.split(",")):
                    measure(target, options, interval, objects)
                measure_continuous(target, options, interval)


if __name__ == "__main__":
    main()
