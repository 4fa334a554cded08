import csv
import os

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from pydantic import ValidationError

from features.errors import InputError
from features.sources.file import FileSource
from features.tables.table_file import read_table
from features.tables.table_format import TableFormat

# As R's write.csv2 writes it: semicolons, decimal commas, quoted text, row names, NA.
CSV2 = """"";"mrn";"hb";"seen";"remark"
"1";"K0";11,7;"2024-01-31";"fell, twice"
"2";"K1";9;NA;"1,5 mg"
"3";"K2";NA;"2024-02-01";"plain"
"""
EUROPEAN = TableFormat(separator=";", decimal=",")


def written(folder, name, content, encoding="utf-8"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def refused(path, form=None, codes=None):
    with pytest.raises(InputError) as error:
        read_table(path, form=form or TableFormat(), codes=codes)
    return error.value.problems[0]


def cells(table):
    return table.astype(object).where(table.notna(), None).to_numpy().tolist()


def test_write_csv2_as_it_comes(tmp_path):
    table = read_table(written(tmp_path, "a.csv", CSV2), form=EUROPEAN)
    assert list(table.columns) == ["Unnamed: 0", "mrn", "hb", "seen", "remark"]
    assert table["hb"].tolist()[:2] == ["11.7", "9"]
    assert table["hb"].isna().tolist() == [False, False, True]
    # Text and dates keep their commas.
    assert table["remark"].tolist() == ["fell, twice", "1,5 mg", "plain"]
    assert table["seen"].isna().tolist() == [False, True, False]


def test_the_refusal_names_the_keys_that_read_it(tmp_path):
    problem = refused(written(tmp_path, "a.csv", CSV2))
    assert (problem.what, problem.got) == ("The columns are not separated by commas", "semicolons")
    assert '`separator: ";"` and `decimal: ","`' in problem.remedy
    assert '--separator ";" --decimal ","' in problem.remedy
    tabs = refused(written(tmp_path, "b.csv", "id\tage\n1\t60\n"))
    assert '`separator: "tab"` beside' in tabs.remedy
    assert "decimal" not in tabs.remedy.split("or save")[0]
    commas = refused(written(tmp_path, "c.csv", "id,age\n1,60\n"), EUROPEAN)
    assert (commas.what, commas.got) == ("The columns are not separated by semicolons", "commas")


@pytest.mark.parametrize("mark", [";", "|", "tab", " ", "comma", "\t", "~"])
def test_any_one_mark_separates(tmp_path, mark):
    form = TableFormat(separator=mark)
    text = f"id{form.separator}age\n1{form.separator}60\n"
    assert cells(read_table(written(tmp_path, "a.csv", text), form=form)) == [["1", "60"]]


@pytest.mark.parametrize("mark", ["", ";;", "a", "1", '"', ".", "-", "\n", "é", 5])
def test_what_is_no_separator(mark):
    if mark != "":
        with pytest.raises(ValidationError):
            TableFormat(separator=mark)
    assert TableFormat(separator="").stated == {}


def test_tsv_and_txt(tmp_path):
    assert cells(read_table(written(tmp_path, "a.tsv", "id\tage\n1\t60\n"))) == [["1", "60"]]
    for mark in (",", ";", "\t", "|"):
        text = f"id{mark}hb\n1{mark}6.5\n2{mark}7.5\n"
        assert cells(read_table(written(tmp_path, "a.txt", text)))[1] == ["2", "7.5"]
    unclear = refused(written(tmp_path, "b.txt", "id;hb,x\n1;7,2\n2;8,1\n"))
    assert unclear.got == "commas and semicolons would do"
    assert "separator" in unclear.remedy
    assert "none of" in refused(written(tmp_path, "c.txt", "id age\n1 60\n")).got
    stated = TableFormat(separator=";")
    assert cells(read_table(written(tmp_path, "b.txt", "id;hb,x\n1;7,2\n"), form=stated)) == [
        ["1", "7,2"]
    ]


def test_quotation_marks_as_r_escapes_them(tmp_path):
    text = 'id;note\n"1";"say \\"x\\" "\n'
    problem = refused(written(tmp_path, "a.csv", text), TableFormat(separator=";"))
    assert problem.got == "text follows a closing quotation mark"
    assert 'qmethod = "double"' in problem.remedy


def test_decimal_commas_are_those_of_numbers(tmp_path):
    text = "a;b;c;d;e\n1,5;1,5;AML, NOS;01,02;1,5\n-,25;x;1,5;3;<0,5\n+2,5e3;y;z;NA;2\n"
    codes = {"d": frozenset(["01,02", "3"])}
    table = read_table(written(tmp_path, "a.csv", text), form=EUROPEAN, codes=codes)
    assert table["a"].tolist() == ["1.5", "-.25", "+2.5e3"]
    assert table["b"].tolist() == ["1,5", "x", "y"]  # text, of which one cell looks like a number
    assert table["c"].tolist() == ["AML, NOS", "1,5", "z"]
    assert table["d"].tolist()[:2] == ["01,02", "3"]  # codes of the configuration
    assert table["e"].tolist() == ["1.5", "<0,5", "2"]  # a column of numbers with a wrong cell


@pytest.mark.parametrize("cell", ["1.234,5", "1.234", "9.5", "1 234,5", "1'234", "1\u202f234,5"])
def test_thousands_marks_and_points_beside_decimal_commas(tmp_path, cell):
    problem = refused(written(tmp_path, "a.csv", f"id;hb\n1;{cell}\n2;11,5\n"), EUROPEAN)
    assert problem.what == "A number has a point or a thousands mark beside decimal commas"
    assert problem.where.endswith("column hb")
    assert problem.got == cell


@settings(derandomize=True, max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 4)), min_size=1, max_size=5))
def test_numbers_survive_the_comma(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("commas") / "a.csv"
    pd.DataFrame({"id": "p", "x": values}).to_csv(
        path, sep=";", decimal=",", index=False, quoting=csv.QUOTE_NONNUMERIC
    )
    assert read_table(path, form=EUROPEAN)["x"].astype(float).tolist() == values


@pytest.mark.parametrize(
    ("stated", "written_as"),
    [("windows-1252", "cp1252"), ("latin-1", "latin-1"), ("gb18030", "gb18030"), ("GBK", "gbk"),
     ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"), ("UTF8", "utf-8"),
     ("utf-8-sig", "utf-8-sig"), ("shift_jis", "shift_jis"), ("cp1251", "cp1251")],
)  # fmt: skip
def test_encodings(tmp_path, stated, written_as):
    word = {"g": "急性髓系白血病", "s": "白血病", "c": "лейкоз"}.get(written_as[0], "Müller")
    word = "Müller" if written_as in ("cp1252",) else word
    path = written(tmp_path, "a.csv", f"id,name\n1,{word}\n", written_as)
    assert read_table(path, form=TableFormat(encoding=stated))["name"].tolist() == [word]


@pytest.mark.parametrize(
    ("stated", "content", "got"),
    [
        ("windows-1252", "id,n\n1,Müller\n".encode(), "it is UTF-8"),
        ("gb18030", "id,n\n1,急性髓系\n".encode(), "it is UTF-8"),
        ("latin-1", "id,n\n1,5 €\n".encode("cp1252"), "may be windows-1252"),
        ("gb18030", "id,n\n1,Bj\xf6rn\xff\n".encode("latin-1"), "no character of gb18030"),
        ("utf-16", b"id,nn\n1,22\n", ""),
        ("ascii", "id,n\n1,Müller\n".encode("latin-1"), "no character of ascii"),
        ("windows-1252", "id,n\n1,Müller\n".encode("utf-16"), "UTF-16"),
        ("windows-1252", b"PK\x03\x04", "zip"),
    ],
)
def test_a_wrong_encoding_is_refused(tmp_path, stated, content, got):
    assert got in refused(written(tmp_path, "a.csv", content), TableFormat(encoding=stated)).got


@pytest.mark.parametrize(
    ("content", "key"),
    [("id,n\n1,Müller\n".encode("cp1252"), "`encoding: windows-1252`"),
     ("id,n\n1,急性髓系\n".encode("gb18030"), "`encoding: gb18030`"),
     ("id,n\n1,x\n".encode("utf-16"), "`encoding: utf-16`"),
     ("id,n\n1,x\n".encode("utf-16-be"), "`encoding: utf-16-be`")],
)  # fmt: skip
def test_without_an_encoding_the_refusal_names_the_likely_one(tmp_path, content, key):
    assert key in refused(written(tmp_path, "a.csv", content)).remedy


@pytest.mark.parametrize("name", ["utf-7", "idna", "klingon", "rot13", "hex", "unicode_escape", 5])
def test_what_is_no_encoding(name):
    with pytest.raises(ValidationError):
        TableFormat(encoding=name)


@pytest.mark.parametrize(
    ("name", "key"), [("a.csv", {"sheet": "x"}), ("a.parquet", {"separator": ";"}),
                      ("a.xlsx", {"encoding": "cp1252"}), ("a.json", {"separator": ";"})],
)  # fmt: skip
def test_a_key_that_says_nothing_about_the_file(tmp_path, name, key):
    problem = refused(written(tmp_path, name, "x"), TableFormat(**key))
    assert problem.got == ": ".join(*key.items())


def every_format(folder, columns):
    """The same words in every format that has words."""
    table = pd.DataFrame(columns)
    table.to_csv(folder / "a.csv", index=False)
    table.to_json(folder / "a.json", orient="records")
    table.to_parquet(folder / "a.parquet")
    book = Workbook()
    for row in [list(table.columns), *table.to_numpy().tolist()]:
        book.active.append(row)
    book.save(folder / "a.xlsx")
    return [folder / f"a.{kind}" for kind in ("csv", "json", "parquet", "xlsx")]


def test_a_code_is_no_missing_word_in_any_format(tmp_path):
    columns = {
        "drug": ["None", "A", "none", "NA"],
        "level": ["NA", "x", "-999", "None"],
        "other": ["None", "NA", "x", "unk"],
    }
    codes = {"drug": frozenset(["None", "A"]), "level": frozenset(["na", "x"])}
    form = TableFormat(missing=["-999", "unk"])
    for path in every_format(tmp_path, columns):
        assert cells(read_table(path, form=form, codes=codes)) == [
            ["None", "NA", None],
            ["A", "x", None],
            ["none", None, "x"],
            [None, None, None],
        ], path.suffix


def test_a_word_cannot_be_missing_and_a_code(tmp_path):
    path = written(tmp_path, "a.csv", "drug\nNone\n")
    problem = refused(path, TableFormat(missing=["None"]), {"drug": frozenset(["None"])})
    assert problem.what == "A word is stated as missing and as a code"
    assert (problem.where, problem.got) == ("column drug", "None")


def test_numbers_of_typed_files_may_be_missing_words(tmp_path):
    pd.DataFrame({"age": [60, -999], "hb": [-999.0, 8.5]}).to_parquet(tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet", form=TableFormat(missing=[-999]))
    assert table["age"].isna().tolist() == [False, True]
    assert table["hb"].isna().tolist() == [True, False]


def test_decimal_commas_of_typed_files_are_those_of_their_text(tmp_path):
    columns = {"a": ["1,5", "2,5"], "b": ["x", "1,5"]}
    for path in every_format(tmp_path, columns)[1:]:
        table = read_table(path, form=TableFormat(decimal=","))
        assert cells(table) == [["1.5", "x"], ["2.5", "1,5"]], path.suffix
    book = Workbook()
    for row in (["a"], [1.5], ["2,5"]):
        book.active.append(row)
    book.save(tmp_path / "b.xlsx")
    table = read_table(tmp_path / "b.xlsx", form=TableFormat(decimal=","))
    assert table["a"].tolist() == ["1.5", "2.5"]


@pytest.mark.parametrize(
    ("column", "kind"),
    [([[1, 2]], "list"), ([{"x": 1}], "struct"), ([b"12"], "binary"),
     (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), "map"),
     (pa.array([5], pa.duration("s")), "duration")],
)  # fmt: skip
def test_columns_of_parquet_that_hold_no_single_value(tmp_path, column, kind):
    pq.write_table(pa.table({"id": ["p"], "odd": column}), tmp_path / "a.parquet")
    problem = refused(tmp_path / "a.parquet")
    assert problem.what == "A column holds no single numbers, words or dates"
    assert problem.got.startswith(f"odd: {kind}")


def test_columns_of_parquet_that_are_read_as_they_are_meant(tmp_path):
    table = pd.DataFrame({
        "word": pd.Categorical(["a", "NA"]),
        "number": pd.array([9007199254740993, None], dtype="Int64"),
        "flag": [True, False],
    })  # fmt: skip
    stored = pa.Table.from_pandas(table.set_index(pd.Index(["p", "q"], name="id")))
    amount = pa.array([None, "12.50"]).cast(pa.decimal128(8, 2))
    # Midnight in Berlin.
    day = pa.array([1706655600, None]).cast(pa.timestamp("s", "Europe/Berlin"))
    stored = stored.append_column("amount", amount).append_column("day", day)
    pq.write_table(stored, tmp_path / "a.parquet")
    read = read_table(tmp_path / "a.parquet")
    assert read["id"].tolist() == ["p", "q"]
    assert cells(read[["word", "amount"]]) == [["a", None], [None, "12.5"]]
    assert read["number"].tolist()[0] == 9007199254740993
    assert str(read["day"].iloc[0])[:10] == "2024-01-31"
    assert read["flag"].tolist() == [True, False]


def test_moments_whose_day_is_not_plain(tmp_path):
    moments = pd.to_datetime(["2024-01-30T23:00Z", "2024-02-01T00:00Z"])
    pd.DataFrame({"seen": moments}).to_parquet(tmp_path / "a.parquet")
    problem = refused(tmp_path / "a.parquet")
    assert problem.what == "Moments in a time zone do not say which day they mean"


def test_a_doubled_name_of_parquet(tmp_path):
    stored = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(stored, tmp_path / "a.parquet")
    assert refused(tmp_path / "a.parquet").what == "Two columns have the same name"


def test_what_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    wide = ",".join(f"c{i}" for i in range(20_001))
    assert refused(written(tmp_path, "a.csv", f"{wide}\n1\n")).what == "The table is too large"
    header = refused(written(tmp_path, "b.csv", "x" * (1 << 20) + "\n1\n"))
    assert header.got == "the first line is longer than 1 MiB"
    for mark in ("", '"'):
        cell = refused(written(tmp_path, "c.csv", f"a,b\n1,{mark}{'x' * 200_000}{mark}\n"))
        assert "131,072" in cell.got + cell.allowed
    deep = refused(written(tmp_path, "d.json", "[" * 100_000))
    assert deep.what == "The table cannot be read"
    stored = pa.table({"a": pa.array(["x" * 100_000]).take(pa.array([0] * 300))})
    pq.write_table(stored, tmp_path / "e.parquet")
    monkeypatch.setattr("features.tables.parquet.MAX_FILE", 20_000_000)
    assert refused(tmp_path / "e.parquet").where.endswith("column a, unpacked")
    with (tmp_path / "f.csv").open("wb") as file:
        file.truncate((1 << 30) + 1)
    assert refused(tmp_path / "f.csv").what == "The file is too large"


@pytest.mark.parametrize(
    ("name", "what", "got"),
    [("pipe.csv", "No such table", "a device or a pipe, not a file"),
     ("folder.csv", "No such table", "a folder"),
     ("none.csv", "No such table", ""),
     ("a\0b.csv", "The table has no possible path", "it holds a zero byte"),
     ("x" * 5000 + ".csv", "The table has no possible path", ""),
     ("x" * 300 + ".csv", "The table cannot be reached", "File name too long"),
     ("a.csv/b.csv", "The table cannot be reached", "Not a directory"),
     ("\ud800.csv", "The table cannot be reached", "")],
    ids=["pipe", "folder", "none", "zero", "long", "long name", "in a file", "no character"],
)  # fmt: skip
def test_paths_that_name_no_file(tmp_path, name, what, got):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    written(tmp_path, "a.csv", "id\n1\n")
    problem = refused(tmp_path / name)
    assert problem.what == what
    assert got in problem.got
    assert len(problem.where) <= 200


def test_a_file_source_is_its_own_format():
    source = FileSource(path="a.csv", separator=";", missing=[-999, " unk ", "unk"])
    assert source.stated == {"separator": ";", "missing": ("-999", "unk")}


@settings(derandomize=True, max_examples=80, deadline=None)
@given(
    st.binary(max_size=60) | st.text(alphabet='ab,;\t"\n\r|1.5é', max_size=60),
    st.sampled_from(["a.csv", "a.txt", "a.tsv", "a.json", "a.parquet"]),
    st.sampled_from([{}, {"separator": ";"}, {"decimal": ","}, {"encoding": "cp1252"},
                     {"encoding": "utf-16"}, {"missing": ("a",)}]),
)  # fmt: skip
def test_any_file_is_read_or_refused(tmp_path_factory, content, name, form):
    path = written(tmp_path_factory.mktemp("any"), name, content)
    try:
        table = read_table(path, form=TableFormat(**form))
    except InputError as error:
        assert error.problems[0].what  # noqa: PT017
    else:
        assert len(table)


@pytest.mark.parametrize("content", [b"\x1c", b"\x1d\n", b"\xc2\x85", b"\x0b\n\x0c"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_file_of_unusual_blanks_is_empty(tmp_path, name, content):
    with pytest.raises(InputError) as caught:
        read_table(written(tmp_path, name, content))
    assert "empty" in caught.value.problems[0].got
