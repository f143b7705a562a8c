#!/usr/bin/python3
"""How fast /metrics is at many targets: both formats, plain and gzip, one connection that is kept.
Beside it a thread that sends the same bytes ready-made, and zlib alone on the same text."""

from polling import wait_all_up
from setting import Meter, Setting, arguments, row

import socket
import threading
import time
import zlib

FORMATS = {"text 0.0.4": "text/plain;version=0.0.4",
           "OpenMetrics 1.0": "application/openmetrics-text;version=1.0.0"}


class Connection:
    """One keep-alive connection; reads by Content-Length or chunks."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._file = self._socket.makefile("rb")

    def get(self, headers):
        text = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        self._socket.sendall(f"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n{text}\r\n".encode())
        status, got = self._file.readline(), {}
        assert status.startswith(b"HTTP/1.1 200"), status
        while (line := self._file.readline().strip()):
            key, _, value = line.decode().partition(":")
            got[key.lower()] = value.strip()
        if "content-length" in got:
            return got, self._file.read(int(got["content-length"]))
        return got, b"".join(iter(self._chunk, b""))

    def _chunk(self):
        body = self._file.read(int(self._file.readline(), 16))
        self._file.readline()
        return body

    def close(self):
        self._file.close()
        self._socket.close()


def ready_made(body):
    """The port of a thread that answers any request with these bytes."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        listener.close()
        with connection:
            while connection.recv(4096):
                connection.sendall(head + body)
    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def spell(port, headers, seconds):
    """(scrapes per second, bytes of a body) of one connection."""
    connection = Connection(port)
    count, size, began = 0, 0, time.monotonic()
    while time.monotonic() - began < seconds:
        size = len(connection.get(headers)[1])
        count += 1
    spent = time.monotonic() - began
    connection.close()
    return count / spent, size


def measure(watcher, name, accept, compressed, seconds):
    headers = {"Accept": accept, "Accept-Encoding": "gzip" if compressed else "identity"}
    probe = Connection(watcher.port)
    got, body = probe.get(headers)
    probe.close()
    assert (got.get("content-encoding") == "gzip") == compressed, got
    assert got["content-type"].split(";")[0] == accept.split(";")[0], got
    text = zlib.decompress(body, 31) if compressed else body
    meter = Meter(watcher.process)
    per_second, size = spell(watcher.port, headers, seconds)
    cpu, wall = meter.read()
    floor, _ = spell(ready_made(body), headers, seconds)
    print(f"{name}{', gzip' if compressed else ''}")
    row("body", f"{size / 1e6:.3f} MB ({len(text) / 1e6:.3f} MB of text)")
    row("scrapes per second", f"{per_second:.1f}")
    row("one scrape", f"{1e3 / per_second:.1f} ms, {1e3 * cpu / (per_second * wall):.1f} ms of CPU")
    row("text per second", f"{per_second * len(text) / 1e6:.1f} MB")
    row("ready-made bytes / this", f"{floor / per_second:.1f}")
    if compressed:
        began = time.monotonic()
        for _ in range(5):
            zlib.compress(text, 1)
        row("zlib level 1 alone", f"{(time.monotonic() - began) * 200:.1f} ms")


def main():
    options = arguments(__doc__, targets=(1000, "how many"), seconds=(5.0, "of each measurement"))
    with Setting(options) as setting:
        targets, _, _ = setting.fleet(options.targets)
        watcher = setting.daemon(targets)
        wait_all_up(watcher, options.targets, 120)
        print(f"/metrics of {options.targets} polled targets")
        for name, accept in FORMATS.items():
            for compressed in (False, True):
                measure(watcher, name, accept, compressed, options.seconds)


if __name__ == "__main__":
    main()
