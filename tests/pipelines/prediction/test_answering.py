"""Answers drawn, and as columns."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from features.errors import InputError
from models.individual import Answer, AtHorizon, Band, Caution, Curve, Doubt
from pipelines.prediction.answering import Asking, draw, picture
from pipelines.prediction.answering import _columns as columns

DRAWS = True
CURVE = Curve((0.0, 6.0, 12.0), (1.0, 0.7, 0.5), (1.0, 0.5, 0.3), (1.0, 0.8, 0.7),
              (1.0, 0.75, None), steps=True)  # fmt: skip
ANSWER = Answer(
    patient_id="P1", row=1, event="death", regimen="HMA", risk_score=0.1,
    horizons=(AtHorizon(6.0, 0.3, 0.2, 0.5, 0.25),),
    interval=Band("widened range over refits", 50, 2.0, "Told."),
    median=12.0, median_low=6.0, median_high=None, restricted_mean=9.0, until=12.0,
    standing=None, inputs=(), filled=(), doubts=(Doubt(Caution.RARE, "disease MPAL"),), curve=CURVE,
)  # fmt: skip


@pytest.mark.parametrize(("form", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_the_same_answer_is_the_same_picture(form, start):
    first = picture(ANSWER, form)
    assert first.startswith(start)
    assert picture(ANSWER, form) == first
    other = replace(CURVE, survival=(1.0, 0.6, 0.5))
    assert picture(replace(ANSWER, curve=other), form) != first


def test_doubts_and_what_the_band_is_stand_under_the_picture():
    drawn = picture(ANSWER, "svg").decode()
    for words in ("Without death", "caution: too rare in training", "no confidence interval"):
        assert words in drawn


def test_without_a_range_the_curve_stands_alone():
    bare = replace(ANSWER, curve=replace(CURVE, low=None, high=None, average=(None,) * 3))
    assert picture(replace(bare, interval=None), "png").startswith(b"\x89PNG")


def test_several_patients_have_a_picture_each(tmp_path):
    answers = (ANSWER, replace(ANSWER, row=7))
    draw(SimpleNamespace(answers=answers), tmp_path / "curve.svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve_1.svg", "curve_7.svg"]


@pytest.mark.parametrize("name", ["curve", "curve.bmp", "curve.pdf"])
def test_other_pictures_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="No picture is drawn in this form"):
        Asking(plot=tmp_path / name).check()


def test_a_column_is_of_numbers_where_some_patient_has_one():
    unknown = replace(ANSWER, median=None, horizons=(AtHorizon(6.0, 0.3, None, None, 0.2),))
    found = columns((ANSWER, unknown))
    assert found["median_months"].dtype == float
    assert np.isnan(found["median_months"][1])
    # Nobody has it: still no text.
    assert np.isnan(found["median_months_high"]).all()
    assert found["row"].dtype.kind == "i"
    assert found["cautions"].tolist() == ["rare", "rare"]
