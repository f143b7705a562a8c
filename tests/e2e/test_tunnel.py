"""The recipe of docs/SECURITY.md: an inspector reached over SSH, by the commands that stand there."""

import getpass
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from lab import listener, readers
from lab.daemon import PLAIN, POLL
from lab.wait import until

PAGE = Path(__file__).resolve().parents[2] / "docs" / "SECURITY.md"
COUNT = 4321
SSHD = "/usr/sbin/sshd"


def recipes():
    """The options of the two ssh commands of the page."""
    text = PAGE.read_text().replace("\\\n", " ")
    found = re.findall(r"^ssh (-N .*) app@10\.0\.0\.5$", text, re.M)
    assert len(found) == 2, found
    return [command.split() for command in found]


def restriction():
    """What stands before the key in authorized_keys."""
    return re.search(r"^(restrict,\S+) ssh-ed25519", PAGE.read_text(), re.M)[1]


class Host:
    """An sshd on a port of its own, which lets in one key, for what the page says."""

    def __init__(self, nursery, home, inspector_port):
        home.mkdir(mode=0o700)
        self.home, self.port = home, listener.free_port()
        for name in ("host", "key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True)
        allowed = restriction().replace("9229", str(inspector_port))
        (home / "authorized_keys").write_text(f"{allowed} {(home / 'key.pub').read_text()}")
        (home / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {(home / 'host.pub').read_text()}")
        os.makedirs("/run/sshd", exist_ok=True)  # where sshd locks itself up before it knows a user
        self._sshd = [SSHD, "-D", "-e", "-f", "/dev/null", "-p", str(self.port),
                      *self._options(f"HostKey={home / 'host'}", "ListenAddress=127.0.0.1",
                                     f"AuthorizedKeysFile={home / 'authorized_keys'}", "PidFile=none",
                                     "UsePAM=no", "PermitRootLogin=prohibit-password", "StrictModes=no",
                                     "PasswordAuthentication=no")]
        self._nursery = nursery
        nursery.start(self._sshd).wait_line("Server listening on")

    @staticmethod
    def _options(*options):
        return [part for option in options for part in ("-o", option)]

    def tunnel(self, *options, command=()):
        return self._nursery.start(
            ["ssh", "-F", "/dev/null", "-i", self.home / "key", "-p", str(self.port), *options,
             *self._options(f"UserKnownHostsFile={self.home / 'known_hosts'}", "IdentitiesOnly=yes",
                            "BatchMode=yes"), f"{getpass.getuser()}@127.0.0.1", *command])


@pytest.mark.parametrize("unix", [False, True], ids=["port", "socket"])
def test_watched_and_captured_through_a_tunnel(start_node, start_daemon, nursery, tmp_path, unix):
    node = start_node(24, "heap", COUNT, 5)
    host = Host(nursery, tmp_path / "ssh", node.port)
    port, socket_path = listener.free_port(), tmp_path / "app.sock"
    words = {"127.0.0.1:19001:127.0.0.1:9229": f"127.0.0.1:{port}:127.0.0.1:{node.port}",
             "/run/heapwatch-tunnels/app.sock:127.0.0.1:9229": f"{socket_path}:127.0.0.1:{node.port}"}
    tunnel = host.tunnel(*[words.get(word, word) for word in recipes()[unix]])
    address = f"unix:{socket_path}" if unix else f"127.0.0.1:{port}"
    # The process at the other end is not seen.
    daemon = start_daemon({"poll": dict(POLL), "capture": dict(PLAIN, guards={"headroom": 0}),
                           "targets": [{"name": "app", "address": address}]})
    daemon.wait_up("app")
    assert readers.parse(daemon.capture("app"), "KnownThing")[2] == COUNT
    tunnel.signal(signal.SIGTERM)
    tunnel.wait_exit()
    daemon.wait_state("app", "down")
    again = host.tunnel(*[words.get(word, word) for word in recipes()[unix]])
    daemon.wait_up("app")
    assert again.running()


def test_the_key_opens_nothing_else(start_node, nursery, tmp_path):
    node, other = start_node(24, "idle"), start_node(24, "idle")
    host = Host(nursery, tmp_path / "ssh", node.port)
    port = listener.free_port()
    tunnel = host.tunnel("-N", "-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{port}:127.0.0.1:{other.port}")
    until(lambda: listener_answers(port), "the tunnel")
    tunnel.wait_line("administratively prohibited|open failed")
    shell = host.tunnel(command=("echo", "within"))
    assert shell.wait_exit() == 1 and shell.count_lines("within") == 0
    back = host.tunnel("-N", "-o", "ExitOnForwardFailure=yes", "-R",
                       f"127.0.0.1:{listener.free_port()}:127.0.0.1:{node.port}")
    assert back.wait_exit() != 0
    back.wait_line("remote port forwarding failed")


def listener_answers(port):
    done = subprocess.run(["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"], capture_output=True)
    return done.returncode == 0
