"""Fixtures of the fault campaigns. The processes, targets and daemons are those of tests/e2e."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from lab import node, proc  # noqa: E402

SCALE = float(os.environ.get("HEAPWATCH_TEST_SCALE", "0.1"))


@pytest.fixture
def nursery():
    group = proc.Nursery()
    yield group
    group.close()


@pytest.fixture
def start_node(nursery):
    """start_node(major, program, *arguments) -> Node"""
    def start(*args, **options):
        return node.Node(nursery, *args, **options)
    return start


@pytest.fixture
def share():
    """share(n): so many of a campaign's n as HEAPWATCH_TEST_SCALE lets run."""
    return lambda n: max(1, round(n * SCALE))


@pytest.fixture
def dice(request):
    """The same throws in every run of a test, others with HEAPWATCH_TEST_SEED."""
    return random.Random(f"{os.environ.get('HEAPWATCH_TEST_SEED', '')} {request.node.nodeid}")


@pytest.fixture
def release(monkeypatch):
    """The daemon that people get, without sanitizers."""
    path = os.environ.get("HEAPWATCHD_RELEASE", "")
    assert os.access(path, os.X_OK), "HEAPWATCHD_RELEASE must name the release build"
    monkeypatch.setenv("HEAPWATCHD", path)
    return path


@pytest.fixture
def shim():
    """The library that makes calls fail (shim.c), of the build with the tests."""
    build = Path(os.environ["HEAPWATCHD"]).parents[1]
    path = build / "tests" / "fault" / "fault_shim.so"
    assert path.exists(), f"{path} is missing: run tests/run.sh"
    return path


@pytest.fixture(params=["release", "sanitized"])
def build(request, shim):
    """What to run: (its share of the faults, what else its environment needs)."""
    if request.param == "release":
        request.getfixturevalue("release")
        return 0.8, {}
    options = os.environ.get("ASAN_OPTIONS", "")
    return 0.2, {"ASAN_OPTIONS": f"{options}:verify_asan_link_order=0".lstrip(":")}


@pytest.fixture
def driver_program():
    """The daemon's disk work alone (driver.c), with the shim in it."""
    path = Path(os.environ["HEAPWATCHD"]).parents[1] / "tests" / "fault" / "fault_driver"
    assert path.exists(), f"{path} is missing: run tests/run.sh"
    return path


@pytest.fixture
def drive(driver_program):
    """drive(folder, commands, environment) -> what it answers, by lines"""
    def run(folder, commands, **env):
        done = subprocess.run([driver_program, folder, "0", "0", "0"], input=commands, text=True,
                              capture_output=True, timeout=60, env=dict(os.environ, **env))
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()
    return run
