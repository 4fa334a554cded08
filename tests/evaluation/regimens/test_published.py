import copy

import numpy as np
import pandas as pd
import pytest
import yaml

from evaluation.regimens.published import CLAIM_COLUMNS, check_published_claims
from features.simulated.reference_study import read_reference_study, rebuild_reference_study


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


# ---------------------------------------------------------------- another study of the same form

OTHER = yaml.safe_load(
    """
    arms:
      VEN:
        n: 4
        response: {percent: 50}
        median_rfs_months: {estimate: 4.5, ci_low: 2.0, ci_high: null}
        adverse_events: {sepsis: {percent: 25.0}}
      LDAC:
        n: 4
        response: {percent: 25.0}
        median_rfs_months: {estimate: 2.0}
      BSC:
        n: 2
    responses_counted: [CR, CRh]
    p_values: {response: 0.638, rfs: 0.5}
    hazard_ratios:
      rfs: {arm: VEN, reference_arm: LDAC, estimate: 0.3, ci_low: 0.05, ci_high: 1.9}
    adverse_events: {sepsis: {percent: 30}}
    median_interval: log
    """
)
PATIENTS = pd.DataFrame(
    {
        "regimen": ["VEN"] * 4 + ["LDAC"] * 4 + ["BSC"] * 2,
        "rfs_months": [2, 3, 6, 9, 1, 2, 2, 5, 4, 6],
        "rfs_event": [1, 1, 1, 0, 1, 1, 1, 1, 0, 1],
        "response": ["CR", "CRh", "CRi", "NR", "CR", "NR", "PR", "NR", "NR", "NR"],
        "ae_sepsis": [1, 0, 0, 0, 1, 1, 0, 0, 0, 0],
    }
)


def test_another_study_claims_what_its_file_holds():
    claims = check_published_claims(PATIENTS, OTHER).set_index("claim")
    assert list(claims.index) == [
        "Patients, VEN",
        "Patients, LDAC",
        "Patients, BSC",
        "CR/CRh, VEN",
        "CR/CRh, LDAC",
        "CR/CRh, p for the difference",
        "Median RFS, VEN, months",
        "Median RFS, VEN, 95% CI (log)",
        "Median RFS, LDAC, months",
        "RFS, log-rank p",
        "RFS, hazard ratio VEN over LDAC",
        "Sepsis",
        "Sepsis, VEN",
    ]
    # CRi is not counted there: 2 of 4; 1 of 4; 0 of 2.
    assert claims.loc["CR/CRh, VEN", "recomputed"] == "2/4 (50.0%)"
    assert claims.loc["CR/CRh, VEN", "verdict"] == "reproduced"
    # S of VEN is 1/2 from month 3 to 6; nothing bounds the median from above.
    assert claims.loc["Median RFS, VEN, months", "recomputed"] == "4.5"
    assert claims.loc["Median RFS, VEN, 95% CI (log)", "recomputed"] == "2.0-not reached"
    assert claims.loc["Median RFS, VEN, 95% CI (log)", "published"] == "2.0-not reached"
    assert claims.loc["Median RFS, VEN, 95% CI (log)", "verdict"] == "reproduced"
    assert claims.loc["Sepsis", "recomputed"] == "3/10 (30.0%)"
    assert claims.loc["Sepsis, VEN", "verdict"] == "reproduced"


def test_a_p_value_is_held_to_the_decimals_published():
    # Expected 3/10 responders: chi-square 1.43 on 2 degrees of freedom, p = .4895.
    row = recheck(PATIENTS, OTHER, "CR/CRh, p for the difference")
    assert row["published"] == ".638"
    assert row["recomputed"].startswith("chi-square .")
    assert "Fisher" not in row["recomputed"]  # three arms
    chi_square = float(row["recomputed"].removeprefix("chi-square "))
    for digits, verdict in ((3, "reproduced"), (2, "reproduced")):
        other = copy.deepcopy(OTHER)
        other["p_values"]["response"] = round(chi_square, digits)
        assert recheck(PATIENTS, other, "CR/CRh, p for the difference")["verdict"] == verdict
    other["p_values"]["response"] = chi_square + 0.001
    assert recheck(PATIENTS, other, "CR/CRh, p for the difference")["verdict"] != "reproduced"


def test_a_hazard_ratio_is_recomputed():
    from evaluation.regimens.crude.hazard_ratio import cox_hazard_ratio
    from features.outcome import Outcome

    outcome = Outcome(PATIENTS["rfs_months"], PATIENTS["rfs_event"])
    ratio = cox_hazard_ratio(outcome.take(np.arange(4)), outcome.take(np.arange(4, 8)))
    row = recheck(PATIENTS, OTHER, "RFS, hazard ratio VEN over LDAC")
    text = f"{ratio.estimate:.2f} ({ratio.ci_low:.2f}-{ratio.ci_high:.2f})"
    assert row["recomputed"] == text
    assert row["published"] == "0.30 (0.05-1.90)"
    assert row["verdict"] == f"not reproduced: {text}"
    other = copy.deepcopy(OTHER)
    other["hazard_ratios"]["rfs"] = {
        "arm": "VEN", "reference_arm": "LDAC", "estimate": round(ratio.estimate, 2)
    }  # fmt: skip
    row = recheck(PATIENTS, other, "RFS, hazard ratio VEN over LDAC")
    assert row["verdict"] == "reproduced"


def test_a_study_that_claims_little_needs_little():
    little = {"arms": {"VEN": {"n": 4}, "LDAC": {}, "BSC": {}}}
    claims = check_published_claims(PATIENTS[["regimen"]], little)
    assert claims["claim"].tolist() == ["Patients, VEN"]
    assert claims["verdict"].tolist() == ["reproduced"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arms": {"VEN": {"n": 4}}}, "at least two arms"),
        ({"responses_counted": []}, "responses_counted must list"),
        ({"median_interval": "loglog"}, "median_interval must be one of"),
        (
            {"hazard_ratios": {"rfs": {"arm": "VEN", "reference_arm": "HMA", "estimate": 1.0}}},
            "'HMA' is not among the arms",
        ),
    ],
)
def test_a_study_that_contradicts_itself_is_an_error(change, message):
    with pytest.raises(ValueError, match=message):
        check_published_claims(PATIENTS, OTHER | change)
