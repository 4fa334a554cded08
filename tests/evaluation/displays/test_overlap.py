"""Numbers and drawing of the overlap picture."""

import pandas as pd
import pytest

from evaluation.displays.balance import OverlapDisplay

FRAME = pd.DataFrame({
    "arm": "HMA", "reference_arm": "LDAC",
    "regimen": ["HMA", "HMA", "LDAC", "HMA"], "propensity": [0.52, 0.53, 0.02, 1.0],
})  # fmt: skip


def test_bars_hold_every_patient():
    bars = OverlapDisplay(FRAME).counts()
    assert bars["HMA"].sum() == 3
    assert bars["LDAC"].sum() == 1
    # Bars are a twentieth wide: .52 and .53 in the eleventh, 1 in the last.
    assert bars["HMA"].iloc[10] == 2
    assert bars["HMA"].iloc[-1] == 1
    assert bars["LDAC"].iloc[0] == 1


def test_the_arm_stands_above_the_reference_arm():
    ax = OverlapDisplay(FRAME, "overlap poor").plot()
    heights = [bar.get_height() for bar in ax.patches]
    assert max(heights) == 2
    assert min(heights) == -1
    texts = [text.get_text() for text in ax.texts]
    assert "HMA, n = 3" in texts
    assert "overlap poor" in texts
    assert "probability of HMA" in ax.get_xlabel()


def test_two_pairs_are_refused():
    with pytest.raises(ValueError, match="one pair"):
        OverlapDisplay(pd.concat([FRAME, FRAME.assign(arm="other")]))
