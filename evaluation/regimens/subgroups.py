"""The regimen's hazard ratio within subgroups, with tests of interaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from evaluation.estimators import COX, INTERACTION
from evaluation.regimens.arms import (
    aligned_regimen,
    comparison_arms,
    outcomes_by_arm,
)
from evaluation.regimens.crude import NO_MAXIMUM, UNDEFINED, cox_hazard_ratio, has_hazard_ratio
from evaluation.remarks import Remark, joined, not_estimable, reads_above
from evaluation.results import REGIMEN_COLUMNS, Estimate, regimen_table
from evaluation.statistics import CoxFit, HypothesisTest
from features.outcome import Outcome

SUBGROUP_COLUMNS = ("subgroup", "level", *REGIMEN_COLUMNS)
ALL_LEVELS = "all patients"
MAX_LEVELS = 8


def subgroup_effects(
    outcome: Outcome,
    regimen: ArrayLike,
    reference_arm: str,
    subgroups: pd.DataFrame,
    endpoint: str = "OS",
    limits: tuple[int, int] = (10, 5),
) -> pd.DataFrame:
    """Cox hazard ratio of each arm within each level of each subgroup, and its interaction.

    Parameters
    ----------
    outcome : Outcome of n patients
        Months.
    regimen : array-like of shape (n,), str
    reference_arm : str
    subgroups : DataFrame of shape (n, n_subgroups)
        One categorical, text or true/false column a subgroup; baseline covariates. Numbers are
        binned by the caller ("age < 60"), since where to cut is a clinical choice.
    endpoint : str
        Label of the rows.
    limits : (int, int)
        The smallest number of patients in each arm, and of events in both, with which a level is
        shown; below, its estimate and counts are suppressed and the note says so.

    Returns
    -------
    DataFrame with SUBGROUP_COLUMNS
        A row for all patients and for each level, then one a subgroup with the estimator
        "interaction test": likelihood-ratio chi-square of the product of arm and subgroup in a Cox
        model (Efron ties) that holds both, over the levels shown. Patients without a value are in
        no level and counted in the interaction's note. Crude, and many: a subgroup's own p-value
        is not evidence of a different effect there, the interaction's is weak evidence.

    Raises
    ------
    ValueError
        For a numeric column with more than 8 values, or inputs of different lengths.
    """
    labels = aligned_regimen(regimen, {"outcome": outcome, "subgroups": subgroups})
    arms = comparison_arms(labels, reference_arm)
    everybody = np.ones(len(outcome), dtype=bool)
    rows = list(_level_rows(outcome, labels, arms, everybody, (ALL_LEVELS, ""), limits))
    for name, values in subgroups.items():
        rows += _subgroup_rows(outcome, labels, arms, (str(name), values), limits)
    table = regimen_table(replace(row, endpoint=endpoint) for _, _, row in rows)
    table.insert(0, "subgroup", [name for name, _, _ in rows])
    table.insert(1, "level", [level for _, level, _ in rows])
    return table


def interaction_test(
    outcome: Outcome, regimen: ArrayLike, reference_arm: str, subgroup: ArrayLike
) -> HypothesisTest:
    """Likelihood-ratio test that the regimen's hazard ratio is the same in every level.

    Parameters
    ----------
    outcome : Outcome of n patients
    regimen, subgroup : array-like of shape (n,)
        Without missing values.
    reference_arm : str

    Returns
    -------
    HypothesisTest
        Chi-square on (arms - 1)(levels - 1) degrees of freedom and p, of R's anova(coxph(arm +
        subgroup), coxph(arm * subgroup)); NaN where a level has no hazard ratio.
    """
    labels = np.asarray(regimen, dtype=object)
    levels = np.asarray(subgroup).astype(str)
    *others, reference = comparison_arms(labels, reference_arm)
    names = np.unique(levels)
    if len(names) < 2:
        return UNDEFINED
    for level in names:
        within = outcomes_by_arm(
            outcome.take(levels == level), labels[levels == level], [*others, reference]
        )
        if not all(_usable(within[arm], within[reference]) for arm in others):
            return UNDEFINED
    arm_columns = np.column_stack([labels == arm for arm in others]).astype(float)
    level_columns = np.column_stack([levels == level for level in names[1:]]).astype(float)
    products = np.column_stack([a * b for a in arm_columns.T for b in level_columns.T])
    main = CoxFit.fit(outcome, np.column_stack([arm_columns, level_columns]))
    full = CoxFit.fit(outcome, np.column_stack([arm_columns, level_columns, products]))
    if main.note or full.note:
        return UNDEFINED
    statistic = max(2 * float(full.log_likelihood - main.log_likelihood), 0.0)
    return HypothesisTest(statistic, float(stats.chi2.sf(statistic, products.shape[1])))


def _subgroup_rows(
    outcome: Outcome,
    regimen: np.ndarray,
    arms: Sequence[str],
    subgroup: tuple[str, pd.Series],
    limits: tuple[int, int],
) -> Iterator[tuple[str, str, Estimate]]:
    name, values = subgroup
    known = values.notna().to_numpy()
    levels = _levels(name, values)
    text = values.astype(object).map(_level_text).to_numpy(dtype=object)
    shown = []
    for level in levels:
        within = known & (text == level)
        yield from _level_rows(outcome, regimen, arms, within, (name, level), limits)
        # An interaction is between levels, of all arms: the last one's size stands for the level.
        if _is_shown(outcome.take(within), regimen[within], arms[-2:], limits):
            shown.append(level)
    *others, reference = arms
    used = known & np.isin(text, shown)
    test = UNDEFINED
    if len(shown) > 1:
        test = interaction_test(outcome.take(used), regimen[used], reference, text[used])
    left_out = int((~known).sum())
    dropped = [level for level in levels if level not in shown]
    tested = Estimate(
        INTERACTION,
        "chi-square",
        " / ".join(others),
        reference,
        value=test.statistic,
        p_value=test.p_value,
        n=int(used.sum()),
        events=int((outcome.event & used).sum()),
        note=joined(
            Remark.INTERACTION.says(f"{name}: likelihood ratio of the product with the regimen"),
            f"over {', '.join(shown)}" if dropped and shown else "",
            ""
            if np.isfinite(test.statistic)
            else not_estimable("fewer than two levels with a hazard ratio")
            if len(shown) < 2
            else not_estimable("a level has an arm without events"),
            f"{left_out} without a value left out" if left_out else "",
        ),
    )
    yield name, "", tested


def _level_rows(
    outcome: Outcome,
    regimen: np.ndarray,
    arms: Sequence[str],
    within: np.ndarray,
    subgroup: tuple[str, str],
    limits: tuple[int, int],
) -> Iterator[tuple[str, str, Estimate]]:
    name, level = subgroup
    by_arm = outcomes_by_arm(outcome.take(within), regimen[within], arms)
    *others, reference = arms
    for arm in others:
        mine, base = by_arm[arm], by_arm[reference]
        n, events = len(mine) + len(base), mine.n_events + base.n_events
        row = Estimate(
            COX,
            "hazard ratio",
            arm,
            reference,
            part=f"{name}: {level}" if level else "",
            method="Wald",
            n=n,
            events=events,
        )
        least_n, least_events = limits
        if level and not _is_shown(outcome.take(within), regimen[within], (arm, reference), limits):
            # Its counts are small ones, so they are not told either.
            note = (
                f"suppressed: fewer than {least_n} patients in an arm, or than "
                f"{least_events} events"
            )
            yield name, level, replace(row, n=None, events=None, note=note)
            continue
        if not _usable(mine, base):
            yield name, level, replace(row, note=NO_MAXIMUM)
            continue
        ratio = cox_hazard_ratio(mine, base)
        found = replace(
            row,
            value=ratio.estimate,
            low=ratio.ci_low,
            high=ratio.ci_high,
            p_value=ratio.p_value,
            note=reads_above(1, f"worse than {reference}"),
        )
        yield name, level, found


def _is_shown(
    outcome: Outcome, regimen: np.ndarray, pair: Sequence[str], limits: tuple[int, int]
) -> bool:
    """Whether an arm and the reference arm are large enough for their row to be shown."""
    arms = outcomes_by_arm(outcome, regimen, pair).values()
    fewest, events = min(map(len, arms)), sum(arm.n_events for arm in arms)
    return fewest >= limits[0] and events >= limits[1]


def _usable(arm: Outcome, reference: Outcome) -> bool:
    return bool(len(arm) and len(reference) and has_hazard_ratio(arm, reference))


def _levels(name: str, values: pd.Series) -> list[str]:
    """Levels as text: a categorical's own order, others sorted."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        present = set(values.dropna())
        found = [level for level in values.cat.categories if level in present]
    else:
        found = sorted(pd.unique(values.dropna()))
    if len(found) > MAX_LEVELS:
        raise ValueError(
            f"subgroup {name} has {len(found)} values, at most {MAX_LEVELS} allowed; bin it first"
        )
    return [_level_text(level) for level in found]


def _level_text(value: object) -> str:
    """'yes' and 'no' for true and false, whole numbers without a decimal point."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    return str(value)
