import shutil
import tempfile
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from features.errors import InputError
from models.artifact.asking import ask
from models.artifact.engine import engine_of
from models.individual import Question, row_of
from models.patients import predict_patients, read_patients
from models.store.loading import load, resolve
from models.store.registry import promote, register
from models.store.version import champion_of, versions
from pipelines.tracking import runs as tracking

NAME = "registry-test"
PLAIN = [
    "row", "regimen", "risk_score", "event_probability_6m", "event_probability_12m",
    "median_months",
]  # fmt: skip
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
    """Register the Cox model, then the forest under the same name, and promote it."""
    with pytest.MonkeyPatch.context() as patch:
        connect_to_store(patch)
        experiment = tracking.open_experiment("registry")
        registrations = []
        for learner in ("cox", "forest"):
            run_id = tracking.start_run(experiment, learner, {})
            with tracking.quiet():
                registered = register(
                    models[learner],
                    card.model_copy(update={"learner": learner}),
                    run_id=run_id,
                    model_name=NAME,
                    folder=tmp_path_factory.mktemp("model") / "model",
                )
            tracking.finish_run(run_id)
            registrations.append(registered)
        with tracking.quiet():
            promote(registrations[1].version, registrations[0].version)
        yield registrations


def quietly(function, *arguments, **options):
    with tracking.quiet():
        return function(*arguments, **options)


def test_a_run_has_its_version_once(registered, models, card, tmp_path):
    client = mlflow.MlflowClient()
    first = client.get_model_version(NAME, "1")
    again = quietly(
        register, models["cox"], card, run_id=first.run_id, model_name=NAME,
        folder=tmp_path / "model",
    )  # fmt: skip
    assert again.version.version == "1"
    assert not (tmp_path / "model").exists()


def test_the_first_of_a_name_is_champion_and_later_ones_are_candidates(registered):
    first, second = registered
    assert (first.version.version, second.version.version) == ("1", "2")
    assert first.is_champion
    assert first.told == "registered as version 1, the first of its name: champion"
    assert not second.is_champion
    assert second.champion.version == "1"
    assert second.told.startswith("registered as version 2, candidate; champion stays version 1 (")
    for part in ("cox for OS", "trained on simulated", "83 patients", first.version.run_id[:12]):
        assert part in second.told


def test_a_promotion_notes_what_it_replaced(registered):
    champion = quietly(champion_of, NAME)
    assert champion.version == "2"
    assert champion.tags["learner"] == "forest"
    assert champion.tags["replaced"] == "1"
    assert champion.tags["promoted"].endswith("+00:00")


def test_a_promotion_is_refused_when_another_became_champion_meanwhile(registered):
    first, second = registered
    # Version 1 was shown beside a champion that is none any more.
    with pytest.raises(InputError, match="meanwhile") as refused:
        quietly(promote, first.version, None)
    assert "version 2" in refused.value.problems[0].got
    assert quietly(champion_of, NAME).version == "2"
    quietly(promote, second.version, first.version)  # It is champion already, as after a kill.


def test_an_address_means_one_version(registered):
    first, second = (one.version for one in registered)
    assert [v.version for v in quietly(versions, NAME)] == ["1", "2"]
    for asked, expected in (("@champion", second), ("/1", first), ("/latest", second)):
        found = quietly(resolve, f"models:/{NAME}{asked}")
        assert (found.uri, found.run_id) == (f"models:/{NAME}/{expected.version}", expected.run_id)
    assert quietly(resolve, f"models:/{NAME}@candidate").run_id


def test_what_is_loaded_knows_which_version_it_is(registered):
    stored = quietly(load, f"models:/{NAME}@champion")
    assert stored.identity == {
        "model": f"models:/{NAME}/2",
        "model_asked_for": f"models:/{NAME}@champion",
        "model_version": "2",
        "model_run_id": registered[1].version.run_id,
        "model_data_fingerprint": "",
    }


def test_the_champion_loads_and_predicts_alike(registered, models, card):
    stored = quietly(load, f"models:/{NAME}@champion")
    model, loaded_card = stored.model, stored.card
    assert loaded_card.learner == "forest"
    expected = predict_patients(models["forest"], card, PATIENTS, [6, 12])
    pd.testing.assert_frame_equal(predict_patients(model, loaded_card, PATIENTS, [6, 12]), expected)


def test_a_version_loads_by_its_number(registered):
    assert quietly(load, f"models:/{NAME}/1").card.learner == "cox"


def test_a_model_is_read_from_a_protected_store_and_nothing_is_written_beside_it(
    registered, models, card, protected, store_folder, tmp_path, monkeypatch
):
    run_id = tracking.start_run(tracking.open_experiment("registry"), "protected", {})
    quietly(
        register, models["cox"], card, run_id=run_id, model_name="protected",
        folder=tmp_path / "model",
    )  # fmt: skip
    tracking.finish_run(run_id)
    model_id = version_model(mlflow.MlflowClient().get_model_version("protected", "1"))
    before = sorted(store_folder.rglob("*"))
    # A folder of its own: other tests put files into the machine's.
    own = tmp_path / "temporary"
    own.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    with protected(store_folder):
        for uri in ("models:/protected@champion", "models:/protected/1", f"models:/{model_id}",
                    f"runs:/{run_id}/model"):  # fmt: skip
            stored = quietly(load, uri)
            assert (stored.card.learner, stored.run_id) == ("cox", run_id), uri
    assert sorted(store_folder.rglob("*")) == before
    assert list(own.iterdir()) == []


def test_a_message_names_no_password_of_the_store(registered, monkeypatch):
    secret = "postgresql://reader:s3cret@host/store"
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: secret)
    with pytest.raises(InputError) as told:
        quietly(load, "models:/no-such-model@champion")
    assert told.value.problems[0].where == "postgresql://reader:***@host/store"


def test_pyfunc_loads_it_without_pickle_and_predicts_alike(registered, models, card, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    model = quietly(mlflow.pyfunc.load_model, f"models:/{NAME}@champion")
    expected = predict_patients(models["forest"], card, PATIENTS, [6, 12])
    result = quietly(model.predict, PATIENTS)
    pd.testing.assert_frame_equal(result[PLAIN], expected[PLAIN])
    stored = quietly(load, f"models:/{NAME}@champion", refits=True)
    answers = ask(engine_of(stored), read_patients(PATIENTS, card), Question((6.0, 12.0)))
    pd.testing.assert_frame_equal(result, pd.DataFrame([row_of(answer) for answer in answers]))
    assert "not_for_patients" in result["cautions"][0]


def test_pyfunc_takes_horizons(registered, models, card):
    model = quietly(mlflow.pyfunc.load_model, f"models:/{NAME}@champion")
    result = quietly(model.predict, PATIENTS, params={"horizons": [3.0, 9.0]})
    expected = predict_patients(models["forest"], card, PATIENTS, [3, 9])
    for name in ("event_probability_3m", "event_probability_9m"):
        pd.testing.assert_series_equal(result[name], expected[name])


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
        "event_probability_6m_low",
        "event_probability_6m_high",
        "event_probability_12m",
        "event_probability_12m_low",
        "event_probability_12m_high",
        "median_months",
        "cautions",
        "note",
    ]
    assert info.signature.params.params[0].name == "horizons"
    assert list(info.signature.params.params[0].default) == [6.0, 12.0]


def test_no_pickle_is_stored(registered):
    folder = Path(
        quietly(mlflow.artifacts.download_artifacts, artifact_uri=f"models:/{NAME}@champion")
    )
    files = {path.name for path in folder.rglob("*") if path.is_file()}
    assert {"MLmodel", "model.json", "arrays.npz", "manifest.json", "card.json"} <= files
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".joblib"))]


@pytest.mark.parametrize(
    "uri", ["models:/no-such-model@champion", f"models:/{NAME}/99", f"models:/{NAME}@no-such-alias"]
)
def test_a_model_that_is_not_there_says_so(registered, uri):
    with pytest.raises(InputError) as refused:
        quietly(load, uri)
    (problem,) = refused.value.problems
    assert problem.got == uri
    if NAME in uri:
        assert problem.allowed == f"models:/{NAME}/1, models:/{NAME}/2"
    else:
        assert "pipelines.train" in problem.remedy


@pytest.mark.parametrize(
    "uri",
    [
        "models:/",
        "models:/a'b@champion",
        "models:/x/Production",
        "models:/m-0",
        "models:/%00/1",
        "runs:/nothing/model",
        "runs:/",
    ],
)
def test_a_strange_address_is_refused(registered, uri):
    with pytest.raises(InputError, match="No such model"):
        quietly(load, uri)


def test_files_that_are_gone_are_told_as_such(registered, models, card, tmp_path):
    experiment = tracking.open_experiment("registry")
    run_id = tracking.start_run(experiment, "lost", {})
    made = quietly(
        register, models["cox"], card, run_id=run_id, model_name="lost", folder=tmp_path / "model"
    )
    tracking.finish_run(run_id)
    folder = Path(quietly(mlflow.artifacts.download_artifacts, artifact_uri=made.version.uri))
    (model,) = folder.rglob("arrays.npz")
    model.write_bytes(model.read_bytes()[:200])
    with pytest.raises(InputError, match="damaged"):
        quietly(load, made.version.uri)
    shutil.rmtree(folder)
    with pytest.raises(InputError, match="gone"):
        quietly(load, made.version.uri)


def test_what_was_stored_before_a_kill_is_registered_and_not_stored_again(
    registered, models, card, tmp_path, monkeypatch
):
    class Killed(BaseException):
        pass

    def stop(*arguments, **options):
        raise Killed

    experiment = tracking.open_experiment("registry")
    run_id = tracking.start_run(experiment, "killed", {})
    given = {"run_id": run_id, "model_name": "killed-test", "content": "abc"}
    client = mlflow.MlflowClient()
    # Killed while it stored the model, and again before it registered it.
    begun = client.create_logged_model(experiment, "model", source_run_id=run_id)
    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "create_model_version", stop)
        with pytest.raises(Killed):
            quietly(register, models["cox"], card, folder=tmp_path / "one", **given)
    assert mlflow.get_run(run_id).info.status == "RUNNING"
    version = quietly(register, models["cox"], card, folder=tmp_path / "two", **given).version
    stored = client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    assert [(m.model_id, str(m.status)) for m in stored] == [(version_model(version), "READY")]
    assert begun.model_id != stored[0].model_id

    # Another run with the same content has the same version.
    other = tracking.start_run(experiment, "again", {})
    again = quietly(
        register, models["cox"], card, folder=tmp_path / "three", **given | {"run_id": other}
    )
    assert again.version.version == version.version == "1"
    for each in (run_id, other):
        tracking.finish_run(each)


def version_model(version):
    found = mlflow.MlflowClient().get_model_version(version.name, version.version)
    return found.source.removeprefix("models:/")


def test_an_entry_that_was_stored_before_the_folders_finds_its_model():
    # The file that MLflow runs is stored with each version, and keeps the import that it had.
    from models import registry as earlier
    from models.store import registry as present

    assert earlier.RegisteredModel is present.RegisteredModel
