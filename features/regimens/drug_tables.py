"""Drug records as a hospital has them, long or wide, turned into one table of records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, field_serializer, field_validator, model_validator

from features.covariates import Codes, DateFormat, check_columns, code_text, read_codes, read_dates
from features.errors import InputError, Problem, collect, did_you_mean, refuse
from features.errors.wrong_cells import name_values, table_rows, wrong_cells
from features.specs import Spec
from features.tables import TableFormat

if TYPE_CHECKING:
    import pandas as pd

# Generic name -> how tables write it; the numbers are OMOP concepts of the ingredients.
DRUG_NAMES = {
    "venetoclax": ("venetoclax", "venclexta", "venclyxto", "abt-199", "35604205"),
    "azacitidine": ("azacitidine", "azacytidine", "5-azacitidine", "vidaza", "onureg", "1314865"),
    "decitabine": ("decitabine", "dacogen", "inqovi", "19024728"),
    "cytarabine": ("cytarabine", "ara-c", "arac", "cytosine arabinoside", "cytosar", "1311078"),
}
# A flag says that a drug was given, not when: no date stands in its place.
NEVER = np.iinfo(np.int64).min


class LongRecords(Spec, TableFormat):
    """A table of its own with one row a drug and course.

    Attributes
    ----------
    path : str
        A file that `features.tables.table_file.read_table` reads, relative to the configuration.
    patient_id, drug, start : str
        Columns. The identifiers are those of the patient table's `patient_id` column.
    stop, dose, route : str, optional
        Columns. Without a stop date a course is known by its start alone.
    dose_unit : {'mg/m2', 'mg'}
        Of the daily dose; must be stated with `dose`.
    names : mapping of drug -> its names in the table
        Beside the generic and brand names and the OMOP concepts that are known. Case is ignored.
    date_format : str
    separator, decimal, encoding, sheet, missing
        Of the file, as for every `TableFormat`.
    """

    path: str
    patient_id: str
    drug: str
    start: str
    stop: str = ""
    dose: str = ""
    dose_unit: Literal["mg/m2", "mg", ""] = ""
    route: str = ""
    names: dict[str, Codes] = Field(default_factory=dict)
    date_format: DateFormat = ""

    @field_serializer("path", when_used="json")
    def _name_alone(self, path: str) -> str:
        # Folders of the machine are no part of a logged configuration.
        return path.replace("\\", "/").rsplit("/", 1)[-1]


class WideRecords(Spec):
    """Columns of the patient table, one a drug.

    Attributes
    ----------
    columns : mapping of drug -> column
    holds : {'start_date', 'flag'}
        The date of the first dose, empty where the drug was not given; or 0/1.
    doses : mapping of drug -> column of the daily dose
    dose_unit : {'mg/m2', 'mg'}
        Must be stated with `doses`.
    date_format : str
    """

    columns: dict[str, str] = Field(min_length=1)
    holds: Literal["start_date", "flag"]
    doses: dict[str, str] = Field(default_factory=dict)
    dose_unit: Literal["mg/m2", "mg", ""] = ""
    date_format: DateFormat = ""

    @field_validator("columns", "doses", mode="before")
    @classmethod
    def _as_text(cls, columns: Any) -> Any:
        if not isinstance(columns, dict):
            return columns
        return {code_text(drug): column for drug, column in columns.items()}

    @model_validator(mode="after")
    def _doses_of_drugs(self) -> WideRecords:
        unknown = [drug for drug in self.doses if drug not in self.columns]
        if unknown:
            raise ValueError(f"a dose of {', '.join(unknown)}, which has no column under `columns`")
        return self


class Records(NamedTuple):
    """Drug records of the cohort's patients; all arrays of shape (n_records,).

    Attributes
    ----------
    patient : int
        Position of the patient, 0..n-1.
    drug : int
        Which of the wanted drugs.
    start, stop : int64
        Days since 1970; NEVER where unknown, and for a flag.
    dose : float
        NaN where unknown.
    route : object
        Lower case; '' where unknown.
    """

    patient: np.ndarray
    drug: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    dose: np.ndarray
    route: np.ndarray


def read_long(
    table: pd.DataFrame,
    drugs: pd.DataFrame,
    source: LongRecords,
    patient_id: str,
    wanted: Sequence[str],
) -> Records:
    """Read the records of a long table.

    Parameters
    ----------
    table : DataFrame of shape (n, any)
        The patients.
    drugs : DataFrame of shape (n_rows, any)
        The drug table. Rows of other patients and of other drugs are left out.
    patient_id : str
        Column of `table`.
    wanted : sequence of str
        Generic names; `Records.drug` counts in it.
    """
    columns = {k: getattr(source, k) for k in ("patient_id", "drug", "start")}
    columns |= {k: getattr(source, k) for k in ("stop", "dose", "route") if getattr(source, k)}
    check_columns(drugs, {f"drug records, {k}": column for k, column in columns.items()})
    check_columns(table, {"patient_id": patient_id})
    drugs = drugs.reset_index(drop=True)
    generic = _generic(drugs[source.drug], source.names, wanted, "drug records, drug")
    asked = generic >= 0
    position = np.full(len(drugs), -1)
    position[asked] = _positions(table[patient_id], drugs.loc[asked, source.patient_id])
    kept = position >= 0
    drugs, position, generic = drugs[kept], position[kept], generic[kept]

    problems: list[Problem] = []
    start = collect(problems, lambda: _days(drugs, source.start, "start", source.date_format))
    stop = np.full(len(drugs), NEVER)
    if source.stop:
        read = collect(problems, lambda: _days(drugs, source.stop, "stop", source.date_format))
        stop = stop if read is None else read
    dose = np.full(len(drugs), np.nan)
    if source.dose:
        measured = collect(problems, lambda: _numbers(drugs, source.dose))
        dose = dose if measured is None else measured
    route = np.full(len(drugs), "", dtype=object)
    if source.route:
        route = read_codes(drugs[source.route]).str.lower().fillna("").to_numpy(dtype=object)
    if start is not None:
        problems += _told(drugs, start == NEVER, source.start, "A drug record has no start",
                          "fill in the date, or take the record out")  # fmt: skip
        if source.stop:
            problems += _told(drugs, (stop != NEVER) & (stop < start), source.stop,
                              "A drug stops before it starts", "correct the dates")  # fmt: skip
    if problems or start is None:
        raise InputError(problems)
    return Records(position, generic, start, stop, dose, route)


def read_wide(table: pd.DataFrame, source: WideRecords, wanted: Sequence[str]) -> Records:
    """Read the records that stand in columns of the patient table. See `read_long`."""
    check_columns(table, {f"drug {drug}": column for drug, column in source.columns.items()})
    check_columns(table, {f"dose of {drug}": column for drug, column in source.doses.items()})
    problems: list[Problem] = []
    parts = []
    for drug, column in source.columns.items():
        if source.holds == "start_date":
            days = collect(problems, lambda c=column: _days(table, c, "start", source.date_format))  # type: ignore[misc]
            given = np.zeros(len(table), dtype=bool) if days is None else days != NEVER
        else:
            flags = collect(problems, lambda c=column: _flags(table, c))  # type: ignore[misc]
            given = np.zeros(len(table), dtype=bool) if flags is None else flags
            days = np.full(len(table), NEVER)
        dose = np.full(len(table), np.nan)
        if drug in source.doses:
            at = source.doses[drug]
            measured = collect(problems, lambda c=at, g=given: _numbers(table[g], c))  # type: ignore[misc]
            if measured is not None:
                dose[given] = measured
        rows = np.flatnonzero(given)
        if days is not None:
            parts.append((rows, np.full(len(rows), wanted.index(drug)), days[rows], dose[rows]))
    if problems:
        raise InputError(problems)
    patient, names, start, dose = (np.concatenate(part) for part in zip(*parts, strict=True))
    nothing = np.full(len(patient), "", dtype=object)
    return Records(patient, names, start, np.full(len(patient), NEVER), dose, nothing)


def _generic(
    names: pd.Series, own: dict[str, tuple[str, ...]], wanted: Sequence[str], where: str
) -> np.ndarray:
    """Which of the wanted drugs each record is of; -1 for one that no rule asks for."""
    import pandas as pd

    known = {
        name.lower(): drug
        for drug in sorted({*wanted, *own})
        for name in (drug, *DRUG_NAMES.get(drug, ()), *own.get(drug, ()))
    }
    number, texts = pd.factorize(read_codes(names).str.lower())
    found = [known.get(str(text), "") for text in texts]
    # A drug under a name that nobody stated would make another regimen of the patient's.
    near = {
        str(text): hint
        for text, drug in zip(texts, found, strict=True)
        if not drug and (hint := _resembles(str(text), known))
    }
    if near:
        drugs = {known[hint]: [t for t, h in near.items() if known[h] == known[hint]]
                 for hint in near.values()}  # fmt: skip
        likely = "; ".join(f"{drug}: [{name_values(those)}]" for drug, those in drugs.items())
        resembling = pd.Series(texts).isin(list(near)).to_numpy()
        raise InputError(
            wrong_cells(
                names,
                np.append(resembling, False)[number],
                where,
                "The name of a drug resembles a known one, but is not stated",
                "add the name under `names:` to the drug it means; to one that no arm names, if it "
                "is another drug",
                f"did you mean `{likely}`?",
                table_rows,
            )
        )
    places = [wanted.index(drug) if drug in wanted else -1 for drug in found]
    return np.array([*places, -1])[number]


def _positions(patients: pd.Series, others: pd.Series) -> np.ndarray:
    """The patient of each identifier, 0..n-1; -1 for a missing one or another's."""
    import pandas as pd

    together = pd.concat([read_codes(patients), read_codes(others)], ignore_index=True)
    number, distinct = pd.factorize(together)
    position = np.full(len(distinct) + 1, -1)
    own, theirs = number[: len(patients)], number[len(patients) :]
    position[own[own >= 0]] = np.flatnonzero(own >= 0)
    return position[theirs]


def _resembles(text: str, known: dict[str, str]) -> str:
    for name in known:
        # Short names and numbers stand inside too many others.
        if len(name) > 5 and not name.isdigit() and name in text:
            return name
    hint = did_you_mean(text, [name for name in known if len(name) > 5 and not name.isdigit()])
    return hint.split("'")[1] if hint and _close(text, hint.split("'")[1]) else ""


def _close(first: str, second: str) -> bool:
    from difflib import SequenceMatcher

    return SequenceMatcher(None, first, second).ratio() >= 0.85


def _days(table: pd.DataFrame, column: str, what: str, date_format: str) -> np.ndarray:
    # NaT is the smallest integer, which is NEVER.
    return read_dates(table, column, f"drug records, {what}", date_format).astype(np.int64)


def _numbers(table: pd.DataFrame, column: str) -> np.ndarray:
    import pandas as pd

    code, texts = pd.factorize(read_codes(table[column]))
    parsed = pd.to_numeric(pd.Series(texts, dtype="string"), errors="coerce")
    number = np.append(parsed.to_numpy(dtype=float, na_value=np.nan), np.nan)[code]
    wrong = (code >= 0) & ~(np.isfinite(number) & (number > 0))
    refuse(
        _told(table, wrong, column, "A dose is not a number above 0",
              "write the daily dose as a plain number")
    )  # fmt: skip
    return number


def _flags(table: pd.DataFrame, column: str) -> np.ndarray:
    import pandas as pd

    number, texts = pd.factorize(read_codes(table[column]).str.lower())
    value = {"0": 0, "false": 0, "1": 1, "true": 1}
    flags = np.array([*(value.get(str(text), -1) for text in texts), -1])[number]
    refuse(
        _told(table, flags < 0, column, "Whether a drug was given is not known",
              "write 1 where it was given and 0 where it was not")
    )  # fmt: skip
    return flags == 1


def _told(
    table: pd.DataFrame, wrong: np.ndarray, column: str, what: str, remedy: str
) -> list[Problem]:
    return wrong_cells(table[column], wrong, "drug records", what, remedy, rows=table_rows)
