import dataclasses
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from features.dataset import Dataset
from features.outcome import Outcome
from models.learners.learner import Learner
from models.learners.registry import LEARNERS
from models.prediction import SurvivalPrediction
from models.preprocessing import fitting
from models.resampling import repeated_folds
from models.tuning.tune import (
    FoldScore,
    NoTrialSucceededError,
    Search,
    clearly_worse,
    default_params,
    tune,
    tune_stack,
)

TIMES = np.array([3.0, 6.0, 9.0])


def absolute_error(outcome, prediction):
    """A stand-in for the Brier score: mean distance of S(6) from being alive at 6 months."""
    losses = np.abs(prediction.at(6.0) - (outcome.time > 6))
    return FoldScore(float(losses.mean()), float(prediction.risk_score.mean()), losses)


class Constant(BaseEstimator):
    """Predicts `level` for everybody; the lowest levels do not converge."""

    seen: list = []  # noqa: RUF012

    def __init__(self, level=0.5, fails_below=0.0):
        self.level = level
        self.fails_below = fails_below

    def fit(self, X, outcome, weights=None, columns=None):
        Constant.seen.append((X, self.level))
        if self.level < self.fails_below:
            raise ArithmeticError("numerical error")
        return self

    def predict(self, X, times):
        survival = np.full((len(X), len(times)), self.level)
        return SurvivalPrediction(np.full(len(X), self.level), survival, times)


@pytest.fixture
def constant(monkeypatch):
    """Put a learner in the registry that fails below the given level."""
    Constant.seen.clear()

    def register(fails_below):
        learner = Learner(
            "constant",
            "Constant",
            partial(Constant, fails_below=fails_below),
            handles_missing=True,
            scale=False,
            search_space=lambda trial, size: {"level": trial.suggest_float("level", 0.0, 1.0)},
        )
        monkeypatch.setitem(LEARNERS, "constant", learner)

    return register


def search(learner, dataset, trials=6, seed=1, score=absolute_error, **settings):
    return tune(learner, dataset, score, TIMES, Search(trials, 3, seed, **settings))


TUNED = [name for name in LEARNERS if default_params(name)]
NOT_PARAMETERS = ("trial", "state", "score", "ibs", "harrell_c")


@pytest.mark.parametrize("learner", TUNED)
def test_the_first_trial_is_the_defaults(learner, dataset):
    found = search(learner, dataset, trials=2)
    first = found.trials.iloc[0]
    defaults = LEARNERS[learner].make({}, 0).get_params()
    names = [name for name in found.trials if name not in NOT_PARAMETERS]
    assert names
    for name in names:
        assert first[name] == defaults[name] or first[name] == pytest.approx(defaults[name])
    assert found.trials["trial"].tolist() == [0, 1]


def test_the_best_trial_wins(dataset):
    found = search("cox", dataset)
    assert found.score == found.trials["score"].min()
    best = found.trials.loc[found.trials["score"].idxmin()]
    assert found.params == {"alpha": best["alpha"], "l1_ratio": best["l1_ratio"]}
    assert set(found.trials["state"]) <= {"complete", "pruned"}


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
    assert ((found.trials["state"] == "failed") == failed).all()
    assert found.failed == failed.sum()
    assert found.trials.loc[failed, "score"].isna().all()
    assert found.params["level"] >= 0.45


def test_a_score_that_is_not_finite_is_a_failed_trial(dataset, constant):
    constant(fails_below=0.0)

    def score(outcome, prediction):
        known = absolute_error(outcome, prediction)
        return dataclasses.replace(known, ibs=np.nan) if prediction.survival[0, 0] > 0.5 else known

    found = search("constant", dataset, trials=12, score=score)
    assert found.params["level"] <= 0.5
    assert (found.trials["state"] == "failed").any()


def test_a_prediction_that_fails_numerically_is_a_failed_trial(dataset, constant, monkeypatch):
    constant(fails_below=0.0)

    def overflow(self, X, times):
        raise FloatingPointError("overflow")

    monkeypatch.setattr(Constant, "predict", overflow)
    with pytest.raises(NoTrialSucceededError):
        search("constant", dataset, trials=2)


def test_when_every_trial_fails_it_is_said(dataset, constant):
    constant(fails_below=2.0)
    with pytest.raises(NoTrialSucceededError, match="constant: all 4 trials failed"):
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
    make = fitting.fit_encoding

    def spy(predictors, **tolerance):
        encoding = make(predictors, **tolerance)
        seen.append(encoding.transform(predictors))
        return encoding

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "fit_encoding", spy)
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
    sizes = [len(X) for X, _ in Constant.seen]
    assert sizes == [int((folds != fold).sum()) for fold in range(3)]


@pytest.mark.slow
def test_a_search_that_was_stopped_ends_as_if_it_had_not(dataset, tmp_path, monkeypatch):
    whole = search("xgboost_cox", dataset, trials=12)

    class Killed(BaseException):
        pass

    # Stopped in the middle of a fold, wherever that is; a trial is left running in the storage.
    for attempt, fits in enumerate((1, 5, 11, 17)):
        left = [fits]

        def make(learner, params, seed, made=Learner.make, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return made(learner, params, seed)

        place = {"storage": str(tmp_path / str(attempt)), "name": "study"}
        with monkeypatch.context() as patch:
            patch.setattr(Learner, "make", make)
            with pytest.raises(Killed):
                search("xgboost_cox", dataset, trials=12, **place)
        resumed = search("xgboost_cox", dataset, trials=12, **place)
        pd.testing.assert_frame_equal(resumed.trials, whole.trials)
        assert resumed.params == whole.params
        assert resumed.score == whole.score


def test_a_search_whose_journal_was_damaged_ends_as_if_it_had_not(dataset, tmp_path):
    place = {"storage": str(tmp_path), "name": "study"}
    whole = search("xgboost_cox", dataset, trials=4, **place)
    journal = tmp_path / "study.journal"
    written = journal.read_bytes()
    journal.write_bytes(written[: len(written) // 2] + b"\x00garbage")
    again = search("xgboost_cox", dataset, trials=4, **place)
    pd.testing.assert_frame_equal(again.trials, whole.trials)
    assert again.params == whole.params


def test_a_finished_search_is_read_and_not_repeated(dataset, tmp_path, constant):
    constant(fails_below=0.0)
    place = {"storage": str(tmp_path), "name": "study"}
    first = search("constant", dataset, trials=5, **place)
    fitted_before = len(Constant.seen)
    again = search("constant", dataset, trials=5, **place)
    assert len(Constant.seen) == fitted_before
    pd.testing.assert_frame_equal(again.trials, first.trials)


def test_a_clearly_worse_trial_is_given_up_after_a_fold(dataset, constant):
    constant(fails_below=0.0)

    def score(outcome, prediction):
        # Whoever predicts a higher level loses more, every patient alike but for a little.
        level = prediction.survival[0, 0]
        losses = level + 0.01 * np.arange(len(outcome)) / len(outcome) * (1 + level)
        return FoldScore(float(losses.mean()), 0.5, losses)

    found = search("constant", dataset, trials=10, score=score)
    pruned = found.trials[found.trials["state"] == "pruned"]
    assert len(pruned) > 3
    assert (
        found.params["level"]
        == found.trials.loc[~found.trials.index.isin(pruned.index), "level"].min()
    )
    assert found.failed == 0
    for level in pruned["level"]:
        assert sum(seen == level for _, seen in Constant.seen) == 1


def test_the_same_losses_but_for_noise_are_not_clearly_worse():
    rng = np.random.default_rng(1)
    best = rng.random(40)
    assert not clearly_worse(best + rng.normal(0, 0.1, 40), best)
    assert clearly_worse(best + 0.1 + rng.normal(0, 0.1, 40), best)
    assert not clearly_worse(best, best)
    assert not clearly_worse(best[:1] + 9, best[:1])


def test_the_objective_may_be_concordance(dataset, constant):
    constant(fails_below=0.0)
    found = search("constant", dataset, trials=10, objective="harrell_c")
    # The stand-in for C is the level itself: higher is better.
    assert found.params["level"] == found.trials["level"].max()
    assert found.score == found.trials["harrell_c"].max()
    assert found.trials["ibs"].notna().all()


def test_fixed_parameters_are_not_searched(dataset):
    few = dataset.select(["age_years", "mut_tp53"])
    found = search("cox", few, trials=3, fixed={"cox": {"alpha": 0.2}})
    assert found.params["alpha"] == 0.2
    # The record says what was fitted.
    assert (found.trials["alpha"] == 0.2).all()
    assert found.trials["l1_ratio"].nunique() == 3
    # Without a penalty there is no mixture to search.
    assert search("cox", few, trials=3, fixed={"cox": {"alpha": 0}}).params == {"alpha": 0}
    everything = {"cox": {"alpha": 0.5, "l1_ratio": 0.5}}
    kept = search("cox", few, trials=3, fixed=everything)
    assert kept.params == everything["cox"]
    assert len(kept.trials) == 0


def test_a_stack_is_tuned_by_its_weights(dataset):
    members = {"cox": {"alpha": 0.2}, "kaplan_meier": {}}
    found = tune_stack(members, dataset, absolute_error, TIMES, Search(5, 3, 1))
    assert found.params["members"] == members
    assert sum(found.params["weights"].values()) == pytest.approx(1)
    assert found.trials["learner"].tolist() == list(members)


def test_a_search_space_grows_with_the_events_a_feature_has():
    from models.search import SearchSize

    assert SearchSize(58, 11).events_per_variable == pytest.approx(58 / 11)
    assert [SearchSize(events, 10).tree_depth for events in (99, 100, 200, 1000)] == [1, 2, 3, 4]
    assert SearchSize(5, 0).events_per_variable == 5


def test_coxnet_on_too_few_patients_prunes_and_goes_on():
    # 14 patients with a covariate that separates them perfectly: small penalties overflow or not,
    # the search ends with parameters.
    rng = np.random.default_rng(1)
    time = np.arange(1.0, 15.0)
    covariates = pd.DataFrame({"a": -time * 50, "b": rng.normal(size=14)})
    dataset = Dataset(covariates, None, None, Outcome(time, np.ones(14, dtype=bool)))
    found = search("cox", dataset, trials=8)
    assert set(found.trials["state"]) <= {"complete", "pruned", "failed"}
    assert np.isfinite(found.score)
