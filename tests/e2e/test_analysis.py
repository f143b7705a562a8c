"""Reports beside captures: the same as `heapwatchctl analyze` makes, by a worker that can do nothing
else; and what becomes of a snapshot, a worker or a daemon that fails."""

import ctypes
import json
import os
import platform
import re
import signal
import subprocess
from pathlib import Path

import pytest

from lab import daemon as heapwatchd, node
from lab.cdp import Client, is_sampling
from lab.ctl import Ctl
from lab.daemon import PLAIN, static_config
from lab.verdicts import configuration, rule, series_of, wait_verdict
from lab.wait import LIMIT_S, until

ON = {"enabled": True, "headroom": "64MiB"}
KEY = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"


@pytest.fixture
def app(start_node):
    return start_node(24, "heap", 2000, 1)


@pytest.fixture
def analysing(start_daemon):
    """analysing(targets, capture settings, analysis settings) -> Daemon that analyses."""
    def start(targets=None, capture=None, home=None, **analysis):
        config = static_config(targets or {}, capture={**PLAIN, **(capture or {})},
                               analysis={**ON, **analysis})
        return start_daemon(config, **({"home": home} if home else {}))
    return start


def captures(daemon):
    return [c for c in daemon.api("/captures")["ready"] if c["kind"] == "snapshot"]


def wait_state(daemon, state, n=1, limit_s=60):
    """The captures, once n of them are in this state."""
    until(lambda: sum(c["analysis"]["state"] == state for c in captures(daemon)) >= n,
          lambda: f"{n} {state}: {[c['analysis'] for c in captures(daemon)]}\n{daemon.tail()}", limit_s)
    return [c for c in captures(daemon) if c["analysis"]["state"] == state]


def children(daemon):
    path = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children")
    return [int(pid) for pid in path.read_text().split()]


def wait_worker(daemon, limit_s=LIMIT_S):
    """The pid of the worker, once it has confined itself."""
    def confined():
        for pid in children(daemon):
            try:
                if "Seccomp:\t2" in Path(f"/proc/{pid}/status").read_text():
                    return pid
            except OSError:
                pass
        return None
    return until(confined, lambda: f"a worker; log:\n{daemon.tail()}", limit_s, step_s=0.002)


def report_of(daemon, capture):
    answer = daemon.get(f"/api/v1/captures/{capture['id']}/report")
    assert answer.status == 200, answer.text
    return answer.json()


def rows(report):
    return [(c["key"], c["count"], c["self_bytes"], c["retained_bytes"], c["distance"])
            for c in report["classes"]]


def drop_in(directory, data, name="Heap.20260101.000000.1.0.001.heapsnapshot"):
    """As a runtime writes it: whole under its name, then closed."""
    part = directory / f".{name}"
    part.write_bytes(data)
    part.rename(directory / name)


# ---- what is right ----

@pytest.mark.parametrize("compress", ["none", "zstd"])
def test_report_is_that_of_analyze(app, analysing, tmp_path, compress):
    daemon = analysing({"app": app.address}, {"compress": compress, "redact": "strings"})
    daemon.wait_up("app")
    daemon.capture("app")
    (capture,) = wait_state(daemon, "done")
    report = report_of(daemon, capture)
    ctl = Ctl("-H", f"127.0.0.1:{daemon.port}")
    exported = tmp_path / "app.heapsnapshot"
    ctl("export", "-o", exported, capture["id"])
    by_hand = Ctl().json("analyze", exported, "--top=100")
    for member in ("nodes", "edges", "digest", "statistics", "classes_in_all"):
        assert report[member] == by_hand[member], member
    assert rows(report) == rows(by_hand)
    assert report["file"] == capture["name"]
    assert report["worker"]["estimate_bytes"] > 0
    assert report["worker"]["peak_resident_bytes"] > report["nodes"]
    assert "KnownThing" in {c["name"] for c in report["classes"]}

    # It lies beside the capture, is counted, shown and verified, and goes with it.
    path = next(daemon.storage.rglob("ready/*.report.json"))
    assert json.loads(path.read_text()) == report and path.name == capture["report_name"]
    assert path.stat().st_size == capture["report_bytes"]
    assert daemon.value("heapwatch_analyses_total", result="done") == 1
    assert daemon.value("heapwatch_analysis_duration_seconds_count") == 1
    assert daemon.value("heapwatch_spool_size_bytes") == \
        capture["file_bytes"] + capture["scripts_bytes"] + capture["report_bytes"]
    told = ctl("info", capture["id"]).stdout
    assert "Analysis: done\n" in told and f" in {by_hand['classes'][0]['count']} " in told
    assert " OK " in ctl("verify", capture["id"]).stdout
    path.write_text("{}")
    assert " truncated " in ctl("verify", capture["id"], exit=1).stdout
    assert ">report</a>" in daemon.get("/").text
    ctl("rm", capture["id"])
    assert not path.exists() and list(path.parent.iterdir()) == []
    assert daemon.value("heapwatch_spool_size_bytes") == 0


@pytest.mark.parametrize("compress, formats", [
    ("none", ["heapprofile", "pprof"]), ("zstd", ["heapprofile", "pprof"]), ("zstd", ["pprof"])],
    ids=["none", "zstd", "pprof"])
def test_report_of_a_profile(start_node, analysing, tmp_path, compress, formats):
    """The table of `profile top`, the flame graph of `profile flame`; a pprof beside it is left alone."""
    node = start_node(24, "allocate")
    daemon = analysing({"app": node.address}, {"compress": compress})
    daemon.wait_up("app")
    wish = {"kind": "sampling", "duration": "3s", "interval": "8KiB", "objects": "all",
            "format": formats}
    assert daemon.post("/api/v1/targets/app/captures", json.dumps(wish).encode(),
                       {"Content-Type": "application/json"}).status == 202
    with Client(node.port) as client:
        until(lambda: is_sampling(client), "it samples")
    node.nudge(r"^kept (\d+)")
    ready = until(lambda: (c := daemon.api("/captures")["ready"]) and len(c) == len(formats)
                  and any(x["analysis"]["state"] == "done" for x in c) and c,
                  lambda: f"{formats} and a report; log:\n{daemon.tail()}", 60)
    capture, *beside = sorted(ready, key=lambda c: c["format"])
    assert [c["format"] for c in beside] == ["pb.gz"] * (len(formats) - 1)
    assert all(c["analysis"] == {"state": "none", "reason":
                                 "it is no snapshot and no profile, or the second file of one"}
               for c in beside)

    report = report_of(daemon, capture)
    ctl = Ctl("-H", f"127.0.0.1:{daemon.port}")
    exported = tmp_path / f"app.{capture['format']}"
    ctl("export", "-o", exported, capture["id"])
    by_hand = Ctl().json("profile", "top", exported, "--top=0")
    for member in ("what", "counted", "interval_bytes", "duration_seconds", "bytes", "count"):
        assert report[member] == by_hand[member], member
    assert report["functions"] == [f for f in by_hand["functions"]][:len(report["functions"])]
    assert report["functions_in_all"] == len(by_hand["functions"])
    assert sum(call[2] for call in report["calls"]) == report["bytes"]
    assert {"keepMany", "keepFew"} <= {f["function"] for f in report["functions"]}

    drawn = daemon.get(f"/api/v1/captures/{capture['id']}/flame")
    assert drawn.headers["Content-Type"] == "image/svg+xml"
    graph = tmp_path / "app.svg"
    Ctl()("profile", "flame", exported, "-o", graph)
    rects = [line for line in drawn.text.splitlines() if "<rect" in line and "keep" in line]
    assert rects and set(rects) <= set(graph.read_text().splitlines())
    page = daemon.get(f"/captures/{capture['id']}")
    assert page.status == 200 and "keepMany" in page.text and "<svg" in page.text
    assert f'<a href="/captures/{capture["id"]}">report</a>' in daemon.get("/").text
    for path in (f(c["id"]) for c in beside
                 for f in ("/api/v1/captures/{}/flame".format, "/captures/{}".format)):
        assert daemon.get(path).status == 404


def test_it_is_off_unless_asked_for(app, start_daemon):
    daemon = start_daemon(static_config({"app": app.address}))
    daemon.wait_up("app")
    daemon.capture("app")
    (capture,) = captures(daemon)
    assert capture["analysis"] == {"state": "none", "reason": "analysis.enabled is off"}
    answer = daemon.get(f"/api/v1/captures/{capture['id']}/report")
    assert answer.status == 404 and "analysis.enabled is off" in answer.text
    # A reload that turns it on takes up what is there.
    daemon.configure(static_config({"app": app.address}, analysis=ON))
    daemon.process.signal(signal.SIGHUP)
    wait_state(daemon, "done")


def test_encrypted_is_skipped(app, analysing):
    daemon = analysing({"app": app.address}, {"encrypt": [KEY]})
    daemon.wait_up("app")
    daemon.capture("app")
    (capture,) = wait_state(daemon, "skipped")
    assert capture["analysis"]["reason"] == "it is encrypted, and the daemon has no key"
    answer = daemon.get(f"/api/v1/captures/{capture['id']}/report")
    assert answer.status == 404 and "skipped: it is encrypted" in answer.text
    assert list(daemon.storage.rglob("*.report.json")) == []


# ---- the worker ----

@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """A snapshot that takes the analyser a while."""
    path = tmp_path_factory.mktemp("big") / "big.heapsnapshot"
    subprocess.run([node.binary(24), "-e", """
        class Held { constructor(i) { this.next = { i, text: 'x' + i }; } }
        globalThis.held = [];
        for (let i = 0; i < 400000; i++) held.push(new Held(i));
        require('v8').writeHeapSnapshot(process.argv[1]);""", path],
                   check=True, env=node.environment())
    return path.read_bytes()


@pytest.fixture
def adopting(analysing, tmp_path):
    """adopting(analysis settings) -> (daemon, directory it takes files over from)"""
    directory = tmp_path / "diagnostics"
    directory.mkdir(mode=0o755, exist_ok=True)

    def start(home=None, **analysis):
        adopt = {"directory": str(directory), "settle": "100ms"}
        return analysing(capture={"adopt": [adopt]}, home=home, **analysis), directory
    return start


REPORT_MAX = 1 << 20  # daemon/capture/worker.h
IO_WHO_PROCESS, IO_CLASS_IDLE, IO_CLASS_SHIFT = 1, 3, 13  # linux/ioprio.h
SYS_ioprio_get = {"x86_64": 252, "aarch64": 31}


def io_class(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    found = libc.syscall(SYS_ioprio_get[platform.machine()], IO_WHO_PROCESS, pid)
    assert found >= 0, os.strerror(ctypes.get_errno())
    return found >> IO_CLASS_SHIFT


def limit_of(limits, name):
    """Soft and hard."""
    row = next(row for row in limits.splitlines() if row.startswith(name))
    return row[len("Max realtime priority    "):].split()[:2]


def check_limits(proc, status):
    """As it was told; of address space besides that what was mapped when it was limited."""
    told = dict(flag.decode().split("=", 1) for flag in (proc / "cmdline").read_bytes().split(b"\0")
                if b"=" in flag)
    limits = (proc / "limits").read_text()
    for name, value in (("Max open files", 2), ("Max core file size", 0), ("Max processes", 0),
                        ("Max file size", REPORT_MAX),
                        ("Max cpu time", int(told["--deadline"]))):
        assert limit_of(limits, name) == [str(value)] * 2, (name, limits)
    soft, hard = map(int, limit_of(limits, "Max address space"))
    peak = int(status["VmPeak"].split()[0]) * 1024
    assert 0 < soft - int(told["--memory-max"]) <= peak and soft == hard


def check_confined(pid):
    proc = Path(f"/proc/{pid}")
    assert {fd.name for fd in (proc / "fd").iterdir()} == {"0", "1"}
    assert os.readlink(proc / "fd/0").endswith(".heapsnapshot")
    assert os.readlink(proc / "fd/1").startswith("pipe:")
    status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines()
                  if ":\t" in line)
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2" and status["Threads"] == "1"
    assert (proc / "environ").read_bytes() == b""
    assert (proc / "oom_score_adj").read_text() == "1000\n"
    stat = (proc / "stat").read_text().rpartition(") ")[2].split()
    assert stat[16] == "19" and stat[38] == "5"  # nice; SCHED_IDLE
    assert io_class(pid) == IO_CLASS_IDLE
    check_limits(proc, status)


def test_worker_is_confined(adopting, big):
    daemon, directory = adopting()
    drop_in(directory, big)
    pid = wait_worker(daemon)
    os.kill(pid, signal.SIGSTOP)
    try:
        check_confined(pid)
    finally:
        os.kill(pid, signal.SIGCONT)
    (capture,) = wait_state(daemon, "done")
    assert report_of(daemon, capture)["worker"]["duration_seconds"] > 0
    assert children(daemon) == []


def arguments(pid):
    return set(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))


def mapped_files(pid):
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {Path(line.split(maxsplit=5)[5]).name for line in lines if "/ready/" in line}


def test_worker_of_a_verdict_is_confined_as_well(start_node, start_daemon, tmp_path):
    """What it is given besides, earlier snapshots and the list of scripts, is mapped and closed."""
    app = start_node(24, "heap", 100000, 1)
    daemon = start_daemon(configuration(tmp_path, {"app": app.address}, rule(count=2), PLAIN))
    daemon.wait_capture(1)
    until(lambda: series_of(daemon, "app")[0]["analysis"]["state"] == "done", "its own report", 60)
    pid = wait_worker(daemon, 60)
    os.kill(pid, signal.SIGSTOP)
    try:
        first, last = series_of(daemon, "app")
        check_confined(pid)
        assert os.readlink(f"/proc/{pid}/fd/0").endswith(last["name"])
        given = {first["name"], last["name"], last["scripts_name"]}
        assert {b"--scripts", b"--earlier=1"} <= arguments(pid)
        assert mapped_files(pid) <= given  # less, once it has read some
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_verdict(daemon, "app")


def test_a_killed_worker_is_told(adopting, big):
    daemon, directory = adopting()
    drop_in(directory, big)
    os.kill(wait_worker(daemon), signal.SIGKILL)
    (capture,) = wait_state(daemon, "failed")
    assert "killed from outside" in capture["analysis"]["reason"]
    assert daemon.value("heapwatch_analyses_total", result="failed") == 1
    daemon.process.wait_line("is failed: the worker was killed from outside")
    assert children(daemon) == [] and daemon.get("/-/healthy").status == 200


def test_a_forbidden_call_is_told(adopting, big):
    daemon, directory = adopting()
    drop_in(directory, big)
    os.kill(wait_worker(daemon), signal.SIGSYS)
    (capture,) = wait_state(daemon, "failed")
    assert "SIGSYS" in capture["analysis"]["reason"]


def test_deadline(adopting, big):
    daemon, directory = adopting(deadline="3s")
    drop_in(directory, big)
    pid = wait_worker(daemon)
    os.kill(pid, signal.SIGSTOP)  # hangs
    (capture,) = wait_state(daemon, "failed")
    assert capture["analysis"]["reason"] == "it took longer than the deadline of 3s"
    assert not Path(f"/proc/{pid}").exists()


def test_memory_limit(adopting, big):
    daemon, directory = adopting(max_memory="64MiB")
    drop_in(directory, big)
    (capture,) = wait_state(daemon, "skipped")
    assert "may be taken" in capture["analysis"]["reason"]
    assert daemon.value("heapwatch_analyses_total", result="skipped") == 1


def test_headroom(adopting, big):
    daemon, directory = adopting(headroom="1TiB")
    drop_in(directory, big)
    (capture,) = wait_state(daemon, "skipped")
    assert "the host has " in capture["analysis"]["reason"]
    assert children(daemon) == []


# ---- what is wrong ----

HEAD = ('{"snapshot":{"meta":{"node_fields":["type","name","id","self_size","edge_count",'
        '"trace_node_id","detachedness"],"node_types":[["hidden","object"],"string","number",'
        '"number","number","number","number"],"edge_fields":["type","name_or_index","to_node"],'
        '"edge_types":[["context","element"],"string_or_number","node"]},'
        '"node_count":%d,"edge_count":%d},')


# All are whole documents: what is not is refused by the adoption already.
@pytest.mark.parametrize("data, state, reason", [
    ("{}", "failed", "not a heap snapshot"),
    (HEAD % (400000000, 4000000000) + '"nodes":[]}', "failed", "cut short"),
    (HEAD % (2**60, 2**60) + '"nodes":[]}', "skipped", "more than can be analysed"),
    (HEAD % (1, 1) + '"nodes":[1,0,1,8,1,0,0],"edges":[0,0,700000],"strings":["a"]}', "failed",
     "edges"),
    (HEAD % (1, 0) + '"nodes":[1,99,1,8,0,0,0],"edges":[],"strings":["a"]}', "failed", "string 99"),
], ids=["nothing", "huge counts", "absurd counts", "edge to nowhere", "name of nothing"])
def test_hostile_snapshots(adopting, data, state, reason):
    daemon, directory = adopting()
    drop_in(directory, data.encode())
    (capture,) = wait_state(daemon, state)
    assert reason in capture["analysis"]["reason"]
    assert "crashed" not in capture["analysis"]["reason"]
    assert "SIGSYS" not in capture["analysis"]["reason"]
    assert daemon.get("/-/healthy").status == 200 and children(daemon) == []


def noise(data):
    return os.urandom(len(data))


def flipped(data):
    return data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 0xff]) + data[len(data) // 2 + 1:]


@pytest.mark.parametrize("compress, damage, reason", [
    ("zstd", flipped, "zstd"), ("none", noise, "not a heap snapshot"),
    ("none", lambda data: b"[" * len(data), "not a heap snapshot"),
    ("none", lambda data: b'{"snapshot":' + b"[" * (len(data) - 12), ""),
], ids=["flipped", "noise", "brackets", "deep"])
def test_bytes_that_somebody_changed(app, analysing, tmp_path, compress, damage, reason):
    home = tmp_path / "daemon"
    daemon = analysing({"app": app.address}, {"compress": compress}, home=home, enabled=False)
    daemon.wait_up("app")
    path = daemon.capture("app")
    assert daemon.process.stop() == 0
    path.write_bytes(damage(path.read_bytes()))
    daemon = analysing({"app": app.address}, {"compress": compress}, home=home)
    (capture,) = wait_state(daemon, "failed")
    assert reason in capture["analysis"]["reason"]
    assert "crashed" not in capture["analysis"]["reason"]
    if compress == "zstd":  # what is in it up to there
        assert re.search(r"unpacked, .*byte \d+", capture["analysis"]["reason"])


# ---- the daemon ends ----

def test_daemon_killed_while_analysing(adopting, big, tmp_path):
    home = tmp_path / "daemon"
    daemon, directory = adopting(home=home)
    drop_in(directory, big)
    pid = wait_worker(daemon)
    daemon.process.signal(signal.SIGKILL)
    daemon.process.wait_exit()
    until(lambda: not Path(f"/proc/{pid}").exists(), "the worker to end with the daemon")
    daemon, _ = adopting(home=home)
    (capture,) = wait_state(daemon, "done")
    assert capture["analysis_attempts"] == 2


def test_twice_is_enough(adopting, big, tmp_path):
    """A snapshot whose analysis takes the daemon down is not tried forever."""
    home = tmp_path / "daemon"
    for attempt in range(2):
        daemon, directory = adopting(home=home)
        if attempt == 0:
            drop_in(directory, big)
        wait_worker(daemon)
        daemon.process.signal(signal.SIGKILL)
        daemon.process.wait_exit()
    daemon, _ = adopting(home=home)
    (capture,) = wait_state(daemon, "failed")
    assert capture["analysis"]["reason"] == "twice the daemon ended while it was analysed"


def test_a_stop_is_no_attempt(adopting, big, tmp_path):
    home = tmp_path / "daemon"
    daemon, directory = adopting(home=home)
    drop_in(directory, big)
    pid = wait_worker(daemon)
    assert daemon.process.stop() == 0
    assert not Path(f"/proc/{pid}").exists()
    daemon, _ = adopting(home=home)
    (capture,) = wait_state(daemon, "done")
    assert capture["analysis_attempts"] == 1


def test_one_at_a_time(adopting, big):
    daemon, directory = adopting()
    for i in range(3):
        drop_in(directory, big, f"Heap.20260101.000000.1.0.{i:03}.heapsnapshot")
    most = 0

    def done():
        nonlocal most
        most = max(most, len(children(daemon)))
        return sum(c["analysis"]["state"] == "done" for c in captures(daemon)) == 3
    until(done, lambda: f"three reports; log:\n{daemon.tail()}", 90)
    assert most == 1


def test_worker_is_beside_the_daemon():
    assert os.access(Path(heapwatchd.program()).parent / "heapwatch-analyze", os.X_OK)
