#!/usr/bin/python3
"""A small heap snapshot out of a real one, for the fuzzers: a few nodes of each kind and those on the way
to them from the root, with what they refer to of each other. It is what its runtime would have written
of so little: JSC's JSON, or Gecko's messages without their gzip.

    cut.py FILE OUT [--each=2]"""

import argparse
import collections
import gzip
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from lab.fxsnapshot import varint  # noqa: E402


def choose(root, kinds, edges, each):
    """The ids to be kept: `each` of a kind at least, nearest to the root first."""
    above, order = {root: None}, collections.deque([root])
    kept, seen = {root}, collections.Counter()
    while order:
        id_ = order.popleft()
        if seen[kinds[id_]] < each:
            seen[kinds[id_]] += 1
            step = id_
            while step is not None and step not in kept:
                kept.add(step)
                step = above[step]
        for to in edges[id_]:
            if to not in above:
                above[to] = id_
                order.append(to)
    return kept


# ---- JSC ----

class Names:
    """A list of texts that are numbered by their first use."""

    def __init__(self, texts, first=()):
        self._from, self.texts = texts, list(first)
        self._numbers = {text: i for i, text in enumerate(self.texts)}

    def of(self, number):
        text = self._from[number]
        if text not in self._numbers:
            self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return self._numbers[text]


def rows_of(numbers, width):
    return [numbers[at:at + width] for at in range(0, len(numbers), width)]


def cut_jsc(data, each):
    found = json.loads(data)
    width = 4 if found["type"] == "Inspector" else 7
    nodes = rows_of(found["nodes"], width)
    rows = rows_of(found["edges"], 4)
    edges = collections.defaultdict(list)
    for from_, to, *_ in rows:
        edges[from_].append(to)
    kept = choose(0, {row[0]: (row[2], row[3]) for row in nodes}, edges, each)
    classes, names = Names(found["nodeClassNames"]), Names(found["edgeNames"])
    labels = Names(found.get("labels", []), first=found.get("labels", [])[:1])
    named = [i for i, kind in enumerate(found["edgeTypes"]) if kind in ("Property", "Variable")]
    found["nodes"] = [value for row in nodes if row[0] in kept
                      for value in (row[0], row[1], classes.of(row[2]), row[3],
                                    *([labels.of(row[4])] if width > 4 else []), *row[5:])]
    found["edges"] = [value for row in rows if {row[0], row[1]} <= kept
                      for value in (*row[:3], names.of(row[3]) if row[2] in named else row[3])]
    found["nodeClassNames"], found["edgeNames"] = classes.texts, names.texts
    if width > 4:
        found["roots"] = [value for row in rows_of(found["roots"], 3) if row[0] in kept
                          for value in (row[0], labels.of(row[1]), labels.of(row[2]))]
        found["labels"] = labels.texts
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()


# ---- Gecko ----

def fields(data):
    """{number: [value or bytes]}"""
    found, at = collections.defaultdict(list), 0
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        found[key >> 3].append(value)
    return found


def coded(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def put(number, value):
    if isinstance(value, bytes):
        return coded(number << 3 | 2) + coded(len(value)) + value
    return coded(number << 3) + coded(value)


class Texts:
    """Texts as they are numbered in a file: by where they appear first."""

    def __init__(self):
        self._all, self._numbers = [], {}

    def take(self, have, number):
        """Of a message the text in this field, or that the next one refers to; None: neither."""
        if number in have:
            self._all.append(have[number][0])
            return self._all[-1]
        return self._all[have[number + 1][0]] if number + 1 in have else None

    def put(self, number, text):
        if text is None:
            return b""
        if text in self._numbers:
            return put(number + 1, self._numbers[text])
        self._numbers[text] = len(self._numbers)
        return put(number, text)


class Gecko:
    def __init__(self, data):
        size, at = varint(data, 0)
        self.metadata, at = data[at:at + size], at + size
        self._wide, self._narrow = Texts(), Texts()
        self._frames, self.nodes = {}, []
        while at < len(data):
            size, at = varint(data, at)
            self.nodes.append(self._node(fields(data[at:at + size])))
            at += size

    def _node(self, have):
        node = {"id": have[1][0], "size": have[4][0] if 4 in have else None}
        node["type"] = self._wide.take(have, 2)
        node["edges"] = []
        for edge in map(fields, have[5] if 5 in have else []):
            node["edges"].append((edge[1][0], self._wide.take(edge, 2)))
        node["stack"] = self._frame(fields(have[6][0])) if 6 in have else None
        node["class"] = self._narrow.take(have, 7)
        node["coarse"] = have[9][0] if 9 in have else None
        node["script"] = self._narrow.take(have, 10)
        node["described"] = self._wide.take(have, 12)
        return node

    def _frame(self, have):
        """Its id."""
        if 2 in have:
            return have[2][0]
        have = fields(have[1][0])
        frame = {"source": self._wide.take(have, 5), "function": self._wide.take(have, 7),
                 "rest": {number: have[number][0] for number in (3, 4, 9, 10) if number in have}}
        frame["parent"] = self._frame(fields(have[2][0])) if 2 in have else None
        self._frames[have[1][0]] = frame
        return have[1][0]

    def write(self, kept):
        self._wide, self._narrow, self._told = Texts(), Texts(), set()
        out = coded(len(self.metadata)) + self.metadata
        for node in self.nodes:
            if node["id"] in kept:
                message = self._put_node(node, kept)
                out += coded(len(message)) + message
        return out

    def _put_node(self, node, kept):
        out = put(1, node["id"]) + self._wide.put(2, node["type"])
        out += b"" if node["size"] is None else put(4, node["size"])
        for to, name in node["edges"]:
            if to in kept:
                out += put(5, put(1, to) + self._wide.put(2, name))
        out += b"" if node["stack"] is None else put(6, self._put_frame(node["stack"]))
        out += self._narrow.put(7, node["class"])
        out += b"" if node["coarse"] is None else put(9, node["coarse"])
        return out + self._narrow.put(10, node["script"]) + self._wide.put(12, node["described"])

    def _put_frame(self, id_):
        if id_ in self._told:
            return put(2, id_)
        self._told.add(id_)
        frame = self._frames[id_]
        texts = self._wide.put(5, frame["source"]) + self._wide.put(7, frame["function"])
        out = put(1, id_)
        if frame["parent"] is not None:
            out += put(2, self._put_frame(frame["parent"]))
        rest = frame["rest"]
        out += b"".join(put(number, rest[number]) for number in (3, 4) if number in rest) + texts
        return put(1, out + b"".join(put(number, rest[number]) for number in (9, 10)
                                     if number in rest))


def cut_gecko(data, each):
    found = Gecko(data)
    kinds = {node["id"]: (node["type"], node["class"], node["described"], node["stack"])
             for node in found.nodes}
    edges = {node["id"]: [to for to, _ in node["edges"]] for node in found.nodes}
    return found.write(choose(found.nodes[0]["id"], kinds, edges, each))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--each", type=int, default=2, help="nodes of a kind (default: 2)")
    options = parser.parse_args()
    data = options.file.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    cut = cut_jsc if data[:1] == b"{" else cut_gecko
    options.out.write_bytes(cut(data, options.each))


if __name__ == "__main__":
    main()
