"""The parity table, where the cohorts and R's values are at hand."""

import numpy as np
import pytest

from benchmarks import parity
from benchmarks.regimen_parity import regimen_rows


def test_every_value_is_that_of_r():
    if not (parity.SHARED / "references").is_dir():
        pytest.skip("the references are not part of the project")
    table = parity.compare(parity.SHARED)
    assert tuple(table.columns) == parity.COLUMNS
    assert set(table["cohort"]) == {"leuksurv", "bmt", "mdacc"}
    assert len(table) > 250
    compared = set(table["measure"].str.split(",| of | by |:| to ", regex=True).str[0])
    assert {"log-rank", "hazard ratio", "Cox", "Firth", "RMST difference", "Gray", "Fine-Gray",
            "stabilised IPTW", "overlap", "response difference"} <= compared  # fmt: skip
    assert np.isfinite(table["ours"]).all()
    assert (table["difference"] < parity.TOLERANCE).all()


def test_a_cohort_or_a_value_that_is_not_there_has_no_row(tmp_path):
    assert list(regimen_rows(tmp_path, {"lr_mdacc": {}})) == []
    (tmp_path / "data").mkdir()
    text = "os_months,os_event,trt,aml_group,sex,age,wbc,cyto_risk,bm_blasts,platelets,hgb\n"
    # Everybody in the arm dies first: observed 2, expected 1/2 + 1/3, variance 1/4 + 2/9.
    rows = ["1,1,1", "2,1,1", "3,1,0", "4,0,0"]
    text += "".join(f"{row},a,male,60,3,x,1,2,3\n" for row in rows)
    (tmp_path / "data" / "mdacc_venhma_ldac.csv").write_text(text)
    refs = {"lr_mdacc": {"chisq": 2.8, "p": 0.1}}
    found = list(regimen_rows(tmp_path, refs))
    assert [row[:2] for row in found] == [
        ("mdacc", "log-rank, chi-square"), ("mdacc", "log-rank, p"),
    ]  # fmt: skip
    assert found[0][2] == pytest.approx((2 - 5 / 6) ** 2 / (1 / 4 + 2 / 9))


def test_without_references_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["parity", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        parity.main()
    assert end.value.code == 2
    assert "nothing to compare with" in capsys.readouterr().out
