"""XGBoost on the Cox partial likelihood, made independent of the order of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from features.outcome import Outcome
from models.learners.baseline import BaselineHazard, ProportionalHazards
from models.learners.boosting import (
    Boosted,
    Objective,
    boost,
    boosting_space,
    canonical_order,
    make_matrix,
    score_parts,
)
from models.learners.learner import Columns, Learner, Weights
from models.prediction import LinkedScore


@dataclass(eq=False, repr=False)
class XgboostCox(ProportionalHazards, Boosted):
    """Gradient boosting of Breslow's partial likelihood, with Efron's baseline hazard on top.

    The engine's own `survival:cox` depends on the order of rows with tied times and gives a weight
    to a patient's gradient but not to the risk sets, so the likelihood is ours.
    Its parameters are those of `Boosted`.
    """

    fitted: ClassVar[tuple[str, ...]] = ("columns_", "margin_", "baseline_")

    def fit(
        self, X: np.ndarray, outcome: Outcome, weights: Weights = None, columns: Columns = None
    ) -> Self:
        """Fit on features of shape (n, p); NaN is allowed and learned from.

        Weights, shape (n,), count as so many patients. `columns` says which features hold category
        codes, and which may only raise or only lower the risk.
        """
        order = canonical_order(X, outcome)
        known = np.ones(len(X)) if weights is None else np.asarray(weights, dtype=float)
        self.columns_ = columns
        self.margin_ = boost(
            self,
            make_matrix(X[order], columns, label=outcome.time[order]),
            {"base_score": 0.0},
            () if columns is None else columns.monotone,
            partial_likelihood(outcome.time[order], outcome.event[order], known[order]),
        )
        self.baseline_ = BaselineHazard.fit(self.risk_score(X), outcome, weights)
        return self

    def risk_score(self, X: np.ndarray) -> np.ndarray:
        """Log hazard up to a constant, shape (n,)."""
        return self.margin_.predict(X)

    def inside(self) -> LinkedScore:
        """The log hazard, and its terms where no tree splits twice."""
        return score_parts(self, self.margin_, self.baseline_.survival)


def partial_likelihood(time: np.ndarray, event: np.ndarray, weights: np.ndarray) -> Objective:
    """Gradient and diagonal Hessian of the negative weighted partial likelihood, Breslow's ties.

    Parameters
    ----------
    time : ndarray of shape (n,), increasing
    event : ndarray of shape (n,), bool
    weights : ndarray of shape (n,)
    """
    # Patients with the same time share one risk set and one cumulative hazard.
    first = np.searchsorted(time, time, side="left")
    last = np.searchsorted(time, time, side="right") - 1
    dying = weights * event

    def objective(margin: np.ndarray, _: object) -> tuple[np.ndarray, np.ndarray]:
        hazard = np.exp(margin - margin.max())
        relative = weights * hazard
        at_risk = np.cumsum(relative[::-1])[::-1][first]
        # Without a weight left there is nobody to die.
        share = np.divide(dying, at_risk, out=np.zeros_like(dying), where=at_risk > 0)
        squared = np.divide(share, at_risk, out=np.zeros_like(dying), where=at_risk > 0)
        expected = relative * np.cumsum(share)[last]
        hessian = expected - relative * hazard * np.cumsum(squared)[last]
        return expected - dying, np.maximum(hessian, 1e-16)

    return objective


XGBOOST_COX = Learner(
    "xgboost_cox",
    "XGBoost, Cox loss",
    XgboostCox,
    handles_missing=True,
    scale=False,
    search_space=boosting_space,
    handles_categories=True,
    handles_weights=True,
)
