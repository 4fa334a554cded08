import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.base import clone

from features.errors import InputError
from features.outcome import Outcome
from models.artifact.folder import load_model, save_model
from models.fit import fit_model
from models.learners.learner import Parameters
from models.learners.registry import LEARNERS, STACK

TIMES = np.linspace(0.5, 20, 40)
PROPORTIONAL_HAZARDS = (
    "genetic_risk", "cox_clinical", "cox", "gradient_boosting", "xgboost_cox"
)  # fmt: skip
# A curve by formula, which falls before the first event was seen.
PARAMETRIC = ("xgboost_aft",)

every_learner = pytest.mark.parametrize("learner", LEARNERS)
every_estimator = pytest.mark.parametrize("learner", [name for name in LEARNERS if name != STACK])
sees_covariates = pytest.mark.parametrize(
    "learner", [name for name in LEARNERS if name != "kaplan_meier"]
)


def first_event(outcome):
    return outcome.time[outcome.event].min()


@every_learner
def test_survival_is_a_probability_that_never_rises(learner, models, dataset):
    survival = models[learner].predict(dataset.predictors, TIMES).survival
    assert survival.shape == (len(dataset), len(TIMES))
    assert ((survival >= 0) & (survival <= 1)).all()
    assert (np.diff(survival, axis=1) <= 1e-12).all()
    assert survival[:, -1].mean() < 0.6


@pytest.mark.parametrize("learner", [name for name in LEARNERS if name not in PARAMETRIC])
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


@sees_covariates
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


@every_estimator
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


@pytest.mark.parametrize(
    "learner",
    ["forest", "extra_trees", "gradient_boosting", "xgboost_cox", "xgboost_aft", "stack"],
)
def test_another_seed_gives_another_model(learner, models, dataset, small_params):
    other = fit_model(learner, small_params[learner], dataset, seed=2)
    predictors = dataset.predictors
    first = models[learner].predict(predictors, [6.0]).survival
    assert not np.array_equal(first, other.predict(predictors, [6.0]).survival)


@pytest.mark.parametrize("rounded", [False, True], ids=["times as they are", "3-month times"])
@pytest.mark.parametrize("learner", ["kaplan_meier", "cox", "xgboost_cox", "xgboost_aft"])
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
    kept = dataclasses.replace(model, params={"deep": [{"rows": dataset.predictors}]})
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
    if learner in PARAMETRIC:
        return  # S(0) is 1 by formula; the deaths on day 0 count as half a day.
    # Survival after the deaths on day 0, averaged over patients, is close to 81 of 83.
    assert prediction.survival[:, 0].mean() == pytest.approx(81 / 83, abs=0.02)


@every_learner
def test_training_rows_with_a_missing_category_are_kept(learner, dataset, small_params):
    assert dataset.covariates["disease"].isna().any()
    model = fit_model(learner, small_params[learner], dataset, seed=1)
    gaps = dataset.take(dataset.covariates["disease"].isna().to_numpy())
    assert np.isfinite(model.predict(gaps.predictors, [6.0]).survival).all()


@pytest.mark.parametrize("learner", [n for n, e in LEARNERS.items() if e.handles_weights])
def test_equal_weights_are_no_weights_and_weight_0_is_nobody(learner, dataset, small_params):
    params, times = small_params[learner], [3.0, 12.0]
    plain = fit_model(learner, params, dataset, 1).predict(dataset.predictors, times)
    equal = fit_model(learner, params, dataset, 1, np.ones(len(dataset)))
    # A forest draws other patients when it draws by weight, about as many of each.
    draws = learner in ("forest", "extra_trees")
    same = equal.predict(dataset.predictors, times).survival
    assert same.mean(axis=0) == pytest.approx(plain.survival.mean(axis=0), abs=0.03)
    assert draws or same == pytest.approx(plain.survival, abs=1e-6)
    # Older patients count for nothing: what happened to them changes nothing.
    old = (dataset.covariates["age_years"] >= 62).to_numpy()
    other = Outcome(
        np.where(old, 25.0, dataset.outcome.time), np.where(old, False, dataset.outcome.event)
    )
    changed = dataclasses.replace(dataset, outcome=other)
    young = (~old).astype(float)
    one, two = (fit_model(learner, params, d, 1, young) for d in (dataset, changed))
    before, after = (m.predict(dataset.predictors, times).survival for m in (one, two))
    assert after == pytest.approx(before, abs=1e-6)
    assert abs(before.mean(axis=0) - plain.survival.mean(axis=0)).max() > 0.02


@pytest.mark.parametrize("learner", [n for n, e in LEARNERS.items() if not e.handles_weights])
def test_weights_are_refused_where_the_engine_leaves_them_out(learner, dataset, small_params):
    with pytest.raises(InputError) as refused:
        fit_model(learner, small_params[learner], dataset, 1, np.ones(len(dataset)))
    (problem,) = refused.value.problems
    assert learner in problem.where
    assert "xgboost_cox" in problem.allowed
    assert problem.remedy


@pytest.mark.parametrize("wrong", [np.ones(3), np.full(83, -1.0), np.full(83, np.nan)])
def test_weights_are_one_number_a_patient(wrong, dataset):
    with pytest.raises(ValueError, match="weights must be 83 finite numbers"):
        fit_model("forest", {}, dataset, 1, wrong)


def test_too_many_patients_for_gradient_boosting_are_told_its_twin(dataset):
    many = dataset.take(np.tile(np.arange(len(dataset)), 40))
    with pytest.raises(InputError) as refused:
        fit_model("gradient_boosting", {}, many, 1)
    (problem,) = refused.value.problems
    assert problem.got == "3320 patients"
    assert "xgboost_cox" in problem.remedy


def test_the_registry_runs_from_simple_to_complex():
    assert list(LEARNERS) == [
        "kaplan_meier",
        "genetic_risk",
        "cox_clinical",
        "cox",
        "forest",
        "extra_trees",
        "gradient_boosting",
        "xgboost_cox",
        "xgboost_aft",
        "stack",
    ]
    for name, learner in LEARNERS.items():
        assert learner.name == name
        assert learner.label
        if name != STACK:
            assert isinstance(learner.make({}, 0), Parameters)
