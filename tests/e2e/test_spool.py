"""What the spool keeps when it is full: vacuum, its limits and what they spare, on real captures."""

import json
import os
import re
import signal
import time

import pytest

from lab import cdp
from lab.daemon import PLAIN, static_config
from lab.wait import until

NO_KEEP = {"keep_first": False, "keep_last": False, "keep_max": False, "keep_ramp_up": 0}


@pytest.fixture
def app(start_node):
    return start_node(24, "heap", 1000)


@pytest.fixture
def spooling(start_daemon, app):
    """spooling(spool settings) -> Daemon that watches app, without diagnostics."""
    def start(**spool):
        config = static_config({"app": app.address}, spool=spool,
                               capture={**PLAIN, "diagnostics": False})
        daemon = start_daemon(config)
        daemon.wait_up("app")
        return daemon
    return start


def reload(daemon):
    mark = daemon.process.mark()
    daemon.process.signal(signal.SIGHUP)
    daemon.process.wait_line("configuration loaded again", since=mark)


def manifest_of(snapshot):
    return json.loads(snapshot.with_name(snapshot.name + ".json").read_text())


def take(daemon):
    """One more capture, and vacuum after it is over."""
    before = daemon.value("heapwatch_captures_total", target="app") or 0
    snapshot = daemon.capture("app")
    daemon.wait_value("heapwatch_captures_total", lambda v: v > before, target="app")
    return snapshot


def names(snapshots):
    return sorted(s.name for s in snapshots)


def groups(daemon):
    """Names in ready/ without what a snapshot has beside it."""
    return sorted({n.split(".heapsnapshot")[0].split(".scripts")[0]
                   for n in os.listdir(daemon.ready()[0].parent)})


def removed(daemon, reason):
    return daemon.value("heapwatch_spool_removed_files_total", reason=reason)


def test_oldest_go_by_number_and_nothing_of_them_stays(spooling):
    daemon = spooling(max_files=2, **NO_KEEP)
    taken = [take(daemon) for _ in range(4)]
    assert names(daemon.ready()) == names(taken[2:])
    assert len(groups(daemon)) == 2
    assert removed(daemon, "max_files") == 2 and removed(daemon, "api") == 0
    assert daemon.process.count_lines(r"deleted \(.*max_files\)") == 2
    until(lambda: daemon.incoming() == [], "the deleted ones to be unlinked")


def test_space_in_use_stays_within_max_use(spooling):
    limit = 30 << 20 # about six; the guard of space reckons with a larger one
    daemon = spooling(max_use=limit, **NO_KEEP)
    for _ in range(7):
        manifest = manifest_of(take(daemon))
    size = manifest["file_bytes"] + manifest["scripts_bytes"]
    used = daemon.value("heapwatch_spool_size_bytes")
    assert limit - 2.1 * size < used < limit - 0.9 * size, "with a place for the next one"
    assert removed(daemon, "max_use") == 7 - len(daemon.ready()) > 0


def test_first_and_last_are_kept(spooling):
    daemon = spooling(max_files=2, **{**NO_KEEP, "keep_first": True})
    taken = [take(daemon) for _ in range(4)]
    assert names(daemon.ready()) == names([taken[0], taken[3]])


def test_the_largest_is_kept(start_node, start_daemon):
    small, large = start_node(24, "heap", 10), start_node(24, "heap", 10, 20)
    config = static_config({"app": large.address}, spool={"max_files": 2, **NO_KEEP,
                                                          "keep_max": True},
                           capture={**PLAIN, "diagnostics": False})
    daemon = start_daemon(config)
    daemon.wait_up("app")
    first = take(daemon)
    config["targets"][0]["address"] = small.address
    daemon.configure(config)
    reload(daemon)
    until(lambda: (daemon.value("heapwatch_heap_used_bytes", target="app", isolate="main") or 1e9)
          < 15e6, "the smaller heap under the same name")
    later = [take(daemon) for _ in range(3)]
    assert names(daemon.ready()) == names([first, later[-1]])


MIB = 1 << 20


def test_the_ramp_up_is_kept(start_node, start_daemon):
    """The last of those whose heap grew from each to the next, though later ones are smaller."""
    app = start_node(24, "idle", flags=["--expose-gc"])
    daemon = start_daemon(static_config({"app": app.address}, spool={
        "max_files": 3, **NO_KEEP, "keep_ramp_up": 2}))
    daemon.wait_up("app")
    taken = []
    for mib in (10, 20, 30, 15, 5):
        with cdp.Client(app.port) as client:
            client.evaluate(f"globalThis.kept = new Array({mib} * 131072).fill(0.5); gc(); 1")
        daemon.wait_value("heapwatch_heap_used_bytes", lambda v, low=mib * MIB:
                          low <= v < low + 9 * MIB, target="app", isolate="main")
        taken.append(take(daemon))
    assert names(daemon.ready()) == names([taken[1], taken[2], taken[4]])


def test_age(spooling):
    daemon = spooling(max_age="1s")
    first = take(daemon)
    until(lambda: time.time() - manifest_of(first)["started_wall_ms"] / 1000 > 1.1, "a second")
    assert daemon.ready() == [first], "only a success deletes"
    second = take(daemon)
    assert daemon.ready() == [second]
    assert removed(daemon, "max_age") == 1


def test_a_failed_capture_deletes_nothing(spooling):
    daemon = spooling(**NO_KEEP)
    taken = [take(daemon) for _ in range(3)]
    text = daemon.config_file.read_text()
    daemon.configure(text.replace("spool:\n", "spool:\n  max_files: 1\n")
                     .replace("capture:\n", "capture:\n  file_max: 1MiB\n"))
    reload(daemon)
    daemon.capture("app", wait=False)
    daemon.wait_value("heapwatch_capture_failures_total", 1, target="app")
    assert names(daemon.ready()) == names(taken)
    daemon.configure(text.replace("spool:\n", "spool:\n  max_files: 1\n"))
    reload(daemon)
    last = take(daemon)
    assert daemon.ready() == [last]


def test_restart_lists_the_same(spooling, start_daemon):
    daemon = spooling()
    for _ in range(2):
        take(daemon)
    before = daemon.api("/captures")["ready"]
    (daemon.ready()[0].parent.parent / "incoming" / ".#half").write_text("{")
    daemon.process.kill()
    again = start_daemon(daemon.config_file.read_text(), home=daemon.home)
    assert again.api("/captures")["ready"] == before
    assert again.incoming() == []


def manifest_beside(snapshot):
    return snapshot.with_name(snapshot.name + ".json")


def scripts_beside(snapshot):
    return snapshot.with_name(snapshot.name.removesuffix(".heapsnapshot") + ".scripts.json")


def damage(cut, bare, garbled, listless):
    """Of four captures. What is to be in corrupt/ for it, with its reason."""
    size, follows = cut.stat().st_size, "its capture went there"
    os.truncate(cut, size - 1)
    manifest_beside(bare).unlink()
    manifest_beside(garbled).write_text("{")
    cut.with_name("notes.txt").write_text("not ours")
    os.truncate(scripts_beside(listless), 3)
    return {
        cut.name: f"it has {size - 1} bytes, its manifest says {size}",
        bare.name: "it has no manifest", "notes.txt": "it has no manifest",
        garbled.name: "",  # what the parser says
        manifest_beside(cut).name: follows, manifest_beside(garbled).name: follows,
        **{scripts_beside(snapshot).name: follows for snapshot in (cut, bare, garbled)},
        scripts_beside(listless).name: "its manifest says another size"}


def test_what_is_damaged_is_set_aside_with_its_reason(spooling, start_daemon):
    daemon = spooling()
    taken = [take(daemon) for _ in range(5)]
    assert daemon.process.stop() == 0
    wanted = damage(*taken[:4])
    again = start_daemon(daemon.config_file.read_text(), home=daemon.home)
    assert set(os.listdir(taken[0].parent.parent / "corrupt")) == set(wanted)
    for name, reason in wanted.items():
        again.process.wait_line(re.escape(f"ready/{name} goes to corrupt/: {reason}"))
    listed = {c["name"]: c for c in again.api("/captures")["ready"]}
    assert set(listed) == {snapshot.name for snapshot in taken[3:]}
    assert [bool(listed[snapshot.name].get("scripts_name")) for snapshot in taken[3:]] == [False, True]
    again.wait_up("app")
    assert names(again.ready()) == names(taken[3:])
    take(again)


def test_keep_free_refuses_and_deletes_nothing(spooling):
    daemon = spooling(**NO_KEEP)
    first = take(daemon)
    daemon.configure(daemon.config_file.read_text().replace("spool:\n",
                                                            "spool:\n  keep_free: 1023TiB\n"))
    reload(daemon)
    answer = daemon.post("/api/v1/targets/app/captures", b'{"kind": "snapshot"}',
                         {"Content-Type": "application/json"})
    assert answer.status == 429 or answer.status == 507 or answer.status == 409, answer.text
    assert "space" in answer.text
    assert daemon.ready() == [first]


def test_attributes_say_what_the_manifest_says(spooling):
    daemon = spooling()
    snapshot = take(daemon)
    manifest = manifest_of(snapshot)
    probe = snapshot.parent.parent / "probe"
    probe.write_text("")
    try:
        os.setxattr(probe, "user.probe", b"1")
    except OSError:
        assert os.listxattr(snapshot) == [], "this file system has none, and that is no failure"
        return
    found = {name: os.getxattr(snapshot, name).decode() for name in os.listxattr(snapshot)
             if name.startswith("user.heapwatch.")}
    for name in ("id", "target", "isolate", "kind", "runtime", "sha256"):
        assert found["user.heapwatch." + name] == manifest[name]
    assert found["user.heapwatch.pid"] == str(manifest["pid"])
    assert "user.heapwatch.rule" not in found, "a person asked"
