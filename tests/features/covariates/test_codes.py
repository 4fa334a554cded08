import numpy as np
import pandas as pd
import pytest

from features.covariates.codes import code_text, code_texts, meets, read_codes, unknown_code
from features.errors import InputError


@pytest.mark.parametrize(
    ("code", "text"), [(1, "1"), (1.0, "1"), (0.5, "0.5"), (10**12, "1000000000000"), ("a", "a")]
)
def test_numbers_of_a_yaml_file_are_codes(code, text):
    assert code_text(code) == text
    assert code_texts([code, "b"]) == (text, "b")
    assert code_texts(code) == (text,)


@pytest.mark.parametrize("value", [True, False])
def test_truth_values_are_no_codes(value):
    with pytest.raises(ValueError, match=r"yes, no, on, off.*in quotes"):
        code_texts(["a", value])


@pytest.mark.parametrize(
    ("cells", "codes"),
    [
        ([" CR ", "", None], ["CR", None, None]),
        ([1.0, 2.0, None], ["1", "2", None]),
        ([1, 2, 3], ["1", "2", "3"]),
        ([1.5, 2.0, None], ["1.5", "2.0", None]),
        ([True, False, True], ["True", "False", "True"]),
    ],
)
def test_cells_are_read_as_codes(cells, codes):
    read = read_codes(pd.Series(cells))
    assert [None if pd.isna(code) else code for code in read] == codes


TABLE = pd.DataFrame({"response": ["CR", "cri ", "PD", None], "site": [1.0, 2.0, 1.0, np.nan]})


def test_a_condition_is_met_by_any_code_of_every_column():
    assert meets(TABLE, {"response": ("CR", "CRi")}, "x").tolist() == [True, True, False, False]
    both = {"response": ("CR", "CRi"), "site": ("1",)}
    assert meets(TABLE, both, "x").tolist() == [True, False, False, False]
    assert meets(TABLE, {}, "x").all()


def test_a_condition_on_a_column_that_is_not_there():
    with pytest.raises(InputError) as error:
        meets(TABLE, {"respons": ("CR",)}, "endpoint RFS")
    assert error.value.problems[0].where == "endpoint RFS, condition respons"
    assert "did you mean 'response'?" in error.value.problems[0].remedy


def test_an_unknown_code_is_told_with_those_that_are_known():
    part = TABLE[[False, True, True, True]]
    wrong = np.array([True, False, True])
    (problem,) = unknown_code(part, "response", wrong, "endpoint EFS", {"responders": ("CR",)})
    assert problem.allowed == "responders: CR"
    assert problem.where == (
        "endpoint EFS, column response, 2 patient(s): row 2, 4 (the first patient is row 1)"
    )
    assert problem.got == "cri, empty"
