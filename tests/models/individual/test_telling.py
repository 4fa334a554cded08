"""An answer in words: doubts first, certainty never."""

from dataclasses import replace

import numpy as np

from models.individual import ONE_MODEL, Question, answers, told
from tests.one_patient import asked


def lines(engine, question=None, **changes):
    [one] = answers(engine, asked(**changes), question or Question((6.0, 12.0)))
    return list(told(one))


def test_the_event_is_named_in_words_with_its_limits_and_the_average(engine):
    found = lines(engine)
    # 1 - exp(-0.36) is 30%.
    assert found[0].startswith("Patient P7: ")
    assert "60 years" in found[0]
    assert found[1].startswith("  death by 6 months: 30% (")
    assert "training average" in found[1]
    assert "OS event" not in "\n".join(found)


def test_doubts_come_before_the_figures(engine):
    found = lines(engine, disease="T-ALL")
    assert found[1] == "  caution: never seen in training: disease T-ALL"


def test_a_certain_probability_is_told_as_almost(engine):
    text = "\n".join(lines(engine, age_years=160.0))
    assert "death by 12 months: > 99%" in text
    assert "100%" not in text.split("in brackets")[0]


def test_everything_that_was_asked_for_is_told(engine):
    question = Question((6.0, 12.0), 3.0, both_regimens=True, explain=True)
    text = "\n".join(lines(engine, question, ecog=np.nan))
    for part in ("given alive at 3", "under LDAC", "under HMA (given)", ONE_MODEL,
                 "typical patient", "missing: ecog", "widened range over refits"):  # fmt: skip
        assert part in text


def test_a_median_that_is_not_reached_is_said(engine):
    def hardly(columns, times):
        return np.zeros(1), np.full((1, len(times)), 0.9)

    text = "\n".join(lines(replace(engine, predict=hardly, refits=())))
    assert "not reached within the follow-up" in text
