#!/usr/bin/python3
"""What a capture of a real Node costs: its wall time over that of a bare socket reader (reader.c)
of the same heap, in turns; memory and CPU of the daemon; and what others feel meanwhile."""

from setting import (MIB, Background, Meter, Setting, arguments, forget_peak, peak_rss, percentile,
                     row, until)

import json
import statistics
import time
import urllib.request

OBJECTS = 12345
OTHERS = 3  # idle targets that are polled meanwhile
SCRAPE_PAUSE_S = 0.01
POLL_S = 0.5


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
        """One snapshot from the request to the file in ready/, which is removed again; its wall
        time, the daemon's CPU and memory, and the manifest's account."""
        pid = self.daemon.process.pid
        self.daemon.wait_up("big", 60)
        level = self.daemon.process.rss_bytes()
        forget_peak(pid)
        meter = Meter(self.daemon.process)
        snapshot = self.daemon.capture("big", limit_s=900)
        cpu, wall = meter.read()
        grown = peak_rss(pid) - level
        manifest = json.loads(snapshot.with_name(snapshot.name + ".json").read_text())
        (entry,) = until(lambda: self.daemon.api("/captures")["ready"], "in the index")
        self.daemon.get(f"/api/v1/captures/{entry['id']}", method="DELETE")
        return {"wall": wall, "cpu": cpu, "grown": grown, "bytes": manifest["size_bytes"],
                "download": manifest["duration_ns"] / 1e9}

    def capture_and_scrape(self):
        """What others feel: (seconds of each scrape, polls of other targets done / due). Scraping
        takes CPU from everybody, hence a capture of its own, whose time does not count."""
        polls = self.other_polls()
        with Background(self.scrape, SCRAPE_PAUSE_S) as scrapes:
            wall = self.capture()["wall"]
        return scrapes.values, (self.other_polls() - polls) / (OTHERS * wall / POLL_S)


def report(title, first, reads, captures, scraped):
    median = {key: statistics.median(c[key] for c in captures) for key in captures[0]}
    size, walls, (scrapes, polled) = median["bytes"] / 1e9, [c["wall"] for c in captures], scraped
    print(f"{title}, {size:.3f} GB of file, {len(reads)} rounds")
    row("bare reader: median, least", f"{statistics.median(reads):.2f} s, {min(reads):.2f} s")
    row("capture: median, least", f"{median['wall']:.2f} s, {min(walls):.2f} s")
    row("capture / bare reader: of medians, of the least",
        f"{median['wall'] / statistics.median(reads):.3f}, {min(walls) / min(reads):.3f}")
    row("  each round", " ".join(f"{w / r:.3f}" for w, r in zip(walls, reads)))
    row("until the file is synced (manifest), median", f"{median['download']:.2f} s")
    row("RSS growth of the daemon: first capture, later ones",
        f"{first['grown'] / MIB:.1f} MiB, {median['grown'] / MIB:.1f} MiB")
    row("CPU of the daemon per GB, polling included", f"{median['cpu'] / size:.2f} s")
    row(f"/metrics p50, p99, most meanwhile ({len(scrapes)} scrapes)", ", ".join(
        f"{percentile(scrapes, share) * 1e3:.1f}" for share in (0.5, 0.99, 1)) + " ms")
    row("polls of other targets meanwhile, done / due", f"{polled:.2f}")


def main():
    options = arguments(__doc__, majors=("24", "Node versions"), rounds=(3, "of each kind"),
                        megabytes=("200,1024", "of strings in the heap"))
    for major in map(int, options.majors.split(",")):
        for megabytes in map(int, options.megabytes.split(",")):
            with Setting(options) as setting:
                bench = Bench(setting, major, megabytes)
                bench.read()  # the first one makes the target's memory grow
                first, reads, captures = bench.capture(), [], []
                for _ in range(options.rounds):
                    reads.append(bench.read())
                    captures.append(bench.capture())
                report(f"Node {major}", first, reads, captures, bench.capture_and_scrape())


if __name__ == "__main__":
    main()
