"""Collections of garbage: forced through the daemon, and as it counts those that are told."""

import json

from .daemon import POLL

EVENTS = dict(POLL, gc_events="always")
GC = "heapwatch_gc_"
# Flags of a Node whose young generation is full several times a second: with a larger one V8 may make
# nothing but major collections of programs/garbage.js.
BUSY = ("--max-semi-space-size=2",)
# What has a page or a worker make garbage steadily.
LITTER = "setInterval(() => { for (let k = 0, a = []; k < 20000; k++) a.push({ k }); }, 10); 1"


def force(daemon, target="app", **wishes):
    return daemon.post(f"/api/v1/targets/{target}/gc", json.dumps(wishes).encode(),
                       {"Content-Type": "application/json"})


def forced(daemon, target="app", **wishes):
    daemon.wait_up(target)
    answer = force(daemon, target, **wishes)
    assert answer.status == 200, (answer.status, answer.text, daemon.tail())
    return answer.json()["data"]


def counts(daemon, kind, isolate="main", what="pause_seconds"):
    """(how many, seconds in all)"""
    n, seconds = daemon.at_once(GC + what + "_count", GC + what + "_sum",
                                target="app", isolate=isolate, kind=kind)
    return n or 0, seconds or 0


def told(daemon):
    """The isolates of which anything is told."""
    return {labels["isolate"] for name, labels, _ in daemon.samples() if name.startswith(GC)}
