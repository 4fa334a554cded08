import pandas as pd
import pytest
import yaml

from features.errors import InputError
from models.patients import predict_for, predict_patients
from pipelines import predict
from pipelines.cohort.new_patients import configured_patients
from pipelines.config import read_config

# Columns, unit and codes of another hospital than the one that the model was trained in.
TABLE = pd.DataFrame(
    {
        "who": ["a", "b", "c", "d"],
        "years": [61, 45, 70, 55],
        "hemo": [9.1, 10.0, None, 8.0],
        "dx": ["first", "second", "first", "second"],
        "tp53": [1, 0, 0, 1],
        "arm": ["AZA", "AZA", "ARA", "AZA"],
    }
)
COLUMNS = {
    "patient_id": "who",
    "regimen": {"column": "arm", "values": {"AZA": "HMA", "ARA": "LDAC"}, "reference_arm": "LDAC"},
    "covariates": {
        "age_years": "years",
        "hb_g_per_l": {"column": "hemo", "unit": "g/dL"},
        "disease": {"column": "dx", "values": {"first": "AML de novo", "second": "AML secondary"}},
        "mut_tp53": "tp53",
    },
    # Of patients who are to be predicted nobody knows it yet: the columns are not there.
    "endpoints": {"os": {"label": "OS", "time": "t", "event": "e", "unit": "months"}},
}
OLDER = [{"name": "older", "column": "years", "at_least": 50, "missing": "exclude"}]


@pytest.fixture
def configured(tmp_path):
    def make(table=TABLE, columns=COLUMNS, **cohort):
        table.to_csv(tmp_path / "new.csv", index=False)
        content = {
            "cohort": {"path": "new.csv", "columns": columns} | cohort,
            "endpoint": "os",
            "covariates": ["age_years"],
            "learners": ["cox"],
        }
        (tmp_path / "new.yaml").write_text(yaml.safe_dump(content), "utf-8")
        return read_config(tmp_path / "new.yaml")

    return make


def test_patients_are_read_by_the_mapping_and_predicted_as_in_the_models_own_names(
    configured, models, card
):
    patients, left_out = configured_patients(configured(), card)
    assert left_out == []
    predicted = predict_for(models["cox"], card, patients, [6])
    own = pd.DataFrame(
        {
            "age_years": TABLE["years"],
            "mut_tp53": TABLE["tp53"],
            "regimen": TABLE["arm"].map({"AZA": "HMA", "ARA": "LDAC"}),
            "disease": TABLE["dx"].map({"first": "AML de novo", "second": "AML secondary"}),
        }
    ).assign(hgb=TABLE["hemo"])  # the card's training table has g/dL there
    expected = predict_patients(models["cox"], card, own, [6])
    assert predicted["risk_score"].tolist() == pytest.approx(expected["risk_score"].tolist())
    assert predicted["patient_id"].tolist() == ["a", "b", "c", "d"]
    # No column of white cells is mapped, nor has one its name.
    assert all("missing: " in note and "wbc_1e9_per_l" in note for note in predicted["note"])


def test_who_is_left_out_is_counted_and_rows_stay_those_of_the_file(configured, models, card):
    patients, left_out = configured_patients(configured(inclusion=OLDER), card)
    assert left_out == ["1 of 4 patients left out by the inclusion rules."]
    predicted = predict_for(models["cox"], card, patients, [6])
    assert predicted["row"].tolist() == [1, 3, 4]
    assert predicted["patient_id"].tolist() == ["a", "c", "d"]


def test_drug_records_need_not_hold_every_arm(configured, models, card, tmp_path):
    drugs = [("a", "venetoclax", "2024-01-01"), ("a", "azacitidine", "2024-01-02"),
             ("b", "azacitidine", "2024-01-01"), ("d", "venetoclax", "2024-01-01"),
             ("d", "decitabine", "2024-01-01")]  # fmt: skip
    pd.DataFrame(drugs, columns=["who", "drug", "start"]).to_csv(tmp_path / "drugs.csv")
    regimen = {
        "drugs": {"path": "drugs.csv", "patient_id": "who", "drug": "drug", "start": "start"},
        "companions": {"HMA": ["azacitidine", "decitabine"], "LDAC": ["cytarabine"]},
        "reference_arm": "LDAC",
        "low_dose": {},
    }
    patients, left_out = configured_patients(
        configured(columns=COLUMNS | {"regimen": regimen}), card
    )
    assert left_out == ["2 of 4 patients left out without a regimen."]
    assert patients.regimen.tolist() == ["HMA", "HMA"]
    assert patients.rows.tolist() == [1, 4]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"regimen": None}, "The model needs the regimen, and none is configured"),
        ({"patient_id": "mrn"}, "The table has no such column"),
        ({"covariates": {"age_years": "age"}}, "The table has no such column"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(configured, card, changes, told):
    with pytest.raises(InputError) as error:
        configured_patients(configured(columns=COLUMNS | changes), card)
    assert told in [problem.what for problem in error.value.problems]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "No patients are given"),
        (["--config", "new.yaml", "-"], "Only a file takes the place of the configured table"),
        (["--config", "new.yaml", "--decimal", ","], "Only a file takes the place"),
    ],
)
def test_what_is_given_is_checked_before_a_model_is_loaded(
    configured, tmp_path, capsys, monkeypatch, arguments, told
):
    configured()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        predict.main([*arguments, "--model", "nowhere"])
    assert end.value.code == 2
    assert told in capsys.readouterr().err
