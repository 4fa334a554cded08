"""One colour and line style an arm, whichever arms a picture shows."""

import pytest

from evaluation.displays.style import OKABE_ITO, arm_styles


def test_hma_and_ldac_keep_their_colours_in_any_company():
    both = arm_styles(["LDAC", "HMA"])
    more = arm_styles(["A third", "HMA", "LDAC"])
    assert both["HMA"] == more["HMA"]
    assert both["LDAC"] == more["LDAC"]
    assert both["HMA"].color == OKABE_ITO["blue"]


def test_the_regimen_is_found_in_a_longer_name():
    styles = arm_styles(["LDAC_BASED", "VEN + HMA"])
    assert styles["VEN + HMA"] == arm_styles(["HMA"])["HMA"]
    assert styles["LDAC_BASED"] == arm_styles(["LDAC"])["LDAC"]


def test_no_two_arms_look_the_same():
    arms = ["VEN_HMA", "HMA", "LDAC", "d", "e", "f", "g"]
    styles = arm_styles(arms)
    assert sorted(styles) == sorted(arms)
    assert len({style.color for style in styles.values()}) == len(arms)


def test_order_of_arms_does_not_matter():
    assert arm_styles(["b", "a"]) == arm_styles(["a", "b", "a"])


def test_too_many_arms_is_an_error():
    with pytest.raises(ValueError, match="8 arms but 7 colours"):
        arm_styles("abcdefgh")
