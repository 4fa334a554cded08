"""Fitting any learner by its name, a stack of several as well."""

from __future__ import annotations

from typing import Any

import numpy as np

from features.dataset import Dataset
from models.fitted import check_weights, fit_learner
from models.learners import STACK
from models.prediction import SurvivalModel
from models.stack import fit_stack


def fit_model(
    learner: str,
    params: dict[str, Any],
    dataset: Dataset,
    seed: int,
    weights: np.ndarray | None = None,
) -> SurvivalModel:
    """Fit one learner with given parameters, preprocessing included.

    Parameters
    ----------
    learner : str
        Name in LEARNERS.
    params : dict
        As the learner's search space gives them; empty for its defaults.
    seed : int
        Same seed and data, same model.
    weights : ndarray of shape (n,), optional
        How much each patient counts, >= 0; 0 leaves one out. Preprocessing does not look at them.

    Raises
    ------
    InputError
        When the learner takes no weights, or not so many patients.
    ValueError
        When the weights are not one number >= 0 a patient.
    ArithmeticError
        When the fit does not converge.
    """
    if learner != STACK:
        return fit_learner(learner, params, dataset, seed, weights)
    if weights is not None:
        check_weights(learner)
    return fit_stack(params, dataset, seed)
