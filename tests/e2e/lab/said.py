"""What docs/RUNTIMES.md says the daemon may say to a runtime, and what it said."""

import json
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "RUNTIMES.md"
METHOD = re.compile(r"`([A-Z]\w+\.\w+)`")
NAME = re.compile(r"`([a-z]\w+)`")


def _text(section):
    return re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", PAGE.read_text(),
                     re.MULTILINE | re.DOTALL)[1]


def rows(section):
    """The rows of the section's tables, as lists of cells."""
    return [line.strip("| ").split(" | ") for line in _text(section).splitlines() if line.startswith("| ")]


def listed(section, when=""):
    """The requests in the first column of the section's tables; those whose second has this word."""
    return {method for cells in rows(section) if when in cells[1]
            for method in METHOD.findall(cells[0])}


def listed_packets():
    """Of what a Firefox is asked, {(actor, request)} of its two tables: of who watches, of captures."""
    found = []
    for to, request, *_ in rows("Firefox"):
        if (to, request) == ("to", "request"):
            found.append(set())
        elif found:
            found[-1] |= {(actor.removesuffix("Actor"), name)
                          for actor in NAME.findall(to) for name in NAME.findall(request)}
    watching, capturing = found
    return watching, capturing


def packet(heard):
    """(actor, request) of one: "server1.conn2.memory7" is the 7th actor of its kind."""
    actor = re.search(r"([A-Za-z]+)\d*$", heard["to"])[1]
    return actor.removesuffix("Actor"), heard["type"]


def wrapped(message):
    """The one that is in it for a worker or a page, or None."""
    params = message.get("params", {})
    return json.loads(params["message"]) if message["method"] in (
        "NodeWorker.sendMessageToWorker", "Target.sendMessageToTarget") else None


def messages(relay):
    """All that was said, each well formed; what was in others beside them."""
    found = []
    for raw in relay.messages():
        message = json.loads(raw.decode("utf-8", errors="strict"))
        assert 0 <= message["id"] < 1 << 31
        assert set(message) <= {"id", "method", "params", "sessionId"}, message
        found.append(message)
        inner = wrapped(message)
        if inner:
            assert set(inner) <= {"id", "method", "params"}, inner
            found.append(inner)
    return found
