"""Fixtures: every process a test starts ends with the test, by its pid."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from lab import daemon, node, proc, site as pages  # noqa: E402
from lab.manager import Manager  # noqa: E402


@pytest.fixture
def nursery():
    group = proc.Nursery()
    yield group
    group.close()


@pytest.fixture(params=node.MAJORS, ids=lambda major: f"node{major}")
def major(request):
    return request.param


@pytest.fixture
def start_node(nursery):
    """start_node(major, program, *arguments) -> Node"""
    def start(*args, **options):
        return node.Node(nursery, *args, **options)
    return start


@pytest.fixture
def site():
    """The pages of programs/site, for browsers."""
    served = pages.Site()
    yield served
    served.close()


@pytest.fixture
def start_daemon(nursery, tmp_path):
    """start_daemon(config, flags) -> Daemon; the first one of a test lives in tmp_path/daemon."""
    count = 0

    def start(config=None, **options):
        nonlocal count
        count += 1
        home = options.pop("home", tmp_path / (f"daemon{count}" if count > 1 else "daemon"))
        return daemon.Daemon(nursery, home, config, **options)
    return start


@pytest.fixture
def manager():
    return Manager()


@pytest.fixture
def watch(start_daemon):
    """watch(name=address, ...) -> Daemon that polls these targets fast."""
    def start(rules=None, home=None, sections=None, **targets):
        config = daemon.static_config(targets, **(sections or {}))
        options = {"home": home} if home else {}
        return start_daemon(config, **options)
    return start


@pytest.fixture
def quick_daemon(monkeypatch):
    """The daemon without sanitizers, whose memory and speed are its own."""
    path = os.environ.get("HEAPWATCHD_RELEASE", "")
    assert os.access(path, os.X_OK), "HEAPWATCHD_RELEASE must name the release build"
    monkeypatch.setenv("HEAPWATCHD", path)


def pytest_configure(config):
    config.addinivalue_line("markers", "first: takes long, mostly waiting: start it first")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("first") is None)
