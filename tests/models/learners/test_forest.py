import numpy as np
import pytest
from sksurv.ensemble import RandomSurvivalForest
from sksurv.metrics import concordance_index_censored
from sksurv.util import Surv

from features.outcome import Outcome
from models.learners.forest import GRID_SIZE, SurvivalForest
from models.trees.binning import to_bins


def simulate(n, seed, decimals=2):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    event_time = rng.exponential(10 / np.exp(X[:, 0] + 0.5 * X[:, 1]))
    censoring = rng.uniform(3, 40, n)
    time = np.minimum(event_time, censoring).round(decimals)
    return X, Outcome(time, event_time <= censoring)


def engine_like(forest):
    return RandomSurvivalForest(
        n_estimators=forest.n_estimators,
        min_samples_leaf=forest.min_samples_leaf,
        min_samples_split=2 * forest.min_samples_leaf,
        max_features=forest.max_features,
        random_state=forest.seed,
    )


def test_with_few_event_times_it_is_the_forest_of_scikit_survival():
    X, outcome = simulate(120, seed=1)
    forest = SurvivalForest(n_estimators=30, seed=4).fit(X, outcome)
    binned = to_bins(X, forest.edges_)
    engine = engine_like(forest).fit(binned, Surv.from_arrays(outcome.event, outcome.time))
    new, _ = simulate(40, seed=2)
    known = to_bins(new, forest.edges_)

    event_times = np.unique(outcome.time[outcome.event])
    assert 50 < len(event_times) <= GRID_SIZE
    expected = np.array([curve(event_times) for curve in engine.predict_survival_function(known)])
    # Leaf tables are float32: seven digits of a probability.
    assert forest.survival(new, event_times) == pytest.approx(expected, abs=1e-7)
    assert forest.risk_score(new) == pytest.approx(engine.predict(known), rel=1e-9)


def test_missing_values_go_where_scikit_survival_sends_them():
    X, outcome = simulate(100, seed=5)
    X = np.where(np.random.default_rng(6).random(X.shape) < 0.15, np.nan, X)
    forest = SurvivalForest(n_estimators=20, seed=7).fit(X, outcome)
    binned = to_bins(X, forest.edges_)
    assert np.array_equal(np.isnan(binned), np.isnan(X))
    engine = engine_like(forest).fit(binned, Surv.from_arrays(outcome.event, outcome.time))
    assert forest.risk_score(X) == pytest.approx(engine.predict(binned), rel=1e-9)


def test_many_event_times_are_joined_without_losing_discrimination():
    X, outcome = simulate(600, seed=3, decimals=6)
    forest = SurvivalForest(n_estimators=30, seed=4).fit(X, outcome)
    assert len(np.unique(outcome.time[outcome.event])) > 3 * GRID_SIZE
    assert len(forest.times_) <= GRID_SIZE
    assert forest.leaf_survival_.shape[1] <= GRID_SIZE
    # The grid reaches from the first event to the last.
    assert forest.times_[0] == outcome.time[outcome.event].min()
    assert forest.times_[-1] == outcome.time[outcome.event].max()

    engine = engine_like(forest).fit(X, Surv.from_arrays(outcome.event, outcome.time))
    new, truth = simulate(1500, seed=8)
    own, other = (
        concordance_index_censored(truth.event, truth.time, risk)[0]
        for risk in (forest.risk_score(new), engine.predict(new))
    )
    assert other > 0.7
    assert own == pytest.approx(other, abs=0.01)


def test_a_leaf_curve_by_hand():
    # One leaf, each patient drawn once: 1 event, 2 censored, 3 event, 4 event.
    # S(1) = 3/4; at 3 two are at risk: S(3) = 3/4 * 1/2 = 3/8; S(4) = 0.
    from models.learners.forest import _grid_step, _leaf_tables

    outcome = Outcome([1.0, 2.0, 3.0, 4.0], [True, False, True, True])
    grid = np.array([1.0, 3.0, 4.0])
    step = _grid_step(outcome, grid)
    assert step.tolist() == [1, 1, 2, 3]
    leaf, drawn = np.zeros(4, dtype=int), np.ones(4, dtype=int)
    table = _leaf_tables(leaf, drawn, step, outcome.event, 1, grid)
    assert table.survival[0] == pytest.approx([3 / 4, 3 / 8, 0])
    # Nelson-Aalen: 1/4, 1/4 + 1/2, 1/4 + 1/2 + 1, summed over the grid.
    assert table.cumulative_hazard[0].sum() == pytest.approx(0.25 + 0.75 + 1.75)


def test_a_patient_drawn_twice_counts_twice():
    from models.learners.forest import _leaf_tables

    # The first of two patients is drawn three times: 3 of 4 die at the first time.
    leaf, event = np.zeros(2, dtype=int), np.array([True, True])
    grid = np.array([1.0, 2.0])
    table = _leaf_tables(leaf, np.array([3, 1]), np.array([1, 2]), event, 1, grid)
    assert table.survival[0] == pytest.approx([1 / 4, 0])


def test_between_grid_times_an_event_waits_and_a_censoring_leaves_early():
    from models.learners.forest import _grid_step

    grid = np.array([2.0, 4.0])
    outcome = Outcome([1.0, 1.0, 3.0, 3.0, 4.0, 9.0], [False, True, False, True, True, False])
    # Censored at 1: at risk at no time. Event at 1: counted at 2. Censored at 3: at risk at 2 only.
    # Event at 3: counted at 4. Event at 4 and censored later: both times.
    assert _grid_step(outcome, grid).tolist() == [0, 1, 1, 2, 2, 2]


def test_survival_is_a_right_continuous_step():
    X, outcome = simulate(80, seed=9)
    forest = SurvivalForest(n_estimators=10, seed=1).fit(X, outcome)
    jump = forest.times_[len(forest.times_) // 2]
    before, at, after = forest.survival(X, [jump - 1e-9, jump, jump + 1e-9]).T
    assert (before >= at).all()
    assert (before > at).any()
    assert np.array_equal(at, after)
