"""Net benefit of treating those above a threshold of predicted risk, under censoring.

Counts of each threshold -> decision curve of several predictions.
"Treat" stands for whatever is done to patients of high risk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import ArrayLike

from evaluation.estimates import estimate_rows, missing_predictions
from evaluation.metrics.calibration import checked_probabilities
from evaluation.statistics import replicate_survival, weighted_share
from features.outcome import Outcome

TREAT_ALL = "Treat all"
TREAT_NONE = "Treat none"


class Treated(NamedTuple):
    """Shares of all patients at each threshold, each of shape (B, m).

    `treated` have a prediction at or above the threshold; `true_positive` of all patients are
    treated and have the event by the horizon, `false_positive` are treated and do not.
    """

    treated: np.ndarray
    true_positive: np.ndarray
    false_positive: np.ndarray

    def net_benefit(self, thresholds: np.ndarray) -> np.ndarray:
        """true_positive - false_positive x threshold / (1 - threshold), (B, m)."""
        return self.true_positive - self.false_positive * thresholds / (1.0 - thresholds)


def decision_curve(
    outcome: Outcome,
    event_probability: Mapping[str, np.ndarray],
    horizon: float,
    thresholds: ArrayLike,
    counts: np.ndarray | None = None,
) -> pd.DataFrame:
    """Net benefit of each prediction, of treating all and of treating none.

    Parameters
    ----------
    outcome : Outcome of n patients
    event_probability : mapping of name to ndarray of shape (n,)
        Predicted probability of the event by the horizon. Not survival.
    horizon : float
        Months.
    thresholds : array-like of shape (m,)
        Risks in (0, 1), increasing, at or above which a patient is treated.
    counts : ndarray of shape (B, n), optional
        How often each bootstrap replicate holds each patient.

    Returns
    -------
    DataFrame, one row a strategy and threshold
        `strategy`, `horizon`, `threshold`, `estimate` (net benefit, in true positives a patient),
        `ci_low`, `ci_high`, `ci_method`, `standardised` (net benefit over the event probability: at
        most 1), `treated`, `true_positive`, `false_positive` (shares of all patients), `n`,
        `events` (by the horizon), `note`.

    Raises
    ------
    ValueError
        When thresholds do not increase or leave (0, 1), or a prediction holds no probabilities.

    References
    ----------
    Vickers and Elkin, Med Decis Making 2006, 10.1177/0272989X06295361; with censoring Vickers et
    al., BMC Med Inform Decis Mak 2008, 10.1186/1472-6947-8-53, as R's dcurves. Where the treated
    are not followed up to the horizon dcurves stops; here the row is NaN.
    """
    thresholds = _thresholds(thresholds)
    once = np.ones((1, len(outcome)))
    prevalence = 1.0 - replicate_survival(outcome, [horizon], once)[0, 0]
    everybody = np.ones(len(outcome))
    strategies = {**event_probability, TREAT_ALL: everybody, TREAT_NONE: 0.0 * everybody}
    events = int((outcome.event & (outcome.time <= horizon)).sum())
    parts = []
    for name, prediction in strategies.items():
        settings = (outcome, prediction, horizon, thresholds)
        shares = replicate_treated(*settings)
        replicates = (
            None if counts is None else replicate_treated(*settings, counts).net_benefit(thresholds)
        )
        obstacles = _obstacles(outcome, np.asarray(prediction, dtype=float), horizon, shares)
        part = estimate_rows(shares.net_benefit(thresholds)[0], replicates, obstacles)
        part.insert(0, "strategy", name)
        part.insert(1, "horizon", float(horizon))
        part.insert(2, "threshold", thresholds)
        scaled = part["estimate"] / prevalence if prevalence > 0 else np.nan
        part.insert(7, "standardised", scaled)
        for place, (field, values) in enumerate(shares._asdict().items(), start=8):
            part.insert(place, field, values[0])
        part.insert(11, "n", len(outcome))
        part.insert(12, "events", events)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def replicate_treated(
    outcome: Outcome,
    event_probability: np.ndarray,
    horizon: float,
    thresholds: ArrayLike,
    counts: np.ndarray | None = None,
) -> Treated:
    """Treated, true and false positives of the cohort or of each bootstrap replicate.

    The event probability of the treated is the Kaplan-Meier estimate among them, or weighted by
    the censoring distribution of each patient where the outcome carries one. Parameters and
    errors are those of `decision_curve`, for one prediction.

    Returns
    -------
    Treated
        Arrays of shape (B, m), or (1, m) without counts. Zeros where nobody is treated; positives
        NaN where the treated are not followed up to the horizon, and everything NaN where a
        prediction is NaN.
    """
    thresholds = _thresholds(thresholds)
    event_probability = checked_probabilities(event_probability, outcome)
    weights = np.ones((1, len(outcome))) if counts is None else np.atleast_2d(counts)
    shape = (len(weights), len(thresholds))
    if np.isnan(event_probability).any():
        return Treated(*(np.full(shape, np.nan) for _ in range(3)))
    if outcome.censoring is not None:
        chosen = event_probability[:, None] >= thresholds
        treated = weights @ chosen / weights.sum(axis=1, keepdims=True)
        observed = weighted_share(outcome, [horizon], weights, outcome.event, chosen)
        return _positives(treated, observed)
    order = np.argsort(outcome.time, kind="stable")
    time = outcome.time[order]
    treated, observed = _observed_among_treated(
        weights,
        order,
        np.searchsorted(thresholds, event_probability[order], side="right"),
        outcome.event[order],
        time <= horizon,
        time >= horizon,
        np.append(time[1:] != time[:-1], True),
        len(thresholds),
    )
    return _positives(treated, observed)


def replicate_net_benefit(
    outcome: Outcome,
    event_probability: np.ndarray,
    horizon: float,
    threshold: float,
    counts: np.ndarray,
) -> np.ndarray:
    """Net benefit of treating those whose event probability reaches one threshold, by replicate.

    True positives less false positives weighted by the odds of the threshold, as shares of all
    patients; the event probability among those flagged is Kaplan-Meier's.

    Parameters and errors are those of `replicate_treated`.

    Returns
    -------
    ndarray of shape (B,)
        0 where nobody is flagged; NaN where those flagged are not followed to the horizon.

    References
    ----------
    Vickers et al., BMC Med Inform Decis Mak 2008, 10.1186/1472-6947-8-53
    """
    flagged = event_probability >= threshold
    if not flagged.any():
        return np.zeros(len(counts))
    inside = counts[:, flagged]
    share = inside.sum(axis=1) / counts.sum(axis=1)
    free = replicate_survival(outcome.take(flagged), [horizon], inside)[:, 0]
    benefit = share * ((1.0 - free) - threshold / (1.0 - threshold) * free)
    return np.where(share > 0, benefit, 0.0)


def _positives(treated: np.ndarray, observed: np.ndarray) -> Treated:
    positive = np.where(treated > 0, treated * observed, 0.0)
    return Treated(treated, positive, np.where(treated > 0, treated * (1.0 - observed), 0.0))


def _thresholds(thresholds: ArrayLike) -> np.ndarray:
    values = np.asarray(thresholds, dtype=float)
    inside = (values > 0) & (values < 1)
    if values.ndim != 1 or not len(values) or not inside.all() or not (np.diff(values) > 0).all():
        raise ValueError(
            f"thresholds must be an increasing list of risks between 0 and 1; got {values.tolist()}"
        )
    return values


def _obstacles(
    outcome: Outcome, prediction: np.ndarray, horizon: float, shares: Treated
) -> list[str]:
    missing = missing_predictions(prediction)
    lost = f"the treated are not followed up to {horizon:g} months"
    if horizon > outcome.follow_up:
        lost = f"{horizon:g} months is beyond the follow-up of the outcome ({outcome.follow_up:g})"
    return [missing or (lost if np.isnan(value) else "") for value in shares.true_positive[0]]


@njit(cache=True, nogil=True)
def _observed_among_treated(
    weights: np.ndarray,
    order: np.ndarray,
    level: np.ndarray,
    event: np.ndarray,
    by_horizon: np.ndarray,
    followed: np.ndarray,
    ends_tie: np.ndarray,
    n_thresholds: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Share treated and their Kaplan-Meier event probability, both (B, n_thresholds).

    `order` sorts patients by time; the others come in it. `level` is how many thresholds are at or
    below a patient's prediction: he is treated at those.
    """
    n_replicates, n = weights.shape
    treated = np.zeros((n_replicates, n_thresholds))
    observed = np.full((n_replicates, n_thresholds), np.nan)
    for replicate in range(n_replicates):
        # Filled by level, then summed from the highest: entry k + 1 belongs to threshold k.
        at_risk = np.zeros(n_thresholds + 1)
        reaching = np.zeros(n_thresholds + 1)
        events = np.zeros(n_thresholds + 1)
        leaving = np.zeros(n_thresholds + 1)
        survival = np.ones(n_thresholds)
        for i in range(n):
            weight = float(weights[replicate, order[i]])
            at_risk[level[i]] += weight
            if followed[i]:
                reaching[level[i]] += weight
        for k in range(n_thresholds - 1, -1, -1):
            at_risk[k] += at_risk[k + 1]
            reaching[k] += reaching[k + 1]
        total = at_risk[0]
        for k in range(n_thresholds):
            treated[replicate, k] = at_risk[k + 1] / total
        for i in range(n):
            if not by_horizon[i]:
                break
            weight = float(weights[replicate, order[i]])
            leaving[level[i]] += weight
            if event[i]:
                events[level[i]] += weight
            if ends_tie[i]:
                gone = dead = 0.0
                for k in range(n_thresholds, 0, -1):
                    dead += events[k]
                    gone += leaving[k]
                    if dead > 0.0:
                        survival[k - 1] *= 1.0 - dead / at_risk[k]
                    at_risk[k] -= gone
                events[:] = 0.0
                leaving[:] = 0.0
        for k in range(n_thresholds):
            if reaching[k + 1] > 0.0 or survival[k] == 0.0:
                observed[replicate, k] = 1.0 - survival[k]
    return treated, observed
