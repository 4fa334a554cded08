from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from evaluation.metrics.calibration.at_horizon import calibration_slope, observed_expected
from evaluation.metrics.discrimination import harrell_c
from evaluation.statistics.random_effects import pool_random_effects
from evaluation.validation.centers import CENTER_COLUMNS, POOLED, center_table
from features.dataset import Dataset
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

TIMES = np.array([6.0, 12.0])


@dataclass(frozen=True)
class Remembers:
    """Predicts from the covariate alone; remembers the patients it was fitted to."""

    n: int
    follow_up: float

    def predict(self, predictors, times):
        x = predictors["x"].to_numpy()
        survival = np.exp(-np.exp(x)[:, None] * np.asarray(times))
        return SurvivalPrediction(x + 1000 * self.n, survival, np.asarray(times))


def fit(dataset):
    return Remembers(len(dataset), dataset.outcome.follow_up)


def cohort(seed=0, sizes=(60, 80, 100, 70), follow_up=13.0):
    generator = np.random.default_rng(seed)
    n = sum(sizes)
    x = generator.normal(-2.5, 0.8, n)
    latent = generator.exponential(np.exp(-x))
    censored = generator.uniform(follow_up, 40, n)
    outcome = Outcome(np.minimum(latent, censored), latent <= censored)
    center = np.repeat([f"C{k}" for k in range(len(sizes))], sizes).astype(object)
    return Dataset(pd.DataFrame({"x": x}), None, center, outcome)


def table(data, **options):
    """Each center predicted by a model of the others, NaN where those had no event."""
    risk_score, survival = np.full(len(data), np.nan), np.full((len(data), len(TIMES)), np.nan)
    for name in np.unique(data.center):
        inside = data.center == name
        if data.outcome.event[~inside].any():
            predicted = fit(data.take(~inside)).predict(data.predictors[inside], TIMES)
            risk_score[inside], survival[inside] = predicted.risk_score, predicted.survival
    prediction = SurvivalPrediction(risk_score, survival, TIMES)
    return center_table(
        "cox", data.outcome, prediction, data.center, [6.0], seed=2, replicates=200, **options
    )


def test_rows_of_a_center_are_its_own_estimates():
    data = cohort()
    found = table(data)
    assert tuple(found.columns) == CENTER_COLUMNS
    members = data.center == "C1"
    inside = data.outcome.take(members)
    x = data.covariates["x"].to_numpy()[members]
    risk = 1 - np.exp(-6 * np.exp(x))
    rows = found[found["center"] == "C1"].set_index("metric")
    assert rows.loc["harrell_c", "estimate"] == pytest.approx(harrell_c(inside, x))
    expected = observed_expected(inside, risk, 6.0)
    row = rows.loc["calibration_oe"]
    assert (row["estimate"], row["ci_low"], row["ci_high"]) == pytest.approx(tuple(expected)[2:])
    assert row["standard_error"] == pytest.approx(np.log(expected.ci_high / expected.ratio) / 1.96)
    slope = calibration_slope(inside, risk)
    assert rows.loc["calibration_slope", "estimate"] == pytest.approx(slope.slope)
    assert rows.loc["calibration_slope", "n"] == 80


def test_the_pooled_row_is_pooled_on_its_scale_and_brought_back():
    found = table(cohort())
    for metric, there, back in (
        ("harrell_c", lambda c: np.log(c / (1 - c)), lambda y: 1 / (1 + np.exp(-y))),
        ("calibration_oe", np.log, np.exp),
        ("calibration_slope", lambda y: y, lambda y: y),
    ):
        rows = found[found["metric"] == metric]
        centers, all_of_them = (
            rows[rows["center"] != POOLED],
            rows[rows["center"] == POOLED].iloc[0],
        )
        pooled = pool_random_effects(there(centers["estimate"]), centers["standard_error"])
        assert all_of_them["estimate"] == pytest.approx(back(pooled.estimate))
        assert all_of_them["ci_low"] == pytest.approx(back(pooled.ci_low))
        assert all_of_them["prediction_high"] == pytest.approx(back(pooled.prediction_high))
        assert all_of_them["prediction_low"] < all_of_them["ci_low"] < all_of_them["estimate"]
        assert "4 centers: the variance between them is hardly known" in all_of_them["note"]
        assert "share training patients" in all_of_them["note"]


def test_the_true_risk_is_calibrated_in_the_mean_over_centers():
    found = table(cohort(1, sizes=(150,) * 6))
    pooled = found[found["center"] == POOLED].set_index("metric")
    for metric in ("calibration_oe", "calibration_slope"):
        assert pooled.loc[metric, "ci_low"] < 1 < pooled.loc[metric, "ci_high"]
    assert not pooled["note"].str.contains("hardly known").any()


def test_a_center_that_cannot_support_a_measure_stands_there_with_the_reason():
    data = cohort(sizes=(60, 80, 12))
    short = Outcome(np.where(data.center == "C1", np.minimum(data.outcome.time, 5),
                             data.outcome.time), data.outcome.event)  # fmt: skip
    data = Dataset(data.covariates, None, data.center, short)
    rows = table(data).set_index(["metric", "center"])
    assert rows["estimate"].isna().sum() >= 3
    assert "beyond the follow-up of this center" in rows.loc[("calibration_oe", "C1"), "note"]
    few = rows.loc[("calibration_oe", "C2")]
    assert np.isnan(few["estimate"])
    assert "a center needs at least 10" in few["note"]
    assert few["n"] == 12
    pooled = rows.loc[("calibration_oe", POOLED)]
    assert np.isnan(pooled["estimate"])
    assert "one center has" in pooled["note"]
    assert "2 of 3 centers not pooled" in pooled["note"]
    # With a lower bar the small center is shown.
    less = table(data, min_events=1).set_index(["metric", "center"])
    assert np.isfinite(less.loc[("calibration_oe", "C2"), "estimate"])


def test_a_perfect_order_has_no_logit_and_is_not_pooled():
    time = np.tile(np.arange(1.0, 21), 2)
    data = Dataset(
        pd.DataFrame({"x": -time / 10}), None, np.repeat(["A", "B"], 20), Outcome(time, time > 0)
    )
    rows = table(data).set_index(["metric", "center"])
    assert rows.loc[("harrell_c", "A"), "estimate"] == 1
    assert "not pooled" in rows.loc[("harrell_c", "A"), "note"]
    assert np.isnan(rows.loc[("harrell_c", POOLED), "estimate"])


def test_a_center_that_has_all_the_events_cannot_be_left_out():
    time = np.arange(1.0, 41)
    center = np.repeat(["A", "B"], 20)
    event = (center == "A") & (time > 0)
    data = Dataset(pd.DataFrame({"x": -time / 10}), None, center, Outcome(time, event))
    rows = table(data).set_index(["metric", "center"])
    assert "no event outside" in rows.loc[("harrell_c", "A"), "note"]
    assert "0 events" in rows.loc[("harrell_c", "B"), "note"]


def test_the_same_seed_and_another_order_of_patients_give_the_same_pooled_estimates():
    data = cohort()
    shuffled = data.take(np.random.default_rng(3).permutation(len(data)))
    one, again, other = table(data), table(data), table(shuffled)
    pd.testing.assert_frame_equal(one, again)
    columns = ["estimate", "n", "events"]
    centers = one["center"] != POOLED
    assert one.loc[centers, columns].to_numpy() == pytest.approx(
        other.loc[centers, columns].to_numpy()
    )


def test_bad_input_is_refused():
    data = cohort(sizes=(30,))
    prediction = fit(data).predict(data.predictors, TIMES)
    unknown = np.array(["A", None] * 15, dtype=object)
    with pytest.raises(ValueError, match="missing for 15 of 30"):
        center_table("cox", data.outcome, prediction, unknown, [6.0], seed=1)
    with pytest.raises(ValueError, match="one entry"):
        center_table("cox", data.outcome, prediction, ["A"], [6.0], seed=1)
