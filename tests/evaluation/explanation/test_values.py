import numpy as np
import pytest

from evaluation.explanation.values import CurveOutputs, ShapValues, coalition_nodes


def test_outputs_of_a_step_curve_by_hand():
    # 1 up to month 2, .6 up to month 5, .3 after. Event probabilities: .4 at 4 months, .7 at 6.
    # Area up to 10 months: 2 + 3 x .6 + 5 x .3 = 5.3.
    outputs = CurveOutputs.read((4.0, 6.0), tau=10.0, jumps=np.array([2.0, 5.0]))
    survival = np.where(outputs.times < 2, 1.0, np.where(outputs.times < 5, 0.6, 0.3))
    assert outputs.of(survival) == pytest.approx([0.4, 0.7, 5.3])
    assert outputs.names == ("event probability", "event probability", "RMST")
    assert outputs.horizons == (4.0, 6.0, 10.0)
    assert outputs.size.tolist() == [1, 1, 10]


def test_jumps_at_zero_and_beyond_tau_do_not_count():
    # A curve that falls to .5 at once, to .2 at 3 months, and again at 10, the end: 3 x .5 + 7 x .2
    outputs = CurveOutputs.read((), tau=10.0, jumps=np.array([0.0, 3.0, 10.0, 12.0]))
    # Before the first jump above 0 the curve counts as 1, as every curve here is 1 at month 0.
    survival = np.where(outputs.times < 3, 0.5, 0.2)
    assert outputs.of(survival) == pytest.approx([3 * 1 + 7 * 0.2])


def test_without_a_jump_the_whole_area_is_known():
    outputs = CurveOutputs.read((), tau=10.0, jumps=np.array([12.0]))
    assert outputs.of(np.empty((3, 0))).tolist() == [[10.0]] * 3


def test_the_area_under_a_smooth_curve_is_taken_by_midpoints():
    # exp(-t / 10) up to 24 months: 10 (1 - exp(-2.4)); strips of .05 leave 1e-5 of it.
    outputs = CurveOutputs.read((12.0,), tau=24.0)
    survival = np.exp(-outputs.times / 10)
    assert outputs.of(survival) == pytest.approx(
        [1 - np.exp(-1.2), 10 * (1 - np.exp(-2.4))], abs=1e-5
    )


def test_a_part_of_the_outputs_needs_a_part_of_the_times():
    outputs = CurveOutputs.read((4.0, 30.0), tau=10.0, jumps=np.array([2.0, 5.0]))
    part = outputs.take(outputs.within(12.0))
    assert part.horizons == (4.0, 10.0)
    assert part.times.tolist() == [2, 4, 5]
    assert part.of(np.array([0.6, 0.6, 0.3])) == pytest.approx([0.4, 5.3])


def test_wrong_times_are_refused():
    with pytest.raises(ValueError, match="increase"):
        CurveOutputs.read((12.0, 6.0))
    with pytest.raises(ValueError, match="above 0"):
        CurveOutputs.read((6.0,), tau=0.0)


def explanation(values=((0.1, 0.2), (0.0, -0.3))):
    return ShapValues.exact(np.array(values)[:, :, None], np.array([0.5]), ("a", "b"), "by hand")


def test_values_that_add_up_pass():
    assert explanation().check([[0.8], [0.2]]).method == "by hand"


@pytest.mark.parametrize("predicted", [[[0.8], [0.2 + 2e-6]], [[0.8], [np.nan]]])
def test_values_that_do_not_add_up_are_refused(predicted):
    with pytest.raises(ArithmeticError, match=r"do not add up.*by hand"):
        explanation().check(predicted)


def test_the_tolerance_is_a_share_of_what_the_output_can_be():
    off = [[0.8], [0.2 + 5e-6]]
    assert explanation().check(off, size=[24.0])
    with pytest.raises(ArithmeticError):
        explanation().check(off, size=[1.0])


def test_rounding_is_shared_by_the_values_that_are_not_zero():
    found = explanation().share_rounding([[0.8 + 4e-6], [0.2 - 3e-6]])
    assert found.values[..., 0] == pytest.approx(
        np.array([[0.1 + 2e-6, 0.2 + 2e-6], [0.0, -0.3 - 3e-6]]), abs=1e-12
    )
    found.check([[0.8 + 4e-6], [0.2 - 3e-6]], tolerance=1e-12)
    with pytest.raises(ArithmeticError):
        explanation().share_rounding([[0.8 + 1e-4], [0.2]])


def test_a_covariate_that_the_model_does_not_see_has_zeros():
    assert explanation().of("b")[:, 0].tolist() == [0.2, -0.3]
    assert explanation().of("c").tolist() == [[0], [0]]


def test_outputs_beyond_what_is_known_are_missing():
    found = explanation().spread(np.array([False, True]))
    assert np.isnan(found.values[..., 0]).all()
    assert found.of("a")[:, 1].tolist() == [0.1, 0.0]
    assert np.isnan(found.base[0])
    assert found.base[1] == 0.5


@pytest.mark.parametrize("players", [1, 2, 5, 12])
def test_the_nodes_give_the_weights_of_shapley(players):
    # A player joins a coalition of a others out of a + b: integral of q^a (1 - q)^b, which is
    # a! b! / (a + b + 1)!, the weight in Shapley's sum. With 3 others: 1/4, 1/12, 1/12, 1/4.
    points, weights = coalition_nodes(players)
    others = players - 1
    found = [(weights * points**a * (1 - points) ** (others - a)).sum() for a in range(players)]
    from math import comb

    assert found == pytest.approx([1 / (players * comb(others, a)) for a in range(players)])
