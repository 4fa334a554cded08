import numpy as np
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.metrics.decision_curve import (
    TREAT_ALL,
    TREAT_NONE,
    decision_curve,
    replicate_treated,
)
from evaluation.metrics.observed import observed_probability
from evaluation.statistics.kaplan_meier import survival_at
from features.outcome import Outcome

#                      A  B  C  D  E  F
COHORT = Outcome(time=[1, 2, 2, 3, 4, 5], event=[1, 1, 0, 0, 1, 0])
RISK = np.array([0.8, 0.3, 0.6, 0.2, 0.6, 0.4])
THRESHOLDS = np.array([0.1, 0.3, 0.5, 0.7, 0.9])


def random_cohort(seed, n=120):
    generator = np.random.default_rng(seed)
    risk = np.round(generator.beta(2, 2, n), 2)
    latent = generator.exponential(6 / -np.log1p(-np.clip(risk, 0.01, 0.99)))
    censored = generator.uniform(0, 20, n)
    outcome = Outcome(np.ceil(np.minimum(latent, censored)), latent <= censored)
    return outcome, risk


def test_by_hand():
    # At 0.5 A, C and E are treated: 1 - 2/3 = 1/3 by 3.5 among half of the patients.
    # True positives 1/6, false 1/3; at odds of 1 the net benefit is 1/6 - 1/3.
    shares = replicate_treated(COHORT, RISK, 3.5, [0.5])
    assert [values[0, 0] for values in shares] == pytest.approx([1 / 2, 1 / 6, 1 / 3])
    assert shares.net_benefit(np.array([0.5]))[0, 0] == pytest.approx(-1 / 6)
    # A prediction at the threshold itself is treated: B at 0.3.
    assert replicate_treated(COHORT, RISK, 3.5, [0.3]).treated[0, 0] == pytest.approx(5 / 6)


@pytest.mark.parametrize("seed", range(3))
def test_equals_kaplan_meier_among_the_treated(seed):
    outcome, risk = random_cohort(seed)
    shares = replicate_treated(outcome, risk, 6, THRESHOLDS)
    for i, threshold in enumerate(THRESHOLDS):
        treated = risk >= threshold
        observed = observed_probability(outcome.take(treated), 6).estimate
        assert shares.true_positive[0, i] == pytest.approx(treated.mean() * observed, nan_ok=True)


def test_treating_all_and_none():
    outcome, risk = random_cohort(4)
    table = decision_curve(outcome, {"model": risk}, 6, THRESHOLDS).set_index("strategy")
    event = 1 - survival_at(outcome, [6])["survival"].iloc[0]
    expected = event - (1 - event) * THRESHOLDS / (1 - THRESHOLDS)
    assert table.loc[TREAT_ALL, "estimate"].tolist() == pytest.approx(expected.tolist())
    assert (table.loc[TREAT_NONE, "estimate"] == 0).all()
    standardised = table.loc[TREAT_ALL, "standardised"]
    assert standardised.tolist() == pytest.approx((expected / event).tolist())
    # Below the lowest prediction, the model treats all.
    low = decision_curve(outcome, {"model": np.maximum(risk, 0.2)}, 6, [0.1])["estimate"]
    assert low[0] == pytest.approx(low[1])


def test_a_perfect_prediction_has_the_event_probability_as_its_benefit():
    outcome = Outcome([1, 2, 9, 9], [1, 1, 1, 1])
    table = decision_curve(outcome, {"perfect": np.array([1.0, 1, 0, 0])}, 5, [0.2, 0.8])
    assert table["estimate"][:2].tolist() == [0.5, 0.5]
    assert table["standardised"][:2].tolist() == [1, 1]


def test_a_replicate_is_the_cohort_of_the_drawn_patients():
    outcome, risk = random_cohort(5)
    counts = bootstrap_counts(len(risk), 4, seed=2)
    ours = replicate_treated(outcome, risk, 6, THRESHOLDS, counts)
    for i, count in enumerate(counts):
        drawn = np.repeat(np.arange(len(risk)), count)
        expected = replicate_treated(outcome.take(drawn), risk[drawn], 6, THRESHOLDS)
        for own, other in zip(ours, expected, strict=True):
            np.testing.assert_allclose(own[i], other[0])


def test_order_and_doubling_do_not_matter():
    outcome, risk = random_cohort(6)
    expected = replicate_treated(outcome, risk, 6, THRESHOLDS).net_benefit(THRESHOLDS)
    order = np.random.default_rng(0).permutation(len(risk))
    for rows in (order, np.repeat(order, 2)):
        ours = replicate_treated(outcome.take(rows), risk[rows], 6, THRESHOLDS)
        np.testing.assert_allclose(ours.net_benefit(THRESHOLDS), expected, atol=1e-12)


def test_treated_who_are_not_followed_are_missing_with_a_reason():
    # Of the treated only A (event at 1) and C (censored at 2) are known by then.
    risk = np.array([0.8, 0.3, 0.6, 0.2, 0.1, 0.4])
    table = decision_curve(COHORT, {"model": risk}, 3.5, [0.5], bootstrap_counts(6, 20, seed=1))
    assert np.isnan(table["estimate"][0])
    assert table["note"][0] == "the treated are not followed up to 3.5 months"
    beyond = decision_curve(COHORT, {"model": risk}, 7, [0.5])
    assert beyond["note"][0] == "7 months is beyond the follow-up of the outcome (5)"
    missing = decision_curve(COHORT, {"model": np.append(risk[:5], np.nan)}, 3, [0.5])
    assert missing["note"][0] == "prediction is missing for 1 of 6 patients"
    assert missing["estimate"].isna().tolist() == [True, False, False]


def test_nobody_treated_is_treating_none():
    assert decision_curve(COHORT, {"model": RISK}, 3.5, [0.9])["estimate"][0] == 0


def test_wrong_arguments_are_named():
    for thresholds in ([0.5, 0.2], [0.0, 0.5], [1.0], []):
        with pytest.raises(ValueError, match="thresholds must be"):
            decision_curve(COHORT, {"model": RISK}, 3, thresholds)
    with pytest.raises(ValueError, match="not scores"):
        decision_curve(COHORT, {"model": RISK * 9}, 3, [0.5])
