"""Indexes: what a first command keeps, the next one answers from, byte for byte the same; what is
damaged, old, copied or of another file is made anew; nothing is kept of what was encrypted."""

import fcntl
import os
import shutil
import stat
import subprocess

import pytest

from lab import hoard, node, snapshots
from lab.ctl import Ctl, binary

ORDERS = 60000  # 70 MB


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return snapshots.take(None, tmp_path_factory.mktemp("zoo"), "node24")


@pytest.fixture
def pair(zoo, tmp_path):
    return [shutil.copy(path, tmp_path / path.name) for path in zoo]


@pytest.fixture
def kept(tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    return folder


def indexes(folder):
    return sorted(folder.glob("*.heapindex"))


def commands(first, second):
    yield "analyze", first
    yield "analyze", first, "--top=0", "--json=short"
    yield "analyze", first, "--node=@1", "--json=pretty"
    yield "analyze", first, "--class=Node"
    yield "analyze", first, "--extras", "--json=short"
    yield "analyze", first, "--strings", "--collections"
    yield "retainers", first, "--class=Node"
    yield "retainers", second, "--class=Node", "--json=short"
    yield "diff", first, second
    yield "diff", first, second, "--top=0", "--json=short"
    yield "leaks", first, second
    yield "leaks", first, second, "--json=short", "--match=paths"


def outputs(first, second, *flags, **options):
    return [Ctl()(*command, *flags, text=False, **options).stdout
            for command in commands(first, second)]


def test_every_command_says_the_same_from_an_index(pair, kept):
    wanted = outputs(*pair, "--no-index")
    assert not indexes(kept)
    for threads in ("1", "2"):
        assert outputs(*pair, f"--index={kept}", f"--threads={threads}") == wanted
        assert len(indexes(kept)) == 2
    # Nor does it matter by whom it was made: leaks keeps both as well.
    made = {path.name: path.stat().st_ino for path in indexes(kept)}
    for path in indexes(kept):
        path.unlink()
    Ctl()("leaks", *pair, f"--index={kept}")
    assert {path.name for path in indexes(kept)} == set(made)
    assert outputs(*pair, f"--index={kept}") == wanted


def test_leaks_are_the_same(nursery, tmp_path, kept):
    paths = hoard.by_cdp(nursery, tmp_path, 26)
    wanted = Ctl()("leaks", *paths, "--json=short", "--no-index").stdout
    for _ in range(2):
        assert Ctl()("leaks", *paths, "--json=short", f"--index={kept}").stdout == wanted
    assert len(indexes(kept)) == 3


@pytest.mark.parametrize("sample", ["bun-small.gcdebugging.json.zst",
                                    "firefox-withstacks.fxsnapshot"])
def test_other_engines_and_packed_files_are_kept_with_their_strings(sample, tmp_path, kept):
    path = shutil.copy(node.PROGRAMS.parent / "samples" / sample, tmp_path)
    wanted = outputs(path, path, "--no-index", "--class=Widget")
    for _ in range(2):
        assert outputs(path, path, "--class=Widget", f"--index={kept}") == wanted
    assert len(indexes(kept)) == 1


@pytest.mark.parametrize("command", ["analyze", "retainers", "diff", "leaks"])
def test_what_is_packed_is_not_unpacked_again(pair, kept, tmp_path, command):
    files = [tmp_path / "0.zst", tmp_path / "1.zst"]
    for path, packed in zip(pair, files):
        subprocess.run(["zstd", "-q", path, "-o", packed], check=True)
    if command in ("analyze", "retainers"):
        files = files[:1]
    asked = (command, *files, "--class=Node", "--json=short")
    wanted = Ctl()(*asked, "--no-index").stdout
    for path in files:
        Ctl()("analyze", path, f"--index={kept}")
    # There is no memory for what is inside.
    assert Ctl()(*asked, f"--index={kept}", "--memory-max=1").stdout == wanted
    assert Ctl()(*asked, "--no-index", "--memory-max=1", exit=4).stderr


def damages(path, other):
    whole = path.read_bytes()

    def flipped(at):
        return whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:]
    yield b""
    yield whole[:100]
    yield whole[:-4096]
    yield whole + b"more"
    yield other.read_bytes()
    for at in (0, 8, 16, 40, 64, 200, 2000):
        yield flipped(at)
    yield flipped(len(whole) // 2)


def test_what_does_not_hold_is_made_anew(pair, kept):
    command = ("retainers", pair[0], "--class=Node", "--json=short")
    wanted = Ctl()(*command, "--no-index").stdout
    Ctl()("analyze", pair[1], f"--index={kept}")
    other = indexes(kept)[0]
    Ctl()(*command, f"--index={kept}")
    (path,) = set(indexes(kept)) - {other}
    inode = path.stat().st_ino
    Ctl()(*command, f"--index={kept}")
    assert path.stat().st_ino == inode, "a good one stays"
    for content in list(damages(path, other)):
        path.write_bytes(content)
        inode = path.stat().st_ino
        assert Ctl()(*command, f"--index={kept}").stdout == wanted
        assert path.stat().st_ino != inode, "it was made anew"
        inode = path.stat().st_ino
        assert Ctl()(*command, f"--index={kept}").stdout == wanted
        assert path.stat().st_ino == inode
    # A copy is not what we wrote, whatever is in it.
    copy = kept / "copy"
    shutil.copy(path, copy)
    copy.replace(path)
    inode = path.stat().st_ino
    assert Ctl()(*command, f"--index={kept}").stdout == wanted
    assert path.stat().st_ino != inode


def test_a_snapshot_that_changed_has_no_index(pair, kept):
    def classes():
        return Ctl()("analyze", pair[0], "--json=short", f"--index={kept}").stdout
    before = classes()
    status = os.stat(pair[0])
    content = open(pair[1], "rb").read()
    with open(pair[0], "r+b") as out:
        out.write(content)
        out.truncate()
    os.utime(pair[0], ns=(status.st_atime_ns, status.st_mtime_ns))
    after = classes()
    assert after != before
    wanted = Ctl()("analyze", pair[1], "--json=short").stdout
    assert after == wanted.replace(str(pair[1]), str(pair[0]))


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_one_that_others_can_write_is_not_looked_at(pair, kept, mode):
    Ctl()("analyze", pair[0], f"--index={kept}")
    (path,) = indexes(kept)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    inode = path.stat().st_ino
    path.chmod(mode)
    Ctl()("analyze", pair[0], f"--index={kept}")
    assert path.stat().st_ino != inode
    path.rename(kept / "elsewhere")
    path.symlink_to(kept / "elsewhere")
    Ctl()("analyze", pair[0], f"--index={kept}")
    assert not path.is_symlink()


def test_nothing_is_kept_of_what_was_encrypted(pair, kept, tmp_path):
    key, sealed, packed = (tmp_path / name for name in ("key", "s.age", "s.age.gz"))
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    subprocess.run(["age", "-e", "-i", key, "-o", sealed, pair[0]], check=True)
    packed.write_bytes(subprocess.run(["gzip", "-c", sealed], check=True,
                                      capture_output=True).stdout)
    for path in (sealed, packed):
        Ctl()("analyze", path, "--identity", key, f"--index={kept}")
        Ctl()("leaks", path, path, "--identity", key, f"--index={kept}")
    assert not list(kept.iterdir())
    assert "no disk" in Ctl()("analyze", sealed, "--identity", key, f"--spill={kept}",
                              exit=4).stderr


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "store.heapsnapshot"
    subprocess.run([node.binary(24), node.PROGRAMS / "store.js", str(ORDERS), path], check=True)
    return path


def cpu_seconds(*args):
    """(of the program alone, what it printed)"""
    with subprocess.Popen([binary(), *map(str, args)], stdout=subprocess.PIPE) as child:
        said = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return usage.ru_utime + usage.ru_stime, said


def test_the_second_command_has_hardly_anything_to_do(store):
    """1.1 GB in 0.2 s, where a command without an index takes 3.5: a seventeenth, besides what a
    program takes to start. In CPU time, for others are at work here too."""
    index = store.with_name(store.name + ".heapindex")
    index.unlink(missing_ok=True)
    first, wanted = cpu_seconds("analyze", store, "--json=short", "--no-index")
    assert cpu_seconds("analyze", store, "--json=short")[1] == wanted
    assert index.exists() and stat.S_IMODE(index.stat().st_mode) == 0o600
    start = min(cpu_seconds("--version")[0] for _ in range(5))
    again = [cpu_seconds("analyze", store, "--json=short") for _ in range(5)]
    assert {said for _, said in again} == {wanted}
    assert min(seconds for seconds, _ in again) - start < first / 17
    index.unlink()


def test_what_is_packed_is_kept_by_the_size_of_what_is_in_it(store, zoo, tmp_path):
    """As the daemon leaves snapshots, a sixteenth of their size."""
    packed, small = tmp_path / "store.zst", tmp_path / "zoo.zst"
    for path, to in ((store, packed), (zoo[0], small)):
        subprocess.run(["zstd", "-q", path, "-o", to], check=True)
    assert packed.stat().st_size < 32 << 20 < store.stat().st_size
    wanted = Ctl()("analyze", packed, "--json=short").stdout
    assert Ctl()("analyze", packed, "--json=short", "--memory-max=1").stdout == wanted
    Ctl()("analyze", small)
    assert [path.name for path in indexes(tmp_path)] == ["store.zst.heapindex"]


def test_what_retains_an_object_is_found_in_a_fifth_of_the_time(store):
    """Besides what a program takes to start. It was a fourteenth, and sums are slower with sanitizers."""
    retainers = ("retainers", store, "--class=Item", "--json=short")
    first, wanted = cpu_seconds(*retainers, "--no-index")
    assert cpu_seconds(*retainers)[1] == wanted
    start = min(cpu_seconds("--version")[0] for _ in range(5))
    again = [cpu_seconds(*retainers) for _ in range(5)]
    assert {said for _, said in again} == {wanted}
    took = min(seconds for seconds, _ in again) - start
    store.with_name(store.name + ".heapindex").unlink()
    assert took < first / 5, (took, first)


def first_bytes(command, wanted):
    """A command runs, which answers this; all of it but what a pipe can hold, when it waits for the
    rest to be read, and then that."""
    ours, theirs = os.pipe()
    held = fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
    with subprocess.Popen([binary(), *map(str, command)], stdout=theirs) as child, \
            os.fdopen(ours, "rb") as out:
        os.close(theirs)
        assert len(wanted) > 2 * held
        assert out.read(len(wanted) - 2 * held) == wanted[:-2 * held]
        yield
        assert out.read() == wanted[-2 * held:]
    assert child.returncode == 0


@pytest.mark.parametrize("command", ["analyze", "retainers", "leaks"])
def test_the_answer_is_out_before_an_index_is_made(pair, kept, command):
    """While the answer is on its way, and there is more of it than is held anywhere, there is none."""
    files = pair if command == "leaks" else pair[:1]
    flags = {"leaks": ["--match=classes"], "retainers": ["--class=Array"]}.get(command, [])
    arguments = (command, *files, "--json=short", "--top=0", *flags)
    wanted = Ctl()(*arguments, "--no-index", text=False).stdout
    for _ in first_bytes((*arguments, f"--index={kept}"), wanted):
        assert not list(kept.iterdir())
    assert len(indexes(kept)) == len(files)


def test_where_an_index_is_kept(store, pair, tmp_path):
    cache, home = tmp_path / "cache", tmp_path / "home"
    for folder in (cache, home):
        folder.mkdir()
    beside = store.with_name(store.name + ".heapindex")
    manifest = store.with_name(store.name + ".json")
    env = {"XDG_CACHE_HOME": str(cache)}
    beside.unlink(missing_ok=True)
    # Small ones are not worth a file.
    Ctl()("analyze", pair[0], env=env)
    assert not list(cache.iterdir()) and not list(tmp_path.glob("*.heapindex"))
    # The daemon counts what is in its folders.
    manifest.write_text("{}")
    Ctl()("analyze", store, env=env)
    assert not beside.exists() and len(indexes(cache / "heapwatch")) == 1
    Ctl()("analyze", store, env={"HOME": str(home), "XDG_CACHE_HOME": ""})
    assert len(indexes(home / ".cache" / "heapwatch")) == 1
    manifest.unlink()
    # The one in the cache is of use all the same.
    Ctl()("analyze", store, env=env)
    assert not beside.exists()
    Ctl()("analyze", store, "--no-index", env={"XDG_CACHE_HOME": "/proc/nowhere"})
    assert not beside.exists()
    Ctl()("analyze", store, env={"XDG_CACHE_HOME": "/proc/nowhere"})
    assert beside.exists()
    beside.unlink()
    said = Ctl()("analyze", pair[0], "--index=/proc/nowhere").stderr
    assert "--index: /proc/nowhere" in said
