"""Identifiers, codes and names that a terminal, a spreadsheet or a browser would obey."""

import csv
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml

from models.artifact.folder import save_model
from pipelines import check, predict

SCRIPT = "<script>alert(1)</script>"
IDS = ["[/x]", "=1+1", "\x1b[2J", "\u202e12", "two\nlines", SCRIPT, "@x", "-5", "z" * 5000]


@pytest.fixture
def predicted(models, card, tmp_path, capsys):
    """Predict for patients with hostile identifiers; returns what is printed."""
    save_model(tmp_path / "m", models["cox"], card)
    table = pd.DataFrame({"patient_id": IDS, "age_years": 61, "regimen": "HMA"})
    table.to_csv(tmp_path / "patients.csv", index=False)

    def call(*options):
        given = [str(tmp_path / "patients.csv"), "--model", str(tmp_path / "m"), *options]
        with pytest.raises(SystemExit) as end:
            predict.main(given)
        printed, said = capsys.readouterr()
        assert end.value.code == 0, said
        return printed

    return call


def test_a_table_shows_identifiers_as_they_are(predicted):
    printed = predicted()
    # The first column alone, whose words may be broken over lines.
    told = "".join(line[:16].strip() for line in printed.splitlines())
    for part in ("[/x]", "=1+1", "\\x1b[2J", "\\u202e12", "two\\nlines", "zzz...zzz"):
        assert part in told
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", printed)
    assert printed.count("z") < 200


def test_csv_is_text_to_a_spreadsheet_and_the_same_to_a_program(predicted):
    rows = list(csv.DictReader(io.StringIO(predicted("--format", "csv"))))
    told = [row["patient_id"] for row in rows]
    assert told == ["[/x]", "'=1+1", "\x1b[2J", "\u202e12", "two\nlines", SCRIPT, "'@x", "-5",
                    "z" * 5000]  # fmt: skip
    # A number below 0 stays one.
    assert all(
        float(row["risk_score"]) < 0 or not row["risk_score"].startswith("-") for row in rows
    )


def test_json_has_them_byte_for_byte(predicted):
    printed = predicted("--format", "json")
    assert [row["patient_id"] for row in json.loads(printed)["patients"]] == IDS
    assert printed.isascii()


def test_standard_input_that_is_not_utf8_is_refused_like_a_file(
    models, card, tmp_path, monkeypatch, capsys
):
    save_model(tmp_path / "m", models["cox"], card)
    data = "age_years,regimen\n61,HMÄ\n".encode("latin-1")
    (tmp_path / "file.csv").write_bytes(data)
    said = []
    for given in ("-", str(tmp_path / "file.csv")):
        stream = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")
        monkeypatch.setattr("sys.stdin", stream)
        with pytest.raises(SystemExit) as end:
            predict.main([given, "--model", str(tmp_path / "m")])
        assert end.value.code == 2
        said.append(capsys.readouterr().err.replace(str(tmp_path / "file.csv"), "-"))
    assert "UTF-8" in said[0]
    assert said[0] == said[1]


def test_a_report_and_its_tables_hold_no_markup_of_the_table(tmp_path, capsys):
    rng = np.random.default_rng(1)
    arms = np.array([SCRIPT, "=HMA [/b] $x_$\x1b[2J"], dtype=object)[rng.integers(0, 2, 80)]
    table = pd.DataFrame(
        {
            "pid": [f"[/x]{i}\x1b[8m" for i in range(80)],
            "age_years": rng.integers(40, 85, 80),
            "arm": arms,
            "time": rng.exponential(10, 80).round(2) + 0.1,
            "event": rng.integers(0, 2, 80),
        }
    )
    table.to_csv(tmp_path / "t.csv", index=False)
    config = {
        "cohort": {
            "path": "t.csv",
            "name": f"{SCRIPT}[bold]",
            "columns": {
                "patient_id": "pid",
                "regimen": {
                    "column": "arm",
                    "values": {arm: arm for arm in sorted(set(arms))},
                    "reference_arm": SCRIPT,
                },
                "endpoints": {
                    "os": {
                        "label": "OS<img src=x onerror=alert(1)>$\\frac{$",
                        "time": "time",
                        "unit": "months",
                        "event": "event",
                    }
                },
            },
        },
        "endpoint": "os",
        "covariates": ["age_years"],
        "evaluation": {"horizons": [6]},
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(SystemExit) as end:
        check.main(["--config", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "out")])
    printed, said = capsys.readouterr()
    assert end.value.code in (0, 1), said
    assert f"{SCRIPT}[bold]" in printed, said
    assert "\x1b" not in printed + said
    report = (tmp_path / "out" / "data_report.html").read_text()
    assert "<script>alert" not in report
    assert "<img src=x" not in report
    assert "&lt;script&gt;alert(1)" in report
    header = (tmp_path / "out" / "table_one.csv").read_text().splitlines()[0]
    assert "'=HMA" in header
