"""heapwatchctl beside the daemon under test, run to its end."""

import json
import os
import pty
import subprocess

from .daemon import program

LIMIT_S = 60.0


def binary():
    return os.path.join(os.path.dirname(program()), "heapwatchctl")


class Ctl:
    """heapwatchctl with flags that always come first, as `-H` or `-D`."""

    def __init__(self, *flags, cwd=None):
        self.flags = [str(flag) for flag in flags]
        self.cwd = cwd

    def environment(self, extra=None):
        keep = {k: v for k, v in os.environ.items()
                if k not in ("HEAPWATCH_HOST", "SYSTEMD_PAGER", "PAGER", "SYSTEMD_LESS")}
        return dict(keep, TZ="UTC", **(extra or {}))

    def __call__(self, *args, exit=0, env=None, text=True, limit_s=LIMIT_S):
        """Runs it, checks how it ended, returns the finished process."""
        done = subprocess.run([binary(), *self.flags, *map(str, args)], capture_output=True,
                              stdin=subprocess.DEVNULL, env=self.environment(env), cwd=self.cwd,
                              timeout=limit_s)
        assert done.returncode == exit, (args, done.returncode, done.stdout[-2000:], done.stderr)
        if text:
            done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        return done

    def lines(self, *args, **options):
        return self(*args, **options).stdout.splitlines()

    def json(self, *args, **options):
        return json.loads(self("--json=short", *args, **options).stdout)

    def on_terminal(self, *args, env=None):
        """(exit, what the terminal got)"""
        ours, theirs = pty.openpty()
        child = subprocess.Popen([binary(), *self.flags, *map(str, args)], stdin=theirs,
                                 stdout=theirs, stderr=theirs, cwd=self.cwd,
                                 env=self.environment(dict({"TERM": "dumb"}, **(env or {}))),
                                 start_new_session=True)
        os.close(theirs)
        got = b""
        try:
            while piece := os.read(ours, 65536):
                got += piece
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        return child.wait(LIMIT_S), got.decode(errors="replace").replace("\r\n", "\n")
