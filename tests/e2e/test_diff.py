"""What `diff` says where ids do not last, as in most captures of the daemon: nothing of objects that
came and went, of classes what is true, and of collections that are found again by their paths how
many more they have."""

import pytest

from lab import jsc, node, snapshots, webkit
from lab.bun import Bun
from lab.ctl import Ctl
from lab.daemon import PLAIN
from lab.firefox import Firefox

COUNT = 4567
ANYHOW = {"capture": dict(PLAIN, guards={"headroom": 0})}
PER_OBJECT = ("added", "removed", "added_bytes", "removed_bytes")


def diff(*arguments):
    return Ctl().json("diff", *arguments, "--top=0")


def of_daemon(watch, address, grow, isolate="main"):
    daemon = watch(app=address, sections=ANYHOW)
    daemon.wait_up("app")
    wish = {"isolate": isolate, "gc_before": True}
    before = daemon.capture("app", **wish)
    grow()
    return before, daemon.capture("app", force=True, **wish)


def of_node(nursery, watch, tmp_path):
    program = node.Node(nursery, 26, "things", COUNT)
    return of_daemon(watch, program.address, lambda: program.nudge(r"^grown (\d+)"))


def of_bun(nursery, watch, tmp_path):
    program = Bun(nursery, str(COUNT))
    return of_daemon(watch, program.address, program.grow)


def of_firefox(nursery, watch, tmp_path):
    browser = Firefox(nursery, tmp_path / "program")
    browser.grow(COUNT)
    return of_daemon(watch, browser.address, lambda: browser.grow(COUNT), browser.isolate)


def of_bun_itself(nursery, watch, tmp_path):
    program = Bun(nursery, str(COUNT))
    return jsc.over_connections(tmp_path, jsc.bun(program), program.grow, n=2)


def of_webkit(kind):
    def take(nursery, watch, tmp_path):
        browser = webkit.Browser(nursery, tmp_path / "browser", kind)
        browser.grow(COUNT)
        return jsc.over_connections(tmp_path, jsc.page(browser), lambda: browser.grow(COUNT), n=2)
    return take


TAKE = {"node": of_node, "bun": of_bun, "bun-jsc": of_bun_itself, "firefox": of_firefox,
        "gtk": of_webkit(webkit.GTK), "wpe": of_webkit(webkit.WPE)}


def sums(path):
    """{LINE,COLUMN,NAME or NAME: [count, bytes]} of one snapshot, by `analyze`."""
    found = {}
    for row in Ctl().json("analyze", path, "--top=0")["classes"]:
        both = found.setdefault(row["key"].split(",", 1)[1], [0, 0])
        both[0] += row["count"]
        both[1] += row["self_bytes"]
    return found


def is_plain(key):
    """Plain objects go by their shapes in the later snapshot, in both."""
    return key.split(",")[-1] == "Object" or "{" in key


def check_rows(report, before, after):
    """Each row is what the snapshots come to by themselves, and no class that changed is missing."""
    rows = {row["key"]: row for row in report["classes"]}
    assert len(rows) == len(report["classes"])
    for key in {*before, *after, *rows} - {key for key in {*before, *after, *rows} if is_plain(key)}:
        then, now = before.get(key, [0, 0]), after.get(key, [0, 0])
        if then == now:
            assert key not in rows
            continue
        row = rows[key]
        assert [row["count_before"], row["self_bytes_before"]] == then, key
        assert [row["count"], row["self_bytes"]] == now, key
    for which, name in enumerate(("count", "self_bytes")):
        assert sum(row[name] - row[f"{name}_before"] for row in report["classes"]) == \
            sum(n[which] for n in after.values()) - sum(n[which] for n in before.values())
    growths = [row["self_bytes"] - row["self_bytes_before"] for row in report["classes"]]
    assert growths == sorted(growths, reverse=True)


def check_grown(report, before, after):
    """The things of the program are in one array, and no other collection has as many more."""
    assert report["collections_matched_by"] == "paths"
    (things,) = [row for row in report["collections"]
                 if row["entries"] - row["entries_before"] >= COUNT]
    assert (things["class"], things["entries_before"], things["entries"]) == \
        (",Array", COUNT, 2 * COUNT)
    (first, *_) = report["collections"]
    assert first == things and first["id"] in {
        row["id"] for row in Ctl().json("analyze", after, "--collections", "--top=0")["collections"]}
    assert diff(before, after, "--collections", "--class=Nobody")["collections"] == []


@pytest.mark.parametrize("engine", sorted(TAKE))
def test_nothing_is_said_of_objects_whose_ids_do_not_last(nursery, watch, tmp_path, engine):
    before, after = TAKE[engine](nursery, watch, tmp_path)
    report = diff(before, after, "--collections")
    assert report["matched_by"] == "classes"
    assert all(row[name] is None for row in report["classes"] for name in PER_OBJECT)
    assert "collections" not in diff(before, after)
    check_grown(report, before, after)
    check_rows(report, sums(before), sums(after))
    (known,) = [row for row in report["classes"] if row["name"] == "KnownThing"]
    assert (known["count_before"], known["count"]) == (COUNT, 2 * COUNT)
    assert diff(before, after, "--class=KnownThing")["classes"] == [known]
    text = Ctl()("diff", before, after, "--collections").stdout
    assert text.startswith(report["note"]) and "ADDED" not in text and "REMOVED" not in text
    assert "collections that have more entries, the same by their named paths" in text
    if engine == "firefox":
        assert "only addresses" in report["note"] and report["ids_in_both"] is None
    else:
        assert "given anew" in report["note"]
        assert f"Of {report['ids_in_both']} ids in both, " in text
    # By ids all the same, if that is asked for: with the warning.
    by_ids = diff(before, after, "--match=ids")
    assert by_ids["matched_by"] == "ids" and by_ids["ids_in_both"] >= by_ids["ids_equal"]
    assert ("by address" if engine == "firefox" else "ids do not last") in by_ids["note"]
    assert Ctl()("diff", before, after, "--match=ids").stdout.startswith(by_ids["note"])


def test_ids_of_alike_objects_agree_by_accident(nursery, tmp_path):
    """Where nearly all objects are of one class, nearly all ids are of one of that class twice."""
    program = Bun(nursery, "300000", program="alike")
    paths = jsc.over_connections(tmp_path, jsc.bun(program), program.grow, n=2)
    report = diff(*paths)
    assert report["ids_equal"] > 0.95 * report["ids_in_both"]
    assert report["matched_by"] == "classes"
    (maps,) = [row for row in report["classes"] if row["name"] == "Map"]
    assert maps["count"] - maps["count_before"] == 300
    found = Ctl().json("leaks", *paths)
    assert found["matched_by"] == "paths"
    assert {(s["class"], s["count"], s["holder_class"], s["held_as"])
            for s in found["suspects"]} == {
        (",Object", 1000, ",Array", "things"), (",Map", 300, ",Array", "others")}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return snapshots.take(None, tmp_path_factory.mktemp("zoo"), "node26")


def test_ids_that_last_are_said_to(pair):
    report = diff(*pair)
    assert report["matched_by"] == "ids" and report["note"] is None
    assert report["ids_equal"] > 0.99 * report["ids_in_both"] > 0
    assert report == diff(*pair, "--match=ids")
    for row in report["classes"]:
        assert row["count"] - row["count_before"] == row["added"] - row["removed"]
    text = Ctl()("diff", *pair).stdout
    assert text.startswith(f"Objects are the same by id: of {report['ids_in_both']} ids")
    assert "REMOVED" in text


def test_of_classes_if_asked_for(pair):
    report = diff(*pair, "--match=classes")
    assert report["matched_by"] == "classes" and report["note"].startswith("As asked for")
    assert report["ids_in_both"] is report["ids_equal"] is None
    check_rows(report, sums(pair[0]), sums(pair[1]))
    report = diff(*pair, "--match=classes", "--collections")
    assert report["collections"] is report["collections_matched_by"] is None
    assert "Which collections have more entries is not known either." in \
        Ctl()("diff", *pair, "--match=classes", "--collections").stdout
    assert "--match=paths is of leaks" in Ctl()("diff", *pair, "--match=paths", exit=2).stderr


def test_of_two_processes_classes_are_compared(watch, nursery):
    """Also where ids would agree: the manifests tell."""
    targets = {f"app{i}": node.Node(nursery, 26, "things", COUNT).address for i in (1, 2)}
    daemon = watch(sections=ANYHOW, **targets)
    paths = []
    for name in targets:
        daemon.wait_up(name)
        paths.append(daemon.capture(name, force=True))
    report = diff(*paths)
    assert report["matched_by"] == "classes" and "different processes" in report["note"]
    assert report["ids_in_both"] is None
    check_rows(report, sums(paths[0]), sums(paths[1]))
    assert diff(*paths, "--collections")["collections"] is None
