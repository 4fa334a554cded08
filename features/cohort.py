"""A cohort: one row a patient, checked, in the dictionary's units, with outcomes derived."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from features.columns import ColumnSource, check_columns, read_covariates
from features.covariates import derive_covariates, needed_inputs
from features.dataset import Dataset
from features.dictionary import Covariate
from features.endpoints import Endpoint, derive_outcome
from features.errors import InputError, Problem, collect, name_some
from features.outcome import Outcome
from features.regimens import RegimenColumn, derive_regimen


class ResponseColumn(BaseModel):
    """The column of the best response, and which of its values count as CR/CRi."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    responders: tuple[str, ...]
    non_responders: tuple[str, ...] = Field(
        default=(), description="Empty: every other value that is not missing."
    )


class CohortColumns(BaseModel):
    """How a user's table maps to a cohort. Only what is named here is read.

    Attributes
    ----------
    patient_id, center : str, optional
        Columns. The identifier serves to find duplicates and is then dropped.
    regimen : RegimenColumn, optional
        Without it, everything about regimens is left out.
    covariates : mapping of dictionary name -> ColumnSource
        For columns whose name, unit or coding differs from the dictionary's.
    endpoints : mapping of key -> Endpoint
    response : ResponseColumn, optional
    adverse_events : mapping of label -> 0/1 column
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    patient_id: str | None = None
    center: str | None = None
    regimen: RegimenColumn | None = None
    covariates: dict[str, ColumnSource] = {}
    endpoints: dict[str, Endpoint]
    response: ResponseColumn | None = None
    adverse_events: dict[str, str] = {}

    @field_validator("endpoints")
    @classmethod
    def _labels_differ(cls, endpoints: dict[str, Endpoint]) -> dict[str, Endpoint]:
        labels = [endpoint.label for endpoint in endpoints.values()]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"two endpoints have the same label: {', '.join(twice)}")
        return endpoints


@dataclass(frozen=True)
class Cohort:
    """A checked cohort of n patients.

    Attributes
    ----------
    inputs : DataFrame of shape (n, n_inputs)
        Dictionary columns, in the dictionary's units.
    dictionary : mapping of name -> Covariate
    regimen, center : ndarray of shape (n,) or None
    outcomes : mapping of endpoint label -> Outcome
    responder : ndarray of shape (n,), float, or None
        1 CR/CRi, 0 not, NaN not evaluated.
    adverse_events : DataFrame of shape (n, n_events), or None
    provenance : str
        What a reader must know about where the table comes from; empty for real patients.
    """

    inputs: pd.DataFrame
    dictionary: Mapping[str, Covariate]
    regimen: np.ndarray | None
    center: np.ndarray | None
    outcomes: Mapping[str, Outcome]
    responder: np.ndarray | None = None
    adverse_events: pd.DataFrame | None = None
    provenance: str = ""

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything read, in row order. It identifies the data and reveals none."""
        parts = self.inputs.astype({c: str for c in self.inputs if self.inputs[c].dtype == object})
        parts = parts.assign(
            **{f"{k} time": o.time for k, o in self.outcomes.items()},
            **{f"{k} event": o.event for k, o in self.outcomes.items()},
            **({} if self.regimen is None else {"regimen": self.regimen.astype(str)}),
            **({} if self.center is None else {"center": self.center.astype(str)}),
            **({} if self.responder is None else {"responder": self.responder}),
        )
        if self.adverse_events is not None:
            parts = parts.join(self.adverse_events)
        digest = hashlib.sha256(",".join(map(str, parts.columns)).encode())
        digest.update(pd.util.hash_pandas_object(parts, index=False).to_numpy().tobytes())
        return digest.hexdigest()

    def dataset(self, covariates: Sequence[str], endpoint: str) -> Dataset:
        """Build the dataset of the named covariates and one endpoint."""
        return Dataset(
            derive_covariates(self.inputs, covariates, self.dictionary),
            self.regimen,
            self.center,
            self.outcomes[endpoint],
        )


def read_cohort(
    table: pd.DataFrame,
    columns: CohortColumns,
    covariates: Sequence[str],
    dictionary: Mapping[str, Covariate],
) -> Cohort:
    """Turn a table as a hospital hands it over into a checked cohort.

    Parameters
    ----------
    table : DataFrame of shape (n, any)
        One row a patient, as `features.sources.read_table` returns it.
    columns : CohortColumns
    covariates : sequence of str
        Covariates that the models will see; their inputs are read and checked.
    dictionary : mapping of name -> Covariate

    Raises
    ------
    InputError
        With every problem of every part, so that one reading of the message mends the table.
    """
    table = table.reset_index(drop=True)
    problems: list[Problem] = []

    collect(problems, lambda: _check_identity(table, columns))
    needed = collect(problems, lambda: needed_inputs(covariates, dictionary)) or {}
    collect(problems, lambda: _check_mapping(columns, needed, dictionary))
    inputs = collect(problems, lambda: read_covariates(table, needed.values(), columns.covariates))
    outcomes = {}
    for endpoint in columns.endpoints.values():
        outcome = collect(problems, partial(derive_outcome, table, endpoint))
        if outcome is not None:
            outcomes[endpoint.label] = outcome
    regimen_column, response_column = columns.regimen, columns.response
    regimen = responder = adverse = None
    if regimen_column:
        regimen = collect(problems, lambda: derive_regimen(table, regimen_column))
    if response_column:
        responder = collect(problems, lambda: _read_response(table, response_column))
    if columns.adverse_events:
        adverse = collect(problems, lambda: _read_adverse_events(table, columns))
    if problems or inputs is None:
        raise InputError(problems)
    told = table["provenance"].dropna().tolist() if "provenance" in table.columns else []
    return Cohort(
        inputs=inputs,
        dictionary=dictionary,
        regimen=regimen,
        center=_read_center(table, columns),
        outcomes=outcomes,
        responder=responder,
        adverse_events=adverse,
        provenance=str(told[0]) if told else "",
    )


def _check_identity(table: pd.DataFrame, columns: CohortColumns) -> None:
    named = {"patient_id": columns.patient_id, "center": columns.center}
    check_columns(table, {purpose: column for purpose, column in named.items() if column})
    if columns.patient_id is None:
        return
    identifier = table[columns.patient_id]
    twice = identifier.notna() & identifier.duplicated(keep="first")
    if twice.any():
        raise InputError(
            Problem(
                what="The same patient stands in more than one row",
                where=f"column {columns.patient_id}, {int(twice.sum())} repeated row(s): "
                f"row {name_some(np.flatnonzero(twice) + 1, 5)} (the first patient is row 1)",
                allowed="one row a patient",
                remedy="keep the row at the first venetoclax dose; a patient in two folds "
                "would let a model see its own test patients",
            )
        )


def _check_mapping(
    columns: CohortColumns, needed: Mapping[str, Covariate], dictionary: Mapping[str, Covariate]
) -> None:
    unknown = [name for name in columns.covariates if name not in dictionary]
    if unknown:
        raise InputError(
            Problem(
                what="A mapped covariate is not in the dictionary",
                where="cohort.columns.covariates",
                got=name_some(unknown),
                allowed="names from configs/dictionary.yaml, or from `dictionary:`",
                remedy="correct the name, or describe the covariate under `dictionary:`",
            )
        )


def _read_center(table: pd.DataFrame, columns: CohortColumns) -> np.ndarray | None:
    if columns.center is None:
        return None
    return table[columns.center].astype("string").fillna("unknown").to_numpy(dtype=object)


def _read_response(table: pd.DataFrame, source: ResponseColumn) -> np.ndarray:
    check_columns(table, {"response": source.column})
    response = table[source.column].astype("string").str.strip()
    known = response.notna()
    if source.non_responders:
        known &= response.isin([*source.responders, *source.non_responders])
    responder = response.isin(source.responders)
    if not responder.any():
        raise InputError(
            Problem(
                what="No patient responded",
                where=f"response, column {source.column}",
                got="values " + name_some(sorted(response.dropna().unique())),
                allowed="responders: " + ", ".join(source.responders),
                remedy="state which values count as CR/CRi under `response.responders`",
            )
        )
    return np.where(known, responder, np.nan).astype(float)


def _read_adverse_events(table: pd.DataFrame, columns: CohortColumns) -> pd.DataFrame:
    flags = [Covariate(name=label, label=label, kind="flag") for label in columns.adverse_events]
    sources = {k: ColumnSource(column=v) for k, v in columns.adverse_events.items()}
    return read_covariates(table, flags, sources)
