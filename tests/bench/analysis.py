#!/usr/bin/python3
"""Analysis of a large heap snapshot, ours beside Chrome DevTools' worker and MemLab: wall time, CPU
time and the largest resident size, as docs/BENCHMARKS.md has them; then ours from an index. A
million orders make a file of 1.15 GB and take 10 GB of memory while it is written."""

import json
import os
import subprocess
import time
from pathlib import Path

import setting
from lab import node

TESTS = setting.TOP / "tests"


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


def from_index(ctl, path, runs):
    """The least of each, when the first command has kept one; the peers read the file anew."""
    index = path.with_name(path.name + ".heapindex")
    index.unlink(missing_ok=True)
    commands = {"analyze": ("analyze", path, "--json=short"),
                "analyze --node": ("analyze", path, "--node=@1"),
                "retainers --class": ("retainers", path, "--class=Item"),
                "diff": ("diff", path, path), "leaks": ("leaks", path, path)}
    wall, cpu, _, _ = measure(ctl, *commands["analyze"])
    print(f"\nFirst command, which keeps {index.stat().st_size / 1e6:.0f} MB: {wall:.1f} s, "
          f"CPU {cpu:.1f} s\n\n| from the index | wall | CPU | largest RSS |\n|---|---|---|---|")
    for name, argv in commands.items():
        found = [measure(ctl, *argv)[:3] for _ in range(runs)]
        wall, cpu, rss = (min(run[i] for run in found) for i in range(3))
        print(f"| {name} | {wall:.2f} s | {cpu:.2f} s | {rss:.0f} MB |", flush=True)
    index.unlink()


def main():
    options = setting.arguments(__doc__, orders=(1000000, "objects of class Order"),
                                runs=(3, "runs of each of ours"),
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
    rows["Chrome DevTools' worker"] = [*js, TESTS / "devtools" / "report.mjs", bundle, path,
                                       path.with_suffix(".devtools")]
    rows["MemLab"] = [*js, TESTS / "devtools" / "memlab.js", path, "--sizes"]
    size = path.stat().st_size
    print(f"{size / 1e6:.0f} MB\n\n| | wall | CPU | largest RSS | of the file |\n|---|---|---|---|---|")
    digests = []
    for name, argv in rows.items():
        runs = sorted(measure(*argv) for _ in range(options.runs if "heapw" in name else 1))
        wall, cpu, rss, text = runs[len(runs) // 2]
        print(f"| {name} | {wall:.1f} s | {cpu:.1f} s | {rss:.0f} MB | {rss * 1e6 / size:.2f} |",
              flush=True)
        if "heapw" in name:
            digests.append(json.loads(text)["digest"])
    digests.append(json.loads(path.with_suffix(".devtools").read_text())["digest"])
    assert all(digest == digests[0] for digest in digests), digests
    from_index(ctl, path, options.runs)


if __name__ == "__main__":
    main()
