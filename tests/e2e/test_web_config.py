"""The daemon's own endpoint with TLS and passwords (--web.config.file): real curl, Prometheus and
heapwatchctl, and certificates of openssl."""

import base64
import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
import yaml

from lab.ctl import Ctl
from lab.daemon import program, static_config
from lab.gate import Authority
from lab.prometheus import Prometheus
from lab.wait import LIMIT_S, until

PASSWORD = "let me in: it's me"
LOGIN = ("ops", PASSWORD)
# Of PASSWORD: cheap, and as costly as htpasswd makes them.
CHEAP = "$2y$04$abcdefghijklmnopqrstuu0b46GwkMvd7J9lfYu.vkC2lVzrfRnR."
USUAL = "$2y$10$abcdefghijklmnopqrstuuJzFhqCtiZv6Qh5a2XUGddqh9zeqDywG"
COSTLY = "$2y$14$abcdefghijklmnopqrstuueyHV0AnsIm0/Sk1S01eCxbX4jPP5/kK"


class Web:
    """A folder with certificates of an authority of ours, and the file that names them."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder, self.file = folder, folder / "web.yaml"
        self.authority = Authority(folder / "pki", "ours")
        self.ca = self.authority.ca
        self.context = ssl.create_default_context(cafile=str(self.ca))
        self.issue()

    def issue(self):
        """A new certificate and key, under the same names."""
        certificate, key = self.authority.issue("server")
        shutil.copy(certificate, self.folder / "server.pem")
        shutil.copy(key, self.folder / "server.key")

    def write(self, users=None, tls=True, **more):
        config = {"tls_server_config": {"cert_file": "server.pem", "key_file": "server.key", **more}}
        self.file.write_text(yaml.safe_dump((config if tls else {}) |
                                            ({"basic_auth_users": users} if users else {})))
        return self

    @property
    def flag(self):
        return f"--web.config.file={self.file}"


@pytest.fixture
def web(tmp_path):
    return Web(tmp_path / "web")


@pytest.fixture
def guarded(web, start_daemon):
    """guarded(config, ...) -> a daemon with TLS and a user"""
    def start(config=None, flags=(), hash=CHEAP, login=LOGIN, context=None, **tls):
        web.write({"ops": hash} if hash else None, **tls)
        return start_daemon(config, flags=[web.flag, *flags], context=context or web.context,
                            login=login)
    return start


def curl(*arguments):
    """(exit, status, what came)"""
    done = subprocess.run(["curl", "-sS", "-m", str(LIMIT_S), "-w", "\n%{http_code}", *map(str, arguments)],
                          capture_output=True, text=True)
    text, _, status = done.stdout.rpartition("\n")
    return done.returncode, int(status), text + done.stderr


def reload(daemon):
    """True when it was taken."""
    mark = daemon.process.mark()
    daemon.process.signal(signal.SIGHUP)
    return "again" in daemon.process.wait_line("configuration loaded again|reload refused", since=mark)[0]


# ---- who is let in ----

@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/", "/nothing", "/api/v1/targets"])
def test_curl_with_and_without_a_password(guarded, web, path):
    daemon = guarded()
    url = f"https://127.0.0.1:{daemon.port}{path}"
    right = 404 if path == "/nothing" else 200
    assert curl("--cacert", web.ca, "-u", ":".join(LOGIN), url)[:2] == (0, right)
    assert curl("--cacert", web.ca, "-u", "ops:wrong", url)[:2] == (0, 401)
    assert curl("--cacert", web.ca, "-u", f"nobody:{PASSWORD}", url)[:2] == (0, 401)
    code, status, text = curl("--cacert", web.ca, "-i", url)
    assert (code, status) == (0, 401)
    assert re.search(r"(?m)^WWW-Authenticate: Basic", text), text
    assert ("unauthorized" in text) == path.startswith("/api/")
    said = daemon.process.output() + daemon.get("/metrics").text
    assert PASSWORD not in said and "$2y$" not in said
    assert daemon.value("heapwatch_http_requests_total", code="401", handler="") == 3
    assert daemon.value("heapwatch_http_auth_failures_total") == 2, "without any it is no guess"
    assert daemon.process.count_lines("wrong name or password.*address=127.0.0.1") == 1


def test_the_authority_is_checked_by_the_client(guarded, web, tmp_path):
    daemon = guarded()
    url = f"https://127.0.0.1:{daemon.port}/metrics"
    other = Authority(tmp_path / "other", "other")
    assert curl("--cacert", other.ca, "-u", ":".join(LOGIN), url)[0] == 60
    assert curl(url)[0] == 60


def test_plain_http_is_refused(guarded):
    daemon = guarded()
    code, status, _ = curl("-u", ":".join(LOGIN), f"http://127.0.0.1:{daemon.port}/metrics")
    assert code != 0 and status == 0
    assert daemon.get("/-/ready").status == 200


@pytest.mark.parametrize("least", ["TLS12", "TLS13"])
def test_the_least_version(guarded, web, least):
    daemon = guarded(min_version=least)
    url = f"https://127.0.0.1:{daemon.port}/-/ready"
    login = ["--cacert", web.ca, "-u", ":".join(LOGIN)]
    assert curl(*login, "--tlsv1.3", url)[:2] == (0, 200)
    assert (curl(*login, "--tls-max", "1.2", url)[0] == 0) == (least == "TLS12")
    # Old versions, which OpenSSL of the client allows at that level only.
    old = ["--ciphers", "DEFAULT@SECLEVEL=0", "--tlsv1.0", "--tls-max", "1.1"]
    assert curl(*login, *old, url)[0] != 0


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_certificates_of_clients(guarded, web, tmp_path, version):
    certificate, key = web.authority.issue("client")
    context = ssl.create_default_context(cafile=str(web.ca))
    context.load_cert_chain(certificate, key)
    daemon = guarded(hash=None, login=None, context=context, client_ca_file=str(web.ca),
                     client_auth_type="RequireAndVerifyClientCert")
    url = f"https://127.0.0.1:{daemon.port}/metrics"
    only = ["--cacert", web.ca, "--tlsv1.2", "--tls-max", version]
    assert curl(*only, "--cert", certificate, "--key", key, url)[:2] == (0, 200)
    code, status, _ = curl(*only, url)
    assert code != 0 and status == 0
    for other in (Authority(tmp_path / "other", "other").issue("client"),
                  web.authority.issue("for-servers", "IP:127.0.0.1\nextendedKeyUsage=serverAuth"),
                  web.authority.issue("expired", days=-1)):
        code, status, _ = curl(*only, "--cert", other[0], "--key", other[1], url)
        assert code != 0 and status == 0, other
    assert daemon.get("/-/ready").status == 200


def test_a_unix_socket_wants_the_password_too(guarded, tmp_path):
    path = tmp_path / "ctl.sock"
    guarded(flags=[f"--web.listen-address=unix:{path}"])
    assert curl("--unix-socket", path, "http://localhost/metrics")[:2] == (0, 401)
    assert curl("--unix-socket", path, "-u", ":".join(LOGIN), "http://localhost/metrics")[:2] == (0, 200)


def test_passwords_without_tls(web, start_daemon):
    web.write({"ops": CHEAP}, tls=False)
    daemon = start_daemon(flags=[web.flag], login=LOGIN)
    assert curl(f"http://127.0.0.1:{daemon.port}/metrics")[:2] == (0, 401)
    assert daemon.get("/metrics").status == 200


def test_long_bodies_and_answers(guarded, web, tmp_path):
    """Of many records of TLS, in both directions; a body is read once its password is checked."""
    daemon = guarded()
    body = tmp_path / "rules.yaml"
    body.write_text("groups: []\n" + "# a comment of some length, to fill a line\n" * 20000)
    url = f"https://127.0.0.1:{daemon.port}/api/v1/rules/eval"
    send = ["--cacert", web.ca, "--data-binary", f"@{body}", "-H", "Content-Type: application/yaml"]
    assert curl(*send, "-u", "ops:wrong", url)[1] in (0, 401)  # 0: it was still sending
    code, status, text = curl(*send, "-u", ":".join(LOGIN), url)
    assert (code, status) == (0, 400) and "there is no rule in the body" in text, text
    code, _, text = curl("--cacert", web.ca, "-u", ":".join(LOGIN), "-H", "Connection: keep-alive", url + "/x",
                         *[f"https://127.0.0.1:{daemon.port}/metrics"] * 3)
    assert code == 0 and text.count("# TYPE heapwatch_build_info ") == 3


def test_a_capture_tells_the_user(guarded, start_node):
    """Whose password was right, whatever else the request says of itself."""
    app = start_node(24, "idle")
    daemon = guarded(static_config({"app": app.address}))
    daemon.wait_up("app")
    path = "/api/v1/targets/app/captures?kind=diagnostics"
    assert daemon.post(path, headers={"User-Agent": "user root"}).status == 202
    (ready,) = until(lambda: daemon.api("/captures")["ready"], daemon.tail)
    assert ready["requested_by"] == "user ops, 127.0.0.1 (user root)"
    assert daemon.process.count_lines(r'captured.* requested_by="user ops, 127\.0\.0\.1 \(user root\)"') == 1
    assert daemon.post("/api/v1/targets/app/gc").status == 200
    assert daemon.process.wait_line(r'collect.* requested_by="user ops, 127')


# ---- Prometheus and heapwatchctl ----

def test_prometheus_scrapes(guarded, web, nursery, tmp_path, start_node):
    app = start_node(24, "idle")
    daemon = guarded(static_config({"app": app.address}), hash=USUAL)
    daemon.wait_up("app")
    job = {"scheme": "https", "static_configs": [{"targets": [f"127.0.0.1:{daemon.port}"]}],
           "tls_config": {"ca_file": str(web.ca)}}
    good = {"username": "ops", "password": PASSWORD}
    server = Prometheus(nursery, tmp_path / "prometheus", [
        {"job_name": "metrics", "basic_auth": good, **job},
        {"job_name": "probe", "basic_auth": good, "metrics_path": "/probe",
         "params": {"target": ["app"]}, **job},
        {"job_name": "wrong", "basic_auth": {"username": "ops", "password": "wrong"}, **job}])
    assert server.wait_query('heapwatch_up{job="metrics", target="app"} == 1')
    assert server.wait_query('heapwatch_up{job="probe"} == 1')
    targets = {t["labels"]["job"]: t for t in server.get("targets")["activeTargets"]}
    until(lambda: [r for r in server.query("up") if r[0]["job"] == "wrong"] and
          server.query('up{job="wrong"}')[0][1] == 0, lambda: server.query("up"))
    assert targets["metrics"]["scrapeUrl"].startswith("https://")


def test_heapwatchctl(guarded, web, start_node, tmp_path):
    app = start_node(24, "heap", 100, 1)
    daemon = guarded(static_config({"app": app.address}))
    daemon.wait_up("app")
    snapshot = daemon.capture("app")
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    host = f"--host=https://127.0.0.1:{daemon.port}"
    login = ["--user=ops", f"--password-file={password}"]
    ctl = Ctl(host, f"--ca-file={web.ca}", *login)
    assert snapshot.name in ctl("info").stdout
    ctl("export", snapshot.name, "-o", tmp_path / "out.heapsnapshot")
    assert (tmp_path / "out.heapsnapshot").read_bytes() == snapshot.read_bytes()
    assert daemon.get(f"/api/v1/captures/{ctl('-F', 'id').stdout.strip()}/file").body == snapshot.read_bytes()
    ctl("gc", "app")
    assert "a name and a password are needed" in Ctl(host, f"--ca-file={web.ca}")("list", exit=1).stderr
    password.write_text("wrong\n")
    assert "wrong name or password" in ctl("list", exit=1).stderr
    password.write_text("one\ntwo\n")
    assert "--password-file" in ctl("list", exit=1).stderr
    assert "certificate" in Ctl(host)("list", exit=3).stderr


def test_heapwatchctl_with_a_certificate(guarded, web):
    certificate, key = web.authority.issue("client")
    context = ssl.create_default_context(cafile=str(web.ca))
    context.load_cert_chain(certificate, key)
    daemon = guarded(hash=None, login=None, context=context, client_ca_file=str(web.ca),
                     client_auth_type="RequireAndVerifyClientCert")
    ctl = Ctl(f"--host=https://127.0.0.1:{daemon.port}", f"--ca-file={web.ca}")
    ctl("list", f"--cert-file={certificate}", f"--key-file={key}", exit=1)  # nothing is found
    ctl("list", exit=3)


@pytest.mark.parametrize("flags, said", [
    (["--user=a"], "--user without --password-file"),
    (["--password-file=x"], "--password-file without --user"),
    (["--key-file=x"], "--key-file without --cert-file"),
    (["--host=http://192.0.2.1:1", "--user=a", "--password-file=x"], "in clear"),
    (["--host=http://127.0.0.1:1", "--ca-file=x"], "not https"),
])
def test_heapwatchctl_refuses(flags, said):
    assert said in Ctl()(*flags, "list", exit=2).stderr


# ---- what others may not do to it ----

def test_wrong_passwords_hold_nobody_up(guarded, start_node):
    app = start_node(24, "idle")
    daemon = guarded(static_config({"app": app.address}), hash=USUAL)
    daemon.wait_up("app")
    statuses, stop = [], threading.Event()

    def guess(i):
        text = base64.b64encode(f"ops:wrong{i}".encode()).decode()
        while not stop.is_set():
            with socket.create_connection(("127.0.0.1", daemon.port), timeout=LIMIT_S) as raw, \
                    daemon.context.wrap_socket(raw, server_hostname="127.0.0.1") as client:
                client.sendall(f"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                               f"Authorization: Basic {text}\r\n\r\n".encode())
                statuses.append(int(client.recv(4096).split()[1]))
            stop.wait(0.2)
    threads = [threading.Thread(target=guess, args=(i,)) for i in range(20)]
    before = daemon.value("heapwatch_polls_total", target="app")
    for thread in threads:
        thread.start()
    try:
        until(lambda: 401 in statuses and 429 in statuses, lambda: statuses)
        took = []
        for _ in range(20):
            began = time.monotonic()
            assert daemon.get("/metrics").status == 200
            took.append(time.monotonic() - began)
        daemon.wait_value("heapwatch_polls_total", lambda v: v >= before + 4, target="app")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert sorted(took)[10] < 1, took
    # Who was put off was not checked.
    assert 0 < daemon.value("heapwatch_http_auth_failures_total") <= statuses.count(401)
    assert set(statuses) == {401, 429}
    assert daemon.state("app") == "up"
    assert daemon.process.count_lines("wrong name or password") == 1


def test_a_handshake_that_trickles_is_cut_off(guarded, web):
    daemon = guarded({"web": {"request_timeout": "1s"}})
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(505)
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=LIMIT_S) as client:
        client.settimeout(0.1)
        began, sent = time.monotonic(), 0
        while time.monotonic() < began + LIMIT_S:
            try:
                client.sendall(hello[sent:sent + 1])
                sent += 1
                if client.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        took = time.monotonic() - began
    assert 0.5 < took < 10 and sent < len(hello)
    # So is one that says nothing, and a request that stops behind a handshake.
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=LIMIT_S) as client:
        assert client.recv(100) == b""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=LIMIT_S) as raw, \
            web.context.wrap_socket(raw, server_hostname="127.0.0.1") as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n")
        try:
            assert client.recv(100) == b""
        except (ssl.SSLError, ConnectionResetError):
            pass
    assert daemon.get("/-/ready").status == 200


def test_who_reads_too_slowly_is_cut_off(guarded, web, start_node):
    app = start_node(24, "heap", 60000, 1)
    daemon = guarded(static_config({"app": app.address}, web={"response_timeout": "1s"}))
    daemon.wait_up("app")
    size = daemon.capture("app").stat().st_size
    capture = daemon.api("/captures")["ready"][0]["id"]
    text = base64.b64encode(":".join(LOGIN).encode()).decode()
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", daemon.port))
        with web.context.wrap_socket(raw, server_hostname="127.0.0.1") as client:
            client.sendall(f"GET /api/v1/captures/{capture}/file HTTP/1.1\r\nHost: localhost\r\n"
                           f"Authorization: Basic {text}\r\n\r\n".encode())
            handler = "/api/v1/captures/:id/file"
            daemon.wait_value("heapwatch_http_requests_total", 1, handler=handler, code="200")
            got = 0
            try:
                while data := client.recv(65536):
                    got += len(data)
            except (ssl.SSLError, ConnectionResetError):
                pass
    assert got < size


# ---- renewal ----

def served(daemon):
    return ssl.get_server_certificate(("127.0.0.1", daemon.port))


def test_a_certificate_is_renewed_by_a_reload(guarded, web):
    daemon = guarded()
    first = served(daemon)
    assert first.strip() in (web.folder / "server.pem").read_text()
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=LIMIT_S) as raw, \
            web.context.wrap_socket(raw, server_hostname="127.0.0.1") as old:
        web.issue()
        assert served(daemon) == first, "not before it is told"
        assert reload(daemon)
        second = served(daemon)
        assert second != first and second.strip() in (web.folder / "server.pem").read_text()
        text = base64.b64encode(":".join(LOGIN).encode()).decode()
        old.sendall(f"GET /-/ready HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {text}\r\n\r\n".encode())
        assert b" 200 " in old.recv(4096), "a connection that is open goes on"
        assert daemon.value("heapwatch_config_last_reload_successful") == 1
        assert daemon.process.stop() == 0


@pytest.mark.parametrize("before", [False, True], ids=["none-asked", "other-authority"])
def test_new_demands_end_what_is_open(guarded, web, tmp_path, before):
    """An idle connection that was made without the certificate that is asked for now."""
    certificate, key = web.authority.issue("client")
    web.context.load_cert_chain(certificate, key)
    demand = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": str(web.ca)}
    daemon = guarded(**(demand if before else {}))
    if before:
        demand["client_ca_file"] = str(Authority(tmp_path / "other", "other").ca)
    text = base64.b64encode(":".join(LOGIN).encode()).decode()
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=LIMIT_S) as raw, \
            web.context.wrap_socket(raw, server_hostname="127.0.0.1") as old:
        old.sendall(f"GET /-/ready HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {text}\r\n\r\n".encode())
        assert b" 200 " in old.recv(4096)
        web.write({"ops": CHEAP}, **demand)
        assert reload(daemon)
        try:
            while old.recv(4096):
                pass
        except (ssl.SSLError, ConnectionResetError):
            pass
        except TimeoutError:
            pytest.fail("it is still open")
    assert daemon.process.stop() == 0


def test_new_demands_end_what_waits_and_is_not_whole(guarded, web):
    """A head whose password is being checked, with a body to come."""
    daemon = guarded()
    web.write({"ops": CHEAP, "slow": COSTLY})
    assert reload(daemon)
    text = base64.b64encode(f"slow:{PASSWORD}".encode()).decode()
    body = b"groups: []\n"

    def of_threads():
        return daemon.process.group_cpu_seconds() - daemon.process.cpu_seconds()
    before = of_threads()
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=LIMIT_S) as raw, \
            web.context.wrap_socket(raw, server_hostname="127.0.0.1") as old:
        old.sendall(f"POST /api/v1/rules/eval HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {text}\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n".encode())
        until(lambda: of_threads() > before + 0.02, "the check under way")
        web.write({"ops": CHEAP, "slow": COSTLY}, min_version="TLS13")
        assert reload(daemon)
        try:
            old.sendall(body)
            assert old.recv(4096) == b""
        except (ssl.SSLError, ConnectionError):
            pass
    assert daemon.process.stop() == 0


def test_who_asks_for_new_demands_is_told(guarded, web):
    """The connection that had them read ends, too, but with its answer."""
    daemon = guarded({"web": {"enable_lifecycle": True}})
    text = base64.b64encode(":".join(LOGIN).encode()).decode()
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=LIMIT_S) as raw, \
            web.context.wrap_socket(raw, server_hostname="127.0.0.1") as old:
        web.write({"ops": CHEAP}, min_version="TLS13")
        old.sendall(f"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {text}\r\n"
                    "Content-Length: 0\r\n\r\n".encode())
        said = b""
        try:
            while data := old.recv(4096):
                said += data
        except (ssl.SSLError, ConnectionResetError):
            pass
    assert said.startswith(b"HTTP/1.1 200 ") and b"Connection: close" in said, said


@pytest.mark.parametrize("spoil, place", [
    (lambda web: (web.folder / "server.pem").write_text("no certificate\n"), r"web.yaml:4:14: tls_server_config.cert_file: "),
    (lambda web: (web.folder / "server.key").unlink(), r"web.yaml:5:13: tls_server_config.key_file: .*No such file"),
    (lambda web: web.write({"ops": "let me in"}), r"web.yaml:2:8: basic_auth_users: 'ops': this is no bcrypt hash"),
    (lambda web: web.file.write_text("tls_server_config: [\n"), r"web.yaml:2:1: "),
], ids=["certificate", "key", "hash", "syntax"])
def test_files_that_are_no_good_change_nothing(guarded, web, nursery, spoil, place):
    daemon = guarded()
    first = served(daemon)
    spoil(web)
    mark = daemon.process.mark()
    assert not reload(daemon)
    assert daemon.process.count_lines(place, since=mark) == 1, daemon.tail()
    assert served(daemon) == first
    assert daemon.value("heapwatch_config_last_reload_successful") == 0
    for flags in (["--check"], [f"--storage.path={daemon.home}/other", "--web.listen-address=127.0.0.1:0"]):
        process = nursery.start([program(), web.flag, *flags])
        assert process.wait_exit() == 1
        assert re.search(place, process.output()), process.output()


def test_users_change_with_a_reload(guarded, web):
    daemon = guarded()
    assert daemon.get("/metrics").status == 200
    web.write({"other": CHEAP})
    assert reload(daemon)
    assert daemon.get("/metrics").status == 401
    daemon.login = ("other", PASSWORD)
    assert daemon.get("/metrics").status == 200


def test_tls_begins_at_a_start_only(web, start_daemon):
    web.write(tls=False)
    daemon = start_daemon(flags=[web.flag])
    web.write()
    assert reload(daemon)
    daemon.process.wait_line("TLS begins or ends .*at the next start")
    assert daemon.get("/-/ready").status == 200


# ---- beyond loopback ----

@pytest.mark.parametrize("users, more, right", [
    ({"ops": CHEAP}, {}, True),
    (None, {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "pki/ours-ca.pem"}, True),
    (None, {}, False),
    ({"ops": CHEAP}, {"tls": False}, False),
], ids=["passwords", "certificates", "tls-alone", "passwords-alone"])
def test_beyond_loopback(web, nursery, users, more, right):
    web.write(users, **more)
    process = nursery.start([program(), web.flag, "--check", "--web.listen-address=0.0.0.0:0"])
    assert process.wait_exit() == (0 if right else 1)
    assert right or re.search("0.0.0.0:0.*--web.config.file.*web.allow_remote", process.output())


def test_beyond_loopback_it_stays_guarded(web, start_daemon):
    web.write({"ops": CHEAP})
    daemon = start_daemon({}, flags=[web.flag, "--web.listen-address=0.0.0.0:0"], context=web.context,
                          login=LOGIN)
    web.write()
    assert not reload(daemon)
    daemon.process.wait_line("web.allow_remote: true")
    daemon.login = None
    assert daemon.get("/metrics").status == 401


def test_a_key_that_everybody_can_read_is_told(web, nursery):
    web.write({"ops": CHEAP})
    web.file.chmod(0o600)
    (web.folder / "server.key").chmod(0o600)
    quiet = nursery.start([program(), web.flag, "--check"])
    assert quiet.wait_exit() == 0 and "everybody" not in quiet.output()
    (web.folder / "server.key").chmod(0o644)
    process = nursery.start([program(), web.flag, "--check"])
    assert process.wait_exit() == 0
    process.wait_line("everybody on this host can read .*server.key")


def test_what_everybody_can_read_is_told_as_the_log_has_it(web, nursery, tmp_path):
    """Once, in the format and at the level of the configuration; at a reload once more."""
    web.write({"ops": CHEAP})
    for path in (web.file, web.folder / "server.key"):
        path.chmod(0o644)
    config = tmp_path / "heapwatchd.yaml"
    config.write_text("log: {format: json}\n")
    start = [program(), web.flag, f"--config.file={config}", f"--storage.path={tmp_path}/storage",
             "--web.listen-address=127.0.0.1:0"]

    def told(process, since=0):
        said = [json.loads(line) for line in process.lines[since:] if "everybody" in line]
        assert {line["level"] for line in said} <= {"warn"}
        return sorted(re.search(r"read .*/(\S+):", line["msg"])[1] for line in said)
    check = nursery.start([*start, "--check"])
    assert check.wait_exit() == 0
    assert told(check) == ["server.key", "web.yaml"]
    process = nursery.start(start)
    process.wait_line("is ready")
    assert told(process) == ["server.key", "web.yaml"]
    mark = process.mark()
    process.signal(signal.SIGHUP)
    process.wait_line("configuration loaded again", since=mark)
    assert told(process, mark) == ["server.key", "web.yaml"]
    quiet = nursery.start([*start, "--check", "--log.level=error"])
    assert quiet.wait_exit() == 0 and "everybody" not in quiet.output()
