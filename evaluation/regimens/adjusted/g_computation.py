"""G-computation: a Cox model's survival, averaged with everybody under each arm."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from evaluation.statistics import CoxFit, RiskSets
from features.outcome import Outcome

# Patients times event times held at once.
_CHUNK = 2_000_000


class Standardised(NamedTuple):
    """Standardised contrasts, arm minus reference arm.

    Attributes
    ----------
    survival : ndarray of shape (2, n_horizons)
        Mean survival with everybody under the reference arm, then under the arm.
    rmst : ndarray of shape (2,)
    influence : ndarray of shape (n, n_horizons + 1)
        Of each patient on the survival differences and on the RMST difference.
    cox : CoxFit
    """

    survival: np.ndarray
    rmst: np.ndarray
    influence: np.ndarray
    cox: CoxFit


def g_computation(
    outcome: Outcome,
    treated: np.ndarray,
    adjusters: np.ndarray,
    horizons: ArrayLike,
    tau: float,
    case_weights: np.ndarray | None = None,
    *,
    stratified: bool = False,
) -> Standardised:
    """Standardise a Cox model over all patients, with the influence of each on the contrasts.

    Parameters
    ----------
    outcome : Outcome of n patients
    treated : ndarray of shape (n,), bool
    adjusters : ndarray of shape (n, q)
        Covariates as numbers. Columns that are products with `treated` are not recomputed: main
        effects only.
    horizons : array-like of shape (n_horizons,)
        Months.
    tau : float
        Months.
    case_weights : ndarray of shape (n,), optional
        How often each patient counts.
    stratified : bool
        Each arm has its own baseline hazard, so that the hazards of the arms need not be
        proportional; else the arm is one more column.

    Returns
    -------
    Standardised
        Efron's ties and baseline, S = exp(-H), as R's `survfit(coxph)`, and the standard error of
        riskRegression's `ate`. NaN beyond the follow-up of the arm: a Cox model could go on along
        the other arm's hazard, but nobody was followed there.

    References
    ----------
    Ozenne et al., Biom J 2020;62:751, 10.1002/bimj.201800298 (influence functions).
    """
    horizons = np.atleast_1d(np.asarray(horizons, dtype=float))
    arm = np.asarray(treated, dtype=bool)
    n = len(arm)
    case = np.ones(n) if case_weights is None else np.asarray(case_weights, dtype=float)
    columns = adjusters if stratified else np.column_stack([arm.astype(float), adjusters])
    strata = arm if stratified else None
    cox = CoxFit.fit(outcome, columns, case, strata=strata, drop_alike=True)
    nothing = Standardised(
        np.full((2, len(horizons)), np.nan), np.full(2, np.nan),
        np.full((n, len(horizons) + 1), np.nan), cox,
    )  # fmt: skip
    if cox.note or (stratified and len(cox.baseline) < 2):
        return nothing
    survival, rmst, influences = [], [], []
    for under in (0, 1):
        counterfactual = adjusters
        if not stratified:
            counterfactual = np.column_stack([np.full(n, float(under)), adjusters])
        own = (arm == bool(under)) & (case > 0)
        members = own if stratified else case > 0
        baseline = cox.baseline[under if stratified else 0]
        follow_up = outcome.time[own].max(initial=0.0)
        points = _Points(cox, baseline, counterfactual - cox.centre, columns - cox.centre, members)
        values, parts = [], []
        for horizon in horizons:
            value, part = points.average(outcome, case, np.array([horizon]), np.ones(1))
            values.append(value if horizon <= follow_up else np.nan)
            parts.append(part)
        edges = np.concatenate([[0.0], baseline.times[baseline.times < tau], [tau]])
        value, part = points.average(outcome, case, edges[:-1], np.diff(edges))
        rmst.append(value if tau <= follow_up else np.nan)
        survival.append(values)
        influences.append(np.column_stack([*parts, part]))
    influence = case[:, None] * (influences[1] - influences[0])
    return Standardised(np.array(survival), np.array(rmst), influence, cox)


class _Points:
    """Mean survival of all patients under one arm, and its derivative by each patient's weight."""

    def __init__(
        self,
        cox: CoxFit,
        baseline: RiskSets,
        counterfactual: np.ndarray,
        columns: np.ndarray,
        members: np.ndarray,
    ) -> None:
        coef = np.nan_to_num(cox.coef)
        self.cox, self.baseline, self.members = cox, baseline, members
        self.counterfactual = counterfactual
        self.relative = np.exp(counterfactual @ coef)
        self.own = np.exp(columns @ coef)
        self.hazard = np.concatenate([[0.0], np.cumsum(baseline.steps)])

    def average(
        self, outcome: Outcome, case: np.ndarray, at: np.ndarray, width: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Sum of width times mean survival at the times `at`, and its derivative."""
        baseline, times = self.baseline, self.baseline.times
        place = np.searchsorted(times, at, side="right")
        total = case.sum()
        own = np.zeros(len(case))
        # Weighted means of S exp(eta), and of S exp(eta) H x, at each time.
        slope = np.empty(len(at))
        by_coef = np.zeros(self.counterfactual.shape[1])
        size = max(1, _CHUNK // len(case))
        for start in range(0, len(at), size):
            piece = slice(start, start + size)
            hazard = self.hazard[place[piece]]
            alive = np.exp(-self.relative[:, None] * hazard)
            own += alive @ width[piece]
            falling = (case * self.relative) @ alive / total
            slope[piece] = falling
            per_patient = (alive * self.relative[:, None]) @ (hazard * width[piece])
            by_coef += (case * per_patient) @ self.counterfactual / total
        value = float(case @ own / total)
        derivative = (own - value) / total
        # Later points of `at` hold every step of the hazard before them.
        reach = np.zeros(len(times) + 1)
        np.add.at(reach, place, slope * width)
        reach = np.cumsum(reach[::-1])[::-1][1:]  # of the step at each event time
        summed = np.concatenate([[0.0], np.cumsum(reach * baseline.by_risk)])
        passed = np.searchsorted(times, outcome.time, side="right")
        by_hazard = -self.own * summed[passed]
        dead = outcome.event & self.members
        index = np.searchsorted(times, outcome.time[dead])
        by_hazard[dead] += (reach * baseline.by_death)[index]
        by_hazard[dead] += self.own[dead] * (reach * baseline.by_tied_risk)[index]
        by_hazard[~self.members] = 0.0
        through_mean = reach @ baseline.by_mean
        derivative -= by_hazard
        derivative -= self.cox.by_weight @ (by_coef - through_mean)
        return value, derivative
