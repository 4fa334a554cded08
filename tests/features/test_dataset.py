import numpy as np
import pandas as pd
import pytest

from features.dataset import REGIMEN, Dataset, as_predictors
from features.outcome import Outcome


@pytest.fixture
def dataset():
    return Dataset(
        pd.DataFrame(
            {
                "age_years": [60.0, np.nan, 72.0],
                "sex": pd.Series(["F", "M", None], dtype=object),
            }
        ),
        np.array(["HMA", "LDAC", "HMA"], dtype=object),
        np.array(["A", "A", "B"], dtype=object),
        Outcome(np.array([1.0, 2.0, 3.0]), np.array([True, False, True])),
    )


def test_the_regimen_is_the_last_predictor(dataset):
    assert dataset.predictors.columns.tolist() == ["age_years", "sex", REGIMEN]
    assert dataset.predictors[REGIMEN].tolist() == ["HMA", "LDAC", "HMA"]


def test_without_a_regimen_the_predictors_are_the_covariates(dataset):
    alone = Dataset(dataset.covariates, None, None, dataset.outcome)
    assert alone.predictors.columns.tolist() == ["age_years", "sex"]


def test_numbers_are_float_and_words_are_objects_with_none(dataset):
    covariates = dataset.covariates.assign(
        ecog=pd.array([1, 2, 3], dtype="int64"),
        disease=pd.array(["AML de novo", None, "MPAL"], dtype="string"),
        azole=pd.Categorical(["none", "strong", None]),
    )
    predictors = as_predictors(covariates, None)
    assert predictors.dtypes.astype(str).to_dict() == {
        "age_years": "float64",
        "sex": "object",
        "ecog": "float64",
        "disease": "object",
        "azole": "object",
    }
    assert np.isnan(predictors["age_years"][1])
    assert [predictors.loc[i, c] for c, i in (("sex", 2), ("disease", 1), ("azole", 2))] == [
        None,
        None,
        None,
    ]


def test_predictors_leave_the_covariates_as_they_are(dataset):
    before = dataset.covariates.copy()
    _ = dataset.predictors
    pd.testing.assert_frame_equal(dataset.covariates, before)


@pytest.mark.parametrize("rows", [[2, 0], np.array([2, 0])])
def test_take_keeps_the_parts_of_a_patient_together(dataset, rows):
    taken = dataset.take(rows)
    assert len(taken) == 2
    assert taken.covariates.index.tolist() == [0, 1]
    assert taken.covariates["age_years"].tolist() == [72.0, 60.0]
    assert taken.regimen.tolist() == ["HMA", "HMA"]
    assert taken.center.tolist() == ["B", "A"]
    assert taken.outcome.time.tolist() == [3.0, 1.0]


def test_a_mask_selects_and_does_not_count_as_positions(dataset):
    taken = dataset.take(np.array([False, True, True]))
    assert taken.outcome.time.tolist() == [2.0, 3.0]
    assert taken.covariates["sex"].tolist() == ["M", None]


@pytest.mark.parametrize("part", ["covariates", "regimen", "center", "outcome"])
def test_parts_of_different_length_are_refused(dataset, part):
    parts = {p: getattr(dataset, p) for p in ("covariates", "regimen", "center", "outcome")}
    shorter = dataset.take([0, 1])
    parts[part] = getattr(shorter, part)
    with pytest.raises(ValueError, match=r"differ in length: \[2, 3\]"):
        Dataset(**parts)
