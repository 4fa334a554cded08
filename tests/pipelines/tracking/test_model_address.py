"""Where a model may come from: the registry, a run, a folder of this machine; nowhere else."""

import pytest

from features.errors import InputError
from models.artifact.folder import CARD, MODEL, save_model
from pipelines.tracking.model_address import load_any


@pytest.fixture
def folder(models, card, tmp_path):
    save_model(tmp_path / "a model", models["cox"], card)
    return tmp_path / "a model"


def refused(uri):
    with pytest.raises(InputError) as refusal:
        load_any(str(uri))
    (problem,) = refusal.value.problems
    return problem


def test_a_folder_by_its_path_or_as_an_address(folder, card):
    for uri in (str(folder), folder.as_uri()):
        stored = load_any(uri)
        assert stored.card == card
        assert (stored.uri, stored.version, stored.run_id) == (uri, "", "")


@pytest.mark.parametrize(
    "uri",
    ["http://host/model", "https://host", "s3://bucket/key", "dbfs:/model", "ftp:", "gs://b",
     "mlflow-artifacts:/x", "MODELS:/x/1", "", " ", "\t", "a\0b", "models:x"],
)  # fmt: skip
def test_no_other_place_is_asked(uri, monkeypatch):
    import mlflow

    monkeypatch.setattr(
        mlflow.artifacts, "download_artifacts", lambda **_: pytest.fail("it was fetched")
    )
    problem = refused(uri)
    assert problem.where == "--model"
    assert "models:/NAME@champion" in problem.allowed


@pytest.mark.parametrize(
    "uri", ["..", "[/x]", "file:no/where", "file:///no/where", "~", "x" * 5000]
)
def test_a_folder_without_a_model(uri):
    assert refused(uri).what == "No model here"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (CARD, b""), (CARD, b"[]"), (CARD, b"{}"), (CARD, b"\xff\xfe"), (CARD, b"[" * 100_000),
        (MODEL, b""), (MODEL, b"PK\x03\x04 no archive"), (MODEL, None),
    ],
)  # fmt: skip
def test_a_damaged_model_is_told(folder, file, content):
    (folder / file).unlink() if content is None else (folder / file).write_bytes(content)
    problem = refused(folder)
    assert "damaged" in problem.what
    assert file in problem.where


def test_a_learner_of_another_version_is_told(folder, models, card):
    save_model(folder, models["cox"], card.model_copy(update={"learner": "oracle"}))
    assert "oracle" in refused(folder).got
