"""Shares of patients with an event yes or no, by arm: response, adverse events, early death."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from evaluation.regimens.arms import Row, missing_note
from evaluation.regimens.estimators import of_rates
from evaluation.remarks import joined, reads_above
from evaluation.results import p_text
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
    endpoint: str, kind: str, counts: dict[str, Counts], methods: Sequence[str]
) -> Iterator[Row]:
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
    """
    for arm, count in counts.items():
        estimate, low, high = proportion(count.events, count.n)
        yield {
            "endpoint": endpoint,
            "estimator": of_rates(kind).named(),
            "scale": "probability",
            "arm": arm,
            "estimate": estimate,
            "ci_low": low,
            "ci_high": high,
            "ci_method": "Clopper-Pearson",
            "n": count.n,
            "events": count.events,
            "note": missing_note(count.unknown),
        }
    *others, reference = counts
    for arm in others:
        row = _pair_row(endpoint, counts, arm, reference) | {
            "estimator": of_rates(kind, "rate difference").named(),
            "scale": "probability difference",
        }
        pair = _pair(counts, arm, reference)
        if pair is None:
            yield row | {"note": NO_KNOWN_VALUE}
            continue
        note = joined(
            reads_above(0, f"more frequent than in {reference}"),
            f"p from chi-square without correction; Fisher {p_text(pair.fisher())}",
            _lost(counts, arm, reference),
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


NO_KNOWN_VALUE = "not estimable: an arm has no known value"


def ratio_and_test_rows(endpoint: str, kind: str, counts: dict[str, Counts]) -> Iterator[Row]:
    """Ratio, odds ratio, chi-square, Fisher's and Boschloo's test against the reference arm.

    Yields
    ------
    dict
        Rows "<kind> rate ratio" (Katz limits), "<kind> odds ratio" (Woolf limits), "<kind>
        chi-square test" (no continuity correction), "<kind> Fisher test" and "<kind> Boschloo
        test" (a p-value alone; Boschloo's is twice the smaller one-sided p). With three arms or
        more the chi-square test of all arms together comes last.
    """
    *others, reference = counts
    for arm in others:
        row = _pair_row(endpoint, counts, arm, reference)
        pair = _pair(counts, arm, reference)
        lost = _lost(counts, arm, reference)
        if pair is None:
            for name, scale in _RATIOS_AND_TESTS:
                yield row | {
                    "estimator": of_rates(kind, name).named(),
                    "scale": scale,
                    "note": NO_KNOWN_VALUE,
                }
            continue
        direction = reads_above(1, f"more frequent than in {reference}")
        ratios = {
            "rate ratio": ("Katz", pair.risk_ratio()),
            "odds ratio": ("Woolf", pair.odds_ratio()),
        }
        for name, (method, ratio) in ratios.items():
            estimable = np.isfinite(ratio.estimate)
            empty = "" if np.isfinite(ratio.ci_low) else "no limits: a cell of the table is empty"
            yield row | {
                "estimator": of_rates(kind, name).named(),
                "scale": name,
                "estimate": ratio.estimate if estimable else np.nan,
                "ci_low": ratio.ci_low,
                "ci_high": ratio.ci_high,
                "ci_method": method,
                "note": joined(
                    direction if estimable else f"not estimable: no such patient in {reference}",
                    empty if estimable else "",
                    lost,
                ),
            }
        chi_square = pair.chi_square()
        tests = {
            "chi-square test": (chi_square.statistic, chi_square.p_value),
            "Fisher test": (np.nan, pair.fisher()),
            "Boschloo test": (np.nan, pair.boschloo()),
        }
        for name, (statistic, p_value) in tests.items():
            nothing = "" if np.isfinite(p_value) else "not estimable: everyone or no one had it"
            yield row | {
                "estimator": of_rates(kind, name).named(),
                "scale": dict(_RATIOS_AND_TESTS)[name],
                "estimate": statistic,
                "p_value": p_value,
                "note": joined(nothing, lost),
            }
    if len(others) > 1:
        yield _global_row(endpoint, kind, counts)


_RATIOS_AND_TESTS = (
    ("rate ratio", "rate ratio"),
    ("odds ratio", "odds ratio"),
    ("chi-square test", "chi-square"),
    ("Fisher test", "p-value"),
    ("Boschloo test", "p-value"),
)


def _global_row(endpoint: str, kind: str, counts: dict[str, Counts]) -> Row:
    *others, reference = counts
    table = np.array([(c.events, c.n - c.events) for c in counts.values() if c.n])
    testable = len(table) > 1 and table.sum(axis=0).all()
    test = stats.chi2_contingency(table, correction=False) if testable else None
    return {
        "endpoint": endpoint,
        "estimator": of_rates(kind, "chi-square test").named(),
        "scale": "chi-square",
        "arm": " / ".join(others),
        "reference_arm": reference,
        "estimate": np.nan if test is None else float(test.statistic),
        "p_value": np.nan if test is None else float(test.pvalue),
        "n": sum(c.n for c in counts.values()),
        "events": sum(c.events for c in counts.values()),
        "note": joined(
            f"global test of {len(table)} arms",
            "" if test else "not estimable: everyone or no one had it",
            missing_note(sum(c.unknown for c in counts.values())),
        ),
    }


def _pair(counts: dict[str, Counts], arm: str, reference: str) -> TwoProportions | None:
    """The two arms' counts; None where one has no patient with a known value."""
    mine, base = counts[arm], counts[reference]
    if not mine.n or not base.n:
        return None
    return TwoProportions(mine.events, mine.n, base.events, base.n)


def _pair_row(endpoint: str, counts: dict[str, Counts], arm: str, reference: str) -> Row:
    return {
        "endpoint": endpoint,
        "arm": arm,
        "reference_arm": reference,
        "n": counts[arm].n + counts[reference].n,
        "events": counts[arm].events + counts[reference].events,
    }


def _lost(counts: dict[str, Counts], arm: str, reference: str) -> str:
    return missing_note(counts[arm].unknown + counts[reference].unknown)
