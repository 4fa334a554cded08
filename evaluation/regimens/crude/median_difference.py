"""Difference of two median survival times, with a bootstrap interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from evaluation.bootstrap import MAX_UNDEFINED, bootstrap_counts, percentile_interval
from evaluation.estimators import MEDIAN_DIFFERENCE
from evaluation.remarks import joined, no_interval, not_estimable, reads_above
from evaluation.results import Estimate
from evaluation.statistics import median_time
from features.life_table import LifeTable
from features.outcome import Outcome

# Patients of bootstrap samples held in memory at once.
_BATCH = 2_000_000


def weighted_medians(outcome: Outcome, counts: np.ndarray) -> np.ndarray:
    """Kaplan-Meier median of every bootstrap sample.

    Parameters
    ----------
    outcome : Outcome of n patients
    counts : ndarray of shape (B, n)
        How often each sample holds each patient.

    Returns
    -------
    ndarray of shape (B,)
        Months, by the rule of `median_time` (the midpoint where the curve stays at exactly 50%);
        NaN where a sample's curve does not come down to 50%.
    """
    step = max(_BATCH // len(outcome), 1)
    if len(counts) > step:
        parts = np.split(counts, range(step, len(counts), step))
        return np.concatenate([weighted_medians(outcome, part) for part in parts])
    return LifeTable.count(outcome.time, outcome.event, weights=counts).quantile()


def median_difference_rows(
    by_arm: Mapping[str, Outcome], replicates: int, seed: int
) -> Iterator[Estimate]:
    """Median of each arm minus that of the reference arm, the last of `by_arm`.

    Parameters
    ----------
    by_arm : mapping of arm -> Outcome
    replicates : int
        Bootstrap samples, drawn within each arm; the reference arm's are shared by all contrasts.
    seed : int
        The same seed gives the same interval, in whatever order the patients come.

    Yields
    ------
    Estimate
        Months; above 0 the arm lives longer. 95% percentile interval, missing where more than 10%
        of the samples do not reach a median.
    """
    point = {arm: median_time(outcome).median for arm, outcome in by_arm.items()}
    samples = {}
    for position, (arm, outcome) in enumerate(by_arm.items()):
        order = np.lexsort((outcome.event, outcome.time))
        # An arm's draw does not hang on the others.
        own_seed = int(np.random.SeedSequence([seed, position]).generate_state(1)[0])
        counts = bootstrap_counts(len(outcome), replicates, own_seed)
        samples[arm] = weighted_medians(outcome.take(order), counts)
    *others, reference = by_arm
    for arm in others:
        difference = samples[arm] - samples[reference]
        reached = np.isfinite(point[arm]) and np.isfinite(point[reference])
        low, high = percentile_interval(difference) if reached else (np.nan, np.nan)
        without = float(np.isnan(difference).mean()) if replicates else 0.0
        single = [a for a in (arm, reference) if len(by_arm[a]) == 1]
        if single:
            low = high = np.nan
        yield Estimate(
            estimator=MEDIAN_DIFFERENCE,
            scale="months",
            arm=arm,
            reference_arm=reference,
            value=point[arm] - point[reference],
            low=low,
            high=high,
            method=f"bootstrap percentile, {replicates} replicates",
            n=len(by_arm[arm]) + len(by_arm[reference]),
            events=by_arm[arm].n_events + by_arm[reference].n_events,
            note=joined(
                reads_above(0, f"longer than {reference}") if reached else "",
                *(
                    not_estimable(f"median of {a} not reached")
                    for a in (arm, reference)
                    if np.isnan(point[a])
                ),
                no_interval(f"{without:.0%} of the replicates reach no median")
                if reached and without > MAX_UNDEFINED and not single
                else "",
                *(no_interval(f"{a} holds one patient") for a in single if reached),
            ),
        )
