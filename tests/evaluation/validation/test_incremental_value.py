from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.bootstrap import bootstrap_counts
from evaluation.metrics.brier import brier_losses, null_losses
from evaluation.metrics.catalogue import NET_BENEFIT
from evaluation.metrics.discrimination import harrell_c
from evaluation.results import METRIC_COLUMNS
from evaluation.validation.incremental_value import incremental_value
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

TIMES = np.array([6.0, 12.0])
N = 150


def predicted(log_hazard):
    return SurvivalPrediction(log_hazard, np.exp(-np.exp(log_hazard)[:, None] * TIMES), TIMES)


def cohort(seed=0):
    generator = np.random.default_rng(seed)
    clinical, genetic = generator.normal(0, 0.6, (2, N))
    log_hazard = clinical + genetic - 2.5
    latent = generator.exponential(np.exp(-log_hazard))
    censored = generator.uniform(13, 40, N)
    outcome = Outcome(np.minimum(latent, censored), latent <= censored)
    return outcome, predicted(clinical - 2.3), predicted(log_hazard)


OUTCOME, REFERENCE, MODEL = cohort()
FOLD = np.zeros(N)
COUNTS = bootstrap_counts(N, 200, 1)


def value(reference=REFERENCE, model=MODEL):
    table = incremental_value(
        OUTCOME, ("clinical", [reference]), ("full", [model]), [FOLD], [6.0], [0.3], COUNTS
    )
    return table.set_index(["metric", "learner"])


def test_net_benefit_by_hand():
    # Of five, the first four are flagged at 30%. Among them by month 5: events at 1 and 2, then
    # nobody: Kaplan-Meier 3/4 x 2/3 = 1/2. Net benefit 4/5 (1/2 - 3/7 x 1/2) = 16/70.
    outcome = Outcome([1, 2, 6, 7, 3], [1, 1, 0, 1, 1])
    survival = np.array([[0.7], [0.5], [0.6], [0.2], [0.9]])
    p = SurvivalPrediction(np.zeros(5), survival, np.array([5.0]))
    metric = NET_BENEFIT.at(5.0, 0.3)
    assert metric.evaluate(outcome, p, None, np.ones((1, 5))) == pytest.approx([16 / 70])
    # Drawn twice each it is the same; drawn not at all, the flagged give nothing.
    assert metric.evaluate(outcome, p, None, np.full((1, 5), 2)) == pytest.approx([16 / 70])
    assert metric.evaluate(outcome, p, None, np.array([[0, 0, 0, 0, 3]])) == pytest.approx([0])
    nobody = SurvivalPrediction(np.zeros(5), np.full((5, 1), 0.99), np.array([5.0]))
    assert metric.evaluate(outcome, nobody, None, np.ones((1, 5))) == pytest.approx([0])


# R 4.2, survival 3.5.3: with p the threshold, w <- risk_12m >= p, and e the Kaplan-Meier event
# probability by 365.25 days of survfit(Surv(time[w], status[w]) ~ 1),
# mean(w) * (e - (1 - e) * p / (1 - p)).
R_NET_BENEFIT = {
    "leuksurv": [
        0.5900986025,
        0.5370977085,
        0.4646932061,
        0.4174975579,
        0.352791911,
        0.2668022635,
        0.113406849,
        0.03643336529,
        0.02013422819,
    ],
    "bmt": [
        0.3521672524,
        0.2840559318,
        0.2168925965,
        0.1459854015,
        0.05839416058,
        0.01824817518,
        0,
        0,
        0,
    ],
}


@pytest.mark.parametrize(
    ("cohort", "time", "event"), [("leuksurv", "time", "event"), ("bmt", "t2", "d3")]
)
def test_net_benefit_agrees_with_r(cohort, time, event):
    file = Path(__file__).parents[3].parent / "shared" / "data" / f"{cohort}.csv"
    if not file.exists():
        pytest.skip("needs the shared cohorts")
    table = pd.read_csv(file)
    outcome = Outcome(table[time], table[event])
    survival = 1 - table[["risk_12m"]].to_numpy()
    p = SurvivalPrediction(np.zeros(len(table)), survival, np.array([365.25]))
    found = [
        NET_BENEFIT.at(365.25, threshold).evaluate(outcome, p, None, np.ones((1, len(table))))[0]
        for threshold in np.arange(1, 10) / 10
    ]
    assert found == pytest.approx(R_NET_BENEFIT[cohort], abs=1e-6)


def test_differences_are_those_of_the_two_models():
    table = value()
    assert tuple(table.reset_index()[list(METRIC_COLUMNS)].columns) == METRIC_COLUMNS
    c = [harrell_c(OUTCOME, p.risk_score) for p in (REFERENCE, MODEL)]
    scores = [brier_losses(OUTCOME, p.survival[:, :1], [6.0]).mean() for p in (REFERENCE, MODEL)]
    ipa = [1 - score / null_losses(OUTCOME, [6.0]).mean() for score in scores]
    for name, (reference, model) in {"harrell_c": c, "ipa": ipa}.items():
        assert table.loc[(name, "clinical"), "estimate"] == pytest.approx(reference)
        assert table.loc[(name, "full"), "estimate"] == pytest.approx(model)
        difference = table.loc[(f"{name}_difference", "full - clinical")]
        assert difference["estimate"] == pytest.approx(model - reference)
        assert difference["ci_low"] < difference["estimate"] < difference["ci_high"]


def test_a_real_addition_is_seen_and_none_is_none():
    assert value().loc[("harrell_c_difference", "full - clinical"), "ci_low"] > 0
    table = value(model=REFERENCE)
    differences = table.loc[[m.endswith("_difference") for m in table.index.get_level_values(0)]]
    assert len(differences) == 3
    assert (differences[["estimate", "ci_low", "ci_high"]] == 0).all(axis=None)


def test_pairing_narrows_the_interval():
    table = value()
    width = table["ci_high"] - table["ci_low"]
    assert (
        width[("harrell_c_difference", "full - clinical")] < width[("harrell_c", "clinical")] * 1.2
    )


def test_a_published_score_orders_patients_and_has_no_probabilities():
    groups = np.digitize(REFERENCE.risk_score, [-2.6, -2.0]).astype(float)
    score = SurvivalPrediction(groups, np.full((N, len(TIMES)), np.nan), TIMES)
    table = value(reference=score)
    assert np.isfinite(table.loc[("harrell_c_difference", "full - clinical"), "estimate"])
    for metric in ("ipa_difference", "net_benefit_0.3_difference"):
        row = table.loc[(metric, "full - clinical")]
        assert np.isnan(row["estimate"])
        assert "only orders patients" in row["note"]
    assert np.isfinite(table.loc[("ipa", "full"), "estimate"])


def test_duplicating_every_patient_changes_no_estimate():
    rows = np.tile(np.arange(N), 2)
    twice = incremental_value(
        OUTCOME.take(rows), ("clinical", [REFERENCE.take(rows)]), ("full", [MODEL.take(rows)]),
        [np.zeros(2 * N)], [6.0], [0.3], bootstrap_counts(2 * N, 2, 0),
    )  # fmt: skip
    assert twice["estimate"].to_numpy() == pytest.approx(value()["estimate"].to_numpy())


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="threshold"):
        NET_BENEFIT.at(6.0, 0.0)
