#!/usr/bin/python3
"""CPU and RSS of the daemon per polled connection, beside the least that the same requests cost.

One process plays all targets with the recorded answers of a real Node 24 (fleet.c); a bare loop
(poller.c) asks the same ones the same things in turn with the daemon."""

from setting import MIB, Meter, Setting, arguments, row, until

import re
import time


def total(text, name):
    """The sum of all samples; a parser would be too slow for so many, and keep a core busy."""
    return sum(float(n) for n in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.M))


def metrics_of(watcher):
    answer = watcher.get("/metrics")
    assert answer.status == 200, (answer.status, answer.text)
    return answer.text


def wait_all_up(watcher, count, limit_s):
    seen = []

    def holds():
        seen[:] = [total(metrics_of(watcher), "heapwatch_up")]
        return seen[0] == count
    until(holds, lambda: f"{count} targets up: {seen[0]:.0f}", limit_s, step_s=1 + count / 2000)


def measure(setting, targets, port, tape, interval_ms, seconds):
    watcher = setting.daemon({}, poll={"interval": f"{interval_ms}ms", "timeout": "1s"})
    until(lambda: watcher.get("/metrics").status == 200, "metrics")
    empty = watcher.process.rss_bytes()
    watcher.configure({"poll": {"interval": f"{interval_ms}ms", "timeout": "1s"},
                       "targets": [{"name": n, "address": a} for n, a in targets.items()]})
    watcher.process.signal(1)
    wait_all_up(watcher, len(targets), 60 + 2 * interval_ms / 1000 + len(targets) / 50)
    time.sleep(2 * interval_ms / 1000)
    resident = watcher.process.rss_bytes() - empty
    before, meter = metrics_of(watcher), Meter(watcher.process)
    time.sleep(seconds)
    cpu, wall = meter.read()
    after = metrics_of(watcher)
    polled = total(after, "heapwatch_polls_total") - total(before, "heapwatch_polls_total")
    failures = (total(after, "heapwatch_poll_failures_total") -
                total(before, "heapwatch_poll_failures_total"))
    watcher.process.stop()
    floor = setting.run_tool("poller", tape, port, len(targets), interval_ms, int(seconds))
    per_poll, floor_per_poll = cpu / polled, floor["cpu_seconds"] / floor["polls"]
    print(f"{len(targets)} targets, each every {interval_ms / 1000:g} s, for {wall:.0f} s")
    row("polls per second (due)", f"{polled / wall:.0f} ({len(targets) * 1000 / interval_ms:.0f})")
    row("polls failed", f"{failures:.0f}")
    row("CPU of one core", f"{cpu / wall:.2%}")
    row("CPU per poll, daemon", f"{per_poll * 1e6:.0f} us")
    row("CPU per poll, bare loop", f"{floor_per_poll * 1e6:.0f} us")
    row("daemon / bare loop", f"{per_poll / floor_per_poll:.2f}")
    row("RSS without targets", f"{empty / MIB:.1f} MiB")
    row("RSS per target", f"{resident / len(targets) / 1024:.1f} KiB")


def main():
    options = arguments(__doc__, targets=(1000, "how many"), seconds=(30.0, "of each measurement"),
                        intervals=("5000,1000", "of the polls, in ms"))
    with Setting(options) as setting:
        targets, port, tape = setting.fleet(options.targets)
        for interval_ms in map(int, options.intervals.split(",")):
            measure(setting, targets, port, tape, interval_ms, options.seconds)


if __name__ == "__main__":
    main()
