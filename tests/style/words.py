#!/usr/bin/python3
"""Words: no notes to oneself, no paths of the machine a text was written on, no registry host, no
registry address in a lock file."""

import re
import subprocess
import sys
from pathlib import Path

# Written in pieces, so that this file does not complain about itself.
NOTES = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
MACHINE = re.compile(r"/wo" r"rk/(main|shared|\.)|/ro" r"ot/|/tmp/(build|nodes|brief)|\.pyen" r"v|"
                     r"\.\./sha" r"red/")
HOSTS = re.compile(r"registry\.npm" r"js\.org|deb\.deb" r"ian\.org|pypi\.(org|python)|proxy\.gol" r"ang")
LOCKED = re.compile(r'"resol' r'ved":')
SKIP = {".png", ".gz", ".zst", ".heapsnapshot", ".ico"}


def tracked(root):
    out = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"],
                         capture_output=True, text=True)
    if out.returncode == 0:
        names = [n for n in out.stdout.split("\0") if n]
        return [root / n for n in names if (root / n).is_file()]
    return [p for p in root.rglob("*") if p.is_file() and "node_modules" not in p.parts]


def line_problems(name, number, line):
    if NOTES.search(line):
        yield f"{name}:{number}: a note to oneself; do it or file an issue"
    if MACHINE.search(line):
        yield f"{name}:{number}: a path of one machine"
    if HOSTS.search(line):
        yield f"{name}:{number}: a registry host"
    if LOCKED.search(line):
        yield f"{name}:{number}: a lock file names its registry (omit-lockfile-registry-resolved)"


def problems(root):
    found = []
    for path in tracked(root):
        if path.suffix in SKIP:
            continue
        name = path.relative_to(root).as_posix()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            found += line_problems(name, number, line)
    return found


if __name__ == "__main__":
    bad = problems(Path(__file__).resolve().parents[2])
    print("\n".join(bad) or "words: clean")
    sys.exit(bool(bad))
