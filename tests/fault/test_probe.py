"""The probe of the campaigns notices a daemon that stands still, one that ends and one that polls no
more."""

import signal
import time

import pytest

from lab.daemon import Daemon, static_config
from probe import ANSWER_S, STANDSTILL_S, Probe

POLL_S = 0.5  # as lab.daemon has it


@pytest.fixture
def app(start_node):
    return start_node(24, "idle").address


@pytest.fixture
def daemon(release, nursery, tmp_path, app):
    made = Daemon(nursery, tmp_path / "daemon", static_config({"quiet": app}))
    made.wait_up("quiet")
    return made


def test_all_is_well(daemon):
    with Probe(daemon, "quiet", POLL_S) as probe:
        time.sleep(4 * POLL_S)
        probe.end()
    probe.check()
    assert probe.asked > 4


def test_no_answer_for_a_moment(daemon):
    with Probe(daemon, "quiet", POLL_S) as probe:
        daemon.process.signal(signal.SIGSTOP)
        time.sleep(ANSWER_S + 0.5)
        daemon.process.signal(signal.SIGCONT)
        probe.end()
    with pytest.raises(AssertionError, match="an answer took"):
        probe.check()


def test_no_polls(daemon, app):
    with Probe(daemon, "quiet", POLL_S) as probe:
        daemon.configure(static_config({"quiet": app}, poll={"interval": "1h"}))
        daemon.process.signal(signal.SIGHUP)
        daemon.process.wait_line("configuration loaded again")
        time.sleep(STANDSTILL_S + POLL_S)
        probe.end()
    with pytest.raises(AssertionError, match="no poll for"):
        probe.check()


def test_it_ends(daemon):
    with Probe(daemon, "quiet", POLL_S) as probe:
        daemon.process.kill()
        with pytest.raises(OSError):
            probe.end()
    with pytest.raises(AssertionError, match="refused|reset|closed"):
        probe.check()
