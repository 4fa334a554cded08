"""From a table of patients to an answer about each."""

import pandas as pd
import pytest

from features.errors import InputError
from models.artifact import Beside, StoredModel, ask, digest_of, engine_of
from models.artifact.folder import save_model
from models.individual import Caution, Question
from models.patients import read_patients

TABLE = pd.DataFrame(
    {
        "patient_id": ["A", "B"],
        "age_years": [61.0, None],
        "disease": ["AML secondary", None],
        "mut_tp53": [1.0, 0.0],
        "regimen": ["HMA", "LDAC"],
    }
)


def ask_of(model, card, table, *horizons):
    stored = StoredModel(model, card, "m", "m", beside=Beside())
    return ask(engine_of(stored), read_patients(table, card), Question(horizons))


def test_each_patient_is_answered_in_order(models, card):
    first, second = ask_of(models["cox"], card, TABLE, 6.0, 12.0)
    assert (first.patient_id, second.patient_id) == ("A", "B")
    assert [at.month for at in first.horizons] == [6.0, 12.0]
    assert Caution.NOT_FOR_PATIENTS in {doubt.caution for doubt in second.doubts}
    assert [one.value for one in second.inputs if one.name == "age_years"] == [None]


def test_a_patient_of_whom_nothing_is_known_is_refused_by_row(models, card):
    table = TABLE.assign(age_years=[61.0, None], mut_tp53=[1.0, None])
    with pytest.raises(InputError, match=r"row 2") as refused:
        ask_of(models["cox"], card, table, 6.0)
    assert "age_years" in refused.value.problems[0].allowed


def test_another_file_is_another_digest(models, card, tmp_path):
    for name in ("one", "same"):
        save_model(tmp_path / name, models["cox"], card)
    first = digest_of(tmp_path / "one")
    save_model(tmp_path / "one", models["cox"], card.model_copy(update={"endpoint": "EFS"}))
    assert len(first) == 64
    assert digest_of(tmp_path / "one") != first
