import dataclasses

import numpy as np
import pandas as pd
import pytest

from features.outcome import Outcome
from models.resampling import repeated_kfold, temporal_split
from models.tuning import Search
from pipelines.training import nested_validation
from pipelines.training.checkpoint import Checkpoint
from pipelines.training.nested_validation import (
    FINAL,
    bootstrap_contrasts,
    fit_outer_fold,
    flat_params,
    prediction_times,
    refit_contrasts,
    search_and_fit,
    task_seed,
    validate_learner,
)

SEARCH = Search(trials=2, inner_folds=2, seed=1)
TIMES = np.array([3.0, 6.0, 9.0])


@pytest.fixture(scope="module")
def folds(dataset):
    return repeated_kfold(dataset, 3, 1, seed=1)


@pytest.mark.parametrize("learner", ["cox", "xgboost_cox"])
def test_what_stands_in_the_test_fold_changes_nothing_but_its_own_rows(learner, dataset, folds):
    # One test patient gets impossible covariates, and every test patient another outcome.
    test = folds.test(0, 0)
    covariates = dataset.covariates.copy()
    covariates.loc[test[0], ["age_years", "hb_g_per_l"]] = 1e6
    time, event = dataset.outcome.time.copy(), dataset.outcome.event.copy()
    time[test], event[test] = 30.0, ~event[test]
    planted = dataclasses.replace(dataset, covariates=covariates, outcome=Outcome(time, event))

    clean = fit_outer_fold(learner, dataset, folds, (0, 0), SEARCH, TIMES)
    dirty = fit_outer_fold(learner, planted, folds, (0, 0), SEARCH, TIMES)
    assert dirty.tuning.params == clean.tuning.params
    assert dirty.tuning.score == clean.tuning.score
    assert clean.rows.tolist() == test.tolist()
    others = slice(1, None)
    assert np.array_equal(dirty.prediction.survival[others], clean.prediction.survival[others])
    assert np.array_equal(dirty.prediction.risk_score[others], clean.prediction.risk_score[others])


def test_every_patient_is_predicted_once_a_repeat_by_a_model_that_did_not_see_them(dataset, folds):
    steps = []
    fit = validate_learner(
        "cox", dataset, folds, SEARCH, TIMES, workers=1, advance=lambda: steps.append(1)
    )
    # Three outer folds and the final fit.
    assert len(steps) == 4
    assert len(fit.predictions) == 1
    assert np.isfinite(fit.predictions[0].survival).all()
    for fold in range(3):
        part = fit_outer_fold("cox", dataset, folds, (0, fold), SEARCH, TIMES)
        assert np.array_equal(fit.predictions[0].survival[part.rows], part.prediction.survival)
    assert fit.searches[["repeat", "fold"]].to_numpy().tolist() == [[0, 0], [0, 1], [0, 2]]
    assert fit.model.params == fit.tuning.params


def test_finished_folds_are_read_and_not_fitted_again(dataset, folds, tmp_path, monkeypatch):
    kept = Checkpoint(tmp_path)
    first = validate_learner("cox", dataset, folds, SEARCH, TIMES, checkpoint=kept)
    assert len(list(tmp_path.glob("*.npz"))) == 3
    fits = []
    monkeypatch.setattr(
        nested_validation, "search_and_fit",
        lambda *args: fits.append(args[4]) or search_and_fit(*args),
    )  # fmt: skip
    again = validate_learner("cox", dataset, folds, SEARCH, TIMES, checkpoint=kept)
    # The model itself is not kept: only the fit on all patients is repeated.
    assert fits == [FINAL]
    assert again.predictions[0].survival.tobytes() == first.predictions[0].survival.tobytes()
    assert again.params == first.params
    pd.testing.assert_frame_equal(again.searches, first.searches)


def test_a_stack_weighs_what_was_found_in_the_same_training_part(dataset, folds):
    cox = validate_learner("cox", dataset, folds, SEARCH, TIMES)
    null = validate_learner("kaplan_meier", dataset.select([]), folds, SEARCH, TIMES)
    places = [*folds.places, FINAL]
    members = {p: {"cox": cox.params[p], "kaplan_meier": null.params[p]} for p in places}
    stack = validate_learner("stack", dataset, folds, SEARCH, TIMES, members=members)
    for place in places:
        assert stack.params[place]["members"] == members[place]
    weights = stack.params[0, 1]["weights"]
    part = folds.test(0, 1)
    mixed = weights["cox"] * cox.predictions[0].survival[part]
    mixed = mixed + weights["kaplan_meier"] * null.predictions[0].survival[part]
    # Each member is fitted with the stack's own seed, which neither of these two uses.
    assert stack.predictions[0].survival[part] == pytest.approx(mixed, abs=1e-12)


def test_untested_patients_are_not_predicted(dataset):
    split = temporal_split(np.arange(len(dataset)), 60)
    fit = validate_learner("cox", dataset, split, SEARCH, TIMES)
    assert np.isnan(fit.predictions[0].risk_score[:60]).all()
    assert np.isfinite(fit.predictions[0].survival[60:]).all()


def test_nested_parameters_are_told_under_dotted_names():
    nested = {"members": {"cox": {"alpha": 1}}, "weights": {"cox": 0.5}}
    assert flat_params(nested) == {"members.cox.alpha": 1, "weights.cox": 0.5}


def test_refits_of_the_regimen_effect_are_reproducible(models, dataset):
    def contrasts(seed):
        return bootstrap_contrasts(
            models["cox"],
            dataset,
            ("LDAC", "HMA"),
            (6.0,),
            replicates=3,
            seed=seed,
            workers=1,
            advance=lambda: None,
            tau=6.0,
        )

    (estimate, replicates), (again, same) = contrasts(1), contrasts(1)
    # The event probability at the horizon, and the restricted mean.
    assert estimate.shape == (2, 1, 2)
    assert replicates.shape == (3, 2, 1, 2)
    assert (np.sign(estimate[..., 0]) == -np.sign(estimate[..., 1])).all()
    assert estimate.tobytes() == again.tobytes()
    assert replicates.tobytes() == same.tobytes()
    # Each refit has patients of its own, and the estimate does not depend on the refits.
    assert len(np.unique(replicates[:, 1, 0, 0])) == 3
    assert contrasts(2)[1].tobytes() != replicates.tobytes()


@pytest.mark.parametrize(("tau", "outputs"), [(None, 2), (6.0, 3)])
def test_a_refit_that_fails_leaves_every_output_open(models, dataset, monkeypatch, tau, outputs):
    def fail(*_):
        raise ArithmeticError

    monkeypatch.setattr("pipelines.training.nested_validation.fit_model", fail)
    found = refit_contrasts(models["cox"], dataset, ("LDAC", "HMA"), (3.0, 6.0), tau, 1, 0)
    assert found.shape == (2, 1, outputs)
    assert np.isnan(found).all()


def test_tasks_have_seeds_of_their_own():
    places = [("cox", 0, 0), ("cox", 0, 1), ("cox", 1, 0), ("forest", 0, 0), ("cox", "final")]
    seeds = [task_seed(1, *place) for place in places]
    assert len(set(seeds)) == len(places)
    assert seeds == [task_seed(1, *place) for place in places]
    assert task_seed(2, "cox", 0, 0) != seeds[0]


def test_every_horizon_is_on_the_grid():
    # A tenth dies on one day, between two even steps.
    early = Outcome([0.03] * 10 + list(np.linspace(1, 20, 90)), np.ones(100, dtype=bool))
    assert 0.03 in prediction_times((12.0,), early)
    assert len(prediction_times((12.0,), early)) <= 48 + 100
    times = prediction_times((5.0, 7.3, 12.0))
    assert {5.0, 7.3, 12.0} <= set(times)
    assert (np.diff(times) > 0).all()
    assert times[-1] == 12.0
    assert times[0] > 0
