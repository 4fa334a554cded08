"""OMOP CDM: the dates and values of configs/omop.sql into what was given and known at the start."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from features.covariates import CONFIGS, check_columns
from features.errors import InputError, Problem, name_some, refuse
from features.errors.wrong_cells import wrong_cells
from features.sources.kind import Codes
from features.sources.sql import SqlSource, database_name, read_sql

DRUGS = ("azacitidine", "decitabine", "cytarabine")
BIRTH = ("year_of_birth", "month_of_birth", "day_of_birth")


class OmopSource(BaseModel):
    """An OMOP CDM v5.4 database.

    Attributes
    ----------
    url : str
        As in SqlSource, with `${NAME}` for what no file may hold.
    query_file : str, optional
        Your copy of configs/omop.sql, with your cohort's definition; the shipped one if left out.
    companion_days : int
        A companion drug counts when it starts at most so many days before or after venetoclax.
    lab_days : int
        A lab value counts when it is at most so many days old at the index date.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: Literal["omop"] = "omop"
    url: str
    query_file: str | None = None
    companion_days: int = Field(default=28, ge=0, le=365, strict=True)
    lab_days: int = Field(default=30, ge=0, le=365, strict=True)

    @property
    def name(self) -> str:
        """The database's name."""
        return database_name(self.url) or self.kind

    def read(
        self, folder: Path, codes: Codes = None, used: Collection[str] | None = None
    ) -> pd.DataFrame:
        """One row a patient: see `read_omop`."""
        return read_omop(self, folder, codes)


def read_omop(source: OmopSource, folder: Path, codes: Codes = None) -> pd.DataFrame:
    """Run the query and derive its intervals.

    Parameters
    ----------
    source : OmopSource
    folder : Path
        Where relative paths start.
    codes : mapping of column -> words, optional
        As for every source.

    Returns
    -------
    DataFrame of shape (n_patients, n_columns)
        Text cells: person_id, center, sex, age_years, index_date, azacitidine, decitabine,
        cytarabine (0/1), companion_drugs (their names joined by '+', or 'none'), death_date,
        last_observation_date, and <lab>_value and <lab>_unit.

    Raises
    ------
    InputError
        As `read_sql`; and when a date is none, a column is absent, or a lab stands in several
        units.
    """
    query = folder / source.query_file if source.query_file else CONFIGS / "omop.sql"
    table = read_sql(SqlSource(url=source.url, query_file=str(query)), folder, codes)
    return derive_omop(table, source.companion_days, source.lab_days)


def derive_omop(table: pd.DataFrame, companion_days: int, lab_days: int) -> pd.DataFrame:
    """Turn the query's dates into age, companion drugs and recent labs. See `read_omop`."""
    labs = [name.removesuffix("_value") for name in table if name.endswith("_value")]
    needed = ["person_id", "index_date", *BIRTH]
    needed += [f"{drug}_{side}" for drug in DRUGS for side in ("before", "after")]
    needed += [f"{lab}_{part}" for lab in labs for part in ("date", "unit")]
    check_columns(table, {f"OMOP query, {name}": name for name in needed})
    index = _dates(table, "index_date")
    derived = {"age_years": _age(table, index)}
    for drug in DRUGS:
        # A companion drug is one that starts within the window, on either side of venetoclax.
        before = (index - _dates(table, f"{drug}_before")).dt.days <= companion_days
        after = (_dates(table, f"{drug}_after") - index).dt.days <= companion_days
        derived[drug] = (before | after).map({True: "1", False: "0"})
    derived["companion_drugs"] = _joined(pd.DataFrame({d: derived[d] == "1" for d in DRUGS}))
    for lab in labs:
        # A lab value counts when it is recent enough to describe the patient at the index date.
        age = (index - _dates(table, f"{lab}_date")).dt.days
        for part in ("value", "unit"):
            derived[f"{lab}_{part}"] = table[f"{lab}_{part}"].where(age.between(0, lab_days))
        _check_one_unit(derived[f"{lab}_unit"], lab)
    used = {*BIRTH, *(f"{lab}_date" for lab in labs)}
    used |= {f"{drug}_{side}" for drug in DRUGS for side in ("before", "after")}
    text = {name: values.astype(table["person_id"].dtype) for name, values in derived.items()}
    return table.drop(columns=[name for name in table if name in used]).assign(**text)


def _dates(table: pd.DataFrame, name: str) -> pd.Series:
    dates = pd.to_datetime(table[name].str[:10], format="%Y-%m-%d", errors="coerce")
    wrong = table[name].notna() & dates.isna()
    remedy = "let the query give dates in this form"
    refuse(wrong_cells(table[name], wrong, "OMOP query", "Not a date", remedy, "YYYY-MM-DD"))
    return dates


def _numbers(table: pd.DataFrame, name: str) -> pd.Series:
    numbers = pd.to_numeric(table[name], errors="coerce")
    wrong = table[name].notna() & numbers.isna()
    remedy = "let the query give a plain number"
    refuse(wrong_cells(table[name], wrong, "OMOP query", "Not a number", remedy))
    return numbers


def _age(table: pd.DataFrame, index: pd.Series) -> pd.Series:
    """Completed years. Where month or day of birth is unknown, the birthday counts as passed."""
    year, month, day = (_numbers(table, name) for name in BIRTH)
    ahead = (month > index.dt.month) | ((month == index.dt.month) & (day > index.dt.day))
    return (index.dt.year - year - ahead.astype(int)).astype("Int64").astype("string")


def _joined(given: pd.DataFrame) -> pd.Series:
    names = pd.Series("", index=given.index)
    for drug in given:
        names = names + given[drug].map({True: f"+{drug}", False: ""})
    return names.str.removeprefix("+").replace("", "none")


def _check_one_unit(units: pd.Series, lab: str) -> None:
    counts = units.value_counts()
    if len(counts) > 1:
        raise InputError(
            Problem(
                what="A lab stands in several units",
                where=f"OMOP query, column {lab}_unit",
                got=name_some(f"{unit}: {count} patient(s)" for unit, count in counts.items()),
                allowed="one unit in a column",
                remedy="convert in your copy of configs/omop.sql, and give it as `query_file:`",
            )
        )
