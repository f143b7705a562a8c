"""A reader of Gecko's .fxsnapshot (devtools/shared/heapsnapshot/CoreDump.proto): gzip of messages,
each with its length before it, Metadata and then Nodes. Written for the tests, straight from the
format: every name is decoded, nothing is skipped."""

import gzip


def varint(data, at):
    """(the number there, where it ends)"""
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
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 2:
            size, at = varint(data, at)
            value, at = (at, at + size), at + size
        else:
            raise ValueError(f"wire type {kind} at {at}")
        yield key >> 3, value


class Node:
    __slots__ = ("id", "type", "size", "edges", "cls", "frame")

    def __init__(self):
        self.id = self.size = 0
        self.type = self.cls = None
        self.edges = []  # (id, name)
        self.frame = None  # the id of the one that allocated it


class Snapshot:
    """nodes: {id: Node}, frames: {id: (function, source, line, id of the caller)}"""

    def __init__(self, path):
        self.data = gzip.decompress(path.read_bytes())
        self.nodes, self.frames = {}, {}
        self._two, self._one = [], []  # names by their order of appearance
        size, at = varint(self.data, 0)
        at += size  # Metadata
        while at < len(self.data):
            size, at = varint(self.data, at)
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
            elif field == 6:
                node.frame = self._frame(*value)
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

    def _frame(self, at, end):
        (field, value), = _fields(self.data, at, end)
        if field == 2:
            assert value in self.frames, f"frame {value} at {at}"
            return value
        have = dict(_fields(self.data, *value))
        # The caller's texts are numbered after its own, though it stands before them.
        source, function = (
            self._name(self._two, "utf-16-le", have[new]) if new in have
            else self._two[have[new + 1]] if new + 1 in have else "" for new in (5, 7))
        caller = self._frame(*have[2]) if 2 in have else None
        assert have[1] not in self.frames, f"frame {have[1]} twice"
        self.frames[have[1]] = function, source, have.get(3), caller
        return have[1]

    def stack(self, node):
        """[(function, source, line)], the youngest first; [] where it is not told."""
        found, frame = [], node.frame
        while frame is not None:
            *place, frame = self.frames[frame]
            found.append(tuple(place))
        return found

    def allocations(self):
        """{(function, source): [count, bytes]} of what is there; of those without a name one each
        place."""
        found = {}
        for node in self.nodes.values():
            if node.frame is not None:
                function, source, line, _ = self.frames[node.frame]
                sums = found.setdefault((function, source, None if function else line), [0, 0])
                sums[0] += 1
                sums[1] += node.size
        return found

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
    """Nodes, edges, the sum of all sizes: without a look at any name."""
    data = gzip.decompress(path.read_bytes())
    size, at = varint(data, 0)
    at += size  # Metadata
    nodes = edges = sizes = 0
    while at < len(data):
        size, at = varint(data, at)
        for field, value in _fields(data, at, at + size):
            edges += field == 5
            sizes += value if field == 4 else 0
        nodes, at = nodes + 1, at + size
    return nodes, edges, sizes
