"""What is said of files that are no whole snapshots, of each of the three formats: exit 1, with the
section (or, of Firefox, the node) and the byte; never an answer, and never a crash."""

import gzip
import random
import re
import subprocess
import zlib

import pytest

from lab import node, snapshots
from lab.ctl import Ctl, binary

SAMPLES = node.PROGRAMS.parent / "samples"
TRIES = 20


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    home = tmp_path_factory.mktemp("files")
    jsc, gecko = home / "jsc.json", home / "gecko.fxsnapshot"
    subprocess.run(["zstd", "-dq", SAMPLES / "bun-small.gcdebugging.json.zst", "-o", jsc],
                   check=True)
    gecko.write_bytes(subprocess.run(
        ["gzip", "-dc", SAMPLES / "firefox-withstacks.fxsnapshot"], check=True,
        capture_output=True).stdout)
    return {"v8": snapshots.take(None, home, "node24")[0].read_bytes(), "jsc": jsc.read_bytes(),
            "gecko": gecko.read_bytes()}


@pytest.fixture(params=["v8", "jsc", "gecko"])
def kind(request):
    return request.param


def verdict(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    done = Ctl()("analyze", path, "--json=short", "--no-index", exit=1)
    assert done.stdout == "" and done.stderr.startswith(f"heapwatchctl: {path}: ")
    return done.stderr


PLACE = {"v8": r'section "\w+"', "jsc": r'section "\w+"', "gecko": r"node \d+|first node"}


def test_wherever_a_file_ends_the_place_is_told(files, kind, tmp_path):
    whole, chance = files[kind], random.Random(1)
    assert "empty: it ends at byte 0" in verdict(tmp_path, b"")
    for size in [1, 2, 20, *(chance.randrange(1, len(whole) - 2) for _ in range(TRIES))]:
        said = verdict(tmp_path, whole[:size])
        # Behind a node of Firefox's, what refers to the rest tells.
        assert f"byte {size}" in said or "cut short behind a node" in said
        assert re.search(PLACE[kind], said), said


def test_whatever_else_is_there_the_place_is_told_or_the_answer_is_whole(files, kind, tmp_path):
    """A run of other bytes in the middle; it may be of a text, where it is none of our business."""
    whole, chance = files[kind], random.Random(2)
    path, refused = tmp_path / "file", 0
    for junk in [b"\0" * 64, b"\xff" * 64, b"[" * 64, b'"' * 63, b"7" * 64] * (TRIES // 5):
        at = chance.randrange(len(whole) - 64)
        path.write_bytes(whole[:at] + junk + whole[at + len(junk):])
        done = subprocess.run([binary(), "analyze", path, "--json=short", "--no-index"],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode in (0, 1), (at, junk, done.stderr)
        refused += done.returncode
        if done.returncode == 1:
            assert re.search(r"byte \d+", done.stderr) and re.search(PLACE[kind], done.stderr), (
                at, done.stderr)
    assert refused > TRIES // 3


@pytest.mark.parametrize("name", ["nodes", "edges", "strings"])
def test_a_section_that_is_missing_or_comes_twice_is_named(files, tmp_path, name):
    whole = files["v8"]
    other = whole.replace(f'"{name}":['.encode(), f'"not{name}":['.encode(), 1)
    assert f'no section "{name}" up to the end at byte {len(other)}' in verdict(tmp_path, other)
    if name != "strings":
        at = whole.index(b'"strings":[')
        twice = whole[:at] + f'"{name}":[],'.encode() + whole[at:]
        assert f'section "{name}", byte {at + len(name) + 3}: it comes twice' in verdict(tmp_path,
                                                                                        twice)


def test_numbers_that_do_not_agree_are_told_with_their_section(files, tmp_path):
    whole = files["v8"]
    count = re.search(rb'"node_count":(\d+)', whole)
    for wrong, words in ((int(count[1]) - 1, 'section "nodes", .*byte'), (0, "node_count is 0")):
        other = whole.replace(count[0], b'"node_count":%d' % wrong, 1)
        said = verdict(tmp_path, other)
        assert re.search(words, said) and "byte" in said, said
    at = whole.index(b'"strings":[') + len(b'"strings":[')
    said = verdict(tmp_path, whole[:at] + b'"only one"]}')
    assert f'section "strings", byte {at}: something is named' in said


def test_what_follows_the_end_is_not_passed_over(files, tmp_path):
    for kind in ("v8", "jsc"):
        whole = files[kind].rstrip()
        said = verdict(tmp_path, whole + b"\n" + whole[:100])
        assert f"there is more from byte {len(whole) + 1} on" in said
        said = verdict(tmp_path, whole + b"\0" * 4096)
        assert f"there is more from byte {len(whole)} on" in said


@pytest.mark.parametrize("content", [b"\x7fELF" + b"\0" * 100, b"PK\x03\x04 a zip", b"\0" * 5000,
                                     b"[1,2,3]", b'{"nodes":[]}', b"not json at all",
                                     b"\xef\xbb\xbf{}", b"{", b"\x0a\x08\x01\x02"])
def test_what_is_no_snapshot_is_no_snapshot(tmp_path, content):
    said = verdict(tmp_path, content)
    assert re.search(r"byte \d+", said) and re.search(r'section "\w+"|node \d+', said), said


def zstd_blocks(frame):
    """Where the first two blocks of a frame begin (RFC 8878, 3.1.1)."""
    descriptor = frame[4]
    single = descriptor >> 5 & 1
    first = (5 + (not single) + (0, 1, 2, 4)[descriptor & 3] +
             (single, 2, 4, 8)[descriptor >> 6])
    return first, first + 3 + (int.from_bytes(frame[first:first + 3], "little") >> 3)


def test_packed_files_that_are_damaged(files, tmp_path):
    """The block is told where the format does not say more."""
    raw, packed = tmp_path / "raw", tmp_path / "s.zst"
    raw.write_bytes(files["v8"])
    subprocess.run(["zstd", "-q", raw, "-o", packed], check=True)
    whole = packed.read_bytes()
    assert f"zstd: cut short after {len(whole) // 2} bytes" in verdict(tmp_path,
                                                                       whole[:len(whole) // 2])
    first, second = zstd_blocks(whole)
    reserved = whole[:second] + bytes([whole[second] | 6]) + whole[second + 1:]
    at = re.search(r": zstd: .*, in its block at byte (\d+)$", verdict(tmp_path, reserved).strip())
    assert first <= int(at[1]) <= second
    assert "zstd" in verdict(tmp_path, whole[:1000] + b"\xff" * 100 + whole[1100:])
    gz = subprocess.run(["gzip", "-c", raw], check=True, capture_output=True).stdout
    assert f"gzip: cut short after {len(gz) // 2} bytes" in verdict(tmp_path, gz[:len(gz) // 2])
    said = verdict(tmp_path, gz[:1000] + b"\xff" * 100 + gz[1100:])
    assert 1000 <= int(re.search(r": gzip: .*, at byte (\d+)$", said.strip())[1]) <= len(gz)


PACKERS = {"zst": ["zstd", "-q", "-c"], "gz": ["gzip", "-c"]}


def sound_part(packed, packer):
    """Of a file that is cut short, what there is in it; by the tools of its format."""
    if packer == "gz":
        return zlib.decompressobj(wbits=31).decompress(packed)
    return subprocess.run(["zstd", "-dcq"], input=packed, capture_output=True, check=False).stdout


def section_at(whole, at):
    """Of V8's, the one this byte is in."""
    return ["snapshot", *re.findall(r'"(nodes|edges|trace_\w+|samples|locations|strings)":\[',
                                    whole[:at].decode("utf-8", "replace"))][-1]


def check_part(said, kind, whole, part):
    """It tells section (or node) and byte of what can be unpacked; of V8's also which."""
    assert ": unpacked, " in said, said
    assert whole.startswith(part)
    assert f"byte {len(part)}" in said or "cut short behind a node" in said, (len(part), said)
    if not part:
        assert "ends at byte 0, before its first section" in said, said
    elif part == whole:
        assert f"can be read up to its end at byte {len(part)}" in said, said
    else:
        assert re.search(PLACE[kind], said), said
        edges = int(re.search(rb'"edge_count":(\d+)', whole)[1]) if kind == "v8" else 0
        # What has not even room for its edges is told so at its head.
        if kind == "v8" and len(part) > edges:
            assert f'section "{section_at(whole, len(part))}"' in said, (len(part), said)


@pytest.mark.parametrize("packer", sorted(PACKERS))
def test_of_a_packed_file_that_is_cut_the_place_in_what_is_in_it_is_told(files, kind, packer, tmp_path):
    whole = files[kind]
    packed = subprocess.run(PACKERS[packer], input=whole, check=True, capture_output=True).stdout
    word = {"zst": "zstd", "gz": "gzip"}[packer]
    checksum = len(packed) - 2  # of which that much is left
    for size in (12, *(len(packed) * i // 5 for i in range(1, 5)), checksum):
        said = verdict(tmp_path, packed[:size])
        assert f": {word}: cut short after {size} bytes" in said
        part = whole if size == checksum else sound_part(packed[:size], packer)
        check_part(said, kind, whole, part)


def test_packed_twice_or_sealed_as_well(files, tmp_path):
    """Layers inside of what is cut are taken off too. A file of Firefox's is gzip itself."""
    key, path = tmp_path / "key", tmp_path / "file"
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    gz = subprocess.run(PACKERS["gz"], input=files["gecko"], check=True, capture_output=True).stdout
    both = subprocess.run(PACKERS["zst"], input=gz, check=True, capture_output=True).stdout
    cut = both[:len(both) * 2 // 3]
    said = verdict(tmp_path, cut)
    assert f": zstd: cut short after {len(cut)} bytes" in said
    check_part(said, "gecko", files["gecko"], sound_part(sound_part(cut, "zst"), "gz"))
    packed = subprocess.run(PACKERS["zst"], input=files["v8"], check=True,
                            capture_output=True).stdout
    sealed = subprocess.run(["age", "-e", "-i", key], input=packed, check=True,
                            capture_output=True).stdout
    chunk = (1 << 16) + 16
    path.write_bytes(sealed[:len(sealed) // 2])
    payload = sealed.index(b"\n", sealed.index(b"\n--- ") + 1) + 1 + 16
    chunks = (len(sealed) // 2 - payload) // chunk
    done = Ctl()("analyze", path, "--identity", key, "--no-index", exit=1)
    assert done.stdout == "" and "age: cut short" in done.stderr
    check_part(done.stderr, "v8", files["v8"], sound_part(packed[:chunks << 16], "zst"))
    # To find the place means to build what would be spilled.
    gz = subprocess.run(PACKERS["gz"], input=sealed, check=True, capture_output=True).stdout
    for cut, word in ((sealed[:len(sealed) // 2], "age"), (gz[:len(gz) // 2], "gzip")):
        path.write_bytes(cut)
        said = Ctl()("analyze", path, "--identity", key, f"--spill={tmp_path}", "--no-index",
                     exit=1).stderr
        assert f": {word}: cut short" in said and "unpacked" not in said


@pytest.mark.parametrize("command", [("retainers", "--class=Node"), ("diff",), ("leaks",),
                                     ("convert", "--output=none")])
def test_every_command_tells_it(files, command, tmp_path):
    path, flags = tmp_path / "cut.gz", command[1:]
    gz = subprocess.run(PACKERS["gz"], input=files["v8"], check=True, capture_output=True).stdout
    path.write_bytes(gz[:len(gz) // 2])
    names = [path] * (2 if command[0] in ("diff", "leaks") else 1)
    done = Ctl(cwd=tmp_path)(command[0], *names, *flags, exit=1)
    assert done.stdout == "" and not (tmp_path / "none").exists()
    check_part(done.stderr, "v8", files["v8"], sound_part(path.read_bytes(), "gz"))


def changed(whole):
    """With a letter among the numbers of the references; or, of Firefox, with what is no length behind
    the first message."""
    if not whole.startswith(b"{"):
        return whole[:1 + whole[0]] + b"\xff" * 16 + whole[1 + whole[0]:]
    at = whole.index(b'"edges":[') + 5000
    return whole[:at] + b"x" + whole[at + 1:]


HARMS = {"cut": lambda whole: whole[:len(whole) * 2 // 3], "changed": changed,
         "packed": lambda whole: (packed := gzip.compress(whole, 1))[:len(packed) // 2]}


@pytest.mark.parametrize("command, n", [("diff", 2), ("leaks", 3)])
@pytest.mark.parametrize("how", sorted(HARMS))
def test_of_several_the_one_that_is_damaged_is_named(files, kind, command, n, how, tmp_path):
    paths = [tmp_path / f"{i + 1}.file" for i in range(n)]
    for bad in paths:
        for path in paths:
            path.write_bytes(files[kind])
        bad.write_bytes(HARMS[how](files[kind]))
        done = Ctl()(command, *paths, "--no-index", exit=1)
        assert done.stdout == "" and done.stderr.startswith(f"heapwatchctl: {bad}: "), done.stderr
        assert re.search(r"byte \d+", done.stderr) and re.search(PLACE[kind], done.stderr)
        assert not [path for path in paths if path != bad and str(path) in done.stderr]


def test_what_is_no_snapshot_has_no_sections(tmp_path):
    path = tmp_path / "cut.heapprofile.gz"
    path.write_bytes(gzip.compress(b'{"head":{"callFrame":{},"selfSize":0}}' * 100)[:-9])
    said = Ctl()("profile", "top", path, exit=1).stderr
    assert "gzip: cut short" in said and "section" not in said


def test_sealed_files_that_are_damaged(files, tmp_path):
    """Of age the chunk is told, of 64 KiB each."""
    raw, key, sealed, path = (tmp_path / name for name in ("raw", "key", "s.age", "file"))
    raw.write_bytes(files["v8"])
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    subprocess.run(["age", "-e", "-i", key, "-o", sealed, raw], check=True)
    whole = sealed.read_bytes()
    payload = whole.index(b"\n", whole.index(b"\n--- ") + 1) + 1 + 16
    chunk = (1 << 16) + 16
    for content, words in (
            (whole[:payload + chunk + 5000], "age: cut short"),
            (whole[:payload + chunk + 50] + b"\0" * 99 + whole[payload + chunk + 149:],
             "age: chunk 1 is damaged"),
            (whole[:100] + b"\n" + whole[100:], "age: ")):
        path.write_bytes(content)
        done = Ctl()("analyze", path, "--identity", key, "--no-index", exit=1)
        assert done.stdout == "" and words in done.stderr, done.stderr
