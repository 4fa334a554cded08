import dataclasses

import numpy as np
import pandas as pd
import pytest

from features.cohort import Cohort
from features.dataset import Dataset
from features.errors import InputError
from features.outcome import Outcome
from pipelines.cohort.splits import describe_resampling, make_resampling
from pipelines.config import DEFAULT_CONFIG, read_config

N = 60


@pytest.fixture
def cohort():
    rng = np.random.default_rng(1)
    return Cohort(
        inputs=pd.DataFrame({"age_years": rng.normal(60, 9, N)}),
        dictionary={},
        regimen=None,
        center=np.repeat(["A", "B", "C"], [30, 25, 5]).astype(object),
        outcomes={"OS": Outcome(rng.exponential(9, N), rng.random(N) < 0.7)},
    )


@pytest.fixture
def split(cohort):
    def make(table=None, center=cohort.center, outcome=cohort.outcomes["OS"], **resampling):
        config = read_config(DEFAULT_CONFIG)
        wanted = config.resampling.model_copy(update=resampling)
        config = config.model_copy(update={"resampling": wanted})
        dataset = Dataset(cohort.inputs, None, center, outcome)
        return make_resampling(config, cohort, dataset, table)

    return make


def problems(call):
    with pytest.raises(InputError) as refused:
        call()
    return refused.value.problems


def test_each_kind_says_what_it_is(split):
    assert describe_resampling(split(kind="repeated_kfold", folds=5, repeats=2)) == (
        "5-fold cross-validation repeated 2 times, stratified by event and regimen"
    )
    assert "7 bootstrap samples" in describe_resampling(split(kind="bootstrap", repeats=7))


def test_every_training_part_has_an_event_by_each_horizon(split, cohort):
    # One of the 60 dies by 6 months: the models that are to predict him saw nobody die by then.
    late = cohort.outcomes["OS"]
    time = np.where(np.arange(N) == 0, 3.0, late.time + 6.5)
    outcome = Outcome(time, np.where(np.arange(N) == 0, True, late.event))
    (found,) = problems(lambda: split(outcome=outcome, repeats=2))
    assert found.what == "A training part has no event by a horizon"
    assert found.where == "evaluation.horizons, 2 of 10 training parts"
    assert found.got == "6"
    second = np.sort(time[outcome.event])[1]
    assert found.allowed.startswith(f"from {second:.2f} months")


def test_a_center_too_small_to_be_judged_is_named(split):
    (found,) = problems(lambda: split(kind="leave_one_center_out"))
    assert "C: tested" in found.where
    assert found.got.startswith("5 patients")
    two = np.repeat(["A", "B"], 30).astype(object)
    made = split(kind="leave_one_center_out", center=two)
    assert describe_resampling(made).endswith("A, B")


def test_without_centers_none_can_be_left_out(split):
    (found,) = problems(lambda: split(kind="leave_one_center_out", center=None))
    assert "cohort.columns.center" in found.allowed


@pytest.mark.parametrize(
    ("values", "limit"),
    [
        (np.repeat([2020, 2021, 2023], 20), "2023"),
        (np.repeat(["2020-05-01", "2022-12-31", "2023-01-01"], 20), "2023-01-01"),
    ],
)
def test_a_year_or_a_date_splits_early_from_late(split, values, limit):
    table = pd.DataFrame({"first_dose": values.astype(str)})
    made = split(table, kind="temporal", column="first_dose", test_from=limit)
    assert made.test(0, 0).tolist() == list(range(40, 60))
    assert describe_resampling(made) == (
        "trained on the first 40 patients, the later 20 are predicted"
    )


def test_a_misspelt_column_or_a_limit_outside_is_told(split):
    table = pd.DataFrame({"first_dose": ["2020-05-01"] * N})
    (found,) = problems(
        lambda: split(table, kind="temporal", column="first_does", test_from="2023-01-01")
    )
    assert "first_dose" in found.remedy
    (found,) = problems(
        lambda: split(table, kind="temporal", column="first_dose", test_from="2023-01-01")
    )
    assert "0 of 60 patients entered from 2023-01-01 on" in found.got


def test_a_training_part_must_be_followed_to_the_last_horizon(split, cohort):
    # Center B alone would train, and it is followed for a shorter time than 12 months.
    time = np.where(np.arange(N) < 30, 20.0, 8.0)
    short = dataclasses.replace(cohort, outcomes={"OS": Outcome(time, cohort.outcomes["OS"].event)})
    two = np.repeat(["A", "B"], 30).astype(object)
    dataset = Dataset(short.inputs, None, two, short.outcomes["OS"])
    config = read_config(DEFAULT_CONFIG)
    wanted = config.resampling.model_copy(update={"kind": "leave_one_center_out"})
    config = config.model_copy(update={"resampling": wanted})
    (found,) = problems(lambda: make_resampling(config, short, dataset, None))
    assert "without center A" in found.got
    assert found.allowed == "horizons below 8.0 months"


@pytest.mark.parametrize("limit", ["abc", "2023-13-01"])
def test_a_limit_that_is_no_date_is_told_as_such(split, limit):
    table = pd.DataFrame({"first_dose": np.repeat(["2020", "2021", "2023"], 20)})
    (found,) = problems(lambda: split(table, kind="temporal", column="first_dose", test_from=limit))
    assert "resampling.test_from" in found.where


def test_a_missing_date_is_counted(split):
    table = pd.DataFrame({"first_dose": ["2020-05-01"] * 30 + ["2023-05-01"] * 29 + [None]})
    (found,) = problems(
        lambda: split(table, kind="temporal", column="first_dose", test_from="2023-01-01")
    )
    assert "missing for 1 patients" in found.got
