"""Aalen-Johansen, Gray and Fine-Gray against R, hand arithmetic, and their definitions."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.regimens.crude.cumulative_incidence import (
    competing_as_event,
    cumulative_incidence,
    gray_test,
    incidence_at,
    incidence_rows,
    subdistribution_hazard_ratio,
)
from evaluation.results import regimen_table
from evaluation.statistics.fine_gray import fine_gray
from evaluation.statistics.kaplan_meier import kaplan_meier
from features.outcome import Outcome
from tests import references

SHARED = Path(__file__).parents[4].parent / "shared"

# relapse at 1 and 4, death without relapse at 2, censored at 3 and 5
OUTCOME = Outcome([1, 2, 3, 4, 5], [1, 0, 0, 1, 0], competing=[0, 1, 0, 0, 0])
DAYS = [100, 365.25, 730.5]


r_result = partial(references.r_result, "competing.json")


@pytest.fixture(scope="module")
def bmt():
    path = SHARED / "data" / "bmt.csv"
    if not path.exists():
        pytest.skip("the public cohorts are not beside this checkout")
    return pd.read_csv(path)


@pytest.fixture(scope="module")
def relapse(bmt):
    return Outcome(bmt["t2"], bmt["cr_status"] == 1, competing=bmt["cr_status"] == 2)


def simulated(n, seed=1, effect=1.0):
    rng = np.random.default_rng(seed)
    first, second = rng.exponential(10 / effect, n), rng.exponential(15, n)
    censoring = rng.uniform(2, 25, n)
    time = np.minimum(np.minimum(first, second), censoring).round(1) + 0.1
    event = (first <= second) & (first <= censoring)
    return Outcome(time, event, competing=~event & (second <= censoring))


# ---------------------------------------------------------------------------- Aalen-Johansen


def test_cumulative_incidence_by_hand():
    # Event-free 4/5, 3/5, 3/5, then 0.3: relapse 1/5, then 3/5 * 1/2 more; death 4/5 * 1/4.
    curve = cumulative_incidence(OUTCOME)
    np.testing.assert_allclose(curve["incidence"], [0.2, 0.2, 0.2, 0.5, 0.5])
    assert curve["n_risk"].tolist() == [5, 4, 3, 2, 1]
    assert curve["n_event"].tolist() == [1, 0, 0, 1, 0]
    assert curve["n_competing"].tolist() == [0, 1, 0, 0, 0]
    assert curve["n_censor"].tolist() == [0, 0, 1, 0, 1]
    other = cumulative_incidence(competing_as_event(OUTCOME))
    np.testing.assert_allclose(other["incidence"], [0, 0.2, 0.2, 0.2, 0.2])


def test_the_incidences_and_event_free_survival_add_up_to_one():
    outcome = simulated(60)
    either = Outcome(outcome.time, outcome.event | outcome.competing)
    total = (
        cumulative_incidence(outcome)["incidence"]
        + cumulative_incidence(competing_as_event(outcome))["incidence"]
        + kaplan_meier(either)["survival"]
    )
    np.testing.assert_allclose(total, 1)


def test_without_competing_events_it_is_the_complement_of_kaplan_meier():
    plain = Outcome([1, 2, 3, 4, 6, 6], [1, 0, 1, 1, 0, 1])
    curve, survival = cumulative_incidence(plain), kaplan_meier(plain)
    np.testing.assert_allclose(curve["incidence"], 1 - survival["survival"])
    inside = (curve["incidence"] > 0) & (curve["incidence"] < 1)
    np.testing.assert_allclose(curve["std_error"][inside], survival["std_error"][inside])
    np.testing.assert_allclose(curve["ci_low"][inside], 1 - survival["ci_high"][inside])


def test_cumulative_incidence_matches_r(relapse):
    # etm: variance of Greenwood's type, cloglog limits; the estimates of cuminc and survfit.
    r = r_result("etm_bmt_all")
    for key, outcome in {"CIF 1": relapse, "CIF 2": competing_as_event(relapse)}.items():
        found = incidence_at(outcome, DAYS)
        np.testing.assert_allclose(found["incidence"], r[key]["P"], rtol=1e-6)
        np.testing.assert_allclose(found["std_error"] ** 2, r[key]["var"], rtol=1e-6)
        np.testing.assert_allclose(found["ci_low"], r[key]["lower"], rtol=1e-6)
        np.testing.assert_allclose(found["ci_high"], r[key]["upper"], rtol=1e-6)
    r = r_result("aj_bmt_all")
    np.testing.assert_allclose(
        incidence_at(relapse, DAYS)["std_error"], np.array(r["se_IJ"])[:, 1], rtol=1e-6
    )


def test_incidence_by_arm_matches_r(bmt, relapse):
    r = r_result("cuminc_bmt_group")
    for number, curve in enumerate(r["curves"]):
        group, cause = (int(part) for part in curve.split())
        outcome = relapse if cause == 1 else competing_as_event(relapse)
        found = incidence_at(outcome.take(bmt["group"] == group), DAYS)["incidence"]
        np.testing.assert_allclose(found, r["est"][number], rtol=1e-6, atol=1e-12)


def test_beyond_follow_up_and_before_the_first_event():
    found = incidence_at(OUTCOME, [0.5, 5, 5.5])
    assert found["incidence"].tolist()[:2] == [0, 0.5]
    assert np.isnan(found["incidence"].iloc[2])
    assert found["n_event"].tolist() == [0, 2, 2]
    assert np.isnan(found["ci_low"].iloc[0])


def test_an_empty_outcome_is_an_error():
    with pytest.raises(ValueError, match="holds no patients"):
        cumulative_incidence(Outcome([], []))


# -------------------------------------------------------------------------------------- Gray


def test_gray_matches_r(bmt, relapse):
    r = r_result("cuminc_bmt_group")["gray_test"]
    for number, outcome in enumerate((relapse, competing_as_event(relapse))):
        expected = (r["stat"][number], r["p"][number])
        np.testing.assert_allclose(gray_test(outcome, bmt["group"]), expected, rtol=1e-6)


def test_gray_finds_a_difference_and_knows_no_order():
    first, second = simulated(80, 2, 4), simulated(80, 3)
    outcome = Outcome(
        *(
            np.concatenate([getattr(o, name) for o in (first, second)])
            for name in ("time", "event")
        ),
        competing=np.concatenate([first.competing, second.competing]),
    )
    arms = np.repeat(["A", "B"], 80)
    test = gray_test(outcome, arms)
    assert test.p_value < 0.001
    order = np.random.default_rng(4).permutation(160)
    np.testing.assert_allclose(gray_test(outcome.take(order), arms[order]), test)


def test_gray_without_information_is_missing():
    assert np.isnan(gray_test(Outcome([1, 2], [0, 0], competing=[1, 0]), ["A", "B"])).all()
    assert np.isnan(gray_test(OUTCOME, ["A"] * 5)).all()
    # The other arm has left before the first event.
    assert np.isnan(gray_test(Outcome([1, 2, 3], [0, 1, 1]), ["A", "B", "B"])).all()


def test_identical_arms_do_not_differ():
    one = simulated(40)
    both = one.take(np.tile(np.arange(40), 2))
    test = gray_test(both, np.repeat(["A", "B"], 40))
    assert test.statistic == pytest.approx(0, abs=1e-12)
    assert subdistribution_hazard_ratio(one, one).estimate == pytest.approx(1)


# --------------------------------------------------------------------------------- Fine-Gray


def test_the_ratio_is_that_of_the_model():
    arm, reference = simulated(40, 5, 2), simulated(35, 6)
    both = Outcome(
        *(np.concatenate([getattr(o, k) for o in (arm, reference)]) for k in ("time", "event")),
        competing=np.concatenate([arm.competing, reference.competing]),
    )
    model = fine_gray(both, np.repeat([1.0, 0.0], [40, 35])[:, np.newaxis])
    error = np.sqrt(model.covariance[0, 0])
    ratio = subdistribution_hazard_ratio(arm, reference)
    limits = np.exp(model.coef[0] + 1.959963984540054 * error * np.array([0, -1, 1]))
    np.testing.assert_allclose(ratio[:3], limits, rtol=1e-9)


def test_a_ratio_without_a_maximum_is_not_estimable():
    never = Outcome([3, 4], [0, 0], competing=[1, 0])
    assert np.isnan(subdistribution_hazard_ratio(never, simulated(20))).all()
    # A's patients have all left before B's first event.
    gone = Outcome([1, 2], [1, 1])
    assert np.isnan(subdistribution_hazard_ratio(gone, Outcome([5, 6], [1, 1]))).all()


# -------------------------------------------------------------------------------------- rows


def test_rows_of_both_events_and_three_arms():
    outcome = simulated(60)
    arms = np.array(["A", "B", "C"] * 20, dtype=object)
    table = regimen_table(
        incidence_rows(outcome, arms, ["A", "C", "B"], [6, 60], ("relapse", "death"))
    )
    counts = table.groupby(["endpoint", "estimator"]).size()
    for endpoint in ("relapse", "death"):
        assert counts[endpoint].to_dict() == {
            "cumulative incidence": 6,
            "cumulative incidence difference": 4,
            "Gray test": 1,
            "Fine-Gray hazard ratio": 2,
        }
    beyond = table[table["horizon"] == 60]
    assert beyond["estimate"].isna().all()
    assert beyond["note"].str.contains("follow-up of").all()
    test = table[(table["endpoint"] == "death") & (table["estimator"] == "Gray test")].iloc[0]
    assert test["p_value"] == gray_test(competing_as_event(outcome), arms).p_value
    difference = table[table["estimator"] == "cumulative incidence difference"].iloc[0]
    a, b = (incidence_at(outcome.take(arms == arm), [6]).iloc[0] for arm in "AB")
    assert difference["estimate"] == pytest.approx(a["incidence"] - b["incidence"])


def test_an_arm_without_relapse_says_what_is_missing():
    outcome = Outcome([1, 2, 3, 4, 5, 6], [1, 1, 0, 0, 0, 0], competing=[0, 0, 0, 1, 0, 0])
    arms = np.array(["A"] * 3 + ["B"] * 3, dtype=object)
    table = regimen_table(incidence_rows(outcome, arms, ["A", "B"], [3], ("relapse", "death")))
    relapse = table[table["endpoint"] == "relapse"].set_index("estimator")
    assert "not estimable" in relapse.loc["Fine-Gray hazard ratio", "note"]
    assert np.isfinite(relapse.loc["Gray test", "p_value"])
    assert "no interval" in relapse.loc["cumulative incidence difference", "note"]
