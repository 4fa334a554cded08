"""A whole pipeline refitted to bootstrap samples, every refit judged on the same patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.bootstrap import bootstrap_counts
from features.dataset import Dataset
from features.outcome import Outcome
from models.prediction import SurvivalModel, SurvivalPrediction

Fit = Callable[[Dataset, int], SurvivalModel]


@dataclass(frozen=True)
class Refits:
    """Predictions of the original model and of models refitted to bootstrap samples.

    Attributes
    ----------
    outcome : Outcome of n patients
    original : SurvivalPrediction
        Of the model fitted to all n patients, for these patients (apparent).
    refitted : tuple of SurvivalPrediction or None
        B models, each predicting for all n patients in order, on the same times; None where the
        bootstrap sample held no event, or the fit did not converge.
    counts : ndarray of shape (B, n)
        How often each bootstrap sample held each patient; 0 is out of bag.
    """

    outcome: Outcome
    original: SurvivalPrediction
    refitted: tuple[SurvivalPrediction | None, ...]
    counts: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.outcome)
        if np.shape(self.counts) != (len(self.refitted), n):
            raise ValueError(
                f"counts has shape {np.shape(self.counts)}; expected one row a refit and one "
                f"column a patient, ({len(self.refitted)}, {n})"
            )
        for prediction in (self.original, *self.fitted):
            if prediction.risk_score.shape != (n,):
                raise ValueError(
                    f"every model needs a prediction for each of the {n} patients; got shape "
                    f"{prediction.risk_score.shape}"
                )
            if not np.array_equal(prediction.times, self.original.times):
                raise ValueError("all models must be predicted at the same times")

    @property
    def fitted(self) -> tuple[SurvivalPrediction, ...]:
        """The refits that exist."""
        return tuple(p for p in self.refitted if p is not None)

    @property
    def unfitted(self) -> int:
        """How many bootstrap samples could not be fitted to."""
        return len(self.refitted) - len(self.fitted)


def bootstrap_refits(
    fit: Fit,
    dataset: Dataset,
    times: ArrayLike,
    replicates: int,
    seed: int,
    strata: ArrayLike | None = None,
) -> Refits:
    """Fit a pipeline to the dataset and to bootstrap samples of it.

    Parameters
    ----------
    fit : callable (Dataset, seed) -> SurvivalModel
        The whole pipeline: whatever is chosen by looking at the data (preprocessing, tuning,
        selection) belongs inside, or the optimism is understated.
    dataset : Dataset of n patients
    times : array-like of shape (n_times,)
        Months, increasing.
    replicates : int
        B bootstrap samples; B + 1 fits.
    seed : int
        Same seed, same samples; each fit gets a seed of its own, whatever order they run in.
    strata : array-like of shape (n,), optional
        As in `bootstrap_counts`.

    Returns
    -------
    Refits
        A sample without an event is not fitted; an error of `fit` is not caught.
    """
    times = np.asarray(times, dtype=float)
    counts = bootstrap_counts(len(dataset), replicates, seed, strata)
    seeds = np.random.SeedSequence(seed).generate_state(replicates + 1) % 2**31
    predictors = dataset.predictors
    original = fit(dataset, int(seeds[0])).predict(predictors, times)
    refitted: list[SurvivalPrediction | None] = []
    for row, own_seed in zip(counts, seeds[1:], strict=True):
        sample = dataset.take(np.repeat(np.arange(len(dataset)), row))
        if not sample.outcome.n_events:
            refitted.append(None)
            continue
        refitted.append(fit(sample, int(own_seed)).predict(predictors, times))
    return Refits(dataset.outcome, original, tuple(refitted), counts)
