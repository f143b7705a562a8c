"""The status page as a person sees it: what is broken first, the reason beside it, the evidence one
click away; in a browser of its own, with and without JavaScript, wide and narrow, light and dark."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from lab import node
from lab.tables import bytes_of

LIMIT_S = 90
LOOKS = {
    "wide": {"javaScript": True, "scheme": "light", "width": 1280, "renewed": True},
    "narrow, no script": {"javaScript": False, "scheme": "light", "width": 400},
    "dark, no script": {"javaScript": False, "scheme": "dark", "width": 1280},
    "dark, narrow": {"javaScript": True, "scheme": "dark", "width": 400},
}


@pytest.fixture(scope="module", params=LOOKS, ids=lambda name: name.replace(", ", "-").replace(" ", "-"))
def wish(request):
    return LOOKS[request.param]


@pytest.fixture(scope="module")
def saved(wish, tmp_path_factory):
    """Where the browser of this look saves what it downloads."""
    return tmp_path_factory.mktemp("look") / "saved"


@pytest.fixture(scope="module")
def seen(scene, wish, saved):
    """What look.js saw."""
    more = {"shot": str(saved.with_name("page.png")), "to": str(saved),
            "download": f"/api/v1/captures/{scene.capture_id}/file",
            "report": f"/captures/{scene.profile_id}", "chart": f"/captures/{scene.timeline_id}"}
    done = subprocess.run(
        [node.binary(24), Path(__file__).with_name("look.js"), scene.url, json.dumps({**wish, **more})],
        capture_output=True, text=True, timeout=LIMIT_S, env=node.environment())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def section(seen, name):
    for found in seen["sections"]:
        if found["head"].startswith(name):
            return found
    raise AssertionError(f"no {name} in {[s['head'] for s in seen['sections']]}")


def row(seen, name, *texts):
    """The one row of a section that has all the texts."""
    found = [r for r in section(seen, name)["rows"] if all(t in " ".join(r["text"]) for t in texts)]
    assert len(found) == 1, (texts, section(seen, name))
    return found[0]


def test_header_and_title_name_the_trouble(seen):
    assert seen["title"] == "1 firing, 2 in trouble, heapwatchd"
    for text in ("ready", "1 alert firing", "2 targets in trouble", "version"):
        assert text in seen["header"], text


def test_firing_alert_with_its_evidence(scene, seen):
    alert = row(seen, "Alerts", "BuffersHigh")
    assert "bad" in alert["pill"] and "firing" in alert["text"][0]
    assert "array_buffers > 20MiB for 1s" in alert["text"][1]
    assert "shop" in alert["text"][2] and "of <buffers>" in alert["text"][3]
    assert ["heap snapshot", f"{scene.url}api/v1/captures/{scene.capture_id}/file"] in alert["links"]


def test_targets_that_are_broken_come_first(seen):
    states = [r["pill"].split()[-1] for r in section(seen, "Targets")["rows"]]
    assert states == ["bad", "bad", "ok", "ok"]
    assert section(seen, "Targets")["head"].endswith("2 of 4 up")


def test_target_that_is_up_with_its_runtime(scene, seen):
    up = row(seen, "Targets", "shop", scene.shop.address)
    assert up["text"][0].strip() == "up" and f"node {scene.shop.version()}" in up["text"][2]
    assert "MiB of" in up["text"][4] and up["spark"]
    assert ["shop", f"{scene.url}api/v1/targets/shop"] in up["links"]


def test_targets_in_trouble_with_their_reason(seen):
    down = row(seen, "Targets", "gone")
    assert re.fullmatch(r"down for \d.*\sconnection refused", down["text"][0], re.S), down["text"]
    invalid = row(seen, "Targets", "mail")
    assert "invalid" in invalid["text"][0] and "not HTTP" in invalid["text"][0]


def test_capture_that_downloads_whole(scene, seen, saved):
    ready = row(seen, "Captures", "BuffersHigh", "ready")
    assert ["download", f"{scene.url}api/v1/captures/{scene.capture_id}/file"] in ready["links"]
    assert seen["download"] == {"name": scene.snapshot.name, "failure": None}
    assert saved.read_bytes() == scene.snapshot.read_bytes()
    assert json.loads(saved.read_text())["snapshot"]["node_count"] > 1000


def test_page_of_a_profile(scene, seen):
    report = seen["report"]
    assert report["title"].endswith(".heapprofile, heapwatchd")
    heads = [s["head"] for s in report["sections"]]
    assert heads[0].startswith("Allocations by call stack") and "dead or alive" in heads[0]
    rows = section(report, "Functions that allocated most")["rows"]
    drawn = [frame for frame in report["frames"] if frame["width"] > 0]
    assert drawn[0]["title"].startswith("(root)") and len(drawn) > 1 and rows
    assert all(re.search(r"\d(\.\d)? ?([KMG]i)?B", r["text"][1]) for r in rows), rows
    # What allocated most is to be seen in the graph as well.
    assert any(frame["title"].startswith(rows[0]["text"][0].split("\n")[0].strip())
               for frame in drawn), (rows[0], drawn)
    assert report["sideways"] <= 0


def check_bar(bar, bottom, scale):
    """What lives stands at the bottom, what has died on it, both as high as their bytes."""
    seen, alive = map(bytes_of, re.fullmatch(r"\S+s to \S+s: (.+) allocated, (.+) still alive",
                                         bar["title"]).groups())
    live, dead = bar["rects"]
    assert (live["class"], dead["class"]) == ("live", "dead") and live["fill"] != dead["fill"]
    assert live["left"] == dead["left"] and abs(live["top"] + live["height"] - bottom) < 0.1
    assert abs(dead["top"] + dead["height"] - live["top"]) < 0.1
    assert abs(live["height"] - alive * scale) < 1 and \
        abs(dead["height"] - (seen - alive) * scale) < 1, (bar, scale)
    return seen, alive


def test_page_of_a_timeline(scene, seen):
    chart = seen["chart"]
    ready = row(seen, "Captures", "timeline", "ready")
    assert ["report", f"{scene.url}captures/{scene.timeline_id}"] in ready["links"]
    assert chart["title"].endswith(".heaptimeline, heapwatchd")
    bars = [bar for bar in chart["frames"] if bar["width"] > 0]
    assert bars and [bar["rects"][0]["left"] for bar in bars] == \
        sorted(bar["rects"][0]["left"] for bar in bars)
    highest = max(bars, key=lambda bar: sum(rect["height"] for rect in bar["rects"]))
    bottom = highest["rects"][0]["top"] + highest["rects"][0]["height"]
    scale = sum(rect["height"] for rect in highest["rects"]) / \
        bytes_of(re.search(r": (.+) allocated", highest["title"])[1])
    sums = [check_bar(bar, bottom, scale) for bar in bars]
    alive = sum(alive for _, alive in sums)
    # One decimal of each, and what else the program keeps.
    assert abs(alive - scene.kept) < 0.05 * scene.kept, (alive, scene.kept)
    assert sum(one for one, _ in sums) > alive
    table = section(chart, "Allocations over time")
    assert "still alive at the end" in table["head"]
    assert [tuple(map(bytes_of, r["text"][1:])) for r in table["rows"]] == sums
    assert any(r["text"][0] == "Array" for r in section(chart, "What is there at the end")["rows"])
    assert chart["sideways"] <= 0


def test_no_complaint_and_no_other_host(scene, seen):
    assert seen["console"] == []
    assert seen["requests"] and all(u.startswith((scene.url, "data:")) for u in seen["requests"]), \
        seen["requests"]


def test_renews_itself(wish, scene, seen):
    loads = seen["requests"].count(scene.url)  # the page of the profile is another
    assert loads == 2 if wish.get("renewed") else loads >= 1, seen["requests"]


def test_nothing_to_scroll_sideways(seen):
    assert seen["overflows"] == []


def luminance(colour):
    parts = [int(p) / 255 for p in re.findall(r"\d+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_readable_in_light_and_dark(wish, seen):
    """4.5 is what WCAG asks of text of this size."""
    assert len(seen["colours"]) >= 6
    for text, background in seen["colours"] + seen["report"]["colours"] + seen["chart"]["colours"]:
        assert contrast(text, background) >= 4.5, (text, background)
    for text, background in seen["colours"]:
        assert (luminance(background) > 0.5) == (wish["scheme"] == "light"), background


def test_every_link_of_the_footer_answers(scene, seen):
    assert len(seen["footer"]) >= 6
    for link in seen["footer"]:
        assert link.startswith(scene.url)
        assert scene.daemon.get("/" + link[len(scene.url):]).status == 200, link
