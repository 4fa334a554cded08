"""Classical comparison of regimens: response, Kaplan-Meier, log-rank, Cox, adverse events.

Crude by design: no row here is adjusted for how the regimens were chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import greenwood as gw
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from evaluation.kaplan_meier import median_time, survival_at
from evaluation.proportions import HypothesisTest, TwoProportions, proportion
from evaluation.results import format_p, regimen_table
from features.outcome import Outcome

_Z = float(stats.norm.ppf(0.975))

Row = dict[str, Any]


class HazardRatio(NamedTuple):
    """Cox hazard ratio with Wald limits; above 1 is worse than the reference arm."""

    estimate: float
    ci_low: float
    ci_high: float
    p_value: float
    proportional_hazards_p: float


def compare_regimens(
    outcomes: Mapping[str, Outcome],
    regimen: ArrayLike,
    reference_arm: str,
    horizons: Sequence[float],
    responder: ArrayLike | None = None,
    adverse_events: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Every crude comparison of the regimens, one row an estimate.

    Parameters
    ----------
    outcomes : mapping of str to Outcome
        Endpoint label ("OS", "EFS") to the n patients' outcomes, in months.
    regimen : array-like of shape (n,), str
        Regimen of each patient; every distinct value is an arm.
    reference_arm : str
        The arm the others are compared with, each on its own.
    horizons : sequence of float
        Months at which survival is reported.
    responder : array-like of shape (n,), optional
        True/False (1/0) response; missing values are dropped and counted in `note`.
    adverse_events : DataFrame of shape (n, n_events), optional
        One column of 0/1 an adverse event, rows in the order of `regimen`.

    Returns
    -------
    DataFrame
        REGIMEN_COLUMNS, family "classical". Differences are arm minus reference
        arm on the probability scale; a hazard ratio above 1 is worse than the
        reference arm; `note` repeats the direction. On the row of a comparison n
        and events count both arms, on a row at a horizon the events up to it.

        ==================================  ======================  ==========================
        estimator                           scale                   interval / p
        ==================================  ======================  ==========================
        response rate                       probability             Clopper-Pearson
        response rate difference            probability difference  Newcombe and
                                                                    Miettinen-Nurminen;
                                                                    chi-square, Fisher in note
        median                              months                  log-log Brookmeyer-Crowley
        event probability                   probability             log-log Greenwood
        Kaplan-Meier difference             event probability       normal, Greenwood errors
                                            difference
        log-rank                            chi-square              all arms together
        Cox hazard ratio                    hazard ratio            Wald, Efron ties
        adverse event rate (difference)     as for response         as for response, Newcombe
        ==================================  ======================  ==========================

    Raises
    ------
    ValueError
        With fewer than two arms, an unknown reference arm, a missing regimen, or
        inputs of different lengths.
    """
    regimen = np.asarray(regimen, dtype=object)
    arms = _arms(regimen, reference_arm)
    lengths = {name: len(outcome) for name, outcome in outcomes.items()}
    lengths |= {} if responder is None else {"responder": len(np.asarray(responder))}
    lengths |= {} if adverse_events is None else {"adverse_events": len(adverse_events)}
    unequal = {name: length for name, length in lengths.items() if length != len(regimen)}
    if unequal:
        raise ValueError(f"regimen has {len(regimen)} patients but got {unequal}; align the rows")

    rows: list[Row] = []
    if responder is not None:
        methods = ("newcombe", "miettinen-nurminen")
        rows += _rate_rows("response", "response", responder, (regimen, arms), methods)
    for endpoint, outcome in outcomes.items():
        for row in _endpoint_rows(outcome, regimen, arms, horizons):
            rows.append({"endpoint": endpoint} | row)
    if adverse_events is not None:
        for name, values in adverse_events.items():
            rows += _rate_rows(str(name), "adverse event", values, (regimen, arms), ("newcombe",))
    return regimen_table({"family": "classical"} | row for row in rows)


def _arms(regimen: np.ndarray, reference_arm: str) -> list[str]:
    """Arms in alphabetical order, the reference arm last."""
    if pd.isna(regimen).any():
        missing = int(pd.isna(regimen).sum())
        raise ValueError(f"regimen is missing for {missing} patients; leave them out first")
    arms = sorted(set(regimen))
    if reference_arm not in arms:
        raise ValueError(f"reference_arm must be one of the regimens {arms}; got {reference_arm!r}")
    if len(arms) < 2:
        raise ValueError(
            f"regimen holds the single arm {reference_arm!r}; a comparison needs at least two. "
            "For one arm use kaplan_meier, median_time, survival_at and proportion"
        )
    return [*(arm for arm in arms if arm != reference_arm), reference_arm]


def _rate_rows(
    endpoint: str,
    kind: str,
    values: ArrayLike,
    groups: tuple[np.ndarray, list[str]],
    methods: Sequence[str],
) -> Iterator[Row]:
    """Proportion per arm, then each difference from the reference arm."""
    regimen, arms = groups
    happened, known = _known(endpoint, values)
    events = {arm: int(happened[known & (regimen == arm)].sum()) for arm in arms}
    n = {arm: int((known & (regimen == arm)).sum()) for arm in arms}
    lost = {arm: int((~known & (regimen == arm)).sum()) for arm in arms}
    for arm in arms:
        estimate, low, high = proportion(events[arm], n[arm])
        yield {
            "endpoint": endpoint,
            "estimator": f"{kind} rate",
            "scale": "probability",
            "arm": arm,
            "estimate": estimate,
            "ci_low": low,
            "ci_high": high,
            "ci_method": "Clopper-Pearson",
            "n": n[arm],
            "events": events[arm],
            "note": _missing_note(lost[arm]),
        }
    *others, reference = arms
    for arm in others:
        row = {
            "endpoint": endpoint,
            "estimator": f"{kind} rate difference",
            "scale": "probability difference",
            "arm": arm,
            "reference_arm": reference,
            "n": n[arm] + n[reference],
            "events": events[arm] + events[reference],
        }
        if not n[arm] or not n[reference]:
            yield row | {"note": "not estimable: an arm has no known value"}
            continue
        pair = TwoProportions(events[arm], n[arm], events[reference], n[reference])
        note = _join(
            f"above 0: more frequent than in {reference}",
            f"p from chi-square without correction; Fisher {_p(pair.fisher())}",
            _missing_note(lost[arm] + lost[reference]),
        )
        for method in methods:
            estimate, low, high = pair.risk_difference(method)
            yield row | {
                "estimate": estimate,
                "ci_low": low,
                "ci_high": high,
                "ci_method": method.title(),
                "p_value": pair.chi_square().p_value,
                "note": note,
            }


def _known(name: str, values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Split 0/1 values into (happened, known), missing ones counted as not known."""
    try:
        flags = pd.array(np.asarray(values, dtype=object), dtype="boolean")
    except (TypeError, ValueError) as error:
        seen = pd.unique(pd.Series(values).dropna())[:5].tolist()
        raise ValueError(f"{name} must hold True/False (1/0) or missing; got {seen}") from error
    return flags.to_numpy(dtype=bool, na_value=False), ~flags.isna()


def _endpoint_rows(
    outcome: Outcome, regimen: np.ndarray, arms: list[str], horizons: Sequence[float]
) -> Iterator[Row]:
    by_arm = {arm: outcome.take(regimen == arm) for arm in arms}
    yield from _median_rows(by_arm)
    yield from _survival_rows(by_arm, horizons)
    *others, reference = arms

    test = log_rank(outcome, regimen)
    yield {
        "estimator": "log-rank",
        "scale": "chi-square",
        "arm": " / ".join(others),
        "reference_arm": reference,
        "estimate": test.statistic,
        "p_value": test.p_value,
        "n": len(outcome),
        "events": outcome.n_events,
        "note": _join(
            f"global test of {len(arms)} arms" if len(arms) > 2 else "",
            ""
            if np.isfinite(test.statistic)
            else "not estimable: no event while two arms are at risk",
        ),
    }
    for arm in others:
        ratio = cox_hazard_ratio(by_arm[arm], by_arm[reference])
        yield {
            "estimator": "Cox hazard ratio",
            "scale": "hazard ratio",
            "arm": arm,
            "reference_arm": reference,
            "estimate": ratio.estimate,
            "ci_low": ratio.ci_low,
            "ci_high": ratio.ci_high,
            "ci_method": "Wald",
            "p_value": ratio.p_value,
            "n": len(by_arm[arm]) + len(by_arm[reference]),
            "events": by_arm[arm].n_events + by_arm[reference].n_events,
            "note": _hazard_ratio_note(ratio, reference),
        }


def _median_rows(by_arm: Mapping[str, Outcome]) -> Iterator[Row]:
    for arm, outcome in by_arm.items():
        median = median_time(outcome)
        yield {
            "estimator": "median",
            "scale": "months",
            "arm": arm,
            "estimate": median.median,
            "ci_low": median.ci_low,
            "ci_high": median.ci_high,
            "ci_method": "log-log",
            "n": len(outcome),
            "events": outcome.n_events,
            "note": "" if np.isfinite(median.median) else "not reached",
        }


def _survival_rows(by_arm: Mapping[str, Outcome], horizons: Sequence[float]) -> Iterator[Row]:
    """Kaplan-Meier event probability of each arm at each horizon, then differences."""
    tables = {arm: survival_at(outcome, horizons) for arm, outcome in by_arm.items()}
    *others, reference = by_arm
    for at, horizon in enumerate(horizons):
        points = {arm: table.iloc[at] for arm, table in tables.items()}
        beyond = {
            arm: f"follow-up of {arm} ends at {by_arm[arm].follow_up:.1f} months"
            for arm, point in points.items()
            if np.isnan(point["survival"])
        }
        for arm, point in points.items():
            unbounded = arm not in beyond and np.isnan(point["ci_low"])
            yield {
                "estimator": "event probability",
                "scale": "probability",
                "horizon": horizon,
                "arm": arm,
                "estimate": 1 - point["survival"],
                "ci_low": 1 - point["ci_high"],
                "ci_high": 1 - point["ci_low"],
                "ci_method": "log-log",
                "n": len(by_arm[arm]),
                "events": int(point["n_event"]),
                "note": beyond.get(arm, "no interval at 0% or 100%" if unbounded else ""),
            }
        for arm in others:
            point, base = points[arm], points[reference]
            difference = base["survival"] - point["survival"]
            # An arm at 0% or 100% has no Greenwood error, so the difference has no interval.
            errors = np.array([point["std_error"], base["std_error"]], dtype=float)
            margin = _Z * np.hypot(*errors) if (errors > 0).all() else np.nan
            bounded = np.isnan(difference) or np.isfinite(margin)
            yield {
                "estimator": "Kaplan-Meier difference",
                "scale": "event probability difference",
                "horizon": horizon,
                "arm": arm,
                "reference_arm": reference,
                "estimate": difference,
                "ci_low": difference - margin,
                "ci_high": difference + margin,
                "ci_method": "normal, Greenwood",
                "n": len(by_arm[arm]) + len(by_arm[reference]),
                "events": int(point["n_event"] + base["n_event"]),
                "note": _join(
                    f"above 0: more events than {reference}",
                    *(beyond[a] for a in (arm, reference) if a in beyond),
                    "" if bounded else "no interval with an arm at 0% or 100%",
                ),
            }


def log_rank(outcome: Outcome, regimen: ArrayLike) -> HypothesisTest:
    """Log-rank chi-square over all arms, k - 1 degrees of freedom, hypergeometric variance.

    Parameters
    ----------
    outcome : Outcome
        Time and event of n patients.
    regimen : array-like of shape (n,)
        Arm of each patient.

    Returns
    -------
    HypothesisTest
        Chi-square (no direction) and p; NaN when no two arms are at risk at the first event.
    """
    regimen = np.asarray(regimen)
    undefined = HypothesisTest(np.nan, np.nan)
    if not outcome.n_events:
        return undefined
    # Patients who left before the first event are in no risk set; an arm of such patients alone
    # takes no degree of freedom (as in R's survdiff).
    at_risk = outcome.time >= outcome.time[outcome.event].min()
    outcome, regimen = outcome.take(at_risk), regimen[at_risk]
    all_at_once = outcome.event.all() and np.ptp(outcome.time) == 0
    if len(np.unique(regimen)) < 2 or all_at_once:
        return undefined
    result = gw.logrank_test(gw.Surv(time=outcome.time, event=outcome.event), regimen)
    return HypothesisTest(float(result.statistic), float(result.p_value))


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
    shared_follow_up = min(arm.follow_up, reference.follow_up)
    informative = [
        np.unique(o.time[o.event & (o.time <= shared_follow_up)]) for o in (arm, reference)
    ]
    if any(len(times) == 0 for times in informative):
        return HazardRatio(np.nan, np.nan, np.nan, np.nan, np.nan)
    model = gw.CoxPH(ties="efron").fit(
        gw.Surv(
            time=np.concatenate([arm.time, reference.time]),
            event=np.concatenate([arm.event, reference.event]),
        ),
        np.repeat([1.0, 0.0], [len(arm), len(reference)])[:, np.newaxis],
    )
    # With a single event time there is no trend in time to test.
    testable = len(np.unique(np.concatenate(informative))) > 1
    return HazardRatio(
        float(model.hazard_ratio_[0]),
        float(np.exp(model.conf_low_[0])),
        float(np.exp(model.conf_high_[0])),
        float(model.p_value_[0]),
        float(model.cox_zph(transform="km").global_test["p_value"]) if testable else np.nan,
    )


def _hazard_ratio_note(ratio: HazardRatio, reference: str) -> str:
    if np.isnan(ratio.estimate):
        return "not estimable: one arm has no event while the other is at risk"
    trend = ratio.proportional_hazards_p
    return _join(
        f"above 1: worse than {reference}",
        f"proportional hazards {_p(trend)} (cox.zph, km)" if np.isfinite(trend) else "",
    )


def _missing_note(count: int) -> str:
    return f"{count} with a missing value left out" if count else ""


def _p(p_value: float) -> str:
    text = format_p(p_value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
