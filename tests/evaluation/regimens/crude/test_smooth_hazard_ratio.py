"""HR(t) from scaled Schoenfeld residuals: known shapes, and what R's definitions imply."""

import numpy as np
import pytest

from evaluation.regimens.crude.hazard_ratio import cox_hazard_ratio, two_arm_cox
from evaluation.regimens.crude.smooth_hazard_ratio import (
    SMOOTH_COLUMNS,
    natural_spline,
    scaled_schoenfeld,
    smooth_hazard_ratio,
    why_no_smooth,
)
from features.outcome import Outcome

RNG = np.random.default_rng(6)


def weibull(n, scale, shape=1.0):
    return Outcome(scale * RNG.weibull(shape, n), np.ones(n))


ARM, REFERENCE = weibull(150, 10.0), weibull(150, 16.0)


def test_residuals_are_those_of_the_definition():
    # By hand: x - mean of x among those at risk, weighted by exp(beta x), times d V, plus beta.
    arm, reference = ARM.take(np.arange(12)), REFERENCE.take(np.arange(9))
    model = two_arm_cox(arm, reference)
    beta, variance = float(model.coef[0]), float(model.covariance[0, 0])
    time = np.concatenate([arm.time, reference.time])
    x = np.repeat([1.0, 0.0], [12, 9])
    expected = []
    for at in np.sort(time):
        risk = np.exp(beta * x[time >= at])
        mean = (risk * x[time >= at]).sum() / risk.sum()
        expected.append(beta + 21 * variance * (x[time == at][0] - mean))
    times, residuals, found = scaled_schoenfeld(model)
    np.testing.assert_array_equal(times, np.sort(time))
    np.testing.assert_allclose(residuals, expected, rtol=1e-6)
    assert found == variance
    # The scores add up to 0 at the maximum.
    assert residuals.mean() == pytest.approx(beta, abs=1e-6)


def test_a_straight_line_is_the_least_squares_line():
    arm, reference = ARM.take(np.arange(40)), REFERENCE.take(np.arange(40))
    times, residuals, variance = scaled_schoenfeld(two_arm_cox(arm, reference))
    # Without censoring and ties 1 - S(t-) is the share that had the event before.
    scale = np.arange(80) / 80
    slope, constant = np.polyfit(scale, residuals, 1)
    curve = smooth_hazard_ratio(arm, reference, df=2)
    ends = curve["log_hazard_ratio"].iloc[[0, -1]].to_numpy()
    np.testing.assert_allclose(ends, constant + slope * scale[[0, -1]], rtol=1e-8)
    # d V x'(X'X)^-1 x at the first event
    design = np.column_stack([np.ones(80), scale])
    inverse = np.linalg.inv(design.T @ design)
    error = np.sqrt(80 * variance * (design[0] @ inverse @ design[0]))
    assert curve["std_error"].iloc[0] == pytest.approx(error)
    assert curve["time"].iloc[[0, -1]].tolist() == [times[0], times[-1]]


def test_under_proportional_hazards_the_band_holds_the_constant_ratio():
    curve = smooth_hazard_ratio(ARM, REFERENCE)
    assert tuple(curve.columns) == SMOOTH_COLUMNS
    constant = cox_hazard_ratio(ARM, REFERENCE).estimate
    inside = (curve["ci_low"] < constant) & (constant < curve["ci_high"])
    assert inside.mean() > 0.9
    assert (curve["ci_low"] < curve["hazard_ratio"]).all()


def test_a_ratio_that_falls_through_one_is_seen():
    early, late = (
        Outcome(np.minimum(o.time, 20), o.time < 20)
        for o in (weibull(300, 8.0, 0.6), weibull(300, 8.0, 2.0))
    )
    curve = smooth_hazard_ratio(early, late)
    # Weibull hazards of shapes .6 and 2: .3 (t / 8)^-1.4, 5.5 at month 1 and .17 at month 12.
    assert np.interp(1, curve["time"], curve["ci_low"]) > 1
    assert np.interp(12, curve["time"], curve["ci_high"]) < 1


def test_swapping_the_arms_inverts_the_curve():
    forward, back = smooth_hazard_ratio(ARM, REFERENCE), smooth_hazard_ratio(REFERENCE, ARM)
    np.testing.assert_allclose(forward["hazard_ratio"] * back["hazard_ratio"], 1, rtol=1e-6)
    np.testing.assert_allclose(forward["ci_low"] * back["ci_high"], 1, rtol=1e-6)


def test_natural_splines_are_linear_outside_and_smooth_inside():
    knots = np.array([0.0, 0.3, 0.7, 1.0])
    x = np.linspace(-1, 2, 3001)
    basis = natural_spline(x, knots)
    assert basis.shape == (3001, 4)
    assert np.linalg.matrix_rank(basis) == 4
    second = np.diff(basis, 2, axis=0) / 1e-6
    outside = (x[1:-1] < -0.01) | (x[1:-1] > 1.01)
    assert np.abs(second[outside]).max() < 1e-3
    assert np.abs(second[~outside]).max() > 1


@pytest.mark.parametrize(
    ("arm", "reference", "why"),
    [
        (Outcome([1, 2], [1, 1]), Outcome([5, 6], [0, 0]), "no event while the other is at risk"),
        (ARM.take(np.arange(5)), REFERENCE.take(np.arange(5)), "10 events at 10 times"),
        (
            Outcome([1, 2, 3] * 5, [1] * 15),
            Outcome([1, 2, 3] * 5, [1] * 15),
            "30 events at 3 times",
        ),
    ],
)
def test_too_few_events_give_no_curve_and_the_reason(arm, reference, why):
    assert why in why_no_smooth(arm, reference)
    assert len(smooth_hazard_ratio(arm, reference)) == 0


def test_heavy_ties_still_have_a_curve():
    tied = [Outcome(np.ceil(o.time / 3), o.event) for o in (ARM, REFERENCE)]
    curve = smooth_hazard_ratio(*tied)
    assert np.isfinite(curve.to_numpy()).all()


def test_one_degree_of_freedom_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        smooth_hazard_ratio(ARM, REFERENCE, df=1)
