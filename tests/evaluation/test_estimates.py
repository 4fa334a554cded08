import numpy as np
import pandas as pd
import pytest

from evaluation.estimates import (
    BY_CONSTRUCTION,
    estimate_row,
    estimate_rows,
    missing_predictions,
    performance_texts,
    with_cohort,
)
from evaluation.remarks import joined


def test_the_cohort_comes_before_its_replicates():
    counts = np.array([[2, 0], [1, 1]], dtype=np.uint16)
    assert with_cohort(counts, 2).tolist() == [[1, 1], [2, 0], [1, 1]]
    assert with_cohort(np.empty((0, 2)), 2).tolist() == [[1, 1]]
    with pytest.raises(ValueError, match="counts"):
        with_cohort(counts, 3)


def test_a_row_has_its_estimate_interval_and_method():
    row = estimate_row(np.append(0.5, np.linspace(0, 1, 101)), note="rule")
    assert row["estimate"] == 0.5
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.025, 0.975))
    assert row["ci_method"].startswith("bootstrap percentile, B=101")
    assert row["note"] == "rule"


def test_an_obstacle_leaves_nothing_but_its_reason():
    row = estimate_row(np.array([0.5, 0.4]), "no event by 6 months")
    assert np.isnan(row["estimate"])
    assert row["note"] == "no event by 6 months"
    assert "not estimable" in estimate_row(np.array([np.nan, 0.4]))["note"]


def test_no_interval_when_replicates_fail():
    row = estimate_row(np.append(0.5, [np.nan] * 2 + [0.4] * 8))
    assert np.isnan(row["ci_low"])
    assert "20% of the replicates" in row["note"]


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


def test_a_card_has_each_metric_with_its_horizon_and_what_is_no_evidence():
    metrics = pd.DataFrame(
        dtype=object,
        data={
            "metric": ["harrell_c", "calibration_oe", "ipa"],
            "horizon": [np.nan, 6.0, 6.5],
            "estimate": [0.7, 1.01, np.nan],
            "ci_low": [0.65, 0.9, np.nan],
            "ci_high": [0.75, 1.1, np.nan],
            "note": ["", joined(BY_CONSTRUCTION, "B=50"), np.nan],
        },
    )
    assert performance_texts(metrics) == {
        "harrell_c": "0.700 (0.650-0.750)",
        "calibration_oe at 6 months": "1.010 (0.900-1.100), near 1 by construction",
        "ipa at 6.5 months": "not estimable",
    }
