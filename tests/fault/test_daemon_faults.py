"""Every call by which a whole daemon touches its files during captures of real Nodes fails: the
capture fails with its reason, what is in ready/ is whole and what its manifest says, the daemon goes on,
polls, answers, and the next capture succeeds."""

import errno

from faults import ERRORS, fault_of
from lab import node
from probe import Probe
from victim import POLL_S, Victim, check_restart

FAULTS = 400  # at full scale


def test_every_call_of_a_daemon_fails(build, nursery, tmp_path, start_node, shim, dice, share,
                                      record_property):
    part, environment = build
    targets = {f"node{major}": start_node(major, "idle") for major in node.MAJORS}
    victim = Victim(nursery, tmp_path / "daemon", targets, start_node(24, "idle"), shim,
                    environment)
    victim.capture("node24")
    calls = victim.baseline("node24")
    chosen = [fault_of(kind, dice.choice(ERRORS[kind]), dice.randint(1, calls[kind]),
                       dice.random() < 0.3)
              for kind in dice.choices([k for k in calls if ERRORS[k]], k=share(FAULTS * part))]
    for fault in chosen:
        if fault.get("error") == errno.EINTR:
            fault["sticky"] = False
    problems, fired = [], 0
    with Probe(victim.daemon, "quiet", POLL_S) as probe:
        for i, fault in enumerate(chosen):
            try:
                problems += victim.strike(victim.names[i % len(victim.names)], fault)
            except (OSError, AssertionError) as error:
                problems.append(f"{fault} at {victim.faults.what}: {error}\n{victim.daemon.tail()}")
                break
            fired += victim.faults.fired > 0
        assert victim.daemon.process.running(), "\n".join(
            [f"the daemon ended: {victim.daemon.process.wait_exit()}", *problems])
        probe.end()
    record_property("faults", fired)
    record_property("slowest answer", round(probe.slowest, 3))
    assert not problems, "\n".join([f"{len(problems)} of {len(chosen)}:", *problems[:20]])
    probe.check()
    check_restart(victim, nursery)
