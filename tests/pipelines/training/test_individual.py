"""What a training stores beside its model: summaries in which no patient is seen."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from evaluation.results import metric_table
from evaluation.validation import Refits
from features.columns import plain_columns
from features.outcome import Outcome
from models.fit import fit_model
from pipelines.training import individual
from pipelines.training.individual import beside, event_in_words, support_of

HORIZONS = (6.0, 12.0)


@pytest.fixture(scope="module")
def plan(dataset, dictionary):
    """As much of a training's plan as is asked."""
    return SimpleNamespace(
        horizons=HORIZONS,
        endpoint="OS",
        cohort=SimpleNamespace(dictionary=dictionary),
        view=lambda learner: dataset,
        arms_of=lambda learner: ("LDAC", "HMA"),
    )


def metrics(low=-0.1):
    rows = [
        {"learner": "cox", "metric": "ipa", "horizon": h, "estimate": 0.1, "ci_low": low,
         "ci_high": 0.2, "n": 83, "events": 60}
        for h in HORIZONS
    ]  # fmt: skip
    return metric_table(rows)


@pytest.fixture(scope="module")
def support(plan, models):
    return support_of(plan, models["cox"], metrics())


def test_the_average_is_that_of_the_predictions(support, models, dataset):
    expected = models["cox"].predict(dataset.predictors, [12.0]).survival.mean()
    assert support.average_at([12.0])[0] == pytest.approx(expected, abs=1e-4)
    assert support.average_at([0.0])[0] == 1.0
    assert np.isnan(support.average_at([dataset.outcome.follow_up + 1])).all()


def test_ten_patients_are_at_risk_until_then(support, dataset):
    assert (dataset.outcome.time >= support.until).sum() >= 10
    assert (dataset.outcome.time >= support.until + 0.1).sum() < 10


def test_events_are_counted_by_feature(support, dataset):
    # Age, hemoglobin, TP53, white cells, the regimen; two diseases, and the rare one.
    assert support.events_per_feature == pytest.approx(dataset.outcome.n_events / 8, abs=0.01)


def test_risks_are_ranked_at_the_last_horizon(support, models, dataset):
    assert support.risks.month == 12.0
    risks = 1 - models["cox"].predict(dataset.predictors, [12.0]).survival[:, 0]
    patient = risks[7]
    below = 100 * np.mean(risks < patient)
    assert support.risks.percentile(patient) == pytest.approx(below, abs=8)


def test_who_received_the_arm_is_as_in_the_cohort(support, dataset):
    [overlap] = support.overlaps
    assert (overlap.arm, overlap.reference_arm) == ("HMA", "LDAC")
    covariates = plain_columns(dataset.covariates)
    propensity = overlap.propensity(support.terms.of_patients(covariates))
    assert overlap.share == pytest.approx(np.mean(dataset.regimen == "HMA"))
    # A logistic regression with a free intercept: its mean is the share.
    assert propensity.mean() == pytest.approx(overlap.share, abs=1e-3)


def test_whether_it_is_better_than_kaplan_meier_is_read_at_the_last_horizon(plan, models, support):
    assert (support.better.month, support.better.shown) == (12.0, False)
    assert support_of(plan, models["cox"], metrics(0.01)).better.shown
    assert support_of(plan, models["cox"], metrics().iloc[:0]).better is None


@pytest.mark.parametrize(
    ("learner", "age", "disease"),
    [("cox", True, True), ("forest", False, True), ("xgboost_cox", False, False),
     ("stack", False, False)],
)  # fmt: skip
def test_what_is_filled_in_is_what_the_learner_fills_in(plan, models, learner, age, disease):
    fills = support_of(plan, models[learner], metrics()).fills
    assert (fills["hb_g_per_l"] is not None, fills["disease"] is not None) == (age, disease)


def test_no_patient_is_seen(support, dataset):
    """Neither a list as long as the cohort, nor the lowest or highest value of a covariate."""
    lengths = [len(value) for value in vars(support).values() if hasattr(value, "__len__")]
    assert len(dataset) not in lengths
    age = dataset.covariates["age_years"]
    numbers = pd.Series(np.r_[support.terms.mean, support.terms.scale])
    assert not numbers.isin([age.min(), age.max()]).any()
    assert len(support.risks.values) <= len(dataset) / 5


# -- the event in words ---------------------------------------------------------------------------


def outcome(*reasons):
    n = len(reasons)
    return Outcome(np.arange(1.0, n + 1), np.ones(n), np.array(reasons, dtype=object))


@pytest.mark.parametrize(
    ("endpoint", "reasons", "words"),
    [
        ("OS", ("os_event = 1",), "death"),
        ("Survival", ("os_event = 1",), "Survival event"),
        ("OS to 2024", ("death", "death"), "death"),
        ("RFS", ("relapse", "death", "relapse"), "relapse or death"),
        ("EFS", ("relapse", "progression", "progression", "death", "relapse", "relapse"),
         "relapse, progression or death"),
        ("Any", tuple("abcd"), "Any event"),
    ],
)  # fmt: skip
def test_the_event_is_named(endpoint, reasons, words):
    assert event_in_words(endpoint, outcome(*reasons)) == words


def test_without_reasons_the_label_names_it():
    assert event_in_words("OS", Outcome([1.0], [1])) == "death"


# -- refits ---------------------------------------------------------------------------------------


def refits(model, dataset, count):
    prediction = model.predict(dataset.predictors, HORIZONS)
    counts = np.ones((count, len(dataset)))
    return Refits(dataset.outcome, prediction, (prediction,) * count, counts, (model,) * count)


def test_as_many_refits_are_stored_as_there_is_room_for(plan, models, dataset, monkeypatch):
    model = models["cox"]
    made = refits(model, dataset, 30)
    assert len(beside(plan, model, metrics(), made).refits) == 30
    size = len(individual.packed(model))
    monkeypatch.setattr(individual, "MOST_BYTES", 25 * size)
    assert len(beside(plan, model, metrics(), made).refits) == 25
    # Too few for limits are none.
    monkeypatch.setattr(individual, "MOST_BYTES", 15 * size)
    assert beside(plan, model, metrics(), made).refits == ()


@pytest.mark.parametrize("count", [0, 19])
def test_fewer_than_limits_need_are_not_stored(plan, models, dataset, count):
    made = refits(models["cox"], dataset, count)
    assert beside(plan, models["cox"], metrics(), made).refits == ()
    assert beside(plan, models["cox"], metrics(), None).refits == ()


@pytest.mark.parametrize("learner", ["cox", "xgboost_cox"])
def test_a_recalibration_moves_every_refit_and_leaves_the_risks_out(
    plan, models, dataset, support, learner
):
    from models.recalibration import RecalibratedModel

    refit = fit_model(learner, {}, dataset, 1)
    stored = individual.Beside(support, (refit,) * 20)
    moved = stored.recalibrated(
        lambda one: RecalibratedModel(one, "in_the_large", 1.0, (12.0,), (2.0,))
    )
    before = refit.predict(dataset.predictors, [6.0]).survival
    after = moved.refits[0].predict(dataset.predictors, [6.0]).survival
    assert after == pytest.approx(before**2)
    assert moved.support.risks.values == ()
    assert np.isnan(moved.support.average_at([6.0])).all()
    assert moved.support.distance == support.distance
