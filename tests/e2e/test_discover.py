"""heapwatchctl discover: what it finds of real runtimes, what it warns about, what it leaves alone;
and heapwatchd watches what it printed. Other programs of this machine may be found as well."""

import json
import os
import re
import signal
import subprocess

import pytest
import yaml

from lab import bun, firefox, node, webkit, workerd
from lab.chromium import Chromium
from lab.ctl import Ctl, binary
from lab.daemon import PLAIN, POLL
from lab.deno import Deno
from lab.wait import until

RUNTIME, NAME = "__heapwatch_runtime", "__heapwatch_name"
VERSION, PID = "__meta_heapwatch_version", "__meta_heapwatch_pid"


class Found:
    """What a run printed: groups by pid, the text of each as it stands there, and stderr."""

    def __init__(self, done):
        self.said = done.stderr
        self.text = dict(zip([g["labels"][PID] for g in yaml.safe_load(done.stdout)],
                             re.split(r"(?m)^(?=- )", done.stdout)[1:]))
        self.groups = {g["labels"][PID]: g for g in yaml.safe_load(done.stdout)}

    def of(self, program):
        """(target, runtime) of a program; None when it is not there."""
        group = self.groups.get(str(program.pid))
        return group and (group["targets"][0], group["labels"][RUNTIME])

    def about(self, program):
        """The lines on stderr that name its pid."""
        return [line for line in self.said.splitlines() if f"pid {program.pid})" in line]


def discover(*flags, **options):
    return Found(Ctl()("discover", *flags, **options))


def discover_both(programs):
    """What it finds, and the same as JSON, while no namesake of these programs comes or goes: their
    names have a port then, and other tests start programs too."""
    def of(found):
        return [found.groups.get(str(program.pid)) for program in programs]

    def steady():
        found = discover()
        as_json = json.loads(Ctl()("discover", "--json=short").stdout)
        return of(found) == of(discover()) and (found, as_json)
    return until(steady, "two runs that find the same", 60)


def exposed_node(nursery, host="0.0.0.0", shown=r"0\.0\.0\.0"):
    process = nursery.start([node.binary(22), f"--inspect={host}:0", node.PROGRAMS / "idle.js"],
                            env=node.environment())
    port = process.wait_line(rf"^Debugger listening on ws://{shown}:(\d+)/")[1]
    process.wait_line("^ready")
    return process, int(port)


def test_what_it_prints_is_watched(nursery, start_node, start_daemon, tmp_path):
    local = start_node(24, "idle")
    exposed, port = exposed_node(nursery)
    deno = Deno(nursery, tmp_path / "deno")
    worker = workerd.Workerd(nursery, tmp_path / "workerd")
    known = bun.Bun(nursery)
    browser = Chromium(nursery, tmp_path / "profile", "data:text/html,<title>shop</title>")
    ours = [local, exposed, deno, worker, known, browser]

    found, as_json = discover_both(ours)
    assert [found.of(program) for program in ours] == [
        (local.address, "node"), (f"127.0.0.1:{port}", "node"), (deno.address, "deno"),
        (worker.address, "workerd"), (known.address, "bun"), (browser.address, "chromium")]
    labels = [found.groups[str(program.pid)]["labels"] for program in ours]
    assert labels[0][VERSION] == local.version() and labels[4][VERSION] == known.version()
    assert re.match(r"idle\b", labels[0][NAME]) and re.match(r"workerd\b", labels[3][NAME])
    assert all(re.fullmatch(r"\d+\..+", label[VERSION]) for label in (labels[2], labels[5]))

    # Who is bound beyond loopback, and what to do; nobody else.
    assert [bool(found.about(program)) for program in ours] == [False, True] + [False] * 4
    [warning] = found.about(exposed)
    assert f"0.0.0.0:{port}" in warning and "--inspect=127.0.0.1:PORT" in warning

    # The same as JSON.
    assert [g for g in as_json if g["labels"][PID] in {str(p.pid) for p in ours}] == \
        sorted((found.groups[str(p.pid)] for p in ours), key=as_json.index)

    # As it was printed, less what is not this test's.
    file = tmp_path / "local.yaml"
    file.write_text("".join(found.text[str(program.pid)] for program in ours))
    daemon = start_daemon({"poll": POLL, "capture": PLAIN,
                           "file_sd_configs": [{"files": [str(file)]}]})
    for label in labels:
        daemon.wait_up(label[NAME])
    assert {t["pid"] for t in map(daemon.target, (label[NAME] for label in labels))} == \
        {program.pid for program in ours}


@pytest.mark.parametrize("host, shown, target", [
    ("[::]", r"\[::\]", "[::1]"), ("[::1]", r"\[::1\]", "[::1]")], ids=["all", "loopback"])
def test_ipv6(nursery, host, shown, target):
    process, port = exposed_node(nursery, host, shown)
    found = discover()
    assert found.of(process) == (f"{target}:{port}", "node")
    assert [f"[::]:{port}" in line for line in found.about(process)] == [True] * (host == "[::]")


EVERYWHERE = {
    "deno": (lambda nursery, home: Deno(nursery, home, host="0.0.0.0"), "--inspect=127.0.0.1:PORT"),
    "bun": (lambda nursery, home: bun.Bun(nursery, host="0.0.0.0"), "--inspect=127.0.0.1:PORT"),
    "workerd": (lambda nursery, home: workerd.Workerd(nursery, home, host="0.0.0.0"),
                "--inspector-addr=127.0.0.1:PORT"),
    "webkit": (lambda nursery, home: webkit.Browser(nursery, home, webkit.WPE, host="0.0.0.0"),
               "WEBKIT_INSPECTOR_HTTP_SERVER=127.0.0.1:PORT"),
    "firefox": (lambda nursery, home: firefox.Firefox(
        nursery, home, prefs={"devtools.debugger.force-local": False}),
        "--start-debugger-server PORT and devtools.debugger.force-local true, or a path instead of "
        "the port"),
}


@pytest.mark.parametrize("runtime", EVERYWHERE)
def test_others_beyond_loopback(nursery, tmp_path, runtime):
    """Warned of as Node is, and asked over loopback."""
    start, remedy = EVERYWHERE[runtime]
    program = start(nursery, tmp_path / "program")
    found = discover()
    assert found.of(program) == (program.address, runtime)
    [warning] = found.about(program)
    assert f"is bound to 0.0.0.0:{program.port}:" in warning
    assert f"start it with {remedy}," in warning


PROXIES = {
    "wrangler": (workerd.Wrangler, "wrangler's --inspector-ip=127.0.0.1"),
    "miniflare": (lambda nursery, _, host: workerd.Miniflare(nursery, host=host),
                  "inspectorHost: '127.0.0.1' among miniflare's options"),
}


@pytest.mark.parametrize("proxy", PROXIES)
def test_the_proxies_of_workerd_beyond_loopback(nursery, tmp_path, proxy):
    """Each is told to stay on loopback in a way of its own, which works."""
    start, remedy = PROXIES[proxy]

    def warnings(program):
        return [line for line in discover().said.splitlines() if f":{program.port}: whoever" in line]
    [warning] = warnings(start(nursery, tmp_path / "exposed", host="0.0.0.0"))
    assert "is bound to 0.0.0.0:" in warning and f"start it with {remedy}," in warning
    assert warnings(start(nursery, tmp_path / "local", host="127.0.0.1")) == []


def test_firefox_and_webkit_say_what_they_are(nursery, tmp_path):
    by_port = firefox.Firefox(nursery, tmp_path / "port")
    by_path = firefox.Firefox(nursery, tmp_path / "path", unix=True)
    wpe = webkit.Browser(nursery, tmp_path / "wpe", webkit.WPE)
    found = discover()
    assert found.of(by_port) == (by_port.address, "firefox")
    assert found.of(by_path) == (by_path.address, "firefox")
    assert found.of(wpe) == (wpe.address, "webkit")
    assert wpe.site.run("'alive'") == "alive"


def test_the_secret_path_of_bun_is_missing(nursery, start_node):
    start_node(24, "idle")  # one at least is found
    process = nursery.start([bun.binary(), "--inspect=127.0.0.1:0", node.PROGRAMS / "bun.js"],
                            env=node.environment())
    port = process.wait_line(r"ws://127\.0\.0\.1:(\d+)/")[1]
    process.wait_line("^ready")
    found = discover()
    assert found.of(process) is None
    [line] = found.about(process)
    assert f"--inspect=127.0.0.1:{port}/PATH" in line
    assert discover("--quiet").about(process) == []


def test_the_path_of_bun_from_its_environment(nursery):
    process = nursery.start([bun.binary(), node.PROGRAMS / "bun.js"], env=dict(
        node.environment(), BUN_INSPECT="ws://127.0.0.1:0/from-environment"))
    process.wait_line("^ready")
    target, runtime = until(lambda: discover().of(process), "Bun")
    assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/from-environment", target) and runtime == "bun"


def test_bun_on_a_unix_socket(nursery, watch, tmp_path):
    """Any path will do there, and none is in what is printed."""
    program = bun.Bun(nursery, unix=tmp_path / "bun.sock")
    found = discover()
    assert found.of(program) == (program.address, "bun")
    assert found.about(program) == []
    [target] = found.groups[str(program.pid)]["targets"]
    watch(app=target).wait_up("app")


SERVER = """require('http').createServer((request, answer) => {
  console.log('asked', request.method, request.url, request.headers.upgrade);
  answer.end('hello');
}).listen(0, '127.0.0.1', () => console.log('ready'));"""


def test_a_server_is_asked_once_and_is_no_inspector(nursery, start_node):
    start_node(24, "idle")  # one at least is found
    process = nursery.start([node.binary(24), "-e", SERVER], env=node.environment())
    process.wait_line("^ready")
    mark = process.mark()
    assert discover().of(process) is None
    process.wait_line("^asked GET /json/version undefined$", since=mark)


def test_one_that_does_not_answer_holds_nobody_up(start_node):
    stopped, other = start_node(24, "idle"), start_node(24, "idle")
    stopped.process.signal(signal.SIGSTOP)
    until(lambda: stopped.process.state() == "T", "a stopped process")
    found = discover()
    assert found.of(stopped) is None and found.of(other)
    [line] = found.about(stopped)
    assert f"127.0.0.1:{stopped.port} has not answered within 5s" in line
    assert found.about(other) == []


def _session(pid):
    try:
        return os.getsid(pid)
    except ProcessLookupError:  # of another test, gone since
        return None


def test_the_workerd_below_wrangler_is_left_to_it(nursery, tmp_path):
    wrangler = workerd.Wrangler(nursery, tmp_path / "wrangler")
    found = discover()
    assert [g["targets"][0] for g in found.groups.values()
            if _session(int(g["labels"][PID])) == wrangler.pid] == [wrangler.address]
    assert re.search(r"\d+ workerd are left to the program that runs them", found.said)
    wrangler.grow(10)


def test_the_proxy_of_miniflare_is_found(nursery, tmp_path):
    """Its workerd is left to it; the proxy is in the Node that runs it."""
    program = workerd.Miniflare(nursery)
    found = discover()
    assert found.of(program) == (program.address, "workerd")
    group = found.groups[str(program.pid)]
    assert group["labels"][NAME].startswith("miniflare") and group["labels"][VERSION] == program.version()
    assert [g["targets"][0] for g in found.groups.values()
            if _session(int(g["labels"][PID])) == program.pid] == [program.address]
    assert re.search(r"\d+ workerd are left to the program that runs them", found.said)


def test_an_unprivileged_user_finds_their_own(nursery, start_node):
    assert os.geteuid() == 0, "only root can be another user"
    them = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    ours = start_node(24, "idle")
    theirs = nursery.start([*them, node.binary(24), "--inspect=127.0.0.1:0", "-e",
                            "setInterval(() => {}, 1000); console.log('ready')"],
                           env=node.environment(), cwd="/")
    theirs.wait_line("^ready")
    done = subprocess.run([*them, binary(), "discover"], capture_output=True, text=True, cwd="/",
                          timeout=60)
    assert done.returncode == 0, done.stderr
    found = Found(done)
    assert found.of(theirs) and found.of(ours) is None
    assert int(re.search(r"(\d+) processes of other users could not be looked at",
                         found.said)[1]) >= 1


def test_nothing_to_find_from_another_network_namespace(start_node):
    start_node(24, "idle")
    def run(*flags):
        return subprocess.run(["unshare", "--net", binary(), "discover", *flags],
                              capture_output=True, text=True, timeout=60)
    done = run()
    assert (done.returncode, done.stdout) == (1, "[]\n"), done.stderr
    assert re.search(r"\d+ processes are in other network namespaces", done.stderr)
    assert "no inspector was found" in done.stderr
    done = run("--quiet", "--json=short")
    assert (done.returncode, done.stdout, done.stderr) == (1, "[]\n", "")


def test_usage():
    assert "is too much" in Ctl()("discover", "app", exit=2).stderr
