"""What a runtime cannot give is answered with the runtime, its version and the reason, whoever asks
and however; what we have no kind for is told plainly. Asked of every real runtime."""

import json
import re

import pytest
import yaml

from lab import every, webkit
from lab.bun import Bun
from lab.daemon import PLAIN, POLL
from lab.gc import EVENTS
from lab.wait import until

UNKNOWN = ("kind: '{}' is not a known kind: expected \"snapshot\", \"diagnostics\", "
           "\"sampling\", \"timeline\" or \"tracking\"")
NO_NAMES = "the names of properties in its snapshots cannot be replaced; redact: strings can be had"
JSC = {"kind=sampling": "JavaScriptCore has no sampling heap profiler",
       "kind=timeline": "JavaScriptCore keeps no times and no stacks of allocations; ask for "
                        "tracking, which tells what is new"}
V8 = {"kind=tracking": "V8 notes by itself when each object was allocated; ask for timeline, or for "
                       "sampling"}

# What each cannot give; all else of WISHES it can, or is no kind of ours.
CANNOT = {
    "node": V8, "deno": V8, "workerd": V8, "chromium": V8,
    "bun": {**JSC, "isolate=worker:1": "its inspector does not reach them"},
    "webkit": {**JSC, "isolate=worker:1": "its workers tell no memory", "redact=all": NO_NAMES},
    "safari": {**JSC, "isolate=worker:1": "its workers tell no memory", "redact=all": NO_NAMES},
    "firefox": {"isolate=worker:1": "it tells nothing of their heaps", "redact=all": NO_NAMES,
                "kind=tracking": "its snapshots tell addresses, which others take over; ask for "
                                 "sampling, which is its log of allocations",
                "kind=timeline": "its snapshots keep no times of allocations; one with stacks can "
                                 "be had, and its log of them as sampling"},
}

# Who can have no profiles all the time.
NOT_CONTINUOUS = {
    "bun": JSC["kind=sampling"], "webkit": JSC["kind=sampling"], "safari": JSC["kind=sampling"],
    "workerd": "it bears one client, so nobody could poll it meanwhile",
    "firefox": "its log of allocations makes a tab many times slower, however few of them it takes",
}

# Who tells nothing of its collections, and with which policy.
NO_GC_EVENTS = [
    ("deno", "auto", "it has no tracing, and its GCProfiler would load its node:v8 into the program"),
    ("workerd", "auto", "its inspector has nothing that tells them"),
    *((runtime, "per_poll", "what comes between two is told to nobody; with policy: attached they can "
                            "be had")
      for runtime in ("node", "chromium", "bun", "firefox")),  # WebKit and Safari are stayed with
]

# Nothing that can be asked of these tells it.
WITHOUT_VERSION = ("workerd", "webkit", "safari")


@pytest.fixture(params=CANNOT)
def runtime(request):
    return request.param


@pytest.fixture
def address(runtime, nursery, tmp_path, site):
    return every.start(runtime, nursery, tmp_path / "program", site)


def ask(daemon, query):
    return daemon.post(f"/api/v1/targets/app/captures?{query}")


def wait_known(daemon):
    daemon.wait_up("app")
    until(lambda: daemon.values("heapwatch_heap_used_bytes", target="app"), "an isolate")
    (labels, _), = daemon.values("heapwatch_target_info", target="app")
    return labels


def says(labels, wish, why):
    who = f"{labels['runtime']} {labels['runtime_version']}".rstrip()
    return f"{wish}: not supported by {who}: {why}"


def test_every_wish_is_answered(runtime, address, watch):
    daemon = watch(app=address, sections={"capture": dict(PLAIN, guards={"headroom": 0})})
    labels = wait_known(daemon)
    assert labels["runtime"] == runtime
    assert bool(labels["runtime_version"]) == (runtime not in WITHOUT_VERSION)
    for query, wish in (("kind=sampling", "sampling"), ("kind=timeline", "timeline"),
                        ("kind=tracking", "tracking"),
                        ("redact=all", "redact: all"), ("isolate=worker:1", "worker:1")):
        why = CANNOT[runtime].get(query)
        answer = ask(daemon, query + "&dry_run=true")
        if why:
            assert answer.status == 422 and answer.json()["errorType"] == "unsupported"
            assert answer.json()["error"] == says(labels, wish, why)
            assert ask(daemon, query).status == 422
        elif query.startswith("isolate"):
            assert answer.status == 404
        else:
            assert answer.status == 200, answer.text
    refused = [r for r in daemon.api("/captures")["refused"] if r["reason"] == "unsupported"]
    wanted = {says(labels, wish, CANNOT[runtime][query]) for query, wish in
              (("kind=sampling", "sampling"), ("kind=timeline", "timeline"),
               ("kind=tracking", "tracking"),
               ("redact=all", "redact: all"), ("isolate=worker:1", "worker:1"))
              if query in CANNOT[runtime]}
    assert {r["text"] for r in refused} == wanted
    # A garbage collection beforehand can be had of each.
    assert ask(daemon, "gc_before=true&dry_run=true").status == 200
    for unknown in ("heap", "profile", "Sampling"):
        assert ask(daemon, f"kind={unknown}").json()["error"] == UNKNOWN.format(unknown)


@pytest.mark.parametrize("runtime", NOT_CONTINUOUS)
def test_continuous_profiles(runtime, address, watch):
    """Asked for in the configuration, refused in the list and the journal, once."""
    daemon = watch(app=address, sections={"poll": dict(POLL, profile_interval="1s")})
    labels = wait_known(daemon)
    text = says(labels, "continuous profiles", NOT_CONTINUOUS[runtime])
    until(lambda: [r["text"] for r in daemon.api("/captures")["refused"]] == [text],
          lambda: f"{text}; log:\n{daemon.tail()}")
    polls = daemon.value("heapwatch_polls_total", target="app")
    until(lambda: daemon.value("heapwatch_polls_total", target="app") > polls + 5, "more polls")
    refused, = daemon.api("/captures")["refused"]
    assert refused["reason"] == "unsupported"
    assert daemon.value("heapwatch_captures_suppressed_total", target="app", rule="",
                        reason="unsupported") == 1


@pytest.mark.parametrize("runtime, policy, why", NO_GC_EVENTS, ids=[row[0] for row in NO_GC_EVENTS])
def test_collections_that_are_to_be_told(runtime, policy, why, address, watch):
    """Told in the journal once, not with each of the connections, and where the target is shown."""
    daemon = watch(app=address, sections={"poll": dict(EVENTS, policy=policy)})
    labels = wait_known(daemon)
    per_poll = " with a connection for each poll" if policy == "per_poll" else ""
    who = f"{labels['runtime']} {labels['runtime_version']}".rstrip()
    text = f"gc_events: not supported by {who}{per_poll}: {why}"
    until(lambda: daemon.target("app").get("gcUntold") == text,
          lambda: f"{text}, not {daemon.target('app')}; log:\n{daemon.tail()}")
    polls = daemon.value("heapwatch_polls_total", target="app")
    daemon.wait_value("heapwatch_polls_total", lambda n: n > polls + 5, target="app")
    line, = [line for line in daemon.process.lines if "collections are not told" in line]
    assert "level=warn" in line and "target=app" in line and text in line
    assert daemon.api("/targets/app")["gcUntold"] == text


@pytest.mark.parametrize("runtime", every.NAMES)
def test_nothing_is_evaluated(runtime, address, watch):
    """Memory is told all the same, but for the one that tells it to an expression only."""
    daemon = watch(app=address, sections={"poll": dict(POLL, evaluate="never")})
    if runtime != "bun":
        assert wait_known(daemon)["runtime"] == runtime
        return
    error = daemon.wait_state("app", "invalid")["lastError"]
    assert f"not supported by bun {Bun.version()}: evaluate: never, for it tells its memory to an " \
           "expression only" in error


def test_a_rule_is_told_in_metric_and_journal(nursery, start_daemon, tmp_path):
    """Once, not at every evaluation: it will not change its mind."""
    browser = webkit.Browser(nursery, tmp_path / "browser")
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "g", "interval": "1s", "rules": [
        {"alert": name, "dry_run": name == "Try", "when": {"metric": "heap_used", "above": "1KiB"},
         "actions": [{"capture": "snapshot", "redact": "all"}]} for name in ("Real", "Try")]}]}))
    daemon = start_daemon({"poll": dict(POLL), "capture": dict(PLAIN, guards={"headroom": 0}),
                           "targets": [{"name": "app", "address": browser.address}],
                           "rule_files": [str(rules)]})
    labels = wait_known(daemon)
    for rule in ("Real", "Try"):
        daemon.wait_value("heapwatch_captures_suppressed_total", lambda v: v >= 1, target="app", rule=rule,
                          reason="unsupported")
        line = daemon.process.wait_line(rf"rule={rule}\b.*not supported by|not supported by.*rule={rule}\b")
        assert re.search(re.escape(says(labels, "redact: all", NO_NAMES)), line.string)
    polls = daemon.value("heapwatch_polls_total", target="app")
    until(lambda: daemon.value("heapwatch_polls_total", target="app") > polls + 6, "more evaluations")
    for rule in ("Real", "Try"):
        assert daemon.value("heapwatch_captures_suppressed_total", target="app", rule=rule,
                            reason="unsupported") == 1
    assert daemon.ready() == []


def test_a_rule_with_a_kind_that_is_none_is_refused(start_daemon, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text(json.dumps({"groups": [{"name": "g", "rules": [
        {"alert": "A", "when": {"metric": "heap_used", "above": "1KiB"},
         "actions": [{"capture": "heap"}]}]}]}))
    daemon = start_daemon({"rule_files": [str(rules)]}, wait=False)
    assert daemon.process.wait_exit() == 1
    assert re.search(r"heap.*snapshot.*diagnostics.*sampling.*timeline.*tracking", daemon.tail())
