"""What every survival learner gives back; a model taken apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SurvivalPrediction:
    """Predictions of n patients on a grid of times.

    Attributes
    ----------
    risk_score : ndarray of shape (n,)
        Unscaled, higher is worse. Not a probability; compare it only within one fitted model.
    survival : ndarray of shape (n, n_times)
        Probability of being event-free after `times`; non-increasing along a row.
        NaN beyond the training follow-up, where nothing is known.
    times : ndarray of shape (n_times,)
        Months since the index date, increasing.

    Examples
    --------
    >>> survival = np.array([[0.9, 0.7], [0.6, np.nan]])
    >>> prediction = SurvivalPrediction(np.array([0.1, 0.8]), survival, np.array([6.0, 12.0]))
    >>> prediction.at(6.0)
    array([0.9, 0.6])
    """

    risk_score: np.ndarray
    survival: np.ndarray
    times: np.ndarray

    @property
    def event_probability(self) -> np.ndarray:
        """1 - survival, shape (n, n_times)."""
        return 1.0 - self.survival

    def at(self, horizon: float) -> np.ndarray:
        """Survival probability at one horizon of the grid, shape (n,).

        Raises
        ------
        KeyError
            When the horizon is not one of `times`; nothing is interpolated.
        """
        column = np.flatnonzero(np.isclose(self.times, horizon))
        if not len(column):
            raise KeyError(f"horizon {horizon} is not among the predicted times")
        return self.survival[:, column[0]]

    def take(self, rows: ArrayLike) -> SurvivalPrediction:
        """Return the predictions of the selected patients."""
        rows = np.asarray(rows)
        return SurvivalPrediction(self.risk_score[rows], self.survival[rows], self.times)


class SurvivalModel(Protocol):
    """A fitted model: covariates in, risk score and survival out."""

    @property
    def learner(self) -> str:
        """Name of the learner."""
        ...

    @property
    def params(self) -> dict[str, Any]:
        """What the learner was made with."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """Predictors that it sees."""
        ...

    @property
    def follow_up(self) -> float:
        """Months; nothing is predicted beyond."""
        ...

    def predict(
        self, predictors: pd.DataFrame | Mapping[str, np.ndarray], times: ArrayLike
    ) -> SurvivalPrediction:
        """Predict for patients, a DataFrame or plain columns, at increasing times in months."""
        ...


@dataclass(frozen=True)
class DecisionTree:
    """One tree as plain arrays.

    Attributes
    ----------
    left, right : ndarray of shape (n_nodes,), int
        Children; -1 in a leaf.
    feature, threshold : ndarray of shape (n_nodes,)
        A value, in single precision, at or below the threshold goes left.
    missing_left : ndarray of shape (n_nodes,), bool
    value : ndarray of shape (n_nodes, n_outputs)
        Counts in the leaves alone.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray

    def goes_left(self, X: np.ndarray) -> np.ndarray:
        """Where each patient would go at each node, shape (n, n_nodes), bool."""
        seen = np.asarray(X, dtype=np.float32)[:, np.maximum(self.feature, 0)]
        return np.where(np.isnan(seen), self.missing_left, seen <= self.threshold)


@dataclass(frozen=True)
class SurvivalTrees:
    """Survival is the sum of one leaf value a tree.

    Attributes
    ----------
    at : callable, times -> trees
        With one output a time.
    """

    at: Callable[[np.ndarray], tuple[DecisionTree, ...]]


@dataclass(frozen=True)
class LinkedScore:
    """Survival is a function of the risk score alone.

    Attributes
    ----------
    score : callable, features (n, n_features) -> (n,)
    survival : callable, scores (n,) and times (n_times,) -> (n, n_times)
    terms : callable, features -> (n, n_features), optional
        Where the score is a sum of terms of one feature each: the terms, up to a constant.
    used : tuple of int, optional
        Features that it looks at; None when not known.
    single : bool
        The engine adds the score up in single precision.
    """

    score: Callable[[np.ndarray], np.ndarray]
    survival: Callable[[np.ndarray, np.ndarray], np.ndarray]
    terms: Callable[[np.ndarray], np.ndarray] | None = None
    used: tuple[int, ...] | None = None
    single: bool = False


@dataclass(frozen=True)
class OpenedModel:
    """A fitted model taken apart, for those who explain its predictions.

    Attributes
    ----------
    columns : tuple of str
        Predictors that it sees.
    owner : ndarray of shape (n_features,), int
        Which predictor each feature was made from.
    encode : callable, predictors -> features (n, n_features)
    predict : callable, features and times -> SurvivalPrediction
        As the model predicts, NaN beyond the follow-up included.
    jumps : ndarray of shape (n_jumps,), optional
        Where survival steps, months, increasing; None when it falls continuously.
    inside : SurvivalTrees or LinkedScore
    """

    columns: tuple[str, ...]
    owner: np.ndarray
    encode: Callable[[pd.DataFrame], np.ndarray]
    predict: Callable[[np.ndarray, np.ndarray], SurvivalPrediction]
    jumps: np.ndarray | None
    inside: SurvivalTrees | LinkedScore | None


@dataclass(frozen=True)
class WeightedModels:
    """A model whose survival is a weighted sum of other models' survival."""

    weights: tuple[float, ...]
    models: tuple[SurvivalModel, ...]


def increasing_times(times: ArrayLike) -> np.ndarray:
    """Check times for a prediction, shape (n_times,).

    Raises
    ------
    ValueError
        When they are not increasing and >= 0.
    """
    months = np.atleast_1d(np.asarray(times, dtype=float))
    if (np.diff(months) <= 0).any() or (months < 0).any():
        raise ValueError("times must be increasing and >= 0 months")
    return months


def within_follow_up(prediction: SurvivalPrediction, follow_up: float) -> SurvivalPrediction:
    """Take back what was predicted beyond the training follow-up: nothing is known there."""
    survival = np.where(prediction.times > follow_up, np.nan, prediction.survival)
    return SurvivalPrediction(prediction.risk_score, survival, prediction.times)


def median_survival(survival: np.ndarray, times: np.ndarray) -> np.ndarray:
    """First time at which survival is at or below one half, per patient.

    Returns
    -------
    ndarray of shape (n,)
        Months; NaN when the curve stays above one half as far as it is known.

    Examples
    --------
    >>> median_survival(np.array([[0.8, 0.5], [0.9, 0.6]]), np.array([6.0, 12.0]))
    array([12., nan])
    """
    below = np.nan_to_num(survival, nan=1.0) <= 0.5
    first = below.argmax(axis=1)
    return np.where(below.any(axis=1), np.asarray(times, dtype=float)[first], np.nan)


def median_on_grid(
    survival_at: Callable[[np.ndarray, np.ndarray], np.ndarray], n: int, grid: np.ndarray
) -> np.ndarray:
    """`median_survival` on a fine grid, without predicting at every time of it.

    Survival never rises, so that a few times tell between which two of them it falls to one half,
    and only the times between those are looked at then.

    Parameters
    ----------
    survival_at : callable, rows (k,) and increasing times (n_times,) -> (k, n_times)
        Survival of some of the n patients.
    grid : ndarray of shape (n_grid,), increasing

    Returns
    -------
    ndarray of shape (n,)
        A time of the grid; NaN when the curve stays above one half as far as it is known.
    """
    median = np.full(n, np.nan)
    if not n or not len(grid):
        return median
    stride = max(int(np.sqrt(len(grid))), 1)
    last = np.unique([*range(stride - 1, len(grid), stride), len(grid) - 1])
    end = median_survival(survival_at(np.arange(n), grid[last]), last)
    for block, stop in enumerate(last):
        rows = np.flatnonzero(end == stop)
        start = last[block - 1] + 1 if block else 0
        if len(rows):
            median[rows] = median_survival(
                survival_at(rows, grid[start : stop + 1]), grid[start : stop + 1]
            )
    return median
