import numpy as np

from evaluation.estimates import estimate_rows, missing_predictions


def test_limits_are_percentiles_of_the_column_of_each_estimate():
    replicates = np.column_stack([np.arange(41), np.arange(41) + 100])
    table = estimate_rows([20, 120], replicates)
    # Of 0 ... 40 the 2.5% and 97.5% quantiles are 1 and 39.
    np.testing.assert_allclose(table[["ci_low", "ci_high"]], [[1, 39], [101, 139]])
    assert table["ci_method"].unique().tolist() == [
        "bootstrap percentile, B=41, patients, predictions fixed"
    ]


def test_without_replicates_there_is_no_interval_and_no_method():
    row = estimate_rows([0.5], None, notes="said").iloc[0]
    assert np.isnan([row["ci_low"], row["ci_high"]]).all()
    assert (row["ci_method"], row["note"]) == ("", "said")


def test_a_missing_estimate_always_has_a_reason():
    table = estimate_rows([0.5, np.nan, np.nan], np.ones((9, 3)), ["no event", "", ""])
    assert table["estimate"].isna().all()
    assert table["ci_low"].isna().all()
    assert table["note"].tolist() == ["no event", "not estimable", "not estimable"]


def test_too_many_undefined_replicates_refuse_the_interval():
    replicates = np.append(np.ones(8), [np.nan, np.nan])[:, None]
    row = estimate_rows([1.0], replicates, notes="said").iloc[0]
    assert row["note"] == "said; no interval: 20% of the replicates are not estimable"
    assert np.isnan(row["ci_low"])


def test_patients_without_a_prediction_are_counted_once():
    assert missing_predictions(np.array([0.2, np.nan, np.nan])) == (
        "prediction is missing for 2 of 3 patients"
    )
    twice = np.array([[np.nan, np.nan], [0.1, 0.2]])
    assert missing_predictions(twice) == "prediction is missing for 1 of 2 patients"
    assert missing_predictions(np.zeros(3)) == ""
