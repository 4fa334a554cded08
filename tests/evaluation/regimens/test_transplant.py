"""Start-stop Cox models against R, hand likelihoods and identities; the sensitivity table."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from evaluation.regimens.crude.hazard_ratio import cox_hazard_ratio
from evaluation.regimens.transplant import (
    AFTER,
    BEFORE,
    counting_process,
    counting_process_cox,
    transplant_sensitivity,
)
from evaluation.results import REGIMEN_COLUMNS
from features.endpoints.landmark import landmark
from features.outcome import Outcome

# AML maintenance trial (Embury, Arch Intern Med 1977;137:1346), weeks.
AML = Outcome(
    [9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161, 5, 5, 8, 8, 12, 16, 23, 27, 30, 33, 43, 45],
    [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1],
)
NOT_MAINTAINED = np.repeat([0.0, 1.0], [11, 12])

N = 90
RNG = np.random.default_rng(31)
REGIMEN = RNG.choice(["HMA", "LDAC"], N).astype(object)
LATENT, CENSORING = RNG.exponential(np.where(REGIMEN == "HMA", 14, 9)), RNG.uniform(6, 40, N)
OUTCOME = Outcome(np.minimum(LATENT, CENSORING).round(1), LATENT <= CENSORING)
TRANSPLANT = np.where(RNG.random(N) < 0.4, RNG.uniform(1, 12, N), np.nan)


def table_of(outcome=OUTCOME, regimen=REGIMEN, transplant=TRANSPLANT, **options):
    found = transplant_sensitivity(outcome, regimen, "LDAC", transplant, **options)
    return found.set_index(["estimator", "arm"])


# -------------------------------------------------------------------------- counting process


def test_follow_up_is_split_at_the_transplant():
    # transplanted at 3 and died at 8; never; on the day of death; after the end of follow-up
    outcome = Outcome([8, 5, 4, 6], [1, 0, 1, 0])
    intervals = counting_process(outcome, [3, np.nan, 4, 9])
    rows = intervals[["patient", "stop", "event", "transplanted"]].to_numpy(dtype=float).tolist()
    assert rows == [[0, 3, 0, 0], [0, 8, 1, 1], [1, 5, 0, 0], [2, 4, 1, 0], [3, 6, 0, 0]]
    assert intervals["start"].tolist() == [-1, 3, -1, -1, -1]


def test_a_transplant_on_the_index_date_exposes_all_follow_up():
    intervals = counting_process(Outcome([8], [1]), [0])
    assert intervals["transplanted"].tolist() == [0, 1]
    # Nothing happens between the start before 0 and 0 itself.
    assert intervals["stop"].tolist() == [0, 8]


def test_splitting_follow_up_changes_nothing():
    # R 4.2.2, survival 3.5.3: coxph(Surv(time, status) ~ x, aml): .915532575 (SE .5119342752).
    whole = pd.DataFrame({"start": -1.0, "stop": AML.time, "event": AML.event})
    split = counting_process(AML, np.full(23, 7.5))
    split["x"] = NOT_MAINTAINED[split["patient"]]
    for intervals, x in ((whole, NOT_MAINTAINED), (split, split["x"].to_numpy())):
        model = counting_process_cox(intervals, x[:, np.newaxis])
        np.testing.assert_allclose(
            (model.coef[0], np.sqrt(model.covariance[0, 0])), (0.915532575, 0.5119342752), rtol=1e-6
        )


def test_the_coefficients_maximise_efrons_likelihood():
    intervals = counting_process(OUTCOME, TRANSPLANT)
    x = np.column_stack([REGIMEN[intervals["patient"]] == "HMA", intervals["transplanted"]]).astype(
        float
    )
    start, stop, event = (intervals[c].to_numpy() for c in ("start", "stop", "event"))

    def minus_log_likelihood(beta):
        risk, total = np.exp(x @ beta), 0.0
        for time in np.unique(stop[event]):
            at_risk, now = (start < time) & (time <= stop), event & (stop == time)
            d = now.sum()
            total += (x[now] @ beta).sum()
            for k in range(d):
                total -= np.log(risk[at_risk].sum() - k / d * risk[now].sum())
        return -total

    best = minimize(minus_log_likelihood, np.zeros(2), method="BFGS", options={"gtol": 1e-8}).x
    np.testing.assert_allclose(counting_process_cox(intervals, x).coef, best, atol=1e-6)


def test_the_stanford_heart_transplants():
    # As R's survival prints coxph(Surv(start, stop, event) ~ age + year + surgery + transplant,
    # heart), to the printed digits; likelihood ratio 15.11.
    from SurvSet.data import SurvLoader

    with warnings.catch_warnings():
        # The package's tables were pickled by an older NumPy.
        warnings.simplefilter("ignore")
        heart = SurvLoader().load_dataset(ds_name="heart")["df"]
    intervals = heart.rename(columns={"time": "start", "time2": "stop"})
    columns = ["num_age", "num_year", "fac_surgery", "fac_transplant"]
    model = counting_process_cox(intervals, heart[columns].astype(float).to_numpy())
    np.testing.assert_allclose(model.coef, [0.02717, -0.14635, -0.63721, -0.01025], atol=5.1e-6)
    errors = np.sqrt(np.diag(model.covariance))
    np.testing.assert_allclose(errors, [0.01371, 0.07047, 0.36723, 0.31375], atol=5.1e-6)
    at_none = model.likelihood.at(np.zeros(4)).value
    assert 2 * (model.log_likelihood - at_none) == pytest.approx(15.11, abs=0.005)


def test_an_impossible_transplant_is_an_error():
    with pytest.raises(ValueError, match="an earlier transplant is a baseline covariate"):
        counting_process(OUTCOME, np.full(N, -2.0))
    with pytest.raises(ValueError, match=r"one number a patient, \(90,\)"):
        transplant_sensitivity(OUTCOME, REGIMEN, "LDAC", [1.0, 2.0])


# --------------------------------------------------------------------------------- the table


def test_every_analysis_has_its_rows():
    found = transplant_sensitivity(OUTCOME, REGIMEN, "LDAC", TRANSPLANT, landmarks=(3, 6))
    assert tuple(found.columns) == REGIMEN_COLUMNS
    assert list(zip(found["estimator"], found["arm"], found["reference_arm"], strict=True)) == [
        ("Cox hazard ratio, transplant ignored", "HMA", "LDAC"),
        ("Cox hazard ratio, transplant as time-dependent covariate", "HMA", "LDAC"),
        ("Cox hazard ratio, transplant as time-dependent covariate", AFTER, BEFORE),
        ("Cox hazard ratio, censored at transplant", "HMA", "LDAC"),
        *[("Cox hazard ratio, landmark", a, b) for a, b in (("HMA", "LDAC"), (AFTER, BEFORE))] * 2,
    ]
    assert np.isfinite(found["estimate"]).all()
    assert found["horizon"].tolist()[-4:] == [3, 3, 6, 6]
    assert not found["note"].str.contains("caus").any()


def test_ignoring_it_is_the_crude_ratio():
    arms = [OUTCOME.take(arm == REGIMEN) for arm in ("HMA", "LDAC")]
    row = table_of().loc[("Cox hazard ratio, transplant ignored", "HMA")]
    assert row["estimate"] == pytest.approx(cox_hazard_ratio(*arms).estimate, rel=1e-9)


def test_censoring_ends_follow_up_at_the_transplant():
    cut = np.where(np.isnan(TRANSPLANT), np.inf, TRANSPLANT)
    censored = Outcome(np.minimum(OUTCOME.time, cut), OUTCOME.event & (OUTCOME.time <= cut))
    arms = [censored.take(arm == REGIMEN) for arm in ("HMA", "LDAC")]
    row = table_of().loc[("Cox hazard ratio, censored at transplant", "HMA")]
    assert row["estimate"] == pytest.approx(cox_hazard_ratio(*arms).estimate, rel=1e-9)
    assert row["events"] == censored.n_events


def test_an_event_on_the_day_of_the_transplant_counts_and_comes_first():
    row = table_of(transplant=OUTCOME.time, landmarks=())
    crude = row.loc[("Cox hazard ratio, transplant ignored", "HMA"), "estimate"]
    censored = row.loc[("Cox hazard ratio, censored at transplant", "HMA"), "estimate"]
    assert censored == crude


def test_the_landmark_takes_those_at_risk_and_adjusts_for_a_transplant_by_then():
    at = landmark(OUTCOME, 6)
    by_then = (np.nan_to_num(TRANSPLANT[at.at_risk], nan=np.inf) <= 6).astype(float)
    x = np.column_stack([REGIMEN[at.at_risk] == "HMA", by_then]).astype(float)
    intervals = pd.DataFrame({"start": 0.0, "stop": at.outcome.time + 1, "event": at.outcome.event})
    expected = np.exp(counting_process_cox(intervals, x).coef)
    found = table_of(landmarks=(6,)).loc["Cox hazard ratio, landmark", "estimate"]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_nobody_transplanted_leaves_the_crude_ratio_and_no_other():
    found = table_of(transplant=np.full(N, np.nan), landmarks=())
    crude = found.loc[("Cox hazard ratio, transplant ignored", "HMA"), "estimate"]
    name = "Cox hazard ratio, transplant as time-dependent covariate"
    assert found.loc[(name, "HMA"), "estimate"] == pytest.approx(crude, rel=1e-9)
    assert "not adjusted" in found.loc[(name, "HMA"), "note"]
    assert np.isnan(found.loc[(name, AFTER), "estimate"])
    assert "no event after, or none before" in found.loc[(name, AFTER), "note"]


def test_immortal_time_is_not_given_to_the_transplanted():
    # Transplantation does nothing; those who live long get it.
    rng = np.random.default_rng(2)
    latent, offered = rng.exponential(10, 800), rng.uniform(0, 15, 800)
    outcome = Outcome(np.minimum(latent, 30), latent < 30)
    arms = np.where(np.arange(800) % 2 == 0, "HMA", "LDAC").astype(object)
    transplant = np.where(offered < outcome.time, offered, np.nan)
    naive = cox_hazard_ratio(
        outcome.take(~np.isnan(transplant)), outcome.take(np.isnan(transplant))
    )
    assert naive.ci_high < 0.6
    found = transplant_sensitivity(outcome, arms, "LDAC", transplant, landmarks=(6,))
    described = found[found["arm"] == AFTER]
    assert (described["ci_low"] < 1).all()
    assert (described["ci_high"] > 1).all()


def test_landmarks_beyond_follow_up_and_arms_that_are_gone():
    found = table_of(landmarks=(600,))
    row = found.loc[("Cox hazard ratio, landmark", "HMA")]
    assert "nobody is at risk at the landmark" in row["note"]
    gone = Outcome([1, 2, 3, 9, 9, 9], [1, 1, 1, 1, 0, 0])
    table = transplant_sensitivity(gone, ["A"] * 3 + ["B"] * 3, "B", np.full(6, np.nan), (4,))
    assert "nobody of A is at risk" in table.iloc[-1]["note"]


def test_without_events_every_row_says_why():
    nobody = Outcome([1, 2, 3, 4], [0, 0, 0, 0])
    found = transplant_sensitivity(nobody, list("AABB"), "B", [np.nan, 1, np.nan, 2], (0.5,))
    assert found["estimate"].isna().all()
    assert found["note"].str.contains("not estimable").all()


def test_three_arms_and_the_order_of_patients():
    regimen = np.array(["A", "B", "C"] * 30, dtype=object)
    found = transplant_sensitivity(OUTCOME, regimen, "B", TRANSPLANT, (3,))
    assert found["arm"].tolist() == ["A", "C", "A", "C", AFTER, "A", "C", "A", "C", AFTER]
    order = np.random.default_rng(5).permutation(N)
    again = transplant_sensitivity(
        OUTCOME.take(order), regimen[order], "B", TRANSPLANT[order], (3,)
    )
    pd.testing.assert_frame_equal(again, found)


@pytest.mark.parametrize("seed", range(25))
def test_tiny_cohorts_have_an_estimate_or_a_reason(seed):
    rng = np.random.default_rng(seed)
    n = 4 + seed % 8
    regimen = np.array([*"ABC", *rng.choice(list("ABC"), n - 3)], dtype=object)
    outcome = Outcome(rng.integers(0, 6, n), rng.random(n) < 0.6)
    transplant = np.where(rng.random(n) < 0.5, rng.integers(0, 6, n), np.nan)
    found = transplant_sensitivity(outcome, regimen, "B", transplant, (1, 3))
    missing = found["estimate"].isna()
    assert (found.loc[missing, "note"].str.contains("not estimable")).all()
    assert np.isfinite(found.loc[~missing, ["estimate", "ci_low", "ci_high"]].to_numpy()).all()
