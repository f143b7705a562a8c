#!/usr/bin/python3
"""A small heap snapshot out of a real one, for the fuzzers: a few nodes of each kind and those on the way
to them from the root, with what they refer to of each other. It is what its runtime would have written
of so little: V8's or JSC's JSON, or Gecko's messages without their gzip.

    cut.py FILE OUT [--each=2]"""

import argparse
import collections
import gzip
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from lab.fxsnapshot import varint  # noqa: E402


def choose(root, kinds, edges, each, links=()):
    """The ids to be kept: `each` of a kind at least, nearest to the root first; and both ends of as
    many of each kind of links, which are (kind, from, to)."""
    above, depth, order = {root: None}, {root: 0}, collections.deque([root])
    kept, seen = {root}, collections.Counter()

    def keep(step):
        while step is not None and step not in kept:
            kept.add(step)
            step = above[step]

    while order:
        id_ = order.popleft()
        if seen[kinds[id_]] < each:
            seen[kinds[id_]] += 1
            keep(id_)
        for to in edges[id_]:
            if to not in above:
                above[to] = id_
                depth[to] = depth[id_] + 1
                order.append(to)
    links = [link for link in links if link[1] in above and link[2] in above]
    for kind, from_, to in sorted(links, key=lambda link: depth[link[1]] + depth[link[2]]):
        if seen[kind] < each:
            seen[kind] += 1
            keep(from_)
            keep(to)
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


# ---- V8 ----

TEXT_MAX = 160  # characters: the source of a script is a text, too
SCOPES_MAX = 6  # of a script; the first ones are a tree of their own
SAMPLES_MAX = 4
PAIR = " / part of key "  # of the name of what a WeakMap holds
INDEXED = ("element", "hidden")  # edges with a number in place of a name


class V8:
    """Nodes by their place in the file, each with its edges."""

    def __init__(self, data):
        self.whole = json.loads(data)
        self.meta = self.whole["snapshot"]["meta"]
        assert not self.whole["trace_tree"], "a timeline, whose calls are not cut"
        self.width = len(self.meta["node_fields"])
        self._at = {name: i for i, name in enumerate(self.meta["node_fields"])}
        self.nodes = rows_of(self.whole["nodes"], self.width)
        rows = iter(rows_of(self.whole["edges"], 3))
        self.edges = [[next(rows) for _ in range(self.of(node, "edge_count"))] for node in self.nodes]
        texts = [text[:TEXT_MAX] for text in self.whole["strings"]]
        self.names = Names(texts, first=texts[:1])

    def of(self, node, field):
        return node[self._at[field]] if field in self._at else 0

    def table(self, name, fields_of):
        """The rows of a section, and where each of their fields is; none where V8 does not know it."""
        known = self.meta.get(fields_of, [])
        rows = rows_of(self.whole.get(name, []), len(known)) if known else []
        return rows, {field: i for i, field in enumerate(known)}

    def kind(self, node):
        return self.of(node, "type"), self.of(node, "detachedness")

    def links(self):
        for i, node in enumerate(self.nodes):
            for type_, name, to in self.edges[i]:
                yield ("edge", type_, self.of(node, "type")), i, to // self.width
                if not self._is_indexed(type_) and PAIR in self.whole["strings"][name]:
                    yield "pair", i, to // self.width
        rows, at = self.table("locations", "location_fields")
        for row in rows:
            script = row[at.get("script_object_index", at["object_index"])]
            yield "location", row[at["object_index"]] // self.width, script // self.width
        rows, at = self.table("scopes", "scope_fields")
        for row in rows:
            script = row[at["script_node_index"]] // self.width
            yield "scope", script, script

    def _is_indexed(self, type_):
        return self.meta["edge_types"][0][type_] in INDEXED

    def write(self, kept):
        self._place = {old: new * self.width for new, old in enumerate(sorted(kept))}
        nodes, edges = [], []
        for old in sorted(kept):
            inside = [edge for edge in self.edges[old] if edge[2] // self.width in kept]
            node = list(self.nodes[old])
            node[self._at["name"]] = self.names.of(node[self._at["name"]])
            node[self._at["edge_count"]] = len(inside)
            nodes += node
            for type_, name, to in inside:
                edges += [type_, name if self._is_indexed(type_) else self.names.of(name),
                          self._place[to // self.width]]
        head = dict(self.whole["snapshot"], node_count=len(kept), edge_count=len(edges) // 3)
        if "root_index" in head:
            head["root_index"] = self._place[head["root_index"] // self.width]
        found = dict(self.whole, snapshot=head, nodes=nodes, edges=edges, samples=self._samples(),
                     locations=self._locations(), **self._scopes())
        found["strings"] = self.names.texts
        return json.dumps(found, separators=(",", ":")).encode()

    def _samples(self):
        rows, _ = self.table("samples", "sample_fields")
        return sum(rows[:SAMPLES_MAX], [])

    def _locations(self):
        found = []
        rows, at = self.table("locations", "location_fields")
        objects = [at[name] for name in ("object_index", "script_object_index") if name in at]
        for row in rows:
            if all(row[i] // self.width in self._place for i in objects):
                found += [self._place[value // self.width] if i in objects else value
                          for i, value in enumerate(row)]
        return found

    def _scopes(self):
        rows, at = self.table("scopes", "scope_fields")
        parts = {"scopes": [], "scope_context_vars": [], "scope_uses": []}
        if not rows:
            return {}
        variables = iter(self.table("scope_context_vars", "scope_context_var_fields")[0])
        uses = iter(self.table("scope_uses", "scope_use_fields")[0])
        taken = collections.Counter()
        for row in rows:
            own = [next(variables) for _ in range(row[at["scope_context_vars_count"]])]
            used = [next(uses) for _ in range(row[at["scope_uses_count"]])]
            script = row[at["script_node_index"]] // self.width
            taken[script] += 1
            if script in self._place and taken[script] <= SCOPES_MAX:
                parts["scopes"] += [self._place[script] if i == at["script_node_index"] else value
                                    for i, value in enumerate(row)]
                parts["scope_context_vars"] += [self.names.of(name) for name, in own]
                parts["scope_uses"] += sum(used, [])
        return parts


def cut_v8(data, each):
    found = V8(data)
    root = found.whole["snapshot"].get("root_index", 0) // found.width
    kinds = [found.kind(node) for node in found.nodes]
    edges = [[to // found.width for _, _, to in rows] for rows in found.edges]
    return found.write(choose(root, kinds, edges, each, found.links()))


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


def cut(data, each=2):
    """Of any format, by how it begins."""
    if data.startswith(b'{"snapshot"'):
        return cut_v8(data, each)
    return cut_jsc(data, each) if data[:1] == b"{" else cut_gecko(data, each)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--each", type=int, default=2, help="nodes of a kind (default: 2)")
    options = parser.parse_args()
    data = options.file.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    options.out.write_bytes(cut(data, options.each))


if __name__ == "__main__":
    main()
