"""Patients who stand in a table twice, under one identifier or two."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from features.guard.evidence import TableEvidence
from features.guard.findings import Check, Observation
from features.text import as_text

AGE_AND_SEX = ("age_years", "sex")
# A number of fewer distinct values, such as a grade, agrees by chance.
MANY_VALUES = 10
# Patients who share age, sex, time and status in larger groups do so by chance.
CROWD = 100


def duplicate_identifier(evidence: TableEvidence) -> Iterator[Observation]:
    """The same identifier in more than one row; the rows after the first are counted."""
    column = evidence.columns.patient_id
    if column is None or column not in evidence.table.columns:
        return
    identifier = as_text(evidence.table[column])
    again = (identifier.notna() & identifier.duplicated(keep="first")).to_numpy(dtype=bool)
    if again.any():
        yield Observation(f"Column {column} holds the same patient in more than one row", again)


def duplicate_row(evidence: TableEvidence) -> Iterator[Observation]:
    """Rows under two identifiers that agree in every other column, `columns` of them filled.

    Cells that are empty in both rows agree about nothing.
    """
    same = _look_alike(evidence)
    others = evidence.table.columns.drop(evidence.columns.patient_id or [], errors="ignore")
    rows = pd.DataFrame({i: as_text(evidence.table.loc[same, c]) for i, c in enumerate(others)})
    told = (rows.notna().sum(axis=1) >= evidence.guard.limit("duplicate_row", "columns")).to_numpy()
    twice = np.zeros(len(same), dtype=bool)
    twice[same] = rows.duplicated(keep=False).to_numpy(dtype=bool) & told
    if twice.any():
        yield Observation("Rows agree in every column but the identifier", twice)


def near_duplicate(evidence: TableEvidence) -> Iterator[Observation]:
    """Rows under two identifiers that share age, sex, time and status, and most laboratory values.

    Of the values that both rows hold, more than half have to be equal; a table without laboratory
    values is judged by the rest. The number of pairs expected by chance is that of independent
    columns: pairs of patients times the product, over the columns, of the probability that two
    patients agree, and that of agreeing in most laboratory values. It is exceeded when the pairs
    seen are more than `deviations` Poisson standard deviations above it.
    """
    keys, labs = _keys(evidence), _laboratory(evidence)
    same = _look_alike(evidence)
    if keys.shape[1] < 2 + len(AGE_AND_SEX) or not same.any():
        return
    complete = keys[(keys >= 0).all(axis=1)]
    every = _pairs(np.array([len(complete)]))
    expected = every
    for column in complete:
        expected *= _pairs(np.bincount(complete[column])) / every
    if labs.shape[1]:
        alike = np.mean([_chance(labs[:, i]) for i in range(labs.shape[1])])
        expected *= stats.binom.sf(labs.shape[1] // 2, labs.shape[1], alike)
    twice, pairs = np.zeros(len(same), dtype=bool), 0
    for rows in keys[same].groupby(list(keys), sort=False).indices.values():
        rows = np.flatnonzero(same)[rows]
        if len(rows) <= CROWD:
            agree = _mostly_equal(labs[rows])
            twice[rows] = agree.any(axis=1)
            pairs += int(agree.sum()) // 2
    deviations = evidence.guard.limit("near_duplicate", "deviations")
    if pairs > expected + deviations * np.sqrt(expected):
        told = ", time and status" + (", and most laboratory values," if labs.shape[1] else "")
        yield Observation(f"Rows share age, sex{told} under different identifiers", twice)


CHECKS: tuple[Check[TableEvidence], ...] = (duplicate_identifier, duplicate_row, near_duplicate)


def _keys(evidence: TableEvidence) -> pd.DataFrame:
    """Age, sex, and the first endpoint's time and status, their values numbered; -1 missing.

    Of an endpoint from dates, all its dates together stand for time and status.
    """
    table = evidence.table
    columns = [c for c in map(evidence.source, AGE_AND_SEX) if c in table.columns]
    keys = {column: pd.factorize(as_text(table[column]))[0] for column in columns}
    if evidence.endpoint_columns:
        _, time, status = evidence.endpoint_columns[0]
        keys |= {column: pd.factorize(as_text(table[column]))[0] for column in (time, status)}
    elif dates := evidence.date_columns:
        days = pd.DataFrame({column: as_text(table[column]) for column in dates})
        start, end = days[dates[0]], days[list(dates[1:])]
        ends = pd.factorize(end.fillna("").agg("\n".join, axis=1))[0]
        keys["start"] = pd.factorize(start)[0]
        keys["dates"] = np.where(end.notna().any(axis=1), ends, -1)
    return pd.DataFrame(keys)


def _laboratory(evidence: TableEvidence) -> np.ndarray:
    """Laboratory values and other numbers of many values, NaN where missing; (n, p)."""
    known = evidence.dictionary.values()
    names = [c.name for c in known if c.kind == "number" and c.name not in AGE_AND_SEX]
    columns = [c for c in dict.fromkeys(map(evidence.source, names)) if c in evidence.table.columns]
    numbers = [evidence.number(c) for c in columns if c not in evidence.outcome_columns]
    many = [v for v in numbers if len(np.unique(v[~np.isnan(v)])) >= MANY_VALUES]
    return np.column_stack(many) if many else np.empty((len(evidence.table), 0))


def _mostly_equal(values: np.ndarray) -> np.ndarray:
    """Which pairs of g rows agree in more than half of the values that both hold; (g, g).

    All do where there are no columns; no row is a pair with itself.
    """
    known = ~np.isnan(values)
    both = (known[:, None] & known[None]).sum(axis=2)
    equal = (values[:, None] == values[None]).sum(axis=2)
    agree = 2 * equal > both if values.shape[1] else np.ones((len(values),) * 2, dtype=bool)
    return agree & ~np.eye(len(values), dtype=bool)


def _chance(values: np.ndarray) -> float:
    """Probability that two patients, both with a value, have the same one."""
    known = values[~np.isnan(values)]
    return _pairs(np.unique(known, return_counts=True)[1]) / _pairs(np.array([len(known)]))


def _look_alike(evidence: TableEvidence) -> np.ndarray:
    """Rows that agree with one under another identifier in every key, none of them missing."""
    keys = _keys(evidence)
    if keys.empty or not (evidence.endpoint_columns or evidence.date_columns):
        return np.zeros(len(evidence.table), dtype=bool)
    known = (keys >= 0).all(axis=1)
    identifier = evidence.columns.patient_id
    if identifier in evidence.table.columns:
        # One row an identifier: the others are told by duplicate_identifier.
        own = as_text(evidence.table[identifier]).reset_index(drop=True)
        known &= ~(own.notna() & own.duplicated(keep="first"))
    same = np.zeros(len(keys), dtype=bool)
    same[known.to_numpy(dtype=bool)] = keys[known].duplicated(keep=False)
    return same


def _pairs(sizes: np.ndarray) -> float:
    """Pairs of patients within groups of these sizes."""
    return float((sizes * (sizes - 1.0) / 2).sum())
