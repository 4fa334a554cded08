"""G-computation against R, by construction, and its influence function."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.regimens.adjusted.g_computation import g_computation
from features.outcome import Outcome

SHARED = Path(__file__).parents[4].parent / "shared"


@pytest.fixture(scope="module")
def cohort():
    rng = np.random.default_rng(8)
    X = rng.normal(size=(70, 2))
    arm = rng.random(70) < 0.5
    time = (rng.exponential(np.exp(-0.6 * X[:, 0] - 0.4 * arm) * 10)).round(1)
    return Outcome(time, rng.random(70) < 0.85), arm, X


def test_matches_r():
    # R 4.2.2, survival 3.5.3: coxph(Surv(os_months, os_event) ~ trt + age + male + log(wbc) +
    # secondary + unfavourable, ties = "efron"), survfit(newdata) averaged over all patients.
    path = SHARED / "data" / "mdacc_venhma_ldac.csv"
    if not path.exists():
        pytest.skip("the public cohorts are not beside this checkout")
    table = pd.read_csv(path)
    names = ["age", "wbc", "cyto_risk", "aml_group", "sex", "bm_blasts", "platelets", "hgb"]
    table = table.dropna(subset=names)
    X = np.column_stack([
        table["age"], table["sex"] == "male", np.log(table["wbc"]),
        table["aml_group"] == "secondary", table["cyto_risk"] == "unfavorable",
    ]).astype(float)  # fmt: skip
    outcome = Outcome(table["os_months"], table["os_event"])
    found = g_computation(outcome, (table["trt"] == 1).to_numpy(), X, [6, 12, 24], 24)
    coef = [-0.4600588761, 0.00945710599, 0.1923702474, 0.08888369095, 0.5284054180, 0.9452857640]
    survival = [
        [0.686858954937, 0.414840897532, 0.202243397348],
        [0.784759705152, 0.557559427714, 0.333940758927],
    ]
    np.testing.assert_allclose(found.cox.coef, coef, atol=1e-6)
    np.testing.assert_allclose(found.survival, survival, rtol=1e-6)
    np.testing.assert_allclose(found.rmst, [11.5021943353, 14.2598996177], rtol=1e-6)


def test_matches_r_at_quarterly_visits():
    # R 4.2.2, survival 3.5.3: coxph(Surv(time, event) ~ arm + x, ties = "efron") and with
    # strata(arm), survfit(newdata) averaged over all patients.
    outcome = Outcome([3, 3, 3, 3, 6, 6, 6, 6, 9, 9, 9, 12], [1, 1, 0, 1, 1, 1, 1, 0, 1, 0, 1, 0])
    x = np.array([0.5, 1.2, -0.3, 0.8, 0.1, -0.7, 0.9, 0.2, -1.1, -0.4, 0.3, -0.9])[:, None]
    arm = np.arange(12) % 2 == 0
    one = g_computation(outcome, arm, x, [3, 6, 9], 6)
    assert one.survival == pytest.approx(
        np.array([[0.777911043156, 0.512063361501, 0.277629698732],
                  [0.739744872095, 0.458206595518, 0.232384993688]]), abs=1e-8
    )  # fmt: skip
    apart = g_computation(outcome, arm, x, [3, 6], 6, stratified=True)
    assert apart.survival == pytest.approx(
        np.array([[0.694141051729, 0.480764172150], [0.845462580039, 0.504156813490]]), abs=1e-8
    )


@pytest.mark.parametrize("stratified", [False, True])
def test_influence_is_the_derivative_by_the_case_weight(cohort, stratified):
    outcome, arm, X = cohort
    found = g_computation(outcome, arm, X, [3, 8], 8, stratified=stratified)
    for patient in (0, 13, 44):
        case = np.ones(70)
        case[patient] += 1e-6
        other = g_computation(outcome, arm, X, [3, 8], 8, case, stratified=stratified)
        change = [*(other.survival - found.survival), other.rmst - found.rmst]
        slope = [*(change[1] - change[0]), change[2][1] - change[2][0]]
        np.testing.assert_allclose(np.array(slope) / 1e-6, found.influence[patient], atol=2e-5)


def test_without_covariates_a_stratified_model_is_each_arms_nelson_aalen():
    outcome = Outcome([1, 2, 3, 4, 5, 6], [1, 1, 0, 1, 1, 0])
    arm = np.array([1, 0, 1, 0, 1, 0], dtype=bool)
    found = g_computation(outcome, arm, np.empty((6, 0)), [4.5], 5, stratified=True)
    # Reference arm: events at 2 and 4 of 3 and 2 at risk; arm: at 1 of 3 up to 4.5.
    np.testing.assert_allclose(found.survival[:, 0], np.exp([-1 / 3 - 1 / 2, -1 / 3]))
    # Reference: 2 months at 1, 2 at e^-1/3, 1 at e^-5/6.
    assert found.rmst[0] == pytest.approx(2 + 2 * np.exp(-1 / 3) + np.exp(-5 / 6))


def test_permuting_patients_changes_nothing(cohort):
    outcome, arm, X = cohort
    order = np.random.default_rng(2).permutation(70)
    one = g_computation(outcome, arm, X, [5], 5)
    other = g_computation(outcome.take(order), arm[order], X[order], [5], 5)
    np.testing.assert_allclose(other.survival, one.survival, rtol=1e-9)
    np.testing.assert_allclose(other.influence, one.influence[order], atol=1e-9)


def test_counting_everybody_twice_changes_nothing(cohort):
    outcome, arm, X = cohort
    one = g_computation(outcome, arm, X, [5], 5)
    other = g_computation(outcome, arm, X, [5], 5, np.full(70, 2.0))
    np.testing.assert_allclose(other.survival, one.survival, rtol=1e-9)
    np.testing.assert_allclose(other.influence, one.influence, atol=1e-9)


@pytest.mark.parametrize("stratified", [False, True])
def test_beyond_follow_up_of_an_arm_nothing_is_said(cohort, stratified):
    outcome, arm, X = cohort
    last = min(outcome.time[arm].max(), outcome.time[~arm].max())
    found = g_computation(outcome, arm, X, [1, last + 0.5], last + 0.5, stratified=stratified)
    assert np.isfinite(found.survival[:, 0]).all()
    assert np.isnan(found.survival[:, 1]).any()
    assert np.isnan(found.rmst).any()


def test_without_events_there_is_a_reason():
    outcome = Outcome([1, 2, 3, 4], [0, 0, 0, 0])
    arm = np.array([1, 1, 0, 0], dtype=bool)
    found = g_computation(outcome, arm, np.arange(4.0)[:, None], [2], 2)
    assert np.isnan(found.survival).all()
    assert found.cox.note.startswith("not estimable")
