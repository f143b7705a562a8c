"""Every call by which a whole daemon speaks to a real Node fails, be it of its polls or of a capture:
the capture ends with a reason, what is in ready/ is whole, others are polled, HTTP is answered, and the
next capture succeeds. Node 20 and 22 are left out: they may die of a connection that breaks in a
snapshot (RUNTIMES.md)."""

from faults import NETWORK, PEER_KINDS, fault_of, peer
from victim import Victim, check_restart, strike_all

FAULTS = 400  # at full scale


def choose(victim, targets, dice, n):
    """[(name of the target, fault)]"""
    name = victim.names[0]
    calls = victim.baseline(name, kinds=PEER_KINDS, part=peer(targets[name].address))
    calls["socket"] = victim.baseline(name, kinds=("socket",))["socket"]
    chosen = []
    for kind in dice.choices(list(NETWORK), k=n):
        name = dice.choice(victim.names)
        part = "" if kind == "socket" else peer(targets[name].address)
        chosen.append((name, fault_of(kind, dice.choice(NETWORK[kind]),
                                      dice.randint(1, calls[kind]), False, part=part)))
    return chosen


def test_every_call_of_the_network_fails(build, nursery, tmp_path, start_node, shim, dice, share,
                                         record_property):
    part, environment = build
    targets = {f"node{major}": start_node(major, "idle") for major in (24, 26)}
    victim = Victim(nursery, tmp_path / "daemon", targets, start_node(24, "idle"), shim, environment)
    victim.capture("node24")
    chosen = choose(victim, targets, dice, share(FAULTS * part))
    fired = strike_all(victim, chosen, record_property)
    assert fired >= len(chosen) / 2, f"{fired} of {len(chosen)} were hit"
    check_restart(victim, nursery)
