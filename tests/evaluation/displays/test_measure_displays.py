"""Pictures of the measures: the numbers behind them, and that nothing drawn is lost or clipped."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.bootstrap import bootstrap_counts
from evaluation.displays.d_calibration import DCalibrationDisplay
from evaluation.displays.decision_curve import DecisionCurveDisplay
from evaluation.displays.risk_distribution import RiskDistributionDisplay
from evaluation.metrics.calibration.d_calibration import d_calibration
from evaluation.metrics.calibration.in_time import calibration_in_time
from evaluation.metrics.calibration.risk_distribution import risk_distribution, risk_summary
from evaluation.metrics.decision_curve import TREAT_ALL, TREAT_NONE, decision_curve
from evaluation.report.out_of_fold_curves import (
    auc_over_time,
    brier_over_time,
    observed_expected_over_time,
)
from evaluation.statistics.kaplan_meier import number_at_risk
from features.outcome import Outcome
from models.prediction import SurvivalPrediction
from tests.pictures import assert_text_is_inside, texts

TIMES = np.arange(1.0, 13)
HORIZON = 6.0
THRESHOLDS = np.arange(0.05, 0.95, 0.05)


def cohort(n=90):
    generator = np.random.default_rng(3)
    rate = np.exp(generator.normal(-2.2, 0.8, n))
    latent, censored = generator.exponential(1 / rate), generator.uniform(0, 30, n)
    outcome = Outcome(np.minimum(latent, censored), latent <= censored)
    return outcome, np.exp(-rate[:, None] * TIMES), np.exp(-rate * outcome.time)


OUTCOME, SURVIVAL, OWN = cohort()
COUNTS = bootstrap_counts(len(OUTCOME), 60, seed=1)
RISK = 1 - SURVIVAL[:, 5]
MODELS = {"Cox": SURVIVAL, "Random survival forest": SURVIVAL**0.6}
RISKS = {"Cox": RISK, "Random survival forest": 0.8 * RISK}


def over_time(curve, outcome, models, counts):
    """One repeat, judged as one fold."""
    n = len(outcome)
    learners = {name: [SurvivalPrediction(1 - s[:, 5], s, TIMES)] for name, s in models.items()}
    counts = np.empty((0, n)) if counts is None else counts
    return curve(outcome, learners, [np.zeros(n, dtype=int)], 12.0, counts)


DISPLAYS = {
    "auc": lambda counts: over_time(auc_over_time, OUTCOME, MODELS, counts),
    "brier": lambda counts: over_time(brier_over_time, OUTCOME, MODELS, counts),
    "in_time": lambda counts: observed_expected_over_time(OUTCOME, MODELS, TIMES, counts),
    "d_calibration": lambda counts: DCalibrationDisplay.from_predictions(OUTCOME, OWN, counts),
    "decision": lambda counts: DecisionCurveDisplay(
        decision_curve(OUTCOME, RISKS, HORIZON, THRESHOLDS, counts), marked=(0.5,)
    ),
    "risk": lambda counts: RiskDistributionDisplay.from_predictions(OUTCOME, RISK, HORIZON),
}


@pytest.mark.parametrize("counts", [COUNTS, None], ids=["interval", "no interval"])
@pytest.mark.parametrize("name", DISPLAYS)
def test_plot_returns_its_axes_with_all_text_inside_the_figure(name, counts):
    ax = DISPLAYS[name](counts).plot()
    assert isinstance(ax, Axes)
    assert_text_is_inside(ax)


@pytest.mark.parametrize("name", DISPLAYS)
def test_plot_draws_on_the_axes_given(name):
    figure = Figure(layout="constrained")
    ax = figure.subplots()
    assert DISPLAYS[name](None).plot(ax) is ax
    assert figure.axes == [ax]


def test_frames_are_the_tables_of_the_measures():
    in_time = DISPLAYS["in_time"](None).frame
    own = in_time[in_time["model"] == "Cox"].drop(columns="model").reset_index(drop=True)
    pd.testing.assert_frame_equal(own, calibration_in_time(OUTCOME, SURVIVAL, TIMES))
    decision = decision_curve(OUTCOME, RISKS, HORIZON, THRESHOLDS, COUNTS)
    pd.testing.assert_frame_equal(DISPLAYS["decision"](COUNTS).frame, decision)
    shares = DISPLAYS["d_calibration"](COUNTS)
    pd.testing.assert_frame_equal(shares.frame, d_calibration(OUTCOME, OWN, COUNTS))
    risk = DISPLAYS["risk"](None)
    pd.testing.assert_frame_equal(risk.frame, risk_distribution(OUTCOME, RISK, HORIZON))
    pd.testing.assert_frame_equal(risk.summary, risk_summary(OUTCOME, RISK, HORIZON))


def test_numbers_at_risk_stand_under_the_ticks():
    for name in ("auc", "brier", "in_time"):
        ax = DISPLAYS[name](None).plot()
        assert list(ax.get_xticks()) == [0, 3, 6, 9, 12]
        shown = texts(ax)
        start = shown.index("At risk") + 1
        expected = [str(n) for n in number_at_risk(OUTCOME, [0, 3, 6, 9, 12])]
        assert shown[start : start + 5] == expected


def test_captions_name_the_band_the_rule_and_the_span():
    assert "60 replicates, predictions fixed" in DISPLAYS["auc"](COUNTS).caption
    assert "(1 to 12 months, trapezoid)" in DISPLAYS["auc"](COUNTS).caption
    assert "Band" not in texts(DISPLAYS["decision"](None).plot())[-1]
    assert "Integrated from 1 to 12 months by the trapezoid rule" in DISPLAYS["brier"](None).caption
    assert any("Greenwood" in text for text in texts(DISPLAYS["in_time"](None).plot()))
    assert "9 df, p = " in DISPLAYS["d_calibration"](None).caption


def test_mean_auc_is_over_the_times_that_have_one_and_says_which():
    # Before month 3 no event: no cases, so no AUC.
    late = Outcome(np.maximum(OUTCOME.time, 2.5), OUTCOME.event)
    display = over_time(auc_over_time, late, {"Cox": SURVIVAL}, COUNTS)
    assert "(3 to 12 months, trapezoid)" in display.caption
    assert isinstance(display.plot(), Axes)


def test_decision_curve_draws_every_strategy_and_the_shares_treated():
    ax = DISPLAYS["decision"](COUNTS).plot()
    labels = [line.get_label() for line in ax.lines]
    assert {"Cox", "Random survival forest", TREAT_ALL, TREAT_NONE} <= set(labels)
    treated = decision_curve(OUTCOME, RISKS, HORIZON, THRESHOLDS)
    at_40 = treated[(treated["strategy"] == "Cox") & np.isclose(treated["threshold"], 0.4)]
    assert f"{at_40['treated'].iloc[0]:.0%}" in texts(ax)


def test_pictures_of_what_cannot_be_had_are_drawn_empty():
    censored = Outcome(OUTCOME.time, np.zeros(len(OUTCOME)))
    assert "No test: no event" in DCalibrationDisplay.from_predictions(censored, OWN).caption
    for display in (
        over_time(auc_over_time, censored, {"Cox": SURVIVAL}, COUNTS),
        over_time(brier_over_time, censored, {"Cox": SURVIVAL * np.nan}, COUNTS),
        observed_expected_over_time(censored, {"Cox": SURVIVAL}, TIMES, COUNTS),
        DecisionCurveDisplay(decision_curve(censored, {"Cox": RISK * np.nan}, 6, [0.2, 0.4])),
        RiskDistributionDisplay.from_predictions(censored, RISK, HORIZON),
        DCalibrationDisplay.from_predictions(censored, OWN),
    ):
        assert isinstance(display.plot(), Axes)
