import copy

import numpy as np
import pytest

from evaluation.published import CLAIM_COLUMNS, check_published_claims
from features.reference_study import read_reference_study, rebuild_reference_study


@pytest.fixture(scope="session")
def study():
    return read_reference_study()


@pytest.fixture(scope="session")
def reference(study):
    return rebuild_reference_study(1, study)


@pytest.fixture(scope="session")
def claims(reference, study):
    return check_published_claims(reference, study).set_index("claim")


def recheck(cohort, study, claim):
    return check_published_claims(cohort, study).set_index("claim").loc[claim]


def test_columns(reference, study):
    assert tuple(check_published_claims(reference, study)) == CLAIM_COLUMNS


def test_everything_but_the_response_p_is_reproduced(claims):
    failed = claims[claims["verdict"] != "reproduced"]
    assert list(failed.index) == ["CR/CRi, p for the difference"]
    assert all(failed["verdict"].str.startswith("not reproduced: "))


def test_the_response_p_does_not_follow_from_the_counts(claims):
    row = claims.loc["CR/CRi, p for the difference"]
    assert row["published"] == ".03"
    assert row["recomputed"] == "chi-square .095, Fisher .141"
    assert row["verdict"] == "not reproduced: .03 does not follow from 22/42 against 9/28"


@pytest.mark.parametrize(
    ("claim", "published", "recomputed"),
    [
        ("Patients, HMA", "42", "42"),
        ("Centers", "3", "3"),
        ("CR/CRi, HMA", "52.4%", "22/42 (52.4%)"),
        ("CR/CRi, LDAC", "32.1%", "9/28 (32.1%)"),
        ("Median OS, HMA, months", "8.3", "8.3"),
        ("Median OS, HMA, 95% CI (log-log)", "6.7-9.8", "6.7-9.8"),
        ("Median OS, LDAC, 95% CI (log-log)", "4.1-7.3", "4.1-7.3"),
        ("Median EFS, LDAC, months", "3.9", "3.9"),
        ("Febrile neutropenia, grade >= 3", "54.3%", "38/70 (54.3%)"),
        # 1 - 0.025 ** (1 / 70) = 0.0513
        ("Deaths within 30 days", "0", "0/70 (Clopper-Pearson upper limit 5.1%)"),
        ("Deaths within 60 days", "0", "0/70 (Clopper-Pearson upper limit 5.1%)"),
    ],
)
def test_recomputed_values(claims, claim, published, recomputed):
    assert claims.loc[claim, "published"] == published
    assert claims.loc[claim, "recomputed"] == recomputed


def test_values_come_from_the_rows(reference, study):
    # Twice as long a life doubles the medians and leaves the rank test alone.
    longer = reference.assign(os_months=reference["os_months"] * 2)
    row = recheck(longer, study, "Median OS, LDAC, months")
    assert row["recomputed"] == "11.4"
    assert row["verdict"] == "not reproduced: 11.4"
    before = recheck(reference, study, "OS, log-rank p")["recomputed"]
    assert recheck(longer, study, "OS, log-rank p")["recomputed"] == before


def test_claims_come_from_the_study_file(reference, study):
    other = copy.deepcopy(study)
    # Fisher gives .141 for the same counts.
    other["p_values"]["response"] = 0.14
    assert recheck(reference, other, "CR/CRi, p for the difference")["verdict"] == "reproduced"


def test_patient_order_changes_nothing(reference, study, claims):
    shuffled = reference.sample(frac=1, random_state=2)
    assert check_published_claims(shuffled, study).set_index("claim").equals(claims)


def test_a_patient_lost_inside_the_window_is_not_counted_as_alive(reference, study):
    cohort = reference.copy()
    # 0.9 months are 27 days: one death within 30 days, one patient lost.
    cohort.loc[[0, 1], "os_months"] = 0.9
    cohort.loc[[0, 1], "os_event"] = [1, 0]
    row = recheck(cohort, study, "Deaths within 30 days")
    assert row["recomputed"].startswith("1/69 ")
    assert row["verdict"] == "not reproduced: 1 of 69"


def test_a_median_that_is_not_reached(reference, study):
    cohort = reference.assign(efs_event=reference["efs_event"].where(reference.index < 10, 0))
    assert recheck(cohort, study, "Median EFS, HMA, months")["recomputed"] == "not reached"


def test_no_responder_at_all(reference, study):
    row = recheck(reference.assign(response="NR"), study, "CR/CRi, p for the difference")
    assert row["recomputed"] == "chi-square not estimable, Fisher 1.000"


def test_dates_outside_the_period(reference, study):
    row = recheck(reference.assign(treatment_start_date="2024-02-01"), study, "Treatment dates")
    assert row["verdict"] == "not reproduced: dates outside the period or missing"


def test_a_missing_column_is_named(reference, study):
    with pytest.raises(ValueError, match=r"lacks the column\(s\) efs_event, ae_infection;"):
        check_published_claims(reference.drop(columns=["efs_event", "ae_infection"]), study)


def test_an_unknown_regimen_is_named(reference, study):
    with pytest.raises(ValueError, match="exactly HMA, LDAC; got VEN"):
        check_published_claims(reference.assign(regimen="VEN"), study)


def test_an_unusable_outcome_is_named(reference, study):
    broken = reference.assign(os_months=np.nan)
    with pytest.raises(ValueError, match="os_months and os_event: time must be finite"):
        check_published_claims(broken, study)
