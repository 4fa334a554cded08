import greenwood
import numpy as np
import pandas as pd
import pytest

from evaluation.metrics.brier import brier_losses, null_losses
from features.outcome import Outcome

# A has the event at 1, B a competing event at 2, C is censored at 2, D is followed to 4.
COHORT = Outcome([1, 2, 2, 4], [1, 0, 0, 0], competing=[0, 1, 0, 0])


def cohort(seed, n=150):
    generator = np.random.default_rng(seed)
    time = generator.exponential(10, n)
    kind = generator.choice(3, n, p=[0.2, 0.5, 0.3])
    outcome = Outcome(time, kind == 1, competing=kind == 2)
    return outcome, np.sort(generator.uniform(0.05, 0.9, (n, 3)), axis=1)


def test_losses_by_hand():
    losses = brier_losses(COHORT, np.full((4, 1), 0.7), [3])[:, 0]
    # G drops at 2, where C is censored among the two without an event there: G(3) = 1/2. A and B
    # ended before: G(T-) = 1. A: (1 - .3)^2; B, who never has the event: .3^2; C: 0;
    # D, still followed: .3^2 / (1/2).
    assert losses == pytest.approx([0.49, 0.09, 0, 0.18])


def test_flags_of_nobody_are_no_competing_events():
    outcome, incidence = cohort(0)
    plain = Outcome(outcome.time, outcome.event)
    nobody = Outcome(outcome.time, outcome.event, competing=np.zeros(150, dtype=bool))
    times = [3, 8, 15]
    expected = brier_losses(plain, 1 - incidence, times)
    assert brier_losses(nobody, 1 - incidence, times) == pytest.approx(expected)


def test_it_agrees_with_greenwood():
    outcome, incidence = cohort(1)
    times = np.array([3.0, 8.0, 15.0])
    kind = np.where(outcome.event, "event", np.where(outcome.competing, "competing", "censored"))
    surv = greenwood.Surv(
        time=outcome.time, event=pd.Categorical(kind, ["censored", "event", "competing"])
    )
    theirs = greenwood.brier_score_incidence(surv, incidence, times, cause=1)
    ours = brier_losses(outcome, 1 - incidence, times).mean(axis=0)
    assert ours == pytest.approx(theirs, abs=1e-10)


def test_a_competing_event_is_no_reason_to_expect_the_event():
    outcome = Outcome([1, 2, 3, 9], [0, 0, 0, 1], competing=[1, 1, 1, 0])
    assert (brier_losses(outcome, np.ones((4, 1)), [5]) == 0).all()
    assert (null_losses(outcome, [5]) == 0).all()


def test_of_one_prediction_for_everybody_the_null_model_is_the_best():
    outcome, _ = cohort(2)
    null = null_losses(outcome, [8]).mean()
    for everybody in (0.1, 0.4, 0.9):
        assert null < brier_losses(outcome, np.full((150, 1), 1 - everybody), [8]).mean()


def test_order_and_duplication_change_nothing():
    outcome, incidence = cohort(3)
    times = [3, 8, 15]
    score = brier_losses(outcome, 1 - incidence, times).mean(axis=0)
    null = null_losses(outcome, times).mean(axis=0)
    for rows in (np.random.default_rng(0).permutation(150), np.tile(np.arange(150), 2)):
        other = outcome.take(rows)
        drawn = brier_losses(other, 1 - incidence[rows], times).mean(axis=0)
        assert drawn == pytest.approx(score)
        assert null_losses(other, times).mean(axis=0) == pytest.approx(null)


def test_beyond_follow_up_and_missing_predictions_are_missing():
    losses = brier_losses(COHORT, np.full((4, 2), 0.7), [3, 5])
    assert np.isnan(losses[:, 1]).all()
    missing = np.array([[np.nan], [0.1], [0.1], [0.1]])
    assert np.isnan(brier_losses(COHORT, 1 - missing, [3])[0, 0])


@pytest.mark.parametrize(
    ("incidence", "times", "message"),
    [
        (np.full((4, 1), 0.3), [3, 4], "one row a patient"),
        (np.full((4, 2), 0.3), [4, 3], "increasing"),
        (np.full((4, 1), 1.3), [3], r"\[0, 1\]"),
    ],
)
def test_bad_input_is_refused(incidence, times, message):
    with pytest.raises(ValueError, match=message):
        brier_losses(COHORT, 1 - incidence, times)
