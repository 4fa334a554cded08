"""AIPW by hand, by construction, and against its own derivative."""

import numpy as np
import pandas as pd
import pytest

from evaluation.regimens.adjusted.design import adjustment_design
from evaluation.regimens.adjusted.doubly_robust import doubly_robust
from evaluation.regimens.adjusted.propensity import fit_propensity


@pytest.fixture(scope="module")
def cohort():
    rng = np.random.default_rng(9)
    design = adjustment_design(pd.DataFrame(rng.normal(size=(90, 2)), columns=["x", "z"]))
    arm = rng.random(90) < 1 / (1 + np.exp(-design.matrix[:, 0]))
    value = 2.0 * arm + design.matrix @ [1.0, -0.5] + rng.normal(size=90)
    return design, arm, value[:, None]


def test_an_exact_outcome_model_gives_the_effect_whatever_the_propensity(cohort):
    design, arm, _ = cohort
    exact = (3.0 * arm + design.matrix @ [1.0, -0.5])[:, None]
    # A propensity that knows one of the two covariates only.
    wrong = fit_propensity(adjustment_design(pd.DataFrame({"z": design.matrix[:, 1]})), arm)
    found = doubly_robust(exact, design.matrix, wrong)
    assert found.difference[0] == pytest.approx(3.0, abs=1e-9)
    np.testing.assert_allclose(found.influence, 0, atol=1e-9)


def test_a_saturated_propensity_gives_the_effect_whatever_the_outcome_model():
    # Effects 1 and 3 in two equal groups, of which 1/2 and 3/4 have the arm: the mean is 2.
    group = np.repeat([0.0, 1.0], 8)
    arm = np.array([1, 0] * 4 + [1, 1, 1, 0] * 2, dtype=bool)
    value = (5 * group + arm * np.where(group == 1, 3.0, 1.0))[:, None]
    propensity = fit_propensity(adjustment_design(pd.DataFrame({"group": group})), arm)
    found = doubly_robust(value, np.empty((16, 0)), propensity)
    assert found.difference[0] == pytest.approx(2.0, rel=1e-9)


def test_influence_is_the_derivative_by_the_case_weight(cohort):
    design, arm, value = cohort
    found = doubly_robust(value, design.matrix, fit_propensity(design, arm))
    for patient in (0, 20, 63):
        case = np.ones(90)
        case[patient] += 1e-6
        other = doubly_robust(value, design.matrix, fit_propensity(design, arm, case_weights=case))
        slope = (other.difference - found.difference) / 1e-6
        np.testing.assert_allclose(slope, found.influence[patient], atol=1e-5)


def test_duplicating_patients_changes_nothing(cohort):
    design, arm, value = cohort
    twice = np.tile(np.arange(90), 2)
    one = doubly_robust(value, design.matrix, fit_propensity(design, arm))
    other = doubly_robust(
        value[twice], design.matrix[twice], fit_propensity(design.take(twice), arm[twice])
    )
    np.testing.assert_allclose(other.difference, one.difference, rtol=1e-9)
