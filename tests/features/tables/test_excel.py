import datetime
import re
import zipfile

import openpyxl
import pytest

from features.errors import InputError
from features.tables.excel import read_excel
from features.tables.table_format import TableFormat


def workbook(folder, *rows, change=lambda book: None):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    change(book)
    book.save(folder / "a.xlsx")
    return folder / "a.xlsx"


def refused(path, sheet=None):
    with pytest.raises(InputError) as error:
        read_excel(path, TableFormat(sheet=sheet))
    (problem,) = error.value.problems
    return problem


def only_cell(folder, value, form="General"):
    def change(book):
        book.active["B2"].number_format = form

    return read_excel(workbook(folder, ["id", "x"], ["p", value], change=change))["x"].iloc[0]


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (61, "General", "61"),
        (61.0, "General", "61"),
        (1.5, "0.00", "1.5"),
        (0.1 + 0.2, "General", "0.3"),
        (1e-7, "General", "1e-07"),
        (7, "000", "007"),
        (0.25, "0%", "25%"),
        ("007", "General", "007"),
        (True, "General", "TRUE"),
        (datetime.datetime(2024, 2, 29), "dd/mm/yyyy", "2024-02-29"),
        (datetime.date(2024, 2, 29), "d-mmm", "2024-02-29"),
        (datetime.datetime(2024, 2, 29, 12, 30), "m/d/yy h:mm", "2024-02-29 12:30:00"),
        # A date formatted as a number is that number: what it means cannot be known.
        (datetime.date(2024, 2, 29), "General", "45351"),
        (" 5,4", "@", " 5,4"),
    ],
)
def test_a_cell_is_the_text_a_person_sees(tmp_path, value, form, shown):
    assert only_cell(tmp_path, value, form) == shown


@pytest.mark.parametrize("value", [None, "", "NA", "."])
def test_missing_words_are_missing(tmp_path, value):
    cell = only_cell(tmp_path, value) if value else None
    assert cell != cell or cell is None


def test_empty_rows_and_columns_around_the_table_are_dropped(tmp_path):
    def change(book):
        book.active["F40"].number_format = "0.00"  # a format alone makes the sheet larger
        book.active["F40"] = " "

    table = read_excel(workbook(tmp_path, [], ["id", "age"], ["a", 60], [], ["b"], change=change))
    assert table.columns.tolist() == ["id", "age"]
    # The empty row in the middle stays: rows keep their count.
    assert table["id"].isna().tolist() == [False, True, False]


def test_formats_down_to_the_last_row_are_no_patients(tmp_path):
    def change(book):
        book.active["XFD1048576"].number_format = "0.00"

    table = read_excel(workbook(tmp_path, ["id", "age"], ["a", 0], change=change))
    assert table.to_dict("records") == [{"id": "a", "age": "0"}]


def test_a_stray_cell_far_away_is_named(tmp_path):
    def change(book):
        book.active["ZZ99999"] = "note to self"

    problem = refused(workbook(tmp_path, ["id", "age"], ["a", 60], change=change))
    assert problem.what == "A cell stands far outside the table"
    assert problem.got.startswith("ZZ99999")


def test_the_only_filled_sheet_is_read(tmp_path):
    table = read_excel(workbook(tmp_path, ["a"], [1], change=lambda book: book.create_sheet("b")))
    assert table["a"].tolist() == ["1"]


def test_several_sheets_need_a_choice(tmp_path):
    def change(book):
        book.create_sheet("labs").append(["hb"])
        book["labs"].append([85])

    path = workbook(tmp_path, ["a"], [1], change=change)
    problem = refused(path)
    assert (problem.what, problem.got) == ("Several sheets hold cells", "Sheet, labs")
    assert "`sheet:`" in problem.remedy
    assert read_excel(path, TableFormat(sheet="labs"))["hb"].tolist() == ["85"]
    problem = refused(path, "lab")
    assert (problem.what, problem.allowed) == ("No such sheet", "Sheet, labs")
    assert "did you mean 'labs'" in problem.remedy


def test_merged_cells_are_named(tmp_path):
    path = workbook(
        tmp_path, ["labs", None], [1, 2], change=lambda book: book.active.merge_cells("A1:B1")
    )
    problem = refused(path)
    assert (problem.what, problem.got) == ("Cells are merged", "A1:B1")
    assert problem.where.endswith("a.xlsx, sheet Sheet")


def test_a_formula_without_a_stored_value(tmp_path):
    problem = refused(workbook(tmp_path, ["a", "b"], [1, "=A2*2"]))
    assert (problem.what, problem.got) == ("A formula has no stored value", "B2")
    assert "open the workbook in Excel and save it" in problem.remedy


def test_rows_of_formulas_without_values_are_not_dropped(tmp_path):
    problem = refused(workbook(tmp_path, ["a", "b"], [1, 2], ["=A2", "=B2"]))
    assert problem.got == "A3, B3"


def with_stored(path, value):
    """Store a value beside the formula, as Excel does when it saves."""
    with zipfile.ZipFile(path) as book:
        files = {name: book.read(name) for name in book.namelist()}
    name = "xl/worksheets/sheet1.xml"
    files[name] = re.sub(rb'<c r="B2"[^>]*><f>([^<]*)</f><v ?/?>(</v>)?</c>', value, files[name])
    with zipfile.ZipFile(path, "w") as book:
        for file, content in files.items():
            book.writestr(file, content)
    return path


def test_a_formula_gives_its_stored_value(tmp_path):
    path = workbook(tmp_path, ["a", "b"], [1, "=A2*2"])
    table = read_excel(with_stored(path, rb'<c r="B2"><f>\1</f><v>2</v></c>'))
    assert table["b"].tolist() == ["2"]


def test_a_formula_that_shows_nothing_is_missing(tmp_path):
    path = workbook(tmp_path, ["a", "b"], [1, '=IF(A2=1,"",A2)'])
    table = read_excel(with_stored(path, rb'<c r="B2" t="str"><f>\1</f><v></v></c>'))
    assert table["b"].isna().tolist() == [True]


def test_an_error_value_is_named(tmp_path):
    problem = refused(workbook(tmp_path, ["a", "b"], [1, "#N/A"]))
    assert (problem.what, problem.got) == ("A cell holds an Excel error", "#N/A")
    assert problem.where.endswith("1 cell(s): B2")


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([["age", "age"], [1, 2]], "Two columns have the same name"),
        ([["Our cohort 2024", None], ["id", "age"], [1, 2]],
         "The first line is a title, not the column names"),
        ([["id", None], [1, 2]], "Columns with values have no name"),
        ([["id", "age"]], "The table holds no patient"),
        ([[]], "The table cannot be read"),
    ],
)  # fmt: skip
def test_a_header_that_names_no_columns(tmp_path, rows, what):
    assert refused(workbook(tmp_path, *rows)).what == what


def test_what_only_claims_to_be_a_workbook(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(b"\xd0\xcf\x11\xe0" + b"x" * 600)
    problem = refused(tmp_path / "a.xlsx")
    assert problem.what == "The table cannot be read"
    assert "password" in problem.got
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
        archive.writestr("readme.txt", "no workbook")
    assert refused(tmp_path / "a.xlsx").what == "The table cannot be read"
