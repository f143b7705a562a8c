"""Allocations of the daemon's own code fail while it captures real Nodes and tells of it: what then
cannot be done fails, the daemon goes on, what is in ready/ is whole, and the next capture succeeds."""

import errno
import http.client
from pathlib import Path

from lab import node
from lab.wait import until
from victim import CAPTURE_S, Victim, check_restart

FAULTS = 400  # at full scale
TIMES = (1, 1, 3, 30)  # so many in a row


class Forgetful(Victim):
    """Answers may fail too: they are asked for again."""

    def ask(self, path, **request):
        def once():
            try:
                answer = self.daemon.get("/api/v1" + path, **request)
            except (OSError, http.client.HTTPException):
                return None
            return answer if answer.status < 500 else None
        return until(once, lambda: f"an answer; log:\n{self.daemon.tail()}")

    def try_capture(self, name):
        """Until it has ended, or is refused."""
        asked = self.ask(f"/targets/{name}/captures?kind=snapshot", method="POST")
        if asked.status != 202:
            return
        path = f"/captures/{asked.json()['data']['id']}"
        # What succeeded and could not be listed for want of memory is listed after the next start.
        until(lambda: (c := self.ask(path)).status == 404 or
              c.json()["data"]["state"] in ("succeeded", "failed"),
              lambda: f"the end of {path}; log:\n{self.daemon.tail()}", CAPTURE_S)

    def forget(self, name, nth, times):
        """Problems, as texts."""
        self.faults.arm("error", kinds=("memory",), error=errno.ENOMEM, nth=nth, times=times)
        self.try_capture(name)
        self.faults.disarm()
        what = f"allocation {nth} and {times - 1} more"
        self.settle()
        problems = [f"{what}: {problem}" for problem in self.intact()]
        self.wait_polled(name)
        again, _, ended = self.capture(name)
        if again != "succeeded":
            problems.append(f"{what}: and then, with memory: {ended}")
        self.settle()
        return problems + [f"{what}, and then: {problem}" for problem in self.intact()]


def test_allocations_fail(shim, release, nursery, tmp_path, start_node, dice, share,
                          record_property):
    targets = {f"node{major}": start_node(major, "idle") for major in node.MAJORS}
    library = Path(shim).with_name("fault_memory.so")
    victim = Forgetful(nursery, tmp_path / "daemon", targets, start_node(24, "idle"), library, {})
    victim.capture("node24")
    total = victim.baseline("node24", kinds=("memory",))["memory"]
    problems, fired = [], 0
    for i in range(share(FAULTS)):
        nth, times = dice.randint(1, total), dice.choice(TIMES)
        try:
            problems += victim.forget(victim.names[i % len(victim.names)], nth, times)
        except (OSError, AssertionError, http.client.HTTPException) as error:
            problems.append(f"allocation {nth}, {times}: {error}\n{victim.daemon.tail()}")
            break
        fired += victim.faults.fired
    assert victim.daemon.process.running(), "\n".join(
        [f"the daemon ended: {victim.daemon.process.wait_exit()}", *problems])
    record_property("faults", fired)
    assert not problems, "\n".join([f"{len(problems)}:", *problems[:20]])
    assert fired > 0
    check_restart(victim, nursery)
