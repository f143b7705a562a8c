"""What each runtime of V8 takes amiss in the frames and heads of a client, and that we send none of
it: not for a poll, not for a capture. Node's part is in test_harm.py."""

import json

import pytest

from lab import cdp, readers
from lab.cases import COUNT, STARTS
from lab.daemon import PLAIN
from lab.relay import Relay

OTHERS = [name for name in STARTS if not name.startswith("node")]
# wrangler asks worker itself, by ids from here on, and lets the answers come to us.
IDS_OF_WRANGLER = 100_000_000


@pytest.fixture
def start(nursery, tmp_path):
    return lambda name: STARTS[name](nursery, tmp_path / "program")


@pytest.mark.parametrize("name", OTHERS)
def test_whole_masked_texts_and_no_header_too_many(start, watch, name):
    case = start(name)
    between = Relay(case.program.port)
    # What listens is not the program: its headroom cannot be seen.
    daemon = watch(app=f"127.0.0.1:{between.port}",
                   sections={"capture": dict(PLAIN, guards={"headroom": 0})})
    daemon.wait_up("app")
    snapshot = daemon.capture("app", isolate=case.isolate, gc_before=True)
    assert readers.parse(snapshot, "KnownThing")[2] == COUNT
    assert daemon.process.stop() == 0
    between.close()
    assert between.complaints() == []
    said = [json.loads(raw.decode("utf-8", errors="strict")) for raw in between.messages()]
    assert all(0 < message["id"] < IDS_OF_WRANGLER for message in said)
    assert all(set(message) <= {"id", "method", "params", "sessionId"} for message in said)
    assert "HeapProfiler.takeHeapSnapshot" in {message["method"] for message in said}


def test_chromium_refuses_an_origin(start):
    program = start("chromium").program
    path = f"/devtools/page/{program.page}"
    with pytest.raises(AssertionError, match="403"):
        cdp.Client(program.port, path=path, headers="Origin: http://example.com\r\n")
    with cdp.Client(program.port, path=path) as client:
        assert client.call("Runtime.getHeapUsage")["usedSize"] > 0


def test_wrangler_refuses_an_origin_and_the_name_of_a_program(start):
    program = start("wrangler").program
    for header, status in ("Origin: http://example.com", "401"), ("User-Agent: heapwatchd", "400"):
        with pytest.raises(AssertionError, match=status):
            cdp.Client(program.port, path="/ws", headers=header + "\r\n")


def test_deno_takes_each_fragment_for_a_message(start):
    """So one that came in two would be none."""
    with cdp.Client(start("deno").program.port) as client:
        whole = json.dumps({"id": 7, "method": "Runtime.getHeapUsage"}).encode()
        client.send_frame(0x01, whole[:10])
        client.send_frame(0x80, whole[10:])
        assert client.receive()["error"]["code"] == -32700


def test_workerd_leaves_who_counts_beyond_an_int32(start):
    program = start("workerd").program
    with cdp.Client(program.port, path="/main") as client:
        client.send_frame(0x81, b'{"id":2147483648,"method":"Runtime.getHeapUsage"}')
        with pytest.raises((ConnectionError, TimeoutError)):
            client.receive()
