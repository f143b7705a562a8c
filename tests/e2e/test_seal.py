"""What the daemon seals, the tools of others open, and the other way round: Debian's age, age-keygen
and zstd against our stages, our keys, and captures of real programs."""

import contextlib
import gzip
import hashlib
import json
import os
import re
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

from lab import cdp, daemon as heapwatchd, tracked
from lab.node import Node
from lab.wait import until

KIB, MIB = 1 << 10, 1 << 20
SCALE = float(os.environ.get("HEAPWATCH_TEST_SCALE", "0.1"))
BIG_BYTES = round(1e9 * SCALE)
SIZES = (0, 1, 63, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 128 * KIB - 1, 128 * KIB, 128 * KIB + 1,
         MIB - 1, MIB, MIB + 1)
KEY_FILE = (r"# created: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)\n"
            r"# public key: (age1[02-9ac-hj-np-z]{58})\nAGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}\n")
CLEAR = b'"node_fields"'  # stands in every snapshot, whatever is redacted


def built(name):
    path = Path(heapwatchd.program()).parents[1] / name
    assert os.access(path, os.X_OK), f"{path} is missing: run tests/run.sh"
    return str(path)


def run(*argv, data=b"", **options):
    return subprocess.run([str(a) for a in argv], input=data, capture_output=True, timeout=120,
                          **options)


def output(*argv, data=b""):
    done = run(*argv, data=data)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def refusal(*argv, data=b""):
    done = run(*argv, data=data)
    assert done.returncode == 1, (done.returncode, done.stderr)
    return done.stderr.decode()


def recipient_of(key):
    return output("age-keygen", "-y", key).decode().strip()


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Files of three identities by age-keygen."""
    folder = tmp_path_factory.mktemp("keys")
    paths = [folder / f"key{i}" for i in range(3)]
    for path in paths:
        output("age-keygen", "-o", path)
    return paths


def sealed(data, *recipients, level=0):
    flags = [flag for recipient in recipients for flag in ("-e", recipient)]
    return output(built("tests/fake/pipe_through"), "-z", level, *flags, data=data)


def opened(data, *keys, expand=False):
    return output(built("tests/fake/open_through"), *(["-z"] if expand else []), *keys, data=data)


def text_of(size):
    """Neither noise nor monotony."""
    return (b"".join(b",%d,%d\n" % (i, i * i % 997) for i in range(size // 6 + 1)))[:size]


# ---- our stages and their tools ----

@pytest.mark.parametrize("level, sizes", [(0, SIZES), (1, SIZES), (19, SIZES[-1:])])
def test_age_and_zstd_open_what_we_seal(keys, level, sizes):
    recipients = [recipient_of(key) for key in keys[:2]]
    for size in sizes:
        data = text_of(size)
        body = sealed(data, *recipients, level=level)
        assert data[:64] not in body or size < 63
        for key in keys[:2]:
            plain = output("age", "-d", "-i", key, data=body)
            if level:
                plain = output("zstd", "-dc", data=plain)
            assert plain == data, f"{size} bytes"


def test_zstd_says_our_frames_have_a_checksum(tmp_path):
    file = tmp_path / "a.zst"
    file.write_bytes(sealed(text_of(MIB), level=1))
    assert b"XXH64" in output("zstd", "-lv", file)
    assert file.stat().st_size < MIB / 2


def test_we_open_what_age_and_zstd_seal(keys):
    recipients = [flag for key in keys for flag in ("-r", recipient_of(key))]
    for size in SIZES:
        data = text_of(size)
        body = output("age", *recipients, data=data)
        packed = output("age", *recipients, data=output("zstd", "-c", data=data))
        for key in keys:
            assert opened(body, key) == data, f"{size} bytes"
            assert opened(packed, key, expand=True) == data, f"{size} bytes"


def test_a_stranger_opens_nothing(keys):
    body = sealed(b"secret", recipient_of(keys[0]))
    assert "no identity matched" in refusal("age", "-d", "-i", keys[1], data=body)
    assert "no key given opens it" in refusal(built("tests/fake/open_through"), keys[1], keys[2],
                                             data=body)
    assert opened(body, *keys) == b"secret"


def test_kinds_of_age_files_we_do_not_open_say_so(keys):
    armored = output("age", "-a", "-r", recipient_of(keys[0]), data=b"x")
    assert "armored" in refusal(built("tests/fake/open_through"), keys[0], data=armored)


@pytest.mark.first
def test_a_gigabyte_in_constant_memory(keys, tmp_path):
    """1 GB at scale 1, half of it noise; nobody on the way may hold it."""
    block, given, got = text_of(MIB // 2), hashlib.sha256(), hashlib.sha256()

    def start(*argv, stdin):
        return subprocess.Popen([str(a) for a in argv], stdin=stdin, stdout=subprocess.PIPE)

    first = start(built("tests/fake/pipe_through"), "-z", 1, "-e", recipient_of(keys[0]), "-e",
                  recipient_of(keys[1]), stdin=subprocess.PIPE)
    second = start("age", "-d", "-i", keys[1], stdin=first.stdout)
    third = start("zstd", "-dc", stdin=second.stdout)
    first.stdout.close()
    second.stdout.close()

    def write():
        left = BIG_BYTES
        with first.stdin:
            while left > 0:
                piece = (block + os.urandom(MIB // 2))[:left]
                given.update(piece)
                first.stdin.write(piece)
                left -= len(piece)

    peak = 0
    writer = threading.Thread(target=write)
    writer.start()
    with third.stdout:
        while piece := third.stdout.read(MIB):
            got.update(piece)
            status = Path(f"/proc/{first.pid}/status").read_text()
            if found := re.search(r"VmRSS:\s+(\d+)", status):  # none once it has ended
                peak = max(peak, int(found[1]) * KIB)
    writer.join()
    assert [p.wait(60) for p in (first, second, third)] == [0, 0, 0]
    assert given.hexdigest() == got.hexdigest()
    assert 0 < peak < 64 * MIB  # the sanitizer's own included


# ---- keys ----

def ctl():
    return built("daemon/heapwatchctl")


def test_keys_of_ours_are_keys_of_age(tmp_path):
    key = tmp_path / "key"
    done = run(ctl(), "keygen", "-o", key, umask=0)
    assert done.returncode == 0 and done.stdout == b"", done.stderr
    assert key.stat().st_mode & 0o777 == 0o600
    match = re.fullmatch(KEY_FILE, key.read_text())
    assert match, key.read_text()
    assert done.stderr.decode() == f"Public key: {match[2]}\n"
    assert recipient_of(key) == match[2]
    body = output("age", "-r", match[2], data=b"theirs")
    assert output("age", "-d", "-i", key, data=body) == opened(body, key) == b"theirs"
    assert output("age", "-d", "-i", key, data=sealed(b"ours", match[2])) == b"ours"


def test_keys_are_told_in_the_words_of_age_keygen():
    ours, theirs = run(ctl(), "keygen"), run("age-keygen")
    for done in (ours, theirs):
        match = re.fullmatch(KEY_FILE, done.stdout.decode())
        assert match and done.stderr.decode() == f"Public key: {match[2]}\n"
    assert ours.stdout.splitlines()[0][:21] == theirs.stdout.splitlines()[0][:21]  # the same day
    assert run(ctl(), "keygen").stdout.splitlines()[2] != ours.stdout.splitlines()[2]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns"])
def test_keys_say_when_as_rfc_3339(zone):
    done = run(ctl(), "keygen", env=dict(os.environ, TZ=zone))
    assert re.fullmatch(KEY_FILE, done.stdout.decode()), done.stdout


def test_an_older_key_is_never_replaced(tmp_path):
    key = tmp_path / "key"
    output(ctl(), "keygen", "-o", key)
    before = key.read_bytes()
    assert "exists" in refusal(ctl(), "keygen", "-o", key)
    assert key.read_bytes() == before
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    assert "exists" in refusal(ctl(), "keygen", "-o", link)
    assert not (tmp_path / "elsewhere").exists()


def test_keygen_tells_what_it_cannot_do(tmp_path):
    assert "No such file" in refusal(ctl(), "keygen", "-o", tmp_path / "nowhere" / "key")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([ctl(), "keygen"], stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 1 and b"No space" in done.stderr and b"Public" not in done.stderr
    assert run(ctl(), "keygen", "surplus").returncode == 2
    assert run(ctl(), "keygen", "--nonsense").returncode == 2
    assert b"Usage" in output(ctl(), "keygen", "--help")


# ---- the daemon ----

def symbols(program):
    return set(output("nm", program).decode().split())


def test_the_daemon_has_no_opening_half():
    halves = {"unseal_new", "identities_read", "identity_parse", "keygen_command"}
    assert halves <= symbols(ctl())  # where they are, nm sees them
    assert not halves & symbols(heapwatchd.program())
    assert "age_seal_new" in symbols(heapwatchd.program())


def test_a_recipient_that_is_none_is_named_with_its_place(tmp_path, keys):
    secret = keys[0].read_text().split("\n")[2]
    config = tmp_path / "heapwatchd.yaml"
    config.write_text(f"capture:\n  encrypt:\n    - {recipient_of(keys[0])}\n    - {secret}\n"
                      "    - age1nobody\n")
    done = run(heapwatchd.program(), "--check", f"--config.file={config}")
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 1
    assert f"{config}:4:7: capture.encrypt[1]: this is a secret key" in said
    assert f"{config}:5:7: capture.encrypt[2]: not an age recipient" in said
    assert secret not in said and secret[20:40] not in said
    config.write_text(f"capture:\n  encrypt: [{', '.join([recipient_of(keys[0])] * 21)}]\n")
    done = run(heapwatchd.program(), "--check", f"--config.file={config}")
    assert done.returncode == 1 and b":2:12: capture.encrypt: 21 are too many" in done.stdout + done.stderr


def files_of(storage):
    """Every file of the spool with its bytes; those that come and go in between are left out."""
    for path in storage.rglob("*"):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            yield path, path.read_bytes()


def captures_of(daemon, ending):
    return [p for p in daemon.storage.rglob(f"ready/*{ending}")]


@pytest.mark.parametrize("redact", ["none", "strings"])
def test_a_sealed_capture_is_never_on_disk_in_clear(keys, start_node, watch, redact):
    node = start_node(24, "heap", 50000, 20)
    recipients = [recipient_of(key) for key in keys[:2]]
    daemon = watch(app=node.address,
                   sections={"capture": {"redact": redact, "encrypt": recipients}})
    daemon.wait_up("app")
    seen = []  # sizes in incoming/: looking has to have happened while it was written

    def looking():
        for path, body in files_of(daemon.storage):
            assert CLEAR not in body and b'{"snapshot"' not in body, path
            if "incoming" in path.parts and body and not body.startswith(b'{"version"'):
                assert body.startswith(b"age-encryption.org/v1\n"), path
                seen.append(len(body))  # the others are manifests, which tell nothing of a heap
        return captures_of(daemon, ".heapsnapshot.zst.age")

    answer = daemon.post("/api/v1/targets/app/captures", b'{"kind": "snapshot"}',
                         {"Content-Type": "application/json"})
    assert answer.status == 202, answer.text
    (capture,) = until(looking, lambda: f"a capture; log:\n{daemon.tail()}", 60.0, step_s=0.001)
    assert seen
    daemon.process.stop()
    looking()
    check_sealed(capture, recipients, keys)
    assert keys[0].read_text().split("\n")[2].encode() not in b"".join(
        body for _, body in files_of(daemon.home))


AGE = b"age-encryption.org/v1\n"


class OfNode:
    """What is kept, by which function: neither is in a file in clear. `files` are the ends of the names
    of what comes, each with how many."""
    isolate = "main"
    needle = b"keepMany"

    def __init__(self, nursery, files, **wishes):
        self.node = Node(nursery, 24, "allocate")
        self.address, self.files, self.wishes = self.node.address, files, wishes
        self.client = cdp.Client(self.node.port)  # stays: who leaves would end it for all

    def is_on(self):
        return cdp.is_sampling(self.client)

    def act(self, daemon, identity):
        """While it goes on."""
        until(self.is_on, lambda: f"it goes on; log:\n{daemon.tail()}")
        self.node.nudge("^kept")

    def close(self):
        self.client.close()


class Looked(OfNode):
    """A look at it is a capture of its own, of both formats too."""

    def act(self, daemon, identity):
        super().act(daemon, identity)
        until(lambda: daemon.post(f"/api/v1/captures/{identity}/peek").status == 202,
              lambda: f"a look; log:\n{daemon.tail()}")


class Timed(OfNode):
    def is_on(self):
        return cdp.is_tracking(self.client)


class OfBun(tracked.OnBun):
    needle = b"Parcel"
    wishes = {"duration": "1s"}
    files = {".zst.age": 2}

    def __init__(self, nursery):
        super().__init__(nursery, None)
        self.grow()

    def act(self, daemon, identity):
        pass

    def close(self):
        pass


PROFILES = {"duration": "4s", "interval": "1KiB", "format": ["heapprofile", "pprof"]}
KINDS = {
    "sampling": lambda nursery: OfNode(
        nursery, {".heapprofile.zst.age": 1, ".pb.gz.age": 1}, **PROFILES),
    "peek": lambda nursery: Looked(
        nursery, {".heapprofile.zst.age": 2, ".pb.gz.age": 2}, **PROFILES),
    "timeline": lambda nursery: Timed(
        nursery, {".heaptimeline.zst.age": 1}, duration="3s", stacks=True),
    "tracking": OfBun,
}


def opened_whole(path, keys):
    body = output("age", "-d", "-i", keys[0], path)
    if ".zst." in path.name:
        return output("zstd", "-dc", data=body)
    return gzip.decompress(body) if ".gz." in path.name else body


@pytest.fixture
def program(nursery, kind):
    started = KINDS[kind](nursery)
    yield started
    started.close()


@pytest.mark.parametrize("kind", KINDS)
def test_no_other_kind_is_ever_on_disk_in_clear(keys, program, watch, kind):
    """Nor are the diagnostics and the lists of scripts beside them."""
    daemon = watch(app=program.address, sections={"capture": {
        "redact": "none", "encrypt": [recipient_of(keys[0])], "gc_interval": "1s",
        "guards": {"headroom": 0}}})
    daemon.wait_up("app")
    seen = set()

    def looking():
        for path, body in files_of(daemon.home):
            assert program.needle not in body, path
            if path.parent.name not in ("incoming", "ready") or not body:
                continue
            named = path.parent.name == "ready" and not path.name.endswith(".json")
            if named or not body.startswith(b'{"version"'):  # a manifest tells nothing of a heap
                assert body.startswith(AGE), path
                seen.add(path.parent.name)
        ready = [path.name for path in captures_of(daemon, ".age")]
        return all(sum(name.endswith(end) and ".diagnostics." not in name and ".scripts." not in name
                       for name in ready) >= n for end, n in program.files.items())

    answer = daemon.post("/api/v1/targets/app/captures", json.dumps(
        {"kind": kind if kind != "peek" else "sampling", "isolate": program.isolate,
         **program.wishes}).encode(), {"Content-Type": "application/json"})
    assert answer.status == 202, answer.text
    program.act(daemon, answer.json()["data"]["id"])
    until(looking, lambda: f"{program.files}; log:\n{daemon.tail()}", 60.0, step_s=0.001)
    daemon.process.stop()
    looking()
    assert seen == {"incoming", "ready"}
    told = [path for path in captures_of(daemon, ".age") if program.needle in opened_whole(path, keys)]
    for end, n in program.files.items():
        assert sum(path.name.endswith(end) for path in told) == n, f"{end}: {told}"
    assert any(".diagnostics." in path.name for path in captures_of(daemon, ".age"))


def check_sealed(capture, recipients, keys):
    manifest = json.loads(capture.with_name(capture.name + ".json").read_text())
    body = capture.read_bytes()
    assert manifest["encrypt"] == "age" and manifest["compress"] == "zstd"
    assert manifest["recipients"].split() == recipients
    assert manifest["file_bytes"] == len(body)
    assert manifest["sha256"] == hashlib.sha256(body).hexdigest()
    for key in keys[:2]:
        packed = output("age", "-d", "-i", key, data=body)
        assert manifest["compressed_bytes"] == len(packed)
        plain = output("zstd", "-dc", data=packed)
        assert len(plain) == (manifest["redacted_bytes"] or manifest["size_bytes"])
        assert CLEAR in plain and json.loads(plain)["snapshot"]["node_count"] > 50000
    assert opened(body, keys[1], expand=True) == plain
    assert "no identity matched" in refusal("age", "-d", "-i", keys[2], data=body)


# ---- what an action of a rule, or a request, says itself ----

TEXT, NAME = b'"1 1 1 1 1 ', b'"references"'  # of heap.js: a string, the name of a property


def manifest_of(capture):
    return json.loads(capture.with_name(capture.name + ".json").read_text())


def stages(manifest):
    return tuple(manifest[name] for name in ("redact", "compress", "encrypt", "recipients"))


def shown(body):
    """Does the heap in it show strings, and names of properties?"""
    assert json.loads(body)["snapshot"]["node_count"] > 1000
    return TEXT in body, NAME in body


@pytest.fixture
def strict(start_node, start_daemon, tmp_path, keys):
    """strict(action..., more of `capture`) -> Daemon that redacts strings, packs and seals to the
    first key; each action is of a rule of its own, Rule0, Rule1, ..."""
    def start(*actions, **capture):
        rules = tmp_path / "rules.yaml"
        rules.write_text(yaml.safe_dump({"groups": [{"name": "g", "interval": "1s", "rules": [
            {"alert": f"Rule{i}", "when": {"metric": "heap_used", "above": "1MiB"},
             "guards": {"headroom": 0}, "actions": [action]} for i, action in enumerate(actions)]}]}))
        daemon = start_daemon(heapwatchd.static_config(
            {"app": start_node(24, "heap", 1000, 1).address}, rule_files=[str(rules)],
            capture={"redact": "strings", "compress": "zstd", "diagnostics": False,
                     "encrypt": [recipient_of(keys[0])], "guards": {"headroom": 0}, **capture}))
        daemon.wait_up("app")
        return daemon
    return start


def test_an_action_has_stages_of_its_own(strict, keys):
    """Also weaker ones: rules are written by whoever writes the configuration."""
    first, second = (recipient_of(key) for key in keys[:2])
    daemon = strict(
        {"capture": "snapshot", "redact": "all", "compress": "none", "encrypt": [second]},
        {"capture": "snapshot", "redact": "none", "compress": "none", "encrypt": []},
        {"capture": "snapshot"})
    daemon.wait_capture(3)
    taken = {manifest_of(path)["rule"]: path for path in daemon.ready()}
    sealed_all, plain, default = (taken[f"Rule{i}"] for i in range(3))
    assert stages(manifest_of(sealed_all)) == ("all", "none", "age", second)
    assert sealed_all.name.endswith(".heapsnapshot.age")
    assert shown(output("age", "-d", "-i", keys[1], sealed_all)) == (False, False)
    assert "no identity matched" in refusal("age", "-d", "-i", keys[0], sealed_all)
    assert stages(manifest_of(plain)) == ("none", "none", "none", "")
    assert plain.name.endswith(".heapsnapshot")
    assert shown(plain.read_bytes()) == (True, True)
    assert stages(manifest_of(default)) == ("strings", "zstd", "age", first)
    assert default.name.endswith(".heapsnapshot.zst.age")
    packed = output("age", "-d", "-i", keys[0], default)
    assert shown(output("zstd", "-dc", data=packed)) == (False, True)


def ask(daemon, **wishes):
    return daemon.post("/api/v1/targets/app/captures",
                       json.dumps({"kind": "snapshot", **wishes}).encode(),
                       {"Content-Type": "application/json"})


def test_a_request_may_ask_for_more_but_not_for_less(strict, keys):
    daemon = strict()
    for wish, option in (({"redact": "none"}, "redact"), ({"encrypt": []}, "encrypt"),
                         ({"encrypt": [recipient_of(keys[1])]}, "encrypt")):
        answer = ask(daemon, **wish)
        assert answer.status == 403, answer.text
        assert f"capture.{option}" in answer.text and "capture.allow_weaker" in answer.text
    assert daemon.api("/captures")["running"] == [] and daemon.ready() == []
    capture = daemon.capture("app", redact="all", compress="none")
    assert stages(manifest_of(capture)) == ("all", "none", "age", recipient_of(keys[0]))
    assert shown(output("age", "-d", "-i", keys[0], capture)) == (False, False)


def test_allow_weaker_lets_a_request_ask_for_less(strict, keys):
    daemon = strict(allow_weaker=True)
    other = daemon.capture("app", encrypt=[recipient_of(keys[1])])
    assert stages(manifest_of(other)) == ("strings", "zstd", "age", recipient_of(keys[1]))
    assert shown(output("zstd", "-dc", data=output("age", "-d", "-i", keys[1], other))) == \
        (False, True)
    plain = daemon.capture("app", redact="none", compress="none", encrypt=[])
    assert stages(manifest_of(plain)) == ("none", "none", "none", "")
    assert shown(plain.read_bytes()) == (True, True)
