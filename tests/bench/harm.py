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

    def life(self, between):
        """Its pulse before, over between(), and right after."""
        before = self.over(SPAN_S)
        self.daemon.wait_up("app", 60)
        self.pulse()
        between()
        return {"before": before, "during": self.pulse(), "after": self.over(SPAN_S)}


def captured(options, major, megabytes):
    """(its pulses, the capture's manifest, seconds)"""
    with Setting(options) as setting:
        target, taken = Target(setting, major, megabytes), []
        pulses = target.life(lambda: taken.append(target.capture()))
        return pulses, *taken[0]


def left_alone(options, major, megabytes, seconds):
    with Setting(options) as setting:
        return Target(setting, major, megabytes).life(lambda: time.sleep(seconds))


def shares(lives, when, key):
    return [life[when][key] / life["before"][key] for life in lives]


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def report_pace(what, key, lives, controls):
    """Beside the controls, of which the same was asked at the same moments of their lives."""
    after, control = shares(lives, "after", key), shares(controls, "after", key)
    row(f"{what} before", f"{statistics.median(life['before'][key] for life in lives):.0f}")
    row("  during / before", spread(shares(lives, "during", key)))
    row("  after / before", spread(after))
    row("  the same without a capture", spread(control))
    row("  with / without, of the medians",
        f"{statistics.median(after) / statistics.median(control):.2f}")


def report(lives, manifests, seconds, controls):
    report_pace("objects per ms of its own time", "objects", lives, controls)
    report_pace("ticks a second", "ticks", lives, controls)
    felt = [life["during"]["longest_ms"] for life in lives]
    pauses = [manifest["pause_ns"] / 1e6 for manifest in manifests]
    row("pause felt inside, median", f"{statistics.median(felt):.0f} ms")
    row("pause of the manifest, median", f"{statistics.median(pauses):.0f} ms")
    row("  manifest / felt", spread([p / f for p, f in zip(pauses, felt)]))
    row("size of the snapshot, time of the capture",
        f"{manifests[-1]['size_bytes'] / 1e6:.0f} MB, {statistics.median(seconds):.2f} s")


def measure(options, major, megabytes):
    """In turns a program of which a capture is taken and, as the control, the same program anew that is
    left alone as long: what its age and the machine's mood do to the one, they do to the other."""
    lives, manifests, seconds, controls = [], [], [], []
    for _ in range(options.rounds):
        life, manifest, took = captured(options, major, megabytes)
        lives.append(life)
        manifests.append(manifest)
        seconds.append(took)
        controls.append(left_alone(options, major, megabytes, took))
    report(lives, manifests, seconds, controls)


def main():
    options = arguments(__doc__, majors=(MAJORS, "Node versions"), rounds=(9, "programs captured, and as many left alone"),
                        megabytes=("20,200", "of strings in the heap"))
    for major in map(int, options.majors.split(",")):
        for megabytes in map(int, options.megabytes.split(",")):
            print(f"Node {major}, {megabytes} MiB of strings")
            measure(options, major, megabytes)


if __name__ == "__main__":
    main()
