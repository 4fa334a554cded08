"""Which learner to register: the lowest error, unless a simpler one cannot be told from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluation.metrics import IBS, rows_of
from evaluation.validation.corrected_variance import corrected_standard_error

# The figure of the rule. The IBS of the metrics counts patients and not folds: the two differ where
# folds differ in size.
MEAN_IBS = "mean IBS of the test folds"


@dataclass(frozen=True)
class Champion:
    """The chosen learner and why."""

    learner: str
    reason: str


def choose_champion(
    scores: Mapping[str, pd.DataFrame], rule: str, test_to_train: float
) -> Champion:
    """Choose by the integrated Brier score (IBS, lower is better), its mean over the test folds.

    Parameters
    ----------
    scores : mapping of learner -> table of `fold_scores`
        Ordered from the simplest learner on; all on the same folds.
    rule : {'lowest_ibs_one_se', 'lowest_ibs'}
        The first takes the simplest learner whose mean paired difference to the lowest IBS is at
        most one corrected standard error. With a single split there is no standard error, and the
        lowest is taken.
    test_to_train : float
        As in `corrected_standard_error`.

    Raises
    ------
    ValueError
        When no learner has an IBS in every fold.
    """
    usable = {name: m for name, m in mean_ibs(scores).items() if np.isfinite(m)}
    if not usable:
        raise ValueError("no learner has an integrated Brier score in every fold")
    best = min(usable, key=lambda name: usable[name])
    if len(scores) == 1:
        return Champion(best, f"the only learner that may be chosen; {MEAN_IBS} {usable[best]:.4f}")
    if rule == "lowest_ibs":
        return Champion(best, f"lowest {MEAN_IBS} {usable[best]:.4f}")
    if len(scores[best]) < 2:
        return Champion(
            best, f"lowest {MEAN_IBS} {usable[best]:.4f}; one split has no standard error"
        )
    for name in usable:
        if name == best:
            break
        paired = (_ibs(scores[name]) - _ibs(scores[best])).to_numpy()
        error = corrected_standard_error(paired, test_to_train)
        if paired.mean() <= error:
            return Champion(
                name,
                f"simplest learner within one standard error of the lowest {MEAN_IBS}: {best} has "
                f"{usable[best]:.4f}, {name} {usable[name]:.4f}; difference {paired.mean():.4f}, "
                f"corrected standard error {error:.4f}",
            )
    return Champion(best, f"lowest {MEAN_IBS} {usable[best]:.4f}, no simpler learner within one "
                          "corrected standard error")  # fmt: skip


def mean_ibs(scores: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """Each learner's IBS, its mean over the test folds; NaN where a fold has none."""
    return {name: float(_ibs(table).mean(skipna=False)) for name, table in scores.items()}


def _ibs(scores: pd.DataFrame) -> pd.Series:
    """The IBS of each test fold: of survival, or of the incidence under competing events."""
    return scores.loc[:, rows_of(scores.columns, IBS)].squeeze(axis="columns")
