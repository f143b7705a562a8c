"""Heap snapshots of programs/zoo.js, two of each runtime, as the runtime itself writes them."""

import json
import os
import subprocess

from . import cdp, deno, node

BUN = node.MODULES / "@oven" / "bun-linux-x64" / "bin" / "bun"
ZOO = node.PROGRAMS / "zoo.js"
RUN = node.PROGRAMS / "zoo_run.mjs"
NODES = [f"node{major}" for major in node.MAJORS]
RUNTIMES = [*NODES, "bun", "deno", "chromium"]
LIMIT_S = 120


def _by_itself(binary, before, after):
    assert os.access(binary, os.X_OK), f"{binary} is missing: run tests/run.sh"
    subprocess.run([binary, RUN, before, after], check=True, timeout=LIMIT_S, capture_output=True,
                   env=node.environment())


def take_one(client, path):
    client.call("HeapProfiler.takeHeapSnapshot", reportProgress=False)
    with open(path, "w", encoding="utf-8") as out:
        for event in client.events:
            if event.get("method") == "HeapProfiler.addHeapSnapshotChunk":
                out.write(event["params"]["chunk"])
    client.events.clear()


def write_scripts(client, path):
    """The list of scripts beside a snapshot, as the daemon leaves it."""
    client.call("Debugger.enable")
    scripts = [e["params"] for e in client.events if e["method"] == "Debugger.scriptParsed"]
    path.with_suffix(".scripts.json").write_text(json.dumps(scripts))
    client.call("Debugger.disable")


def _over_cdp(port, before, after):
    client = cdp.Client(port, limit_s=LIMIT_S)
    client.call("Runtime.evaluate", expression=ZOO.read_text())
    client.call("Runtime.evaluate", expression="zoo.build()")
    take_one(client, before)
    client.call("Runtime.evaluate", expression="zoo.grow()")
    take_one(client, after)


def _chromium(nursery, home):
    process = nursery.start(
        ["/usr/bin/chromium", "--headless", "--no-sandbox", "--disable-gpu",
         "--remote-debugging-port=0", f"--user-data-dir={home}", "about:blank"])
    heard = process.wait_line(r"^DevTools listening on ws://127\.0\.0\.1:(\d+)/")
    return int(heard[1])


# Before each script that a process of its own runs; each is a block, as functions of a page are not.
WRITE = """
import { writeFileSync } from 'node:fs';
import { writeHeapSnapshot } from 'node:v8';
const write = (path) => typeof Bun === 'undefined' ? writeHeapSnapshot(path)
  : writeFileSync(path, Bun.generateHeapSnapshot('v8'));
"""


def _run_by_itself(binary, home, scripts, paths):
    program = home / "program.mjs"
    program.write_text(WRITE + "".join(f"{{\n{script}\n}}\nwrite(process.argv[{i + 2}]);\n"
                                       for i, script in enumerate(scripts)))
    subprocess.run([binary, program, *paths], check=True, timeout=LIMIT_S, capture_output=True,
                   env=node.environment())


def _run_over_cdp(port, scripts, paths):
    with cdp.Client(port, limit_s=LIMIT_S) as client:
        client.call("HeapProfiler.enable")  # so that ids last
        for script, path in zip(scripts, paths):
            client.evaluate(f"{{\n{script}\n}} 0")
            take_one(client, path)


def after(nursery, home, runtime, *scripts):
    """Paths of a snapshot each after one of these scripts, which run one after the other."""
    paths = [home / f"{runtime}-after-{i + 1}.heapsnapshot" for i in range(len(scripts))]
    if runtime == "deno":
        _run_over_cdp(deno.Deno(nursery, home / "deno", "1").port, scripts, paths)
    elif runtime == "chromium":
        _run_over_cdp(_chromium(nursery, home / "profile"), scripts, paths)
    else:
        _run_by_itself(BUN if runtime == "bun" else node.binary(int(runtime[4:])), home, scripts,
                       paths)
    return paths


def take(nursery, home, runtime):
    """(before, after): paths of two snapshots of one program that ran on this runtime."""
    before, after = home / f"{runtime}-1.heapsnapshot", home / f"{runtime}-2.heapsnapshot"
    if runtime.startswith("node"):
        _by_itself(node.binary(int(runtime[4:])), before, after)
    elif runtime == "bun":
        _by_itself(BUN, before, after)
    elif runtime == "deno":
        _over_cdp(deno.Deno(nursery, home / "deno").port, before, after)
    else:
        _over_cdp(_chromium(nursery, home / "profile"), before, after)
    return before, after
