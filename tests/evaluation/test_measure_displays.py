"""Pictures of the measures: the numbers behind them, and that nothing drawn is lost or clipped."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from evaluation.auc import auc_table
from evaluation.auc_display import AucDisplay
from evaluation.bootstrap import bootstrap_counts
from evaluation.brier_curve import brier_curve
from evaluation.brier_display import BrierDisplay
from evaluation.calibration_in_time import calibration_in_time
from evaluation.calibration_in_time_display import CalibrationInTimeDisplay
from evaluation.d_calibration import d_calibration
from evaluation.d_calibration_display import DCalibrationDisplay
from evaluation.decision_curve import TREAT_ALL, TREAT_NONE, decision_curve
from evaluation.decision_curve_display import DecisionCurveDisplay
from evaluation.kaplan_meier import number_at_risk
from evaluation.risk_distribution import risk_distribution, risk_summary
from evaluation.risk_distribution_display import RiskDistributionDisplay
from features.outcome import Outcome

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
DISPLAYS = {
    "auc": lambda counts: AucDisplay.from_predictions(
        OUTCOME, {name: 1 - s for name, s in MODELS.items()}, TIMES, counts
    ),
    "brier": lambda counts: BrierDisplay.from_predictions(OUTCOME, MODELS, TIMES, counts),
    "in_time": lambda counts: CalibrationInTimeDisplay.from_predictions(
        OUTCOME, MODELS, TIMES, counts
    ),
    "d_calibration": lambda counts: DCalibrationDisplay.from_predictions(OUTCOME, OWN, counts),
    "decision": lambda counts: DecisionCurveDisplay.from_predictions(
        OUTCOME, RISKS, HORIZON, THRESHOLDS, counts, marked=(0.5,)
    ),
    "risk": lambda counts: RiskDistributionDisplay.from_predictions(OUTCOME, RISK, HORIZON),
}


def texts(ax):
    return [t.get_text() for t in ax.findobj(Text) if t.get_text()]


@pytest.mark.parametrize("counts", [COUNTS, None], ids=["interval", "no interval"])
@pytest.mark.parametrize("name", DISPLAYS)
def test_plot_returns_its_axes_with_all_text_inside_the_figure(name, counts):
    ax = DISPLAYS[name](counts).plot()
    assert isinstance(ax, Axes)
    figure = ax.get_figure()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    page = figure.bbox.padded(1)
    for text in ax.findobj(Text):
        if text.get_text() and text.get_visible():
            assert text.get_fontsize() >= 8
            box = text.get_window_extent(canvas.get_renderer())
            assert page.x0 <= box.x0 <= box.x1 <= page.x1, text
            assert page.y0 <= box.y0 <= box.y1 <= page.y1, text


@pytest.mark.parametrize("name", DISPLAYS)
def test_plot_draws_on_the_axes_given(name):
    figure = Figure(layout="constrained")
    ax = figure.subplots()
    assert DISPLAYS[name](None).plot(ax) is ax
    assert figure.axes == [ax]


def test_frames_are_the_tables_of_the_measures():
    auc = DISPLAYS["auc"](COUNTS).frame
    expected = auc_table(OUTCOME, 1 - SURVIVAL, TIMES, COUNTS)
    own = auc[auc["model"] == "Cox"].drop(columns="model").reset_index(drop=True)
    pd.testing.assert_frame_equal(own, expected)
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


def test_brier_frame_is_the_curve():
    frame = DISPLAYS["brier"](COUNTS).frame
    pd.testing.assert_frame_equal(frame, brier_curve(OUTCOME, MODELS, TIMES, COUNTS))


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
    assert "95% interval, influence function" in DISPLAYS["auc"](None).caption
    assert "95% interval, influence function" in DISPLAYS["brier"](None).caption
    assert "Band" not in texts(DISPLAYS["decision"](None).plot())[-1]
    assert "Integrated from 1 to 12 months by the trapezoid rule" in DISPLAYS["brier"](None).caption
    assert any("Greenwood" in text for text in texts(DISPLAYS["in_time"](None).plot()))
    assert "9 df, p = " in DISPLAYS["d_calibration"](None).caption


def test_mean_auc_is_over_the_times_that_have_one_and_says_which():
    late = Outcome(np.maximum(OUTCOME.time, 2.5), OUTCOME.event)
    display = AucDisplay.from_predictions(late, {"Cox": 1 - SURVIVAL}, TIMES)
    assert display.frame["estimate"].isna().tolist()[:3] == [True, True, False]
    assert "(3 to 12 months, trapezoid)" in display.caption
    assert isinstance(display.plot(), Axes)


def test_decision_curve_draws_every_strategy_and_the_shares_treated():
    ax = DISPLAYS["decision"](COUNTS).plot()
    labels = [line.get_label() for line in ax.lines]
    assert {"Cox", "Random survival forest", TREAT_ALL, TREAT_NONE} <= set(labels)
    treated = decision_curve(OUTCOME, RISKS, HORIZON, THRESHOLDS)
    at_40 = treated[(treated["strategy"] == "Cox") & np.isclose(treated["threshold"], 0.4)]
    assert f"{at_40['treated'].iloc[0]:.0%}" in texts(ax)


def test_standardised_net_benefit_scales_curve_and_band_alike():
    frame = decision_curve(OUTCOME, {"Cox": RISK}, HORIZON, THRESHOLDS, COUNTS)
    plain = DecisionCurveDisplay(frame).plot()
    scaled = DecisionCurveDisplay(frame, standardised=True).plot()
    curves = [
        next(line.get_ydata() for line in ax.lines if line.get_label() == "Cox")
        for ax in (plain, scaled)
    ]
    ratio = (frame["standardised"] / frame["estimate"]).iloc[0]
    np.testing.assert_allclose(curves[1], curves[0] * ratio)
    bands = [ax.collections[0].get_paths()[0].vertices[:, 1] for ax in (plain, scaled)]
    np.testing.assert_allclose(bands[1], bands[0] * ratio)


def test_pictures_of_what_cannot_be_had_are_drawn_empty():
    censored = Outcome(OUTCOME.time, np.zeros(len(OUTCOME)))
    assert "No test: no event" in DCalibrationDisplay.from_predictions(censored, OWN).caption
    for display in (
        AucDisplay.from_predictions(censored, {"Cox": 1 - SURVIVAL}, TIMES),
        BrierDisplay.from_predictions(censored, {"Cox": SURVIVAL * np.nan}, TIMES),
        CalibrationInTimeDisplay.from_predictions(censored, {"Cox": SURVIVAL}, TIMES, COUNTS),
        DecisionCurveDisplay.from_predictions(censored, {"Cox": RISK * np.nan}, 6, [0.2, 0.4]),
        RiskDistributionDisplay.from_predictions(censored, RISK, HORIZON),
        DCalibrationDisplay.from_predictions(censored, OWN),
    ):
        assert isinstance(display.plot(), Axes)
