"""Counts of missing values, the map's patterns, and what suppression leaves to see."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from evaluation.cohort.missingness import MANY_PATIENTS, MissingnessDisplay, missingness_counts
from features.covariates.dictionary import Covariate
from tests.pictures import assert_text_is_inside, texts

DICTIONARY = {
    name: Covariate(name=name, label=label, kind="number")
    for name, label in (("age", "Age"), ("cr1", "First remission"), ("wbc", "White blood cells"))
}
NAN = np.nan
INPUTS = pd.DataFrame(
    {"age": [50.0, 60, 70, 80], "cr1": [NAN, NAN, NAN, 9.0], "wbc": [1.0, 2, NAN, 3]}
)
# The third patient was refractory: a first remission cannot exist. The fourth has one all the same.
STRUCTURAL = pd.DataFrame(
    {"age": [False] * 4, "cr1": [False, False, True, True], "wbc": [False] * 4}
)


def test_counts_keep_structural_and_unknown_apart():
    counts = missingness_counts(INPUTS, DICTIONARY, STRUCTURAL)
    assert list(counts) == [
        "covariate", "label", "known", "structural", "unknown", "share_unknown",
    ]  # fmt: skip
    rows = counts.set_index("covariate")
    assert rows.loc["cr1", ["known", "structural", "unknown"]].tolist() == [1, 1, 2]
    # Two of the three in whom it can exist.
    assert rows.loc["cr1", "share_unknown"] == pytest.approx(2 / 3)
    assert rows.loc["age", ["known", "structural", "unknown"]].tolist() == [4, 0, 0]


def test_a_value_that_can_exist_in_nobody_has_no_share():
    everybody = pd.DataFrame(True, index=INPUTS.index, columns=INPUTS.columns)
    counts = missingness_counts(INPUTS * NAN, DICTIONARY, everybody)
    assert counts["share_unknown"].isna().all()


def test_structural_needs_the_shape_of_the_inputs():
    with pytest.raises(ValueError, match="one flag for each value"):
        missingness_counts(INPUTS, DICTIONARY, STRUCTURAL.iloc[:2])


def column(known, structural, unknown):
    values = pd.DataFrame({"cr1": [1.0] * known + [NAN] * (structural + unknown)})
    cannot = pd.DataFrame({"cr1": [False] * known + [True] * structural + [False] * unknown})
    return values, DICTIONARY, cannot


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        # 3 of 40: the 37 known would tell it.
        ((37, 0, 3), [None, 0, None]),
        # 33 missing of 70 are in Table 1: showing 31 would tell the 2.
        ((37, 31, 2), [37, None, None]),
        ((37, 20, 13), [37, 20, 13]),
        # Few known: Table 1 hides them and the missing.
        ((3, 0, 37), [None, 0, None]),
    ],
)
def test_a_small_count_takes_another_with_it(counts, shown):
    row = missingness_counts(*column(*counts), suppress_below=5).iloc[0]
    found = [None if pd.isna(row[c]) else row[c] for c in ("known", "structural", "unknown")]
    assert found == shown
    assert pd.isna(row["share_unknown"]) == (shown[2] is None or shown[1] is None)


def test_frame_holds_patterns_and_no_patient():
    frame = MissingnessDisplay.from_inputs(INPUTS, DICTIONARY, STRUCTURAL).frame
    # Patients 1 and 2 share a pattern; patient 3 and patient 4 have their own.
    patterns = frame.pivot_table("patients", "pattern", "state", aggfunc="first")
    assert sorted(frame.drop_duplicates("pattern")["patients"]) == [1, 1, 2]
    assert len(patterns) == 3
    two = frame[frame["patients"] == 2].set_index("covariate")["state"].to_dict()
    assert two == {"cr1": "unknown", "wbc": "known", "age": "known"}


def test_the_most_often_missing_comes_first():
    display = MissingnessDisplay.from_inputs(INPUTS, DICTIONARY)
    assert display.shares["covariate"].tolist() == ["cr1", "wbc", "age"]
    # Missing stands left of known in the first row.
    first = display.frame[display.frame["covariate"] == "cr1"].sort_values("pattern")
    assert first["state"].tolist() == ["unknown", "unknown", "known"]


def test_order_of_patients_does_not_matter():
    display = MissingnessDisplay.from_inputs(INPUTS, DICTIONARY, STRUCTURAL)
    again = MissingnessDisplay.from_inputs(INPUTS.iloc[::-1], DICTIONARY, STRUCTURAL.iloc[::-1])
    pd.testing.assert_frame_equal(display.frame, again.frame)


def test_rare_patterns_of_a_large_cohort_are_left_out_of_the_map():
    n = 2 * MANY_PATIENTS
    inputs = pd.DataFrame({"age": np.ones(n), "wbc": np.ones(n)})
    inputs.loc[:2, "wbc"] = NAN  # 3 patients, fewer than 4000 / 1000
    inputs.loc[3:8, "age"] = NAN
    display = MissingnessDisplay.from_inputs(inputs, DICTIONARY)
    assert sorted(display.frame.drop_duplicates("pattern")["patients"]) == [6, n - 9]
    assert "3 patients with rarer patterns are left out" in display.caption
    # The shares count everybody.
    assert display.shares.set_index("covariate").loc["wbc", "unknown"] == 3


def test_suppressed_patterns_do_not_tell_a_small_count():
    inputs = pd.DataFrame({"age": [NAN] * 2 + [1.0] * 48, "wbc": [1.0] * 30 + [NAN] * 20})
    display = MissingnessDisplay.from_inputs(inputs, DICTIONARY, suppress_below=5)
    # The two without an age are left out; since 50 less the shown would tell them, so is the
    # smallest of the other patterns (20), and 28 are shown.
    assert display.frame.drop_duplicates("pattern")["patients"].tolist() == [28]
    assert pd.isna(display.shares.set_index("covariate").loc["age", "unknown"])


def test_without_common_patterns_there_is_no_map():
    display = MissingnessDisplay.from_inputs(INPUTS, DICTIONARY, suppress_below=3)
    assert display.frame.empty
    assert display.caption.startswith("No map")


@pytest.mark.parametrize("limit", [None, 3])
def test_text_stands_inside_the_figure(limit):
    display = MissingnessDisplay.from_inputs(INPUTS, DICTIONARY, STRUCTURAL, suppress_below=limit)
    ax = display.plot()
    assert_text_is_inside(ax)
    assert ("hidden" in " ".join(texts(ax))) == (limit is not None)


def test_structural_values_are_named_and_hatched():
    ax = MissingnessDisplay.from_inputs(INPUTS, DICTIONARY, STRUCTURAL).plot()
    assert {"cannot exist", "unknown", "known", "2 + 1"} <= set(texts(ax))
    assert any(patch.get_hatch() for patch in ax.patches)
    assert "cannot exist" not in texts(MissingnessDisplay.from_inputs(INPUTS, DICTIONARY).plot())


def test_plot_draws_on_the_axes_given():
    figure = Figure(layout="constrained")
    ax = figure.subplots()
    assert MissingnessDisplay.from_inputs(INPUTS, DICTIONARY).plot(ax) is ax
    assert figure.axes == [ax]
