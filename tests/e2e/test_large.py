"""More than fits: files above 4 GB (at HEAPWATCH_TEST_SCALE=1; a tenth of it by default), less
memory than is needed, and arrays in files in its place."""

import json
import os
import subprocess

import pytest

from lab import node, snapshots
from lab.ctl import Ctl, binary
from lab.large import SELF, Large

SCALE = float(os.environ.get("HEAPWATCH_TEST_SCALE", "0.1"))
BYTES = 5_000_000_000
LIMIT_S = 600
SAMPLES = node.PROGRAMS.parent / "samples"
NEVER = ("--no-index",)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    made = Large(tmp_path_factory.mktemp("large") / "large.heapsnapshot", int(BYTES * SCALE))
    assert made.size > BYTES * SCALE * 0.95
    yield made
    os.unlink(made.path)


def check(large, found):
    (thing,) = (c for c in found["classes"] if c["name"] == "Thing")
    assert found["nodes"] == large.objects + 1 and found["edges"] == large.edges
    assert thing["count"] == large.objects and thing["distance"] == 1
    assert thing["self_bytes"] == thing["retained_bytes"] == large.objects * SELF
    assert found["statistics"]["total_bytes"] == large.objects * SELF


@pytest.mark.first
def test_a_file_of_5_gb_is_read_to_its_last_string(large):
    last = f"--node=@{2 * large.objects + 1}"
    for threads in ("1", "2"):
        found = Ctl().json("analyze", large.path, last, f"--threads={threads}", *NEVER,
                           limit_s=LIMIT_S)
        check(large, found)
        assert found["node"]["name"] == "Thing" and found["node"]["dominator"] == 1


def test_damage_is_told_with_its_place_wherever_that_is(large):
    """A digit behind the last piece of references, then an end inside of the last string but one."""
    at = large.edges_end - 7 * 13 + 1
    with open(large.path, "r+b") as file:
        file.seek(at)
        was = file.read(1)
        file.seek(at)
        file.write(b"x")
        file.flush()
        said = Ctl()("analyze", large.path, *NEVER, exit=1, limit_s=LIMIT_S).stderr
        assert f'section "edges", byte {at}: neither' in said
        file.seek(at)
        file.write(was)
    os.truncate(large.path, large.size - 1000)
    said = Ctl()("analyze", large.path, *NEVER, exit=1, limit_s=LIMIT_S).stderr
    assert f"the file ends at byte {large.size - 1000}" in said and 'section "strings"' in said
    with open(large.path, "ab") as file:
        file.write(b"x" * (1000 - len(b'",\n"Thing"]}\n')) + b'",\n"Thing"]}\n')
    check(large, Ctl().json("analyze", large.path, *NEVER, limit_s=LIMIT_S))


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return snapshots.take(None, tmp_path_factory.mktemp("zoo"), "node24")


@pytest.fixture(params=["v8", "jsc", "gecko"])
def sample(request, zoo):
    return {"v8": zoo[1], "jsc": SAMPLES / "bun-small.gcdebugging.json.zst",
            "gecko": SAMPLES / "firefox-withstacks.fxsnapshot"}[request.param]


def test_arrays_in_files_make_no_difference(sample, tmp_path):
    folder = tmp_path / "spill"
    folder.mkdir()
    class_ = "Node" if sample.suffix == ".heapsnapshot" else "Widget"
    for command in (("analyze", sample, "--top=0"), ("diff", sample, sample),
                    ("leaks", sample, sample), ("retainers", sample, f"--class={class_}"),
                    ("convert", sample, "--output=-")):
        for threads in ("1", "2"):
            flags = ("--json=short", f"--threads={threads}", *NEVER)
            wanted = Ctl()(*command, *flags).stdout
            assert wanted
            assert Ctl()(*command, *flags, f"--spill={folder}").stdout == wanted
    assert not list(folder.iterdir())


def test_a_folder_that_is_none_or_full_is_an_error_of_its_own(zoo, tmp_path):
    assert "--spill: /proc/nowhere" in Ctl()("analyze", zoo[1], "--spill=/proc/nowhere",
                                             exit=1).stderr
    full = tmp_path / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "none", full], check=True)
    try:
        said = Ctl()("analyze", zoo[1], f"--spill={full}", exit=1).stderr
        assert "--spill: No space left" in said
        assert not list(full.iterdir())
    finally:
        subprocess.run(["umount", full], check=True)


def test_too_little_memory_is_said_with_numbers_and_the_way_out(sample):
    for command in (("analyze", sample), ("leaks", sample, sample), ("diff", sample, sample),
                    ("retainers", sample, "--class=Node"), ("convert", sample)):
        said = Ctl()(*command, *NEVER, "--memory-max=2MiB", exit=4).stderr
        assert "2 MiB" in said and "--spill=FOLDER" in said
        assert str(sample) in said


def test_arrays_in_files_are_not_counted(zoo, tmp_path):
    flags = ("--memory-max=1MiB", f"--spill={tmp_path}", *NEVER)
    assert Ctl()("analyze", zoo[1], *flags).stdout == Ctl()("analyze", zoo[1], *NEVER).stdout
    packed = tmp_path / "s.zst"
    subprocess.run(["zstd", "-q", zoo[1], "-o", packed], check=True)
    assert Ctl()("analyze", packed, *flags).stdout == Ctl()("analyze", zoo[1], *NEVER).stdout
    # What is packed is not unpacked to where there is no room for it.
    said = Ctl()("analyze", packed, "--memory-max=3MiB", *NEVER, exit=4).stderr
    assert "unpacked it takes more than the 3 MiB" in said


def needed(path):
    """Bytes: the least power of two that is enough for one file."""
    for power in range(20, 40):
        flags = (f"--memory-max={1 << power}", *NEVER)
        if subprocess.run([binary(), "analyze", path, *flags],
                          capture_output=True).returncode == 0:
            return 1 << power
    raise AssertionError(path)


def test_two_files_take_what_two_files_take(zoo):
    enough = needed(zoo[1])
    for command in ("leaks", "diff"):
        said = Ctl()(command, *zoo, f"--memory-max={enough}", *NEVER, exit=4).stderr
        assert str(zoo[0]) in said, "the other one is there already"
        Ctl()(command, *zoo, f"--memory-max={enough * 4}", *NEVER)


LIST = 2_000_000
STACK_BYTES = 128 << 10
LINKED = """
class Link { constructor(next) { this.next = next; } }
globalThis.head = null;
for (let i = 0; i < Number(process.argv[1]); i++) head = new Link(head);
require('node:v8').writeHeapSnapshot(process.argv[2]);
for (let i = 0; i < Number(process.argv[1]) / 2; i++) head = new Link(head);
require('node:v8').writeHeapSnapshot(process.argv[3]);
"""


@pytest.mark.first
def test_a_list_of_2_million_needs_no_stack(tmp_path):
    """At HEAPWATCH_TEST_SCALE=1; a tenth of it by default."""
    n, paths = int(LIST * SCALE), [tmp_path / "1.heapsnapshot", tmp_path / "2.heapsnapshot"]
    subprocess.run([node.binary(24), "-e", LINKED, str(n), *paths], check=True, timeout=LIMIT_S,
                   env=node.environment(), cwd=tmp_path)

    def ctl(*command):
        done = subprocess.run(["prlimit", f"--stack={STACK_BYTES}", binary(), *command, *NEVER],
                              capture_output=True, timeout=LIMIT_S)
        assert done.returncode == 0, done.stderr
        return done.stdout
    for threads in ("1", "2"):
        found = json.loads(ctl("analyze", paths[0], "--json=short", "--class=Link",
                               f"--threads={threads}"))
        (links,) = (c for c in found["classes"] if c["name"] == "Link")
        assert links["count"] == n
        # The map of all of them is theirs, too.
        assert 0 <= links["retained_bytes"] - links["self_bytes"] < 1000
    assert b"Link" in ctl("retainers", paths[0], "--class=Link")
    grown = json.loads(ctl("diff", *paths, "--json=short", "--class=Link"))["classes"][0]
    assert grown["name"] == "Link"
    first = json.loads(ctl("leaks", *paths, "--json=short"))["suspects"][0]
    assert first["class"].split(",")[-1] == "Link" and first["chain"]
    assert first["count"] == n // 2
