#!/usr/bin/python3
"""What a capture does to its target: the throughput of a Node that allocates, before, during and
after, beside that of one that nothing is taken of, and how long it stands still, as it feels that
itself and as the manifest says."""

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
        """(its manifest, seconds from the request to the file)"""
        began = time.monotonic()
        snapshot = self.daemon.capture("app", limit_s=600)
        seconds = time.monotonic() - began
        return json.loads(snapshot.with_name(snapshot.name + ".json").read_text()), seconds

    def turns(self, rounds, between):
        """Its pulse before, over between(n) for each n of the rounds, and after each."""
        pulses = {"before": [self.over(SPAN_S)], "during": [], "after": []}
        for n in range(rounds):
            self.daemon.wait_up("app", 60)
            self.pulse()
            between(n)
            pulses["during"].append(self.pulse())
            pulses["after"].append(self.over(SPAN_S))
        return pulses


def captured(target, rounds):
    """(its pulses, [(manifest, seconds)])"""
    taken = []
    pulses = target.turns(rounds, lambda _: taken.append(target.capture()))
    return pulses, taken


def middle(pulses, when, key):
    return statistics.median(pulse[key] for pulse in pulses[when])


def share(pulses, when, key):
    return middle(pulses, when, key) / middle(pulses, "before", key)


def report_pace(what, key, pulses, control):
    """Beside the control, of which the same was asked at the same moments of its life."""
    row(f"{what} before", f"{middle(pulses, 'before', key):.0f}")
    row("  during, after / before",
        f"{share(pulses, 'during', key):.2f}, {share(pulses, 'after', key):.2f}")
    row("  the same without a capture",
        f"{share(control, 'during', key):.2f}, {share(control, 'after', key):.2f}")
    row("  with / without, after", f"{share(pulses, 'after', key) / share(control, 'after', key):.2f}")


def report(pulses, taken, control):
    report_pace("objects per ms of its own time", "objects", pulses, control)
    report_pace("ticks a second", "ticks", pulses, control)
    manifests = [manifest for manifest, _ in taken]
    pauses = [m["pause_ns"] / 1e6 for m in manifests]
    row("pause felt inside, median", f"{middle(pulses, 'during', 'longest_ms'):.0f} ms")
    row("pause of the manifest, median", f"{statistics.median(pauses):.0f} ms")
    row("  manifest / felt, each", " ".join(
        f"{p / f['longest_ms']:.2f}" for p, f in zip(pauses, pulses["during"])))
    row("size of the snapshot, time of the capture",
        f"{manifests[-1]['size_bytes'] / 1e6:.0f} MB, {manifests[-1]['duration_ns'] / 1e9:.2f} s")


def measure(options, major, megabytes):
    """The control is the same program anew, alone as the first was, that rests as long as each capture
    of the first took: what its age does to it, it does to both."""
    with Setting(options) as setting:
        pulses, taken = captured(Target(setting, major, megabytes), options.rounds)
    with Setting(options) as setting:
        control = Target(setting, major, megabytes).turns(
            options.rounds, lambda n: time.sleep(taken[n][1]))
    report(pulses, taken, control)


def main():
    options = arguments(__doc__, majors=(MAJORS, "Node versions"), rounds=(5, "captures"),
                        megabytes=("20,200", "of strings in the heap"))
    for major in map(int, options.majors.split(",")):
        for megabytes in map(int, options.megabytes.split(",")):
            print(f"Node {major}, {megabytes} MiB of strings")
            measure(options, major, megabytes)


if __name__ == "__main__":
    main()
