"""A removed element and its listener, which only Firefox's cycle collector takes apart: until it does,
nothing in a snapshot tells the listener from one that is held for good, so that `leaks` cannot."""

import re

from lab.firefox import Firefox
from lab.fxsnapshot import Snapshot
from lab.wait import until

COUNT = 500
# As many functions of either: of elements that are removed, and of timers that wait.
WORK = f"""for (let n = 0; n < {COUNT}; n++) {{
  const line = document.createElement('p');
  line.addEventListener('click', function gone() {{ return n; }});
  document.body.append(line);
  line.remove();
  setTimeout(function later() {{ return n; }}, 1 << 30);
}}"""


def held_functions(path):
    """{what each is written as: [(names of the references from the root of its holder, what else
    refers to it)]}, and how many nodes of the DOM there are."""
    nodes = Snapshot(path).nodes
    root = next(iter(nodes.values()))
    functions, reasons, others = {}, {}, {}
    for to, name in root.edges:
        found = re.fullmatch(r"(\w+), holder (0x[0-9a-f]+)", name or "")
        if found:
            reasons.setdefault(found[2], set()).add(found[1])
            if found[1] == "mCallback":
                functions[to] = found[2]
    for node in nodes.values():
        for to, name in node.edges:
            if to in functions and node is not root:
                others.setdefault(to, set()).add((node.type, name))
    by_code = {}
    for function, holder in functions.items():
        (code,) = [to for to, name in nodes[function].edges if name == "JSFunction script"]
        by_code.setdefault(code, []).append(
            (frozenset(reasons[holder]), frozenset(others.get(function, ()))))
    return ({code: found for code, found in by_code.items() if len(found) == COUNT},
            sum(node.type == "nsIContent" for node in nodes.values()))


def test_what_waits_for_the_cycle_collector_looks_like_what_is_held(nursery, tmp_path):
    browser = Firefox(nursery, tmp_path / "program")
    memory = browser.client.target(browser.descriptor)["memoryActor"]
    browser.client.ask(memory, "attach")
    path = tmp_path / "1.fxsnapshot"

    def taken():
        """The collector may have come by itself in between: then anew."""
        browser.evaluate("for (let i = 0; i < 1e5; i++) clearTimeout(i)")
        browser.collect(memory)
        browser.evaluate(WORK)
        browser.save_snapshot(memory, path, collect=False)
        functions, elements = held_functions(path)
        return (functions, elements) if len(functions) == 2 else None
    functions, elements = until(taken, "a snapshot before the collector comes")
    gone, later = functions.values()
    assert set(gone) == set(later) and len(set(gone)) == 1
    assert elements < COUNT
    browser.save_snapshot(memory, path)
    (left, ) = held_functions(path)[0].values()
    assert set(left) == set(later)
