"""What `heapwatchctl convert` makes of a snapshot, beside what the snapshot had."""

import json

from . import readers
from .ctl import Ctl


def convert(source, home):
    target = home / "converted.heapsnapshot"
    Ctl()("convert", source, f"--output={target}")
    return target


def tops(path):
    """What stands above the nodes of the source, and leads there: nodes, edges; and the self sizes."""
    found = json.loads(path.read_text())
    nodes, strings = found["nodes"], found["strings"]
    fields = len(found["snapshot"]["meta"]["node_fields"])
    synthetic = sum(kind == 9 for kind in nodes[0::fields])
    shortcuts = found["edges"][0::3].count(5)
    assert strings[nodes[fields + 1]] == "(GC roots)" and shortcuts > 0
    # The engine's own root is "(GC roots)": only the root and the reasons are new.
    return synthetic - 1, synthetic - 1 + shortcuts, sum(nodes[3::fields])


def jsc_source(path):
    """(nodes, edges, bytes)"""
    found = json.loads(path.read_text())
    fields = 4 if found["type"] == "Inspector" else 7
    nodes = found["nodes"]
    return len(nodes) // fields, len(found["edges"]) // 4, sum(nodes[1::fields])


def holds(path, counts, name, count):
    """The converted file is what DevTools loads, with the source's (nodes, edges, bytes), and so many
    of this class. The numbers it was loaded with."""
    nodes, edges, size = counts
    more_nodes, more_edges, self_bytes = tops(path)
    wanted = (nodes + more_nodes, edges + more_edges, count)
    assert readers.devtools(path, name) == wanted
    assert self_bytes == size
    return wanted


def stays(source, home):
    """What is V8's already is not touched."""
    assert convert(source, home).read_bytes() == source.read_bytes()
