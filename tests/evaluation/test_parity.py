"""The parity table, where the cohorts and R's values are at hand."""

import numpy as np
import pytest

from benchmarks import parity


def test_every_value_is_that_of_r():
    if not (parity.SHARED / "references").is_dir():
        pytest.skip("the references are not part of the project")
    table = parity.compare(parity.SHARED)
    assert tuple(table.columns) == parity.COLUMNS
    assert set(table["cohort"]) == {"leuksurv", "bmt"}
    assert len(table) > 100
    assert np.isfinite(table["ours"]).all()
    assert (table["difference"] < parity.TOLERANCE).all()


def test_without_references_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["parity", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        parity.main()
    assert end.value.code == 2
    assert "nothing to compare with" in capsys.readouterr().out
