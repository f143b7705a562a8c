"""As a service of systemd: its notifications, its sockets, its unit, and a real boot."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import warnings
from pathlib import Path

import pytest

from lab import listener, machine
from lab.daemon import program, static_config
from lab.wait import LIMIT_S, until

TOP = Path(__file__).resolve().parents[2]
UNITS = TOP / "systemd"
EXPOSURE_MAX = 15  # tenths
EXPOSURE_MAX_SIGUSR1 = 22


def test_tells_ready_reloading_and_stopping(start_daemon, manager):
    daemon = start_daemon({"web": {"enable_lifecycle": True}}, env={"NOTIFY_SOCKET": manager.path})
    manager.wait("READY=1")
    assert manager.lines("STOPPING=1") == []
    daemon.process.signal(signal.SIGHUP)
    manager.wait("RELOADING=1")
    manager.wait("READY=1", 2)
    said = manager.lines()
    assert said.index("RELOADING=1") < len(said) - 1 - said[::-1].index("READY=1")
    assert int(manager.lines("MONOTONIC_USEC=")[0].split("=")[1]) > 0
    assert daemon.process.stop() == 0
    manager.wait("STOPPING=1")


def test_ready_is_not_told_before_it_listens(start_daemon, manager):
    """Whoever is started after us finds the port open."""
    port = listener.free_port()
    daemon = start_daemon({"web": {"listen_addresses": [f"127.0.0.1:{port}"]}}, listen=False,
                          env={"NOTIFY_SOCKET": manager.path}, wait=False)
    manager.wait("READY=1")
    daemon.port = port
    assert daemon.get("/-/healthy").status == 200


def test_status_counts_targets(start_daemon, start_node, manager):
    app = start_node(24, "idle")
    daemon = start_daemon(static_config({"app": app.address}), env={"NOTIFY_SOCKET": manager.path})
    daemon.wait_up("app")
    manager.wait("STATUS=1 of 1 targets up")


def test_watchdog_is_fed_in_time(start_daemon, manager):
    start_daemon({}, env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "800000"})
    manager.wait("WATCHDOG=1", 4)
    times = [at for at, line in manager.heard if line == "WATCHDOG=1"]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert all(gap < 0.8 for gap in gaps), gaps


def test_a_failed_start_never_tells_ready(start_daemon, manager, tmp_path):
    (tmp_path / "daemon").mkdir()
    (tmp_path / "daemon" / "storage").write_text("in the way")
    daemon = start_daemon({}, env={"NOTIFY_SOCKET": manager.path}, wait=False)
    assert daemon.process.wait_exit() == 1
    assert manager.lines("READY=1") == []


def test_socket_activation(nursery, tmp_path):
    port = listener.free_port()
    config = tmp_path / "heapwatchd.yaml"
    config.write_text("web: {listen_addresses: []}\n")
    keep = [f"--setenv={name}" for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
            if name in os.environ]
    process = nursery.start(["systemd-socket-activate", f"--listen=127.0.0.1:{port}", *keep,
                             program(), f"--config.file={config}", f"--storage.path={tmp_path}/s"])
    process.wait_line("Listening on")
    # The connection that starts the daemon is also answered by it.
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as client:
        client.sendall(b"GET /-/healthy HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.")
    process.wait_line(rf'msg="?listening"? .*{port}')


# ---- the unit files ----

def test_unit_is_hardened():
    done = subprocess.run(["systemd-analyze", "security", "--offline=true",
                           f"--threshold={EXPOSURE_MAX}", UNITS / "heapwatchd.service"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


def test_unit_with_the_drop_in_for_sigusr1(tmp_path):
    shutil.copy(UNITS / "heapwatchd.service", tmp_path)
    (tmp_path / "heapwatchd.service.d").mkdir()
    shutil.copy(UNITS / "sigusr1.conf", tmp_path / "heapwatchd.service.d")

    def exposed(threshold):
        return subprocess.run(["systemd-analyze", "security", "--offline=true", f"--threshold={threshold}",
                               tmp_path / "heapwatchd.service"], capture_output=True, text=True,
                              env=dict(os.environ, SYSTEMD_UNIT_PATH=str(tmp_path))).returncode
    assert exposed(EXPOSURE_MAX_SIGUSR1) == 0
    assert exposed(EXPOSURE_MAX) != 0, "the drop-in is not in force"


def test_every_message_id_has_its_catalog_entry():
    header = (TOP / "daemon" / "util" / "log.h").read_text()
    ids = set(re.findall(r'LOG_ID_\w+\s+"([0-9a-f]{32})"', header))
    entries = re.findall(r"^-- ([0-9a-f]{32})$", (UNITS / "heapwatchd.catalog").read_text(), re.M)
    assert len(ids) >= 10 and ids == set(entries) and len(entries) == len(set(entries))


# ---- a real systemd ----

@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What `meson install` installs."""
    release = os.environ.get("HEAPWATCHD_RELEASE", "")
    assert os.access(release, os.X_OK), "HEAPWATCHD_RELEASE must name the release build"
    destdir = tmp_path_factory.mktemp("installed")
    subprocess.run(["meson", "install", "-C", Path(release).parents[1], "--no-rebuild", "--quiet"],
                   env=dict(os.environ, DESTDIR=str(destdir)), check=True, capture_output=True)
    assert (destdir / "usr/sbin/heapwatchd").exists()
    assert (destdir / "usr/libexec/heapwatch/heapwatch-analyze").exists()
    return destdir


CONFIG = """\
poll: {interval: 500ms, timeout: 500ms}
targets:
- {name: app, address: '127.0.0.1:9229'}
rule_files: [rules.yaml]
analysis: {enabled: true, headroom: 64MiB}
"""
RULES = """\
groups:
- name: memory
  interval: 1s
  rules:
  - alert: Any
    when: {metric: heap_used, above: 1MiB}
    actions: [{capture: snapshot}]
"""


@pytest.fixture
def booted(nursery, tmp_path, installed):
    box = machine.Machine(nursery, tmp_path / "machine", installed)
    (box.etc / "heapwatchd.yaml").write_text(CONFIG)
    (box.etc / "rules.yaml").write_text(RULES)
    return box


def bootable():
    """False with a warning where the kernel or the container this runs in allows no boot. The
    notifications are tested above in any case."""
    reason = machine.why_not()
    if reason:
        warnings.warn(f"no real systemd was booted: {reason}")
    return reason is None


def start_service(box, node="node-24/bin/node", program="idle.js", *arguments):
    box.run("systemd-run", "--unit=app", "--property=DynamicUser=yes",
            f"/mnt/nodes/{node}", "--inspect=127.0.0.1:9229", f"/mnt/programs/{program}", *arguments)
    until(lambda: any(row["MESSAGE"] == "ready" for row in box.journal("_SYSTEMD_UNIT=app.service")),
          "the program")
    status, said = box.run("systemctl", "start", "heapwatchd.service", check=False)
    assert status == 0, said + box.run("journalctl", "-u", "heapwatchd", "--no-pager")[1]


def test_lives_under_a_real_systemd(request):
    if not bootable():
        return
    box = request.getfixturevalue("booted")
    start_service(box)
    assert box.show("heapwatchd", "ActiveState") == "active"
    assert box.show("heapwatchd", "SubState") == "running"

    # All of the main job works within the sandbox of the unit.
    until(lambda: 'heapwatch_up{target="app"} 1' in (box.get("/metrics") or ""),
          lambda: box.run("journalctl", "-u", "heapwatchd", "--no-pager")[1])
    assert 'heapwatch_target_process_resident_memory_bytes{target="app"}' in box.get("/metrics")
    ready = box.root / "var/lib/heapwatch"
    until(lambda: list(ready.rglob("ready/*.heapsnapshot*")),
          lambda: box.run("journalctl", "-u", "heapwatchd", "--no-pager")[1])

    # So does the worker, which needs calls that the daemon does not.
    until(lambda: list(ready.rglob("ready/*.report.json")),
          lambda: box.run("journalctl", "-u", "heapwatchd", "--no-pager")[1])
    assert box.show("heapwatchd", "OOMPolicy") == "continue"

    # Fields, message ids and the catalog.
    (up,) = box.journal("MESSAGE_ID=ab6deb97e4ff4b86bd6dc1624715e284")
    assert up["HEAPWATCH_TARGET"] == "app" and up["PRIORITY"] == "6"
    assert up["_SYSTEMD_UNIT"] == "heapwatchd.service" and "target=app" in up["MESSAGE"]
    box.run("journalctl", "--update-catalog")
    told = box.run("journalctl", "-x", "--no-pager", "MESSAGE_ID=ab6deb97e4ff4b86bd6dc1624715e284")[1]
    assert "Target app is watched" in told

    # Status, reload, a refused reload, stop.
    until(lambda: box.show("heapwatchd", "StatusText").startswith("1 of 1 targets up"),
          lambda: box.show("heapwatchd", "StatusText"))
    box.run("systemctl", "reload", "heapwatchd")
    until(lambda: box.journal("MESSAGE_ID=18b839ed37b7410baa5d5cb0e3562569"), "the reload")
    (box.etc / "heapwatchd.yaml").write_text("nonsense: 1\n")
    box.run("systemctl", "reload", "heapwatchd")
    until(lambda: box.journal("MESSAGE_ID=15b08f05ed484fd6864e460b60e6668c"), "the refusal")
    assert box.show("heapwatchd", "ActiveState") == "active"
    box.run("systemctl", "stop", "heapwatchd")
    assert box.show("heapwatchd", "Result") == "success"
    assert box.show("app", "ActiveState") == "active"


def sampling(box):
    """Is one under way?"""
    listed = json.loads(box.get("/api/v1/captures") or "{}")
    return any(capture["kind"] == "sampling" and capture["state"] == "running"
               for capture in listed.get("data", {}).get("running", []))


# What becomes of a capture: message id, its fields, and how the catalog begins what it says.
OUTCOMES = (
    ("c16a4d9d7f58452daa160db270e8e611", {"RULE": "Any", "KIND": "snapshot"},
     "A capture of target app is complete"),
    ("31fd108702744bada8dd92bf931fce5c", {"RULE": "Small", "REASON": "max_heap"},
     "A capture of target app was not taken"),
    ("c7eb39b54c4b4ddc9f4981a118d9a5cf", {"RULE": "Long", "KIND": "sampling", "REASON": "lost"},
     "A capture of target app has failed"),
)
RULES_OF_OUTCOMES = RULES + """\
  - alert: Small
    when: {metric: heap_used, above: 1MiB}
    guards: {max_heap: 1KiB}
    actions: [{capture: snapshot}]
  - alert: Long
    when: {metric: heap_used, above: 1MiB}
    actions: [{capture: sampling, duration: 1h}]
"""


def test_the_journal_tells_what_became_of_a_capture(request):
    if not bootable():
        return
    box = request.getfixturevalue("booted")
    (box.etc / "rules.yaml").write_text(RULES_OF_OUTCOMES)
    start_service(box)

    def log():
        return box.run("journalctl", "-u", "heapwatchd", "--no-pager")[1]

    def told(outcome):
        identity, fields, _ = outcome
        return box.journal(f"MESSAGE_ID={identity}", "HEAPWATCH_TARGET=app", "HEAPWATCH_ISOLATE=main",
                           *(f"HEAPWATCH_{name}={value}" for name, value in fields.items()))
    complete, suppressed, failed = OUTCOMES
    until(lambda: told(complete), log)
    until(lambda: told(suppressed), log)
    until(lambda: sampling(box), log)
    box.run("systemctl", "kill", "--signal=SIGKILL", "app")
    until(lambda: told(failed), log)
    box.run("journalctl", "--update-catalog")
    for outcome in OUTCOMES:
        identity, fields, subject = outcome
        assert len(told(outcome)) == 1
        said = box.run("journalctl", "-x", "--no-pager", f"MESSAGE_ID={identity}")[1]
        assert subject in said and fields.get("REASON", "") in said


def test_opens_the_inspector_of_another_users_program(request):
    """With the drop-in only; without, the daemon may not even see which program it is."""
    if not bootable():
        return
    box = request.getfixturevalue("booted")
    (box.etc / "heapwatchd.yaml").write_text(CONFIG.replace("'}", "', open_by_sigusr1: {user: nobody, "
                                                                  "command: /mnt/programs/idle.js}}"))
    box.run("systemd-run", "--unit=app", "--property=User=nobody", "/mnt/nodes/node-24/bin/node",
            "/mnt/programs/idle.js")
    until(lambda: any(row["MESSAGE"] == "ready" for row in box.journal("_SYSTEMD_UNIT=app.service")),
          "the program")
    box.run("systemctl", "start", "heapwatchd.service")
    until(lambda: "no process of Node with the argument" in str(box.journal("_SYSTEMD_UNIT=heapwatchd.service")),
          lambda: box.run("journalctl", "-u", "heapwatchd", "--no-pager")[1])
    drop_in = box.root / "etc/systemd/system/heapwatchd.service.d"
    drop_in.mkdir(parents=True)
    box.run("cp", "/usr/share/heapwatchd/sigusr1.conf", "/etc/systemd/system/heapwatchd.service.d/")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", "heapwatchd.service")
    until(lambda: 'heapwatch_up{target="app"} 1' in (box.get("/metrics") or ""),
          lambda: box.run("journalctl", "-u", "heapwatchd", "--no-pager")[1])
    box.run("systemctl", "stop", "heapwatchd")
    assert any(row["MESSAGE"].startswith("inspector closed")
               for row in box.journal("_SYSTEMD_UNIT=heapwatchd.service"))
    assert box.show("app", "ActiveState") == "active"


def test_watchdog_restarts_a_daemon_that_hangs(request):
    if not bootable():
        return
    box = request.getfixturevalue("booted")
    drop_in = box.root / "etc/systemd/system/heapwatchd.service.d"
    drop_in.mkdir(parents=True)
    (drop_in / "fast.conf").write_text("[Service]\nWatchdogSec=1s\nRestartSec=100ms\n")
    box.run("systemctl", "daemon-reload")
    start_service(box)
    pid = box.show("heapwatchd", "MainPID")
    box.run("kill", "-STOP", pid)
    until(lambda: box.show("heapwatchd", "NRestarts") == "1", "a restart")
    until(lambda: box.show("heapwatchd", "ActiveState") == "active", "the new one")
    assert box.show("heapwatchd", "MainPID") != pid
    until(lambda: 'heapwatch_up{target="app"} 1' in (box.get("/metrics") or ""), "polling again")


HEAVY = """\
poll: {interval: 500ms, timeout: 500ms}
capture: {guards: {headroom: 0}}
targets:
- {name: app, address: '127.0.0.1:9229'}
rule_files: [rules.yaml]
"""


def test_the_connection_of_a_snapshot_outlives_the_daemon(request):
    """systemd keeps it, and the next daemon hears it out (test_killed.py has why)."""
    if not bootable():
        return
    box = request.getfixturevalue("booted")
    (box.etc / "heapwatchd.yaml").write_text(HEAVY)
    start_service(box, "node-22/bin/node", "heavy.js", "1000000")
    incoming = box.root / "var/lib/heapwatch/spool/incoming"

    def log():
        return box.run("journalctl", "-u", "heapwatchd", "--no-pager")[1]
    until(lambda: box.show("heapwatchd", "NFileDescriptorStore") == "1", log)
    until(lambda: any(f.stat().st_size for f in incoming.iterdir()), log, 120, step_s=0.001)
    box.run("systemctl", "kill", "--signal=SIGKILL", "--kill-whom=main", "heapwatchd")
    until(lambda: box.show("heapwatchd", "NRestarts") == "1", log)
    until(lambda: box.show("heapwatchd", "ActiveState") == "active", log)
    (heard,) = until(lambda: box.journal("MESSAGE_ID=9c8ba7249b1048bd9ca1d1e3404b22d1"), log, 60)
    assert heard["HEAPWATCH_ADDRESS"] == "127.0.0.1:9229" and heard["HEAPWATCH_REASON"] == "nothing came"
    assert int(heard["HEAPWATCH_RECEIVED_BYTES"]) > 1 << 20
    until(lambda: box.show("heapwatchd", "NFileDescriptorStore") == "0", log)
    assert box.show("app", "ActiveState") == "active"
    until(lambda: 'heapwatch_up{target="app"} 1' in (box.get("/metrics") or ""), log)


def test_socket_unit_starts_it_on_the_first_request(request):
    if not bootable():
        return
    box = request.getfixturevalue("booted")
    (box.etc / "heapwatchd.yaml").write_text("web: {listen_addresses: []}\n")
    box.run("systemctl", "start", "heapwatchd.socket")
    assert box.show("heapwatchd.service", "ActiveState") == "inactive"
    assert box.get("/-/healthy") is not None
    assert box.show("heapwatchd.service", "ActiveState") == "active"
