"""Redaction: of secrets planted in every place a snapshot could show, none reaches the disk, and
what remains is the same to all who compute from it."""

import json
import os
import re
import resource
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from lab import cdp, readers
from lab.ctl import Ctl
from lab.daemon import PLAIN, static_config
from lab.wait import until

LEVELS = ("strings", "all")
ANALYSIS = {"enabled": True, "headroom": "64MiB"}
VALUE, KEY = "zqvalue", "zqkey"  # how secrets.js begins each value and each name
NUMBER = "12345678.90625"
# Of the keys that are numbers, each as it stands in a file: of elements Node 24 writes the lower 32
# bits with their sign.
NUMBERS_AS_KEYS = ((b"4029123456", b"-265843840"), (b"4129123457", b"-165843839"),
                   (b"4929123456789",))
NAME = re.compile(rb'"\w+"')
FILLER_MIB = 1
MIB = 1 << 20


def as_v8_writes(text):
    """7-bit JSON, as V8 has it: astral characters lose their upper bits, lone surrogates are ???."""
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    done = []
    for c in text:
        code = ord(c)
        if 0xD800 <= code < 0xE000:
            done.append("???")
        elif c in short:
            done.append(short[c])
        else:
            done.append(c if 32 <= code < 127 else f"\\u{code & 0xFFFF:04X}")
    return "".join(done).encode()


def forms(text):
    """Every way in which the text could stand in a file."""
    quoted = json.dumps(text)[1:-1].encode()
    found = {as_v8_writes(text), as_v8_writes(text).lower(), quoted, quoted.upper(),
             text.encode("utf-8", "surrogatepass"), text.encode("utf-16-le", "surrogatepass")}
    return found | {form.replace(b"\\", b"\\\\") for form in found}


def marks(word):
    return {form for text in (word, word.upper()) for form in forms(text)}


def leaks(body, wanted):
    return sorted(form for form in wanted if form in body)


class Planted:
    """A running secrets.js and what it has planted."""

    def __init__(self, start_node, major, dump=None, filler_mib=FILLER_MIB):
        self.node = start_node(major, "secrets", filler_mib, *([dump] if dump else []))
        heard = self.node.process.wait_line(r"^planted (.*)")
        found = json.loads(heard[1])
        self.values, self.keys = found["values"], found["keys"]
        self.never = marks(VALUE).union(*map(forms, self.values.values()))

    def assert_all_in(self, plain):
        missing = [place for place, text in {**self.values, **self.keys}.items()
                   if as_v8_writes(text) not in plain]
        assert not missing, "the plain snapshot does not show what was planted"


def keys_of(level):
    """What a level says of the names of properties that were planted."""
    return marks(KEY).union(*NUMBERS_AS_KEYS) if level == "all" else set()


def shows_numbers(body):
    return all(any(form in body for form in forms) for forms in NUMBERS_AS_KEYS)


def over_inspector(node):
    with cdp.Client(node.port, limit_s=60) as client:
        client.call("HeapProfiler.takeHeapSnapshot", reportProgress=False, captureNumericValue=True)
        client.call("HeapProfiler.disable")
        return "".join(event["params"]["chunk"] for event in client.events
                       if event["method"] == "HeapProfiler.addHeapSnapshotChunk").encode()


def redacted(level, plain, to):
    tool = Path(os.environ["HEAPWATCHD"]).parents[1] / "tests" / "fake" / "pipe_through"
    done = subprocess.run([tool, "-r", level], input=plain, capture_output=True, timeout=120,
                          check=False)
    assert done.returncode == 0, done.stderr
    to.write_bytes(done.stdout)
    return done.stdout


def test_no_secret_passes_and_every_reader_computes_the_same(start_node, major, tmp_path):
    written, sent = tmp_path / "plain.heapsnapshot", tmp_path / "sent.heapsnapshot"
    planted = Planted(start_node, major, written)
    sent.write_bytes(over_inspector(planted.node))
    for way, plain in (("written", written.read_bytes()), ("sent", sent.read_bytes())):
        planted.assert_all_in(plain)
        assert NUMBER.encode() in plain
        assert shows_numbers(plain)
        for level in LEVELS:
            body = redacted(level, plain, tmp_path / f"{way}-{level}.heapsnapshot")
            assert leaks(body, planted.never | keys_of(level) | {NUMBER.encode()}) == []
            json.loads(body)
            assert {b'"Holder"', b'"reveal"'} <= set(NAME.findall(body)), "names of classes, of functions"
            if level == "strings":
                kept = [as_v8_writes(key) in body for key in planted.keys.values()]
                assert all(kept), "names of properties stay"
                assert shows_numbers(body)
    for sizes in (readers.devtools_sizes, readers.memlab_sizes):
        for way, file in (("written", written), ("sent", sent)):
            wanted = sizes(file)
            for level in LEVELS:
                assert sizes(tmp_path / f"{way}-{level}.heapsnapshot") == wanted, way


def test_the_analyser_reads_keys_that_are_numbers(start_node, major, tmp_path):
    """Node 24 gives those from 2^31 on a sign."""
    written, masked = tmp_path / "plain.heapsnapshot", tmp_path / "all.heapsnapshot"
    Planted(start_node, major, written)
    redacted("all", written.read_bytes(), masked)
    counts = readers.devtools(written, "Holder")[:2]
    for path in (written, masked):
        seen = Ctl().json("analyze", path, "--no-index")
        assert (seen["nodes"], seen["edges"]) == counts
    plain, redacted_one = (Ctl()("retainers", path, "--class=Keyed", "--no-index").stdout
                           for path in (written, masked))
    assert "[4029123456] of" in plain
    assert "[0] of" in redacted_one and "4029123456" not in redacted_one


def wait_reports(daemon, n=1):
    """Their files, in the order of the captures, once n are there and told of."""
    def made():
        ready = sorted((c for c in daemon.api("/captures")["ready"] if c["kind"] == "snapshot"),
                       key=lambda c: c["id"])
        return sum(c["analysis"]["state"] == "done" for c in ready) == n
    until(made, lambda: f"{n} reports; log:\n{daemon.tail()}", 120)
    found = sorted(daemon.storage.rglob("ready/*.report.json"))
    assert len(found) == n
    return found


class Watcher:
    """Reads every file of some folders over and over while something goes on; the marks that all
    secrets begin with are enough for that, and `all_forms` is for the last look."""

    def __init__(self, folders, wanted, all_forms):
        self.folders, self.wanted, self.all_forms = folders, wanted, all_forms
        self.leaks, self.partial, self._done = set(), 0, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def look(self, wanted=None):
        for path in (path for folder in self.folders for path in folder.rglob("*")):
            try:
                body = path.read_bytes() if path.is_file() else b""
            except FileNotFoundError:
                continue  # renamed or removed meanwhile
            self.leaks |= {(path.name, form) for form in leaks(body, wanted or self.wanted)}
            self.partial += path.parent.name == "incoming" and len(body) > 0

    def _run(self):
        while not self._done.is_set():
            self.look()
            self._done.wait(0.02)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()
        self.look(self.wanted | self.all_forms)


@pytest.mark.parametrize("major,level", ((20, "all"), (22, "strings"), (24, "strings"), (24, "all"),
                                         (26, "all")))
def test_no_secret_is_ever_in_a_folder_of_the_daemon(start_node, start_daemon, tmp_path, major,
                                                     level):
    """Neither that of its storage nor the one for temporary files."""
    planted, temporary = Planted(start_node, major), tmp_path / "temporary"
    temporary.mkdir()
    daemon = start_daemon(static_config({"app": planted.node.address}, analysis=ANALYSIS, capture={
        "redact": level, "compress": "none"}), env={"TMPDIR": str(temporary)})
    daemon.wait_up("app")
    with Watcher((daemon.home, temporary), marks(VALUE) | keys_of(level), planted.never) as watcher:
        snapshot = daemon.capture("app")
        (report,) = wait_reports(daemon)
    assert watcher.leaks == set()
    assert watcher.partial > 0, "nothing was seen in the making"
    assert leaks(daemon.process.output().encode(), planted.never) == []
    manifest = json.loads(snapshot.with_name(snapshot.name + ".json").read_text())
    assert manifest["redact"] == level
    assert b"Holder" in snapshot.read_bytes(), "names of classes stay"
    assert b'"Holder"' in report.read_bytes(), "the analysis saw them"


@pytest.mark.parametrize("level", ("none", *LEVELS))
def test_no_secret_is_in_what_an_analysis_tells(start_node, start_daemon, level):
    """Of what leaks, of duplicates, and of what holds what; where nothing is redacted all of them tell
    secrets, which is the proof of the others."""
    planted = Planted(start_node, 24)
    daemon = start_daemon(static_config({"app": planted.node.address}, analysis=ANALYSIS, capture={
        **PLAIN, "redact": level, "guards": {"headroom": 0}}))
    daemon.wait_up("app")
    daemon.capture("app", wait=False, series={"count": 3, "spacing": "2s"})
    reports = wait_reports(daemon, 3)
    leak = json.loads(reports[-1].read_bytes())["leaks"]
    assert leak["verdict"] == "leak", leak
    last = daemon.ready()[-1]
    told = {
        "reports": b"".join(path.read_bytes() for path in reports),
        "page": "".join(daemon.get(page).text for page in ("/", "/api/v1/captures")).encode(),
        "log": daemon.process.output().encode(),
        "duplicates": Ctl()("analyze", last, "--extras", "--json=short", "--no-index").stdout.encode(),
        "holders": Ctl()("retainers", last, "--class=Holder", "--no-index").stdout.encode(),
    }
    shows = {name for name, text in told.items() if leaks(text, planted.never | marks(KEY))}
    if level == "none":
        assert shows >= {"reports", "duplicates"}
        assert leaks(told["duplicates"], marks(VALUE)), "no values to be found: no proof"
        return
    wanted = planted.never | keys_of(level)
    assert {name: found for name, text in told.items() if (found := leaks(text, wanted))} == {}
    assert level == "all" or "reports" in shows, "names of properties stay"


def test_allowed_names_stay_and_others_go(start_node, watch):
    """A name of lone surrogates or astral characters cannot be allowed, for V8 writes another."""
    planted = Planted(start_node, 24)
    # Of objects: without numbers in it a snapshot does not show the name of a property with one.
    kept = [planted.keys[place] for place in ("nested", "nestedwide", "nestedlatin")]
    gone = [text for place, text in planted.keys.items() if not place.startswith("nested")]
    gone += [planted.keys[f"nested{tail}"] for tail in ("astral", "lone", "quote")]
    daemon = watch(app=planted.node.address, sections={"capture": {
        "redact": "all", "redact_allow": kept, "compress": "none", "guards": {"headroom": 0}}})
    daemon.wait_up("app")
    snapshot = daemon.capture("app")
    body = snapshot.read_bytes()
    assert [name for name in kept if b'"' + as_v8_writes(name) + b'"' not in body] == []
    assert leaks(body, planted.never.union(*map(forms, gone))) == []
    manifest = json.loads(snapshot.with_name(snapshot.name + ".json").read_text())
    assert manifest["redact"] == "all" and manifest["redact_allow_names"] == len(kept)


@pytest.mark.parametrize("level", LEVELS)
def test_a_heap_full_of_strings_costs_no_memory(quick_daemon, start_node, watch, level):
    """Half a million short ones and 40 MiB of long ones by default, ten times that at
    HEAPWATCH_TEST_SCALE=1; of each the daemon remembers a byte, and for a while two."""
    scale = float(os.environ.get("HEAPWATCH_TEST_SCALE", "0.1"))
    count = round(5e6 * scale)
    planted = Planted(start_node, 24, filler_mib=round(400 * scale))
    with cdp.Client(planted.node.port, limit_s=60) as client:
        assert client.evaluate("globalThis.kept = []; while (kept.length < %d)"
                               " kept.push(['zq', 'value', kept.length].join('')); kept.length" % count) == count
    daemon = watch(app=planted.node.address, sections={"capture": {
        "redact": level, "compress": "zstd", "diagnostics": False, "guards": {"headroom": 0}}})
    daemon.wait_up("app")
    daemon.get("/metrics")
    before = daemon.process.rss_bytes()
    daemon.process.forget_peak()
    snapshot = daemon.capture("app", limit_s=300)
    grown = daemon.process.peak_rss_bytes() - before
    manifest = json.loads(snapshot.with_name(snapshot.name + ".json").read_text())
    assert manifest["size_bytes"] > 800e6 * scale
    assert manifest["redacted_bytes"] < manifest["size_bytes"]
    assert grown < 16 * MIB + 2 * count, f"{grown / MIB:.1f} MiB"
    body = subprocess.run(["zstd", "-dc", snapshot], check=True, capture_output=True).stdout
    assert leaks(body, marks(VALUE)) == [] and body.count(b',""') > count


@pytest.fixture
def cores_wanted():
    """Limits as of a machine that keeps cores: what is not dumped was prevented by the daemon."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


def largest_in_making(daemon):
    """Diagnostics and lists of scripts come and go in incoming/ too, but are smaller."""
    sizes = [0]
    for path in daemon.incoming():
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:
            pass  # renamed
    return max(sizes)


@pytest.mark.parametrize("number", (signal.SIGABRT, signal.SIGSEGV), ids=lambda n: n.name)
def test_a_daemon_that_crashes_leaves_no_core(start_node, watch, cores_wanted, monkeypatch, number):
    """Without sanitizers, which have ways of their own with these signals."""
    monkeypatch.setenv("HEAPWATCHD", os.environ["HEAPWATCHD_RELEASE"])
    planted = Planted(start_node, 24, filler_mib=40)
    daemon = watch(app=planted.node.address,
                   sections={"capture": {"redact": "strings", "compress": "none"}})
    daemon.wait_up("app")
    limits = Path(f"/proc/{daemon.process.pid}/limits").read_text()
    (core,) = [line.split()[4:6] for line in limits.splitlines() if "core file size" in line]
    assert core == ["0", "0"]
    daemon.post("/api/v1/targets/app/captures", b'{"kind": "snapshot"}',
                {"Content-Type": "application/json"})
    until(lambda: largest_in_making(daemon) > MIB, "a part of the snapshot", step_s=0.001)
    daemon.process.signal(number)
    assert daemon.process.wait_exit() == -number
    assert daemon.process.ended.si_code == os.CLD_KILLED, "it was dumped"
    watcher = Watcher((daemon.home,), marks(VALUE), planted.never)
    watcher.look(planted.never)
    assert watcher.leaks == set() and watcher.partial > 0
