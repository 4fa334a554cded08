"""Numbers and drawing of the weighted curves."""

import numpy as np
import pandas as pd
import pytest

from evaluation.report.arm_curves import weighted_display
from evaluation.statistics.kaplan_meier import weighted_kaplan_meier
from features.outcome import Outcome


def frame():
    outcomes = {"HMA": Outcome([2, 5, 9], [1, 0, 1]), "LDAC": Outcome([1, 3, 4], [1, 1, 0])}
    weights = {"before weighting": np.ones(3), "overlap": np.array([0.5, 1.0, 0.5])}
    return pd.concat(
        weighted_kaplan_meier(outcome, weight).assign(weighting=kind, regimen=arm, arm="HMA")
        for kind, weight in weights.items()
        for arm, outcome in outcomes.items()
    )


def test_both_curves_of_each_arm_are_drawn():
    ax = weighted_display(frame(), "overlap").plot()
    assert len(ax.lines) == 4
    # HMA, weights .5, 1, .5: 1 - .5 / 2 at 2 months, 0 at 9.
    drawn = {tuple(np.round(line.get_ydata(), 3)) for line in ax.lines}
    assert (1.0, 0.75, 0.75, 0.0) in drawn
    texts = [text.get_text() for text in ax.texts]
    assert {"HMA", "LDAC", "Effective number at risk", "2.0"} <= set(texts)


def test_an_unknown_kind_of_weight_is_refused():
    with pytest.raises(ValueError, match="weighting must be one of"):
        weighted_display(frame(), "matching")
