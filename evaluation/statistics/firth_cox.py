"""Firth's penalised Cox regression, for few events or a covariate that separates them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2

from evaluation.remarks import not_estimable
from evaluation.statistics.partial_likelihood import PartialLikelihood, Ties
from features.outcome import Outcome

_ITERATIONS = 200
_TOLERANCE = 1e-14
_LARGEST_STEP = 2.0
# A limit further than this many standard errors from the estimate is not looked for.
_FURTHEST = 40.0


class FirthCox(NamedTuple):
    """A penalised Cox model of q columns.

    Attributes
    ----------
    coef : ndarray of shape (q,)
        Log hazard ratios; higher is worse.
    std_error : ndarray of shape (q,)
        From the inverse information at the estimate, without the penalty, as R's coxphf has it.
    ci_low, ci_high : ndarray of shape (q,)
        95% profile penalised likelihood limits; NaN where not asked for.
    p_value : ndarray of shape (q,)
        Penalised likelihood ratio test; NaN where not asked for.
    penalised_log_likelihood : float
    note : str
        Why there is no estimate; empty when there is one.
    """

    coef: np.ndarray
    std_error: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    p_value: np.ndarray
    penalised_log_likelihood: float
    note: str = ""


def fit_firth_cox(
    outcome: Outcome,
    columns: np.ndarray,
    profiled: tuple[int, ...] | None = None,
    ties: Ties = "breslow",
) -> FirthCox:
    """Maximise the partial likelihood plus half the log determinant of its information.

    Parameters
    ----------
    outcome : Outcome of n patients
    columns : ndarray of shape (n, q)
        Not collinear.
    profiled : tuple of int, optional
        Columns whose limits and test are wanted; all where left out.
    ties : {"breslow", "efron"}
        coxphf takes Breslow's.

    Returns
    -------
    FirthCox

    References
    ----------
    Heinze and Schemper, Biometrics 2001;57:114; Firth, Biometrika 1993;80:27.
    """
    columns = np.asarray(columns, dtype=float)
    q = columns.shape[1]
    nothing = np.full(q, np.nan)
    spread = columns.std(axis=0) if len(columns) else np.zeros(q)
    if not outcome.n_events or not (spread > 0).all():
        return FirthCox(
            nothing, nothing, nothing, nothing, nothing, np.nan,
            not_estimable("no event, or a constant column"),
        )  # fmt: skip
    model = _Penalised(outcome, (columns - columns.mean(axis=0)) / spread, ties)
    free = np.ones(q, dtype=bool)
    beta, value = model.maximise(np.zeros(q), free)
    if not np.isfinite(value):
        return FirthCox(
            nothing, nothing, nothing, nothing, nothing, np.nan,
            not_estimable("the information is singular"),
        )  # fmt: skip
    error = np.sqrt(np.diag(np.linalg.inv(model.state(beta)[2])))
    low, high, p_value = nothing.copy(), nothing.copy(), nothing.copy()
    for j in range(q) if profiled is None else profiled:
        low[j], high[j] = (model.limit(beta, value, j, side * error[j]) for side in (-1, 1))
        others = free.copy()
        others[j] = False
        start = beta.copy()
        start[j] = 0.0
        p_value[j] = chi2.sf(2 * (value - model.maximise(start, others)[1]), 1)
    # The determinant of the information of the columns as given differs by their scale.
    value -= float(np.log(1 / spread).sum())
    return FirthCox(beta / spread, error / spread, low / spread, high / spread, p_value, value)


class _Penalised:
    """The penalised partial likelihood on standardised columns."""

    def __init__(self, outcome: Outcome, X: np.ndarray, ties: Ties) -> None:
        self.plain = PartialLikelihood(outcome, X, ties=ties)
        (self.patients,) = self.plain.strata

    def state(self, beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Penalised log likelihood, modified score, information."""
        value, score, information = self.plain.at(beta)
        sign, log_det = np.linalg.slogdet(information)
        if not sign > 0:
            return -np.inf, np.zeros_like(beta), information
        # Half the trace of I^-1 dI/db_j: third central moments within each risk set.
        x = self.plain.columns[self.patients.rows]
        whitened = x @ np.linalg.cholesky(np.linalg.inv(information))
        squared = np.sum(whitened**2, axis=1)
        powers = np.column_stack([np.ones(len(x)), whitened, squared])
        products = powers[:, :, None] * np.column_stack([np.ones(len(x)), x])[:, None, :]
        sums = self.patients.at_risk(np.exp(x @ beta)[:, None, None] * products)
        moments = sums / sums[:, :1, :1]
        centre, mean = moments[:, 1:-1, 0], moments[:, 0, 1:]
        # Of the squared distance from the mean: alone, and times each column.
        distance = moments[:, -1] - 2 * np.einsum("ri,rij->rj", centre, moments[:, 1:-1])
        distance += np.sum(centre**2, axis=1)[:, None] * moments[:, 0]
        penalty = self.patients.row_weight @ (distance[:, 1:] - distance[:, :1] * mean)
        return value + 0.5 * float(log_det), score + 0.5 * penalty, information

    def maximise(self, start: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, float]:
        """Newton's method on the free columns; the others stay where they start."""
        beta = start.copy()
        value, score, information = self.state(beta)
        if not free.any() or not np.isfinite(value):
            return beta, value
        for _ in range(_ITERATIONS):
            step = np.zeros_like(beta)
            step[free] = np.linalg.solve(information[np.ix_(free, free)], score[free])
            if float(score @ step) < _TOLERANCE:
                break
            step *= min(1.0, _LARGEST_STEP / np.abs(step).max())
            for _ in range(25):
                new_value, new_score, new_information = self.state(beta + step)
                if new_value >= value - 1e-12 * abs(value):
                    break
                step /= 2
            else:
                break
            beta, value, score, information = beta + step, new_value, new_score, new_information
        return beta, value

    def limit(self, best: np.ndarray, value: float, j: int, step: float) -> float:
        """Where the profile has fallen by half the 95% quantile; NaN if nowhere near."""
        free = np.ones(len(best), dtype=bool)
        free[j] = False
        target = chi2.ppf(0.95, 1)
        start = best.copy()

        def excess(at: float) -> float:
            start[j] = at
            found, profile = self.maximise(start, free)
            start[:] = found
            return float(2 * (value - profile) - target)

        inner, outer = best[j], best[j] + 2 * step
        while excess(outer) < 0:
            inner, outer = outer, outer + 2 * step
            if abs(outer - best[j]) > _FURTHEST * abs(step):
                return np.nan
        return float(brentq(excess, inner, outer, xtol=1e-10))
