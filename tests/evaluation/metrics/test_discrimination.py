import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sksurv.metrics import concordance_index_censored

from evaluation.metrics.discrimination import concordance_counts, harrell_c, uno_c
from evaluation.statistics.censoring import CensoringDistribution
from features.outcome import Outcome

SHARED = Path(__file__).parents[3].parent / "shared"

#                      A  B  C  D  E  F
COHORT = Outcome(time=[1, 2, 2, 3, 4, 5], event=[1, 1, 0, 0, 1, 0])
RISK = np.array([5, 3, 2, 3, 3, 4])


def tied_cohort(seed, n=80):
    generator = np.random.default_rng(seed)
    outcome = Outcome(generator.integers(0, 15, n), generator.random(n) < 0.7)
    return outcome, generator.integers(0, 10, n).astype(float)


def counts_of(seed, replicates, n):
    draws = np.random.default_rng(seed).integers(n, size=(replicates, n))
    return draws, np.stack([np.bincount(draw, minlength=n) for draw in draws]).astype(np.uint16)


def test_pairs_are_counted_by_hand():
    pairs = concordance_counts(COHORT, RISK)
    # A outranks all five others: 5 concordant. B is compared with C (censored at B's event: it
    # outlives B), D, E and F: concordant, tied, tied, discordant. E with F: discordant.
    assert (pairs.concordant, pairs.tied, pairs.comparable) == (6, 2, 10)
    assert harrell_c(COHORT, RISK) == pytest.approx((6 + 2 / 2) / 10)


def test_an_event_at_exactly_tau_counts():
    assert harrell_c(COHORT, RISK, tau=4) == pytest.approx(7 / 10)
    assert harrell_c(COHORT, RISK, tau=3.9) == pytest.approx(7 / 9)


def test_uno_weighs_an_event_by_the_squared_inverse_of_remaining_uncensored():
    # G(1-) = G(2-) = 1 and G(4-) = 1/2: the one discordant pair of E counts four times.
    assert uno_c(COHORT, RISK, tau=None) == pytest.approx(7 / 13)
    assert uno_c(COHORT, RISK, tau=4) == pytest.approx(7 / 13)
    assert uno_c(COHORT, RISK, tau=3.9) == pytest.approx(7 / 9)


def test_uno_is_missing_where_the_given_censoring_distribution_is_unknown():
    short = CensoringDistribution(np.array([3.0]), np.array([0.5]))
    assert np.isnan(uno_c(COHORT, RISK, tau=None, censoring=short))
    # Events beyond tau need no weight.
    assert uno_c(COHORT, RISK, tau=3, censoring=short) == pytest.approx(7 / 9)


def test_only_pairs_of_the_same_group_are_compared():
    # A-B, A-C, B-C are concordant, E-F is discordant.
    assert harrell_c(COHORT, RISK, group=[0, 0, 0, 1, 1, 1]) == pytest.approx(3 / 4)


@pytest.mark.parametrize("seed", range(5))
def test_groups_add_up_to_the_groups_counted_alone(seed):
    outcome, risk = tied_cohort(seed)
    group = np.random.default_rng(seed).integers(4, size=len(risk))
    alone = [concordance_counts(outcome.take(group == g), risk[group == g]) for g in range(4)]
    np.testing.assert_array_equal(
        concordance_counts(outcome, risk, group=group), np.sum(alone, axis=0)
    )


@pytest.mark.parametrize("seed", range(10))
def test_equals_scikit_survival_exactly(seed):
    outcome, risk = tied_cohort(seed)
    reference = concordance_index_censored(outcome.event, outcome.time, risk)[0]
    assert harrell_c(outcome, risk) == reference


@pytest.mark.parametrize("seed", range(3))
def test_a_replicate_is_the_cohort_of_the_drawn_patients(seed):
    outcome, risk = tied_cohort(seed)
    draws, counts = counts_of(seed, 6, len(risk))
    expected = [harrell_c(outcome.take(draw), risk[draw]) for draw in draws]
    np.testing.assert_array_equal(harrell_c(outcome, risk, counts=counts), expected)


def test_counts_of_one_change_nothing_and_keep_the_shape():
    outcome, risk = tied_cohort(1)
    estimate = uno_c(outcome, risk, 10)
    assert uno_c(outcome, risk, 10, counts=np.ones(len(risk))) == estimate
    assert uno_c(outcome, risk, 10, counts=np.ones((2, len(risk)))).tolist() == [estimate] * 2


def test_order_of_patients_does_not_matter():
    outcome, risk = tied_cohort(2)
    order = np.random.default_rng(0).permutation(len(risk))
    assert harrell_c(outcome.take(order), risk[order]) == harrell_c(outcome, risk)
    assert uno_c(outcome.take(order), risk[order], 9) == pytest.approx(uno_c(outcome, risk, 9))


def test_every_patient_twice_changes_nothing():
    outcome, risk = tied_cohort(3)
    twice = np.repeat(np.arange(len(risk)), 2)
    assert harrell_c(outcome.take(twice), risk[twice]) == harrell_c(outcome, risk)
    assert uno_c(outcome.take(twice), risk[twice], 9) == pytest.approx(uno_c(outcome, risk, 9))


def test_reversed_risk_gives_the_complement_and_scale_does_not_matter():
    outcome, risk = tied_cohort(4)
    assert harrell_c(outcome, -risk) == pytest.approx(1 - harrell_c(outcome, risk))
    assert harrell_c(outcome, 1e-12 * risk) == harrell_c(outcome, risk)


def test_without_a_comparable_pair_there_is_no_estimate():
    assert np.isnan(harrell_c(Outcome([1, 2, 3], [0, 0, 0]), [1, 2, 3]))
    assert np.isnan(harrell_c(Outcome([1, 1], [1, 1]), [1, 2]))
    assert np.isnan(uno_c(Outcome([1, 2, 3], [0, 0, 1]), [1, 2, 3], 2))


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="risk_score is NaN for 1 of 6"):
        harrell_c(COHORT, [1, 2, 3, 4, 5, np.nan])
    with pytest.raises(ValueError, match="risk_score has shape"):
        harrell_c(COHORT, [1, 2])
    with pytest.raises(ValueError, match="counts has shape"):
        harrell_c(COHORT, RISK, counts=np.ones((2, 5)))
    with pytest.raises(ValueError, match="group has shape"):
        harrell_c(COHORT, RISK, group=[0, 1])


@pytest.mark.parametrize(
    ("name", "time", "event"), [("leuksurv", "time", "event"), ("bmt", "t2", "d3")]
)
@pytest.mark.parametrize("tau", [None, 730.5])
def test_equals_r_survival(name, time, event, tau):
    path = SHARED / "references" / "discrimination_brier.json"
    if not path.exists():
        pytest.skip("the R reference values are not part of the project")
    references = {entry["id"]: entry["result"] for entry in json.loads(path.read_text())["refs"]}
    table = pd.read_csv(SHARED / "data" / f"{name}.csv")
    outcome = Outcome(table[time], table[event] == 1)
    suffix = name if tau is None else f"tau_{name}"
    # R prints ten digits.
    assert harrell_c(outcome, table["lp_fixed"], tau=tau) == pytest.approx(
        references[f"harrell_{suffix}"]["C"], abs=1e-9
    )
    assert uno_c(outcome, table["lp_fixed"], tau) == pytest.approx(
        references[f"uno_{suffix}"]["C"], abs=1e-9
    )
