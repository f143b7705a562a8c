"""Snapshots of programs/hoards.js on every engine, as the engine itself writes them, with work
between: three while it does what is healthy, and three more while it leaks. All of one session, so
that ids last where the engine has any that do."""

import subprocess

from . import bun, cdp, chromium, deno, firefox, node, snapshots, webkit

SCRIPT = node.PROGRAMS / "hoards.js"
EACH = 800  # requests between two snapshots

# What each leak is called by: the class of what accumulates, and the variable or property that
# holds it, as a program of any engine has them.
PLANTED = {
    "sessions": ("SessionRecord", "sessions"),
    "callbacks": ("Function", "callbacks"),
    "requests": ("RequestTrace", "traces"),
    "history": ("HistoryEntry", "log"),
    "listeners": ("Function", "tick"),
    "tickets": ("Ticket", "tickets"),
    "fibers": ("FiberNode", "fibers"),
}


HEALTHY = 3  # snapshots before it begins to leak
ALL = 6


def _steps(run, take, leaks, paths):
    """run(expression), take(path)"""
    for i, path in enumerate(paths):
        if i == HEALTHY:
            run("hoards.start(" + ", ".join(f"'{name}'" for name in leaks) + ")")
            run(f"hoards.work({EACH})")
        run(f"hoards.work({EACH})")
        take(path)
    return paths


def _paths(home, end):
    return [home / f"{i + 1}{end}" for i in range(ALL)]


def of_deno(nursery, home, leaks):
    program = deno.Deno(nursery, home / "deno", "0")
    with cdp.Client(program.port, limit_s=60) as client:
        client.call("HeapProfiler.enable")
        client.evaluate(SCRIPT.read_text() + "; 1")
        return _steps(client.evaluate, lambda path: snapshots.take_one(client, path), leaks,
                      _paths(home, ".heapsnapshot"))


def of_bun(nursery, home, leaks, form="v8"):
    """In V8's form, or in JSC's."""
    paths = _paths(home, ".heapsnapshot" if form == "v8" else ".jsc.json")
    subprocess.run([bun.binary(), node.PROGRAMS / "hoards_run.mjs", form, str(EACH),
                    str(HEALTHY), ",".join(leaks), *paths], check=True, timeout=120, env=node.environment())
    return paths


def of_chromium(nursery, home, leaks):
    browser = chromium.Chromium(nursery, home / "profile", "data:text/html,<title>shop</title><body>")
    with browser.client() as client:
        client.call("HeapProfiler.enable")
        client.evaluate(SCRIPT.read_text() + "; 1")
        return _steps(client.evaluate, lambda path: snapshots.take_one(client, path), leaks,
                      _paths(home, ".heapsnapshot"))


def of_webkit(nursery, home, leaks, kind=webkit.GTK):
    browser = webkit.Browser(nursery, home / "browser", kind)
    browser.site.run(SCRIPT.read_text() + "; 1")
    with browser.client() as client:
        page = webkit.Page(client)
        return _steps(browser.site.run,
                      lambda path: path.write_text(page.call("Heap.snapshot")["snapshotData"]),
                      leaks, _paths(home, ".jsc.json"))


def of_firefox(nursery, home, leaks):
    browser = firefox.Firefox(nursery, home / "program")
    memory = browser.client.target(browser.descriptor)["memoryActor"]
    browser.client.ask(memory, "attach")
    browser.evaluate(SCRIPT.read_text() + "; 1")

    return _steps(browser.evaluate, lambda path: browser.save_snapshot(memory, path), leaks,
                  _paths(home, ".fxsnapshot"))
