"""Pseudo-values against R, and where they are known without computing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.regimens.adjusted.pseudo_values import pseudo_values
from features.outcome import Outcome

SHARED = Path(__file__).parents[4].parent / "shared"


def test_without_censoring_they_are_what_happened():
    outcome = Outcome([1, 3, 5, 8], [1, 1, 1, 1])
    found = pseudo_values(outcome, [2, 5], 6)
    np.testing.assert_allclose(found.survival, [[0, 0], [1, 0], [1, 0], [1, 1]], atol=1e-12)
    np.testing.assert_allclose(found.rmst, [1, 3, 5, 6])


def test_their_mean_is_the_kaplan_meier_estimate():
    # Events at 1 and 4, censored at 2 and 6: S(4) = 3/4 * 1/2.
    found = pseudo_values(Outcome([1, 2, 4, 6], [1, 0, 1, 0]), [4], 5)
    assert found.survival.mean() == pytest.approx(3 / 8)
    # 1 + 3 * 3/4 + 1 * 3/8
    assert found.rmst.mean() == pytest.approx(1 + 9 / 4 + 3 / 8)


def test_groups_are_taken_on_their_own():
    rng = np.random.default_rng(1)
    outcome = Outcome(rng.exponential(5, 40), rng.random(40) < 0.6)
    group = np.arange(40) % 2
    both = pseudo_values(outcome, [2], 2, group)
    alone = pseudo_values(outcome.take(group == 1), [2], 2)
    np.testing.assert_allclose(both.survival[group == 1], alone.survival)


def test_case_weights_are_repeated_patients():
    rng = np.random.default_rng(2)
    outcome = Outcome(rng.exponential(5, 20), rng.random(20) < 0.6)
    counts = 1 + np.arange(20) % 3
    rows = np.repeat(np.arange(20), counts)
    weighted = pseudo_values(outcome, [3], 3, case_weights=counts)
    repeated = pseudo_values(outcome.take(rows), [3], 3)
    np.testing.assert_allclose(weighted.rmst[rows], repeated.rmst)


def test_beyond_follow_up_there_is_none():
    found = pseudo_values(Outcome([1, 2], [1, 0]), [1, 3], 3)
    assert np.isfinite(found.survival[:, 0]).all()
    assert np.isnan(found.survival[:, 1]).all()
    assert np.isnan(found.rmst).all()


def test_matches_r():
    # R 4.2.2, survival 3.5.3: pseudo(survfit(Surv(os_months, os_event) ~ 1), 24, type = "rmst")
    path = SHARED / "data" / "mdacc_venhma_ldac.csv"
    if not path.exists():
        pytest.skip("the public cohorts are not beside this checkout")
    table = pd.read_csv(path)
    found = pseudo_values(Outcome(table["os_months"], table["os_event"]), [24], 24)
    expected = [20.82828203, 3.768537174, 10.29653717, 0.96, 9.450314952]
    np.testing.assert_allclose(found.rmst[:5], expected, rtol=1e-8)
