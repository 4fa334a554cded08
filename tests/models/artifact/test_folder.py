import json
import subprocess
import sys

import numpy as np
import pytest

from features.errors import InputError
from models.artifact.files import MANIFEST
from models.artifact.folder import (
    ARRAYS,
    CARD,
    EARLIER,
    MODEL,
    digest_of,
    load_card,
    load_model,
    packed,
    save_model,
    unpacked,
)
from models.learners.registry import LEARNERS


def carded(card, learner):
    return card.model_copy(update={"learner": learner})


def test_a_folder_holds_the_model_its_card_and_a_manifest_and_nothing_else(models, card, tmp_path):
    digest = save_model(tmp_path / "new" / "model", models["cox"], card)
    files = sorted(path.name for path in (tmp_path / "new" / "model").iterdir())
    assert files == sorted([CARD, MODEL, ARRAYS, MANIFEST])
    assert json.loads((tmp_path / "new" / "model" / CARD).read_text())["learner"] == "cox"
    assert digest == digest_of(tmp_path / "new" / "model")


def test_the_card_comes_back_equal(models, card, tmp_path):
    save_model(tmp_path / "model", models["cox"], card)
    assert load_card(tmp_path / "model") == card
    assert load_model(tmp_path / "model")[1] == card


def test_a_missing_folder_says_what_to_give(tmp_path):
    with pytest.raises(InputError) as refused:
        load_model(tmp_path / "nowhere")
    message = str(refused.value)
    assert "nowhere" in message
    assert "models:/NAME@champion" in message


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner_comes_back_to_the_last_bit(learner, models, card, dataset, tmp_path):
    save_model(tmp_path / "m", models[learner], carded(card, learner))
    loaded, _ = load_model(tmp_path / "m")
    plain = {name: dataset.predictors[name].to_numpy() for name in dataset.predictors}
    for given in (dataset.predictors, plain):
        before, after = (
            m.predict(dataset.predictors if m is models[learner] else given, [3.0, 6.0])
            for m in (models[learner], loaded)
        )
        assert np.array_equal(before.risk_score, after.risk_score)
        assert np.array_equal(before.survival, after.survival)


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_same_model_is_the_same_bytes(learner, models, card, tmp_path):
    first = save_model(tmp_path / "one", models[learner], carded(card, learner))
    again = save_model(tmp_path / "two", load_model(tmp_path / "one")[0], carded(card, learner))
    assert first == again
    kept = unpacked(packed(models[learner]), learner)
    assert save_model(tmp_path / "three", kept, carded(card, learner)) == first


def test_a_model_of_another_learner_than_its_card_says_is_refused(models, card, tmp_path):
    save_model(tmp_path / "m", models["forest"], card)
    with pytest.raises(InputError, match="a model of 'forest', not of 'cox'"):
        load_model(tmp_path / "m")


def test_another_model_than_the_registered_one_is_refused(models, card, tmp_path):
    digest = save_model(tmp_path / "m", models["cox"], card)
    load_model(tmp_path / "m", digest)
    save_model(tmp_path / "m", models["cox"], card.model_copy(update={"endpoint": "EFS"}))
    with pytest.raises(InputError, match="not the model that was registered"):
        load_model(tmp_path / "m", digest)


def test_a_model_of_an_earlier_version_says_what_to_do(tmp_path):
    for name in (CARD, EARLIER):
        (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(InputError) as refused:
        load_model(tmp_path)
    (problem,) = refused.value.problems
    assert "earlier version" in problem.what
    assert "train again" in problem.remedy


def test_a_model_of_a_later_version_says_what_to_do(models, card, tmp_path):
    save_model(tmp_path / "m", models["cox"], card)
    told = json.loads((tmp_path / "m" / MANIFEST).read_text())
    (tmp_path / "m" / MANIFEST).write_text(json.dumps(told | {"format": 99, "more": 1}))
    with pytest.raises(InputError, match="later version"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_stored_model_answers_without_a_library(learner, models, card, tmp_path):
    save_model(tmp_path / "m", models[learner], carded(card, learner))
    heavy = ["mlflow", "optuna", "pandas", "sklearn", "sksurv", "xgboost", "numba", "shap"]
    code = f"""
import sys
from pathlib import Path
from models.artifact import load_model
load_model(Path({str(tmp_path / "m")!r}))  # which predicts for nobody in particular
print(sorted(set({heavy!r}) & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
