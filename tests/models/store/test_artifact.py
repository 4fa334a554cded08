import dataclasses
import io
import json
import zipfile
from fractions import Fraction

import numpy as np
import pytest
import skops.io

from features.errors import InputError
from models.learners.registry import LEARNERS, STACK, STACKABLE
from models.store.artifact import CARD, EARLIER_NAMES, MODEL, load_card, load_model, save_model


def test_a_folder_holds_the_model_and_its_card_and_nothing_else(models, card, tmp_path):
    save_model(tmp_path / "new" / "model", models["cox"], card)
    files = sorted(path.name for path in (tmp_path / "new" / "model").iterdir())
    assert files == [CARD, MODEL]
    assert json.loads((tmp_path / "new" / "model" / CARD).read_text())["learner"] == "cox"


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


class Loaded(Exception):  # noqa: N818
    """Raised when skops is asked to load, which must not happen."""


@pytest.fixture
def no_loading(monkeypatch):
    def refuse(*args, **kwargs):
        raise Loaded

    monkeypatch.setattr(skops.io, "load", refuse)


def test_a_file_with_a_foreign_type_is_refused_and_not_loaded(models, card, tmp_path, no_loading):
    folder = tmp_path / "model"
    hidden = dataclasses.replace(models["cox"], params={"alpha": Fraction(1, 3)})
    save_model(folder, hidden, card)
    with pytest.raises(InputError) as refused:
        load_model(folder)
    problem = refused.value.problems[0]
    assert "Fraction" in problem.got
    assert "models.learners.cox.CoxElasticNet" in problem.allowed
    assert "not loaded" in problem.what


def test_a_card_does_not_widen_what_may_be_loaded(models, card, tmp_path, no_loading):
    # A forest behind the card of a Cox model: the trees' type is not on the Cox model's list.
    save_model(tmp_path / "model", models["forest"], card)
    with pytest.raises(InputError, match=r"models\.learners\.forest\.SurvivalForest"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize("learner", [name for name in LEARNERS if name != STACK])
def test_each_learner_needs_every_type_on_its_list(learner, models, card, tmp_path):
    folder = tmp_path / learner
    save_model(folder, models[learner], card.model_copy(update={"learner": learner}))
    found = set(skops.io.get_untrusted_types(file=folder / MODEL))
    assert set(LEARNERS[learner].trusted_types) <= found


def test_a_stack_may_hold_what_its_members_may_and_nothing_else():
    allowed = {kind for name in STACKABLE for kind in LEARNERS[name].trusted_types}
    assert set(LEARNERS[STACK].trusted_types) == allowed | {"models.stack.StackedModel"}


def test_nothing_in_the_file_is_pickled(models, card, tmp_path):
    save_model(tmp_path / "model", models["forest"], card.model_copy(update={"learner": "forest"}))
    with zipfile.ZipFile(tmp_path / "model" / MODEL) as stored:
        for name in stored.namelist():
            if name == "schema.json":
                json.loads(stored.read(name))
            else:
                np.load(io.BytesIO(stored.read(name)), allow_pickle=False)


def test_a_stored_file_differs_only_with_its_model(models, card, dataset, tmp_path):
    save_model(tmp_path / "one", models["cox"], card)
    loaded, _ = load_model(tmp_path / "one")
    save_model(tmp_path / "two", loaded, card)
    again, _ = load_model(tmp_path / "two")
    first, second = (m.predict(dataset.predictors, [6.0]).survival for m in (loaded, again))
    assert np.array_equal(first, second)


LEARNERS_EARLIER = [(name, "") for name in ("cox", "forest", "xgboost_cox", "kaplan_meier")] + [
    ("cox", "BreslowBaseline")
]


@pytest.mark.parametrize(("learner", "baseline"), LEARNERS_EARLIER)
def test_a_model_stored_under_an_earlier_name_of_a_type_is_loaded(
    models, card, dataset, tmp_path, learner, baseline
):
    save_model(tmp_path / "model", models[learner], card.model_copy(update={"learner": learner}))
    file = tmp_path / "model" / MODEL
    with zipfile.ZipFile(file) as stored:
        content = {name: stored.read(name) for name in stored.namelist()}
    schema = content["schema.json"].replace(b"models.learners.", b"models.")
    if baseline:
        schema = schema.replace(b"BaselineHazard", baseline.encode())
    content["schema.json"] = schema
    with zipfile.ZipFile(file, "w") as stored:
        for name, data in content.items():
            stored.writestr(name, data)
    found = set(skops.io.get_untrusted_types(file=file))
    assert found & set(EARLIER_NAMES)
    first, second = (
        m.predict(dataset.predictors, [6.0]).survival
        for m in (models[learner], load_model(tmp_path / "model")[0])
    )
    assert np.array_equal(first, second)


def test_every_learner_of_ours_has_its_earlier_name():
    ours = {
        name for learner in LEARNERS.values() for name in learner.trusted_types
        if name.startswith("models.learners.")
    }  # fmt: skip
    assert ours == set(EARLIER_NAMES.values())
