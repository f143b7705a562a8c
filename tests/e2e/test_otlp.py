"""Metrics pushed by OTLP, to a stand-in for a collector that refuses what is not in the schema: what
is told of real programs is what /metrics says of them, and what a receiver may do harms nobody."""

import json
import signal
import socket
import ssl
import threading
import time

import pytest

from lab import otlp
from lab.bun import Bun
from lab.daemon import POLL, static_config
from lab.deno import Deno
from lab.gc import BUSY
from lab.gate import Authority
from lab.listener import Listener, free_port
from lab.otlp import Bad, Collector
from lab.wait import until

# What is told of each isolate -> the family of /metrics.
SAME = {
    "heapwatch.heap.used": "heapwatch_heap_used_bytes",
    "heapwatch.heap.size": "heapwatch_heap_size_bytes",
    "heapwatch.heap.limit": "heapwatch_heap_limit_bytes",
    "heapwatch.memory.external": "heapwatch_external_memory_bytes",
    "heapwatch.memory.array_buffers": "heapwatch_array_buffers_bytes",
    "heapwatch.memory.malloced": "heapwatch_malloced_memory_bytes",
    "heapwatch.memory.embedder": "heapwatch_embedder_heap_used_bytes",
    "heapwatch.contexts.native": "heapwatch_native_contexts",
    "heapwatch.contexts.detached": "heapwatch_detached_contexts",
    "heapwatch.allocated": "heapwatch_allocated_bytes_total",
}
SPACES = {
    "v8js.memory.heap.used": "heapwatch_heap_space_used_bytes",
    "v8js.memory.heap.space.size": "heapwatch_heap_space_size_bytes",
    "v8js.memory.heap.space.available_size": "heapwatch_heap_space_available_bytes",
    "v8js.memory.heap.space.physical_size": "heapwatch_heap_space_physical_bytes",
}


@pytest.fixture
def collect():
    """collect(answer, ...) -> Collector"""
    made = []

    def make(*args, **options):
        made.append(Collector(*args, **options))
        return made[-1]
    yield make
    for one in made:
        one.close()


def pushing(targets, endpoint, poll=None, **section):
    return static_config(targets, poll=poll or POLL,
                         otlp={"endpoint": endpoint, "interval": "1s", "timeout": "1s", **section})


def at_rest(daemon, collector, target):
    """(Resource, samples of /metrics) of one poll: the programs under test go on meanwhile. The second
    that is pushed after it, for collections are told a moment after the poll that asks for them."""
    def both():
        last = [r for r in collector.resources()
                if r.attributes.get("heapwatch.target") == target][-2:]
        samples = daemon.samples()
        polled = {labels.get("target"): value for name, labels, value in samples
                  if name == "heapwatch_last_poll_timestamp_seconds"}
        times = [p.time / 1e9 for r in last for p in r.points("process.memory.usage")]
        same = len(times) == 2 and all(abs(at - polled[target]) < 0.0005 for at in times)
        return (last[1], samples) if same else None
    return collector.wait(lambda _: both(), f"one poll in both: {daemon.tail()}", 60)


def pick(samples, name, **labels):
    found = [value for n, have, value in samples if n == name and labels.items() <= have.items()]
    return found[0] if found else None


def same_heaps(told, samples, isolate):
    """Everything /metrics has of the isolate is told, with the same value, and nothing else."""
    seen = 0
    for name, family in SAME.items():
        expected = pick(samples, family, target="app", isolate=isolate)
        assert told.value(name, heapwatch__isolate=isolate) == expected, name
        seen += expected is not None
    return seen


# A poll each three seconds, so that an export and a scrape fall between two of them.
SLOW = {"interval": "3s", "timeout": "3s", "backoff_max": "1s"}


def test_node_is_told_in_the_words_of_the_conventions(major, start_node, start_daemon, collect):
    node, collector = start_node(major, "garbage", 8, 1000, flags=BUSY), collect()
    config = pushing({"app": node.address}, f"http://{collector.target}",
                     poll=dict(SLOW, gc_events="always"))
    daemon = start_daemon(config)
    daemon.wait_up("app")
    until(lambda: daemon.value("heapwatch_gc_pause_seconds_count", target="app", isolate="main",
                               kind="minor"),
          lambda: f"collections; its own count: {node.nudge(r'^gc minor (.*)')[1]}; told: "
                  f"{[s for s in daemon.samples() if s[0].startswith('heapwatch_gc')]}; "
                  f"log:\n{daemon.tail()}")
    told, samples = at_rest(daemon, collector, "app")
    assert told.scope[0] == "heapwatchd"
    own = told.attributes
    assert own["service.name"] == "app" and own["heapwatch.target"] == "app"
    assert own["service.instance.id"] == f"app@{socket.gethostname()}"
    assert own["process.pid"] == node.pid and own["process.runtime.name"] == "nodejs"
    assert own["process.runtime.version"] == node.version()
    assert own["process.runtime.description"].startswith("v8 ")
    assert same_heaps(told, samples, "main") >= 8
    for name, family in SPACES.items():
        spaces = {labels["space"]: value for n, labels, value in samples if n == family}
        assert len(spaces) >= 5
        told_spaces = {p.attributes["v8js.heap.space.name"]: p.value for p in told.points(name)}
        assert told_spaces == {f"{space}_space": value for space, value in spaces.items()}
        assert told.metrics[name].kind == "sum" and told.metrics[name].unit == "By"
    assert {"new_space", "old_space"} <= told_spaces.keys()
    same_collections(told, samples)
    same_process(told, samples, node.pid)
    assert told.value("heapwatch.up") == 1


def same_collections(told, samples):
    for point in told.points("v8js.gc.duration"):
        labels = {"target": "app", "isolate": "main", "kind": point.attributes["v8js.gc.type"]}
        count, seconds, counts, bounds = point.value
        family = "heapwatch_gc_pause_seconds"
        assert bounds == [0.01, 0.1, 1, 10]
        below = [pick(samples, family + "_bucket", le=le, **labels)
                 for le in ("0.01", "0.1", "1.0", "10.0")]
        assert [sum(counts[:i + 1]) for i in range(4)] == below
        # Collections are told as they come, not with the poll.
        assert count == pick(samples, family + "_count", **labels)
        assert seconds == pytest.approx(pick(samples, family + "_sum", **labels))
    assert told.points("v8js.gc.duration", v8js__gc__type="minor")
    assert told.points("heapwatch.gc.pause") == []
    assert told.metrics["v8js.gc.duration"].unit == "s"


def same_process(told, samples, pid):
    assert told.value("process.memory.usage") == pick(
        samples, "heapwatch_target_process_resident_memory_bytes", target="app")
    assert told.value("process.memory.virtual") == pick(
        samples, "heapwatch_target_process_virtual_memory_bytes", target="app")
    modes = {p.attributes["cpu.mode"]: p for p in told.points("process.cpu.time")}
    assert modes.keys() == {"user", "system"}
    assert told.metrics["process.cpu.time"].kind == "counter"
    assert sum(p.value for p in modes.values()) == pytest.approx(
        pick(samples, "heapwatch_target_process_cpu_seconds_total", target="app"))
    started = pick(samples, "heapwatch_target_process_start_time_seconds", target="app")
    assert modes["user"].start / 1e9 == pytest.approx(started, abs=2)
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        user = int(stat.read().rpartition(")")[2].split()[11]) / 100
    assert modes["user"].value <= user + 0.02


def test_deno_is_v8_too(nursery, start_daemon, collect, tmp_path):
    program, collector = Deno(nursery, tmp_path / "deno", "10"), collect()
    daemon = start_daemon(pushing({"app": program.address}, f"http://{collector.target}", poll=SLOW))
    daemon.wait_up("app")
    told, samples = at_rest(daemon, collector, "app")
    assert told.attributes["process.runtime.name"] == "deno"
    assert told.attributes["process.runtime.description"].startswith("v8 ")
    assert not [name for name in told.metrics if name.startswith("v8js.")]  # it tells no spaces
    assert same_heaps(told, samples, "main") >= 2


def test_bun_is_not_called_v8(nursery, start_daemon, collect):
    bun, collector = Bun(nursery, "20000"), collect()
    daemon = start_daemon(pushing({"app": bun.address}, f"http://{collector.target}",
                                  poll=dict(SLOW, gc_events="always")))
    daemon.wait_up("app")
    bun.grow()
    until(lambda: daemon.values("heapwatch_gc_span_seconds_count", target="app"),
          lambda: f"collections; {daemon.tail()}")
    collector.wait(lambda c: c.points("app", "heapwatch.gc.span"), "spans")
    told, samples = at_rest(daemon, collector, "app")
    assert told.attributes["process.runtime.name"] == "bun"
    assert told.attributes["process.runtime.version"] == bun.version()
    assert told.attributes["process.runtime.description"].startswith("jsc")
    assert not [name for name in told.metrics if name.startswith("v8js.")]
    assert same_heaps(told, samples, "main") >= 2
    assert {p.attributes["heapwatch.gc.type"] for p in told.points("heapwatch.gc.span")} <= {
        "minor", "major"}


def test_service_attributes_and_headers(start_node, start_daemon, collect, tmp_path):
    node, collector = start_node(24, "toggle", 1), collect(path="/otlp/v1/metrics?db=x")
    key = tmp_path / "key"
    key.write_text("s3cret\n")
    config = pushing({}, f"http://{collector.target}/otlp/v1/metrics?db=x",
                     headers=[{"name": "X-Scope-OrgID", "value": "team 7"},
                              {"name": "Api-Key", "value_file": "../key"}],
                     resource_attributes=[{"name": "deployment.environment.name", "value": "test"},
                                          {"name": "service.instance.id", "value": "ours"},
                                          {"name": "zone", "value": "everywhere"}])
    config["targets"] = [
        {"name": "a", "address": node.address, "labels": {"service": "shop", "job": "no",
                                                          "team": "till", "zone": "z1"}},
        {"name": "b", "address": f"127.0.0.1:{free_port()}", "labels": {"job": "batch"}}]
    daemon = start_daemon(config)
    daemon.wait_up("a")
    collector.wait(lambda c: c.points("a", "heapwatch.heap.used") and c.latest("b"), "values")
    a, b = collector.latest("a"), collector.latest("b")
    assert a.attributes["service.name"] == "shop" and b.attributes["service.name"] == "batch"
    assert a.attributes["deployment.environment.name"] == "test"
    assert a.attributes["service.instance.id"] == "ours"
    # Other labels are attributes too, unless the configuration says otherwise.
    assert (a.attributes["team"], a.attributes["zone"]) == ("till", "everywhere")
    assert not {"service", "job", "instance"} & a.attributes.keys()
    # Of what is down there is nothing to tell but that.
    assert list(b.metrics) == ["heapwatch.up"] and b.value("heapwatch.up") == 0
    assert "process.pid" not in b.attributes
    headers, _ = collector.requests[-1]
    assert headers["X-Scope-OrgID"] == "team 7" and headers["Api-Key"] == "s3cret"
    key.write_text("renewed\n")
    collector.wait(lambda c: c.requests[-1][0]["Api-Key"] == "renewed", "a key read anew")
    assert "s3cret" not in "\n".join(daemon.process.lines)


def test_bodies_are_packed(start_daemon, collect, app):
    """Also one that is sent again."""
    answers = [(503, {}, {"Retry-After": "1"})]
    collector = collect(answer=lambda _: answers.pop() if answers else (200, {}, {}))
    daemon = start_daemon(pushing({"app": app.address}, f"http://{collector.target}",
                                  compression="gzip"))
    collector.wait(lambda c: c.points("app", "heapwatch.heap.used") and len(c.requests) > 2, "values")
    assert all(headers["Content-Encoding"] == "gzip" for headers, _ in collector.requests)
    packed = max(collector.sizes)
    daemon.configure(pushing({"app": app.address}, f"http://{collector.target}"))
    daemon.process.signal(signal.SIGHUP)
    collector.wait(lambda c: "Content-Encoding" not in c.requests[-1][0] and
                   c.points("app", "heapwatch.heap.used"), "plain bodies")
    assert collector.sizes[-1] > 3 * packed


def test_restarted_programs_begin_their_sums_anew(start_node, start_daemon, collect):
    node, collector = start_node(24, "toggle", 1), collect()
    daemon = start_daemon(pushing({"app": node.address}, f"http://{collector.target}"))
    first = collector.wait(lambda c: c.points("app", "process.cpu.time"), "CPU time")[0]
    collector.wait_requests(len(collector.requests) + 2)
    assert {p.start for r in collector.resources() for p in r.points("process.cpu.time")} == {
        first.start}
    port = node.port
    node.process.stop()
    start_node(24, "toggle", 1, port=port)
    daemon.wait_value("heapwatch_target_restarts_total", 1, target="app")
    collector.wait(lambda c: any(p.start > first.start for p in c.points("app", "process.cpu.time")),
                   "a new start")


def test_many_targets_come_in_bodies_of_bounded_size(start_node, start_daemon, collect):
    """One Node by 100 names: more than a body holds, each told once in an export."""
    node, collector = start_node(24, "toggle", 1), collect()
    targets = {f"t{i}": node.address for i in range(100)}
    config = pushing(targets, f"http://{collector.target}", interval="3s", timeout="20s")
    config["poll"] = {"interval": "5s", "timeout": "5s", "backoff_max": "5s"}
    daemon = start_daemon(config)
    until(lambda: sum(v for _, v in daemon.values("heapwatch_up")) == 100,
          lambda: daemon.tail(), limit_s=60)
    mark = len(collector.requests)
    full = collector.wait(lambda c: [i for i in range(mark, len(c.requests))
                                     if c.requests[i][1][0].attributes["heapwatch.target"] == "t0" and
                                     c.requests[i][1][0].points("heapwatch.heap.used")], "a full one")
    collector.wait_requests(full[0] + 4)
    names = []
    for _, resources in collector.requests[full[0]:]:
        names += [r.attributes["heapwatch.target"] for r in resources]
    assert names[:100] == list(targets)
    assert max(collector.sizes) < 600 << 10
    assert all(len(r) < 100 for _, r in collector.requests[full[0]:])


# ---- receivers ----

def results(daemon):
    return {labels["result"]: value for labels, value in daemon.values("heapwatch_otlp_exports_total")}


def dropped(daemon, reason):
    return daemon.value("heapwatch_otlp_dropped_points_total", reason=reason)


@pytest.fixture
def app(start_node):
    return start_node(24, "toggle", 1)


def quick(app, endpoint, **section):
    return pushing({"app": app.address}, endpoint, **section)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_is_to_be_tried_again_is(start_daemon, collect, app, status):
    """The same body, until it is taken; an interval is long enough for that."""
    first = []

    def answer(resources):
        first.append(resources)
        return (status, {"message": "later"}, {}) if len(first) < 3 else (200, {}, {})
    collector = collect(answer)
    daemon = start_daemon(quick(app, f"http://{collector.target}", interval="10s"))
    collector.wait_requests(3)
    daemon.wait_value("heapwatch_otlp_exports_total", 1, result="success")
    assert results(daemon) == {"success": 1, "failed": 2, "partial": 0, "refused": 0}
    ups = [r.points("heapwatch.up")[0].time for r in collector.resources()[:3]]
    assert len(set(ups)) == 1
    daemon.process.wait_line(f"takes no metrics: status {status}.*tried again")
    daemon.process.wait_line("takes metrics again")
    assert dropped(daemon, "late") == 0


@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
def test_retry_after_is_honoured(start_daemon, collect, app, as_date):
    came = []

    def answer(_):
        came.append(time.monotonic())
        if len(came) > 1:
            return 200, {}, {}
        later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 4)) \
            if as_date else "4"
        return 503, {}, {"Retry-After": later}
    collector = collect(answer)
    daemon = start_daemon(quick(app, f"http://{collector.target}"))
    collector.wait_requests(2)
    assert came[1] - came[0] > 2.9
    # The intervals that came meanwhile have newer values, and one of them is told.
    assert dropped(daemon, "late") > 0
    daemon.wait_value("heapwatch_otlp_last_success_timestamp_seconds",
                      lambda v: abs(v - time.time()) < 10)


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500, 301])
def test_what_is_refused_is_not_tried_again(start_daemon, collect, app, status):
    collector = collect(lambda _: (status, {"message": "no"}, {"Location": "http://127.0.0.1:1/"}))
    daemon = start_daemon(quick(app, f"http://{collector.target}"))
    collector.wait_requests(3)
    ups = [r.points("heapwatch.up")[0].time for r in collector.resources()]
    assert len(set(ups)) == len(ups)  # each a new one
    daemon.wait_value("heapwatch_otlp_exports_total", lambda n: n >= 3, result="refused")
    assert results(daemon)["failed"] == 0 and dropped(daemon, "refused") > 0
    assert daemon.process.count_lines(f"status {status}") == 1
    assert daemon.state("app") == "up"


def test_partial_success_is_counted_and_told_once(start_daemon, collect, app):
    collector = collect(lambda _: (200, {"partialSuccess": {
        "rejectedDataPoints": "3", "errorMessage": "too many of them"}}, {}))
    daemon = start_daemon(quick(app, f"http://{collector.target}"))
    collector.wait_requests(3)
    daemon.wait_value("heapwatch_otlp_exports_total", lambda n: n >= 3, result="partial")
    # The first export may have fewer than three points.
    samples = daemon.samples()
    exports = pick(samples, "heapwatch_otlp_exports_total", result="partial")
    points = [sum(r.points_n for r in resources)
              for _, resources in collector.requests[:int(exports)]]
    rejected = [min(3, n) for n in points]
    assert pick(samples, "heapwatch_otlp_dropped_points_total", reason="rejected") == sum(rejected)
    assert pick(samples, "heapwatch_otlp_sent_points_total") == sum(points) - sum(rejected) > 0
    daemon.process.wait_line(f"does not take {rejected[0]} of {points[0]} points: too many of them")
    assert daemon.process.count_lines("does not take [0-9]+ of") == 1


@pytest.mark.parametrize("hostile", ["hangs", "drips", "hangs up", "is not there", "speaks no HTTP"])
def test_a_hostile_receiver_harms_nobody(start_daemon, collect, app, hostile):
    released = threading.Event()

    def drip(connection):
        connection.recv(65536)
        while not released.wait(0.1):
            connection.sendall(b"H")

    def babble(connection):
        connection.sendall(b"220 mail.example.org\r\n")
    serve = {"drips": drip, "hangs": lambda c: released.wait(60), "hangs up": lambda c: c.close(),
             "speaks no HTTP": babble}.get(hostile)
    bad = Listener(serve) if serve else None
    port = bad.port if bad else free_port()
    daemon = start_daemon(quick(app, f"http://127.0.0.1:{port}", timeout="500ms"))
    daemon.wait_value("heapwatch_otlp_exports_total", lambda n: n >= 2, result="failed")
    daemon.wait_up("app")
    before = daemon.value("heapwatch_polls_total", target="app")
    daemon.wait_value("heapwatch_polls_total", lambda n: n >= before + 4, target="app")
    assert daemon.value("heapwatch_event_loop_lag_seconds") < 1
    assert daemon.get("/-/healthy").status == 200
    assert daemon.process.count_lines("takes no metrics") == 1
    daemon.process.signal(signal.SIGTERM)
    assert daemon.process.wait_exit() == 0
    released.set()
    if bad:
        bad.close()


def test_it_comes_back(start_daemon, app, collect):
    port = free_port()
    daemon = start_daemon(quick(app, f"http://127.0.0.1:{port}"))
    daemon.process.wait_line("takes no metrics")
    assert daemon.value("heapwatch_otlp_last_success_timestamp_seconds") is None
    heard = []

    def take(connection):
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(65536)
            assert data, head
            head += data
        heard.append(head)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        connection.close()
    server = socket.create_server(("127.0.0.1", port))
    server.settimeout(20)
    take(server.accept()[0])
    server.close()
    assert heard[0].startswith(b"POST /v1/metrics HTTP/1.1\r\n")
    daemon.process.wait_line("takes metrics again")


@pytest.mark.parametrize("good", [True, False], ids=["let in", "kept out"])
def test_tls_with_certificates_of_both(start_daemon, tmp_path, app, collect, good):
    authority, other = Authority(tmp_path / "ca", "ours"), Authority(tmp_path / "other", "theirs")
    certificate, key = authority.issue("server", "DNS:collector.example,IP:127.0.0.1")
    mine, my_key = (authority if good else other).issue("client", "DNS:heapwatch.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(str(authority.ca))
    context.verify_mode = ssl.CERT_REQUIRED
    token = tmp_path / "token"
    token.write_text("let-me-in\n")
    collector = collect(context=context)
    daemon = start_daemon(quick(
        app, f"https://{collector.target}", authorization={"credentials_file": str(token)},
        tls_config={"ca_file": str(authority.ca), "server_name": "collector.example",
                    "cert_file": str(mine), "key_file": str(my_key)}))
    if good:
        headers, _ = collector.wait_requests(1)
        assert headers["Authorization"] == "Bearer let-me-in"
        return
    daemon.wait_value("heapwatch_otlp_exports_total", lambda n: n >= 1, result="failed")
    assert collector.requests == []


# ---- configuration ----

def test_reload_is_all_or_nothing(start_daemon, collect, app):
    first, second = collect(), collect()
    good = quick(app, f"http://{first.target}")
    daemon = start_daemon(good)
    first.wait_requests(1)
    daemon.configure(dict(good, otlp={"endpoint": f"http://{second.target}", "interval": "0s"}))
    daemon.process.signal(signal.SIGHUP)
    daemon.process.wait_line(r"otlp\.interval")
    daemon.process.wait_line("reload refused")
    first.wait_requests(len(first.requests) + 1)
    assert second.requests == []
    daemon.configure(quick(app, f"http://{second.target}"))
    daemon.process.signal(signal.SIGHUP)
    second.wait_requests(2)
    n = len(first.requests)
    daemon.configure(static_config({"app": app.address}))
    daemon.process.signal(signal.SIGHUP)
    until(lambda: daemon.values("heapwatch_otlp_exports_total") == [], "nothing pushed any more")
    before = daemon.value("heapwatch_polls_total", target="app")
    daemon.wait_value("heapwatch_polls_total", lambda v: v >= before + 1, target="app")
    m = len(second.requests)  # with one that was under way
    daemon.wait_value("heapwatch_polls_total", lambda v: v >= before + 5, target="app")
    assert (len(first.requests), len(second.requests)) == (n, m)


SECRET = {"name": "k", "value_file": "key"}


@pytest.mark.parametrize("section, complaint", [
    ({"endpoint": "collector:4318"}, r"otlp\.endpoint: not a URL"),
    ({"endpoint": "http://u:p@127.0.0.1/"}, "a URL with a user or password is refused"),
    ({"endpoint": "http://10.0.0.1:4318", "headers": [SECRET]}, "secret header would be sent in clear"),
    ({"endpoint": "http://10.0.0.1", "authorization": {"credentials_file": "t"}},
     "token would be sent in clear"),
    ({"endpoint": "http://127.0.0.1", "tls_config": {"ca_file": "x"}}, "is not https"),
    ({"headers": [{"name": "k"}]}, "value or value_file, one of them"),
    ({"headers": [{"name": "k", "value": "a", "value_file": "b"}]}, "value or value_file, one"),
    ({"headers": [{"name": "k k", "value": "a"}]}, "no name of a header"),
    ({"headers": [{"name": "content-type", "value": "a"}]}, "not for you to set"),
    ({"headers": [{"name": "k", "value": "a\nb"}]}, "not a text"),
    ({"headers": [{"name": "k", "value": "a"}, {"name": "K", "value": "b"}]}, "K is named twice"),
    ({"headers": [{"name": "Authorization", "value": "a"}],
      "basic_auth": {"username": "u", "password_file": "p"}}, "say that already"),
    ({"headers": [{"name": f"k{i}", "value": "a"} for i in range(17)]}, "17 are too many"),
    ({"resource_attributes": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]}, "a is named twice"),
    ({"resource_attributes": [{"name": "", "value": "1"}]}, "not a text"),
    ({"interval": "10ms"}, r"otlp\.interval"),
], ids=lambda value: value[:24] if isinstance(value, str) else "")
def test_mistakes_are_named(start_daemon, section, complaint):
    config = dict(static_config({}), otlp={"endpoint": "https://127.0.0.1:1", **section})
    checked = start_daemon(config, flags=["--check"], wait=False)
    assert checked.process.wait_exit() == 1
    checked.process.wait_line(complaint)


# ---- the stand-in ----

def request():
    point = {"attributes": [{"key": "a", "value": {"stringValue": "b"}}], "timeUnixNano":
             "1700000000000000000", "startTimeUnixNano": "1600000000000000000", "asInt": "5"}
    total = {"name": "m", "unit": "By", "sum": {"aggregationTemporality": 2, "isMonotonic": False,
                                                "dataPoints": [point]}}
    return {"resourceMetrics": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "x"}}]},
        "scopeMetrics": [{"scope": {"name": "s", "version": "1"}, "metrics": [total]}]}]}


def test_the_stand_in_takes_what_is_right():
    (resource,) = otlp.parse(json.dumps(request()))
    assert resource.value("m", a="b") == 5


@pytest.mark.parametrize("path, value", [
    ("", {"resource_metrics": []}),
    ("resource", {"attributes": [], "x": 1}),
    ("resource.attributes", {"service.name": "x"}),
    ("resource.attributes.0.value", {"stringValue": 5}),
    ("resource.attributes.0.value", {"intValue": 5}),
    ("resource.attributes.0.value", {"kvlistValue": {}}),
    ("metric.sum.aggregationTemporality", "AGGREGATION_TEMPORALITY_CUMULATIVE"),
    ("metric.sum.aggregationTemporality", 1),
    ("metric.sum.isMonotonic", "false"),
    ("metric.sum.dataPoints", []),
    ("metric.gauge", {"dataPoints": []}),
    ("point.asInt", 5),
    ("point.asInt", "05"),
    ("point.asInt", "9223372036854775808"),
    ("point.asDouble", 5.0),
    ("point.timeUnixNano", 1700000000000000000),
    ("point.timeUnixNano", "1700000000000"),
    ("point.startTimeUnixNano", "1800000000000000000"),
    ("point.time_unix_nano", "1700000000000000000"),
])
def test_the_stand_in_refuses_what_is_wrong(path, value):
    bad = request()
    places = {"resource": "resourceMetrics.0.resource", "metric": "resourceMetrics.0.scopeMetrics.0.metrics.0",
              "point": "resourceMetrics.0.scopeMetrics.0.metrics.0.sum.dataPoints.0"}
    head, _, rest = path.partition(".")
    *way, last = (places.get(head, head) + (f".{rest}" if rest else "")).split(".")
    at = bad
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    if last:
        at[last] = value
    else:
        bad = value
    with pytest.raises(Bad):
        otlp.parse(json.dumps(bad))
