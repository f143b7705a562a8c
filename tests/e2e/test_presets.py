"""The presets, and the conditions they are made of, tried on samples that make them fire and on
samples that do not."""

import math

import yaml

from lab.ctl import Ctl
from test_vocabulary import PRESETS

MINUTE, HOUR = 60, 3600


def replay(folder, rules, rows, columns="heap_used"):
    """What `rules test` says of samples: {rule: [(seconds, state) of each sample]}, and of what asks
    for captures: {rule: [seconds]}. A row has seconds and then cells, in MiB where they are numbers."""
    (folder / "mine.yaml").write_text(f"groups:\n- name: g\n  interval: 1m\n  rules:\n{rules}")
    (folder / "samples.csv").write_text(f"time,{columns}\n" + "".join(
        ",".join([str(row[0]), *(c if isinstance(c, str) else f"{int(c * 1024)}KiB" for c in row[1:])])
        + "\n" for row in rows))
    files = [PRESETS, "mine.yaml"] if "extends" in rules else ["mine.yaml"]
    got = Ctl(cwd=folder).json("rules", "test", *files, "--samples=samples.csv", "--explain")
    states, acts = {}, {}
    for row in got:
        at = seconds(row["time"])
        if row["sample"]:
            states.setdefault(row["rule"], []).append((at, row["state"]))
        if row["acts"]:
            acts.setdefault(row["rule"], []).append(at)
    return states, acts


def seconds(time):
    """Of the first days of 1970."""
    day, clock = time[:-1].split("T")
    assert day.startswith("1970-01-0"), time
    hours, minutes, rest = clock.split(":")
    return (int(day[-1]) - 1) * 24 * HOUR + int(hours) * HOUR + int(minutes) * MINUTE + int(float(rest))


def firing(states, rule):
    return [at for at, state in states.get(rule, []) if state == "firing"]


def extending(*names):
    return "".join(f"  - {{alert: {name}, extends: {name}}}\n" for name in names)


def by_minutes(*parts):
    """Rows a minute apart of parts (how many, MiB)."""
    values = [mib for n, mib in parts for _ in range(n)]
    return [(MINUTE * i, mib) for i, mib in enumerate(values)]


# ---- conditions ----

GROWTH = """\
  - {alert: Grown, when: {metric: heap_used, growth: 20%, mean_over: 10m},
     actions: [{capture: diagnostics}]}
"""
HIGHEST = """\
  - {alert: Highest, when: {metric: heap_used, new_max: {by: 10%, reset_after: RESET}},
     actions: [{capture: diagnostics}]}
"""


def test_growth_is_over_the_mean_of_the_recent_past(tmp_path):
    # 119 of 100 is too little; what follows has more of itself in its mean until it is usual.
    states, acts = replay(tmp_path, GROWTH, by_minutes((15, 100), (1, 119), (15, 100), (20, 140)))
    began = MINUTE * 31
    assert acts == {"Grown": [began]}
    held = firing(states, "Grown")
    assert held == list(range(began, began + MINUTE * len(held), MINUTE)) and 1 < len(held) < 10
    # Within half of the time that the mean is of there is nothing to compare with.
    assert replay(tmp_path, GROWTH, by_minutes((3, 100), (2, 140), (30, 100)))[1] == {}
    assert replay(tmp_path, GROWTH, by_minutes((6, 100), (2, 140), (30, 100)))[1] == \
        {"Grown": [6 * MINUTE]}


def test_growth_of_a_program_that_is_another_begins_anew(tmp_path):
    rows = [(MINUTE * i, "restart" if i == 20 else "", 100 if i < 20 else 300) for i in range(60)]
    columns = "event,heap_used"
    assert replay(tmp_path, GROWTH, rows, columns)[1] == {}
    rows = [(at, "", mib) for at, _, mib in rows]
    assert replay(tmp_path, GROWTH, rows, columns)[1] == {"Grown": [MINUTE * 20]}


def test_a_maximum_is_forgotten_when_it_has_stood_for_long_enough(tmp_path):
    # The first value is none; 105 is not a tenth more than 100, 111 is, 120 is not over 111.
    rows = by_minutes((5, 100), (5, 105), (5, 111), (5, 120), (90, 60), (5, 64), (5, 67), (5, 130))
    states, acts = replay(tmp_path, HIGHEST.replace("RESET", "1h"), rows)
    assert acts == {"Highest": [10 * MINUTE, 115 * MINUTE, 120 * MINUTE]}
    # For one evaluation each.
    assert firing(states, "Highest") == acts["Highest"]
    # Neither an hour too early, nor ever without a time.
    rows = by_minutes((5, 100), (40, 60), (5, 67))
    assert replay(tmp_path, HIGHEST.replace("RESET", "1h"), rows)[1] == {}
    rows = by_minutes((5, 100), (200, 60), (5, 67), (5, 109), (5, 110))
    assert replay(tmp_path, HIGHEST.replace("RESET", "0s"), rows)[1] == {"Highest": [215 * MINUTE]}


# ---- presets ----

def test_heap_surge(tmp_path):
    """A half more than in the last half hour, for a minute, and no less than 64 MiB."""
    rule = extending("HeapSurge")
    _, acts = replay(tmp_path, rule, by_minutes((30, 100), (30, 160)))
    assert acts == {"HeapSurge": [31 * MINUTE]}
    for rows in (by_minutes((30, 100), (30, 145)),  # less than a half
                 by_minutes((30, 30), (30, 60)),  # twice as much, of what nobody cares for
                 by_minutes((30, 100), (1, 160), (30, 100)),  # for less than a minute
                 by_minutes(*((1, 100 + i) for i in range(120)))):  # slowly
        assert replay(tmp_path, rule, rows)[1] == {}, rows


def test_heap_maximum(tmp_path):
    """Each is a tenth over the one before. What has stood for six hours is forgotten."""
    rule = extending("HeapMaximum")
    _, acts = replay(tmp_path, rule, by_minutes((10, 100), (10, 111), (10, 115), (10, 123)))
    assert acts == {"HeapMaximum": [10 * MINUTE, 30 * MINUTE]}
    ramps = by_minutes((10, 100), (370, 50), (10, 60))
    assert replay(tmp_path, rule, ramps)[1] == {"HeapMaximum": [380 * MINUTE]}
    assert replay(tmp_path, rule, by_minutes((10, 100), (300, 50), (10, 60), (10, 105)))[1] == {}


def test_nightly_baseline(tmp_path):
    """Once a night at 04:00."""
    rule = extending("NightlyBaseline")
    rows = [(MINUTE * i, 100) for i in range(60, 30 * 60)]
    states, acts = replay(tmp_path, rule, rows)
    assert acts == {"NightlyBaseline": [4 * HOUR, 28 * HOUR]}
    # For as long as a refused capture is asked for again.
    assert firing(states, "NightlyBaseline")[0] == 4 * HOUR
    assert {at // HOUR for at in firing(states, "NightlyBaseline")} == {4, 28}
    # Neither by day, nor by who comes later.
    assert replay(tmp_path, rule, [(MINUTE * i, 100) for i in range(241, 1400)])[1] == {}


def heap(hours, level, limit):
    """Rows of two minutes for so long, with a little noise."""
    return [(120 * i, level(i / 30) + 0.3 * math.sin(i * 7.3), limit) for i in range(int(hours * 30))]


def test_leak_lasting(tmp_path):
    """What has grown in the slow window, or in the fast one towards a limit that is near."""
    rule, columns = extending("Leak", "LeakLasting"), "heap_used,heap_limit"

    def fires(hours, level, limit):
        return sorted(replay(tmp_path, rule, heap(hours, level, limit), columns)[1])
    # Four hours: of the slow window there is too little.
    assert fires(4, lambda h: 200 + 40 * h, "4GiB") == ["Leak"]
    assert fires(4, lambda h: 200 + 40 * h, "450MiB") == ["Leak", "LeakLasting"]
    assert fires(18, lambda h: 200 + 10 * h, "4GiB") == ["Leak", "LeakLasting"]
    # A cache that fills within its first minutes, and a heap that is only nearly full.
    assert fires(18, lambda h: 200 + 80 * (1 - math.exp(-12 * h)), "4GiB") == []
    assert fires(6, lambda h: 200, "210MiB") == []


def test_the_leak_rule_that_is_in_force(tmp_path):
    """All rules that are installed, as they are: a leak is told, and nothing stops a program for it."""
    shipped = sorted(PRESETS.parent.glob("*.yaml"))

    def told(level):
        (tmp_path / "samples.csv").write_text("time,heap_used,heap_limit\n" + "".join(
            f"{s},{int(mib * 1024)}KiB,{limit}\n" for s, mib, limit in heap(6, level, "4GiB")))
        got = Ctl(cwd=tmp_path).json("rules", "test", *shipped, "--samples=samples.csv", "--explain")
        return {row["rule"] for row in got if row["state"] == "firing"}
    assert told(lambda h: 200 + 40 * h) == {"LeakSuspected"}
    assert told(lambda h: 200 + 80 * (1 - math.exp(-12 * h))) == set()
    assert told(lambda h: 200) == set()
    with open(PRESETS.parent / "leak.yaml", encoding="utf-8") as file:
        (rule,) = yaml.safe_load(file)["groups"][0]["rules"]
    assert rule["actions"] == [{"capture": "diagnostics"}]


def test_limit_near(tmp_path):
    """At the limit within four hours, for five minutes; kept for half an hour."""
    rule, columns = extending("LimitNear"), "heap_used,heap_limit"

    def replayed(hours, level, limit):
        return replay(tmp_path, rule, heap(hours, level, limit), columns)
    # 40 MiB an hour from 200: at 520 MiB after eight hours, so from the fourth on it is near.
    _, acts = replayed(5, lambda h: 200 + 40 * h, "520MiB")
    assert len(acts["LimitNear"]) == 1 and 4 * HOUR < acts["LimitNear"][0] < 4.25 * HOUR
    assert replayed(5, lambda h: 200 + 40 * h, "4GiB")[1] == {}  # far away
    assert replayed(5, lambda h: 200, "210MiB")[1] == {}  # nearly full, and not rising
    # Once it rises no more, it ends with the window and the time it is kept for.
    states, acts = replayed(8, lambda h: 200 + 40 * min(h, 4.5), "520MiB")
    assert len(acts["LimitNear"]) == 1
    assert 5 * HOUR < firing(states, "LimitNear")[-1] < 8 * HOUR


def test_detached_contexts(tmp_path):
    """More than five of them for ten minutes."""
    rule = extending("DetachedContexts")

    def acts(*parts):
        counts = [str(count) for n, count in parts for _ in range(n)]
        rows = [(MINUTE * i, count) for i, count in enumerate(counts)]
        return replay(tmp_path, rule, rows, "detached_contexts")[1]
    assert acts((5, 0), (20, 6), (5, 0)) == {"DetachedContexts": [15 * MINUTE]}
    assert acts((5, 0), (60, 5)) == {}  # not more
    assert acts((5, 0), *[(9, 50), (2, 1)] * 5) == {}  # never for so long


def test_heap_ladder(tmp_path):
    """A snapshot at 60, 75 and 90 % of the limit, each after half a minute there."""
    rule, columns = extending("HeapLadder"), "heap_used,heap_limit"

    def acts(*parts):
        values = [mib for n, mib in parts for _ in range(n)]
        rows = [(MINUTE * i, mib, "1000MiB") for i, mib in enumerate(values)]
        return replay(tmp_path, rule, rows, columns)[1]
    assert acts((5, 590), (5, 610), (5, 740), (5, 760), (5, 890), (5, 910)) == \
        {"HeapLadder": [6 * MINUTE, 16 * MINUTE, 26 * MINUTE]}
    # At once to the top: the highest step speaks for those below it.
    assert acts((5, 590), (5, 950)) == {"HeapLadder": [6 * MINUTE]}
    assert acts((5, 600), *[(1, 950), (1, 500)] * 5) == {}  # not above, or for a moment
