import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from evaluation.report.forests import center_forest
from evaluation.validation.centers import CENTER_COLUMNS, POOLED
from tests.pictures import texts


def rows(metric, horizon, prediction=(0.55, 0.85)):
    estimates = {
        "A": (0.7, 0.6, 0.8, 50),
        "B": (np.nan, np.nan, np.nan, 6),
        "C": (0.6, 0.5, 0.7, 40),
    }
    own = [
        {"metric": metric, "horizon": horizon, "center": name, "estimate": e, "ci_low": low,
         "ci_high": high, "n": n}
        for name, (e, low, high, n) in estimates.items()
    ]  # fmt: skip
    own.append(
        {"metric": metric, "horizon": horizon, "center": POOLED, "estimate": 0.65, "ci_low": 0.6,
         "ci_high": 0.7, "n": 96, "prediction_low": prediction[0],
         "prediction_high": prediction[1]}
    )  # fmt: skip
    return pd.DataFrame(own, columns=list(CENTER_COLUMNS))


def test_every_center_the_mean_and_the_prediction_interval_are_rows():
    display = center_forest(rows("harrell_c", np.nan), "harrell_c")
    drawn = display.frame
    assert drawn["label"].tolist() == [
        "A", "B", "C", "Random-effects mean", "Prediction interval, new center"
    ]  # fmt: skip
    assert drawn["ci_low"].iloc[-1] == 0.55
    ax = display.plot()
    assert isinstance(ax, Axes)
    written = texts(ax)
    assert "0.70 (0.60-0.80)" in written
    assert "not estimable" in written
    assert "Harrell's C, each center left out" in written


def test_select_one_metric_and_horizon_of_a_table():
    table = pd.concat([rows("harrell_c", np.nan), rows("calibration_oe", 6.0),
                       rows("calibration_oe", 12.0)])  # fmt: skip
    display = center_forest(table, "calibration_oe", 12.0)
    assert len(display.frame) == 5
    ax = display.plot()
    assert ax.get_xscale() == "log"
    assert "Observed / expected at 12 months" in ax.get_xlabel()
    assert any("risk underestimated" in text for text in texts(ax))
    assert len(center_forest(table, "harrell_c").frame) == 5


def test_without_a_prediction_interval_nothing_is_drawn_for_it():
    display = center_forest(rows("harrell_c", np.nan, prediction=(np.nan, np.nan)), "harrell_c")
    assert np.isnan(display.frame["estimate"].iloc[-1])


def test_a_metric_without_a_forest_plot_is_refused():
    with pytest.raises(ValueError, match="metric must be one of"):
        center_forest(rows("brier", 6.0), "brier", 6.0)
