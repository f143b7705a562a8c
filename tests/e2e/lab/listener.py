"""Things that listen on a port and are no inspector, each in a thread of the test."""

import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def clients(port):
    """How many connections to the program that listens there it has not closed, be it that it has not
    heard yet that the client has."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return sum(line.split()[1].endswith(f":{port:04X}") and line.split()[3] in ("01", "08")
               for line in lines)


class Listener:
    """Accepts and hands each connection to serve(connection) in a thread of its own."""

    def __init__(self, serve):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._serve = serve
        self._open = []
        self.port = self._socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        try:
            self._serve(connection)
        except OSError:
            connection.close()

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)  # or accept() would hold the port
        self._socket.close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)  # nor is one closed that recv() waits on
            except OSError:
                pass
            connection.close()


def silent():
    return Listener(lambda connection: None)


def talker(text=b"220 mail.example.org ESMTP ready\r\n"):
    def serve(connection):
        connection.sendall(text)
        while connection.recv(4096):
            connection.sendall(b"500 what?\r\n")
    return Listener(serve)


def tls(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve(connection):
        # The alert that says "this is no handshake" goes out before the connection closes.
        with context.wrap_socket(connection, server_side=True):
            pass
    return Listener(serve)


def http(answers):
    """An HTTP server: {path: (status, content type, body or callable(handler) -> body)}."""
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.server.seen.append((self.path, dict(self.headers)))
            status, kind, body = answers.get(self.path.split("?")[0], (404, "text/plain", b"no"))
            body = body(self) if callable(body) else body
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.seen = []
    server.port = server.server_address[1]
    server.address = f"127.0.0.1:{server.port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    server.close = lambda: (server.shutdown(), server.server_close())
    return server
