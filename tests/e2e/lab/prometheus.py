"""Debian's Prometheus and promtool."""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import yaml

from .wait import LIMIT_S, until

SERVER, TOOL = "/usr/bin/prometheus", "/usr/bin/promtool"


def promtool(*arguments, stdin=None):
    """(exit status, output)"""
    done = subprocess.run([TOOL, *map(str, arguments)], input=stdin, capture_output=True, timeout=60)
    return done.returncode, (done.stdout + done.stderr).decode()


class Prometheus:
    def __init__(self, nursery, home, scrape_configs):
        home.mkdir()
        config = home / "prometheus.yml"
        config.write_text(yaml.safe_dump({"global": {"scrape_interval": "500ms"},
                                          "scrape_configs": scrape_configs}))
        self.process = nursery.start([
            SERVER, f"--config.file={config}", f"--storage.tsdb.path={home}/data",
            "--web.listen-address=127.0.0.1:0", "--log.level=info"])
        heard = self.process.wait_line(r'msg="Listening on" address=127\.0\.0\.1:(\d+)')
        self.port = int(heard[1])
        until(self._ready, "Prometheus to be ready")

    def _ready(self):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=LIMIT_S).close()
        except urllib.error.HTTPError:
            return False
        return True

    def get(self, path, **arguments):
        query = urllib.parse.urlencode(arguments)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}",
                                    timeout=LIMIT_S) as response:
            answer = json.loads(response.read())
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression):
        """[(labels, value)]"""
        return [(row["metric"], float(row["value"][1]))
                for row in self.get("query", query=expression)["result"]]

    def wait_query(self, expression):
        return until(lambda: self.query(expression),
                     lambda: f"a result of {expression}; {self.get('targets')['activeTargets']}")
