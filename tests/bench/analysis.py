#!/usr/bin/python3
"""Analysis of a large heap snapshot, ours beside Chrome DevTools' worker and MemLab: wall time, CPU
time and the largest resident size, as docs/BENCHMARKS.md has them. Ours is a whole command, the others' are
measured until they have the like: DevTools the rows of classes with retained sizes and the statistics, MemLab
the retained sizes. The digest by which all are compared ours has to print meanwhile; theirs is made after.
Then ours from an index, and of a chain of
objects beside as many in an array. A million orders make a file of 1.15 GB and take 10 GB of memory while
it is written.

--tool=VERSION has @heap-snapshot/tool of npm beside them, which is fetched for it (0.0.10; "" for none)."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

import setting
from lab import node

TESTS = setting.TOP / "tests"
INDEX_FROM_MB = (32 << 20) / 1e6  # daemon/ctl/index_file.h
SECOND_WITHIN_S = 0.2
LONGER_AT_MOST = 1.5  # a chain's time per object, of an array's


def measure(*argv):
    """(wall s, CPU s, RSS MB, what it printed)"""
    before = time.monotonic()
    with subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, cwd=TESTS) as child:
        text = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, argv
    return (time.monotonic() - before, usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss * 1024 / 1e6, text)


def snapshot(path, orders):
    subprocess.run([node.binary(24), "--max-old-space-size=12000", node.PROGRAMS / "store.js",
                    str(orders), path], check=True)


def largest_rss_mb(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.M)[1]) * 1024 / 1e6


def cpu_s(pid):
    """Of all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_told(*argv):
    """The same until a peer tells that it is there, and how long it took with what it does then."""
    before = time.monotonic()
    with subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, cwd=TESTS) as child:
        assert child.stdout.readline() == b"told\n", argv
        told = time.monotonic() - before, cpu_s(child.pid), largest_rss_mb(child.pid)
        child.stdout.read()
    assert child.returncode == 0, argv
    return *told, time.monotonic() - before


def answer_and_index(*argv):
    """(seconds, largest RSS MB) until a command has answered, in one line, and the same until the index
    is written with which it ends."""
    before = time.monotonic()
    with subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline().endswith(b"}\n")
        answered = time.monotonic() - before, largest_rss_mb(child.pid)
        assert child.stdout.read() == b""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, argv
    return answered, (time.monotonic() - before, usage.ru_maxrss * 1024 / 1e6)


def from_index(ctl, path, runs):
    """The least of each, when the first command has kept one; the peers read the file anew."""
    index = path.with_name(path.name + ".heapindex")
    commands = {"analyze": ("analyze", path, "--json=short"),
                "analyze --node": ("analyze", path, "--node=@1"),
                "retainers --class": ("retainers", path, "--class=Item"),
                "diff": ("diff", path, path), "leaks": ("leaks", path, path)}
    firsts = []
    for _ in range(runs):
        index.unlink(missing_ok=True)
        firsts.append(answer_and_index(ctl, *commands["analyze"]))
    answered, written = sorted(firsts)[len(firsts) // 2]
    if not index.exists():
        assert path.stat().st_size < INDEX_FROM_MB * 1e6, f"no {index}"
        print(f"\nno index is kept below {INDEX_FROM_MB:.0f} MB")
        return
    size = path.stat().st_size / 1e6
    print(f"\nFirst command: it answers after {answered[0]:.2f} s, when it has taken {answered[1]:.0f} MB "
          f"({answered[1] / size:.2f} of the file), and its index of {index.stat().st_size / 1e6:.0f} MB is "
          f"written after {written[0]:.2f} s and {written[1]:.0f} MB.\n\n"
          "| from the index | wall | CPU | largest RSS |\n|---|---|---|---|")
    second = None
    for name, argv in commands.items():
        found = [measure(ctl, *argv)[:3] for _ in range(runs)]
        wall, cpu, rss = (min(run[i] for run in found) for i in range(3))
        print(f"| {name} | {wall:.2f} s | {cpu:.2f} s | {rss:.0f} MB |", flush=True)
        second = wall if second is None else second
    index.unlink()
    print(f"\nSecond command: {second:.2f} s, of {SECOND_WITHIN_S} s that are the goal.")


def fetch(version, folder):
    """@heap-snapshot/tool, as npm installs it: its command, or why there is none."""
    done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts",
                           "--prefix", folder, f"@heap-snapshot/tool@{version}"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return None, f"npm does not install it: {last_line(done)}"
    package = folder / "node_modules" / "@heap-snapshot" / "tool"
    commands = json.loads((package / "package.json").read_text()).get("bin", {})
    name = commands if isinstance(commands, str) else next(iter(commands.values()), None)
    return (package / name, None) if name else (None, "it has no command")


def last_line(done):
    """Of what a program that failed said, without the folders."""
    lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    return re.sub(r"\S*/", "", lines[-1]) if lines else f"exit status {done.returncode}"


def tool_row(version, path, size):
    """A row of it where it starts, else why not: on Debian 12 it wants a newer C library."""
    folder = path.parent / "heap-snapshot-tool"
    command, why = fetch(version, folder)
    argv = [node.binary(24), command, path]
    if why is None:
        done = subprocess.run([node.binary(24), command, "--help"], capture_output=True, text=True,
                              check=False)
        why = None if done.returncode == 0 else f"it does not start: {last_line(done)}"
    if why is not None:
        print(f"| @heap-snapshot/tool {version} | {why} | | | | |", flush=True)
        return
    wall, cpu, rss, _ = measure(*argv)
    print(f"| @heap-snapshot/tool {version} | {wall:.1f} s | {cpu:.1f} s | {rss:.0f} MB "
          f"| {rss * 1e6 / size:.2f} | |", flush=True)


def chains(ctl, home, objects, runs):
    """Each object held by the one before it, beside as many that one array holds: the least CPU time
    per object. Nothing of ours recurses, so the stack is as small for both."""
    print(f"\n| {objects} objects in | objects | CPU | per object |\n|---|---|---|---|")
    times = {}
    for shape in ("array", "chain"):
        path = home / f"{shape}-{objects}.heapsnapshot"
        if not path.exists():
            subprocess.run([node.binary(24), "--max-old-space-size=12000", node.PROGRAMS / "chain.js",
                            shape, str(objects), path], check=True)
        found = [measure("sh", "-c", 'ulimit -s 256; exec "$@"', "sh", ctl, "analyze", path,
                         "--json=short", "--threads=1", "--no-index") for _ in range(runs)]
        cpu, nodes = min(run[1] for run in found), json.loads(found[0][3])["nodes"]
        times[shape] = cpu / nodes
        print(f"| {'an' if shape == 'array' else 'a'} {shape} | {nodes} | {cpu:.2f} s "
              f"| {cpu / nodes * 1e9:.0f} ns |", flush=True)
    longer = times["chain"] / times["array"]
    print(f"\nA chain takes {longer:.2f} of the time of an array.")
    assert longer <= LONGER_AT_MOST, longer


def ratios(took):
    """What the others take of ours on two threads; took: {name: (wall, RSS)}, ours first."""
    names = list(took)
    ours = took[names[1]]
    print(f"\n| of {names[1]} | wall | largest RSS |\n|---|---|---|")
    for name in names[2:]:
        wall, rss = took[name]
        print(f"| {name} | {wall / ours[0]:.1f} times | {rss / ours[1]:.1f} times |", flush=True)


def main():
    options = setting.arguments(__doc__, orders=(1000000, "objects of class Order"),
                                runs=(3, "runs of each of ours"),
                                chain=(2000000, "objects in a chain, and in an array; 0: none"),
                                tool=("", "version of @heap-snapshot/tool to fetch and measure"),
                                file=("/tmp/analysis.heapsnapshot", "made if it is not there"))
    path = Path(options.file)
    if not path.exists():
        snapshot(path, options.orders)
    ctl = options.build / "daemon" / "heapwatchctl"
    bundle = options.build / "devtools.mjs"
    js = [node.binary(24), "--max-old-space-size=12000"]
    subprocess.run([node.binary(24), TESTS / "devtools" / "build.js", bundle], check=True)
    rows = {f"heapwatchctl, {n} thread{'s' * (n > 1)}":
            [ctl, "analyze", path, "--json=short", f"--threads={n}", "--no-index"]
            for n in (1, 2)}
    peers = {"Chrome DevTools' worker": [*js, TESTS / "devtools" / "report.mjs", bundle, path,
                                         path.with_suffix(".devtools"), "--tell"],
             "MemLab": [*js, TESTS / "devtools" / "memlab.js", path, "--sizes", "--tell"]}
    size = path.stat().st_size
    print(f"{size / 1e6:.0f} MB\n\n| | wall | CPU | largest RSS | of the file | with all else |\n"
          "|---|---|---|---|---|---|")
    digests, took = [], {}
    for name, argv in rows.items():
        runs = sorted(measure(*argv) for _ in range(options.runs))
        wall, cpu, rss, text = runs[len(runs) // 2]
        print(f"| {name} | {wall:.2f} s | {cpu:.2f} s | {rss:.0f} MB | {rss * 1e6 / size:.2f} | |",
              flush=True)
        took[name] = wall, rss
        found = json.loads(text)
        digests.append(found["digest"])
    for name, argv in peers.items():
        wall, cpu, rss, end = measure_told(*argv)
        print(f"| {name} | {wall:.2f} s | {cpu:.2f} s | {rss:.0f} MB | {rss * 1e6 / size:.2f} "
              f"| {end:.2f} s |", flush=True)
        took[name] = wall, rss
    if options.tool:
        tool_row(options.tool, path, size)
    print(f"\n{found['nodes']} nodes, {found['edges']} edges")
    ratios(took)
    digests.append(json.loads(path.with_suffix(".devtools").read_text())["digest"])
    assert all(digest == digests[0] for digest in digests), digests
    from_index(ctl, path, options.runs)
    if options.chain:
        chains(ctl, path.parent, options.chain, options.runs)


if __name__ == "__main__":
    main()
