import numpy as np
import pandas as pd
import pytest

from evaluation.methods import Method
from evaluation.regimens.triangulation.table import FAMILY_LABELS
from evaluation.report.forests import triangulation_forest

METHODS = ["Wald", Method("sandwich, all", "sandwich"), "bootstrap"]


def rows(scale="hazard ratio", horizon=np.nan):
    return pd.DataFrame(
        {
            "family": ["classical", "adjusted", "adjusted"],
            "estimator": ["Cox hazard ratio", "overlap Cox", "overlap Cox"],
            "scale": scale,
            "horizon": horizon,
            "arm": "HMA",
            "reference_arm": "LDAC",
            "estimate": [0.6, 0.7, np.nan],
            "ci_low": [0.4, 0.5, np.nan],
            "ci_high": [0.9, 1.0, np.nan],
            "p_value": [0.02, 0.05, np.nan],
            "ci_method": pd.Series(
                ["Wald", Method("sandwich, all", "sandwich"), "bootstrap"], dtype=object
            ),
            "effective_n": [70.0, 48.6, 48.6],
        }
    )


def test_each_family_has_a_heading_without_numbers():
    display = triangulation_forest(rows(), "OS")
    headings = display.frame[display.frame["heading"]]
    assert headings["label"].tolist() == [FAMILY_LABELS["classical"], FAMILY_LABELS["adjusted"]]
    texts = {text.get_text() for text in display.plot().texts}
    assert {"effective n", "49", "0.60 (0.40-0.90)", "not estimable"} <= texts
    assert {"Estimate", "(95% interval)"} <= texts
    assert "    overlap Cox (sandwich)" in texts


def test_a_range_over_refits_is_not_called_a_95_interval():
    modelled = rows().assign(family="model-based")
    texts = {text.get_text() for text in triangulation_forest(modelled, "OS").plot().texts}
    assert {"0.60 [0.40-0.90]", "[range over refits]"} <= texts
    assert not any("95%" in text for text in texts)


@pytest.mark.parametrize(
    ("scale", "horizon", "left"),
    [
        ("hazard ratio", np.nan, "favours HMA"),
        ("event probability difference", 6.0, "favours HMA"),
        ("RMST difference", 12.0, "favours LDAC"),
    ],
)
def test_the_side_that_favours_the_arm_depends_on_the_scale(scale, horizon, left):
    display = triangulation_forest(rows(scale, horizon), "OS")
    assert display.favours[0] == left
    assert display.log == (scale == "hazard ratio")
    assert f"{horizon:g} months" in display.scale or scale == "hazard ratio"


def test_rows_of_two_scales_are_refused():
    mixed = pd.concat([rows(), rows("RMST difference", 12.0)])
    with pytest.raises(ValueError, match="one scale"):
        triangulation_forest(mixed, "OS")
    with pytest.raises(ValueError, match="no estimate"):
        triangulation_forest(rows().iloc[:0], "OS")
