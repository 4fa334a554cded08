"""Hyperparameters by Optuna, on inner folds of the patients it is given and no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
import pandas as pd
from optuna.trial import TrialState

from features.dataset import Dataset
from features.outcome import Outcome
from models.fitted import NUMERICAL_ERRORS, apply_preprocessing, encode
from models.learners import LEARNERS, STACK
from models.prediction import SurvivalPrediction
from models.resampling import repeated_folds
from models.search import SearchSize
from models.stack import weigh_members
from models.tuning.trial_journal import TrialJournal

Objective = Literal["ibs", "harrell_c"]
STARTUP_TRIALS = 8
# A trial is given up after a fold when its patients' losses exceed the best trial's by more than
# twice the standard error of their paired differences.
PRUNE_BEYOND = 2.0


@dataclass(frozen=True)
class FoldScore:
    """What one inner test fold says of a trial.

    Attributes
    ----------
    ibs : float
        Integrated Brier score, lower is better.
    harrell_c : float
        Higher is better; NaN without a comparable pair.
    losses : ndarray of shape (n,)
        Each patient's part of the integrated Brier score, for paired comparisons.
    """

    ibs: float
    harrell_c: float
    losses: np.ndarray


# Outcome and prediction of an inner test fold in.
Score = Callable[[Outcome, SurvivalPrediction], FoldScore]


@dataclass(frozen=True)
class Search:
    """How parameters are searched.

    Attributes
    ----------
    trials : int
        The first is the learner's defaults. 0 keeps the defaults.
    inner_folds, seed : int
    objective : {'ibs', 'harrell_c'}
    fixed : mapping of learner -> its parameters that are not searched
    storage : str
        Where Optuna keeps the trials, so that a killed search goes on: a folder for journal files,
        or the address of a database; empty keeps them in memory.
    name : str
        Of the study in the storage.
    """

    trials: int
    inner_folds: int
    seed: int
    objective: Objective = "ibs"
    fixed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    storage: str = ""
    name: str = ""


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
        One row a trial: trial, state (complete, pruned, failed), score, ibs, harrell_c
        and the parameters. For a stack, one row a member: learner, score, weight.
    """

    params: dict[str, Any]
    score: float
    trials: pd.DataFrame

    @property
    def failed(self) -> int:
        """Trials that failed numerically."""
        return int((self.trials["state"] == "failed").sum()) if "state" in self.trials else 0


class NoTrialSucceededError(RuntimeError):
    """Every trial of a search failed numerically."""


def tune(learner: str, dataset: Dataset, score: Score, times: np.ndarray, search: Search) -> Tuning:
    """Search a learner's parameters by inner cross-validation.

    A search with a storage may be killed at any moment: called again, it goes on after the last
    finished trial and ends as if it had never stopped, because the draws of a trial depend only on
    the seed, its number and the trials before it.

    Parameters
    ----------
    learner : str
        Name in LEARNERS, a single one.
    dataset : Dataset
        The training patients; preprocessing is fitted on the inner training folds alone.
    score : callable
    times : ndarray of shape (n_times,)
        Grid on which survival is predicted for `score`.
    search : Search

    Raises
    ------
    NoTrialSucceededError
        When every trial failed numerically.
    """
    entry, fixed = LEARNERS[learner], dict(search.fixed.get(learner, {}))
    defaults = {name: default_params(learner)[name] for name in searched_params(learner, fixed)}
    if search.trials == 0 or not defaults:
        return Tuning(fixed, float("nan"), pd.DataFrame())
    folds = _InnerFolds(learner, dataset, score, times, search)
    size = SearchSize(dataset.outcome.n_events, folds.n_features)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    maximize = search.objective == "harrell_c"
    study = optuna.create_study(
        storage=_open_storage(search.storage, search.name),
        study_name=search.name or None,
        load_if_exists=True,
        direction="maximize" if maximize else "minimize",
    )
    for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(left.number, state=TrialState.FAIL)  # What a kill left behind.
    done = _finished(study)
    best, best_losses = _best(done, maximize), None
    for number in range(len(done), search.trials):
        study.sampler = _sampler(search.seed, number)
        if number == 0 and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.enqueue_trial(defaults)
        trial = study.ask()
        params = entry.search_space(_WithFixed(trial, fixed), size) | fixed  # type: ignore[arg-type]
        if best is not None and best_losses is None and search.objective == "ibs":
            best_losses = folds.evaluate(dict(best.params) | fixed)[1]
        try:
            values, losses = folds.evaluate(params, trial, best_losses)
        except optuna.TrialPruned as pruned:
            if str(pruned):
                trial.set_user_attr("failed", str(pruned)[:200])
            study.tell(trial, state=TrialState.PRUNED)
            continue
        for name, value in values.items():
            trial.set_user_attr(name, value)
        frozen = study.tell(trial, values[search.objective])
        if _best([t for t in (best, frozen) if t is not None], maximize) is frozen:
            best, best_losses = frozen, losses
    table = _trials_table(_finished(study)).assign(**fixed)
    if best is None or best.value is None:
        raise NoTrialSucceededError(f"{learner}: all {search.trials} trials failed numerically")
    return Tuning(dict(best.params) | fixed, float(best.value), table)


def tune_stack(
    members: Mapping[str, dict[str, Any]],
    dataset: Dataset,
    score: Score,
    times: np.ndarray,
    search: Search,
) -> Tuning:
    """Weigh the members of a stack on inner folds; their own parameters are given.

    Parameters are those of `tune`, with `members` mapping each learner to its parameters.
    """
    weights, loss, table = weigh_members(
        members,
        dataset,
        lambda outcome, prediction: score(outcome, prediction).ibs,
        times,
        inner_folds=search.inner_folds,
        seed=search.seed,
    )
    return Tuning({"members": dict(members), "weights": weights}, loss, table)


class _InnerFolds:
    """Inner folds of a dataset, encoded once, since preprocessing has no parameter to tune."""

    def __init__(
        self, learner: str, dataset: Dataset, score: Score, times: np.ndarray, search: Search
    ) -> None:
        self.learner, self.score, self.times = LEARNERS[learner], score, times
        self.seed, self.prunes = search.seed, search.objective == "ibs"
        folds = repeated_folds(dataset, search.inner_folds, 1, search.seed)[0]
        self.parts = []
        for fold in range(search.inner_folds):
            train, test = dataset.take(folds != fold), dataset.take(folds == fold)
            encoded = encode(self.learner, train)
            X_test = apply_preprocessing(encoded.preprocessing, test.predictors)
            self.parts.append((encoded, train.outcome, X_test, test.outcome))

    @property
    def n_features(self) -> int:
        return max(encoded.X.shape[1] for encoded, *_ in self.parts)

    def evaluate(
        self,
        params: dict[str, Any],
        trial: optuna.Trial | None = None,
        best_losses: np.ndarray | None = None,
    ) -> tuple[dict[str, float], np.ndarray]:
        """Mean scores over the folds, and each patient's loss.

        Raises
        ------
        optuna.TrialPruned
            With the reason when it failed, without one when it is clearly worse than the best.
        """
        scores: list[FoldScore] = []
        for encoded, outcome, X_test, test in self.parts:
            try:
                estimator = self.learner.make(params, self.seed)
                estimator.fit(encoded.X, outcome, None, encoded.columns)
                prediction = estimator.predict(X_test, self.times)
            except NUMERICAL_ERRORS as error:
                raise optuna.TrialPruned(f"did not converge: {error}") from error
            scores.append(self.score(test, prediction))
            if not np.isfinite(scores[-1].ibs):
                raise optuna.TrialPruned("the score is not finite")
            losses = np.concatenate([s.losses for s in scores])
            if trial is not None and self.prunes:
                trial.report(float(np.mean([s.ibs for s in scores])), len(scores))
            last = len(scores) == len(self.parts)
            if trial is None or best_losses is None or last:
                continue
            if clearly_worse(losses, best_losses[: len(losses)]):
                raise optuna.TrialPruned
        c_index = [s.harrell_c for s in scores]
        values = {
            "ibs": float(np.mean([s.ibs for s in scores])),
            "harrell_c": float(np.nanmean(c_index)) if np.isfinite(c_index).any() else np.nan,
        }
        if not self.prunes and not np.isfinite(values["harrell_c"]):
            raise optuna.TrialPruned("no comparable pair of patients")
        return values, losses


def clearly_worse(losses: np.ndarray, best: np.ndarray) -> bool:
    """Whether the same patients lose so much more that the trial need not be finished.

    Parameters
    ----------
    losses, best : ndarray of shape (n,)
        Of the trial and of the best one so far, the same patients in the same order.
    """
    difference = losses - best
    error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else np.inf
    return bool(difference.mean() > PRUNE_BEYOND * error and error > 0)


def searched_params(learner: str, fixed: Mapping[str, Any]) -> list[str]:
    """Parameters that are searched where others are fixed."""
    if learner == STACK:
        return []
    probe = _Recorder(fixed)
    LEARNERS[learner].search_space(probe, SearchSize(1000, 1))  # type: ignore[arg-type]
    return probe.names


class _WithFixed:
    """A trial to which some parameters are given and not drawn."""

    def __init__(self, trial: optuna.Trial | None, fixed: Mapping[str, Any]) -> None:
        self.trial, self.fixed = trial, fixed

    def suggest_float(self, name: str, *arguments: Any, **options: Any) -> Any:
        return self._give("suggest_float", name, *arguments, **options)

    def suggest_int(self, name: str, *arguments: Any, **options: Any) -> Any:
        return self._give("suggest_int", name, *arguments, **options)

    def suggest_categorical(self, name: str, *arguments: Any) -> Any:
        return self._give("suggest_categorical", name, *arguments)

    def _give(self, how: str, name: str, *arguments: Any, **options: Any) -> Any:
        if name in self.fixed:
            return self.fixed[name]
        return getattr(self.trial, how)(name, *arguments, **options)


class _Recorder(_WithFixed):
    """Writes down what a search space asks for."""

    def __init__(self, fixed: Mapping[str, Any]) -> None:
        super().__init__(None, fixed)
        self.names: list[str] = []

    def _give(self, how: str, name: str, *arguments: Any, **options: Any) -> Any:
        if name in self.fixed:
            return self.fixed[name]
        self.names.append(name)
        return arguments[0][0] if how == "suggest_categorical" else arguments[0]


@lru_cache
def default_params(learner: str) -> dict[str, Any]:
    """The learner's own defaults for the parameters that its search space knows."""
    entry = LEARNERS[learner]
    if learner == STACK:
        return {}
    names = searched_params(learner, {})
    defaults = entry.make({}, 0).get_params()
    return {name: defaults[name] for name in names}


def _sampler(seed: int, number: int) -> optuna.samplers.BaseSampler:
    """Of one trial: a sampler of its own makes its draws independent of when it was resumed."""
    state = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    return optuna.samplers.TPESampler(
        seed=state, multivariate=True, n_startup_trials=STARTUP_TRIALS
    )


def _open_storage(place: str, name: str) -> optuna.storages.BaseStorage | str | None:
    if not place:
        return None
    if "://" in place:
        return place
    # A file a study: searches that run at once do not wait for each other.
    return optuna.storages.JournalStorage(TrialJournal(Path(place) / f"{name}.journal"))


def _finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _best(
    trials: list[optuna.trial.FrozenTrial], maximize: bool
) -> optuna.trial.FrozenTrial | None:
    complete = [t for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
    if not complete:
        return None
    # The first of equals stays.
    sign = -1.0 if maximize else 1.0
    return min(complete, key=lambda t: sign * float(t.value or 0.0))


def _trials_table(trials: list[optuna.trial.FrozenTrial]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "trial": number,
            "state": "failed" if "failed" in trial.user_attrs else trial.state.name.lower(),
            "score": np.nan if trial.state != TrialState.COMPLETE else trial.value,
            "ibs": trial.user_attrs.get("ibs", np.nan),
            "harrell_c": trial.user_attrs.get("harrell_c", np.nan),
            **trial.params,
        }
        for number, trial in enumerate(trials)
    )
