#!/usr/bin/python3
"""Versions: those that docs/RUNTIMES.md says were tested are those that tests/package.json installs.
What comes from the distribution (tests/packages.txt) has its versions from there."""

import json
import re
import sys
from pathlib import Path

PAGE, PACKAGES = "docs/RUNTIMES.md", "tests/package.json"


def major_minor(version):
    return ".".join(version.split(".")[:2])


def wanted(packages):
    """What the cell of each runtime has to name."""
    def node(name):
        return major_minor(packages[name].rpartition("@")[2])
    nodes = sorted((name for name in packages if re.fullmatch(r"node-\d+", name)),
                   key=lambda name: int(name[5:]))
    day = packages["workerd"].split(".")[1]
    return {"Node.js": [node(name) for name in nodes], "Deno": [packages["deno"]],
            "Cloudflare workerd": [f"{day[:4]}-{day[4:6]}-{day[6:8]}", major_minor(packages["wrangler"])],
            "Bun": [packages["bun"]]}


def named(cell):
    return re.findall(r"\d+(?:[.-]\d+)+", cell)


def tested(page):
    """{runtime: (line, versions)} of the first table."""
    found = {}
    for number, line in enumerate(page.splitlines(), 1):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) > 1:
            found[re.sub(r" \(`.*", "", cells[0])] = number, named(cells[1])
        elif found:
            break
    return found


def problems(root):
    page, packages = root / PAGE, root / PACKAGES
    if not page.exists() or not packages.exists():
        return []
    rows = tested(page.read_text())
    found = []
    for name, versions in wanted(json.loads(packages.read_text())["dependencies"]).items():
        number, there = rows.get(name, (1, None))
        if there is None:
            found.append(f"{PAGE}:{number}: no row of {name} in the first table")
        elif there != versions:
            found.append(f"{PAGE}:{number}: {name}: {', '.join(there) or 'no version'}; "
                         f"{PACKAGES} has {', '.join(versions)}")
    return found


if __name__ == "__main__":
    bad = problems(Path(__file__).resolve().parents[2])
    print("\n".join(bad) or "versions: clean")
    sys.exit(bool(bad))
