#!/usr/bin/python3
"""Headers: each compiles alone with gcc and clang, says `#pragma once`, and begins with what it is
for; each .c begins with its essay and includes its own header first."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FLAGS = ("-std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes "
         "-Wstrict-prototypes -Wundef -Wvla -Wformat=2 -Wno-missing-field-initializers -Werror "
         "-fsyntax-only -x c -").split()
COMPILERS = ("gcc", "clang")


def compile_alone(compiler, daemon, name):
    done = subprocess.run([compiler, "-I", str(daemon), *FLAGS], input=f'#include "{name}"\n',
                          capture_output=True, text=True)
    return f"{name}: does not compile alone with {compiler}:\n{done.stderr}" if done.returncode else None


def header_opening(name, text):
    if not re.match(r"#pragma once\n\n/\*.*?\*/\n", text, re.S):
        return f"{name}: begins with `#pragma once` and a comment that says what it is for"
    return None


def source_opening(daemon, name, text):
    if not re.match(r"/\*.*?\*/\n", text, re.S):
        return f"{name}: begins with a comment that says what and why"
    own = name[:-2] + ".h"
    first = re.search(r'^#include ([<"])([^>"]+)', text, re.M)
    if (daemon / own).exists() and (not first or first[2] != own):
        return f'{name}: the first #include is its own header "{own}"'
    return None


def problems(root, compilers=COMPILERS):
    daemon = root / "daemon"
    headers = sorted(p.relative_to(daemon).as_posix() for p in daemon.rglob("*.h"))
    sources = sorted(p.relative_to(daemon).as_posix() for p in daemon.rglob("*.c"))
    found = [header_opening(h, (daemon / h).read_text()) for h in headers]
    found += [source_opening(daemon, s, (daemon / s).read_text()) for s in sources]
    with ThreadPoolExecutor(2) as pool:
        found += pool.map(lambda job: compile_alone(job[0], daemon, job[1]),
                          [(c, h) for c in compilers for h in headers])
    return [f for f in found if f]


if __name__ == "__main__":
    bad = problems(Path(__file__).resolve().parents[2])
    print("\n".join(bad) or "headers: clean")
    sys.exit(bool(bad))
