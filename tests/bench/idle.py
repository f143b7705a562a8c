#!/usr/bin/python3
"""What polling costs an idle Node: its CPU time (all threads) watched less unwatched, at fast polls
extrapolated to the default interval, and at the default interval itself."""

from setting import Meter, Setting, arguments, node, row

import time

DEFAULT_S = 5.0


def cpu_of(targets, seconds):
    meters = {major: Meter(target.process) for major, target in targets.items()}
    time.sleep(seconds)
    return {major: meter.read() for major, meter in meters.items()}


def watched(setting, targets, interval_ms, seconds):
    """{major: CPU seconds per poll, share of a core}"""
    watcher = setting.daemon({f"node{m}": t.address for m, t in targets.items()},
                             poll={"interval": f"{interval_ms}ms",
                                   "timeout": f"{min(interval_ms, 1000)}ms"})
    for major in targets:
        watcher.wait_up(f"node{major}")
    time.sleep(min(2.0, 3 * interval_ms / 1000))
    count = {m: watcher.value("heapwatch_polls_total", target=f"node{m}") for m in targets}
    spent = cpu_of(targets, seconds)
    found = {}
    for major, (cpu, wall) in spent.items():
        polls = watcher.value("heapwatch_polls_total", target=f"node{major}") - count[major]
        found[major] = (polls, cpu, wall)
    watcher.process.stop()
    return found


def main():
    options = arguments(__doc__, majors=("20,22,24,26", "Node versions"), fast=(100, "ms per poll"),
                        seconds=(20.0, "of fast polls"), slow=(60.0, "seconds at the default"))
    with Setting(options) as setting:
        majors = [int(m) for m in options.majors.split(",")]
        targets = {m: setting.node(m, "idle") for m in majors}
        time.sleep(2)  # they are still busy with their start
        alone = cpu_of(targets, options.seconds)
        fast = watched(setting, targets, options.fast, options.seconds)
        slow = watched(setting, targets, int(DEFAULT_S * 1000), options.slow)
        for major in majors:
            base = alone[major][0] / alone[major][1]
            print(f"Node {major}: idle, {node.Node.version(targets[major])}")
            row("unwatched", f"{base:.4%} of a core")
            polls, cpu, wall = fast[major]
            per_poll = (cpu - base * wall) / polls
            row(f"per poll ({polls:.0f} polls, every {options.fast} ms)",
                f"{per_poll * 1e6:.0f} us")
            row(f"extrapolated to every {DEFAULT_S:g} s", f"{per_poll / DEFAULT_S:.4%} of a core")
            polls, cpu, wall = slow[major]
            row(f"measured at every {DEFAULT_S:g} s ({polls:.0f} polls)",
                f"{cpu / wall - base:.4%} of a core")


if __name__ == "__main__":
    main()
