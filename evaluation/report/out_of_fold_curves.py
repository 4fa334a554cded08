"""AUC(t), Brier(t) and decision curves of out-of-fold predictions, averaged over the repeats.

The curves are those of the metric table: each repeat is judged by itself, then the mean is taken,
in every bootstrap replicate. A curve of averaged predictions would be that of an ensemble instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from evaluation.displays import (
    NULL_MODEL,
    AucDisplay,
    BrierDisplay,
    DecisionCurveDisplay,
    ObservedExpectedDisplay,
    month_ticks,
)
from evaluation.estimates import estimate_rows, with_cohort
from evaluation.metrics import (
    brier_losses,
    column_of,
    decision_curve,
    events_by,
    mean_over_time,
    null_losses,
    replicate_auc,
    replicate_scores,
    replicate_treated,
    scaled_brier,
    tested_patients,
)
from evaluation.metrics.calibration import calibration_in_time
from evaluation.statistics import number_at_risk
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

# Before so many events AUC(t) and Brier(t) rest on a handful of patients.
FEWEST_EVENTS = 5
NO_PAIR = "no fold holds both cases and controls"
THRESHOLDS = np.arange(1, 20) / 20

Learners = Mapping[str, Sequence[SurvivalPrediction]]
Measure = Callable[[Outcome, SurvivalPrediction, np.ndarray, np.ndarray], np.ndarray]


def auc_over_time(
    outcome: Outcome,
    learners: Learners,
    folds: Sequence[np.ndarray],
    tau: float,
    counts: np.ndarray,
) -> AucDisplay:
    """AUC(t) of each learner over the predicted times up to tau.

    Parameters
    ----------
    outcome : Outcome of n patients
    learners : mapping of name to sequence of SurvivalPrediction
        One out-of-fold prediction a repeat, all on the same folds and times.
    folds : sequence of ndarray of shape (n,)
        Pairs of the same fold are compared; -1 for a patient whom the repeat does not test.
    tau : float
        Months, among the predicted times. The curve starts with the fifth event.
    counts : ndarray of shape (B, n)

    Returns
    -------
    AucDisplay
        Its frame has one row a learner and time; NaN with a reason where not estimable.
    """
    parts = []
    for name, repeats in learners.items():
        tested = tested_patients(outcome, repeats, folds)
        grid = _grid(tested.outcome, repeats[0].times, tau)
        times = repeats[0].times[grid]

        def auc(
            own: Outcome,
            p: SurvivalPrediction,
            fold: np.ndarray,
            samples: np.ndarray,
            grid: np.ndarray = grid,
            times: np.ndarray = times,
        ) -> np.ndarray:
            return replicate_auc(own, p.event_probability[:, grid], times, samples, group=fold)

        samples = with_cohort(counts, len(outcome))[:, tested.rows]
        values = _mean_over_repeats(auc, *tested[1:], samples, len(times))
        reasons = [NO_PAIR if np.isnan(value) else "" for value in values[0]]
        table = estimate_rows(values[0], values[1:], reasons)
        table.insert(0, "model", name)
        table.insert(1, "time", times)
        table.insert(5, "n_cases", [events_by(tested.outcome, t) for t in times])
        table.insert(6, "n_controls", [int((tested.outcome.time > t).sum()) for t in times])
        parts.append(table)
    frame = pd.concat(parts, ignore_index=True)
    return AucDisplay(frame, at_risk_table(tested.outcome, tau), _mean_auc(frame))


def brier_over_time(
    outcome: Outcome,
    learners: Learners,
    folds: Sequence[np.ndarray],
    tau: float,
    counts: np.ndarray,
) -> BrierDisplay:
    """Brier score of each learner and of Kaplan-Meier over the predicted times up to tau.

    Parameters are those of `auc_over_time`.
    """
    parts = []
    for name, repeats in learners.items():
        tested = tested_patients(outcome, repeats, folds)
        last = column_of(repeats[0].times, tau) + 1
        times = repeats[0].times[:last]

        def brier(
            own: Outcome,
            p: SurvivalPrediction,
            fold: np.ndarray,
            samples: np.ndarray,
            last: int = last,
            times: np.ndarray = times,
        ) -> np.ndarray:
            return replicate_scores(brier_losses(own, p.survival[:, :last], times), samples)

        samples = with_cohort(counts, len(outcome))[:, tested.rows]
        scores = _mean_over_repeats(brier, *tested[1:], samples, len(times))
        null = replicate_scores(null_losses(tested.outcome, times), samples)
        parts.append(_scores(name, times, scores, null, tested.outcome))
    parts.append(_scores(NULL_MODEL, times, null, null, tested.outcome))
    frame = pd.concat(parts, ignore_index=True)
    return BrierDisplay(frame, at_risk_table(tested.outcome, tau), _integrated_scores(frame))


def observed_expected_over_time(
    outcome: Outcome,
    survival: Mapping[str, np.ndarray],
    times: np.ndarray,
    counts: np.ndarray | None = None,
) -> ObservedExpectedDisplay:
    """O/E of each model; `survival` maps its name to an array of shape (n, n_times)."""
    parts = []
    for model, predicted in survival.items():
        table = calibration_in_time(outcome, predicted, times, counts)
        table.insert(0, "model", model)
        parts.append(table)
    frame = pd.concat(parts, ignore_index=True)
    above = "Above 1: more events than predicted"
    return ObservedExpectedDisplay(frame, at_risk_table(outcome, frame["time"].max()), above)


def at_risk_table(outcome: Outcome, last: float) -> pd.DataFrame:
    """Patients at risk at the ticks of an axis that ends at `last` months: time, n_at_risk."""
    ticks = month_ticks(last)
    return pd.DataFrame({"time": ticks, "n_at_risk": number_at_risk(outcome, ticks)})


def decisions(
    outcome: Outcome,
    learners: Learners,
    folds: Sequence[np.ndarray],
    horizon: float,
    counts: np.ndarray,
    marked: Sequence[float] = (),
) -> DecisionCurveDisplay:
    """Decision curve of each learner at a horizon, over thresholds of 5% to 95%.

    Parameters are those of `auc_over_time`; `marked` are the thresholds to point out.
    """
    parts = []
    for name, repeats in learners.items():
        tested = tested_patients(outcome, repeats, folds)
        samples = with_cohort(counts, len(outcome))[:, tested.rows]
        each: list[tuple[np.ndarray, ...]] = []
        for p, fold in zip(tested.predictions, tested.folds, strict=True):
            rows = fold >= 0
            own = tested.outcome.take(rows)
            shares = replicate_treated(
                own, 1.0 - p.at(horizon)[rows], horizon, THRESHOLDS, samples[:, rows]
            )
            each.append((shares.net_benefit(THRESHOLDS), *shares))
        benefit, *shares_mean = (np.mean(values, axis=0) for values in zip(*each, strict=True))
        reasons = [
            f"the treated are not followed up to {horizon:g} months" if np.isnan(v) else ""
            for v in benefit[0]
        ]
        part = estimate_rows(benefit[0], benefit[1:], reasons)
        part.insert(0, "strategy", name)
        part.insert(1, "horizon", float(horizon))
        part.insert(2, "threshold", THRESHOLDS)
        everybody = decision_curve(tested.outcome, {}, horizon, THRESHOLDS)
        prevalence = everybody["true_positive"].iloc[0]
        scaled = part["estimate"] / prevalence if prevalence > 0 else np.nan
        part.insert(7, "standardised", scaled)
        names = ("treated", "true_positive", "false_positive")
        for place, (field, values) in enumerate(zip(names, shares_mean, strict=True), start=8):
            part.insert(place, field, values[0])
        part.insert(11, "n", len(tested.outcome))
        part.insert(12, "events", events_by(tested.outcome, horizon))
        parts.append(part)
    return DecisionCurveDisplay(pd.concat([*parts, everybody], ignore_index=True), marked)


def _mean_auc(frame: pd.DataFrame) -> str:
    """Mean of each curve over the times where it can be estimated, which are named."""
    lines = []
    for model, curve in frame.groupby("model", sort=False):
        known = curve.dropna(subset="estimate")
        if len(known) < 2:
            continue
        times = known["time"].to_numpy()
        mean = float(mean_over_time(known["estimate"].to_numpy(), times))
        span = f"{times[0]:g} to {times[-1]:g} months"
        lines.append(f"{model}: mean AUC {mean:.2f} ({span}, trapezoid)")
    return "\n".join(lines)


def _integrated_scores(frame: pd.DataFrame) -> str:
    lines = []
    for model, curve in frame.groupby("model", sort=False):
        if len(curve) > 1:
            times = curve["time"].to_numpy()
            score = float(mean_over_time(curve["estimate"].to_numpy(), times))
            shown = f"{score:.3f}" if np.isfinite(score) else "not estimable"
            lines.append(f"{model}: integrated Brier score {shown}")
    if lines:
        span = f"{frame['time'].min():g} to {frame['time'].max():g} months"
        lines.append(f"Integrated from {span} by the trapezoid rule; lower is better")
    return "\n".join(lines)


def _grid(outcome: Outcome, times: np.ndarray, tau: float) -> np.ndarray:
    """Positions of the times from the fifth event to tau."""
    last = column_of(times, tau)
    events = np.sort(outcome.time[outcome.event])
    start = events[min(FEWEST_EVENTS, len(events)) - 1] if len(events) else 0.0
    grid = np.flatnonzero(times[: last + 1] >= start)
    return grid if len(grid) else np.array([last])


def _mean_over_repeats(
    measure: Measure,
    outcome: Outcome,
    predictions: Sequence[SurvivalPrediction],
    folds: Sequence[np.ndarray],
    samples: np.ndarray,
    size: int,
) -> np.ndarray:
    """A measure of each repeat's tested patients, averaged, (1 + B, size)."""
    total = np.zeros((len(samples), size))
    for p, fold in zip(predictions, folds, strict=True):
        rows = fold >= 0
        total += measure(outcome.take(rows), p.take(rows), fold[rows], samples[:, rows])
    return total / len(folds)


def _scores(
    name: str, times: np.ndarray, scores: np.ndarray, null: np.ndarray, outcome: Outcome
) -> pd.DataFrame:
    beyond = f"beyond the follow-up of the outcome ({outcome.follow_up:g} months) or the prediction"
    reasons = [beyond if np.isnan(value) else "" for value in scores[0]]
    part = estimate_rows(scores[0], scores[1:], reasons)
    part.insert(0, "model", name)
    part.insert(1, "time", times)
    part.insert(6, "ipa", scaled_brier(scores[0], null[0]))
    part.insert(7, "n_at_risk", (outcome.time[:, None] > times).sum(axis=0))
    return part
