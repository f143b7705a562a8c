"""Snapshots of JavaScriptCore in its own form, each of a connection of its own. One that had the
domain Heap enabled takes all ids with it when it leaves, as a Web Inspector does; it disables it
before, for WPE dies of events of collections that are on their way to one that has left."""

from . import webkit


def bun(program):
    """connect() for a Bun."""
    return lambda: (client := program.client(), client.call)


def page(browser):
    """connect() for the page of a browser, whose messages are wrapped."""
    return lambda: (client := browser.next_client(), webkit.Page(client).call)


def over_connections(home, connect, grow, n):
    """Paths of n snapshots, with growth between."""
    paths = [home / f"{i + 1}.jsc.json" for i in range(n)]
    for path in paths:
        if path != paths[0]:
            grow()
        client, call = connect()
        call("Heap.enable")
        call("Heap.gc")
        path.write_text(call("Heap.snapshot")["snapshotData"])
        call("Heap.disable")
        # WebKit takes the end of one that it has not heard yet for the end of the next.
        client.leave()
    return paths
