#!/usr/bin/python3
"""What all suites came to: prints every failure and ends with `N passed, N failed`.

summary.py TESTLOG RESULTS: meson's testlog.json with the Criterion suites, and the directory of
the pytest suites' JUnit files (*.xml) and of the sanitizers' reports (sanitizer/*). A report is a
failure, whatever the test that caused it said: Criterion does not notice leaks. A suite that left
no result is a failure as well.
"""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

SYNTHESIS = re.compile(r"Tested: .*?(\d+).*?Passing: .*?(\d+).*?Failing: .*?(\d+).*?Crashing: .*?(\d+)")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SUITES = ("style.xml", "e2e.xml", "page.xml", "fault.xml")


class Tally:
    def __init__(self):
        self.passed = 0
        self.failures = []

    def fail(self, name, text):
        self.failures.append((name, text))


def count_criterion(tally, log):
    if not log.exists():
        tally.fail("unit tests", "meson wrote no log")
        return
    for row in log.read_text().splitlines():
        run = json.loads(row)
        text = COLOUR.sub("", run.get("stderr", "") + run.get("stdout", ""))
        found = SYNTHESIS.search(text)
        if not found and run["returncode"] == 0:
            tally.passed += 1  # a program of its own, such as the replay of a fuzzer's corpus
            continue
        tested, passing, failing, crashing = map(int, found.groups()) if found else (0, 0, 0, 0)
        bad = failing + crashing
        tally.passed += passing
        for _ in range(bad):
            tally.fail(run["name"], text if _ == 0 else "see above")
        if bad == 0 and (run["returncode"] != 0 or passing == 0 or passing != tested):
            tally.fail(run["name"], f"{run['result']}, exit status {run['returncode']}\n{text}")


def count_junit(tally, path):
    if not path.exists():
        log = path.with_suffix(".log")
        tally.fail(path.stem, log.read_text() if log.exists() else "the suite wrote no result")
        return
    for case in ElementTree.parse(path).iter("testcase"):
        trouble = [child for child in case if child.tag in ("failure", "error", "skipped")]
        if trouble:
            tally.fail(f"{case.get('classname')}::{case.get('name')}",
                       "\n".join(f"{t.tag}: {t.text or t.get('message')}" for t in trouble))
        else:
            tally.passed += 1


def count_sanitizers(tally, directory):
    for report in sorted(directory.glob("*")):
        tally.fail(f"sanitizer report {report.name}", report.read_text(errors="replace"))


def main(testlog, results):
    tally = Tally()
    count_criterion(tally, Path(testlog))
    for name in SUITES:
        count_junit(tally, Path(results) / name)
    count_sanitizers(tally, Path(results) / "sanitizer")
    for name, text in tally.failures:
        print(f"FAILED {name}\n    " + text.strip().replace("\n", "\n    "))
    print(f"{tally.passed} passed, {len(tally.failures)} failed")
    return 1 if tally.failures or tally.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
