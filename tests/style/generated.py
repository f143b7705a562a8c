#!/usr/bin/python3
"""Generated pages: docs/CONFIG.md, METRICS.md and API.md are what the daemon prints from its own
tables. `generated.py --write HEAPWATCHD` writes them."""

import subprocess
import sys
from pathlib import Path

PAGES = {"config": "CONFIG.md", "metrics": "METRICS.md", "api": "API.md"}


def printed(heapwatchd, what):
    return subprocess.run([heapwatchd, f"--print={what}"], capture_output=True, text=True,
                          check=True, timeout=30).stdout


def problems(root, heapwatchd):
    found = []
    for what, name in PAGES.items():
        page = root / "docs" / name
        if not page.exists():
            found.append(f"docs/{name}: missing")
        elif page.read_text() != printed(heapwatchd, what):
            found.append(f"docs/{name}: differs from `heapwatchd --print={what}`; "
                         "run tests/style/generated.py --write HEAPWATCHD")
    return found


if __name__ == "__main__":
    top = Path(__file__).resolve().parents[2]
    if sys.argv[1:2] == ["--write"]:
        for word, file in PAGES.items():
            (top / "docs" / file).write_text(printed(sys.argv[2], word))
        sys.exit(0)
    bad = problems(top, sys.argv[1])
    print("\n".join(bad) or "generated pages: up to date")
    sys.exit(bool(bad))
