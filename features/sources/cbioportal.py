"""cBioPortal's clinical files: patients, their samples, and where their clock starts."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from features.covariates import MissingWords
from features.errors import InputError, Problem, did_you_mean, name_some, refuse, wrong_names
from features.errors.wrong_cells import table_rows, wrong_cells
from features.sources.kind import Codes
from features.tables import UTF_8, Encoding, MissingList, as_utf8, read_bytes, read_delimited
from features.text.cells import words as words_of

PATIENT, SAMPLE = "PATIENT_ID", "SAMPLE_ID"
NOT_KNOWN = (
    "[Not Available]", "[Not Applicable]", "[Not Evaluated]", "[Unknown]", "[Discrepancy]",
    "[Completed]",
)  # fmt: skip
# What survival files held before codes were written in front of the words.
BARE_WORDS = {"LIVING": "0", "DECEASED": "1"}
# What stands behind a code, whole, and says itself whether it happened.
SAY_NO = (
    "living", "alive", "censored", "disease free", "progression free", "not progressed", "no event",
)  # fmt: skip
SAY_YES = (
    "recurred progressed", "recurred", "progressed", "progression", "relapse", "relapsed", "event",
)  # fmt: skip
# Death is censored in endpoints of relapse alone; of OS it is the event.
SAY_DEAD = ("deceased", "dead", "died", "death")


class CbioportalSource(BaseModel):
    """Clinical files of a cBioPortal study.

    OS_MONTHS runs from diagnosis. One of `start_offset_column` and `origin` must therefore be
    stated.

    Attributes
    ----------
    patients : str
        data_clinical_patient.txt
    samples : str, optional
        data_clinical_sample.txt
    several_samples : {'error', 'first'}
        What to do with a patient of several samples: refuse, or keep the first in the file.
    start_offset_column : str, optional
        Months from diagnosis to the index date (first venetoclax dose): patients are at risk from
        there on (delayed entry).
    origin : {'index'}, optional
        States that the months of this study do run from the index date.
    status_by : {'codes', 'words'}, optional
        Which holds where a status says `1:LIVING` or `0:DECEASED`. None: that is refused.
    encoding : str
        Of the files; cBioPortal's own are UTF-8.
    missing : tuple of str
        Further words that mean missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["cbioportal"] = "cbioportal"
    patients: str
    samples: str | None = None
    several_samples: Literal["error", "first"] = "error"
    start_offset_column: str | None = None
    origin: Literal["index"] | None = None
    status_by: Literal["codes", "words"] | None = None
    encoding: Encoding = UTF_8
    missing: MissingList = ()

    @property
    def name(self) -> str:
        """The study's folder: the files of every study have the same names."""
        return Path(self.patients).parent.name or Path(self.patients).stem

    def read(
        self, folder: Path, codes: Codes = None, used: Collection[str] | None = None
    ) -> pd.DataFrame:
        """One row a patient: see `read_cbioportal`."""
        return read_cbioportal(self, folder, codes)


def read_cbioportal(source: CbioportalSource, folder: Path, codes: Codes = None) -> pd.DataFrame:
    """Read clinical files into one row a patient.

    Samples are joined on PATIENT_ID; a patient without a sample has missing cells there. Each
    column X_STATUS beside X_MONTHS keeps the code in front of its colon alone: '1:DECEASED'
    becomes '1'. Months stay as they are.

    Parameters
    ----------
    source : CbioportalSource
    folder : Path
        Where relative paths start.
    codes : mapping of column -> words, optional
        As for every source.

    Returns
    -------
    DataFrame of shape (n_patients, n_attributes)
        Text cells. `attrs['time_origin']` is 'diagnosis' or 'index';
        `attrs['start_offset_column']` names the delayed entry, in months, if there is one.

    Raises
    ------
    InputError
        When the clock's start is not stated, an offset is impossible, a file is not a clinical
        file, samples are ambiguous, or a status has no code or one that its words
        contradict.
    """
    _check_start(source)
    where = str(folder / source.patients)
    words = MissingWords(source.missing, codes or {})
    words.check()
    table = _read_clinical(folder / source.patients, source.encoding, words)
    _check_once(table[PATIENT], where)
    if source.samples:
        table = _with_samples(table, source, folder, words)
    table = _split_status(table, where, source.status_by)
    table.attrs["time_origin"] = source.origin or "diagnosis"
    if source.start_offset_column:
        _check_offset(table, source.start_offset_column, where)
        table.attrs["start_offset_column"] = source.start_offset_column
    return table


def _check_start(source: CbioportalSource) -> None:
    if (source.start_offset_column is None) == (source.origin is None):
        raise InputError(
            Problem(
                what="OS_MONTHS runs from diagnosis: as time from venetoclax it carries immortal "
                "time",
                where=source.patients,
                got="neither start_offset_column nor origin"
                if source.origin is None
                else "both start_offset_column and origin",
                allowed="start_offset_column: a column of months from diagnosis to the first "
                "venetoclax dose; or origin: index",
                remedy="state one. Patients cannot die before the drug they lived to receive: "
                "with an offset they count as at risk from that dose on (delayed entry); state "
                "`origin: index` only if the study's months do run from it",
            )
        )


def _read_clinical(path: Path, encoding: str, words: MissingWords) -> pd.DataFrame:
    where = str(path)
    data = as_utf8(read_bytes(path, "a cBioPortal clinical file"), where, encoding)
    comments = re.match(rb"(?:#[^\r\n]*(?:\r\n|\r|\n))*", data)
    assert comments is not None  # the pattern matches nothing, too
    body = data[comments.end() :]
    table = read_delimited(body, where, separator="\t", quotes=False, words=words)
    count = len(comments.group().splitlines())
    if count != 4 or PATIENT not in table.columns:
        raise InputError(
            Problem(
                what="Not a cBioPortal clinical file",
                where=where,
                got=f"{count} lines that begin with #; columns {name_some(table.columns, 4)}",
                allowed="4 lines that begin with # (name, description, datatype, priority), then "
                f"a tab-separated header with {PATIENT}",
                remedy="give data_clinical_patient.txt or data_clinical_sample.txt of the study's "
                "download, not a table exported from its web page",
            )
        )
    refuse(
        wrong_cells(
            table[PATIENT],
            table[PATIENT].isna(),
            where,
            f"Rows have no {PATIENT}",
            "download the file again",
            rows=table_rows,
        )
    )
    return table.mask(table.isin(NOT_KNOWN))


def _check_once(patients: pd.Series, where: str) -> None:
    twice = patients.duplicated()
    if twice.any():
        raise InputError(
            Problem(
                what="A patient stands in several rows",
                where=f"{where}, column {PATIENT}, {table_rows(patients, twice)}",
                got=f"{patients[twice].nunique()} patient(s)",
                remedy="keep one row a patient in the patient file",
            )
        )


def _with_samples(
    table: pd.DataFrame, source: CbioportalSource, folder: Path, words: MissingWords
) -> pd.DataFrame:
    path = folder / str(source.samples)
    samples = _read_clinical(path, source.encoding, words)
    several = samples[PATIENT].duplicated(keep=False)
    unknown = ~samples[PATIENT].isin(table[PATIENT])
    both = [name for name in samples.columns if name in table.columns and name != PATIENT]
    problems = []
    if several.any() and source.several_samples == "error":
        problems.append(
            Problem(
                what="Patients have several samples",
                where=f"{path}, {table_rows(samples, several)}",
                got=f"{samples.loc[several, PATIENT].nunique()} patient(s)",
                allowed="one sample a patient",
                remedy="state `several_samples: first`, or keep the sample taken before "
                "venetoclax in the file",
            )
        )
    if unknown.any():
        problems.append(
            Problem(
                what="Samples belong to no patient of the patient file",
                where=f"{path}, {table_rows(samples, unknown)}",
                remedy="give both files of the same study",
            )
        )
    what = "A column stands in both files"
    refuse([*problems, *wrong_names(both, what, str(path), "rename or remove it in one of them")])
    return table.merge(samples.drop_duplicates(PATIENT), on=PATIENT, how="left")


def _split_status(
    table: pd.DataFrame, where: str, status_by: Literal["codes", "words"] | None
) -> pd.DataFrame:
    codes: dict[str, pd.Series] = {}
    problems: list[Problem] = []
    for name in table.columns:
        if not (name.endswith("_STATUS") and f"{name.removesuffix('_STATUS')}_MONTHS" in table):
            continue
        values = table[name]
        code = values.str.extract(r"^([01]):", expand=False)
        code = code.fillna(values.map(BARE_WORDS)).astype(values.dtype)
        problems += wrong_cells(
            values,
            values.notna() & code.isna(),
            where,
            "A status has no code",
            "write the code and a colon in front, or state a word that means unknown under "
            "`missing:`",
            "0:word for censored, 1:word for the event, LIVING, DECEASED",
        )
        said = values.map({text: _says(name, text) for text in values.dropna().unique()})
        against = (said.notna() & code.notna() & (said != code)).to_numpy(dtype=bool)
        if status_by is None:
            problems += wrong_cells(
                values,
                against,
                where,
                "The words of a status contradict its code",
                "ask the source which is right, and state `status_by: words` under `source` where "
                "the words are, or `status_by: codes` where the codes are",
                "0 for living and censored, 1 for deceased and the event",
            )
        codes[name] = code.mask(against, said) if status_by == "words" else code
    if problems:
        raise InputError(problems)
    return table.assign(**codes)


def _says(name: str, status: str) -> str | None:
    """The code that the words of a status stand for; None where they do not tell."""
    said = " ".join(words_of(status.partition(":")[2]))
    if said in SAY_NO:
        return "0"
    happened = said in SAY_YES or (name == "OS_STATUS" and said in SAY_DEAD)
    return "1" if happened else None


def _check_offset(table: pd.DataFrame, column: str, where: str) -> None:
    if column not in table.columns:
        raise InputError(
            Problem(
                what="The table has no such column",
                where=f"{where}, start_offset_column",
                got=column,
                allowed=name_some(table.columns),
                remedy=did_you_mean(column, table.columns)
                + "add months from diagnosis to the index date as a column",
            )
        )
    offset = pd.to_numeric(table[column], errors="coerce")
    pairs = [n for n in table.columns if n.endswith("_MONTHS") and n[:-7] + "_STATUS" in table]
    wrong = {"not months, 0 or more": table[column].notna() & ~(offset >= 0)}
    wrong |= {f"after {n}": offset > pd.to_numeric(table[n], errors="coerce") for n in pairs}
    refuse(
        problem
        for how, rows in wrong.items()
        for problem in wrong_cells(
            table[column],
            rows,
            where,
            f"A start offset is impossible: {how}",
            "correct the months, or the end of follow-up, in the clinical files",
            "months from diagnosis to the index date, no later than the end of follow-up",
        )
    )
