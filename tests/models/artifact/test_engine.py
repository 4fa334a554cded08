"""Every learner's stored model answers about one patient as it predicts."""

import json

import numpy as np
import pytest

from features.errors import InputError
from models.artifact.engine import engine_of, steps_of
from models.artifact.files import MANIFEST, write_manifest
from models.artifact.folder import REFITS, SUPPORT, load_beside, load_model, save_model
from models.artifact.stored import Beside, StoredModel
from models.fit import fit_model
from models.individual import Asked, Question, Risks, Support, Terms, answers, typical_values
from models.learners.registry import LEARNERS


def columns_of(dataset):
    return {name: dataset.predictors[name].to_numpy() for name in dataset.predictors}


@pytest.fixture(scope="module")
def support(dataset):
    columns = columns_of(dataset)
    typical = typical_values(columns)
    return Support(
        event="death", until=20.0, events_per_feature=12.0, months=(6.0, 12.0),
        average=(0.8, 0.6), typical=typical,
        fills=dict.fromkeys(typical), terms=Terms.of(columns, 5),
        risks=Risks(month=12.0),
    )  # fmt: skip


@pytest.mark.parametrize("learner", LEARNERS)
def test_an_answer_is_what_the_model_predicts(learner, models, card, dataset, support):
    model = models[learner]
    own = card.model_copy(update={"learner": learner})
    engine = engine_of(StoredModel(model, own, "m", "m", beside=Beside(support)))
    seen = {
        name: column[:3] for name, column in columns_of(dataset).items() if name in model.columns
    }
    asked = Asked(seen, {}, np.array([1, 2, 3]))
    expected = model.predict(dataset.predictors.iloc[:3], [6.0, 12.0]).survival
    found = answers(engine, asked, Question((6.0, 12.0), explain=True, curve=True))
    for one, survival in zip(found, expected, strict=True):
        assert [at.probability for at in one.horizons] == pytest.approx(1 - survival, abs=1e-12)
        if one.contributions is not None:
            total = one.contributions.start + sum(part.amount for part in one.contributions.parts)
            assert total == pytest.approx(1 - survival[1], abs=1e-9)
        json.dumps(one.to_dict(), allow_nan=False)


@pytest.mark.parametrize("learner", LEARNERS)
def test_between_its_steps_survival_stays(learner, models, dataset):
    steps = steps_of(models[learner])
    if steps is None:
        assert learner == "xgboost_aft"
        return
    inside = steps[(steps > 0) & (steps < dataset.outcome.follow_up)]
    before = np.unique([*(inside[1:] - 1e-6), dataset.outcome.follow_up - 1e-6])
    predictors = dataset.predictors.iloc[:2]
    at_steps = models[learner].predict(predictors, inside).survival
    just_before = models[learner].predict(predictors, before).survival
    assert at_steps == pytest.approx(just_before)


# -- what is stored beside a model ----------------------------------------------------------------


@pytest.fixture
def folder(models, card, dataset, support, tmp_path):
    refits = tuple(fit_model("cox", {}, dataset, seed) for seed in (1, 2))
    save_model(tmp_path / "m", models["cox"], card, Beside(support, refits))
    return tmp_path / "m"


def test_summaries_and_refits_come_back(folder, card, support, dataset, models):
    found = load_beside(folder, card, refits=True)
    assert found.support == support
    expected = fit_model("cox", {}, dataset, 2).predict(dataset.predictors, [6.0]).survival
    assert found.refits[1].predict(dataset.predictors, [6.0]).survival == pytest.approx(expected)
    assert load_beside(folder, card, refits=False).refits == ()
    load_model(folder)


def test_a_model_that_was_stored_without_has_neither(models, card, tmp_path):
    save_model(tmp_path / "m", models["cox"], card)
    assert load_beside(tmp_path / "m", card, refits=True) == Beside()


@pytest.mark.parametrize("text", ["", "{}", "[1", '{"event": "death"}', "\udcff"])
def test_damaged_summaries_are_refused(folder, card, text):
    (folder / SUPPORT).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match="damaged"):
        load_beside(folder, card, refits=False)


def test_refits_of_another_learner_are_refused(folder, card, models, support):
    save_model(folder, models["cox"], card, Beside(support, (models["forest"],)))
    with pytest.raises(InputError, match="not of 'cox'"):
        load_beside(folder, card, refits=True)


@pytest.mark.parametrize("content", [{"a": 1}, [1, 2], "text", {"list": [1, 2]}])
def test_what_is_no_list_of_models_is_refused(folder, card, content):
    (folder / REFITS).write_text(json.dumps(content))
    write_manifest(folder, [path.name for path in folder.iterdir() if path.name != MANIFEST])
    with pytest.raises(InputError, match="damaged"):
        load_beside(folder, card, refits=True)
