"""Survival probabilities of several learners, combined by weights that were judged out-of-fold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from features.outcome import Outcome
from models.fitted import fit_learner
from models.learners import STACK
from models.prediction import (
    SurvivalModel,
    SurvivalPrediction,
    WeightedModels,
    increasing_times,
    within_follow_up,
)

if TYPE_CHECKING:
    import pandas as pd

    from features.dataset import Dataset

DEFAULT_MEMBERS = ("cox", "forest", "xgboost_cox")
RISK_GRID = 50
# A weight below it comes from the optimiser's tolerance.
SMALLEST_WEIGHT = 1e-6

# Outcome and prediction in, one number out; lower is better.
Loss = Callable[[Outcome, SurvivalPrediction], float]


@dataclass(frozen=True)
class StackedModel:
    """Several fitted models and how much each counts. Holds no patient row.

    Attributes
    ----------
    learner : str
    params : dict
        `members`: learner -> its parameters; `weights`: learner -> weight. A learner with weight 0
        is not fitted.
    columns : tuple of str
    members : tuple of fitted models
    weights : tuple of float
        Above 0, adding up to 1.
    follow_up : float
        Months; nothing is predicted beyond.
    """

    learner: str
    params: dict[str, Any]
    columns: tuple[str, ...]
    members: tuple[SurvivalModel, ...]
    weights: tuple[float, ...]
    follow_up: float

    def predict(
        self, predictors: pd.DataFrame | Mapping[str, np.ndarray], times: ArrayLike
    ) -> SurvivalPrediction:
        """Predict for patients, as `FittedModel.predict`.

        The risk score is minus the mean of the survival curve up to the follow-up: the members'
        own risk scores have no common scale.
        """
        months = increasing_times(times)
        grid = np.linspace(0, self.follow_up, RISK_GRID + 1)[1:]
        every = np.union1d(months, grid)
        survival = sum(
            weight * member.predict(predictors, every).survival
            for weight, member in zip(self.weights, self.members, strict=True)
        )
        curve = np.asarray(survival)
        risk_score = -curve[:, np.isin(every, grid)].mean(axis=1)
        wanted = SurvivalPrediction(risk_score, curve[:, np.isin(every, months)], months)
        return within_follow_up(wanted, self.follow_up)

    def opened(self) -> WeightedModels:
        """The members and their weights; the risk score is not a sum of theirs."""
        return WeightedModels(self.weights, self.members)


def fit_stack(params: Mapping[str, Any], dataset: Dataset, seed: int) -> StackedModel:
    """Fit every member that counts on all patients.

    Parameters
    ----------
    params : mapping
        From `weigh_members`; without them three default learners count the same.
    """
    members = params.get("members") or {name: {} for name in DEFAULT_MEMBERS}
    weights = params.get("weights") or {name: 1 / len(members) for name in members}
    used = [name for name in members if weights[name] > 0]
    return StackedModel(
        learner=STACK,
        params={"members": dict(members), "weights": dict(weights)},
        columns=tuple(dataset.predictors.columns),
        members=tuple(fit_learner(name, members[name], dataset, seed) for name in used),
        weights=tuple(weights[name] for name in used),
        follow_up=dataset.outcome.follow_up,
    )


def weigh_members(
    members: Mapping[str, dict[str, Any]],
    dataset: Dataset,
    loss: Loss,
    times: np.ndarray,
    *,
    inner_folds: int,
    seed: int,
) -> tuple[dict[str, float], float, pd.DataFrame]:
    """Weights >= 0 that add up to 1 and minimise the loss of the combined survival, out-of-fold.

    Parameters
    ----------
    members : mapping of learner -> parameters
    dataset : Dataset
        The training patients; each is predicted by models that did not see them.
    loss : callable
        The integrated Brier score.
    times : ndarray of shape (n_times,)

    Returns
    -------
    weights : dict of learner -> float
    loss : float
        Of the combination.
    alone : DataFrame
        `learner`, `score` of each member alone, `weight`.

    References
    ----------
    Wolpert, Neural Netw 1992, 5:241-259; Breiman, Mach Learn 1996, 24:49-64.
    """
    import pandas as pd
    from scipy.optimize import minimize

    from models.resampling import repeated_folds

    folds = repeated_folds(dataset, inner_folds, 1, seed)[0]
    survival = np.empty((len(members), len(dataset), len(times)))
    for fold in range(inner_folds):
        train, test = dataset.take(folds != fold), np.flatnonzero(folds == fold)
        predictors = dataset.take(test).predictors
        for number, (name, params) in enumerate(members.items()):
            model = fit_learner(name, params, train, seed)
            survival[number, test] = model.predict(predictors, times).survival
    # Beyond the follow-up of a training part nothing is predicted; these times are left out.
    known = ~np.isnan(survival).any(axis=(0, 1))
    survival, known_times = survival[:, :, known], times[known]
    no_score = np.zeros(len(dataset))

    def combined(weights: np.ndarray) -> float:
        mixed = np.clip(np.tensordot(weights, survival, axes=1), 0.0, 1.0)
        return loss(dataset.outcome, SurvivalPrediction(no_score, mixed, known_times))

    count = len(members)
    alone = np.array([combined(row) for row in np.eye(count)])
    found = minimize(
        combined,
        np.full(count, 1 / count),
        method="SLSQP",
        bounds=[(0.0, 1.0)] * count,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1.0},
        options={"ftol": 1e-10, "maxiter": 200},
    )
    best = np.where(found.x < SMALLEST_WEIGHT, 0.0, found.x)
    best /= best.sum()
    # The optimiser may stop early; a member alone is always among the candidates.
    if combined(best) > alone.min():
        best = np.eye(count)[alone.argmin()]
    weights = {name: float(weight) for name, weight in zip(members, best, strict=True)}
    table = pd.DataFrame({"learner": list(members), "score": alone, "weight": best})
    return weights, combined(best), table
