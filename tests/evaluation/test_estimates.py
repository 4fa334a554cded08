import numpy as np
import pytest

from evaluation.estimates import estimate_row, with_cohort


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
