"""E-values against R and at their edges."""

import numpy as np
import pytest

from evaluation.regimens.adjusted.e_value import e_value


@pytest.mark.parametrize(
    ("ratio", "common", "rare"),
    [
        # R 4.2.2: rr + sqrt(rr (rr - 1)), rr = (1 - .5^sqrt(hr)) / (1 - .5^sqrt(1 / hr))
        (0.6, 2.199622396, 2.72075922),
        (0.7, 1.878685513, 2.211032225),
        (0.8, 1.608891348, 1.809016994),
    ],
)
def test_matches_r_on_either_side_of_one(ratio, common, rare):
    for given in (ratio, 1 / ratio):
        assert e_value(given, np.nan, np.nan).estimate == pytest.approx(common, rel=1e-9)
        assert e_value(given, np.nan, np.nan, common_outcome=False).estimate == pytest.approx(
            rare, rel=1e-9
        )


def test_the_limit_nearer_to_one_counts():
    assert e_value(0.6, 0.4, 0.8).limit == pytest.approx(1.608891348, rel=1e-9)
    assert e_value(1 / 0.6, 1 / 0.8, 1 / 0.4).limit == pytest.approx(1.608891348, rel=1e-9)


def test_an_interval_with_one_needs_no_confounder():
    assert e_value(0.735, 0.52, 1.04).limit == 1
    assert e_value(1.0, 0.5, 2.0).estimate == 1


def test_without_a_ratio_there_is_none():
    assert np.isnan(e_value(np.nan, np.nan, np.nan)).all()


def test_a_logarithm_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        e_value(-0.3, -0.6, 0.1)
