"""The picture of a hazard ratio over time."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.regimens.crude.hazard_ratio import cox_hazard_ratio
from evaluation.regimens.crude.smooth_hazard_ratio import smooth_hazard_ratio
from evaluation.report.arm_curves import hazard_ratio_display
from features.outcome import Outcome
from tests.pictures import assert_text_is_inside, texts

RNG = np.random.default_rng(9)
ARM, REFERENCE = (
    Outcome(RNG.exponential(scale, 40), RNG.random(40) < 0.8) for scale in (12.0, 8.0)
)
NEVER = Outcome([5, 6], [0, 0])
ARMS = ("VEN_HMA", "LDAC_BASED")
DISPLAYS = [
    hazard_ratio_display(ARM, REFERENCE, ARMS),
    hazard_ratio_display(NEVER, REFERENCE, ARMS),
    hazard_ratio_display(NEVER, NEVER, ARMS),
]


def test_the_frame_is_the_smooth_curve():
    pd.testing.assert_frame_equal(DISPLAYS[0].frame, smooth_hazard_ratio(ARM, REFERENCE))
    assert DISPLAYS[0].constant == cox_hazard_ratio(ARM, REFERENCE).estimate
    assert len(DISPLAYS[0].event_times) == ARM.n_events + REFERENCE.n_events


def test_the_caption_names_the_constant_ratio_and_the_test():
    caption = DISPLAYS[0].caption
    ratio = cox_hazard_ratio(ARM, REFERENCE)
    assert f"{ratio.estimate:.2f} ({ratio.ci_low:.2f}-{ratio.ci_high:.2f})" in caption
    assert "Proportional hazards: p = " in caption


@pytest.mark.parametrize("display", DISPLAYS)
def test_plot_returns_its_axes_with_all_text_inside_the_figure(display):
    ax = display.plot()
    assert isinstance(ax, Axes)
    assert_text_is_inside(ax)


def test_without_a_curve_the_picture_says_why():
    shown = texts(DISPLAYS[1].plot())
    assert any("one arm has no event" in text for text in shown)
    assert not any("Curve" in text for text in shown)


def test_plot_draws_on_the_axes_given_and_says_which_arm_is_worse():
    figure = Figure(layout="constrained")
    ax = figure.subplots()
    assert DISPLAYS[0].plot(ax) is ax
    assert figure.axes == [ax]
    assert {"VEN_HMA worse", "LDAC_BASED worse", "Months"} <= set(texts(ax))
    assert ax.get_yscale() == "log"
