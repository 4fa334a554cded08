"""Calibration of a predicted cumulative incidence at one horizon, against Aalen-Johansen."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.calibration import ObservedExpected
from evaluation.competing_incidence import incidence_by_cause, replicate_incidence
from features.outcome import Outcome


def competing_observed_expected(
    outcome: Outcome, incidence: np.ndarray, horizon: float
) -> ObservedExpected:
    """Aalen-Johansen probability of the event by the horizon over the mean predicted one.

    The interval is exp(log(O/E) -+ 1.96 se(O) / O); it takes the predictions as given.

    Parameters
    ----------
    outcome : Outcome of n patients
    incidence : ndarray of shape (n,)
        Predicted cumulative incidence at the horizon. Not survival.
    horizon : float
        Months.

    Returns
    -------
    ObservedExpected
        NaN when a prediction is NaN or the horizon is beyond follow-up; limits NaN when the
        observed probability is 0 or 1.

    Raises
    ------
    ValueError
        When incidence does not hold one probability a patient.
    """
    incidence = _probabilities(incidence, outcome)
    observed = incidence_by_cause(outcome, [horizon]).iloc[0]
    expected = float(incidence.mean())
    ratio = observed["estimate"] / expected if expected > 0 else np.nan
    some = observed["estimate"] > 0
    spread = 1.96 * observed["std_error"] / observed["estimate"] if some else np.nan
    return ObservedExpected(
        observed["estimate"], expected, ratio, ratio * np.exp(-spread), ratio * np.exp(spread)
    )


def replicate_competing_oe(
    outcome: Outcome, incidence: np.ndarray, horizon: float, counts: np.ndarray
) -> np.ndarray:
    """O/E ratio in each bootstrap replicate, shape (B,).

    Parameters and errors are those of `competing_observed_expected`; `counts` of shape (B, n).
    NaN in a replicate that is not followed up to the horizon.
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

    Parameters are those of `competing_observed_expected`; `groups` by quantiles of the prediction,
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
