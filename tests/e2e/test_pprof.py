"""Profiles of pprof's as heapwatchctl reads them: ours, packed and sealed in any way; those that Go
writes; and what is none, or damaged."""

import gzip
import json
import os
import re
import subprocess
from xml.etree import ElementTree

import pytest

from lab import daemon as daemons, node as nodes, proc, readers
from lab.cdp import Client, is_sampling
from lab.ctl import Ctl
from lab.daemon import PLAIN
from lab.readers import TESTS
from lab.wait import until

# What a Go 1.19 program wrote of itself by pprof.WriteHeapProfile(): programs/heap.go says how.
GO = TESTS / "e2e" / "samples" / "go-heap.pb.gz"


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The files of one profile of programs/allocate.js: (.heapprofile, .pb.gz)"""
    home = tmp_path_factory.mktemp("both")
    nursery = proc.Nursery()
    try:
        node = nodes.Node(nursery, 24, "allocate")
        daemon = daemons.Daemon(nursery, home / "daemon",
                                daemons.static_config({"app": node.address}, capture=PLAIN))
        daemon.wait_up("app")
        wish = {"kind": "sampling", "duration": "2s", "interval": "1KiB",
                "format": ["heapprofile", "pprof"]}
        assert daemon.post("/api/v1/targets/app/captures", json.dumps(wish).encode(),
                           {"Content-Type": "application/json"}).status == 202
        with Client(node.port) as client:
            until(lambda: is_sampling(client), "it samples")
        node.nudge(r"^kept (\d+)")
        ready = until(lambda: (c := daemon.api("/captures")["ready"]) and len(c) == 2 and c,
                      lambda: f"two files; log:\n{daemon.tail()}")
        names = {c["format"]: c["name"] for c in ready}
        found = []
        for form in ("heapprofile", "pb.gz"):
            found.append(home / f"app.{form}")
            found[-1].write_bytes((daemon.storage / "spool" / "ready" / names[form]).read_bytes())
        return tuple(found)
    finally:
        nursery.close()


def top(*args):
    return Ctl().json("profile", "top", *args, "--top=0")


def test_both_files_say_the_same(both, tmp_path):
    v8, packed = both
    assert top(packed) == top(v8)
    assert top(v8)["functions"][0]["function"] == "keepMany"
    twice = top(v8, packed)
    assert {row["function"]: row["self_bytes"] for row in twice["functions"]} == \
        {row["function"]: 2 * row["self_bytes"] for row in top(v8)["functions"]}
    assert (twice["what"], twice["interval_bytes"], twice["duration_seconds"]) == ("live", 1024, 4)
    assert Ctl().json("profile", "diff", v8, packed)["functions"] == []
    (tmp_path / "all").write_text(re.sub('"what": ?"live"', '"what":"allocated"', v8.read_text()))
    said = [Ctl()("profile", "diff", base, packed).stderr for base in (v8, tmp_path / "all")]
    assert said[0] == "" and "one of them is of what lives, the other of all" in said[1]
    Ctl()("profile", "flame", v8, "-o", tmp_path / "v8.svg")
    Ctl()("profile", "flame", packed, "-o", tmp_path / "packed.svg")
    frames = [[ElementTree.tostring(g) for g in ElementTree.parse(tmp_path / name).findall(".//{*}g")]
              for name in ("v8.svg", "packed.svg")]
    assert frames[0] == frames[1] and len(frames[0]) > 3
    Ctl()("profile", "pprof", packed, "-o", tmp_path / "again.pb.gz")
    assert top(tmp_path / "again.pb.gz") == top(packed)
    assert readers.pprof(tmp_path / "again.pb.gz")["self"] == readers.pprof(packed)["self"]


def test_however_it_is_packed(both, tmp_path):
    v8, packed = both
    wanted = top(v8)
    plain, zst, sealed, key = (tmp_path / name for name in ("a.pb", "a.zst", "a.age", "key"))
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    assert top(plain) == wanted
    subprocess.run(["zstd", "-q", packed, "-o", zst], check=True)
    assert top(zst) == wanted
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    subprocess.run(["age", "-e", "-i", key, "-o", sealed, zst], check=True)
    assert top(sealed, f"--identity={key}") == wanted
    assert "--identity FILE" in Ctl()("profile", "top", sealed, exit=1).stderr


def test_as_go_writes_it_again(both, tmp_path):
    """Its own encoder, which knows of no columns."""
    v8, packed = both
    again = tmp_path / "again.pb.gz"
    subprocess.run(["/usr/lib/go-1.19/bin/go", "tool", "pprof", "-proto", f"-output={again}", packed],
                   check=True, capture_output=True, env=dict(os.environ, HOME=str(tmp_path)))

    def rows(path):
        sums = {}
        for row in top(path)["functions"]:
            key = row["function"], row["url"], row["line"]
            sums[key] = [a + b for a, b in zip(sums.get(key, (0, 0)), (row["self_bytes"], row["self_count"]))]
        return {key: both for key, both in sums.items() if any(both)}
    assert rows(again) == rows(v8)
    (was, now) = top(v8), top(again)
    for member in ("what", "counted", "interval_bytes", "duration_seconds", "bytes", "count"):
        assert now[member] == was[member], member


def test_what_a_program_of_go_writes():
    """The functions, and what each has, are those of `go tool pprof`."""
    table = top(GO)
    assert (table["what"], table["counted"], table["interval_bytes"]) == ("live", "objects", 524288)
    for column, key in (("inuse_space", "self_bytes"), ("inuse_objects", "self_count")):
        told = readers.go_pprof(GO, column)
        own = {row["function"]: row[key] for row in table["functions"] if row[key] > 0}
        assert own == {name.removesuffix(" (inline)"): n for name, n in told["functions"] if n > 0}
    assert table["bytes"] == readers.go_pprof(GO, "inuse_space")["total"]
    rows = {row["function"]: row for row in table["functions"]}
    # One that was inlined into the other.
    made, kept = rows["main.makeOne"], rows["main.keepMany"]
    assert table["functions"][0] == made and made["url"].endswith("heap.go")
    assert kept["total_bytes"] == kept["self_bytes"] + made["total_bytes"]
    assert rows["main.main"]["self_bytes"] == 0 < kept["total_bytes"] < rows["main.main"]["total_bytes"]


def test_what_is_none_is_told(both, tmp_path):
    _, packed = both
    whole = packed.read_bytes()
    bare = gzip.decompress(whole)
    path = tmp_path / "file.pb.gz"

    def said(content, command="top"):
        path.write_bytes(content)
        return Ctl(cwd=tmp_path)("profile", command, *[path] * (2 if command == "diff" else 1), exit=1).stderr
    assert "gzip: cut short" in said(whole[:len(whole) // 2])
    none = "no profile of V8's (.heapprofile) or pprof's (.pb.gz), or it is damaged"
    for content in (b"", bare[:len(bare) // 2], b"\x0a\xff" + bare, b"some words\n" * 99, b"{}",
                    os.urandom(1 << 16), b"\xff" * 4096, b"\x12" * 4096):
        for command in ("top", "flame", "pprof", "diff"):
            assert none in said(content, command), content[:20]
    assert list(tmp_path.iterdir()) == [path]
    # Nanoseconds of a processor.
    assert "nothing in it is of bytes" in said(gzip.compress(
        b"\x0a\x04\x08\x01\x10\x02\x32\x00\x32\x03cpu\x32\x0bnanoseconds"))


def varint(value):
    out = b""
    while value > 0x7f:
        out, value = out + bytes([value & 0x7f | 0x80]), value >> 7
    return out + bytes([value])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def test_few_bytes_that_would_be_much_are_refused(tmp_path):
    """A stack of a million calls, and a gigabyte of nothing in a megabyte."""
    texts = b"".join(field(6, text) for text in (b"", b"space", b"bytes", b"f"))
    column = field(1, b"\x08\x01\x10\x02")
    function = field(5, b"\x08\x01\x10\x03")
    location = field(4, b"\x08\x01" + field(4, b"\x08\x01"))
    deep = field(2, field(1, b"\x01" * (1 << 20)) + field(2, b"\x01"))
    path = tmp_path / "deep.pb.gz"
    path.write_bytes(gzip.compress(texts + column + function + location + deep))
    assert "more calls, or deeper ones" in Ctl()("profile", "top", path, exit=1).stderr
    bomb = tmp_path / "bomb.pb.gz"
    with gzip.open(bomb, "wb", compresslevel=1) as out:
        for _ in range(256):
            out.write(b"\0" * (1 << 20))
    assert "takes more than the 64 MiB" in \
        Ctl()("profile", "top", bomb, "--memory-max=64MiB", exit=4).stderr
