"""One patient's answer from a model whose survival is known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from features.errors import InputError
from models.individual import ONE_MODEL, Caution, Question, answers
from tests.one_patient import asked


def answer(engine, question=None, **changes):
    [one] = answers(engine, asked(**changes), question or Question((6.0, 12.0)))
    return one


def cautions(engine, question=None, **changes):
    return {doubt.caution for doubt in answer(engine, question, **changes).doubts}


def test_probabilities_are_the_models_with_the_average_beside_them(engine, support):
    six, twelve = answer(engine).horizons
    assert six.probability == pytest.approx(1 - np.exp(-0.36))
    assert twelve.probability == pytest.approx(1 - np.exp(-0.72))
    assert six.low < six.probability < six.high
    assert six.average == pytest.approx(1 - support.average[5])


def test_median_and_restricted_mean_by_hand(engine):
    found = answer(engine)
    # exp(-0.06 k) is at or below a half from k = 12 on (0.6931 / 0.06 = 11.55).
    assert found.median == 12.0
    assert found.median_low <= 12.0
    # Month by month the value at its start, up to the 18 months that are supported.
    assert found.restricted_mean == pytest.approx(np.exp(-0.06 * np.arange(18)).sum())
    assert found.until == 18.0


def test_given_alive_at_3_months_by_hand(engine):
    found = answer(engine, Question((2.0, 6.0, 12.0), alive_at=3.0)).alive_at
    # The horizon of 2 months lies before; S(6) / S(3) = exp(-0.18), S(12) / S(3) = exp(-0.54).
    assert [one.month for one in found.horizons] == [6.0, 12.0]
    assert [one.probability for one in found.horizons] == pytest.approx(
        [1 - np.exp(-0.18), 1 - np.exp(-0.54)]
    )


def test_contributions_add_up_against_the_typical_patient(engine, support):
    found = answer(
        engine, Question((6.0,), explain=True), age_years=75.0, ecog=np.nan
    ).contributions
    assert found.month == 12.0
    total = found.start + sum(part.amount for part in found.parts)
    assert total == pytest.approx(found.end, abs=1e-9)
    assert found.parts[0].name == "age_years"
    assert found.parts[0].label == "Age (years)"
    assert found.parts[0].typical == support.typical["age_years"]


def test_both_regimens_are_the_same_patient_twice(engine):
    found = answer(engine, Question((6.0,), both_regimens=True))
    hma, ldac = found.regimens
    assert (hma.regimen, hma.given, ldac.given) == ("HMA", True, False)
    assert ldac.horizons[0].probability == pytest.approx(1 - np.exp(-0.36 * np.exp(0.5)))
    assert hma.propensity + ldac.propensity == pytest.approx(1)
    assert found.to_dict()["regimens_are"] == ONE_MODEL


def test_an_older_sicker_patient_stands_higher_among_the_training_patients(engine):
    low, high = answer(engine, age_years=50.0), answer(engine, age_years=76.0, ecog=2.0)
    assert low.standing.percentile < 40 < 75 < high.standing.percentile
    assert (low.standing.group, high.standing.group) == ("low", "high")
    beyond = answer(engine, age_years=90.0, disease="AML secondary").standing
    assert beyond.highest
    assert "more than 95%" in beyond.told


def test_what_was_filled_in_and_by_what(engine):
    found = answer(engine, age_years=np.nan, ecog=np.nan, disease=None)
    assert {one.name: (one.value, one.by.split()[0]) for one in found.filled} == {
        "age_years": (62.0, "the"), "ecog": (None, "left"), "disease": ("AML de novo", "the"),
    }  # fmt: skip


def test_inputs_are_echoed_with_units(engine):
    age, ecog, disease = answer(engine, ecog=np.nan).inputs
    assert (age.told, ecog.told, disease.told) == ("60 years", "unknown", "AML de novo")


def test_the_curve_starts_at_1_and_lies_in_its_band(engine):
    curve = answer(engine, Question((6.0,), curve=True)).curve
    assert curve.months[0] == 0.0
    assert curve.months[-1] == 18.0
    assert curve.survival[0] == curve.low[0] == curve.high[0] == 1.0
    inside = np.array(curve.low) <= np.array(curve.survival)
    assert inside.all()
    assert (np.array(curve.survival) <= np.array(curve.high)).all()
    assert (np.diff(curve.survival) <= 0).all()


def test_before_most_refits_have_an_event_the_band_is_not_everything(engine):
    """A refit without an event yet has no log hazard: its spread from the others means nothing."""

    def later(columns, times):
        score, survival = engine.predict(columns, times)
        return score, np.where(times < 2, 1.0, survival)

    half = replace(engine, refits=(*engine.refits[:20], *(later,) * 20))
    curve = answer(half, Question((6.0,), curve=True)).curve
    at_two = curve.months.index(2.0)
    assert curve.low[at_two - 1] == pytest.approx(curve.low[at_two])
    assert curve.low[at_two] > 0.5
    assert (np.diff(curve.low) <= 0).all()
    assert (np.diff(curve.high) <= 0).all()


def test_json_holds_numbers_as_numbers(engine):
    question = Question((6.0, 12.0), 3.0, both_regimens=True, explain=True, curve=True)
    found = answer(engine, question, ecog=np.nan).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert isinstance(found["horizons"][0]["probability"], float)
    assert found["event"] == "death"
    assert found["inputs"][1]["value"] is None


# -- each caution has a patient who raises it and one who does not ------------------------------


def test_a_usual_patient_raises_none(engine):
    assert cautions(engine) == set()


@pytest.mark.parametrize(
    ("caution", "changes"),
    [
        (Caution.NEVER_SEEN, {"disease": "T-ALL"}),
        (Caution.RARE, {"disease": "MPAL"}),
        (Caution.OUTSIDE_RANGE, {"age_years": 85.0}),
        (Caution.MANY_MISSING, {"age_years": np.nan, "ecog": np.nan}),
        (Caution.FAR_FROM_TRAINING, {"age_years": 120.0}),
        (Caution.THIN_OVERLAP, {"regimen": "LDAC", "age_years": 50.0}),
    ],
)
def test_an_unusual_patient_raises_it(engine, caution, changes):
    assert caution in cautions(engine, **changes)


def test_one_missing_value_is_not_much(engine):
    assert cautions(engine, ecog=np.nan) == set()


def test_overlap_is_that_of_the_regimens_that_are_spoken_of(engine):
    assert Caution.THIN_OVERLAP not in cautions(engine, age_years=50.0)
    both = Question((6.0,), both_regimens=True)
    assert Caution.THIN_OVERLAP in cautions(engine, both, age_years=50.0)


def test_horizons_beyond_support_and_before_the_first_event(engine):
    assert cautions(engine, Question((18.0,))) == set()
    assert cautions(engine, Question((18.5,))) == {Caution.BEYOND_SUPPORT}
    assert cautions(engine, Question((0.5, 6.0))) == {Caution.BEFORE_FIRST_EVENT}


def test_what_the_model_is(engine, card, support):
    made = card.model_copy(update={"training": card.training | {"provenance": "simulated"}})
    assert cautions(replace(engine, card=made)) == {Caution.NOT_FOR_PATIENTS}
    weak = support.better.model_copy(update={"low": -0.01})
    weaker = support.model_copy(update={"better": weak})
    assert cautions(replace(engine, support=weaker)) == {Caution.NOT_SHOWN_BETTER}
    crowded = support.model_copy(update={"events_per_feature": 4.9})
    assert cautions(replace(engine, support=crowded)) == {Caution.NARROW_RANGE}
    bare = replace(engine, support=crowded, refits=())
    assert cautions(bare) == {Caution.NO_INTERVAL}
    assert cautions(replace(engine, refits=())) == {Caution.NO_INTERVAL}
    [no_refits] = answer(replace(engine, refits=())).doubts
    null = replace(engine, card=card.model_copy(update={"learner": "kaplan_meier"}))
    [nobody_apart] = answer(null).doubts
    assert "without refits" in no_refits.text
    assert "tells nobody apart" in nobody_apart.text


def test_covariates_that_known_inputs_do_not_determine(engine):
    unclear = replace(asked(), unclear={1: ("eln_2022",)})
    [found] = answers(engine, unclear, Question((6.0,)))
    assert [doubt.caution for doubt in found.doubts] == [Caution.CANNOT_BE_DERIVED]
    assert "eln_2022" in found.doubts[0].text


def test_a_model_without_summaries_or_refits_still_answers(engine):
    bare = replace(engine, refits=(), support=None)
    found = answer(bare, Question((6.0,), 3.0, both_regimens=True, explain=True, curve=True))
    assert found.event == "OS event"
    assert (found.interval, found.contributions, found.standing) == (None, None, None)
    assert found.horizons[0].low is None
    assert found.horizons[0].average is None


# -- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "where"),
    [
        (Question((30.0,)), "horizons"),
        (Question(()), "horizons"),
        (Question((6.0,), alive_at=6.0), "alive_at"),
        (Question((6.0,), alive_at=0.0), "alive_at"),
    ],
)
def test_what_cannot_be_asked_is_refused(engine, question, where):
    with pytest.raises(InputError) as refused:
        answer(engine, question)
    assert where in {problem.where for problem in refused.value.problems}


def test_both_regimens_of_a_model_that_sees_none(engine, card):
    blind = replace(engine, card=card.model_copy(update={"arms": ()}))
    with pytest.raises(InputError, match="does not tell regimens apart"):
        answer(blind, Question((6.0,), both_regimens=True))
