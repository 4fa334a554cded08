"""Nested cross-validation, final fits and bootstrap refits, each as independent seeded tasks."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from evaluation.brier import brier_losses, integrated_brier
from evaluation.censoring import fit_censoring
from evaluation.regimen_effects import model_contrasts
from features.dataset import Dataset
from features.outcome import Outcome
from models.fitted import FittedModel, fit_model
from models.prediction import SurvivalPrediction
from models.tuning import Score, Tuning, tune

GRID_STEPS = 48


@dataclass(frozen=True)
class Search:
    """How parameters are searched."""

    trials: int
    inner_folds: int
    seed: int


@dataclass(frozen=True)
class FoldFit:
    """One outer test fold: who was in it and what was predicted for them."""

    repeat: int
    fold: int
    rows: np.ndarray
    prediction: SurvivalPrediction
    tuning: Tuning


@dataclass(frozen=True)
class LearnerFit:
    """Everything learned about one learner.

    Attributes
    ----------
    predictions : tuple of SurvivalPrediction
        Out-of-fold, all patients in order, one a repeat.
    searches : DataFrame
        One row an outer fold: repeat, fold, inner score and the chosen parameters.
    tuning : Tuning
        The final search, on all patients.
    model : FittedModel
        Fitted to all patients with the final parameters.
    """

    learner: str
    predictions: tuple[SurvivalPrediction, ...]
    searches: pd.DataFrame
    tuning: Tuning
    model: FittedModel


def task_seed(seed: int, *place: str | int) -> int:
    """A seed of its own for a task, the same whatever order tasks run in."""
    entropy = [seed, *(zlib.crc32(p.encode()) if isinstance(p, str) else p for p in place)]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] % 2**31)


def prediction_times(horizons: Sequence[float]) -> np.ndarray:
    """Even grid of months up to the last horizon, every horizon on it, shape (n_times,)."""
    tau = max(horizons)
    return np.union1d(np.round(np.linspace(0, tau, GRID_STEPS + 1)[1:], 9), horizons)


def in_parallel(tasks: Iterable[Any], workers: int) -> Iterator[Any]:
    """Run delayed tasks and yield their results in order as they come."""
    if workers == 1:
        for function, args, kwargs in tasks:
            yield function(*args, **kwargs)
        return
    yield from Parallel(n_jobs=workers, return_as="generator")(tasks)


def ibs_score(training: Outcome, times: np.ndarray) -> Score:
    """Integrated Brier score with censoring weights from the training patients."""
    censoring = fit_censoring(training)

    def score(outcome: Outcome, prediction: SurvivalPrediction) -> float:
        losses = brier_losses(outcome, prediction.survival, times, censoring)
        return float(integrated_brier(losses.mean(axis=0), times))

    return score


def fit_outer_fold(
    learner: str,
    dataset: Dataset,
    folds: np.ndarray,
    place: tuple[int, int],
    search: Search,
    times: np.ndarray,
) -> FoldFit:
    """Tune and fit on all folds but one, predict that one."""
    repeat, fold = place
    test = np.flatnonzero(folds[repeat] == fold)
    train = dataset.take(folds[repeat] != fold)
    seed = task_seed(search.seed, learner, repeat, fold)
    tuning = tune(
        learner,
        train,
        ibs_score(train.outcome, times),
        times,
        trials=search.trials,
        inner_folds=search.inner_folds,
        seed=seed,
    )
    model = fit_model(learner, tuning.params, train, seed)
    prediction = model.predict(dataset.take(test).predictors, times)
    return FoldFit(repeat, fold, test, prediction, tuning)


def fit_final(
    learner: str, dataset: Dataset, search: Search, times: np.ndarray
) -> tuple[Tuning, FittedModel]:
    """Tune and fit on all patients."""
    seed = task_seed(search.seed, learner, "final")
    tuning = tune(
        learner,
        dataset,
        ibs_score(dataset.outcome, times),
        times,
        trials=search.trials,
        inner_folds=search.inner_folds,
        seed=seed,
    )
    return tuning, fit_model(learner, tuning.params, dataset, seed)


def validate_learner(
    learner: str,
    dataset: Dataset,
    folds: np.ndarray,
    search: Search,
    times: np.ndarray,
    *,
    workers: int,
    advance: Callable[[], None],
) -> LearnerFit:
    """Nested cross-validation of one learner, and its final model.

    Parameters
    ----------
    folds : ndarray of shape (repeats, n)
        The test fold of each patient in each repeat, shared by all learners.
    times : ndarray of shape (n_times,)
    advance : callable
        Called after each outer fold and after the final fit.
    """
    repeats, n = folds.shape
    places = [(r, f) for r in range(repeats) for f in range(folds.max() + 1)]
    tasks = [delayed(fit_final)(learner, dataset, search, times)] + [
        delayed(fit_outer_fold)(learner, dataset, folds, place, search, times) for place in places
    ]
    results = []
    for result in in_parallel(tasks, workers):
        results.append(result)
        advance()
    (tuning, model), fitted = results[0], results[1:]
    predictions = []
    for repeat in range(repeats):
        risk_score, survival = np.empty(n), np.empty((n, len(times)))
        for part in fitted:
            if part.repeat == repeat:
                risk_score[part.rows] = part.prediction.risk_score
                survival[part.rows] = part.prediction.survival
        predictions.append(SurvivalPrediction(risk_score, survival, times))
    searches = pd.DataFrame(
        {"repeat": p.repeat, "fold": p.fold, "inner_score": p.tuning.score, **p.tuning.params}
        for p in fitted
    )
    return LearnerFit(learner, tuple(predictions), searches, tuning, model)


def refit_contrasts(
    model: FittedModel,
    dataset: Dataset,
    arms: Sequence[str],
    horizons: Sequence[float],
    seed: int,
    replicate: int,
) -> np.ndarray:
    """The regimen contrasts of a model refitted to one bootstrap sample.

    Patients are drawn with replacement within each regimen; the parameters stay those of `model`.

    Returns
    -------
    ndarray of shape (2, n_arms - 1, n_horizons)
        NaN where the refit did not converge or a horizon lies beyond the sample's follow-up.
    """
    own_seed = task_seed(seed, model.learner, "refit", replicate)
    rng = np.random.default_rng(own_seed)
    assert dataset.regimen is not None
    members = [np.flatnonzero(dataset.regimen == arm) for arm in arms]
    sample = dataset.take(np.concatenate([rng.choice(rows, len(rows)) for rows in members]))
    try:
        refitted = fit_model(model.learner, model.params, sample, own_seed)
    except (ArithmeticError, np.linalg.LinAlgError):
        return np.full((2, len(arms) - 1, len(horizons)), np.nan)
    return model_contrasts(refitted, sample.predictors, arms, horizons, own_seed)


def bootstrap_contrasts(
    model: FittedModel,
    dataset: Dataset,
    arms: Sequence[str],
    horizons: Sequence[float],
    *,
    replicates: int,
    seed: int,
    workers: int,
    advance: Callable[[], None],
) -> tuple[np.ndarray, np.ndarray]:
    """Regimen contrasts of a model, and of its bootstrap refits.

    Returns
    -------
    estimate : ndarray of shape (2, n_arms - 1, n_horizons)
    replicates : ndarray of shape (replicates, 2, n_arms - 1, n_horizons)
    """
    tasks = [
        delayed(refit_contrasts)(model, dataset, arms, horizons, seed, replicate)
        for replicate in range(replicates)
    ]
    collected = []
    for result in in_parallel(tasks, workers):
        collected.append(result)
        advance()
    own_seed = task_seed(seed, model.learner, "contrast")
    estimate = model_contrasts(model, dataset.predictors, arms, horizons, own_seed)
    return estimate, np.stack(collected)
