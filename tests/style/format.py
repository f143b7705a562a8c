#!/usr/bin/python3
"""Format: clang-format has nothing to say about any .c or .h of ours."""

import re
import subprocess
import sys
from pathlib import Path


def problems(root):
    paths = [p for top in ("daemon", "tests") for p in sorted((root / top).rglob("*"))
             if p.suffix in (".c", ".h") and "node_modules" not in p.parts]
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", f"--style=file:{root}/.clang-format"]
                          + [str(p) for p in paths], capture_output=True, text=True)
    found = sorted({f"{Path(m[1]).relative_to(root)}:{m[2]}: clang-format would change it"
                    for m in re.finditer(r"^(/[^:\n]+):(\d+):\d+: error", done.stderr, re.M)})
    if done.returncode and not found:
        found.append(f"clang-format failed: {done.stderr}")
    return found


if __name__ == "__main__":
    bad = problems(Path(__file__).resolve().parents[2])
    print("\n".join(bad) or "format: clean")
    sys.exit(bool(bad))
