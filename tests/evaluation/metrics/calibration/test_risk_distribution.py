import numpy as np
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.metrics.calibration.risk_distribution import (
    CENSORED,
    EVENT,
    EVENT_FREE,
    discrimination_slope,
    risk_distribution,
    risk_summary,
)
from evaluation.statistics.kaplan_meier import survival_at
from features.outcome import Outcome

#                      A  B  C  D  E  F
COHORT = Outcome(time=[1, 2, 2, 3, 4, 5], event=[1, 1, 0, 0, 1, 0])
RISK = np.array([0.8, 0.3, 0.6, 0.2, 0.6, 0.4])


def random_cohort(seed, n=100):
    generator = np.random.default_rng(seed)
    outcome = Outcome(generator.integers(0, 15, n), generator.random(n) < 0.6)
    return outcome, generator.beta(2, 2, n)


def test_by_hand():
    # At 3.5: A and B with the event, weight 1 each; E and F beyond, 1 / G(3.5) = 2 each; C and D
    # censored. Shares 2/6 and 4/6, as Kaplan-Meier.
    table = risk_summary(COHORT, RISK, 3.5).set_index("group")
    assert table["n"].to_dict() == {EVENT: 2, EVENT_FREE: 2, CENSORED: 2}
    assert table["share"].tolist()[:2] == pytest.approx([1 / 3, 2 / 3])
    assert table["mean"].tolist() == pytest.approx([0.55, 0.5, 0.4])
    assert table.loc[EVENT, ["q25", "median", "q75"]].tolist() == [0.3, 0.3, 0.8]
    assert discrimination_slope(COHORT, RISK, 3.5)[0] == pytest.approx(0.05)


def test_histogram_by_hand():
    table = risk_distribution(COHORT, RISK, 3.5, bins=2).set_index("group")
    assert table.loc[EVENT, "share"].tolist() == [0.5, 0.5]
    assert table.loc[EVENT_FREE, "n"].tolist() == [1, 1]
    assert table.loc[CENSORED, "n"].tolist() == [1, 1]


def test_shares_are_kaplan_meier_and_each_histogram_is_whole():
    outcome, risk = random_cohort(0)
    share = risk_summary(outcome, risk, 6)["share"]
    survival = survival_at(outcome, [6])["survival"].iloc[0]
    assert share.tolist()[:2] == pytest.approx([1 - survival, survival])
    table = risk_distribution(outcome, risk, 6)
    assert table.groupby("group")["share"].sum().tolist() == pytest.approx([1, 1, 1])
    assert table["n"].sum() == len(outcome)


def test_order_and_doubling_do_not_matter():
    outcome, risk = random_cohort(1)
    expected = risk_summary(outcome, risk, 6).drop(columns=["n", "group", "note"]).to_numpy()
    order = np.random.default_rng(0).permutation(len(risk))
    for rows in (order, np.repeat(order, 2)):
        ours = risk_summary(outcome.take(rows), risk[rows], 6)
        ours = ours.drop(columns=["n", "group", "note"]).to_numpy()
        np.testing.assert_allclose(ours.astype(float), expected.astype(float))


def test_slope_of_a_constant_is_zero_and_of_a_perfect_prediction_one():
    outcome, _ = random_cohort(2)
    assert discrimination_slope(outcome, np.full(100, 0.3), 6)[0] == pytest.approx(0)
    known = Outcome([1, 2, 9, 9], [1, 1, 1, 1])
    assert discrimination_slope(known, np.array([1.0, 1, 0, 0]), 5)[0] == 1


def test_replicates_weigh_patients_by_their_counts():
    outcome, risk = random_cohort(3)
    counts = bootstrap_counts(100, 3, seed=0)
    ones = np.ones((1, 100))
    single = discrimination_slope(outcome, risk, 6)[0]
    assert discrimination_slope(outcome, risk, 6, 2 * ones)[0] == pytest.approx(single)
    event, free = outcome.event & (outcome.time <= 6), outcome.time > 6
    assert event.any()
    # Patients followed beyond share one weight, which cancels in their mean.
    ours = discrimination_slope(outcome, np.where(free, risk, 0.0), 6, counts)
    expected = [-np.average(risk[free], weights=count[free]) for count in counts]
    np.testing.assert_allclose(ours, expected)


def test_what_cannot_be_had_is_missing_with_a_reason():
    beyond = risk_summary(COHORT, RISK, 6)
    assert beyond["median"].isna().tolist() == [True, True, False]
    assert "unknown at 6 months" in beyond["note"][0]
    assert np.isnan(discrimination_slope(COHORT, RISK, 6)[0])
    early = risk_summary(COHORT, RISK, 0.5)
    assert early["note"].tolist() == ["no patient", "", "no patient"]
    assert np.isnan(discrimination_slope(COHORT, RISK, 0.5)[0])
    unknown = risk_summary(COHORT, np.append(RISK[:5], np.nan), 3.5)
    assert unknown["note"].str.startswith("prediction is missing for 1 of 6").all()
    assert np.isnan(unknown["mean"][1])
    assert risk_distribution(COHORT, np.append(RISK[:5], np.nan), 3.5)["share"].isna().any()


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="event_probability has shape"):
        risk_distribution(COHORT, RISK[:2], 3)
    with pytest.raises(ValueError, match="not scores"):
        risk_summary(COHORT, RISK * 9, 3)
