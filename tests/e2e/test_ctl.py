"""heapwatchctl against a real daemon with captures of real Nodes, and against the spool without it:
every command, flag and exit."""

import hashlib
import http.server
import json
import os
import re
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab import ctl as lab_ctl
from lab import daemon as lab_daemon
from lab import listener, node, proc, readers
from lab.ctl import Ctl
from lab.wait import until

COUNT = 1234


def take(daemon, target):
    """A snapshot by hand; its entry once it is in the list."""
    before = {entry["id"] for entry in daemon.api("/captures")["ready"]}
    answer = daemon.post(f"/api/v1/targets/{target}/captures")
    assert answer.status == 202, answer.text

    def arrived():
        listed = daemon.api("/captures")
        assert not listed["failed"], listed["failed"]
        return [entry for entry in listed["ready"]
                if entry["id"] not in before and entry["kind"] == "snapshot"]
    return until(arrived, lambda: f"a capture; log:\n{daemon.tail()}", 60.0)[0]


def start(nursery, home, targets, **capture):
    recipe = {"redact": "strings", "compress": "zstd", "diagnostics": False, **capture}
    config = lab_daemon.static_config(targets, capture=recipe,
                                      web={"max_connections_per_ip": 256})
    socket = home / "ctl.sock"
    home.mkdir(parents=True)
    daemon = lab_daemon.Daemon(nursery, home, config,
                               flags=[f"--web.listen-address=unix:{socket}"])
    for target in targets:
        daemon.wait_up(target)
    return daemon, socket


@pytest.fixture(scope="module")
def group():
    nursery = proc.Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(scope="module")
def nodes(group):
    return {"app": node.Node(group, 24, "heap", COUNT, 2),
            "web-1": node.Node(group, 20, "heap", COUNT, 1)}


@pytest.fixture(scope="module")
def scene(group, nodes, tmp_path_factory):
    """A daemon with three captures, oldest first: app, web-1, app. Tests only read them."""
    home = tmp_path_factory.mktemp("ctl") / "daemon"
    daemon, socket = start(group, home, {n: p.address for n, p in nodes.items()})
    entries = [take(daemon, "app")]
    # Times on the command line are of whole seconds.
    until(lambda: int(time.time()) > entries[0]["started_wall_ms"] // 1000, "the next second")
    entries += [take(daemon, target) for target in ("web-1", "app")]
    spool = daemon.storage / "spool"
    return SimpleNamespace(
        daemon=daemon, entries=entries, spool=spool, ready=spool / "ready", socket=socket,
        http=Ctl("-H", f"http://127.0.0.1:{daemon.port}"), unix=Ctl("-H", f"unix:{socket}"),
        folder=Ctl("-D", spool))


@pytest.fixture(params=["http", "folder"])
def ctl(request, scene):
    return getattr(scene, request.param)


@pytest.fixture
def copy(scene, tmp_path):
    """A spool of one's own, without a daemon, to be damaged: a copy of the scene's."""
    spool = tmp_path / "spool"
    subprocess.run(["cp", "-a", scene.spool, spool], check=True)
    return SimpleNamespace(ctl=Ctl("-D", spool), ready=spool / "ready", spool=spool)


def plain(path):
    """What the file holds, by the reference's tools."""
    data = path.read_bytes()
    if path.suffix == ".zst":
        data = subprocess.run(["zstd", "-d", "-c", "-q"], input=data, capture_output=True,
                              check=True).stdout
    return data


# ---- list ----

def test_table(ctl, scene):
    header, *rows = ctl.lines()
    assert header.split() == ["TIME", "TARGET", "ISOLATE", "KIND", "RULE", "FILE", "SIZE", "HEAP",
                              "PAUSE", "ID"]
    assert len(rows) == 3
    for row, entry in zip(rows, scene.entries):
        assert re.match(r"[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC ", row)
        cells = row.split()
        assert cells[4:6] == [entry["target"], "main"] and cells[-1] == entry["id"][:8]
        assert " snapshot " in row and " present " in row
    bare = ctl.lines("list", "--no-legend")
    assert [row.split() for row in bare] == [row.split() for row in rows]


def test_json_is_the_manifests(ctl, scene):
    listed = ctl.json("list")
    assert [entry["id"] for entry in listed] == [entry["id"] for entry in scene.entries]
    for entry in listed:
        manifest = json.loads((scene.ready / (entry["name"] + ".json")).read_text())
        assert entry.pop("file") == "present"
        assert entry == manifest
    pretty = ctl("list", "--json=pretty").stdout
    assert json.loads(pretty) == ctl.json("list") and pretty.count("\n") > 100
    assert ctl("list", "--json=off").stdout.startswith("TIME")


def ids(ctl, *args):
    return [entry["id"] for entry in ctl.json("list", *args)]


def test_which_and_in_what_order(ctl, scene):
    first, second, third = [entry["id"] for entry in scene.entries]
    assert ids(ctl, "-1") == [third]
    assert ids(ctl, "-n", "2") == [second, third]
    assert ids(ctl, "-r") == [third, second, first] == ids(ctl, "--reverse")
    assert ids(ctl, "web*") == [second] == ids(ctl, "target=web-1")
    assert ids(ctl, "app", "-r", "-n1") == [third]
    assert ids(ctl, "app", "web-1") == [first, second, third]
    assert ids(ctl, "runtime=node", "kind=snapshot", "rule=") == [first, second, third]
    assert ids(ctl, "engine_version=11*") == [second]
    between = scene.entries[1]["started_wall_ms"] / 1000
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(between + 1)) + ".999"
    assert ids(ctl, "-S", "-1h") == [first, second, third] == ids(ctl, "--since", "1h ago")
    assert ids(ctl, f"--until=@{int(between)}") == [first]
    assert first not in ids(ctl, f"--since=@{int(between)}")
    assert first in ids(ctl, "-U", stamp)


def test_field(ctl, scene):
    assert ctl.lines("-F", "target") == ["app", "web-1", "app"]
    assert ctl.lines("--field=file_bytes", "-1") == [str(scene.entries[2]["file_bytes"])]
    ctl("-F", "nosuch", exit=2)


def test_nothing_found_is_a_failure(ctl):
    for args in (["list", "nobody"], ["list", "kind=profile"], ["--until=yesterday"],
                 ["info", "deadbeef"], ["rm", "deadbeef"], ["verify", "nobody"],
                 ["export", "deadbeef"], ["pin", "deadbeef"]):
        done = ctl(*args, exit=1)
        assert done.stdout == "" and done.stderr.startswith("heapwatchctl: ")
    assert ctl("-q", "list", "nobody", exit=1).stderr == ""


@pytest.mark.parametrize("args", [["lists"], ["--nosuch"], ["rm"], ["export"], ["export", "a", "b"],
                                  ["list", "nosuch=1"], ["vacuum", "--max-use=much"]])
def test_usage(scene, args):
    assert scene.folder(*args, exit=2).stderr.startswith("heapwatchctl")


def test_who_asked_is_told(group, nodes, tmp_path):
    """Of a unix socket the kernel tells the user; what a client calls itself is its own word."""
    daemon, socket = start(group, tmp_path / "daemon", {"app": nodes["app"].address})
    assert take(daemon, "app")["requested_by"].startswith("127.0.0.1 (Python-urllib/")
    ctl = Ctl("-H", f"unix:{socket}")
    ctl("capture", "--wait", "diagnostics", "app")
    (own,) = ctl.json("list", "kind=diagnostics")
    assert re.fullmatch(rf"uid {os.getuid()}, pid \d+ \(heapwatchctl\)", own["requested_by"]), own
    assert f"Requested by: {own['requested_by']}\n" in ctl("info", own["id"]).stdout
    odd = daemon.post("/api/v1/targets/app/captures?kind=diagnostics", headers={
        "User-Agent": "\xe9" * 3 + "x" * 500})
    assert odd.status == 202
    asked = until(lambda: [c for c in ctl.json("list", "kind=diagnostics") if c["id"] != own["id"]],
                  "its capture")[0]["requested_by"]
    assert asked == "127.0.0.1 (" + "???" + "x" * 125 + ")", asked
    assert daemon.process.stop() == 0


def test_unix_socket(scene):
    assert ids(scene.unix) == [entry["id"] for entry in scene.entries]
    scene.unix("verify", scene.entries[1]["id"])
    assert scene.socket.stat().st_mode & 0o777 == 0o660


def test_help_and_version():
    help = Ctl()("--help").stdout
    for word in ("list", "info", "export", "verify", "pin", "rm", "vacuum", "keygen", "--since"):
        assert word in help
    assert Ctl()("--version").stdout.startswith("heapwatchctl ")


# ---- info ----

def test_info(ctl, scene):
    entry = scene.entries[1]
    text = ctl("info", entry["id"][:6]).stdout
    for wanted in (entry["id"], "web-1 (main)", "asked for by hand", entry["sha256"],
                   entry["name"] + " (present)", "Pinned: no",
                   "Stages: redacted: strings, zstd (level ", f"Requested by: {entry['requested_by']}", f"node {entry['runtime_version']}"):
        assert wanted in text, wanted
    assert ctl("info", entry["name"]).stdout == text
    both = ctl("info", scene.entries[0]["id"], entry["id"]).stdout
    assert text in both and both.count("SHA256:") == 2
    assert ctl("info").stdout.count("SHA256:") == 3
    assert ctl.json("info", entry["id"])[0]["id"] == entry["id"]


# ---- export ----

def test_export_is_what_the_tools_of_others_make_of_it(ctl, scene, tmp_path):
    entry = scene.entries[0]
    wanted = plain(scene.ready / entry["name"])
    here = Ctl(*ctl.flags, cwd=tmp_path)
    assert "wrote" in here("export", entry["id"]).stderr
    name = entry["name"].removesuffix(".zst")
    (made,) = tmp_path.iterdir()
    assert made.name == name and made.read_bytes() == wanted
    assert made.stat().st_mode & 0o777 == 0o600
    assert here("export", entry["id"][:8], "-o", "-", text=False).stdout == wanted
    assert "exists" in here("export", entry["id"], exit=1).stderr
    made.write_bytes(b"old")
    assert here("-q", "export", name, f"--output={name}").stderr == ""
    assert made.read_bytes() == wanted
    assert list(tmp_path.iterdir()) == [made], "nothing temporary is left"
    raw = here("export", entry["id"], "--raw", "-o", "-", text=False).stdout
    assert raw == (scene.ready / entry["name"]).read_bytes()


def test_export_loads(scene, tmp_path, nodes):
    path = tmp_path / "x.heapsnapshot"
    scene.http("export", scene.entries[2]["id"], "-o", path)
    nodes_n, edges, count = readers.parse(path, "KnownThing")
    assert count == COUNT
    assert readers.devtools(path, "KnownThing") == (nodes_n, edges, COUNT)


def test_export_where_it_cannot_be(scene, tmp_path):
    entry = scene.entries[0]
    scene.http("export", entry["id"], "-o", tmp_path / "no" / "x", exit=1)
    scene.http("export", entry["id"], "-o", "/dev/null")
    assert not os.path.isfile("/dev/null"), "a device is written to, not replaced"
    assert "cannot write" in scene.http("export", entry["id"], "-o", "/dev/full", exit=1).stderr


def test_no_capture_on_a_terminal(scene):
    exit, said = scene.http.on_terminal("export", scene.entries[0]["id"], "-o", "-")
    assert exit == 1 and "terminal" in said and len(said) < 500


def test_scripts(ctl, scene):
    entry = scene.entries[0]
    text = ctl("export", "--scripts", entry["id"], "-o", "-").stdout
    assert text.encode() == plain(scene.ready / entry["scripts_name"])
    assert any(script["url"].endswith("heap.js") for script in json.loads(text))


def test_scripts_that_were_not_kept(copy, scene):
    entry = scene.entries[0]
    path = copy.ready / (entry["name"] + ".json")
    path.write_text(json.dumps(dict(json.loads(path.read_text()), scripts_name="", scripts_bytes=0,
                                    scripts_sha256="")))
    assert "no list of scripts" in copy.ctl("export", "--scripts", entry["id"], exit=1).stderr


# ---- the daemon's side of downloads ----

def test_downloads_of_browsers(scene):
    entry = scene.entries[0]
    path = f"/api/v1/captures/{entry['id']}/file"
    stored, wanted = (scene.ready / entry["name"]).read_bytes(), plain(scene.ready / entry["name"])
    expanded = scene.daemon.get(path)
    assert expanded.body == wanted and "Content-Encoding" not in expanded.headers
    raw = scene.daemon.get(path + "?raw=1", {"Accept-Encoding": "zstd"})
    assert raw.body == stored and "Content-Encoding" not in raw.headers
    assert raw.headers["ETag"] == f'"{entry["sha256"]}"'
    part = scene.daemon.get(path + "?raw=1", {"Range": "bytes=10-19"})
    assert part.status == 206 and part.body == stored[10:20]
    if entry["compress"] == "zstd":
        encoded = scene.daemon.get(path, {"Accept-Encoding": "gzip, zstd"})
        assert encoded.body == stored and encoded.headers["Content-Encoding"] == "zstd"
        assert encoded.headers["Content-Disposition"] == expanded.headers["Content-Disposition"]


# ---- verify ----

def test_verify_says_ok(ctl, scene):
    lines = ctl.lines("verify")
    assert [line.split()[:2] for line in lines] == [[e["id"][:8], "OK"] for e in scene.entries]
    assert ctl("-q", "verify").stdout == ""
    assert [found["result"] for found in ctl.json("verify", scene.entries[0]["id"])] == ["OK"]


def damage(path, how):
    if how == "damaged":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif how == "truncated":
        os.truncate(path, path.stat().st_size - 1)
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["damaged", "truncated", "missing"])
def test_verify_and_export_find_damage(copy, scene, how, tmp_path):
    bad, good = scene.entries[0], scene.entries[1]
    damage(copy.ready / bad["name"], how)
    words = {line.split()[0]: line.split()[1] for line in copy.ctl.lines("verify", exit=1)}
    assert words[bad["id"][:8]] == how and words[good["id"][:8]] == "OK"
    (found,) = copy.ctl.json("verify", bad["id"], exit=1)
    assert found["result"] == how and found["error"]
    copy.ctl("verify", good["id"])
    listed = {e["id"]: e["file"] for e in copy.ctl.json("list")}
    assert listed[bad["id"]] == ("present" if how == "damaged" else how)
    out = tmp_path / "out.heapsnapshot"
    assert copy.ctl("export", bad["id"], "-o", out, exit=1).stderr
    assert not out.exists() and not list(tmp_path.glob(".#*"))


def test_verify_reads_the_scripts_too(copy, scene):
    damage(copy.ready / scene.entries[1]["scripts_name"], "damaged")
    (found,) = copy.ctl.json("verify", scene.entries[1]["id"], exit=1)
    assert found["result"] == "damaged"


# ---- changes ----

def test_changes_over_http(group, nodes, tmp_path):
    daemon, socket = start(group, tmp_path / "daemon", {"app": nodes["app"].address})
    ctl = Ctl("-H", f"http://127.0.0.1:{daemon.port}")
    entries = [take(daemon, "app") for _ in range(3)]
    names = [entry["name"] for entry in entries]
    # pins
    assert ctl("pin", entries[0]["id"]).stdout == f"pinned {names[0]}\n"
    assert ids(ctl, "pinned=1") == [entries[0]["id"]]
    # vacuum: neither the pinned nor the newest
    assert json.loads(ctl("vacuum", "--max-files=1", "--json=short").stdout)["removed"] == 1
    assert ids(ctl) == [entries[0]["id"], entries[2]["id"]]
    assert ctl("unpin", entries[0]["id"][:8]).stdout == f"unpinned {names[0]}\n"
    ctl("-q", "pin", names[0])
    ctl("pin", "--off", names[0])
    assert "deleted 1 captures" in ctl("vacuum", "--max-use=1B", "--max-age=1h",
                                       "--keep-free=0").stdout
    assert ids(ctl) == [entries[2]["id"]]
    # a mistake in one name changes nothing
    ctl("rm", entries[2]["id"], "deadbeef", exit=1)
    assert ids(ctl) == [entries[2]["id"]]
    # the folder is the daemon's
    folder = Ctl("-D", daemon.storage / "spool")
    for command in (["rm", names[2]], ["pin", names[2]], ["vacuum", "--max-files=0"]):
        said = folder(*command, exit=1).stderr
        assert "daemon" in said and "without -D" in said
    assert ctl("rm", entries[2]["id"]).stdout == f"deleted {names[2]}\n"
    ctl(exit=1)
    assert not list((daemon.storage / "spool" / "ready").iterdir())


def test_changes_without_a_daemon(copy, scene):
    first, second, third = scene.entries
    copy.ctl("pin", first["id"])
    assert ids(copy.ctl, "pinned=1") == [first["id"]]
    # only by the limit that is given: how old captures may be, the configuration knows
    manifest = copy.ready / f"{second['name']}.json"
    manifest.write_text(manifest.read_text().replace(
        f'"started_wall_ms":{second["started_wall_ms"]}', '"started_wall_ms":1'))
    assert "deleted 0 captures" in copy.ctl("vacuum", "--max-files=100").stdout
    assert "deleted 1 captures" in copy.ctl("vacuum", "--max-files=1").stdout
    assert ids(copy.ctl) == [first["id"], third["id"]]
    copy.ctl("unpin", first["id"])
    copy.ctl("verify")
    assert copy.ctl("rm", first["id"], third["name"]).stdout.count("deleted") == 2
    assert list(copy.ready.iterdir()) == [] == list((copy.spool / "incoming").iterdir())
    copy.ctl(exit=1)


def test_storage_folder_will_do(copy):
    assert len(Ctl("-D", copy.spool.parent).json("list")) == 3
    assert "no spool" in Ctl("-D", copy.ready)(exit=1).stderr


def test_manifest_that_cannot_be_read(copy, scene):
    name = scene.entries[0]["name"]
    (copy.ready / (name + ".json")).write_text("{")
    done = copy.ctl("list", "--no-legend")
    assert len(done.stdout.splitlines()) == 2
    assert f"{name} is not listed" in done.stderr


# ---- encrypted ----

@pytest.fixture(scope="module")
def sealed(group, nodes, tmp_path_factory):
    """A daemon whose captures are encrypted to two keys."""
    home = tmp_path_factory.mktemp("sealed")
    keys = [home / "a.key", home / "b.key", home / "stranger.key"]
    recipients = []
    for key in keys:
        done = subprocess.run(["age-keygen", "-o", key], capture_output=True, text=True, check=True)
        recipients.append(done.stderr.split()[-1])
    daemon, _ = start(group, home / "daemon", {"app": nodes["app"].address},
                      encrypt=recipients[:2])
    return SimpleNamespace(daemon=daemon, keys=keys, entry=take(daemon, "app"),
                           spool=daemon.storage / "spool",
                           http=Ctl("-H", f"http://127.0.0.1:{daemon.port}"),
                           folder=Ctl("-D", daemon.storage / "spool"))


@pytest.mark.parametrize("source", ["http", "folder"])
def test_encrypted(sealed, source, tmp_path):
    ctl, entry = getattr(sealed, source), sealed.entry
    stored = sealed.spool / "ready" / entry["name"]
    assert ctl.json("list")[0]["file"] == "encrypted" and stored.suffix == ".age"
    said = ctl("export", entry["id"], "-o", tmp_path / "x", exit=1).stderr
    assert "--identity" in said and "age1" in said
    said = ctl("export", entry["id"], "-o", tmp_path / "x", "-i", sealed.keys[2], exit=1).stderr
    assert said and not list(tmp_path.iterdir())
    ctl("export", entry["id"], "-o", tmp_path / "x", "-i", tmp_path / "no.key", exit=1)
    wanted = subprocess.run(f"age -d -i {sealed.keys[1]} {stored} | zstd -d -q -c", shell=True,
                            capture_output=True, check=True).stdout
    assert len(wanted) > 100000
    for keys in (["-i", sealed.keys[0]], ["--identity", sealed.keys[2], "-i", sealed.keys[1]]):
        got = ctl("export", entry["id"], "-o", "-", *keys, text=False).stdout
        assert hashlib.sha256(got).digest() == hashlib.sha256(wanted).digest()
    assert ctl("export", entry["id"], "--raw", "-o", "-", text=False).stdout == stored.read_bytes()
    ctl("verify")


def test_the_spool_of_another_system(copy, tmp_path):
    where = tmp_path / "image" / "var" / "lib" / "heapwatch"
    where.parent.mkdir(parents=True)
    where.symlink_to(copy.spool.parent)
    assert Ctl("--root", tmp_path / "image").json("list") == copy.ctl.json("list")
    assert len(Ctl(f"--root={tmp_path}/image").lines("-F", "id")) == 3
    Ctl("--root", tmp_path)(exit=1)
    Ctl("--root", "x" * 1100)(exit=2)


# ---- who is asked ----

def test_no_daemon(tmp_path):
    port = listener.free_port()
    for host in (f"http://127.0.0.1:{port}", f"127.0.0.1:{port}", f"unix:{tmp_path}/no.sock"):
        assert "no daemon answers" in Ctl("-H", host)(exit=3).stderr
    Ctl()(exit=3, env={"HEAPWATCH_HOST": f"http://127.0.0.1:{port}"})
    Ctl("-H", "unix:relative")(exit=2)
    Ctl("-D", tmp_path)(exit=1)


def test_host_of_the_environment(scene):
    env = {"HEAPWATCH_HOST": f"http://127.0.0.1:{scene.daemon.port}"}
    assert len(Ctl()("list", "--no-legend", env=env).stdout.splitlines()) == 3


@pytest.fixture
def impostor():
    """A server that gives every request the same answer: (status, body)."""
    servers = []

    def serve(status, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            do_GET = do_POST = answer

            def log_message(self, *args):
                pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return Ctl("-H", f"http://127.0.0.1:{server.server_port}")
    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_refused_by_a_limit(impostor):
    refused = impostor(429, json.dumps({"status": "error", "errorType": "limit",
                                        "error": "no space left"}).encode())
    assert "no space left" in refused("vacuum", exit=4).stderr


def test_a_daemon_that_knows_only_one_of_two(impostor):
    """As after a restart before the second file of a profile was written."""
    only = impostor(200, json.dumps({"status": "success", "data": {
        "id": "a" * 32, "profile": "a" * 32, "kind": "sampling", "state": "succeeded"}}).encode())
    told = only("capture", "sampling", "app", "--format=heapprofile,pprof", "--wait", exit=1)
    assert told.stdout.split() == ["a" * 32]
    assert "knows only this one of the two that were to come" in told.stderr


def test_what_is_no_daemon(impostor):
    for status, body in ((200, b"<html>"), (200, b"{}"), (200, b'{"data":{"ready":[{"id":1}]}}'),
                         (500, b"oops"), (404, b"")):
        assert impostor(status, body)(exit=1).stderr.startswith("heapwatchctl: ")


# ---- terminals ----

def test_pager(scene):
    pager = {"SYSTEMD_PAGER": "sed s/^/paged:/"}
    exit, said = scene.http.on_terminal("list", env=pager)
    assert exit == 0 and said.startswith("paged:TIME") and said.count("paged:") == 4
    assert "paged" not in scene.http.on_terminal("list", "--no-pager", env=pager)[1]
    assert "paged" not in scene.http("list", env=pager).stdout, "not a terminal"
    assert scene.http.on_terminal("list", env={"PAGER": "sed s/^/p:/"})[1].startswith("p:")
    for none in ({"SYSTEMD_PAGER": ""}, {"PAGER": "cat"}, {"PAGER": "/no/such/pager"}):
        exit, said = scene.http.on_terminal("list", env=none)
        assert exit == 0 and "\nWed" in said or said.count(" snapshot ") == 3, said


def test_reader_that_has_seen_enough(scene):
    flags = " ".join(scene.http.flags)
    done = subprocess.run(f"set -o pipefail; {lab_ctl.binary()} {flags} list --json=pretty | head -1",
                          shell=True, executable="/bin/bash", capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "[\n" and done.stderr == ""


# ---- what comes with it ----

def completed(scene, *words):
    """What bash offers for the last word."""
    top = Path(__file__).resolve().parents[2]
    line = " ".join(f"'{word}'" for word in ("heapwatchctl", *words))
    script = (f"PATH={os.path.dirname(lab_ctl.binary())}:$PATH; "
              f"source {top}/docs/completion/heapwatchctl.bash; COMP_WORDS=({line}); "
              f"COMP_CWORD={len(words)}; _heapwatchctl; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_completion(scene):
    wanted = sorted(entry["id"] for entry in scene.entries)
    assert sorted(completed(scene, "-D", scene.spool, "info", "")) == wanted
    assert completed(scene, "-D", scene.spool, "list", "web") == ["web-1"]
    assert completed(scene, "ex") == ["export"]
    assert completed(scene, "--json", "p") == ["pretty"]
    assert completed(scene, "list", "--no-p") == ["--no-pager"]


def test_manual_and_help_know_every_flag():
    top = Path(__file__).resolve().parents[2]
    manual = (top / "docs/man/heapwatchctl.1").read_text()
    completion = (top / "docs/completion/heapwatchctl.bash").read_text()
    flags = set(re.findall(r"--([a-z-]+)", Ctl()("--help").stdout))
    assert len(flags) > 20
    for flag in flags:
        assert f"Fl -{flag}" in manual, flag
        assert f"--{flag}" in completion, flag
