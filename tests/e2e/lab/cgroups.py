"""Control groups that hold a program of a test."""

import os
from pathlib import Path


def memory_group(pid, limit):
    """A control group of our own with a memory limit and the process in it. Who is not root may not
    be able to make one: None."""
    tried = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            place, name = Path("/sys/fs/cgroup/memory" + path), "memory.limit_in_bytes"
        elif controllers == "":
            place, name = Path("/sys/fs/cgroup" + path), "memory.max"
        else:
            continue
        group = place / f"heapwatch-test-{os.getpid()}"
        try:
            group.mkdir()
            (group / name).write_text(str(limit))
            (group / "cgroup.procs").write_text(str(pid))
            return group
        except OSError as error:
            tried.append(f"{group}: {error}")
            if group.is_dir():
                group.rmdir()
    assert os.geteuid() != 0, f"root can make no control group with a memory limit: {tried}"
    return None


def version(group):
    """Of the control groups that it is one of: 1 or 2."""
    return 2 if (group / "cgroup.controllers").exists() else 1
