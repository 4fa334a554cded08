import numpy as np
import pandas as pd
import pytest

from features.errors import InputError
from models.patients import predict_patients
from models.prediction import median_survival

PATIENT = {
    "age_years": 61,
    "hb_g_per_l": 98,
    "disease": "AML secondary",
    "mut_tp53": 1,
    "wbc_1e9_per_l": 4.2,
    "regimen": "HMA",
}


@pytest.fixture
def predict(models, card):
    """Predict with the Cox model for patients given as changes to PATIENT."""

    def call(*changes, horizons=(6, 12), **options):
        table = pd.DataFrame([{**PATIENT, **change} for change in changes or ({},)])
        return predict_patients(models["cox"], card, table, horizons, **options)

    return call


@pytest.fixture
def refused(predict):
    """The problems of an input that is refused."""

    def call(*changes, **options):
        with pytest.raises(InputError) as error:
            predict(*changes, **options)
        return error.value.problems

    return call


def without(*names):
    return pd.DataFrame([{k: v for k, v in PATIENT.items() if k not in names}])


def test_the_table_has_its_columns(predict):
    assert list(predict()) == [
        "row",
        "regimen",
        "risk_score",
        "event_probability_6m",
        "event_probability_12m",
        "median_months",
        "cautions",
        "note",
    ]


def test_predictions_are_the_models(predict, models):
    result = predict()
    predictors = pd.DataFrame(
        {
            "age_years": [61.0],
            "hb_g_per_l": [98.0],
            "disease": np.array(["AML secondary"], dtype=object),
            "mut_tp53": [1.0],
            "log_wbc": [np.log10(4.2)],
            "regimen": np.array(["HMA"], dtype=object),
        }
    )
    direct = models["cox"].predict(predictors, [6.0, 12.0])
    assert result["event_probability_6m"][0] == 1 - direct.survival[0, 0]
    assert result["event_probability_12m"][0] == 1 - direct.survival[0, 1]
    assert result["risk_score"][0] == direct.risk_score[0]
    grid = np.arange(0.1, 20, 0.1)
    survival = models["cox"].predict(predictors, grid).survival
    assert result["median_months"][0] == pytest.approx(median_survival(survival, grid)[0], abs=0.05)
    assert result["note"][0] == ""


def test_worse_disease_is_predicted_to_do_worse(predict):
    result = predict({}, {"mut_tp53": 0}, {"mut_tp53": 0, "disease": "AML de novo"})
    assert (np.diff(result["event_probability_6m"]) < 0).all()
    assert (np.diff(result["risk_score"]) < 0).all()
    assert result["row"].tolist() == [1, 2, 3]


def test_horizons_come_in_order_and_once(predict):
    result = predict(horizons=[12, 3, 12])
    columns = [name for name in result if name.startswith("event_probability")]
    assert columns == ["event_probability_3m", "event_probability_12m"]


def test_a_median_that_is_not_reached_is_missing(predict):
    young = {"age_years": 20, "mut_tp53": 0, "disease": "AML de novo"}
    assert np.isnan(predict(young)["median_months"][0])


@pytest.mark.parametrize("empty", [None, "", np.nan, "  "])
def test_a_missing_cell_works_and_is_noted(predict, empty):
    result = predict({"hb_g_per_l": empty}, {})
    assert result["note"].tolist() == ["missing: hb_g_per_l", ""]
    assert np.isfinite(result["event_probability_6m"]).all()


def test_a_missing_column_works_and_is_noted(models, card):
    result = predict_patients(models["cox"], card, without("disease", "wbc_1e9_per_l"), [6])
    assert result["note"][0] == "missing: disease, wbc_1e9_per_l"
    assert np.isfinite(result["event_probability_6m"][0])


def test_a_value_outside_the_training_range_is_noted(predict, card):
    high = card.ranges["age_years"][1]
    result = predict({"age_years": high + 5}, {"age_years": high})
    assert result["note"].tolist() == ["outside the central 95% of training: age_years", ""]


def test_a_level_never_seen_in_training_is_noted(predict, models, card):
    seen = card.model_copy(update={"levels": {"disease": ("AML de novo",)}})
    table = pd.DataFrame([PATIENT, {**PATIENT, "disease": "AML de novo"}])
    notes = predict_patients(models["cox"], seen, table, [6])["note"]
    assert "never seen in training: disease AML secondary" in notes[0]
    assert "never seen" not in notes[1]


def test_a_level_too_rare_in_training_is_noted(models, card):
    rare = card.model_copy(update={"rare": {"disease": ("AML secondary",)}})
    table = pd.DataFrame([PATIENT, {**PATIENT, "disease": "AML de novo"}])
    notes = predict_patients(models["cox"], rare, table, [6])["note"]
    assert "too rare in training to count for itself: disease AML secondary" in notes[0]
    assert "too rare" not in notes[1]


def test_a_horizon_before_the_first_event_is_noted(models, card):
    late = card.model_copy(update={"first_event": 2.5})
    notes = predict_patients(models["cox"], late, pd.DataFrame([PATIENT]), [1, 2, 6])["note"]
    assert "nobody had the event in training by month 1, 2" in notes[0]


def test_patient_id_is_kept(predict):
    result = predict({"patient_id": "A-7"}, {"patient_id": "B-1"})
    assert result["patient_id"].tolist() == ["A-7", "B-1"]
    assert next(iter(result)) == "patient_id"


def test_the_training_tables_own_names_codes_and_units_are_accepted(predict, models, card):
    own = pd.DataFrame(
        [
            {
                "age_years": 61,
                "hgb": 9.8,
                "diagnosis": "s-AML",
                "mut_tp53": 1,
                "wbc_1e9_per_l": 4.2,
                "treatment": "VEN-AZA",
            }
        ]
    )
    result = predict_patients(models["cox"], card, own, [6, 12])
    pd.testing.assert_frame_equal(result, predict())


def test_an_unknown_column_is_refused_with_a_suggestion(refused):
    (problem,) = refused({"mut_tp35": 1})
    assert problem.got == "mut_tp35"
    assert "did you mean 'mut_tp53'?" in problem.remedy
    assert "--ignore-extra" in problem.remedy


def test_an_unknown_column_may_be_left_unread(predict):
    pd.testing.assert_frame_equal(predict({"ward": "3b"}, ignore_extra=True), predict())


def test_a_wrong_type_names_row_and_column(refused):
    (problem,) = refused({}, {"age_years": "sixty"})
    assert problem.what == "A value is not a number"
    assert "row 2" in problem.where
    assert "column age_years" in problem.where
    assert problem.got == "sixty"


@pytest.mark.parametrize("value", [2, "maybe", -1])
def test_a_flag_is_0_or_1(refused, value):
    (problem,) = refused({"mut_tp53": value})
    assert "mut_tp53" in problem.where
    assert "0 or 1" in problem.allowed


@pytest.mark.parametrize("age", [-5, 17, 111, 6100, "inf"])
def test_an_impossible_value_is_refused(refused, age):
    (problem,) = refused({"age_years": age})
    assert "column age_years" in problem.where
    assert str(age) in problem.got
    assert "18" in problem.allowed
    assert "110" in problem.allowed


def test_a_value_in_another_unit_gets_a_hint(refused):
    # 9.8 g/dL is 98 g/L; as g/L it is below any living patient's.
    (problem,) = refused({"hb_g_per_l": 9.8})
    assert problem.got == "9.8"
    assert "looks like g/dL: multiply by 10 to get g/L" in problem.remedy


def test_an_unknown_category_names_the_allowed_ones(refused):
    (problem,) = refused({"disease": "CML"})
    assert problem.got == "CML"
    assert "AML de novo" in problem.allowed


def test_an_unknown_regimen_is_refused(refused):
    (problem,) = refused({"regimen": "7+3"})
    assert problem.what == "Unknown regimen"
    assert problem.got == "7+3"
    assert "HMA" in problem.allowed
    assert "LDAC" in problem.allowed


@pytest.mark.parametrize("empty", [None, "", np.nan])
def test_an_empty_regimen_is_refused(refused, empty):
    (problem,) = refused({}, {"regimen": empty})
    assert problem.got == "empty"
    assert "row 2" in problem.where


def test_a_missing_regimen_column_is_refused(models, card):
    with pytest.raises(InputError, match="never assumed") as error:
        predict_patients(models["cox"], card, without("regimen"), [6])
    (problem,) = error.value.problems
    assert problem.what == "The regimen is missing"
    assert problem.allowed == "LDAC, HMA"


@pytest.mark.parametrize("horizon", [0, -6, 1000, np.nan, np.inf])
def test_a_horizon_outside_the_follow_up_is_refused(refused, card, horizon):
    (problem,) = refused(horizons=[6, horizon])
    assert problem.got == f"{horizon:g}"
    assert f"{card.follow_up:.1f} months" in problem.allowed


def test_no_horizon_is_refused(refused):
    (problem,) = refused(horizons=[])
    assert problem.got == "none"


def test_a_patient_of_whom_nothing_is_known_is_refused(refused):
    nothing = dict.fromkeys([name for name in PATIENT if name != "regimen"])
    (problem,) = refused({}, nothing)
    assert "row 2" in problem.where
    assert "age_years" in problem.allowed


def test_a_table_without_a_single_covariate_is_refused(models, card):
    with pytest.raises(InputError, match="Nothing is known"):
        predict_patients(models["cox"], card, pd.DataFrame({"regimen": ["HMA"]}), [6])


def test_several_mistakes_are_told_at_once(refused):
    problems = refused(
        {"age_years": "old", "hb_g_per_l": 9.8, "regimen": "none", "ward": 3}, horizons=[999]
    )
    told = "\n".join(map(str, problems))
    assert len(problems) >= 4
    for part in ("999", "ward", "age_years", "Unknown regimen"):
        assert part in told


def test_a_wrong_type_does_not_hide_an_impossible_value(refused):
    problems = refused({"age_years": "old", "hb_g_per_l": 9.8})
    assert {p.got for p in problems} == {"old", "9.8"}


def test_patients_do_not_influence_each_other(predict):
    together = predict({"age_years": 40}, {"age_years": 80, "hb_g_per_l": None}, {})
    for position, change in enumerate(
        ({"age_years": 40}, {"age_years": 80, "hb_g_per_l": None}, {})
    ):
        alone = predict(change)
        assert alone["risk_score"][0] == pytest.approx(together["risk_score"][position], abs=1e-12)
        assert alone["note"][0] == together["note"][position]


def test_text_cells_read_like_numbers(predict):
    # CSV and JSON cells arrive as text.
    as_text = {key: str(value) for key, value in PATIENT.items()}
    pd.testing.assert_frame_equal(predict(as_text), predict())
