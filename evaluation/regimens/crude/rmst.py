"""Restricted mean survival time by arm: differences and ratios, asymptotic and by permutation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import stats

from evaluation.estimators import RMST, RMST_DIFFERENCE, RMST_RATIO
from evaluation.methods import NORMAL, by_permutation
from evaluation.regimens.arms import canonical_order
from evaluation.remarks import joined, no_interval, not_estimable, reads_above
from evaluation.results import Estimate
from features.life_table import LifeTable, Z
from features.outcome import Outcome

# Patients of permuted samples held in memory at once.
_BATCH = 2_000_000
_TIE = 1e-9


class RestrictedMean(NamedTuple):
    """Mean months lived event-free up to tau, with the error of its estimate."""

    estimate: float
    std_error: float


class PermutationTest(NamedTuple):
    """Studentised permutation test of an RMST difference, with the interval that inverts it."""

    p_value: float
    ci_low: float
    ci_high: float


def restricted_mean(outcome: Outcome, tau: float) -> RestrictedMean:
    """Area under the Kaplan-Meier curve from 0 to tau, with Greenwood's variance.

    Parameters
    ----------
    outcome : Outcome
        Time in months and event of at least one patient.
    tau : float
        Months; not beyond the longest follow-up.

    Returns
    -------
    RestrictedMean
        In months, between 0 and tau. NaN beyond follow-up: the curve is never carried forward.

    References
    ----------
    Royston and Parmar, BMC Med Res Methodol 2013, 10.1186/1471-2288-13-152; equal to R's
    summary(survfit(...), rmean = tau) and to survRM2.
    """
    if not tau > 0:
        raise ValueError(f"tau must be above 0 months; got {tau:g}")
    if len(outcome) == 0 or tau > outcome.follow_up:
        return RestrictedMean(np.nan, np.nan)
    table = LifeTable.count(outcome.time, outcome.event)
    error = np.sqrt(table.restricted_mean_variance(tau))
    return RestrictedMean(float(table.restricted_mean(tau)), float(error))


def choose_tau(by_arm: Mapping[str, Outcome], horizons: Sequence[float]) -> float:
    """Tau where none is given: the last horizon within the follow-up of every arm.

    Returns
    -------
    float
        Months. Without such a horizon, the longest follow-up of the arm followed shortest.
    """
    shared = min(outcome.follow_up for outcome in by_arm.values())
    within = [float(horizon) for horizon in horizons if horizon <= shared]
    return max(within) if within else float(shared)


def permutation_test(
    arm: Outcome, reference: Outcome, tau: float, replicates: int, seed: int
) -> PermutationTest:
    """Test whether two arms have the same RMST, by permuting the arm labels.

    Parameters
    ----------
    arm, reference : Outcome
        The two arms' patients.
    tau : float
        Months, within both arms' follow-up.
    replicates : int
        Random permutations.
    seed : int
        The same seed gives the same result, in whatever order the patients come.

    Returns
    -------
    PermutationTest
        p: share of permuted samples, the observed one among them, whose standardised difference is
        at least as large in size. Limits: estimate -+ that distribution's 95% point times the
        standard error. NaN where the difference has no standard error; the limits also where
        either arm has none, or more than 5% of the permuted samples.

    Notes
    -----
    The standardised difference, not the difference itself, is permuted: the test then holds its
    level also where the arms' censoring differs. In a permuted sample whose last patient of an arm
    is censored before tau the curve is carried flat to tau (Horiguchi and Uno); in the observed
    sample it never is.

    References
    ----------
    Ditzhaus, Yu and Xu, Stat Med 2023, 10.1002/sim.9713; Horiguchi and Uno, Stat Med 2020,
    10.1002/sim.8565; small samples compared: arXiv 2408.15607
    """
    observed = [restricted_mean(outcome, tau) for outcome in (arm, reference)]
    difference = observed[0].estimate - observed[1].estimate
    error = float(np.hypot(observed[0].std_error, observed[1].std_error))
    if not error > 0:
        return PermutationTest(np.nan, np.nan, np.nan)
    labels = np.repeat([1, 0], [len(arm), len(reference)])
    pooled = Outcome(
        np.concatenate([arm.time, reference.time]), np.concatenate([arm.event, reference.event])
    )
    order = canonical_order(pooled, labels)
    pooled, labels = pooled.take(order), labels[order]

    generator = np.random.default_rng(seed)
    sizes = []
    step = max(_BATCH // len(labels), 1)
    for start in range(0, replicates, step):
        rows = min(step, replicates - start)
        drawn = generator.permuted(np.tile(labels, (rows, 1)), axis=1)
        sizes.append(np.abs(_standardised(pooled, drawn, tau)))
    permuted = np.concatenate(sizes)
    reached = int((permuted >= abs(difference) / error - _TIE).sum())
    # The observed sample is one of the possible ones, so its own statistic belongs to them.
    point = np.quantile(np.append(permuted, abs(difference) / error), 0.95, method="higher")
    # A point at infinity: too many permuted samples have no variance. One arm's variance alone is
    # no error of the difference; that of the other, without an event, is unknown and not 0.
    bounded = np.isfinite(point) and min(mean.std_error for mean in observed) > 0
    margin = float(point * error) if bounded else np.nan
    return PermutationTest(
        (1 + reached) / (1 + replicates), difference - margin, difference + margin
    )


def rmst_rows(
    by_arm: Mapping[str, Outcome], tau: float, replicates: int, seed: int
) -> Iterator[Estimate]:
    """RMST of each arm, then differences and ratios, as rows of a regimen table.

    Parameters
    ----------
    by_arm : mapping of arm -> Outcome
        The reference arm last.
    tau : float
        Months, the same for all arms; reported as the horizon.
    replicates, seed : int
        Of the permutation test; without replicates there is none.

    Yields
    ------
    Estimate
        Differences are arm minus reference arm in months: above 0, the arm lives longer.
    """
    means = {arm: restricted_mean(outcome, tau) for arm, outcome in by_arm.items()}
    beyond = {
        arm: f"follow-up of {arm} ends at {outcome.follow_up:.1f} months"
        for arm, outcome in by_arm.items()
        if tau > outcome.follow_up
    }
    for arm, mean in means.items():
        bounded = mean.std_error > 0
        yield Estimate(
            estimator=RMST,
            scale="months",
            horizon=tau,
            arm=arm,
            value=mean.estimate,
            low=max(mean.estimate - Z * mean.std_error, 0.0) if bounded else np.nan,
            high=min(mean.estimate + Z * mean.std_error, tau) if bounded else np.nan,
            method=NORMAL,
            n=len(by_arm[arm]),
            events=_events_by(by_arm[arm], tau),
            note=beyond.get(arm, "" if bounded else no_interval("no variance before tau")),
        )
    *others, reference = by_arm
    for arm in others:
        shared = Estimate(
            RMST_DIFFERENCE,
            "months",
            horizon=tau,
            arm=arm,
            reference_arm=reference,
            n=len(by_arm[arm]) + len(by_arm[reference]),
            events=sum(_events_by(by_arm[a], tau) for a in (arm, reference)),
        )
        why = joined(*(beyond[a] for a in (arm, reference) if a in beyond))
        still = joined(
            *(
                no_interval(f"no variance of {a} before tau")
                for a in (arm, reference)
                if means[a].std_error == 0
            )
        )
        yield from _contrast_rows(shared, means[arm], means[reference], why, still)
        if not replicates:
            continue
        row = replace(shared, method=by_permutation(replicates))
        if why:
            yield replace(row, note=why)
            continue
        test = permutation_test(by_arm[arm], by_arm[reference], tau, replicates, seed)
        yield replace(
            row,
            value=means[arm].estimate - means[reference].estimate,
            low=test.ci_low,
            high=test.ci_high,
            p_value=test.p_value,
            note=joined(
                reads_above(0, f"longer than {reference}"),
                still or _why_no_limits(test),
            ),
        )


def _why_no_limits(test: PermutationTest) -> str:
    few = no_interval("too few patients for permutations with a variance")
    return "" if np.isfinite(test.ci_low) else few


def _contrast_rows(
    shared: Estimate, mean: RestrictedMean, base: RestrictedMean, why: str, still: str
) -> Iterator[Estimate]:
    """Asymptotic difference, and ratio with limits symmetric on the log scale.

    `why` says why there is no estimate; `still` which arm has no variance, and so no interval.
    """
    reference = shared.reference_arm
    difference = mean.estimate - base.estimate
    error = float(np.hypot(mean.std_error, base.std_error))
    bounded = min(mean.std_error, base.std_error) > 0
    margin = Z * error if bounded else np.nan
    yield replace(
        shared,
        value=difference,
        low=difference - margin,
        high=difference + margin,
        method=NORMAL,
        p_value=float(2 * stats.norm.sf(abs(difference) / error)) if bounded else np.nan,
        note=why or joined(reads_above(0, f"longer than {reference}"), still),
    )
    positive = min(mean.estimate, base.estimate) > 0
    log_ratio = float(np.log(mean.estimate / base.estimate)) if positive else np.nan
    relative = (
        float(np.hypot(mean.std_error / mean.estimate, base.std_error / base.estimate))
        if positive and bounded
        else np.nan
    )
    yield replace(
        shared,
        estimator=RMST_RATIO,
        scale="RMST ratio",
        value=float(np.exp(log_ratio)),
        low=float(np.exp(log_ratio - Z * relative)),
        high=float(np.exp(log_ratio + Z * relative)),
        method="log-normal, Greenwood",
        p_value=float(2 * stats.norm.sf(abs(log_ratio) / relative)),
        note=why
        or joined(
            reads_above(1, f"longer than {reference}")
            if positive
            else not_estimable("an RMST is 0"),
            still if positive else "",
        ),
    )


def _events_by(outcome: Outcome, tau: float) -> int:
    return int((outcome.event & (outcome.time <= tau)).sum())


def _standardised(pooled: Outcome, labels: np.ndarray, tau: float) -> np.ndarray:
    """Standardised RMST differences of permuted samples; `pooled` is sorted by time."""
    # What happens beyond tau does not count.
    time, event = np.minimum(pooled.time, tau), pooled.event & (pooled.time <= tau)
    arm, base = (LifeTable.count(time, event, weights=weights) for weights in (labels, 1 - labels))
    difference = arm.restricted_mean(tau) - base.restricted_mean(tau)
    error = np.sqrt(arm.restricted_mean_variance(tau) + base.restricted_mean_variance(tau))
    size = np.full(len(labels), np.inf)
    size[np.abs(difference) < _TIE] = 0.0
    return np.divide(
        difference, error, out=size * np.sign(difference + (difference == 0)), where=error > 0
    )
