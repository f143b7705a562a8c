"""A stand-in for a collector of OpenTelemetry: it takes metrics by OTLP/HTTP in JSON and is stricter
than a real one, which ignores what it does not know. What it accepts is written down in
https://opentelemetry.io/docs/specs/otlp/ and opentelemetry/proto/metrics/v1/metrics.proto."""

import gzip
import json
import math
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .wait import LIMIT_S, until

CUMULATIVE = 2
BODY_MAX = 20 << 20  # the limit that the specification recommends


class Bad(AssertionError):
    """What was sent is no ExportMetricsServiceRequest."""


def check(condition, where, what):
    if not condition:
        raise Bad(f"{where}: {what}")


def fields(value, where, needed, may=()):
    """An object with these members and no others."""
    check(isinstance(value, dict), where, f"an object, not {value!r}")
    unknown = value.keys() - set(needed) - set(may)
    check(not unknown, where, f"unknown fields {sorted(unknown)}")
    missing = set(needed) - value.keys()
    check(not missing, where, f"missing fields {sorted(missing)}")


def items(value, where):
    check(isinstance(value, list) and value, where, f"an array that is not empty, not {value!r}")
    return [(item, f"{where}[{i}]") for i, item in enumerate(value)]


def integer(value, where, low, high):
    """A 64-bit number is a text of decimal digits."""
    check(isinstance(value, str) and value.lstrip("-").isdigit() and str(int(value)) == value,
          where, f"a 64-bit number as a text, not {value!r}")
    check(low <= int(value) <= high, where, f"{value} is out of range")
    return int(value)


def unsigned(value, where):
    return integer(value, where, 0, 2**64 - 1)


def double(value, where):
    check(isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value),
          where, f"a number, not {value!r}")
    return float(value)


def text(value, where, empty=False):
    check(isinstance(value, str) and (value or empty), where, f"a text, not {value!r}")
    return value


def any_value(value, where):
    check(isinstance(value, dict) and len(value) == 1, where, f"one kind of value, not {value!r}")
    ((kind, inner),) = value.items()
    readers = {"stringValue": lambda: text(inner, where, empty=True),
               "intValue": lambda: integer(inner, where, -2**63, 2**63 - 1),
               "doubleValue": lambda: double(inner, where)}
    if kind == "boolValue":
        check(isinstance(inner, bool), where, f"a boolean, not {inner!r}")
        return inner
    check(kind in readers, where, f"a kind of value that is expected here, not {kind}")
    return readers[kind]()


def attributes(value, where):
    """{key: value}; a key stands once."""
    found = {}
    for item, at in items(value, where):
        fields(item, at, ("key", "value"))
        key = text(item["key"], f"{at}.key")
        check(key not in found, at, f"{key} is there twice")
        found[key] = any_value(item["value"], f"{at}.value")
    return found


class Point:
    """value is a number, or (count, sum, bucket counts, bounds) of a histogram."""

    def __init__(self, attributes_, start, time, value):
        self.attributes, self.start, self.time, self.value = attributes_, start, time, value


def times(point, where):
    time = unsigned(point["timeUnixNano"], f"{where}.timeUnixNano")
    check(time > 10**18, where, f"{time} is no time of this century in nanoseconds")
    start = point.get("startTimeUnixNano")
    if start is not None:
        start = unsigned(start, f"{where}.startTimeUnixNano")
        check(10**18 < start <= time, where, f"begins at {start}, after {time}")
    return start, time


def number_point(point, where, may_start):
    fields(point, where, ("timeUnixNano",),
           ("attributes", "asInt", "asDouble") + (("startTimeUnixNano",) if may_start else ()))
    start, time = times(point, where)
    check(("asInt" in point) != ("asDouble" in point), where, "asInt or asDouble, one of them")
    value = (integer(point["asInt"], f"{where}.asInt", -2**63, 2**63 - 1) if "asInt" in point
             else double(point["asDouble"], f"{where}.asDouble"))
    own = attributes(point["attributes"], f"{where}.attributes") if "attributes" in point else {}
    return Point(own, start, time, value)


def histogram_point(point, where):
    fields(point, where, ("timeUnixNano", "count", "sum", "bucketCounts", "explicitBounds"),
           ("attributes", "startTimeUnixNano"))
    start, time = times(point, where)
    counts = [unsigned(c, at) for c, at in items(point["bucketCounts"], f"{where}.bucketCounts")]
    bounds = [double(b, at) for b, at in items(point["explicitBounds"], f"{where}.explicitBounds")]
    count = unsigned(point["count"], f"{where}.count")
    check(len(counts) == len(bounds) + 1, where, "one bucket more than bounds")
    check(sum(counts) == count, where, f"{count} are not {counts}")
    check(all(a < b for a, b in zip(bounds, bounds[1:])), where, f"bounds do not ascend: {bounds}")
    own = attributes(point["attributes"], f"{where}.attributes") if "attributes" in point else {}
    return Point(own, start, time, (count, double(point["sum"], f"{where}.sum"), counts, bounds))


class Metric:
    def __init__(self, kind, unit, points):
        self.kind, self.unit, self.points = kind, unit, points


def metric(value, where):
    fields(value, where, ("name", "unit"), ("description", "gauge", "sum", "histogram"))
    name, unit = text(value["name"], f"{where}.name"), text(value["unit"], f"{where}.unit")
    check(len(name) < 256 and name[0].isalpha() and name.isascii(), where, f"the name {name!r}")
    text(value.get("description", "-"), f"{where}.description")
    kinds = value.keys() & {"gauge", "sum", "histogram"}
    check(len(kinds) == 1, where, f"one kind of data, not {sorted(kinds)}")
    (kind,) = kinds
    data, at = value[kind], f"{where}.{kind}"
    temporal = () if kind == "gauge" else ("aggregationTemporality",)
    fields(data, at, ("dataPoints",) + temporal + (("isMonotonic",) if kind == "sum" else ()))
    if temporal:
        check(type(data["aggregationTemporality"]) is int and
              data["aggregationTemporality"] == CUMULATIVE, at, "cumulative, as a number")
    if kind == "sum":
        check(isinstance(data["isMonotonic"], bool), at, "isMonotonic is a boolean")
        kind = "counter" if data["isMonotonic"] else "sum"
    points = [histogram_point(p, w) if kind == "histogram" else number_point(p, w, kind != "gauge")
              for p, w in items(data["dataPoints"], f"{at}.dataPoints")]
    told = [tuple(sorted(p.attributes.items())) for p in points]
    check(len(set(told)) == len(told), at, f"two points with the same attributes: {told}")
    return name, Metric(kind, unit, points)


class Resource:
    def __init__(self, attributes_, scope, metrics):
        self.attributes, self.scope, self.metrics = attributes_, scope, metrics

    @property
    def points_n(self):
        return sum(len(metric.points) for metric in self.metrics.values())

    def points(self, name, **wanted):
        """Those with at least these attributes; dots in their names are written as __."""
        wanted = {key.replace("__", "."): value for key, value in wanted.items()}
        return [p for p in self.metrics[name].points if wanted.items() <= p.attributes.items()] \
            if name in self.metrics else []

    def value(self, name, **wanted):
        found = self.points(name, **wanted)
        assert len(found) < 2, (name, wanted, [p.attributes for p in found])
        return found[0].value if found else None


def resource(value, where):
    fields(value, where, ("resource", "scopeMetrics"))
    fields(value["resource"], f"{where}.resource", ("attributes",))
    own = attributes(value["resource"]["attributes"], f"{where}.resource.attributes")
    check("service.name" in own, where, "service.name is required")
    ((scope, at),) = items(value["scopeMetrics"], f"{where}.scopeMetrics")
    fields(scope, at, ("scope", "metrics"))
    fields(scope["scope"], f"{at}.scope", ("name", "version"))
    name = (text(scope["scope"]["name"], at), text(scope["scope"]["version"], at))
    metrics = {}
    for item, spot in items(scope["metrics"], f"{at}.metrics"):
        key, found = metric(item, spot)
        check(key not in metrics, spot, f"{key} is there twice")
        metrics[key] = found
    return Resource(own, name, metrics)


def parse(body):
    """[Resource] of an ExportMetricsServiceRequest."""
    def once(pairs):
        check(len({key for key, _ in pairs}) == len(pairs), "JSON", f"a member twice: {pairs}")
        return dict(pairs)
    request = json.loads(body, object_pairs_hook=once)
    fields(request, "request", ("resourceMetrics",))
    return [resource(r, at) for r, at in items(request["resourceMetrics"], "resourceMetrics")]


class Collector:
    """Takes what is well-formed; `answer(resources)` says otherwise: (status, body, headers)."""

    def __init__(self, answer=None, path="/v1/metrics", context=None):
        self.requests = []  # [(headers, [Resource])] in the order they came
        self.sizes = []
        self.bad = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    resources = outer._read(self.path, self.headers, body)
                except Bad as bad:
                    outer.bad.append(str(bad))
                    return self._say(400, {"code": 3, "message": str(bad)}, {})
                outer.sizes.append(len(body))
                outer.requests.append((dict(self.headers), resources))
                return self._say(*(answer(resources) if answer else (200, {}, {})))

            def _say(self, status, body, headers):
                if status is None:  # hangs up
                    return self.connection.close()
                raw = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json",
                                    "Content-Length": str(len(raw)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                return self.wfile.write(raw)

            def log_message(self, *_):
                pass

        self._path = path
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.target = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _read(self, path, headers, body):
        check(path == self._path, "request", f"the path {path}")
        check(headers["Content-Type"] == "application/json", "request", headers["Content-Type"])
        check(headers.get("Content-Encoding") in (None, "gzip"), "request",
              headers.get("Content-Encoding"))
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        check(len(body) <= BODY_MAX, "request", f"{len(body)} bytes")
        return parse(body)

    def resources(self, since=0):
        """Of all requests, oldest first."""
        return [r for _, resources in self.requests[since:] for r in resources]

    def latest(self, target):
        """What was told of it last; None."""
        return next((r for r in reversed(self.resources())
                     if r.attributes.get("heapwatch.target") == target), None)

    def points(self, target, name):
        """Of that metric, as it was told of the target last; [] before it was."""
        told = self.latest(target)
        return told.points(name) if told else []

    def wait(self, condition, what, limit_s=LIMIT_S):
        """condition(self) is true; nothing that came was ill-formed."""
        value = until(lambda: condition(self),
                      lambda: f"{what}: {len(self.requests)} requests, refused: {self.bad}", limit_s)
        assert not self.bad, self.bad
        return value

    def wait_requests(self, n):
        self.wait(lambda c: len(c.requests) >= n, f"{n} requests")
        return self.requests[n - 1]

    def close(self):
        self._server.shutdown()
        self._server.server_close()
