import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.base import BaseEstimator, clone

from features.outcome import Outcome
from models.artifact import load_model, save_model
from models.fitted import fit_model
from models.learners import LEARNERS

TIMES = np.linspace(0.5, 20, 40)
PROPORTIONAL_HAZARDS = ("cox", "gradient_boosting", "xgboost_cox")

every_learner = pytest.mark.parametrize("learner", LEARNERS)


def first_event(outcome):
    return outcome.time[outcome.event].min()


@every_learner
def test_survival_is_a_probability_that_never_rises(learner, models, dataset):
    survival = models[learner].predict(dataset.predictors, TIMES).survival
    assert survival.shape == (len(dataset), len(TIMES))
    assert ((survival >= 0) & (survival <= 1)).all()
    assert (np.diff(survival, axis=1) <= 1e-12).all()
    assert survival[:, -1].mean() < 0.6


@every_learner
def test_survival_is_one_before_the_first_event(learner, models, dataset):
    early = first_event(dataset.outcome) / 2
    survival = models[learner].predict(dataset.predictors, [0.0, early]).survival
    assert survival == pytest.approx(np.ones((len(dataset), 2)), abs=1e-12)


@every_learner
def test_nothing_is_predicted_beyond_the_follow_up(learner, models, dataset):
    model = models[learner]
    assert model.follow_up == dataset.outcome.time.max()
    times = [model.follow_up, model.follow_up + 0.01]
    survival = model.predict(dataset.predictors, times).survival
    assert np.isfinite(survival[:, 0]).all()
    assert np.isnan(survival[:, 1]).all()


@every_learner
def test_a_higher_risk_score_goes_with_lower_survival(learner, models, dataset, linear_predictor):
    prediction = models[learner].predict(dataset.predictors, [6.0])
    assert np.std(prediction.risk_score) > 0
    assert spearmanr(prediction.risk_score, prediction.survival[:, 0]).statistic < -0.9
    # The cohort was simulated from this linear predictor; a tenth of the values is hidden.
    assert spearmanr(prediction.risk_score, linear_predictor).statistic > 0.6


@pytest.mark.parametrize("learner", PROPORTIONAL_HAZARDS)
def test_proportional_hazards_order_patients_alike_at_every_time(learner, models, dataset):
    prediction = models[learner].predict(dataset.predictors, [3.0, 6.0, 12.0])
    ordered = prediction.survival[np.argsort(prediction.risk_score)]
    assert (np.diff(ordered, axis=0) <= 0).all()
    # S(t | x) = S0(t) ** exp(lp): the ratio of log survivals is the same at every time.
    hazard = -np.log(prediction.survival)
    assert hazard[:, 1] / hazard[:, 0] == pytest.approx(
        np.full(len(dataset), hazard[0, 1] / hazard[0, 0])
    )


@every_learner
def test_a_level_never_seen_joins_the_rare_ones(learner, models, dataset):
    patient = dataset.predictors.iloc[[5]]
    new = models[learner].predict(patient.assign(disease="MPAL"), [6.0])
    rare = models[learner].predict(patient.assign(disease="T-ALL"), [6.0])
    assert np.isfinite(new.survival).all()
    assert np.array_equal(new.survival, rare.survival)


@every_learner
def test_every_covariate_may_be_missing(learner, models, dataset):
    patient = dataset.predictors.iloc[[5]]
    for name in dataset.covariates:
        empty = None if patient[name].dtype == object else np.nan
        gap = patient.assign(**{name: pd.Series([empty], patient.index, patient[name].dtype)})
        prediction = models[learner].predict(gap, [6.0])
        assert np.isfinite(prediction.survival).all(), name
        assert np.isfinite(prediction.risk_score).all(), name


@every_learner
def test_a_column_too_many_and_another_order_change_nothing(learner, models, dataset):
    predictors = dataset.predictors
    mixed = predictors[predictors.columns[::-1]].assign(other=1.0)
    same = models[learner].predict(mixed, [6.0]).survival
    assert np.array_equal(same, models[learner].predict(predictors, [6.0]).survival)


@every_learner
def test_times_must_increase(learner, models, dataset):
    for times in ([12.0, 6.0], [6.0, 6.0], [-1.0, 6.0]):
        with pytest.raises(ValueError, match="increasing"):
            models[learner].predict(dataset.predictors, times)


@every_learner
def test_clone_copies_the_parameters_and_nothing_else(learner, small_params):
    estimator = LEARNERS[learner].make(small_params[learner], 7)
    copy = clone(estimator)
    assert copy is not estimator
    assert copy.get_params() == estimator.get_params()
    assert not [name for name in vars(copy) if name.endswith("_")]


@every_learner
def test_same_seed_same_bytes(learner, models, dataset, small_params):
    again = fit_model(learner, small_params[learner], dataset, seed=1)
    first = models[learner].predict(dataset.predictors, TIMES)
    second = again.predict(dataset.predictors, TIMES)
    assert first.survival.tobytes() == second.survival.tobytes()
    assert first.risk_score.tobytes() == second.risk_score.tobytes()


@pytest.mark.parametrize("learner", ["forest", "gradient_boosting", "xgboost_cox"])
def test_another_seed_gives_another_model(learner, models, dataset, small_params):
    other = fit_model(learner, small_params[learner], dataset, seed=2)
    predictors = dataset.predictors
    first = models[learner].predict(predictors, [6.0]).survival
    assert not np.array_equal(first, other.predict(predictors, [6.0]).survival)


@pytest.mark.parametrize("rounded", [False, True], ids=["times as they are", "3-month times"])
@pytest.mark.parametrize("learner", ["cox", "xgboost_cox"])
def test_the_order_of_the_rows_changes_nothing(learner, rounded, dataset, small_params):
    if rounded:
        time = np.ceil(dataset.outcome.time / 3) * 3
        dataset = dataclasses.replace(dataset, outcome=Outcome(time, dataset.outcome.event))
        assert len(np.unique(time)) < 20
    order = np.random.default_rng(3).permutation(len(dataset))
    straight = fit_model(learner, small_params[learner], dataset, seed=1)
    shuffled = fit_model(learner, small_params[learner], dataset.take(order), seed=1)
    predictors = dataset.predictors
    times = [3.0, 6.0, 12.0]
    first, second = straight.predict(predictors, times), shuffled.predict(predictors, times)
    assert second.risk_score == pytest.approx(first.risk_score, abs=1e-6)
    assert second.survival == pytest.approx(first.survival, abs=1e-6)


@every_learner
def test_a_model_comes_back_as_it_was_stored(learner, models, card, dataset, tmp_path):
    model = models[learner]
    save_model(tmp_path / "model", model, card.model_copy(update={"learner": learner}))
    loaded, _ = load_model(tmp_path / "model")
    before = model.predict(dataset.predictors, TIMES)
    after = loaded.predict(dataset.predictors, TIMES)
    assert after.survival.tobytes() == before.survival.tobytes()
    assert after.risk_score.tobytes() == before.risk_score.tobytes()
    assert loaded.columns == model.columns
    assert loaded.follow_up == model.follow_up
    assert loaded.params == model.params


def arrays_within(value, path="model", seen=None):
    """Every array that an object holds, with the attributes that lead to it."""
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, str | bytes | type):
        return
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        yield path, value
        if value.dtype == object:
            for number, part in enumerate(value.ravel()):
                yield from arrays_within(part, f"{path}[{number}]", seen)
    elif isinstance(value, pd.DataFrame | pd.Series):
        yield path, value.to_numpy()
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from arrays_within(part, f"{path}[{key!r}]", seen)
    elif isinstance(value, list | tuple | set):
        yield path, np.empty(len(value))
        for number, part in enumerate(value):
            yield from arrays_within(part, f"{path}[{number}]", seen)
    elif hasattr(value, "__getstate__") and type(value).__name__ == "Tree":
        yield from arrays_within(value.__getstate__(), path, seen)
    elif hasattr(value, "__dict__"):
        for name, part in vars(value).items():
            yield from arrays_within(part, f"{path}.{name}", seen)


@every_learner
def test_a_stored_model_holds_no_patient_row(learner, models, card, dataset, tmp_path):
    save_model(tmp_path / "model", models[learner], card.model_copy(update={"learner": learner}))
    loaded, _ = load_model(tmp_path / "model")
    found = dict(arrays_within(loaded))
    assert any("estimator" in path for path in found)
    assert [path for path, array in found.items() if len(dataset) in array.shape] == []


@every_learner
def test_a_patient_row_would_be_found(learner, models, dataset):
    # The walk above is only worth something when it sees what it looks for, however deep it lies.
    model = models[learner]
    kept = dataclasses.replace(model, preprocessing=[{"rows": dataset.predictors}])
    assert any(len(dataset) in array.shape for _, array in arrays_within(kept))


@every_learner
def test_a_time_of_zero_is_kept(learner, dataset, small_params):
    # Two deaths and one last contact on the day of the first dose.
    time = dataset.outcome.time.copy()
    time[:3] = 0.0
    event = dataset.outcome.event.copy()
    event[:3] = [True, True, False]
    zero = dataclasses.replace(dataset, outcome=Outcome(time, event))
    prediction = fit_model(learner, small_params[learner], zero, seed=1).predict(
        zero.predictors, [0.0, 6.0]
    )
    assert np.isfinite(prediction.survival).all()
    assert np.isfinite(prediction.risk_score).all()
    # Survival after the deaths on day 0, averaged over patients, is close to 81 of 83.
    assert prediction.survival[:, 0].mean() == pytest.approx(81 / 83, abs=0.02)


@every_learner
def test_training_rows_with_a_missing_category_are_kept(learner, dataset, small_params):
    assert dataset.covariates["disease"].isna().any()
    model = fit_model(learner, small_params[learner], dataset, seed=1)
    gaps = dataset.take(dataset.covariates["disease"].isna().to_numpy())
    assert np.isfinite(model.predict(gaps.predictors, [6.0]).survival).all()


def test_the_registry_runs_from_simple_to_complex():
    assert list(LEARNERS) == ["cox", "forest", "gradient_boosting", "xgboost_cox"]
    for name, learner in LEARNERS.items():
        assert learner.name == name
        assert learner.label
        assert isinstance(learner.make({}, 0), BaseEstimator)
