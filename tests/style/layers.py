#!/usr/bin/python3
"""Layers: a folder of daemon/ includes only what its layer may see, no cycles, and each
third-party library is included by exactly one file (docs/ARCHITECTURE.md)."""

import re
import sys
from pathlib import Path

# folder -> folders it may include besides itself; "" is daemon/ itself, the root that sees all
MAY = {
    "util": "",
    "loop": "util",
    "json": "util",
    "conf": "util json",
    "net": "util loop",
    "heap": "util json",
    "profile": "util json",
    "inspect": "util loop json net",
    "spool": "util json conf",
    "pipeline": "util json conf",
    "watch": "util loop json conf net inspect pipeline",
    "notify": "util loop json conf net inspect pipeline watch",
    "otlp": "util loop json conf net inspect pipeline watch notify",
    "capture": "util loop json conf net inspect watch spool pipeline profile",
    "http": "util loop json conf watch notify otlp capture spool pipeline profile",
    "ctl": "util loop json conf net heap profile inspect watch spool pipeline",
    "": "*",
}

# library -> the one file that may include it
ONLY = {
    r"event2/|event\.h$|evutil": "loop/loop.c",
    r"uv\.h$|uv/": "loop/uvloop.c",
    r"libwebsockets|lws": "net/ws.c",
    r"curl/": "net/http_call.c",
    r"openssl/evp": "spool/digest.c",
    r"openssl/(?!evp)": "net/tls.c",
    r"zstd": "pipeline/zstd.c",
    r"sodium": "pipeline/crypto.c",
    r"seccomp": "confine.c",
    r"microhttpd": "http/server.c",
    r"gnutls/": "http/server_tls.c",
    r"crypt\.h$": "http/bcrypt.c",
    r"zlib\.h$": "pipeline/gzip.c",
    r"jansson": "json/tree.c",
    r"yaml\.h$": "conf/yaml.c",
    r"systemd/": "service.c",
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def sources(daemon):
    return sorted(p for p in daemon.rglob("*") if p.suffix in (".c", ".h"))


def includes(path):
    return INCLUDE.findall(path.read_text())


def may_see(folder, other):
    return folder == other or MAY[folder] == "*" or other in MAY[folder].split()


def check_include(daemon, path, quote, name):
    """Complaints about one #include line."""
    here = path.relative_to(daemon).as_posix()
    folder = path.parent.relative_to(daemon).as_posix().replace(".", "")
    for pattern, owner in ONLY.items():
        if quote == "<" and re.match(pattern, name) and here != owner:
            yield f"{here}: <{name}> belongs in {owner} only"
    if quote == "<":
        return
    if not (daemon / name).exists():
        yield f'{here}: "{name}" is no path from daemon/'
        return
    other = name.rpartition("/")[0]
    if folder not in MAY or other not in MAY:
        yield f"{here}: {folder}/ or {other}/ has no layer; add it to tests/style/layers.py"
    elif not may_see(folder, other):
        yield f"{here}: {folder}/ may not include {other}/"


def find_cycle(edges):
    """A cycle of the graph as a list of names, or None."""
    done = set()

    def walk(node, trail):
        if node in trail:
            return trail[trail.index(node):] + [node]
        if node in done:
            return None
        for other in sorted(edges.get(node, ())):
            found = walk(other, trail + [node])
            if found:
                return found
        done.add(node)
        return None

    for node in sorted(edges):
        found = walk(node, [])
        if found:
            return found
    return None


def problems(root):
    daemon = root / "daemon"
    found, files, folders = [], {}, {}
    for path in sources(daemon):
        here = path.relative_to(daemon).as_posix()
        for quote, name in includes(path):
            found += check_include(daemon, path, quote, name)
            if quote == '"':
                files.setdefault(here, set()).add(name)
                a, b = here.rpartition("/")[0], name.rpartition("/")[0]
                if a != b:
                    folders.setdefault(a or "daemon", set()).add(b or "daemon")
    for kind, edges in (("folders", folders), ("files", files)):
        cycle = find_cycle(edges)
        if cycle:
            found.append(f"cycle of {kind}: " + " -> ".join(cycle))
    return found


if __name__ == "__main__":
    bad = problems(Path(__file__).resolve().parents[2])
    print("\n".join(bad) or "layers: clean")
    sys.exit(bool(bad))
