"""Doubly robust contrasts: augmented inverse weighting of pseudo-values."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from evaluation.regimens.adjusted.propensity import Propensity


class DoublyRobust(NamedTuple):
    """Contrasts over all patients, arm minus reference arm.

    Attributes
    ----------
    difference : ndarray of shape (k,)
    influence : ndarray of shape (n, k)
        Of each patient; the sum of squares is the variance.
    """

    difference: np.ndarray
    influence: np.ndarray


def doubly_robust(
    values: np.ndarray, adjusters: np.ndarray, propensity: Propensity
) -> DoublyRobust:
    """AIPW: right when the propensity model or the outcome model is.

    The outcome model is a linear regression of the pseudo-values on the arm and the covariates. The
    influence holds what estimating both models adds, so the interval is right as well when only one
    of them is.

    Parameters
    ----------
    values : ndarray of shape (n, k)
        Pseudo-values, complete.
    adjusters : ndarray of shape (n, q)
    propensity : Propensity
        Of the same patients, with their case weights.

    References
    ----------
    Robins, Rotnitzky and Zhao, JASA 1994;89:846; Wang, Biometrics 2018;74:891 (with
    pseudo-values).
    """
    e, case = propensity.score, propensity.case_weights
    arm = propensity.treated.astype(float)
    total = case.sum()
    centred = adjusters - case @ adjusters / total
    columns = np.column_stack([np.ones(len(arm)), arm, centred])
    inverse = np.linalg.pinv((columns * case[:, None]).T @ columns, rcond=1e-13, hermitian=True)
    coef = inverse @ columns.T @ (case[:, None] * values)
    residual = values - columns @ coef
    # +1/e in the arm, -1/(1-e) in the reference arm.
    weight = np.where(propensity.treated, 1 / e, -1 / (1 - e))
    # Under main effects the predicted difference is the same for everybody.
    each = coef[1] + weight[:, None] * residual
    difference = case @ each / total
    own = (each - difference) / total
    # Through the outcome model.
    by_coef = -(columns * (case * weight)[:, None]).sum(axis=0) / total
    by_coef[1] += 1.0
    through_outcome = residual * (columns @ inverse @ by_coef)[:, None]
    # Through the propensity model: d weight / d e = -1/e^2 and -1/(1-e)^2.
    by_score = -np.where(propensity.treated, 1 / e**2, 1 / (1 - e) ** 2) * e * (1 - e)
    by_parameter = ((case * by_score)[:, None] * propensity.fit.columns).T @ residual / total
    through_score = propensity.fit.influence @ by_parameter
    return DoublyRobust(difference, case[:, None] * (own + through_outcome + through_score))
