"""The style checks over the repository, and each check over a small tree with a planted violation:
a check that finds nothing there would prove nothing here."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

import budget
import format as formatting
import generated
import headers
import layers
import versions
import words

ROOT = Path(__file__).resolve().parents[2]
ESSAY = "/* What it is for. */\n\n"
HEADER = "#pragma once\n\n" + ESSAY


def heapwatchd():
    path = os.environ.get("HEAPWATCHD")
    assert path and os.access(path, os.X_OK), "HEAPWATCHD must name the built daemon"
    return path


@pytest.mark.parametrize("check", [layers, budget, headers, formatting, versions, words],
                         ids=lambda check: check.__name__)
def test_repository_is_clean(check):
    assert check.problems(ROOT) == []


def test_generated_pages_are_current():
    assert generated.problems(ROOT, heapwatchd()) == []


@pytest.fixture
def tree(tmp_path):
    """A clean tree of two layers; `plant` puts one more file into it."""
    def plant(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return tmp_path
    (tmp_path / ".clang-format").write_text((ROOT / ".clang-format").read_text())
    plant("tests/unit/test_a.c", ESSAY + "int a;\n")
    plant("daemon/util/a.h", HEADER + "int a(void);\n")
    plant("daemon/util/a.c", ESSAY + '#include "util/a.h"\n\nint a(void)\n{\n\treturn 1;\n}\n')
    plant("daemon/loop/b.h", HEADER + '#include "util/a.h"\n\nint b(void);\n')
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return plant


def complaint(check, root, *words_expected):
    found = "\n".join(check.problems(root))
    for word in words_expected:
        assert word in found, f"not found in: {found!r}"


@pytest.mark.parametrize("check", [layers, budget, headers, formatting, versions, words],
                         ids=lambda check: check.__name__)
def test_clean_tree_has_no_complaint(check, tree):
    assert check.problems(tree("daemon/util/c.h", HEADER + "int c(void);\n")) == []


@pytest.mark.parametrize("name, text, expected", [
    ("daemon/util/up.c", ESSAY + '#include "loop/b.h"\n', "util/ may not include loop/"),
    ("daemon/util/far.c", ESSAY + '#include "a.h"\n', "is no path from daemon/"),
    ("daemon/util/lib.c", ESSAY + "#include <event2/event.h>\n", "belongs in loop/loop.c only"),
    ("daemon/loop/json.c", ESSAY + "#include <jansson.h>\n", "belongs in json/tree.c only"),
    ("daemon/misc/x.c", ESSAY + '#include "util/a.h"\n', "has no layer"),
])
def test_layers_catches(tree, name, text, expected):
    complaint(layers, tree(name, text), name[len("daemon/"):], expected)


def test_layers_catches_a_cycle_of_files(tree):
    tree("daemon/util/x.h", HEADER + '#include "util/y.h"\n')
    complaint(layers, tree("daemon/util/y.h", HEADER + '#include "util/x.h"\n'),
              "cycle of files: util/x.h -> util/y.h -> util/x.h")


def test_layers_catches_a_cycle_of_folders(tree):
    complaint(layers, tree("daemon/util/a.c", ESSAY + '#include "loop/b.h"\n'), "cycle of folders")


def function(name, lines):
    return f"int {name}(int x)\n{{\n" + "\tx++;\n" * (lines - 4) + "\treturn x;\n}\n"


@pytest.mark.parametrize("text, expected", [
    (ESSAY + "int x;\n" * 900, "902 lines, at most 900"),
    (ESSAY + function("long_one", 101), "long_one() has 101 lines"),
    (ESSAY + function("one", 61), "of the functions are within 60 lines"),
    (ESSAY + function("one", 40) + function("two", 40), "the median function has 40 lines"),
])
def test_budget_catches(tree, text, expected):
    complaint(budget, tree("daemon/util/big.c", text), expected)


def test_budget_catches_the_median_file(tree):
    tree("daemon/util/big1.c", ESSAY + "int x;\n" * 400)
    complaint(budget, tree("daemon/util/big2.c", ESSAY + "int x;\n" * 400), "the median file has 402")


@pytest.mark.parametrize("name, text, expected", [
    ("daemon/util/h.h", HEADER + "size_t f(void);\n", "does not compile alone with gcc"),
    ("daemon/util/h.h", HEADER + "size_t f(void);\n", "does not compile alone with clang"),
    ("daemon/util/h.h", "#pragma once\n\nint f(void);\n", "a comment that says what it is for"),
    ("daemon/util/h.h", ESSAY + "int f(void);\n", "begins with `#pragma once`"),
    ("daemon/util/s.c", "int s;\n", "begins with a comment"),
    ("daemon/util/a.c", ESSAY + '#include <stdio.h>\n#include "util/a.h"\n', "its own header"),
])
def test_headers_catches(tree, name, text, expected):
    complaint(headers, tree(name, text), expected)


@pytest.mark.parametrize("name", ["daemon/util/f.c", "tests/unit/util/test_f.c"])
def test_format_catches(tree, name):
    complaint(formatting, tree(name, ESSAY + "int f ( void ){ return 1; }\n"), f"{name}:3")


@pytest.mark.parametrize("text, expected", [
    ("/* TO" "DO: later */\n", "note to oneself"),
    ("/* FIX" "ME */\n", "note to oneself"),
    ("/* XX" "X */\n", "note to oneself"),
    ('char *p = "/wo' 'rk/main";\n', "a path of one machine"),
    ("see ../sha" "red/design\n", "a path of one machine"),
    ("https://registry.npm" "js.org/\n", "a registry host"),
    ('"resol' 'ved": "https://example.org/x.tgz"\n', "names its registry"),
])
def test_words_catches(tree, text, expected):
    complaint(words, tree("docs/note.md", text), "docs/note.md:1", expected)


def test_words_leaves_mktemp_templates_alone(tree):
    assert words.problems(tree("docs/note.md", "mktemp -d /tmp/spool.XXXXXX\n")) == []


PACKAGES = """{"dependencies": {"node-22": "npm:node@22.23.3", "node-20": "npm:node@20.20.2",
"deno": "2.9.6", "bun": "1.4.5", "workerd": "1.20261117.1", "wrangler": "4.86.0"}}"""
TESTED = """| runtime | versions tested |
|---|---|
| Node.js | 20.20, 22.23 |
| Deno | 2.9.6 |
| Cloudflare workerd (`workerd`) | 2026-11-17, alone and behind wrangler 4.86 |
| Bun | 1.4.5 |

| Bun | 0.0.1 |
"""


@pytest.mark.parametrize("old, new, expected", [
    (", 22.23", ", 22.22", "docs/RUNTIMES.md:3: Node.js: 20.20, 22.22; tests/package.json has 20.20, 22.23"),
    (", 22.23", "", "docs/RUNTIMES.md:3: Node.js: 20.20; tests/package.json has 20.20, 22.23"),
    ("2.9.6", "2.9", "docs/RUNTIMES.md:4: Deno: 2.9; tests/package.json has 2.9.6"),
    ("-17,", "-18,", "docs/RUNTIMES.md:5: Cloudflare workerd: 2026-11-18, 4.86; tests/package.json has "
     "2026-11-17, 4.86"),
    ("4.86 ", "4.87 ", "docs/RUNTIMES.md:5: Cloudflare workerd: 2026-11-17, 4.87; tests/package.json has "
     "2026-11-17, 4.86"),
    ("| Bun | 1.4.5 |\n", "", "docs/RUNTIMES.md:1: no row of Bun in the first table"),
    ("1.4.5", "new", "docs/RUNTIMES.md:6: Bun: no version; tests/package.json has 1.4.5"),
])
def test_versions_catches(tree, old, new, expected):
    tree("tests/package.json", PACKAGES)
    assert versions.problems(tree("docs/RUNTIMES.md", TESTED)) == []
    assert versions.problems(tree("docs/RUNTIMES.md", TESTED.replace(old, new, 1))) == [expected]


@pytest.fixture
def printer(tmp_path):
    """A stand-in for the daemon that prints `page` for whatever it is asked."""
    path = tmp_path / "printer"
    path.write_text("#!/bin/sh\necho page\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_generated_catches_missing_and_stale_pages(tree, printer):
    tree("docs/CONFIG.md", "page\n")
    root = tree("docs/METRICS.md", "old\n")
    assert generated.problems(root, printer) == [
        "docs/METRICS.md: differs from `heapwatchd --print=metrics`; "
        "run tests/style/generated.py --write HEAPWATCHD",
        "docs/API.md: missing"]
