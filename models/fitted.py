"""A fitted model: preprocessing and estimator together, covariates in, prediction out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from features.errors import InputError, Problem
from models.learners import LEARNERS, Learner, SurvivalEstimator
from models.prediction import (
    OpenedModel,
    SurvivalPrediction,
    increasing_times,
    within_follow_up,
)
from models.preprocessing import Encoding, FeatureColumns, count_rows

if TYPE_CHECKING:
    import pandas as pd

    from features.dataset import Dataset

# What an engine raises where a fit does not converge; a mistake in the code raises something else.
NUMERICAL_ERRORS = (ArithmeticError, np.linalg.LinAlgError)


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
    preprocessing : Encoding, or None without predictors
    follow_up : float
        Longest time seen in training, months; nothing is predicted beyond it.
    """

    learner: str
    params: dict[str, Any]
    columns: tuple[str, ...]
    preprocessing: Encoding | None
    estimator: SurvivalEstimator
    follow_up: float

    def predict(
        self, predictors: pd.DataFrame | Mapping[str, np.ndarray], times: ArrayLike
    ) -> SurvivalPrediction:
        """Predict for patients.

        Parameters
        ----------
        predictors : DataFrame of shape (n, p), or plain columns of shape (n,)
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
        months = increasing_times(times)
        X = apply_preprocessing(self.preprocessing, predictors)
        return self._predict_features(X, months)

    def opened(self) -> OpenedModel:
        """The model taken apart: features and the covariates they come from, and the estimator."""
        names = [] if self.preprocessing is None else self.preprocessing.owners
        return OpenedModel(
            columns=self.columns,
            owner=np.array([self.columns.index(name) for name in names], dtype=int),
            encode=lambda predictors: apply_preprocessing(self.preprocessing, predictors),
            predict=self._predict_features,
            jumps=self.estimator.jumps,
            inside=self.estimator.inside(),
        )

    def _predict_features(self, X: np.ndarray, months: np.ndarray) -> SurvivalPrediction:
        return within_follow_up(self.estimator.predict(X, months), self.follow_up)


def fit_learner(
    learner: str,
    params: dict[str, Any],
    dataset: Dataset,
    seed: int,
    weights: np.ndarray | None = None,
) -> FittedModel:
    """Fit one learner that is no stack: parameters and errors as in `models.fit.fit_model`."""
    if weights is not None:
        weights = np.asarray(weights, dtype=float)
        if weights.shape != (len(dataset),) or not (np.isfinite(weights) & (weights >= 0)).all():
            raise ValueError(f"weights must be {len(dataset)} finite numbers >= 0, one a patient")
        check_weights(learner)
        # Weight 0 is not there at all: neither bins nor draws of rows may know of such a patient.
        dataset, weights = dataset.take(weights > 0), weights[weights > 0]
    check_size(learner, len(dataset))
    encoded = encode(LEARNERS[learner], dataset)
    estimator = LEARNERS[learner].make(params, seed)
    return FittedModel(
        learner=learner,
        params=dict(params),
        columns=tuple(dataset.predictors.columns),
        preprocessing=encoded.preprocessing,
        estimator=estimator.fit(encoded.X, dataset.outcome, weights, encoded.columns),
        follow_up=dataset.outcome.follow_up,
    )


@dataclass(frozen=True)
class Encoded:
    """Predictors of training patients as one learner takes them, and how they became so."""

    preprocessing: Encoding | None
    X: np.ndarray
    columns: FeatureColumns | None


def encode(learner: Learner, dataset: Dataset) -> Encoded:
    """Fit the learner's preprocessing to these patients and apply it."""
    predictors = dataset.predictors
    if not predictors.shape[1]:
        return Encoded(None, np.empty((len(dataset), 0)), None)
    from models.preprocessing.fitting import feature_columns, fit_encoding

    preprocessing = fit_encoding(
        predictors,
        handles_missing=learner.handles_missing,
        scale=learner.scale,
        handles_categories=learner.handles_categories,
    )
    columns = feature_columns(predictors, dataset.monotone) if learner.handles_categories else None
    return Encoded(preprocessing, preprocessing.transform(predictors), columns)


def apply_preprocessing(
    preprocessing: Encoding | None, predictors: pd.DataFrame | Mapping[str, np.ndarray]
) -> np.ndarray:
    """Features of new patients, shape (n, p)."""
    if preprocessing is None:
        return np.empty((count_rows(predictors), 0))
    return preprocessing.transform(predictors)


def check_weights(learner: str) -> None:
    """Refuse weights for a learner whose engine leaves them out somewhere.

    Raises
    ------
    InputError
    """
    if not LEARNERS[learner].handles_weights:
        able = [name for name, entry in LEARNERS.items() if entry.handles_weights]
        raise InputError(
            Problem(
                what="This learner takes no weights",
                where=f"learner {learner}",
                got="weights of patients",
                allowed="weights with " + ", ".join(able),
                remedy="leave the weights out, or use one of those learners",
            )
        )


def check_size(learner: str, n: int) -> None:
    """Refuse a cohort on which the learner would run for hours.

    Raises
    ------
    InputError
    """
    entry = LEARNERS[learner]
    if entry.most_patients is not None and n > entry.most_patients:
        raise InputError(
            Problem(
                what="Too many patients for this learner: its time grows with their square",
                where=f"learner {learner}",
                got=f"{n} patients",
                allowed=f"up to {entry.most_patients}",
                remedy=f"use {entry.twin}: the same loss, made for any number of patients",
            )
        )
