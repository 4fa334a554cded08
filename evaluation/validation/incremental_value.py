"""What a model adds to a reference: paired differences in C, IPA and net benefit.

The reference is a clinical model, or a published risk group that orders patients and gives no
probability. Reclassification indices (NRI) are left out: they reward miscalibration.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evaluation.metrics.metric import Metric, harrell_c_metric, ipa_metric, metric_estimates
from evaluation.results import METRIC_COLUMNS
from evaluation.statistics.censoring import replicate_survival
from evaluation.validation.learner_differences import learner_differences
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

_UNFOLLOWED = "the patients flagged are not followed up to the horizon"


def net_benefit_metric(horizon: float, threshold: float) -> Metric:
    """Net benefit of treating those whose predicted event probability reaches a threshold.

    True positives less false positives weighted by the odds of the threshold, as shares of all
    patients; the event probability among those flagged is Kaplan-Meier's.

    Parameters
    ----------
    horizon : float
        Months.
    threshold : float
        Event probability at which one would act.

    Returns
    -------
    Metric
        0 where nobody is flagged; NaN where those flagged are not followed to the horizon.

    Raises
    ------
    ValueError
        When the threshold is not inside (0, 1).

    References
    ----------
    Vickers et al., BMC Med Inform Decis Mak 2008, 10.1186/1472-6947-8-53
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold is {threshold}; expected a probability between 0 and 1")
    odds = threshold / (1.0 - threshold)

    def evaluate(
        outcome: Outcome, p: SurvivalPrediction, fold: np.ndarray | None, samples: np.ndarray
    ) -> np.ndarray:
        flagged = 1.0 - p.at(horizon) >= threshold
        if not flagged.any():
            return np.zeros(len(samples))
        inside = samples[:, flagged]
        share = inside.sum(axis=1) / samples.sum(axis=1)
        free = replicate_survival(outcome.take(flagged), [horizon], inside)[:, 0]
        benefit = share * ((1.0 - free) - odds * free)
        return np.where(share > 0, benefit, 0.0)

    return Metric(f"net_benefit_{threshold:g}", horizon, evaluate, "higher", "horizon", _UNFOLLOWED)


def incremental_value(
    outcome: Outcome,
    reference: tuple[str, Sequence[SurvivalPrediction]],
    model: tuple[str, Sequence[SurvivalPrediction]],
    folds: Sequence[np.ndarray],
    horizons: Sequence[float],
    thresholds: Sequence[float],
    counts: np.ndarray,
) -> pd.DataFrame:
    """Harrell's C, IPA and net benefit of a model, of its reference, and their difference.

    Parameters
    ----------
    outcome : Outcome of n patients
    reference, model : (name, sequence of SurvivalPrediction)
        One out-of-fold prediction a repeat each, on the same folds and times. A score that only
        orders patients has NaN for its survival, and is given once a repeat.
    folds : sequence of ndarray of shape (n,)
        C compares patients of the same fold, of the reference too, so that pairs are the same.
    horizons, thresholds : sequence of float
        Months; event probabilities at which one would act.
    counts : ndarray of shape (B, n)

    Returns
    -------
    DataFrame with METRIC_COLUMNS
        For each measure the reference, the model and "model - reference" (`metric` ends in
        "_difference"; above 0 favours the model), with 95% percentile intervals over the same
        bootstrap replicates. NaN with a reason where the reference gives no probabilities.

    Raises
    ------
    ValueError
        When predictions, folds and counts do not fit the outcome or each other, or a threshold is
        not inside (0, 1).
    KeyError
        When a horizon is not among the predicted times.

    References
    ----------
    McLernon et al., Ann Intern Med 2023, 10.7326/M22-0844
    """
    metrics = [harrell_c_metric(), *(ipa_metric(h) for h in horizons)]
    metrics += [net_benefit_metric(h, t) for h in horizons for t in thresholds]
    differences = learner_differences(outcome, dict([reference, model]), folds, metrics, counts)
    own = [
        metric_estimates(name, outcome, repeats, folds, metrics, counts)
        for name, repeats in (reference, model)
    ]
    # Of the two rows of each difference, the first is the percentile interval.
    paired = differences[list(METRIC_COLUMNS)].iloc[::2].reset_index(drop=True)
    table = pd.concat([*own, paired], keys=range(3)).sort_index(level=1, sort_remaining=False)
    return table.reset_index(drop=True)
