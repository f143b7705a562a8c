"""A runtime that is named in the configuration is taken for that, and what is there instead is said."""

import pytest

from lab import every
from lab.daemon import POLL
from lab.wait import until

# Named so it is not: (the name, what is said of it).
WRONG = {
    "node": ("deno", "it is node, not deno as configured"),
    "deno": ("workerd", "it is deno, not workerd as configured"),
    "workerd": ("chromium", "it is workerd, not chromium as configured"),
    "chromium": ("bun", "it is chromium, not bun as configured"),
    "bun": ("node", "it is bun, not node as configured"),
    "webkit": ("safari", "/json/list answered HTTP status 404"),
    "safari": ("webkit", "/ answered HTTP status 404"),
    "firefox": ("node", ""),  # no HTTP, in words of the library
}


@pytest.mark.parametrize("name", every.NAMES)
def test_right_and_wrong(name, nursery, tmp_path, site, start_daemon):
    address = every.start(name, nursery, tmp_path / "program", site)
    wrong, why = WRONG[name]
    daemon = start_daemon({"poll": dict(POLL), "targets": [
        {"name": "right", "address": address, "runtime": name},
        {"name": "wrong", "address": address, "runtime": wrong}]})
    assert why in daemon.wait_state("wrong", "invalid")["lastError"]
    daemon.wait_up("right")
    (labels, _), = daemon.values("heapwatch_target_info", target="right")
    assert labels["runtime"] == name
    until(lambda: daemon.values("heapwatch_heap_used_bytes", target="right"),
          lambda: f"a sample; log:\n{daemon.tail()}")
    assert daemon.values("heapwatch_heap_used_bytes", target="wrong") == []
    assert daemon.state("wrong") == "invalid"
