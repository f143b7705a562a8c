"""How long the ids of objects in snapshots of JavaScriptCore last: over connections, until its domain
Heap, which was enabled, is disabled (docs/RUNTIMES.md, "WebKit")."""

import json

import pytest

from lab import jsc, webkit
from lab.bun import Bun
from lab.ctl import Ctl
from lab.daemon import PLAIN, POLL

COUNT = 5000
PATHS = {"gtk": webkit.GTK, "wpe": webkit.WPE}


@pytest.fixture
def connect(request, nursery, tmp_path):
    if request.param == "bun":
        return jsc.bun(Bun(nursery, str(COUNT)))
    browser = webkit.Browser(nursery, tmp_path / "browser", PATHS[request.param])
    browser.grow(COUNT)
    return jsc.page(browser)


def said(connect, *methods, script=None):
    """On a connection of its own; what the last of it is answered. Nothing is on its way to who leaves."""
    client, call = connect()
    if script is not None:
        call("Runtime.evaluate", expression=script)
    answer = [call(method) for method in methods][-1]
    if "Heap.enable" in methods and methods[-1] != "Heap.disable":
        call("Heap.disable")
    client.leave()
    return answer


TAKEN = ("Heap.gc", "Heap.snapshot")


def known(answer):
    """The ids of the known objects, and whether there are ids of what is gone: none where all began anew."""
    snapshot = json.loads(answer["snapshotData"])
    class_ = snapshot["nodeClassNames"].index("KnownThing")
    nodes = snapshot["nodes"]
    ids = {id_ for id_, its in zip(nodes[0::4], nodes[2::4]) if its == class_}
    assert len(ids) == COUNT
    return ids, max(nodes[0::4]) >= len(nodes) // 4


def leave_a_gap(connect):
    """What had ids is gone, and what came after it has others, if they last."""
    said(connect, *TAKEN, script="globalThis.held = Array.from({ length: 3000 }, () => ({})); 0")
    return known(said(connect, *TAKEN, script="globalThis.held = [{}]; 0"))


@pytest.mark.parametrize("connect", ["bun", "gtk", "wpe"], indirect=True)
def test_until_who_enabled_heap_leaves(connect):
    first, gap = known(said(connect, *TAKEN))
    assert not gap and known(said(connect, *TAKEN)) == (first, False)
    assert leave_a_gap(connect) == (first, True)
    # It has been there all the time, whoever comes last.
    assert known(said(connect, "Heap.enable", *TAKEN)) == (first, True)
    later, gap = known(said(connect, *TAKEN))
    assert not gap and leave_a_gap(connect) == (later, True)
    said(connect, "Heap.enable", "Heap.disable")
    assert not known(said(connect, *TAKEN))[1]


@pytest.mark.parametrize("events, by", [("never", "ids"), ("always", "classes")])
def test_of_a_page_that_is_polled(nursery, watch, tmp_path, events, by):
    """To be told of its collections we enable Heap, and disable it when we leave for a capture."""
    browser = webkit.Browser(nursery, tmp_path / "browser")
    browser.grow(COUNT)
    daemon = watch(app=browser.address, sections={"capture": dict(PLAIN, guards={"headroom": 0}),
                                                  "poll": dict(POLL, gc_events=events)})
    daemon.wait_up("app")
    paths = []
    for _ in range(2):
        paths.append(daemon.capture("app", isolate="page:1", gc_before=True))
        daemon.wait_polled("app")  # which enables it anew
    assert Ctl().json("diff", *paths, "--json=short")["matched_by"] == by
