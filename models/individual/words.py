"""Numbers of one patient in words: a printed certainty is never claimed."""

from __future__ import annotations

import math

# Beyond these a printed number would claim to be sure.
LEAST, MOST = 0.01, 0.99


def percent(probability: float | None) -> str:
    """A probability as a person reads it: 43%, > 99%, < 1%, unknown.

    >>> percent(0.432), percent(0.998), percent(0.0), percent(None)
    ('43%', '> 99%', '< 1%', 'unknown')
    """
    if probability is None or math.isnan(probability):
        return "unknown"
    if probability > MOST:
        return "> 99%"
    if probability < LEAST:
        return "< 1%"
    return f"{probability:.0%}"


def percent_range(low: float | None, high: float | None) -> str:
    """Two limits: '31% to 55%'; empty where there are none."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    return f"{percent(low)} to {percent(high)}"


def points(amount: float) -> str:
    """A difference of two probabilities in percentage points, with its sign.

    >>> points(0.123), points(-0.004)
    ('+12 points', '0 points')
    """
    whole = round(100 * amount)
    return f"{whole:+d} points" if whole else "0 points"


def listed(names: list[str] | tuple[str, ...]) -> str:
    """Several names in a sentence: 'a, b and c'."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
