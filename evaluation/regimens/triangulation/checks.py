"""What can be checked of the assumptions behind one contrast."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from evaluation.regimens.adjusted import NEGLIGIBLE, UNWEIGHTED, AdjustedComparison
from evaluation.regimens.arms import outcomes_by_arm
from evaluation.regimens.crude import cox_hazard_ratio
from evaluation.results import p_text
from features.outcome import Outcome

# An imbalance beyond what random arms of these sizes show in 95 of 100 cohorts is no chance.
CHANCE = 0.05


@dataclass(frozen=True)
class Checks:
    """What can be checked of the assumptions behind one contrast.

    Attributes
    ----------
    n, events : int
        Of both arms.
    trend_p : float
        Test of proportional hazards without covariates (cox.zph); NaN where not testable.
    adjusted_trend_p : float
        The same of the regimen in the multivariable Cox model.
    largest_smd : float
        Largest absolute standardised mean difference of a covariate before weighting.
    largest_smd_term : str
    overlap : str
        "adequate", "thin" or "poor"; empty where there is no propensity.
    events_per_coefficient : float
        Of the multivariable model.
    arm_sizes, arm_events : (int, int)
        Patients and events of the arm and of the reference arm.
    terms : int
        Covariate terms among which the largest SMD was found.
    effective_share : float
        The smaller of the two arms' effective over actual size under inverse weighting.
    randomised : bool
        The arms were drawn at random.
    """

    n: int
    events: int
    trend_p: float = np.nan
    adjusted_trend_p: float = np.nan
    largest_smd: float = np.nan
    largest_smd_term: str = ""
    overlap: str = ""
    events_per_coefficient: float = np.nan
    arm_sizes: tuple[int, int] = (0, 0)
    arm_events: tuple[int, int] = (-1, -1)
    terms: int = 1
    effective_share: float = np.nan
    randomised: bool = False

    @classmethod
    def of(
        cls,
        outcome: Outcome,
        regimen: ArrayLike,
        arms: tuple[str, str],
        adjusted: AdjustedComparison | None,
        randomised: bool = False,
    ) -> Checks:
        """Check one arm against the reference arm.

        Parameters
        ----------
        outcome : Outcome of n patients
        regimen : array-like of shape (n,), str
        arms : (str, str)
            The arm, and the reference arm.
        adjusted : AdjustedComparison, optional
            Of the same patients.
        randomised : bool
            The arms were drawn at random.
        """
        arm, reference = arms
        by_arm = outcomes_by_arm(outcome, np.asarray(regimen, dtype=object), arms)
        mine, base = by_arm[arm], by_arm[reference]
        found = cls(
            len(mine) + len(base),
            mine.n_events + base.n_events,
            cox_hazard_ratio(mine, base).proportional_hazards_p,
            arm_sizes=(len(mine), len(base)),
            arm_events=(mine.n_events, base.n_events),
            randomised=randomised,
        )
        if adjusted is None or adjusted.positivity.empty:
            return found
        balance = adjusted.balance
        before = balance[(balance["arm"] == arm) & (balance["weighting"] == UNWEIGHTED)]
        before = before[before["smd"].notna()]
        overlap = adjusted.positivity[adjusted.positivity["arm"] == arm]
        if overlap.empty:
            return found
        row = overlap.iloc[0]
        worst = before.loc[before["smd"].abs().idxmax()] if len(before) else None
        return replace(
            found,
            adjusted_trend_p=float(row["trend_p"]),
            largest_smd=np.nan if worst is None else float(abs(worst["smd"])),
            largest_smd_term="" if worst is None else str(worst["term"]),
            overlap=str(row["overlap"]),
            events_per_coefficient=float(row["events_per_coefficient"]),
            terms=max(len(before), 1),
            effective_share=float(row["effective_share"]),
        )

    @property
    def chance_smd(self) -> float:
        """Largest SMD that random arms of these sizes show among so many terms; NaN if unknown."""
        if min(self.arm_sizes) < 1:
            return np.nan
        spread = np.sqrt(sum(1 / size for size in self.arm_sizes))
        return float(stats.norm.isf(CHANCE / (2 * self.terms)) * spread)

    @property
    def beyond_chance(self) -> bool:
        """Whether the largest imbalance is neither negligible nor what chance gives."""
        return self.largest_smd > NEGLIGIBLE and self.largest_smd > self.chance_smd

    @property
    def balance_words(self) -> str:
        """The measured imbalance of the arms as they were treated."""
        if not np.isfinite(self.largest_smd):
            return "cannot be checked"
        word = "unbalanced" if self.largest_smd > NEGLIGIBLE else "balanced"
        rest = (
            "the arms were drawn at random" + (", yet differ by more" if self.beyond_chance else "")
            if self.randomised
            else "what was not recorded cannot be checked"
        )
        return (
            f"{word} in what was recorded: largest SMD {self.largest_smd:.2f} "
            f"({self.largest_smd_term}); {rest}"
        )

    @property
    def trend_words(self) -> str:
        """The test of proportional hazards."""
        if not np.isfinite(self.trend_p):
            return "proportional hazards not tested"
        return f"proportional hazards {p_text(self.trend_p)} (cox.zph)"
