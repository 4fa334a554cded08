"""Rank tests of survival curves: log-rank, stratified, Fleming-Harrington, MaxCombo."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import greenwood as gw
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from evaluation.estimators import (
    FLEMING_HARRINGTON,
    LOG_RANK,
    MAX_COMBO,
    STRATIFIED,
    Estimator,
)
from evaluation.remarks import joined, not_estimable
from evaluation.results import Estimate
from evaluation.statistics import HypothesisTest
from features.life_table import LifeTable
from features.outcome import Outcome

UNDEFINED = HypothesisTest(np.nan, np.nan)
# (rho, gamma) of the weight S(t-)^rho (1 - S(t-))^gamma: even, early, late, middle.
MAX_COMBO_WEIGHTS = ((0, 0), (1, 0), (0, 1), (1, 1))
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(64)


class MaxCombo(NamedTuple):
    """MaxCombo test of two arms.

    Attributes
    ----------
    statistic : float
        The largest absolute standardised statistic.
    p_value : float
        Two-sided, from the joint normal distribution of the four.
    z : tuple of float
        Standardised Fleming-Harrington statistics in the order of MAX_COMBO_WEIGHTS; above 0 the
        arm has more events than expected.
    """

    statistic: float
    p_value: float
    z: tuple[float, ...]


def log_rank(
    outcome: Outcome, regimen: ArrayLike, strata: ArrayLike | None = None
) -> HypothesisTest:
    """Log-rank chi-square over all arms, k - 1 degrees of freedom, hypergeometric variance.

    Parameters
    ----------
    outcome : Outcome
        Time and event of n patients.
    regimen : array-like of shape (n,)
        Arm of each patient.
    strata : array-like of shape (n,), optional
        Observed minus expected and variances are added up over the strata.

    Returns
    -------
    HypothesisTest
        Chi-square (no direction) and p; NaN when no two arms are at risk at the first event.
    """
    return fleming_harrington(outcome, regimen, 0, 0, strata)


def fleming_harrington(
    outcome: Outcome,
    regimen: ArrayLike,
    rho: float,
    gamma: float,
    strata: ArrayLike | None = None,
) -> HypothesisTest:
    """Weighted log-rank test over all arms.

    Parameters
    ----------
    outcome, regimen, strata
        As for `log_rank`.
    rho, gamma : float
        Weight S(t-)^rho (1 - S(t-))^gamma with the pooled Kaplan-Meier curve (of the stratum):
        (0, 0) is the log-rank test, (1, 0) stresses early, (0, 1) late differences.

    Returns
    -------
    HypothesisTest
        Chi-square (no direction) and p; NaN where the weighted scores have no variance.

    References
    ----------
    Fleming and Harrington, Counting Processes and Survival Analysis, 1991, chapter 7; R's
    survdiff(rho) has gamma 0.
    """
    outcome, labels, layers = _at_risk(outcome, regimen, strata)
    if len(outcome) == 0 or len(np.unique(labels)) < 2:
        return UNDEFINED
    try:
        result = gw.logrank_test(
            gw.Surv(time=outcome.time, event=outcome.event),
            labels,
            rho=rho,
            gamma=gamma,
            strata=layers,
        )
    except np.linalg.LinAlgError:
        return UNDEFINED
    statistic = float(result.statistic)
    # Rounding leaves a variance of about zero where there is none, and any ratio then.
    variance = _variance_exists(outcome, labels, layers, (rho, gamma))
    if not variance or not np.isfinite(statistic):
        return UNDEFINED
    return HypothesisTest(max(statistic, 0.0), float(result.p_value))


def max_combo(
    arm: Outcome, reference: Outcome, strata: tuple[ArrayLike, ArrayLike] | None = None
) -> MaxCombo:
    """Largest of four Fleming-Harrington statistics: even, early, late and middle differences.

    Parameters
    ----------
    arm, reference : Outcome
        The two arms' patients.
    strata : pair of array-like, optional
        Strata of the arm's and of the reference arm's patients.

    Returns
    -------
    MaxCombo
        All NaN where the log-rank statistic has no variance. A weight without variance (late ones
        with a single event time) takes no part.

    Notes
    -----
    The p-value is P(max |Z| >= statistic) for a normal Z with the estimated correlation. Since the
    even weight is the sum of the early and the late one, the integral has three dimensions; two are
    done by Gauss-Legendre quadrature and the third in closed form, exact to about 1e-9. Simulated
    integrals are exact to about 1e-4.

    References
    ----------
    Lee, Comput Stat Data Anal 2007, 10.1016/j.csda.2007.01.009; Lin et al., Stat Biopharm Res 2020,
    10.1080/19466315.2019.1697738
    """
    both = Outcome(
        np.concatenate([arm.time, reference.time]), np.concatenate([arm.event, reference.event])
    )
    label = np.repeat(["0 arm", "1 reference"], [len(arm), len(reference)])
    layers = None if strata is None else np.concatenate([np.asarray(s) for s in strata])
    undefined = MaxCombo(np.nan, np.nan, (np.nan,) * len(MAX_COMBO_WEIGHTS))
    if np.isnan(log_rank(both, label, layers).statistic):
        return undefined
    both, label, layers = _at_risk(both, label, layers)
    defined = np.array([_variance_exists(both, label, layers, w) for w in MAX_COMBO_WEIGHTS])
    scores, covariance = _weighted_scores(both, label, layers)
    error = np.sqrt(np.diag(covariance))
    z = np.divide(scores, error, out=np.full(len(scores), np.nan), where=defined)
    statistic = float(np.abs(z[defined]).max())
    if defined.all():
        p_value = 1 - _probability_inside(statistic, covariance / np.outer(error, error))
    else:
        # Without a late weight the early one is proportional to the even one: one dimension.
        p_value = float(2 * stats.norm.sf(statistic))
    return MaxCombo(statistic, min(max(p_value, 0.0), 1.0), tuple(z.tolist()))


def rank_test_rows(
    outcome: Outcome, regimen: np.ndarray, arms: Sequence[str], strata: ArrayLike | None = None
) -> Iterator[Estimate]:
    """Stratified log-rank, Fleming-Harrington tests and MaxCombo, as rows of a regimen table.

    Parameters
    ----------
    outcome : Outcome of n patients
    regimen : ndarray of shape (n,), object
    arms : sequence of str
        The reference arm last.
    strata : array-like of shape (n,), optional
        For the stratified log-rank test alone; patients with a missing stratum are left out of it.

    Yields
    ------
    Estimate
        Global tests over all arms; MaxCombo, which compares two arms, of each arm with the
        reference arm; with three arms or more also the log-rank test of each such pair. p-values
        are not adjusted for the number of tests.
    """
    *others, reference = arms
    row = Estimate(
        FLEMING_HARRINGTON,
        "chi-square",
        arm=" / ".join(others),
        reference_arm=reference,
        n=len(outcome),
        events=outcome.n_events,
    )
    together = f"global test of {len(arms)} arms" if len(arms) > 2 else ""
    if strata is not None:
        yield _stratified(row, outcome, regimen, np.asarray(strata, dtype=object), together)
    for rho, gamma in MAX_COMBO_WEIGHTS[1:]:
        test = fleming_harrington(outcome, regimen, rho, gamma)
        yield replace(
            row,
            part=f"({rho}, {gamma})",
            value=test.statistic,
            p_value=test.p_value,
            note=joined(
                {(1, 0): "early", (0, 1): "late", (1, 1): "middle"}[rho, gamma]
                + " differences stressed",
                together,
                _why_undefined(test),
            ),
        )
    for arm in others:
        pair = {a: outcome.take(regimen == a) for a in (arm, reference)}
        mine = Estimate(
            MAX_COMBO,
            "largest |z|",
            arm=arm,
            reference_arm=reference,
            n=sum(map(len, pair.values())),
            events=sum(o.n_events for o in pair.values()),
        )
        if len(arms) > 2:
            test = log_rank(
                outcome.take(np.isin(regimen, list(pair))), regimen[np.isin(regimen, list(pair))]
            )
            yield replace(
                mine,
                estimator=LOG_RANK,
                scale="chi-square",
                value=test.statistic,
                p_value=test.p_value,
                note=joined("these two arms alone", _why_undefined(test)),
            )
        combo = max_combo(pair[arm], pair[reference])
        yield replace(
            mine,
            value=combo.statistic,
            p_value=combo.p_value,
            note=joined(
                "largest of the (0,0), (1,0), (0,1) and (1,1) statistics"
                if np.isfinite(combo.statistic)
                else _NO_PAIR_AT_RISK
            ),
        )


_NO_PAIR_AT_RISK = not_estimable("no event while two arms are at risk")


def _why_undefined(test: HypothesisTest) -> str:
    return "" if np.isfinite(test.statistic) else _NO_PAIR_AT_RISK


def _stratified(
    row: Estimate, outcome: Outcome, regimen: np.ndarray, strata: np.ndarray, together: str
) -> Estimate:
    known = ~pd.isna(strata)
    outcome, regimen = outcome.take(known), regimen[known]
    labels = strata[known].astype(str)
    test = log_rank(outcome, regimen, labels)
    left_out = int((~known).sum())
    return replace(
        row,
        estimator=STRATIFIED,
        value=test.statistic,
        p_value=test.p_value,
        n=len(outcome),
        events=outcome.n_events,
        note=joined(
            f"{len(np.unique(labels))} strata",
            together,
            f"{left_out} without a stratum left out" if left_out else "",
            _why_undefined(test),
        ),
    )


def _at_risk(
    outcome: Outcome, regimen: ArrayLike, strata: ArrayLike | None
) -> tuple[Outcome, np.ndarray, np.ndarray | None]:
    """Patients in some risk set of their stratum that holds an event and two arms.

    Patients who left before the first event are in no risk set; an arm of such patients alone
    takes no degree of freedom (as in R's survdiff).
    """
    labels = np.asarray(regimen)
    layers = None if strata is None else np.asarray(strata).astype(str)
    useful = np.zeros(len(outcome), dtype=bool)
    for stratum in [None] if layers is None else np.unique(layers):
        members = np.ones(len(outcome), dtype=bool) if layers is None else layers == stratum
        events = outcome.time[members & outcome.event]
        if len(events):
            at_risk = members & (outcome.time >= events.min())
            if len(np.unique(labels[at_risk])) > 1:
                useful |= at_risk
    kept = outcome.take(useful)
    return kept, labels[useful], None if layers is None else layers[useful]


def _variance_exists(
    outcome: Outcome,
    labels: np.ndarray,
    strata: np.ndarray | None,
    weight: tuple[float, float],
) -> bool:
    """Whether the weighted scores of all arms but one have a variance that can be inverted.

    An event time tells where its weight is above 0, two arms are at risk and not all patients at
    risk have the event; the arms must be linked by such times.
    """
    linked: list[set] = [{arm} for arm in range(len(np.unique(labels)))]
    for at_risk, events, before in _event_times(outcome, labels, strata):
        telling = before ** weight[0] * (1 - before) ** weight[1] > 0
        telling &= events.sum(axis=0) < at_risk.sum(axis=0)
        for column in (at_risk[:, telling] > 0).T:
            present = set(np.flatnonzero(column).tolist())
            touched = [group for group in linked if group & present]
            linked = [group for group in linked if not group & present]
            linked.append(set().union(*touched))
            if len(linked) == 1:
                return True
    return False


def _event_times(
    outcome: Outcome, labels: np.ndarray, strata: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """At risk and events of each arm, in sorted order, at the m event times of each stratum.

    Arrays of shape (n_arms, m), and pooled survival just before these times, shape (m,).
    """
    arms = np.unique(labels)
    layers = np.zeros(len(outcome), dtype=int) if strata is None else strata
    for stratum in np.unique(layers):
        mine = layers == stratum
        time, event = outcome.time[mine], outcome.event[mine]
        pooled = LifeTable.count(time, event)
        by_arm = LifeTable.count(time, event, weights=labels[mine] == arms[:, np.newaxis])
        had = pooled.events > 0
        yield by_arm.at_risk[:, had], by_arm.events[:, had], pooled.survival_before[had]


def _weighted_scores(
    outcome: Outcome, labels: np.ndarray, strata: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Observed minus expected events of the first arm under each weight, and their covariance.

    greenwood's maxcombo_test has the same, with a simulated integral that takes a quarter of a
    second.
    """
    size = len(MAX_COMBO_WEIGHTS)
    scores, covariance = np.zeros(size), np.zeros((size, size))
    for at_risk, events, before in _event_times(outcome, labels, strata):
        n, deaths = at_risk.sum(axis=0), events.sum(axis=0)
        weights = np.array(
            [before**rho * (1 - before) ** gamma for rho, gamma in MAX_COMBO_WEIGHTS]
        )
        share = at_risk[0] / n
        variance = deaths * share * (1 - share) * (n - deaths) / np.maximum(n - 1, 1)
        scores += weights @ (events[0] - deaths * share)
        covariance += (weights * variance) @ weights.T
    return scores, covariance


def _probability_inside(limit: float, correlation: np.ndarray) -> float:
    """P(|Z| <= limit for all four) with Z(0,0) a combination of Z(1,0) and Z(0,1)."""
    even_early, even_late = correlation[0, 1], correlation[0, 2]
    rho = correlation[1, 2]
    # Z(0,0) = a Z(1,0) + b Z(0,1), from its correlations with the two.
    a = (even_early - rho * even_late) / (1 - rho**2)
    b = (even_late - rho * even_early) / (1 - rho**2)
    # Z(1,1) given the two: mean c Z(1,0) + d Z(0,1), standard deviation `rest`.
    c = (correlation[1, 3] - rho * correlation[2, 3]) / (1 - rho**2)
    d = (correlation[2, 3] - rho * correlation[1, 3]) / (1 - rho**2)
    rest = np.sqrt(max(1 - c * correlation[1, 3] - d * correlation[2, 3], 1e-18))
    late_sd = np.sqrt(1 - rho**2)

    # The limits of Z(0,1) have a kink where |Z(0,0)| <= limit begins to bind.
    kink = np.clip(limit * (1 - b) / a, -limit, limit)
    breaks = np.unique([-limit, -abs(kink), abs(kink), limit])
    total = 0.0
    for start, end in itertools.pairwise(breaks):
        early = (start + end) / 2 + (end - start) / 2 * _NODES[:, np.newaxis]
        low = np.maximum(-limit, (-limit - a * early) / b)
        high = np.maximum(np.minimum(limit, (limit - a * early) / b), low)
        late = (low + high) / 2 + (high - low) / 2 * _NODES
        mean = c * early + d * late
        middle = stats.norm.cdf((limit - mean) / rest) - stats.norm.cdf((-limit - mean) / rest)
        density = stats.norm.pdf(early) * stats.norm.pdf((late - rho * early) / late_sd) / late_sd
        inner = (density * middle * _NODE_WEIGHTS).sum(axis=1) * ((high - low) / 2)[:, 0]
        total += float((inner * _NODE_WEIGHTS).sum() * (end - start) / 2)
    return total


def global_test_row(
    estimator: Estimator, test: HypothesisTest, outcome: Outcome, arms: list[str]
) -> Estimate:
    """A test of all arms at once as a row; the reference arm last."""
    *others, reference = arms
    return Estimate(
        estimator=estimator,
        scale="chi-square",
        arm=" / ".join(others),
        reference_arm=reference,
        value=test.statistic,
        p_value=test.p_value,
        n=len(outcome),
        events=outcome.n_events,
        note=joined(
            f"global test of {len(arms)} arms" if len(arms) > 2 else "",
            ""
            if np.isfinite(test.statistic)
            else not_estimable("no event while two arms are at risk"),
        ),
    )
