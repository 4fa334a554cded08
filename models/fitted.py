"""A fitted model: preprocessing and estimator together, covariates in, prediction out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from features.dataset import Dataset
from models.learners import LEARNERS, SurvivalEstimator
from models.prediction import SurvivalPrediction
from models.preprocessing import make_preprocessing, to_features


@dataclass(frozen=True)
class FittedModel:
    """A learner fitted to a dataset. Holds no patient row.

    Attributes
    ----------
    learner : str
        Name in LEARNERS.
    params : dict
        What it was made with.
    columns : tuple of str
        Predictors in the order of fitting.
    follow_up : float
        Longest time seen in training, months; nothing is predicted beyond it.
    """

    learner: str
    params: dict[str, Any]
    columns: tuple[str, ...]
    preprocessing: Any
    estimator: SurvivalEstimator
    follow_up: float

    def predict(self, predictors: pd.DataFrame, times: ArrayLike) -> SurvivalPrediction:
        """Predict for patients.

        Parameters
        ----------
        predictors : DataFrame of shape (n, p)
            As `Dataset.predictors`; extra columns are ignored.
        times : array-like of shape (n_times,)
            Months, increasing.

        Returns
        -------
        SurvivalPrediction
            Survival is NaN at times beyond `follow_up`.

        Raises
        ------
        ValueError
            When the times are not increasing and >= 0.
        """
        times = np.atleast_1d(np.asarray(times, dtype=float))
        if (np.diff(times) <= 0).any() or (times < 0).any():
            raise ValueError("times must be increasing and >= 0 months")
        X = to_features(self.preprocessing, predictors[list(self.columns)])
        survival = self.estimator.survival(X, times)
        survival[:, times > self.follow_up] = np.nan
        return SurvivalPrediction(self.estimator.risk_score(X), survival, times)


def fit_model(learner: str, params: dict[str, Any], dataset: Dataset, seed: int) -> FittedModel:
    """Fit one learner with given parameters, preprocessing included.

    Parameters
    ----------
    learner : str
        Name in LEARNERS.
    params : dict
        As the learner's search space gives them; empty for its defaults.
    seed : int
        Same seed and data, same model.
    """
    entry = LEARNERS[learner]
    predictors = dataset.predictors
    preprocessing = make_preprocessing(
        predictors, handles_missing=entry.handles_missing, scale=entry.scale
    )
    X = preprocessing.fit_transform(predictors)
    estimator = entry.make(params, seed).fit(X, dataset.outcome)
    return FittedModel(
        learner=learner,
        params=dict(params),
        columns=tuple(predictors.columns),
        preprocessing=preprocessing,
        estimator=estimator,
        follow_up=dataset.outcome.follow_up,
    )
