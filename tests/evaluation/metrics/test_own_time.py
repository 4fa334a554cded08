import numpy as np
import pytest

from evaluation.metrics.own_time import at_own_time
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

OUTCOME = Outcome([0, 1, 3, 4, 9], [1, 1, 0, 1, 1])
TIMES = np.array([2.0, 4.0])


def prediction(survival, times=TIMES):
    survival = np.asarray(survival, dtype=float)
    return SurvivalPrediction(np.zeros(len(survival)), survival, np.asarray(times))


def test_straight_lines_from_one_at_time_zero():
    read = at_own_time(OUTCOME, prediction(np.tile([0.8, 0.4], (5, 1))))
    # 0: 1. 1: halfway from 1 to 0.8. 3: halfway from 0.8 to 0.4. 4: the grid. 9: censored at 4.
    assert read.survival.tolist() == pytest.approx([1, 0.9, 0.6, 0.4, 0.4])
    assert read.outcome.time.tolist() == [0, 1, 3, 4, 4]
    assert read.outcome.event.tolist() == [True, True, False, True, False]
    assert read.cumulative_hazard.tolist() == pytest.approx(-np.log([1, 0.9, 0.6, 0.4, 0.4]))


def test_a_grid_that_starts_at_zero_is_taken_as_it_is():
    read = at_own_time(OUTCOME, prediction(np.tile([1, 0.8, 0.4], (5, 1)), [0.0, 2, 4]))
    assert read.survival.tolist() == pytest.approx([1, 0.9, 0.6, 0.4, 0.4])


def test_follow_up_ends_where_survival_is_unknown():
    survival = np.tile([0.8, 0.4], (5, 1))
    survival[1, 1] = np.nan
    read = at_own_time(OUTCOME, prediction(survival))
    assert read.outcome.time.tolist() == [0, 1, 2, 2, 2]
    assert read.outcome.event.tolist() == [True, True, False, False, False]
    assert read.survival.tolist() == pytest.approx([1, 0.9, 0.8, 0.8, 0.8])


def test_a_patient_without_any_prediction_stays_and_is_missing():
    survival = np.tile([0.8, 0.4], (5, 1))
    survival[2] = np.nan
    read = at_own_time(OUTCOME, prediction(survival))
    assert np.isnan(read.survival).tolist() == [False, False, True, False, False]
    assert read.outcome.time.tolist() == [0, 1, 3, 4, 4]


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="of 2 patients"):
        at_own_time(OUTCOME, prediction(np.ones((2, 2))))
    with pytest.raises(ValueError, match="no time of the grid"):
        at_own_time(OUTCOME, prediction(np.full((5, 2), np.nan)))
