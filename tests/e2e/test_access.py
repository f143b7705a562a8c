"""Who is let in and where the daemon goes: TLS with certificates of both sides, a token, and
targets outside of allowed_targets."""

import json
import re
import signal
import ssl

import pytest

from lab import listener, readers
from lab.daemon import PLAIN, POLL, program
from lab.gate import SERVER_NAME, Authority, Gate
from lab.wait import until

TOKEN = "s3cret.token-of~the_test"
COUNT = 4321
VERSIONS = {"tls12": ssl.TLSVersion.TLSv1_2, "tls13": ssl.TLSVersion.TLSv1_3}


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "pki", "ours")


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return path


@pytest.fixture
def open_gate(authority):
    """open_gate(port, ...) -> Gate that demands the token."""
    gates = []

    def start(port, **options):
        gates.append(Gate(port, authority, **{"token": TOKEN, **options}))
        return gates[-1]
    yield start
    for gate in gates:
        gate.close()


@pytest.fixture
def entry(authority, token_file):
    """entry(address) -> a target with all that is needed to be let in."""
    certificate, key = authority.issue("client")

    def make(address, **tls):
        config = {"ca_file": str(authority.ca), "cert_file": str(certificate),
                  "key_file": str(key), **tls}
        return {"name": "app", "address": address,
                "tls_config": {k: v for k, v in config.items() if v is not None},
                "authorization": {"credentials_file": str(token_file)}}
    return make


def config_of(*targets, **sections):
    return {"poll": dict(POLL), "capture": dict(PLAIN), "targets": list(targets), **sections}


def reason(daemon):
    """Why the target is in its state, once it is invalid."""
    return daemon.wait_state("app", "invalid")["lastError"]


@pytest.mark.parametrize("version", VERSIONS)
def test_polls_and_captures_through_the_gate(start_node, start_daemon, open_gate, entry, version):
    node = start_node(24, "heap", COUNT, 5)
    gate = open_gate(node.port, version=VERSIONS[version])
    daemon = start_daemon(config_of(entry(gate.address)))
    daemon.wait_up("app")
    daemon.wait_value("heapwatch_heap_used_bytes", lambda v: v > 0, target="app", isolate="main")
    snapshot = daemon.capture("app")
    assert readers.parse(snapshot, "KnownThing")[2] == COUNT
    daemon.wait_up("app")
    # Lists, polls and the capture alike.
    assert len(gate.heads) >= 4
    assert all(f"Authorization: Bearer {TOKEN}" in head for head in gate.heads)
    assert sum("Upgrade: websocket" in head for head in gate.heads) >= 2
    assert all(f"Host: 127.0.0.1:{gate.port}" in head for head in gate.heads)
    said = "\n".join(daemon.process.lines) + daemon.get("/metrics").text
    said += json.dumps(daemon.api("/targets")) + daemon.get("/").text
    assert TOKEN not in said
    assert not [path for path in daemon.storage.rglob("*")
                if path.is_file() and TOKEN.encode() in path.read_bytes()]


def test_a_name_in_the_certificate(start_node, start_daemon, open_gate, entry):
    """It is checked, and never resolved: inspector.example does not exist."""
    node = start_node(24, "heap", 1, 1)
    gate = open_gate(node.port, alternatives=f"DNS:{SERVER_NAME}")
    daemon = start_daemon(config_of(entry(gate.address)))
    assert "127.0.0.1" in reason(daemon)
    daemon.configure(config_of(entry(gate.address, server_name=SERVER_NAME)))
    daemon.process.signal(signal.SIGHUP)
    daemon.wait_up("app")
    daemon.capture("app")


def test_a_server_of_another_authority(start_node, start_daemon, open_gate, entry, tmp_path):
    node = start_node(24, "heap", 1, 1)
    gate = open_gate(node.port)
    other = Authority(tmp_path / "pki", "other")
    daemon = start_daemon(config_of(entry(gate.address, ca_file=str(other.ca))))
    assert "certificate" in reason(daemon)
    assert gate.heads == [], "nothing is said to a server that is not trusted"
    daemon.configure(config_of(entry(gate.address, ca_file=None, insecure_skip_verify=True)))
    daemon.process.signal(signal.SIGHUP)
    daemon.wait_up("app")


@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_certificate_of_ours(start_node, start_daemon, open_gate, entry, version):
    node = start_node(24, "heap", 1, 1)
    gate = open_gate(node.port, version=VERSIONS[version])
    daemon = start_daemon(config_of(entry(gate.address, cert_file=None, key_file=None)))
    # In TLS 1.3 the alert comes after our first words and may be lost with the connection.
    until(lambda: re.search("certificate required|handshake failure",
                            (daemon.target("app") or {}).get("lastError", "")),
          lambda: daemon.target("app"))
    assert gate.heads == []


def test_a_token_that_is_wrong_or_missing(start_node, start_daemon, open_gate, entry, token_file):
    node = start_node(24, "heap", 1, 1)
    gate = open_gate(node.port)
    token_file.write_text("wrong\n")
    daemon = start_daemon(config_of(entry(gate.address)))
    assert "HTTP status 401: it does not accept our authorization" in reason(daemon)
    token_file.unlink()
    until(lambda: "No such file" in daemon.target("app")["lastError"],
          lambda: daemon.target("app")["lastError"])
    assert str(token_file)[-80:] in daemon.target("app")["lastError"]
    # Read at each connect: the right one needs no reload.
    token_file.write_text(TOKEN)
    daemon.wait_up("app")


def test_no_authorization_at_all(start_node, start_daemon, open_gate, entry):
    node = start_node(24, "heap", 1, 1)
    gate = open_gate(node.port)
    target = entry(gate.address)
    del target["authorization"]
    daemon = start_daemon(config_of(target))
    assert "HTTP status 401: it wants an authorization" in reason(daemon)


def test_a_capture_names_why_it_was_not_let_in(start_node, start_daemon, open_gate, entry,
                                               token_file):
    """The connection that polls stays; the one of the capture is a new one."""
    node = start_node(24, "heap", 1, 1)
    gate = open_gate(node.port)
    target = {**entry(gate.address), "policy": "attached"}
    daemon = start_daemon(config_of(target))
    daemon.wait_up("app")
    token_file.write_text("wrong\n")
    daemon.capture("app", wait=False)
    until(lambda: any("refused the upgrade: HTTP/1.1 401" in line for line in daemon.process.lines),
          lambda: daemon.tail())
    assert daemon.ready() == []


def test_a_token_on_loopback_in_clear(start_node, start_daemon, token_file):
    """Node ignores it; a proxy on the same machine need not."""
    node = start_node(24, "heap", COUNT, 5)
    daemon = start_daemon(config_of(
        {"name": "app", "address": node.address,
         "authorization": {"credentials_file": str(token_file)}}))
    daemon.wait_up("app")
    assert readers.parse(daemon.capture("app"), "KnownThing")[2] == COUNT


def test_targets_outside_are_refused(start_daemon, nursery, tmp_path):
    path = tmp_path / "heapwatchd.yaml"
    path.write_text("targets:\n- {name: a, address: '192.0.2.1:9229'}\n")
    process = nursery.start([program(), f"--config.file={path}", "--check"])
    assert process.wait_exit() == 1
    assert re.search(r"heapwatchd.yaml:2:22: targets\[0\].address: '192.0.2.1:9229' is outside "
                     "allowed_targets", process.output())
    process = nursery.start([program(), "--target=192.0.2.1:9229", "--check"])
    assert process.wait_exit() == 1
    assert "outside allowed_targets" in process.output()


def test_discovery_cannot_lead_outside(start_daemon, start_node, tmp_path):
    node = start_node(24, "heap", 1, 1)
    file = tmp_path / "targets.json"
    file.write_text(json.dumps([{"targets": [node.address]}]))
    service = listener.http({"/sd": (200, "application/json",
                                     b'[{"targets": ["192.0.2.1:9229"]}]')})
    config = {"poll": dict(POLL), "file_sd_configs": [{"files": [str(file)]}],
              "http_sd_configs": [{"url": f"http://{service.address}/sd"}]}
    daemon = start_daemon(config)
    daemon.wait_up(node.address)
    file.write_text(json.dumps([{"targets": [node.address, "192.0.2.2:9229"]}]))
    for outside in ("192.0.2.1:9229", "192.0.2.2:9229"):
        daemon.process.wait_line(re.escape(outside) + ".* is outside allowed_targets")
    assert daemon.state(node.address) == "up", "the last good set stays"
    assert {t["labels"]["target"] for t in daemon.api("/targets")["activeTargets"]} == {node.address}
    # Allowed, it is a target like any other, with a word of warning; nothing answers there.
    daemon.configure({**config, "allowed_targets": ["127.0.0.0/8", "192.0.2.2"]})
    daemon.process.signal(signal.SIGHUP)
    daemon.process.wait_line("target is beyond loopback and spoken to in clear.*192.0.2.2:9229")
    service.close()


# ---- targets of discovery ----

# Without access of their own the system's authorities are read at each connect.
SLOW = {"interval": "3s", "timeout": "3s", "backoff_max": "500ms"}


def of_files(folder, address, **access):
    (folder / "targets.json").write_text(json.dumps([{"targets": [address],
                                                      "labels": {"__heapwatch_name": "app"}}]))
    return {"poll": dict(SLOW), "capture": dict(PLAIN),
            "file_sd_configs": [{"files": [str(folder / "targets.json")], **access}]}


def access_of(entry):
    return {"target_tls_config": entry["tls_config"], "target_authorization": entry["authorization"]}


def test_targets_of_a_file_are_let_in(start_node, start_daemon, open_gate, entry, tmp_path):
    """By what their source says in the configuration, also after a reload."""
    node = start_node(24, "heap", COUNT, 5)
    gate = open_gate(node.port)
    daemon = start_daemon(of_files(tmp_path, gate.address))
    assert "certificate" in reason(daemon)
    daemon.configure(of_files(tmp_path, gate.address, **access_of(entry(gate.address))))
    daemon.process.signal(signal.SIGHUP)
    daemon.wait_up("app")
    assert readers.parse(daemon.capture("app"), "KnownThing")[2] == COUNT
    assert all(f"Authorization: Bearer {TOKEN}" in head for head in gate.heads)
    daemon.configure(of_files(tmp_path, gate.address))
    daemon.process.signal(signal.SIGHUP)
    assert "certificate" in reason(daemon)


def test_targets_of_a_service_are_let_in(start_node, start_daemon, open_gate, entry):
    """The service itself is asked without them."""
    node = start_node(24, "heap", 1, 1)
    gate = open_gate(node.port)
    groups = json.dumps([{"targets": [gate.address], "labels": {"__heapwatch_name": "app"}}])
    service = listener.http({"/sd": (200, "application/json", groups.encode())})
    daemon = start_daemon({"poll": dict(POLL), "http_sd_configs": [
        {"url": f"http://{service.address}/sd", **access_of(entry(gate.address))}]})
    daemon.wait_up("app")
    daemon.capture("app")
    service.close()


def test_a_list_cannot_name_files(start_daemon, start_node, entry, tmp_path):
    node = start_node(24, "heap", 1, 1)
    for label in ("tls_config", "ca_file", "authorization", "credentials_file", "target_tls_config"):
        config = of_files(tmp_path, node.address)
        (tmp_path / "targets.json").write_text(json.dumps(
            [{"targets": [node.address], "labels": {f"__heapwatch_{label}": "/etc/passwd"}}]))
        daemon = start_daemon(config)
        daemon.process.wait_line(f"label '__heapwatch_{label}': there is no such setting")
        daemon.process.stop()


def test_a_token_for_a_list_goes_nowhere_in_clear(start_daemon, start_node, token_file, tmp_path):
    """A list that names such a target is refused; one that is known already is dropped by a reload."""
    outside = "192.0.2.9:9229"
    config = of_files(tmp_path, outside)
    config["allowed_targets"] = ["127.0.0.0/8", "192.0.2.9"]
    daemon = start_daemon(config)
    until(lambda: daemon.target("app"), "the target")
    (entry,) = config["file_sd_configs"]
    entry["target_authorization"] = {"credentials_file": str(token_file)}
    daemon.configure(config)
    daemon.process.signal(signal.SIGHUP)
    daemon.process.wait_line(f"{outside}': the token would be sent in clear: use a wss:// address")
    until(lambda: daemon.target("app") is None, "its end")
    node = start_node(24, "idle")
    (tmp_path / "targets.json").write_text(json.dumps([{"targets": [node.address]}]))
    daemon.wait_up(node.address)


def test_the_access_of_a_source_is_checked(nursery, tmp_path):
    path = tmp_path / "heapwatchd.yaml"
    path.write_text("http_sd_configs:\n- url: http://127.0.0.1:1/\n  target_tls_config: {key_file: k}\n")
    process = nursery.start([program(), f"--config.file={path}", "--check"])
    assert process.wait_exit() == 1
    assert "http_sd_configs[0].target_tls_config: key_file without cert_file" in process.output()
