#!/usr/bin/python3
"""Analysis of a large heap snapshot, ours beside Chrome DevTools' worker and MemLab: wall time, CPU
time and the largest resident size, as docs/BENCHMARKS.md has them. A million orders make a file of
1.1 GB and take 10 GB of memory while it is written."""

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
            [ctl, "analyze", path, "--json=short", f"--threads={n}"] for n in (1, 2)}
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


if __name__ == "__main__":
    main()
