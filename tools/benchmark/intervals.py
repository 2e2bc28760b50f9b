# SPDX-License-Identifier: Apache-2.0
"""Quantiles, ratios and their bootstrap intervals, for figures taken on a noisy machine.

A ratio is met when its whole 95 % interval is within the aim, missed when its whole interval is
outside, and "not shown" when the interval straddles the aim. Samples of one block are not
independent of each other (the machine's noise comes in waves), so blocks are resampled first and
then the samples within them.
"""
import random

RESAMPLES = 1000
CONFIDENCE = 0.95


def quantile(values, part):
    """By linear interpolation between the two nearest ranks."""
    ordered = sorted(values)
    at = part * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def median(values):
    return quantile(values, 0.5)


def in_blocks(values, count):
    """Splits one sequence into `count` consecutive blocks, for arms that were interleaved throughout."""
    size = max(1, len(values) // count)
    return [values[at:at + size] for at in range(0, size * count, size)]


def resampled(blocks, source):
    chosen = source.choices(blocks, k=len(blocks))
    return [value for block in chosen for value in source.choices(block, k=len(block))]


def ratio(upper, lower, part, seed=1):
    """Of the two quantiles, with its interval: (ratio, low, high). Arguments are lists of blocks."""
    source = random.Random(seed)
    ratios = sorted(quantile(resampled(upper, source), part) / quantile(resampled(lower, source), part)
                    for _ in range(RESAMPLES))
    flat = [[value for block in blocks for value in block] for blocks in (upper, lower)]
    tail = (1 - CONFIDENCE) / 2
    return (quantile(flat[0], part) / quantile(flat[1], part),
            quantile(ratios, tail), quantile(ratios, 1 - tail))


def verdict(interval, aim, at_least=False):
    """interval: (ratio, low, high); aim: an upper bound, or a lower one."""
    _, low, high = interval
    if at_least:
        return "met" if low >= aim else "missed" if high < aim else "not shown"
    return "met" if high <= aim else "missed" if low > aim else "not shown"


def text(interval):
    return f"{interval[0]:.2f} [{interval[1]:.2f}, {interval[2]:.2f}]"
