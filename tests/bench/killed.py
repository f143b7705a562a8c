#!/usr/bin/python3
"""How many programs die of a daemon that is killed while their snapshots stream, where nobody keeps the
connections, and where systemd does."""

from setting import Setting, arguments, node, row

import signal

from lab.daemon import Daemon
from lab.killed import AT_ONCE, one_round
from lab.manager import Manager


def count(setting, major, rounds, kept):
    """(how many died, of how many from which a snapshot streamed)"""
    homes = iter(range(1 << 20))

    def start_node(*args):
        return node.Node(setting.nursery, *args)

    def start_daemon(config, home=None, **options):
        return Daemon(setting.nursery, home or setting.home / f"{major}-{kept}-{next(homes)}", config,
                      **options)
    died = streamed = 0
    for _ in range(rounds):
        ends, streaming = one_round(start_node, start_daemon, major, Manager() if kept else None)
        assert set(ends) <= {0, -signal.SIGSEGV}, ends
        died += ends.count(-signal.SIGSEGV)
        streamed += streaming
        setting.nursery.close()
    return died, streamed


def main():
    options = arguments(__doc__, rounds=(50, f"rounds of {AT_ONCE} programs"), majors=("20,22", "of Node"))
    with Setting(options) as setting:
        for major in map(int, options.majors.split(",")):
            for kept in (False, True):
                died, of = count(setting, major, options.rounds, kept)
                row(f"Node {major}, {'kept' if kept else 'not kept'}", f"{died} of {of} died")


main()
