import copy
import io
import json

import numpy as np
import pandas as pd
import pytest
import yaml

from models.artifact.folder import save_model
from pipelines import predict, train

CONFIG = {
    "seed": 1,
    "cohort": {
        "path": "patients.csv",
        "name": "bad input",
        "columns": {
            "patient_id": "id",
            "regimen": {
                "column": "treatment",
                "values": {"AZA": "HMA", "ARA-C": "LDAC"},
                "reference_arm": "LDAC",
            },
            "covariates": {"disease": "diagnosis"},
            "endpoints": {
                "os": {"label": "OS", "time": "months", "event": "dead", "unit": "months"}
            },
        },
    },
    "endpoint": "os",
    "covariates": ["age_years", "hb_g_per_l", "disease", "mut_tp53"],
    "learners": ["cox"],
    "resampling": {"folds": 3, "repeats": 1, "inner_folds": 2},
    "tuning": {"trials": 1},
    "evaluation": {"horizons": [6, 12], "bootstrap": 50},
    "tracking": {"experiment": "bad-input", "model_name": "bad-input"},
}


@pytest.fixture
def no_store(monkeypatch, tmp_path):
    """The path of a store that does not exist, and must not come into being."""
    path = tmp_path / "store" / "mlflow.db"
    path.parent.mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
    monkeypatch.chdir(tmp_path)
    yield path
    assert list(path.parent.iterdir()) == []
    assert not (tmp_path / "mlruns").exists()


@pytest.fixture
def table(known_inputs, regimen, outcome):
    """A good table: each test breaks it in one place."""
    return pd.DataFrame(
        {
            "id": [f"P{number}" for number in range(len(known_inputs))],
            "treatment": np.where(regimen == "HMA", "AZA", "ARA-C"),
            "age_years": known_inputs["age_years"],
            "hb_g_per_l": known_inputs["hb_g_per_l"],
            "diagnosis": known_inputs["disease"],
            "mut_tp53": known_inputs["mut_tp53"],
            "months": outcome.time,
            "dead": outcome.event.astype(int),
        }
    ).astype(object)


def refuse(capsys, main, argv):
    """Run a command that must refuse; returns what it says."""
    with pytest.raises(SystemExit) as end:
        main(argv)
    printed = capsys.readouterr()
    assert end.value.code == 2
    assert "Traceback" not in printed.err + printed.out
    return printed.err


@pytest.fixture
def refused_training(capsys, tmp_path, table, no_store):
    """Train on a table and with a configuration that one function each has broken."""

    def call(break_table=None, break_config=None):
        broken, config = table.copy(), copy.deepcopy(CONFIG)
        if break_table:
            broken = break_table(broken)
        if break_config:
            break_config(config)
        if broken is not None:
            broken.to_csv(tmp_path / "patients.csv", index=False)
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        return refuse(capsys, train.main, ["--config", str(tmp_path / "config.yaml")])

    return call


def setting(column, row, value):
    """Break one cell; the first patient is row 1."""

    def break_table(table):
        table.loc[row - 1, column] = value
        return table

    return break_table


# -- train: the table ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("break_table", "told"),
    [
        pytest.param(
            lambda t: t.drop(columns="mut_tp53"),
            ["no such column", "mut_tp53", "age_years", "correct the name in the configuration"],
            id="a column is missing",
        ),
        pytest.param(
            lambda t: t.rename(columns={"hb_g_per_l": "hb_g_per_L"}),
            ["hb_g_per_l", "did you mean 'hb_g_per_L'?"],
            id="a column is spelt differently",
        ),
        pytest.param(
            setting("age_years", 4, "sixty"),
            ["not a number", "row 4", "age_years", "sixty", "decimal point"],
            id="text in a number",
        ),
        pytest.param(
            setting("age_years", 2, 6100),
            ["Not a possible value", "row 2", "6100", "18", "110"],
            id="an impossible age",
        ),
        pytest.param(
            lambda t: t.assign(hb_g_per_l=t["hb_g_per_l"].astype(float) / 10),
            ["hb_g_per_l", "looks like g/dL", "multiply by 10"],
            id="hemoglobin in g/dL",
        ),
        pytest.param(
            setting("diagnosis", 7, "CML"),
            ["row 7", "diagnosis", "disease", "CML", "AML de novo"],
            id="a disease outside the vocabulary",
        ),
        pytest.param(
            setting("mut_tp53", 3, 2),
            ["row 3", "mut_tp53", "0 or 1"],
            id="a flag that is neither 0 nor 1",
        ),
        pytest.param(
            setting("treatment", 5, "7+3"),
            ["Unknown regimen", "row 5", "treatment", "7+3", "AZA", "ARA-C"],
            id="an unknown regimen",
        ),
        pytest.param(
            setting("treatment", 5, None),
            ["Unknown regimen", "row 5", "empty", "none is assumed"],
            id="an empty regimen",
        ),
        pytest.param(
            setting("id", 9, "P0"),
            ["same patient", "1 row(s): 9 (", "one row a patient", "first venetoclax dose"],
            id="a patient twice",
        ),
        pytest.param(
            setting("months", 6, -1),
            ["negative", "months", "row 6", "index date"],
            id="a negative time",
        ),
        pytest.param(
            setting("months", 6, None),
            ["missing or not a number", "months", "row 6"],
            id="no time",
        ),
        pytest.param(
            setting("dead", 8, "yes"),
            ["dead", "row 8", "event_values"],
            id="an event code nobody stated",
        ),
        pytest.param(
            lambda t: t.assign(dead=0),
            ["No patient has the event", "dead", "coding"],
            id="no event at all",
        ),
        pytest.param(
            lambda t: t.assign(dead=[1] * 3 + [0] * (len(t) - 3)),
            ["Too few events", "3 events", "at least 6", "fewer folds"],
            id="too few events",
        ),
        pytest.param(
            lambda t: t.assign(mut_tp53=0),
            ["same for everybody", "mut_tp53", "constant_covariate", "take it out"],
            id="a covariate that never varies",
        ),
        pytest.param(
            lambda t: t.assign(treatment=["ARA-C"] * 2 + ["AZA"] * (len(t) - 2)),
            ["regimen has too few patients", "LDAC: 2", "at least 3"],
            id="too few patients under a regimen",
        ),
        pytest.param(
            lambda t: t.iloc[:0],
            ["no patient", "at least one row"],
            id="an empty table",
        ),
        pytest.param(
            lambda t: None,
            ["No such table", "patients.csv"],
            id="no table",
        ),
    ],
)
def test_training_refuses_a_table(refused_training, break_table, told):
    message = refused_training(break_table)
    for part in told:
        assert part in message


def test_a_table_with_semicolons(refused_training, table, tmp_path):
    # Written by the test itself, because the comma is what is wrong.
    table.to_csv(tmp_path / "german.csv", sep=";", index=False)
    message = refused_training(None, lambda c: c["cohort"].update(path="german.csv"))
    for part in ("not separated by commas", "german.csv", "semicolons", "comma-separated"):
        assert part in message


def test_a_table_that_is_not_text(refused_training, tmp_path):
    (tmp_path / "latin.csv").write_bytes("id,müde\n1,2\n".encode("latin-1"))
    message = refused_training(None, lambda c: c["cohort"].update(path="latin.csv"))
    assert "not UTF-8" in message
    assert "save it again" in message


def test_every_mistake_is_told_at_once(refused_training):
    def break_table(table):
        table.loc[1, "age_years"] = "old"
        table.loc[2, "treatment"] = "7+3"
        table.loc[3, "months"] = -4
        table.loc[4, "id"] = "P0"
        return table

    message = refused_training(break_table)
    assert "4 errors" in message
    for part in ("age_years", "7+3", "negative", "same patient"):
        assert part in message


# -- train: the configuration ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("break_config", "told"),
    [
        pytest.param(
            lambda c: c.update(tunning={"trials": 5}),
            ["Unknown key", "tunning", "did you mean 'tuning'?"],
            id="a key spelt wrongly",
        ),
        pytest.param(
            lambda c: c["resampling"].update(fold=5),
            ["resampling.fold", "did you mean 'folds'?"],
            id="a nested key spelt wrongly",
        ),
        pytest.param(
            lambda c: c["resampling"].update(folds=1),
            ["resampling.folds", "1", "greater than or equal to 2"],
            id="one fold",
        ),
        pytest.param(
            lambda c: c.update(learners=["cox", "deepsurv"]),
            ["learners", "deepsurv", "forest", "xgboost_cox"],
            id="an unknown learner",
        ),
        pytest.param(
            lambda c: c.update(endpoint="pfs"),
            ["pfs", "os"],
            id="an endpoint that is not described",
        ),
        pytest.param(
            lambda c: c.pop("covariates"),
            ["A key is missing", "covariates", "train.yaml"],
            id="no covariates",
        ),
        pytest.param(
            lambda c: c["covariates"].append("mut_tp35"),
            ["Unknown covariate", "mut_tp35", "did you mean 'mut_tp53'?"],
            id="an unknown covariate",
        ),
        pytest.param(
            lambda c: c["covariates"].append("mrd_negative"),
            ["Not a baseline covariate", "mrd_negative", "sees the future"],
            id="a covariate from after the start",
        ),
        pytest.param(
            lambda c: c["covariates"].append("age_years"),
            ["covariates", "named twice: age_years"],
            id="a covariate twice",
        ),
        pytest.param(
            lambda c: c["evaluation"].update(horizons=[12, 6]),
            ["evaluation.horizons", "increasing"],
            id="horizons out of order",
        ),
        pytest.param(
            lambda c: c["evaluation"].update(horizons=[6, 600]),
            ["horizon lies beyond the follow-up", "600", "earlier horizons"],
            id="a horizon beyond the follow-up",
        ),
        pytest.param(
            # The first of the made-up deaths is at .03 months.
            lambda c: c["evaluation"].update(horizons=[0.02, 6]),
            [
                "horizon lies before the first event",
                "got:     0.02",
                "from 0.03 months, the first event of OS",
                "later horizons",
            ],
            id="a horizon before the first event",
        ),
        pytest.param(
            lambda c: c["cohort"]["columns"]["regimen"].update(reference_arm="7+3"),
            ["reference_arm", "7+3", "HMA"],
            id="a reference arm that nobody received",
        ),
        pytest.param(
            lambda c: c["cohort"]["columns"]["endpoints"]["os"].update(unit="weeks"),
            ["unit", "weeks", "days", "months"],
            id="an unknown unit of time",
        ),
        pytest.param(
            lambda c: c["cohort"]["columns"]["covariates"].update(
                hb_g_per_l={"column": "hb_g_per_l", "unit": "mmol/L"}
            ),
            ["Unknown unit", "hb_g_per_l", "mmol/L", "g/dL"],
            id="an unknown unit of a covariate",
        ),
        pytest.param(
            lambda c: c["tracking"].update(model_name="a/b"),
            ["tracking.model_name", "a/b"],
            id="a model name that MLflow cannot store",
        ),
        pytest.param(
            lambda c: c.update(seed="one"),
            ["seed", "one", "integer"],
            id="a seed in words",
        ),
    ],
)
def test_training_refuses_a_configuration(refused_training, break_config, told):
    message = refused_training(None, break_config)
    for part in told:
        assert part in message


@pytest.mark.parametrize(
    ("learner", "fixed"),
    [
        ("cox", {"alpha": -1}),
        ("cox", {"alpha": "a"}),
        ("cox", {"l1_ratio": 5}),
        ("forest", {"n_estimators": 0}),
        ("forest", {"max_features": 7.5}),
        ("forest", {"min_samples_leaf": 2.5}),
        ("xgboost_cox", {"learning_rate": -1}),
        ("xgboost_aft", {"distribution": "gauss"}),
        ("gradient_boosting", {"subsample": 3}),
    ],
)
def test_a_fixed_parameter_outside_its_limits(refused_training, learner, fixed):
    def fix(config):
        config["learners"] = [learner]
        config["tuning"]["fixed"] = {learner: fixed}

    message = refused_training(None, fix)
    assert "A fixed parameter cannot be used" in message
    assert f"tuning.fixed.{learner}" in message
    assert next(iter(fixed)) in message


@pytest.mark.parametrize(
    "address",
    ["postgresql+psycopg://u@127.0.0.1:1/d", "sqlite:////nowhere/at/all/trials.db", "mysql://h/d"],
)
def test_a_database_of_trials_that_cannot_be_opened(refused_training, address):
    message = refused_training(None, lambda c: c["tuning"].update(storage=address))
    assert "The database of the trials cannot be opened" in message
    assert "tuning.storage" in message


def test_a_password_in_the_address_of_the_trials(refused_training):
    address = "postgresql+psycopg://u:hunter2@h/d"
    message = refused_training(None, lambda c: c["tuning"].update(storage=address))
    assert "tuning.storage" in message
    assert "hunter2" not in message


def test_a_cohort_too_small_where_that_is_to_stop_it(refused_training):
    message = refused_training(None, lambda c: c.update(sample_size={"when_too_small": "stop"}))
    assert "The cohort is too small for the covariates" in message
    assert "would be needed" in message


def test_a_configuration_that_is_not_there(capsys, no_store):
    message = refuse(capsys, train.main, ["--config", "nowhere.yaml"])
    assert "No such configuration" in message
    assert "nowhere.yaml" in message
    assert "train.yaml" in message


def test_a_configuration_that_is_not_yaml(capsys, no_store, tmp_path):
    (tmp_path / "config.yaml").write_text("seed: 1\ncohort: [unclosed\nendpoint: os\n")
    message = refuse(capsys, train.main, ["--config", str(tmp_path / "config.yaml")])
    assert "not valid YAML" in message
    assert "line 3" in message


def test_an_output_folder_that_cannot_be_made(capsys, no_store, tmp_path, table):
    table.to_csv(tmp_path / "patients.csv", index=False)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (tmp_path / "taken").write_text("a file")
    argv = ["--config", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "taken")]
    message = refuse(capsys, train.main, argv)
    assert "cannot be written" in message
    assert "taken" in message


def test_a_table_given_on_the_command_line_that_is_not_there(capsys, no_store, tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    argv = ["--config", str(tmp_path / "config.yaml"), "--cohort", "missing.csv"]
    message = refuse(capsys, train.main, argv)
    assert "No such table" in message
    assert "missing.csv" in message


def test_subgroups_that_are_not_there(refused_training):
    def change(config):
        config["evaluation"] = config["evaluation"] | {"subgroups": ["hb_g_per_l"]}

    message = refused_training(break_config=change)
    assert "No such subgroups" in message
    assert "evaluation.subgroups" in message
    assert "mut_tp53" in message


# -- predict ---------------------------------------------------------------------------------

PATIENT = {"age_years": 61, "hb_g_per_l": 98, "disease": "AML de novo", "regimen": "HMA"}


@pytest.fixture(scope="module")
def model_folder(models, card, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "cox"
    save_model(folder, models["cox"], card)
    return str(folder)


@pytest.fixture
def refused_prediction(capsys, monkeypatch, model_folder, no_store):
    """Predict for one patient on standard input, given as changes to PATIENT."""

    def call(changes, *options, model=model_folder, text=None):
        patient = {k: v for k, v in {**PATIENT, **changes}.items() if v != "absent"}
        monkeypatch.setattr("sys.stdin", io.StringIO(text or json.dumps(patient)))
        return refuse(capsys, predict.main, ["-", "--model", model, *options])

    return call


@pytest.mark.parametrize(
    ("changes", "options", "told"),
    [
        pytest.param(
            {"mut_tp35": 1},
            (),
            ["does not know this column", "mut_tp35", "did you mean 'mut_tp53'?", "--ignore-extra"],
            id="an unknown column",
        ),
        pytest.param(
            {"age_years": "sixty"},
            (),
            ["not a number", "row 1", "age_years", "sixty"],
            id="text in a number",
        ),
        pytest.param(
            {"age_years": -3},
            (),
            ["Not a possible value", "age_years", "-3", "18"],
            id="an impossible value",
        ),
        pytest.param(
            {"hb_g_per_l": 9.8},
            (),
            ["hb_g_per_l", "9.8", "looks like g/dL"],
            id="hemoglobin in g/dL",
        ),
        pytest.param(
            {"disease": "CML"},
            (),
            ["disease", "CML", "AML de novo"],
            id="a disease outside the vocabulary",
        ),
        pytest.param(
            {"regimen": "7+3"},
            (),
            ["Unknown regimen", "7+3", "HMA", "LDAC"],
            id="an unknown regimen",
        ),
        pytest.param(
            {"regimen": "absent"},
            (),
            ["The regimen is missing", "LDAC, HMA", "never assumed"],
            id="no regimen",
        ),
        pytest.param(
            {"age_years": None, "hb_g_per_l": None, "disease": None},
            (),
            ["Nothing is known of this patient", "row 1", "age_years"],
            id="nothing but the regimen",
        ),
        pytest.param(
            {"age_years": [61, 62]},
            (),
            ["not a single number or word", "age_years"],
            id="a list in a cell",
        ),
        pytest.param(
            {},
            ("--horizons", "6,1000"),
            ["No prediction at this horizon", "1000", "follow-up"],
            id="a horizon beyond the follow-up",
        ),
        pytest.param(
            {},
            ("--horizons", "six"),
            ["not numbers", "--horizons", "six", "6,12"],
            id="horizons in words",
        ),
        pytest.param(
            {},
            ("--out", "no/such/folder.csv"),
            ["cannot be written", "no/such/folder.csv"],
            id="nowhere to write to",
        ),
        pytest.param(
            {},
            ("--format", "xml"),
            ["--format", "xml"],
            id="an unknown format",
        ),
    ],
)
def test_prediction_refuses(refused_prediction, changes, options, told):
    message = refused_prediction(changes, *options)
    for part in told:
        assert part in message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"age_years": 61', "cannot be read"),
        ("[1, 2]", "does not hold patients"),
        ("[]", "no patient"),
        ("age_years,regimen\n", "no patient"),
        ("age_years;regimen\n61;HMA\n", "not separated by commas"),
        ("age_years,age_years,regimen\n61,62,HMA\n", "Two columns have the same name"),
        (" ", "cannot be read"),
    ],
)
def test_prediction_refuses_text_that_holds_no_patients(refused_prediction, text, told):
    assert told in refused_prediction({}, text=text)


def test_several_mistakes_of_a_patient_are_told_at_once(refused_prediction):
    message = refused_prediction(
        {"age_years": "old", "regimen": "7+3", "ward": "3b"}, "--horizons", "6,1000"
    )
    assert "4 errors" in message
    for part in ("old", "7+3", "ward", "1000"):
        assert part in message


def test_a_file_of_patients_that_is_not_there(capsys, model_folder, no_store):
    message = refuse(capsys, predict.main, ["nobody.csv", "--model", model_folder])
    assert "No such table" in message
    assert "nobody.csv" in message


def test_nobody_is_rejected_alone_where_a_full_answer_is_asked_for(refused_prediction):
    message = refused_prediction({}, "--limits", "--rejected", "rejected.csv")
    assert "A full answer is for a few patients" in message
    assert "--rejected rejected.csv" in message


def test_a_folder_without_a_model(refused_prediction):
    message = refused_prediction({}, model="no-model-here")
    assert "No model here" in message
    assert "models:/NAME@champion" in message


def test_a_model_that_was_never_registered(capsys, monkeypatch, mlflow_store):
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(PATIENT)))
    message = refuse(capsys, predict.main, ["-", "--model", "models:/never-trained@champion"])
    assert "No such model" in message
    assert "never-trained" in message
    assert "pipelines.train" in message


def test_the_untouched_table_configuration_and_patient_are_good(
    capsys, monkeypatch, tmp_path, table, model_folder, no_store
):
    # Otherwise the refusals above could have another reason than the one they name.
    from pipelines.cohort.reading import check_cohort
    from pipelines.config import read_config

    table.to_csv(tmp_path / "patients.csv", index=False)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    config = read_config(tmp_path / "config.yaml")
    assert len(check_cohort(config).cohort) == len(table)
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(PATIENT)))
    with pytest.raises(SystemExit) as end:
        predict.main(["-", "--model", model_folder, "--format", "csv"])
    assert end.value.code == 0
    assert "event_probability_6m" in capsys.readouterr().out
