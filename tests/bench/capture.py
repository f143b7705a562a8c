#!/usr/bin/python3
"""What a capture of a real Node costs: its wall time over that of a bare socket reader (reader.c)
of the same heap, in turns; memory and CPU of the daemon; and what others feel meanwhile."""

from setting import (MIB, Background, Meter, Setting, arguments, forget_peak, peak_rss, percentile,
                     row)

import json
import statistics
import time
import urllib.request

OBJECTS = 12345
OTHERS = 3  # idle targets that are polled meanwhile
SCRAPE_PAUSE_S = 0.01


def path_of(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=20) as listed:
        entry = json.loads(listed.read(int(listed.headers["Content-Length"])))[0]
    return "/" + entry["webSocketDebuggerUrl"].split("/", 3)[3]


class Bench:
    def __init__(self, setting, major, megabytes):
        self.setting = setting
        self.target = setting.node(major, "heap", OBJECTS, megabytes, flags=(
            "--max-old-space-size=8192",))
        others = {f"other{i}": setting.node(major, "idle").address for i in range(OTHERS)}
        self.daemon = setting.daemon({"big": self.target.address, **others},
                                     poll={"interval": "500ms", "timeout": "400ms"})
        for name in ("big", *others):
            self.daemon.wait_up(name)
        self.path = path_of(self.target.port)
        self.results = []

    def read(self):
        return self.setting.run_tool("reader", self.target.address, self.path)["seconds"]

    def other_polls(self):
        found = self.daemon.values("heapwatch_polls_total")
        return sum(v for labels, v in found if labels["target"] != "big")

    def scrape(self):
        began = time.monotonic()
        assert self.daemon.get("/metrics").status == 200
        return time.monotonic() - began

    def capture(self):
        """One snapshot from the request to the file in ready/, which is removed again."""
        pid = self.daemon.process.pid
        self.daemon.wait_up("big", 60)
        self.scrape()
        level, polls = self.daemon.process.rss_bytes(), self.other_polls()
        forget_peak(pid)
        meter = Meter(self.daemon.process)
        with Background(self.scrape, SCRAPE_PAUSE_S) as scrapes:
            snapshot = self.daemon.capture("big", limit_s=900)
            cpu, wall = meter.read()
        manifest = json.loads(snapshot.with_name(snapshot.name + ".json").read_text())
        due = OTHERS * wall / 0.5
        self.results.append({
            "wall": wall, "cpu": cpu, "bytes": manifest["size_bytes"],
            "download": manifest["duration_ns"] / 1e9, "growth": peak_rss(pid) - level,
            "p99": percentile(scrapes.values, 0.99), "scrapes": len(scrapes.values),
            "polled": (self.other_polls() - polls) / due,
        })
        (entry,) = self.daemon.api("/captures")["ready"]
        self.daemon.get(f"/api/v1/captures/{entry['id']}", method="DELETE")
        return wall


def report(major, rounds, reads, walls, results):
    median = {key: statistics.median(r[key] for r in results) for key in results[0]}
    size = median["bytes"] / 1e9
    print(f"Node {major}, {size:.3f} GB of file, {rounds} rounds")
    row("bare reader: median, least", f"{statistics.median(reads):.2f} s, {min(reads):.2f} s")
    row("capture: median, least", f"{statistics.median(walls):.2f} s, {min(walls):.2f} s")
    row("capture / bare reader: of medians, of the least",
        f"{statistics.median(walls) / statistics.median(reads):.3f}, {min(walls) / min(reads):.3f}")
    row("  each round", " ".join(f"{w / r:.3f}" for w, r in zip(walls, reads)))
    row("download alone (manifest), median", f"{median['download']:.2f} s")
    row("RSS growth of the daemon: median, most",
        f"{median['growth'] / MIB:.1f} MiB, {max(r['growth'] for r in results) / MIB:.1f} MiB")
    row("CPU of the daemon per GB", f"{median['cpu'] / size:.2f} s")
    row(f"/metrics p99 meanwhile ({median['scrapes']:.0f} scrapes)", f"{median['p99'] * 1e3:.1f} ms")
    row("polls of other targets that were done / due", f"{median['polled']:.2f}")


def main():
    options = arguments(__doc__, majors=("24", "Node versions"), rounds=(3, "of each kind"),
                        megabytes=("200,1024", "of strings in the heap"))
    for major in map(int, options.majors.split(",")):
        for megabytes in map(int, options.megabytes.split(",")):
            with Setting(options) as setting:
                bench = Bench(setting, major, megabytes)
                bench.read()  # the first one makes the target's memory grow
                bench.capture()
                bench.results.clear()
                reads, walls = [], []
                for _ in range(options.rounds):
                    reads.append(bench.read())
                    walls.append(bench.capture())
                report(major, options.rounds, reads, walls, bench.results)


if __name__ == "__main__":
    main()
