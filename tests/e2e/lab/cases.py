"""Runtimes of V8 that can be started alike: a program that grows by a known class when told."""

import contextlib

from . import chromium, node
from .deno import Deno
from .site import Site
from .workerd import Miniflare, Workerd, Wrangler

COUNT = 23456


class Case:
    """A runtime under test and what is to be seen of it."""

    def __init__(self, name, engine, program, isolate, grow, guards=None):
        self.name, self.engine, self.program = name, engine, program
        self.isolate, self.grow = isolate, grow
        self.guards = guards or {}
        # A workerd collects with its next request only.
        self.visited = getattr(program, "visited", contextlib.nullcontext)


def start_node(major):
    def start(nursery, home):
        program = node.Node(nursery, major, "things", str(COUNT))
        return Case("node", "v8", program, "main", lambda: program.nudge("^grown"))
    return start


def start_deno(nursery, home):
    program = Deno(nursery, home, str(COUNT))
    return Case("deno", "v8", program, "main", program.grow)


def start_workerd(nursery, home):
    program = Workerd(nursery, home)
    program.grow(COUNT)
    return Case("workerd", "v8", program, program.isolate, lambda: program.grow(COUNT))


def start_wrangler(nursery, home):
    program = Wrangler(nursery, home)
    program.grow(COUNT)
    # Its process is not the one that listens: the headroom cannot be seen.
    return Case("workerd", "v8", program, program.isolate, lambda: program.grow(COUNT),
                {"headroom": 0})


def start_miniflare(*names):
    def start(nursery, home):
        program = Miniflare(nursery, *names)
        program.grow(COUNT)
        # Nor is its process the one that listens.
        return Case("workerd", "v8", program, program.isolate, lambda: program.grow(COUNT),
                    {"headroom": 0})
    return start


def start_chromium(nursery, home):
    site = Site()
    program = chromium.Chromium(nursery, home, site.url + "page.html")
    program.grow(COUNT)
    return Case("chromium", "v8", program, chromium.isolate(program.page),
                lambda: program.grow(COUNT))


STARTS = {"chromium": start_chromium, "deno": start_deno, "workerd": start_workerd, "wrangler": start_wrangler,
          "miniflare": start_miniflare(), "miniflare-named": start_miniflare("shop"),
          **{f"node{major}": start_node(major) for major in node.MAJORS}}
