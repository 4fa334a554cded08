"""Nested validation, final fits and contrasts of refits, each as independent seeded tasks."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from joblib import delayed

from evaluation.metrics import brier_losses, harrell_c, mean_over_time
from evaluation.regimens import model_contrasts
from evaluation.statistics import fit_censoring
from features.dataset import Dataset
from features.outcome import Outcome
from models.fit import fit_model
from models.fitted import NUMERICAL_ERRORS
from models.learners import STACK
from models.prediction import SurvivalModel, SurvivalPrediction
from models.resampling import Resampling
from models.tuning import FoldScore, Score, Search, Tuning, tune, tune_stack
from pipelines.output.processes import in_parallel
from pipelines.training.checkpoint import NOTHING_KEPT, Checkpoint, Kept

GRID_STEPS = 48
EVENT_STEPS = 100

# Parameters of the members of a stack, by (repeat, fold); FINAL is the fit on all patients.
FINAL = (-1, -1)
# Stands for the repeat in the place of a refit to a bootstrap sample.
REFITS = -2
Members = Mapping[tuple[int, int], Mapping[str, dict[str, Any]]]


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
        Out-of-fold, all patients in order, one a repeat; NaN where a repeat does not test one.
    searches : DataFrame
        One row an outer fold: repeat, fold, inner score, failed trials and the chosen parameters.
    tuning : Tuning
        The final search, on all patients.
    model : SurvivalModel
        Fitted to all patients with the final parameters.
    params : mapping of (repeat, fold) -> parameters
        As chosen in each outer training part, and under FINAL on all patients.
    """

    learner: str
    predictions: tuple[SurvivalPrediction, ...]
    searches: pd.DataFrame
    tuning: Tuning
    model: SurvivalModel
    params: Mapping[tuple[int, int], dict[str, Any]]


def task_seed(seed: int, *place: str | int) -> int:
    """A seed of its own for a task, the same whatever order tasks run in."""
    entropy = [seed, *(zlib.crc32(p.encode()) if isinstance(p, str) else p for p in place)]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] % 2**31)


def prediction_times(horizons: Sequence[float], outcome: Outcome | None = None) -> np.ndarray:
    """Grid of months up to the last horizon, every horizon on it, shape (n_times,).

    Even steps, and with an outcome up to 100 quantiles of its event times: where many die on one
    day, a curve between two even steps would hide it.
    """
    tau = max(horizons)
    grid = np.union1d(np.round(np.linspace(0, tau, GRID_STEPS + 1)[1:], 9), horizons)
    if outcome is None:
        return grid
    early = outcome.time[outcome.event & (outcome.time > 0) & (outcome.time <= tau)]
    if not len(early):
        return grid
    share = np.linspace(0, 1, EVENT_STEPS)
    return np.union1d(grid, np.quantile(early, share, method="higher"))


def inner_score(training: Outcome) -> Score:
    """Integrated Brier score with censoring weights from the training patients, and Harrell's C.

    Of the hazard of the event, as the learners fit it: competing events are censorings.
    """
    censoring = fit_censoring(training)

    def score(outcome: Outcome, prediction: SurvivalPrediction) -> FoldScore:
        outcome = outcome.cause_specific
        losses = brier_losses(outcome, prediction.survival, prediction.times, censoring)
        each = mean_over_time(losses, prediction.times)
        risk = prediction.risk_score
        c_index = float(harrell_c(outcome, risk)) if np.isfinite(risk).all() else np.nan
        return FoldScore(float(each.mean()), c_index, each)

    return score


def search_and_fit(
    learner: str,
    train: Dataset,
    times: np.ndarray,
    search: Search,
    place: tuple[int, int],
    members: Mapping[str, dict[str, Any]] | None,
) -> tuple[Tuning, SurvivalModel]:
    """Tune and fit on the given patients; a stack weighs the members it is given."""
    words: tuple[str | int, ...] = place
    if place == FINAL:
        words = ("final",)
    elif place[0] == REFITS:
        words = ("refit", place[1])
    seed = task_seed(search.seed, learner, *words)
    own = replace(search, seed=seed, name=f"{search.name}{learner}_{place[0]}_{place[1]}")
    score = inner_score(train.outcome)
    if learner == STACK:
        tuning = tune_stack(members or {}, train, score, times, own)
    else:
        tuning = tune(learner, train, score, times, own)
    return tuning, fit_model(learner, tuning.params, train, seed)


def fit_outer_fold(
    learner: str,
    dataset: Dataset,
    resampling: Resampling,
    place: tuple[int, int],
    search: Search,
    times: np.ndarray,
    checkpoint: Checkpoint | None = None,
    members: Mapping[str, dict[str, Any]] | None = None,
) -> FoldFit:
    """Tune and fit on the training part of a split, predict its test part."""
    train, test = dataset.take(resampling.train(*place)), resampling.test(*place)
    kept = (checkpoint or Checkpoint()).open(f"{learner}_{place[0]}_{place[1]}")
    with kept.held():
        found = kept.load()
        if found is not None:
            arrays, facts = found
            tuning = Tuning(facts["params"], facts["score"], pd.DataFrame(facts["trials"]))
            prediction = SurvivalPrediction(arrays["risk_score"], arrays["survival"], times)
            return FoldFit(*place, test, prediction, tuning)
        tuning, model = search_and_fit(learner, train, times, search, place, members)
        prediction = model.predict(dataset.take(test).predictors, times)
        kept.save(
            {"risk_score": prediction.risk_score, "survival": prediction.survival},
            {
                "params": tuning.params,
                "score": tuning.score,
                "trials": tuning.trials.to_dict(orient="list"),
            },
        )
    return FoldFit(*place, test, prediction, tuning)


def fit_final(
    learner: str,
    dataset: Dataset,
    search: Search,
    times: np.ndarray,
    checkpoint: Checkpoint | None = None,
    members: Mapping[str, dict[str, Any]] | None = None,
) -> tuple[Tuning, SurvivalModel]:
    """Tune and fit on all patients. The model itself is not kept, since its search is."""
    with (checkpoint or Checkpoint()).open(f"{learner}_final").held():
        return search_and_fit(learner, dataset, times, search, FINAL, members)


def validate_learner(
    learner: str,
    dataset: Dataset,
    resampling: Resampling,
    search: Search,
    times: np.ndarray,
    *,
    workers: int = 1,
    advance: Callable[[], None] = lambda: None,
    checkpoint: Checkpoint | None = None,
    members: Members | None = None,
) -> LearnerFit:
    """Nested validation of one learner, and its final model.

    Parameters
    ----------
    resampling : Resampling
        Shared by all learners.
    times : ndarray of shape (n_times,)
    advance : callable
        Called after each outer fold and after the final fit.
    checkpoint : Checkpoint, optional
        Where finished folds are kept, so that a killed training does not repeat them.
    members : mapping of (repeat, fold) -> learner -> parameters
        For a stack, what was found in the same training parts.
    """
    folds = resampling.folds
    places = resampling.places
    known = members or {}
    tasks = [
        delayed(fit_final)(learner, dataset, search, times, checkpoint, known.get(FINAL)),
        *(
            delayed(fit_outer_fold)(
                learner, dataset, resampling, place, search, times, checkpoint, known.get(place)
            )
            for place in places
        ),
    ]
    results = []
    for result in in_parallel(tasks, workers):
        results.append(result)
        advance()
    (tuning, model), fitted = results[0], results[1:]
    predictions = []
    for repeat in range(len(folds)):
        risk_score = np.full(folds.shape[1], np.nan)
        survival = np.full((folds.shape[1], len(times)), np.nan)
        for part in fitted:
            if part.repeat == repeat:
                risk_score[part.rows] = part.prediction.risk_score
                survival[part.rows] = part.prediction.survival
        predictions.append(SurvivalPrediction(risk_score, survival, times))
    searches = pd.DataFrame(
        {
            "repeat": p.repeat,
            "fold": p.fold,
            "inner_score": p.tuning.score,
            "failed_trials": p.tuning.failed,
            **flat_params(p.tuning.params),
        }
        for p in fitted
    )
    params = {(p.repeat, p.fold): p.tuning.params for p in fitted} | {FINAL: tuning.params}
    return LearnerFit(learner, tuple(predictions), searches, tuning, model, params)


def flat_params(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested parameters, as a stack has, under dotted names."""
    flat: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat |= flat_params(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def refit_within_arms(
    model: SurvivalModel, dataset: Dataset, arms: Sequence[str], seed: int, replicate: int
) -> tuple[SurvivalModel | None, Dataset, int]:
    """A model refitted to one bootstrap sample, drawn with replacement within each regimen.

    The parameters stay those of `model`.

    Returns
    -------
    refitted : SurvivalModel, or None where it did not converge
    sample : Dataset
    own_seed : int
        Of this refit, for what else is drawn with it.
    """
    own_seed = task_seed(seed, model.learner, "refit", replicate)
    rng = np.random.default_rng(own_seed)
    assert dataset.regimen is not None
    members = [np.flatnonzero(dataset.regimen == arm) for arm in arms]
    sample = dataset.take(np.concatenate([rng.choice(rows, len(rows)) for rows in members]))
    try:
        return fit_model(model.learner, model.params, sample, own_seed), sample, own_seed
    except NUMERICAL_ERRORS:
        return None, sample, own_seed


def refit_contrasts(
    model: SurvivalModel,
    dataset: Dataset,
    arms: Sequence[str],
    horizons: Sequence[float],
    tau: float | None,
    seed: int,
    replicate: int,
) -> np.ndarray:
    """The regimen contrasts of a model refitted to one bootstrap sample.

    Returns
    -------
    ndarray of shape (2, n_arms - 1, n_horizons), or one more output with tau
        NaN where the refit did not converge or a horizon lies beyond the sample's follow-up.
    """
    refitted, sample, own_seed = refit_within_arms(model, dataset, arms, seed, replicate)
    if refitted is None:
        return np.full((2, len(arms) - 1, len(horizons) + (tau is not None)), np.nan)
    return model_contrasts(refitted, sample.predictors, arms, horizons, own_seed, tau)


def bootstrap_contrasts(
    model: SurvivalModel,
    dataset: Dataset,
    arms: Sequence[str],
    horizons: Sequence[float],
    *,
    replicates: int,
    seed: int,
    workers: int,
    advance: Callable[[], None],
    kept: Kept = NOTHING_KEPT,
    tau: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Regimen contrasts of a model, and of its bootstrap refits.

    Parameters
    ----------
    tau : float, optional
        Months; adds the restricted mean survival time up to it as the last output.

    Returns
    -------
    estimate : ndarray of shape (2, n_arms - 1, n_outputs)
    replicates : ndarray of shape (replicates, 2, n_arms - 1, n_outputs)
    """
    tasks = [
        delayed(refit_contrasts)(model, dataset, arms, horizons, tau, seed, replicate)
        for replicate in range(replicates)
    ]
    found = kept.load()
    if found is not None:
        for _ in tasks:
            advance()
        arrays, _ = found
        return arrays["estimate"], arrays["replicates"]
    collected = []
    for result in in_parallel(tasks, workers):
        collected.append(result)
        advance()
    own_seed = task_seed(seed, model.learner, "contrast")
    estimate = model_contrasts(model, dataset.predictors, arms, horizons, own_seed, tau)
    replicates_found = np.stack(collected)
    kept.save({"estimate": estimate, "replicates": replicates_found}, {})
    return estimate, replicates_found
