"""Tables as a person sees them: every column in its place, as wide as its cells, numbers with units."""

import re

BYTES = r"-?\d+(?:\.\d)? (?:B|[KMG]iB)"
COUNT = r"\d+"
PERCENT = r"\d+(?:\.\d)?\s?%"
ID = r"@\d+"
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
TEXT = None  # at the left end of its column; all else is at the right end
NUMBER_OR_NONE = rf"(?:{COUNT}|-)"


def bytes_of(text):
    """As many as it says, to one decimal of its unit."""
    number, unit = text.split()
    return float(number) * UNITS[unit]


def _places(head, names):
    """Where each name of the heading begins and ends."""
    found = re.fullmatch(" *" + "  +".join(f"({re.escape(name)})" for name in names), head)
    assert found, (head, names)
    return [found.span(i + 1) for i in range(len(names))]


def _cells(line, places, patterns):
    """One row, cut at the ends of the columns; checks that each stands there."""
    cells, at = [], 0
    for i, pattern in enumerate(patterns):
        last = i + 1 == len(patterns)
        if pattern is TEXT:
            assert at == places[i][0], (line, i)
            end = len(line) if last else places[i + 1][0] if patterns[i + 1] is TEXT else None
            assert end is not None, "no number stands behind a text"
            cell = line[at:end] if last else line[at:end - 2]
            assert cell == cell.lstrip(), (line, cell)
        else:
            end = places[i][1]
            cell = line[at:end]
            assert re.fullmatch(rf" *{pattern}", cell), (line, cell, pattern)
            end += 2
        assert last or line[end - 2:end].strip() == "", (line, cell)
        cells.append(cell)
        at = end
    return cells


def check(lines, columns):
    """lines: the heading and every row, of which there is one at least; columns: (name, pattern of
    its cells, or TEXT). The rows, as lists of texts."""
    names, patterns = zip(*columns)
    head, *rows = lines
    assert rows, head
    places = _places(head, names)
    found = [_cells(row, places, patterns) for row in rows]
    for i, name in enumerate(names[:-1]):  # nothing is wider than it has to be
        widest = max(len(cell.strip()) for cell in [name, *(row[i] for row in found)])
        assert len(found[0][i]) == widest, (name, head)
    return [[cell.strip() for cell in row] for row in found]


def after(lines, heading):
    """The table that begins with this name of a column, up to an empty line or the end."""
    first = next(i for i, line in enumerate(lines) if line.split()[:1] == [heading])
    rest = lines[first:]
    return rest[:rest.index("")] if "" in rest else rest
