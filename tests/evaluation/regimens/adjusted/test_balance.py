"""Standardised mean differences by hand and by construction."""

import numpy as np
import pandas as pd
import pytest

from evaluation.regimens.adjusted.balance import (
    UNWEIGHTED,
    balance_table,
    balance_verdict,
    mean_balance,
    standardised_difference,
)
from evaluation.regimens.adjusted.design import adjustment_design
from evaluation.regimens.adjusted.propensity import balancing_weights, fit_propensity

ARM = np.array([1, 1, 1, 0, 0, 0], dtype=bool)


def test_by_hand():
    # Means 3 and 1; variances 4 and 1; pooled SD sqrt(2.5).
    values = np.array([1.0, 3.0, 5.0, 0.0, 1.0, 2.0])
    assert standardised_difference(values, ARM) == pytest.approx(2 / np.sqrt(2.5))
    # Weighted mean in the arm (1 + 3 + 2 * 5) / 4 = 3.5; the SD stays.
    weights = np.array([1.0, 1.0, 2.0, 1.0, 1.0, 1.0])
    assert standardised_difference(values, ARM, weights) == pytest.approx(2.5 / np.sqrt(2.5))


def test_what_does_not_vary_or_stands_alone_has_no_difference():
    assert np.isnan(standardised_difference(np.ones(6), ARM))
    assert np.isnan(standardised_difference(np.arange(4.0), np.array([1, 0, 0, 0], dtype=bool)))


def test_overlap_weights_balance_the_means_exactly():
    # Of a logistic propensity on the same columns (Li, Morgan and Zaslavsky 2018).
    rng = np.random.default_rng(2)
    design = adjustment_design(pd.DataFrame(rng.normal(size=(80, 3)), columns=list("abc")))
    arm = rng.random(80) < 1 / (1 + np.exp(-design.matrix[:, 0]))
    weight = balancing_weights(fit_propensity(design, arm), "overlap").weight
    table = balance_table(design.matrix, design.terms, arm, {"overlap": weight})
    after = table[table["weighting"] == "overlap"]
    np.testing.assert_allclose(after["smd"], 0, atol=1e-8)
    assert after["balanced"].all()
    assert balance_verdict(table, "overlap").startswith("balanced: largest SMD 0.00")
    assert balance_verdict(table, UNWEIGHTED).startswith("not balanced: largest SMD")


def test_nothing_that_varies_has_no_verdict():
    table = balance_table(np.ones((6, 1)), ("k",), ARM, {})
    assert balance_verdict(table, UNWEIGHTED) == "balance not estimable"
    assert not table["balanced"].any()


def test_the_mean_over_completed_tables_by_hand():
    one, two = (
        pd.DataFrame(
            {
                "term": terms,
                "weighting": UNWEIGHTED,
                "smd": smd,
                "balanced": [abs(d) <= 0.1 for d in smd],
            }
        )
        for terms, smd in (
            (["a", "b", "c"], [0.18, -0.3, np.nan]),
            (["a", "b", "d"], [0.0, 0.4, 0.2]),
        )
    )
    assert mean_balance([one]) is one
    found = mean_balance([one, two])
    assert found["term"].tolist() == ["a", "b", "c", "d"]
    np.testing.assert_allclose(found["smd"], [0.09, 0.05, np.nan, 0.2])
    assert found["balanced"].tolist() == [True, True, False, False]
    assert tuple(found.columns) == tuple(one.columns)
