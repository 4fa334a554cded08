"""A fitted model whose probabilities were moved to fit another cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from models.prediction import SurvivalModel, SurvivalPrediction

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("in_the_large", "slope", "per_horizon")
# A survival of 0 has no finite cumulative hazard.
LOWEST = 1e-12


@dataclass(frozen=True)
class RecalibratedModel:
    """A fitted model whose cumulative hazard is stretched; holds no patient row.

    With H(t) = -log S(t) of the model inside, the new cumulative hazard grows by
    `multipliers[k]` times the growth of H(t)^slope between horizons k - 1 and k, and beyond the
    last horizon by the last multiplier. So survival stays in [0, 1] and non-increasing in time.

    Attributes
    ----------
    model : SurvivalModel
        The model that was recalibrated.
    kind : {"in_the_large", "slope", "per_horizon"}
    slope : float
        Above 0; below 1 draws predictions together. 1 unless kind is "slope".
    horizons : tuple of float
        Months, increasing; one unless kind is "per_horizon".
    multipliers : tuple of float
        One a horizon, at least 0.
    """

    model: SurvivalModel
    kind: str
    slope: float
    horizons: tuple[float, ...]
    multipliers: tuple[float, ...]

    def __post_init__(self) -> None:
        horizons = np.asarray(self.horizons, dtype=float)
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}; expected one of {KINDS}")
        if not self.slope > 0:
            raise ValueError(f"slope is {self.slope}; a slope of 0 or less turns the order round")
        if not len(horizons) or (np.diff(horizons) <= 0).any() or len(horizons) != len(
            self.multipliers
        ):  # fmt: skip
            raise ValueError(
                f"horizons must be increasing with one multiplier each; got {self.horizons} and "
                f"{self.multipliers}"
            )
        if not all(np.isfinite(m) and m >= 0 for m in self.multipliers):
            raise ValueError(f"multipliers must be finite and at least 0; got {self.multipliers}")

    @property
    def learner(self) -> str:
        """Name of the learner of the model inside."""
        return self.model.learner

    @property
    def params(self) -> dict[str, Any]:
        """What the learner of the model inside was made with."""
        return self.model.params

    @property
    def columns(self) -> tuple[str, ...]:
        """Predictors that the model inside sees."""
        return self.model.columns

    @property
    def follow_up(self) -> float:
        """Months; nothing is predicted beyond, as in the model inside."""
        return self.model.follow_up

    def predict(
        self, predictors: pd.DataFrame | Mapping[str, np.ndarray], times: ArrayLike
    ) -> SurvivalPrediction:
        """Predict for patients.

        Parameters
        ----------
        predictors : DataFrame of shape (n, p)
            As the model inside takes them.
        times : array-like of shape (n_times,)
            Months, increasing.

        Returns
        -------
        SurvivalPrediction
            The risk score is that of the model inside, which orders patients as the survival of
            "in_the_large" and "slope" does at every time; "per_horizon" may let curves cross.
            Survival is NaN beyond `follow_up`.

        Raises
        ------
        ValueError
            When the times are not increasing and >= 0.
        """
        times = np.atleast_1d(np.asarray(times, dtype=float))
        if (np.diff(times) <= 0).any() or (times < 0).any():
            raise ValueError("times must be increasing and >= 0 months")
        # Inner horizons are where the multiplier changes; the last one changes nothing.
        grid = np.union1d(times, self.horizons[:-1])
        inside = self.model.predict(predictors, grid)
        hazard = cumulative_hazard(inside.survival) ** self.slope
        knots = [hazard[:, np.searchsorted(grid, h)] for h in self.horizons[:-1]]
        recalibrated = np.exp(-_stretched(hazard, knots, self.multipliers))
        return SurvivalPrediction(
            inside.risk_score, recalibrated[:, np.searchsorted(grid, times)], times
        )


def cumulative_hazard(survival: np.ndarray) -> np.ndarray:
    """-log S, finite where S is 0; NaN stays NaN."""
    return -np.log(np.clip(survival, LOWEST, 1.0))


def _stretched(
    hazard: np.ndarray, knots: Sequence[np.ndarray], multipliers: Sequence[float]
) -> np.ndarray:
    """Sum over the intervals of multiplier times growth of the hazard inside it, (n, n_times).

    `hazard` (n, n_times), `knots` its values (n,) at the inner horizons. A hazard that does not
    decrease in time makes each term, and so the sum, not decrease either.
    """
    total = np.zeros_like(hazard)
    lower = np.zeros((len(hazard), 1))
    for k, multiplier in enumerate(multipliers):
        grown = np.maximum(hazard, lower)
        if k < len(knots):
            upper = knots[k][:, None]
            grown = np.minimum(grown, upper)
        total += multiplier * (grown - lower)
        if k < len(knots):
            lower = upper
    return total
