"""A few plain patients are read without pandas, and read to the same as by the way for all."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.covariates import MissingWords
from features.errors import InputError
from features.tables import read_plain, read_table
from models.patients import known_codes, plain_patients, read_patients

CELLS = {
    "patient_id": st.sampled_from(["A-7", "7", " 8 ", ""]),
    "age_years": st.sampled_from(["61", "61.5", " 70 ", "7e1", "old", "300", "", "NA"]),
    "hgb": st.sampled_from(["9.8", "98", "", ".", "1e400", "9,8"]),
    "hb_g_per_l": st.sampled_from(["98", "9.8", "", "None"]),
    "diagnosis": st.sampled_from(["de novo", "s-AML", "AML de novo", "", "null"]),
    "disease": st.sampled_from(["AML de novo", "T-ALL", "CML", "", " AML secondary"]),
    "mut_tp53": st.sampled_from(["1", "0", "true", "False", "2", "", "nan", "yes", "1.0"]),
    "wbc_1e9_per_l": st.floats(0, 400).map(repr),
    "treatment": st.sampled_from(["VEN-AZA", "HMA", "7+3", ""]),
    "regimen": st.sampled_from(["HMA", "LDAC", " HMA", "VEN-AZA", ""]),
    "ward": st.just("3b"),
}


@st.composite
def tables(draw):
    names = draw(st.lists(st.sampled_from(list(CELLS)), min_size=2, max_size=8, unique=True))
    n = draw(st.integers(1, 3))
    return [{name: draw(CELLS[name]) for name in names} for _ in range(n)]


def as_csv(rows):
    return "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n"


def read_both(path, card, **options):
    codes = known_codes(card)
    cells = read_plain(path.read_bytes(), path.suffix, MissingWords(codes=codes))
    plain = None if cells is None else plain_patients(cells, card, **options)
    try:
        return plain, read_patients(read_table(path, codes=codes), card, **options)
    except InputError as error:
        return plain, error


def as_lists(values):
    return [None if v is None or v != v else v for v in values.tolist()]


def same(plain, full):
    assert plain.inputs.keys() == full.inputs.keys()
    for name, values in full.inputs.items():
        assert plain.inputs[name].dtype == values.dtype
        assert as_lists(plain.inputs[name]) == as_lists(values)
    assert (plain.regimen is None) == (full.regimen is None)
    if full.regimen is not None:
        assert plain.regimen.tolist() == full.regimen.tolist()
    assert (plain.ids is None) == (full.ids is None)
    if full.ids is not None:
        assert as_lists(plain.ids) == as_lists(full.ids)
    assert plain.rows.tolist() == full.rows.tolist()


@settings(
    derandomize=True,
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=tables(), as_json=st.booleans(), ignore_extra=st.booleans())
def test_plain_patients_are_those_of_the_way_for_all(tmp_path, card, rows, as_json, ignore_extra):
    path = tmp_path / ("patients.json" if as_json else "patients.csv")
    path.write_text(json.dumps(rows) if as_json else as_csv(rows), "utf-8")
    plain, full = read_both(path, card, ignore_extra=ignore_extra)
    if isinstance(full, InputError):
        assert plain is None
    elif plain is not None:
        same(plain, full)


def test_the_usual_patient_is_plain(tmp_path, card):
    row = {"age_years": 61, "hgb": 9.8, "diagnosis": "s-AML", "mut_tp53": True, "regimen": "HMA"}
    for name, text in {
        "a.json": json.dumps(row),
        "b.json": json.dumps([row, row | {"mut_tp53": None}]),
        "c.csv": as_csv([{k: str(v) for k, v in row.items()}]),
        "d.tsv": as_csv([{k: str(v) for k, v in row.items()}]).replace(",", "\t"),
        "e.csv": "\ufeff" + as_csv([{k: str(v) for k, v in row.items()}]).replace("\n", "\r\n"),
    }.items():
        (tmp_path / name).write_text(text, "utf-8", newline="")
        plain, full = read_both(tmp_path / name, card)
        assert plain is not None, name
        same(plain, full)
        assert np.isclose(plain.inputs["hb_g_per_l"][0], 98)


@pytest.mark.parametrize(
    "text",
    ["", "age_years\n61\n", 'age_years,ward\n61,"a"\n', "age_years,age_years\n61,62\n",
     "age_years,ward\n61\n", "age_years;ward\n61;2\n", "1,2\n3,4\n", "age_years,ward\n\n61,2\n",
     "age_years,ward\n,\n", "age_years,ward\r61,2\r", "age_years,ward\n61,2\n,\n"],
)  # fmt: skip
def test_what_is_not_plain_is_left_alone(text):
    assert read_plain(text.encode(), ".csv", MissingWords()) is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "1", '{"a": 1, "a": 2}', '{"a": [1]}', '{" a": 1}', '[{"a": 1}, 2]', "{"],
)
def test_json_that_is_not_plain_is_left_alone(text):
    assert read_plain(text.encode(), ".json", MissingWords()) is None


def test_bytes_that_are_no_text_are_left_alone():
    assert read_plain(b"age_years,ward\n61,\xff\n", ".csv", MissingWords()) is None
    assert read_plain(b"a,b\n" + b"1,2\n" * 30_000, ".csv", MissingWords()) is None


def test_patients_are_read_and_derived_without_anything_heavy(tmp_path, card):
    (tmp_path / "card.json").write_text(card.model_dump_json())
    code = """
import sys
from pathlib import Path
from features.covariates import MissingWords, derive_columns
from features.tables import read_plain
from models.card import ModelCard
from models.patients import known_codes, plain_patients
from pipelines.prediction import reader_of
card = ModelCard.model_validate_json(Path(sys.argv[1]).read_text())
text = b'{"age_years": 61, "wbc_1e9_per_l": 4.2, "regimen": "HMA"}'
cells = read_plain(text, ".json", MissingWords(codes=known_codes(card)))
patients = plain_patients(cells, card)
assert patients.inputs["age_years"].tolist() == [61.0]
inputs = {c.name: c for c in card.inputs if c.name in patients.inputs}
assert derive_columns(patients.inputs, ["log_wbc"], inputs)["log_wbc"].shape == (1,)
heavy = {"mlflow", "sklearn", "sksurv", "xgboost", "pandas", "scipy", "numba", "pyarrow"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "card.json")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "[]\n"
