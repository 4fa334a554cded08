import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from features.endpoints.efs_eln2022 import EfsEln2022, derive_efs_eln2022
from features.errors import InputError

COLUMNS = {
    "response": "response",
    "response_date": "responded",
    "relapse_date": "relapsed",
    "death_date": "died",
    "last_assessment_date": "assessed",
}
ENDPOINT = EfsEln2022(label="EFS", origin="start", **COLUMNS)
ORIGIN = np.datetime64("2020-01-01")


def table_of(rows):
    """Rows of response, then days after the origin in the order of COLUMNS."""
    cells = [[r, *(None if d is None else str(ORIGIN + d) for d in days)] for r, *days in rows]
    table = pd.DataFrame(cells, columns=list(COLUMNS.values()), dtype="string")
    return table.assign(start=str(ORIGIN))


def test_the_landmark_and_the_codes_are_data():
    rows = [("1", 100, None, None, 120), ("2", None, None, None, None), ("1", 80, 90, None, None)]
    endpoint = EfsEln2022(
        label="EFS", origin="start", **COLUMNS, response_by_days=90, responders=[1],
        non_responders=2,
    )  # fmt: skip
    outcome = derive_efs_eln2022(table_of(rows), endpoint)
    assert outcome.reason.tolist() == [
        "no CR, CRh or CRi by day 90", "no CR, CRh or CRi by day 90", "relapse",
    ]  # fmt: skip
    assert outcome.source.tolist() == ["response", "response", "relapsed"]


def test_codes_differ_in_case_only():
    outcome = derive_efs_eln2022(table_of([("cri", 9, 20, None, None)]), ENDPOINT)
    assert outcome.event.tolist() == [True]


def test_a_code_cannot_mean_two_things():
    with pytest.raises(ValidationError, match="response pr stands under two of"):
        EfsEln2022(label="EFS", origin="start", **COLUMNS, responders=["CR", "PR"])


def test_a_mistyped_key_names_the_keys():
    with pytest.raises(ValidationError, match="did you mean 'response_date'"):
        EfsEln2022.model_validate({"label": "EFS", "origin": "start", "respons_date": "x"})


def test_every_missing_column_is_told_at_once():
    with pytest.raises(InputError) as error:
        derive_efs_eln2022(pd.DataFrame({"start": ["2020-01-01"]}), ENDPOINT)
    assert [p.got for p in error.value.problems] == list(COLUMNS.values())


def test_an_unknown_response_shows_what_each_code_means():
    with pytest.raises(InputError) as error:
        derive_efs_eln2022(table_of([("CRp", 9, None, None, None)]), ENDPOINT)
    (problem,) = error.value.problems
    assert problem.allowed == (
        "responders: CR, CRh, CRi; non_responders: MLFS, PR, SD, PD, NR; "
        "not_evaluable: not evaluated; died: death"
    )


DAY = st.integers(0, 400)


@st.composite
def patients(draw):
    """A patient without a contradiction."""
    response = draw(st.sampled_from(["CR", "CRi", "PR", "NR", "not evaluated", "", "death"]))
    responded = draw(DAY) if response in ("CR", "CRi") else None
    after = responded or 0
    relapsed = draw(st.none() | st.integers(after, 500)) if responded is not None else None
    died = draw(
        st.integers(after, 500) if response == "death" else st.none() | DAY.map(after.__add__)
    )
    return response, responded, relapsed, died, draw(st.none() | DAY)


@settings(derandomize=True, deadline=None)
@given(st.lists(patients(), min_size=1, max_size=8), st.none() | DAY)
def test_what_holds_for_every_cohort(rows, cutoff):
    rows.append(("NR", None, None, None, None))
    day = None if cutoff is None else datetime.date(2020, 1, 1) + datetime.timedelta(days=cutoff)
    endpoint = ENDPOINT.model_copy(update={"cutoff": day})
    table = table_of(rows)
    outcome = derive_efs_eln2022(table, endpoint)
    days = np.round(outcome.time * 365.25 / 12, 6)
    responded = np.array([r is not None and r <= 180 for _, r, *_ in rows])
    # Who has not responded by the landmark leaves on day 1.
    assert (days[~responded] == 1).all()
    # An evaluable patient without response has the event there, whatever followed.
    evaluable = np.array([response in ("PR", "NR") for response, *_ in rows])
    assert outcome.event[evaluable].all()
    # Nothing is counted after the cut-off, but the day-1 rule.
    if cutoff is not None:
        assert (days <= max(cutoff, 1)).all()
    backwards = derive_efs_eln2022(table[::-1].reset_index(drop=True), endpoint)
    assert backwards.reason.tolist() == outcome.reason[::-1].tolist()
