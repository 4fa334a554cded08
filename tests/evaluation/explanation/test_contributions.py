from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest

from evaluation.explanation.contributions import (
    Background,
    explain_curve,
    outputs_under,
    step_times,
)
from evaluation.explanation.values import CurveOutputs
from models.fit import fit_model
from models.learners.registry import LEARNERS
from models.prediction import SurvivalPrediction

HORIZONS = (6.0, 12.0)
TAU = 18.0
# XGBoost adds its trees up in single precision, which moves a probability by up to 1e-7 and a
# restricted mean of some ten months by up to 1e-5.
SINGLE = {"xgboost_cox": [1e-6, 1e-6, 1e-5], "xgboost_aft": [1e-6, 1e-6, 1e-5]}
DOUBLE = [1e-8, 1e-8, 1e-7]


def mixed(table, patient, other, coalition):
    """The patient's values for the coalition, the other's for the rest."""
    return {name: table[name].iloc[patient if name in coalition else other] for name in table}


def brute_force(predict, table):
    """Interventional Shapley values of every covariate, every patient being the background.

    phi_i = sum over coalitions S without i of |S|! (p - |S| - 1)! / p! (v(S + i) - v(S)), v(S) the
    mean over the table of the prediction with the values of S from the patient.
    """
    names, n = list(table), len(table)
    p = len(names)
    coalitions = [set(c) for size in range(p + 1) for c in combinations(names, size)]
    rows = [mixed(table, i, j, c) for i in range(n) for c in coalitions for j in range(n)]
    frame = pd.DataFrame(rows, columns=names).astype(table.dtypes.to_dict())
    worth = predict(frame).reshape(n, len(coalitions), n, -1).mean(axis=2)
    place = {frozenset(c): k for k, c in enumerate(coalitions)}
    values = np.zeros((n, p, worth.shape[-1]))
    for g, name in enumerate(names):
        for c in coalitions:
            if name not in c:
                share = factorial(len(c)) * factorial(p - len(c) - 1) / factorial(p)
                gain = worth[:, place[frozenset(c | {name})]] - worth[:, place[frozenset(c)]]
                values[:, g] += share * gain
    return values


def outputs_for(model):
    return CurveOutputs.read(HORIZONS, TAU, step_times(model))


def predicted(model, outputs):
    return lambda frame: outputs.of(model.predict(frame, outputs.times).survival)


@pytest.fixture(scope="module")
def table(dataset):
    """Seven patients, chosen for a rare level, missing values and both regimens."""
    predictors = dataset.predictors
    assert predictors.iloc[[0, 8, 11, 20, 30, 33, 50]].isna().any(axis=1).any()
    chosen = predictors.iloc[[0, 8, 11, 20, 30, 33, 50]].reset_index(drop=True)
    assert set(chosen["regimen"]) == {"HMA", "LDAC"}
    return chosen


@pytest.fixture(scope="module")
def deep(dataset):
    """Boosted trees that split on two covariates, which no function of a sum describes."""
    params = {"n_estimators": 20, "max_depth": 3, "learning_rate": 0.3}
    shallow = {"gradient_boosting": {"min_samples_leaf": 3}, "xgboost_cox": {"reg_lambda": 0.1}}
    return {n: fit_model(n, params | shallow[n], dataset, seed=1) for n in shallow}


@pytest.mark.parametrize("learner", list(LEARNERS))
def test_every_learner_is_explained_as_by_brute_force(models, table, learner):
    model = models[learner]
    outputs = outputs_for(model)
    found = explain_curve(model, table, outputs, seed=1)
    exact = brute_force(predicted(model, outputs), table)
    assert (np.abs(found.values - exact) < SINGLE.get(learner, DOUBLE)).all()
    assert (found.error == 0).all()
    assert learner == "kaplan_meier" or np.abs(exact).max() > 0.05


@pytest.mark.parametrize("learner", ["gradient_boosting", "xgboost_cox"])
def test_deep_trees_are_explained_by_every_coalition(deep, table, learner):
    outputs = outputs_for(deep[learner])
    found = explain_curve(deep[learner], table, outputs, seed=1)
    exact = brute_force(predicted(deep[learner], outputs), table)
    assert found.method == "exact SHAP by every coalition"
    assert (np.abs(found.values - exact) < SINGLE.get(learner, DOUBLE)).all()
    assert np.abs(exact[:, -1]).max() > 1e-3  # the regimen counts


@pytest.mark.parametrize("learner", list(LEARNERS))
def test_values_add_up_on_all_patients(models, dataset, learner):
    model = models[learner]
    outputs = outputs_for(model)
    found = explain_curve(model, dataset.predictors, outputs, seed=1)
    whole = predicted(model, outputs)(dataset.predictors)
    off = np.abs(found.values.sum(axis=1) + found.base - whole)
    assert (off < SINGLE.get(learner, DOUBLE)).all()
    assert found.base == pytest.approx(whole.mean(axis=0), abs=1e-5)


@pytest.mark.parametrize("player", [None, "regimen"])
def test_what_cannot_be_counted_out_is_sampled_with_its_error(deep, dataset, monkeypatch, player):
    model = deep["gradient_boosting"]
    outputs = outputs_for(model)
    exact = explain_curve(model, dataset.predictors, outputs, seed=1).of("regimen")
    monkeypatch.setattr("evaluation.explanation.coalitions.MOST_ROWS", 1000)
    found = explain_curve(model, dataset.predictors, outputs, seed=1, player=player)
    assert "sampled" in found.method
    off, error = found.of("regimen") - exact, found.error[:, found.columns.index("regimen")]
    assert (error > 0).mean() > 0.5
    # Of standard errors that hold, some 95% of values lie within two.
    assert 0.9 < (np.abs(off) <= 2 * error + 1e-12).mean() <= 1
    assert np.sqrt((off**2).mean()) > 0.3 * np.sqrt((error**2).mean())


@pytest.mark.parametrize("learner", ["cox", "forest", "xgboost_aft", "stack", "genetic_risk"])
def test_one_player_alone_is_the_same(models, dataset, learner):
    model = models[learner]
    outputs = outputs_for(model)
    alone = explain_curve(model, dataset.predictors, outputs, seed=1, player="regimen")
    every = explain_curve(model, dataset.predictors, outputs, seed=1)
    off = np.abs(alone.of("regimen") - every.of("regimen"))
    assert (off < SINGLE.get(learner, DOUBLE)).all()


@pytest.mark.parametrize("learner", ["cox", "forest", "stack"])
def test_permuting_patients_changes_nothing(models, dataset, learner):
    order = np.random.default_rng(3).permutation(len(dataset))
    model, outputs = models[learner], outputs_for(models[learner])
    straight = explain_curve(model, dataset.predictors, outputs, seed=1).values
    shuffled = explain_curve(model, dataset.predictors.iloc[order], outputs, seed=1).values
    assert shuffled == pytest.approx(straight[order], abs=1e-10)


@pytest.mark.parametrize("learner", ["cox", "forest"])
def test_duplicating_every_patient_changes_nothing(models, table, learner):
    model, outputs = models[learner], outputs_for(models[learner])
    once = explain_curve(model, table, outputs, seed=1).values
    twice = explain_curve(model, pd.concat([table, table]), outputs, seed=1).values
    assert twice[: len(table)] == pytest.approx(once, abs=1e-10)


def test_nothing_is_said_beyond_the_follow_up(models, dataset):
    model = models["forest"]
    late = (6.0, model.follow_up + 1)
    outputs = CurveOutputs.read(late, model.follow_up + 2, step_times(model))
    found = explain_curve(model, dataset.predictors, outputs, seed=1)
    assert np.isnan(found.values[..., 1:]).all()
    early = CurveOutputs.read((6.0,))
    alone = explain_curve(model, dataset.predictors, early, seed=1)
    assert found.values[..., 0] == pytest.approx(alone.values[..., 0], abs=1e-12)


class Shifted:
    """Predicts something else than the forest that it shows the inside of."""

    def __init__(self, model):
        self.model, self.follow_up, self.columns = model, model.follow_up, model.columns

    def opened(self):
        from dataclasses import replace

        parts = self.model.opened()

        def off(X, times):
            told = parts.predict(X, times)
            return SurvivalPrediction(told.risk_score, told.survival - 2e-6, times)

        return replace(parts, predict=off)


def test_values_that_do_not_add_up_are_refused(models, dataset):
    with pytest.raises(ArithmeticError, match="do not add up"):
        explain_curve(
            Shifted(models["forest"]), dataset.predictors, CurveOutputs.read(HORIZONS), seed=1
        )


def test_a_large_table_draws_its_background_within_each_regimen():
    regimen = np.array(["HMA"] * 700 + ["LDAC"] * 295 + ["rare"] * 5, dtype=object)
    predictors = pd.DataFrame({"age": np.arange(1000.0), "regimen": regimen})
    background = Background.of(predictors, seed=1)
    # 62,500 pairs of 1,000 patients are 62 background patients: .7, .295 and .005 of them, and one
    # of the rare arm all the same.
    shares = pd.Series(background.weights).groupby(regimen[background.rows])
    assert shares.count().to_dict() == {"HMA": 43, "LDAC": 18, "rare": 1}
    assert shares.sum().to_dict() == pytest.approx({"HMA": 0.7, "LDAC": 0.295, "rare": 0.005})
    again = Background.of(predictors, seed=1)
    assert (again.rows == background.rows).all()
    assert (Background.of(predictors, seed=2).rows != background.rows).any()


def test_a_small_table_is_its_own_background(dataset):
    background = Background.of(dataset.predictors, seed=1)
    assert (background.rows == np.arange(len(dataset))).all()
    assert background.weights == pytest.approx(np.full(len(dataset), 1 / len(dataset)))


@pytest.mark.parametrize("learner", list(LEARNERS))
@pytest.mark.parametrize("column", ["regimen", "disease"])
def test_everybody_under_a_level_is_predicted_as_by_the_model(
    models, dataset, monkeypatch, learner, column
):
    model, predictors = models[learner], dataset.predictors
    outputs = CurveOutputs.read(HORIZONS)
    monkeypatch.setattr("evaluation.explanation.contributions.POINTS_AT_ONCE", 50)  # four parts
    levels = [*predictors[column].dropna().unique()[:2], "never seen"]
    found = outputs_under(model, predictors, column, levels, outputs)
    for level, values in zip(levels, found, strict=True):
        everybody = np.full(len(predictors), level, dtype=object)
        expected = model.predict(predictors.assign(**{column: everybody}), HORIZONS)
        assert values == pytest.approx(expected.event_probability, abs=1e-12)


def test_many_scores_are_read_as_few(deep, dataset, monkeypatch):
    # The same sampled values, whether curves are read at every score or interpolated.
    model = deep["gradient_boosting"]
    outputs = outputs_for(model)
    monkeypatch.setattr("evaluation.explanation.coalitions.MOST_ROWS", 1000)
    found = explain_curve(model, dataset.predictors, outputs, seed=1, player="regimen")
    monkeypatch.setattr("evaluation.explanation.contributions.SCORES_READ", 10**9)
    direct = explain_curve(model, dataset.predictors, outputs, seed=1, player="regimen")
    off = np.abs(found.of("regimen") - direct.of("regimen"))
    assert (off < [1e-9, 1e-9, 1e-8]).all()
    assert off.max() > 0  # it was interpolated
