import pytest
from pydantic import ValidationError

from features.specs import Spec


class Box(Spec):
    width: int
    height: int = 1


def test_an_unknown_key_is_told_with_the_near_one_and_all_there_are():
    with pytest.raises(ValidationError, match=r"unknown key heigth; did you mean 'height'\? "):
        Box.model_validate({"width": 1, "heigth": 2})
    with pytest.raises(ValidationError, match="the keys here are width, height"):
        Box.model_validate({"depth": 2})


def test_known_keys_are_read_and_frozen():
    box = Box.model_validate({"width": 2})
    assert (box.width, box.height) == (2, 1)
    with pytest.raises(ValidationError, match="frozen"):
        box.width = 3


@pytest.mark.parametrize("value", [None, 3, "width", [1], {1: 2}])
def test_what_is_no_mapping_of_its_keys_is_refused(value):
    with pytest.raises(ValidationError):
        Box.model_validate(value)
