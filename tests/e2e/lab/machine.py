"""A real systemd, booted in a container of systemd-nspawn: the /usr of this machine, below what
`meson install` puts there, and an empty /etc. It has a network of its own and is up in a second."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from . import node
from .wait import until


class Machine:
    def __init__(self, nursery, home, installed):
        """installed: the destdir of an install with prefix /usr."""
        self.root = home / "root"
        for name in ("usr", "etc", "var", "tmp", "run", "proc", "sys", "dev", "mnt"):
            (self.root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            if os.path.islink(f"/{name}"):
                os.symlink(os.readlink(f"/{name}"), self.root / name)
        for name in ("os-release", "ld.so.cache"):
            shutil.copy(f"/etc/{name}", self.root / "etc" / name)
        (self.root / "etc" / "machine-id").touch()
        self.etc = self.root / "etc" / "heapwatch"
        self.etc.mkdir()
        self._process = nursery.start([
            "systemd-nspawn", "--directory", self.root, f"--overlay-ro=/usr:{installed}/usr:/usr",
            "--private-network", "--register=no", "--keep-unit", "--console=pipe",
            f"--bind-ro={node.MODULES}:/mnt/nodes", f"--bind-ro={node.PROGRAMS}:/mnt/programs",
            "--boot", "systemd.unit=basic.target"])
        self._leader = until(self._find_leader, lambda: self._process.output())
        nursery.adopt(int(self._leader))  # the first process of the container: all of it ends with it
        until(lambda: self.run("systemctl", "is-system-running", check=False)[1].strip() == "running",
              lambda: f"{self.run('systemctl', check=False)[1]}\n{self._process.output()}")

    def _find_leader(self):
        """The init of the container; another child of nspawn goes before it."""
        assert self._process.running(), self._process.output()
        task = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for child in task.read_text().split():
            try:
                if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                    return child
            except FileNotFoundError:
                pass
        return None

    def run(self, *argv, check=True, limit_s=30):
        """(exit status, output) of a command inside."""
        done = subprocess.run(["nsenter", "-t", self._leader, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w",
                               *map(str, argv)], capture_output=True, text=True, timeout=limit_s)
        assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.returncode, done.stdout + done.stderr

    def show(self, unit, name):
        return self.run("systemctl", "show", "--value", "-p", name, unit)[1].strip()

    def journal(self, *match):
        text = self.run("journalctl", "-o", "json", "--no-pager", *match, check=False)[1]
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def get(self, path):
        """The body of the daemon's answer, over the container's loopback; None when there is none."""
        script = (f"exec 3<>/dev/tcp/127.0.0.1/19229 && printf 'GET {path} HTTP/1.0\\r\\nHost: "
                  "127.0.0.1\\r\\n\\r\\n' >&3 && cat <&3")
        status, text = self.run("bash", "-c", script, check=False)
        head, _, body = text.partition("\n\n")  # line ends are translated by run()
        return body if status == 0 and " 200 " in head.split("\n")[0] else None


def why_not():
    """Why nothing can boot here (in a chroot, or in a container without the rights); None: it can.
    A boot needs new namespaces, the sandbox of our unit one of users."""
    for kinds in (["-m", "-p", "-n", "-i", "-u", "-C", "-f"], ["-U"]):
        done = subprocess.run(["unshare", *kinds, "true"], capture_output=True, text=True)
        if done.returncode:
            return done.stderr.strip()
    return None
