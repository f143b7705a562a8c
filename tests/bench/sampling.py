#!/usr/bin/python3
"""What a sampling profile does to its target while it lasts: the throughput of a Node that allocates,
before, during and after, in short turns, so that what else the machine does falls on all three."""

from setting import Setting, arguments, node, row, until

import json
import statistics
import time

from lab.cdp import Client

MAJORS = ",".join(map(str, node.MAJORS))
MEGABYTES = 20


class Target:
    def __init__(self, setting, major):
        self.node = setting.node(major, "pulse", MEGABYTES, flags=node.STEADY)
        self.daemon = setting.daemon({"app": self.node.address},
                                     capture={"guards": {"headroom": 0}})
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


def measure(target, options, interval, objects):
    during, after = [], []
    for _ in range(options.rounds):
        before = target.over(options.span)
        during.append(target.sampled(options.span, interval, objects) / before)
        after.append(target.over(options.span) / before)
    row(f"{interval}, {objects}: during / before, median (each)",
        f"{statistics.median(during):.2f} ({' '.join(f'{r:.2f}' for r in sorted(during))})")
    row("  after / before", f"{statistics.median(after):.2f}")


def main():
    options = arguments(__doc__, majors=(MAJORS, "Node versions"), rounds=(7, "profiles each"),
                        span=(1.5, "seconds of each turn"),
                        intervals=("32KiB,512KiB", "bytes between samples"))
    for major in map(int, options.majors.split(",")):
        with Setting(options) as setting:
            print(f"Node {major}")
            target = Target(setting, major)
            for interval in options.intervals.split(","):
                for objects in ("live", "all"):
                    measure(target, options, interval, objects)


if __name__ == "__main__":
    main()
