"""Hyperparameters by Optuna, on inner folds of the patients it is given and no others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import pandas as pd

from features.dataset import Dataset
from features.outcome import Outcome
from models.learners import LEARNERS
from models.prediction import SurvivalPrediction
from models.preprocessing import make_preprocessing, to_features
from models.resampling import repeated_folds

# Smaller is better; outcome and prediction of an inner test fold in, one number out.
Score = Callable[[Outcome, SurvivalPrediction], float]


@dataclass(frozen=True)
class Tuning:
    """What a search found.

    Attributes
    ----------
    params : dict
        The best parameters.
    score : float
        Their mean score over the inner folds; optimistic, because they were chosen by it.
    trials : DataFrame
        One row a trial: number, state, score and parameters.
    """

    params: dict[str, Any]
    score: float
    trials: pd.DataFrame


def tune(
    learner: str,
    dataset: Dataset,
    score: Score,
    times: np.ndarray,
    *,
    trials: int,
    inner_folds: int,
    seed: int,
) -> Tuning:
    """Search a learner's parameters by inner cross-validation.

    Parameters
    ----------
    learner : str
        Name in LEARNERS.
    dataset : Dataset
        The training patients; preprocessing is fitted on the inner training folds alone.
    score : callable
        Smaller is better.
    times : ndarray of shape (n_times,)
        Grid on which survival is predicted for `score`.
    trials : int
        Number of trials; the first is the learner's defaults. 0 keeps the defaults.
    inner_folds, seed : int

    Raises
    ------
    RuntimeError
        When every trial failed numerically.
    """
    if trials == 0:
        return Tuning({}, float("nan"), pd.DataFrame())
    entry = LEARNERS[learner]
    folds = repeated_folds(dataset, inner_folds, 1, seed)[0]
    # Encoded once a fold: preprocessing has no parameter to tune.
    encoded = []
    for fold in range(inner_folds):
        train, test = dataset.take(folds != fold), dataset.take(folds == fold)
        preprocessing = make_preprocessing(
            train.predictors, handles_missing=entry.handles_missing, scale=entry.scale
        )
        X_train = preprocessing.fit_transform(train.predictors)
        encoded.append((X_train, train.outcome, to_features(preprocessing, test.predictors), test))

    def objective(trial: optuna.Trial) -> float:
        params = entry.search_space(trial, dataset.outcome.n_events)
        scores = []
        for X_train, outcome, X_test, test in encoded:
            try:
                estimator = entry.make(params, seed).fit(X_train, outcome)
            except (ArithmeticError, np.linalg.LinAlgError) as error:
                raise optuna.TrialPruned(f"did not converge: {error}") from error
            prediction = SurvivalPrediction(
                estimator.risk_score(X_test), estimator.survival(X_test, times), times
            )
            scores.append(score(test.outcome, prediction))
        value = float(np.mean(scores))
        if not np.isfinite(value):
            raise optuna.TrialPruned("the score is not finite")
        return value

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=8)
    study = optuna.create_study(direction="minimize", sampler=sampler)
    study.enqueue_trial(_defaults(learner))
    study.optimize(objective, n_trials=trials)
    table = pd.DataFrame(
        {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            "score": np.nan if trial.value is None else trial.value,
            **trial.params,
        }
        for trial in study.trials
    )
    if table["score"].isna().all():
        raise RuntimeError(f"{learner}: all {trials} trials failed numerically")
    return Tuning(dict(study.best_params), float(study.best_value), table)


def _defaults(learner: str) -> dict[str, Any]:
    """The learner's own defaults for the parameters that its search space knows."""
    entry = LEARNERS[learner]
    probe = optuna.create_study().ask()
    names = entry.search_space(probe, 30)
    defaults = entry.make({}, 0).get_params()  # type: ignore[attr-defined]
    return {name: defaults[name] for name in names}
