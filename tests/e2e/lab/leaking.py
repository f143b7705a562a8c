"""The programs of programs/leaking on every engine: each leaks in one place, beside work that does
not. Of each three snapshots, as the engine itself writes them, with requests between; where it has
ids that last, they do. A program has a process of its own, or a page that is loaded anew."""

import subprocess
from typing import NamedTuple

from . import bun, cdp, chromium, deno, firefox, node, snapshots, webkit
from .wait import until

FOLDER = node.PROGRAMS / "leaking"
EACH = 400  # requests before each snapshot
SNAPSHOTS = 3
LIMIT_S = 120


class Planted(NamedTuple):
    """What a program leaks; None: not told, or the engine's own."""
    class_: str  # of what accumulates; a part of it, where it is the engine's
    holder: str | None  # its class, or the name of the engine's root
    held_as: str | None  # the variable or property that leads to the holder
    kind: str = "many"
    each: int = EACH  # of this class, between two snapshots
    may_be_held_by: str | None = None  # what alone has room for it, where nothing leads there


PLANTED = {
    "server": Planted("RequestContext", "Array", "active", each=EACH // 2),
    "cache": Planted("CachedAnswer", "Map", "answers"),
    "emitter": Planted("Function", "Array", "tick"),
    "list": Planted("Edit", "Object", "editor", "chain"),
    "closures": Planted("Function", "Array", "callbacks"),
    "fibers": Planted("FiberNode", "Object", "root", "chain"),
}
# What the engine itself has its part in.
TIMERS = {
    "node": Planted("Timeout", "TimersList", None),
    "deno": Planted("_onTimeout", "(GC roots)", None, "roots"),
    "bun": Planted("Timeout", "(GC roots)", None, "roots"),
    "chromium": Planted("DOMTimer", "blink::(anonymous namespace)::DOMTimerCoordinator", None),
    "webkit": Planted("Function", "(GC roots)", None, "roots"),
    "firefox": Planted("Function", "mCallback", None, "roots"),
}
LISTENERS = {
    "node": Planted("Listener", "Object", None, "chain"),
    "deno": Planted("{callback, options,", "Array", "tick"),
    "bun": Planted("Function", None, "bus"),
    "chromium": Planted("blink::RegisteredEventListener", "blink::EventTargetData", "bus"),
    "webkit": Planted("Function", "EventTarget", "bus"),
    "firefox": Planted("Function", "mCallback", None, "roots"),
}
DETACHED = {"chromium": "Detached <section>", "webkit": "HTMLElement", "firefox": "HTMLElement"}
# JSC since 2.50 does not tell what its maps hold.
MAPS_NOT_TOLD = {"bun", "gtk"}


def kind_of(engine):
    return "node" if engine.startswith("node") else "webkit" if engine in ("gtk", "wpe") else engine


def planted(engine):
    """{program: Planted}"""
    kind = kind_of(engine)
    found = dict(PLANTED, timers=TIMERS[kind], listeners=LISTENERS[kind])
    if engine in MAPS_NOT_TOLD:
        found["cache"] = Planted("CachedAnswer", None, None, "unreached",
                                 may_be_held_by='Map "answers"')
    if engine == "bun":
        # Its code refers to the first fiber as well, which leaves that to the scope of both.
        found["fibers"] = Planted("FiberNode", None, None, "chain")
    if kind in DETACHED:
        found["dom"] = Planted(DETACHED[kind], "Array", "removed", each=2 * EACH)
    return found


# ---- a process for each ----

def _environment(home):
    return dict(node.environment(), DENO_DIR=str(home / "deno"), DENO_NO_UPDATE_CHECK="1")


class Process:
    """A runtime that writes its snapshots itself: at once in all forms it has."""

    def __init__(self, argv, forms=("v8",)):
        self._argv, self._forms = argv, forms
        self._ends = [".heapsnapshot" if form == "v8" else ".jsc.json" for form in forms]

    def take(self, home, program, n=SNAPSHOTS, name=None):
        """[paths of each form]; name: of the files, if not the program's."""
        rows = [[home / f"{name or program}-{i + 1}{end}" for end in self._ends] for i in range(n)]
        subprocess.run([*self._argv, node.PROGRAMS / "leaking_run.mjs", program, str(EACH),
                        ",".join(self._forms), *[path for row in rows for path in row]],
                       check=True, timeout=LIMIT_S, env=_environment(home), capture_output=True)
        return [list(paths) for paths in zip(*rows)]

    def close(self):
        pass


# ---- pages of one browser ----

def _text(name):
    """With the name of its file, as a page has that loads it."""
    return f"{(FOLDER / name).read_text()}\n//# sourceURL=leaking/{name}\n"


class Pages:
    """begin() loads a page anew, run(expression), snapshot(path)."""
    END = ".heapsnapshot"

    def take(self, home, program, n=SNAPSHOTS, name=None):
        paths = [home / f"{name or program}-{i + 1}{self.END}" for i in range(n)]
        self.begin()
        for name in ("healthy.js", f"{program}.js"):
            self.run(_text(name) + "1")
        for path in paths:
            self.run(f"work({EACH})")
            self.snapshot(path)
        self.tell_scripts(paths[-1])
        return [paths]

    def tell_scripts(self, path):
        """The list of scripts beside the last, where there is one."""

    def close(self):
        pass


class ChromiumPages(Pages):
    URL = "data:text/html,<title>shop</title><body>"

    def __init__(self, nursery, home):
        self._browser = chromium.Chromium(nursery, home / "profile", self.URL)
        self._page = self._client = None

    def begin(self):
        self.close()
        self._page = self._browser.open(self.URL)
        self._client = cdp.Client(self._browser.port, LIMIT_S, f"/devtools/page/{self._page}")
        self._client.call("HeapProfiler.enable")

    def run(self, text):
        return self._client.evaluate(text)

    def snapshot(self, path):
        snapshots.take_one(self._client, path)

    def tell_scripts(self, path):
        snapshots.write_scripts(self._client, path)

    def close(self):
        if self._page is not None:
            self._client.close()
            self._browser.shut(self._page)


class WebkitPages(Pages):
    END = ".jsc.json"

    def __init__(self, nursery, home, kind):
        self._browser = webkit.Browser(nursery, home / "browser", kind)
        self._client = cdp.Client(self._browser.port, LIMIT_S, webkit.PAGE)
        self._page = webkit.Page(self._client)

    def begin(self):
        self._browser.site.reload()

    def run(self, text):
        return self._browser.site.run(text)

    def snapshot(self, path):
        """JSC takes any address on its stack for a reference: what calls have left there goes first."""
        self.run("(function deep(n) { return n > 0 ? deep(n - 1) + 1 : 0; })(8000)")
        self._page.call("Heap.gc")
        path.write_text(self._page.call("Heap.snapshot")["snapshotData"])

    def close(self):
        self._client.close()


class FirefoxPages(Pages):
    END = ".fxsnapshot"

    def __init__(self, nursery, home):
        self._browser = firefox.Firefox(nursery, home / "program")

    def _is_new(self):
        self._target = self._browser.client.target(self._browser.descriptor)
        return self.run("typeof globalThis.leaking") == "undefined"

    def begin(self):
        if not self._is_new():
            self._browser.client.evaluate(self._target["consoleActor"], "location.reload()", wait=False)
            until(self._is_new, "the page anew")
        self._browser.client.ask(self._target["memoryActor"], "attach")

    def run(self, text):
        return self._browser.client.evaluate(self._target["consoleActor"], text)

    def snapshot(self, path):
        self._browser.save_snapshot(self._target["memoryActor"], path)


ENGINES = {
    **{f"node{major}": lambda nursery, home, major=major: Process([node.binary(major)])
       for major in node.MAJORS},
    "deno": lambda nursery, home: Process(
        [deno.binary(), "run", "--no-config", "--no-remote", "--allow-all"]),
    "bun": lambda nursery, home: Process([bun.binary()], ("v8", "jsc")),
    "chromium": ChromiumPages,
    "gtk": lambda nursery, home: WebkitPages(nursery, home, webkit.GTK),
    "wpe": lambda nursery, home: WebkitPages(nursery, home, webkit.WPE),
    "firefox": FirefoxPages,
}
