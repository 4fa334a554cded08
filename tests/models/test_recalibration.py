from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from evaluation.metrics.calibration.at_horizon import calibration_slope, observed_expected
from evaluation.metrics.observed import observed_probability
from features.dataset import Dataset
from features.errors import InputError
from features.outcome import Outcome
from models.artifact.folder import packed, unpacked
from models.fit import fit_model
from models.prediction import SurvivalPrediction
from models.recalibration import (
    MIN_EVENTS,
    RecalibratedModel,
    recalibrate,
)

HORIZONS = [3.0, 6.0, 12.0]


@dataclass(frozen=True)
class Distorted:
    """The true Weibull survival of `cohort`, its log hazard shifted and stretched."""

    shift: float = 0.0
    stretch: float = 1.0
    shape: float = 1.0
    follow_up: float = 24.0

    def predict(self, predictors, times):
        x = predictors["x"].to_numpy()
        log_hazard = self.shift + self.stretch * (x - 2.5)
        times = np.asarray(times, dtype=float)
        survival = np.exp(-np.exp(log_hazard)[:, None] * times**self.shape)
        survival[:, times > self.follow_up] = np.nan
        return SurvivalPrediction(log_hazard, survival, times)


def cohort(seed=0, n=400):
    generator = np.random.default_rng(seed)
    x = generator.normal(0, 0.7, n)
    latent = generator.exponential(np.exp(2.5 - x))
    censored = generator.uniform(13, 40, n)
    outcome = Outcome(np.minimum(latent, censored), latent <= censored)
    return Dataset(pd.DataFrame({"x": x}), None, None, outcome)


DATA = cohort()


def risk(model, horizon, data=DATA):
    return 1 - model.predict(data.predictors, [horizon]).survival[:, 0]


def ratio(model, horizon, data=DATA):
    return observed_expected(data.outcome, risk(model, horizon, data), horizon).ratio


@pytest.mark.parametrize("shift", [-1.0, 0.8])
def test_in_the_large_restores_the_mean_risk(shift):
    model = Distorted(shift=shift)
    assert abs(ratio(model, 6.0) - 1) > 0.25
    found = recalibrate(model, DATA, [6.0], "in_the_large")
    assert ratio(found.model, 6.0) == pytest.approx(1, abs=1e-9)
    # A shift of the log hazard is undone by its inverse, up to the error of 400 patients.
    assert found.model.multipliers[0] == pytest.approx(np.exp(-shift), rel=0.15)
    assert found.model.slope == 1
    row = found.table.iloc[0]
    assert row["expected_after"] == pytest.approx(row["observed"])
    assert row["expected_before"] == pytest.approx(risk(model, 6.0).mean())


@pytest.mark.parametrize("stretch", [0.5, 2.5])
def test_slope_restores_the_slope_and_the_mean_risk(stretch):
    model = Distorted(shift=0.4, stretch=stretch)
    assert abs(calibration_slope(DATA.outcome, risk(model, 6.0)).slope - 1) > 0.3
    found = recalibrate(model, DATA, [6.0], "slope")
    assert calibration_slope(DATA.outcome, risk(found.model, 6.0)).slope == pytest.approx(
        1, abs=1e-6
    )
    assert ratio(found.model, 6.0) == pytest.approx(1, abs=1e-9)
    assert found.model.slope == pytest.approx(1 / stretch, rel=0.15)


def test_per_horizon_is_right_at_every_horizon():
    model = Distorted(shift=-1.5, shape=1.8)
    before = [ratio(model, h) for h in HORIZONS]
    found = recalibrate(model, DATA, HORIZONS, "per_horizon")
    assert np.ptp(before) > 0.3
    for horizon in HORIZONS:
        assert ratio(found.model, horizon) == pytest.approx(1, abs=1e-9)
    assert found.table["events"].sum() == (DATA.outcome.event & (DATA.outcome.time <= 12)).sum()
    # One multiplier alone cannot do it.
    alone = recalibrate(model, DATA, [6.0], "in_the_large").model
    assert abs(ratio(alone, 3.0) - 1) > 0.05


@pytest.mark.parametrize("kind", ["in_the_large", "slope", "per_horizon"])
def test_a_calibrated_model_is_changed_by_no_more_than_error(kind):
    horizons = HORIZONS if kind == "per_horizon" else [6.0]
    found = recalibrate(Distorted(), cohort(1, 5000), horizons, kind)
    assert found.model.slope == pytest.approx(1, abs=0.08)
    assert found.model.multipliers == pytest.approx([1] * len(horizons), abs=0.15)
    assert np.abs(risk(found.model, 6.0) - risk(Distorted(), 6.0)).max() < 0.03


def test_recalibrating_a_second_time_changes_nothing():
    once = recalibrate(Distorted(shift=1.0, stretch=2.0), DATA, [6.0], "slope").model
    twice = recalibrate(once, DATA, [6.0], "slope").model
    assert twice.slope == pytest.approx(1, abs=1e-6)
    assert twice.multipliers == pytest.approx([1.0], abs=1e-6)
    assert risk(twice, 12.0) == pytest.approx(risk(once, 12.0), abs=1e-6)


@pytest.mark.parametrize("kind", ["in_the_large", "slope"])
def test_the_order_of_patients_does_not_change(kind):
    model = Distorted(shift=0.7, stretch=1.8)
    found = recalibrate(model, DATA, [6.0], kind).model
    for horizon in (1.0, 6.0, 20.0):
        ordered = risk(found, horizon)[np.argsort(risk(model, horizon))]
        assert (np.diff(ordered) >= 0).all()
        # Strictly so, wherever a probability can still be told from 1.
        assert (np.diff(ordered[ordered < 0.999]) > 0).all()
    prediction = found.predict(DATA.predictors, [6.0])
    assert (prediction.risk_score == model.predict(DATA.predictors, [6.0]).risk_score).all()


@pytest.mark.parametrize("kind", ["in_the_large", "slope", "per_horizon"])
@pytest.mark.parametrize("distortion", [Distorted(shift=2.0, stretch=3.0), Distorted(shape=0.3)])
def test_survival_stays_a_survival(kind, distortion):
    horizons = HORIZONS if kind == "per_horizon" else [6.0]
    found = recalibrate(distortion, DATA, horizons, kind).model
    times = np.linspace(0, 24, 97)
    survival = found.predict(DATA.predictors, times).survival
    assert ((survival >= 0) & (survival <= 1)).all()
    assert (np.diff(survival, axis=1) <= 1e-15).all()
    assert (survival[:, 0] == 1).all()


def test_a_prediction_does_not_depend_on_the_other_times_asked_for():
    found = recalibrate(Distorted(shape=1.3), DATA, HORIZONS, "per_horizon").model
    many = found.predict(DATA.predictors, [1.0, 3.0, 4.5, 6.0, 18.0])
    for column, time in enumerate(many.times):
        alone = found.predict(DATA.predictors, [time]).survival[:, 0]
        assert (alone == many.survival[:, column]).all()


def test_nothing_is_predicted_beyond_the_model_inside():
    found = recalibrate(Distorted(follow_up=15.0), DATA, [6.0], "in_the_large").model
    assert found.follow_up == 15
    assert np.isnan(found.predict(DATA.predictors, [16.0]).survival).all()


def test_certain_predictions_stay_finite():
    @dataclass(frozen=True)
    class Certain:
        follow_up: float = 24.0

        def predict(self, predictors, times):
            survival = np.repeat(np.linspace(0, 1, len(predictors))[:, None], len(times), axis=1)
            return SurvivalPrediction(1 - survival[:, 0], survival, np.asarray(times))

    found = recalibrate(Certain(), DATA, [6.0], "in_the_large").model
    survival = found.predict(DATA.predictors, [6.0]).survival
    assert np.isfinite(survival).all()
    assert survival[-1] == 1


def test_parameters_have_their_intervals():
    found = recalibrate(Distorted(shift=0.5), DATA, [6.0], "slope").table.iloc[0]
    assert found["slope_low"] < 1 < found["slope_high"]
    wald = calibration_slope(DATA.outcome, risk(Distorted(shift=0.5), 6.0))
    # Without ties Breslow's information is Efron's.
    assert (found["slope_low"], found["slope_high"]) == pytest.approx(
        (wald.ci_low, wald.ci_high), abs=1e-4
    )
    observed = observed_probability(DATA.outcome, 6.0)
    limits = observed.ci_low, observed.ci_high
    assert (found["observed_low"], found["observed_high"]) == pytest.approx(limits)
    large = recalibrate(Distorted(shift=0.5), DATA, [6.0], "in_the_large").table.iloc[0]
    assert large["multiplier_low"] < np.exp(-0.5) < large["multiplier_high"]
    assert np.isnan(large["slope_low"])
    # The multiplier of a limit makes the mean prediction that limit.
    hazard = -np.log(1 - risk(Distorted(shift=0.5), 6.0))
    upper = np.mean(1 - np.exp(-large["multiplier_high"] * hazard))
    assert upper == pytest.approx(large["observed_high"])
    table = recalibrate(Distorted(), DATA, HORIZONS, "per_horizon").table
    assert (table["multiplier_low"] < table["multiplier"]).all()
    assert (table["multiplier"] < table["multiplier_high"]).all()


def test_duplicating_every_patient_changes_no_parameter():
    twice = DATA.take(np.tile(np.arange(len(DATA)), 2))
    for kind, horizons in (("in_the_large", [6.0]), ("per_horizon", HORIZONS)):
        one, other = (recalibrate(Distorted(1.0), d, horizons, kind).model for d in (DATA, twice))
        assert one.multipliers == pytest.approx(other.multipliers, abs=1e-9)


def test_permuting_the_patients_changes_nothing():
    shuffled = DATA.take(np.random.default_rng(1).permutation(len(DATA)))
    one, other = (
        recalibrate(Distorted(shift=1.0), data, [6.0], "slope").model for data in (DATA, shuffled)
    )
    assert one.slope == pytest.approx(other.slope, abs=1e-9)
    assert one.multipliers == pytest.approx(other.multipliers, abs=1e-9)


def test_it_is_stored_and_loaded_as_plain_values():
    fitted = fit_model("cox", {}, DATA, 0)
    found = recalibrate(fitted, cohort(2), HORIZONS, "per_horizon").model
    loaded = unpacked(packed(found), "cox")
    times = [2.0, 6.0, 12.0]
    before, after = (m.predict(DATA.predictors, times).survival for m in (found, loaded))
    assert (before == after).all()
    assert isinstance(loaded, RecalibratedModel)
    assert loaded.horizons == found.horizons


def test_the_statement_says_how_many_events_and_what_they_tell():
    found = recalibrate(Distorted(), DATA.take(np.arange(120)), [6.0], "in_the_large")
    events = int(found.table["events"].sum())
    assert f"120 patients, {events} events" in found.statement
    assert f"at least {MIN_EVENTS['in_the_large']}" in found.statement
    assert f"a factor of about {np.exp(1.96 / np.sqrt(events)):.2f}" in found.statement
    assert "fewer than the 100 that are advised" in found.statement
    assert "advised" not in recalibrate(Distorted(), DATA, [12.0], "in_the_large").statement
    competing = np.zeros(len(DATA), dtype=bool)
    competing[np.flatnonzero(~DATA.outcome.event)[0]] = True
    outcome = Outcome(DATA.outcome.time, DATA.outcome.event, competing=competing)
    with_competing = Dataset(DATA.covariates, None, None, outcome)
    found = recalibrate(Distorted(), with_competing, [12.0], "in_the_large")
    assert "competing events were taken for censorings" in found.statement


def few():
    return DATA.take(np.arange(60))


@pytest.mark.parametrize(
    ("model", "data", "horizons", "kind", "message"),
    [
        (Distorted(), few(), [6.0], "slope", "Too few events"),
        (Distorted(), few(), [1.0, 2.0, 6.0], "per_horizon", "Too few events"),
        (Distorted(follow_up=5.0), DATA, [6.0], "in_the_large", "follow-up of the model"),
        (Distorted(follow_up=99.0), DATA, [60.0], "in_the_large", "follow-up of this cohort"),
        (Distorted(stretch=-1.0), DATA, [6.0], "slope", "do not go with more events"),
        (Distorted(stretch=0.0), DATA, [6.0], "slope", "the same prediction"),
    ],
)
def test_what_a_cohort_cannot_support_is_refused(model, data, horizons, kind, message):
    with pytest.raises(InputError, match=message):
        recalibrate(model, data, horizons, kind)


def test_fewer_events_can_be_accepted_knowingly():
    found = recalibrate(Distorted(), few(), [6.0], "slope", min_events=5)
    assert "at least 5 were needed" in found.statement


def test_everybody_dead_or_a_model_without_risk_is_refused():
    everybody = Dataset(DATA.covariates, None, None, Outcome(DATA.outcome.time / 10, np.ones(400)))
    last = float(everybody.outcome.follow_up)
    with pytest.raises(InputError, match="no finite risk"):
        recalibrate(Distorted(), everybody, [last], "in_the_large")

    @dataclass(frozen=True)
    class NoRisk:
        follow_up: float = 24.0

        def predict(self, predictors, times):
            return SurvivalPrediction(
                np.zeros(len(predictors)), np.ones((len(predictors), len(times))), np.asarray(times)
            )

    with pytest.raises(InputError, match="No multiplier"):
        recalibrate(NoRisk(), DATA, [6.0], "in_the_large")


@pytest.mark.parametrize(
    ("horizons", "kind", "message"),
    [
        ([6.0], "both", "kind is"),
        ([6.0, 3.0], "per_horizon", "increasing"),
        ([3.0, 6.0], "slope", "takes one horizon"),
        ([], "slope", "increasing"),
    ],
)
def test_a_programmers_mistake_is_named(horizons, kind, message):
    with pytest.raises(ValueError, match=message):
        recalibrate(Distorted(), DATA, horizons, kind)


@pytest.mark.parametrize(
    ("slope", "horizons", "multipliers", "message"),
    [
        (0.0, (6.0,), (1.0,), "slope is"),
        (1.0, (6.0, 3.0), (1.0, 1.0), "increasing"),
        (1.0, (6.0,), (-1.0,), "at least 0"),
        (1.0, (6.0,), (1.0, 1.0), "one multiplier each"),
    ],
)
def test_a_model_that_would_not_be_a_survival_cannot_be_made(slope, horizons, multipliers, message):
    with pytest.raises(ValueError, match=message):
        RecalibratedModel(Distorted(), "slope", slope, horizons, multipliers)
