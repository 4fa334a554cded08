import numpy as np
import pandas as pd
import pytest
import shap

from models.fit import fit_model
from models.learners.registry import LEARNERS
from models.tuning import default_params
from pipelines.cohort.reading import check_cohort
from pipelines.comparison.model_effects import (
    TOO_FEW,
    EffectQuestion,
    ModelEffects,
    ShownLearner,
    learner_effects,
    refit_effects,
    without_few,
)
from pipelines.config import DEFAULT_CONFIG, read_config
from pipelines.training.nested_validation import bootstrap_contrasts

ARMS, HORIZONS, TAU = ("LDAC", "HMA"), (6.0, 12.0), 11.0
QUESTION = EffectQuestion("OS", ARMS, HORIZONS, TAU)
COVARIATES = ("age_years", "ecog")


@pytest.fixture(scope="module")
def dataset():
    config = read_config(DEFAULT_CONFIG)
    cohort = check_cohort(config, covariates=COVARIATES).cohort
    return cohort.dataset(COVARIATES, "OS").select((*COVARIATES, "regimen"))


@pytest.fixture(scope="module")
def model(dataset):
    return fit_model("cox_clinical", default_params("cox_clinical"), dataset, 1)


def found(model, dataset, **changes):
    settings = {"replicates": 3, "seed": 1, "workers": 1, "drawn": True} | changes
    return learner_effects(model, dataset, QUESTION, advance=lambda: None, **settings)


@pytest.fixture(scope="module")
def effects(model, dataset):
    return found(model, dataset)


def test_every_horizon_is_on_the_course_and_the_mean_is_the_last_output():
    assert set(HORIZONS) <= set(QUESTION.times)
    assert (np.diff(QUESTION.times) > 0).all()
    assert QUESTION.told.sum() == len(HORIZONS) + 1
    assert QUESTION.told[-1]


def test_one_reading_gives_what_the_contrasts_alone_give(model, dataset, effects):
    # Same samples, same seeds: the longer explanation changes no number.
    estimate, replicates = bootstrap_contrasts(
        model, dataset, ARMS, HORIZONS, replicates=3, seed=1, workers=1, advance=lambda: None,
        tau=TAU,
    )  # fmt: skip
    told = effects.effects["estimate"].to_numpy().reshape(estimate.shape)
    assert told == pytest.approx(estimate, abs=1e-9)
    low = np.nanpercentile(replicates, 2.5, axis=0).ravel()
    assert effects.effects["ci_low"].to_numpy() == pytest.approx(low, abs=1e-9)


def test_the_result_does_not_depend_on_the_number_of_processes(model, dataset, effects):
    again = found(model, dataset, workers=2)
    for name in ("effects", "course", "heterogeneity"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(effects, name))


def test_each_refit_is_fitted_once(model, dataset, monkeypatch):
    seen = []

    def count(*arguments):
        seen.append(arguments[3])
        return fit_model(*arguments)

    monkeypatch.setattr("pipelines.training.nested_validation.fit_model", count)
    found(model, dataset)
    assert len(seen) == len(set(seen)) == 3


def test_a_refit_that_fails_leaves_every_number_open(model, dataset, monkeypatch):
    def fail(*_):
        raise ArithmeticError

    monkeypatch.setattr("pipelines.training.nested_validation.fit_model", fail)
    one = refit_effects(model, dataset, QUESTION, np.arange(5), 1, 0)
    assert one.contrasts.shape == (2, 1, 3)
    assert one.course.shape == (2, len(QUESTION.times))
    assert one.contributions.shape == (5, 3)
    assert all(np.isnan(part).all() for part in one)


def test_what_is_drawn_adds_up_and_what_is_not_is_not_computed(model, dataset, effects):
    shown = effects.shown
    assert shown.horizon == 12
    assert shown.covariate in ("age_years", "ecog")
    own = shown.explanation[:, "regimen"].values
    assert shown.regimen["contribution"].to_numpy() == pytest.approx(own, abs=1e-9)
    assert found(model, dataset, drawn=False).shown is None


def test_no_covariate_is_taken_where_none_contributes():
    zeros = pd.DataFrame({"age_years": [0.0, 0.0], "regimen": [0.1, -0.1]})
    for table in (zeros, zeros[["regimen"]]):
        owed = shap.Explanation(table.to_numpy(), feature_names=list(table))
        assert ShownLearner("cox", 12.0, owed, zeros, zeros).covariate == ""


def test_an_average_over_very_few_patients_is_not_told():
    table = pd.DataFrame({"arm": ["A", "B"], "mean": [0.1, 0.2], "note": "fine"})
    shown = without_few(table, ["arm"], ["B"], ["mean"])
    assert shown["mean"].tolist()[0] == 0.1
    assert np.isnan(shown["mean"].iloc[1])
    assert shown["note"].tolist() == ["fine", TOO_FEW]


def test_nor_is_a_contrast_with_them():
    table = pd.DataFrame({"arm": ["A"], "reference_arm": ["B"], "mean": [0.1], "note": "fine"})
    shown = without_few(table, ["arm", "reference_arm"], ["B"], ["mean"])
    assert shown["mean"].isna().all()


def test_without_learners_the_tables_are_empty():
    none = ModelEffects()
    for table in (none.agreement, none.course, none.heterogeneity):
        assert table.empty
    assert not none.effects
    assert not none.shown


def test_the_learner_drawn_beside_the_simplest_exists():
    from pipelines.comparison.run import DRAWN_TOO

    assert DRAWN_TOO in LEARNERS
