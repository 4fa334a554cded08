"""Table 1: the patients by arm, with standardised mean differences and missing values."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluation.cohort.small_cells import HIDDEN, cells_to_hide, is_small
from evaluation.results import ALL_PATIENTS
from features.covariates import Covariate

MISSING = "missing"
# Integers with at most so many values are counted by value: ECOG yes, prior lines up to six.
FEW_LEVELS = 6

_ARM = "__arm"
_STATISTICS = ("count", "median", "q25", "q75")


@dataclass(frozen=True)
class _Summary:
    """What tableone computed, by column (All patients and the arms).

    Attributes
    ----------
    numbers : DataFrame
        Row: covariate; columns (statistic, column), _STATISTICS among the statistics.
    levels : DataFrame
        Row: (covariate, level); patients by column.
    smd : Series
        Largest absolute SMD over pairs of arms by covariate; NaN where not estimable.
    """

    numbers: pd.DataFrame
    levels: pd.DataFrame
    smd: pd.Series


def table_one(
    inputs: pd.DataFrame,
    regimen: np.ndarray | None,
    dictionary: Mapping[str, Covariate],
    *,
    suppress_below: int | None = None,
) -> pd.DataFrame:
    """Describe the patients by arm, without p-values.

    Numbers are given as median [first-third quartile], everything else as n (%) of the patients
    whose value is known, missing values as n (%) of all patients of the column. The standardised
    mean difference is absolute: for numbers the difference of means over the root of the mean
    variance, for levels Yang and Dalton's (2012); with three or more arms the largest of any
    pair. Means and standard deviations do not see that a number is skewed.

    Parameters
    ----------
    inputs : DataFrame of shape (n, p)
        Covariates in the dictionary's units and codes, before imputation.
    regimen : ndarray of shape (n,) or None
        Arm of each patient. None, or a single arm, gives one column and no SMD.
    dictionary : mapping of name -> Covariate
        With a line for every column of `inputs`; dates are left out.
    suppress_below : int, optional
        Hide counts from 1 to this number less one, and what would give them away: further counts
        (`evaluation.cohort.small_cells`), percentages that betray a hidden number of missing
        values, medians of so few, SMDs of hidden counts. With an arm smaller than this only the
        column of all patients is left. What one covariate says of another (a relapse of the length
        of a remission) is not guarded against.

    Returns
    -------
    DataFrame of str
        covariate, level ("" for one-line covariates, "missing" for the missing), All patients, one
        column an arm, and with arms SMD or "Largest pairwise SMD". The first row counts patients.

    Raises
    ------
    ValueError
        With fewer patients than `suppress_below`.
    """
    limit = suppress_below or 0
    if len(inputs) < limit:
        raise ValueError(
            f"{len(inputs)} patients, but counts below {limit} are to be hidden: "
            "nothing of them may be shown"
        )
    arms = _arms(regimen, limit)
    columns = [ALL_PATIENTS, *arms]
    names = [name for name in inputs if dictionary[name].kind != "date"]
    is_number = {name: _is_number(inputs[name], dictionary[name]) for name in names}
    data = pd.DataFrame(
        {n: inputs[n] if is_number[n] else _as_levels(inputs[n], dictionary[n]) for n in names}
    ).reset_index(drop=True)
    group = np.asarray(regimen, dtype=object).astype(str) if arms else None
    summary = _summarise(data, [n for n in names if is_number[n]], group, arms)
    sizes = pd.Series({ALL_PATIENTS: len(data)} | dict(Counter(group if arms else [])))[columns]
    rows = [{"covariate": "Patients, n", "level": ""} | sizes.astype(str).to_dict()]
    for name in names:
        describe = _number_rows if is_number[name] else _level_rows
        rows += describe(dictionary[name], summary, sizes, limit)
    smd = ["smd"] if arms else []
    table = pd.DataFrame(rows, columns=["covariate", "level", *columns, *smd], dtype=object).fillna(
        ""
    )
    return table.rename(columns={"smd": "SMD" if len(arms) == 2 else "Largest pairwise SMD"})


def _arms(regimen: np.ndarray | None, limit: int) -> list[str]:
    if regimen is None:
        return []
    arms, sizes = np.unique(np.asarray(regimen, dtype=object).astype(str), return_counts=True)
    return arms.tolist() if len(arms) > 1 and sizes.min() >= max(limit, 1) else []


def _is_number(values: pd.Series, covariate: Covariate) -> bool:
    many = values.nunique() > FEW_LEVELS
    return covariate.kind == "number" or (covariate.kind == "integer" and many)


def _as_levels(values: pd.Series, covariate: Covariate) -> pd.Series:
    """Text levels, None where missing: '0' and '1' for a flag, '2' for an integer."""
    known = values.notna()
    text = pd.Series(None, index=values.index, dtype=object)
    whole = values[known].astype(float).astype(int) if covariate.is_numeric else values[known]
    text[known] = whole.astype(str).astype(object)
    return text


def _summarise(
    data: pd.DataFrame, numbers: list[str], group: np.ndarray | None, arms: list[str]
) -> _Summary:
    """Compute counts, quartiles and SMDs with tableone, arms by position to spare its own names."""
    from tableone import TableOne

    known = data.notna()
    # tableone cannot describe a column without any value.
    used = [name for name in data if known[name].any()]
    numbers = [name for name in numbers if name in used]
    levels = [name for name in used if name not in numbers]
    codes = [str(i) for i in range(len(arms))]
    names = {"Overall": ALL_PATIENTS} | dict(zip(codes, arms, strict=True))
    no_levels = pd.DataFrame(index=pd.MultiIndex.from_arrays([[], []]), columns=[*names.values()])
    if not used:
        return _Summary(pd.DataFrame(), no_levels, pd.Series(dtype=float))
    if arms:
        data = data.assign(**{_ARM: pd.Series(group).map(dict(zip(arms, codes, strict=True)))})
    with warnings.catch_warnings():
        # 2026-11: tableone 0.9.6 sets rows in a way that pandas 3 deprecates, divides by the
        # spread of constant columns and takes the SD of single values; what is not estimable
        # comes out as NaN or infinite and is shown as such.
        warnings.filterwarnings("ignore", message="Setting a new row on a DataFrame")
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        made = TableOne(
            data,
            columns=used,
            categorical=levels,
            continuous=numbers,
            nonnormal=numbers,
            groupby=_ARM if arms else None,
            smd=bool(arms),
            include_null=False,
        )

    def described(by_arm: pd.DataFrame | None, of_all: pd.DataFrame | None) -> pd.DataFrame:
        tables = [table for table in (of_all, by_arm) if table is not None]
        return pd.concat(tables, axis=1).rename(columns=names, level=1)

    return _Summary(
        described(made.cont_describe, made.cont_describe_all) if numbers else pd.DataFrame(),
        described(made.cat_describe, made.cat_describe_all)["freq"] if levels else no_levels,
        _largest_smd(made.smd_table, known, group, arms) if arms else pd.Series(dtype=float),
    )


def _largest_smd(
    smd_table: pd.DataFrame, known: pd.DataFrame, group: np.ndarray | None, arms: list[str]
) -> pd.Series:
    largest = smd_table.astype(float).abs().max(axis=1, skipna=False)
    # With two arms or more, an arm without any known value cannot be compared.
    compared = pd.concat([known[group == arm].any() for arm in arms], axis=1).all(axis=1)
    return largest.where(compared.reindex(largest.index) & np.isfinite(largest))


def _number_rows(
    covariate: Covariate, summary: _Summary, sizes: pd.Series, limit: int
) -> list[dict[str, str]]:
    name = covariate.name
    label = ", ".join(part for part in (covariate.label, covariate.unit) if part)
    row = {"covariate": f"{label}, median [Q1-Q3]", "level": ""}
    if name not in summary.numbers.index:
        return [row, _missing_row(row, sizes, sizes, sizes < 0)]
    described = pd.DataFrame(
        {part: summary.numbers.loc[name][part][sizes.index] for part in _STATISTICS}, dtype=float
    )
    counts = pd.DataFrame({"known": described["count"].astype(int)}).T
    counts.loc[MISSING] = sizes - counts.loc["known"]
    hidden = _hidden(counts, limit)
    few = hidden.loc["known"] & (counts.loc["known"] < limit)
    digits = _digits(described)
    for column, values in described.iterrows():
        shown = _quartiles(values, digits) if values["count"] else ""
        row[str(column)] = HIDDEN if few[column] else shown
    rows = [row | _smd(summary, name, few.any())]
    if counts.loc[MISSING].any():
        rows.append(_missing_row(row, counts.loc[MISSING], sizes, hidden.loc[MISSING]))
    return rows


def _level_rows(
    covariate: Covariate, summary: _Summary, sizes: pd.Series, limit: int
) -> list[dict[str, str]]:
    name, title = covariate.name, f"{covariate.label}, n (%)"
    if name not in summary.levels.index.get_level_values(0):
        return [_missing_row({"covariate": title}, sizes, sizes, sizes < 0)]
    counts = summary.levels.loc[name][sizes.index].astype(int)
    counts = counts.loc[_in_order(counts.index, covariate)]
    known = counts.sum()
    counts.loc[MISSING] = sizes - known
    hidden = _hidden(counts, limit)
    shown = ["1"] if covariate.kind == "flag" else [v for v in counts.index if v != MISSING]
    rows = []
    for level in shown:
        count = counts.loc[level] if level in counts.index else known * 0
        hide = hidden.loc[level] if level in counts.index else known < 0
        row = {"covariate": title, "level": "" if covariate.kind == "flag" else level}
        for column in sizes.index:
            # A percentage of the known patients tells how many values are missing.
            bare = hidden.loc[MISSING, column] or not known[column]
            text = str(count[column]) if bare else _share(count[column], known[column])
            row[column] = HIDDEN if hide[column] else text
        rows.append(row)
    rows[0] |= _smd(summary, name, bool(hidden.to_numpy().any()))
    if counts.loc[MISSING].any():
        rows.append(_missing_row(rows[0], counts.loc[MISSING], sizes, hidden.loc[MISSING]))
    return rows


def _missing_row(
    like: Mapping[str, str], missing: pd.Series, sizes: pd.Series, hidden: pd.Series
) -> dict[str, str]:
    row = {"covariate": like["covariate"], "level": MISSING}
    for column in sizes.index:
        row[column] = HIDDEN if hidden[column] else _share(missing[column], sizes[column])
    return row


def _hidden(counts: pd.DataFrame, limit: int) -> pd.DataFrame:
    """Cells to hide, with the missing values as a level that is sacrificed last."""
    if not limit:
        return counts < 0
    # `cells_to_hide` takes the sum of the arms as the last column.
    ordered = counts[[*counts.columns[1:], counts.columns[0]]]
    missing = np.asarray(ordered.index == MISSING)
    public = np.zeros(ordered.shape, dtype=bool)
    # `missingness_counts` tells how many values are missing in all, unless that is a small count
    # or leaves one.
    of_all = counts[ALL_PATIENTS]
    split = [of_all[MISSING], of_all.drop(MISSING).sum()]
    public[missing, -1] = not is_small(np.array(split), limit).any()
    mask = cells_to_hide(ordered.to_numpy(), limit, missing, public)
    return pd.DataFrame(mask, ordered.index, ordered.columns)


def _in_order(levels: pd.Index, covariate: Covariate) -> list[str]:
    """Levels as the vocabulary has them, numbers by size."""
    if covariate.is_numeric:
        return sorted(levels, key=int)
    known = [level for level in covariate.vocabulary if level in levels]
    return [*known, *(level for level in levels if level not in known)]


def _smd(summary: _Summary, name: str, hide: bool) -> dict[str, str]:
    if name not in summary.smd.index:
        return {}
    value = summary.smd[name]
    return {"smd": HIDDEN if hide else f"{value:.2f}" if np.isfinite(value) else "not estimable"}


def _share(count: int, total: int) -> str:
    """'12 (29%)', with '<1%' and '>99%' where rounding would say none or all."""
    percent = 100 * count / total
    near = "<1" if 0 < percent < 0.5 else ">99" if 99.5 <= percent < 100 else f"{percent:.0f}"
    return f"{count} ({near}%)"


def _digits(described: pd.DataFrame) -> int:
    """Count the decimals of a row: about three significant digits, none for whole quartiles."""
    values = described[["median", "q25", "q75"]].to_numpy()
    values = values[np.isfinite(values)]
    # Halves come from the middle of two whole numbers.
    if np.allclose(values * 4 % 1, 0) and np.abs(values).max() >= 10:
        return 0
    largest = np.abs(values).max()
    return 0 if largest >= 100 else 1 if largest >= 2 else 2


def _quartiles(values: pd.Series, digits: int) -> str:
    median, low, high = (f"{values[part] + 0.0:.{digits}f}" for part in ("median", "q25", "q75"))
    between = " to " if values["q25"] < 0 else "-"
    return f"{median} [{low}{between}{high}]"
