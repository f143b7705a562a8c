"""Leaks on every engine: each place where programs/hoards.js hoards is named, and nothing while it
does only what is healthy; by ids where they last, and by paths on the same snapshots."""

import json

import pytest

from lab import hoards, jsc, webkit
from lab.bun import Bun
from lab.ctl import Ctl

# What an engine tells of a timer that is never cleared, and of a listener that is never removed.
# JSC does not say what it holds for the DOM, nor what a Map of its newer versions has in it, but
# which of them have room for that.
TIMERS = {
    "deno": ("_onTimeout", "(GC roots)"),
    "bun": ("Timeout", "(GC roots)"), "bun-jsc": ("Timeout", "(GC roots)"),
    "chromium": ("DOMTimer", "DOMTimerCoordinator"),
    "gtk": ("Function", "(GC roots)"), "wpe": ("Function", "(GC roots)"),
    "firefox": ("Function", "mCallback"),
}
DETACHED = {"chromium": "Detached <section>", "gtk": "HTMLElement", "wpe": "HTMLElement",
            "firefox": "HTMLElement"}
NOT_TOLD = {"bun", "bun-jsc", "gtk"}
HAVE_ROOM = {'Map "sessions" or Set "tickets"', 'Set "tickets" or Map "sessions"'}
# Engines one root of which has timers and listeners: functions without names and places, which are
# told apart by what they are written in.
ONE_ROOT = {"gtk", "wpe", "firefox"}
# Those that tell neither names nor places of functions: of each the function that makes them.
NAMELESS = {"bun-jsc", "gtk", "wpe", "firefox"}
IDS_LAST = {"deno", "chromium", "gtk", "wpe"}
# Of two snapshots of JSC what its stack happens to hold looks as if it had come; test_leak_programs.py
# has it write over that.
OF_TWO = {"deno", "chromium", "firefox"}

TAKE = {
    "deno": hoards.of_deno, "bun": hoards.of_bun,
    "bun-jsc": lambda *a: hoards.of_bun(*a, form="jsc"),
    "chromium": hoards.of_chromium, "gtk": hoards.of_webkit,
    "wpe": lambda *a: hoards.of_webkit(*a, kind=webkit.WPE), "firefox": hoards.of_firefox,
}


def leaks_of(engine):
    return [*hoards.PLANTED, "timers", *(["detached", "clicks"] if engine in DETACHED else [])]


def planted(engine):
    """(class, variable it is held as, kind) of all but timers and listeners."""
    chains = {"history", "fibers"}
    found = [(class_, held, "chain" if name in chains else "many")
             for name, (class_, held) in hoards.PLANTED.items()]
    if engine in NOT_TOLD:
        found = [(c, None, "unreached") if c in ("SessionRecord", "Ticket") else (c, held, kind)
                 for c, held, kind in found]
    if engine in DETACHED:
        found.append((DETACHED[engine], "removed", "many"))
    return sorted(found, key=str)


def check(engine, report):
    class_, holder = TIMERS[engine]
    rest, timers, clicks = [], [], []
    for s in report["suspects"]:
        name = s["class"].split(",", 3)[-1] if s["class"][0] != "," else s["class"][1:]
        if engine in ONE_ROOT and s["kind"] == "roots":
            {"timers": timers, "clicks": clicks}[s["made_in"]].append(s)
        elif class_ in name and holder in (s["holder_name"] or ""):
            timers.append(s)
        elif name == "blink::RegisteredEventListener":
            clicks.append(s)
        else:
            rest.append((name, s["held_as"], s["kind"]))
            # The oldest of the new links may be reached from elsewhere as well.
            assert s["count"] in (2 * hoards.EACH, 2 * hoards.EACH - 1), json.dumps(s)
    assert sorted(rest, key=str) == planted(engine)
    assert len(timers) == 1 and len(clicks) == (engine in DETACHED)
    for s in timers + clicks:
        assert s["kind"] == ("many" if engine == "chromium" else "roots")
    assert timers[0]["count"] == 2 * hoards.EACH
    if engine in ONE_ROOT:
        assert class_ in clicks[0]["class"] and holder in clicks[0]["holder_name"]
        assert clicks[0]["count"] == 2 * hoards.EACH
    for s in report["suspects"]:
        assert (s["may_be_held_by"] in HAVE_ROOM) if s["kind"] == "unreached" else \
            s["may_be_held_by"] is None, json.dumps(s)
    made_in = {s["held_as"]: s["made_in"] for s in report["suspects"] if s["class"] == ",Function"}
    if engine in NAMELESS:
        assert (made_in["callbacks"], made_in["tick"]) == ("callbacks", "listeners")


def check_two(engine, before, after):
    report = Ctl().json("leaks", before, after)
    assert report["matched_by"] == ("ids" if engine in IDS_LAST else "paths")
    if engine == "deno":
        # The table of its own map of timers doubles, which only a third tells from a leak.
        report["suspects"] = [s for s in report["suspects"]
                              if (s["class"], s["kind"]) != (",Map", "own")]
    check(engine, report)


@pytest.mark.parametrize("engine", sorted(TAKE))
def test_every_leak_is_named_and_nothing_else(nursery, tmp_path, engine):
    paths = TAKE[engine](nursery, tmp_path, leaks_of(engine))
    healthy, leaky = paths[:hoards.HEALTHY], paths[hoards.HEALTHY:]
    for arguments in ([], ["--match=paths"]):
        assert Ctl().json("leaks", *healthy, *arguments)["suspects"] == []
        report = Ctl().json("leaks", *leaky, *arguments)
        check(engine, report)
        by_ids = engine in IDS_LAST and not arguments
        assert report["matched_by"] == ("ids" if by_ids else "paths")
    if engine in OF_TWO:
        check_two(engine, leaky[0], leaky[2])
    if engine in IDS_LAST:
        assert "Ids did last" in Ctl()("leaks", *leaky, "--match=paths").stdout
    text = Ctl()("leaks", *leaky).stdout
    assert f"Memory accumulates in {len(report['suspects'])} places." in text
    assert ("held by what the snapshot does not tell" in text) == (engine in NOT_TOLD)
    assert ("held by the engine itself, as '" in text) == (engine != "chromium")


def _page(nursery, tmp_path, kind):
    browser = webkit.Browser(nursery, tmp_path / "browser", kind)
    return browser.site.run, jsc.page(browser)


def _bun(nursery):
    program = Bun(nursery, "0")

    def run(expression):
        with program.client() as client:
            return client.evaluate(expression)
    return run, jsc.bun(program)


@pytest.mark.parametrize("engine", ["bun", "gtk", "wpe"])
def test_of_jsc_over_connections_that_take_the_ids_with_them(nursery, tmp_path, engine):
    run, connect = _bun(nursery) if engine == "bun" else \
        _page(nursery, tmp_path, {"gtk": webkit.GTK, "wpe": webkit.WPE}[engine])
    run(hoards.SCRIPT.read_text() + "; 1")
    run("hoards.start('history', 'requests')")
    run(f"hoards.work({2 * hoards.EACH})")
    paths = jsc.over_connections(tmp_path, connect, lambda: run(f"hoards.work({hoards.EACH})"), n=3)
    for n in (2, 3):
        report = Ctl().json("leaks", *paths[:n])
        assert report["matched_by"] == "paths"
        assert report["ids_equal"] < 0.9 * report["ids_in_both"]
        found = [(s["class"], s["held_as"], s["kind"], s["count"]) for s in report["suspects"]]
        assert found == [(",HistoryEntry", "log", "chain", (n - 1) * hoards.EACH),
                         (",RequestTrace", "traces", "many", (n - 1) * hoards.EACH)]
