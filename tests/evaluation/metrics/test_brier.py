import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.metrics.brier import brier_losses, null_losses, replicate_scores, scaled_brier
from evaluation.metrics.over_time import mean_over_time
from evaluation.statistics.censoring import CensoringDistribution
from evaluation.statistics.kaplan_meier import survival_at
from features.outcome import Outcome

SHARED = Path(__file__).parents[3].parent / "shared"

#                      A  B  C  D  E  F
COHORT = Outcome(time=[1, 2, 2, 3, 4, 5], event=[1, 1, 0, 0, 1, 0])
SURVIVAL = np.array([[0.2], [0.5], [0.5], [0.5], [0.5], [0.9]])


def random_cohort(seed, n=50):
    generator = np.random.default_rng(seed)
    outcome = Outcome(generator.integers(0, 15, n), generator.random(n) < 0.6)
    rate = generator.uniform(0.02, 0.2, n)
    times = np.array([1.0, 4.0, 9.0])
    return outcome, np.exp(-rate[:, None] * times), times


def brier_score(outcome, survival, times):
    """Mean losses of a prediction and of the null model, and one against the other."""
    score = brier_losses(outcome, survival, times).mean(axis=0)
    null = null_losses(outcome, times).mean(axis=0)
    return pd.DataFrame({"brier": score, "brier_null": null, "ipa": scaled_brier(score, null)})


def test_losses_by_hand():
    # At 3.5 G is 1/2. A and B had the event with G(T-) = 1: 0.2^2 and 0.5^2. C and D are censored
    # before: 0. E and F are followed beyond: 2 x 0.5^2 and 2 x 0.1^2.
    expected = [0.04, 0.25, 0, 0, 0.5, 0.02]
    assert brier_losses(COHORT, SURVIVAL, [3.5])[:, 0] == pytest.approx(expected)


def test_score_by_hand():
    row = brier_score(COHORT, SURVIVAL, [3.5]).iloc[0]
    assert row["brier"] == pytest.approx(0.81 / 6)
    # Kaplan-Meier at 3.5: 5/6 x 4/5 = 2/3. A, B: 4/9 each; E, F: 2 x 1/9 each; 12/9 over 6.
    assert row["brier_null"] == pytest.approx(2 / 9)
    assert row["ipa"] == pytest.approx(1 - 0.135 * 9 / 2)


def test_weights_add_up_to_the_number_of_patients():
    # A survival of 1/2 has the loss weight / 4 for everyone.
    outcome, _, times = random_cohort(0)
    losses = brier_losses(outcome, np.full((len(outcome), len(times)), 0.5), times)
    assert 4 * losses.mean(axis=0) == pytest.approx(1)


def test_null_model_scores_survival_times_mortality():
    # Mean weighted loss of a calibrated constant p is p (1 - p).
    outcome, _, times = random_cohort(1)
    survival = survival_at(outcome, times)["survival"].to_numpy()
    assert null_losses(outcome, times).mean(axis=0) == pytest.approx(survival * (1 - survival))


def test_kaplan_meier_as_the_prediction_has_no_accuracy_over_it():
    outcome, _, times = random_cohort(2)
    survival = np.tile(survival_at(outcome, times)["survival"], (len(outcome), 1))
    assert brier_score(outcome, survival, times)["ipa"].to_numpy() == pytest.approx(0, abs=1e-12)


def test_perfect_prediction_scores_zero_without_censoring():
    outcome = Outcome([1, 2, 3], [1, 1, 1])
    times = np.array([1.5, 2.5])
    table = brier_score(outcome, (outcome.time[:, None] > times).astype(float), times)
    assert table["brier"].tolist() == [0, 0]
    assert table["ipa"].tolist() == [1, 1]


def test_unknown_survival_is_not_dropped():
    survival = np.tile(SURVIVAL, 2)
    survival[2, 1] = np.nan
    table = brier_score(COHORT, survival, [3, 3.5])
    assert table["brier"].isna().tolist() == [False, True]


def test_beyond_follow_up_nothing_is_scored():
    table = brier_score(COHORT, np.tile(SURVIVAL, 2), [3.5, 5.5])
    assert table[["brier", "brier_null", "ipa"]].isna().to_numpy().tolist() == [
        [False] * 3,
        [True] * 3,
    ]


def test_unknown_censoring_is_not_carried_on():
    short = CensoringDistribution(np.array([3.0]), np.array([0.5]))
    losses = brier_losses(COHORT, SURVIVAL, [3.5], short)[:, 0]
    assert np.isnan(losses).tolist() == [False, False, False, False, True, True]


def test_replicates_are_weighted_means_of_the_losses():
    losses = np.array([[0.1, 1.0], [0.3, 3.0], [0.5, 5.0]])
    counts = np.array([[1, 1, 1], [0, 3, 0], [2, 0, 1]], dtype=np.uint16)
    # Third replicate: (2 x 0.1 + 0.5) / 3.
    expected = [[0.3, 3], [0.3, 3], [0.7 / 3, 7 / 3]]
    np.testing.assert_allclose(replicate_scores(losses, counts), expected)


def test_order_of_patients_and_doubling_them_do_not_matter():
    outcome, survival, times = random_cohort(3)
    expected = brier_score(outcome, survival, times)["brier"].to_numpy()
    order = np.random.default_rng(0).permutation(len(outcome))
    for rows in (order, np.repeat(order, 2)):
        table = brier_score(outcome.take(rows), survival[rows], times)
        assert table["brier"].to_numpy() == pytest.approx(expected)


def test_integral_by_hand():
    # ((0.1 + 0.2) / 2 x 1 + (0.2 + 0.4) / 2 x 2) / 3 = 0.75 / 3
    assert mean_over_time(np.array([0.1, 0.2, 0.4]), [1, 2, 4]) == pytest.approx(0.25)
    both = mean_over_time(np.array([[0.1, 0.2, 0.4], [0.3, 0.3, 0.3]]), [1, 2, 4])
    assert both == pytest.approx([0.25, 0.3])


def test_integrating_patients_or_their_mean_is_the_same():
    outcome, survival, times = random_cohort(4)
    losses = brier_losses(outcome, survival, times)
    whole = mean_over_time(losses.mean(axis=0), times)
    assert mean_over_time(losses, times).mean() == pytest.approx(whole)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"times must be .* increasing list; got \[3.0, 2.0\]"):
        brier_losses(COHORT, np.tile(SURVIVAL, 2), [3, 2])
    with pytest.raises(ValueError, match="times must be"):
        mean_over_time(np.ones(2), [2, 2])
    with pytest.raises(ValueError, match="at least two"):
        mean_over_time(np.ones(1), [2])
    with pytest.raises(ValueError, match="survival has shape"):
        brier_losses(COHORT, SURVIVAL, [3, 4])
    with pytest.raises(ValueError, match="not risk scores"):
        brier_losses(COHORT, 3 * SURVIVAL, [3])


@pytest.fixture(scope="module")
def references():
    path = SHARED / "references" / "discrimination_brier.json"
    if not path.exists():
        pytest.skip("the R reference values are not part of the project")
    return {entry["id"]: entry["result"] for entry in json.loads(path.read_text())["refs"]}


COHORTS = [("leuksurv", "time", "event", 600, 0.55), ("bmt", "t2", "d3", 1600, 0.6)]


# R prints ten digits. All conventions agree: G(T-) for events, G(t) beyond t.
@pytest.mark.parametrize(("name", "time", "event", "scale", "shape"), COHORTS)
def test_equals_riskregression(references, name, time, event, scale, shape):
    table = pd.read_csv(SHARED / "data" / f"{name}.csv")
    outcome = Outcome(table[time], table[event] == 1)
    survival = 1 - table[["risk_6m", "risk_12m", "risk_24m"]].to_numpy()
    expected = references[f"score_{name}"]
    ours = brier_score(outcome, survival, expected["times"])
    for column, entry in (("brier", "Brier"), ("brier_null", "Brier_null"), ("ipa", "IPA")):
        np.testing.assert_allclose(ours[column], expected[entry], atol=1e-9, rtol=0)


@pytest.mark.parametrize(("name", "time", "event", "scale", "shape"), COHORTS)
def test_integral_equals_trapezoid_of_riskregression_scores(
    references, name, time, event, scale, shape
):
    table = pd.read_csv(SHARED / "data" / f"{name}.csv")
    outcome = Outcome(table[time], table[event] == 1)
    expected = references[f"ibs_{name}"]
    grid = np.array(expected["grid"])
    hazard = (grid / scale) ** shape * np.exp(table["lp_fixed"].to_numpy())[:, None]
    ours = brier_score(outcome, np.exp(-hazard), grid)
    np.testing.assert_allclose(ours["brier"], expected["brier"], atol=1e-9, rtol=0)
    integrals = mean_over_time(ours[["brier", "brier_null"]].to_numpy().T, grid)
    trapezoids = [expected["ibs_trapezoid"], expected["ibs_null_trapezoid"]]
    assert integrals == pytest.approx(trapezoids, abs=1e-9)
    # riskRegression's own IBS sums left steps from time 0, where it takes the score as 0.
    left = np.diff(grid, prepend=0) @ np.append(0, ours["brier"].iloc[:-1]) / grid[-1]
    assert left == pytest.approx(expected["score_ibs_last"], abs=1e-9)
