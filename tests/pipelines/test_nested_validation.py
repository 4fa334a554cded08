import dataclasses

import numpy as np
import pytest

from features.outcome import Outcome
from models.resampling import repeated_folds
from pipelines.nested_validation import (
    Search,
    bootstrap_contrasts,
    fit_outer_fold,
    prediction_times,
    task_seed,
    validate_learner,
)

SEARCH = Search(trials=2, inner_folds=2, seed=1)
TIMES = np.array([3.0, 6.0, 9.0])


@pytest.fixture(scope="module")
def folds(dataset):
    return repeated_folds(dataset, 3, 1, seed=1)


@pytest.mark.parametrize("learner", ["cox", "xgboost_cox"])
def test_what_stands_in_the_test_fold_changes_nothing_but_its_own_rows(learner, dataset, folds):
    # One test patient gets impossible covariates, and every test patient another outcome.
    test = np.flatnonzero(folds[0] == 0)
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
        )

    (estimate, replicates), (again, same) = contrasts(1), contrasts(1)
    assert estimate.shape == (2, 1, 1)
    assert replicates.shape == (3, 2, 1, 1)
    assert estimate.tobytes() == again.tobytes()
    assert replicates.tobytes() == same.tobytes()
    # Each refit has patients of its own, and the estimate does not depend on the refits.
    assert len(np.unique(replicates[:, 1])) == 3
    assert contrasts(2)[1].tobytes() != replicates.tobytes()


def test_tasks_have_seeds_of_their_own():
    places = [("cox", 0, 0), ("cox", 0, 1), ("cox", 1, 0), ("forest", 0, 0), ("cox", "final")]
    seeds = [task_seed(1, *place) for place in places]
    assert len(set(seeds)) == len(places)
    assert seeds == [task_seed(1, *place) for place in places]
    assert task_seed(2, "cox", 0, 0) != seeds[0]


def test_every_horizon_is_on_the_grid():
    times = prediction_times((5.0, 7.3, 12.0))
    assert {5.0, 7.3, 12.0} <= set(times)
    assert (np.diff(times) > 0).all()
    assert times[-1] == 12.0
    assert times[0] > 0
