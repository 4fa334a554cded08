"""Calibration of a predicted cumulative incidence at one horizon, against Aalen-Johansen."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.statistics.competing_incidence import incidence_by_cause, replicate_incidence
from features.outcome import Outcome


def replicate_competing_oe(
    outcome: Outcome, incidence: np.ndarray, horizon: float, counts: np.ndarray
) -> np.ndarray:
    """Aalen-Johansen probability of the event over the mean predicted one, by replicate.

    Parameters
    ----------
    outcome : Outcome of n patients
    incidence : ndarray of shape (n,)
        Predicted cumulative incidence at the horizon. Not survival.
    horizon : float
        Months.
    counts : ndarray of shape (B, n)
        How often each bootstrap replicate holds each patient.

    Returns
    -------
    ndarray of shape (B,)
        NaN where a prediction is NaN, and in a replicate that is not followed up to the horizon.

    Raises
    ------
    ValueError
        When incidence does not hold one probability a patient.
    """
    incidence = _probabilities(incidence, outcome)
    counts = np.asarray(counts, dtype=float)
    observed = replicate_incidence(outcome, [horizon], counts)[:, 0]
    expected = counts @ incidence / counts.sum(axis=1)
    return np.divide(observed, expected, out=np.full(len(counts), np.nan), where=expected > 0)


def grouped_competing_calibration(
    outcome: Outcome, incidence: np.ndarray, horizon: float, groups: int = 5
) -> pd.DataFrame:
    """Predicted and Aalen-Johansen probability in groups of predicted risk.

    Parameters are those of `replicate_competing_oe`; `groups` by quantiles of the prediction,
    fewer where predictions tie.

    Returns
    -------
    DataFrame, one row a group from low to high risk
        `group` from 1, `n`, `events` and `competing` by the horizon, `expected` (mean prediction),
        `observed`, `standard_error`, `ci_low`, `ci_high`, `ci_method`, `note`. Observed is NaN,
        with the reason, in a group not followed up to the horizon.

    Raises
    ------
    ValueError
        When incidence does not hold one probability a patient, or holds NaN.
    """
    incidence = _probabilities(incidence, outcome)
    if np.isnan(incidence).any():
        raise ValueError("incidence is NaN for some patients; leave this horizon out")
    # Quantiles as R's type 7, groups closed on the right.
    limits = np.quantile(incidence, np.linspace(0.0, 1.0, groups + 1)[1:-1])
    below = np.searchsorted(limits, incidence, side="left")
    rows = []
    for number, k in enumerate(np.unique(below), start=1):
        members = below == k
        event, competing = incidence_by_cause(outcome.take(members), [horizon]).to_dict("records")
        rows.append(
            {
                "group": number,
                "n": int(members.sum()),
                "events": event["n_event"],
                "competing": competing["n_event"],
                "expected": incidence[members].mean(),
                "observed": event["estimate"],
                "standard_error": event["std_error"],
                "ci_low": event["ci_low"],
                "ci_high": event["ci_high"],
                "ci_method": event["ci_method"],
                "note": event["note"],
            }
        )
    return pd.DataFrame(rows)


def _probabilities(incidence: np.ndarray, outcome: Outcome) -> np.ndarray:
    incidence = np.asarray(incidence, dtype=float)
    if incidence.shape != (len(outcome),):
        raise ValueError(
            f"incidence has shape {incidence.shape}; expected one value a patient, "
            f"({len(outcome)},)"
        )
    if (incidence < 0).any() or (incidence > 1).any():
        raise ValueError("incidence must lie in [0, 1]; pass probabilities, not scores")
    return incidence
