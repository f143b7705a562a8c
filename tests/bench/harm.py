#!/usr/bin/python3
"""What a capture does to its target: the throughput of a Node that allocates, before, during and
after, and how long it stands still, as it feels that itself and as the manifest says."""

from setting import Setting, arguments, node, row

import json
import statistics
import time

SPAN_S = 3.0
MAJORS = ",".join(map(str, node.MAJORS))


class Target:
    def __init__(self, setting, major, megabytes):
        self.node = setting.node(major, "pulse", megabytes, flags=(
            *node.STEADY, "--max-old-space-size=8192"))
        self.daemon = setting.daemon({"app": self.node.address},
                                     capture={"guards": {"headroom": 0}})
        self.daemon.wait_up("app")

    def pulse(self):
        """Since the last time: {span_ms, ticks a second, objects per ms of its own, longest_ms}"""
        heard = self.node.nudge(r"^pulse (\S+) (\S+) (\S+) (\S+)")
        return dict(zip(("span_ms", "ticks", "objects", "longest_ms"), map(float, heard.groups())))

    def over(self, seconds):
        self.pulse()
        time.sleep(seconds)
        return self.pulse()

    def capture(self):
        """(pulse over the capture, its manifest)"""
        self.daemon.wait_up("app", 60)
        self.pulse()
        snapshot = self.daemon.capture("app", limit_s=600)
        felt = self.pulse()
        return felt, json.loads(snapshot.with_name(snapshot.name + ".json").read_text())


def measure(target, rounds):
    before = target.over(SPAN_S)
    felt, manifests, after = [], [], []
    for _ in range(rounds):
        pulse, manifest = target.capture()
        felt.append(pulse)
        manifests.append(manifest)
        after.append(target.over(SPAN_S))

    def middle(key, pulses):
        return statistics.median(p[key] for p in pulses)
    objects = before["objects"]
    row("objects per ms of its own time before", f"{objects:.0f}")
    row("  during, after / before", f"{middle('objects', felt) / objects:.2f}, "
        f"{middle('objects', after) / objects:.2f}")
    row("ticks a second before", f"{before['ticks']:.0f}")
    row("  during, after / before", f"{middle('ticks', felt) / before['ticks']:.2f}, "
        f"{middle('ticks', after) / before['ticks']:.2f}")
    pauses = [m["pause_ns"] / 1e6 for m in manifests]
    row("pause felt inside, median", f"{middle('longest_ms', felt):.0f} ms")
    row("pause of the manifest, median", f"{statistics.median(pauses):.0f} ms")
    row("  manifest / felt, each", " ".join(
        f"{p / f['longest_ms']:.2f}" for p, f in zip(pauses, felt)))
    row("size of the snapshot, time of the capture",
        f"{manifests[-1]['size_bytes'] / 1e6:.0f} MB, {manifests[-1]['duration_ns'] / 1e9:.2f} s")


def main():
    options = arguments(__doc__, majors=(MAJORS, "Node versions"), rounds=(5, "captures"),
                        megabytes=("20,200", "of strings in the heap"))
    for major in map(int, options.majors.split(",")):
        for megabytes in map(int, options.megabytes.split(",")):
            with Setting(options) as setting:
                print(f"Node {major}, {megabytes} MiB of strings")
                measure(Target(setting, major, megabytes), options.rounds)


if __name__ == "__main__":
    main()
