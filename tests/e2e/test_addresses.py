"""Addresses of scripts: of secrets planted in each part of one, none reaches the disk in any kind of
capture that names scripts; what is left is the same as in the list of scripts."""

import gzip
import json
import signal
import subprocess

import pytest

from lab import readers
from lab.cdp import Client, is_sampling, is_tracking
from lab.ctl import Ctl
from lab.daemon import POLL, static_config
from lab.firefox import Firefox
from lab.node import PROGRAMS
from lab.wait import until

SECRET = b"zqaddress"
MODULE = f"file://{PROGRAMS}/addressed.mjs"
ADDRESSES = {
    "fromFile": "file:///app/plugin.js", "fromPath": "/app/path.js",
    "fromFragment": "/app/fragment.js", "fromHost": "https://host.example/lib.js",
    "fromData": "data:", "fromModule": MODULE,
}
FINE = {"interval": "1KiB", "duration": "2s"}


def unpacked(path):
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dc", path], check=True, capture_output=True).stdout
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def leaks(daemon):
    """Names of all files of the daemon, and lines of its log, that hold a secret."""
    found = [path.name for path in daemon.home.rglob("*")
             if path.is_file() and SECRET in unpacked(path)]
    return found + [line for line in daemon.process.output().splitlines()
                    if SECRET.decode() in line]


def files(daemon, ending):
    return sorted(path for path in (daemon.storage / "spool" / "ready").iterdir()
                  if path.name.endswith((ending, f"{ending}.zst")))


def wait_file(daemon, ending, n=1):
    found = until(lambda: files(daemon, ending)[n - 1:],
                  lambda: f"{n} {ending}; log:\n{daemon.tail()}", 60)[0]
    until(lambda: found.name in {entry["name"] for entry in daemon.api("/captures")["ready"]},
          "it in the list")
    return found


def manifest_of(path):
    return json.loads(path.with_name(path.name + ".json").read_text())


def addresses_of(profile):
    """{function: address} of the planted ones in a .heapprofile"""
    found, pending = {}, [json.loads(unpacked(profile))["head"]]
    while pending:
        node = pending.pop()
        found[node["callFrame"]["functionName"]] = node["callFrame"]["url"]
        pending += node["children"]
    return {name: url for name, url in found.items() if name in ADDRESSES}


def ask(daemon, kind, **wishes):
    body = json.dumps({"kind": kind, **wishes}).encode()
    answer = daemon.post("/api/v1/targets/app/captures", body, {"Content-Type": "application/json"})
    assert answer.status == 202, answer.text


def sampled(daemon, node, **wishes):
    """Paths of both formats of a profile of what the program allocates when it is asked."""
    with Client(node.port) as client:
        ask(daemon, "sampling", format=["heapprofile", "pprof"], **FINE, **wishes)
        until(lambda: is_sampling(client), lambda: f"it samples; log:\n{daemon.tail()}")
        node.nudge("^allocated")
    return wait_file(daemon, ".heapprofile"), wait_file(daemon, ".pb.gz")


@pytest.mark.parametrize("level", ("strings", "all"))
def test_profiles_say_which_script_and_no_more(start_node, watch, major, level):
    node = start_node(major, "addresses")
    daemon = watch(app=node.address, sections={"capture": {"redact": level}})
    daemon.wait_up("app")
    profile, packed = sampled(daemon, node)
    assert addresses_of(profile) == ADDRESSES
    assert all(manifest_of(path)["redact"] == level for path in (profile, packed))
    assert set(ADDRESSES) <= set(readers.pprof(packed)["self"])
    assert all(url.encode() in unpacked(packed) for url in ADDRESSES.values())
    assert leaks(daemon) == []


def test_none_is_none(start_node, watch):
    """Or the tests here would find no secret because there is none."""
    node = start_node(24, "addresses")
    daemon = watch(app=node.address, sections={"capture": {"redact": "none", "compress": "none"}})
    daemon.wait_up("app")
    profile, packed = sampled(daemon, node)
    for place in ("query", "fragment", "path", "alone", "password", "data", "module"):
        assert all(SECRET + place.encode() in unpacked(path) for path in (profile, packed)), place
    assert {manifest_of(path)["redact"] for path in (profile, packed)} == {"none"}


@pytest.mark.parametrize("level", ("strings", "all"))
def test_snapshots_and_timelines(start_node, watch, major, level):
    node = start_node(major, "addresses")
    daemon = watch(app=node.address, sections={
        "capture": {"redact": level, "guards": {"headroom": 0}}})
    daemon.wait_up("app")
    with Client(node.port) as client:
        ask(daemon, "timeline", stacks=True, duration="2s")
        until(lambda: is_tracking(client), lambda: f"it tracks; log:\n{daemon.tail()}")
        node.nudge("^allocated")
        timeline = json.loads(unpacked(wait_file(daemon, ".heaptimeline")))
    assert set(ADDRESSES.values()) - scripts_of(timeline) == set()
    ask(daemon, "snapshot")
    snapshot = wait_file(daemon, ".heapsnapshot")
    listed = unpacked(snapshot.with_name(snapshot.name.replace(".heapsnapshot", ".scripts.json")))
    wanted = {f"file://{url}" if url[0] == "/" else url for url in ADDRESSES.values()}
    assert wanted - {script["url"] for script in json.loads(listed)} == set()
    assert leaks(daemon) == []


def scripts_of(timeline):
    fields = timeline["snapshot"]["meta"]["trace_function_info_fields"]
    names = timeline["trace_function_infos"][fields.index("script_name")::len(fields)]
    return {timeline["strings"][name] for name in names}


def test_continuous_profiles_and_their_report(start_node, watch):
    """Encrypted ones have none; these are merged and read, and the page shows addresses too."""
    node = start_node(24, "addresses")
    daemon = watch(app=node.address, sections={
        "poll": dict(POLL, profile_interval="2s"), "analysis": {"enabled": True, "headroom": "64MiB"},
        "spool": {"max_profiles": 0, "keep_free": 0},
        "capture": {"redact": "strings", "profile_sampling_interval": "1KiB"}})
    daemon.wait_up("app")
    with Client(node.port) as client:
        until(lambda: is_sampling(client), lambda: f"it samples; log:\n{daemon.tail()}")
        node.nudge("^allocated")
    profile = wait_file(daemon, ".heapprofile")
    report = profile.with_name(profile.name.replace(".heapprofile.zst", ".report.json"))
    until(report.exists, lambda: f"its report; log:\n{daemon.tail()}", 60)
    seen = {url for path in files(daemon, ".heapprofile") for url in addresses_of(path).values()}
    assert seen == set(ADDRESSES.values())
    assert manifest_of(profile)["continuous"] and leaks(daemon) == []


def test_profiles_that_node_wrote(start_node, start_daemon, tmp_path, major):
    """Its own file is whole, in a folder that is its own; what is taken over is cut."""
    directory = tmp_path / "diagnostics"
    directory.mkdir(mode=0o755)
    node = start_node(major, "addresses", flags=(
        "--heap-prof", "--heap-prof-interval=1024", f"--diagnostic-dir={directory}"))
    node.nudge("^allocated")
    node.process.signal(signal.SIGTERM)
    assert node.process.wait_exit() == 0
    written, = directory.iterdir()
    assert SECRET in written.read_bytes()
    whole = readers.devtools_profile(written)
    daemon = start_daemon(static_config({}, capture={
        "redact": "strings",
        "adopt": [{"directory": str(directory), "settle": "200ms"}]}))
    profile = wait_file(daemon, ".heapprofile")
    until(lambda: not list(directory.iterdir()), "its original to be deleted")
    assert addresses_of(profile) == ADDRESSES
    manifest = manifest_of(profile)
    assert manifest["redact"] == "strings"
    assert 0 < manifest["redacted_bytes"] < manifest["size_bytes"]
    exported = tmp_path / "mine.heapprofile"
    Ctl("-H", f"http://127.0.0.1:{daemon.port}")("export", manifest["id"], "-o", exported)
    assert readers.devtools_profile(exported) == whole
    assert leaks(daemon) == []


def test_what_firefox_tells_of_allocations(nursery, watch, tmp_path):
    """It does not come as a profile: the addresses are those of single frames."""
    firefox = Firefox(nursery, tmp_path / "program")
    daemon = watch(app=firefox.address, sections={"capture": {"redact": "strings"}})
    daemon.wait_up("app")
    until(lambda: daemon.value("heapwatch_heap_used_bytes", target="app",
                               isolate=firefox.isolate), "the tab")
    source = ("function fromData() { for (let i = 0; i < 500; i++) things.push({ i }); }"
              " setInterval(fromData, 50); // ") + SECRET.decode()
    firefox.evaluate("const script = document.createElement('script');"
                     f" script.src = {json.dumps('data:text/javascript,' + source)};"
                     " document.head.append(script); 1")
    ask(daemon, "sampling", isolate=firefox.isolate, duration="3s", interval="1KiB",
        format=["heapprofile", "pprof"])
    profile, packed = wait_file(daemon, ".heapprofile"), wait_file(daemon, ".pb.gz")
    assert addresses_of(profile) == {"fromData": "data:"}
    assert "fromData" in readers.pprof(packed)["self"]
    assert leaks(daemon) == []
