"""Snapshots of programs/hoard.js, which leaks in known places: three in turn, with work between."""

from . import cdp, node, snapshots

# What each leak of the program is called by: class of what accumulates, class that holds it, and
# the variable or property it is held as.
PLANTED = {
    "sessions": ("SessionRecord", "Map", "sessions"),
    "listeners": ("Function", "Array", "tick"),
    "timers": ("Timeout", "TimersList", None),
    "callbacks": ("Function", "Array", "callbacks"),
    "history": ("HistoryEntry", "Object", "log"),
    "requests": ("RequestTrace", "Array", "traces"),
}
EACH = 1500  # requests between two snapshots


def by_cdp(nursery, home, major, *leaks, n=3):
    """Paths of snapshots of one CDP session, in which ids last."""
    program = node.Node(nursery, major, "hoard", *leaks)
    paths = [home / f"node{major}-{i + 1}.heapsnapshot" for i in range(n)]
    with cdp.Client(program.port, limit_s=60) as client:
        client.call("HeapProfiler.enable")
        for i, path in enumerate(paths):
            if i > 0:
                assert client.evaluate(f"hoard.work({EACH})") > 0
            snapshots.take_one(client, path)
    return paths


def by_daemon(daemon, target, program, n=3):
    """Captures of the daemon, which switches the profiler off after each: ids do not last."""
    paths = []
    for i in range(n):
        if i > 0:
            program.nudge(r"^served (\d+)")
        paths.append(daemon.capture(target, force=True))
    return paths


def named(report):
    """What a report says accumulates, as in PLANTED."""
    last = [(s["class"].split(",")[-1], s["holder_class"].split(",")[-1], s["held_as"])
            for s in report["suspects"]]
    # The lists of timers hang on an object of Node's that goes by other names in other versions.
    return sorted((c, h, None if h == "TimersList" else name) for c, h, name in last)
