"""Cox hazard ratio of an arm over the reference arm, with the proportional-hazards test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import greenwood as gw
import numpy as np

from evaluation.regimens.arms import Row, join_notes, p_text
from evaluation.regimens.estimators import COX, TREND
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


# A log hazard ratio, or its error, as large as this is on its way to infinity; NaN is not below.
_DIVERGED = 15.0
NO_MAXIMUM = "not estimable: one arm has no event while the other is at risk"
ONE_EVENT_TIME = "not estimable: one event time"
NO_TREND = "not estimable: what is left of the covariates at the event times has no variance"


def has_hazard_ratio(arm: Outcome, reference: Outcome) -> bool:
    """Whether both arms have an event while the other is at risk: else there is no maximum."""
    return all(len(times) for times in _informative(arm, reference))


def two_arm_cox(arm: Outcome, reference: Outcome) -> Any:
    """Fit greenwood's Cox model (Efron ties) of two arms; its one term is 1 in the arm.

    Only where `has_hazard_ratio`.
    """
    return gw.CoxPH(ties="efron").fit(
        gw.Surv(
            time=np.concatenate([arm.time, reference.time]),
            event=np.concatenate([arm.event, reference.event]),
        ),
        np.repeat([1.0, 0.0], [len(arm), len(reference)])[:, np.newaxis],
    )


def fit_cox(surv: Any, covariates: np.ndarray) -> Any:
    """Fit greenwood's Cox model (Efron ties) where it has a maximum.

    Parameters
    ----------
    surv : greenwood.Surv
    covariates : ndarray of shape (n, p)

    Returns
    -------
    greenwood.CoxPH or None
        None where covariates cannot be told apart, or tell those with an event from those without,
        so that a coefficient runs to infinity.
    """
    try:
        with np.errstate(all="ignore"):
            model = gw.CoxPH(ties="efron").fit(surv, covariates)
    except np.linalg.LinAlgError:
        return None
    found = np.concatenate([model.coef_, model.std_error_])
    return model if (np.abs(found) < _DIVERGED).all() else None


def hazards_trend(model: Any, event_times: np.ndarray, term: int | None = None) -> Trend:
    """Grambsch and Therneau's score test (cox.zph of R's survival >= 3, km transform).

    Parameters
    ----------
    model : greenwood.CoxPH
    event_times : ndarray of shape (d,)
        Months; those at which patients of more than one kind are at risk.
    term : int, optional
        Place of one covariate; the test of all of them together by default.

    Returns
    -------
    Trend
        A small p means that a hazard ratio changes with time.
    """
    # With a single event time there is no trend in time to test.
    if len(np.unique(event_times)) < 2:
        return Trend(np.nan, np.nan, ONE_EVENT_TIME)
    try:
        with np.errstate(all="ignore"):
            test = model.cox_zph(transform="km")
    except np.linalg.LinAlgError:
        return Trend(np.nan, np.nan, NO_TREND)
    found = test.global_test if term is None else test.to_frame(format="pandas").iloc[term]
    chi_square, p_value = float(found["chisq"]), float(found["p_value"])
    return Trend(chi_square, p_value, "" if np.isfinite(p_value) else NO_TREND)


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
    return HazardRatio(
        float(model.hazard_ratio_[0]),
        float(np.exp(model.conf_low_[0])),
        float(np.exp(model.conf_high_[0])),
        float(model.p_value_[0]),
        trend.p_value,
        trend.note,
    )


def hazard_ratio_rows(by_arm: Mapping[str, Outcome]) -> Iterator[Row]:
    """Hazard ratio of each arm over the reference arm, the last of `by_arm`."""
    *others, reference = by_arm
    for arm in others:
        ratio = cox_hazard_ratio(by_arm[arm], by_arm[reference])
        yield _pair_row(by_arm, arm, reference) | {
            "estimator": COX.named(),
            "scale": "hazard ratio",
            "estimate": ratio.estimate,
            "ci_low": ratio.ci_low,
            "ci_high": ratio.ci_high,
            "ci_method": "Wald",
            "p_value": ratio.p_value,
            "note": _hazard_ratio_note(ratio, reference),
        }


def proportional_hazards_rows(by_arm: Mapping[str, Outcome]) -> Iterator[Row]:
    """Score test of Grambsch and Therneau for each arm against the reference arm, as rows.

    Yields
    ------
    dict
        The chi-square statistic on one degree of freedom with time on the scale of the
        Kaplan-Meier curve, and its p-value; small means that the hazard ratio changes with time.
    """
    *others, reference = by_arm
    for arm in others:
        mine, base = by_arm[arm], by_arm[reference]
        row = _pair_row(by_arm, arm, reference) | {
            "estimator": TREND.named(),
            "scale": "chi-square",
        }
        if not has_hazard_ratio(mine, base):
            yield row | {"note": NO_MAXIMUM}
            continue
        trend = hazards_trend(two_arm_cox(mine, base), np.concatenate(_informative(mine, base)))
        yield row | {
            "estimate": trend.chi_square,
            "p_value": trend.p_value,
            "note": trend.note
            or "cox.zph score test, km transform; a large p does not show that hazards are "
            "proportional",
        }


def _informative(arm: Outcome, reference: Outcome) -> list[np.ndarray]:
    """Distinct event times of each arm while the other one is at risk."""
    shared_follow_up = min(arm.follow_up, reference.follow_up)
    return [np.unique(o.time[o.event & (o.time <= shared_follow_up)]) for o in (arm, reference)]


def _pair_row(by_arm: Mapping[str, Outcome], arm: str, reference: str) -> Row:
    return {
        "arm": arm,
        "reference_arm": reference,
        "n": len(by_arm[arm]) + len(by_arm[reference]),
        "events": by_arm[arm].n_events + by_arm[reference].n_events,
    }


def _hazard_ratio_note(ratio: HazardRatio, reference: str) -> str:
    if np.isnan(ratio.estimate):
        return NO_MAXIMUM
    trend = ratio.proportional_hazards_p
    return join_notes(
        f"above 1: worse than {reference}",
        f"proportional hazards {p_text(trend)} (cox.zph, km)"
        if np.isfinite(trend)
        else f"proportional hazards {ratio.no_trend}",
    )
