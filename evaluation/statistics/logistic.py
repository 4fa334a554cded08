"""Logistic regression for two arms: maximum likelihood, ridge or Firth, with case weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import linprog
from scipy.special import expit, log_expit

Method = Literal["maximum likelihood", "Firth", "ridge"]
# Weight of the ridge penalty per unit of half the squared coefficient of a standardised column.
RIDGE = 1.0
_ITERATIONS = 50
_TOLERANCE = 1e-12


@dataclass(frozen=True)
class LogisticFit:
    """A fitted logistic regression of n patients on q columns.

    Attributes
    ----------
    coef : ndarray of shape (q + 1,)
        Intercept first; log odds per unit of the column as given.
    probability : ndarray of shape (n,)
        Fitted probability of a 1.
    influence : ndarray of shape (n, q + 1)
        Derivative of the coefficients of the standardised columns by each patient's case weight.
    columns : ndarray of shape (n, q + 1)
        Intercept and standardised columns, which `influence` belongs to.
    leverage : ndarray of shape (n,)
        Diagonal of the hat matrix; adds up to the number of coefficients without a penalty.
    method : str
    converged : bool
    """

    coef: np.ndarray
    probability: np.ndarray
    influence: np.ndarray
    columns: np.ndarray
    leverage: np.ndarray
    method: Method
    converged: bool


def fit_logistic(
    matrix: np.ndarray,
    outcome: np.ndarray,
    method: Method = "maximum likelihood",
    case_weights: np.ndarray | None = None,
) -> LogisticFit:
    """Fit by Newton's method with step halving.

    Parameters
    ----------
    matrix : ndarray of shape (n, q)
        Without an intercept.
    outcome : ndarray of shape (n,), bool
    method : str
        "maximum likelihood" is R's glm. "Firth" adds half the log determinant of the information,
        which keeps the coefficients finite under separation. "ridge" adds RIDGE / 2 times the
        squared coefficients of the standardised columns, intercept free.
    case_weights : ndarray of shape (n,), optional
        How often each patient counts.

    Raises
    ------
    ValueError
        When an arm has no patient.

    References
    ----------
    Firth, Biometrika 1993;80:27; Heinze and Schemper, Stat Med 2002;21:2409.
    """
    response = np.asarray(outcome, dtype=float)
    case = np.ones(len(response)) if case_weights is None else np.asarray(case_weights, dtype=float)
    if not (case @ response > 0 and case @ (1 - response) > 0):
        raise ValueError("a logistic regression needs patients with 0 and with 1; got one kind")
    centre = case @ matrix / case.sum()
    spread = np.sqrt(case @ (matrix - centre) ** 2 / case.sum())
    # What is constant in a bootstrap replicate takes no part there.
    spread = np.where(spread > 1e-12 * np.maximum(np.abs(centre), 1), spread, np.inf)
    columns = np.column_stack([np.ones(len(response)), (matrix - centre) / spread])
    penalty = np.full(columns.shape[1], RIDGE if method == "ridge" else 0.0)
    penalty[0] = 0.0

    def state(beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        eta = columns @ beta
        p = expit(eta)
        scaled = columns * np.sqrt(case * p * (1 - p))[:, None]
        information = scaled.T @ scaled + np.diag(penalty)
        value = float(
            case @ (response * log_expit(eta) + (1 - response) * log_expit(-eta))
            - 0.5 * penalty @ beta**2
        )
        score = columns.T @ (case * (response - p)) - penalty * beta
        inverse = np.linalg.pinv(information, rcond=1e-13, hermitian=True)
        if method == "Firth":
            value += 0.5 * float(np.linalg.slogdet(information)[1])
            leverage = np.einsum("ij,jk,ik->i", scaled, inverse, scaled)
            score = score + columns.T @ (leverage * (0.5 - p))
        return value, score, inverse

    beta = np.zeros(columns.shape[1])
    beta[0] = np.log(case @ response / (case @ (1 - response)))
    value, score, inverse = state(beta)
    converged = False
    for _ in range(_ITERATIONS):
        step = inverse @ score
        gain = float(score @ step)
        if gain < _TOLERANCE:
            # The last step costs little and squares what error is left.
            beta = beta + step
            _, _, inverse = state(beta)
            converged = True
            break
        step *= min(1.0, 5.0 / max(np.abs(step).max(), 1e-300))
        for _ in range(20):
            new_value, new_score, new_inverse = state(beta + step)
            if new_value >= value - 1e-10:
                break
            step /= 2
        beta, value, score, inverse = beta + step, new_value, new_score, new_inverse
    probability = expit(columns @ beta)
    influence = (columns * (response - probability)[:, None]) @ inverse
    fitted_variance = case * probability * (1 - probability)
    leverage = fitted_variance * np.einsum("ij,jk,ik->i", columns, inverse, columns)
    slopes = beta[1:] / spread
    coef = np.append(beta[0] - slopes @ centre, slopes)
    return LogisticFit(coef, probability, influence, columns, leverage, method, converged)


def is_separated(matrix: np.ndarray, outcome: np.ndarray) -> bool:
    """Whether a combination of the columns tells the two kinds of patients apart.

    Complete or quasi-complete separation: then no maximum likelihood estimate exists. Found by
    linear programming (Konis, DPhil thesis, Oxford 2007), not by the size of the coefficients.
    """
    sign = np.where(np.asarray(outcome, dtype=bool), 1.0, -1.0)
    spread = matrix.std(axis=0)
    columns = (matrix - matrix.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    signed = sign[:, None] * np.column_stack([np.ones(len(sign)), columns])
    found = linprog(
        -signed.sum(axis=0),
        A_ub=-signed,
        b_ub=np.zeros(len(sign)),
        bounds=[(-1, 1)] * signed.shape[1],
        method="highs",
    )
    return bool(found.status == 0 and -found.fun > 1e-6)
