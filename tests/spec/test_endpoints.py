"""The endpoints from dates as small tables: patients named for their trap, and what each must give.

Dates are written as a hospital writes them, text or empty. The clock starts on 2024-01-01, which is
day 0, unless a table says otherwise; 2024 has 366 days.
"""

import pandas as pd
import pytest

from features.endpoints.forms import derive_endpoint, read_endpoint
from features.errors import InputError

DAYS_A_MONTH = 365.25 / 12
MISSING = None
START = "2024-01-01"
COLUMNS = (
    "treatment_start_date", "death_date", "last_contact_date", "progression_date", "relapse_date",
    "response", "response_date", "last_response_assessment_date", "hsct_after_date",
)  # fmt: skip


def day(number):
    """The date of a day, day 0 being the start."""
    return str((pd.Timestamp(START) + pd.Timedelta(days=number)).date())


def patient(**cells):
    """Cells by column; a whole number stands for that day's date. What is not given is empty."""
    row = {"treatment_start_date": START, **cells}
    return {c: day(v) if isinstance(v := row.get(c), int) else v for c in COLUMNS}


def table_of(patients):
    return pd.DataFrame(list(patients.values()), columns=list(COLUMNS), dtype="string")


def derived(patients, **stated):
    """{patient: (day, 'event' or 'competing' or 'censored', reason)}; others are not eligible."""
    read = derive_endpoint(table_of(patients), read_endpoint(stated))
    names = [name for name, here in zip(patients, read.eligible, strict=True) if here]
    outcome = read.outcome
    competing = outcome.competing if outcome.competing is not None else [False] * len(outcome)
    return {
        name: (
            round(months * DAYS_A_MONTH, 6),
            "event" if event else "competing" if rival else "censored",
            reason,
        )
        for name, months, event, rival, reason in zip(
            names, outcome.time, outcome.event, competing, outcome.reason, strict=True
        )
    }


def refused(patients, **stated):
    with pytest.raises(InputError) as error:
        derive_endpoint(table_of(patients), read_endpoint(stated))
    return error.value.problems


# -------------------------------------------------------------------------- overall survival


def test_overall_survival():
    assert derived(
        {
            "died": patient(death_date=100, last_contact_date=90),
            "died on the index date": patient(death_date=0),
            "alive on the index date, then lost": patient(last_contact_date=0),
            "alive": patient(last_contact_date=400),
            "seen after the date of death, which counts": patient(
                death_date=100, last_contact_date=120
            ),
            "transplanted, followed on": patient(
                hsct_after_date=50, death_date=100, last_contact_date=100
            ),
        },
        preset="os",
    ) == {
        "died": (100, "event", "death"),
        "died on the index date": (0, "event", "death"),
        "alive on the index date, then lost": (0, "censored", "last contact"),
        "alive": (400, "censored", "last contact"),
        "seen after the date of death, which counts": (100, "event", "death"),
        "transplanted, followed on": (100, "event", "death"),
    }


def test_the_last_known_date_is_the_latest_of_those_listed():
    assert derived(
        {
            "called after the last assessment": patient(
                last_contact_date=60, last_response_assessment_date=30
            ),
            "assessed after the last call": patient(
                last_contact_date=30, last_response_assessment_date=60
            ),
            "never called": patient(last_response_assessment_date=60),
            "died": patient(death_date=10),
        },
        preset="os",
        censors=[
            {"date": "last_contact_date", "reason": "contact"},
            {"date": "last_response_assessment_date", "reason": "assessment"},
        ],
    ) == {
        "called after the last assessment": (60, "censored", "contact"),
        "assessed after the last call": (60, "censored", "assessment"),
        "never called": (60, "censored", "assessment"),
        "died": (10, "event", "death"),
    }


def test_an_administrative_cut_off():
    # Cut-off on day 100, 2024-04-10.
    assert derived(
        {
            "died before it": patient(death_date=99),
            "died on its day": patient(death_date=100),
            "died after it, so known to be alive then": patient(
                death_date=101, last_contact_date=50
            ),
            "last seen after it": patient(last_contact_date=300),
            "last seen between start and cut-off": patient(last_contact_date=60),
            "treated on its day": patient(treatment_start_date=day(100), last_contact_date=300),
        },
        preset="os",
        cutoff=day(100),
    ) == {
        "died before it": (99, "event", "death"),
        "died on its day": (100, "event", "death"),
        "died after it, so known to be alive then": (100, "censored", "cut-off"),
        "last seen after it": (100, "censored", "cut-off"),
        "last seen between start and cut-off": (60, "censored", "last contact"),
        "treated on its day": (0, "censored", "cut-off"),
    }


def test_follow_up_that_ends_at_a_transplant():
    assert derived(
        {
            "transplant before death": patient(hsct_after_date=50, death_date=100),
            "transplant, last contact never written down": patient(hsct_after_date=50),
            "transplant on the day of death": patient(hsct_after_date=100, death_date=100),
            "no transplant": patient(death_date=100),
            "alive after a transplant": patient(hsct_after_date=50, last_contact_date=400),
            "last contact before the transplant, died after it": patient(
                last_contact_date=40, hsct_after_date=50, death_date=100
            ),
        },
        preset="os_censored_at_hsct",
    ) == {
        "transplant before death": (50, "censored", "transplant"),
        "transplant, last contact never written down": (50, "censored", "transplant"),
        # An event on that very day counts.
        "transplant on the day of death": (100, "event", "death"),
        "no transplant": (100, "event", "death"),
        "alive after a transplant": (50, "censored", "transplant"),
        "last contact before the transplant, died after it": (50, "censored", "transplant"),
    }


def test_of_transplant_and_cut_off_the_earlier_ends_follow_up():
    assert derived(
        {
            "transplant, cut-off, death": patient(hsct_after_date=50, death_date=200),
            "cut-off, transplant, death": patient(hsct_after_date=150, death_date=200),
            "death before both": patient(death_date=20, hsct_after_date=MISSING),
        },
        preset="os_censored_at_hsct",
        cutoff=day(100),
    ) == {
        "transplant, cut-off, death": (50, "censored", "transplant"),
        "cut-off, transplant, death": (100, "censored", "cut-off"),
        "death before both": (20, "event", "death"),
    }


# -------------------------------------------------------------------------- event-free survival


def test_event_free_survival_by_progression():
    assert derived(
        {
            "refractory: progression, not day 1": patient(
                response="NR", progression_date=40, death_date=90
            ),
            "relapse before death": patient(relapse_date=80, death_date=90),
            "relapse and death on the same day": patient(relapse_date=90, death_date=90),
            "transplant before relapse does not censor": patient(
                hsct_after_date=50, relapse_date=80, last_contact_date=100
            ),
            "death alone": patient(death_date=90),
            "event-free": patient(last_contact_date=100),
        },
        preset="efs_progression",
    ) == {
        "refractory: progression, not day 1": (40, "event", "progression"),
        "relapse before death": (80, "event", "relapse"),
        "relapse and death on the same day": (90, "event", "relapse"),
        "transplant before relapse does not censor": (80, "event", "relapse"),
        "death alone": (90, "event", "death"),
        "event-free": (100, "censored", "last contact"),
    }


def test_event_free_survival_by_eln_2022():
    failed = "no CR, CRh or CRi by day 180"
    assert derived(
        {
            "non-responder, alive for years": patient(response="NR", last_contact_date=900),
            "non-responder, died in the first week": patient(response="PD", death_date=5),
            "partial response only": patient(response="PR", last_response_assessment_date=60),
            "response on the day of the landmark": patient(
                response="CRi", response_date=180, last_response_assessment_date=300
            ),
            "response the day after it": patient(
                response="CR", response_date=181, last_response_assessment_date=300
            ),
            "relapse": patient(response="CR", response_date=60, relapse_date=200, death_date=250),
            "death in remission": patient(response="CRh", response_date=60, death_date=250),
            "relapse and death on the same day": patient(
                response="CR", response_date=60, relapse_date=200, death_date=200
            ),
            "in remission, last seen after the last assessment": patient(
                response="CR", response_date=60, last_response_assessment_date=150,
                last_contact_date=400,
            ),
            "in remission, assessed once": patient(response="CR", response_date=60),
            "died before the landmark without assessment": patient(
                response="death", death_date=20
            ),
            "the same, response left empty": patient(response=MISSING, death_date=20),
            "not evaluated, died after the landmark": patient(
                response="not evaluated", death_date=181
            ),
            "not evaluated, alive": patient(response="not evaluated", last_contact_date=100),
            "nothing known but the start": patient(),
        },
        preset="efs_eln2022",
    ) == {
        "non-responder, alive for years": (1, "event", failed),
        "non-responder, died in the first week": (1, "event", failed),
        "partial response only": (1, "event", failed),
        "response on the day of the landmark": (300, "censored", "last response assessment"),
        "response the day after it": (1, "event", failed),
        "relapse": (200, "event", "relapse"),
        "death in remission": (250, "event", "death"),
        "relapse and death on the same day": (200, "event", "relapse"),
        "in remission, last seen after the last assessment": (
            150, "censored", "last response assessment",
        ),
        "in remission, assessed once": (60, "censored", "last response assessment"),
        "died before the landmark without assessment": (
            1, "event", "death by day 180 without assessment",
        ),
        "the same, response left empty": (1, "event", "death by day 180 without assessment"),
        "not evaluated, died after the landmark": (1, "censored", "response not evaluable"),
        "not evaluated, alive": (1, "censored", "response not evaluable"),
        "nothing known but the start": (1, "censored", "response not evaluable"),
    }  # fmt: skip


def test_event_free_survival_by_eln_2022_at_a_cut_off():
    # Cut-off on day 150, before the landmark of day 180.
    assert derived(
        {
            "relapse after it": patient(response="CR", response_date=60, relapse_date=200),
            "response after it": patient(response="CR", response_date=160),
            "assessed after it": patient(
                response="CR", response_date=60, last_response_assessment_date=300
            ),
            "assessed before it": patient(
                response="CR", response_date=60, last_response_assessment_date=90
            ),
            "died between it and the landmark": patient(response="death", death_date=170),
            "relapse before it": patient(response="CR", response_date=60, relapse_date=100),
        },
        preset="efs_eln2022",
        cutoff=day(150),
    ) == {
        "relapse after it": (150, "censored", "cut-off"),
        "response after it": (1, "censored", "response not evaluable"),
        "assessed after it": (150, "censored", "cut-off"),
        "assessed before it": (90, "censored", "last response assessment"),
        "died between it and the landmark": (1, "censored", "response not evaluable"),
        "relapse before it": (100, "event", "relapse"),
    }


# -------------------------------------------------------------------------- from remission

REMISSIONS = {
    "relapse": patient(response="CR", response_date=30, relapse_date=90, death_date=120),
    "death in remission": patient(response="CRi", response_date=30, death_date=130),
    "relapse and death on the same day": patient(
        response="CR", response_date=30, relapse_date=90, death_date=90
    ),
    "in remission": patient(response="CRh", response_date=30, last_contact_date=430),
    "relapse on the day of remission": patient(response="CR", response_date=30, relapse_date=30),
    "non-responder": patient(response="NR", death_date=60),
    "not evaluated": patient(last_contact_date=60),
}


def test_relapse_free_survival_of_responders_from_remission():
    assert derived(REMISSIONS, preset="rfs") == {
        "relapse": (60, "event", "relapse"),
        "death in remission": (100, "event", "death"),
        "relapse and death on the same day": (60, "event", "relapse"),
        "in remission": (400, "censored", "last contact"),
        "relapse on the day of remission": (0, "event", "relapse"),
    }


def test_relapse_with_death_competing():
    assert derived(REMISSIONS, preset="relapse") == {
        "relapse": (60, "event", "relapse"),
        "death in remission": (100, "competing", "death without relapse"),
        # The event of interest counts.
        "relapse and death on the same day": (60, "event", "relapse"),
        "in remission": (400, "censored", "last contact"),
        "relapse on the day of remission": (0, "event", "relapse"),
    }


# -------------------------------------------------------------------------- early death


def test_death_within_30_days():
    patients = {
        "died on day 30": patient(death_date=30),
        "died on day 31": patient(death_date=31),
        "died on the index date": patient(death_date=0),
        "alive a year later": patient(last_contact_date=365),
        "last seen on day 30": patient(last_contact_date=30),
        "lost on day 12": patient(last_contact_date=12),
    }
    assert derived(patients, preset="early_death_30") == {
        "died on day 30": (30, "event", "death"),
        "died on day 31": (30, "censored", "none within 30 days"),
        "died on the index date": (0, "event", "death"),
        "alive a year later": (30, "censored", "none within 30 days"),
        "last seen on day 30": (30, "censored", "last contact"),
        "lost on day 12": (12, "censored", "last contact"),
    }
    assert derived(patients, preset="early_death_60")["died on day 31"] == (31, "event", "death")


def test_nobody_who_dies_early_is_no_mistake():
    # The published study: no early death among 70 patients.
    assert derived({"later": patient(death_date=200)}, preset="early_death_30") == {
        "later": (30, "censored", "none within 30 days")
    }


# -------------------------------------------------------------------------- landmark


def test_a_landmark_starts_the_clock_anew():
    # 2 months are 60.875 days.
    assert derived(
        {
            "died before it": patient(death_date=60),
            "lost before it": patient(last_contact_date=60),
            "died after it": patient(death_date=100),
            "alive": patient(last_contact_date=400),
        },
        preset="os",
        landmark_months=2,
    ) == {
        "died after it": (39.125, "event", "death"),
        "alive": (339.125, "censored", "last contact"),
    }


# -------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("trap", "cells", "preset", "said", "got"),
    [
        ("death before treatment", {"death_date": -3}, "os",
         "A date lies before the clock starts", "2023-12-29, 3 day(s) before treatment_start_date"),
        ("last contact before treatment", {"last_contact_date": -1}, "os",
         "A date lies before the clock starts", "2023-12-31"),
        ("an earlier line's transplant", {"hsct_after_date": -400, "last_contact_date": 9},
         "os_censored_at_hsct", "A date lies before the clock starts", "400 day(s) before"),
        ("lost without a date", {}, "os", "Neither an event nor a last known date",
         "last known dates: last_contact_date"),
        ("start unknown", {"treatment_start_date": None, "death_date": 9}, "os",
         "The date at which the clock starts is missing", "empty"),
        ("day or month first?", {"death_date": "03/04/2024"}, "os",
         "A date cannot be read", "03/04/2024"),
        ("no such day", {"death_date": "2024-02-30"}, "os", "A date cannot be read", "2024-02-30"),
        ("a placeholder", {"death_date": "9999-12-31"}, "os", "A date cannot be read", "9999"),
        ("treated after the cut-off", {"treatment_start_date": "2025-06-01", "death_date": 600},
         "os_2024", "The clock starts after the cut-off", "2025-06-01"),
        ("remission without a date", {"response": "CR", "relapse_date": 90}, "rfs",
         "The date at which the clock starts is missing", "empty"),
        ("relapse of the earlier remission",
         {"response": "CR", "response_date": 60, "relapse_date": 30}, "efs_eln2022",
         "Relapse lies before the response", "2024-01-31"),
        ("response without a date", {"response": "CR"}, "efs_eln2022", "A response has no date",
         "empty"),
        ("died, nobody knows when", {"response": "death"}, "efs_eln2022",
         "The response says died, but there is no date of death", "empty"),
        ("a response that nobody stated", {"response": "CRp"}, "efs_eln2022",
         "The code is not a known one", "CRp"),
    ],
)  # fmt: skip
def test_an_outcome_is_never_guessed(trap, cells, preset, said, got):
    sound = patient(response="CR", response_date=9, relapse_date=20, death_date=30)
    stated = {"preset": preset}
    if preset == "os_2024":
        stated = {"preset": "os", "cutoff": "2024-12-31"}
    (problem,) = refused({"as it should be": sound, trap: patient(**cells)}, **stated)
    assert problem.what == said
    assert "1 patient(s): row 2 (the first patient is row 1)" in problem.where
    assert got in problem.got
    assert problem.remedy


def test_an_event_that_happened_on_no_known_day_is_not_censored():
    patients = {
        "died, with a date": patient(response="death", death_date=9),
        "died, without one": patient(response="death", last_contact_date=20),
        "a date, but the code says alive": patient(
            response="CR", death_date=9, last_contact_date=20
        ),
    }
    when = {"date": "death_date", "reason": "death", "when": {"response": ["death"]}}
    (problem,) = refused(patients, preset="os", events=[when])
    assert problem.what == "It happened, but its date is missing"
    assert "column death_date, 1 patient(s): row 2 " in problem.where
    del patients["died, without one"]
    assert derived(patients, preset="os", events=[when]) == {
        "died, with a date": (9, "event", "death"),
        "a date, but the code says alive": (20, "censored", "last contact"),
    }
