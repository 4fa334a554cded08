"""An answer as one line of a table: numbers stay numbers."""

import numpy as np
import pytest

from models.individual import Question, answers, row_of
from tests.one_patient import asked


def test_everything_that_was_asked_for_has_its_columns(engine):
    question = Question((6.0, 12.0), 3.0, both_regimens=True, explain=True)
    [full] = answers(engine, asked(age_years=75.0, ecog=np.nan), question)
    row = row_of(full)
    six = full.horizons[0]
    assert row["event_probability_6m"] == six.probability
    assert (row["event_probability_6m_low"], row["event_probability_6m_high"]) == (
        six.low,
        six.high,
    )
    assert row["event_probability_12m_alive_at_3m"] == full.alive_at.horizons[1].probability
    assert row["event_probability_6m_under_LDAC"] == full.regimens[1].horizons[0].probability
    parts = [value for name, value in row.items() if name.startswith("contribution_")]
    total = row["typical_probability_12m"] + sum(parts)
    assert total == pytest.approx(row["event_probability_12m"], abs=1e-9)
    assert "ecog" in row["filled"]


def test_cautions_stand_there_by_name_and_in_words(engine):
    [odd] = answers(engine, asked(disease="T-ALL"), Question((6.0,)))
    row = row_of(odd)
    assert row["cautions"] == "never_seen"
    assert row["note"] == "never seen in training: disease T-ALL"


def test_without_limits_their_columns_are_there_and_empty(engine):
    from dataclasses import replace

    questions = Question((6.0,))
    [bare] = answers(replace(engine, refits=()), asked(), questions)
    [full] = answers(engine, asked(), questions)
    assert list(row_of(bare)) == list(row_of(full))
    assert row_of(bare)["event_probability_6m_low"] is None
