"""How far what V8 samples may be from the truth."""

import math

import pytest

# Of 1.7 million runs one is farther off.
SIGMAS = 5

# What is none of chance: some arrays have a memento of 16 bytes, and who has made a list grow is not
# always told. The mean of 12 runs was off by at most 0.8 % in Node and Deno, and 1.3 % in Chromium.
OTHERWISE = 0.02


def chance(size, interval):
    """That an allocation of so many bytes is a sample: V8 counts down to the next one by a random
    number of bytes that is `interval` on average and distributed exponentially."""
    return 1 - math.exp(-size / interval)


def error(n, size, interval):
    """By which share the estimate for n allocations of this size may be off: each is a sample or is
    not, and each sample stands for 1 / chance() of them."""
    p = chance(size, interval)
    return SIGMAS * math.sqrt((1 - p) / (n * p)) + OTHERWISE


def array_bytes(pointer):
    """Of `new Array(128)`, with its elements: 4 words and 128 + 2."""
    return (4 + 2 + 128) * pointer


def kept_bytes(pointer):
    """Of 16000 of them, pushed on a list one by one: it has grown to 22583 elements."""
    return 16000 * array_bytes(pointer) + (22583 + 2) * pointer


def check_mean(row, pointer, interval):
    """Of a function that makes such arrays: each sample stands for what chance() makes of the interval
    that was asked for."""
    size = array_bytes(pointer)
    assert row["self_bytes"] / row["self_count"] == pytest.approx(size / chance(size, interval), rel=0.03)
