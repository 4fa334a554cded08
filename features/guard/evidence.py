"""What the guard's checks look at: the table as handed over, and the cohort as read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from features.cohort import CohortColumns
from features.covariates import DERIVATIONS, Covariate
from features.endpoints import DatedEndpoint, EfsEln2022, Endpoint
from features.guard.settings import Guard, Happened
from features.outcome import Outcome
from features.text import as_number, as_text

# Codes that mean no, in lower case.
NO = ("0", "0.0", "false", "no", "n")
# A level with fewer patients than this is joined with the other rare ones.
RARE = 5
# More distinct numbers than this are cut into as many groups of equal size.
GROUPS = 20


@dataclass(frozen=True)
class TableEvidence:
    """A table of n patients as handed over, and how its columns map."""

    table: pd.DataFrame
    columns: CohortColumns
    covariates: tuple[str, ...]
    dictionary: Mapping[str, Covariate]
    guard: Guard

    @property
    def everybody(self) -> np.ndarray:
        """True for each of the n patients."""
        return np.ones(len(self.table), dtype=bool)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Dictionary names that the predictors are built from."""
        parts = (inputs_of(name, self.dictionary) for name in self.covariates)
        return tuple(dict.fromkeys(name for part in parts for name in part))

    def source(self, name: str) -> str:
        """Column of the table that a dictionary name is read from."""
        mapped = self.columns.covariates.get(name)
        return mapped.column if mapped else name

    def unit(self, name: str) -> str:
        """Unit that is stated for a dictionary name, else the dictionary's."""
        mapped = self.columns.covariates.get(name)
        return (mapped.unit if mapped else "") or self.dictionary[name].unit

    def number(self, column: str) -> np.ndarray:
        """A column as floats, NaN where missing or not a number; read once."""
        if column not in self._numbers:
            self._numbers[column] = as_number(self.table[column])
        return self._numbers[column]

    @cached_property
    def _numbers(self) -> dict[str, np.ndarray]:
        return {}

    @cached_property
    def endpoint_columns(self) -> tuple[tuple[str, str, str], ...]:
        """(label, time column, event column) of the endpoints that have ready columns."""
        found = []
        for endpoint in self.columns.endpoints.values():
            # An endpoint that is derived from dates has no such column; reading checks its dates.
            if not isinstance(endpoint, Endpoint):
                continue
            found.append((endpoint.label, endpoint.time, endpoint.event))
            if endpoint.death is not None:
                found.append(
                    (f"{endpoint.label}, death", endpoint.death.time, endpoint.death.event)
                )
        return tuple(c for c in found if {c[1], c[2]} <= set(self.table.columns))

    @cached_property
    def date_columns(self) -> tuple[str, ...]:
        """The origin and the dates of the first endpoint that is derived from dates."""
        for endpoint in self.columns.endpoints.values():
            if isinstance(endpoint, (DatedEndpoint, EfsEln2022)):
                dates = dict.fromkeys(endpoint.columns.values())
                return tuple(column for column in dates if column in self.table.columns)
        return ()

    @cached_property
    def outcome_columns(self) -> frozenset[str]:
        """Columns of ready endpoints and of their deaths."""
        ready = (e for e in self.columns.endpoints.values() if isinstance(e, Endpoint))
        return frozenset(
            column
            for endpoint in ready
            for coded in endpoint.coded
            for column in (coded.time, coded.event)
            if column
        )


@dataclass(frozen=True)
class Levels:
    """A covariate as groups 0..n_levels-1 of patients; the last is that of missing values."""

    code: np.ndarray
    n_levels: int

    @property
    def missing(self) -> np.ndarray:
        """True where the value is missing."""
        return self.code == self.n_levels - 1


@dataclass(frozen=True)
class Followed:
    """An endpoint over all n patients; False, and NaN, for those whom it is not about.

    Attributes
    ----------
    time : ndarray of shape (n,), float
        Months.
    event, censored : ndarray of shape (n,), bool
        Neither holds where a competing event ended follow-up.
    """

    time: np.ndarray
    event: np.ndarray
    censored: np.ndarray

    @classmethod
    def of(cls, outcome: Outcome, eligible: np.ndarray) -> Followed:
        """Spread an outcome of the eligible patients over all."""
        time = np.full(len(eligible), np.nan)
        event, censored = np.zeros((2, len(eligible)), dtype=bool)
        time[eligible], event[eligible] = outcome.time, outcome.event
        open_end = ~outcome.event
        if outcome.competing is not None:
            open_end &= ~outcome.competing
        censored[eligible] = open_end
        return cls(time, event, censored)

    @property
    def who(self) -> np.ndarray:
        """Whom the endpoint is about."""
        return ~np.isnan(self.time)


@dataclass(frozen=True)
class CohortEvidence:
    """A cohort of n patients as read.

    Attributes
    ----------
    predictors : DataFrame of shape (n, p)
        Without the regimen.
    inputs : DataFrame of shape (n, n_inputs)
        Dictionary columns, in the dictionary's units.
    outcomes : mapping of endpoint label -> Followed
    endpoint_keys : mapping of endpoint label -> its key in the configuration
    responder : ndarray of shape (n,), float, or None
        1 CR/CRi, 0 not, NaN not evaluated.
    """

    predictors: pd.DataFrame
    inputs: pd.DataFrame
    dictionary: Mapping[str, Covariate]
    outcomes: Mapping[str, Followed]
    regimen: np.ndarray | None
    center: np.ndarray | None
    guard: Guard
    endpoint_keys: Mapping[str, str]
    responder: np.ndarray | None = None

    @property
    def everybody(self) -> np.ndarray:
        """True for each of the n patients."""
        return np.ones(len(self.predictors), dtype=bool)

    def inputs_named(self, predictor: str) -> tuple[str, ...]:
        """Dictionary names that a predictor is built from."""
        return inputs_of(predictor, self.dictionary)

    @cached_property
    def codes(self) -> dict[str, np.ndarray]:
        """Each predictor's distinct values numbered in order of appearance; -1 where missing."""
        return {name: pd.factorize(self.predictors[name])[0] for name in self.predictors}

    @cached_property
    def levels(self) -> dict[str, Levels]:
        """Each predictor in groups: rare values joined, numbers cut at quantiles."""
        return {name: self._levels(name) for name in self.predictors}

    @cached_property
    def arms(self) -> tuple[np.ndarray, list[str]] | None:
        """Regimen of each patient as a number, and the regimens; None with fewer than two."""
        if self.regimen is None:
            return None
        code, names = pd.factorize(pd.Series(self.regimen), sort=True)
        return (code, [str(name) for name in names]) if len(names) > 1 else None

    def is_number(self, name: str) -> bool:
        """True for numbers and 0/1 flags."""
        return pd.api.types.is_numeric_dtype(self.predictors[name].dtype)

    def _levels(self, name: str) -> Levels:
        code = self.codes[name]
        known = code >= 0
        if self.is_number(name) and code.max(initial=-1) >= GROUPS:
            values = self.predictors[name].to_numpy(dtype=float, na_value=np.nan)
            cuts = np.unique(np.quantile(values[known], np.linspace(0, 1, GROUPS + 1)[1:-1]))
            code = np.where(known, np.searchsorted(cuts, values, side="right"), -1)
        counts = np.bincount(code[known], minlength=1)
        common = np.flatnonzero(counts >= RARE)
        renumber = np.full(len(counts), len(common))
        renumber[common] = np.arange(len(common))
        code = np.where(known, renumber[np.maximum(code, 0)], len(common) + 1)
        return Levels(code, len(common) + 2)


def inputs_of(name: str, dictionary: Mapping[str, Covariate]) -> tuple[str, ...]:
    """Dictionary names that a covariate is read from, through derivations."""
    if name in dictionary or name not in DERIVATIONS:
        return (name,)
    return tuple(i for part in DERIVATIONS[name].inputs for i in inputs_of(part, dictionary))


def happened(table: pd.DataFrame, what: Happened) -> np.ndarray:
    """True for the patients in whom it happened; a missing cell means that it did not."""
    text = as_text(table[what.column]).str.lower()
    if what.values:
        yes = text.isin([value.strip().lower() for value in what.values])
    else:
        yes = text.notna() & ~text.isin(NO)
    return yes.to_numpy(dtype=bool)
