#!/usr/bin/python3
"""Size budget: a file has at most 900 lines, a function 100; 92 % of the functions stay within 60;
the median file has at most 300 lines, the median function 17. Needs universal-ctags."""

import re
import statistics
import subprocess
import sys
from pathlib import Path

FILE_MAX, FILE_MEDIAN = 900, 300
FUNCTION_MAX, FUNCTION_MEDIAN, FUNCTION_USUAL, USUAL_SHARE = 100, 17, 60, 0.92


def c_files(root):
    return sorted((root / "daemon").rglob("*.c"))


def lines_of(path):
    return path.read_text(errors="replace").count("\n")


def functions(paths):
    """(lines, name, path) of every function."""
    out = subprocess.run(
        ["ctags", "--languages=C", "--kinds-C=f", "--fields=+ne", "-f", "-"] + [str(p) for p in paths],
        capture_output=True, text=True, check=True).stdout
    found = []
    for row in out.splitlines():
        first, last = re.search(r"\tline:(\d+)", row), re.search(r"\tend:(\d+)", row)
        if first and last:
            name, path = row.split("\t")[:2]
            found.append((int(last[1]) - int(first[1]) + 1, name, path))
    return found


def long_files(root):
    paths = c_files(root) + sorted((root / "daemon").rglob("*.h"))
    paths += [p for p in sorted((root / "tests").rglob("*")) if p.suffix in (".c", ".py", ".js", ".mjs")
              and "node_modules" not in p.parts]
    return [f"{p.relative_to(root)}: {lines_of(p)} lines, at most {FILE_MAX}"
            for p in paths if lines_of(p) > FILE_MAX]


def problems(root):
    paths = c_files(root)
    sizes = functions(paths)
    found = long_files(root)
    found += [f"{Path(path).relative_to(root)}: {name}() has {n} lines, at most {FUNCTION_MAX}"
              for n, name, path in sizes if n > FUNCTION_MAX]
    share = sum(n <= FUNCTION_USUAL for n, _, _ in sizes) / max(1, len(sizes))
    if share < USUAL_SHARE:
        found.append(f"{share:.0%} of the functions are within {FUNCTION_USUAL} lines, "
                     f"{USUAL_SHARE:.0%} wanted")
    file_median = statistics.median(map(lines_of, paths))
    if file_median > FILE_MEDIAN:
        found.append(f"the median file has {file_median:.0f} lines, at most {FILE_MEDIAN}")
    function_median = statistics.median(n for n, _, _ in sizes)
    if function_median > FUNCTION_MEDIAN:
        found.append(f"the median function has {function_median:.0f} lines, at most {FUNCTION_MEDIAN}")
    return found


def figures(root):
    paths = c_files(root)
    sizes = [n for n, _, _ in functions(paths)]
    lines = [lines_of(p) for p in paths]
    within = sum(n <= FUNCTION_USUAL for n in sizes) / len(sizes)
    return (f"files {len(lines)}, lines {sum(lines)}, median {statistics.median(lines):.0f}, "
            f"max {max(lines)}; functions {len(sizes)}, median {statistics.median(sizes):.0f}, "
            f"max {max(sizes)}, within {FUNCTION_USUAL} lines {within:.1%}")


if __name__ == "__main__":
    top = Path(__file__).resolve().parents[2]
    bad = problems(top)
    print("\n".join(bad + [figures(top)]))
    sys.exit(bool(bad))
