"""Survival forests, kept as trees and one table of leaf survival."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from features.life_table import LifeTable
from features.outcome import Outcome
from features.times import step_values
from models.learners.learner import Columns, Learner, Parameters, Weights
from models.prediction import DecisionTree, SurvivalPrediction, SurvivalTrees
from models.search import SearchSize
from models.trees import from_sklearn, quantile_edges, to_bins

if TYPE_CHECKING:
    from optuna.trial import Trial

GRID_SIZE = 100
# Below this the start of threads costs more than they save.
THREADS_FROM = 2000


@dataclass(eq=False, repr=False)
class SurvivalForest(Parameters):
    """Random survival forest (Ishwaran et al. 2008), with log-rank splits.

    The trees are grown by scikit-survival in its low-memory mode, on event times and covariates of
    few distinct values: a covariate is cut into at most 32 bins, and event times are kept on a grid
    of at most 100. An event between two times of the grid counts at the next one and a
    censoring at the last one before it, so that nobody is at risk at an event that came later.
    What each leaf predicts, the Kaplan-Meier curve of the training patients in it, stands in one
    table over the grid. No patient's row or place in a tree is kept; the grid holds event times
    of the training patients, as every survival curve does.

    Parameters
    ----------
    n_estimators, min_samples_leaf : int
    max_features : float
        Share of the features tried at each split.
    seed : int

    Attributes
    ----------
    times_ : ndarray of shape (n_times,)
        The grid, in months. Beyond its last time a leaf's curve stays where it is up to the end of
        the training follow-up, as Kaplan-Meier does; `FittedModel` gives NaN after that.
    leaf_survival_ : ndarray of shape (n_leaves, n_times), float32
        The leaves of all trees, one below the other.
    leaf_mortality_ : ndarray of shape (n_leaves,)
    leaf_row_ : ndarray of shape (n_nodes,)
        Row of each leaf of all trees in these tables; -1 for a node that is split.
    """

    n_estimators: int = 100
    min_samples_leaf: int = 5
    max_features: float = 0.4
    seed: int = 0

    fitted: ClassVar[tuple[str, ...]] = (
        "edges_", "times_", "trees_", "leaf_row_", "leaf_survival_", "leaf_mortality_",
    )  # fmt: skip
    engine: ClassVar[str] = "QuickSurvivalForest"

    def fit(
        self, X: np.ndarray, outcome: Outcome, weights: Weights = None, columns: Columns = None
    ) -> Self:
        """Grow the forest on features of shape (n, p); NaN is allowed and learned from.

        With weights, shape (n,), each tree draws its patients in proportion to them.
        """
        from sksurv.util import Surv

        from models.learners import quick_forest

        self.edges_ = quantile_edges(X)
        binned = to_bins(X, self.edges_)
        self.times_ = _event_time_grid(outcome)
        step = _grid_step(outcome, self.times_)
        time = np.concatenate([[self.times_[0] / 2], self.times_])[step]
        engine = getattr(quick_forest, self.engine)(
            n_estimators=self.n_estimators,
            min_samples_leaf=self.min_samples_leaf,
            min_samples_split=2 * self.min_samples_leaf,
            max_features=self.max_features,
            bootstrap=True,
            low_memory=True,
            random_state=self.seed,
            n_jobs=None if len(X) < THREADS_FROM else -1,
        ).fit(binned, Surv.from_arrays(outcome.event, time), sample_weight=weights)
        grown = [member.tree_ for member in engine.estimators_]
        self.trees_ = from_sklearn(grown)
        leaf_row: list[np.ndarray] = []
        survival, mortality, start = [], [], 0
        for tree, drawn in zip(grown, engine.estimators_samples_, strict=True):
            is_leaf = tree.children_left == -1
            rows = np.where(is_leaf, np.cumsum(is_leaf) - 1, -1)
            table = _leaf_tables(
                rows[tree.apply(binned)],
                np.bincount(drawn, minlength=len(X)),
                step,
                outcome.event,
                int(is_leaf.sum()),
                self.times_,
            )
            # float32 halves the stored model and keeps seven digits of a probability.
            survival.append(table.survival.astype(np.float32))
            mortality.append(table.cumulative_hazard.sum(axis=1))
            leaf_row.append(np.where(is_leaf, rows + start, -1).astype(np.int32))
            start += len(survival[-1])
        self.leaf_row_ = np.concatenate(leaf_row)
        self.leaf_survival_ = np.concatenate(survival)
        self.leaf_mortality_ = np.concatenate(mortality)
        return self

    def risk_score(self, X: np.ndarray) -> np.ndarray:
        """Ensemble mortality: expected events if all were like this patient, shape (n,)."""
        return self.predict(X, np.empty(0)).risk_score

    def survival(self, X: np.ndarray, times: ArrayLike) -> np.ndarray:
        """Event-free probability, shape (n, n_times): the mean of the leaf curves."""
        return self.predict(X, np.atleast_1d(np.asarray(times, dtype=float))).survival

    def predict(self, X: np.ndarray, times: np.ndarray) -> SurvivalPrediction:
        """Risk score and survival, with each patient's leaves looked up once."""
        binned = to_bins(X, self.edges_)
        at_times = step_values(times, self.times_, self.leaf_survival_, before=1.0)
        mortality, survival = np.zeros(len(binned)), np.zeros((len(binned), len(times)))
        for leaf in self.leaf_row_[self.trees_.leaves(binned)].T:
            mortality += self.leaf_mortality_[leaf]
            survival += at_times[leaf]
        return SurvivalPrediction(mortality / len(self.trees_), survival / len(self.trees_), times)

    def inside(self) -> SurvivalTrees:
        """The trees on the features as they are, before the bins."""
        return SurvivalTrees(self._trees_at)

    @property
    def jumps(self) -> np.ndarray:
        """Where survival steps, in months."""
        return self.times_

    def _trees_at(self, times: np.ndarray) -> tuple[DecisionTree, ...]:
        """Each tree with its share of the survival at the times as leaf values."""
        at_times = step_values(times, self.times_, self.leaf_survival_, before=1.0)
        at_times = at_times.astype(float) / len(self.trees_)
        trees, found = self.trees_, []
        for tree in range(len(trees)):
            own = trees.nodes(tree)
            leaf, rows, feature = trees.left[own] == -1, self.leaf_row_[own], trees.feature[own]
            found.append(
                DecisionTree(
                    left=np.where(leaf, -1, trees.left[own] - own.start),
                    right=np.where(leaf, -1, trees.right[own] - own.start),
                    feature=feature,
                    threshold=_unbinned(feature, trees.threshold[own], self.edges_),
                    missing_left=trees.missing_left[own],
                    value=np.where((rows >= 0)[:, None], at_times[rows], 0.0),
                )
            )
        return tuple(found)


@dataclass(eq=False, repr=False)
class ExtraTreesForest(SurvivalForest):
    """Extremely randomised survival trees (Geurts et al. 2006): thresholds are drawn, not sought.

    Parameters and attributes are those of `SurvivalForest`.
    """

    engine: ClassVar[str] = "QuickExtraSurvivalTrees"


def _unbinned(feature: np.ndarray, threshold: np.ndarray, edges: list[np.ndarray]) -> np.ndarray:
    """Thresholds between bins as thresholds between values, shape (n_nodes,), single precision.

    A value lies in bin k or below when it is smaller than edge k.
    """
    found = np.full(len(feature), np.inf, dtype=np.float32)
    for node in np.flatnonzero(feature >= 0):
        cuts = edges[feature[node]]
        if threshold[node] < len(cuts):
            found[node] = np.nextafter(cuts[int(threshold[node])], np.float32(-np.inf))
    return found


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
    n_leaves: int,
    times: np.ndarray,
) -> LifeTable:
    """Life table of each leaf over the grid, shape (n_leaves, n_times).

    `count` holds how often the tree drew each patient.
    """
    shape = (n_leaves, len(times) + 1)
    cell = leaf * shape[1] + step
    events, censored = (
        np.bincount(cell, count * had, minlength=shape[0] * shape[1]).reshape(shape)[:, 1:]
        for had in (event, ~event)
    )
    return LifeTable.from_counts(times, events, censored)


def search_space(trial: Trial, size: SearchSize) -> dict[str, Any]:
    """Leaves from 3 patients, more where events are few, to a third of the events.

    One feature in ten to all of them are tried at a split.
    """
    smallest = 3 if size.events_per_variable >= 10 else 5
    return {
        "min_samples_leaf": trial.suggest_int(
            "min_samples_leaf", smallest, max(10, size.n_events // 3), log=True
        ),
        "max_features": trial.suggest_float("max_features", 0.1, 1.0),
    }


FOREST = Learner(
    "forest",
    "Random survival forest",
    SurvivalForest,
    handles_missing=True,
    scale=False,
    search_space=search_space,
    handles_weights=True,
)
EXTRA_TREES = Learner(
    "extra_trees",
    "Extremely randomised survival trees",
    ExtraTreesForest,
    handles_missing=True,
    scale=False,
    search_space=search_space,
    handles_weights=True,
)
