"""Child processes: output as lines to wait for, the exact moment of the exit, and an end that
takes the whole process group of the child and nothing else."""

import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

from .wait import LIMIT_S, Timeout

# A child ends with the test run, also when that is killed.
WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Process:
    def __init__(self, argv, env=None, cwd=None, pass_fds=()):
        self.argv = [str(a) for a in argv]
        self.lines = []
        self.exited_at = None
        self.ended = None  # how, as waitid() tells
        self._news = threading.Condition()
        self._child = subprocess.Popen(
            WITH_US + self.argv, env=env, cwd=cwd, pass_fds=pass_fds, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.pid = self._child.pid
        self._threads = [threading.Thread(target=self._read, args=(s,), daemon=True)
                         for s in (self._child.stdout, self._child.stderr)]
        self._threads.append(threading.Thread(target=self._reap, daemon=True))
        for thread in self._threads:
            thread.start()

    def _read(self, stream):
        for raw in stream:
            with self._news:
                self.lines.append(raw.decode(errors="replace").rstrip("\n"))
                self._news.notify_all()
        stream.close()

    def _reap(self):
        self.ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        now = time.monotonic()
        self._child.wait()
        with self._news:
            self.exited_at = now
            self._news.notify_all()

    def _wait(self, condition, what, limit_s):
        deadline = time.monotonic() + limit_s
        with self._news:
            while True:
                value = condition()
                if value is not None:
                    return value
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._news.wait(left)
        raise Timeout(f"{what} not within {limit_s:g} s; output:\n" + self.output())

    def output(self):
        return "\n".join(self.lines)

    def mark(self):
        """A place in the output, to wait only for what comes after it."""
        return len(self.lines)

    def wait_line(self, pattern, since=0, limit_s=LIMIT_S):
        """The match of the first line that has the pattern. Fails at once when the child ended."""
        search, at = re.compile(pattern).search, since

        def found():
            nonlocal at
            while at < len(self.lines):  # each line once, however often there is news
                match = search(self.lines[at])
                at += 1
                if match:
                    return match
            if self.exited_at and not any(t.is_alive() for t in self._threads[:2]):
                raise AssertionError(f"ended before {pattern!r}; output:\n" + self.output())
            return None
        return self._wait(found, f"line {pattern!r}", limit_s)

    def count_lines(self, pattern, since=0):
        return sum(bool(re.search(pattern, line)) for line in self.lines[since:])

    def signal(self, number):
        os.kill(self.pid, number)

    def wait_exit(self, limit_s=LIMIT_S):
        """The exit status; negative for a signal."""
        self._wait(lambda: self.exited_at, "exit", limit_s)
        for thread in self._threads:
            thread.join(limit_s)
        return self._child.returncode

    def running(self):
        return self.exited_at is None

    def kill(self):
        """End the child and what it started. A stopped child is ended as well."""
        if self.running():
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.wait_exit()

    def stop(self, limit_s=LIMIT_S):
        """SIGTERM and the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait_exit(limit_s)

    # ---- as the kernel sees it ----

    def _stat(self):
        text = Path(f"/proc/{self.pid}/stat").read_text()
        return text[text.rindex(")") + 2:].split()

    def state(self):
        return self._stat()[0]

    def cpu_seconds(self):
        """User and system time; finer than the ticks of stat where the kernel tells."""
        try:
            return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9
        except (OSError, ValueError):
            return sum(map(int, self._stat()[11:13])) / TICKS_PER_S

    def group_cpu_seconds(self):
        """CPU time of all threads."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def rss_bytes(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def forget_peak(self):
        """The next peak_rss_bytes() is of what comes from here on."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak_rss_bytes(self):
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)[1]) * 1024


class Nursery:
    """Starts processes and ends all of them, newest first."""

    def __init__(self):
        self._all = []
        self._adopted = []

    def adopt(self, pid):
        """End this process as well: a descendant that left the group of its ancestor."""
        self._adopted.append(pid)

    def start(self, argv, **options):
        process = Process(argv, **options)
        self._all.append(process)
        return process

    def close(self):
        for pid in self._adopted:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for process in reversed(self._all):
            process.kill()
