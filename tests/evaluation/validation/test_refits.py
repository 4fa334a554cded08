import numpy as np
import pytest

from evaluation.validation.refits import Refits
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

TIMES = np.array([2.0, 6.0])
OUTCOME = Outcome([1, 2, 3], [1, 0, 1])


def predicted(times=TIMES, n=3):
    return SurvivalPrediction(np.zeros(n), np.full((n, 2), 0.5), times)


def test_samples_that_could_not_be_fitted_to_are_counted():
    refits = Refits(OUTCOME, predicted(), (predicted(), None, predicted()), np.ones((3, 3)))
    assert len(refits.fitted) == 2
    assert refits.unfitted == 1


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="counts has shape"):
        Refits(OUTCOME, predicted(), (predicted(),), np.ones((2, 3)))
    with pytest.raises(ValueError, match="same times"):
        Refits(OUTCOME, predicted(), (predicted(TIMES + 1),), np.ones((1, 3)))
    with pytest.raises(ValueError, match="each of the 3 patients"):
        Refits(OUTCOME, predicted(), (predicted(n=1),), np.ones((1, 3)))
