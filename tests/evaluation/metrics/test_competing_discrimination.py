import greenwood
import numpy as np
import pandas as pd
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.metrics.auc import replicate_auc
from evaluation.metrics.discrimination import uno_c
from evaluation.statistics.competing_incidence import fit_competing_censoring
from features.outcome import Outcome

# A, D have the event at 1 and 3; B has a competing event at 2; C is censored at 2; E ends at 4.
COHORT = Outcome([1, 2, 2, 3, 4], [1, 0, 0, 1, 0], competing=[0, 1, 0, 0, 0])
RISK = np.array([0.9, 0.6, 0.5, 0.4, 0.7])


def auc_at(outcome, risk, horizon, *, counts=None, **settings):
    values = replicate_auc(outcome, risk, [horizon], counts, **settings)[:, 0]
    return values[0] if counts is None else values


def cohort(seed, n=120, ties=False):
    generator = np.random.default_rng(seed)
    time = generator.exponential(10, n)
    kind = generator.choice(3, n, p=[0.25, 0.45, 0.3])
    risk = np.round(generator.normal(size=n) - 0.05 * time, 1)
    return Outcome(np.ceil(time) if ties else time, kind == 1, competing=kind == 2), risk


def brute_force_auc(outcome, risk, horizon, group):
    censoring = fit_competing_censoring(outcome)
    numerator = denominator = 0.0
    for i in np.flatnonzero(outcome.event & (outcome.time <= horizon)):
        for j in range(len(risk)):
            if outcome.competing[j] and outcome.time[j] <= horizon:
                weight = censoring.inverse_before(outcome.time[j])
            elif outcome.time[j] > horizon:
                weight = censoring.inverse_at(horizon)
            else:
                continue
            if group[i] != group[j]:
                continue
            weight = weight * censoring.inverse_before(outcome.time[i])
            numerator += weight * ((risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j]))
            denominator += weight
    return numerator / denominator


def brute_force_c(outcome, risk, tau):
    censoring = fit_competing_censoring(outcome)
    before = censoring.inverse_before(outcome.time)
    numerator = denominator = 0.0
    for i in np.flatnonzero(outcome.event & (outcome.time <= tau)):
        for j in range(len(risk)):
            tied_censoring = outcome.time[j] == outcome.time[i] and not (
                outcome.event[j] or outcome.competing[j]
            )
            if outcome.time[j] > outcome.time[i] or tied_censoring:
                weight = before[i] ** 2
            elif outcome.competing[j]:
                weight = before[i] * before[j]
            else:
                continue
            numerator += weight * ((risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j]))
            denominator += weight
    return numerator / denominator


def test_auc_by_hand():
    # By month 2.5 A is the only case; controls are B (competing), D and E. C is unknown.
    assert auc_at(COHORT, RISK, 2.5) == 1
    # By 3.5 A and D are cases, B and E controls. G = 2/3 from 2 on. D weighs 1 / (2/3), E too;
    # A and B weigh 1. A: above B (1) and E (3/2); D: above neither, of 3/2 (1 + 3/2).
    assert auc_at(COHORT, RISK, 3.5) == pytest.approx(2.5 / (2.5 + 1.5 * 2.5))


@pytest.mark.parametrize("ties", [False, True])
def test_auc_equals_brute_force(ties):
    outcome, risk = cohort(1, ties=ties)
    group = np.arange(len(risk)) % 3
    auc = auc_at(outcome, risk, 8, group=group)
    assert auc == pytest.approx(brute_force_auc(outcome, risk, 8, group), abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_weighted_c_equals_brute_force(ties):
    outcome, risk = cohort(2, ties=ties)
    c = uno_c(outcome, risk, 12)
    assert c == pytest.approx(brute_force_c(outcome, risk, 12), abs=1e-10)


def test_weighted_c_agrees_with_greenwood():
    # Without tied times; at ties greenwood leaves out a censoring at the time of the event.
    outcome, risk = cohort(3)
    kind = np.where(outcome.event, "event", np.where(outcome.competing, "competing", "censored"))
    surv = greenwood.Surv(
        time=outcome.time, event=pd.Categorical(kind, ["censored", "event", "competing"])
    )
    theirs = greenwood.concordance_index_incidence(surv, risk, cause=1, tau=12.0)
    assert uno_c(outcome, risk, 12.0) == pytest.approx(theirs, abs=1e-10)


def test_without_competing_events_it_is_unos():
    outcome, risk = cohort(4, ties=True)
    plain = Outcome(outcome.time, outcome.event)
    nobody = Outcome(outcome.time, outcome.event, competing=np.zeros(120, dtype=bool))
    assert uno_c(nobody, risk, 12) == pytest.approx(uno_c(plain, risk, 12))


def test_replicates_equal_the_resampled_cohort_with_its_weights():
    outcome, risk = cohort(5)
    counts = bootstrap_counts(len(risk), 3, 0)
    censoring = fit_competing_censoring(outcome)
    for function, at in ((auc_at, 8), (uno_c, 12)):
        values = function(outcome, risk, at, counts=counts, censoring=censoring)
        for row, value in zip(counts, values, strict=True):
            rows = np.repeat(np.arange(len(risk)), row)
            drawn = function(outcome.take(rows), risk[rows], at, censoring=censoring)
            assert value == pytest.approx(drawn, abs=1e-10)


def test_order_and_duplication_change_nothing():
    outcome, risk = cohort(6, ties=True)
    for function, at in ((auc_at, 8), (uno_c, 12)):
        value = function(outcome, risk, at)
        for rows in (np.random.default_rng(0).permutation(120), np.tile(np.arange(120), 2)):
            assert function(outcome.take(rows), risk[rows], at) == pytest.approx(value)


def test_a_perfect_and_a_reversed_order():
    outcome = Outcome([1, 2, 3, 4], [1, 0, 1, 0], competing=[0, 1, 0, 0])
    risk = np.array([4, 1, 3, 2])
    for function, at in ((auc_at, 3), (uno_c, 3)):
        assert function(outcome, risk, at) == 1
        assert function(outcome, -risk, at) == 0
        assert function(outcome, np.zeros(4), at) == 0.5


def test_what_cannot_be_estimated_is_missing():
    assert np.isnan(auc_at(COHORT, RISK, 0.5))
    assert np.isnan(auc_at(COHORT, RISK, 9))
    everybody = Outcome([1, 2], [1, 1], competing=[0, 0])
    assert np.isnan(auc_at(everybody, [1, 2], 2))
    no_event = Outcome([1, 2], [0, 0], competing=[1, 0])
    assert np.isnan(uno_c(no_event, [1, 2], None))
    # No pair within a group.
    assert np.isnan(auc_at(COHORT, RISK, 2.5, group=np.arange(5)))
    assert np.isnan(uno_c(COHORT, RISK, 3, group=np.arange(5)))


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="one value a patient"):
        uno_c(COHORT, RISK[:3], 2)
    with pytest.raises(ValueError, match="NaN"):
        uno_c(COHORT, np.append(RISK[:4], np.nan), 2)
    with pytest.raises(ValueError, match="marker has shape"):
        auc_at(COHORT, RISK[:3], 2)
    assert np.isnan(auc_at(COHORT, np.append(RISK[:4], np.nan), 2))
    with pytest.raises(ValueError, match="counts"):
        auc_at(COHORT, RISK, 2, counts=np.ones((2, 3)))
