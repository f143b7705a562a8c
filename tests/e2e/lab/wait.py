"""Bounded waiting. Every wait of the tests goes through here and has a deadline."""

import time

LIMIT_S = 20.0  # longer than anything that works takes, also under sanitizers on a busy machine

# Asking takes CPU time from who is waited for: the longer that has been, the less often.
STEP_S = 0.02
LONG_STEP_S = 0.05
SHARE = 1 / 20  # of the time so far


class Timeout(AssertionError):
    pass


def until(condition, what, limit_s=LIMIT_S, step_s=None):
    """The first true value of condition(), which is asked every step_s, if that is given; its last
    answer is in the complaint."""
    began = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - began
        if waited > limit_s:
            raise Timeout(f"not within {limit_s:g} s: {what() if callable(what) else what}")
        time.sleep(step_s or min(max(STEP_S, waited * SHARE), LONG_STEP_S))
