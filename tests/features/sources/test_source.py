import io
import json

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from features.covariates.missing_words import MISSING_WORDS
from features.errors import InputError, collect
from features.sources.file import FileSource
from features.sources.source import Source
from features.tables.table_file import read_table
from features.tables.table_format import TableFormat


def from_stdin(text):
    return read_table("-", io.StringIO(text))


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(path, stdin=None):
    with pytest.raises(InputError) as error:
        read_table(path, stdin)
    (problem,) = error.value.problems
    return problem


def test_csv_cells_stay_text(tmp_path):
    table = read_table(written(tmp_path, "a.csv", "id,ecog\n007,1\n008,1.50\n"))
    assert table["id"].tolist() == ["007", "008"]
    assert table["ecog"].tolist() == ["1", "1.50"]


def test_every_missing_word_is_missing(tmp_path):
    rows = "".join(f"x,{word}\n" for word in MISSING_WORDS)
    table = read_table(written(tmp_path, "a.csv", "id,ecog\n" + rows))
    assert len(table) == len(MISSING_WORDS)
    assert table["ecog"].isna().all()
    assert table["id"].notna().all()


def test_the_category_none_is_no_missing_word():
    # Azole co-medication may be 'none'; only 'None' is what programs write for missing.
    table = from_stdin("azole,b\nnone,1\nNone,1\n")
    assert table["azole"].tolist()[0] == "none"
    assert table["azole"].isna().tolist() == [False, True]


def test_excels_byte_order_mark_and_line_ends_are_no_part_of_a_name(tmp_path):
    table = read_table(written(tmp_path, "a.csv", b"\xef\xbb\xbfid, age \r\n1,60\r\n"))
    assert table.columns.tolist() == ["id", "age"]
    assert table.shape == (1, 2)
    as_json = read_table(written(tmp_path, "a.json", b'\xef\xbb\xbf[{"id": 1}]'))
    assert as_json.columns.tolist() == ["id"]


def test_a_short_row_is_missing_at_its_end():
    assert from_stdin("a,b\n1\n2,3\n")["b"].isna().tolist() == [True, False]


@pytest.mark.parametrize("text", ['{"a": 1.5, "b": true}', '[{"a": 1.5, "b": true}]'])
def test_json_is_one_patient_or_a_list(text, tmp_path):
    for table in (from_stdin(text), read_table(written(tmp_path, "a.json", text))):
        assert table.to_dict("records") == [{"a": "1.5", "b": "True"}]


def test_json_null_absent_and_missing_words_are_missing():
    table = from_stdin('[{"a": null, "b": "NA", "c": 1}, {"a": 1, "b": 2}]')
    assert table.isna().to_numpy().tolist() == [[True, True, False], [False, False, True]]


def test_parquet_keeps_its_types(tmp_path):
    stored = pd.DataFrame({"age": [60.5, None], "sex": ["F", None]})
    stored.to_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "a.parquet"), stored)


def test_stdin_is_csv_unless_it_looks_like_json():
    assert from_stdin("  \n a,b\n1,2\n").shape == (1, 2)
    assert from_stdin(' [{"a": 1}]').shape == (1, 1)


def test_a_missing_file_names_the_path_and_what_to_give(tmp_path):
    problem = refused(tmp_path / "nowhere.csv")
    assert problem.what == "No such table"
    assert problem.where.endswith("nowhere.csv")
    assert ".csv, .tsv, .txt, .parquet or .json" in problem.remedy


@pytest.mark.parametrize(("name", "got"), [("a.xls", ".xls"), ("table", "no suffix")])
def test_an_unknown_kind_names_the_known_ones(tmp_path, name, got):
    problem = refused(written(tmp_path, name, "a,b\n1,2\n"))
    assert problem.what == "Unknown kind of table"
    assert (problem.got, problem.allowed) == (
        got,
        ".csv, .tsv, .txt, .parquet, .json, .xlsx, .xlsm",
    )


def test_another_encoding_names_the_byte(tmp_path):
    # The first 5 bytes are 'name\n'; the sixth is Latin-1's e-acute.
    problem = refused(written(tmp_path, "a.csv", b"name\n\xe9ric\n"))
    assert problem.what == "The table is not UTF-8 text"
    assert problem.got == "byte 6 cannot be decoded"
    assert "UTF-8" in problem.remedy


@pytest.mark.parametrize(("mark", "got"), [(";", "semicolons"), ("\t", "tabs")])
def test_other_separators_are_named(tmp_path, mark, got):
    problem = refused(written(tmp_path, "a.csv", f"id{mark}age\n1{mark}60,5\n"))
    assert problem.what == "The columns are not separated by commas"
    assert problem.where.endswith("a.csv, first line")
    assert problem.got == got
    assert "comma-separated" in problem.remedy


@pytest.mark.parametrize(
    "text",
    [
        "age,sex,age\n60,F,61\n",
        'age,sex,"age"\n60,F,61\n',
        "age,sex,age \n60,F,61\n",
        # The first line is blank, as some exports write it.
        "\nage,sex,age\n60,F,61\n",
    ],
)
def test_a_column_name_stands_once(tmp_path, text):
    problem = refused(written(tmp_path, "a.csv", text))
    assert problem.what == "Two columns have the same name"
    assert problem.got == "age"
    assert "rename one" in problem.remedy


def test_names_that_differ_only_in_blanks_are_the_same_in_json_too():
    assert refused("-", io.StringIO('{"age": 60, "age ": 61}')).got == "age"


def test_a_comma_inside_a_quoted_name_separates_nothing():
    table = from_stdin('"blasts, %","LDH, %"\n1,2\n')
    assert table.columns.tolist() == ["blasts, %", "LDH, %"]


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("id,age\n1,60,F\n2,61,M\n", "2 names, 3 cells"),
        ("id,age\n1,60,\n2,61,\n", "2 names, 3 cells"),
        ("id,age\n1,60,F,x\n2,61,M,y\n", "2 names, 4 cells"),
    ],
)
def test_more_cells_than_names_move_no_value_to_another_column(text, got):
    problem = refused("-", io.StringIO(text))
    assert problem.what == "The rows hold more cells than there are column names"
    assert problem.got == got
    assert "name every column" in problem.remedy


def test_one_longer_row_is_named_with_its_line():
    problem = refused("-", io.StringIO("id,age\n1,60\n2,61,M\n"))
    assert problem.what == "The table cannot be read"
    assert "line 3" in problem.got


@pytest.mark.parametrize("text", ["id,age\n", "[]", "[{}]"])
def test_a_table_without_patients_is_refused(text):
    problem = refused("-", io.StringIO(text))
    assert problem.what == "The table holds no patient"
    assert problem.remedy == "give at least one row"


@pytest.mark.parametrize("text", ["", "  \n\n"])
def test_nothing_is_no_table(text):
    assert refused("-", io.StringIO(text)).what == "The table cannot be read"


def test_broken_json_names_line_and_column():
    problem = refused("-", io.StringIO('[{"a": 1,\n "b": }]'))
    assert problem.what == "The table cannot be read"
    assert "line 2 column 7" in problem.got


@pytest.mark.parametrize("text", ["[1, 2]", '[{"a": 1}, null]'])
def test_json_that_holds_no_patients_shows_the_form(text):
    problem = refused("-", io.StringIO(text))
    assert problem.what == "The JSON does not hold patients"
    assert '[{"age_years": 61, ...}, ...]' in problem.allowed


def test_a_nested_value_is_named():
    problem = refused("-", io.StringIO('[{"age": 60, "labs": {"wbc": 3}, "drugs": ["a"]}]'))
    assert problem.what == "A value is not a single number or word"
    assert problem.got == "drugs, labs"


@pytest.mark.parametrize(
    "text",
    [
        '[{"sex": "\\ud800"}]',  # half a surrogate pair
        '[{"age": ' + "1" * 5000 + "}]",  # more digits than Python reads
        "[" * 100_000,
    ],
    ids=["half a character", "a giant number", "nesting without end"],
)
def test_odd_json_is_an_input_error(text):
    assert refused("-", io.StringIO(text)).what == "The table cannot be read"


def test_a_file_that_only_claims_to_be_parquet(tmp_path):
    problem = refused(written(tmp_path, "a.parquet", "id,age\n1,60\n"))
    assert problem.what == "The table cannot be read"
    assert problem.where.endswith("a.parquet")
    assert "save it again" in problem.remedy


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text() | st.text(alphabet=',;"\n\r\t []{}:ab01.\0-_', max_size=60))
def test_any_text_is_a_table_or_an_input_error(text):
    problems = []
    table = collect(problems, lambda: from_stdin(text))
    assert all(problem.where.startswith("-") for problem in problems)
    assert (table is None) == bool(problems)
    if table is not None:
        assert len(table) > 0
        assert table.columns.is_unique


CELLS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1)
RECORDS = st.lists(
    st.fixed_dictionaries({"a": CELLS, "b": st.none() | CELLS}), min_size=1, max_size=5
).filter(
    lambda rows: (
        not any((cell or "x").strip() in MISSING_WORDS for row in rows for cell in row.values())
    )
)


@settings(derandomize=True, deadline=None)
@given(RECORDS)
def test_text_comes_back_from_csv_and_json_as_it_was(rows):
    as_csv = from_stdin(pd.DataFrame(rows, dtype=object).to_csv(index=False))
    as_json = from_stdin(json.dumps(rows))
    for table in (as_csv, as_json):
        assert table["a"].tolist() == [row["a"] for row in rows]
        assert [None if pd.isna(b) else b for b in table["b"]] == [row["b"] for row in rows]


def test_an_excel_sheet(tmp_path):
    openpyxl.Workbook().save(tmp_path / "empty.xlsx")
    assert refused(tmp_path / "empty.xlsx").what == "The table cannot be read"
    book = openpyxl.Workbook()
    book.active.title = "patients"
    book.active.append(["id", "age"])
    book.active.append(["007", 60.0])
    book.save(tmp_path / "A.XLSX")
    table = read_table(tmp_path / "A.XLSX", form=TableFormat(sheet="patients"))
    assert table.to_dict("records") == [{"id": "007", "age": "60"}]


def test_only_a_workbook_has_sheets(tmp_path):
    with pytest.raises(InputError, match=r"A \.csv file has no sheet"):
        read_table(written(tmp_path, "a.csv", "id,age\n1,60\n"), form=TableFormat(sheet="patients"))


def test_json_in_another_encoding_names_the_byte(tmp_path):
    assert "byte 9" in refused(written(tmp_path, "a.json", b'[{"a": "\xe9"}]')).got


def test_a_json_value_is_given_once():
    problem = refused("-", io.StringIO('{"age": 60, "age": 61}'))
    assert (problem.what, problem.got) == ("Two columns have the same name", "age")


SOURCE = TypeAdapter(Source)


def test_a_source_is_told_by_its_kind(tmp_path):
    written(tmp_path, "a.csv", "id,age\n1,60\n")
    source = SOURCE.validate_python({"kind": "file", "path": "a.csv"})
    assert source == FileSource(path="a.csv")
    assert source.read(tmp_path)["age"].tolist() == ["60"]


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "redcap", "export": "e.csv", "dictionary": "d.csv"},
        {"kind": "cbioportal", "patients": "p.txt", "origin": "index"},
        {"kind": "sql", "url": "sqlite:///no.db", "query": "SELECT 1"},
        {"kind": "omop", "url": "sqlite:///no.db"},
        {"kind": "file", "path": "no.xlsx"},
    ],
    ids=lambda fields: fields["kind"],
)
def test_every_kind_starts_in_the_folder_and_names_what_is_missing(tmp_path, fields):
    with pytest.raises(InputError) as error:
        SOURCE.validate_python(fields).read(tmp_path)
    (problem,) = error.value.problems
    assert problem.what == "No such table"
    assert problem.where.startswith(str(tmp_path))


@pytest.mark.parametrize("fields", [{"kind": "fax"}, {"kind": "file", "path": "a", "sheets": "b"}])
def test_an_unknown_kind_or_key_is_refused(fields):
    with pytest.raises(ValidationError):
        SOURCE.validate_python(fields)
