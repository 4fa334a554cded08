"""Files are written whole or not at all, and their cells are text to a spreadsheet."""

import errno
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.output.files import csv_text, safe_cell, write_csv, write_text


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "－x",
     "＠x", "＋x", "-", "-0.5 (-1 to 0)"],
)  # fmt: skip
def test_text_that_a_spreadsheet_would_compute_gets_an_apostrophe(cell):
    assert safe_cell(cell) == "'" + cell


@pytest.mark.parametrize(
    "cell", ["-0.5", "+3", "-1e-05", "-.5", "007", "P-1", "a=b", "", "'=1", -0.5, None, np.nan, 3]
)
def test_numbers_and_other_text_stay(cell):
    told = safe_cell(cell)
    assert told is cell or told == cell


def test_every_cell_and_name_of_a_table_is_safe():
    table = pd.DataFrame(
        {
            "=name": ["=1+1", "ok", None],
            "number": [-0.5, np.nan, 2.0],
            "kind": pd.Categorical(["@x", "y", "y"]),
            "day": pd.to_datetime(["2022-01-01", None, "2022-01-03"]),
        }
    )
    lines = csv_text(table).splitlines()
    assert lines[0] == "'=name,number,kind,day"
    assert lines[1] == "'=1+1,-0.5,'@x,2022-01-01"
    assert lines[2] == "ok,,y,"
    # A table without such text is as pandas writes it.
    plain = pd.DataFrame({"a": [0.1, -2], "b": ["x,y", 'z "q"']})
    assert csv_text(plain) == plain.to_csv(index=False)
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(csv_text(plain))), plain)


def test_columns_of_one_name_are_all_written():
    table = pd.DataFrame([["=1", 2.0]], columns=["a", "a"])
    assert csv_text(table) == "a,a\n'=1,2.0\n"


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    write_csv(path, pd.DataFrame({"a": [1]}))

    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_text(path, "half")
    assert path.read_text() == "a\n1\n"
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    for path in (tmp_path / "report.html", Path(os.devnull)):
        with pytest.raises(OSError, match="No space left") as told:
            write_text(path, "text")
        assert told.value.filename == str(path)


def test_a_link_and_a_device_are_written_through(tmp_path):
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_text("old")
    link.symlink_to(real)
    write_text(link, "new \ud800")
    assert link.is_symlink()
    assert real.read_text() == "new \\ud800"
    write_text(type(link)("/dev/null"), "gone")
