import numpy as np
import pytest
from scipy.stats import norm, weibull_min

from features.outcome import Outcome
from models.learners.xgboost_aft import XgboostAft, fit_null, survival_of_residual


def lognormal(n=600, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    time = np.exp(2.0 + 0.8 * X[:, 0] + 0.6 * rng.normal(size=n))
    censoring = rng.uniform(5, 60, n)
    return X, Outcome(np.minimum(time, censoring), time <= censoring)


def test_the_model_without_covariates_recovers_the_truth():
    rng = np.random.default_rng(2)
    log_time = 1.5 + 0.7 * rng.normal(size=20000)
    limit = np.log(rng.uniform(3, 20, 20000))
    event = log_time <= limit
    center, scale = fit_null(np.minimum(log_time, limit), event, np.ones(20000), "normal")
    assert center == pytest.approx(1.5, abs=0.02)
    assert scale == pytest.approx(0.7, abs=0.02)


def test_without_censoring_the_normal_fit_is_mean_and_standard_deviation():
    log_time = np.array([0.0, 1.0, 2.0, 5.0])
    center, scale = fit_null(log_time, np.ones(4, dtype=bool), np.ones(4), "normal")
    assert center == pytest.approx(2.0, abs=1e-5)
    assert scale == pytest.approx(np.std(log_time), abs=1e-5)


def test_the_curve_is_that_of_its_distribution():
    z = np.array([-1.0, 0.0, 2.0])
    assert survival_of_residual(z, "normal") == pytest.approx(norm.sf(z))
    assert survival_of_residual(z, "logistic") == pytest.approx(1 / (1 + np.exp(z)))
    # log T = mu + s W with an extreme-value W: T is Weibull with shape 1 / s.
    time = np.exp(1.0 + 0.5 * z)
    expected = weibull_min.sf(time, 2.0, scale=np.exp(1.0))
    assert survival_of_residual(z, "extreme") == pytest.approx(expected)


def test_predictions_are_calibrated_on_new_patients():
    X, outcome = lognormal()
    model = XgboostAft(
        distribution="normal", n_estimators=150, learning_rate=0.1, max_depth=2, scale_ratio=0.6
    ).fit(X, outcome)
    new, truth = lognormal(4000, seed=9)
    uncensored = np.exp(2.0 + 0.8 * new[:, 0])  # the median of each patient
    assert np.corrcoef(model.risk_score(new), -np.log(uncensored))[0, 1] > 0.95
    true_survival = norm.sf((np.log(12.0) - np.log(uncensored)) / 0.6)
    predicted = model.survival(new, [12.0])[:, 0]
    assert predicted.mean() == pytest.approx(true_survival.mean(), abs=0.03)
    assert np.abs(predicted - true_survival).mean() < 0.08
    assert len(truth) == 4000


def test_survival_at_time_0_is_1():
    X, outcome = lognormal(100)
    assert (XgboostAft(n_estimators=5).fit(X, outcome).survival(X, [0.0, 3.0])[:, 0] == 1).all()


def test_nobody_with_an_event_is_no_fit():
    X, outcome = lognormal(50)
    with pytest.raises(ArithmeticError):
        XgboostAft().fit(X, Outcome(outcome.time, np.zeros(50, dtype=bool)))


def test_whole_weights_are_repeated_patients():
    X, outcome = lognormal(80)
    counts = np.random.default_rng(2).integers(1, 4, 80)
    rows = np.repeat(np.arange(80), counts)
    settings = {"subsample": 1.0, "n_estimators": 30}
    weighted = XgboostAft(**settings).fit(X, outcome, counts)
    repeated = XgboostAft(**settings).fit(X[rows], outcome.take(rows))
    # The null model's maximum is found to about 1e-6.
    assert weighted.risk_score(X) == pytest.approx(repeated.risk_score(X), abs=1e-3)
