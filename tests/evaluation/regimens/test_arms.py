"""Arms, alignment and the wording of notes."""

import numpy as np
import pytest

from evaluation.regimens.arms import (
    aligned_regimen,
    canonical_order,
    comparison_arms,
    missing_note,
    outcomes_by_arm,
)
from evaluation.remarks import joined
from evaluation.results import p_text
from features.outcome import Outcome

OUTCOME = Outcome([3, 1, 3, 2], [1, 0, 0, 1])
REGIMEN = np.array(["B", "A", "B", "C"], dtype=object)


def test_the_reference_arm_comes_last():
    assert comparison_arms(REGIMEN, "B") == ["A", "C", "B"]
    assert list(outcomes_by_arm(OUTCOME, REGIMEN, ["C", "B"])) == ["C", "B"]
    assert outcomes_by_arm(OUTCOME, REGIMEN, ["B"])["B"].time.tolist() == [3, 3]


def test_what_cannot_be_compared_is_an_error():
    with pytest.raises(ValueError, match=r"one of the regimens \['A', 'B', 'C'\]; got 'D'"):
        comparison_arms(REGIMEN, "D")
    with pytest.raises(ValueError, match="single arm 'A'"):
        comparison_arms(np.array(["A"], dtype=object), "A")
    with pytest.raises(ValueError, match="missing for 1 patients"):
        comparison_arms(np.array(["A", None], dtype=object), "A")


def test_unequal_lengths_are_named():
    with pytest.raises(ValueError, match=r"4 patients but got \{'outcome': 3\}"):
        aligned_regimen(REGIMEN, {"outcome": OUTCOME.take([0, 1, 2]), "responder": None})
    assert aligned_regimen(list("ab"), {"regimen": [1, 2]}).tolist() == ["a", "b"]


def test_the_order_hangs_on_the_patients_alone():
    # By time, then censored before events, then arm.
    assert canonical_order(OUTCOME, REGIMEN).tolist() == [1, 3, 2, 0]
    turned = [3, 2, 1, 0]
    again = canonical_order(OUTCOME.take(turned), REGIMEN[turned])
    assert np.array(turned)[again].tolist() == [1, 3, 2, 0]


def test_notes():
    assert joined("a", "", "b") == "a; b"
    assert missing_note(0) == ""
    assert missing_note(3) == "3 with a missing value left out"
    assert p_text(0.0301) == "p = .030"
    assert p_text(1e-9) == "p < .001"
    assert p_text(np.nan) == "p not estimable"
