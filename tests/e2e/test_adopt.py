"""Files that Node and V8 write by themselves are taken over into the spool; what is half written, or
set out as a trap, is left where it is."""

import json
import os
import signal
import subprocess

import pytest

from lab import bun, node, readers
from lab.daemon import PLAIN, static_config
from lab.wait import until

COUNT = 4321
SIGNAL = "--heapsnapshot-signal=SIGUSR2"

DEEP = """new (require('worker_threads').Worker)('1', {eval: true});
const deep = n => n > 0 ? [deep(n - 1)] : new Array(1 << 20).fill(0);
globalThis.kept = deep(150);"""  # the profile has all the frames that V8 puts there, 128


# A script that was loaded by an address with a secret in it.
HOARD = """new (require('worker_threads').Worker)('1', {eval: true});
require('vm').runInThisContext(
  'function hoard(n) { while (n-- > 0) { kept.push({ n, at: [n] }); } } globalThis.kept = []; hoard(1 << 18);',
  { filename: 'file:///app/hoard.js?token=zqtoken' });"""


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "diagnostics"
    path.mkdir(mode=0o755)
    return path


@pytest.fixture
def pair(tmp_path):
    """(file of a key, its recipient)"""
    key = tmp_path / "key"
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    return key, subprocess.run(["age-keygen", "-y", key], check=True, capture_output=True,
                               text=True).stdout.strip()


@pytest.fixture
def adopting(start_daemon, directory):
    """adopting(targets, capture settings, adopt settings) -> Daemon that takes over from
    directory."""
    def start(targets=None, capture=None, home=None, spool=None, **adopt):
        adopt = {"directory": str(directory), "settle": "200ms", **adopt}
        config = static_config(targets or {}, capture={**PLAIN, **(capture or {}),
                                                       "adopt": [adopt]},
                               **({"spool": spool} if spool else {}))
        return start_daemon(config, **({"home": home} if home else {}))
    return start


def spooled(daemon, ending=".heapsnapshot"):
    return sorted(p for p in daemon.storage.rglob("ready/*") if ending in p.name
                  and not p.name.endswith(".json"))


def wait_spooled(daemon, n=1, ending=".heapsnapshot"):
    until(lambda: len(spooled(daemon, ending)) >= n,
          lambda: f"{n} adopted; log:\n{daemon.tail()}", 60)
    return spooled(daemon, ending)


def wait_empty(directory, daemon):
    until(lambda: os.listdir(directory) == [],
          lambda: f"{os.listdir(directory)} to be deleted; log:\n{daemon.tail()}")


def reload(daemon):
    mark = daemon.process.mark()
    daemon.process.signal(signal.SIGHUP)
    daemon.process.wait_line("configuration loaded again", since=mark)


def manifest_of(path):
    return json.loads(path.with_name(path.name + ".json").read_text())


def start_app(start_node, major, directory, *flags, program="heap", arguments=(COUNT, 1)):
    return start_node(major, program, *arguments, flags=(*flags, f"--diagnostic-dir={directory}"))


def test_signal_snapshot_is_redacted_and_its_original_gone(start_node, adopting, directory, major):
    app = start_app(start_node, major, directory, SIGNAL)
    daemon = adopting({"app": app.address}, {"redact": "strings"})
    daemon.wait_up("app")
    app.process.signal(signal.SIGUSR2)
    (snapshot,) = wait_spooled(daemon)
    wait_empty(directory, daemon)
    manifest = manifest_of(snapshot)
    assert manifest["target"] == "app" and manifest["isolate"] == "main"
    assert manifest["pid"] == app.pid and manifest["runtime"] == "node"
    assert manifest["kind"] == "snapshot" and manifest["redact"] == "strings"
    assert manifest["source"].startswith(f"{directory}/Heap.") and f".{app.pid}.0." in \
        manifest["source"]
    assert b"17 17 17 17" not in snapshot.read_bytes()
    nodes, edges, count = readers.parse(snapshot, "KnownThing")
    assert count == COUNT
    assert readers.devtools(snapshot, "KnownThing") == (nodes, edges, COUNT)
    assert "taken over as" in daemon.process.output()


def test_the_program_is_as_fast_as_before(start_node, adopting, directory):
    app = start_app(start_node, 24, directory, "--heapsnapshot-signal=SIGWINCH", *node.STEADY,
                    program="alloc", arguments=())
    before = node.allocation_speed(app)
    daemon = adopting({"app": app.address})
    daemon.wait_up("app")
    app.process.signal(signal.SIGWINCH)
    wait_spooled(daemon)
    assert node.allocates_at_least(app, before / 2)


def test_encrypted_on_the_way(start_node, adopting, directory, pair):
    key, recipient = pair
    app = start_app(start_node, 24, directory, SIGNAL)
    daemon = adopting({"app": app.address}, {"compress": "zstd", "encrypt": [recipient]})
    daemon.wait_up("app")
    app.process.signal(signal.SIGUSR2)
    (sealed,) = wait_spooled(daemon)
    wait_empty(directory, daemon)
    assert sealed.name.endswith(".heapsnapshot.zst.age")
    plain = subprocess.run(f"age -d -i {key} {sealed} | zstd -d", shell=True, check=True,
                           capture_output=True).stdout
    assert json.loads(plain)["snapshot"]["node_count"] > COUNT
    for path in daemon.storage.rglob("*"):
        assert path.is_dir() or b"KnownThing" not in path.read_bytes(), path


def test_profiles_are_redacted_and_encrypted_too(nursery, adopting, directory, pair):
    key, recipient = pair
    nursery.start([node.binary(24), "--heap-prof", f"--diagnostic-dir={directory}", "-e", DEEP],
                  env=node.environment()).wait_exit()
    daemon = adopting(None, {"redact": "strings", "compress": "zstd", "encrypt": [recipient]})
    for sealed in wait_spooled(daemon, 2, ".heapprofile"):
        manifest = manifest_of(sealed)
        assert sealed.name.endswith(".heapprofile.zst.age") and manifest["encrypt"] == "age"
        assert manifest["redact"] == "strings"
        plain = subprocess.run(f"age -d -i {key} {sealed} | zstd -d", shell=True, check=True,
                               capture_output=True).stdout
        assert "head" in json.loads(plain)
    wait_empty(directory, daemon)


def check_grown(snapshot, redact):
    """Of grow.js at its end: all that it held, but what its strings said only where that may be."""
    assert manifest_of(snapshot)["redact"] == redact
    assert (b"17 17 17 17" in snapshot.read_bytes()) == (redact == "none")
    assert readers.parse(snapshot, "KnownThing")[2] == COUNT


@pytest.mark.parametrize("redact", ["none", "strings"])
def test_near_heap_limit(start_node, adopting, directory, major, redact):
    app = start_app(start_node, major, directory, "--heapsnapshot-near-heap-limit=1",
                    "--max-old-space-size=16", program="grow")
    daemon = adopting({"app": app.address}, {"redact": redact})
    daemon.wait_up("app")
    app.process.signal(signal.SIGUSR2)
    (snapshot,) = wait_spooled(daemon)
    wait_empty(directory, daemon)
    manifest = manifest_of(snapshot)
    assert manifest["target"] == "app" and manifest["pid"] == app.pid
    check_grown(snapshot, redact)


@pytest.mark.parametrize("redact", ["none", "strings"])
@pytest.mark.parametrize("major", [22, 24, 26])
def test_out_of_memory_in_v8s_own_words(nursery, adopting, directory, major, redact):
    """V8 ignores --diagnostic-dir and writes into the working directory, for whoever may read. Node 20
    has no such flag; before 26 the name does not tell which process it was."""
    daemon = adopting(None, {"redact": redact})
    process = nursery.start([node.binary(major), "--heap-snapshot-on-oom", "--max-old-space-size=16",
                             node.PROGRAMS / "grow.js", COUNT, 1], env=node.environment(),
                            cwd=directory)
    process.wait_line("^ready")
    process.signal(signal.SIGUSR2)
    (snapshot,) = wait_spooled(daemon)
    wait_empty(directory, daemon)
    manifest = manifest_of(snapshot)
    assert manifest["target"] == "unknown"
    assert manifest["pid"] == (process.pid if major == 26 else 0)
    assert manifest["source"].startswith(f"{directory}/v8-heap-")
    assert snapshot.stat().st_mode & 0o077 == 0
    check_grown(snapshot, redact)


@pytest.mark.parametrize("redact", ["none", "strings"])
def test_heap_profiles_of_workers(nursery, adopting, directory, major, redact):
    process = nursery.start([node.binary(major), "--heap-prof", f"--diagnostic-dir={directory}", "-e",
                             HOARD], env=node.environment())
    process.wait_exit()
    daemon = adopting(None, {"redact": redact}, target="batch")
    profiles = wait_spooled(daemon, 2, ".heapprofile")
    wait_empty(directory, daemon)
    manifests = [manifest_of(p) for p in profiles]
    assert {m["isolate"] for m in manifests} == {"main", "worker:1"}
    assert {(m["kind"], m["target"], m["pid"]) for m in manifests} == \
        {("profile", "batch", process.pid)}
    assert {m["redact"] for m in manifests} == {redact}
    assert all("head" in json.loads(p.read_text()) for p in profiles)
    told = "".join(p.read_text() for p in profiles)
    assert '"hoard"' in told and "/app/hoard.js" in told
    assert ("zqtoken" in told) == (redact == "none"), "addresses of scripts are cut"


BUN = """class KnownThing { constructor(i) { this.name = 'secret-' + i; } }
globalThis.kept = Array.from({length: 1234}, (_, i) => new KnownThing(i));"""


@pytest.mark.parametrize("redact", ["none", "strings"])
def test_what_bun_calls_a_profile_is_a_snapshot(nursery, adopting, directory, redact):
    """--heap-prof: by its name it would be one, of which all texts were blanked."""
    process = nursery.start([bun.binary(), "--heap-prof", f"--heap-prof-dir={directory}", "-e", BUN],
                            env=node.environment())
    process.wait_exit()
    assert [path.suffix for path in directory.iterdir()] == [".heapprofile"]
    daemon = adopting(None, {"redact": redact}, target="batch")
    (snapshot,) = wait_spooled(daemon)
    wait_empty(directory, daemon)
    manifest = manifest_of(snapshot)
    assert (manifest["kind"], manifest["format"]) == ("snapshot", "heapsnapshot")
    assert (manifest["target"], manifest["pid"]) == ("batch", process.pid)
    assert manifest["redact"] == redact
    nodes, edges, count = readers.devtools(snapshot, "KnownThing")
    assert count == 1234 and readers.memlab(snapshot, "KnownThing") == (nodes, edges, count)
    assert (b"secret-1233" in snapshot.read_bytes()) == (redact == "none")


def test_half_a_file_of_a_killed_node(start_node, adopting, directory):
    app = start_app(start_node, 24, directory, SIGNAL, arguments=(300000, 0))
    app.process.signal(signal.SIGUSR2)
    until(lambda: any(os.path.getsize(directory / n) > 0 for n in os.listdir(directory)),
          "the file to be begun", step_s=0.001)
    app.process.signal(signal.SIGKILL)
    app.process.wait_exit()
    (half,) = directory.iterdir()
    assert not half.read_bytes().endswith(b"]}"), "it was whole already"
    daemon = adopting()
    daemon.process.wait_line("is not taken over: it ends in the middle")
    whole = directory / "fine.heapsnapshot"
    whole.write_text('{"snapshot":{}}')
    wait_spooled(daemon)
    assert half.exists()
    assert daemon.process.count_lines("it ends in the middle") == 1, "told once"


@pytest.mark.parametrize("redact", ["none", "strings"])
def test_cut_where_the_end_looks_like_one(adopting, directory, redact):
    (directory / "cut.heapsnapshot").write_text('{"snapshot":{"meta":{}}')
    daemon = adopting(None, {"redact": redact})
    daemon.process.wait_line("cut.heapsnapshot is not taken over: ")
    assert spooled(daemon) == [] and daemon.incoming() == []
    assert os.listdir(directory) == ["cut.heapsnapshot"]


def test_traps_are_left_alone(adopting, directory, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text('{"password":"hunter2"}')
    (directory / "link.heapsnapshot").symlink_to(secret)
    os.mkfifo(directory / "pipe.heapsnapshot")
    os.link(secret, directory / "second.heapsnapshot")
    (directory / "folder.heapsnapshot").mkdir()
    (directory / ".hidden.heapsnapshot").write_text("{}")
    (directory / "other.txt").write_text("{}")
    daemon = adopting()
    for name, why in (("link", "symbolic link"), ("pipe", "no regular file"),
                      ("second", "hard link"), ("folder", "no regular file")):
        daemon.process.wait_line(rf"{name}\.heapsnapshot is not taken over: .*{why}")
    (directory / "fine.heapsnapshot").write_text('{"snapshot":{}}')
    wait_spooled(daemon)
    assert len(spooled(daemon)) == 1
    until(lambda: len(os.listdir(directory)) == 6, "what was taken over is deleted")
    assert secret.exists()


def test_strangers_in_a_directory_for_all(adopting, directory):
    assert os.geteuid() == 0, "only root can make files of strangers"
    directory.chmod(0o1777)
    (directory / "stranger.heapsnapshot").write_text("{}")
    os.chown(directory / "stranger.heapsnapshot", 12345, 12345)
    daemon = adopting()
    daemon.process.wait_line("stranger.heapsnapshot is not taken over: it belongs to user 12345")
    directory.chmod(0o755)
    (directory / "stranger2.heapsnapshot").write_text("{}")
    os.chown(directory / "stranger2.heapsnapshot", 12345, 12345)
    wait_spooled(daemon)


def test_killed_between_publication_and_deletion(adopting, directory):
    """What such a kill leaves: the adopted file, and its original still there."""
    original = directory / "a.heapsnapshot"
    original.write_text('{"snapshot":{}}')
    daemon = adopting(keep=True)
    (adopted,) = wait_spooled(daemon)
    daemon.process.wait_line("taken over as")
    daemon.process.kill()
    assert original.exists()
    again = adopting(home=daemon.home)
    wait_empty(directory, again)
    assert spooled(again) == [adopted]


def test_kept_originals_are_not_adopted_twice(adopting, directory):
    original = directory / "a.heapsnapshot"
    original.write_text('{"snapshot":{}}')
    daemon = adopting(keep=True)
    wait_spooled(daemon)
    daemon.process.kill()
    again = adopting(home=daemon.home, keep=True)
    (directory / "b.heapsnapshot").write_text('{"snapshot":{}}')
    wait_spooled(again, 2)
    assert len(spooled(again)) == 2 and original.exists()
    original.write_text('{"snapshot":{"other":1}}')
    wait_spooled(again, 3)


def kept(daemon):
    """The inodes of the originals that the state knows of."""
    return {entry["inode"] for entry in
            json.loads((daemon.storage / "state/state.json").read_text()).get("kept", [])}


def test_a_kept_original_is_not_adopted_again_when_its_copy_is_gone(adopting, directory):
    daemon = adopting(keep=True, spool={"max_files": 1})
    originals = [directory / f"{name}.heapsnapshot" for name in "ab"]
    for n, original in enumerate(originals, 1):
        original.write_text('{"snapshot":{}}')
        until(lambda: daemon.process.count_lines("taken over as") == n, "it to be adopted")
    until(lambda: len(spooled(daemon)) == 1, "the copy of the first to be vacuumed")
    inodes = {original.stat().st_ino for original in originals}
    until(lambda: kept(daemon) == inodes, "both to be noted")
    daemon.process.kill()

    again = adopting(home=daemon.home, keep=True, spool={"max_files": 1}, settle="0s")
    (directory / "c.heapsnapshot").write_text('{"snapshot":{}}')
    again.process.wait_line("c.heapsnapshot taken over as")
    reload(again)
    until(lambda: len(kept(again)) == 3, "the third to be noted")
    assert again.process.count_lines("taken over as") == 1, again.tail()

    # Another file of that name is another one; what is gone is forgotten.
    originals[0].write_text('{"snapshot":{"other":1}}')
    again.process.wait_line("a.heapsnapshot taken over as")
    originals[1].unlink()
    reload(again)
    until(lambda: originals[1].name not in os.listdir(directory) and len(kept(again)) == 2
          and originals[0].stat().st_ino in kept(again), lambda: f"{kept(again)}")


def test_more_files_than_are_looked_after(adopting, directory):
    for i in range(1000):
        (directory / f"{i}.heapsnapshot").symlink_to("nowhere")
    daemon = adopting()
    daemon.process.wait_line("999.heapsnapshot is not taken over")
    until(lambda: daemon.process.count_lines("is not taken over") == 1000, "all of them")
    (directory / "more.heapsnapshot").write_text('{"snapshot":{}}')
    daemon.process.wait_line("more than 1000 files")
    reload(daemon)
    assert spooled(daemon) == [] and daemon.process.count_lines("more than 1000 files") == 1
    (directory / "0.heapsnapshot").unlink()
    reload(daemon)
    wait_spooled(daemon)


def test_a_directory_that_comes_and_goes(adopting, directory):
    directory.rmdir()
    daemon = adopting()
    daemon.process.wait_line("cannot be looked into")
    directory.mkdir()
    reload(daemon)
    (directory / "a.heapsnapshot").write_text('{"snapshot":{}}')
    wait_spooled(daemon)
    wait_empty(directory, daemon)
    text = daemon.config_file.read_text()
    daemon.configure(text[:text.index("  adopt:")] + text[text.index("targets:"):])
    reload(daemon)
    (directory / "b.heapsnapshot").write_text('{"snapshot":{}}')
    daemon.configure(text)
    assert os.listdir(directory) == ["b.heapsnapshot"]
    reload(daemon)
    wait_spooled(daemon, 2)
