"""Control groups that hold a program of a test."""

import os
from pathlib import Path


def memory_group(pid, limit):
    """A control group of our own with a memory limit and the process in it; None where we may not
    make one."""
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
        except OSError:
            if group.is_dir():
                group.rmdir()
    return None
