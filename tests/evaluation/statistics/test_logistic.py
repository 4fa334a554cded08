"""Logistic regression against two-by-two tables by hand, and separation."""

import numpy as np
import pytest

from evaluation.statistics.logistic import fit_logistic, is_separated

# Without the covariate 2 of 5, with it 6 of 8.
X = np.repeat([0.0, 1.0], [5, 8])[:, None]
Y = np.array([1, 1, 0, 0, 0] + [1] * 6 + [0] * 2, dtype=bool)


def test_a_flag_gives_the_log_odds_of_its_table():
    fit = fit_logistic(X, Y)
    np.testing.assert_allclose(fit.coef, [np.log(2 / 3), np.log(6 / 2) - np.log(2 / 3)], rtol=1e-9)
    np.testing.assert_allclose(np.unique(fit.probability), [0.4, 0.75])
    assert fit.converged


def test_firth_adds_half_a_patient_to_each_cell():
    # Known for a saturated model (Heinze and Schemper 2002): (6.5 / 2.5) / (2.5 / 3.5).
    fit = fit_logistic(X, Y, "Firth")
    np.testing.assert_allclose(fit.coef[1], np.log(6.5 / 2.5) - np.log(2.5 / 3.5), rtol=1e-6)


def test_ridge_pulls_towards_no_effect():
    assert 0 < fit_logistic(X, Y, "ridge").coef[1] < fit_logistic(X, Y).coef[1]


def test_leverages_add_up_to_the_coefficients():
    assert fit_logistic(X, Y).leverage.sum() == pytest.approx(2)


def test_case_weights_are_repeated_patients():
    counts = np.arange(1, 14) % 3
    rows = np.repeat(np.arange(13), counts)
    weighted = fit_logistic(X, Y, case_weights=counts)
    np.testing.assert_allclose(weighted.coef, fit_logistic(X[rows], Y[rows]).coef, atol=1e-8)


def test_influence_is_the_derivative_by_the_case_weight():
    rng = np.random.default_rng(1)
    columns, outcome = rng.normal(size=(40, 2)), rng.random(40) < 0.5
    fit = fit_logistic(columns, outcome)
    weights = np.ones(40)
    weights[7] += 1e-6
    moved = fit_logistic(columns, outcome, case_weights=weights)
    change = (moved.probability - fit.probability) / 1e-6
    variance = fit.probability * (1 - fit.probability)
    np.testing.assert_allclose(change, variance * (fit.columns @ fit.influence[7]), atol=1e-5)


def test_separation_is_found_complete_or_quasi():
    x = np.array([1.0, 2.0, 3.0, 4.0])[:, None]
    assert is_separated(x, np.array([0, 0, 1, 1], dtype=bool))
    assert is_separated(x[[0, 1, 1, 3]], np.array([0, 0, 1, 1], dtype=bool))
    assert not is_separated(x, np.array([0, 1, 0, 1], dtype=bool))


def test_firth_is_finite_under_separation():
    x = np.array([1.0, 2.0, 3.0, 4.0])[:, None]
    fit = fit_logistic(x, np.array([0, 0, 1, 1], dtype=bool), "Firth")
    assert fit.converged
    assert 0 < fit.coef[1] < 5


def test_one_kind_of_patient_is_refused():
    with pytest.raises(ValueError, match="patients with 0 and with 1"):
        fit_logistic(X, np.ones(13, dtype=bool))
