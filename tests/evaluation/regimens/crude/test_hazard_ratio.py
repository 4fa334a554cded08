"""Cox hazard ratio and the proportional-hazards test against R and at their edges."""

import numpy as np
import pytest

from evaluation.regimens.crude.hazard_ratio import (
    cox_hazard_ratio,
    hazard_ratio_rows,
    hazards_trend,
    proportional_hazards_rows,
)
from evaluation.statistics.cox import ALIKE, SEPARATED, CoxFit
from features.outcome import Outcome
from tests.references import AML, AML_ARM, cohort, r_result

# A: events at 1 and 4, censored at 6; B: events at 2 and 3, censored at 5.
OUTCOME = Outcome([1, 4, 6, 2, 3, 5], [1, 1, 0, 1, 1, 0])
REGIMEN = np.array(["A"] * 3 + ["B"] * 3)


def test_hazard_ratio_by_hand():
    # Two patients an arm, A first: events in A at 1, B at 2, then one of each censored.
    # Likelihood h/(2h+2) * 1/(h+2): maximal where h^2 = 2 (derivative of the log:
    # 1/h - 1/(h+1) - 1/(h+2) = 0).
    arm, reference = Outcome([1, 4], [1, 0]), Outcome([2, 5], [1, 0])
    assert cox_hazard_ratio(arm, reference).estimate == pytest.approx(np.sqrt(2), rel=1e-6)


def test_zero_times_are_kept_and_only_the_order_counts():
    arm, reference = Outcome([0, 0, 3, 9], [1, 0, 1, 0]), Outcome([0, 2, 4, 8], [1, 1, 0, 1])
    later = [Outcome(o.time + 1, o.event) for o in (arm, reference)]
    ratio = cox_hazard_ratio(arm, reference)
    np.testing.assert_allclose(ratio[:5], cox_hazard_ratio(*later)[:5])
    assert np.isfinite(ratio[:5]).all()


def test_swapping_the_reference_arm_inverts_the_hazard_ratio():
    arm, reference = OUTCOME.take(REGIMEN == "A"), OUTCOME.take(REGIMEN == "B")
    forward, back = cox_hazard_ratio(arm, reference), cox_hazard_ratio(reference, arm)
    assert forward.estimate * back.estimate == pytest.approx(1)
    assert forward.ci_low * back.ci_high == pytest.approx(1)


def test_a_ratio_without_a_maximum_is_not_estimable():
    # Every event of B falls after the last patient of A: the likelihood rises for ever.
    ratio = cox_hazard_ratio(Outcome([1, 2], [1, 1]), Outcome([5, 6], [1, 1]))
    assert np.isnan(ratio[:5]).all()


def test_a_single_event_time_has_no_test_of_proportional_hazards():
    ratio = cox_hazard_ratio(Outcome([1, 5], [1, 0]), Outcome([1, 6], [1, 0]))
    assert ratio.estimate == pytest.approx(1)
    assert np.isnan(ratio.proportional_hazards_p)


def test_cox_with_ties_matches_r():
    # R 4.2.2, survival 3.5.3: coxph(Surv(time, status) ~ x, aml, ties = "efron"), cox.zph(fit).
    arms = [AML.take(arm == AML_ARM) for arm in ("not", "maintained")]
    expected = (2.498105326, 0.9159072574, 6.813495766, 0.07371486064, 0.9292872434)
    np.testing.assert_allclose(cox_hazard_ratio(*arms)[:5], expected, rtol=1e-6)
    row = next(proportional_hazards_rows(dict(zip(("not", "maintained"), arms, strict=True))))
    np.testing.assert_allclose((row.value, row.p_value), (0.007875077723, 0.9292872434), rtol=1e-6)


@pytest.mark.parametrize(
    ("reference", "file", "columns"),
    [
        ("cox_mdacc_uni_efron", "mdacc_venhma_ldac.csv", ("os_months", "os_event", "trt")),
        ("cox_aml_efron", "leukemia_aml.csv", ("time", "status", "x")),
    ],
)
def test_proportional_hazards_test_matches_r(reference, file, columns):
    time, event, by = columns
    table, outcome = cohort(file, time, event)
    r = r_result("cox.json", reference)
    high = table[by] == table[by].max()
    by_arm = {"high": outcome.take(high), "low": outcome.take(~high)}
    row = next(proportional_hazards_rows(by_arm))
    expected = (r["zph_km"]["chisq"][0], r["zph_km"]["p"][0])
    np.testing.assert_allclose((row.value, row.p_value), expected, rtol=1e-6)


def test_crossing_hazards_are_not_proportional():
    rng = np.random.default_rng(4)
    early, late = rng.weibull(0.6, 200), rng.weibull(2.5, 200)
    by_arm = {"A": Outcome(early, np.ones(200)), "B": Outcome(late, np.ones(200))}
    assert next(proportional_hazards_rows(by_arm)).p_value < 1e-6


def test_what_cannot_be_tested_says_why():
    never = {"A": Outcome([1, 2], [1, 1]), "B": Outcome([5, 6], [0, 0])}
    once = {"A": Outcome([1, 5], [1, 0]), "B": Outcome([1, 6], [1, 0])}
    assert "one arm has no event" in next(proportional_hazards_rows(never)).note
    assert next(proportional_hazards_rows(once)).note == "not estimable: one event time"
    assert "one arm has no event" in next(hazard_ratio_rows(never)).note


def test_duplicating_every_patient_about_halves_the_variance():
    # The copies are ties, which Efron's likelihood does not undo: the ratio moves by 4%.
    arm, reference = AML.take(AML_ARM == "not"), AML.take(AML_ARM == "maintained")
    once = cox_hazard_ratio(arm, reference)
    twice = cox_hazard_ratio(*(o.take(np.tile(np.arange(len(o)), 2)) for o in (arm, reference)))
    assert twice.estimate == pytest.approx(once.estimate, rel=0.05)
    widths = [np.log(r.ci_high / r.ci_low) for r in (once, twice)]
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(0.5), rel=0.02)


def test_a_model_without_a_maximum_says_why():
    x = (AML_ARM == "not").astype(float)
    assert CoxFit.fit(AML, x[:, np.newaxis]).coef[0] == pytest.approx(0.915532575, rel=1e-6)
    # The same covariate twice; one that orders the events perfectly.
    assert CoxFit.fit(AML, np.column_stack([x, x])).note == ALIKE
    three = Outcome([1, 2, 3], [1, 1, 1])
    assert CoxFit.fit(three, np.array([[3.0], [2.0], [1.0]])).note == SEPARATED


def test_covariates_that_differ_at_one_time_alone_have_no_trend():
    # After the tied events at 1 nobody of the arm is left.
    model = CoxFit.fit(Outcome([1, 1, 2, 3], [1, 1, 1, 1]), np.array([[1.0], [0], [0], [0]]))
    assert np.isfinite(model.coef[0])
    trend = hazards_trend(model, np.array([1.0, 2.0]))
    assert np.isnan(trend.p_value)
    assert trend.note.startswith("not estimable: ")
