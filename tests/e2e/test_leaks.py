"""Leaks: every place where a program hoards is named, by what is held and by what it is held, and
nothing that is healthy is. With ids that last, and with captures of the daemon, where they do not."""

import shutil

import pytest

from lab import hoard, node
from lab.ctl import Ctl
from lab.daemon import static_config

MAJORS = (20, 26)
ALL = sorted(hoard.PLANTED.values(), key=str)


def leaks(*arguments, **options):
    return Ctl().json("leaks", *arguments, **options)


def planted(report):
    return sorted(hoard.named(report), key=str)


@pytest.fixture(params=MAJORS, ids=lambda major: f"node{major}")
def major(request):
    return request.param


@pytest.fixture
def captures(start_daemon, start_node):
    """captures(major, n, *leaks) -> paths, by a daemon with capture's defaults: redacted, packed."""
    def take(major, n=3, programs=1, arguments=()):
        nodes = [start_node(major, "hoard", *arguments) for _ in range(programs)]
        targets = {f"app{i}": program.address for i, program in enumerate(nodes)}
        daemon = start_daemon(static_config(targets, capture={"diagnostics": False}))
        paths = []
        for name, program in zip(targets, nodes):
            daemon.wait_up(name)
            paths += hoard.by_daemon(daemon, name, program, n)
        return paths
    return take


@pytest.mark.parametrize("major", node.MAJORS)
def test_every_leak_is_named_and_nothing_else_where_ids_last(nursery, tmp_path, major):
    paths = hoard.by_cdp(nursery, tmp_path, major)
    report = leaks(*paths)
    assert report["matched_by"] == "ids"
    assert planted(report) == ALL
    for suspect in report["suspects"]:
        assert suspect["count"] == 2 * hoard.EACH
        # Nothing comes with them but the keys of the map.
        assert suspect["others"] == (suspect["count"] if suspect["held_as"] == "sessions" else 0)
        assert suspect["chain"] == (suspect["class"].endswith("HistoryEntry"))
        assert 0 < suspect["last_bytes"] < suspect["bytes"]
        assert suspect["dominators"][0]["id"] == suspect["holder"]
        assert suspect["shortest_path"][0]["id"] == suspect["holder"]
    assert sum(s["share"] for s in report["suspects"]) > 0.9
    assert [s["bytes"] for s in report["suspects"]] == sorted(
        (s["bytes"] for s in report["suspects"]), reverse=True)
    assert leaks(*paths, "--threads=1") == report
    # So it is of two: from the first to the last, and of one step.
    for pair, steps in (((paths[0], paths[2]), 2), (paths[1:], 1)):
        of_two = leaks(*pair)
        assert of_two["matched_by"] == "ids" and planted(of_two) == ALL
        assert {s["count"] for s in of_two["suspects"]} == {steps * hoard.EACH}
    # What has to be matched by paths, though it need not, is the same.
    assert planted(leaks(*paths, "--match=paths")) == ALL


def test_every_leak_is_named_in_captures_of_the_daemon(captures, major):
    paths = captures(major)
    report = leaks(*paths)
    assert report["matched_by"] == "paths"
    assert report["ids_equal"] < 0.9 * report["ids_in_both"]
    assert planted(report) == ALL
    # The list of scripts beside the capture turns numbers into files.
    by_class = {s["class"].split(",")[-1]: s for s in report["suspects"]}
    assert "hoard.js:" in by_class["SessionRecord"]["place"]
    assert planted(leaks(paths[0], paths[2])) == ALL


def test_a_healthy_program_has_no_suspect(nursery, tmp_path, major):
    paths = hoard.by_cdp(nursery, tmp_path, major, "none")
    assert leaks(*paths)["suspects"] == leaks(*paths[1:])["suspects"] == []
    assert leaks(*paths, "--match=paths")["suspects"] == []
    assert Ctl()("leaks", *paths).stdout.startswith("Nothing accumulates.")


def test_a_healthy_program_has_no_suspect_in_captures_of_the_daemon(captures, major):
    report = leaks(*captures(major, arguments=("none",)))
    assert report["matched_by"] == "paths" and report["suspects"] == []


def test_of_two_processes_only_classes_are_compared(captures, tmp_path):
    paths = captures(26, n=1, programs=2)
    report = leaks(*paths)
    assert report["matched_by"] == "classes" and report["suspects"] == []
    assert "ids are not comparable" in report["note"]
    # So it is without the manifests, from the captures as they are, redacted.
    alone = [shutil.copy(path, tmp_path) for path in paths]
    for command in ("leaks", "diff"):
        assert "different processes: ids are not" in Ctl().json(command, *alone)["note"]
    # Both have served as much.
    found = leaks(*paths, "--top=0")["classes"]
    (traces,) = [row for row in found if row["name"] == "RequestTrace"]
    assert traces["count"] == traces["count_before"] == hoard.EACH
    assert leaks(*paths, "--class=RequestTrace")["classes"] == [traces]
    assert "no class 'Nobody'" in Ctl()("leaks", *paths, "--class=Nobody", exit=1).stderr
    # Of classes there is no object to ask for, and what is none is said before any work.
    assert "not comparable" in Ctl()("leaks", *paths, "--node=@1", exit=1).stderr
    for command in (("leaks", *paths), ("retainers", paths[0]), ("analyze", paths[0])):
        assert "'@x' is not @ID" in Ctl()(*command, "--node=@x", exit=2).stderr


def test_the_answer_comes_first_then_the_table_then_why(nursery, tmp_path):
    paths = hoard.by_cdp(nursery, tmp_path, 26, "history", "sessions")
    lines = Ctl().lines("leaks", *paths)
    assert lines[0].startswith("Memory accumulates in 2 places.")
    assert "SessionRecord" in lines[1] and "held as 'sessions'" in lines[1]
    assert "HistoryEntry" in lines[2] and "one holding the next" in lines[2]
    text = "\n".join(lines)
    assert text.index("HELD AS") < text.index("held by:") < text.index("shortest path:")
    assert "With two snapshots" in Ctl()("leaks", *paths[1:]).stdout
    assert len(leaks(*paths, "--top=1")["suspects"]) == 1
    assert "1 MiB may be taken" in Ctl()("leaks", *paths, "--memory-max=1MiB", exit=4).stderr
    assert "--match" in Ctl()("leaks", *paths, "--match=luck", exit=2).stderr
    assert Ctl()("leaks", paths[0], exit=2).stderr
    assert str(tmp_path / "none") in Ctl()("leaks", *paths, f"--scripts={tmp_path / 'none'}",
                                           exit=1).stderr
