"""Configuration: complaints that point, reloads that apply all or nothing, discovered targets."""

import json
import re
import signal
import time

import pytest

from lab import listener
from lab.daemon import POLL, program, static_config
from lab.wait import until


@pytest.fixture
def check(nursery, tmp_path):
    """check(text) -> (exit status, output)"""
    def run(text):
        path = tmp_path / "heapwatchd.yaml"
        path.write_text(text)
        process = nursery.start([program(), f"--config.file={path}", "--check"])
        return process.wait_exit(), process.output()
    return run


def test_check_accepts_what_is_right(check):
    status, _ = check("poll: {interval: 10s}\ntargets:\n- {name: api, address: '127.0.0.1:9229'}\n")
    assert status == 0


def test_check_accepts_nothing_at_all(check):
    assert check("")[0] == 0


@pytest.mark.parametrize("text, complaint", [
    ("targets:\n- adress: 127.0.0.1:9229\n", r"heapwatchd.yaml:2:3: targets\[0\].*'adress'.*address"),
    ("poll: {interval: 10 parsecs}\n", r"heapwatchd.yaml:1:18: poll.interval: .*10 parsecs"),
    ("poll: {interval: 1ms}\n", r"heapwatchd.yaml:1:18: poll.interval: "),
    ("targets: 7\n", r"heapwatchd.yaml:1:10: targets: "),
    ("targets:\n- {name: a}\n", r"heapwatchd.yaml:2:3: targets\[0\]: .*address"),
    ("targets:\n- {address: 'example.org:1'}\n", r"heapwatchd.yaml:2:13: targets\[0\].address: "),
    ("poll: {}\npoll: {}\n", r"heapwatchd.yaml:2:1: .*poll"),
    ("poll: [\n", r"heapwatchd.yaml:2:1: "),
    ("a: &x [*x]\n", r"heapwatchd.yaml:1:"),
    ("poll: {policy: sometimes}\n", r"heapwatchd.yaml:1:16: poll.policy: .*attached"),
    ("web: {enable_lifecycle: maybe}\n", r"heapwatchd.yaml:1:25: web.enable_lifecycle: "),
    ("targets:\n- {name: a, address: '127.0.0.1:1'}\n- {name: a, address: '127.0.0.1:2'}\n",
     r"heapwatchd.yaml:3:"),
    ("web: {listen_addresses: ['0.0.0.0:80']}\n", r"heapwatchd.yaml:1:.*allow_remote"),
], ids=["typo", "unit", "range", "kind", "missing", "address", "doubled", "syntax", "alias",
        "choice", "bool", "name-twice", "remote"])
def test_check_points_at_the_mistake(check, text, complaint):
    status, said = check(text)
    assert status == 1
    assert re.search(complaint, said), said


def test_check_names_several_mistakes_in_one_run(check):
    status, said = check("poll: {interval: x, timeout: y}\ntargets: 3\nnonsense: 1\n")
    assert status == 1
    assert len([line for line in said.splitlines() if "heapwatchd.yaml:" in line]) == 4, said


# ---- reload ----

def reload_by_signal(daemon):
    mark = daemon.process.mark()
    daemon.process.signal(signal.SIGHUP)
    daemon.process.wait_line("configuration loaded again|reload refused", since=mark)


def reload_by_post(daemon):
    daemon.post("/-/reload")


@pytest.fixture(params=[reload_by_signal, reload_by_post], ids=["SIGHUP", "POST"])
def reload(request):
    return request.param


LIFECYCLE = {"web": {"enable_lifecycle": True}}


def names(daemon):
    return {t["labels"]["target"] for t in daemon.api("/targets")["activeTargets"]}


def test_reload_applies_the_new_targets(start_node, start_daemon, reload):
    stays, goes, comes = (start_node(24, "idle") for _ in range(3))
    daemon = start_daemon(static_config({"stays": stays.address, "goes": goes.address}, **LIFECYCLE))
    daemon.wait_up("stays")
    daemon.wait_up("goes")
    daemon.configure(static_config({"stays": stays.address, "comes": comes.address}, **LIFECYCLE))
    reload(daemon)
    daemon.wait_up("comes")
    assert names(daemon) == {"stays", "comes"}
    assert daemon.values("heapwatch_up", target="goes") == []
    goes.process.wait_line("Debugger ending on")
    assert stays.process.count_lines("Debugger attached") == 1, "an unchanged target is left alone"
    assert daemon.value("heapwatch_config_last_reload_successful") == 1


def test_a_bad_reload_changes_nothing(start_node, start_daemon, reload):
    app = start_node(24, "idle")
    daemon = start_daemon(static_config({"app": app.address}, **LIFECYCLE))
    daemon.wait_up("app")
    bad = static_config({"other": app.address}, **LIFECYCLE)
    bad["poll"]["interval"] = "10 parsecs"
    daemon.configure(bad)
    reload(daemon)
    assert names(daemon) == {"app"}
    assert daemon.value("heapwatch_config_last_reload_successful") == 0
    assert "10 parsecs" in daemon.get("/").text
    daemon.configure(static_config({"app": app.address}, **LIFECYCLE))
    reload(daemon)
    assert daemon.value("heapwatch_config_last_reload_successful") == 1
    assert app.process.count_lines("Debugger attached") == 1


def test_bad_rules_refuse_the_whole_reload(start_daemon, tmp_path, reload):
    rules = tmp_path / "rules.yaml"
    rules.write_text("groups: []\n")
    daemon = start_daemon(dict(LIFECYCLE, rule_files=[str(rules)]))
    rules.write_text("groups:\n- {name: g, rules: [{alert: A, when: {metric: no}}]}\n")
    daemon.configure(static_config({"new": "127.0.0.1:9"}, rule_files=[str(rules)], **LIFECYCLE))
    reload(daemon)
    assert names(daemon) == set() and daemon.api("/rules")["groups"] == []


def test_post_answers_the_complaints(start_daemon):
    daemon = start_daemon(LIFECYCLE)
    daemon.configure("poll: {interval: x}\n")
    answer = daemon.post("/-/reload")
    assert answer.status in (400, 500) and "heapwatchd.yaml:1:18: poll.interval" in answer.text


def test_post_is_refused_unless_enabled(start_daemon):
    daemon = start_daemon({})
    assert daemon.post("/-/reload").status == 403


def test_a_change_that_needs_a_restart_is_told(start_daemon):
    daemon = start_daemon(dict(LIFECYCLE))
    daemon.configure(dict(LIFECYCLE, web=dict(LIFECYCLE["web"], allow_remote=True)))
    reload_by_signal(daemon)
    daemon.process.wait_line("web.allow_remote.*next start")


# ---- discovery ----

def groups(*addresses, **labels):
    return [{"targets": list(addresses), "labels": labels}]


@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_file_sd_follows_the_file_at_once(start_node, start_daemon, tmp_path, kind):
    first, second = start_node(24, "idle"), start_node(22, "idle")
    folder = tmp_path / "targets.d"
    folder.mkdir()
    file = folder / f"apps.{kind}"
    file.write_text(json.dumps(groups(first.address, team="shop")))  # JSON is YAML as well
    daemon = start_daemon({"poll": POLL, "file_sd_configs": [
        {"files": [f"{folder}/*.{kind}"], "refresh_interval": "1h"}]})
    daemon.wait_up(first.address)
    assert daemon.target(first.address)["labels"]["team"] == "shop"
    fresh = folder / "fresh.tmp"
    fresh.write_text(json.dumps(groups(second.address)))
    fresh.rename(file)
    daemon.wait_up(second.address, limit_s=5)
    until(lambda: names(daemon) == {second.address}, lambda: names(daemon), limit_s=5)
    file.write_text("{ broken")
    daemon.process.wait_line(f"apps.{kind}")
    time_limit = time.monotonic() + 1
    until(lambda: time.monotonic() > time_limit or names(daemon) != {second.address}, "a second")
    assert names(daemon) == {second.address}, "a broken file keeps the last good set"
    file.unlink()
    until(lambda: names(daemon) == set(), lambda: names(daemon), limit_s=5)


def test_a_target_may_move_between_sources(start_node, start_daemon, tmp_path):
    app = start_node(24, "idle")
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    entry = json.dumps(groups(app.address, __heapwatch_name="app"))
    first.write_text(entry)
    second.write_text("[]")
    daemon = start_daemon({"poll": POLL, "file_sd_configs": [{"files": [str(first)]},
                                                             {"files": [str(second)]}]})
    daemon.wait_up("app")
    second.write_text(entry)
    daemon.process.wait_line("another source has the name")
    first.write_text("[]")
    daemon.wait_up("app")
    until(lambda: names(daemon) == {"app"}, lambda: names(daemon))
    daemon.configure({"poll": POLL, "targets": [{"name": "app", "address": app.address}]})
    reload_by_signal(daemon)
    until(lambda: names(daemon) == {"app"}, lambda: names(daemon))
    daemon.wait_up("app")


def test_http_sd_follows_the_service(start_node, start_daemon):
    app = start_node(24, "idle")
    current = [groups(app.address, team="web")]
    server = listener.http({"/sd": (200, "application/json",
                                    lambda _: json.dumps(current[0]).encode())})
    try:
        daemon = start_daemon({"poll": POLL, "http_sd_configs": [
            {"url": f"http://{server.address}/sd", "refresh_interval": "1s"}]})
        daemon.wait_up(app.address)
        assert daemon.target(app.address)["labels"]["team"] == "web"
        current[0] = []
        until(lambda: names(daemon) == set(), lambda: names(daemon))
    finally:
        server.close()


def test_http_sd_token_comes_from_a_credential(start_node, start_daemon, tmp_path):
    app = start_node(24, "idle")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "sd-token").write_text("s3cret\n")
    heard = []

    def answer(request):
        heard.append(request.headers.get("Authorization"))
        return json.dumps(groups(app.address)).encode()
    server = listener.http({"/sd": (200, "application/json", answer)})
    try:
        daemon = start_daemon({"poll": POLL, "http_sd_configs": [
            {"url": f"http://{server.address}/sd", "bearer_token_credential": "sd-token"}]},
            env={"CREDENTIALS_DIRECTORY": str(credentials)})
        daemon.wait_up(app.address)
        assert heard[0] == "Bearer s3cret"
    finally:
        server.close()


def test_http_sd_that_fails_keeps_the_last_good_set(start_node, start_daemon):
    app = start_node(24, "idle")
    server = listener.http({"/sd": (200, "application/json",
                                    json.dumps(groups(app.address)).encode())})
    daemon = start_daemon({"poll": POLL, "http_sd_configs": [
        {"url": f"http://{server.address}/sd", "refresh_interval": "1s"}]})
    daemon.wait_up(app.address)
    server.close()
    daemon.process.wait_line(f"(?i)(refused|fail).*{server.address}|{server.address}.*(refused|fail)")
    assert names(daemon) == {app.address} and daemon.state(app.address) == "up"


def test_limit_on_targets_holds(start_daemon, tmp_path):
    file = tmp_path / "many.json"
    file.write_text(json.dumps(groups(*[f"127.0.0.1:{10000 + i}" for i in range(50)])))
    daemon = start_daemon({"poll": POLL, "limits": {"targets": 10},
                           "file_sd_configs": [{"files": [str(file)]}]})
    until(lambda: len(names(daemon)) == 10, lambda: len(names(daemon)))
