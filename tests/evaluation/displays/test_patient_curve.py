"""The curve of one patient: what is drawn is what is in the frame."""

import numpy as np
import pandas as pd

from evaluation.displays import PatientCurveDisplay
from tests.pictures import assert_text_is_inside, texts

TIME = np.arange(0.0, 25.0)
FRAME = pd.DataFrame(
    {
        "time": TIME,
        "survival": np.exp(-0.06 * TIME),
        "low": np.exp(-0.1 * TIME),
        "high": np.exp(-0.03 * TIME),
        "average": np.exp(-0.065 * TIME),
    }
)


def test_curve_band_and_average_are_drawn_and_named():
    ax = PatientCurveDisplay(FRAME, "Alive", "Widened range", supported=18.0).plot()
    assert_text_is_inside(ax)
    assert {"this patient", "average", "Alive", "Widened range"} <= set(texts(ax))
    drawn = {tuple(line.get_ydata()) for line in ax.lines}
    assert tuple(FRAME["survival"]) in drawn
    assert tuple(FRAME["average"]) in drawn
    assert [tuple(line.get_xdata()) for line in ax.lines].count((18.0, 18.0)) == 1
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == FRAME["low"].min()


def test_without_limits_and_average_the_curve_stands_alone():
    ax = PatientCurveDisplay(FRAME[["time", "survival"]], "Alive", "", steps=False).plot()
    assert len(ax.lines) == 1
    assert not ax.collections
    assert ax.lines[0].get_drawstyle() == "default"
