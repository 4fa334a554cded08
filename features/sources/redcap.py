"""REDCap: a flat export and its data dictionary into one row a patient, by stated rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from features.covariates import ONLY_EMPTY, MissingWords, merged
from features.errors import InputError, Problem, did_you_mean, name_some, refuse
from features.errors.wrong_cells import table_rows, wrong_cells
from features.sources.kind import Codes
from features.sources.redcap_dictionary import (
    REDCAP_FILE,
    RedcapColumn,
    plain_label,
    read_redcap_dictionary,
)
from features.sources.redcap_instances import (
    EVENT,
    GROUP,
    INSTANCE,
    INSTRUMENT,
    collapsed,
    finished,
    instrument_and_event,
    one_instance,
)
from features.tables import (
    UTF_8,
    Encoding,
    MissingList,
    Separator,
    as_utf8,
    check_names,
    check_table,
    read_bytes,
    read_delimited,
    with_decimal_points,
)

HOUSEKEEPING_LABELS = {
    "Event Name": EVENT,
    "Repeat Instrument": INSTRUMENT,
    "Repeat Instance": INSTANCE,
    "Data Access Group": GROUP,
    "Survey Identifier": "redcap_survey_identifier",
}
CHECKED = ("1", "Checked")
# Status of a form: unverified and complete; incomplete is also what nobody opened.
FILLED = ("1", "2", "Unverified", "Complete")


class RedcapSource(BaseModel):
    """A REDCap project as two CSV files, and how its rows become one a patient.

    Attributes
    ----------
    export, dictionary : str
        The flat export and the data dictionary ('Download the current Data Dictionary').
    labels : bool, optional
        Whether the export holds labels instead of codes. Left out: recognised from its values.
    values : {'codes', 'labels'}
        What coded fields (radio, dropdown, yes-no) hold in the table. Checkboxes are always 0/1.
    repeats : mapping of repeating instrument, or repeating event -> {'first', 'last', 'error'}
        Which instance to keep; 'error', also for those not listed, allows one a patient.
    events : mapping of instrument -> event
        The event (as the export writes it) that an instrument is read from; other events of that
        instrument are left out.
    missing_codes : sequence of str
        The project's missing-data codes, such as -999 or UNK.
    separator, decimal, encoding
        Of the export, as for every `TableFormat`. REDCap's own settings offer them; the data
        dictionary is always comma-separated UTF-8.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["redcap"] = "redcap"
    export: str
    dictionary: str
    labels: bool | None = None
    values: Literal["codes", "labels"] = "codes"
    repeats: dict[str, Literal["first", "last", "error"]] = {}
    events: dict[str, str] = {}
    missing_codes: MissingList = ()
    separator: Separator = ""
    decimal: Literal[".", ","] = "."
    encoding: Encoding = UTF_8

    @property
    def name(self) -> str:
        """The export's name."""
        return Path(self.export).stem

    def read(
        self, folder: Path, codes: Codes = None, used: Collection[str] | None = None
    ) -> pd.DataFrame:
        """One row a patient: see `read_redcap`."""
        return read_redcap(self, folder, codes, used)


def read_redcap(
    source: RedcapSource,
    folder: Path,
    codes: Codes = None,
    used: Collection[str] | None = None,
) -> pd.DataFrame:
    """Read a flat export and collapse it to one row a patient.

    The rules, in this order:

    1. Fields flagged as identifiers are dropped, except the record id. Label headers and label
        values are turned back into field names and codes; missing-data codes are missing.
    2. Of a repeating instrument or event the first or last instance is kept, whole, as `repeats`
        says: by event in the export's order, then by instance number.
    3. An instrument listed in `events` is read from that event alone.
    4. A field takes its only value over the patient's rows; different values are an error.
    5. REDCap exports a checkbox of a form that nobody filled as 0: there it is missing, not no. A
        form is unfilled where nothing on it is entered and its status is empty or incomplete. A
        checkbox is 1 when checked on any row, otherwise 0 when unchecked on any filled form.
    6. A rule is asked for only where a field that is used needs one; an unused field that would
        need a rule, or that holds what is no choice of it, is left out.
    7. The data access group becomes the column `center` (`data_access_group` when a field is
        called center); other `redcap_*`, `<form>_complete` and `<form>_timestamp` are dropped.

    Parameters
    ----------
    source : RedcapSource
    folder : Path
        Where relative paths start.
    codes : mapping of column -> words, optional
        As for every source; the choices of the data dictionary are codes,
        too.
    used : collection of str, optional
        The fields that are used; all of them if left out.

    Returns
    -------
    DataFrame of shape (n_patients, n_fields)
        Text cells, in the order in which patients first appear. `attrs['choices']` maps fields to
        their codes and labels, `attrs['titles']` to what the form asks.

    Raises
    ------
    InputError
        When a column is not in the dictionary, a value is not among a field's choices, or a rule
        above is broken.
    """
    where = str(folder / source.export)
    columns = read_redcap_dictionary(folder / source.dictionary)
    words = _missing_words(source, columns, codes or {})
    data = as_utf8(read_bytes(folder / source.export, REDCAP_FILE), where, source.encoding)
    # Which cells are missing is known when the columns have the names of their fields.
    table = read_delimited(data, where, source.separator, unique_names=False, words=ONLY_EMPTY)
    table, complete = _named(table, columns, where)
    table = words.mask(table)
    if source.decimal == ",":
        table = with_decimal_points(table, where, words)
    record = next(iter(columns))
    _check_record(table, record, where)
    _check_choices_of_rules(source, columns, table, where)
    # While the names and record numbers of a form still tell that it was filled.
    unfilled = _unfilled(table, columns, complete, record)
    # First of all, so that no identifier can stand in a message.
    hidden = [c.name for c in columns.values() if c.identifier and c.name != record]
    table = table.drop(columns=hidden, errors="ignore")
    present = [column for column in columns.values() if column.name in table.columns]
    fields = [column.name for column in present if column.name != record]
    table[fields] = table[fields].mask(table[fields].isin(source.missing_codes))
    needed = {column.name for column in present if used is None or column.name in used}
    table, present = _coded(table, present, source.labels, where, needed)
    table = table.mask(unfilled.reindex(columns=table.columns, fill_value=False))
    table = one_instance(_without_unused(table, record, source.repeats, present, needed),
                          record, source.repeats, where)  # fmt: skip
    for form, event in source.events.items():
        its_fields = [c.name for c in present if c.form == form and c.name != record]
        table.loc[table[EVENT] != event, its_fields] = None
    table = collapsed(table, record, present, where, needed)
    table = check_table(finished(table, record, present, source.values), where)
    table.attrs["choices"] = {
        c.name: dict(c.choices) for c in present if c.kind in ("radio", "dropdown")
    }
    table.attrs["titles"] = {c.name: c.label for c in present}
    return table


def _missing_words(
    source: RedcapSource,
    columns: Mapping[str, RedcapColumn],
    codes: Mapping[str, frozenset[str]],
) -> MissingWords:
    MissingWords(source.missing_codes, codes).check()
    choices = {c.name: {*c.choices, *c.choices.values()} for c in columns.values() if c.choices}
    return MissingWords(codes=merged([codes, choices]))


def _named(
    table: pd.DataFrame, columns: Mapping[str, RedcapColumn], where: str
) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    """Name the columns by field, from names or labels; the status of each form, apart.

    The header holds names or labels throughout: a label may read like another field's name.
    Timestamps are dropped.
    """
    forms = {column.form for column in columns.values()}
    status = {"Complete?", "Survey Timestamp"}
    status |= {form + end for form in forms for end in ("_complete", "_timestamp")}
    header = [plain_label(str(name)) for name in table.columns]
    keep = [i for i, name in enumerate(header) if name not in status]
    names = [HOUSEKEEPING_LABELS.get(header[i], header[i]) for i in keep]
    fields = [name for name in names if not name.startswith("redcap_")]
    by_name = {name: [name] * fields.count(name) for name in fields if name in columns}
    by_label = _by_label(fields, columns)
    found = max(by_name, by_label, key=lambda known: sum(name in known for name in fields))
    unknown = [name for name in fields if name not in found]
    if unknown:
        raise InputError(
            Problem(
                what="A column of the export is not in the data dictionary",
                where=f"{where}, first line",
                got=name_some(dict.fromkeys(unknown)),
                remedy=did_you_mean(unknown[0], columns)
                + "download dictionary and export on the same day; of fields with the same label, "
                "export all, or export raw headers",
            )
        )
    following = {name: iter(same) for name, same in found.items()}
    names = [next(following[name]) if name in following else name for name in names]
    check_names(names, f"{where}, first line")
    complete: dict[str, pd.Series] = {}
    for place, shown in enumerate(header):
        before = [name for i, name in zip(keep, names, strict=True) if i < place]
        form = shown.removesuffix("_complete") if shown.endswith("_complete") else ""
        # In an export with labels the status of a form follows its fields, without its name.
        if shown == "Complete?" and before and before[-1] in columns:
            form = columns[before[-1]].form
        if form in forms and place not in keep:
            complete[form] = table.iloc[:, place]
    return table.iloc[:, keep].set_axis(names, axis=1), complete


def _unfilled(
    table: pd.DataFrame,
    columns: Mapping[str, RedcapColumn],
    complete: Mapping[str, pd.Series],
    record: str,
) -> pd.DataFrame:
    """True at the checkboxes of forms that nobody filled, row by row."""
    present = [c for c in columns.values() if c.name in table.columns and c.name != record]
    found = pd.DataFrame(False, index=table.index, columns=table.columns)
    for form in {column.form for column in present if column.kind == "checkbox"}:
        its = [c for c in present if c.form == form]
        boxes = [c.name for c in its if c.kind == "checkbox"]
        # A calculation is there whether or not anybody entered something.
        entered = [c.name for c in its if c.kind not in ("checkbox", "calc")]
        touched = table[entered].notna().any(axis=1)
        touched |= table[boxes].isin([*CHECKED]).any(axis=1)
        if form in complete:
            touched |= complete[form].isin([*FILLED])
        found.loc[~touched, boxes] = True
    return found


def _by_label(labels: Iterable[str], columns: Mapping[str, RedcapColumn]) -> dict[str, list[str]]:
    """Fields of each label; several fields share one only where the export holds all of them."""
    counts = Counter(labels)
    found: dict[str, list[str]] = {}
    for column in columns.values():
        if column.label in counts:
            found.setdefault(column.label, []).append(column.name)
    return {label: fields for label, fields in found.items() if len(fields) == counts[label]}


def _check_record(table: pd.DataFrame, record: str, where: str) -> None:
    if record not in table.columns:
        raise InputError(
            Problem(
                what="The export lacks the record id",
                where=f"{where}, first line",
                got=name_some(table.columns, 6),
                allowed=f"{record}, the first field of the data dictionary",
                remedy="export it too; rows cannot be put together without it",
            )
        )
    refuse(
        wrong_cells(
            table[record],
            table[record].isna(),
            where,
            "Rows have no record id",
            "export again, without editing the file",
            rows=table_rows,
        )
    )


def _check_choices_of_rules(
    source: RedcapSource, columns: Mapping[str, RedcapColumn], table: pd.DataFrame, where: str
) -> None:
    """Raise where `repeats` or `events` names something that is not there."""
    forms = list(dict.fromkeys(column.form for column in columns.values()))
    events = list(table[EVENT].dropna().unique()) if EVENT in table else []
    checks = [("repeats", name, [*forms, *events]) for name in source.repeats]
    checks += [("events", name, forms) for name in source.events]
    checks += [(f"events: {form}", event, events) for form, event in source.events.items()]
    problems = [
        Problem(
            what="No such instrument or event",
            where=f"{where}, {key}",
            got=name,
            allowed=name_some(known) or "the export has no events",
            remedy=did_you_mean(name, known) + "correct the name in the configuration",
        )
        for key, name, known in checks
        if name not in known
    ]
    if problems:
        raise InputError(problems)


def _coded(
    table: pd.DataFrame,
    present: list[RedcapColumn],
    labels: bool | None,
    where: str,
    needed: Collection[str],
) -> tuple[pd.DataFrame, list[RedcapColumn]]:
    """Bring every coded field to its codes; raise where a value is no choice of its field.

    A field that nobody needs is left out instead.
    """
    coded = [column for column in present if column.choices]
    holds_labels = _holds_labels(table, coded, where) if labels is None else labels
    problems: list[Problem] = []
    codes: dict[str, pd.Series] = {}
    unread: set[str] = set()
    for column in coded:
        values = table[column.name]
        by_label = Counter(column.choices.values())
        allowed = (
            [label for label, count in by_label.items() if count == 1]
            if holds_labels
            else list(column.choices)
        )
        wrong = values.notna() & ~values.isin(allowed)
        if wrong.any() and column.name not in needed:
            unread.add(column.name)
        elif wrong.any():
            problems += _no_choice(column, values, wrong, allowed, holds_labels, where)
        elif holds_labels:
            back = {label: code for code, label in column.choices.items()}
            codes[column.name] = values.map(back).astype(values.dtype)
    if problems:
        raise InputError(problems)
    read = [column for column in present if column.name not in unread]
    return table.assign(**codes).drop(columns=list(unread)), read


def _holds_labels(table: pd.DataFrame, coded: list[RedcapColumn], where: str) -> bool:
    """Whether the export holds labels: decided for all fields together, never one by one."""
    values = {column.name: table[column.name].dropna() for column in coded}
    raw = [bool(values[c.name].isin(list(c.choices)).all()) for c in coded]
    label = [bool(values[c.name].isin(list(c.choices.values())).all()) for c in coded]
    if not all(raw) or not all(label):
        return sum(label) > sum(raw)
    unclear = [c.name for c in coded if any(c.choices[v] != v for v in values[c.name].unique())]
    if unclear:
        raise InputError(
            Problem(
                what="The export may hold codes or labels",
                where=where,
                got=f"both fit, with different meanings: {name_some(unclear, 5)}",
                remedy="state `labels: true` or `labels: false`",
            )
        )
    return False


def _no_choice(
    column: RedcapColumn,
    values: pd.Series,
    wrong: pd.Series,
    allowed: list[str],
    labels: bool,
    where: str,
) -> list[Problem]:
    return wrong_cells(
        values,
        wrong,
        f"field {column.name}, {where}",
        "A value is not among the choices of its field",
        f"the export was read as {'labels' if labels else 'codes'}: state `labels:` if that "
        "is wrong, list a missing-data code under `missing_codes:`, or download the dictionary "
        "again (a label that two choices share cannot be turned back: export raw data)",
        name_some(allowed),
        table_rows,
    )


def _without_unused(
    table: pd.DataFrame,
    record: str,
    repeats: Mapping[str, str],
    present: list[RedcapColumn],
    needed: Collection[str],
) -> pd.DataFrame:
    """Leave out the instances, without a rule, in which nothing that is needed was entered."""
    if INSTANCE not in table.columns:
        return table
    unit, event = instrument_and_event(table)
    ruled = unit.where(unit != "", event).isin(repeats)
    fields = [c.name for c in present if c.name in needed and c.name != record]
    unused = table[INSTANCE].notna() & ~ruled & table[fields].isna().all(axis=1)
    # A patient all of whose rows are of that kind still is a patient.
    last = unused.groupby(table[record]).transform("all") & ~table[record].duplicated()
    return table[~unused | last]
