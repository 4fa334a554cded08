"""Bodies and forms of any kind: an answer or a refusal in words, never a fault."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.errors import InputError
from models.patients import read_patients
from pipelines.service.body import patients_of
from tests.pipelines.service.asgi import ask, post

FEW = settings(
    derandomize=True,
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NAMES = ["age_years", "hb_g_per_l", "disease", "mut_tp53", "wbc_1e9_per_l", "regimen", "patient_id"]
numbers = st.one_of(
    st.integers(), st.floats(), st.integers(-(10**400), 10**400), st.sampled_from([0, 1, 61, -0.0])
)
words = st.one_of(st.text(max_size=20), st.sampled_from(["HMA", "LDAC", "AML secondary", "\ud800"]))
cells = st.one_of(st.none(), st.booleans(), numbers, words)
anything = st.recursive(
    cells, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4)
)
patients = st.dictionaries(st.one_of(st.sampled_from(NAMES), words), anything, max_size=8)


def looks_right(found):
    assert found.status in (200, 422), found.text
    if found.status == 422:
        assert found.problems
        assert all(set(one) == {"what", "where", "got", "allowed", "remedy"} and one["what"]
                   for one in found.problems)  # fmt: skip


@FEW
@given(st.one_of(anything, patients, st.lists(patients, max_size=3)))
def test_any_document(app, document):
    looks_right(post(app, json.dumps(document).encode()))


@FEW
@given(st.binary(max_size=200))
def test_any_bytes(app, content):
    looks_right(post(app, content))


@FEW
@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_any_query(app, text):
    from urllib.parse import quote

    looks_right(post(app, {"age_years": 61, "regimen": "HMA"}, "?" + quote(text, safe="=&,%+")))


@FEW
@given(st.lists(st.tuples(st.sampled_from([*NAMES, "alive_at", "hb_g_per_l.unit"]),
                          st.text(max_size=12)), max_size=8))  # fmt: skip
def test_any_form(app, pairs):
    from urllib.parse import urlencode

    text = urlencode([(name, value.encode("utf-8", "surrogatepass")) for name, value in pairs])
    kind = "application/x-www-form-urlencoded"
    assert ask(app, "POST", "/", text.encode(), content_type=kind).status in (200, 422)


possible = st.fixed_dictionaries(
    {
        "regimen": st.sampled_from(["HMA", "LDAC"]),
        "age_years": st.floats(10, 120).map(lambda x: round(x, 1)),
    },
    optional={
        "hb_g_per_l": st.one_of(st.none(), st.integers(10, 230)),
        "mut_tp53": st.sampled_from([0, 1, 2, None]),
        "disease": st.sampled_from(["AML secondary", "T-ALL", "flu", None]),
        "wbc_1e9_per_l": st.one_of(st.none(), st.floats(-5, 1_100).map(lambda x: round(x, 2))),
    },
)


@FEW
@given(possible)
def test_a_patient_is_read_as_a_row_of_a_table_is(stored, row):
    card = stored.card.model_copy(update={"sources": {}, "regimen": None})
    try:
        expected = read_patients(pd.DataFrame([row]), card)
    except InputError:
        with pytest.raises(InputError):
            patients_of(row, card)
        return
    found = patients_of(row, card)
    assert list(found.regimen) == list(expected.regimen)
    for name, column in expected.inputs.items():
        np.testing.assert_array_equal(found.inputs[name], column)
