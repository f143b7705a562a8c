#!/usr/bin/python3
"""The seeds of real V8 anew, for its loader's fuzzer: of each runtime that the tests have a snapshot of
programs/zoo.js, cut down (cut.py). Seeds of JSC and Gecko are cut of snapshots that are at hand.

    seeds.py [FOLDER]"""

import argparse
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import cut  # noqa: E402
from lab import node, proc, snapshots  # noqa: E402

RUNTIMES = [*snapshots.NODES, "deno", "chromium"]
ANYWHERE = b"/srv"


def without_places(data, home):
    """Without the folders that the programs, and what they write, happen to be in."""
    for folder in (HERE.parents[1], node.MODULES.resolve().parents[1], home):
        data = data.replace(str(folder).encode(), ANYWHERE)
    return data


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=HERE / "corpus" / "heap_v8")
    folder = parser.parse_args().folder
    nursery = proc.Nursery()
    with tempfile.TemporaryDirectory() as home:
        try:
            for runtime in RUNTIMES:
                before, _ = snapshots.take(nursery, Path(home), runtime)
                data = without_places(before.read_bytes(), home)
                (folder / runtime).write_bytes(cut.cut(data, each=1))
        finally:
            nursery.close()


if __name__ == "__main__":
    main()
