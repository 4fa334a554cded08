"""Every check: a table that triggers it and nothing else, and a clean one that triggers none."""

import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.cohort import CohortColumns, read_cohort
from features.covariates.dictionary import Covariate, read_dictionary
from features.endpoints.dated import DatedEndpoint
from features.errors import InputError
from features.guard.checks import inclusion as guard_inclusion
from features.guard.checks import reading as guard_reading
from features.guard.findings import findings_frame, raise_failures
from features.guard.run import (
    COHORT_CHECKS,
    TABLE_CHECKS,
    guard_cohort,
    guard_table,
)
from features.guard.settings import Severity, read_guard, read_rules
from features.sources.rows import joined_tables, reduced_rows
from features.tables.table_file import read_table

SHARED = Path(__file__).resolve().parents[4].parent / "shared" / "data"
N = 80
COVARIATES = ["age_years", "sex", "log_wbc", "hb_g_per_l", "bm_blasts_percent", "mut_tp53"]
EXTRA = [
    Covariate(name="ward", label="Ward", kind="category", vocabulary=tuple("abcdef")),
    Covariate(name="score", label="Score", kind="number"),
]
DICTIONARY = {**read_dictionary(), **{c.name: c for c in EXTRA}}
COLUMNS = {
    "patient_id": "pid",
    "center": "site",
    "regimen": {"column": "arm", "values": {"HMA": "HMA", "LDAC": "LDAC"}, "reference_arm": "LDAC"},
    "covariates": {"wbc_1e9_per_l": "wbc"},
    "endpoints": {"os": {"label": "OS", "time": "months", "event": "dead", "unit": "months"}},
}


@pytest.fixture(scope="module")
def clean():
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "pid": [f"P{i}" for i in rng.permutation(N)],
            "site": np.arange(N) % 2,
            "arm": np.where(np.arange(N) // 2 % 2, "HMA", "LDAC"),
            "age_years": rng.uniform(30, 85, N).round(1),
            "sex": rng.choice(["F", "M"], N),
            "wbc": rng.lognormal(1.2, 1, N).round(2).clip(0.2, 90),
            "hb_g_per_l": rng.normal(90, 12, N).round(),
            "bm_blasts_percent": rng.uniform(5, 95, N).round(),
            "mut_tp53": rng.choice([0, 1], N),
            "months": rng.exponential(12, N).round(2) + 0.01,
            # Every fifth is censored, in each site and arm alike.
            "dead": (np.arange(N) % 5 != 0).astype(int),
            "ven_date": pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 300, N), "D"),
            "cr": rng.choice(["yes", "no"], N),
        }
    ).assign(
        death_date=lambda t: (t["ven_date"] + pd.to_timedelta(t["months"] * 30.4375, "D")).where(
            t["dead"] == 1
        ),
        relapsed=lambda t: np.where(t["cr"] == "yes", "yes", "no"),
    )


def as_read(table):
    """Cells as text, as a CSV file gives them."""
    return table.assign(
        **{c: table[c].dt.strftime("%Y-%m-%d") for c in ("ven_date", "death_date") if c in table}
    ).astype("string")


def table_findings(table, covariates=COVARIATES, columns=None, **guard):
    mapped = CohortColumns.model_validate({**COLUMNS, **(columns or {})})
    return guard_table(as_read(table), mapped, covariates, DICTIONARY, read_guard(guard))


def cohort_findings(table, covariates=COVARIATES, columns=None, **guard):
    mapped = CohortColumns.model_validate({**COLUMNS, **(columns or {})})
    cohort = read_cohort(as_read(table), mapped, covariates, DICTIONARY)
    return guard_cohort(cohort, {"OS": "os"}, covariates, read_guard(guard))


def only(findings, check, count=None):
    """The one finding, which is this check's."""
    assert [f.check for f in findings] == [check]
    if count is not None:
        assert findings[0].count == count
    return findings[0]


SETTINGS = {
    "starts_at": "index",
    "treatment_start": "ven_date",
    "death": "death_date",
    "remission": "cr",
    "relapse": "relapsed",
    "cut_off": "2040-12-31",
    "event_dates": ["death_date"],
}


def test_a_clean_cohort_has_no_finding(clean):
    assert table_findings(clean, **SETTINGS) == []
    assert cohort_findings(clean) == []


def test_every_check_has_its_lines_in_the_rules_and_no_other():
    # Found where files are made one row a patient.
    made = "".join(map(inspect.getsource, (joined_tables, reduced_rows)))
    elsewhere = {check for check in read_rules().checks if f'"{check}"' in made}
    checks = (*guard_inclusion.CHECKS, *TABLE_CHECKS, *COHORT_CHECKS, *guard_reading.CHECKS)
    run = {check.__name__ for check in checks}
    assert len(run) == len(checks)
    assert run | elsewhere == set(read_rules().checks)
    assert not run & elsewhere


# --- Units -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "factor", "unit", "covariate"),
    [
        ("hb_g_per_l", 0.1, "g/dL", "hb_g_per_l"),
        ("wbc", 1000, "per uL", "log_wbc"),
        ("platelets_1e9_per_l", 1000, "per uL", "platelets_1e9_per_l"),
        ("creatinine_umol_per_l", 1 / 88.4, "mg/dL", "creatinine_umol_per_l"),
        ("bilirubin_umol_per_l", 1 / 17.1, "mg/dL", "bilirubin_umol_per_l"),
        ("albumin_g_per_l", 0.1, "g/dL", "albumin_g_per_l"),
    ],
)
def test_a_column_in_another_unit_is_named_with_the_unit(clean, column, factor, unit, covariate):
    rng = np.random.default_rng(1)
    usual = {
        "platelets_1e9_per_l": rng.lognormal(3.7, 0.7, N),
        "creatinine_umol_per_l": rng.lognormal(4.3, 0.3, N),
        "bilirubin_umol_per_l": rng.lognormal(2.4, 0.4, N),
        "albumin_g_per_l": rng.normal(37, 4, N),
    }
    table = clean.assign(**({} if column in clean else {column: usual.get(column)}))
    covariates = list(dict.fromkeys([*COVARIATES, covariate]))
    assert table_findings(table, covariates, starts_at="index") == []
    wrong = table.assign(**{column: (table[column] * factor).round(3)})
    finding = only(table_findings(wrong, covariates, starts_at="index"), "unit_other", N)
    assert finding.severity is Severity.FAIL
    assert f"looks like {unit}" in finding.what
    assert f"unit: {unit}" in finding.remedy
    assert finding.rows == ()


def test_a_stated_unit_is_believed_when_it_fits_and_doubted_when_not(clean):
    stated = {"hb_g_per_l": {"column": "hb_g_per_l", "unit": "g/dL"}}
    in_dl = clean.assign(hb_g_per_l=(clean["hb_g_per_l"] / 10).round(1))
    assert table_findings(in_dl, columns={"covariates": {**COLUMNS["covariates"], **stated}},
                          starts_at="index") == []  # fmt: skip
    findings = table_findings(
        clean, columns={"covariates": {**COLUMNS["covariates"], **stated}}, starts_at="index"
    )
    assert "read in g/dL, but looks like g/L" in only(findings, "unit_other", N).what


def test_two_units_in_one_column_are_counted(clean):
    mixed = clean["hb_g_per_l"].where(np.arange(N) >= 10, clean["hb_g_per_l"] / 10)
    finding = only(table_findings(clean.assign(hb_g_per_l=mixed), starts_at="index"), "unit_mixed")
    assert (finding.count, finding.total, finding.rows) == (10, N, (1, 2, 3, 4, 5))


def test_a_column_that_is_mostly_in_another_unit_is_still_mixed(clean):
    mixed = clean["hb_g_per_l"].where(np.arange(N) >= 60, clean["hb_g_per_l"] / 10)
    only(table_findings(clean.assign(hb_g_per_l=mixed), starts_at="index"), "unit_mixed", 60)


def test_high_white_cells_are_no_other_unit(clean):
    # Hyperleukocytosis: a tenth above 100, as in real tables.
    high = clean["wbc"].where(np.arange(N) >= 8, np.linspace(105, 430, N))
    assert table_findings(clean.assign(wbc=high), starts_at="index") == []


def test_fractions_for_per_cent(clean):
    table = clean.assign(bm_blasts_percent=clean["bm_blasts_percent"] / 100)
    only(table_findings(table, starts_at="index"), "percent_as_fraction", N)
    mapped = {"bm_blasts_percent": {"column": "bm_blasts_percent", "unit": "fraction"}}
    columns = {"covariates": {**COLUMNS["covariates"], **mapped}}
    assert table_findings(table, columns=columns, starts_at="index") == []


def test_some_fractions_among_per_cent(clean):
    blasts = clean["bm_blasts_percent"].where(np.arange(N) >= 12, clean["bm_blasts_percent"] / 100)
    only(table_findings(clean.assign(bm_blasts_percent=blasts), starts_at="index"),
         "percent_mixed", 12)  # fmt: skip


# --- Patients ----------------------------------------------------------------------------------


def test_a_repeated_identifier(clean):
    table = clean.assign(pid=clean["pid"].where(np.arange(N) != 20, clean["pid"].iloc[3]))
    finding = only(table_findings(table, starts_at="index"), "duplicate_identifier", 1)
    assert finding.rows == (21,)


def test_a_row_entered_twice_under_two_identifiers(clean):
    table = pd.concat([clean, clean.iloc[[4]].assign(pid="again")], ignore_index=True)
    findings = table_findings(table, starts_at="index")
    assert [f.check for f in findings] == ["duplicate_row", "near_duplicate"]
    assert {f.rows for f in findings} == {(5, N + 1)}


def test_the_same_age_sex_time_and_status_under_two_identifiers(clean):
    again = clean.iloc[[4]].assign(pid="again", hb_g_per_l=101)
    table = pd.concat([clean, again], ignore_index=True)
    assert only(table_findings(table, starts_at="index"), "near_duplicate", 2).rows == (5, N + 1)


def test_agreement_that_chance_explains_is_no_duplicate(clean):
    # Three ages, two sexes, whole months up to four: hundreds of patients agree.
    table = pd.concat([clean] * 5, ignore_index=True)
    rng = np.random.default_rng(3)
    table = table.assign(
        pid=np.arange(len(table)),
        age_years=rng.choice([60, 65, 70], len(table)),
        sex=rng.choice(["F", "M"], len(table)),
        months=rng.choice([1, 2, 3, 4], len(table)),
        dead=rng.choice([0, 1], len(table)),
        wbc=rng.lognormal(1.2, 1, len(table)).round(1),
        hb_g_per_l=rng.normal(90, 12, len(table)).round(),
        bm_blasts_percent=rng.integers(5, 95, len(table)),
    )
    assert table_findings(table, starts_at="index") == []


LABS = ["wbc", "hb_g_per_l", "bm_blasts_percent"]


@pytest.mark.parametrize("names", [["hb_g_per_l"], ["wbc", "hb_g_per_l"], LABS], ids=len)
def test_two_patients_alike_but_for_their_laboratory_values(clean, names):
    again = clean.iloc[[4]].assign(pid="again")
    again[names] = again[names] + 1
    found = table_findings(pd.concat([clean, again], ignore_index=True), starts_at="index")
    assert [f.check for f in found] == ["near_duplicate"] * (len(names) == 1)


def test_cells_that_are_empty_in_both_rows_agree_about_nothing(clean):
    # Age, sex, time and status alone: four cells, where five have to agree.
    table = clean.drop(columns=["ven_date", "death_date"]).astype(object)
    rest = table.columns.drop(["pid", "age_years", "sex", "months", "dead"])
    table.loc[[3, 9], rest] = None
    table.loc[9, ["age_years", "sex", "months", "dead"]] = table.loc[3]
    found = {f.check for f in table_findings(table, starts_at="index")}
    assert not found & {"duplicate_row", "near_duplicate"}
    table.loc[[3, 9], "site"] = 1
    found = {f.check for f in table_findings(table, starts_at="index")}
    assert "duplicate_row" in found


def test_duplicates_by_the_dates_that_an_endpoint_is_derived_from(clean):
    again = clean.iloc[[4]].assign(pid="again", hb_g_per_l=101)
    table = pd.concat([clean, again], ignore_index=True).drop(columns=["months", "dead"])
    events = [{"date": "death_date"}]
    dated = {"label": "OS", "origin": "ven_date", "events": events, "cutoff": "2026-01-01"}
    columns = COLUMNS | {"endpoints": {"os": dated}}
    assert only(
        table_findings(table, columns=columns, starts_at="index"), "near_duplicate", 2
    ).rows == (
        5,
        N + 1,
    )


# --- Times -------------------------------------------------------------------------------------


def at(table, **cells):
    """The table with other values in its second row."""
    return table.assign(
        **{c: table[c].where(np.arange(len(table)) != 1, v) for c, v in cells.items()}
    )


def test_a_negative_time(clean):
    finding = only(table_findings(at(clean, months=-0.5), starts_at="index"), "negative_time", 1)
    assert (finding.severity, finding.rows) == (Severity.FAIL, (2,))


def test_a_time_of_zero_is_kept_and_told(clean):
    finding = only(cohort_findings(at(clean, months=0)), "zero_time", 1)
    assert "kept" in finding.why
    assert finding.rows == (2,)


def test_death_before_treatment(clean):
    table = at(clean, death_date=pd.Timestamp("2019-01-01"))
    settings = {"treatment_start": "ven_date", "death": "death_date", "starts_at": "index"}
    only(table_findings(table, **settings), "death_before_treatment", 1)


def test_follow_up_that_ends_before_a_delayed_entry(clean):
    table = clean.assign(delay=np.where(np.arange(N) == 1, clean["months"] + 1, 0))
    finding = only(
        table_findings(table, starts_at="diagnosis", entry="delay"), "death_before_treatment", 1
    )
    assert finding.rows == (2,)


def test_a_date_after_the_cut_off(clean):
    table = at(clean, death_date=pd.Timestamp("2041-01-01"))
    only(table_findings(table, **SETTINGS), "event_after_cut_off", 1)


def test_a_start_and_a_time_that_pass_the_cut_off(clean):
    # The dates lie before it; 2021 plus 400 months does not.
    only(table_findings(at(clean, months=400), **SETTINGS), "event_after_cut_off", 1)


def test_relapse_without_remission(clean):
    row = int(np.flatnonzero(clean["cr"] == "no")[0])
    table = clean.assign(relapsed=clean["relapsed"].where(np.arange(N) != row, "yes"))
    finding = only(table_findings(table, **SETTINGS), "relapse_without_remission", 1)
    assert finding.rows == (row + 1,)
    assert finding.total == (clean["cr"] == "yes").sum() + 1


def test_relapse_before_remission(clean):
    table = clean.assign(
        cr_date="2021-06-01", relapse_date=np.where(np.arange(N) < 3, "2021-05-01", "2022-01-01")
    )
    settings = {"remission": "cr_date", "relapse": "relapse_date", "starts_at": "index"}
    only(table_findings(table, **settings), "relapse_without_remission", 3)


def test_codes_say_what_a_remission_is(clean):
    table = clean.assign(best=np.where(clean["cr"] == "yes", "CRi", "PD"))
    settings = {"remission": {"column": "best", "values": ["CR", "CRi"]}, "relapse": "relapsed"}
    assert table_findings(table, **settings, starts_at="index") == []


def test_a_date_that_cannot_be_read_is_told(clean):
    table = clean.assign(seen=np.where(np.arange(N) < 2, "03/04/2021", "2021-04-03"))
    settings = {"event_dates": ["seen"], "cut_off": "2040-01-01", "starts_at": "index"}
    only(table_findings(table, **settings), "unreadable_date", 2)


def test_numbers_are_not_compared_with_dates(clean):
    settings = {"treatment_start": "ven_date", "death": "months", "starts_at": "index"}
    assert "are not compared" in only(table_findings(clean, **settings), "unreadable_date", N).what


def test_numbers_are_not_compared_with_the_cut_off(clean):
    settings = {"event_dates": ["months"], "cut_off": "2040-01-01", "starts_at": "index"}
    only(table_findings(clean, **settings), "unreadable_date", N)


@pytest.mark.parametrize("how", ["attrs", "setting", "origin"])
def test_a_clock_that_starts_at_diagnosis_is_refused(clean, how):
    table, columns = as_read(clean.assign(dx_date="2020-01-01")), CohortColumns(**COLUMNS)
    if how == "attrs":
        table.attrs["time_origin"] = "diagnosis"
    if how == "origin":
        dated = DatedEndpoint(label="OS", origin="dx_date", events=[{"date": "death_date"}])
        columns = columns.model_copy(update={"endpoints": {"os": dated}})
    guard = read_guard({"starts_at": "diagnosis"} if how == "setting" else {})
    finding = only(guard_table(table, columns, COVARIATES, DICTIONARY, guard), "clock_start", N)
    assert finding.severity is Severity.FAIL


def test_a_delay_mends_the_clock_and_must_be_known(clean):
    known = clean.assign(delay=0.001)
    assert table_findings(known, starts_at="diagnosis", entry="delay") == []
    gaps = clean.assign(delay=np.where(np.arange(N) < 4, None, "0.001"))
    only(table_findings(gaps, starts_at="diagnosis", entry="delay"), "clock_start", 4)


def test_a_source_that_brings_the_delay_is_not_refused(clean):
    table = as_read(clean.assign(delay=0.001))
    table.attrs.update(time_origin="diagnosis", start_offset_column="delay")
    columns = CohortColumns.model_validate(COLUMNS)
    assert guard_table(table, columns, COVARIATES, DICTIONARY) == []


def test_the_user_knows_better_than_the_source_where_time_starts(clean):
    table = as_read(clean)
    table.attrs["time_origin"] = "diagnosis"
    columns = CohortColumns.model_validate(COLUMNS)
    guard = read_guard({"starts_at": "index"})
    assert guard_table(table, columns, COVARIATES, DICTIONARY, guard) == []


@pytest.mark.parametrize("name", ["stage", "Disease_Stage", "sampleTimepoint"])
def test_rows_sampled_at_relapse_are_immortal_until_then(clean, name):
    stage = np.where(np.arange(N) < 6, "Relapse", "Initial Diagnosis")
    finding = only(table_findings(clean.assign(**{name: stage})), "sampled_later", 6)
    assert finding.severity is Severity.FAIL
    assert table_findings(clean.assign(**{name: stage}), starts_at="index") == []


def test_a_flag_says_that_a_sample_was_taken_at_relapse(clean):
    table = clean.assign(isRelapse=np.where(np.arange(N) < 6, "True", "False"))
    only(table_findings(table), "sampled_later", 6)


def test_a_table_of_relapses_alone_counts_from_relapse(clean):
    assert table_findings(clean.assign(stage="Relapse")) == []


def test_the_user_names_the_stage(clean):
    table = clean.assign(visit=np.where(np.arange(N) < 6, "V9", "V1"))
    only(table_findings(table, stage={"column": "visit", "values": ["V9"]}), "sampled_later", 6)


# --- Columns -----------------------------------------------------------------------------------


def test_a_post_baseline_predictor(clean):
    table = clean.assign(hsct_after=0)
    only(table_findings(table, [*COVARIATES, "hsct_after"], starts_at="index"),
         "post_baseline_predictor", N)  # fmt: skip


def test_a_covariate_of_ones_own_that_reads_a_post_baseline_column(clean):
    columns = {"covariates": {**COLUMNS["covariates"], "score": "cycles"}}
    only(table_findings(clean.assign(cycles=3), [*COVARIATES, "score"], columns, starts_at="index"),
         "post_baseline_predictor")  # fmt: skip


def test_a_predictor_that_is_read_from_the_outcome(clean):
    columns = {"covariates": {**COLUMNS["covariates"], "score": "months"}}
    only(table_findings(clean, [*COVARIATES, "score"], columns, starts_at="index"),
         "outcome_predictor", N)  # fmt: skip


def test_a_predictor_that_is_named_like_an_outcome(clean):
    columns = {"covariates": {**COLUMNS["covariates"], "score": "VITAL_STATUS"}}
    finding = only(
        table_findings(clean.assign(VITAL_STATUS=1), [*COVARIATES, "score"], columns,
                       starts_at="index"), "outcome_name")  # fmt: skip
    assert finding.severity is Severity.WARN


def test_an_identifier_among_the_covariates(clean):
    table = clean.assign(score=np.arange(N) + 10_000_000)
    only(cohort_findings(table, [*COVARIATES, "score"]), "direct_identifier", N)


def test_a_constant_covariate(clean):
    only(cohort_findings(clean.assign(mut_tp53=0)), "constant_covariate", N)


@pytest.mark.parametrize("known", [0, 2])
def test_an_empty_covariate(clean, known):
    table = clean.assign(mut_tp53=clean["mut_tp53"].astype(object).where(np.arange(N) < known))
    only(cohort_findings(table), "empty_covariate", N - known)


def test_a_covariate_and_its_recoding(clean):
    table = clean.assign(ward=clean["sex"].map({"F": "a", "M": "b"}))
    finding = only(cohort_findings(table, [*COVARIATES, "ward"]), "identical_covariates")
    assert "sex, ward" in finding.what


def test_a_number_and_its_copy(clean):
    table = clean.assign(score=clean["hb_g_per_l"])
    only(cohort_findings(table, [*COVARIATES, "score"]), "identical_covariates")


def test_two_measurements_that_differ_in_every_patient_are_not_the_same(clean):
    rng = np.random.default_rng(4)
    table = clean.assign(
        score=rng.normal(size=N), age_years=rng.permutation(np.linspace(30, 85, N))
    )
    assert cohort_findings(table, [*COVARIATES, "score"]) == []


def test_an_unusual_value_is_a_note(clean):
    finding = only(cohort_findings(at(clean, hb_g_per_l=190)), "unusual_value", 1)
    assert (finding.severity, finding.rows) == (Severity.NOTE, (2,))
    assert "rare" not in str(finding)


def test_a_finding_says_which_share_of_the_patients_it_is_about(clean):
    told = {}
    for k in (1, 10):
        cells = np.where(np.arange(N) < k, 190.0, 100.0)
        found = cohort_findings(clean.assign(hb_g_per_l=cells))
        told[k] = only(found, "unusual_value", k)
    # 1 of 80 are 1.25%, 10 of 80 12.5%.
    assert told[1].who == "1 of 80 patient(s), 1%: row 1 (the first patient is row 1)"
    assert told[10].who.startswith("10 of 80 patient(s), 12%: row 1, 2, 3, 4, 5, ... (5 more)")
    assert replace(told[1], total=400).who.startswith("1 of 400 patient(s), under 1%: row 1 (")
    # Of everybody, or nobody, it goes without saying.
    assert replace(told[1], count=80, rows=()).who == "80 of 80 patient(s)"


# --- Leakage -----------------------------------------------------------------------------------


def test_a_covariate_that_orders_the_times(clean):
    noise = np.random.default_rng(5).normal(0, 0.05, N)
    table = clean.assign(score=np.log(clean["months"]) + noise)
    found = cohort_findings(table, [*COVARIATES, "score"])
    finding = only([f for f in found if f.check != "guarantee_time"], "leakage_time", N)
    assert finding.severity is Severity.FAIL


def test_a_category_that_orders_the_times(clean):
    table = clean.assign(ward=pd.qcut(clean["months"], 6, labels=list("fcbaed")))
    found = cohort_findings(table, [*COVARIATES, "ward"])
    # The level of the earliest deaths is told as such, too.
    assert {"leakage_time", "early_deaths"} <= {f.check for f in found}


def test_a_covariate_that_is_the_status(clean):
    table = clean.assign(score=clean["dead"])
    only(cohort_findings(table, [*COVARIATES, "score"]), "leakage_event", N)


def test_a_covariate_that_is_known_only_after_death(clean):
    # As the chapter of the cause of death in the free light chain data.
    chapter = np.random.default_rng(6).choice(list("abc"), N).astype(object)
    table = clean.assign(ward=pd.Series(chapter).where(clean["dead"] == 1))
    finding = only(cohort_findings(table, [*COVARIATES, "ward"]), "leakage_missing")
    assert finding.count == clean["dead"].sum()


# --- Regimens ----------------------------------------------------------------------------------


def test_follow_up_that_differs_by_regimen(clean):
    # The same deaths; who is censored is followed ten times longer under LDAC.
    longer = (clean["arm"] == "LDAC") & (clean["dead"] == 0)
    table = clean.assign(months=clean["months"].where(~longer, 60 + clean["months"]))
    finding = only(cohort_findings(table), "follow_up_by_regimen", N)
    assert "HMA" in finding.what
    assert "LDAC" in finding.what
    assert "months" in finding.what


def test_follow_up_that_differs_by_less_than_a_quarter_is_no_finding(clean):
    # All censored ones end at 60 months under HMA and at 70 under LDAC: certain, but close.
    end = np.where(clean["arm"] == "LDAC", 70, 60)
    table = clean.assign(months=clean["months"].where(clean["dead"] == 1, end))
    assert cohort_findings(table) == []
    strict = {"limits": {"follow_up_by_regimen": {"ratio": 1.1}}}
    only(cohort_findings(table, **strict), "follow_up_by_regimen", N)


def test_a_center_without_one_of_the_regimens(clean):
    third = np.arange(N) < 9
    table = clean.assign(site=clean["site"].where(~third, 3), arm=clean["arm"].where(~third, "HMA"))
    finding = only(cohort_findings(table), "regimen_center_cells", 9)
    assert "1 of 6 cells" in finding.what


def test_a_covariate_that_decides_the_regimen(clean):
    table = clean.assign(score=np.where(clean["arm"] == "HMA", 400, 600))
    finding = only(cohort_findings(table, [*COVARIATES, "score"]), "regimen_predicted", N)
    assert "score" in finding.what


def test_a_covariate_that_only_one_regimen_has(clean):
    agent = np.random.default_rng(8).choice(["a", "b"], N).astype(object)
    table = clean.assign(ward=pd.Series(agent).where(clean["arm"] == "HMA"))
    only(cohort_findings(table, [*COVARIATES, "ward"]), "regimen_predicted", N)


def test_patients_of_a_kind_that_never_had_one_regimen(clean):
    kind = np.random.default_rng(9).choice(["b", "c"], N).astype(object)
    hma = np.flatnonzero(clean["arm"] == "HMA")[:16]
    kind[hma] = "a"
    finding = only(
        cohort_findings(clean.assign(ward=kind), [*COVARIATES, "ward"]), "no_overlap", 16
    )
    assert "never go with LDAC" in finding.what


# --- What holds for all ------------------------------------------------------------------------


def test_an_ignored_check_says_nothing_and_a_lowered_one_does_not_stop(clean):
    table = at(clean, months=-0.5)
    assert table_findings(table, starts_at="index", severity={"negative_time": "ignore"}) == []
    noted = table_findings(table, starts_at="index", severity={"negative_time": "note"})
    assert noted[0].severity is Severity.NOTE
    raise_failures(noted)
    with pytest.raises(InputError, match="negative_time"):
        raise_failures(table_findings(table, starts_at="index"))


def test_rows_keep_their_numbers_after_inclusion(clean):
    table = as_read(at(clean, months=-0.5)).iloc[1:]
    columns = CohortColumns.model_validate(COLUMNS)
    found = guard_table(table, columns, COVARIATES, DICTIONARY, read_guard({"starts_at": "index"}))
    assert only(found, "negative_time").rows == (2,)
    assert table.index[0] == 1


def test_a_column_that_the_settings_name_must_exist(clean):
    with pytest.raises(InputError, match=r"guard\.death"):
        table_findings(clean, death="deth_date")


def test_no_message_holds_a_value_of_a_patient(clean):
    """Every check is triggered with values that stand nowhere else."""
    secret = {"pid": "SECRET-7713", "age_years": 61.7313, "hb_g_per_l": 7.7313, "months": -77.313,
              "ward": "f", "death_date": pd.Timestamp("2007-07-13"), "relapsed": "yes", "cr": "no",
              "stage": "Relapse", "wbc": 77313.7, "bm_blasts_percent": 0.7713}  # fmt: skip
    table = clean.assign(
        stage="Initial Diagnosis", ward=np.random.default_rng(2).choice(list("ab"), N)
    )
    for row in range(12):
        table = table.assign(
            **{c: table[c].where(np.arange(N) != row, v) for c, v in secret.items()}
        )
    table = table.assign(ven_date=table["ven_date"].where(np.arange(N) > 3, "7713-xx"))
    as_text = table.assign(
        death_date=pd.to_datetime(table["death_date"]).dt.strftime("%Y-%m-%d")
    ).astype("string")
    columns = CohortColumns.model_validate(COLUMNS)
    settings = {**SETTINGS, "starts_at": "diagnosis", "cut_off": "2007-01-01"}
    found = guard_table(as_text, columns, [*COVARIATES, "ward"], DICTIONARY, read_guard(settings))
    assert {"unit_mixed", "negative_time", "death_before_treatment", "duplicate_identifier",
            "relapse_without_remission", "sampled_later", "unreadable_date", "percent_mixed",
            "event_after_cut_off", "clock_start"} <= {f.check for f in found}  # fmt: skip
    said = "\n".join(map(str, found)) + findings_frame(found).to_csv()
    with pytest.raises(InputError) as error:
        raise_failures(found)
    said += str(error.value)
    for trace in ("7713", "7.73", "77.3", "61.7", "77313", "2007-07-13"):
        assert trace not in said


# --- Real cohorts ------------------------------------------------------------------------------


def real(name):
    path = SHARED / name
    if not path.is_file():
        pytest.skip("needs the shared cohorts")
    return read_table(path)


BEATAML = {
    "patient_id": "id",
    "covariates": {"age_years": "age", "wbc_1e9_per_l": "wbc", "hb_g_per_l": "hgb"},
    "endpoints": {"os": {"label": "OS", "time": "os_days", "event": "os_event", "unit": "days"}},
}


def beataml(**guard):
    columns = CohortColumns.model_validate(BEATAML)
    return guard_table(
        real("beataml.csv"), columns, ["age_years", "log_wbc", "hb_g_per_l"], DICTIONARY,
        read_guard(guard),
    )  # fmt: skip


def test_beat_aml_relapse_stage_rows_are_immortal_time():
    found = {f.what: f for f in beataml() if f.check == "sampled_later"}
    # 39 at relapse, 135 with residual disease and 23 in remission, of 805.
    by_stage = next(f for what, f in found.items() if "column stage" in what)
    assert (by_stage.count, by_stage.total, by_stage.severity) == (197, 805, Severity.FAIL)
    by_flag = next(f for what, f in found.items() if "column isRelapse" in what)
    assert by_flag.count == 38


def test_beat_aml_time_from_diagnosis_is_refused():
    seen = beataml(starts_at="diagnosis", stage={"column": "stage", "values": ["Relapse"]})
    found = {f.check: f for f in seen}
    assert found["clock_start"].count == 805
    assert found["sampled_later"].count == 39
    assert found["unit_other"].count == 519


MDACC = {
    "patient_id": "id",
    "regimen": {"column": "regimen", "values": {"VEN_HMA": "VEN_HMA", "LDAC_BASED": "LDAC_BASED"},
                "reference_arm": "LDAC_BASED"},
    "covariates": {"age_years": "age", "wbc_1e9_per_l": "wbc", "bm_blasts_percent": "bm_blasts",
                   "hb_g_per_l": "hgb", "sex": {"column": "sex", "values": {"male": "M",
                                                                            "female": "F"}}},
    "endpoints": {"os": {"label": "OS", "time": "os_months", "event": "os_event",
                         "unit": "months"}},
}  # fmt: skip
MDACC_COVARIATES = ["age_years", "sex", "log_wbc", "bm_blasts_percent", "hb_g_per_l", "mut_tp53"]


def test_mdacc_hemoglobin_in_g_per_dl_is_found_when_no_unit_is_stated():
    table = real("mdacc_venhma_ldac.csv")
    columns = CohortColumns.model_validate(MDACC)
    found = guard_table(table, columns, MDACC_COVARIATES, DICTIONARY)
    # 136 of 148 have a hemoglobin.
    assert only(found, "unit_other", 136).total == 136


def test_mdacc_has_no_failure_once_the_unit_is_stated():
    table = real("mdacc_venhma_ldac.csv")
    covariates = {**MDACC["covariates"], "hb_g_per_l": {"column": "hgb", "unit": "g/dL"}}
    columns = CohortColumns.model_validate({**MDACC, "covariates": covariates})
    found = guard_table(table, columns, MDACC_COVARIATES, DICTIONARY)
    cohort = read_cohort(table, columns, MDACC_COVARIATES, DICTIONARY)
    found += guard_cohort(cohort, {"OS": "os"}, MDACC_COVARIATES)
    raise_failures(found)
    # 5 white-cell counts above 100.
    assert [(f.check, f.count) for f in found] == [("unusual_value", 5)]


def test_bmt_is_clean():
    table = real("bmt.csv")
    dictionary = {name: Covariate(name=name, label=name, kind="number") for name in ("z1", "z7")}
    columns = CohortColumns.model_validate(
        {
            "patient_id": "id",
            "endpoints": {
                "os": {"label": "OS", "time": "t1", "event": "d1", "unit": "days"},
                "dfs": {"label": "DFS", "time": "t2", "event": "d3", "unit": "days"},
            },
        }
    )
    assert guard_table(table, columns, ["z1", "z7"], dictionary) == []
    cohort = read_cohort(table, columns, ["z1", "z7"], dictionary)
    assert guard_cohort(cohort, {"OS": "os", "DFS": "dfs"}, ["z1", "z7"]) == []
