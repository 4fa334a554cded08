"""Patients who stand in a table twice, under one identifier or two."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from features.guard_evidence import TableEvidence
from features.guard_findings import Check, Observation
from features.guard_text import as_text

AGE_AND_SEX = ("age_years", "sex")


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
    """Rows under two identifiers that agree in every other column."""
    same = _look_alike(evidence)
    others = evidence.table.columns.drop(evidence.columns.patient_id or [], errors="ignore")
    if len(others) < evidence.guard.limit("duplicate_row", "columns") or not same.any():
        return
    twice = np.zeros(len(same), dtype=bool)
    candidates = evidence.table.loc[same, others].astype("string")
    twice[same] = candidates.duplicated(keep=False).to_numpy()
    if twice.any():
        yield Observation("Rows agree in every column but the identifier", twice)


def near_duplicate(evidence: TableEvidence) -> Iterator[Observation]:
    """Rows under two identifiers that share age, sex, time and status, more often than by chance.

    The number expected by chance is that of independent columns: pairs of patients times the
    product, over the columns, of the probability that two patients agree. It is exceeded when
    the pairs seen are more than three Poisson standard deviations above it.
    """
    keys = _keys(evidence)
    same = _look_alike(evidence)
    if keys.shape[1] < 2 + len(AGE_AND_SEX) or not same.any():
        return
    complete = keys[(keys >= 0).all(axis=1)]
    every = _pairs(np.array([len(complete)]))
    expected = every
    for column in complete:
        expected *= _pairs(np.bincount(complete[column])) / every
    if _pairs(keys[same].value_counts().to_numpy()) > expected + 3 * np.sqrt(expected):
        yield Observation("Rows share age, sex, time and status under different identifiers", same)


CHECKS: tuple[Check[TableEvidence], ...] = (duplicate_identifier, duplicate_row, near_duplicate)


def _keys(evidence: TableEvidence) -> pd.DataFrame:
    """Age, sex, and the first endpoint's time and status, their values numbered; -1 missing."""
    columns = [evidence.source(name) for name in AGE_AND_SEX]
    columns += list(evidence.endpoint_columns[0][1:]) if evidence.endpoint_columns else []
    present = [c for c in dict.fromkeys(columns) if c in evidence.table.columns]
    return pd.DataFrame({column: pd.factorize(evidence.table[column])[0] for column in present})


def _look_alike(evidence: TableEvidence) -> np.ndarray:
    """Rows that agree with one under another identifier in every key, none of them missing."""
    keys = _keys(evidence)
    if keys.empty or not evidence.endpoint_columns:
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
