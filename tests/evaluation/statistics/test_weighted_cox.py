import greenwood
import numpy as np
import pytest

from evaluation.statistics.weighted_cox import fit_weighted_cox
from features.outcome import Outcome


def cohort(seed, n=150, ties=False):
    generator = np.random.default_rng(seed)
    covariates = generator.normal(size=(n, 3)) * [1, 8, 0.3] + [0, 60, 5]
    score = covariates @ [0.5, 0.05, -1.0]
    latent = generator.exponential(10 * np.exp(-(score - score.mean())))
    censored = generator.uniform(0, 40, n)
    time = np.minimum(latent, censored)
    return Outcome(np.ceil(time) if ties else time, latent <= censored), covariates


def surv(outcome):
    return greenwood.Surv(outcome.time, event=outcome.event.astype(int))


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_equals_greenwood_with_tied_times(ties):
    outcome, covariates = cohort(0, ties=True)
    expected = greenwood.CoxPH(ties=ties).fit(surv(outcome), covariates)
    fit = fit_weighted_cox(outcome, covariates, ties=ties)
    assert fit.original_coef[0] == pytest.approx(expected.coef_, abs=1e-8)
    errors = np.sqrt(np.diag(fit.original_covariance[0]))
    assert errors == pytest.approx(expected.std_error_, rel=1e-6)


def test_weights_equal_greenwoods_without_ties():
    outcome, covariates = cohort(1)
    counts = np.random.default_rng(1).integers(0, 4, size=(3, len(outcome)))
    fits = fit_weighted_cox(outcome, covariates, counts)
    for count, coef in zip(counts, fits.original_coef, strict=True):
        drawn = count > 0
        # Without ties both likelihoods are the same. greenwood 0.8 with ties="efron" and weights
        # gives other coefficients here, unlike its own fit of the repeated patients.
        expected = greenwood.CoxPH(ties="breslow").fit(
            surv(outcome.take(drawn)), covariates[drawn], weights=count[drawn].astype(float)
        )
        assert coef == pytest.approx(expected.coef_, abs=1e-7)


def test_baseline_hazard_by_hand():
    # Events at 1 of x = 1 and of x = 0, both at risk with x = 0 and x = 1: no effect fits best.
    # Four at risk, two tied events: Breslow 2/4, Efron 1/4 + 1/3 (the second time half of each
    # tied event is gone). Then one of two at 3.
    outcome = Outcome([1, 1, 3, 4], [1, 1, 1, 1])
    covariate = np.array([[1.0], [0.0], [1.0], [0.0]])
    breslow = fit_weighted_cox(outcome, covariate, times=[0.5, 1, 3.5], ties="breslow")
    # Gradient at b, r = exp(b): 1 - 2 r / (1 + r) + 1 - r / (1 + r) = 0, so r = 2.
    ratio = 2.0
    assert breslow.original_coef[0, 0] == pytest.approx(np.log(ratio))
    expected = np.array([0, 2 / (2 * ratio + 2), 2 / (2 * ratio + 2) + 1 / (ratio + 1)])
    # The baseline of z lies where z = 0, at the mean x = 1/2.
    np.testing.assert_allclose(breslow.hazard[0], expected * np.sqrt(ratio))
    efron = fit_weighted_cox(outcome, covariate, times=[1], ties="efron")
    share = np.exp(efron.original_coef[0, 0])
    # Half of each tied event is gone the second time: r + 1 + (r + 1) / 2.
    by_hand = 1 / (2 * share + 2) + 1 / (1.5 * (share + 1))
    assert efron.hazard[0, 0] == pytest.approx(by_hand * np.sqrt(share))


def test_no_finite_estimate_is_nan():
    outcome, covariates = cohort(2)
    no_event = Outcome(outcome.time, np.zeros(len(outcome), dtype=bool))
    constant = np.column_stack([covariates[:, 0], np.ones(len(outcome))])
    repeated = covariates[:, [0, 0]]
    separated = -outcome.time[:, None]
    for case in (
        fit_weighted_cox(no_event, covariates, times=[3]),
        fit_weighted_cox(outcome, constant, times=[3]),
        fit_weighted_cox(outcome, repeated, times=[3]),
        fit_weighted_cox(Outcome(outcome.time, np.ones(len(outcome))), separated, times=[3]),
    ):
        assert np.isnan(case.coef).all()
        assert np.isnan(case.hazard).all()


def test_wrong_arguments_are_named():
    outcome, covariates = cohort(3)
    with pytest.raises(ValueError, match="covariates has shape"):
        fit_weighted_cox(outcome, covariates[:, 0])
    with pytest.raises(ValueError, match="hold NaN"):
        fit_weighted_cox(outcome, np.full((len(outcome), 1), np.nan))
    with pytest.raises(ValueError, match="ties must be"):
        fit_weighted_cox(outcome, covariates, ties="exact")
