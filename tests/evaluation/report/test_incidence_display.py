"""The picture of cumulative incidences."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.displays.style import arm_styles
from evaluation.regimens.crude.cumulative_incidence import (
    competing_as_event,
    cumulative_incidence,
    gray_test,
)
from evaluation.report.arm_curves import incidence_display
from evaluation.results import p_text
from features.outcome import Outcome
from tests.pictures import assert_text_is_inside, texts

OUTCOME = Outcome(
    [0, 4, 6, 12, 2, 3, 5, 20], [1, 0, 0, 1, 1, 1, 0, 0], competing=[0, 1, 0, 0, 0, 0, 1, 0]
)
REGIMEN = np.array(["HMA"] * 4 + ["LDAC"] * 4)
DISPLAYS = [
    incidence_display(OUTCOME, REGIMEN),
    incidence_display(competing_as_event(OUTCOME), REGIMEN, "death without relapse", "relapse"),
    incidence_display(OUTCOME, None),
    incidence_display(Outcome([3, 5], [0, 0]), ["HMA", "LDAC"]),
]


def test_the_frame_holds_the_curve_of_each_arm():
    first, second = DISPLAYS[:2]
    for display, outcome in ((first, OUTCOME), (second, competing_as_event(OUTCOME))):
        ldac = display.frame[display.frame["arm"] == "LDAC"].drop(columns="arm")
        expected = cumulative_incidence(outcome.take(REGIMEN == "LDAC"))
        pd.testing.assert_frame_equal(ldac.reset_index(drop=True), expected)
        assert f"Gray's test {p_text(gray_test(outcome, REGIMEN).p_value)}" in display.caption
    assert first.label.endswith("of\nrelapse")
    assert second.label.endswith("of\ndeath without relapse")


def test_the_caption_counts_both_events():
    assert "HMA: 4 patients, 2 with relapse, 1 with death without relapse" in DISPLAYS[0].caption
    assert "HMA: 4 patients, 1 with death without relapse, 2 with relapse" in DISPLAYS[1].caption
    assert "Gray's test p = " in DISPLAYS[0].caption
    assert "Gray" not in DISPLAYS[2].caption
    assert "Gray" not in DISPLAYS[3].caption


@pytest.mark.parametrize("display", DISPLAYS)
def test_plot_returns_its_axes_with_all_text_inside_the_figure(display):
    ax = display.plot()
    assert isinstance(ax, Axes)
    assert_text_is_inside(ax)


def test_numbers_at_risk_and_colours_are_those_of_the_other_pictures():
    figure = Figure(layout="constrained")
    ax = figure.subplots()
    assert DISPLAYS[0].plot(ax) is ax
    assert figure.axes == [ax]
    # Ticks at 0, 6, ..., 24. HMA: 4 at 0, 2 at 6 (6 and 12), 1 at 12, then none.
    shown = texts(ax)
    start = shown.index("HMA", shown.index("Number at risk"))
    assert shown[start : start + 6] == ["HMA", "4", "2", "1", "0", "0"]
    colors = {line.get_color() for line in ax.lines}
    assert colors == {style.color for style in arm_styles(["HMA", "LDAC"]).values()}
