"""Cox regression of a few covariates with case weights: a cohort or all its bootstrap replicates.

One pass over the patients, sorted once, gives likelihood, gradient and information; a replicate
only changes the weights. It serves calibration and the censoring model. Regimen comparisons use
greenwood, which is slow for thousands of refits or a million patients.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from features.outcome import Outcome


class WeightedCox(NamedTuple):
    """Fits of B replicates on centred, uncorrelated columns z = (x - mean) @ transform.

    `coef` (B, p), `covariance` (B, p, p) and the cumulative baseline `hazard` (B, m) belong to z;
    all NaN in a replicate without a finite maximum of the likelihood.
    """

    coef: np.ndarray
    covariance: np.ndarray
    hazard: np.ndarray
    mean: np.ndarray
    transform: np.ndarray

    @property
    def original_coef(self) -> np.ndarray:
        """Log hazard ratios of the covariates as given, (B, p)."""
        return self.coef @ self.transform.T

    @property
    def original_covariance(self) -> np.ndarray:
        """Inverse information of `original_coef`, (B, p, p)."""
        return self.transform @ self.covariance @ self.transform.T

    def standardised(self, covariates: np.ndarray) -> np.ndarray:
        """Columns z of further patients, (..., p)."""
        return (covariates - self.mean) @ self.transform


def fit_weighted_cox(
    outcome: Outcome,
    covariates: np.ndarray,
    counts: np.ndarray | None = None,
    times: ArrayLike = (),
    ties: str = "efron",
) -> WeightedCox:
    """Maximise the weighted partial likelihood by Newton's method, halving steps that overshoot.

    Parameters
    ----------
    outcome : Outcome of n patients
    covariates : ndarray of shape (n, p)
        Numbers without NaN.
    counts : ndarray of shape (B, n), optional
        Case weights, one row a replicate; ones by default. Tied events share their mean weight and
        a patient of weight 0 is not there, as in R's `coxph(weights=)`.
    times : array-like of shape (m,)
        Months, increasing, at which the cumulative baseline hazard is wanted.
    ties : {"efron", "breslow"}
        For the likelihood and for the hazard.

    Returns
    -------
    WeightedCox
        All NaN without an event, with a covariate that does not vary or repeats others, or where
        covariates separate the events.

    Raises
    ------
    ValueError
        When covariates do not have one row a patient or hold NaN, or ties is another word.

    References
    ----------
    Efron, JASA 1977, 72:557-565; Therneau and Grambsch, Modeling Survival Data, 2000, chapter 3
    """
    covariates = np.asarray(covariates, dtype=float)
    if covariates.ndim != 2 or len(covariates) != len(outcome):
        raise ValueError(
            f"covariates has shape {covariates.shape}; expected one row a patient, "
            f"({len(outcome)}, p)"
        )
    if np.isnan(covariates).any():
        raise ValueError("covariates hold NaN")
    if ties not in ("efron", "breslow"):
        raise ValueError(f"ties must be 'efron' or 'breslow'; got {ties!r}")
    weights = np.ones((1, len(outcome))) if counts is None else np.atleast_2d(counts)
    times = np.asarray(times, dtype=float)
    n_covariates = covariates.shape[1]
    mean = covariates.mean(axis=0)
    varies = (np.ptp(covariates, axis=0) > 0).all() if len(covariates) else False
    transform = _uncorrelating(covariates - mean) if varies else None
    if transform is None:
        unknown = np.full((len(weights), n_covariates, n_covariates), np.nan)
        hazard = np.full((len(weights), len(times)), np.nan)
        identity = np.eye(n_covariates)
        return WeightedCox(unknown[:, 0], unknown, hazard, mean, identity)

    latest_first = np.argsort(-outcome.time, kind="stable")
    time = outcome.time[latest_first]
    patients = (
        ((covariates - mean) @ transform)[latest_first],
        outcome.event[latest_first],
        np.append(time[1:] != time[:-1], True),
        np.searchsorted(times, time, side="left"),
    )
    start = np.zeros(n_covariates)
    if len(weights) > 1:  # replicates lie near the cohort
        everyone = np.ones((1, len(outcome)))
        start = np.nan_to_num(_fit(everyone, *patients, len(times), ties == "efron", start)[0][0])
    weights = weights[:, latest_first]
    coef, covariance, hazard = _fit(weights, *patients, len(times), ties == "efron", start)
    return WeightedCox(coef, covariance, np.cumsum(hazard, axis=1), mean, transform)


def _uncorrelating(centred: np.ndarray) -> np.ndarray | None:
    """Matrix (p, p) that makes the columns uncorrelated with variance 1; None when they are fewer.

    Newton's steps on such columns are of comparable size, whatever the units and however alike
    the terms of a spline.
    """
    scale = np.sqrt((centred**2).mean(axis=0))
    correlation = (centred / scale).T @ (centred / scale) / len(centred)
    variance, direction = np.linalg.eigh(correlation)
    if variance[0] < 1e-10 * variance[-1]:
        return None
    transform: np.ndarray = direction / np.sqrt(variance) / scale[:, None]
    return transform


@njit(cache=True, nogil=True)
def _fit(
    weights: np.ndarray,
    design: np.ndarray,
    event: np.ndarray,
    last_of_tie: np.ndarray,
    column: np.ndarray,
    n_columns: int,
    efron: bool,
    start: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients, inverse information and hazard increments of each replicate.

    Patients come latest first. `column` is the first wanted time at or after a patient's own.
    Loops, here and below, since array expressions take several times as long to compile.
    """
    n_replicates = weights.shape[0]
    p = design.shape[1]
    coefs = np.full((n_replicates, p), np.nan)
    covariances = np.full((n_replicates, p, p), np.nan)
    hazards = np.full((n_replicates, n_columns), np.nan)
    hazard = np.zeros(n_columns)
    gradient = np.zeros(p)
    information = np.zeros((p, p))
    covariance = np.zeros((p, p))
    coef, step = np.zeros(p), np.zeros(p)
    for replicate in range(n_replicates):
        for a in range(p):
            coef[a] = start[a]
            step[a] = 0.0
        best = -np.inf
        for _ in range(60):
            likelihood = _pass_over(
                weights[replicate], design, event, last_of_tie, column, efron, coef,
                gradient, information, hazard,
            )  # fmt: skip
            if likelihood < best - 1e-9 * abs(best):
                for a in range(p):
                    step[a] *= 0.5
                    coef[a] -= step[a]
                continue
            best = likelihood
            if not _invert(information, covariance):
                break
            longest = 0.0
            for a in range(p):
                step[a] = 0.0
                for b in range(p):
                    step[a] += covariance[a, b] * gradient[b]
                longest = max(longest, abs(step[a]))
            # Steps of at most one standard deviation keep Newton from overshooting far.
            shorter = max(longest, 1.0)
            for a in range(p):
                step[a] /= shorter
                coef[a] += step[a]
            if longest < 1e-9:
                for a in range(p):
                    coefs[replicate, a] = coef[a]
                    for b in range(p):
                        covariances[replicate, a, b] = covariance[a, b]
                for k in range(n_columns):
                    hazards[replicate, k] = hazard[k]
                break
    return coefs, covariances, hazards


@njit(cache=True, nogil=True)
def _pass_over(
    weights: np.ndarray,
    design: np.ndarray,
    event: np.ndarray,
    last_of_tie: np.ndarray,
    column: np.ndarray,
    efron: bool,
    coef: np.ndarray,
    gradient: np.ndarray,
    information: np.ndarray,
    hazard: np.ndarray,
) -> float:
    """Log partial likelihood; gradient, information and hazard increments are filled in."""
    n, p = design.shape
    likelihood = 0.0
    for a in range(p):
        gradient[a] = 0.0
        for b in range(p):
            information[a, b] = 0.0
    for k in range(len(hazard)):
        hazard[k] = 0.0
    # Sums of w e, w e x and w e x x over those at risk, and over the events of a tie.
    risk_0 = tied_0 = tied_weight = 0.0
    risk_1, tied_1 = np.zeros(p), np.zeros(p)
    risk_2, tied_2 = np.zeros((p, p)), np.zeros((p, p))
    n_tied = 0
    for i in range(n):
        weight = float(weights[i])
        if weight > 0.0:
            score = 0.0
            for a in range(p):
                score += coef[a] * design[i, a]
            share = weight * np.exp(score)
            risk_0 += share
            for a in range(p):
                risk_1[a] += share * design[i, a]
                for b in range(a + 1):
                    risk_2[a, b] += share * design[i, a] * design[i, b]
            if event[i]:
                n_tied += 1
                tied_weight += weight
                tied_0 += share
                likelihood += weight * score
                for a in range(p):
                    gradient[a] += weight * design[i, a]
                    tied_1[a] += share * design[i, a]
                    for b in range(a + 1):
                        tied_2[a, b] += share * design[i, a] * design[i, b]
        if last_of_tie[i] and n_tied > 0:
            mean_weight = tied_weight / n_tied
            increment = 0.0
            for k in range(n_tied):
                left = k / n_tied if efron else 0.0
                total = risk_0 - left * tied_0
                likelihood -= mean_weight * np.log(total)
                increment += mean_weight / total
                for a in range(p):
                    mean_a = (risk_1[a] - left * tied_1[a]) / total
                    gradient[a] -= mean_weight * mean_a
                    for b in range(a + 1):
                        mean_b = (risk_1[b] - left * tied_1[b]) / total
                        square = (risk_2[a, b] - left * tied_2[a, b]) / total
                        information[a, b] += mean_weight * (square - mean_a * mean_b)
            if column[i] < len(hazard):
                hazard[column[i]] += increment
            n_tied = 0
            tied_0 = tied_weight = 0.0
            for a in range(p):
                tied_1[a] = 0.0
                for b in range(p):
                    tied_2[a, b] = 0.0
    for a in range(p):
        for b in range(a):
            information[b, a] = information[a, b]
    return likelihood


@njit(cache=True, nogil=True)
def _invert(left: np.ndarray, right: np.ndarray) -> bool:
    """Inverse of a symmetric matrix by elimination into `right`; `left` is used up.

    False when it is not positive definite.
    """
    p = len(left)
    for i in range(p):
        for j in range(p):
            right[i, j] = 1.0 if i == j else 0.0
    for k in range(p):
        pivot = left[k, k]
        if not pivot > 1e-10:
            return False
        for j in range(p):
            left[k, j] /= pivot
            right[k, j] /= pivot
        for i in range(p):
            factor = left[i, k]
            if i != k:
                for j in range(p):
                    left[i, j] -= factor * left[k, j]
                    right[i, j] -= factor * right[k, j]
    return True
