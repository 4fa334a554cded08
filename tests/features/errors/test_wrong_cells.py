from functools import partial

import numpy as np
import pandas as pd
import pytest

from features.covariates.columns import ColumnSource, read_covariates
from features.covariates.dates import read_dates
from features.covariates.dictionary import read_dictionary
from features.endpoints.forms import derive_outcome, read_endpoint
from features.endpoints.transplant import TransplantColumn, derive_transplant
from features.errors import InputError
from features.errors.wrong_cells import name_cells, rows_of, table_rows, wrong_cells
from features.inclusion import InclusionRule, apply_inclusion
from features.regimens.column import RegimenColumn, derive_regimen
from features.regimens.drug_tables import LongRecords, WideRecords, read_long, read_wide
from features.sources.cbioportal import CbioportalSource, read_cbioportal
from features.sources.omop import BIRTH, DRUGS, derive_omop
from features.sources.redcap import RedcapSource, read_redcap
from features.sources.rows.joined_tables import JoinedTable, join_table
from features.sources.rows.long_rows import LongRows
from features.sources.rows.one_row import OneRow, keep_one_row
from features.sources.rows.patient_rows import PatientRows
from features.sources.rows.reduced_rows import reduce_rows

DAY = "2024-01-01"


def test_each_distinct_value_is_shown_and_the_rest_counted():
    assert name_cells(pd.Series(["x", " x", "y", None])) == "x, y, empty"
    assert name_cells(pd.Series([3.0, 1.5, 3.0])) == "3, 1.5"
    assert name_cells(pd.Series(list("abcdefg"))) == "a, b, c, d, e, ... (2 more)"
    assert name_cells(pd.Series(pd.to_datetime(["2024-02-30", None], errors="coerce"))) == "empty"
    assert name_cells(pd.Series(pd.to_datetime([DAY, DAY]))) == DAY


def test_rows_are_counted_in_the_whole_table():
    part = pd.DataFrame({"x": list("abcd")})[[False, True, True, True]]
    wrong = np.array([True, False, True])
    assert rows_of(part, wrong) == "2 patient(s): row 2, 4 (the first patient is row 1)"
    assert table_rows(part, wrong) == "2 row(s): 2, 4 (the first is row 1)"


def test_nothing_is_told_where_no_cell_is_wrong():
    assert wrong_cells(pd.Series(["a"], name="x"), np.array([False]), "here", "x", "y") == []


def covariates(name, **source):
    dictionary = read_dictionary()
    sources = {name: ColumnSource(column="x", **source)}
    return lambda table: read_covariates(table, [dictionary[name]], sources)


def ready(table):
    endpoint = {"label": "OS", "time": "x", "event": "one", "unit": "days"}
    return derive_outcome(table, read_endpoint(endpoint))


def status(table):
    endpoint = {"label": "OS", "time": "one", "event": "x", "unit": "days"}
    return derive_outcome(table, read_endpoint(endpoint))


def dated(table, **changed):
    endpoint = {"label": "OS", "origin": "day", "events": [{"date": "day"}],
                "censors": [{"date": "day"}]} | changed  # fmt: skip
    return derive_outcome(table, read_endpoint(endpoint))


def efs_eln2022(table):
    columns = ("response_date", "relapse_date", "death_date", "last_assessment_date")
    stated = {"label": "EFS", "rule": "efs_eln2022", "origin": "day", "response": "x"}
    return derive_outcome(table, read_endpoint(stated | dict.fromkeys(columns, "day")))


def drugs(table, **columns):
    stated = {"path": "d.csv", "patient_id": "id", "drug": "drug", "start": "day"} | columns
    return read_long(table, table, LongRecords(**stated), "id", ["venetoclax"])


def drug_flags(table):
    return read_wide(table, WideRecords(columns={"venetoclax": "x"}, holds="flag"), ["venetoclax"])


def regimens(table):
    return derive_regimen(table, RegimenColumn(column="x", values={"a": "A"}, reference_arm="A"))


def worst(table):
    rule = OneRow(rule="worst", column="x", worst_is="highest")
    return keep_one_row(PatientRows(table, np.zeros(len(table), dtype=int), "cohort"), rule)


def included(table):
    return apply_inclusion(table, [InclusionRule(name="adults", column="x", at_least=18)])


def one_name_twice(table):
    twice = pd.concat([table, table], ignore_index=True)
    rule = LongRows(name="x", take=("one",))
    return reduce_rows(PatientRows(twice, np.zeros(len(twice), dtype=int), "cohort"), rule, None)


def taken_names(table):
    rule, group = LongRows(name="x", take=("one",)), np.arange(len(table))
    names = {f"{value}_one": "y" for value in table["x"]}
    return reduce_rows(PatientRows(table.assign(**names), group, "cohort"), rule, None)


def taken_columns(table):
    other = table.assign(**dict.fromkeys(table["x"], "y"))
    return join_table(other, other, JoinedTable(path="o.csv", on="id", columns=[*table["x"]]))


def omop(table, name):
    columns = ["index_date", *(f"{drug}_{side}" for drug in DRUGS for side in ("before", "after"))]
    asked = table.assign(**dict.fromkeys(columns, DAY), **dict.fromkeys(BIRTH, "1"))
    return derive_omop(asked.assign(person_id=table["id"], **{name: table["x"]}), 28, 30)


def redcap(table, folder, kind):
    header = (
        "Variable / Field Name,Form Name,Field Type,Field Label,"
        '"Choices, Calculations, OR Slider Labels",Identifier?'
    )
    choices = "1, a | 2, b" if kind == "radio" else ""
    (folder / "d.csv").write_text(f'{header}\nid,f,text,ID,,\nx,f,{kind},X,"{choices}",\n')
    one_patient = table.assign(id="1") if kind == "text" else table
    one_patient[["id", "x"]].to_csv(folder / "e.csv", index=False)
    return read_redcap(RedcapSource(export="e.csv", dictionary="d.csv", labels=False), folder)


def cbioportal(table, folder, x, **offset):
    columns = {"PATIENT_ID": "id", x.replace("STATUS", "MONTHS"): "one"} | {x: "x"}
    comments = "#a\n#a\n#a\n#a\n"
    text = (
        table[list(columns.values())].set_axis(list(columns), axis=1).to_csv(index=False, sep="\t")
    )
    (folder / "p.txt").write_text(comments + text)
    source = CbioportalSource(patients="p.txt", **(offset or {"origin": "index"}))
    return read_cbioportal(source, folder)


def excel(table, folder):
    import openpyxl

    from features.tables.excel import read_excel

    book = openpyxl.Workbook()
    book.active.append(["x", "y"])
    for value in table["x"]:
        book.active.append([value, 1])
    book.save(folder / "t.xlsx")
    return read_excel(folder / "t.xlsx")


READERS = {
    "dates": (lambda t: read_dates(t, "x", "endpoint OS"), ["1/2/24", "soon", "2024-02-30"]),
    "covariates, number": (covariates("hb_g_per_l"), ["a", "b", "c"]),
    "covariates, limits": (covariates("age_years"), ["999", "-9", "400"]),
    "covariates, mapping": (covariates("sex", values={"m": "M"}), ["x", "w", "d"]),
    "regimens": (regimens, ["b", "c", "7+3"]),
    "time": (ready, [">5", "1,093", "x"]),
    "event": (status, ["dead", "2", "9"]),
    "origin": (partial(dated, cutoff="2023-01-01", origin="x"), [DAY, "2024-02-01", "2025-01-01"]),
    "before the start": (
        partial(dated, events=[{"date": "x"}]), ["2023-12-31", "2023-12-30", "2023-12-29"]),
    "efs_eln2022": (efs_eln2022, ["CRp", "?", "good"]),
    "transplant": (
        lambda t: derive_transplant(t, TransplantColumn(time="x")), ["yes", "never", "soon"]),
    "transplant, before": (
        lambda t: derive_transplant(t, TransplantColumn(time="x")), ["-1", "-2", "-3"]),
    "drug_tables, names": (
        partial(drugs, drug="x"), ["venetoclax 100", "Venclexta tablet", "venetoclaxx"]),
    "drug_tables, dose": (
        partial(drugs, dose="x", dose_unit="mg"), ["20 mg", "-1", "much"]),
    "drug_tables, stop": (
        partial(drugs, stop="x"), ["2023-12-31", "2023-12-30", "2023-12-29"]),
    "drug_tables, flags": (drug_flags, ["yes", "2", "?"]),
    "one_row": (worst, ["a", "b", "c"]),
    "inclusion": (included, ["a", "b", "c"]),
    "long_rows": (one_name_twice, ["OS", "EFS", "RFS"]),
    "long_rows, names": (taken_names, ["OS", "EFS", "RFS"]),
    "joined_tables": (taken_columns, ["a", "b", "c"]),
    "omop, dates": (partial(omop, name="index_date"), ["a", "b", "c"]),
    "omop, birth": (partial(omop, name="year_of_birth"), ["a", "b", "c"]),
    "redcap, choices": (partial(redcap, kind="radio"), ["7", "8", "9"]),
    "redcap, rows": (partial(redcap, kind="text"), ["a", "b", "c"]),
    "cbioportal, status": (partial(cbioportal, x="OS_STATUS"), ["2:x", "y", "z"]),
    "cbioportal, words": (
        partial(cbioportal, x="DFS_STATUS"), ["1:Censored", "0:Relapse", "1:DiseaseFree"]),
    "cbioportal, offset": (
        partial(cbioportal, x="OFF", start_offset_column="OFF"), ["a", "-1", "?"]),
    "excel": (excel, ["#N/A", "#REF!", "#DIV/0!"]),
}  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_shows_every_value_that_it_refuses(reader, tmp_path):
    read, values = READERS[reader]
    table = pd.DataFrame(
        {"x": values, "id": ["1", "2", "3"], "day": DAY, "one": "1", "drug": "venetoclax"},
        dtype="string[python]",
    ).astype(object)
    wants_folder = reader.split(",")[0] in ("redcap", "cbioportal", "excel")
    with pytest.raises(InputError) as error:
        read(table, tmp_path) if wants_folder else read(table)
    (problem,) = error.value.problems
    for value in values:
        assert value in problem.got
    assert problem.remedy
    # Nor is anybody told to empty a cell: what is true stays, what means missing is stated.
    assert "leave the cell" not in problem.remedy
