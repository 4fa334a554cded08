"""Who is in which fold: drawn once, shared by every learner, so that differences are paired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.model_selection import StratifiedKFold

from features.dataset import Dataset

# The fold of a patient whom a repeat does not test.
NOT_TESTED = -1


@dataclass(frozen=True)
class Resampling:
    """Which patients train and which are predicted, in every repeat.

    Attributes
    ----------
    kind : str
        'repeated_kfold', 'leave_one_center_out', 'temporal' or 'bootstrap'.
    folds : ndarray of shape (repeats, n), int
        Test fold of each patient, from 0; -1 for a patient whom the repeat does not test.
    drawn : ndarray of shape (repeats, n), int, or None
        In a bootstrap, how often each patient was drawn to train.
    labels : tuple of str
        What the folds are called; empty where they have only a number.
    """

    kind: str
    folds: np.ndarray
    drawn: np.ndarray | None = None
    labels: tuple[str, ...] = ()

    @property
    def places(self) -> list[tuple[int, int]]:
        """(repeat, fold) of every split."""
        return [
            (repeat, int(fold))
            for repeat, row in enumerate(self.folds)
            for fold in np.unique(row[row != NOT_TESTED])
        ]

    def train(self, repeat: int, fold: int) -> np.ndarray:
        """Positions of the patients to train on; in a bootstrap some stand there repeatedly."""
        if self.drawn is not None:
            return np.repeat(np.arange(self.folds.shape[1]), self.drawn[repeat])
        return np.flatnonzero(self.folds[repeat] != fold)

    def test(self, repeat: int, fold: int) -> np.ndarray:
        """Positions of the patients to predict."""
        return np.flatnonzero(self.folds[repeat] == fold)

    @property
    def test_to_train(self) -> float:
        """Patients tested for each one trained on, on average over the splits."""
        sizes = [(len(self.test(*p)), len(self.train(*p))) for p in self.places]
        return float(np.mean([test / train for test, train in sizes]))

    def table(self) -> pd.DataFrame:
        """One row a patient, by position and nothing else: fold in each repeat, and times drawn."""
        columns = {f"fold_{repeat}": row for repeat, row in enumerate(self.folds)}
        if self.drawn is not None:
            columns |= {f"drawn_{repeat}": row for repeat, row in enumerate(self.drawn)}
        table = pd.DataFrame(columns)
        table.insert(0, "patient", np.arange(1, self.folds.shape[1] + 1))
        return table


def stratification(dataset: Dataset) -> np.ndarray:
    """Label patients by event and regimen, shape (n,), so that every fold holds some of each."""
    regimen = np.zeros(len(dataset)) if dataset.regimen is None else dataset.regimen
    _, label = np.unique(regimen.astype(str), return_inverse=True)
    return label * 2 + dataset.outcome.event


def bootstrap_strata(dataset: Dataset) -> np.ndarray:
    """Label patients by regimen, shape (n,), so that every replicate holds as many of each.

    Not by event: a replicate with a fixed number of events would leave the chance of the event
    itself out of every interval.
    """
    regimen = np.zeros(len(dataset)) if dataset.regimen is None else dataset.regimen
    return np.unique(regimen.astype(str), return_inverse=True)[1]


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
        is still too small is not stratified at all. Rows that are one patient, as in a bootstrap
        sample, share their fold: nobody is tested by a model that saw them.
    """
    if dataset.patient is not None:
        _, first, copy = np.unique(dataset.patient, return_index=True, return_inverse=True)
        if len(first) < len(dataset):
            return repeated_folds(dataset.take(first), folds, repeats, seed)[:, copy]
    strata = stratification(dataset)
    for group in (dataset.outcome.event, ~dataset.outcome.event):
        if group.any() and np.unique(strata[group], return_counts=True)[1].min() < folds:
            strata[group] = -1 - int(dataset.outcome.event[group][0])
    if np.unique(strata, return_counts=True)[1].min() < folds:
        strata[:] = 0
    drawn = np.empty((repeats, len(dataset)), dtype=int)
    for repeat in range(repeats):
        state = _state(seed, repeat)
        splitter = StratifiedKFold(folds, shuffle=True, random_state=state)
        for fold, (_, test) in enumerate(splitter.split(strata, strata)):
            drawn[repeat, test] = fold
    return drawn


def repeated_kfold(dataset: Dataset, folds: int, repeats: int, seed: int) -> Resampling:
    """Repeated stratified K-fold, see `repeated_folds`."""
    return Resampling("repeated_kfold", repeated_folds(dataset, folds, repeats, seed))


def leave_one_center_out(center: Sequence[str] | np.ndarray) -> Resampling:
    """Each center predicted by models of all the others.

    Raises
    ------
    ValueError
        With fewer than two centers.
    """
    labels, fold = np.unique(np.asarray(center).astype(str), return_inverse=True)
    if len(labels) < 2:
        raise ValueError("leaving one center out needs two centers or more")
    return Resampling("leave_one_center_out", fold[None, :], labels=tuple(map(str, labels)))


def temporal_split(order: ArrayLike, test_from: float) -> Resampling:
    """Earlier patients train, those from `test_from` on are predicted.

    Parameters
    ----------
    order : array-like of shape (n,)
        When each patient entered: a year or an ordinal day; comparable with `test_from`.

    Raises
    ------
    ValueError
        When a value is missing, or nobody stands on one side.
    """
    entered = np.asarray(order, dtype=float)
    if np.isnan(entered).any():
        raise ValueError(f"the time of entry is missing for {np.isnan(entered).sum()} patients")
    late = entered >= test_from
    if late.all() or not late.any():
        raise ValueError(f"{late.sum()} of {len(late)} patients entered from {test_from:g} on")
    return Resampling("temporal", np.where(late, 0, NOT_TESTED)[None, :])


def bootstrap(dataset: Dataset, repeats: int, seed: int) -> Resampling:
    """Train on patients drawn with replacement, stratified; predict those who were not drawn."""
    strata = stratification(dataset)
    drawn = np.zeros((repeats, len(dataset)), dtype=int)
    for repeat in range(repeats):
        rng = np.random.default_rng(_state(seed, repeat))
        for label in np.unique(strata):
            members = np.flatnonzero(strata == label)
            np.add.at(drawn[repeat], rng.choice(members, len(members)), 1)
    return Resampling("bootstrap", np.where(drawn == 0, 0, NOT_TESTED), drawn)


def _state(seed: int, repeat: int) -> int:
    return int(np.random.SeedSequence([seed, repeat]).generate_state(1)[0])
