"""Which instance, and which event, of a REDCap instrument a patient's row is made from."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from features.errors import Problem, refuse
from features.errors.wrong_cells import table_rows, wrong_cells
from features.sources.redcap_dictionary import (
    RedcapColumn,
)

EVENT, INSTRUMENT, INSTANCE, GROUP = (
    "redcap_event_name",
    "redcap_repeat_instrument",
    "redcap_repeat_instance",
    "redcap_data_access_group",
)


def one_instance(
    table: pd.DataFrame, record: str, repeats: Mapping[str, str], where: str
) -> pd.DataFrame:
    """Keep one instance of every repeating instrument or event a patient."""
    if INSTANCE not in table.columns:
        return table
    number = pd.to_numeric(table[INSTANCE], errors="coerce")
    refuse(
        wrong_cells(
            table[INSTANCE],
            table[INSTANCE].notna() & number.isna(),
            where,
            "A repeat instance is not a number",
            "export again, without editing the file",
            rows=table_rows,
        )
    )
    unit, event = instrument_and_event(table)
    # Without an instrument, the event as a whole repeats.
    unit = unit.mask((unit == "") & number.notna(), event)
    position = pd.Series(range(len(table)), index=table.index)
    order = pd.DataFrame({
        "record": table[record], "unit": unit, "instance": number,
        "event": position.groupby([table[record], event.fillna("")]).transform("min"),
    }).sort_values(["event", "instance"], kind="stable")  # fmt: skip
    repeated = order[order["unit"] != ""]
    rules = repeated["unit"].map(lambda name: repeats.get(name, "error"))
    first = repeated[rules == "first"].drop_duplicates(["record", "unit"], keep="first")
    last = repeated[rules == "last"].drop_duplicates(["record", "unit"], keep="last")
    single = repeated[rules == "error"]
    _check_single(single, where)
    kept = order.index[order["unit"] == ""].union(single.index)
    return table.loc[kept.union(first.index).union(last.index).sort_values()].copy()


def instrument_and_event(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The repeating instrument of each row, empty where there is none, and its event."""
    none = pd.Series("", index=table.index)
    unit = _form_name(table.get(INSTRUMENT, none)).fillna("").astype(object)
    return unit, table.get(EVENT, none)


def _form_name(names: pd.Series) -> pd.Series:
    # A label export writes 'Adverse events' for the instrument adverse_events.
    return names.str.strip().str.lower().str.replace(r"[^a-z0-9]+", "_", regex=True).str.strip("_")


def _check_single(rows: pd.DataFrame, where: str) -> None:
    several = rows[rows.duplicated(["record", "unit"], keep=False)]
    refuse(
        Problem(
            what="Patients have several instances of a repeating instrument or event",
            where=f"{name}, {where}, {table_rows(its, np.ones(len(its), dtype=bool))}",
            got=f"{its['record'].nunique()} patient(s)",
            allowed="first, last",
            remedy=f"state `repeats: {{{name}: first}}` or last, or export one instance",
        )
        for name, its in several.groupby("unit")
    )


def collapsed(
    table: pd.DataFrame,
    record: str,
    present: list[RedcapColumn],
    where: str,
    needed: Collection[str],
) -> pd.DataFrame:
    """One row a patient: the only value of a field; a checkbox is checked if it ever was."""
    boxes = [c.name for c in present if c.kind == "checkbox"]
    fields = [c.name for c in present if c.kind != "checkbox" and c.name != record]
    fields += [GROUP] if GROUP in table.columns else []
    groups = table.groupby(record, sort=False)
    conflicts = {name: _several_values(table, record, name) for name in fields}
    refuse(
        problem
        for name, several in conflicts.items()
        if name in needed or name == GROUP
        for problem in wrong_cells(
            table[name],
            several,
            f"field {name}, {where}, {table.loc[several, record].nunique()} patient(s)",
            "A field has different values on several rows of a patient",
            "name the event to read its instrument from under `events:` (instrument: event), or "
            "export that event alone",
            rows=table_rows,
        )
    )
    fields = [name for name in fields if not conflicts[name].any() or name == GROUP]
    one = groups[fields].first() if fields else pd.DataFrame(index=groups.size().index)
    if boxes:
        checked = table[boxes].apply(pd.to_numeric).groupby(table[record], sort=False).max()
        one = one.join(checked.astype("Int64").astype("string").astype(table[record].dtype))
    order = [c.name for c in present if c.name in one]
    return one[[*order, *([GROUP] if GROUP in one else [])]].rename_axis(record).reset_index()


def _several_values(table: pd.DataFrame, record: str, name: str) -> pd.Series:
    """True at the values of a field in patients who have different ones."""
    pairs = table[[record, name]].dropna().drop_duplicates()
    patients = pairs.loc[pairs[record].duplicated(), record]
    return table[name].notna() & table[record].isin(patients)


def finished(
    table: pd.DataFrame, record: str, present: list[RedcapColumn], values: str
) -> pd.DataFrame:
    """The table with codes, or labels where `values` asks for them."""
    if values == "labels":
        labelled = [c for c in present if c.choices and c.kind != "checkbox"]
        table = table.assign(**{
            c.name: table[c.name].map(dict(c.choices)).astype(table[c.name].dtype)
            for c in labelled
        })  # fmt: skip
    center = "data_access_group" if "center" in table.columns else "center"
    return table.rename(columns={GROUP: center})
