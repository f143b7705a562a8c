"""Is a daemon there for everybody else meanwhile? It is asked how it is all the time, by a process of
its own that nothing of the campaign delays, and has to answer at once and to go on polling a target
that nothing happens to."""

import json
import re
import select
import subprocess
import sys
import time
import urllib.request

PROBE_S = 0.05
PATHS = ("/-/healthy", "/metrics")
ANSWER_S = 1.0  # the slowest answer
STANDSTILL_S = 3.0  # the longest time between two polls; less than we ever wait for a target
LEAST_POLLS = 0.5  # of those due
LIMIT_S = 20.0
FAILURES_MAX = 20
BEGUN = "begun\n"


class Probe:
    """Of a daemon that polls `target` at that interval: from the start to end()."""

    def __init__(self, daemon, target, interval_s):
        self._daemon, self._target, self._interval_s = daemon, target, interval_s
        self._polls, self._began = self._polled(), time.monotonic()
        self._child = subprocess.Popen([sys.executable, __file__, str(daemon.port), target], text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.slowest = self.standstill = self.share = 0.0
        self.asked, self.failures = 0, []
        assert self._child.stdout.readline() == BEGUN

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._child.poll() is None:
            self._child.communicate("")

    def _polled(self):
        return self._daemon.value("heapwatch_polls_total", target=self._target)

    def end(self):
        found = json.loads(self._child.communicate("")[0])
        self.asked, self.failures = found["asked"], found["failures"]
        self.slowest, self.standstill = found["slowest"], found["standstill"]
        due = (time.monotonic() - self._began) / self._interval_s
        self.share = (self._polled() - self._polls) / due

    def check(self):
        """After end()."""
        assert self.asked > 0 and not self.failures, self.failures
        assert self.slowest < ANSWER_S, f"an answer took {self.slowest:.3f} s"
        assert self.standstill < STANDSTILL_S, f"no poll for {self.standstill:.3f} s"
        assert self.share > LEAST_POLLS, f"{self.share:.2f} of the polls that were due"


# ---- the process ----

def get(port, path):
    """The text, or OSError, which an answer other than 200 is as well."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=LIMIT_S) as answer:
        return answer.read().decode()


class Look:
    def __init__(self, port, target):
        self._port = port
        self._count = re.compile(r'^heapwatch_polls_total\{target="%s"\} (\S+)$' % re.escape(target),
                                 re.M)
        self._polls, self._since = None, time.monotonic()
        self.asked, self.failures, self.slowest, self.standstill = 0, [], 0.0, 0.0

    def ask(self, path):
        began = time.monotonic()
        try:
            text = get(self._port, path)
            if path == "/metrics":
                self._count_polls(text)
        except OSError as error:
            self.failures.append(f"{path}: {error}")
            del self.failures[FAILURES_MAX:]
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.asked += 1

    def _count_polls(self, text):
        found, now = self._count.search(text), time.monotonic()
        if found is None:
            raise OSError("it tells of no polls")
        if found[1] != self._polls:
            self._polls, self._since = found[1], now
        self.standstill = max(self.standstill, now - self._since)


def main(port, target):
    look, over = Look(port, target), False
    print(BEGUN, end="", flush=True)
    while not over:
        over = bool(select.select([sys.stdin], [], [], PROBE_S)[0])
        for path in PATHS:
            look.ask(path)
    print(json.dumps({"asked": look.asked, "failures": look.failures, "slowest": look.slowest,
                      "standstill": look.standstill}))


if __name__ == "__main__":
    main(*sys.argv[1:])
