"""heapwatchd, the program under test, and what it says over HTTP."""

import base64
import json
import os
import re
import socket
import urllib.error
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from .wait import LIMIT_S, until

# Fast enough that a test need not wait, slow enough for sanitizers on a busy machine.
POLL = {"interval": "500ms", "timeout": "500ms", "backoff_max": "500ms"}
# Of programs of several processes, which on a busy machine may be silent for longer than POLL bears.
PATIENT = {"interval": "2s", "timeout": "2s", "backoff_max": "1s"}

# Snapshots as they came, alone: for tests that compare them or count files.
PLAIN = {"redact": "none", "compress": "none", "diagnostics": False}

# How the names of snapshots end.
SNAPSHOT = re.compile(r"\.(heapsnapshot|jsc\.json|fxsnapshot)(\.zst)?(\.age)?$")


def program():
    path = os.environ.get("HEAPWATCHD", "")
    assert os.access(path, os.X_OK), "HEAPWATCHD must name the built daemon: run tests/run.sh"
    return path


def _samples_of(text):
    return [(s.name, s.labels, s.value)
            for family in text_string_to_metric_families(text) for s in family.samples]


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


class Daemon:
    """A running heapwatchd with its storage and configuration in `home`."""

    def __init__(self, nursery, home, config=None, flags=(), env=None, wait=True, listen=True,
                 context=None, login=None, before=(), pass_fds=()):
        """context: it speaks TLS; login: the name and password it wants; before: what starts it."""
        self.context, self.login = context, login
        self.home = Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.storage = self.home / "storage"
        self.config_file = self.home / "heapwatchd.yaml"
        argv = [program(), f"--storage.path={self.storage}", "--log.level=debug"]
        if listen:
            argv.append("--web.listen-address=127.0.0.1:0")
        if config is not None:
            self.configure(config)
            argv.append(f"--config.file={self.config_file}")
        self.process = nursery.start([*before, *argv, *flags], env=dict(os.environ, **(env or {})),
                                     pass_fds=pass_fds)
        self.port = None
        if wait:
            self.wait_ready()

    def configure(self, config):
        """Write the configuration file: a dict, or text as it is."""
        text = config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False)
        fresh = self.config_file.with_suffix(".new")
        fresh.write_text(text)
        fresh.rename(self.config_file)

    def wait_ready(self):
        heard = self.process.wait_line(r'msg="?listening"? .*address="?127\.0\.0\.1:(\d+)"?')
        self.port = int(heard[1])
        until(lambda: self.get("/-/ready").status == 200, "ready")

    # ---- HTTP ----

    def get(self, path, headers=None, method="GET", body=None, limit_s=LIMIT_S):
        scheme = "https" if self.context else "http"
        request = urllib.request.Request(f"{scheme}://127.0.0.1:{self.port}{path}", data=body,
                                         headers=headers or {}, method=method)
        if self.login:
            text = base64.b64encode(":".join(self.login).encode()).decode()
            request.add_header("Authorization", f"Basic {text}")
        try:
            with urllib.request.urlopen(request, timeout=limit_s, context=self.context) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def post(self, path, body=b"", headers=None):
        return self.get(path, method="POST", body=body, headers=headers)

    def _read(self, path):
        """The text of get(path), which has to be 200, in half the CPU time: who waits asks often."""
        if self.context or self.login:
            answer = self.get(path)
            assert answer.status == 200, answer.text
            return answer.text
        with socket.socket() as connection:
            connection.settimeout(LIMIT_S)
            connection.connect(("127.0.0.1", self.port))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
                               "Connection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        head, end, body = answer.partition(b"\r\n\r\n")
        if not end:
            raise ConnectionResetError(f"{path}: {answer!r}")
        assert head.startswith(b"HTTP/1.1 200 "), answer
        assert int(re.search(rb"\r\nContent-Length: (\d+)", head)[1]) == len(body), answer
        return body.decode()

    def api(self, path):
        answer = json.loads(self._read("/api/v1" + path))
        assert answer["status"] == "success", answer
        return answer["data"]

    # ---- metrics ----

    def samples(self, path="/metrics"):
        """[(name, labels, value)]"""
        return _samples_of(self.get(path).text)

    def values(self, name, **labels):
        """[(labels, value)] of the samples that have at least these labels."""
        return [(have, value) for found, have, value in self._begun_by(name)
                if found == name and labels.items() <= have.items()]

    def at_once(self, *names, **labels):
        """What value() tells of each, all of one moment."""
        had = [(name, value) for name, have, value in self._begun_by(names) if labels.items() <= have.items()]
        found = [[value for have, value in had if have == name] for name in names]
        assert all(len(values) < 2 for values in found), had
        return tuple(values[0] if values else None for values in found)

    def _begun_by(self, prefixes):
        # Who waits asks often, and to parse all takes longer than the daemon needs to tell it.
        lines = [line for line in self._read("/metrics").split("\n") if line.startswith(prefixes)]
        return _samples_of("\n".join(lines))

    def value(self, name, **labels):
        """The one value, or None when it is absent."""
        found = self.values(name, **labels)
        assert len(found) < 2, found
        return found[0][1] if found else None

    def wait_value(self, name, wanted, limit_s=LIMIT_S, **labels):
        """wanted is a value or a predicate; returns the value that satisfied it."""
        test = wanted if callable(wanted) else lambda v: v == wanted
        seen = []

        def holds():
            seen[:] = [self.value(name, **labels)]
            return seen[0] is not None and test(seen[0])
        until(holds, lambda: f"{name}{labels} = {seen}, log:\n{self.tail()}", limit_s)
        return seen[0]

    def state(self, target):
        for labels, value in self.values("heapwatch_target_state", target=target):
            if value == 1:
                return labels["state"]
        return None

    def target(self, name):
        for entry in self.api("/targets")["activeTargets"]:
            if entry["labels"].get("target") == name:
                return entry
        return None

    def is_up_since(self, name, when):
        """By a poll after that: one that was under way may have met what was before."""
        target = self.target(name)
        return target["state"] == "up" and datetime.fromisoformat(target["lastScrape"]) > when

    def wait_polled(self, target):
        """Waits for a poll that ends after now: who has been captured counts as up before one."""
        now = datetime.now(timezone.utc)
        until(lambda: self.is_up_since(target, now),
              lambda: f"a poll of {target} after {now}; log:\n{self.tail()}")

    def wait_state(self, target, state, limit_s=LIMIT_S):
        """Waits for the state and returns what the API says of the target."""
        until(lambda: self.state(target) == state,
              lambda: f"{target} is {self.state(target)}, not {state}; log:\n{self.tail()}", limit_s)
        return self.target(target)

    def wait_up(self, target, limit_s=LIMIT_S):
        return self.wait_state(target, "up", limit_s)

    def isolates(self, target):
        entry = self.target(target)
        return [isolate["name"] for isolate in entry["isolates"]] if entry else []

    def wait_isolate(self, target, isolate):
        """A target is up with the first of its isolates; the others may come with a later poll. It is
        still up: who asks something of it next is not refused for a poll that was missed before."""
        def there():
            entry = self.target(target)
            return entry and entry["state"] == "up" and isolate in {one["name"] for one in entry["isolates"]}
        until(there, lambda: f"{isolate}, not only {self.isolates(target)}; log:\n{self.tail()}")

    def wait_worker(self, target):
        """The name of the first isolate of the target that is a dedicated worker."""
        def found():
            return next((name for name in self.isolates(target)
                         if name.rsplit("/", 1)[-1].startswith("worker:")), None)
        return until(found, lambda: f"the worker; log:\n{self.tail()}")

    def tail(self, n=40):
        """The last of the log but what the test has asked itself."""
        told = [line for line in self.process.lines if ' component=http msg="GET ' not in line]
        return "\n".join(told[-n:])

    # ---- spool ----

    def ready(self):
        """Snapshots in ready/, whatever they are sealed with, oldest first."""
        return sorted(path for path in self.storage.rglob("ready/*") if SNAPSHOT.search(path.name))

    def incoming(self):
        """Captures that are being written."""
        return list(self.storage.rglob("incoming/*"))

    def capture(self, target, isolate="main", wait=True, limit_s=60.0, **wishes):
        """Ask for a snapshot as a person would; returns its file once it is in ready/."""
        before = set(self.ready())
        self.wait_isolate(target, isolate)
        answer = self.post(f"/api/v1/targets/{target}/captures",
                           json.dumps({"kind": "snapshot", "isolate": isolate, **wishes}).encode(),
                           {"Content-Type": "application/json"})
        assert answer.status == 202, (answer.status, answer.text)
        if not wait:
            return None
        new = until(lambda: set(self.ready()) - before,
                    lambda: f"a capture; log:\n{self.tail()}", limit_s).pop()
        self._wait_listed(new)
        return new

    def _wait_listed(self, snapshot):
        """It is visible as a file a moment before the control thread hears of it."""
        until(lambda: snapshot.name in {entry["name"] for entry in self.api("/captures")["ready"]},
              lambda: f"{snapshot.name} in the list")

    def wait_capture(self, n=1, limit_s=60.0):
        until(lambda: len(self.ready()) >= n, lambda: f"{n} captures; log:\n{self.tail()}", limit_s)
        for snapshot in self.ready():
            self._wait_listed(snapshot)
        return self.ready()[n - 1]


def static_config(targets, rules=None, **sections):
    """A configuration that watches {name: address}, with plain captures."""
    config = {"poll": dict(POLL), "capture": dict(PLAIN),
              "targets": [{"name": n, "address": a} for n, a in targets.items()]}
    config.update(sections)
    return config
