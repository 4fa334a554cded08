import numpy as np
import pytest

from evaluation.concordance_error import harrell_c_standard_error, uno_c_standard_error
from evaluation.discrimination import harrell_c
from features.outcome import Outcome

#                      A  B  C  D  E  F
COHORT = Outcome(time=[1, 2, 2, 3, 4, 5], event=[1, 1, 0, 0, 1, 0])
RISK = np.array([5, 3, 2, 3, 3, 4])


def tied_cohort(seed, n=80):
    generator = np.random.default_rng(seed)
    outcome = Outcome(generator.integers(0, 15, n), generator.random(n) < 0.7)
    return outcome, generator.integers(0, 10, n).astype(float)


def test_by_hand():
    # Pairs of each patient, rightly ordered (ties half) of comparable. A beats all five others; B
    # beats C, ties with D and E, loses to F; E loses to F. So A 5 of 5, B 3 of 5, C 2 of 2, D 1.5
    # of 2, E 1.5 of 3, F 1 of 3.
    agreeing = np.array([5, 3, 2, 1.5, 1.5, 1])
    comparable = np.array([5, 5, 2, 2, 3, 3])
    assert harrell_c(COHORT, RISK) == 7 / 10
    expected = np.sqrt((((agreeing - 0.7 * comparable) / 10) ** 2).sum())
    assert harrell_c_standard_error(COHORT, RISK) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_change_of_the_index_with_each_patients_weight(seed):
    outcome, risk = tied_cohort(seed)
    n, step = len(risk), 1e-5
    weights = np.ones((2 * n, n))
    weights[np.arange(n), np.arange(n)] += step
    weights[n + np.arange(n), np.arange(n)] -= step
    values = harrell_c(outcome, risk, counts=weights)
    gradient = (values[:n] - values[n:]) / (2 * step)
    ours = harrell_c_standard_error(outcome, risk)
    assert ours == pytest.approx(np.sqrt((gradient**2).sum()), rel=1e-6)


# concordance(Surv(time, event) ~ lp, reverse = TRUE, timewt = "n" or "n/G2", ymax = tau), the root
# of its variance; survival 3.5.3
@pytest.mark.parametrize(
    ("tau", "harrell", "uno"),
    [
        (None, 0.009549725917, 0.009686059911),
        (730.5, 0.009666466791, 0.009576804679),
    ],
)
def test_equals_r_survival(leuksurv, tau, harrell, uno):
    outcome, score = leuksurv.outcome, leuksurv.linear_predictor
    assert harrell_c_standard_error(outcome, score, tau) == pytest.approx(harrell, abs=1e-8)
    assert uno_c_standard_error(outcome, score, tau) == pytest.approx(uno, abs=1e-8)


def test_order_does_not_matter_and_four_times_the_patients_halve_the_error():
    outcome, risk = tied_cohort(4)
    error = harrell_c_standard_error(outcome, risk)
    order = np.random.default_rng(0).permutation(len(risk))
    assert harrell_c_standard_error(outcome.take(order), risk[order]) == pytest.approx(error)
    rows = np.repeat(np.arange(len(risk)), 4)
    assert harrell_c_standard_error(outcome.take(rows), risk[rows]) == pytest.approx(error / 2)


def test_what_cannot_be_had_is_missing():
    assert np.isnan(harrell_c_standard_error(Outcome([1, 2], [0, 0]), [1, 2]))
    assert np.isnan(uno_c_standard_error(Outcome([5], [1]), [1], None))


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="one number for each of the 6"):
        harrell_c_standard_error(COHORT, RISK[:2])
    with pytest.raises(ValueError, match="with 1 NaN"):
        harrell_c_standard_error(COHORT, np.append(RISK[:5], np.nan))
    with pytest.raises(ValueError, match="no patient"):
        uno_c_standard_error(Outcome(np.empty(0), np.empty(0)), [], None)
