import numpy as np
import pytest

from evaluation.bootstrap import bootstrap_counts, percentile_interval
from evaluation.metrics.calibration.at_horizon import observed_expected
from evaluation.metrics.discrimination import harrell_c
from evaluation.validation.subgroups import SUBGROUP_COLUMNS, age_bands, subgroup_table
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

TIMES = np.array([6.0, 12.0])
N = 160


def judged(seed=0):
    generator = np.random.default_rng(seed)
    log_hazard = generator.normal(-2.5, 0.8, N)
    latent = generator.exponential(np.exp(-log_hazard))
    censored = generator.uniform(13, 40, N)
    outcome = Outcome(np.minimum(latent, censored), latent <= censored)
    survival = np.exp(-np.exp(log_hazard)[:, None] * TIMES)
    return outcome, SurvivalPrediction(log_hazard, survival, TIMES)


OUTCOME, PREDICTION = judged()
FOLD = np.arange(N) % 4
SEX = np.where(np.arange(N) % 3 == 0, "female", "male")
COUNTS = bootstrap_counts(N, 100, 1)


def table(groups, predictions=(PREDICTION,), folds=(FOLD,), counts=COUNTS, **options):
    return subgroup_table(
        "cox", OUTCOME, predictions, folds, groups, [6.0], counts, **options
    ).set_index(["variable", "level", "metric"])


def test_a_cell_holds_the_estimates_of_its_patients_alone():
    found = table({"sex": SEX})
    members = SEX == "female"
    inside = OUTCOME.take(members)
    c = harrell_c(inside, PREDICTION.risk_score[members], group=FOLD[members])
    assert found.loc[("sex", "female", "harrell_c"), "estimate"] == pytest.approx(c)
    ratio = observed_expected(inside, 1 - PREDICTION.at(6.0)[members], 6.0).ratio
    row = found.loc[("sex", "female", "calibration_oe")]
    assert row["estimate"] == pytest.approx(ratio)
    assert row["ci_low"] < ratio < row["ci_high"]
    assert row["n"] == members.sum()
    assert row["events"] == (inside.event & (inside.time <= 6)).sum()


def test_the_interval_takes_the_counts_of_the_members():
    found = table({"sex": SEX})
    members = SEX == "male"
    replicates = harrell_c(
        OUTCOME.take(members), PREDICTION.risk_score[members], counts=COUNTS[:, members],
        group=FOLD[members],
    )  # fmt: skip
    row = found.loc[("sex", "male", "harrell_c")]
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(percentile_interval(replicates))


def test_the_cohort_comes_first_and_the_repeats_are_averaged():
    _, other = judged(1)
    found = table({}, (PREDICTION, other), (FOLD, FOLD[::-1]))
    each = [
        harrell_c(OUTCOME, p.risk_score, group=fold)
        for p, fold in ((PREDICTION, FOLD), (other, FOLD[::-1]))
    ]
    assert found.loc[("all", "all", "harrell_c"), "estimate"] == pytest.approx(np.mean(each))
    assert tuple(found.reset_index()[list(SUBGROUP_COLUMNS)].columns) == SUBGROUP_COLUMNS


def test_unstable_cells_are_suppressed_with_the_reason():
    center = np.where(np.arange(N) < 8, "small", "large")
    found = table({"center": center})
    row = found.loc[("center", "small", "harrell_c")]
    assert np.isnan(row[["estimate", "ci_low", "ci_high"]].astype(float)).all()
    assert row["n"] == 8
    assert "suppressed: 8 patients, fewer than 20" in row["note"]
    assert "fewer than 10" in row["note"]
    shown = table({"center": center}, min_patients=5, min_events=1)
    assert np.isfinite(shown.loc[("center", "small", "harrell_c"), "estimate"])


def test_few_events_suppress_where_patients_are_many():
    late = np.where(OUTCOME.time > 6, "long", "short")
    found = table({"time": late})
    note = found.loc[("time", "long", "calibration_oe"), "note"]
    assert "suppressed: 0 events by 6 months, fewer than 10" in note
    assert "patients, fewer" not in note
    assert np.isfinite(found.loc[("time", "long", "harrell_c"), "estimate"])


def test_an_unknown_label_is_a_level_of_its_own():
    labels = SEX.astype(object)
    labels[:40] = None
    labels[40:50] = np.nan
    found = table({"sex": labels})
    assert found.loc[("sex", "missing", "harrell_c"), "n"] == 50
    assert found.loc["sex"]["n"].groupby("metric").sum().eq(N).all()
    assert found.loc["sex"].index.get_level_values("level")[-1] == "missing"


def test_nothing_is_tested():
    assert "p_value" not in table({"sex": SEX}).columns


def test_a_replicate_without_the_group_has_no_estimate():
    counts = COUNTS.copy()
    counts[:50, SEX == "female"] = 0
    found = table({"sex": SEX}, counts=counts)
    row = found.loc[("sex", "female", "calibration_oe")]
    assert np.isfinite(row["estimate"])
    assert np.isnan(row["ci_low"])
    assert "50% of the replicates" in row["note"]


def test_age_bands():
    bands = age_bands([59.9, 60, 74, 75, np.nan, 88])
    assert bands.tolist() == ["<60", "60-74", "60-74", ">=75", None, ">=75"]
    assert age_bands([64, 65], [65]).tolist() == ["<65", ">=65"]
    with pytest.raises(ValueError, match="increasing"):
        age_bands([60], [75, 60])
    found = table({"age": age_bands(np.linspace(40, 90, N))})
    levels = found.loc["age"].index.get_level_values("level").unique().tolist()
    assert levels == ["<60", "60-74", ">=75"]


def test_duplicating_every_patient_changes_no_estimate():
    rows = np.tile(np.arange(N), 2)
    twice = subgroup_table(
        "cox", OUTCOME.take(rows), [PREDICTION.take(rows)], [FOLD[rows]], {"sex": SEX[rows]}, [6.0],
        bootstrap_counts(2 * N, 2, 0),
    )  # fmt: skip
    once = table({"sex": SEX})
    assert twice["estimate"].to_numpy() == pytest.approx(once["estimate"].to_numpy())
    assert (twice["n"].to_numpy() == 2 * once["n"].to_numpy()).all()


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="one label a patient"):
        table({"sex": SEX[:5]})
