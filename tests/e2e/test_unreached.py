"""Cycles that nothing reaches. A collection before a snapshot leaves none, so real ones are cut off
from what refers to them. All numbers are DevTools' all the same."""

import contextlib
import json

import pytest

from lab import numbers, proc, readers, snapshots
from lab.ctl import Ctl

# Two rings that refer to what is reached, too; have trees and maps; are keys of a weak one.
PROGRAM = """
class Islander { constructor(i) { this.i = i; this.own = { deep: [{ i }] }; } }
class Lander { constructor(i) { this.i = i; } }
const land = [], weak = new WeakMap();
for (let i = 0; i < 50; i++) land.push(new Lander(i));
class Island {
  constructor(n) {
    this.ring = [];
    for (let i = 0; i < n; i++) this.ring.push(new Islander(i));
    this.ring.forEach((one, i) => {
      one.next = this.ring[(i + 1) % n];
      one.island = this;
      one.land = land[i % land.length];
      weak.set(one, { of: one });
    });
    this.map = new Map(this.ring.map((one) => [one, { one }]));
  }
}
globalThis.held = { land, weak, islands: { first: new Island(700), second: new Island(300) } };
"""
ISLANDERS = 1000


class Graph:
    """A snapshot whose references can be changed. Nodes are numbers, from 0, the root."""

    def __init__(self, path):
        self.found = json.loads(path.read_text())
        meta = self.found["snapshot"]["meta"]
        self._fields = len(meta["node_fields"])
        self._types, self._kinds = meta["node_types"][0], meta["edge_types"][0]
        self._nodes, self._edges = self.found["nodes"], self.found["edges"]
        self._first = [0]
        for count in self._nodes[meta["node_fields"].index("edge_count")::self._fields]:
            self._first.append(self._first[-1] + count)
        self.all = set(range(len(self._first) - 1))

    def leaving(self, owner):
        """(number of the edge, kind, node it leads to)"""
        for i in range(self._first[owner], self._first[owner + 1]):
            kind, _, to = self._edges[3 * i:3 * i + 3]
            yield i, self._kinds[kind], to // self._fields

    def properties(self, owner):
        return {self.found["strings"][self._edges[3 * i + 1]]: to
                for i, kind, to in self.leaving(owner) if kind == "property"}

    def instances(self, name, prop):
        """Objects of this class, which have such a property; its prototype has none."""
        kind, text = self._types.index("object"), self.found["strings"].index(name)
        return {i for i in self.all if self._nodes[i * self._fields] == kind
                and self._nodes[i * self._fields + 1] == text and prop in self.properties(i)}

    def reached(self, without=()):
        """From the root, by what is not weak, not through these nodes."""
        seen, todo = set(without) | {0}, [0]
        while todo:
            for _, kind, to in self.leaving(todo.pop()):
                if kind != "weak" and to not in seen:
                    seen.add(to)
                    todo.append(to)
        return seen - set(without)

    def make_weak(self, edge, owner):
        self._edges[3 * edge:3 * edge + 2] = [self._kinds.index("weak"), 0]

    def lead_back(self, edge, owner):
        self._edges[3 * edge + 2] = owner * self._fields


def cut_off(graph, nodes, how):
    """All references from elsewhere to these, and to what only these hold."""
    inside = graph.all - graph.reached(without=nodes)
    for owner in graph.all - inside:
        for edge, _, to in list(graph.leaving(owner)):
            if to in inside:
                how(graph, edge, owner)
    return inside


@pytest.fixture(scope="module", params=snapshots.RUNTIMES)
def whole(request, tmp_path_factory):
    with contextlib.closing(proc.Nursery()) as nursery:
        (path,) = snapshots.after(nursery, tmp_path_factory.mktemp("island"), request.param,
                                  PROGRAM)
    return path


@pytest.mark.parametrize("how", [Graph.make_weak, Graph.lead_back], ids=["weak", "gone"])
def test_all_numbers_are_those_of_devtools(whole, how, tmp_path):
    graph = Graph(whole)
    islanders = graph.instances("Islander", "next")
    assert len(islanders) == ISLANDERS and islanders <= graph.reached()
    inside = cut_off(graph, islanders | graph.instances("Island", "ring"), how)
    assert len(inside) > 5 * ISLANDERS and not inside & graph.reached()
    # Nothing is told of them but what they hold of each other, and each is in a ring.
    assert {graph.properties(one)["next"] for one in islanders} == islanders
    path = tmp_path / "cut.heapsnapshot"
    path.write_text(json.dumps(graph.found))

    wanted = readers.devtools_report(path, tmp_path / "devtools.json")
    for threads in ("1", "2"):
        found = numbers.analyze(path, "--threads", threads)
        numbers.check(found, wanted)
    (row,) = [row for row in found["classes"] if row["name"] == "Islander"]
    assert row["count"] == ISLANDERS and row["distance"] == -5
    # Nothing holds it but the root, as all that nobody holds.
    one = Ctl().json("retainers", path, "--class=Islander")
    assert one["dominators"][0]["class"].endswith(",Islander")
