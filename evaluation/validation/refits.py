"""A whole pipeline refitted to bootstrap samples, every refit judged on the same patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.outcome import Outcome
from models.prediction import SurvivalModel, SurvivalPrediction


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
    models : tuple of SurvivalModel
        Those refits that exist, where they were kept; else empty.
    """

    outcome: Outcome
    original: SurvivalPrediction
    refitted: tuple[SurvivalPrediction | None, ...]
    counts: np.ndarray
    models: tuple[SurvivalModel, ...] = ()

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
