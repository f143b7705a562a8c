#!/usr/bin/python3
"""What a capture of a real Node costs, stage by stage: its wall time over that of a bare socket
reader (reader.c) of the same heap, in turns; memory and CPU of the daemon; and what others feel
meanwhile."""

from setting import (MIB, Background, Meter, Setting, arguments, forget_peak, peak_rss, percentile,
                     row, until)

import json
import statistics
import subprocess
import time
import urllib.request

OTHERS = 3  # idle targets that are polled meanwhile
SCRAPE_PAUSE_S = 0.01
POLL_S = 0.5
PLAIN = {"redact": "none", "compress": "none", "encrypt": []}
CAPTURE = dict(PLAIN, guards={"headroom": 0}, file_max="64GiB", scripts=False, diagnostics=False,
               allow_weaker=True)


def recipes():
    """What is asked of the daemon, one stage more in each."""
    made = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True)
    key = made.stderr.split()[-1]
    return {"plain": PLAIN,
            "redact": dict(PLAIN, redact="strings"),
            "redact, zstd": dict(PLAIN, redact="strings", compress="zstd"),
            "redact, zstd, age": dict(redact="strings", compress="zstd", encrypt=[key])}


def path_of(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=20) as listed:
        entry = json.loads(listed.read(int(listed.headers["Content-Length"])))[0]
    return "/" + entry["webSocketDebuggerUrl"].split("/", 3)[3]


class Bench:
    def __init__(self, setting, major, objects, megabytes):
        self.setting = setting
        self.target = setting.node(major, "heap", objects, megabytes, flags=(
            "--max-old-space-size=16384",), limit_s=300)
        others = {f"other{i}": setting.node(major, "idle").address for i in range(OTHERS)}
        self.daemon = setting.daemon({"big": self.target.address, **others},
                                     poll={"interval": "500ms", "timeout": "400ms"},
                                     capture=CAPTURE, spool={"max_use": "64GiB"})
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

    def capture(self, recipe):
        """One snapshot from the request to the file in ready/, which is removed again; its wall
        time, the daemon's CPU and memory, and the manifest's account."""
        pid = self.daemon.process.pid
        self.daemon.wait_up("big", 60)
        level = self.daemon.process.rss_bytes()
        forget_peak(pid)
        meter = Meter(self.daemon.process)
        snapshot = self.daemon.capture("big", limit_s=900, **recipe)
        cpu, wall = meter.read()
        grown = peak_rss(pid) - level
        manifest = json.loads(snapshot.with_name(snapshot.name + ".json").read_text())
        (entry,) = until(lambda: self.daemon.api("/captures")["ready"], "in the index")
        self.daemon.get(f"/api/v1/captures/{entry['id']}", method="DELETE")
        return {"wall": wall, "cpu": cpu, "grown": grown, "bytes": manifest["size_bytes"],
                "file": manifest["file_bytes"], "peak": level + grown,
                "download": manifest["duration_ns"] / 1e9}

    def capture_and_scrape(self, recipe):
        """What others feel: (seconds of each scrape, polls of other targets done / due). Scraping
        takes CPU from everybody, hence a capture of its own, whose time does not count."""
        polls = self.other_polls()
        with Background(self.scrape, SCRAPE_PAUSE_S) as scrapes:
            wall = self.capture(recipe)["wall"]
        return scrapes.values, (self.other_polls() - polls) / (OTHERS * wall / POLL_S)


def report_stage(name, reads, captures):
    median = {key: statistics.median(c[key] for c in captures) for key in captures[0]}
    size, walls = median["bytes"] / 1e9, [c["wall"] for c in captures]
    print(f"  {name}: {size:.3f} GB, {median['file'] / 1e9:.3f} GB of file")
    row("  capture: median, least", f"{median['wall']:.2f} s, {min(walls):.2f} s")
    row("  capture / bare reader: of medians, of the least",
        f"{median['wall'] / statistics.median(reads):.3f}, {min(walls) / min(reads):.3f}")
    row("    each round", " ".join(f"{w / r:.3f}" for w, r in zip(walls, reads)))
    row("  until the file is synced (manifest), median", f"{median['download']:.2f} s")
    row("  CPU of the daemon per GB, polling included", f"{median['cpu'] / size:.2f} s")
    row("  RSS of the daemon: most, growth", f"{median['peak'] / MIB:.1f} MiB, "
        f"{median['grown'] / MIB:.1f} MiB")


def report_others(scrapes, polled):
    row(f"/metrics p50, p99, most meanwhile ({len(scrapes)} scrapes)", ", ".join(
        f"{percentile(scrapes, share) * 1e3:.1f}" for share in (0.5, 0.99, 1)) + " ms")
    row("polls of other targets meanwhile, done / due", f"{polled:.2f}")


def measure(bench, rounds):
    """Reader and stages in turns, after a first one of each that makes memories grow."""
    asked = recipes()
    bench.read()
    first = {name: bench.capture(recipe) for name, recipe in asked.items()}
    reads, captures = [], {name: [] for name in asked}
    for _ in range(rounds):
        reads.append(bench.read())
        for name, recipe in asked.items():
            captures[name].append(bench.capture(recipe))
    row("bare reader: median, least", f"{statistics.median(reads):.2f} s, {min(reads):.2f} s")
    for name, taken in captures.items():
        report_stage(name, reads, taken)
    row("RSS growth of the first capture of each kind", ", ".join(
        f"{c['grown'] / MIB:.1f}" for c in first.values()) + " MiB")
    report_others(*bench.capture_and_scrape(list(asked.values())[-1]))


def main():
    options = arguments(__doc__, majors=("24", "Node versions"), rounds=(3, "of each kind"),
                        megabytes=("200,1024", "of strings in the heap"),
                        objects=(12345, "small ones in it, each with another"))
    for major in map(int, options.majors.split(",")):
        for megabytes in map(int, options.megabytes.split(",")):
            with Setting(options) as setting:
                print(f"Node {major}, {options.objects} small objects and {megabytes} MiB of strings, "
                      f"{options.rounds} rounds")
                measure(Bench(setting, major, options.objects, megabytes), options.rounds)


if __name__ == "__main__":
    main()
