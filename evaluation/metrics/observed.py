"""How many had the event by a time: what every measure holds a prediction against.

Kaplan-Meier, or Aalen-Johansen where another event competes: the same estimate where none does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from evaluation.statistics import (
    WEIGHTED,
    incidence_by_cause,
    replicate_incidence,
    replicate_survival,
    share_with_error,
    survival_at,
)
from features.life_table import Z
from features.outcome import Outcome


class ObservedProbability(NamedTuple):
    """Event probability at a horizon; its error (Greenwood's), log-log 95% interval."""

    estimate: float
    standard_error: float
    ci_low: float
    ci_high: float


def replicate_event_free(outcome: Outcome, times: ArrayLike, counts: np.ndarray) -> np.ndarray:
    """Probability of not having had the event by each time, in each bootstrap replicate.

    Parameters
    ----------
    outcome : Outcome of n patients
        With competing events 1 - Aalen-Johansen, else Kaplan-Meier.
    times : array-like of shape (n_times,)
        Months, in any order.
    counts : ndarray of shape (B, n)
        How often each replicate holds each patient.

    Returns
    -------
    ndarray of shape (B, n_times)
        NaN beyond the last patient of the replicate, unless nobody is left to have an event.
    """
    if outcome.has_competing:
        return 1.0 - replicate_incidence(outcome, times, counts)
    return replicate_survival(outcome, times, counts)


def estimator_name(outcome: Outcome) -> str:
    """What the probability is estimated by, and how its limits are made."""
    if outcome.has_competing:
        name, limits = "Aalen-Johansen", "log-log of 1 - incidence"
    else:
        name, limits = "Kaplan-Meier", "log-log"
    return f"{name if outcome.censoring is None else WEIGHTED}, {limits}"


def observed_probability(outcome: Outcome, horizon: float) -> ObservedProbability:
    """Probability of the event by the horizon.

    Parameters
    ----------
    outcome : Outcome of n patients
    horizon : float
        Months.

    Returns
    -------
    ObservedProbability
        All NaN when the horizon is beyond the last patient, unless everyone has had the event by
        then; error and limits NaN where the estimate is 0 or 1.
    """
    return observed_probabilities(outcome, [horizon])[0]


def observed_probabilities(
    outcome: Outcome, horizons: Sequence[float] | np.ndarray
) -> list[ObservedProbability]:
    """`observed_probability` at each horizon (months), from one curve.

    Where the outcome carries a censoring distribution of each patient, the weighted share of
    patients with the event instead; its error takes the weights as known.
    """
    if outcome.has_competing:
        table = incidence_by_cause(outcome, horizons)
        table = table.loc[table["cause"] == "event", ["estimate", "std_error", "ci_low", "ci_high"]]
        return [ObservedProbability(*row) for row in table.itertuples(index=False)]
    if outcome.censoring is not None:
        return _weighted_probabilities(outcome, np.asarray(horizons, dtype=float))
    # Once everyone has had the event, the probability is known to be 1 at any later horizon.
    known = survival_at(outcome, np.minimum(horizons, outcome.follow_up))
    survival = known["survival"].to_numpy()
    lost = (np.asarray(horizons) > outcome.follow_up) & (survival > 0)
    certain = lost | (survival == 0) | (survival == 1)
    columns = (
        np.where(lost, np.nan, 1.0 - survival),
        np.where(certain, np.nan, known["std_error"]),
        np.where(certain, np.nan, 1.0 - known["ci_high"]),
        np.where(certain, np.nan, 1.0 - known["ci_low"]),
    )
    return [ObservedProbability(*map(float, row)) for row in zip(*columns, strict=True)]


def _weighted_probabilities(outcome: Outcome, horizons: np.ndarray) -> list[ObservedProbability]:
    estimate, error = share_with_error(outcome, horizons, outcome.event)
    inside = (estimate > 0) & (estimate < 1)
    error = np.where(inside, error, np.nan)
    free = np.where(inside, 1.0 - estimate, 0.5)
    # On the log-log scale of survival, as Kaplan-Meier's.
    spread = np.exp(Z * error / (free * np.abs(np.log(free))))
    columns = (estimate, error, 1.0 - free ** (1.0 / spread), 1.0 - free**spread)
    return [ObservedProbability(*map(float, row)) for row in zip(*columns, strict=True)]
