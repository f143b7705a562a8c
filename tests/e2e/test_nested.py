"""Workers that a worker has started: series of their own, captured by their names, gone with
themselves and with whoever started them."""

import json
import signal

import pytest

from lab import cdp, readers
from lab.chromium import Chromium, isolate
from lab.daemon import PLAIN
from lab.deno import Deno
from lab.gc import EVENTS, LITTER, counts, forced
from lab.wait import until

USED = "heapwatch_heap_used_bytes"

# A series that ends because its last values are stale ends after 11 s.
SLOWLY = {"interval": "3s", "timeout": "2s", "backoff_max": "1s"}
AT_ONCE_S = 6


def isolates(daemon):
    return {labels["isolate"] for labels, _ in daemon.values(USED, target="app")}


def wait_gone(daemon, gone, left, limit_s=AT_ONCE_S):
    until(lambda: not gone & isolates(daemon), lambda: f"{gone} gone; log:\n{daemon.tail()}", limit_s)
    assert not gone & set(daemon.isolates("app"))
    # Nor does anybody wait for what it was asked.
    stamp = daemon.value("heapwatch_last_poll_timestamp_seconds", target="app")
    daemon.wait_value("heapwatch_last_poll_timestamp_seconds", lambda v: v > stamp, target="app")
    assert daemon.state("app") == "up" and isolates(daemon) == left


def holds(daemon, name, thing, count):
    assert readers.devtools(daemon.capture("app", isolate=name), thing)[2] == count


def start(watch, program):
    daemon = watch(app=program.address, sections={"poll": SLOWLY,
                                                  "capture": dict(PLAIN, gc_interval="1s")})
    daemon.wait_up("app")
    return daemon


def test_node(start_node, watch, major):
    """Threads of a process have one list, whoever has started them."""
    node = start_node(major, "nested")
    daemon = start(watch, node)
    until(lambda: len(isolates(daemon)) == 3, lambda: f"{isolates(daemon)}; log:\n{daemon.tail()}")
    assert isolates(daemon) == {"main", "worker:1", "worker:2"}
    holds(daemon, "worker:1", "OuterThing", 4321)
    daemon.wait_up("app")
    holds(daemon, "worker:2", "InnerThing", 3456)
    assert forced(daemon, isolate="worker:2")["heap_after_bytes"] > 0
    node.nudge("^ended")
    wait_gone(daemon, {"worker:2"}, {"main", "worker:1"})
    node.nudge("^ready")
    until(lambda: len(isolates(daemon)) == 3, lambda: f"{isolates(daemon)}; log:\n{daemon.tail()}")
    node.process.signal(signal.SIGHUP)
    node.process.wait_line("^gone")
    wait_gone(daemon, {"worker:1", "worker:3"}, {"main"})


@pytest.fixture
def browser(nursery, tmp_path, site):
    return Chromium(nursery, tmp_path / "profile", site.url + "page.html")


def nest(client):
    assert cdp.in_worker(client, "globalThis.inner = new Worker('inner.js'), 1") == 1


def wait_inner(daemon, outer):
    inner, = until(lambda: [name for name in isolates(daemon) if name.startswith(outer + "/worker:")],
                   lambda: f"a worker of {outer}; log:\n{daemon.tail()}")
    return inner


def test_chromium(watch, browser):
    page = isolate(browser.page)
    with browser.client() as client:
        daemon = start(watch, browser)
        outer = daemon.wait_worker("app")
        assert outer.startswith(page + "/worker:")
        nest(client)
        inner = wait_inner(daemon, outer)
        holds(daemon, inner, "InnerThing", 3456)
        daemon.wait_up("app")
        holds(daemon, outer, "WorkerThing", 4321)
        assert forced(daemon, isolate=inner)["heap_after_bytes"] > 0
        cdp.in_worker(client, "inner.terminate(), 1")
        wait_gone(daemon, {inner}, {page, outer})
        nest(client)
        inner = wait_inner(daemon, outer)
        client.evaluate("worker.terminate(), 1")
        wait_gone(daemon, {inner, outer}, {page})


def test_collections_in_one_are_told(watch, browser):
    with browser.client() as client:
        daemon = watch(app=browser.address, sections={"poll": EVENTS})
        outer = daemon.wait_worker("app")
        nest(client)
        inner = wait_inner(daemon, outer)
        assert cdp.in_worker(client, f"inner.postMessage({json.dumps(LITTER)}), 1") == 1
        until(lambda: counts(daemon, "minor", inner)[0] > 3,
              lambda: f"collections of {inner}; log:\n{daemon.tail()}", 40)


def test_as_deep_as_names_go(watch, browser):
    """Of a page three; the fourth has no name, and does no harm."""
    page = isolate(browser.page)
    with browser.client() as client:
        nest(client)
        deeper = "globalThis.inner = new Worker('inner.js'), 1"
        cdp.in_worker(client, f"inner.postMessage({json.dumps(deeper)}), 1")
        deepest = f"inner.postMessage({json.dumps(deeper)}), 1"
        cdp.in_worker(client, f"inner.postMessage({json.dumps(deepest)}), 1")
        until(lambda: len(browser.targets("worker")) == 4, lambda: f"four, not {browser.targets('worker')}")
    daemon = start(watch, browser)
    until(lambda: len(isolates(daemon)) == 4, lambda: f"{isolates(daemon)}; log:\n{daemon.tail()}")
    names = sorted(isolates(daemon), key=len)
    assert names[0] == page and all(b.startswith(a + "/worker:") for a, b in zip(names, names[1:]))
    holds(daemon, names[-1], "InnerThing", 3456)
    daemon.wait_up("app")
    assert isolates(daemon) == set(names)


def test_no_more_of_them_than_a_target_may_have(watch, browser):
    """The page and its worker are all; who is beyond is asked nothing, nor attached to anything."""
    with browser.client() as client:
        nest(client)
        daemon = watch(app=browser.address, sections={"limits": {"isolates": 2}})
        daemon.wait_up("app")
        outer = daemon.wait_worker("app")
        until(lambda: isolates(daemon) == {isolate(browser.page), outer}, lambda: f"{isolates(daemon)}")
        polls = daemon.value("heapwatch_polls_total", target="app")
        daemon.wait_value("heapwatch_polls_total", lambda n: n > polls + 2, target="app")
        assert isolates(daemon) == {isolate(browser.page), outer}
        client.evaluate("worker.terminate(), 1")
        until(lambda: isolates(daemon) == {isolate(browser.page)}, lambda: f"{isolates(daemon)}")


def test_deno(nursery, watch, tmp_path):
    program = Deno(nursery, tmp_path / "deno", "10", "ending")
    # While a client is there the daemon is given no workers.
    with cdp.Client(program.port) as client:
        assert cdp.in_worker(client, "globalThis.inner = new Worker(location.href, {type: 'module'}), 1") == 1
    daemon = watch(app=program.address, sections={"capture": PLAIN})
    daemon.wait_up("app")
    until(lambda: len(isolates(daemon)) == 3, lambda: f"{isolates(daemon)}; log:\n{daemon.tail()}")
    assert isolates(daemon) == {"main", "worker:1", "worker:2"}
    for name in ("worker:1", "worker:2"):
        holds(daemon, name, "WorkerThing", 4321)
        daemon.wait_up("app")
    program.grow()
    # Nobody is there who could be told at once.
    wait_gone(daemon, {"worker:1", "worker:2"}, {"main"}, 20)
