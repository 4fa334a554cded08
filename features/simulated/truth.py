"""The truth of a simulated cohort: each patient's survival under each regimen, and its averages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, PositiveFloat, model_validator
from scipy.special import log_ndtr, ndtri_exp

from features.errors import InputError, Problem

# The first has hazard ratio 1, the second that of `RegimenEffect`.
ARMS = ("HMA", "LDAC")
# Nodes of the Gauss-Legendre rule on each smooth piece of a survival curve.
NODES = 32


class Baseline(BaseModel):
    """Survival of a patient whose log hazard is 0, and how a log hazard acts on it.

    Attributes
    ----------
    distribution : weibull or lognormal
        Weibull: proportional hazards. Lognormal: accelerated failure time, hence no proportional
        hazards; times are multiplied by exp(-log_hazard / shape), the factor that the same log
        hazard has under the Weibull of that shape.
    median_months, shape, sdlog : float
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    distribution: Literal["weibull", "lognormal"]
    median_months: PositiveFloat
    shape: PositiveFloat
    sdlog: PositiveFloat

    def cumulative_hazard(self, times: ArrayLike, log_hazard: np.ndarray) -> np.ndarray:
        """-log S(t), by broadcasting times in months against log hazards."""
        scaled = np.asarray(times, dtype=float) / self.median_months
        if self.distribution == "weibull":
            return np.log(2.0) * scaled**self.shape * np.exp(log_hazard)
        with np.errstate(divide="ignore"):
            # Minus infinity at time 0, where the hazard is 0.
            deviate = (np.log(scaled) + log_hazard / self.shape) / self.sdlog
        return -log_ndtr(-deviate)

    def time(self, cumulative_hazard: np.ndarray, log_hazard: np.ndarray) -> np.ndarray:
        """Months at which the cumulative hazard is reached: the inverse of the above."""
        if self.distribution == "weibull":
            powered = cumulative_hazard / (np.log(2.0) * np.exp(log_hazard))
            return self.median_months * powered ** (1.0 / self.shape)
        deviate = -ndtri_exp(-cumulative_hazard)
        return self.median_months * np.exp(self.sdlog * deviate - log_hazard / self.shape)


class RegimenEffect(BaseModel):
    """Hazard ratio of LDAC against HMA, changing once where `change_months` is given.

    With a lognormal baseline the first ratio acts as a log hazard does there, and a change is a
    ratio of hazards from then on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hazard_ratio: PositiveFloat
    change_months: PositiveFloat | None = None
    later_hazard_ratio: PositiveFloat | None = None

    @model_validator(mode="after")
    def _change_is_complete(self) -> RegimenEffect:
        if (self.change_months is None) != (self.later_hazard_ratio is None):
            raise ValueError("change_months and later_hazard_ratio come together")
        return self


@dataclass(frozen=True)
class SimulatedTruth:
    """What generated n simulated patients.

    Attributes
    ----------
    baseline : Baseline
    regimen_effect : RegimenEffect
    linear_predictor : ndarray of shape (n,)
        Log hazard ratio by the recorded covariates, before values went missing; higher is worse.
    log_hazard : ndarray of shape (n,)
        The same with the unmeasured factor and the center's frailty; without the regimen.
    event_time : ndarray of shape (n,)
        Months to death under the regimen received, were nobody censored.
    """

    baseline: Baseline
    regimen_effect: RegimenEffect
    linear_predictor: np.ndarray
    log_hazard: np.ndarray
    event_time: np.ndarray

    def survival(self, times: ArrayLike, regimen: str) -> np.ndarray:
        """Each patient's probability to be alive, were everybody given one regimen.

        Parameters
        ----------
        times : array-like of shape (n_times,)
            Months.
        regimen : str
            HMA or LDAC.

        Returns
        -------
        ndarray of shape (n, n_times)
            Given the covariates, the unmeasured factor and the center.
        """
        times = np.atleast_1d(np.asarray(times, dtype=float))
        received = np.full(len(self.log_hazard), _check_arm(regimen))
        hazard = cumulative_hazard(
            times[None, :], self.log_hazard[:, None], received[:, None],
            self.baseline, self.regimen_effect,
        )  # fmt: skip
        return np.exp(-hazard)

    def mean_survival(self, times: ArrayLike, regimen: str) -> np.ndarray:
        """Average over these patients of `survival`, shape (n_times,)."""
        times = np.atleast_1d(np.asarray(times, dtype=float))
        # One time after the other: a million patients at all times would not fit in memory.
        return np.array([self.survival(time, regimen).mean() for time in times])

    def regimen_difference(
        self, horizons: Sequence[float], reference_arm: str = "LDAC"
    ) -> pd.DataFrame:
        """The true effect in these patients: everybody under one regimen against the other.

        Parameters
        ----------
        horizons : sequence of float
            Months.
        reference_arm : str

        Returns
        -------
        DataFrame
            Columns scale, horizon, arm, reference_arm, estimate; two rows a horizon. Arm minus
            reference arm: of the event probability (below 0 favours the arm) and of the
            restricted mean survival time in months (above 0 favours the arm).
        """
        _check_arm(reference_arm)
        [arm] = [name for name in ARMS if name != reference_arm]
        rows = []
        for horizon in horizons:
            alive = {name: self.mean_survival(horizon, name)[0] for name in ARMS}
            months = {name: self._restricted_mean(horizon, name) for name in ARMS}
            rows += [
                ("event probability difference", horizon, arm, reference_arm,
                 alive[reference_arm] - alive[arm]),
                ("RMST difference", horizon, arm, reference_arm,
                 months[arm] - months[reference_arm]),
            ]  # fmt: skip
        return pd.DataFrame(
            rows, columns=["scale", "horizon", "arm", "reference_arm", "estimate"]
        ).astype({"horizon": float})

    def _restricted_mean(self, horizon: float, regimen: str) -> float:
        change = self.regimen_effect.change_months or horizon
        # The curve has a kink at the change, so the rule is applied on either side of it.
        edges = sorted({0.0, min(change, horizon), float(horizon)})
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        total = 0.0
        for low, high in pairwise(edges):
            half = (high - low) / 2.0
            total += half * (weights @ self.mean_survival(low + half * (nodes + 1.0), regimen))
        return float(total)


def cumulative_hazard(
    times: ArrayLike,
    log_hazard: np.ndarray,
    on_ldac: np.ndarray,
    baseline: Baseline,
    effect: RegimenEffect,
) -> np.ndarray:
    """-log S(t) with the regimen's effect, by broadcasting; `on_ldac` is bool."""
    times = np.asarray(times, dtype=float)
    total = log_hazard + np.log(effect.hazard_ratio) * on_ldac
    if effect.change_months is None or effect.later_hazard_ratio is None:
        return baseline.cumulative_hazard(times, total)
    # After the change the hazard is multiplied by the ratio of the two hazard ratios.
    later = np.where(on_ldac, effect.later_hazard_ratio / effect.hazard_ratio, 1.0)
    before = baseline.cumulative_hazard(np.minimum(times, effect.change_months), total)
    return before + later * (baseline.cumulative_hazard(times, total) - before)


def event_time(
    target: np.ndarray,
    log_hazard: np.ndarray,
    on_ldac: np.ndarray,
    baseline: Baseline,
    effect: RegimenEffect,
) -> np.ndarray:
    """Months at which each patient's cumulative hazard reaches the target, shape (n,).

    With unit exponential targets these are survival times (inversion; Bender et al., Stat Med
    2005;24:1713).
    """
    total = log_hazard + np.log(effect.hazard_ratio) * on_ldac
    if effect.change_months is not None and effect.later_hazard_ratio is not None:
        at_change = baseline.cumulative_hazard(effect.change_months, total)
        later = np.where(on_ldac, effect.later_hazard_ratio / effect.hazard_ratio, 1.0)
        # The target as if the hazard had never changed.
        target = np.where(target > at_change, at_change + (target - at_change) / later, target)
    return baseline.time(target, total)


def _check_arm(regimen: str) -> bool:
    """Whether it is the arm that the hazard ratio is for."""
    if regimen not in ARMS:
        raise InputError(
            Problem(
                what="Unknown regimen",
                where="regimen of a simulated cohort",
                got=str(regimen),
                allowed=", ".join(ARMS),
                remedy="name one of these",
            )
        )
    return regimen == ARMS[1]
