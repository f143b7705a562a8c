"""Debian's Alertmanager, alone or as one of a cluster, and amtool."""

import base64
import json
import subprocess
import urllib.error
import urllib.request

import yaml

from .listener import free_port
from .wait import LIMIT_S, until

SERVER, TOOL = "/usr/bin/prometheus-alertmanager", "/usr/bin/amtool"
CONFIG = {"route": {"receiver": "none", "group_wait": "100ms"}, "receivers": [{"name": "none"}]}


def told_at(url):
    """A configuration that tells of each alert by itself, at once, and again when it is resolved."""
    return {"route": {"receiver": "hook", "group_by": ["..."], "group_wait": "100ms",
                      "group_interval": "100ms", "repeat_interval": "4h"},
            "receivers": [{"name": "hook", "webhook_configs": [{"url": url}]}]}


class Alertmanager:
    """`target` is what static_configs says; what is heard of alerts comes over API v2."""

    def __init__(self, nursery, home, peers=(), web=None, login=None, port=0,
                 config=CONFIG):
        home.mkdir(exist_ok=True)
        file = home / "alertmanager.yml"
        file.write_text(yaml.safe_dump(config))
        self.port, self.cluster = port or free_port(), f"127.0.0.1:{free_port()}"
        self.target, self.web, self.login = f"127.0.0.1:{self.port}", web, login
        argv = [SERVER, f"--config.file={file}", f"--storage.path={home}/data",
                f"--web.listen-address={self.target}", f"--cluster.listen-address={self.cluster}",
                "--cluster.settle-timeout=1s", "--log.level=debug"]
        argv += [f"--cluster.peer={peer.cluster}" for peer in peers]
        if web:
            file = home / "web.yml"
            file.write_text(yaml.safe_dump(web["config"]))
            argv.append(f"--web.config.file={file}")
        self.process = nursery.start(argv)
        until(self._ready, lambda: f"Alertmanager; {self.process.output()}")

    def _open(self, path):
        scheme = "https" if self.web else "http"
        request = urllib.request.Request(f"{scheme}://{self.target}{path}")
        if self.login:
            text = base64.b64encode(":".join(self.login).encode()).decode()
            request.add_header("Authorization", f"Basic {text}")
        context = self.web["context"] if self.web else None
        return urllib.request.urlopen(request, timeout=LIMIT_S, context=context)

    def _ready(self):
        assert self.process.running(), self.process.output()
        try:
            self._open("/-/ready").close()
        except urllib.error.HTTPError:
            return False
        except OSError:
            return False
        return True

    def get(self, path):
        with self._open("/api/v2" + path) as answer:
            return json.load(answer)

    def alerts(self):
        return self.get("/alerts")

    def wait_alert(self, name):
        return until(lambda: next((a for a in self.alerts() if a["labels"]["alertname"] == name),
                                  None), lambda: f"{name} in {self.alerts()}")

    def wait_none(self):
        until(lambda: self.alerts() == [], lambda: f"no alert: {self.alerts()}")

    def amtool(self, *arguments):
        done = subprocess.run([TOOL, f"--alertmanager.url=http://{self.target}", *arguments],
                              capture_output=True, timeout=LIMIT_S, check=True)
        return done.stdout.decode()


def static(*peers, **options):
    """An entry of alerting.alertmanagers."""
    return {"static_configs": [{"targets": [peer.target for peer in peers]}], **options}
