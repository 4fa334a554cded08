"""The list of adjusted estimates: what it holds, symmetry, and the bootstrap's case weights."""

import numpy as np
import pandas as pd
import pytest

from evaluation.estimators import G_COMPUTATION
from evaluation.regimens.adjusted.design import adjustment_design
from evaluation.regimens.adjusted.estimates import (
    EVENT_PROBABILITY,
    HAZARD_RATIO,
    NO_INTERVAL,
    RMST,
    Estimands,
    Pair,
    adjusted_estimates,
    arm_in_cox,
    arm_trend,
    needs_firth,
    wald,
)
from features.outcome import Outcome

KINDS = ("stabilised IPTW", "overlap", "matching")
ESTIMANDS = Estimands((4.0, 8.0), 8.0, KINDS, None, "maximum likelihood")


def make_pair(n=120, seed=11, effect=-0.5):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
    arm = rng.random(n) < 1 / (1 + np.exp(-X["x"].to_numpy()))
    time = rng.exponential(9 * np.exp(-0.5 * X["x"].to_numpy() - effect * arm))
    lost = rng.exponential(30, n)
    return Pair(Outcome(np.minimum(time, lost), time <= lost), arm, adjustment_design(X))


@pytest.fixture(scope="module")
def pair():
    return make_pair()


def take(pair, rows):
    return Pair(pair.outcome.take(rows), pair.treated[rows], pair.design.take(rows))


def values(estimates):
    return np.array([e.value for e in estimates])


def test_every_estimator_has_its_scales(pair):
    found = adjusted_estimates(pair, ESTIMANDS)
    rows = [(e.estimator.named(e.part), e.scale, e.horizon) for e in found]
    assert len(rows) == 3 * 4 + 2 * 3 + 3
    for kind in KINDS:
        assert (f"{kind} Kaplan-Meier", EVENT_PROBABILITY, 4.0) in rows
        assert (f"{kind} Kaplan-Meier", RMST, 8.0) in rows
        assert any(name == f"{kind} Cox" and scale == HAZARD_RATIO for name, scale, _ in rows)
    assert {e.population for e in found} == {"ATE", "overlap", "matched"}
    assert all(e.variance > 0 and not e.note for e in found)


def test_exchanging_the_arms_changes_the_signs_alone(pair):
    one = adjusted_estimates(pair, ESTIMANDS)
    other = adjusted_estimates(Pair(pair.outcome, ~pair.treated, pair.design), ESTIMANDS)
    np.testing.assert_allclose(values(other), -values(one), atol=1e-8)
    np.testing.assert_allclose([e.variance for e in other], [e.variance for e in one], rtol=1e-6)


def test_permuting_patients_changes_nothing(pair):
    order = np.random.default_rng(3).permutation(120)
    one, other = (adjusted_estimates(p, ESTIMANDS) for p in (pair, take(pair, order)))
    np.testing.assert_allclose(values(other), values(one), atol=1e-9)
    np.testing.assert_allclose([e.variance for e in other], [e.variance for e in one], rtol=1e-6)


def on_cox(estimate):
    """Whether it rests on a Cox model, to which a repeated patient is a tie."""
    return estimate.scale == HAZARD_RATIO or estimate.estimator == G_COMPUTATION


def test_duplicating_every_patient_changes_no_point_estimate(pair):
    twice = np.tile(np.arange(120), 2)
    one, other = (adjusted_estimates(p, ESTIMANDS) for p in (pair, take(pair, twice)))
    for a, b in zip(one, other, strict=True):
        assert b.value == pytest.approx(a.value, abs=5e-2 if on_cox(a) else 1e-8)


def test_case_weights_are_repeated_patients(pair):
    counts = np.random.default_rng(4).integers(0, 3, 120)
    rows = np.repeat(np.arange(120), counts)
    weighted = adjusted_estimates(pair, ESTIMANDS, counts.astype(float))
    repeated = adjusted_estimates(take(pair, rows), ESTIMANDS)
    for a, b in zip(weighted, repeated, strict=True):
        assert b.value == pytest.approx(a.value, abs=5e-2 if on_cox(a) else 1e-7)


def test_a_trimmed_row_says_where_and_needs_the_bootstrap(pair):
    trimmed = Estimands((4.0,), 4.0, KINDS[:1], (5.0, 95.0), "maximum likelihood")
    found = [e for e in adjusted_estimates(pair, trimmed) if e.trimmed]
    assert {e.estimator.named(e.part) for e in found} == {
        "stabilised IPTW trimmed at 5-95% Kaplan-Meier", "stabilised IPTW trimmed at 5-95% Cox",
    }  # fmt: skip


def test_beyond_follow_up_there_is_a_reason(pair):
    late = Estimands((500.0,), 500.0, KINDS[:1], None, "maximum likelihood")
    # Ended at 10 months, when patients of both arms were left.
    ended = Outcome(
        np.minimum(pair.outcome.time, 10), pair.outcome.event & (pair.outcome.time < 10)
    )
    for estimate in adjusted_estimates(Pair(ended, pair.treated, pair.design), late):
        if estimate.scale != HAZARD_RATIO:
            assert np.isnan(estimate.value)
            assert "beyond the follow-up" in estimate.note


def test_an_arm_without_events_has_no_interval_and_no_hazard_ratio(pair):
    outcome = Outcome(pair.outcome.time, pair.outcome.event & pair.treated)
    found = adjusted_estimates(Pair(outcome, pair.treated, pair.design), ESTIMANDS)
    for estimate in found:
        assert np.isnan(estimate.variance)
        assert estimate.note == NO_INTERVAL or estimate.note.startswith("not estimable")


def test_firth_is_needed_with_few_or_separated_events(pair):
    # Some 90 events on 3 coefficients; 20 patients have fewer than 30 events.
    assert not needs_firth(pair)
    assert needs_firth(take(pair, np.arange(20)))
    separated = Outcome(pair.outcome.time, pair.outcome.event & pair.treated)
    assert needs_firth(Pair(separated, pair.treated, pair.design))


def test_the_multivariable_model_agrees_with_its_penalised_form(pair):
    plain, firth = arm_in_cox(pair, firth=False), arm_in_cox(pair, firth=True)
    assert firth.value == pytest.approx(plain.value, abs=0.05)
    assert plain.profile is None
    assert firth.profile[0] < firth.value < firth.profile[1]
    assert 0 < arm_trend(pair).p_value < 1


def test_wald_limits_by_hand():
    low, high, p_value = wald(1.0, 0.25)
    assert (low, high) == pytest.approx((1 - 1.959964 * 0.5, 1 + 1.959964 * 0.5), abs=1e-6)
    assert p_value == pytest.approx(0.0455, abs=1e-4)
    assert np.isnan(wald(np.nan, 1.0)).all()
    assert np.isnan(wald(1.0, np.nan)).all()
    # Ten degrees of freedom: 2.228.
    assert wald(0.0, 1.0, 10)[1] == pytest.approx(2.228, abs=1e-3)


def test_a_test_that_cannot_be_made_has_its_reason_and_leaves_the_estimates(pair):
    # Yearly visits of one year: every event at 12 months, everybody else censored later.
    once = Outcome(np.where(pair.outcome.event, 12.0, 24.0), pair.outcome.event)
    yearly = Pair(once, pair.treated, pair.design)
    trend = arm_trend(yearly)
    assert np.isnan(trend.p_value)
    assert trend.note == "not estimable: one event time"
    assert np.isfinite(arm_in_cox(yearly, firth=False).value)
    found = adjusted_estimates(
        yearly, Estimands((12.0,), 12.0, KINDS[:1], None, "maximum likelihood")
    )
    assert all(np.isfinite(estimate.value) for estimate in found)
