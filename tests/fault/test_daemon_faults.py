"""Every call by which a whole daemon touches its files during captures of real Nodes fails: the
capture fails with its reason, what is in ready/ is whole and what its manifest says, the daemon goes on,
polls, answers, and the next capture succeeds."""

import errno

from faults import ERRORS, fault_of
from lab import node
from victim import Victim, check_restart, strike_all

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
    strike_all(victim, [(victim.names[i % len(victim.names)], fault) for i, fault in enumerate(chosen)],
               record_property)
    check_restart(victim, nursery)
