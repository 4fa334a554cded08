"""A cohort: one row a patient, checked, in the dictionary's units, with outcomes derived."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field, field_serializer, field_validator

from features.covariates import (
    Codes,
    ColumnSource,
    Covariate,
    check_columns,
    derive_covariates,
    describe_covariates,
    needed_inputs,
    read_codes,
    read_covariates,
)
from features.dataset import Dataset
from features.endpoints import (
    Derived,
    Endpoint,
    TransplantColumn,
    check_deaths,
    death_key,
    derive_endpoint,
    derive_transplant,
)
from features.errors import InputError, Problem, collect, refuse, wrong_names
from features.errors.wrong_cells import name_cells, table_rows
from features.outcome import Outcome
from features.regimens import (
    DrugRecords,
    RegimenAssignment,
    RegimenColumn,
    derive_regimen,
    derive_regimens,
)
from features.specs import Settings

NOT_EVALUATED = (
    "not evaluated", "not evaluable", "not assessed", "unknown", "missing", "ne", "na", "nd", "n/a",
)  # fmt: skip

# The first dose of venetoclax, from drug records.
INDEX_DATE = "index_date"


class ResponseColumn(Settings):
    """The column of the best response, and which of its values count as CR/CRi.

    Numbers may be written without quotes.
    """

    column: str
    responders: Codes
    non_responders: Codes = Field(
        default=(),
        description="Empty: every other value but those that say it was not evaluated.",
    )


class CohortColumns(Settings):
    """How a user's table maps to a cohort. Only what is named here is read.

    Attributes
    ----------
    patient_id, center : str, optional
        Columns. The identifier serves to find duplicates and is then dropped.
    regimen : RegimenColumn or DrugRecords, optional
        A column, or with `drugs` the rules that derive it from drug records. Without it, everything
        about regimens is left out.
    covariates : mapping of dictionary name -> ColumnSource
        For columns whose name, unit or coding differs from the dictionary's.
    endpoints : mapping of key -> Endpoint, DatedEndpoint or EfsEln2022
    response : ResponseColumn, optional
    adverse_events : mapping of label -> 0/1 column
    transplant : TransplantColumn, optional
        The first transplant after the index date, for sensitivity analyses of the regimen.
    """

    patient_id: str | None = None
    center: str | None = None
    regimen: RegimenColumn | DrugRecords | None = None
    covariates: dict[str, ColumnSource] = Field(default_factory=dict)
    # Endpoint validates every form of an endpoint and returns the one stated.
    endpoints: dict[str, Endpoint]
    response: ResponseColumn | None = None
    adverse_events: dict[str, str] = Field(default_factory=dict)
    transplant: TransplantColumn | None = None

    @field_validator("regimen", mode="before")
    @classmethod
    def _column_or_drugs(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        # A mistyped `drugs` is told as such.
        other = set(value) - {"column", "values", "reference_arm"}
        drugs = "drugs" in value or (other and not {"column", "values"} & set(value))
        return (DrugRecords if drugs else RegimenColumn).model_validate(value)

    @field_serializer("endpoints")
    def _each_in_its_form(self, endpoints: dict[str, Endpoint]) -> dict[str, Any]:
        return {key: endpoint.model_dump(mode="json") for key, endpoint in endpoints.items()}

    @field_validator("endpoints")
    @classmethod
    def _labels_differ(cls, endpoints: dict[str, Endpoint]) -> dict[str, Endpoint]:
        labels = [endpoint.label for endpoint in endpoints.values()]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"two endpoints have the same label: {', '.join(twice)}")
        check_deaths(endpoints)
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
        Of the patients whom the endpoint is about, in the cohort's order.
    eligible : mapping of endpoint label -> ndarray of shape (n,), bool
        Who they are; an endpoint without an entry is about everybody.
    responder : ndarray of shape (n,), float, or None
        1 CR/CRi, 0 not, NaN not evaluated.
    adverse_events : DataFrame of shape (n, n_events), or None
    provenance : str
        What a reader must know about where the table comes from; empty for real patients.
    regimen_counts : DataFrame, or None
        With drug records: patients of the table by regimen (empty: left out of the cohort), reason
        and whether they switched later. Columns regimen, reason, switched, patients.
    places : ndarray of shape (n,), int, or None
        Position of each patient among the rows of the table that was read, from 0.
    transplant_months : ndarray of shape (n,), float, or None
        From the index date to the first transplant after it; NaN for none.
    """

    inputs: pd.DataFrame
    dictionary: Mapping[str, Covariate]
    regimen: np.ndarray | None
    center: np.ndarray | None
    outcomes: Mapping[str, Outcome]
    responder: np.ndarray | None = None
    adverse_events: pd.DataFrame | None = None
    provenance: str = ""
    eligible: Mapping[str, np.ndarray] = field(default_factory=dict)
    regimen_counts: pd.DataFrame | None = None
    places: np.ndarray | None = None
    transplant_months: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything read, in row order. It identifies the data and reveals none."""
        parts = self.inputs.astype({c: str for c in self.inputs if self.inputs[c].dtype == object})
        parts = parts.assign(
            **{f"{k} time": self._spread(k, o.time) for k, o in self.outcomes.items()},
            **{f"{k} event": self._spread(k, o.event) for k, o in self.outcomes.items()},
            **{
                f"{k} competing": self._spread(k, o.competing)
                for k, o in self.outcomes.items()
                if o.competing is not None
            },
            **({} if self.regimen is None else {"regimen": self.regimen.astype(str)}),
            **({} if self.center is None else {"center": self.center.astype(str)}),
            **({} if self.responder is None else {"responder": self.responder}),
            **(
                {}
                if self.transplant_months is None
                else {"transplant_months": self.transplant_months}
            ),
        )
        if self.adverse_events is not None:
            parts = parts.join(self.adverse_events)
        digest = hashlib.sha256(",".join(map(str, parts.columns)).encode())
        digest.update(pd.util.hash_pandas_object(parts, index=False).to_numpy().tobytes())
        return digest.hexdigest()

    def of_endpoint(self, endpoint: str) -> np.ndarray:
        """Whom an endpoint is about, shape (n,), bool."""
        return self.eligible.get(endpoint, np.ones(len(self), dtype=bool))

    def _spread(self, endpoint: str, values: np.ndarray) -> np.ndarray:
        """Values of an endpoint's patients over all patients; NaN for the others."""
        rows = self.of_endpoint(endpoint)
        if rows.all():
            return values
        spread = np.full(len(self), np.nan)
        spread[rows] = values
        return spread

    def dataset(self, covariates: Sequence[str], endpoint: str) -> Dataset:
        """Build the dataset of the named covariates and one endpoint, of whom it is about alone."""
        rows, inputs = self.of_endpoint(endpoint), self.inputs
        regimen, center = self.regimen, self.center
        if not rows.all():
            inputs = inputs[rows].reset_index(drop=True)
            regimen = None if regimen is None else regimen[rows]
            center = None if center is None else center[rows]
        return Dataset(
            derive_covariates(inputs, covariates, self.dictionary),
            regimen,
            center,
            self.outcomes[endpoint],
            {
                name: covariate.monotone
                for name, covariate in describe_covariates(covariates, self.dictionary).items()
                if covariate.monotone
            },
        )


def read_cohort(
    table: pd.DataFrame,
    columns: CohortColumns,
    covariates: Sequence[str],
    dictionary: Mapping[str, Covariate],
    drugs: pd.DataFrame | None = None,
) -> Cohort:
    """Turn a table as a hospital hands it over into a checked cohort.

    Parameters
    ----------
    table : DataFrame of shape (n, any)
        One row a patient, as `features.tables.table_file.read_table` returns it.
    columns : CohortColumns
    covariates : sequence of str
        Covariates that the models will see; their inputs are read and checked.
    dictionary : mapping of name -> Covariate
    drugs : DataFrame, optional
        The long drug table that `columns.regimen.drugs.path` names. Its first dose of venetoclax is
        at hand for endpoints as the column `index_date`.

    Returns
    -------
    Cohort
        Of every patient of the table; with drug records, of those who have a regimen.

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
    regimen_source, response_column = columns.regimen, columns.response
    regimen = responder = adverse = assignment = None
    kept = np.ones(len(table), dtype=bool)
    if isinstance(regimen_source, DrugRecords):
        assignment = collect(
            problems, partial(derive_regimens, table, regimen_source, drugs, columns.patient_id)
        )
        if assignment is not None:
            regimen, kept = assignment.regimen, assignment.eligible
            table = _with_index_date(table, assignment)
    elif regimen_source:
        regimen = collect(problems, partial(derive_regimen, table, regimen_source))
    # Without the drug records it is not known whose outcome counts, nor from when.
    unplaced = isinstance(regimen_source, DrugRecords) and assignment is None
    derived = {} if unplaced else _derive_endpoints(table, columns.endpoints, kept, problems)
    outcomes = {columns.endpoints[key].label: one.outcome for key, one in derived.items()}
    eligible = {columns.endpoints[key].label: one.eligible[kept] for key, one in derived.items()}
    if response_column:
        responder = collect(problems, lambda: _read_response(table, response_column))
    if columns.adverse_events:
        adverse = collect(problems, lambda: _read_adverse_events(table, columns))
    transplant = None
    if columns.transplant is not None:
        # The cells of those without a regimen are not read.
        among, source = table if kept.all() else table[kept], columns.transplant
        transplant = collect(problems, partial(derive_transplant, among, source))
    if problems or inputs is None:
        raise InputError(problems)
    told = table["provenance"].dropna().tolist() if "provenance" in table.columns else []
    center = _read_center(table, columns)
    return Cohort(
        inputs=inputs[kept].reset_index(drop=True),
        dictionary=dictionary,
        regimen=None if regimen is None else regimen[kept],
        center=None if center is None else center[kept],
        outcomes=outcomes,
        eligible=eligible,
        responder=None if responder is None else responder[kept],
        adverse_events=None if adverse is None else adverse[kept].reset_index(drop=True),
        provenance=str(told[0]) if told else "",
        regimen_counts=None if assignment is None else assignment.counts,
        places=np.flatnonzero(kept),
        transplant_months=transplant,
    )


def _derive_endpoints(
    table: pd.DataFrame,
    endpoints: Mapping[str, Endpoint],
    kept: np.ndarray,
    problems: list[Problem],
) -> dict[str, Derived]:
    """Each endpoint that can be derived, in the order stated; what is wrong with the others."""
    found: dict[str, Derived] = {}
    # Those that take their deaths from another one come after it.
    for key in sorted(endpoints, key=lambda key: bool(death_key(endpoints[key]))):
        named = death_key(endpoints[key])
        if named and named not in found:
            continue  # what is wrong with the deaths is told already
        death = found.get(named)
        derived = collect(problems, partial(derive_endpoint, table, endpoints[key], kept, death))
        if derived is not None:
            found[key] = derived
    return {key: found[key] for key in endpoints if key in found}


def _with_index_date(table: pd.DataFrame, assignment: RegimenAssignment) -> pd.DataFrame:
    """The table with the first dose of venetoclax as a column, unless it has one of that name."""
    if assignment.index_date is None or INDEX_DATE in table.columns:
        return table
    return table.assign(**{INDEX_DATE: assignment.index_date.astype("datetime64[s]")})


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
                where=f"column {columns.patient_id}, {table_rows(table, twice)}",
                allowed="one row a patient",
                remedy="keep the row at the first venetoclax dose; a patient in two folds "
                "would let a model see its own test patients",
            )
        )


def _check_mapping(
    columns: CohortColumns, needed: Mapping[str, Covariate], dictionary: Mapping[str, Covariate]
) -> None:
    unknown = [name for name in columns.covariates if name not in dictionary]
    refuse(
        wrong_names(
            unknown,
            "A mapped covariate is not in the dictionary",
            "cohort.columns.covariates",
            "correct the name, or describe the covariate under `dictionary:`",
            "names from configs/dictionary.yaml, or from `dictionary:`",
        )
    )


def _read_center(table: pd.DataFrame, columns: CohortColumns) -> np.ndarray | None:
    if columns.center is None:
        return None
    return table[columns.center].astype("string").fillna("unknown").to_numpy(dtype=object)


def _read_response(table: pd.DataFrame, source: ResponseColumn) -> np.ndarray:
    check_columns(table, {"response": source.column})
    response = read_codes(table[source.column])
    # A response that nobody looked for is not a failure to respond.
    known = response.notna() & ~response.str.lower().isin(NOT_EVALUATED)
    if source.non_responders:
        known &= response.isin([*source.responders, *source.non_responders])
    responder = response.isin(source.responders)
    if not responder.any():
        raise InputError(
            Problem(
                what="No patient responded",
                where=f"response, column {source.column}",
                got=name_cells(response.dropna()),
                allowed="responders: " + ", ".join(source.responders),
                remedy="state which values count as CR/CRi under `response.responders`",
            )
        )
    return np.where(known, responder, np.nan).astype(float)


def _read_adverse_events(table: pd.DataFrame, columns: CohortColumns) -> pd.DataFrame:
    flags = [Covariate(name=label, label=label, kind="flag") for label in columns.adverse_events]
    sources = {k: ColumnSource(column=v) for k, v in columns.adverse_events.items()}
    return read_covariates(table, flags, sources)
