"""What transplantation after the start of treatment does to the regimen's hazard ratio.

Nobody is compared from the start of treatment by whether they were transplanted later: whoever was
has lived until then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from evaluation.estimators import COX
from evaluation.regimens.arms import (
    aligned_regimen,
    comparison_arms,
    outcomes_by_arm,
)
from evaluation.regimens.crude import NO_MAXIMUM, cox_hazard_ratio, has_hazard_ratio
from evaluation.remarks import joined, not_estimable, reads_above
from evaluation.results import Estimate, regimen_table
from evaluation.statistics import CoxFit
from features.endpoints import landmark
from features.outcome import Outcome

AFTER, BEFORE = "after transplant", "before or without transplant"
# A start before any time, so that somebody whose time is 0 is at risk, as in an ordinary Cox model.
_BEFORE_START = -1.0


def counting_process(outcome: Outcome, transplant_months: ArrayLike) -> pd.DataFrame:
    """Split each patient's follow-up at transplantation.

    Parameters
    ----------
    outcome : Outcome of n patients
        Months.
    transplant_months : array-like of shape (n,), float
        From the same origin; NaN for no transplant. A transplant on the day when follow-up ends, or
        later, is none for this outcome: the event on that very day comes first.

    Returns
    -------
    DataFrame
        One or two rows a patient: patient (position), start, stop, event, transplanted (0/1 during
        the interval). Intervals are open at start and closed at stop; the first starts before 0.

    Raises
    ------
    ValueError
        For a transplant before the start of treatment, or of another length than the outcome.
    """
    at = _months(outcome, transplant_months)
    split = at < outcome.time
    before = pd.DataFrame(
        {
            "patient": np.arange(len(outcome)),
            "start": _BEFORE_START,
            "stop": np.where(split, at, outcome.time),
            "event": outcome.event & ~split,
            "transplanted": 0.0,
        }
    )
    after = pd.DataFrame(
        {
            "patient": np.flatnonzero(split),
            "start": at[split],
            "stop": outcome.time[split],
            "event": outcome.event[split],
            "transplanted": 1.0,
        }
    )
    rows = pd.concat([before, after], ignore_index=True)
    return rows.sort_values(["patient", "start"]).reset_index(drop=True)


def counting_process_cox(intervals: pd.DataFrame, covariates: np.ndarray) -> CoxFit:
    """Cox model of start-stop data, Efron ties.

    Parameters
    ----------
    intervals : DataFrame
        start, stop, event, as `counting_process` returns them.
    covariates : ndarray of shape (n_intervals, p)

    Returns
    -------
    CoxFit
        As R's coxph(Surv(start, stop, event) ~ ...), each row entering at its start.
    """
    # Only the order of times counts, so the clock may start anywhere.
    shift = min(float(intervals["start"].min()), 0.0)
    stop, start = (intervals[name].to_numpy(dtype=float) - shift for name in ("stop", "start"))
    return CoxFit.fit(Outcome(stop, intervals["event"]), covariates, entry=start)


def transplant_sensitivity(
    outcome: Outcome,
    regimen: ArrayLike,
    reference_arm: str,
    transplant_months: ArrayLike,
    landmarks: Sequence[float] = (3.0, 6.0),
    endpoint: str = "OS",
) -> pd.DataFrame:
    """The regimen's hazard ratio with transplantation ignored, as covariate, censoring, landmark.

    Parameters
    ----------
    outcome : Outcome of n patients
        Months from the start of treatment; follow-up goes on after transplantation.
    regimen : array-like of shape (n,), str
    reference_arm : str
    transplant_months : array-like of shape (n,), float
        Months from the same origin to the first transplant after it; NaN for none.
    landmarks : sequence of float
        Months; those not before the longest follow-up have a row that says so.
    endpoint : str
        Label of the rows.

    Returns
    -------
    DataFrame with REGIMEN_COLUMNS, family "classical"
        Two or more arms, each against the reference arm. The estimator names the analysis:

        - "Cox hazard ratio, transplant ignored": the primary analysis (FDA 2022), whatever
          follows the regimen being part of it.
        - "..., transplant as time-dependent covariate": of patients alike in whether they have
          been transplanted by now. Only a part of what the regimen does, since reaching a
          transplant may be one of its merits.
        - "..., censored at transplant": as if nobody were transplanted, right only where
          transplant is given regardless of prognosis, which it is not.
        - "..., landmark": patients at risk at the landmark, adjusted for a transplant by then; the
          landmark is the horizon and time starts anew there.

        The second and the last also have a row of the transplant itself, arm "after transplant":
        described, not the effect of transplanting somebody.

    Raises
    ------
    ValueError
        As `counting_process` and `comparison_arms` do.
    """
    labels = aligned_regimen(regimen, {"outcome": outcome})
    arms = comparison_arms(labels, reference_arm)
    at = _months(outcome, transplant_months)
    rows = [
        *_crude_rows(outcome, labels, arms, "transplant ignored", ""),
        *_time_dependent_rows(outcome, labels, arms, at),
        *_censored_rows(outcome, labels, arms, at),
    ]
    for months in landmarks:
        rows += _landmark_rows(outcome, labels, arms, at, float(months))
    table = regimen_table(replace(row, endpoint=endpoint) for row in rows)
    return table


def _months(outcome: Outcome, transplant_months: ArrayLike) -> np.ndarray:
    """Months to transplant, infinite for none within follow-up."""
    at = np.asarray(transplant_months, dtype=float)
    if at.shape != (len(outcome),):
        raise ValueError(
            f"transplant_months must hold one number a patient, ({len(outcome)},); got {at.shape}"
        )
    if (at < 0).any():
        raise ValueError(
            f"transplant_months must be >= 0, counted from the start of treatment; got "
            f"{np.nanmin(at):g} (an earlier transplant is a baseline covariate)"
        )
    return np.where(np.isnan(at) | (at >= outcome.time), np.inf, at)


def _crude_rows(
    outcome: Outcome, regimen: np.ndarray, arms: list[str], analysis: str, note: str
) -> Iterator[Estimate]:
    by_arm = outcomes_by_arm(outcome, regimen, arms)
    *others, reference = arms
    for arm in others:
        ratio = cox_hazard_ratio(by_arm[arm], by_arm[reference])
        yield Estimate(
            estimator=COX,
            part=analysis,
            scale="hazard ratio",
            arm=arm,
            reference_arm=reference,
            value=ratio.estimate,
            low=ratio.ci_low,
            high=ratio.ci_high,
            method="Wald",
            p_value=ratio.p_value,
            n=len(by_arm[arm]) + len(by_arm[reference]),
            events=by_arm[arm].n_events + by_arm[reference].n_events,
            note=joined(
                NO_MAXIMUM
                if np.isnan(ratio.estimate)
                else reads_above(1, f"worse than {reference}"),
                note,
            ),
        )


def _time_dependent_rows(
    outcome: Outcome, regimen: np.ndarray, arms: list[str], at: np.ndarray
) -> Iterator[Estimate]:
    intervals = counting_process(outcome, at)
    transplanted = intervals["transplanted"].to_numpy()
    yield from _adjusted_rows(
        intervals,
        regimen[intervals["patient"].to_numpy()],
        arms,
        transplanted,
        Estimate(
            estimator=COX,
            part="transplant as time-dependent covariate",
            scale="hazard ratio",
            n=len(outcome),
            events=outcome.n_events,
        ),
        f"{int(transplanted.sum())} transplanted during follow-up",
    )


def _censored_rows(
    outcome: Outcome, regimen: np.ndarray, arms: list[str], at: np.ndarray
) -> Iterator[Estimate]:
    # Follow-up ends at the transplant; an event on that very day counts.
    cut = at < outcome.time
    censored = Outcome(np.minimum(outcome.time, at), outcome.event & ~cut)
    note = f"{int(cut.sum())} censored at transplant, taken to be uninformative"
    yield from _crude_rows(censored, regimen, arms, "censored at transplant", note)


def _landmark_rows(
    outcome: Outcome, regimen: np.ndarray, arms: list[str], at: np.ndarray, months: float
) -> Iterator[Estimate]:
    *others, reference = arms
    empty = Estimate(estimator=COX, part="landmark", scale="hazard ratio", horizon=months)
    why = not_estimable("nobody is at risk at the landmark") if months >= outcome.follow_up else ""
    if not why:
        point = landmark(outcome, months)
        kept = regimen[point.at_risk]
        gone = [arm for arm in arms if arm not in kept]
        if gone:
            why = not_estimable(f"nobody of {', '.join(gone)} is at risk at the landmark")
    if why:
        for arm in others:
            yield replace(empty, arm=arm, reference_arm=reference, note=why)
        return
    later = point.outcome
    by_then = (at[point.at_risk] <= months).astype(float)
    intervals = pd.DataFrame({"start": _BEFORE_START, "stop": later.time, "event": later.event})
    left = len(outcome) - len(later)
    note = f"{int(by_then.sum())} transplanted by month {months:g}; {left} not at risk then"
    yield from _adjusted_rows(
        intervals,
        kept,
        arms,
        by_then,
        replace(empty, n=len(later), events=later.n_events),
        note,
    )


def _adjusted_rows(
    intervals: pd.DataFrame,
    regimen: np.ndarray,
    arms: list[str],
    transplanted: np.ndarray,
    shared: Estimate,
    note: str,
) -> Iterator[Estimate]:
    """Ratios of the arms and of transplantation from one Cox model of both."""
    *others, reference = arms
    arm_columns = [(regimen == arm).astype(float) for arm in others]
    why = _not_estimable(intervals, regimen, arms)
    # Without an event on either side of transplantation its ratio has no maximum.
    has_transplant = not _one_sided(intervals, transplanted)
    columns = [*arm_columns, transplanted] if has_transplant else arm_columns
    names = [(arm, reference) for arm in others] + [(AFTER, BEFORE)]
    model = None if why else counting_process_cox(intervals, np.column_stack(columns))
    if model is None or model.note:
        why = why or not_estimable("too few events to tell arms and transplant apart")
    for position, (arm, base) in enumerate(names):
        row = replace(shared, arm=arm, reference_arm=base, method="Wald")
        if why or model is None or position >= len(columns):
            reason = why or not_estimable("no event after, or none before transplant")
            yield replace(row, note=joined(reason, note))
            continue
        ratio = model.hazard_ratio(position)
        unadjusted = "" if has_transplant else "not adjusted: too few events after transplant"
        yield replace(
            row,
            value=ratio.estimate,
            low=ratio.ci_low,
            high=ratio.ci_high,
            p_value=ratio.p_value,
            note=joined(reads_above(1, f"worse than {base}"), unadjusted, note),
        )


def _not_estimable(intervals: pd.DataFrame, regimen: np.ndarray, arms: list[str]) -> str:
    *others, reference = arms
    whole = Outcome(intervals["stop"], intervals["event"])
    by_arm = outcomes_by_arm(whole, regimen, arms)
    usable = all(has_hazard_ratio(by_arm[arm], by_arm[reference]) for arm in others)
    return "" if usable else NO_MAXIMUM


def _one_sided(intervals: pd.DataFrame, transplanted: np.ndarray) -> bool:
    """Whether one side of transplantation has no event while the other is at risk."""
    start, stop = intervals["start"].to_numpy(), intervals["stop"].to_numpy()
    event, after = intervals["event"].to_numpy(), transplanted > 0
    informative = {True: False, False: False}
    for time in np.unique(stop[event]):
        at_risk = (start < time) & (time <= stop)
        if after[at_risk].any() and not after[at_risk].all():
            for side in informative:
                informative[side] |= bool((event & (stop == time) & (after == side)).any())
    return not all(informative.values())
