"""What every comparison of arms shares: which arms there are, how a row's note is put."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from features.outcome import Outcome


def comparison_arms(regimen: np.ndarray, reference_arm: str) -> list[str]:
    """Arms in alphabetical order, the reference arm last.

    Parameters
    ----------
    regimen : ndarray of shape (n,), object
    reference_arm : str

    Raises
    ------
    ValueError
        With fewer than two arms, an unknown reference arm or a missing regimen.
    """
    if pd.isna(regimen).any():
        missing = int(pd.isna(regimen).sum())
        raise ValueError(f"regimen is missing for {missing} patients; leave them out first")
    arms = sorted(set(regimen))
    if reference_arm not in arms:
        raise ValueError(f"reference_arm must be one of the regimens {arms}; got {reference_arm!r}")
    if len(arms) < 2:
        raise ValueError(
            f"regimen holds the single arm {reference_arm!r}; a comparison needs at least two. "
            "For one arm use kaplan_meier, median_time, survival_at and proportion"
        )
    return [*(arm for arm in arms if arm != reference_arm), reference_arm]


def aligned_regimen(regimen: ArrayLike, others: Mapping[str, Sized | None]) -> np.ndarray:
    """Regimen as an array of objects, as long as everything else.

    Parameters
    ----------
    regimen : array-like of shape (n,), str
    others : mapping of str to anything with a length, or None
        By the name an error gives it; None is not looked at.

    Raises
    ------
    ValueError
        Naming what has another length.
    """
    labels = np.asarray(regimen, dtype=object)
    lengths = {name: len(values) for name, values in others.items() if values is not None}
    unequal = {name: length for name, length in lengths.items() if length != len(labels)}
    if unequal:
        raise ValueError(f"regimen has {len(labels)} patients but got {unequal}; align the rows")
    return labels


def outcomes_by_arm(
    outcome: Outcome, regimen: np.ndarray, arms: Sequence[str]
) -> dict[str, Outcome]:
    """Outcome of each arm's patients, in the order of `arms`."""
    return {arm: outcome.take(regimen == arm) for arm in arms}


def canonical_order(outcome: Outcome, regimen: np.ndarray) -> np.ndarray:
    """Sort patients by time, event and arm: a seed then draws the same in any order of the table.

    Returns
    -------
    ndarray of shape (n,), int
        Positions.
    """
    arm = np.unique(regimen.astype(str), return_inverse=True)[1]
    return np.lexsort((arm, outcome.event, outcome.time))


def missing_note(count: int, who: str = "with a missing value") -> str:
    """Say how many patients were left out, without a value by default; nothing for none."""
    return f"{count} {who} left out" if count else ""
