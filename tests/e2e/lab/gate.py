"""A gate before an inspector, as an administrator sets one up: it speaks TLS, lets in whoever has a
certificate of its authority and the token, and hands on to the inspector in clear."""

import select
import socket
import ssl
import subprocess

from .listener import Listener

SERVER_NAME = "inspector.example"


class Authority:
    """Certificates, made with openssl: `ca`, and for each name a pair of certificate and key."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        folder.mkdir(exist_ok=True)
        self.ca = folder / f"{name}-ca.pem"
        self._key = folder / f"{name}-ca.key"
        self._openssl("req", "-x509", *self._new_key(self._key), "-subj", f"/CN={name}", "-days", "2",
                      "-out", self.ca)

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    @staticmethod
    def _new_key(path):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path]

    def issue(self, name, alternatives=f"IP:127.0.0.1,DNS:{SERVER_NAME}", days=2):
        """(certificate, key)"""
        base = self.folder / f"{self.name}-{name}"
        certificate, key, request, extra = (base.with_suffix(f".{s}")
                                            for s in ("pem", "key", "csr", "ext"))
        extra.write_text(f"subjectAltName={alternatives}\n")
        self._openssl("req", *self._new_key(key), "-subj", f"/CN={name}", "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._key,
                      "-CAcreateserial", "-days", str(days), "-extfile", extra, "-out", certificate)
        return certificate, key


class Gate(Listener):
    """`heads` are the requests that came, with their Authorization."""

    def __init__(self, port, authority, token=None, alternatives=None, version=None):
        self._to, self.token, self.heads = port, token, []
        certificate, key = (authority.issue("server", alternatives) if alternatives
                            else authority.issue("server"))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._context.load_verify_locations(authority.ca)
        self._context.verify_mode = ssl.CERT_REQUIRED
        if version:
            self._context.minimum_version = self._context.maximum_version = version
        super().__init__(self._serve_tls)
        self.address = f"wss://{self.address}"

    def _serve_tls(self, connection):
        with self._context.wrap_socket(connection, server_side=True) as client:
            head = b""
            while b"\r\n\r\n" not in head:
                data = client.recv(4096)
                if not data:
                    return
                head += data
            self.heads.append(head.decode())
            if self.token and f"\r\nAuthorization: Bearer {self.token}\r\n" not in self.heads[-1]:
                client.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self._to)) as server:
                server.sendall(head)
                self._pump(client, server)

    @staticmethod
    def _pump(client, server):
        """In one thread: a TLS connection is not for two."""
        while True:
            ready = [client] if client.pending() else select.select([client, server], [], [])[0]
            for one, other in ((client, server), (server, client)):
                if one not in ready:
                    continue
                data = one.recv(1 << 16)
                if not data:
                    return
                other.sendall(data)
