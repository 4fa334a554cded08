"""Write the broken tables beside this file, each from clean.csv with one thing wrong.

python tests/broken_tables/make_broken_tables.py [FOLDER]

expected.yaml says of every table what is wrong and what must be told.
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
Table = list[list[str]]
DATES = ("start_date", "death_date", "remission_date", "relapse_date")


def read_clean() -> Table:
    """Read the header and rows of clean.csv."""
    with (HERE / "clean.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


# -- changes: each takes a table and returns a changed copy --------------------------------------


def put(table: Table, column: str, cells: dict[int, str]) -> Table:
    """Write cells of one column; the first patient is row 1."""
    return change(table, column, lambda row, cell: cells.get(row, cell))


def change(table: Table, column: str, new: Callable[[int, str], str]) -> Table:
    """Rewrite one column by row and cell."""
    at = table[0].index(column)
    rows = [
        [*row[:at], new(number, row[at]), *row[at + 1 :]]
        for number, row in enumerate(table[1:], start=1)
    ]
    return [table[0], *rows]


def scale(table: Table, column: str, factor: float, rows: tuple[int, ...] = ()) -> Table:
    """Multiply the known cells of a column, in all rows or in some."""

    def scaled(row: int, cell: str) -> str:
        return f"{float(cell) * factor:.4g}" if cell and (not rows or row in rows) else cell

    return change(table, column, scaled)


def rename(table: Table, names: dict[str, str]) -> Table:
    """Rename columns."""
    return [[names.get(name, name) for name in table[0]], *table[1:]]


def add(table: Table, name: str, cells: list[str]) -> Table:
    """Add a column at the end."""
    return [[*row, cell] for row, cell in zip(table, [name, *cells], strict=True)]


def column(table: Table, name: str) -> list[str]:
    """Cells of one column."""
    at = table[0].index(name)
    return [row[at] for row in table[1:]]


def padded(cells: list[str], table: Table) -> list[str]:
    """Make a line of some cells as long as the table is wide."""
    return [*cells, *[""] * (len(table[0]) - len(cells))]


# -- file formats --------------------------------------------------------------------------------


def text(table: Table, separator: str = ",", encoding: str = "utf-8", end: str = "\n") -> bytes:
    """Write a table as delimited text."""
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator=end).writerows(table)
    return out.getvalue().encode(encoding)


def typed(name: str, cell: str) -> object:
    """Read a cell as Excel holds it: numbers and dates as such."""
    if not cell:
        return None
    if name in DATES and re.fullmatch(r"\d{4}-\d\d-\d\d", cell):
        return datetime.date.fromisoformat(cell)
    return float(cell) if "." in cell else int(cell) if cell.isdigit() else cell


def sheet(table: Table) -> list[list[object]]:
    """Cells of a table as Excel holds them."""
    rows = [[typed(name, cell) for name, cell in zip(table[0], row)] for row in table[1:]]  # noqa: B905
    return [list(table[0]), *rows]


def workbook(
    sheets: dict[str, list[list[object]]], merged: str = "", errors: dict[str, str] | None = None
) -> bytes:
    """Write a workbook whose bytes depend on its cells alone."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        page = book.create_sheet(title)
        for row in rows:
            page.append(row)
        for place, error in (errors or {}).items():
            page[place].value, page[place].data_type = error, "e"
        if merged:
            page.merge_cells(merged)
    written = io.BytesIO()
    book.save(written)
    out = io.BytesIO()
    with zipfile.ZipFile(written) as given, zipfile.ZipFile(out, "w") as stable:
        for name in given.namelist():
            content = given.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT[\d:]+Z", b"2024-07-01T00:00:00Z", content)
            part = zipfile.ZipInfo(name, (2024, 7, 1, 0, 0, 0))
            stable.writestr(part, content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def parquet(table: Table, types: dict[str, str]) -> bytes:
    """Write a Parquet file; columns not named in `types` are text."""
    import pandas as pd

    frame = pd.DataFrame(table[1:], columns=table[0]).astype(object)
    frame = frame.mask(frame == "", None)
    for name, kind in types.items():
        frame[name] = (
            pd.to_datetime(frame[name])
            if kind == "date"
            else pd.to_numeric(frame[name]).astype(kind)
        )
    out = io.BytesIO()
    frame.to_parquet(out, index=False)
    return out.getvalue()


def records(table: Table) -> list[dict[str, object]]:
    """Rows as JSON objects."""
    return [
        {n: (None if c == "" else json_cell(c)) for n, c in zip(table[0], row, strict=True)}
        for row in table[1:]
    ]


def json_cell(cell: str) -> object:
    """Read a cell as JSON would hold it."""
    return float(cell) if "." in cell else int(cell) if cell.isdigit() else cell


def jsons(rows: object) -> bytes:
    """Write JSON, a record a line."""
    return json.dumps(rows, ensure_ascii=False, indent=0).encode()


# -- the tables ----------------------------------------------------------------------------------


def intact(clean: Table) -> dict[str, bytes]:
    """Tables that look unusual and mean the same as clean.csv."""
    names = {name: f" {name} " for name in ("age_years", "hb", "os_days")}
    numbers = {n: "float64" for n in ("hb", "wbc", "ecog")}
    numbers |= {n: "int64" for n in ("age_years", "os_days", "os_event", "efs_days", "efs_event")}
    return {
        "fine_bom.csv": b"\xef\xbb\xbf" + text(clean),
        "fine_windows_line_ends.csv": text(clean, end="\r\n"),
        "fine_blanks_around_names.csv": text(rename(clean, names)),
        "fine_trailing_blanks.csv": text(change(clean, "regimen", lambda _, c: f"{c}  ")),
        "fine_empty_lines_at_the_end.csv": text([*clean, padded([], clean), padded([], clean)]),
        "fine_quoted.csv": quoted(clean),
        "fine_missing_words.csv": text(
            put(put(clean, "hb", {9: "NA"}), "ecog", {15: "NULL"})
        ),
        "fine_workbook.xlsx": workbook({"Patients": sheet(clean), "Notes": []}),
        "fine_parquet.parquet": parquet(clean, numbers | dict.fromkeys(DATES, "date")),
        "fine_json.json": jsons(records(clean)),
    }  # fmt: skip


def quoted(table: Table) -> bytes:
    """Write every cell in quotation marks."""
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(table)
    return out.getvalue().encode()


def files(clean: Table) -> dict[str, bytes]:
    """Tables that are no table, or not in the form that is read."""
    chinese = change(clean, "center", lambda _, c: {"Nord": "北京", "Süd": "武汉"}.get(c, "上海"))
    german = [
        [clean[0][i] if n == 0 else cell.replace(".", ",") for i, cell in enumerate(row)]
        for n, row in enumerate(clean)
    ]
    lines = text(clean).splitlines(keepends=True)
    unquoted = [line.replace(b".", b",") for line in lines]
    return {
        "latin_1.csv": text(clean, encoding="latin-1"),
        "gb18030.csv": text(chinese, encoding="gb18030"),
        "utf_16.csv": b"\xff\xfe" + text(clean, encoding="utf-16-le"),
        "utf_16_without_mark.csv": text(clean, encoding="utf-16-le"),
        "semicolons.csv": text(german, separator=";"),
        "tabs.csv": text(clean, separator="\t"),
        "decimal_commas.csv": text(german),
        "decimal_commas_unquoted.csv": b"".join(unquoted),
        "empty.csv": b"",
        "blank_lines_only.csv": b"\n\n\n",
        "header_only.csv": lines[0],
        "web_page.csv": b"<!DOCTYPE html>\n<html><body><h1>Please sign in</h1></body></html>\n",
        "workbook_named.csv": workbook({"Patients": sheet(clean)}),
        "text_named.xlsx": text(clean),
        "text_named.parquet": text(clean),
        "zero_byte.csv": b"".join(lines[:5]) + lines[5].replace(b"Nord", b"No\0d")
        + b"".join(lines[6:]),
        "quote_never_closed.csv": b"".join(lines[:3]) + lines[3].replace(b"S\xc3", b'"S\xc3')
        + b"".join(lines[4:]),
        "one_cell_too_many.csv": b"".join(lines[:7]) + lines[7].rstrip() + b",extra\n"
        + b"".join(lines[8:]),
        "row_cut_in_two.csv": b"".join(lines[:4]) + lines[4].replace(b",N", b",not\nN", 1)
        + b"".join(lines[5:]),
        "comma_at_the_row_ends.csv": lines[0] + b"".join(x.rstrip() + b",\n" for x in lines[1:]),
        "broken.json": jsons(records(clean))[:-40],
        "nested.json": jsons([row | {"mutations": {"TP53": 1}} for row in records(clean)]),
        "one_number.json": b"42\n",
        "old_workbook.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 24,
    }  # fmt: skip


def headers(clean: Table) -> dict[str, bytes]:
    """Tables whose column names are not where or what they should be."""
    groups = padded(["Patient", "", "", "Baseline"], clean)
    names = [list(clean[0]), *sheet(clean)[1:]]
    title = ["Venetoclax cohort, export of 1 July 2024"]
    lost = rename(clean, {"sex": ""})
    return {
        "title_line.csv": text([title, *clean]),
        "title_and_empty_line.csv": text([title, [], *clean]),
        "title_line.xlsx": workbook({"Patients": [title, *names]}),
        "double_header.csv": text([groups, *clean]),
        "double_header.xlsx": workbook({"Patients": [[g or None for g in groups], *names]}),
        "merged_header.xlsx": workbook({"Patients": [groups, *names]}, merged="A1:C1"),
        "merged_cells.xlsx": workbook({"Patients": sheet(clean)}, merged="B2:B3"),
        "nameless_column.csv": text(lost),
        "duplicate_columns.csv": text(rename(clean, {"cycles": "hb"})),
        "other_case.csv": text(rename(clean, {"age_years": "Age_Years"})),
        "column_missing.csv": text(rename(clean, {"creatinine": "crea_serum"})),
        "no_header.csv": text(clean[1:]),
        "header_again.csv": text([*clean[:13], clean[0], *clean[13:]]),
        "units_below_header.csv": text([clean[0], units(clean), *clean[1:]]),
    }


def units(clean: Table) -> list[str]:
    """Build a second line that holds units."""
    known = {"age_years": "years", "hb": "g/L", "wbc": "1e9/L", "bm_blasts": "%"}
    return [known.get(name, "") for name in clean[0]]


def excel(clean: Table) -> dict[str, bytes]:
    """Workbooks with what Excel does to tables."""
    day_zero = datetime.date(1899, 12, 30)

    def serial(_: int, cell: str) -> str:
        return str((datetime.date.fromisoformat(cell) - day_zero).days) if cell else ""

    place = f"{chr(ord('A') + clean[0].index('hb'))}4"
    cells = sheet(clean)
    cells[2][clean[0].index("wbc")] = datetime.date(2024, 3, 5)
    formula = sheet(clean)
    formula[3][clean[0].index("hb")] = "=7.3*10"
    return {
        "serial_dates.csv": text(change(clean, "death_date", serial)),
        "one_serial_date.csv": text(
            change(clean, "death_date", lambda row, c: serial(row, c) if row == 3 else c)
        ),
        "reference_error.xlsx": workbook({"Patients": sheet(clean)}, errors={place: "#REF!"}),
        "not_available.xlsx": workbook({"Patients": sheet(clean)}, errors={place: "#N/A"}),
        "error_as_text.csv": text(put(clean, "hb", {3: "#N/A"})),
        "several_sheets.xlsx": workbook({"2023": sheet(clean[:12]), "2024": sheet(clean)}),
        "empty_workbook.xlsx": workbook({"Patients": []}),
        "number_became_a_date.xlsx": workbook({"Patients": cells}),
        "formula_without_value.xlsx": workbook({"Patients": formula}),
    }


def rows(clean: Table) -> dict[str, bytes]:
    """Tables with rows that are no patients, or patients twice."""
    total = padded(["Total", "", "", "1550"], clean)
    total[clean[0].index("os_days")] = "7989"
    again = [*clean[5][:1], *clean[5][1:]]
    copy = ["P25", *clean[7][1:]]
    other = put([clean[0], ["P26", *clean[8][1:]]], "hb", {1: "80"})[1]
    other[clean[0].index("wbc")] = ""
    return {
        "total_row.csv": text([*clean, total]),
        "comment_rows.csv": text([*clean, padded(["* deceased abroad"], clean)]),
        "comment_line_short.csv": text(clean) + b"# exported by the registry\n",
        "duplicate_patient.csv": text([*clean, again]),
        "patient_under_two_numbers.csv": text([*clean, copy]),
        "near_duplicates.csv": text([*clean, other, ["P27", *clean[9][1:7], "9.9", *clean[9][8:]]]),
    }


def outcomes(clean: Table) -> dict[str, bytes]:
    """Tables with impossible or unclear times and status."""
    dead = change(clean, "os_event", lambda _, c: "1")
    alive = change(clean, "os_event", lambda _, c: "0")
    last_seen = [
        str(datetime.date.fromisoformat(start) + datetime.timedelta(days=int(time)))
        for start, time in zip(column(clean, "start_date"), column(clean, "os_days"), strict=True)
    ]
    seen = add(clean, "last_seen", last_seen)
    day_first = change(seen, "last_seen", lambda _, c: "/".join(reversed(c.split("-"))))
    words = change(clean, "os_event", lambda _, c: "deceased" if c == "1" else "alive")
    one_two = change(clean, "os_event", lambda _, c: "2" if c == "1" else "1")
    dates = [death or "2024-06-30" for death in column(clean, "death_date")]
    months = change(clean, "os_days", lambda _, c: f"{int(c) * 12 / 365.25:.2f}")
    delay = ["" if row == 4 else str(20 + row) for row in range(1, len(clean))]
    stage = ["relapse" if row % 3 == 0 else "diagnosis" for row in range(1, len(clean))]
    return {
        "all_censored.csv": text(alive),
        "all_dead.csv": text(dead),
        "status_swapped_all_dead.csv": text(alive),
        "status_words.csv": text(words),
        "status_one_two.csv": text(one_two),
        "status_missing.csv": text(put(clean, "os_event", {6: ""})),
        "time_negative.csv": text(put(clean, "os_days", {2: "-261"})),
        "time_missing.csv": text(put(clean, "os_days", {7: ""})),
        "time_zero.csv": text(put(clean, "os_days", {19: "0"})),
        "time_with_unit.csv": text(change(clean, "os_days", lambda _, c: f"{c} days")),
        "time_thousands.csv": text(put(clean, "os_days", {23: "1,093"})),
        "time_thousands_point.csv": text(put(clean, "os_days", {23: "1.093"})),
        "time_greater_than.csv": text(put(clean, "os_days", {9: ">514"})),
        "dates_as_times.csv": text(change(clean, "os_days", lambda row, _: dates[row - 1])),
        "days_called_months.csv": text(clean),
        "months_called_days.csv": text(months),
        "days_called_months_without_dates.csv": text(clean),
        "efs_longer_than_os.csv": text(put(clean, "efs_days", {1: "345", 16: "200"})),
        "death_before_treatment.csv": text(put(clean, "death_date", {3: "2022-05-13"})),
        "event_after_cut_off.csv": text(put(clean, "death_date", {23: "2024-11-18"})),
        "follow_up_after_cut_off.csv": text(put(clean, "os_days", {9: "814"})),
        "relapse_without_remission.csv": text(put(clean, "remission_date", {16: ""})),
        "relapse_before_remission.csv": text(put(clean, "relapse_date", {16: "2021-02-01"})),
        "impossible_date.csv": text(put(clean, "death_date", {2: "2023-02-30"})),
        "ambiguous_dates.csv": text(
            change(clean, "death_date", lambda _, c: "/".join(reversed(c.split("-"))) if c else "")
        ),
        "impossible_last_contact.csv": text(put(seen, "last_seen", {5: "2024-02-30"})),
        "last_contact_day_first.csv": text(day_first),
        "last_contact_before_start.csv": text(put(seen, "last_seen", {5: "2023-05-19"})),
        "months_from_diagnosis.csv": text(clean),
        "delay_unknown.csv": text(add(clean, "days_to_start", delay)),
        "sampled_at_relapse.csv": text(add(clean, "stage", stage)),
        "nobody_responded.csv": text(change(clean, "response", lambda _, c: f"{c.lower()}?")),
    }  # fmt: skip


def values(clean: Table) -> dict[str, bytes]:
    """Tables with covariates and regimens that are not what they are called."""
    words = ("zero", "one", "two", "three", "four")
    rng = [int(c) for c in column(clean, "os_days")]
    days = [str(t + (7 * i) % 11) for i, t in enumerate(rng)]
    numbers = [str(20240101 + 13 * i) for i in range(len(clean) - 1)]
    one_arm = [clean[0], *(row for row in clean[1:] if row[2] == "HMA")]
    return {
        "hb_g_per_dl.csv": text(scale(clean, "hb", 0.1)),
        "hb_called_g_per_dl.csv": text(clean),
        "hb_mixed.csv": text(scale(clean, "hb", 0.1, rows=(2, 6, 11, 17, 20))),
        "hb_unknown_unit.csv": text(clean),
        "creatinine_mg_per_dl.csv": text(scale(clean, "creatinine", 1 / 88.4)),
        "creatinine_mixed.csv": text(scale(clean, "creatinine", 1 / 88.4, rows=(4, 8, 15, 22))),
        "wbc_per_ul.csv": text(scale(clean, "wbc", 1000)),
        "wbc_mixed.csv": text(scale(clean, "wbc", 1000, rows=(3, 5, 9, 14))),
        "wbc_below_limit.csv": text(put(clean, "wbc", {12: "<1.0"})),
        "blasts_fraction.csv": text(scale(clean, "bm_blasts", 0.01)),
        "blasts_mixed.csv": text(scale(clean, "bm_blasts", 0.01, rows=(2, 7, 10, 18, 21))),
        "blasts_with_sign.csv": text(change(clean, "bm_blasts", lambda _, c: f"{c}%")),
        "blasts_range.csv": text(put(clean, "bm_blasts", {5: "60-70"})),
        "age_999.csv": text(put(clean, "age_years", {10: "999"})),
        "age_minus_nine.csv": text(put(clean, "age_years", {10: "-9"})),
        "birth_year_as_age.csv": text(
            change(clean, "age_years", lambda _, c: str(2022 - int(c)))
        ),
        "hb_unusual.csv": text(put(clean, "hb", {13: "182"})),
        "sex_codes.csv": text(change(clean, "sex", lambda _, c: {"M": "1", "F": "2"}[c])),
        "sex_one_unknown_code.csv": text(
            put(change(clean, "sex", lambda _, c: {"M": "male", "F": "female"}[c]), "sex",
                {8: "diverse"})
        ),
        "ecog_words.csv": text(change(clean, "ecog", lambda _, c: words[int(c)] if c else "")),
        "ecog_half.csv": text(put(clean, "ecog", {6: "1.5"})),
        "ecog_range.csv": text(put(clean, "ecog", {6: "7"})),
        "flag_words.csv": text(
            change(clean, "prior_hma", lambda _, c: "yes" if c == "1" else "no")
        ),
        "flag_two.csv": text(put(clean, "prior_hma", {4: "2"})),
        "regimen_unknown.csv": text(put(clean, "regimen", {5: "7+3"})),
        "regimen_missing.csv": text(put(clean, "regimen", {11: ""})),
        "regimen_other_case.csv": text(put(clean, "regimen", {5: "ldac"})),
        "one_arm.csv": text(one_arm),
        "constant_column.csv": text(change(clean, "prior_hma", lambda _, c: "0")),
        "empty_column.csv": text(change(clean, "creatinine", lambda _, c: "")),
        "post_baseline_predictor.csv": text(clean),
        "post_baseline_column.csv": text(clean),
        "outcome_predictor.csv": text(clean),
        "outcome_named_predictor.csv": text(
            add(clean, "days_followup", [str(300 + 17 * i % 97) for i in range(len(rng))])
        ),
        "copy_of_the_time.csv": text(add(clean, "ldh", days)),
        "identifier_predictor.csv": text(add(clean, "score", numbers)),
        "identifier_named_predictor.csv": text(
            add(clean, "mrn", [str(i % 5) for i in range(len(rng))])
        ),
        "same_column_twice.csv": text(add(clean, "weight", column(clean, "bm_blasts"))),
        "too_few_patients.csv": text(clean[:5]),
        "text_flags.parquet": parquet(
            change(clean, "prior_hma", lambda _, c: "yes" if c == "1" else "no"),
            {"age_years": "int64", "os_days": "int64"},
        ),
        "times_as_dates.parquet": parquet(
            change(clean, "os_days", lambda row, _: f"2024-0{row % 6 + 1}-11"),
            {"os_days": "date"},
        ),
        "year_values.parquet": parquet(
            change(clean, "age_years", lambda _, c: f"{2022 - int(c)}-07-01"),
            {"age_years": "date"},
        ),
    }  # fmt: skip


def clocks(clean: Table) -> dict[str, bytes]:
    """Tables whose events, deaths or clock are not what the endpoint says."""
    swapped = change(clean, "os_event", lambda _, c: "0" if c == "1" else "1")
    at = {name: clean[0].index(name) for name in ("os_days", "os_event", "efs_days", "efs_event")}

    def censored_at_death(row: int, cell: str) -> str:
        own = clean[row]
        return "0" if own[at["efs_days"]] == own[at["os_days"]] else cell

    no_death = rename(swapped, {"death_date": "last_seen"})
    lost = [i for i, c in enumerate(column(clean, "os_event"), 1) if c == "1"][:4]
    delay = [str(max(int(days) - 7, 1)) for days in column(clean, "os_days")]
    visits = [clean[0], *(row for row in clean[1:] for _ in range(2))]
    day = ["2" if row % 2 == 0 else "40" if row == 9 else "1" for row in range(1, len(visits))]
    return {
        "event_means_alive.csv": text(rename(swapped, {"os_event": "os_cnsr"})),
        "event_reversed_by_deaths.csv": text(swapped),
        "event_reversed_by_times.csv": text(no_death),
        "death_censors_relapse.csv": text(change(clean, "efs_event", censored_at_death)),
        "death_in_its_own_column.csv": text(change(clean, "efs_event", censored_at_death)),
        "death_long_after_assessment.csv": text(
            put(put(clean, "efs_event", {17: "0", 23: "0"}), "efs_days", {17: "183", 23: "400"})
        ),
        "times_of_the_dead_missing.csv": text(put(clean, "os_days", dict.fromkeys(lost, ""))),
        "time_from_diagnosis_called_index.csv": text(add(clean, "diagnosis_to_dose_days", delay)),
        "delay_taken_off.csv": text(add(clean, "days_to_start", ["5"] * (len(clean) - 1))),
        "two_visits_a_patient.csv": text(add(visits, "day", day)),
        "two_visits_the_last_counts.csv": text(add(visits, "day", day)),
        "long_rows_without_some.csv": long_rows(clean),
    }


def long_rows(clean: Table) -> bytes:
    """Endpoints in rows of their own, as CDISC's ADTTE has them; two patients have no EFS."""
    own = {"OS": ("os_days", "os_event"), "EFS": ("efs_days", "efs_event")}
    dropped = {clean[0].index(name) for names in own.values() for name in names}
    keep = [i for i in range(len(clean[0])) if i not in dropped]
    rows = [[*(clean[0][i] for i in keep), "PARAMCD", "AVAL", "EVENT"]]
    for number, row in enumerate(clean[1:], start=1):
        for name, (time, event) in own.items():
            if name == "OS" or number not in (4, 8):
                cells = [row[clean[0].index(column)] for column in (time, event)]
                rows.append([*(row[i] for i in keep), name, *cells])
    return text(rows)


def later(clean: Table) -> dict[str, bytes]:
    """Tables with covariates of a later time, and regimens that cannot be compared."""
    died = [c == "1" for c in column(clean, "os_event")]
    days = [int(c) for c in column(clean, "os_days")]
    n = range(1, len(clean))
    early = [i for i in n if died[i - 1] and days[i - 1] < 92]
    failed = [i for i, c in enumerate(column(clean, "response"), 1) if c not in ("CR", "CRi")]
    arm = column(clean, "regimen")
    stopped = clean
    for name in ("os", "efs"):
        times = column(clean, f"{name}_days")
        seen = [i for i in n if arm[i - 1] == "LDAC" and int(times[i - 1]) > 60]
        stopped = put(stopped, f"{name}_days", {i: str(60 + i) for i in seen})
        stopped = put(stopped, f"{name}_event", dict.fromkeys(seen, "0"))
    ends = change(stopped, "death_date", lambda i, c: c if column(stopped, "os_event")[i - 1] == "1"
                  else "")  # fmt: skip
    return {
        "response_named_predictor.csv": text(
            add(clean, "best_response", ["good" if i % 3 else "poor" for i in n])
        ),
        "missing_in_early_deaths.csv": text(put(clean, "creatinine", dict.fromkeys(early, ""))),
        "early_death_is_a_level.csv": text(
            add(clean, "tumour_lysis", ["early" if i in early else "absent" for i in n])
        ),
        "lived_to_have_it.csv": text(
            add(clean, "card_given", ["yes" if days[i - 1] > 183 else "no" for i in n])
        ),
        "measured_in_responders.csv": text(put(clean, "creatinine", dict.fromkeys(failed, ""))),
        "known_in_the_dead.csv": text(
            put(clean, "creatinine", {i: "" for i in n if not died[i - 1]})
        ),
        "tells_who_died.csv": text(
            add(clean, "points", [str((10 if d else 50) + i % 7) for i, d in enumerate(died)])
        ),
        "follow_up_by_regimen.csv": text(ends),
        "center_without_a_regimen.csv": text(
            change(clean, "center", lambda i, c: "Nord" if c == "West" and arm[i - 1] == "LDAC"
                   else c)
        ),
        "flag_decides_the_regimen.csv": text(
            change(clean, "prior_hma", lambda i, _: "1" if arm[i - 1] == "HMA" else "0")
        ),
        "ecog_never_with_ldac.csv": text(
            change(clean, "ecog", lambda i, _: "2" if arm[i - 1] == "HMA" and i != 7 else
                   str(i % 2))
        ),
        "wbc_skewed.csv": text(
            change(clean, "wbc", lambda i, _: f"{0.8 * 1.3 ** ((7 * i) % 24 + 1):.1f}")
        ),
    }  # fmt: skip


GROUPS = (intact, files, headers, excel, rows, outcomes, values, clocks, later)


def broken_tables() -> dict[str, bytes]:
    """Give every table by its file's name."""
    clean = read_clean()
    return {name: data for group in GROUPS for name, data in group(clean).items()}


def main(folder: Path) -> None:
    """Write every table."""
    for name, data in broken_tables().items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "tables")
