"""Bounded waiting. Every wait of the tests goes through here and has a deadline."""

import time

LIMIT_S = 20.0  # longer than anything that works takes, also under sanitizers on a busy machine
STEP_S = 0.02


class Timeout(AssertionError):
    pass


def until(condition, what, limit_s=LIMIT_S, step_s=STEP_S):
    """The first true value of condition(); its last answer is in the complaint."""
    deadline = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Timeout(f"not within {limit_s:g} s: {what() if callable(what) else what}")
        time.sleep(step_s)
