import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from evaluation.report.forests import subgroup_metric_forest
from evaluation.validation.subgroups import SUBGROUP_COLUMNS
from tests.pictures import texts


def table(metric, horizon):
    cells = [("all", "all", 0.68, 100), ("sex", "female", 0.7, 60), ("sex", "male", np.nan, 9)]
    rows = [
        {"variable": v, "level": level, "metric": metric, "horizon": horizon, "estimate": e,
         "ci_low": e - 0.1, "ci_high": e + 0.1, "n": n}
        for v, level, e, n in cells
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(SUBGROUP_COLUMNS))


def test_every_group_is_a_row_the_suppressed_ones_too():
    display = subgroup_metric_forest(table("harrell_c", np.nan), "harrell_c")
    assert display.frame["label"].tolist() == ["All patients", "sex: female", "sex: male"]
    ax = display.plot()
    assert isinstance(ax, Axes)
    assert {"0.68 (0.58-0.78)", "not estimable", "Harrell's C"} <= set(texts(ax))


def test_select_one_metric_and_horizon():
    both = pd.concat([table("harrell_c", np.nan), table("calibration_oe", 6.0)])
    ax = subgroup_metric_forest(both, "calibration_oe", 6.0).plot()
    assert ax.get_xlabel() == "Observed / expected at 6 months"
    assert ax.get_xscale() == "log"
    assert len(subgroup_metric_forest(both, "calibration_oe", 6.0).frame) == 3
    with pytest.raises(ValueError, match="metric must be one of"):
        subgroup_metric_forest(both, "brier", 6.0)
