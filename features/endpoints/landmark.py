"""Landmark analysis: patients still at risk at a landmark, with the clock started anew there.

Comparing groups that form after treatment has started, such as responders, from the start of
treatment gives them the time they had to survive to get there (Anderson, Cain, Gelber, J Clin Oncol
1983;1:710). From a landmark on, nobody is given such time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.errors import InputError, Problem
from features.outcome import Outcome
from features.times import one_time


@dataclass(frozen=True)
class Landmark:
    """Who is at risk at a landmark, and what happened to them from there.

    Attributes
    ----------
    at_risk : ndarray of shape (n,), bool
    outcome : Outcome of the patients at risk
        Months since the landmark.
    """

    at_risk: np.ndarray
    outcome: Outcome


def landmark(outcome: Outcome, months: float) -> Landmark:
    """Re-base an outcome to a landmark.

    Parameters
    ----------
    outcome : Outcome of n patients
    months : float
        Above 0, below the longest follow-up.

    Raises
    ------
    InputError
        When nobody is at risk at the landmark.
    """
    if not months > 0:
        raise ValueError(f"a landmark lies after the index date; got {months:g} months")
    months = float(one_time(months))
    # At risk: neither an event nor censored by the landmark, the landmark's own day included.
    at_risk = outcome.time > months
    if not at_risk.any():
        raise InputError(
            Problem(
                what="Nobody is at risk at the landmark",
                where="landmark_months",
                got=f"{months:g} months",
                allowed=f"below {outcome.follow_up:.1f} months, the longest follow-up",
                remedy="choose an earlier landmark",
            )
        )
    later = outcome.take(at_risk)
    rebased = Outcome(later.time - months, later.event, later.reason, later.source, later.competing)
    return Landmark(at_risk, rebased)
