from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from evaluation.refits import Refits, bootstrap_refits
from features.dataset import Dataset
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

TIMES = np.array([2.0, 6.0])


@dataclass(frozen=True)
class MeanHazard:
    """Everybody the hazard of the training patients; says what it was fitted to."""

    hazard: float
    seed: int
    follow_up: float

    def predict(self, predictors, times):
        survival = np.tile(np.exp(-self.hazard * np.asarray(times)), (len(predictors), 1))
        return SurvivalPrediction(np.full(len(predictors), float(self.seed)), survival, times)


def fit(dataset, seed):
    return MeanHazard(dataset.outcome.n_events / dataset.outcome.time.sum(), seed, 99.0)


def dataset(events):
    time = np.arange(1.0, len(events) + 1)
    return Dataset(pd.DataFrame({"x": time}), None, None, Outcome(time, events))


def test_each_refit_sees_its_own_sample_and_predicts_for_everybody():
    data = dataset([1, 0, 1, 1, 0, 1])
    refits = bootstrap_refits(fit, data, TIMES, 5, 3)
    assert len(refits.refitted) == 5
    for counts, prediction in zip(refits.counts, refits.refitted, strict=True):
        hazard = counts @ data.outcome.event / (counts @ data.outcome.time)
        assert prediction.at(6.0) == pytest.approx(np.full(6, np.exp(-6 * hazard)))
    # Each fit has a seed of its own.
    assert len({p.risk_score[0] for p in (refits.original, *refits.refitted)}) == 6


def test_the_same_seed_gives_the_same_refits():
    data = dataset([1, 0, 1, 1, 0, 1])
    first, second = (bootstrap_refits(fit, data, TIMES, 3, 3) for _ in range(2))
    assert (first.counts == second.counts).all()
    assert all(
        (a.survival == b.survival).all() and (a.risk_score == b.risk_score).all()
        for a, b in zip(first.refitted, second.refitted, strict=True)
    )


def test_a_sample_without_an_event_is_left_out_and_counted():
    refits = bootstrap_refits(fit, dataset([1, 0, 0, 0]), TIMES, 40, 0)
    empty = refits.counts[:, 0] == 0
    assert 0 < empty.sum() == refits.unfitted
    assert [p is None for p in refits.refitted] == empty.tolist()
    assert len(refits.fitted) == 40 - empty.sum()


def test_an_error_of_the_pipeline_is_not_hidden():
    def broken(dataset, seed):
        raise RuntimeError("no convergence")

    with pytest.raises(RuntimeError, match="no convergence"):
        bootstrap_refits(broken, dataset([1, 0, 1]), TIMES, 2, 0)


def test_parts_that_do_not_fit_are_refused():
    data = dataset([1, 0, 1])
    prediction = fit(data, 0).predict(data.predictors, TIMES)
    with pytest.raises(ValueError, match="counts has shape"):
        Refits(data.outcome, prediction, (prediction,), np.ones((2, 3)))
    other = fit(data, 0).predict(data.predictors, TIMES + 1)
    with pytest.raises(ValueError, match="same times"):
        Refits(data.outcome, prediction, (other,), np.ones((1, 3)))
    with pytest.raises(ValueError, match="each of the 3 patients"):
        Refits(data.outcome, prediction, (prediction.take([0]),), np.ones((1, 3)))
