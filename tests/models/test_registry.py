from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from features.errors import InputError
from models.patients import predict_patients
from models.registry import load, register
from pipelines import tracking

NAME = "registry-test"
PATIENTS = pd.DataFrame(
    {
        "age_years": [61.0, 44.0],
        "hb_g_per_l": [98.0, None],
        "disease": ["AML secondary", "AML de novo"],
        "mut_tp53": [1.0, 0.0],
        "wbc_1e9_per_l": [4.2, 30.0],
        "regimen": ["HMA", "LDAC"],
    }
)


@pytest.fixture(scope="module")
def registered(connect_to_store, models, card, tmp_path_factory):
    """Register the Cox model, then the forest under the same name; returns the versions."""
    with pytest.MonkeyPatch.context() as patch:
        connect_to_store(patch)
        experiment = tracking.open_experiment("registry")
        versions = []
        for learner in ("cox", "forest"):
            run_id = tracking.start_run(experiment, learner, {})
            with tracking.quiet():
                version = register(
                    models[learner],
                    card.model_copy(update={"learner": learner}),
                    run_id=run_id,
                    model_name=NAME,
                    folder=tmp_path_factory.mktemp("model") / "model",
                )
            tracking.finish_run(run_id)
            versions.append(version)
        yield versions


def quietly(function, *arguments, **options):
    with tracking.quiet():
        return function(*arguments, **options)


def test_a_run_has_its_version_once(registered, models, card, tmp_path):
    client = mlflow.MlflowClient()
    first = client.get_model_version(NAME, "1")
    again = quietly(
        register, models["cox"], card, run_id=first.run_id, model_name=NAME,
        folder=tmp_path / "model", alias=None,
    )  # fmt: skip
    assert again == "1"
    assert not (tmp_path / "model").exists()


def test_versions_count_up_and_the_champion_is_the_last(registered):
    assert registered == ["1", "2"]
    champion = mlflow.MlflowClient().get_model_version_by_alias(NAME, "champion")
    assert champion.version == "2" or champion.version == 2
    assert champion.tags["learner"] == "forest"


def test_the_champion_loads_and_predicts_alike(registered, models, card):
    model, loaded_card = quietly(load, f"models:/{NAME}@champion")
    assert loaded_card.learner == "forest"
    expected = predict_patients(models["forest"], card, PATIENTS, [6, 12])
    pd.testing.assert_frame_equal(predict_patients(model, loaded_card, PATIENTS, [6, 12]), expected)


def test_a_version_loads_by_its_number(registered):
    assert quietly(load, f"models:/{NAME}/1")[1].learner == "cox"


def test_pyfunc_loads_it_without_pickle_and_predicts_alike(registered, models, card, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    model = quietly(mlflow.pyfunc.load_model, f"models:/{NAME}@champion")
    expected = predict_patients(models["forest"], card, PATIENTS, [6, 12])
    pd.testing.assert_frame_equal(quietly(model.predict, PATIENTS), expected)


def test_pyfunc_takes_horizons(registered, models, card):
    model = quietly(mlflow.pyfunc.load_model, f"models:/{NAME}@champion")
    result = quietly(model.predict, PATIENTS, params={"horizons": [3.0, 9.0]})
    expected = predict_patients(models["forest"], card, PATIENTS, [3, 9])
    pd.testing.assert_frame_equal(result, expected)


def test_pyfunc_refuses_a_missing_or_mistyped_column(registered):
    model = quietly(mlflow.pyfunc.load_model, f"models:/{NAME}@champion")
    with pytest.raises(MlflowException, match="regimen"):
        quietly(model.predict, PATIENTS.drop(columns="regimen"))
    with pytest.raises(MlflowException, match="age_years"):
        quietly(model.predict, PATIENTS.assign(age_years=["old", "young"]))


def test_pyfunc_refuses_an_impossible_value(registered):
    model = quietly(mlflow.pyfunc.load_model, f"models:/{NAME}@champion")
    with pytest.raises(InputError, match="looks like g/dL"):
        quietly(model.predict, PATIENTS.assign(hb_g_per_l=[9.8, 90.0]))


def test_the_signature_names_inputs_outputs_and_horizons(registered):
    info = quietly(mlflow.models.get_model_info, f"models:/{NAME}@champion")
    assert info.signature.inputs.input_names() == list(PATIENTS)
    assert info.signature.outputs.input_names() == [
        "row",
        "regimen",
        "risk_score",
        "event_probability_6m",
        "event_probability_12m",
        "median_months",
        "note",
    ]
    assert info.signature.params.params[0].name == "horizons"
    assert list(info.signature.params.params[0].default) == [6.0, 12.0]


def test_no_pickle_is_stored(registered):
    folder = Path(
        quietly(mlflow.artifacts.download_artifacts, artifact_uri=f"models:/{NAME}@champion")
    )
    files = {path.name for path in folder.rglob("*") if path.is_file()}
    assert {"MLmodel", "model.skops", "card.json"} <= files
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".joblib"))]


@pytest.mark.parametrize(
    "uri", ["models:/no-such-model@champion", f"models:/{NAME}/99", f"models:/{NAME}@no-such-alias"]
)
def test_a_model_that_is_not_there_says_so(registered, uri):
    with pytest.raises(InputError) as refused:
        quietly(load, uri)
    (problem,) = refused.value.problems
    assert problem.got == uri
    assert "pipelines.train" in problem.remedy
