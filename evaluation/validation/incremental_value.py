"""What a model adds to a reference: paired differences in C, IPA and net benefit.

The reference is a clinical model, or a published risk group that orders patients and gives no
probability. Reclassification indices (NRI) are left out: they reward miscalibration.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evaluation.metrics import HARRELL_C, IPA, NET_BENEFIT, metric_estimates
from evaluation.results import METRIC_COLUMNS
from evaluation.validation.learner_differences import learner_differences
from features.outcome import Outcome
from models.prediction import SurvivalPrediction


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
    metrics = [HARRELL_C, *(IPA.at(h) for h in horizons)]
    metrics += [NET_BENEFIT.at(h, t) for h in horizons for t in thresholds]
    differences = learner_differences(outcome, dict([reference, model]), folds, metrics, counts)
    own = [
        metric_estimates(name, outcome, repeats, folds, metrics, counts)
        for name, repeats in (reference, model)
    ]
    # Of the two rows of each difference, the first is the percentile interval.
    paired = differences[list(METRIC_COLUMNS)].iloc[::2].reset_index(drop=True)
    table = pd.concat([*own, paired], keys=range(3)).sort_index(level=1, sort_remaining=False)
    return table.reset_index(drop=True)
