"""Which censoring model the measures of a training and of an evaluation weigh by."""

import numpy as np
import pandas as pd
import pytest

from evaluation.metrics.brier import brier_losses
from evaluation.statistics.conditional_censoring import fit_censoring_by_group
from features.dataset import Dataset
from features.errors import InputError
from features.outcome import Outcome
from pipelines.config import DEFAULT_CONFIG, read_config
from pipelines.training.censoring import describe_censoring, judged_outcome

N = 200


def config(kind, clinical=("age_years", "regimen"), horizons=(6, 12)):
    settings = read_config(DEFAULT_CONFIG)
    evaluation = settings.evaluation.model_copy(update={"censoring": kind, "horizons": horizons})
    return settings.model_copy(update={"evaluation": evaluation, "clinical": clinical})


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(5)
    arm = np.where(rng.random(N) < 0.5, "HMA", "LDAC").astype(object)
    age = rng.normal(70, 8, N)
    age[:5] = np.nan
    latent = rng.exponential(15, N)
    censored = np.where(arm == "HMA", rng.uniform(12, 60, N), rng.uniform(6, 20, N))
    outcome = Outcome(np.minimum(latent, censored), latent <= censored)
    return Dataset(pd.DataFrame({"age_years": age, "wbc": rng.normal(size=N)}), arm, None, outcome)


def test_marginal_leaves_the_outcome_as_it_is(dataset):
    assert judged_outcome(config("marginal"), dataset, dataset.regimen) is dataset.outcome


def test_by_regimen_is_kaplan_meier_within_each(dataset):
    judged = judged_outcome(config("by_regimen"), dataset, dataset.regimen)
    expected = fit_censoring_by_group(dataset.outcome, dataset.regimen)
    np.testing.assert_array_equal(judged.censoring.at([6, 12]), expected.at([6, 12]))
    survival = np.full((N, 1), 0.4)
    ours = brier_losses(judged, survival, [12.0]).mean()
    assert ours == brier_losses(dataset.outcome, survival, [12.0], expected).mean()
    assert ours != brier_losses(dataset.outcome, survival, [12.0]).mean()


def test_cox_sees_the_short_list_with_missing_values_and_the_regimen(dataset):
    settings = config("cox")
    judged = judged_outcome(settings, dataset, dataset.regimen)
    ratio = judged.censoring.multiplier
    arm = dataset.regimen
    assert ratio[arm == "LDAC"].mean() > 2 * ratio[arm == "HMA"].mean()
    assert describe_censoring(settings, dataset.predictors) == (
        "Cox regression of the censoring time on age_years, regimen (evaluation.censoring: cox)"
    )


def test_a_competing_event_is_no_censoring(dataset):
    rng = np.random.default_rng(1)
    competing = ~dataset.outcome.event & (rng.random(N) < 0.5)
    outcome = Outcome(dataset.outcome.time, dataset.outcome.event, competing=competing)
    judged = judged_outcome(
        config("by_regimen"), Dataset(dataset.covariates, dataset.regimen, None, outcome),
        dataset.regimen,
    )  # fmt: skip
    ended = Outcome(outcome.time, outcome.event | competing)
    expected = fit_censoring_by_group(ended, dataset.regimen)
    np.testing.assert_array_equal(judged.censoring.at([6, 12]), expected.at([6, 12]))


def test_what_cannot_be_weighed_is_refused_before_training(dataset):
    with pytest.raises(InputError, match="needs a regimen"):
        judged_outcome(config("by_regimen"), dataset, None)
    with pytest.raises(InputError, match="at 30 months"):
        judged_outcome(config("by_regimen", horizons=(6, 30)), dataset, dataset.regimen)
    alone = Dataset(pd.DataFrame({"age_years": np.ones(N)}), None, None, dataset.outcome)
    with pytest.raises(InputError, match="no finite estimate"):
        judged_outcome(config("cox"), alone, None)
