import numpy as np
import pytest

from models.fit import fit_model
from models.stack import fit_stack, weigh_members

MEMBERS = {"cox": {}, "forest": {"n_estimators": 10}, "kaplan_meier": {}}
TIMES = np.array([3.0, 6.0, 9.0])


def squared_error(outcome, prediction):
    alive = outcome.time[:, None] > prediction.times
    return float(((alive - prediction.survival) ** 2).mean())


@pytest.fixture(scope="module")
def weighed(dataset):
    return weigh_members(MEMBERS, dataset, squared_error, TIMES, inner_folds=3, seed=1)


def test_weights_are_not_negative_and_add_up_to_1(weighed):
    weights, loss, table = weighed
    assert set(weights) == set(MEMBERS)
    assert min(weights.values()) >= 0
    assert sum(weights.values()) == pytest.approx(1)
    # No worse than the best member alone.
    assert loss <= table["score"].min() + 1e-9
    assert table["weight"].tolist() == list(weights.values())


def test_no_mixture_on_a_grid_is_better(dataset):
    from models.prediction import SurvivalPrediction
    from models.resampling import repeated_folds

    members = {"cox": {}, "kaplan_meier": {}}
    weights, loss, _ = weigh_members(members, dataset, squared_error, TIMES, inner_folds=3, seed=1)
    folds = repeated_folds(dataset, 3, 1, 1)[0]
    curves = {}
    for name in members:
        curves[name] = np.empty((len(dataset), 3))
        for fold in range(3):
            model = fit_model(name, {}, dataset.take(folds != fold), 1)
            test = dataset.take(folds == fold)
            curves[name][folds == fold] = model.predict(test.predictors, TIMES).survival
    found = []
    for share in np.linspace(0, 1, 101):
        mixed = share * curves["cox"] + (1 - share) * curves["kaplan_meier"]
        prediction = SurvivalPrediction(np.zeros(len(dataset)), mixed, TIMES)
        found.append(squared_error(dataset.outcome, prediction))
    assert loss <= min(found) + 1e-9
    assert weights["cox"] == pytest.approx(np.argmin(found) / 100, abs=0.006)


def test_survival_is_the_weighted_mean_of_the_members(dataset):
    weights = {"cox": 0.25, "kaplan_meier": 0.75}
    params = {"members": {"cox": {}, "kaplan_meier": {}}, "weights": weights}
    stack = fit_stack(params, dataset, 1)
    expected = sum(
        weight * fit_model(name, {}, dataset, 1).predict(dataset.predictors, TIMES).survival
        for name, weight in weights.items()
    )
    assert stack.predict(dataset.predictors, TIMES).survival == pytest.approx(expected)


def test_a_member_without_weight_is_not_fitted(dataset):
    params = {
        "members": {"cox": {}, "forest": {}},
        "weights": {"cox": 1.0, "forest": 0.0},
    }
    stack = fit_stack(params, dataset, 1)
    assert [member.learner for member in stack.members] == ["cox"]
    assert stack.params == params
