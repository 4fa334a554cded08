import math
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from features.specs import Settings, Spec, code_text, coded, codes_or_truths


class Box(Spec):
    width: int
    height: int = 1


def test_an_unknown_key_is_told_with_the_near_one_and_all_there_are():
    with pytest.raises(ValidationError, match=r"unknown key heigth; did you mean 'height'\? "):
        Box.model_validate({"width": 1, "heigth": 2})
    with pytest.raises(ValidationError, match="the keys here are width, height"):
        Box.model_validate({"depth": 2})


class Numbers(Settings):
    whole: int = 1
    share: Annotated[float, Field(gt=0)] = 0.5
    maybe: float | None = None
    several: tuple[float, ...] = ()
    limits: dict[str, dict[str, float]] = Field(default_factory=dict)
    switch: bool = False
    either: int | bool = 0
    word: Literal["a", "b"] = "a"
    anything: Any = None


@pytest.mark.parametrize("wrong", [True, False, math.nan, math.inf, -math.inf, "nan", "inf"])
@pytest.mark.parametrize("place", ["whole", "share", "maybe", "several", "limits"])
def test_a_number_is_a_finite_number(place, wrong):
    value = {"several": [1.0, wrong], "limits": {"a": {"b": wrong}}}.get(place, wrong)
    with pytest.raises(ValidationError) as error:
        Numbers.model_validate({place: value})
    assert error.value.errors()[0]["loc"][0] == place


def test_truth_values_stand_where_they_are_meant():
    read = Numbers.model_validate({"switch": True, "either": True, "anything": True, "whole": 3})
    assert (read.switch, read.either, read.anything, read.whole) == (True, True, True, 3)


NO_CODES = [(None, "null is no code"), ("", "an empty cell"), ("  ", "an empty cell"),
            (True, "true is a truth")]  # fmt: skip


@pytest.mark.parametrize(("code", "told"), NO_CODES)
def test_what_is_no_code(code, told):
    with pytest.raises(ValueError, match=told):
        code_text(code)
    with pytest.raises(ValueError, match=told):
        coded({code: 1})


def test_codes_keep_their_digits():
    assert code_text(12345678901234567890) == "12345678901234567890"
    assert coded({1: "a", "02": "b"}) == {"1": "a", "02": "b"}
    assert codes_or_truths([True, 1.0, 1, "x"]) == ("true", "1.0", "1", "x")
    with pytest.raises(ValueError, match="the code 1 stands twice"):
        coded({1: "a", "1": "b"})
