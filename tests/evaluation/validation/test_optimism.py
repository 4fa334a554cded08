from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from evaluation.bootstrap import bootstrap_counts
from evaluation.metrics.catalogue import BRIER, HARRELL_C, IBS, OBSERVED_EXPECTED, SLOPE
from evaluation.metrics.discrimination import harrell_c
from evaluation.validation.optimism import (
    ESTIMATORS,
    OPTIMISM_COLUMNS,
    optimism_table,
    six_three_two_plus,
)
from evaluation.validation.refits import Refits
from features.dataset import Dataset
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

TIMES = np.array([1.0, 3.0, 6.0, 9.0])
METRICS = [HARRELL_C, BRIER.at(6.0), IBS.at(9.0), SLOPE.at(6.0)]


@dataclass(frozen=True)
class Cox:
    estimator: CoxPHSurvivalAnalysis
    follow_up: float

    def predict(self, predictors, times):
        X = predictors.to_numpy()
        curves = self.estimator.predict_survival_function(X, return_array=True)
        column = np.searchsorted(self.estimator.unique_times_, times, side="right") - 1
        survival = np.where(column < 0, 1.0, curves[:, np.maximum(column, 0)])
        return SurvivalPrediction(self.estimator.predict(X), survival, np.asarray(times))


def fit(dataset):
    y = Surv.from_arrays(dataset.outcome.event, dataset.outcome.time)
    estimator = CoxPHSurvivalAnalysis(alpha=0.1, ties="efron")
    return Cox(estimator.fit(dataset.predictors.to_numpy(), y), dataset.outcome.follow_up)


def cohort(seed, n, effects):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, len(effects)))
    hazard = np.exp(-2.0 + X @ np.asarray(effects))
    latent = generator.exponential(1 / hazard)
    censored = generator.uniform(9.5, 40, n)
    columns = [f"x{k}" for k in range(len(effects))]
    outcome = Outcome(np.minimum(latent, censored), latent <= censored)
    return Dataset(pd.DataFrame(X, columns=columns), None, None, outcome)


def bootstrap_refits(data, replicates):
    """The Cox model of a cohort and of bootstrap samples of it."""
    counts = bootstrap_counts(len(data), replicates, 7)
    samples = (data.take(np.repeat(np.arange(len(data)), count)) for count in counts)
    original, *refitted = (fit(s).predict(data.predictors, TIMES) for s in (data, *samples))
    return Refits(data.outcome, original, tuple(refitted), counts)


NOISE = bootstrap_refits(cohort(1, 60, [0.0] * 10), 60)
SIGNAL = bootstrap_refits(cohort(2, 400, [0.8, 0.5]), 40)


def estimates(refits, metrics=METRICS):
    table = optimism_table("cox", refits, metrics)
    return {m: g.set_index("estimator")["estimate"] for m, g in table.groupby("metric")}


def test_ten_noise_covariates_look_good_and_are_corrected():
    c = estimates(NOISE)["harrell_c"]
    assert c["apparent"] > 0.6
    assert c["optimism"] > 0.05
    assert c["apparent"] - c["optimism"] == pytest.approx(c["corrected"])
    # Without information, all three estimates come back to about one half.
    assert abs(c[["corrected", ".632+", "out_of_bag"]] - 0.5).max() < 0.1
    assert c[".632+"] < c[".632"] < c["apparent"]


def test_errors_are_corrected_upwards_and_slopes_downwards():
    noise = estimates(NOISE)
    for loss in ("brier", "ibs"):
        assert noise[loss]["corrected"] > noise[loss]["apparent"]
        assert noise[loss][".632+"] >= noise[loss][".632"] > noise[loss]["apparent"]
    assert noise["calibration_slope"]["corrected"] < 0.8
    assert noise["calibration_slope"]["no_information"] == 0


def test_a_strong_signal_in_many_patients_has_little_optimism():
    c = estimates(SIGNAL)["harrell_c"]
    assert abs(c["optimism"]) < 0.01
    assert c["corrected"] == pytest.approx(c[".632"], abs=0.02)
    assert c[".632"] == pytest.approx(c[".632+"], abs=0.005)


def test_the_parts_by_definition():
    c = estimates(SIGNAL)["harrell_c"]
    outcome = SIGNAL.outcome
    gains, outside = [], []
    for counts, p in zip(SIGNAL.counts, SIGNAL.refitted, strict=True):
        rows = np.repeat(np.arange(len(outcome)), counts)
        own = harrell_c(outcome.take(rows), p.risk_score[rows])
        gains.append(own - harrell_c(outcome, p.risk_score))
        outside.append(harrell_c(outcome.take(counts == 0), p.risk_score[counts == 0]))
    assert c["optimism"] == pytest.approx(np.mean(gains))
    assert c["out_of_bag"] == pytest.approx(np.mean(outside))
    assert c[".632"] == pytest.approx(0.368 * c["apparent"] + 0.632 * np.mean(outside))


def test_the_interval_is_shifted_by_the_bias_that_was_taken_off():
    table = optimism_table("cox", SIGNAL, [HARRELL_C]).set_index("estimator")
    assert tuple(table.reset_index().columns[:3]) == ("estimator", "learner", "metric")
    shifted, other = table.loc["corrected"], table.loc[".632"]
    assert shifted["ci_low"] < shifted["estimate"] < shifted["ci_high"]
    assert shifted["ci_high"] - shifted["ci_low"] == pytest.approx(
        other["ci_high"] - other["ci_low"]
    )
    difference = shifted["estimate"] - other["estimate"]
    assert shifted["ci_low"] - other["ci_low"] == pytest.approx(difference)
    assert "location-shifted" in shifted["ci_method"]
    assert "covers some 90%, not 95%" in shifted["note"]
    # The refits' apparent values, their mean moved to the estimate.
    outcome = SIGNAL.outcome
    own = [
        harrell_c(outcome, p.risk_score, counts=counts)
        for counts, p in zip(SIGNAL.counts, SIGNAL.refitted, strict=True)
    ]
    limits = np.quantile(own, [0.025, 0.975]) + shifted["estimate"] - np.mean(own)
    assert (shifted["ci_low"], shifted["ci_high"]) == pytest.approx(tuple(limits))
    assert np.isnan(table.loc["apparent", "ci_low"])


def test_limits_stay_where_the_metric_can_be():
    strong = bootstrap_refits(cohort(3, 40, [3.0, 2.0]), 40)
    table = optimism_table("cox", strong, METRICS[:3]).set_index(["metric", "estimator"])
    assert table.loc[("harrell_c", "corrected"), "ci_high"] <= 1
    assert (table.loc["brier", "ci_low"].dropna() >= 0).all()


def test_calibration_has_no_interval_rather_than_one_that_is_far_too_narrow():
    table = optimism_table("cox", NOISE, [SLOPE.at(6.0)]).set_index("estimator")
    assert table["ci_low"].isna().all()
    assert "no interval" in table.loc["corrected", "note"]


def test_six_three_two_plus_by_hand():
    # Errors: apparent .1, out of bag .3, no information .5. R = .2/.4 = .5,
    # w = .632 / (1 - .368 x .5) = .774510; .1 + .2 w = .254902.
    value, rate = six_three_two_plus(0.1, 0.3, 0.5, higher_is_better=False)
    assert rate == pytest.approx(0.5)
    assert value == pytest.approx(0.254902, abs=1e-6)
    # The same as a score: 1 - each.
    score, rate = six_three_two_plus(0.9, 0.7, 0.5, higher_is_better=True)
    assert rate == pytest.approx(0.5)
    assert score == pytest.approx(1 - 0.254902, abs=1e-6)
    # No overfitting: the .632 estimate.
    assert six_three_two_plus(0.3, 0.2, 0.5, higher_is_better=False) == (
        pytest.approx(0.368 * 0.3 + 0.632 * 0.2), 0.0)  # fmt: skip
    # Complete overfitting: out of bag as good as no information.
    assert six_three_two_plus(0.0, 0.5, 0.5, higher_is_better=False) == (pytest.approx(0.5), 1.0)
    # A model that is worse than no information on its own patients is not called overfitted.
    assert six_three_two_plus(0.6, 0.55, 0.5, higher_is_better=False)[1] == 0


def test_a_metric_without_a_known_value_of_no_information():
    table = optimism_table("cox", SIGNAL, [OBSERVED_EXPECTED.at(6.0)]).set_index("estimator")
    assert list(table.index) == list(ESTIMATORS)
    assert np.isfinite(table.loc["corrected", "estimate"])
    for name in ("no_information", ".632+"):
        assert np.isnan(table.loc[name, "estimate"])
        assert "no known value" in table.loc[name, "note"]


def test_what_the_cohort_or_the_refits_cannot_support_is_missing_with_the_reason():
    table = optimism_table("cox", SIGNAL, [OBSERVED_EXPECTED.at(600.0)])
    assert table["estimate"].isna().all()
    assert table["note"].str.contains("beyond the follow-up").all()
    assert tuple(table.columns) == OPTIMISM_COLUMNS
    some = (None, *SIGNAL.refitted[1:])
    table = optimism_table("cox", Refits(SIGNAL.outcome, SIGNAL.original, some, SIGNAL.counts),
                           [BRIER.at(6.0)]).set_index("estimator")  # fmt: skip
    assert "1 of them without an event" in table.loc["optimism", "note"]
    none = (None,) * 40
    refits = Refits(SIGNAL.outcome, SIGNAL.original, none, SIGNAL.counts)
    table = optimism_table("cox", refits, [BRIER.at(6.0)]).set_index("estimator")
    assert np.isfinite(table.loc["apparent", "estimate"])
    assert (
        table.loc[["optimism", "corrected", "out_of_bag", ".632", ".632+"], "estimate"].isna().all()
    )
    assert "100% of the refits" in table.loc["corrected", "note"]
