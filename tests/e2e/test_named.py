"""A runtime that is named in the configuration is taken for that, and what is there instead is said; so
is a rule that cannot hold for it, by what each tells of its limit."""

import json

import pytest

from lab import every
from lab.daemon import PATIENT, POLL
from lab.wait import until

# Named so it is not: (the name, what is said of it).
WRONG = {
    "node": ("deno", "it is node, not deno as configured"),
    "deno": ("workerd", "it is deno, not workerd as configured"),
    "workerd": ("chromium", "it is workerd, not chromium as configured"),
    "chromium": ("bun", "it is chromium, not bun as configured"),
    "bun": ("node", "it is bun, not node as configured"),
    "webkit": ("safari", "/json/list answered HTTP status 404"),
    "safari": ("webkit", "/ answered HTTP status 404"),
    "firefox": ("node", ""),  # no HTTP, in words of the library
}

RULES = {"groups": [{"name": "g", "interval": "1s", "rules": [
    {"alert": "NearLimit", "when": {"metric": "heap_used", "relative_to": "heap_limit", "above": "80%"}},
    {"alert": "Large", "when": {"metric": "process_resident_memory", "above": "1TiB"}}]}]}


def check_rules(daemon, name):
    """Of the isolates without a limit the one says that it cannot hold; the other may for all."""
    def rules():
        return {rule["name"]: rule for rule in daemon.api("/rules")["groups"][0]["rules"]}

    def unlimited():
        limited = {labels["isolate"]
                   for labels, _ in daemon.values("heapwatch_heap_limit_bytes", target="right")}
        return set(daemon.isolates("right")) - limited
    until(lambda: {row["isolate"] for row in rules()["NearLimit"]["cannotHold"]} == unlimited(),
          lambda: f"not {rules()['NearLimit']['cannotHold']}, but {unlimited()}")
    for row in rules()["NearLimit"]["cannotHold"]:
        assert row["target"] == "right" and f" is not told by {name}" in row["text"]
    assert rules()["Large"]["cannotHold"] == []
    assert rules()["Large"]["health"] == rules()["NearLimit"]["health"] == "ok"

    def told():
        return sum("rule NearLimit cannot hold for right: " in line for line in daemon.process.lines)
    if name == "chromium":  # its pages have a limit, its workers have none
        return
    if name != "node":
        until(lambda: told() > 0, lambda: f"a word of it; log:\n{daemon.tail()}")
    evaluated = rules()["NearLimit"]["evaluations"]
    until(lambda: rules()["NearLimit"]["evaluations"] >= evaluated + 2, "evaluations")
    assert told() == (name != "node")


@pytest.mark.parametrize("name", every.NAMES)
def test_right_and_wrong(name, nursery, tmp_path, site, start_daemon):
    address = every.start(name, nursery, tmp_path / "program", site)
    wrong, why = WRONG[name]
    rules = tmp_path / "rules.yaml"
    rules.write_text(json.dumps(RULES))
    daemon = start_daemon({
        "poll": dict(PATIENT if name == "firefox" else POLL), "rule_files": [str(rules)],
        "targets": [{"name": "right", "address": address, "runtime": name},
                    {"name": "wrong", "address": address, "runtime": wrong}]})
    assert why in daemon.wait_state("wrong", "invalid")["lastError"]
    daemon.wait_up("right")
    (labels, _), = daemon.values("heapwatch_target_info", target="right")
    assert labels["runtime"] == name
    until(lambda: daemon.values("heapwatch_heap_used_bytes", target="right"),
          lambda: f"a sample; log:\n{daemon.tail()}")
    assert daemon.values("heapwatch_heap_used_bytes", target="wrong") == []
    assert daemon.state("wrong") == "invalid"
    check_rules(daemon, name)
