"""D-calibration: whether predicted survival at the patients' own times is uniform on [0, 1].

Contributions of each patient -> share of each bin -> chi-square test over all of follow-up.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2

from evaluation.estimates import check_patients, estimate_rows, missing_predictions
from features.outcome import Outcome

# Below this expected number a bin the chi-square distribution is a poor guide.
FEW_EXPECTED = 5


class DCalibration(NamedTuple):
    """Chi-square test of uniform bins; a small p speaks against calibration."""

    chi_square: float
    degrees_of_freedom: int
    p_value: float
    note: str


def d_calibration(
    outcome: Outcome, survival: np.ndarray, counts: np.ndarray | None = None, bins: int = 10
) -> pd.DataFrame:
    """Share of patients in equal bins of predicted survival at their own time.

    Parameters
    ----------
    outcome : Outcome of n patients
    survival : ndarray of shape (n,)
        Predicted survival at each patient's own time, from `at_own_time`.
    counts : ndarray of shape (B, n), optional
        How often each bootstrap replicate holds each patient.
    bins : int
        Equal bins of [0, 1], closed on the left.

    Returns
    -------
    DataFrame, one row a bin from low to high survival
        `low`, `high`; `estimate`, the share of patients, 1 / bins when calibrated; `ci_low`,
        `ci_high`, `ci_method`; `n`, the patients' number, not whole where censored ones are spread;
        `note`. Too many in the low bins: events come later than predicted.

    Raises
    ------
    ValueError
        When survival does not hold one probability a patient.

    References
    ----------
    Haider et al., JMLR 2020, 21(85):1-63. The Python package SurvivalEVAL gives the bins in the
    reverse order, from high to low survival.
    """
    contributions = d_calibration_contributions(outcome, survival, bins)
    replicates = None
    if counts is not None:
        replicates = np.asarray(counts, dtype=float) @ contributions
        replicates = replicates / np.asarray(counts, dtype=float).sum(axis=1, keepdims=True)
    obstacle = missing_predictions(np.asarray(survival, dtype=float))
    table = estimate_rows(contributions.mean(axis=0), replicates, obstacle)
    edges = np.arange(bins + 1) / bins
    table.insert(0, "low", edges[:-1])
    table.insert(1, "high", edges[1:])
    table.insert(6, "n", contributions.sum(axis=0))
    return table


def d_calibration_test(outcome: Outcome, survival: np.ndarray, bins: int = 10) -> DCalibration:
    """Chi-square test that the bins of `d_calibration` are equally full.

    Parameters and errors are those of `d_calibration`. The spreading of censored patients makes
    the bins more alike, so the test is conservative under censoring.

    Returns
    -------
    DCalibration
        bins - 1 degrees of freedom. Statistic and p NaN, with the reason in the note, when a
        prediction is missing or no event was seen.
    """
    survival = np.asarray(survival, dtype=float)
    filled = d_calibration_contributions(outcome, survival, bins).sum(axis=0)
    obstacle = missing_predictions(survival) or ("" if outcome.n_events else "no event")
    if obstacle:
        return DCalibration(np.nan, bins - 1, np.nan, obstacle)
    expected = len(outcome) / bins
    statistic = float(((filled - expected) ** 2 / expected).sum())
    few = f"fewer than {FEW_EXPECTED} patients expected a bin" if expected < FEW_EXPECTED else ""
    return DCalibration(statistic, bins - 1, float(chi2.sf(statistic, bins - 1)), few)


def d_calibration_contributions(
    outcome: Outcome, survival: np.ndarray, bins: int = 10
) -> np.ndarray:
    """How each patient fills the bins, shape (n, bins), rows summing to 1.

    An event fills the bin of its predicted survival. A patient censored at survival s will have
    the event somewhere below: he is spread uniformly over [0, s]. Rows of NaN where survival is.
    """
    check_patients(outcome)
    survival = np.asarray(survival, dtype=float)
    if survival.shape != (len(outcome),):
        raise ValueError(
            f"survival has shape {survival.shape}; expected one value a patient, ({len(outcome)},)"
        )
    if (survival < 0).any() or (survival > 1).any():
        raise ValueError("survival must lie in [0, 1]; pass probabilities, not risk scores")
    edges = np.arange(bins) / bins
    known = np.nan_to_num(survival)
    own = np.minimum(np.floor(known * bins).astype(int), bins - 1)
    at_event = np.arange(bins) == own[:, None]
    # A censored patient at survival 0 can only be in the lowest bin.
    whole = np.where(known > 0, known, 1.0)[:, None]
    spread = np.clip(known[:, None] - edges, 0.0, 1.0 / bins) / whole
    spread[known == 0, 0] = 1.0
    filled = np.where(outcome.event[:, None], at_event, spread)
    filled[np.isnan(survival)] = np.nan
    return filled
