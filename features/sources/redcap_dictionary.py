"""REDCap's data dictionary: the columns of a flat export and what their codes mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from features.errors import InputError, Problem, name_some
from features.tables import read_bytes, read_delimited

REDCAP_FILE = "REDCap's CSV file"
# Header of the data dictionary as the browser downloads it -> as the API gives it.
DICTIONARY_HEADER = {
    "Variable / Field Name": "field_name",
    "Form Name": "form_name",
    "Field Type": "field_type",
    "Field Label": "field_label",
    "Choices, Calculations, OR Slider Labels": "select_choices_or_calculations",
    "Identifier?": "identifier",
}
FIXED_CHOICES = {
    "yesno": {"1": "Yes", "0": "No"},
    "truefalse": {"1": "True", "0": "False"},
    "checkbox": {"1": "Checked", "0": "Unchecked"},
}


@dataclass(frozen=True)
class RedcapColumn:
    """One column of the export, as the dictionary defines it."""

    name: str
    form: str
    kind: str
    label: str
    choices: Mapping[str, str]
    identifier: bool


def read_redcap_dictionary(path: Path) -> dict[str, RedcapColumn]:
    """Read a data dictionary.

    Returns
    -------
    mapping of column name in a flat export -> RedcapColumn
        In the dictionary's order; the first is the record id. A checkbox gives one column a
        choice, `field___code`.

    Raises
    ------
    InputError
        When a needed header is absent or a choice cannot be read.
    """
    table = read_delimited(read_bytes(path, REDCAP_FILE), str(path)).rename(
        columns=DICTIONARY_HEADER
    )
    lacking = [
        shown for shown, name in DICTIONARY_HEADER.items() if name not in table.columns
    ]  # fmt: skip
    if lacking:
        raise InputError(
            Problem(
                what="Not a REDCap data dictionary",
                where=f"{path}, first line",
                got=f"no column {name_some(lacking)}",
                remedy="in REDCap: Project Setup, Data Dictionary, 'Download the current'",
            )
        )
    fields = table[list(DICTIONARY_HEADER.values())].fillna("").to_dict("records")
    return {c.name: c for field in fields for c in _columns_of_field(field, str(path))}


def _columns_of_field(field: Mapping[str, str], where: str) -> list[RedcapColumn]:
    kind, name = field["field_type"].strip().lower(), field["field_name"].strip()
    label, form = plain_label(field["field_label"]), field["form_name"].strip()
    flagged = field["identifier"].strip().lower() == "y"
    if kind == "descriptive":
        return []
    if kind not in ("radio", "dropdown", "checkbox"):
        return [RedcapColumn(name, form, kind, label, FIXED_CHOICES.get(kind, {}), flagged)]
    choices = _choices(field["select_choices_or_calculations"], f"{where}, field {name}")
    if kind != "checkbox":
        return [RedcapColumn(name, form, kind, label, choices, flagged)]
    return [
        RedcapColumn(f"{name}___{re.sub(r'[^a-z0-9_]', '_', code.lower())}", form, kind,
                     f"{label} (choice={text})", FIXED_CHOICES["checkbox"], flagged)
        for code, text in choices.items()
    ]  # fmt: skip


def _choices(text: str, where: str) -> dict[str, str]:
    parts = [part.partition(",") for part in text.split("|") if part.strip()]
    if not parts or not all(comma and code.strip() for code, comma, _ in parts):
        raise InputError(
            Problem(
                what="The choices of a field cannot be read",
                where=where,
                got=text[:60],
                allowed="code, label | code, label",
                remedy="download the data dictionary again",
            )
        )
    return {code.strip(): plain_label(label) for code, _, label in parts}


def plain_label(label: str) -> str:
    """A label without its markup."""
    # A label export writes labels without the HTML that the dictionary keeps.
    return " ".join(re.sub(r"</?[a-zA-Z][^>]*>", "", label).split())
