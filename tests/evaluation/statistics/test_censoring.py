import numpy as np
import pytest

from evaluation.statistics.censoring import fit_censoring, replicate_survival
from evaluation.statistics.kaplan_meier import survival_at
from features.outcome import Outcome

# One patient a trap: B and C leave at the same time, B by the event and C by censoring; F, the
# last, is censored.
#                      A  B  C  D  E  F
COHORT = Outcome(time=[1, 2, 2, 3, 4, 5], event=[1, 1, 0, 0, 1, 0])


def random_outcome(seed, n=60):
    generator = np.random.default_rng(seed)
    return Outcome(generator.integers(0, 12, n), generator.random(n) < 0.6)


def test_censoring_takes_events_first_at_ties():
    censoring = fit_censoring(COHORT)
    # At 2: five left, less the event B, one of four is censored: 3/4.
    # At 3: one of three: 3/4 x 2/3 = 1/2. At 5: the only one left: 0.
    assert censoring.at([0, 1, 2, 3, 4.9, 5]) == pytest.approx([1, 1, 3 / 4, 1 / 2, 1 / 2, 0])


def test_limit_from_the_left_excludes_the_step_at_t():
    censoring = fit_censoring(COHORT)
    assert censoring.before([0, 2, 2.5, 3, 5]) == pytest.approx([1, 1, 3 / 4, 3 / 4, 1 / 2])


def test_nothing_is_known_of_censoring_beyond_follow_up():
    censoring = fit_censoring(COHORT)
    assert censoring.follow_up == 5
    assert np.isnan(censoring.at(5.1))
    assert np.isnan(censoring.before(5.1))


def test_inverse_weight_is_missing_where_no_one_can_be_observed():
    censoring = fit_censoring(COHORT)
    assert censoring.inverse_before(COHORT.time) == pytest.approx([1, 1, 1, 4 / 3, 2, 2])
    assert np.isnan(censoring.inverse_at(5))


def test_without_censoring_the_distribution_stays_at_one():
    censoring = fit_censoring(Outcome([1, 2, 2], [1, 1, 1]))
    assert censoring.at([1, 2]).tolist() == [1, 1]


def test_no_patient_is_an_error():
    with pytest.raises(ValueError, match="no patient"):
        fit_censoring(Outcome(np.zeros(0), np.zeros(0, dtype=bool)))


@pytest.mark.parametrize("seed", range(5))
def test_replicate_survival_is_kaplan_meier_of_the_drawn_patients(seed):
    outcome = random_outcome(seed)
    draws = np.random.default_rng(seed).integers(len(outcome), size=(4, len(outcome)))
    counts = np.stack([np.bincount(draw, minlength=len(outcome)) for draw in draws])
    times = np.array([7.5, 0, 3])
    expected = [survival_at(outcome.take(draw), times)["survival"] for draw in draws]
    np.testing.assert_allclose(replicate_survival(outcome, times, counts), expected)


def test_replicate_survival_is_not_carried_beyond_its_last_patient():
    counts = np.array([[1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0]])
    # First replicate: 2/3 x 1/2 = 1/3 at 2, where the last patient is censored. Second: everyone
    # has had the event by 2, so survival is known to be 0 later on.
    expected = [[1 / 3, np.nan], [0, 0]]
    np.testing.assert_allclose(replicate_survival(COHORT, [2, 3], counts), expected)
