import os
import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.errors import InputError
from features.tables import TableFormat, parts
from models.artifact.stored import StoredModel
from models.patients import predict_patients
from pipelines.prediction import Batch, Format, batch, paths_of_batch, predict_in_parts

N = 20_000
HORIZONS = [3.0, 6.0]


def patients(n, seed=5):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "patient_id": [f"P{i}" for i in range(n)],
            "age_years": rng.normal(62, 10, n).round().clip(18, 110),
            "hb_g_per_l": rng.normal(95, 15, n).round(1).clip(30, 180),
            "disease": rng.choice(["AML de novo", "AML secondary"], n),
            "mut_tp53": rng.binomial(1, 0.3, n).astype(float),
            "wbc_1e9_per_l": rng.lognormal(1.2, 1.2, n).round(1).clip(0.1, 300),
            "regimen": rng.choice(["HMA", "LDAC"], n),
        }
    )
    table.loc[rng.random(n) < 0.1, "mut_tp53"] = np.nan
    return table


@pytest.fixture
def stored(models, card):
    return StoredModel(models["cox"], card, "folder", "folder", digest="a1")


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(parts, "ROWS", 4_000)
    monkeypatch.setattr(parts, "BYTES", 200_000)


@pytest.fixture
def asked(tmp_path, small_parts):
    """A batch from one file into another, of N patients."""

    def make(table, source="in.parquet", out="out.parquet", **options):
        path = tmp_path / source
        write = table.to_parquet if path.suffix == ".parquet" else table.to_csv
        write(path, index=False)
        output = Format(out.rpartition(".")[2])
        return Batch(path, tmp_path / out, TableFormat(), output, horizons=HORIZONS, **options)

    return make


def run(asked, stored, progress=lambda share: None):
    return predict_in_parts(asked, stored, progress)


def read(path):
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def left_beside(path):
    return [p.name for p in path.parent.glob(f".{path.name}*")]


@pytest.mark.parametrize(("source", "out"), [("in.parquet", "out.csv"), ("in.csv", "out.parquet")])
def test_parts_give_what_the_whole_gives(asked, stored, models, card, source, out):
    table = patients(N)
    work = asked(table, source, out)
    shares = []
    assert run(work, stored, shares.append) == (N, 0)
    assert len(shares) > 3
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    found = read(work.out)
    expected = predict_patients(models["cox"], card, table, HORIZONS)
    names = list(expected)
    assert list(found)[: len(names)] == names
    missing = found["note"].fillna("").replace({None: ""})
    pd.testing.assert_frame_equal(
        found[names].assign(note=missing), expected, check_dtype=False, rtol=1e-12
    )
    assert set(found["model"]) == {stored.uri}
    assert left_beside(work.out) == []


def test_a_killed_run_goes_on_where_it_was(asked, stored, monkeypatch):
    work = asked(patients(N))
    whole = asked(patients(N), out="whole.parquet")
    run(whole, stored)

    def end(share):
        if share > 0.5:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if not child:
        run(work, stored, end)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not work.out.exists()
    made, predict = [], batch.predictions_of
    monkeypatch.setattr(batch, "predictions_of", lambda *a: made.append(1) or predict(*a))
    assert run(work, stored) == (N, 0)
    assert len(made) == 2  # of five parts of 4,000 rows, three were there
    assert work.out.read_bytes() == whole.out.read_bytes()
    assert left_beside(work.out) == []


@pytest.mark.parametrize("changed", ["patients", "model", "horizons"])
def test_parts_of_another_input_model_or_question_are_not_used(asked, stored, monkeypatch, changed):
    work = asked(patients(8_000))

    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(work, stored, stop)
    assert left_beside(work.out) == [".out.parquet.parts"]
    if changed == "patients":
        work = asked(patients(8_000, seed=6))
    elif changed == "model":
        stored = replace(stored, digest="b2")
    else:
        work = Batch(work.patients, work.out, work.form, work.output, horizons=[3.0])
    made, predict = [], batch.predictions_of
    monkeypatch.setattr(batch, "predictions_of", lambda *a: made.append(1) or predict(*a))
    assert run(work, stored) == (8_000, 0)
    assert len(made) == 2


def test_who_cannot_be_predicted_is_named_with_the_reasons(asked, stored, tmp_path, models, card):
    table = patients(9_000)
    wrong = table.astype({"age_years": object, "regimen": object})
    wrong.loc[10, "age_years"] = 7.0
    wrong.loc[4_500, ["age_years", "regimen"]] = [300.0, "7+3"]
    inputs = ["age_years", "hb_g_per_l", "disease", "mut_tp53", "wbc_1e9_per_l"]
    wrong.loc[8_999, inputs] = None
    wrong = wrong.astype({"age_years": float})
    work = asked(wrong, rejected=tmp_path / "rejected.csv")
    assert run(work, stored) == (8_997, 3)
    rejected = pd.read_csv(work.rejected)
    assert rejected["row"].tolist() == [11, 4_501, 9_000]
    assert rejected["patient_id"].tolist() == ["P10", "P4500", "P8999"]
    assert rejected["reasons"][0].startswith("column age_years: Not a possible value (allowed: ")
    assert "Unknown regimen" in rejected["reasons"][1]
    assert "age_years" in rejected["reasons"][1]
    assert "Nothing is known of this patient" in rejected["reasons"][2]
    found = read(work.out)
    kept = found["row"].to_numpy() - 1
    assert sorted({*range(9_000)} - {*kept}) == [10, 4_500, 8_999]
    expected = predict_patients(models["cox"], card, table.iloc[kept], HORIZONS)
    np.testing.assert_allclose(
        found["event_probability_6m"], expected["event_probability_6m"], rtol=1e-12
    )


def test_without_a_file_for_them_the_first_is_an_error_that_counts_from_the_first_patient(
    asked, stored
):
    table = patients(9_000)
    table.loc[4_500, "age_years"] = 300.0
    work = asked(table)
    with pytest.raises(InputError) as error:
        run(work, stored)
    (problem,) = error.value.problems
    assert "1 patient(s): row 4501 (the first patient is row 1)" in problem.where
    assert not work.out.exists()


def test_what_is_wrong_of_the_whole_table_is_refused(asked, stored, tmp_path):
    table = patients(10).assign(ward=3)
    work = asked(table, rejected=tmp_path / "rejected.csv")
    with pytest.raises(InputError, match="does not know this column"):
        run(work, stored)


def test_where_nobody_can_be_predicted_nothing_is_written(asked, stored, tmp_path):
    work = asked(patients(10).assign(regimen="7+3"), rejected=tmp_path / "rejected.csv")
    with pytest.raises(InputError, match="Nobody can be predicted"):
        run(work, stored)
    assert not work.out.exists()


def test_a_part_alone_may_hold_nobody(asked, stored, tmp_path):
    table = patients(9_000)
    table.loc[:3_999, "regimen"] = "7+3"
    work = asked(table, rejected=tmp_path / "rejected.csv")
    assert run(work, stored) == (5_000, 4_000)
    assert read(work.out)["row"].tolist() == list(range(4_001, 9_001))


def test_a_small_file_or_another_output_is_no_batch(tmp_path):
    small = tmp_path / "small.csv"
    small.write_text("a\n1\n")
    assert paths_of_batch(str(small), tmp_path / "out.csv", Format.csv, None) is None
    assert paths_of_batch("-", tmp_path / "out.csv", Format.csv, None) is None
    rejected = tmp_path / "rejected.csv"
    assert paths_of_batch(str(small), tmp_path / "out.csv", Format.csv, rejected)
    for patients_file, output in (("-", Format.csv), (str(small), Format.json)):
        with pytest.raises(InputError, match="between two files"):
            paths_of_batch(patients_file, tmp_path / "out", output, rejected)
