"""Collections of garbage: forced through the daemon, and as it counts those that are told."""

import json

from .daemon import POLL
from .wait import until

EVENTS = dict(POLL, gc_events="always")
GC = "heapwatch_gc_"


def force(daemon, target="app", **wishes):
    return daemon.post(f"/api/v1/targets/{target}/gc", json.dumps(wishes).encode(),
                       {"Content-Type": "application/json"})


def forced(daemon, target="app", **wishes):
    """Not while the target is not up, as when the machine is busy and a poll goes unanswered."""
    daemon.wait_up(target)
    answer = until(lambda: (got := force(daemon, target, **wishes)).status != 503 and got,
                   lambda: f"{target} to be up; log:\n{daemon.tail()}")
    assert answer.status == 200, (answer.status, answer.text, daemon.tail())
    return answer.json()["data"]


def counts(daemon, kind, isolate="main", what="pause_seconds"):
    """(how many, seconds in all)"""
    labels = {"target": "app", "isolate": isolate, "kind": kind}
    return (daemon.value(GC + what + "_count", **labels) or 0,
            daemon.value(GC + what + "_sum", **labels) or 0)


def told(daemon):
    """The isolates of which anything is told."""
    return {labels["isolate"] for name, labels, _ in daemon.samples() if name.startswith(GC)}
