import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.covariates.missing_words import MISSING_WORDS
from features.errors import InputError
from features.tables.delimited import read_delimited


def read(data, **options):
    return read_delimited(data if isinstance(data, bytes) else data.encode(), "a.csv", **options)


def refused(data, **options):
    with pytest.raises(InputError) as error:
        read(data, **options)
    (problem,) = error.value.problems
    assert problem.where.startswith("a.csv")
    return problem


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_utf_16_is_named(encoding):
    problem = refused("id,age\n1,60\n".encode(encoding))
    assert problem.what == "The table is not UTF-8 text"
    assert "UTF-16" in problem.got
    assert "UTF-8" in problem.remedy


@pytest.mark.parametrize(
    ("encoding", "text", "likely", "line"),
    [
        ("latin-1", "id,name\n1,Anna\n2,José\n", "Windows-1252 or Latin-1", 3),
        ("gb18030", "id,name\n1,张伟\n", "GB18030", 2),
        ("cp1252", "id,Größe\n1,2\n", "Windows-1252 or Latin-1", 1),
    ],
)
def test_another_encoding_is_named_with_its_byte_and_line(encoding, text, likely, line):
    data = text.encode(encoding)
    byte = next(i for i, b in enumerate(data, 1) if b > 127)
    problem = refused(data)
    assert problem.what == "The table is not UTF-8 text"
    assert problem.got == f"byte {byte} cannot be decoded"
    assert problem.where == f"a.csv, line {line}"
    assert f"it looks like {likely}" in problem.remedy


@pytest.mark.parametrize(
    ("data", "got"),
    [
        (b"PK\x03\x04rest", "Excel workbook"),
        (b"\xd0\xcf\x11\xe0rest", "Excel 97-2003"),
        (b"\x1f\x8brest", "gzip"),
        (b"PAR1rest", "Parquet"),
        (b"%PDF-1.7", "PDF"),
    ],
)
def test_another_format_is_named(data, got):
    problem = refused(data)
    assert problem.what == "The table is not text"
    assert got in problem.got


def test_a_zero_byte_is_found():
    problem = refused(b"id,age\n1,60\n2,6\x001\n")
    assert problem.what == "The table holds a zero byte"
    assert problem.where == "a.csv, line 3"
    assert problem.got.startswith("byte 16 ")


@pytest.mark.parametrize("start", ["<!DOCTYPE html>", "\ufeff\n <html>", "<?xml version='1.0'?>"])
def test_a_web_page_is_named(start):
    problem = refused(start + "<body>a,b</body>")
    assert problem.what == "The table is a web page or XML, not a table of text"


@pytest.mark.parametrize(
    "text",
    [
        "Our cohort\nid,age\n1,60\n",
        "Our cohort,,\nid,age,sex\n1,60,F\n",
        "Our cohort, 2024\nid,age,sex\n1,60,F\n",
        "sep=,\nid,age\n1,60\n",
    ],
)
def test_a_title_is_no_header(text):
    problem = refused(text)
    assert problem.what == "The first line is a title, not the column names"
    assert problem.remedy == "delete the lines above the column names"


@pytest.mark.parametrize(
    "text", ["id;age, years;sex\n1;60,5;F\n", "id;age\n1;60,5\n", "sep=;\nid;age\n1;60\n"]
)
def test_semicolons_are_named_even_beside_decimal_commas(text):
    problem = refused(text)
    assert problem.what == "The columns are not separated by commas"
    assert "decimal points" in problem.remedy


def test_an_unquoted_decimal_comma_moves_no_value():
    assert "2 names, 3 cells" in refused("id,age\n1,60,5\n2,61,5\n").got
    problem = refused("id,age\n1,60\n2,61,5\n")
    assert problem.got == "expected 2 cells in line 3, saw 3"
    assert "decimal points" in problem.remedy
    # A quoted one stays as it is, for the covariate's own check to name.
    assert read('id,age\n1,"60,5"\n')["age"].tolist() == ["60,5"]


@pytest.mark.parametrize("text", ["id,a,b,c\n1,2,3\n,4\n", "id,a,b,c\n1,2,3,4\n2,3\n2,3,4\n"])
def test_a_row_cut_in_two_is_not_two_patients(text):
    problem = refused(text)
    assert problem.what == "The table cannot be read"
    assert "look like one row cut in two" in problem.got


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ('a,b\n1,"2\n3,4\n', "a quotation mark is opened and never closed"),
        ('a,b\n1,"2\n3,"4\n', "text follows a closing quotation mark"),
        ('a,b\n1,"2"x\n', "text follows a closing quotation mark"),
        ('"a,b\n1,2\n', "a quotation mark is opened and never closed"),
    ],
)
def test_a_stray_quotation_mark_swallows_no_row(text, got):
    assert refused(text).got == got


def test_a_merged_header_leaves_columns_without_a_name():
    problem = refused("id,labs,,\n1,85,1.4,40\n")
    assert problem.what == "Columns with values have no name"
    assert problem.got == "column 3, 4 (the first is 1)"


def test_row_names_and_empty_columns():
    table = read(",age,\n1,60,\n2,61,\n")
    assert table.columns.tolist() == ["Unnamed: 0", "age"]


def test_rows_of_commas_at_the_end_are_no_patients():
    assert len(read("id,age\n1,60\n2,\n,,\n,\n\n")) == 2
    assert refused("id,age\n,\n,\n").what == "The table holds no patient"
    # A row that says that nothing is known is one.
    assert len(read("id,age\n1,60\nNA,NA\n")) == 2


def test_blank_lines_are_no_rows():
    assert read("\nid,age\n\n1,60\n   \n2,61\n")["age"].tolist() == ["60", "61"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end(end):
    assert read(end.join(["id,age", "1,60", "2,61", ""]))["age"].tolist() == ["60", "61"]


def test_tabs_with_quotation_marks_as_characters():
    table = read('a\tb\n"x\t5"\n', separator="\t", quotes=False)
    assert table.to_dict("records") == [{"a": '"x', "b": '5"'}]


def test_names_may_repeat_when_asked():
    assert read("a,a\n1,2\n", unique_names=False).columns.tolist() == ["a", "a"]


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6), st.booleans())
def test_what_a_program_wrote_comes_back_unaltered(rows, quote_all):
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    text = io.StringIO()
    csv.writer(text, quoting=quoting).writerows([("id", "x1", "x2", "x3"), *(
        ("p", *row) for row in rows)])  # fmt: skip
    table = read(text.getvalue())
    found = [[None if c != c else c for c in row] for row in table.to_numpy().tolist()]
    assert found == [["p", *(None if c in MISSING_WORDS else c for c in row)] for row in rows]
