"""A stored model recalibrated on a new cohort: in the large, with a slope, or per horizon.

Recalibration changes how high the predicted risks are, never which covariates matter. It repairs
what validation found; the recalibrated model needs validation of its own on other patients.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import greenwood
import numpy as np
import pandas as pd
from scipy import optimize
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from features.dataset import Dataset
from features.errors import InputError, Problem
from features.outcome import Outcome
from models.prediction import SurvivalModel, SurvivalPrediction
from models.recalibrated import KINDS, LOWEST, RecalibratedModel, cumulative_hazard

# Events needed by the horizon, per horizon in each interval between horizons. With E events the
# ratio of observed to expected is known to a factor of about exp(1.96 / sqrt(E)): 20 events give
# 0.65 to 1.55. A slope needs more.
MIN_EVENTS = {"in_the_large": 20, "slope": 50, "per_horizon": 20}
# Below this many events a recalibration is a caution: Vergouwe et al., J Clin Epidemiol 2005,
# 10.1016/j.jclinepi.2004.06.017; Collins et al., Stat Med 2016, 10.1002/sim.6787.
ADVISED_EVENTS = 100
CI_METHOD = "Kaplan-Meier log-log, predictions and other parameters fixed; slope: Wald"


@dataclass(frozen=True)
class Recalibration:
    """A recalibrated model, and what it rests on.

    Attributes
    ----------
    model : RecalibratedModel
    table : DataFrame
        One row a horizon: `horizon` (months), `events` (by then, or since the horizon before),
        `observed` (Kaplan-Meier), `expected_before`, `expected_after` (mean prediction),
        `multiplier`, `slope`, with 95% limits `_low` and `_high` (`ci_method`). Those of a
        multiplier match the limits of the observed probability with all else fixed; those of a
        slope that is not estimated are NaN.
    statement : str
        Patients, events, and what so many can support.
    """

    model: RecalibratedModel
    table: pd.DataFrame
    statement: str


def recalibrate(
    model: SurvivalModel,
    dataset: Dataset,
    horizons: Sequence[float],
    kind: str,
    min_events: int | None = None,
) -> Recalibration:
    """Recalibrate a fitted model on a new cohort.

    Parameters
    ----------
    model : SurvivalModel
    dataset : Dataset of n patients
        Others than the model was fitted to: on its own patients it looks calibrated already.
    horizons : sequence of float
        Months, increasing, within the follow-up of the model and of the cohort; one alone unless
        kind is "per_horizon".
    kind : {"in_the_large", "slope", "per_horizon"}
        One multiplier of the cumulative hazard, so that the mean prediction at the horizon is the
        observed probability; the same after a slope, the Cox coefficient of cloglog(predicted
        risk); or a multiplier in each interval between horizons, right at every one of them.
    min_events : int, optional
        Fewer events by the horizon, or in an interval, are refused; `MIN_EVENTS` by default.

    Returns
    -------
    Recalibration
        Deterministic; the parameters carry the error of this cohort, which no later prediction
        shows.

    Raises
    ------
    InputError
        With too few events, a horizon beyond what is followed or predicted, or predictions whose
        order is reversed in the cohort (a slope of 0 or less).
    ValueError
        For an unknown kind, or horizons that do not fit it.

    References
    ----------
    van Houwelingen, Stat Med 2000, 19:3401-3415; Janssen et al., J Clin Epidemiol 2008,
    10.1016/j.jclinepi.2007.04.018
    """
    grid = np.asarray(horizons, dtype=float)
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; expected one of {KINDS}")
    if grid.ndim != 1 or not len(grid) or (np.diff(grid) <= 0).any() or grid[0] <= 0:
        raise ValueError(f"horizons must be increasing and > 0 months; got {list(horizons)}")
    if kind != "per_horizon" and len(grid) > 1:
        raise ValueError(f"{kind} takes one horizon; got {list(horizons)}, so choose per_horizon")
    outcome = dataset.outcome
    needed = MIN_EVENTS[kind] if min_events is None else min_events
    edges = np.concatenate([[-np.inf], grid])
    events = np.array(
        [
            int((outcome.event & (outcome.time > low) & (outcome.time <= high)).sum())
            for low, high in itertools.pairwise(edges)
        ]
    )
    _refuse(model, outcome, grid, events, needed, kind)
    before = model.predict(dataset.predictors, grid)
    if np.isnan(before.survival).any():
        raise InputError(_no_prediction(before))
    observed = _observed(outcome, grid)
    if observed["estimate"].iloc[-1] >= 1:
        raise InputError(
            Problem(
                what="Everybody still followed has had the event, which no finite risk can match",
                where="recalibration",
                got=f"observed probability 1 at {grid[-1]:g} months",
                remedy="choose an earlier horizon",
            )
        )
    slope, error = 1.0, np.nan
    if kind == "slope":
        slope, error = _cox_slope(outcome, before.survival[:, 0])
    hazard = cumulative_hazard(before.survival) ** slope
    multipliers = _solve(hazard, observed["estimate"].to_numpy())
    recalibrated = RecalibratedModel(
        model, kind, slope, tuple(map(float, grid)), tuple(multipliers)
    )
    after = recalibrated.predict(dataset.predictors, grid)
    low, high = _multiplier_limits(hazard, multipliers, observed)
    table = pd.DataFrame(
        {
            "horizon": grid,
            "events": events,
            "observed": observed["estimate"],
            "observed_low": observed["low"],
            "observed_high": observed["high"],
            "expected_before": 1.0 - before.survival.mean(axis=0),
            "expected_after": 1.0 - after.survival.mean(axis=0),
            "multiplier": multipliers,
            "multiplier_low": low,
            "multiplier_high": high,
            "slope": slope,
            "slope_low": slope - 1.96 * error,
            "slope_high": slope + 1.96 * error,
            "ci_method": CI_METHOD,
        }
    )
    return Recalibration(recalibrated, table, _statement(outcome, events, needed, kind))


def _solve(hazard: np.ndarray, observed: np.ndarray) -> list[float]:
    """Multipliers that make the mean prediction at each horizon the observed probability.

    From the first horizon on, each has one solution: the mean prediction grows with it from the
    value at the horizon before, which the observed probability has not fallen below.
    """
    total = np.zeros(len(hazard))
    lower = np.zeros(len(hazard))
    multipliers = []
    for column, target in enumerate(observed):
        growth = hazard[:, column] - lower

        def excess(
            multiplier: float,
            total: np.ndarray = total,
            growth: np.ndarray = growth,
            target: float = target,
        ) -> float:
            return float(np.mean(-np.expm1(-(total + multiplier * growth))) - target)

        top = 1.0
        while excess(top) < 0 and top < 1e12:
            top *= 10
        if excess(top) < 0:
            raise InputError(
                Problem(
                    what="No multiplier of the model's hazard reaches the observed probability",
                    where="recalibration",
                    got=f"{target:.3f} observed at horizon number {column + 1}",
                    remedy="the model sees no risk where events happened: train a new one",
                )
            )
        flat = excess(0.0) >= 0
        multiplier = 0.0 if flat else float(optimize.brentq(excess, 0.0, top, xtol=1e-14))
        multipliers.append(multiplier)
        total = total + multiplier * growth
        lower = hazard[:, column]
    return multipliers


def _multiplier_limits(
    hazard: np.ndarray, multipliers: Sequence[float], observed: pd.DataFrame
) -> tuple[list[float], list[float]]:
    """Multiplier that matches each limit of the observed probability, the earlier ones fixed."""
    limits: tuple[list[float], list[float]] = ([], [])
    for k in range(len(multipliers)):
        reached = observed["estimate"].to_numpy()[:k]
        for side, values in zip(("low", "high"), limits, strict=True):
            target = np.append(reached, observed[side].iloc[k])
            known = np.isfinite(target[-1])
            values.append(_solve(hazard[:, : k + 1], target)[-1] if known else np.nan)
    return limits


def _observed(outcome: Outcome, horizons: np.ndarray) -> pd.DataFrame:
    """Kaplan-Meier event probability at each horizon with its log-log limits."""
    fit = greenwood.KaplanMeier(conf_type="log-log").fit(
        greenwood.Surv(time=outcome.time, event=outcome.event)
    )
    curve = fit.to_frame(format="pandas")
    column = np.searchsorted(curve["time"].to_numpy(), horizons, side="right")
    return pd.DataFrame(
        {
            "estimate": 1.0 - np.append(1.0, curve["estimate"].to_numpy())[column],
            "low": 1.0 - np.append(np.nan, curve["conf_high"].to_numpy())[column],
            "high": 1.0 - np.append(np.nan, curve["conf_low"].to_numpy())[column],
        }
    )


def _cox_slope(outcome: Outcome, survival: np.ndarray) -> tuple[float, float]:
    """Cox coefficient (Efron) of log(-log S), and its standard error."""
    hazard = np.maximum(cumulative_hazard(survival), LOWEST)
    covariate = np.log(hazard)
    if not np.ptp(covariate) > 0:
        raise InputError(
            Problem(
                what="Every patient has the same prediction, so that no slope can be estimated",
                where="recalibration",
                remedy="recalibrate in the large",
            )
        )
    # Its time grows with n log n; greenwood's with the square.
    cox = CoxPHSurvivalAnalysis(ties="efron", tol=1e-12)
    cox.fit(covariate[:, None], Surv.from_arrays(outcome.event, outcome.time))
    slope = float(cox.coef_[0])
    if not slope > 0:
        raise InputError(
            Problem(
                what="Higher predicted risks do not go with more events in this cohort",
                where="recalibration",
                got=f"a calibration slope of {slope:.2f}",
                allowed="a slope above 0",
                remedy="do not use this model here; check endpoint, units and coding first",
            )
        )
    return slope, _slope_error(outcome, covariate, slope)


def _slope_error(outcome: Outcome, covariate: np.ndarray, slope: float) -> float:
    """From the information of the partial likelihood, tied events as Breslow has them."""
    order = np.argsort(-outcome.time, kind="stable")
    x = covariate[order] - covariate.mean()
    time, weight = outcome.time[order], np.exp(slope * x)
    # Everybody of a tie is still at risk at that time.
    last = np.searchsorted(-time, -time, side="right") - 1
    total, first, second = (np.cumsum(weight * x**power)[last] for power in (0, 1, 2))
    variance = second / total - (first / total) ** 2
    return float(1.0 / np.sqrt(variance[outcome.event[order]].sum()))


def _refuse(
    model: SurvivalModel,
    outcome: Outcome,
    horizons: np.ndarray,
    events: np.ndarray,
    needed: int,
    kind: str,
) -> None:
    last = horizons[-1]
    problems = []
    for who, reach in (("the model", model.follow_up), ("this cohort", outcome.follow_up)):
        if last > reach:
            problems.append(
                Problem(
                    what=f"A horizon lies beyond the follow-up of {who}",
                    where="recalibration",
                    got=f"{last:g} months",
                    allowed=f"up to {reach:g} months",
                    remedy="choose an earlier horizon",
                )
            )
    if (events < needed).any():
        counted = ", ".join(map(str, events))
        each = "in each interval between horizons" if kind == "per_horizon" else "by the horizon"
        problems.append(
            Problem(
                what="Too few events to recalibrate",
                where="recalibration",
                got=f"{counted} events",
                allowed=f"at least {needed} {each} for {kind}",
                remedy="use fewer horizons or a simpler recalibration, or wait for more patients",
            )
        )
    if problems:
        raise InputError(problems)


def _no_prediction(prediction: SurvivalPrediction) -> Problem:
    missing = int(np.isnan(prediction.survival).any(axis=1).sum())
    return Problem(
        what="The model predicts nothing for some patients",
        where="recalibration",
        got=f"{missing} of {len(prediction.survival)} patients",
        remedy="leave them out, or choose an earlier horizon",
    )


def _statement(outcome: Outcome, events: np.ndarray, needed: int, kind: str) -> str:
    total = int(events.sum())
    fewest = int(events.min())
    factor = np.exp(1.96 / np.sqrt(fewest)) if fewest else np.inf
    text = (
        f"recalibrated ({kind}) on {len(outcome)} patients, {total} events by the last horizon; "
        f"at least {needed} were needed; with {fewest} events the observed risk is known to a "
        f"factor of about {factor:.2f} either way"
    )
    if fewest < ADVISED_EVENTS:
        text += f"; fewer than the {ADVISED_EVENTS} that are advised"
    if outcome.competing is not None and outcome.competing.any():
        text += "; competing events were taken for censorings, as in the training"
    return text
