"""Random survival forest, kept as trees and one table of leaf survival."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from optuna.trial import Trial
from sklearn.base import BaseEstimator
from sksurv.ensemble import RandomSurvivalForest
from sksurv.util import Surv

from features.outcome import Outcome
from models.prediction import step_values

GRID_SIZE = 100


class SurvivalForest(BaseEstimator):
    """Random survival forest (Ishwaran et al. 2008), with log-rank splits.

    The trees are grown by scikit-survival in its low-memory mode. What each leaf predicts, the
    Kaplan-Meier curve of the training patients in it, is kept on a grid of at most 100 event
    times; where there are more, an event counts at the next time of the grid and a censoring at the
    last one before it, so that nobody is at risk at an event that came later.
    No patient's row or place in a tree is kept; the grid holds event times of the training
    patients, as every survival curve does.

    Parameters
    ----------
    n_estimators, min_samples_leaf : int
    max_features : float
        Share of the features tried at each split.
    seed : int
    """

    def __init__(
        self,
        n_estimators: int = 100,
        min_samples_leaf: int = 5,
        max_features: float = 0.4,
        seed: int = 0,
    ) -> None:
        self.n_estimators = n_estimators
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.seed = seed

    def fit(self, X: np.ndarray, outcome: Outcome) -> SurvivalForest:
        """Grow the forest on features of shape (n, p); NaN is allowed and learned from."""
        X = np.asarray(X, dtype=np.float32)
        self.times_ = _event_time_grid(outcome)
        step = _grid_step(outcome, self.times_)
        time = np.concatenate([[self.times_[0] / 2], self.times_])[step]
        engine = RandomSurvivalForest(
            n_estimators=self.n_estimators,
            min_samples_leaf=self.min_samples_leaf,
            min_samples_split=2 * self.min_samples_leaf,
            max_features=self.max_features,
            low_memory=True,
            random_state=self.seed,
        ).fit(X, Surv.from_arrays(outcome.event, time))
        self.trees_ = [member.tree_ for member in engine.estimators_]
        tables = [
            _leaf_tables(
                member.tree_.apply(X),
                np.bincount(drawn, minlength=len(X)),
                step,
                outcome.event,
                member.tree_.node_count,
                len(self.times_),
            )
            for member, drawn in zip(engine.estimators_, engine.estimators_samples_, strict=True)
        ]
        # float32 halves the stored model and keeps seven digits of a probability.
        self.leaf_survival_ = [survival.astype(np.float32) for survival, _ in tables]
        self.leaf_mortality_ = [mortality for _, mortality in tables]
        return self

    def risk_score(self, X: np.ndarray) -> np.ndarray:
        """Ensemble mortality: expected events if all were like this patient, shape (n,)."""
        X = np.asarray(X, dtype=np.float32)
        total = sum(
            mortality[tree.apply(X)]
            for tree, mortality in zip(self.trees_, self.leaf_mortality_, strict=True)
        )
        return np.asarray(total) / len(self.trees_)

    def survival(self, X: np.ndarray, times: ArrayLike) -> np.ndarray:
        """Event-free probability, shape (n, n_times): the mean of the leaf curves."""
        X = np.asarray(X, dtype=np.float32)
        total = np.zeros((len(X), len(np.atleast_1d(times))))
        for tree, survival in zip(self.trees_, self.leaf_survival_, strict=True):
            total += step_values(times, self.times_, survival, before=1.0)[tree.apply(X)]
        return total / len(self.trees_)


def _event_time_grid(outcome: Outcome) -> np.ndarray:
    event_times = np.unique(outcome.time[outcome.event])
    if len(event_times) <= GRID_SIZE:
        return event_times
    # Quantiles of the events, not of the distinct times, so that each step holds as many events.
    share = np.linspace(0, 1, GRID_SIZE)
    return np.unique(np.quantile(outcome.time[outcome.event], share, method="higher"))


def _grid_step(outcome: Outcome, times: np.ndarray) -> np.ndarray:
    """Steps of the grid a patient is at risk in, shape (n,): 0 for none, k for the first k."""
    reached = np.searchsorted(times, outcome.time, side="right")
    return reached + (outcome.event & ~np.isin(outcome.time, times))


def _leaf_tables(
    leaf: np.ndarray,
    count: np.ndarray,
    step: np.ndarray,
    event: np.ndarray,
    n_nodes: int,
    n_times: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Kaplan-Meier curve (n_nodes, n_times) and summed Nelson-Aalen hazard (n_nodes,) of leaves.

    `count` holds how often the tree drew each patient.
    """
    leaving = np.zeros((n_nodes, n_times + 1))
    events = np.zeros((n_nodes, n_times + 1))
    np.add.at(leaving, (leaf, step), count)
    np.add.at(events, (leaf, step), count * event)
    at_risk = np.cumsum(leaving[:, ::-1], axis=1)[:, ::-1][:, 1:]
    hazard = np.divide(events[:, 1:], at_risk, out=np.zeros((n_nodes, n_times)), where=at_risk > 0)
    return np.cumprod(1 - hazard, axis=1), np.cumsum(hazard, axis=1).sum(axis=1)


def make(params: dict[str, Any], seed: int) -> SurvivalForest:
    """Make the estimator with its seed."""
    return SurvivalForest(**params, seed=seed)


def search_space(trial: Trial, n_events: int) -> dict[str, Any]:
    """Leaves from 3 patients to a third of the events; one feature in ten to all of them."""
    return {
        "min_samples_leaf": trial.suggest_int(
            "min_samples_leaf", 3, max(10, n_events // 3), log=True
        ),
        "max_features": trial.suggest_float("max_features", 0.1, 1.0),
    }
