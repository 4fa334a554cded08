from pathlib import Path

import greenwood
import numpy as np
import pandas as pd
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.statistics.competing_incidence import (
    any_event,
    fit_competing_censoring,
    incidence_by_cause,
    replicate_incidence,
)
from evaluation.statistics.kaplan_meier import survival_at
from features.outcome import Outcome

BMT = Path(__file__).parents[3].parent / "shared" / "data" / "bmt.csv"

# A has the event at 1, B a competing event at 2, C is censored at 2, D has the event at 3,
# E is censored at 4.
COHORT = Outcome([1, 2, 2, 3, 4], [1, 0, 0, 1, 0], competing=[0, 1, 0, 0, 0])


def cohort(seed, n=80, ties=True):
    generator = np.random.default_rng(seed)
    time = generator.exponential(10, n)
    kind = generator.choice(3, n, p=[0.2, 0.5, 0.3])
    return Outcome(np.ceil(time) if ties else time, kind == 1, competing=kind == 2)


def test_incidence_by_hand():
    table = incidence_by_cause(COHORT, [0.5, 1, 2, 3.5])
    event = table[table["cause"] == "event"]
    # 1/5 at month 1; event-free 4/5; at month 2 the competing event leaves 4/5 x 3/4 = 3/5;
    # at month 3 two are at risk: 1/5 + 3/5 x 1/2.
    assert event["estimate"].to_numpy() == pytest.approx([0, 0.2, 0.2, 0.5])
    competing = table[table["cause"] == "competing"]
    assert competing["estimate"].to_numpy() == pytest.approx([0, 0, 0.2, 0.2])
    assert event["n_event"].tolist() == [0, 1, 1, 2]
    assert event["n_risk"].tolist() == [5, 5, 4, 1]
    assert event["ci_low"].isna().tolist() == [True, False, False, False]


def test_without_competing_events_it_is_one_minus_kaplan_meier():
    outcome = Outcome(COHORT.time, COHORT.event)
    table = incidence_by_cause(outcome, [1, 3])
    known = survival_at(outcome, [1, 3])
    event = table[table["cause"] == "event"]
    for ours, theirs in (("estimate", "survival"), ("ci_low", "ci_high"), ("ci_high", "ci_low")):
        assert event[ours].to_numpy() == pytest.approx(1 - known[theirs].to_numpy())
    assert (table.loc[table["cause"] == "competing", "estimate"] == 0).all()


def test_all_probabilities_sum_to_one():
    outcome = cohort(1)
    both = incidence_by_cause(outcome, [5, 12]).groupby("horizon")["estimate"].sum()
    free = survival_at(any_event(outcome), [5, 12])["survival"].to_numpy()
    assert both.to_numpy() + free == pytest.approx([1, 1])


def test_kaplan_meier_of_the_event_overstates_the_incidence():
    outcome = cohort(2)
    naive = 1 - survival_at(Outcome(outcome.time, outcome.event), [12])["survival"].iloc[0]
    assert incidence_by_cause(outcome, [12])["estimate"].iloc[0] < naive - 0.02


@pytest.mark.parametrize("ties", [False, True])
def test_estimate_and_error_agree_with_greenwood(ties):
    outcome = cohort(5, ties=ties)
    kind = np.where(outcome.event, "event", np.where(outcome.competing, "competing", "censored"))
    surv = greenwood.Surv(
        time=outcome.time, event=pd.Categorical(kind, ["censored", "event", "competing"])
    )
    theirs = greenwood.AalenJohansen().fit(surv).to_frame(format="pandas")
    theirs = theirs[theirs["estimate"] > 0]
    for cause in ("event", "competing"):
        rows = theirs[theirs["cause"] == cause]
        ours = incidence_by_cause(outcome, rows["time"])
        ours = ours[ours["cause"] == cause]
        for own, other in (("estimate", "estimate"), ("std_error", "std_error")):
            assert ours[own].to_numpy() == pytest.approx(rows[other].to_numpy(), abs=1e-10)


def test_beyond_follow_up_nothing_is_known_unless_all_had_an_event():
    table = incidence_by_cause(COHORT, [5])
    assert table["estimate"].isna().all()
    assert table["note"].str.contains("beyond the follow-up").all()
    ended = Outcome([1, 2], [1, 0], competing=[0, 1])
    assert incidence_by_cause(ended, [5])["estimate"].tolist() == [0.5, 0.5]
    assert replicate_incidence(ended, [5], np.ones((1, 2)))[0, 0] == 0.5
    assert np.isnan(replicate_incidence(COHORT, [5], np.ones((1, 5)))).all()


def test_a_zero_time_counts_from_the_start():
    outcome = Outcome([0, 1, 2], [1, 0, 0], competing=[0, 1, 0])
    assert incidence_by_cause(outcome, [0])["estimate"].tolist() == pytest.approx([1 / 3, 0])


def test_replicates_equal_the_resampled_cohort():
    outcome = cohort(3)
    counts = bootstrap_counts(len(outcome), 4, 0)
    values = replicate_incidence(outcome, [4, 9], counts)
    for row, expected in zip(counts, values, strict=True):
        drawn = outcome.take(np.repeat(np.arange(len(outcome)), row))
        table = incidence_by_cause(drawn, [4, 9])
        assert table.loc[table["cause"] == "event", "estimate"].to_numpy() == pytest.approx(
            expected
        )


def test_order_and_duplication_change_nothing():
    outcome = cohort(4)
    once = incidence_by_cause(outcome, [9])["estimate"]
    shuffled = outcome.take(np.random.default_rng(0).permutation(len(outcome)))
    twice = outcome.take(np.tile(np.arange(len(outcome)), 2))
    for other in (shuffled, twice):
        assert incidence_by_cause(other, [9])["estimate"].to_numpy() == pytest.approx(once)


def test_a_competing_event_is_no_censoring():
    # Only C (of 3 without an earlier event at month 2) and E are censored.
    assert fit_competing_censoring(COHORT).at([1, 2, 3]) == pytest.approx([1, 2 / 3, 2 / 3])


def test_no_patients_is_an_error():
    with pytest.raises(ValueError, match="no patients"):
        incidence_by_cause(Outcome([], []), [1])
    with pytest.raises(ValueError, match="no patients"):
        replicate_incidence(Outcome([], []), [1], np.ones((1, 0)))


def test_bone_marrow_transplants_agree_with_r():
    if not BMT.exists():
        pytest.skip("needs the shared cohorts")
    bmt = pd.read_csv(BMT)
    outcome = Outcome(bmt["t2"], bmt["cr_status"] == 1, competing=bmt["cr_status"] == 2)
    table = incidence_by_cause(outcome, [100, 365.25, 730.5])
    # survival 3.5.3: summary(survfit(Surv(t2, factor(cr_status, 0:2)) ~ 1), times), pstate and
    # std.err, and cmprsk 2.2.11: timepoints(cuminc(t2, cr_status), times)$est.
    estimate = [0.0802919708, 0.2121654501, 0.3011985221, 0.09489051095, 0.204785077, 0.2789402541]
    assert table["estimate"].to_numpy() == pytest.approx(estimate, abs=1e-6)
    error = [
        0.02321671469,
        0.03497762529,
        0.03934803667,
        0.0250381172,
        0.03451809967,
        0.03844647844,
    ]
    assert table["std_error"].to_numpy() == pytest.approx(error, abs=1e-6)
    # etm 1.1.1: summary(etmCIF(Surv(t2, cr_status != 0) ~ 1, etype = cr_status, failcode = 1)).
    low = [0.04528702605, 0.1525805935, 0.2315667771, 0.05623494991, 0.1462134232, 0.2114672418]
    high = [0.1402914599, 0.2907031983, 0.3859196099, 0.1578017282, 0.2826301004, 0.3624769608]
    assert table["ci_low"].to_numpy() == pytest.approx(low, abs=1e-6)
    assert table["ci_high"].to_numpy() == pytest.approx(high, abs=1e-6)
