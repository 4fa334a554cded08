"""Who is in which fold: drawn once, shared by every learner, so that differences are paired."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import StratifiedKFold

from features.dataset import Dataset


def stratification(dataset: Dataset) -> np.ndarray:
    """Label patients by event and regimen, shape (n,), so that every fold holds some of each."""
    regimen = np.zeros(len(dataset)) if dataset.regimen is None else dataset.regimen
    _, label = np.unique(regimen.astype(str), return_inverse=True)
    return label * 2 + dataset.outcome.event


def repeated_folds(dataset: Dataset, folds: int, repeats: int, seed: int) -> np.ndarray:
    """Draw repeated K-fold splits stratified by event and regimen.

    Parameters
    ----------
    folds, repeats : int
    seed : int
        Same seed, same folds.

    Returns
    -------
    ndarray of shape (repeats, n), int
        Test fold (0..folds-1) of each patient in each repeat. Where an event class holds a regimen
        with fewer patients than folds, the regimens of that class are drawn as one; a class that
        is still too small is not stratified at all.
    """
    strata = stratification(dataset)
    for group in (dataset.outcome.event, ~dataset.outcome.event):
        if group.any() and np.unique(strata[group], return_counts=True)[1].min() < folds:
            strata[group] = -1 - int(dataset.outcome.event[group][0])
    if np.unique(strata, return_counts=True)[1].min() < folds:
        strata[:] = 0
    drawn = np.empty((repeats, len(dataset)), dtype=int)
    for repeat in range(repeats):
        state = int(np.random.SeedSequence([seed, repeat]).generate_state(1)[0])
        splitter = StratifiedKFold(folds, shuffle=True, random_state=state)
        for fold, (_, test) in enumerate(splitter.split(strata, strata)):
            drawn[repeat, test] = fold
    return drawn
