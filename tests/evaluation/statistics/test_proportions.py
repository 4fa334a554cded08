"""Proportions against R 4.2.2 (stats) and against hand arithmetic."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from evaluation.statistics.proportions import TwoProportions, proportion
from tests import references

SHARED = Path(__file__).parents[3].parent / "shared"

# Published response counts: 22 of 42 against 9 of 28.
PUBLISHED = TwoProportions(22, 42, 9, 28)


r_result = partial(references.r_result, "response.json")


def test_published_response_counts():
    # R 4.2.2: chisq.test(correct = FALSE), fisher.test.
    assert PUBLISHED.chi_square().p_value == pytest.approx(0.09492492162, abs=1e-9)
    assert PUBLISHED.fisher() == pytest.approx(0.1405004317, abs=1e-9)
    # 22/42 - 9/28 = .5238 - .3214
    np.testing.assert_allclose(
        PUBLISHED.risk_difference(), (0.2023809524, -0.03379667159, 0.4036878906), atol=1e-9
    )
    np.testing.assert_allclose(
        PUBLISHED.risk_difference("miettinen-nurminen"),
        (0.2023809524, -0.03712608686, 0.4144099907),
        atol=1e-8,
    )


@pytest.mark.parametrize("name", ["resp_abstract_22_42_vs_9_28", "resp_mdacc"])
def test_two_proportions_match_r(name):
    r = r_result(name)
    pair = TwoProportions(r["x1"], r["n1"], r["x2"], r["n2"])
    ours = {
        "rd_newcombe_ci": pair.risk_difference()[1:],
        "rd_miettinen_nurminen_ci": pair.risk_difference("miettinen-nurminen")[1:],
        "rr": pair.risk_ratio().estimate,
        "rr_katz_ci": pair.risk_ratio()[1:],
        "or": pair.odds_ratio().estimate,
        "or_wald_ci": pair.odds_ratio()[1:],
        "chisq": pair.chi_square().statistic,
        "chisq_p": pair.chi_square().p_value,
        "fisher_p": pair.fisher(),
        "p1_clopper_pearson": proportion(r["x1"], r["n1"])[1:],
        "p2_clopper_pearson": proportion(r["x2"], r["n2"])[1:],
        "p1_wilson": proportion(r["x1"], r["n1"], "wilson")[1:],
        "p2_wilson": proportion(r["x2"], r["n2"], "wilson")[1:],
    }
    for key, value in ours.items():
        np.testing.assert_allclose(value, r[key], atol=1e-8, err_msg=key)


def test_an_empty_cell_matches_r():
    r = r_result("resp_small_zero_cell")
    pair = TwoProportions(0, 10, 4, 12)
    np.testing.assert_allclose(pair.risk_difference()[1:], r["newcombe"], atol=1e-8)
    np.testing.assert_allclose(pair.risk_difference("miettinen-nurminen")[1:], r["mn"], atol=1e-8)
    assert pair.fisher() == pytest.approx(r["fisher_p"], abs=1e-9)
    assert pair.chi_square().p_value == pytest.approx(r["chisq_p"], abs=1e-9)
    np.testing.assert_allclose(proportion(0, 10)[1:], r["cp0"], atol=1e-9)
    np.testing.assert_allclose(proportion(0, 10, "wilson")[1:], r["wilson0"], atol=1e-9)


def test_adverse_event_proportions_match_r():
    for r in r_result("ae_proportions_70").values():
        np.testing.assert_allclose(proportion(r["k"], 70)[1:], r["clopper_pearson"], atol=1e-9)
        np.testing.assert_allclose(proportion(r["k"], 70, "wilson")[1:], r["wilson"], atol=1e-9)


def test_ratios_by_hand():
    # 6/10 against 3/10: RR 2, var log = 1/6 - 1/10 + 1/3 - 1/10 = .3;
    # OR (6*7)/(4*3) = 3.5, var log = 1/6 + 1/4 + 1/3 + 1/7.
    pair = TwoProportions(6, 10, 3, 10)
    z = 1.959963984540054
    np.testing.assert_allclose(pair.risk_ratio(), 2 * np.exp(np.array([0, -z, z]) * np.sqrt(0.3)))
    spread = np.sqrt(1 / 6 + 1 / 4 + 1 / 3 + 1 / 7)
    np.testing.assert_allclose(pair.odds_ratio(), 3.5 * np.exp(np.array([0, -z, z]) * spread))


def test_ratio_limits_are_missing_with_an_empty_cell():
    pair = TwoProportions(0, 10, 4, 12)
    assert pair.risk_ratio().estimate == 0
    assert pair.odds_ratio().estimate == 0
    assert np.isnan(pair.risk_ratio()[1:]).all()
    assert np.isnan(pair.odds_ratio()[1:]).all()
    assert np.isinf(TwoProportions(4, 12, 0, 10).risk_ratio().estimate)


@pytest.mark.parametrize("counts", [(0, 10, 0, 12), (10, 10, 12, 12)])
def test_nobody_or_everybody_has_no_chi_square(counts):
    pair = TwoProportions(*counts)
    assert np.isnan(pair.chi_square()).all()
    assert pair.fisher() == 1
    for method in ("newcombe", "miettinen-nurminen"):
        estimate, low, high = pair.risk_difference(method)
        assert low < estimate == 0 < high


def test_complete_separation_reaches_the_end_of_the_scale():
    for method in ("newcombe", "miettinen-nurminen"):
        estimate, low, high = TwoProportions(10, 10, 0, 12).risk_difference(method)
        assert estimate == high == 1
        assert 0 < low < 1


def test_swapping_arms_mirrors_the_difference():
    swapped = TwoProportions(9, 28, 22, 42)
    for method in ("newcombe", "miettinen-nurminen"):
        estimate, low, high = PUBLISHED.risk_difference(method)
        mirrored = (-estimate, -high, -low)
        np.testing.assert_allclose(swapped.risk_difference(method), mirrored, atol=1e-9)


def test_boschloo_is_uniformly_below_fisher():
    for pair in (PUBLISHED, TwoProportions(7, 10, 2, 12), TwoProportions(0, 5, 3, 5)):
        assert pair.boschloo() <= pair.fisher() + 1e-9


def test_boschloo_by_hand():
    # 2/2 against 0/2: both one-sided Fisher p are smallest for this table alone, whose
    # probability p^2 (1-p)^2 is at most 1/16 (p = 1/2); twice that.
    assert TwoProportions(2, 2, 0, 2).boschloo() == pytest.approx(2 / 16, abs=1e-6)


def test_frame_names_every_comparison():
    frame = PUBLISHED.frame.set_index("method")
    assert list(frame.index[-3:]) == ["chi-square", "fisher", "boschloo"]
    assert frame.loc["katz", "estimate"] == pytest.approx(1.62962963)
    assert frame.loc["fisher", "p_value"] == pytest.approx(0.1405004317)


def test_a_proportion_of_nobody_is_missing():
    assert np.isnan(proportion(0, 0)).all()


@pytest.mark.parametrize("counts", [(3, 2, 1, 2), (-1, 2, 1, 2), (0, 0, 1, 2)])
def test_impossible_counts_are_an_error(counts):
    with pytest.raises(ValueError, match="events must lie in"):
        TwoProportions(*counts)


def test_unknown_methods_name_the_known_ones():
    with pytest.raises(ValueError, match="newcombe"):
        PUBLISHED.risk_difference("wald")
    with pytest.raises(ValueError, match="clopper-pearson"):
        proportion(1, 2, "wald")
