"""The JSON of `analyze`, `diff`, `leaks` and `retainers`: exactly the members that docs/ANALYSIS.md
has, each of its type, whatever the snapshots and the wishes are."""

from pathlib import Path

import pytest

from lab import hoards, snapshots
from lab.ctl import Ctl

ANALYSIS = Path(__file__).resolve().parents[2] / "docs" / "ANALYSIS.md"
STACKS = Path(__file__).parent / "samples" / "firefox-withstacks.fxsnapshot"


class Maybe:
    """Of this type, or null."""

    def __init__(self, type_):
        self.type = type_


class Natural:
    """A whole number that is not negative."""


class Number:
    """Any."""


BYTES = COUNT = ID = Natural
TEXT = Maybe(str)

STATISTICS = {f"{name}_bytes": BYTES for name in ("total", "native", "typed_array", "code",
                                                  "js_array", "string", "system")}
CLASS = {"key": str, "name": str, "count": COUNT, "self_bytes": BYTES, "retained_bytes": BYTES,
         "distance": int, "place": TEXT}
CALL = {"function": str, "place": TEXT}
ALLOCATIONS = Maybe({"objects": COUNT, "functions_in_all": COUNT,
                     "functions": [{**CALL, "count": Maybe(int), "bytes": Maybe(int),
                                    "live_count": COUNT, "live_bytes": BYTES}]})
NODE = {"id": ID, "name": str, "type": str, "class": str, "self_bytes": BYTES,
        "retained_bytes": BYTES, "distance": int, "dominator": ID,
        "allocated_at": Maybe([CALL])}
ANALYZE = {"file": str, "nodes": COUNT, "edges": COUNT, "statistics": STATISTICS,
           "digest": {"idRetained": Natural, "domDistance": Natural}, "classes_in_all": COUNT,
           "classes": [CLASS],
           "memory": Maybe({"resident_bytes": BYTES, "heap_used_bytes": BYTES,
                            "explained": Number})}
EXTRAS = {
    "strings": {"unknown": TEXT, "count": COUNT, "duplicated": COUNT, "wasted_bytes": BYTES,
                "values": [{"value": str, "cut": bool, "count": COUNT, "bytes": BYTES,
                            "wasted_bytes": BYTES, "example": ID}]},
    "collections": [{"id": ID, "class": str, "entries": COUNT, "retained_bytes": BYTES}],
    "detached": Maybe({"count": COUNT, "self_bytes": BYTES, "retained_bytes": BYTES}),
    "variables": {"unknown": TEXT, "dead": COUNT,
                  "values": [{"name": str, "script": TEXT, "start": Maybe(int), "contexts": COUNT,
                              "retained_bytes": BYTES, "alone_bytes": BYTES, "context": ID,
                              "value": ID, "class": str}]},
}
CHANGE = {"count": COUNT, "count_before": COUNT, "self_bytes": BYTES, "self_bytes_before": BYTES}
MATCHED = {"matched_by": str, "note": TEXT}


def diff_of(by_ids, looked=True, grown=False, paths=True):
    """The members of `diff`, by ids or by classes; then collections by paths, or not at all."""
    per_object = Natural if by_ids else None
    id_ = Natural if looked else None
    row = {"key": str, "name": str, **CHANGE,
           **dict.fromkeys(("added", "removed", "added_bytes", "removed_bytes"), per_object)}
    more = [{"id": ID, "class": str, "entries": COUNT, "entries_before": COUNT}]
    return {**MATCHED, "ids_in_both": id_, "ids_equal": id_, "classes": [row],
            **({"collections": more if by_ids or paths else None,
                "collections_matched_by": str if by_ids or paths else None} if grown else {})}


STEP = {"id": ID, "class": str, "retained_bytes": BYTES, "edge": TEXT, "place": TEXT}
PATH = [{**STEP, "times": COUNT}]
RETAINERS = {"dominators": PATH, "shortest_path": PATH,
             "retainers": [{**STEP, "depth": Natural, "more": COUNT}]}
SUSPECT = {"class": str, "function": TEXT, "place": TEXT, "made_in": TEXT, "count": COUNT,
           "others": COUNT,
           "chain": bool, "kind": str, "bytes": BYTES, "last_bytes": BYTES, "share": Number,
           "example": ID, "holder": ID, "holder_class": str, "holder_name": TEXT,
           "held_as": TEXT, "held_at": TEXT, "may_be_held_by": TEXT, "dominators": PATH, "shortest_path": PATH}
LEAKS = {**MATCHED, "verdict": str, "text": str, "ids_in_both": COUNT, "ids_equal": COUNT,
         "growth_bytes": BYTES, "threshold_bytes": BYTES, "suspects": [SUSPECT],
         "classes": [{"key": str, "name": str, **CHANGE}]}


def check(found, schema, at="$"):
    if isinstance(schema, Maybe):
        if found is not None:
            check(found, schema.type, at)
    elif schema is None:
        assert found is None, at
    elif isinstance(schema, dict):
        assert isinstance(found, dict) and set(found) == set(schema), \
            f"{at}: {sorted(set(found) ^ set(schema))}"
        for name, value in schema.items():
            check(found[name], value, f"{at}.{name}")
    elif isinstance(schema, list):
        assert isinstance(found, list), at
        for item in found:
            check(item, schema[0], f"{at}[]")
    elif schema is Natural:
        assert type(found) is int and found >= 0, f"{at}: {found!r}"
    elif schema is Number:
        assert type(found) in (int, float), f"{at}: {found!r}"
    else:
        assert type(found) is schema, f"{at}: {found!r}"


def members(schema):
    """All names in it."""
    if isinstance(schema, Maybe):
        return members(schema.type)
    if isinstance(schema, list):
        return members(schema[0])
    if isinstance(schema, dict):
        return set(schema).union(*(members(value) for value in schema.values()))
    return set()


def answer(*arguments):
    return Ctl().json(*arguments)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return snapshots.take(None, tmp_path_factory.mktemp("zoo"), "node26")


@pytest.fixture(scope="module", params=["v8", "jsc"])
def leaky(request, tmp_path_factory):
    """Three snapshots of Bun."""
    return hoards.of_bun(None, tmp_path_factory.mktemp("leaky"), list(hoards.PLANTED),
                         request.param)[hoards.HEALTHY:]


def test_analyze(zoo, leaky):
    for path in (zoo[1], leaky[2]):
        found = answer("analyze", path)
        check(found, ANALYZE)
        assert found["classes"]
        check(answer("analyze", path, "--node=@1"), {**ANALYZE, "node": NODE})
        found = answer("analyze", path, "--extras", "--top=0")
        check(found, {**ANALYZE, **EXTRAS})
        assert found["collections"]
    check(answer("analyze", zoo[1], "--extras")["strings"]["values"][0],
          EXTRAS["strings"]["values"][0])


def test_allocations(zoo):
    found = answer("analyze", STACKS, "--allocations")
    check(found, {**ANALYZE, "allocations": ALLOCATIONS})
    assert found["allocations"]["functions"]
    found = answer("analyze", zoo[1], "--allocations")
    check(found, {**ANALYZE, "allocations": None})


def test_diff(zoo, leaky):
    for flags, schema in (([], diff_of(True)), (["--collections"], diff_of(True, grown=True)),
                          (["--match=classes"], diff_of(False, looked=False)),
                          (["--match=classes", "--extras"],
                           diff_of(False, looked=False, grown=True, paths=False))):
        found = answer("diff", *zoo, *flags)
        check(found, schema)
        assert found["classes"] and found.get("collections") != []
    for flags, schema in (([], diff_of(False)), (["--extras"], diff_of(False, grown=True)),
                          (["--match=ids"], diff_of(True))):
        found = answer("diff", *leaky[:2], *flags)
        check(found, schema)
        assert found["classes"] and found["note"] and found.get("collections") != []


def test_retainers(zoo, leaky):
    for path, class_ in ((zoo[1], "Node"), (leaky[2], "HistoryEntry")):
        found = answer("retainers", path, f"--class={class_}")
        check(found, RETAINERS)
        assert all(found[name] for name in RETAINERS)


def test_leaks(zoo, leaky):
    found = answer("leaks", *leaky)
    check(found, LEAKS)
    assert found["suspects"] and found["verdict"] == "leak" and not found["classes"]
    found = answer("leaks", *leaky, "--match=classes")
    check(found, LEAKS)
    assert found["classes"] and found["verdict"] == "none" and not found["suspects"]
    found = answer("leaks", zoo[1], zoo[1])
    check(found, LEAKS)
    assert found["verdict"] == "nothing" and found["matched_by"] == "ids"


def test_of_a_capture_with_its_manifest(start_node, watch):
    program = start_node(26, "heap", 2000)
    daemon = watch(app=program.address)
    daemon.wait_up("app")
    found = answer("analyze", daemon.capture("app", force=True))
    check(found, ANALYZE)
    assert found["memory"] is not None and any(c["place"] for c in found["classes"])


def test_every_member_is_documented():
    text = ANALYSIS.read_text()
    named = {name for schema in ({**ANALYZE, **EXTRAS, "node": NODE, "allocations": ALLOCATIONS},
                                 diff_of(True, grown=True),
                                 RETAINERS, LEAKS) for name in members(schema)}
    assert [name for name in named
            if not any(form in text for form in (f"`{name}`", f"`{name}[]`", f"`.{name}`",
                                                 f"`.{name}`,"))] == []
