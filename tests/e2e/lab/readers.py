"""Programs that read snapshots and profiles: Node's own JSON.parse, Chrome DevTools' loader, MemLab,
go tool pprof."""

import json
import os
import re
import subprocess
from pathlib import Path

from . import node

TESTS = Path(__file__).resolve().parents[2]
OLD_SPACE = "--max-old-space-size=12000"


def _run(*argv, limit_s=600):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=limit_s,
                          cwd=TESTS, env=node.environment())
    assert done.returncode == 0 and done.stdout, f"{argv}: {done.returncode}\n{done.stderr[-2000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def parse(path, name):
    """(nodes, edges, objects of class `name`)"""
    found = _run(node.binary(24), OLD_SPACE, node.PROGRAMS / "parse.js", path, name)
    return found["nodes"], found["edges"], found["count"]


def jsc(path, name):
    """The same of a snapshot in JSC's own format, four numbers to a node and to an edge."""
    snapshot = json.loads(path.read_text())
    nodes, edges = snapshot["nodes"], snapshot["edges"]
    assert snapshot["type"] == "Inspector" and len(nodes) % 4 == len(edges) % 4 == 0
    ids = set(nodes[0::4])
    assert ids.issuperset(edges[0::4]) and ids.issuperset(edges[1::4])
    wanted = snapshot["nodeClassNames"].index(name)
    return len(nodes) // 4, len(edges) // 4, nodes[2::4].count(wanted)


def devtools(path, name):
    bundle = os.environ["HEAPWATCH_DEVTOOLS"]
    found = _run(node.binary(24), OLD_SPACE, TESTS / "devtools" / "load.mjs", bundle, path, name)
    return found["nodes"], found["edges"], found["classes"][name]


def memlab(path, name):
    found = _run(node.binary(24), OLD_SPACE, TESTS / "devtools" / "memlab.js", path, name)
    return found["nodes"], found["edges"], found["classes"][name]


def devtools_sizes(path):
    """What DevTools computes for all nodes: counts, and a digest of self and retained sizes."""
    bundle = os.environ["HEAPWATCH_DEVTOOLS"]
    return _run(node.binary(24), OLD_SPACE, TESTS / "devtools" / "load.mjs", bundle, path,
                "--sizes")


def memlab_sizes(path):
    """The same of MemLab."""
    return _run(node.binary(24), OLD_SPACE, TESTS / "devtools" / "memlab.js", path, "--sizes")


def devtools_report(path, out, base=None):
    """What DevTools says of a snapshot, and of what it has that the base has not: report.mjs."""
    bundle = os.environ["HEAPWATCH_DEVTOOLS"]
    argv = [node.binary(24), OLD_SPACE, TESTS / "devtools" / "report.mjs", bundle, path, out]
    done = subprocess.run([str(a) for a in argv + ([base] if base else [])], capture_output=True,
                          text=True, timeout=600, cwd=TESTS, env=node.environment())
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(out.read_text())


def devtools_profile(path):
    """What DevTools makes of a .heapprofile: {total, depth, self: {function: bytes}, sampled}"""
    bundle = os.environ["HEAPWATCH_DEVTOOLS"]
    return _run(node.binary(24), TESTS / "devtools" / "profile.mjs", bundle, path)


def pprof(path):
    """A .pb.gz as pprof-format decodes it: {columns, units, self: {function: values}, ...}"""
    return _run(node.binary(24), TESTS / "devtools" / "pprof.js", path)


def go_pprof(path, column):
    """What `go tool pprof` says of a column of a .pb.gz: {type, total, functions: [(name, its own)]},
    largest first."""
    argv = ["/usr/lib/go-1.19/bin/go", "tool", "pprof", "-top", "-unit=B", "-nodefraction=0",
            f"-sample_index={column}", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False,
                          env=dict(node.environment(), HOME=str(path.parent)))
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    total = re.search(r"of (\d+)B? total", done.stdout)[1]
    rows = re.findall(r"^ *(\d+)B? +\S+% +\S+% +\d+B? +\S+%  (.+)$", done.stdout, re.M)
    return {"type": re.search(r"^Type: (\S+)", done.stdout, re.M)[1], "total": int(total),
            "functions": [(name, int(own)) for own, name in rows]}
