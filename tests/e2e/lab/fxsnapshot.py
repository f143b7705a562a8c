"""A reader of Gecko's .fxsnapshot (devtools/shared/heapsnapshot/CoreDump.proto): gzip of messages,
each with its length before it, Metadata and then Nodes. Written for the tests, straight from the
format: every name is decoded, nothing is skipped."""

import gzip


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _fields(data, at, end):
    while at < end:
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            value, at = (at, at + size), at + size
        else:
            raise ValueError(f"wire type {kind} at {at}")
        yield key >> 3, value


class Node:
    __slots__ = ("id", "type", "size", "edges", "cls")

    def __init__(self):
        self.id = self.size = 0
        self.type = self.cls = None
        self.edges = []  # (id, name)


class Snapshot:
    """nodes: {id: Node}"""

    def __init__(self, path):
        self.data = gzip.decompress(path.read_bytes())
        self.nodes = {}
        self._two, self._one = [], []  # names by their order of appearance
        size, at = _varint(self.data, 0)
        at += size  # Metadata
        while at < len(self.data):
            size, at = _varint(self.data, at)
            self._node(at, at + size)
            at += size

    def _name(self, names, coding, span):
        names.append(self.data[slice(*span)].decode(coding))
        return names[-1]

    def _node(self, at, end):
        node = Node()
        for field, value in _fields(self.data, at, end):
            if field == 1:
                node.id = value
            elif field == 2:
                node.type = self._name(self._two, "utf-16-le", value)
            elif field == 3:
                node.type = self._two[value]
            elif field == 4:
                node.size = value
            elif field == 5:
                node.edges.append(self._edge(*value))
            elif field == 7:
                node.cls = self._name(self._one, "latin-1", value)
            elif field == 8:
                node.cls = self._one[value]
            elif field == 10:
                self._name(self._one, "latin-1", value)
            elif field == 12:
                self._name(self._two, "utf-16-le", value)
            elif field not in (9, 11, 13):
                raise ValueError(f"field {field} of a node")
        assert node.id not in self.nodes, f"node {node.id} twice"
        self.nodes[node.id] = node

    def _edge(self, at, end):
        to = name = None
        for field, value in _fields(self.data, at, end):
            if field == 1:
                to = value
            elif field == 2:
                name = self._name(self._two, "utf-16-le", value)
            elif field == 3:
                name = self._two[value]
        return to, name

    def _follow(self, id_, *names):
        for name in names:
            id_ = next((to for to, have in self.nodes[id_].edges if have == name), None)
            if id_ is None:
                return None
        return id_

    def count(self, name):
        """Instances of the class that a property of this name holds somewhere. A node does not say
        of what class it is: its shape leads to the prototype, and that to its constructor."""
        functions = {to for node in self.nodes.values() for to, have in node.edges if have == name}
        n, known = 0, {}
        for node in self.nodes.values():
            shape = self._follow(node.id, "shape") if node.type == "JSObject" else None
            if shape is None:
                continue
            if shape not in known:
                prototype = self._follow(shape, "base", "baseshape_proto")
                made_by = prototype and self._follow(prototype, "constructor")
                known[shape] = made_by in functions and made_by is not None
            n += known[shape]
        return n

    def dangling(self):
        return sum(to not in self.nodes for node in self.nodes.values() for to, _ in node.edges)


def holds(path):
    """Nodes, edges, the sum of all sizes: without a look at any name, so also where there are stacks
    of allocations, whose texts this reader does not follow."""
    data = gzip.decompress(path.read_bytes())
    size, at = _varint(data, 0)
    at += size  # Metadata
    nodes = edges = sizes = 0
    while at < len(data):
        size, at = _varint(data, at)
        for field, value in _fields(data, at, at + size):
            edges += field == 5
            sizes += value if field == 4 else 0
        nodes, at = nodes + 1, at + size
    return nodes, edges, sizes
