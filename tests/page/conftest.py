"""The status page in a real browser: what it is about runs with the tools of the end-to-end tests."""

import json
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from lab import cdp, daemon, listener, node, proc  # noqa: E402
from lab.wait import until  # noqa: E402

RULE = {
    "alert": "BuffersHigh",
    "match": '{name="shop"}',
    "when": {"metric": "array_buffers", "above": "20MiB", "for": "1s"},
    "labels": {"severity": "page"},
    "annotations": {"summary": "{{ $labels.target }} holds {{ $value | humanize1024 }}B of <buffers>"},
    "guards": {"cooldown": "1h", "max_captures": 3, "window": "24h"},
    "actions": [{"capture": "snapshot"}],
}


class Scene:
    """A shop whose buffers grow and a service that is mostly idle, beside one that is gone and one that
    is none."""

    def __init__(self, nursery, home):
        self.shop = node.Node(nursery, 24, "toggle", 50, flags=["--expose-gc"])
        self.idle = node.Node(nursery, 22, "allocate")
        self.mail = listener.talker()
        rules = home / "rules.yaml"
        rules.write_text(yaml.safe_dump({"groups": [
            {"name": "memory", "interval": "1s", "rules": [RULE]}]}, sort_keys=False))
        self.daemon = daemon.Daemon(nursery, home / "daemon", daemon.static_config(
            {"idle": self.idle.address, "shop": self.shop.address, "mail": self.mail.address,
             "gone": f"127.0.0.1:{listener.free_port()}"}, rule_files=[str(rules)],
            analysis={"enabled": True, "headroom": "64MiB"}))
        self.url = f"http://127.0.0.1:{self.daemon.port}/"
        for name, state in (("shop", "up"), ("idle", "up"), ("gone", "down"), ("mail", "invalid")):
            self.daemon.wait_state(name, state)
        self.shop.nudge("^on")
        self.snapshot = self.daemon.wait_capture()
        until(lambda: self.daemon.api("/captures")["ready"], "the capture in the API")
        self.capture_id = self.daemon.api("/captures")["ready"][0]["id"]
        self.profile_id = self.take_profile()
        self.timeline_id, self.kept = self.take_timeline()

    def ask(self, target, **wish):
        answer = self.daemon.post(f"/api/v1/targets/{target}/captures", json.dumps(wish).encode(),
                                  {"Content-Type": "application/json"})
        assert answer.status == 202, answer.text
        return answer.json()["data"]["id"]

    def take_profile(self):
        """Of the shop, once its report is there."""
        return self.wait_report(self.ask("shop", kind="sampling", duration="1s", interval="1KiB",
                                         objects="all"))

    def take_timeline(self):
        """Of the service while it is not idle, and what that keeps, in bytes."""
        with cdp.Client(self.idle.port) as client:
            identity = self.ask("idle", kind="timeline", duration="4s")
            until(lambda: cdp.is_tracking(client), lambda: f"it tracks; log:\n{self.daemon.tail()}")
            cdp.wait_interval(client)
            kept = int(self.idle.nudge(r"^kept (\d+)")[1])
            # Whoever leaves ends the tracking.
            return self.wait_report(identity), kept

    def wait_report(self, identity):
        until(lambda: any(c["id"] == identity and c["analysis"]["state"] == "done"
                          for c in self.daemon.api("/captures")["ready"]),
              lambda: f"its report; log:\n{self.daemon.tail()}")
        return identity


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    nursery = proc.Nursery()
    try:
        yield Scene(nursery, tmp_path_factory.mktemp("scene"))
    finally:
        nursery.close()
