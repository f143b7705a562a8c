"""The command line, in Prometheus' manner."""

import json
import re

import pytest

from lab import listener
from lab.daemon import program


@pytest.fixture
def run(nursery, tmp_path):
    """run(flags...) -> (exit status, output)"""
    def start(*flags, cwd=tmp_path):
        process = nursery.start([program(), *flags], cwd=cwd)
        return process.wait_exit(), process.output()
    return start


def test_version(run):
    status, text = run("--version")
    assert status == 0 and re.match(r"heapwatchd \d+\.\d+\.\d+", text)


def test_help_names_every_flag(run):
    status, text = run("--help")
    assert status == 0
    for flag in ("config.file", "storage.path", "web.listen-address", "web.config.file", "target", "log.level",
                 "log.format", "check", "options", "version"):
        assert f"--{flag}" in text, flag


def test_options_lists_type_default_and_help(run):
    status, text = run("--options")
    assert status == 0
    for word in ("poll.interval", "5s", "targets", "rule_files", "web", "spool"):
        assert word in text, word


@pytest.mark.parametrize("flags, complaint", [
    (["--no-such-flag"], "no-such-flag"),
    (["extra"], "extra"),
    (["--config.file"], "config.file"),
    (["--print=nothing"], "nothing"),
])
def test_usage_errors_exit_2(run, flags, complaint):
    status, text = run(*flags)
    assert status == 2 and complaint in text


@pytest.mark.parametrize("flags, complaint", [
    (["--target=example.org:9229"], "example.org"),
    (["--target=127.0.0.1:99999"], "99999"),
    (["--web.listen-address=nonsense"], "nonsense"),
    (["--log.level=loud"], "loud"),
    (["--log.format=xml"], "xml"),
    (["--config.file=/nonexistent/heapwatchd.yaml"], "/nonexistent/heapwatchd.yaml"),
    (["--web.config.file=/nonexistent/web.yaml"], "/nonexistent/web.yaml"),
])
def test_bad_values_are_refused_with_the_value(run, flags, complaint):
    status, text = run(*flags, "--check")
    assert status in (1, 2) and complaint in text


def test_needs_no_configuration_file(start_node, start_daemon):
    app = start_node(24, "idle")
    daemon = start_daemon(flags=[f"--target={app.address}"])
    daemon.wait_up(app.address)
    assert daemon.value("heapwatch_heap_used_bytes", target=app.address, isolate="main") > 0


def test_several_targets_and_listeners(start_node, start_daemon):
    apps = [start_node(major, "idle") for major in (20, 26)]
    daemon = start_daemon(flags=[f"--target={a.address}" for a in apps] +
                          ["--web.listen-address=127.0.0.1:0"])
    for app in apps:
        daemon.wait_up(app.address)
    assert daemon.process.count_lines(r'msg="?listening"?') == 2


def test_flags_win_over_the_file_also_after_a_reload(start_node, start_daemon):
    app = start_node(24, "idle")
    port = listener.free_port()
    config = {"web": {"listen_addresses": [f"127.0.0.1:{port}"], "enable_lifecycle": True}}
    daemon = start_daemon(config, flags=[f"--target={app.address}"])
    assert daemon.port != port
    daemon.wait_up(app.address)
    assert daemon.post("/-/reload").status == 200
    assert daemon.target(app.address) is not None


def test_json_log_lines_are_json(start_daemon):
    daemon = start_daemon({}, flags=["--log.format=json"], wait=False)
    heard = daemon.process.wait_line('"listening"')
    line = json.loads(heard.string)
    assert line["msg"] == "listening" and line["level"] == "info"
    daemon.process.stop()
    for text in daemon.process.lines:
        json.loads(text)


def test_taken_port_is_an_error_that_names_it(start_daemon, nursery, tmp_path):
    first = start_daemon({})
    process = nursery.start([program(), f"--storage.path={tmp_path}/second",
                             f"--web.listen-address=127.0.0.1:{first.port}"])
    assert process.wait_exit() == 1
    assert str(first.port) in process.output() and "in use" in process.output()


def test_two_daemons_do_not_share_a_spool(start_daemon, nursery):
    first = start_daemon({})
    process = nursery.start([program(), f"--storage.path={first.storage}",
                             "--web.listen-address=127.0.0.1:0"])
    assert process.wait_exit() == 1
    assert str(first.storage) in process.output()


@pytest.mark.parametrize("blocked", ["", "storage", "storage/spool", "storage/spool/ready",
                                     "storage/state"])
def test_a_storage_that_cannot_be_is_an_error_that_names_it(nursery, tmp_path, blocked):
    """A file stands where a folder should be; whatever had started by then is taken down."""
    path = tmp_path / blocked / "file" if blocked == "" else tmp_path / blocked
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way")
    storage = path / "storage" if blocked == "" else tmp_path / "storage"
    process = nursery.start([program(), f"--storage.path={storage}",
                             "--web.listen-address=127.0.0.1:0"])
    assert process.wait_exit() == 1
    assert str(storage) in process.output() and "cannot start" in process.output()
    assert path.read_text() == "in the way"


@pytest.mark.parametrize("signal", [2, 15], ids=["SIGINT", "SIGTERM"])
def test_stops_cleanly(start_node, start_daemon, signal):
    app = start_node(24, "workers", 2)
    daemon = start_daemon(flags=[f"--target={app.address}"])
    daemon.wait_up(app.address)
    daemon.process.signal(signal)
    assert daemon.process.wait_exit(5) == 0
    assert app.process.running()
