"""The pages of programs/site, served on loopback for browsers."""

import functools
import http.server
import threading

from . import node


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Site:
    """Two hosts of one server: `url` and `other_url` are different sites to a browser."""

    def __init__(self):
        handler = functools.partial(_Quiet, directory=str(node.PROGRAMS / "site"))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{port}/"
        self.other_url = f"http://localhost:{port}/"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
