"""Curves of the arms, estimated and put into pictures with what their captions say."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from evaluation.displays import HazardRatioDisplay, StepCurvesDisplay
from evaluation.regimens import outcomes_by_arm
from evaluation.regimens.adjusted import UNWEIGHTED
from evaluation.regimens.crude import (
    cox_hazard_ratio,
    cumulative_incidence,
    gray_test,
    log_rank,
    smooth_hazard_ratio,
    why_no_smooth,
)
from evaluation.results import ALL_PATIENTS, format_estimate, p_text
from evaluation.statistics import kaplan_meier, median_time
from features.outcome import Outcome


def kaplan_meier_display(
    outcome: Outcome, regimen: ArrayLike | None, endpoint: str = "Overall survival"
) -> StepCurvesDisplay:
    """Kaplan-Meier curve and median of every regimen, with log-log limits, and the log-rank test.

    Parameters
    ----------
    outcome : Outcome
        Time in months and event of n patients.
    regimen : array-like of shape (n,), str, or None
        Arm of each patient. None gives one curve, of all patients.
    endpoint : str
        What survival means here ("Event-free survival").
    """
    labels = _labels(outcome, regimen)
    by_arm = outcomes_by_arm(outcome, labels, sorted(set(labels)))
    lines = []
    for arm, patients in by_arm.items():
        found = median_time(patients)
        median = format_estimate(found.median, found.ci_low, found.ci_high, digits=1)
        reached = "not reached" if np.isnan(found.median) else f"{median} months"
        counts = f"{patients.n_events} events in {len(patients)} patients"
        lines.append(f"{arm}: median {reached}, {counts}")
    p_value = log_rank(outcome, labels).p_value if len(by_arm) > 1 else np.nan
    if np.isfinite(p_value):
        lines.append(f"Log-rank {p_text(p_value)}")
    lines.append("Median (95% CI) and shaded 95% intervals on the log-log scale; ticks: censored")
    curves = {arm: kaplan_meier(patients) for arm, patients in by_arm.items()}
    return StepCurvesDisplay(_one_frame(curves), endpoint, "\n".join(lines))


def incidence_display(
    outcome: Outcome,
    regimen: ArrayLike | None,
    event: str = "relapse",
    competing: str = "death without relapse",
) -> StepCurvesDisplay:
    """Aalen-Johansen curve of one event by regimen, and Gray's test.

    Parameters
    ----------
    outcome : Outcome
        Time in months, event and competing event of n patients.
    regimen : array-like of shape (n,), str, or None
        Arm of each patient. None gives one curve, of all patients.
    event, competing : str
        What is counted, and what can come first.
    """
    labels = _labels(outcome, regimen)
    by_arm = outcomes_by_arm(outcome, labels, sorted(set(labels)))
    curves = {arm: cumulative_incidence(patients) for arm, patients in by_arm.items()}
    lines = [
        f"{arm}: {len(by_arm[arm])} patients, {int(curve['n_event'].sum())} with {event}, "
        f"{int(curve['n_competing'].sum())} with {competing}"
        for arm, curve in curves.items()
    ]
    p_value = gray_test(outcome, labels).p_value
    if np.isfinite(p_value):
        lines.append(f"Gray's test {p_text(p_value)}")
    lines.append("Aalen-Johansen, shaded 95% intervals on the log-log scale; ticks: censored")
    label = f"Cumulative incidence of\n{event}"
    return StepCurvesDisplay(_one_frame(curves), label, "\n".join(lines), "incidence")


def weighted_display(
    curves: pd.DataFrame, weighting: str, endpoint: str = "Overall survival"
) -> StepCurvesDisplay:
    """Curves of one pair of arms under one kind of weight, the unweighted ones behind them.

    Parameters
    ----------
    curves : DataFrame
        weighting, regimen, time (months), survival, n_risk (effective patients).
    weighting : str
        The kind drawn.

    Raises
    ------
    ValueError
        When the table has no such weighting.
    """
    kinds = set(curves["weighting"])
    if weighting not in kinds:
        raise ValueError(f"weighting must be one of {sorted(kinds)}; got {weighting!r}")
    columns = ["arm", "time", "survival", "n_risk"]
    named = curves.assign(arm=curves["regimen"])
    drawn, plain = (named.loc[named["weighting"] == k, columns] for k in (weighting, UNWEIGHTED))
    said = f"Thick: weighted ({weighting}); thin dotted: {UNWEIGHTED}"
    effective = "Effective number at risk"
    return StepCurvesDisplay(drawn, endpoint, said, behind=plain, at_risk=effective)


def hazard_ratio_display(
    arm: Outcome, reference: Outcome, arms: tuple[str, str]
) -> HazardRatioDisplay:
    """Smoothed hazard ratio of an arm over the reference arm, with the constant one beside it.

    Parameters
    ----------
    arm, reference : Outcome
        The two arms' patients.
    arms : (str, str)
        Their names in the same order.
    """
    curve, constant = smooth_hazard_ratio(arm, reference), cox_hazard_ratio(arm, reference)
    lines = []
    if np.isfinite(constant.estimate):
        text = format_estimate(constant.estimate, constant.ci_low, constant.ci_high)
        lines.append(f"Dashed: constant hazard ratio {text}, Cox model, 95% CI")
    if np.isfinite(constant.proportional_hazards_p):
        shown = p_text(constant.proportional_hazards_p)
        lines.append(f"Proportional hazards: {shown} (score test)")
    if len(curve):
        lines.append("Curve: natural spline of scaled Schoenfeld residuals, pointwise 95% band")
        lines.append("Ticks at the foot: events")
    events = np.sort(np.concatenate([o.time[o.event] for o in (arm, reference)]))
    note = why_no_smooth(arm, reference)
    return HazardRatioDisplay(curve, events, constant.estimate, arms, "\n".join(lines), note)


def _labels(outcome: Outcome, regimen: ArrayLike | None) -> np.ndarray:
    everybody = [ALL_PATIENTS] * len(outcome)
    return np.asarray(everybody if regimen is None else regimen, dtype=object)


def _one_frame(curves: dict[str, pd.DataFrame]) -> pd.DataFrame:
    frame = pd.concat([one.assign(arm=arm) for arm, one in curves.items()], ignore_index=True)
    frame.insert(0, "arm", frame.pop("arm"))
    return frame
