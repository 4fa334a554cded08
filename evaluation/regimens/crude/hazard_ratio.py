"""Cox hazard ratio of an arm over the reference arm, with the proportional-hazards test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import stats

from evaluation.estimators import COX, TREND, Estimator
from evaluation.remarks import Remark, joined, not_estimable, reads_above
from evaluation.results import Estimate, p_text
from evaluation.statistics import CoxFit
from features.life_table import LifeTable
from features.outcome import Outcome


class HazardRatio(NamedTuple):
    """Cox hazard ratio with Wald limits; above 1 is worse than the reference arm.

    `no_trend` says why proportional hazards could not be tested; empty where they were.
    """

    estimate: float
    ci_low: float
    ci_high: float
    p_value: float
    proportional_hazards_p: float
    no_trend: str = ""


class Trend(NamedTuple):
    """Test of proportional hazards; NaN, with the reason in `note`, where there is none."""

    chi_square: float
    p_value: float
    note: str = ""


# A smaller share of a variance than this is a remainder of rounding.
_NO_VARIANCE = 1e-12
NO_MAXIMUM = not_estimable("one arm has no event while the other is at risk")
ONE_EVENT_TIME = not_estimable("one event time")
NO_TREND = not_estimable("what is left of the covariates at the event times has no variance")


def has_hazard_ratio(arm: Outcome, reference: Outcome) -> bool:
    """Whether both arms have an event while the other is at risk: else there is no maximum."""
    return all(len(times) for times in _informative(arm, reference))


def two_arm_cox(arm: Outcome, reference: Outcome) -> CoxFit:
    """Cox model (Efron ties) of two arms; its one column is 1 in the arm.

    Only where `has_hazard_ratio`.
    """
    both = Outcome(
        np.concatenate([arm.time, reference.time]), np.concatenate([arm.event, reference.event])
    )
    return CoxFit.fit(both, np.repeat([[1.0], [0.0]], [len(arm), len(reference)], axis=0))


def hazards_trend(model: CoxFit, event_times: np.ndarray, column: int | None = None) -> Trend:
    """Grambsch and Therneau's score test (cox.zph of R's survival >= 3, km transform).

    Parameters
    ----------
    model : CoxFit
    event_times : ndarray of shape (d,)
        Months; those at which patients of more than one kind are at risk.
    column : int, optional
        Of the model; the test of all of them together by default.

    Returns
    -------
    Trend
        A small p means that a hazard ratio changes with time.
    """
    # With a single event time there is no trend in time to test.
    if len(np.unique(event_times)) < 2:
        return Trend(np.nan, np.nan, ONE_EVENT_TIME)
    times, residuals, covariances = model.schoenfeld
    scale = np.interp(times, *event_scale(model))
    scale = scale - scale.mean()
    squares, means = np.tensordot([scale**2, scale], covariances, 1)
    left = squares - means @ np.linalg.solve(covariances.sum(axis=0), means)
    tested = slice(None) if column is None else slice(column, column + 1)
    score, left = scale @ residuals[:, tested], left[tested, tested]
    spread = np.sqrt(np.diag(squares)[tested])
    if not (spread > 0).all() or (
        np.linalg.eigvalsh(left / np.outer(spread, spread))[0] < _NO_VARIANCE
    ):
        return Trend(np.nan, np.nan, NO_TREND)
    chi_square = float(score @ np.linalg.solve(left, score))
    return Trend(chi_square, float(stats.chi2.sf(chi_square, len(score))))


def event_scale(model: CoxFit) -> tuple[np.ndarray, np.ndarray]:
    """Event times, and 1 - S(t-) of all patients there: cox.zph's km transform."""
    patients = model.likelihood
    table = LifeTable.count(patients.time, patients.event, entry=patients.entry)
    before = np.append(1.0, table.survival[:-1])
    events = table.events > 0
    return table.times[events], 1 - before[events]


def cox_hazard_ratio(arm: Outcome, reference: Outcome) -> HazardRatio:
    """Hazard ratio of one arm over the reference arm: Cox model, Efron ties, Wald limits.

    Parameters
    ----------
    arm, reference : Outcome
        The two arms' patients; zero times are kept, since only the order of times counts.

    Returns
    -------
    HazardRatio
        Above 1 is worse than the reference arm. With it the p-value of Grambsch and
        Therneau's score test for proportional hazards (cox.zph of R's survival >= 3,
        km transform): small means the ratio changes with time. All NaN when one arm
        has no event while the other is still at risk: the likelihood has no maximum.
    """
    if not has_hazard_ratio(arm, reference):
        return HazardRatio(np.nan, np.nan, np.nan, np.nan, np.nan)
    model = two_arm_cox(arm, reference)
    trend = hazards_trend(model, np.concatenate(_informative(arm, reference)))
    return HazardRatio(*model.hazard_ratio(), trend.p_value, trend.note)


def hazard_ratio_rows(by_arm: Mapping[str, Outcome]) -> Iterator[Estimate]:
    """Hazard ratio of each arm over the reference arm, the last of `by_arm`."""
    *others, reference = by_arm
    for arm in others:
        ratio = cox_hazard_ratio(by_arm[arm], by_arm[reference])
        yield replace(
            _pair(COX, "hazard ratio", by_arm, arm),
            value=ratio.estimate,
            low=ratio.ci_low,
            high=ratio.ci_high,
            method="Wald",
            p_value=ratio.p_value,
            note=_hazard_ratio_note(ratio, reference),
        )


def proportional_hazards_rows(by_arm: Mapping[str, Outcome]) -> Iterator[Estimate]:
    """Score test of Grambsch and Therneau for each arm against the reference arm, as rows.

    Yields
    ------
    Estimate
        The chi-square statistic on one degree of freedom with time on the scale of the
        Kaplan-Meier curve, and its p-value; small means that the hazard ratio changes with time.
    """
    *others, reference = by_arm
    for arm in others:
        mine, base = by_arm[arm], by_arm[reference]
        row = _pair(TREND, "chi-square", by_arm, arm)
        if not has_hazard_ratio(mine, base):
            yield replace(row, note=NO_MAXIMUM)
            continue
        trend = hazards_trend(two_arm_cox(mine, base), np.concatenate(_informative(mine, base)))
        yield replace(
            row,
            value=trend.chi_square,
            p_value=trend.p_value,
            note=trend.note
            or "cox.zph score test, km transform; a large p does not show that hazards are "
            "proportional",
        )


def _informative(arm: Outcome, reference: Outcome) -> list[np.ndarray]:
    """Distinct event times of each arm while the other one is at risk."""
    shared_follow_up = min(arm.follow_up, reference.follow_up)
    return [np.unique(o.time[o.event & (o.time <= shared_follow_up)]) for o in (arm, reference)]


def _pair(estimator: Estimator, scale: str, by_arm: Mapping[str, Outcome], arm: str) -> Estimate:
    """Of an arm and the reference arm, the last of `by_arm`, yet without a value."""
    *_, reference = by_arm
    both = by_arm[arm], by_arm[reference]
    n, events = sum(map(len, both)), sum(one.n_events for one in both)
    return Estimate(estimator, scale, arm, reference, n=n, events=events)


def _hazard_ratio_note(ratio: HazardRatio, reference: str) -> str:
    if np.isnan(ratio.estimate):
        return NO_MAXIMUM
    trend = ratio.proportional_hazards_p
    return joined(
        reads_above(1, f"worse than {reference}"),
        Remark.HAZARDS.says(f"{p_text(trend)} (cox.zph, km)")
        if np.isfinite(trend)
        else Remark.HAZARDS.says(ratio.no_trend),
    )
