"""Real WebKitGTK and WPE, by pid: a MiniBrowser with a page that does what the test says, and the
surface of ios-webkit-debug-proxy before it."""

import json
import os
import queue
import re
import socket
import struct
import threading
from pathlib import Path
from urllib.parse import unquote
from urllib.request import urlopen

from . import listener, node
from .cdp import Client
from .daemon import program

LIBRARIES = "/usr/lib/x86_64-linux-gnu"
GTK = f"{LIBRARIES}/webkit2gtk-4.1/MiniBrowser"
WPE = f"{LIBRARIES}/wpe-webkit-1.1/MiniBrowser"
PAGE = "/socket/1/1/WebPage"
DEBUGGING = Path(program()).resolve().parents[1] / "tests" / "fake" / "jsc_debugging.so"

# Asks for its next piece of work, does it, tells the result.
HTML = b"""<!doctype html><title>page</title><script>
class KnownThing { constructor(i) { this.i = i; this.name = 'thing-' + i; } }
const things = [];
function grow(n) { for (let i = 0; i < n; i++) things.push(new KnownThing(i)); return things.length; }
(async () => {
  for (let done = ''; done !== 'left';) {
    const work = await (await fetch('/work?' + Math.random())).text();
    done = (0, eval)(work);
    await fetch('/done?' + encodeURIComponent(String(done)));
  }
})();
</script>"""


class Site:
    """What the page is loaded from, and told by."""

    def __init__(self):
        self._work, self._done = queue.Queue(), queue.Queue()
        self._server = listener.http({
            "/": (200, "text/html", HTML), "/work": (200, "text/plain", self._next),
            "/done": (200, "text/plain", self._took)})
        self.port = self._server.port

    def _next(self, _):
        return self._work.get().encode()

    def _took(self, handler):
        self._done.put(unquote(handler.path.split("?", 1)[1]))
        return b""

    def tell(self, script):
        """Without an answer, of which nothing may come: a page that closes is gone at once."""
        self._work.put(script)

    def run(self, script, limit_s=60):
        self.tell(script)
        return self._done.get(timeout=limit_s)

    def leave(self, url):
        """The page goes there and asks for no more work."""
        self._go(f"location.href = '{url}'")

    def reload(self):
        self._go("location.reload()")
        self.run("1")

    def _go(self, step):
        """The page ends its loop by an error, for what it would tell then is lost as it is left."""
        assert self.run(f"fetch('/done?again').then(() => {{ {step}; }}); throw 0") == "again"


class Browser:
    def __init__(self, nursery, home, path=GTK, url=None, flags=(), debugging=False,
                 host="127.0.0.1"):
        """debugging: its snapshots are of type GCDebugging, which nobody can ask for (GTK only)."""
        assert os.access(path, os.X_OK), f"{path} is missing: install tests/packages.txt"
        home.mkdir(parents=True, exist_ok=True)
        self.site = Site()
        self.port = listener.free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._nursery, self._path, self._url, self._flags = nursery, path, url, flags
        self._env = dict(node.environment(), HOME=str(home), XDG_RUNTIME_DIR=str(home),
                         NO_AT_BRIDGE="1", GDK_BACKEND="x11", LIBGL_ALWAYS_SOFTWARE="1",
                         WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS="1",
                         WEBKIT_INSPECTOR_HTTP_SERVER=f"{host}:{self.port}")
        if debugging:
            self._env["LD_PRELOAD"] = str(DEBUGGING)
        home.chmod(0o700)
        if path == GTK:
            screen = nursery.start(["Xvfb", "-displayfd", "1", "-nolisten", "tcp",
                                    "-screen", "0", "640x480x24"])
            self._env["DISPLAY"] = ":" + screen.wait_line(r"^(\d+)$")[1]
        self.start()

    def start(self):
        flags = [] if self._path == GTK else ["--headless"]
        url = self._url or f"http://127.0.0.1:{self.site.port}/"
        self.process = self._nursery.start([self._path, *flags, *self._flags, url], env=self._env)
        self.pid = self.process.pid
        if self._url is None:
            self.site.run("1")

    def grow(self, n):
        return int(self.site.run(f"grow({n})"))

    def web_processes(self):
        """The pids of the processes of pages."""
        found = set()
        for entry in os.listdir("/proc"):
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8") as stat:
                    text = stat.read()
                name = text[text.index("(") + 1:text.rindex(")")]
                parent = int(text[text.rindex(")") + 2:].split()[1])
            except (OSError, ValueError):
                continue
            if parent == self.pid and name.startswith(("WebKitWebProces", "WPEWebProcess")):
                found.add(int(entry))
        return found

    def list(self):
        """What it shows to a person who looks for pages."""
        with urlopen(f"http://{self.address}/", timeout=60) as page:
            return page.read().decode()

    def client(self):
        """Another person's Web Inspector: it takes the page."""
        return Client(self.port, path=PAGE)

    def next_client(self):
        """The same when another has left: WebKit takes the end of one that it has not heard yet for the
        end of the next, and has heard of it when it has answered something else."""
        self.list()
        return self.client()


def cpu_seconds(pid):
    """What a process has used."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, stat[11:13])) / os.sysconf("SC_CLK_TCK")


class Page:
    """The Web Inspector of a page, whose messages are wrapped."""

    def __init__(self, client):
        self._client = client
        self._target = client.wait_event("Target.targetCreated")["targetInfo"]["targetId"]
        self._id = 0
        self.events = []

    def call(self, method, **params):
        self._id += 1
        self._client.call("Target.sendMessageToTarget", targetId=self._target,
                          message=json.dumps({"id": self._id, "method": method, "params": params}))
        while True:
            got = self._client.wait_event("Target.dispatchMessageFromTarget")
            message = json.loads(got["message"])
            if message.get("id") == self._id:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)


class Proxy(listener.Listener):
    """ios-webkit-debug-proxy as its source has it: a list of pages, whose WebSockets are relayed
    verbatim (the pages are WebKitGTK's) for one client each, which a new one takes it from, and a device
    that is lost when it sends more than 64 MiB in one message."""

    LIMIT = 1 << 26

    def __init__(self, to):
        self._to = to
        self.listed = True
        self.asked = []  # the paths of all requests
        self.lost = False
        self.ends_with = None  # what each client hears when it says something next
        self.evicted = 0  # clients that a page was taken from
        self._taken = {}  # the relay that has a page
        super().__init__(self._answer)

    def _pages(self):
        """The numbers of those that the browser lists."""
        with urlopen(f"http://127.0.0.1:{self._to}/", timeout=60) as answer:
            return re.findall(r"/socket/1/(\d+)/WebPage", answer.read().decode())

    def _list(self):
        return json.dumps([
            {"devtoolsFrontendUrl": "", "faviconUrl": "", "thumbnailUrl": "/thumb/x",
             "title": "page", "url": "http://page/", "appId": "PID:1",
             "webSocketDebuggerUrl": f"ws://127.0.0.1:{self.port}/devtools/page/{page}"}
            for page in (self._pages() if self.listed else [])])

    def _answer(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(4096)
            if not data:
                client.close()
                return
            head += data
        path = head.split()[1].decode()
        self.asked.append(path)
        page = path.removeprefix("/devtools/page/")
        if page != path and page in self._pages():
            here = f"/socket/1/{page}/WebPage"
            self._relay(page, client, head.replace(path.encode(), here.encode(), 1))
            return
        found = path in ("/json", "/json/list")
        body = self._list() if found else "<html>404</html>"
        status = "200 OK" if found else "404 Not Found"
        client.sendall((f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n"
                        f"Connection: close\r\n\r\n{body}").encode())
        client.close()

    def _relay(self, page, client, head):
        if page in self._taken:
            self._take(*self._taken[page])
        server = socket.create_connection(("127.0.0.1", self._to))
        server.sendall(head)
        claimed = threading.Event()
        back = threading.Thread(target=self._back, args=(server, client, claimed), daemon=True)
        self._taken[page] = server, back, claimed
        back.start()
        try:
            while (data := client.recv(1 << 16)) and not claimed.is_set() and not self.ends_with:
                server.sendall(data)
            if data and claimed.is_set():
                self.evicted += 1
                self._end(client, f"Page {self.port}/{page} claimed by local")
            elif data:
                self._end(client, self.ends_with)
            server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    @staticmethod
    def _take(server, back, claimed):
        claimed.set()
        try:
            server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is gone already
        back.join(10)

    @staticmethod
    def _end(client, why):
        """Whom a page was taken from, or whose page is gone, hears of it when it says something next."""
        text = struct.pack("!H", 1001) + why.encode()
        client.sendall(struct.pack("!BB", 0x88, len(text)) + text)
        client.shutdown(socket.SHUT_RDWR)

    def _back(self, server, client, claimed):
        stream = server.makefile("rb")
        try:
            while (line := stream.readline()) not in (b"\r\n", b""):
                client.sendall(line)
            client.sendall(line)
            while not self.lost and (start := stream.read(2)):
                self._frame(stream, client, start)
        except OSError:
            pass
        try:
            if not claimed.is_set():
                client.shutdown(socket.SHUT_RDWR)  # a close would wait for the other thread's recv()
        except OSError:
            pass
        stream.close()
        server.close()

    def _frame(self, stream, client, start):
        size = start[1] & 0x7F
        more = stream.read({126: 2, 127: 8}.get(size, 0))
        if more:
            size, = struct.unpack("!H" if len(more) == 2 else "!Q", more)
        if size > self.LIMIT:
            self.lost = True
            return
        client.sendall(start + more)
        while size > 0:
            data = stream.read(min(size, 1 << 20))
            if not data:
                return
            client.sendall(data)
            size -= len(data)
