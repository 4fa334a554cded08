"""Shares of patients with an event yes or no, by arm: response, adverse events, early death."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from evaluation.estimators import Estimator, of_rates
from evaluation.regimens.arms import missing_note
from evaluation.remarks import joined, not_estimable, reads_above
from evaluation.results import Estimate, p_text
from evaluation.statistics import TwoProportions, proportion


@dataclass(frozen=True)
class Counts:
    """Patients with the event, patients with a known value, and patients without, of one arm."""

    events: int
    n: int
    unknown: int


def count_by_arm(
    name: str, values: ArrayLike, regimen: np.ndarray, arms: Sequence[str]
) -> dict[str, Counts]:
    """Count 0/1 values by arm; a missing value is unknown and in no denominator.

    Raises
    ------
    ValueError
        Where a value is neither True/False, 1/0 nor missing.
    """
    try:
        flags = pd.array(np.asarray(values, dtype=object), dtype="boolean")
    except (TypeError, ValueError) as error:
        seen = pd.unique(pd.Series(values).dropna())[:5].tolist()
        raise ValueError(f"{name} must hold True/False (1/0) or missing; got {seen}") from error
    happened, known = flags.to_numpy(dtype=bool, na_value=False), ~flags.isna()
    counts = {}
    for arm in arms:
        mine = regimen == arm
        counts[arm] = Counts(
            int(happened[known & mine].sum()), int((known & mine).sum()), int((~known & mine).sum())
        )
    return counts


def rate_rows(
    endpoint: str,
    kind: str,
    counts: dict[str, Counts],
    methods: Sequence[str],
    unknown: str = "with a missing value",
) -> Iterator[Estimate]:
    """Proportion of each arm, then its difference from the reference arm, the last of `counts`.

    Parameters
    ----------
    endpoint : str
        What is counted ("response", "sepsis").
    kind : str
        Start of the estimator's name ("response", "adverse event", "early death").
    counts : mapping of arm -> Counts
    methods : sequence of str
        Intervals of the difference, as `TwoProportions.risk_difference` knows them.
    unknown : str
        Who is unknown and left out.
    """
    for arm, count in counts.items():
        estimate, low, high = proportion(count.events, count.n)
        yield Estimate(
            endpoint=endpoint,
            estimator=of_rates(kind),
            scale="probability",
            arm=arm,
            value=estimate,
            low=low,
            high=high,
            method="Clopper-Pearson",
            n=count.n,
            events=count.events,
            note=missing_note(count.unknown, unknown),
        )
    *others, reference = counts
    for arm in others:
        row = _pair_row(of_rates(kind, "rate difference"), endpoint, counts, arm, reference)
        pair = _pair(counts, arm, reference)
        if pair is None:
            yield replace(row, note=NO_KNOWN_VALUE)
            continue
        note = joined(
            reads_above(0, f"more frequent than in {reference}"),
            f"p from chi-square without correction; Fisher {p_text(pair.fisher())}",
            _lost(counts, arm, reference, unknown),
        )
        for method in methods:
            estimate, low, high = pair.risk_difference(method)
            yield replace(
                row,
                value=estimate,
                low=low,
                high=high,
                method=method.title(),
                p_value=pair.chi_square().p_value,
                note=note,
            )


NO_KNOWN_VALUE = not_estimable("an arm has no known value")


def ratio_and_test_rows(endpoint: str, kind: str, counts: dict[str, Counts]) -> Iterator[Estimate]:
    """Ratio, odds ratio, chi-square, Fisher's and Boschloo's test against the reference arm.

    Yields
    ------
    Estimate
        Rows "<kind> rate ratio" (Katz limits), "<kind> odds ratio" (Woolf limits), "<kind>
        chi-square test" (no continuity correction), "<kind> Fisher test" and "<kind> Boschloo
        test" (a p-value alone; Boschloo's is twice the smaller one-sided p). With three arms or
        more the chi-square test of all arms together comes last.
    """
    *others, reference = counts
    for arm in others:
        row = _pair_row(of_rates(kind), endpoint, counts, arm, reference)
        pair = _pair(counts, arm, reference)
        lost = _lost(counts, arm, reference)
        if pair is None:
            for name, scale in _RATIOS_AND_TESTS:
                yield replace(row, estimator=of_rates(kind, name), scale=scale, note=NO_KNOWN_VALUE)
            continue
        direction = reads_above(1, f"more frequent than in {reference}")
        ratios = {
            "rate ratio": ("Katz", pair.risk_ratio()),
            "odds ratio": ("Woolf", pair.odds_ratio()),
        }
        for name, (method, ratio) in ratios.items():
            estimable = np.isfinite(ratio.estimate)
            empty = "" if np.isfinite(ratio.ci_low) else "no limits: a cell of the table is empty"
            yield replace(
                row,
                estimator=of_rates(kind, name),
                scale=name,
                value=ratio.estimate if estimable else np.nan,
                low=ratio.ci_low,
                high=ratio.ci_high,
                method=method,
                note=joined(
                    direction if estimable else not_estimable(f"no such patient in {reference}"),
                    empty if estimable else "",
                    lost,
                ),
            )
        chi_square = pair.chi_square()
        tests = {
            "chi-square test": (chi_square.statistic, chi_square.p_value),
            "Fisher test": (np.nan, pair.fisher()),
            "Boschloo test": (np.nan, pair.boschloo()),
        }
        for name, (statistic, p_value) in tests.items():
            nothing = "" if np.isfinite(p_value) else not_estimable("everyone or no one had it")
            yield replace(
                row,
                estimator=of_rates(kind, name),
                scale=dict(_RATIOS_AND_TESTS)[name],
                value=statistic,
                p_value=p_value,
                note=joined(nothing, lost),
            )
    if len(others) > 1:
        yield _global_row(endpoint, kind, counts)


_RATIOS_AND_TESTS = (
    ("rate ratio", "rate ratio"),
    ("odds ratio", "odds ratio"),
    ("chi-square test", "chi-square"),
    ("Fisher test", "p-value"),
    ("Boschloo test", "p-value"),
)


def _global_row(endpoint: str, kind: str, counts: dict[str, Counts]) -> Estimate:
    *others, reference = counts
    table = np.array([(c.events, c.n - c.events) for c in counts.values() if c.n])
    testable = len(table) > 1 and table.sum(axis=0).all()
    test = stats.chi2_contingency(table, correction=False) if testable else None
    return Estimate(
        endpoint=endpoint,
        estimator=of_rates(kind, "chi-square test"),
        scale="chi-square",
        arm=" / ".join(others),
        reference_arm=reference,
        value=np.nan if test is None else float(test.statistic),
        p_value=np.nan if test is None else float(test.pvalue),
        n=sum(c.n for c in counts.values()),
        events=sum(c.events for c in counts.values()),
        note=joined(
            f"global test of {len(table)} arms",
            "" if test else not_estimable("everyone or no one had it"),
            missing_note(sum(c.unknown for c in counts.values())),
        ),
    )


def _pair(counts: dict[str, Counts], arm: str, reference: str) -> TwoProportions | None:
    """The two arms' counts; None where one has no patient with a known value."""
    mine, base = counts[arm], counts[reference]
    if not mine.n or not base.n:
        return None
    return TwoProportions(mine.events, mine.n, base.events, base.n)


def _pair_row(
    estimator: Estimator, endpoint: str, counts: dict[str, Counts], arm: str, reference: str
) -> Estimate:
    """Of an arm and the reference arm, yet without a value."""
    mine, base = counts[arm], counts[reference]
    n, events = mine.n + base.n, mine.events + base.events
    return Estimate(
        estimator, "probability difference", arm, reference, endpoint=endpoint, n=n, events=events
    )


def _lost(
    counts: dict[str, Counts], arm: str, reference: str, who: str = "with a missing value"
) -> str:
    return missing_note(counts[arm].unknown + counts[reference].unknown, who)
