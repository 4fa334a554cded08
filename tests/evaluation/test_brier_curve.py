import numpy as np
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.brier import brier_losses, brier_score, null_losses
from evaluation.brier_curve import NULL_MODEL, brier_curve
from evaluation.censoring import fit_censoring
from evaluation.influence import brier_standard_errors
from features.outcome import Outcome

TIMES = np.array([1.0, 4.0, 9.0])


def cohort(seed, n=60):
    generator = np.random.default_rng(seed)
    outcome = Outcome(generator.integers(0, 15, n), generator.random(n) < 0.6)
    return outcome, np.exp(-generator.uniform(0.02, 0.2, n)[:, None] * TIMES)


def of(table, model):
    return table[table["model"] == model].reset_index(drop=True)


def test_holds_the_scores_of_the_model_and_of_kaplan_meier():
    outcome, survival = cohort(0)
    table = brier_curve(outcome, {"Cox": survival, "half": np.full(survival.shape, 0.5)}, TIMES)
    assert table["model"].unique().tolist() == ["Cox", "half", NULL_MODEL]
    expected = brier_score(outcome, survival, TIMES)
    for ours, theirs in (("estimate", "brier"), ("ipa", "ipa"), ("n_at_risk", "n_at_risk")):
        np.testing.assert_allclose(of(table, "Cox")[ours], expected[theirs])
    np.testing.assert_allclose(of(table, NULL_MODEL)["estimate"], expected["brier_null"])
    np.testing.assert_allclose(of(table, NULL_MODEL)["ipa"], 0, atol=1e-12)


def test_interval_is_that_of_the_weighted_losses():
    outcome, survival = cohort(1)
    counts = bootstrap_counts(len(outcome), 100, seed=2)
    table = brier_curve(outcome, {"Cox": survival}, TIMES, counts)
    for model, losses in (
        ("Cox", brier_losses(outcome, survival, TIMES)),
        (NULL_MODEL, null_losses(outcome, TIMES)),
    ):
        limits = np.quantile(counts @ losses / len(outcome), [0.025, 0.975], axis=0)
        np.testing.assert_allclose(of(table, model)[["ci_low", "ci_high"]].to_numpy().T, limits)


def test_without_replicates_the_interval_counts_the_estimated_weights():
    outcome, survival = cohort(2)
    table = brier_curve(outcome, {"Cox": survival}, TIMES)
    width = of(table, "Cox")["ci_high"] - of(table, "Cox")["estimate"]
    errors = brier_standard_errors(outcome, survival, TIMES)
    np.testing.assert_allclose(width, 1.959964 * errors, rtol=1e-6)
    assert of(table, NULL_MODEL)["ci_low"].isna().all()
    # Nothing is known of the error of weights that were given.
    given = brier_curve(outcome, {"Cox": survival}, TIMES, censoring=fit_censoring(outcome))
    assert given["ci_low"].isna().all()


def test_what_cannot_be_had_is_missing_with_a_reason():
    outcome = Outcome([1, 2, 3, 6, 6], [1, 0, 1, 0, 0])
    survival = np.full((5, 4), 0.5)
    survival[1, 0] = np.nan
    table = of(brier_curve(outcome, {"Cox": survival}, [2, 4, 6, 7]), "Cox")
    assert table["estimate"].isna().tolist() == [True, False, True, True]
    assert table["note"].tolist() == [
        "prediction is missing for 1 of 5 patients",
        "",
        "censoring weights are unknown",
        "7 months is beyond the follow-up of the outcome (6)",
    ]


def test_unsorted_times_are_refused():
    outcome, survival = cohort(3)
    with pytest.raises(ValueError, match="increasing"):
        brier_curve(outcome, {"Cox": survival}, TIMES[::-1])
