"""/metrics in both formats, to the satisfaction of promtool, a strict parser and a real Prometheus."""

import gzip
import re
import socket
import statistics
import threading
import time
from pathlib import Path

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from lab import listener
from lab.prometheus import Prometheus, promtool
from lab.wait import until

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
# As Prometheus 2.42 asks.
PROMETHEUS_ACCEPT = ("application/openmetrics-text;version=1.0.0,"
                     "application/openmetrics-text;version=0.0.1;q=0.75,"
                     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")


@pytest.fixture
def daemon(watch, start_node):
    """One of every kind of target, and a capture behind it."""
    app = start_node(26, "workers", 1)
    daemon = watch(app=app.address, gone=f"127.0.0.1:{listener.free_port()}",
                   **{'odd "name" \\ {x}': start_node(20, "idle").address})
    daemon.wait_value("heapwatch_target_isolates", 2, target="app")
    daemon.wait_up('odd "name" \\ {x}')
    daemon.wait_state("gone", "down")
    daemon.capture("app")
    return daemon


def rows(families):
    """The samples as comparable values, without what differs by format only."""
    return {(s.name, tuple(sorted(s.labels.items()))) for f in families for s in f.samples
            if not s.name.endswith("_created")}


def test_promtool_has_no_complaint(daemon):
    status, said = promtool("check", "metrics", stdin=daemon.get("/metrics").body)
    assert (status, said) == (0, "")


def test_openmetrics_satisfies_the_strict_parser(daemon):
    answer = daemon.get("/metrics", {"Accept": OPENMETRICS})
    assert answer.headers["Content-Type"] == OPENMETRICS
    assert answer.text.endswith("# EOF\n")
    families = list(parse_openmetrics(answer.text))
    assert len(families) > 30
    assert all(f.documentation for f in families)
    assert {f.type for f in families} >= {"gauge", "counter", "histogram", "info"}


def test_both_formats_say_the_same(daemon):
    openmetrics = rows(parse_openmetrics(daemon.get("/metrics", {"Accept": OPENMETRICS}).text))
    text = rows(parse_text(daemon.get("/metrics").text))
    assert {n for n, _ in openmetrics ^ text} <= {"heapwatch_http_requests_total"}, openmetrics ^ text


@pytest.mark.parametrize("accept, kind", [
    (None, TEXT), ("*/*", TEXT), ("text/plain", TEXT), ("text/html", TEXT),
    (PROMETHEUS_ACCEPT, OPENMETRICS), (OPENMETRICS, OPENMETRICS),
    ("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.5", TEXT),
    ("application/openmetrics-text;version=9.9.9", TEXT),
])
def test_content_negotiation(start_daemon, accept, kind):
    daemon = start_daemon({})
    answer = daemon.get("/metrics", {"Accept": accept} if accept else {})
    assert answer.headers["Content-Type"] == kind


def test_compression_and_head(daemon):
    packed = daemon.get("/metrics", {"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert b"heapwatch_up" in gzip.decompress(packed.body)
    head = daemon.get("/metrics", method="HEAD")
    assert head.status == 200 and head.body == b""


def test_odd_names_survive(daemon):
    assert daemon.value("heapwatch_up", target='odd "name" \\ {x}') == 1
    page = daemon.get("/").text
    assert "odd &quot;name&quot; \\ {x}" in page or "odd &#34;name&#34; \\ {x}" in page


def test_exactly_one_state_per_target(daemon):
    for target in ("app", "gone", 'odd "name" \\ {x}'):
        states = daemon.values("heapwatch_target_state", target=target)
        assert sum(value for _, value in states) == 1 and len(states) >= 9


def test_the_daemon_tells_of_itself(daemon):
    assert daemon.value("process_resident_memory_bytes") > 1 << 20
    assert daemon.value("process_open_fds") > 5
    assert daemon.value("process_start_time_seconds") <= time.time()
    assert daemon.value("heapwatch_captures_total", target="app") == 1
    assert daemon.value("heapwatch_capture_size_bytes_count") == 1
    assert daemon.value("heapwatch_spool_size_bytes") >= daemon.ready()[0].stat().st_size
    (labels, value), = daemon.values("heapwatch_build_info")
    assert value == 1 and labels["version"]


def test_prometheus_scrapes_and_answers(daemon, nursery, tmp_path):
    prometheus = Prometheus(nursery, tmp_path / "prometheus", [
        {"job_name": "heapwatch", "static_configs": [{"targets": [f"127.0.0.1:{daemon.port}"]}]}])
    (_, up), = prometheus.wait_query('up{job="heapwatch"} == 1')
    assert up == 1
    found = prometheus.query('heapwatch_heap_used_bytes{target="app",isolate="main"}')
    assert len(found) == 1 and found[0][1] > 1 << 20
    down = prometheus.query('heapwatch_up == 0')
    assert [labels["target"] for labels, _ in down] == ["gone"]
    buckets = prometheus.query('heapwatch_capture_size_bytes_bucket{le="+Inf"}')
    assert [value for _, value in buckets] == [1]
    assert prometheus.get("targets")["activeTargets"][0]["lastError"] == ""
    metadata = prometheus.get("targets/metadata", metric="heapwatch_polls_total") or \
        prometheus.get("targets/metadata", metric="heapwatch_polls")
    assert metadata[0]["type"] == "counter" and metadata[0]["help"]


def test_prometheus_probes(daemon, nursery, tmp_path):
    prometheus = Prometheus(nursery, tmp_path / "prometheus", [{
        "job_name": "probe", "metrics_path": "/probe",
        "static_configs": [{"targets": ["app"]}],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": f"127.0.0.1:{daemon.port}"}]}])
    (labels, value), = prometheus.wait_query('heapwatch_heap_used_bytes{isolate="main"}')
    assert labels["instance"] == "app" and "target" not in labels and value > 1 << 20


def test_probe_polls_now(daemon):
    polls = daemon.value("heapwatch_polls_total", target="app")
    samples = daemon.samples("/probe?target=app")
    assert any(n == "heapwatch_up" and v == 1 for n, _, v in samples)
    assert not any("target" in labels for _, labels, _ in samples)
    assert daemon.value("heapwatch_polls_total", target="app") > polls
    status, said = promtool("check", "metrics", stdin=daemon.get("/probe?target=app").body)
    assert (status, said) == (0, "")


def test_probe_of_a_target_that_is_down(daemon):
    samples = daemon.samples("/probe?target=gone")
    assert [v for n, _, v in samples if n == "heapwatch_up"] == [0]


def test_probe_refuses_what_is_not_configured(daemon):
    assert daemon.get("/probe?target=127.0.0.1:22").status == 404
    assert daemon.get("/probe").status == 400


def test_healthy_and_ready(daemon):
    for path in ("/-/healthy", "/-/ready"):
        assert daemon.get(path).status == 200
        assert daemon.get(path, method="HEAD").status == 200


def test_unknown_paths_and_methods(daemon):
    assert daemon.get("/nothing").status == 404
    assert daemon.post("/metrics").status == 405


def test_status_page_is_plain_and_complete(daemon):
    answer = daemon.get("/")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src" in answer.headers["Content-Security-Policy"]
    for text in ("app", "gone", "refused", "/metrics", "node", "26."):
        assert text in answer.text, text
    assert "<script" not in answer.text


def test_metrics_stay_quick_while_many_ask(daemon):
    times = []

    def ask():
        for _ in range(25):
            began = time.monotonic()
            assert daemon.get("/metrics").status == 200
            times.append(time.monotonic() - began)
    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(times) == 100
    assert statistics.quantiles(times, n=100)[98] < 0.5


def test_a_slow_reader_holds_up_nobody(daemon):
    drippers = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(5)]
    for dripper in drippers:
        dripper.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    began = time.monotonic()
    until(lambda: daemon.get("/metrics").status == 200, "an answer beside drippers")
    assert time.monotonic() - began < 2
    for dripper in drippers:
        dripper.close()


# ---- what we ship for Prometheus ----

SHIPPED = Path(__file__).resolve().parents[2] / "conf/prometheus"


def test_shipped_prometheus_files_are_valid():
    assert promtool("check", "config", str(SHIPPED / "prometheus.yml"))[0] == 0
    assert promtool("check", "rules", str(SHIPPED / "heapwatchd.rules.yml"))[0] == 0


def test_shipped_rules_speak_of_metrics_that_exist():
    documented = (SHIPPED.parents[1] / "docs/METRICS.md").read_text()
    text = (SHIPPED / "heapwatchd.rules.yml").read_text()
    histograms = re.findall(r"`(heapwatch_[a-z_]+)` \| histogram", documented)
    known = set(re.findall(r"`(heapwatch_[a-z_]+)`", documented)) | {f"{h}_sum" for h in histograms}
    for rule in shipped_rules():  # what they record is of their own
        text = text.replace(rule.get("record", "\0"), "")
    spoken_of = set(re.findall(r"heapwatch_[a-z_]+", text))
    assert spoken_of
    assert spoken_of - known == set()


def shipped_rules():
    (group,) = yaml.safe_load((SHIPPED / "heapwatchd.rules.yml").read_text())["groups"]
    return group["rules"]


def test_shipped_rules_are_all_there():
    assert [r.get("alert") or r["record"] for r in shipped_rules()] == [
        "JSTargetDown", "JSHeapNearLimit", "JSHeapLeakSuspected", "JSContainerNearOOM",
        "HeapwatchPollStale", "HeapwatchSpoolNearFull", "HeapwatchConfigReloadFailed",
        "HeapwatchPasswordsWrong",
        "target:heapwatch_gc_pause:ratio_rate5m"]


def fires(at, name, severity, summary, isolate="main", **annotations):
    labels = {"severity": severity, "target": "app", "isolate": isolate}
    return {"eval_time": at, "alertname": name, "exp_alerts": [
        {"exp_labels": labels, "exp_annotations": {"summary": summary, **annotations}}]}


def test_shipped_rules_fire(tmp_path):
    """A heap whose live set is known, one where it is not, and a leak with and without a limit."""
    def series(name, values, isolate="main", **labels):
        text = ",".join(f'{k}="{v}"' for k, v in
                        {"target": "app", "isolate": isolate, **labels}.items())
        return {"series": f"heapwatch_{name}{{{text}}}", "values": values}
    description = next(r for r in shipped_rules() if r.get("alert") == "JSHeapLeakSuspected")[
        "annotations"]["description"]
    quiet = [{"eval_time": "30m", "alertname": r["alert"], "exp_alerts": []}
             for r in shipped_rules() if "alert" in r]
    tests = {
        "live": ([series("heap_live_bytes", "90x30"), series("heap_used_bytes", "95x30"),
                  series("heap_limit_bytes", "100x30")],
                 [{"eval_time": "1m", "alertname": "JSHeapNearLimit", "exp_alerts": []},
                  fires("3m", "JSHeapNearLimit", "page", "app/main uses 90% of its heap limit")]),
        "garbage": ([series("heap_live_bytes", "50x30"), series("heap_used_bytes", "95x30"),
                     series("heap_limit_bytes", "100x30")], quiet),
        "used": ([series("heap_used_bytes", "95x30"), series("heap_limit_bytes", "100x30")],
                 [fires("3m", "JSHeapNearLimit", "page", "app/main uses 95% of its heap limit")]),
        "leak": ([series("leak_suspected", "1x30"), series("heap_limit_eta_seconds", "7200x30")],
                 [{"eval_time": "14m", "alertname": "JSHeapLeakSuspected", "exp_alerts": []},
                  fires("16m", "JSHeapLeakSuspected", "ticket",
                        "app/main leaks; at its heap limit in 2h 0m 0s", description=description)]),
        "buffers": ([series("leak_suspected", "1x30"), series("heap_limit_eta_seconds", " ".join(["Inf"] * 31))],
                    [fires("16m", "JSHeapLeakSuspected", "ticket", "app/main leaks",
                           description=description)]),
        "none": ([series("leak_suspected", "0x30"), series("up", "1x30")], quiet)}
    wrong = "heapwatch_http_auth_failures_total{instance=\"host\"}"
    rule = next(r for r in shipped_rules() if r.get("alert") == "HeapwatchPasswordsWrong")
    tests["guessed"] = ([{"series": wrong, "values": "0x10 0+2x30"}], [
        {"eval_time": "10m", "alertname": rule["alert"], "exp_alerts": []},
        {"eval_time": "30m", "alertname": rule["alert"], "exp_alerts": [
            {"exp_labels": {"severity": "ticket", "instance": "host"}, "exp_annotations": {
                "summary": "heapwatchd on host was given 30 wrong passwords in 15 minutes",
                "description": rule["annotations"]["description"]}}]}])
    tests["mistyped"] = ([{"series": wrong, "values": "0x10 3x30"}],
                         [{"eval_time": "12m", "alertname": rule["alert"], "exp_alerts": []}])
    pauses = [series("gc_pause_seconds_sum", f"0+{n}x30", kind=kind)
              for kind, n in (("minor", 3), ("major", 12))]
    (tmp_path / "tests.yml").write_text(yaml.safe_dump({
        "rule_files": [str(SHIPPED / "heapwatchd.rules.yml")],
        "tests": [{"name": name, "interval": "1m", "input_series": given, "alert_rule_test": wanted}
                  for name, (given, wanted) in tests.items()] + [
            {"name": "pauses", "interval": "1m", "input_series": pauses, "promql_expr_test": [
                {"expr": "target:heapwatch_gc_pause:ratio_rate5m", "eval_time": "20m", "exp_samples": [
                    {"labels": 'target:heapwatch_gc_pause:ratio_rate5m{target="app"}',
                     "value": 0.25}]}]}]}))
    status, said = promtool("test", "rules", str(tmp_path / "tests.yml"))
    assert status == 0, said
