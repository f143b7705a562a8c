"""The closing line counts what ran: a suite that failed, crashed, vanished or leaked is a failure."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import summary  # noqa: E402

JUNIT = """<testsuites><testsuite>
<testcase classname="a" name="good"/>{more}
</testsuite></testsuites>"""


def run(name, returncode=0, text=None, tested=2, passing=2, failing=0, crashing=0):
    synthesis = (f"[\x1b[0;34m====\x1b[0m] Synthesis: Tested: {tested} | Passing: {passing} | "
                 f"Failing: {failing} | Crashing: {crashing}")
    return {"name": name, "returncode": returncode, "result": "OK" if returncode == 0 else "FAIL",
            "stdout": "", "stderr": synthesis if text is None else text}


@pytest.fixture
def total(tmp_path, capsys):
    """total(runs, junit...) -> (exit status, last line)"""
    def count(runs=(), style="", e2e="", reports=()):
        testlog = tmp_path / "testlog.json"
        testlog.write_text("".join(json.dumps(r) + "\n" for r in runs))
        (tmp_path / "style.xml").write_text(JUNIT.format(more=style))
        if e2e is not None:
            (tmp_path / "e2e.xml").write_text(JUNIT.format(more=e2e))
        (tmp_path / "page.xml").write_text("<testsuites/>")
        (tmp_path / "fault.xml").write_text("<testsuites/>")
        (tmp_path / "sanitizer").mkdir()
        for name in reports:
            (tmp_path / "sanitizer" / name).write_text("leak of 1 byte")
        status = summary.main(testlog, tmp_path)
        return status, capsys.readouterr().out.splitlines()[-1]
    return count


def test_all_good(total):
    assert total([run("unit"), run("replay", text="42 inputs")]) == (0, "5 passed, 0 failed")


@pytest.mark.parametrize("bad", [
    run("unit", 1, tested=3, passing=2, failing=1),
    run("unit", 1, tested=3, passing=2, crashing=1),
])
def test_failing_and_crashing_tests_count(total, bad):
    assert total([bad]) == (1, "4 passed, 1 failed")


@pytest.mark.parametrize("bad", [
    run("replay", 1, text="assertion failed"),
    run("unit", 0, tested=0, passing=0),
    run("unit", -9, text=""),
], ids=["program", "nothing-ran", "killed"])
def test_suites_that_end_badly_count(total, bad):
    assert total([bad]) == (1, "2 passed, 1 failed")


@pytest.mark.parametrize("kind", ["failure", "error", "skipped"])
def test_pytest_failures_errors_and_skips_count(total, kind):
    case = f'<testcase classname="a" name="bad"><{kind} message="no">why</{kind}></testcase>'
    assert total(e2e=case) == (1, "2 passed, 1 failed")


def test_a_suite_without_result_counts(total):
    assert total(e2e=None) == (1, "1 passed, 1 failed")


def test_a_sanitizer_report_counts(total):
    assert total(reports=["asan.123"]) == (1, "2 passed, 1 failed")
