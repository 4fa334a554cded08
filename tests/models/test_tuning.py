import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from features.dataset import Dataset
from features.outcome import Outcome
from models import tuning
from models.learners import LEARNERS, Learner
from models.resampling import repeated_folds
from models.tuning import tune

TIMES = np.array([3.0, 6.0, 9.0])


def absolute_error(outcome, prediction):
    """A stand-in for the Brier score: mean distance of S(6) from being alive at 6 months."""
    return float(np.abs(prediction.at(6.0) - (outcome.time > 6)).mean())


class Constant(BaseEstimator):
    """Predicts `level` for everybody; the lowest levels do not converge."""

    seen: list = []  # noqa: RUF012

    def __init__(self, level=0.5, fails_below=0.0):
        self.level = level
        self.fails_below = fails_below

    def fit(self, X, outcome):
        Constant.seen.append(X)
        if self.level < self.fails_below:
            raise ArithmeticError("numerical error")
        return self

    def risk_score(self, X):
        return np.zeros(len(X))

    def survival(self, X, times):
        return np.full((len(X), len(times)), self.level)


@pytest.fixture
def constant(monkeypatch):
    """Put a learner in the registry that fails below the given level."""
    Constant.seen.clear()

    def register(fails_below):
        learner = Learner(
            "constant",
            "Constant",
            lambda params, seed: Constant(**{"fails_below": fails_below, **params}),
            lambda trial, n_events: {"level": trial.suggest_float("level", 0.0, 1.0)},
            handles_missing=True,
            scale=False,
            trusted_types=(),
        )
        monkeypatch.setitem(LEARNERS, "constant", learner)

    return register


def search(learner, dataset, trials=6, seed=1, score=absolute_error):
    return tune(learner, dataset, score, TIMES, trials=trials, inner_folds=3, seed=seed)


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_first_trial_is_the_defaults(learner, dataset):
    found = search(learner, dataset, trials=2)
    first = found.trials.iloc[0]
    defaults = LEARNERS[learner].make({}, 0).get_params()
    names = [name for name in found.trials if name not in ("trial", "state", "score")]
    assert names
    for name in names:
        assert first[name] == pytest.approx(defaults[name]), name
    assert found.trials["trial"].tolist() == [0, 1]


def test_the_best_trial_wins(dataset):
    found = search("cox", dataset)
    assert found.score == found.trials["score"].min()
    best = found.trials.loc[found.trials["score"].idxmin()]
    assert found.params == {"alpha": best["alpha"], "l1_ratio": best["l1_ratio"]}
    assert set(found.trials["state"]) == {"complete"}


def test_no_trial_keeps_the_defaults(dataset):
    found = search("cox", dataset, trials=0)
    assert found.params == {}
    assert np.isnan(found.score)
    assert len(found.trials) == 0


def test_same_seed_same_search(dataset):
    first, second = search("cox", dataset), search("cox", dataset)
    pd.testing.assert_frame_equal(first.trials, second.trials)
    assert first.params == second.params
    assert search("cox", dataset, seed=2).params != first.params


def test_trials_that_fail_are_pruned_and_counted(dataset, constant):
    constant(fails_below=0.45)
    found = search("constant", dataset, trials=12)
    failed = found.trials["level"] < 0.45
    assert 0 < failed.sum() < 12
    assert (found.trials["state"] == np.where(failed, "pruned", "complete")).all()
    assert found.trials["score"].isna().equals(failed)
    assert found.params["level"] >= 0.45


def test_a_score_that_is_not_finite_is_a_failed_trial(dataset, constant):
    constant(fails_below=0.0)

    def score(outcome, prediction):
        return np.nan if prediction.survival[0, 0] > 0.5 else absolute_error(outcome, prediction)

    found = search("constant", dataset, trials=12, score=score)
    assert found.params["level"] <= 0.5
    assert (found.trials["state"] == "pruned").any()


def test_when_every_trial_fails_it_is_said(dataset, constant):
    constant(fails_below=2.0)
    with pytest.raises(RuntimeError, match="constant: all 4 trials failed"):
        search("constant", dataset, trials=4)


def test_a_mistake_in_the_code_is_not_taken_for_a_failed_trial(dataset, constant):
    constant(fails_below=0.0)

    def score(outcome, prediction):
        raise TypeError("a mistake")

    with pytest.raises(TypeError, match="a mistake"):
        search("constant", dataset, score=score)


def training_features(dataset, monkeypatch):
    """What a search gives its learner to fit, one array an inner fold."""
    seen = []
    make = tuning.make_preprocessing

    def spy(predictors, **tolerance):
        preprocessing = make(predictors, **tolerance)
        fit_transform = preprocessing.fit_transform

        def kept(frame):
            seen.append(fit_transform(frame))
            return seen[-1]

        preprocessing.fit_transform = kept
        return preprocessing

    with monkeypatch.context() as patch:
        patch.setattr(tuning, "make_preprocessing", spy)
        search("cox", dataset, trials=1)
    return seen


def test_an_inner_test_fold_never_reaches_the_preprocessing(dataset, monkeypatch):
    # The first patient's age is a million years. It may shift means and medians only where the
    # patient is in the training part; with the patient in the test part nothing may differ.
    covariates = dataset.covariates.copy()
    covariates.loc[0, "age_years"] = 1e6
    planted = dataclasses.replace(dataset, covariates=covariates)
    test_fold = repeated_folds(dataset, 3, 1, 1)[0][0]
    clean = training_features(dataset, monkeypatch)
    dirty = training_features(planted, monkeypatch)
    for fold in range(3):
        same = np.array_equal(clean[fold], dirty[fold])
        assert same == (fold == test_fold)


def test_the_search_sees_only_the_patients_it_is_given(dataset, constant):
    constant(fails_below=0.0)
    search("constant", dataset, trials=1)
    folds = repeated_folds(dataset, 3, 1, 1)[0]
    # Three inner folds, one fit each, on the other two thirds.
    sizes = [len(X) for X in Constant.seen]
    assert sizes == [int((folds != fold).sum()) for fold in range(3)]


def test_coxnet_on_too_few_patients_prunes_and_goes_on():
    # 14 patients with a covariate that separates them perfectly: small penalties overflow or not,
    # the search ends with parameters.
    rng = np.random.default_rng(1)
    time = np.arange(1.0, 15.0)
    covariates = pd.DataFrame({"a": -time * 50, "b": rng.normal(size=14)})
    dataset = Dataset(covariates, None, None, Outcome(time, np.ones(14, dtype=bool)))
    found = search("cox", dataset, trials=8)
    assert set(found.trials["state"]) <= {"complete", "pruned"}
    assert np.isfinite(found.score)
