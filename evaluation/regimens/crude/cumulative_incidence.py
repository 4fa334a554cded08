"""Cumulative incidence where another event can come first: Aalen-Johansen, Gray, Fine-Gray."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import greenwood as gw
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from evaluation.estimators import FINE_GRAY, GRAY, INCIDENCE, INCIDENCE_DIFFERENCE
from evaluation.regimens.arms import outcomes_by_arm
from evaluation.regimens.crude.rank_tests import UNDEFINED, global_test_row
from evaluation.regimens.crude.survival import probability_rows
from evaluation.remarks import not_estimable, reads_above
from evaluation.results import Estimate
from evaluation.statistics import HypothesisTest, fine_gray, incidence_by_cause
from features.life_table import LifeTable, Z
from features.outcome import Outcome

_CENSORED, _EVENT, _COMPETING = "censored", "event", "competing"


class SubdistributionHazardRatio(NamedTuple):
    """Fine-Gray ratio with Wald limits; above 1 the arm's cumulative incidence is higher."""

    estimate: float
    ci_low: float
    ci_high: float
    p_value: float


def competing_as_event(outcome: Outcome) -> Outcome:
    """Exchange the event and the competing one, to ask about the other."""
    other = _competing(outcome)
    return Outcome(outcome.time, other, outcome.reason, outcome.source, outcome.event)


def cumulative_incidence(outcome: Outcome) -> pd.DataFrame:
    """Aalen-Johansen cumulative incidence of the event, with 95% pointwise limits.

    Parameters
    ----------
    outcome : Outcome
        Time in months, event and competing event of at least one patient. Without competing events
        the curve is 1 - Kaplan-Meier.

    Returns
    -------
    DataFrame
        One row a distinct observed time (months), increasing: time, incidence (probability of the
        event by `time`), std_error, ci_low, ci_high, n_risk (just before `time`), n_event,
        n_competing, n_censor. Limits are symmetric for log(-log(1 - incidence)), as in R's etm;
        NaN where the incidence is 0 or 1.

    Raises
    ------
    ValueError
        Without patients.

    References
    ----------
    Aalen and Johansen, 1978; variance of Greenwood's type, as R's survfit and etm have it. cmprsk's
    differs by about one part in a hundred.
    """
    table = LifeTable.of(outcome)
    fit = _of_the_event(outcome, table.times)
    none = np.zeros(len(table.times))
    return pd.DataFrame(
        {
            "time": table.times,
            "incidence": fit["estimate"],
            "std_error": fit["std_error"].fillna(0.0),
            "ci_low": fit["ci_low"],
            "ci_high": fit["ci_high"],
            "n_risk": table.at_risk.astype(int),
            "n_event": table.events.astype(int),
            "n_competing": (none if table.competing is None else table.competing).astype(int),
            "n_censor": table.censored.astype(int),
        }
    )


def incidence_at(outcome: Outcome, horizons: ArrayLike) -> pd.DataFrame:
    """Cumulative incidence of the event at each horizon.

    Returns
    -------
    DataFrame
        One row a horizon, in the order given: horizon, incidence, std_error, ci_low, ci_high,
        n_event (events up to and including it). NaN beyond the longest follow-up.
    """
    horizons = np.atleast_1d(np.asarray(horizons, dtype=float))
    fit = _of_the_event(outcome, horizons).rename(columns={"estimate": "incidence"})
    columns = ["incidence", "std_error", "ci_low", "ci_high"]
    fit["std_error"] = fit["std_error"].fillna(0.0)
    fit.loc[horizons > outcome.follow_up, columns] = np.nan
    return fit[["horizon", *columns, "n_event"]]


def _of_the_event(outcome: Outcome, times: ArrayLike) -> pd.DataFrame:
    fit = incidence_by_cause(outcome, times)
    return fit[fit["cause"] == "event"].reset_index(drop=True)


def gray_test(outcome: Outcome, regimen: ArrayLike) -> HypothesisTest:
    """Gray's test that the cumulative incidence of the event is the same in all arms.

    Parameters
    ----------
    outcome : Outcome of n patients
    regimen : array-like of shape (n,)

    Returns
    -------
    HypothesisTest
        Chi-square on k - 1 degrees of freedom (no direction) and p; NaN without an event, with one
        arm, or where the statistic has no variance.

    References
    ----------
    Gray, Ann Stat 1988, 10.1214/aos/1176350951; as R's cmprsk::cuminc.
    """
    labels = np.asarray(regimen)
    if not outcome.n_events or len(np.unique(labels)) < 2:
        return UNDEFINED
    # An arm whose patients have all left before the first event is in no risk set.
    at_risk = outcome.time >= outcome.time[outcome.event].min()
    still = np.unique(labels[at_risk])
    if len(still) < len(np.unique(labels)):
        kept = np.isin(labels, still)
        return gray_test(outcome.take(kept), labels[kept])
    try:
        with np.errstate(divide="ignore", invalid="ignore"):
            result = gw.grays_test(_multistate(outcome), labels, cause=_EVENT)
    except np.linalg.LinAlgError:
        return UNDEFINED
    statistic = float(result.statistic)
    if not np.isfinite(statistic) or statistic < 0:
        return UNDEFINED
    return HypothesisTest(statistic, float(result.p_value))


def subdistribution_hazard_ratio(arm: Outcome, reference: Outcome) -> SubdistributionHazardRatio:
    """Fine-Gray hazard ratio of the event, arm over reference arm.

    Parameters
    ----------
    arm, reference : Outcome
        The two arms' patients. The censoring distribution is taken to be the same in both.

    Returns
    -------
    SubdistributionHazardRatio
        Above 1 the event is more frequent in the arm. It says which cumulative incidence is higher,
        not how fast the event comes to those still at risk. All NaN where an arm has no event.

    References
    ----------
    Fine and Gray, JASA 1999, 10.1080/01621459.1999.10474144; as R's cmprsk::crr.
    """
    both = _concatenate(arm, reference)
    label = np.repeat([1.0, 0.0], [len(arm), len(reference)])
    undefined = SubdistributionHazardRatio(np.nan, np.nan, np.nan, np.nan)
    if not _ratio_has_maximum(both, label):
        return undefined
    model = fine_gray(both, label[:, np.newaxis])
    log_ratio, error = float(model.coef[0]), float(np.sqrt(model.covariance[0, 0]))
    if not error > 1e-8:
        return undefined
    return SubdistributionHazardRatio(
        float(np.exp(log_ratio)),
        float(np.exp(log_ratio - Z * error)),
        float(np.exp(log_ratio + Z * error)),
        float(2 * stats.norm.sf(abs(log_ratio) / error)),
    )


def incidence_rows(
    outcome: Outcome,
    regimen: np.ndarray,
    arms: Sequence[str],
    horizons: Sequence[float],
    names: tuple[str, str],
) -> Iterator[Estimate]:
    """Cumulative incidences of both events, Gray's tests and Fine-Gray ratios, as rows.

    Parameters
    ----------
    outcome : Outcome of n patients, with competing events
    regimen : ndarray of shape (n,), object
    arms : sequence of str
        The reference arm last.
    horizons : sequence of float
        Months.
    names : (str, str)
        Labels of the event and of the competing event, which become the rows' endpoints.

    Yields
    ------
    Estimate
        Differences are arm minus reference arm; above 0 the event is more frequent in the arm.
    """
    for name, of in zip(names, (outcome, competing_as_event(outcome)), strict=True):
        for row in _one_cause_rows(of, regimen, list(arms), horizons):
            yield replace(row, endpoint=name)


def _one_cause_rows(
    outcome: Outcome, regimen: np.ndarray, arms: list[str], horizons: Sequence[float]
) -> Iterator[Estimate]:
    by_arm = outcomes_by_arm(outcome, regimen, arms)
    *others, reference = arms
    yield from probability_rows(
        by_arm,
        horizons,
        {arm: incidence_at(own, horizons) for arm, own in by_arm.items()},
        (INCIDENCE, INCIDENCE_DIFFERENCE),
        "Aalen-Johansen",
        lambda point, base: point["incidence"] - base["incidence"],
    )
    yield global_test_row(GRAY, gray_test(outcome, regimen), outcome, arms)
    for arm in others:
        ratio = subdistribution_hazard_ratio(by_arm[arm], by_arm[reference])
        yield Estimate(
            estimator=FINE_GRAY,
            scale="subdistribution hazard ratio",
            arm=arm,
            reference_arm=reference,
            value=ratio.estimate,
            low=ratio.ci_low,
            high=ratio.ci_high,
            p_value=ratio.p_value,
            method="Wald, robust",
            n=len(by_arm[arm]) + len(by_arm[reference]),
            events=by_arm[arm].n_events + by_arm[reference].n_events,
            note=reads_above(1, f"higher cumulative incidence than {reference}")
            if np.isfinite(ratio.estimate)
            else not_estimable("one arm has no event while the other could have one"),
        )


def _competing(outcome: Outcome) -> np.ndarray:
    if outcome.competing is None:
        return np.zeros(len(outcome), dtype=bool)
    return outcome.competing


def _multistate(outcome: Outcome) -> Any:
    states = np.where(outcome.event, _EVENT, np.where(_competing(outcome), _COMPETING, _CENSORED))
    return gw.Surv(
        time=outcome.time,
        event=pd.Categorical(states, categories=[_CENSORED, _EVENT, _COMPETING]),
    )


def _concatenate(arm: Outcome, reference: Outcome) -> Outcome:
    return Outcome(
        np.concatenate([arm.time, reference.time]),
        np.concatenate([arm.event, reference.event]),
        competing=np.concatenate([_competing(arm), _competing(reference)]),
    )


def _ratio_has_maximum(both: Outcome, label: np.ndarray) -> bool:
    """Whether each arm has an event while somebody of the other is in the risk set.

    Patients with a competing event stay in the risk set of the subdistribution hazard.
    """
    other = _competing(both)
    for arm in (0.0, 1.0):
        last = np.where(other, np.inf, both.time)[label != arm].max()
        mine = both.event & (label == arm) & (both.time <= last)
        if not mine.any():
            return False
    return True
