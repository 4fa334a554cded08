"""The numbers behind each picture, and that nothing drawn is lost or clipped."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.displays.calibration import CalibrationDisplay
from evaluation.displays.forest import ForestPlotDisplay
from evaluation.regimens.crude.comparison import log_rank
from evaluation.report.arm_curves import kaplan_meier_display
from evaluation.results import format_p
from evaluation.statistics.kaplan_meier import kaplan_meier
from features.outcome import Outcome
from tests.pictures import assert_text_is_inside, texts

OUTCOME = Outcome([0, 4, 6, 12, 2, 3, 5, 20], [1, 1, 0, 0, 1, 1, 0, 1])
REGIMEN = np.array(["HMA"] * 4 + ["LDAC"] * 4)

GROUPS = pd.DataFrame(
    {
        "horizon": 12.0,
        "group": [1, 2],
        "predicted": [0.2, 0.6],
        "observed": [0.3, 0.6],
        "ci_low": [0.1, 0.4],
        "ci_high": [0.5, 0.8],
        "n": [30, 10],
    }
)
FOREST = pd.DataFrame(
    {
        "label": ["All patients", "A subgroup with a rather long label", "Too few"],
        "estimate": [0.74, 0.3, np.nan],
        "ci_low": [0.52, 0.001, np.nan],
        "ci_high": [1.04, 90.0, np.nan],
        "n": [148, 9, 2],
        "p_value": [0.083, 0.4, np.nan],
    }
)


def forest(**options):
    return ForestPlotDisplay(FOREST, favours=("favours HMA", "favours LDAC"), **options)


DISPLAYS = [
    kaplan_meier_display(OUTCOME, REGIMEN),
    CalibrationDisplay(GROUPS, np.linspace(0.05, 0.9, 40)),
    forest(),
    forest(reference=0, scale="Difference", log=False),
]


@pytest.mark.parametrize("display", DISPLAYS, ids=lambda d: type(d).__name__)
def test_plot_returns_its_axes_with_all_text_inside_the_figure(display):
    ax = display.plot()
    assert isinstance(ax, Axes)
    assert_text_is_inside(ax)


@pytest.mark.parametrize("display", DISPLAYS, ids=lambda d: type(d).__name__)
def test_plot_draws_on_the_axes_given(display):
    figure = Figure(layout="constrained")
    ax = figure.subplots()
    assert display.plot(ax) is ax
    assert figure.axes == [ax]


def test_kaplan_meier_frame_holds_the_curve_of_each_arm():
    frame = kaplan_meier_display(OUTCOME, REGIMEN).frame
    ldac = frame[frame["arm"] == "LDAC"].drop(columns="arm").reset_index(drop=True)
    pd.testing.assert_frame_equal(ldac, kaplan_meier(OUTCOME.take(REGIMEN == "LDAC")))


def test_kaplan_meier_caption_names_medians_and_the_test():
    display = kaplan_meier_display(OUTCOME, REGIMEN)
    # HMA: 3/4 at 0, then 2/4 at 4 to the end: 4 months. LDAC: 3/4 at 2, 2/4 at 3, 0 at 20: the
    # midpoint of 3 and 20.
    assert "HMA: median 4.0 (0.0-NR) months, 2 events in 4 patients" in display.caption
    assert "LDAC: median 11.5" in display.caption
    assert f"Log-rank p = {format_p(log_rank(OUTCOME, REGIMEN).p_value)}" in display.caption


def test_kaplan_meier_of_one_arm_without_events_has_no_test():
    display = kaplan_meier_display(Outcome([3, 5], [0, 0]), ["HMA", "HMA"])
    assert "median not reached" in display.caption
    assert "Log-rank" not in display.caption
    assert isinstance(display.plot(), Axes)


def test_kaplan_meier_without_a_regimen_is_one_black_curve():
    display = kaplan_meier_display(OUTCOME, None)
    pd.testing.assert_frame_equal(display.frame.drop(columns="arm"), kaplan_meier(OUTCOME))
    assert "All patients: median" in display.caption
    ax = display.plot()
    assert texts(ax).count("All patients") == 2
    assert {line.get_color() for line in ax.lines} == {"#000000"}


def test_numbers_at_risk_stand_under_their_ticks():
    ax = kaplan_meier_display(OUTCOME, REGIMEN).plot()
    # Ticks at 0, 6, ..., 24. HMA: 4 at 0, 2 at 6 (6 and 12), 1 at 12, then none.
    assert list(ax.get_xticks()) == [0, 6, 12, 18, 24]
    shown = texts(ax)
    start = shown.index("HMA", shown.index("Number at risk"))
    assert shown[start : start + 6] == ["HMA", "4", "2", "1", "0", "0"]
    assert shown[start + 6 : start + 12] == ["LDAC", "4", "1", "1", "1", "0"]


def test_observed_over_expected_weights_groups_by_size():
    # (30 * .3 + 10 * .6) / (30 * .2 + 10 * .6) = 15 / 12
    display = CalibrationDisplay(GROUPS, np.array([0.5]))
    assert display.observed_expected == pytest.approx(1.25)
    assert any("O/E 1.25" in text for text in texts(display.plot()))


def test_calibration_draws_the_smooth_curve_and_the_summary():
    curve = GROUPS[["predicted", "observed", "ci_low", "ci_high"]]
    display = CalibrationDisplay(GROUPS, np.array([0.5]), curve, "ICI 0.03")
    assert any("ICI 0.03" in text for text in texts(display.plot()))


def test_calibration_takes_one_horizon_of_probabilities():
    with pytest.raises(ValueError, match="one horizon"):
        CalibrationDisplay(GROUPS.assign(horizon=[6, 12]), np.array([0.5]))
    with pytest.raises(ValueError, match="event probabilities"):
        CalibrationDisplay(GROUPS, np.array([50.0]))


def test_forest_plot_writes_the_columns_and_both_directions():
    shown = texts(forest().plot())
    assert {"0.74 (0.52-1.04)", ".083", "148", "not estimable", "Estimate (95% interval)"} <= set(
        shown
    )
    assert "\N{LEFTWARDS ARROW} favours HMA" in shown
    assert "favours LDAC \N{RIGHTWARDS ARROW}" in shown


def test_forest_plot_marks_an_interval_that_leaves_the_axis():
    ax = forest().plot()
    markers = [line.get_marker() for line in ax.lines]
    assert markers.count("<") == markers.count(">") == 1
    assert markers.count("s") == 2


def test_forest_plot_needs_neither_n_nor_p():
    ax = ForestPlotDisplay(FOREST.drop(columns=["n", "p_value"])).plot()
    assert "p" not in texts(ax)
    # Without n the narrow interval has the larger square.
    squares = [line.get_markersize() for line in ax.lines if line.get_marker() == "s"]
    assert squares[0] > squares[1]
