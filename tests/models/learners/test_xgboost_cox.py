import numpy as np
import pandas as pd
import pytest
import xgboost

from features.dataset import Dataset
from features.outcome import Outcome
from models.fit import fit_model
from models.learners.xgboost_cox import XgboostCox, partial_likelihood
from models.preprocessing import FeatureColumns


def simulated(n=150, seed=1, decimals=6):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    time = rng.exponential(10 / np.exp(X[:, 0])).round(decimals)
    censoring = rng.uniform(3, 40, n).round(decimals)
    return X, Outcome(np.minimum(time, censoring), time <= censoring)


def test_without_ties_it_is_the_engines_own_objective():
    X, outcome = simulated()
    own = XgboostCox(subsample=1.0, n_estimators=40, max_depth=2).fit(X, outcome)
    label = np.where(outcome.event, outcome.time, -outcome.time)
    order = np.argsort(outcome.time)
    data = xgboost.DMatrix(X[order].astype(np.float32), label=label[order])
    theirs = xgboost.train(
        {
            "objective": "survival:cox", "eta": 0.05, "max_depth": 2, "min_child_weight": 3.0,
            "lambda": 10.0, "tree_method": "hist", "base_score": 1.0,
            "disable_default_eval_metric": True,
        },
        data,
        40,
    )  # fmt: skip
    expected = theirs.predict(data, output_margin=True)
    # Single precision.
    assert own.risk_score(X[order]) == pytest.approx(expected, abs=1e-5)


def test_gradient_and_hessian_by_hand():
    # Three patients, margins 0, times 1 (event), 2 (event), 2 (censored).
    # Risk sets: 3 at time 1, 2 at time 2. A = 1/3, 1/3 + 1/2 = 5/6; gradient = A - event.
    # B = 1/9, 1/9 + 1/4 = 13/36; Hessian = A - B.
    objective = partial_likelihood(
        np.array([1.0, 2.0, 2.0]), np.array([True, True, False]), np.ones(3)
    )
    gradient, hessian = objective(np.zeros(3), None)
    assert gradient == pytest.approx([1 / 3 - 1, 5 / 6 - 1, 5 / 6])
    assert hessian == pytest.approx([1 / 3 - 1 / 9, 5 / 6 - 13 / 36, 5 / 6 - 13 / 36])


def test_the_gradient_is_that_of_the_likelihood():
    _, outcome = simulated(30, decimals=0)
    order = np.argsort(outcome.time, kind="stable")
    time, event = outcome.time[order], outcome.event[order]
    weights = np.random.default_rng(4).uniform(0.5, 2, 30)
    margin = np.random.default_rng(5).normal(size=30)

    def loss(values):
        relative = weights * np.exp(values)
        at_risk = np.array([relative[time >= t].sum() for t in time])
        return -np.sum(weights * event * (values - np.log(at_risk)))

    gradient, _ = partial_likelihood(time, event, weights)(margin, None)
    step = 1e-6 * np.eye(30)
    numeric = [(loss(margin + s) - loss(margin - s)) / 2e-6 for s in step]
    assert gradient == pytest.approx(np.array(numeric), abs=1e-7)


def test_whole_weights_are_repeated_patients():
    X, outcome = simulated(80, decimals=0)
    counts = np.random.default_rng(2).integers(1, 4, 80)
    rows = np.repeat(np.arange(80), counts)
    settings = {"subsample": 1.0, "n_estimators": 30}
    weighted = XgboostCox(**settings).fit(X, outcome, counts)
    repeated = XgboostCox(**settings).fit(X[rows], outcome.take(rows))
    # The engine's bins of a covariate are quantiles of rows, here fewer than 256 distinct values.
    assert weighted.risk_score(X) == pytest.approx(repeated.risk_score(X), abs=1e-5)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_declared_direction_is_kept_everywhere(sign):
    X, outcome = simulated(300)
    free = XgboostCox(max_depth=2, n_estimators=80, learning_rate=0.3)
    kept = FeatureColumns(categorical=(False,) * 4, monotone=(sign, 0, 0, 0))
    held = XgboostCox(max_depth=2, n_estimators=80, learning_rate=0.3)
    free.fit(X, outcome)
    held.fit(X, outcome, None, kept)
    grid = np.zeros((60, 4))
    grid[:, 0] = np.linspace(-2, 2, 60)
    assert (sign * np.diff(held.risk_score(grid)) >= -1e-7).all()
    # Without the constraint the curve has dips, so that the check above can fail.
    assert (np.diff(free.risk_score(grid)) < -1e-7).any()


def test_categories_are_split_by_the_engine_itself():
    rng = np.random.default_rng(3)
    group = rng.choice(["a", "b", "c", "d"], 400).astype(object)
    # b and d are alike, which no single threshold on a code tells.
    hazard = np.where(np.isin(group, ["b", "d"]), 3.0, 1.0)
    time = rng.exponential(10 / hazard)
    dataset = Dataset(
        pd.DataFrame({"group": group}), None, None, Outcome(time, np.ones(400, dtype=bool))
    )
    params = {"n_estimators": 1, "learning_rate": 1.0, "reg_lambda": 0.0, "subsample": 1.0}
    model = fit_model("xgboost_cox", params, dataset, seed=1)
    patients = pd.DataFrame({"group": np.array(["a", "b", "c", "d"], dtype=object)})
    a, b, c, d = model.predict(patients, [5.0]).risk_score
    # One stump.
    assert a == c
    assert b == d
    assert b > a


def test_the_dictionary_declares_directions_that_reach_the_engine(dataset):
    from dataclasses import replace

    held = fit_model("xgboost_cox", {}, replace(dataset, monotone={"age_years": -1}), seed=1)
    assert held.estimator.columns_.monotone[0] == -1
    patient = dataset.predictors.iloc[[5] * 40].assign(age_years=np.linspace(20, 90, 40))
    risk = held.predict(patient, [6.0]).risk_score
    # Older patients die earlier in this cohort, so that the wrong direction leaves age out.
    assert (np.diff(risk) <= 1e-7).all()
