import pandas as pd
import pandera.errors
import pytest
from pydantic import ValidationError

from features.covariates.derived import DERIVATIONS
from features.covariates.dictionary import Covariate, make_schema, read_dictionary
from features.errors import InputError

DICTIONARY = read_dictionary()


def refused(*entries):
    with pytest.raises(InputError) as error:
        read_dictionary(entries)
    return error.value.problems


def test_the_projects_dictionary_is_complete():
    assert len(DICTIONARY) > 50
    assert all(name == covariate.name for name, covariate in DICTIONARY.items())
    assert all(covariate.label for covariate in DICTIONARY.values())


@pytest.mark.parametrize("covariate", DICTIONARY.values(), ids=lambda c: c.name)
def test_rare_values_lie_within_the_possible_ones(covariate):
    if covariate.unusual is not None:
        assert covariate.limits is not None
        assert covariate.limits[0] <= covariate.unusual[0]
        assert covariate.unusual[1] <= covariate.limits[1]


@pytest.mark.parametrize("covariate", DICTIONARY.values(), ids=lambda c: c.name)
def test_a_name_that_carries_a_unit_is_stored_in_it(covariate):
    ends = {"_years": "years", "_percent": "%", "_g_per_l": "g/L", "_umol_per_l": "umol/L"}
    ends |= {"_1e9_per_l": "1e9/L", "_u_per_l": "U/L", "_mg": "mg", "_months": "months"}
    expected = next((unit for end, unit in ends.items() if covariate.name.endswith(end)), "")
    assert covariate.unit == expected


def test_no_synonym_stands_for_two_covariates():
    names = [n for c in DICTIONARY.values() for n in (c.name, *c.synonyms)]
    assert sorted(names) == sorted(set(names))


def test_no_derived_covariate_hides_behind_a_dictionary_name():
    assert not set(DERIVATIONS) & set(DICTIONARY)


@pytest.mark.parametrize(
    ("name", "unit", "factor"),
    [
        # 1 g/dL = 10 g/L; creatinine 113.12 g/mol: 10 / 0.11312 = 88.4 umol/L a mg/dL;
        # bilirubin 584.7 g/mol: 10 / 0.5847 = 17.1; 1 a uL = 1e6 a L = 0.001 x 1e9/L.
        ("hb_g_per_l", "g/dL", 10),
        ("albumin_g_per_l", "g/dL", 10),
        ("creatinine_umol_per_l", "mg/dL", 88.4),
        ("bilirubin_umol_per_l", "mg/dL", 17.1),
        ("wbc_1e9_per_l", "per uL", 0.001),
        ("platelets_1e9_per_l", "per uL", 0.001),
        ("bm_blasts_percent", "fraction", 100),
    ],
)
def test_the_unit_factors_are_the_laboratorys(name, unit, factor):
    assert DICTIONARY[name].units[unit] == factor


def test_what_is_known_only_later_is_no_baseline_covariate():
    later = {n for n, c in DICTIONARY.items() if c.timing != "baseline"}
    assert later == {"cycles", "mrd_negative", "hsct_after", "transfusion_independent", "response"}


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("mut_tp53", "0 or 1"),
        ("sex", "one of F, M"),
        ("ecog", "a whole number from 0 to 4"),
        ("hb_g_per_l", "a number from 20 to 220 g/L"),
    ],
)
def test_allowed_values_in_words(name, allowed):
    assert DICTIONARY[name].allowed == allowed


def test_a_number_without_limits_may_be_any():
    assert Covariate(name="x", label="X", kind="number").allowed == "a number"


def test_an_entry_overrides_only_the_fields_it_gives():
    age = read_dictionary([{"name": "age_years", "limits": [14, 110]}])["age_years"]
    assert age.limits == (14, 110)
    assert (age.label, age.unit) == (DICTIONARY["age_years"].label, "years")


def test_a_new_entry_comes_after_the_projects():
    extended = read_dictionary([{"name": "townsend", "label": "Townsend score", "kind": "number"}])
    assert list(extended) == [*DICTIONARY, "townsend"]
    assert "townsend" not in read_dictionary()


def test_an_unknown_field_is_named_with_those_there_are():
    (problem,) = refused({"name": "age_years", "limit": [14, 110]})
    assert problem.what == "Dictionary entry cannot be used"
    assert problem.where == "dictionary: age_years.limit"
    assert "limits" in problem.allowed


def test_an_incomplete_entry_names_every_missing_field():
    problems = refused({"name": "score"})
    assert [p.where for p in problems] == ["dictionary: score.label", "dictionary: score.kind"]
    assert all(p.got == "Field required" for p in problems)


def test_a_category_needs_its_vocabulary():
    (problem,) = refused({"name": "risk", "label": "Risk", "kind": "category"})
    assert problem.where == "dictionary: risk"
    assert "a category needs its vocabulary" in problem.got


@pytest.mark.parametrize("name", [None, 3, ["a"]])
def test_an_entry_without_a_name_is_found_by_its_place(name):
    entry = {"label": "X", "kind": "number"} | ({} if name is None else {"name": name})
    (problem,) = refused({"name": "age_years", "limits": [14, 110]}, entry)
    assert problem.what == "A dictionary entry has no name"
    assert problem.where == "dictionary: entry 2"
    assert problem.got == ("" if name is None else str(name))
    assert "`name:`" in problem.remedy


@pytest.mark.parametrize("field", ["limits", "unusual"])
def test_limits_run_from_low_to_high(field):
    (problem,) = refused({"name": "age_years", field: [110, 18]})
    assert problem.where == "dictionary: age_years"
    assert f"{field} run from low to high, not [110, 18]" in problem.got


def test_every_bad_entry_is_told_at_once():
    problems = refused({"name": "a"}, {"label": "b"}, {"name": "sex", "kind": "word"})
    assert {p.where for p in problems} == {
        "dictionary: entry 2",
        "dictionary: a.label",
        "dictionary: a.kind",
        "dictionary: sex.kind",
    }


def test_a_covariate_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        DICTIONARY["sex"].label = "Gender"


@pytest.mark.parametrize(
    ("name", "possible", "impossible"),
    [
        ("mut_tp53", [0.0, 1.0, None], 2.0),
        ("sex", ["F", "M", None], "female"),
        ("ecog", [0.0, 4.0, None], 1.5),
        ("ecog", [0.0, 4.0, None], 5.0),
        ("hb_g_per_l", [20.0, 220.0, None], 19.9),
        ("age_years", [18.0, 110.0, None], 110.1),
    ],
)
def test_the_schema_takes_the_limits_and_missing_and_no_more(name, possible, impossible):
    schema = make_schema([DICTIONARY[name]])
    schema.validate(pd.DataFrame({name: possible}))
    with pytest.raises(pandera.errors.SchemaError, match=name):
        schema.validate(pd.DataFrame({name: [*possible, impossible]}))
