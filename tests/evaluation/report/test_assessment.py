from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from evaluation.bootstrap import bootstrap_counts
from evaluation.report.assessment import Judged, assess, calibration_pictures
from evaluation.validation.performance import performance_table
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

TIMES = np.linspace(0.5, 12, 24)
N = 90


@pytest.fixture(scope="module")
def judged():
    rng = np.random.default_rng(6)
    score = rng.normal(-2.3, 0.8, N)
    latent, censored = rng.exponential(np.exp(-score)), rng.uniform(4, 40, N)
    outcome = Outcome(np.minimum(latent, censored), latent <= censored)
    fold = np.arange(N) % 3
    good = SurvivalPrediction(score, np.exp(-np.exp(score)[:, None] * TIMES), TIMES)
    # The null model of each fold: nobody is told apart within one.
    hazard = 0.08 + 0.01 * fold
    null = SurvivalPrediction(np.zeros(N), np.exp(-hazard[:, None] * TIMES), TIMES)
    return of(outcome, {"good": [good], "null": [null]}, [fold])


def of(outcome, learners, folds):
    counts = bootstrap_counts(len(outcome), 30, 1)
    parts = [
        performance_table(name, outcome, repeats, folds, [6.0, 12.0], 12.0, counts, [0.5])
        for name, repeats in learners.items()
    ]
    metrics = pd.concat(parts, ignore_index=True)
    return Judged(outcome, learners, folds, [6.0, 12.0], [0.5], counts, metrics)


def test_everything_is_there_as_tables_and_pictures(judged):
    found = assess(judged, "good", ["null"])
    assert set(found.figures) == {"calibration", "curves", "utility", "risk"}
    # Two horizons; calibration besides over time, and of the whole distribution.
    drawn = {section: len(figures) for section, figures in found.figures.items()}
    assert drawn == {"calibration": 4, "curves": 2, "utility": 2, "risk": 2}
    over_time = found.tables["observed_expected_over_time"]
    assert set(over_time["model"]) == {"good", "null"}
    assert over_time["time"].max() <= 12.0
    # Shares of ten bins.
    assert len(found.tables["d_calibration"]) == 10
    assert all(isinstance(f, Figure) for s in found.figures.values() for f in s.values())
    assert set(found.tables) == {
        "auc_over_time",
        "brier_over_time",
        "decision_curve",
        "calibration_curve_good",
        "calibration_groups_good",
        "observed_expected_over_time",
        "d_calibration",
    }
    assert set(found.tables["auc_over_time"]["model"]) == {"good", "null"}
    assert set(found.tables["decision_curve"]["horizon"]) == {6.0, 12.0}


def test_a_model_that_tells_nobody_apart_has_no_calibration_plot(judged):
    assert calibration_pictures(judged, "null").figures == {}
    assert len(calibration_pictures(judged, "good").figures["calibration"]) == 2


def test_a_horizon_beyond_follow_up_has_no_picture(judged):
    short = Outcome(
        np.minimum(judged.outcome.time, 8), judged.outcome.event & (judged.outcome.time <= 8)
    )
    found = assess(of(short, judged.learners, judged.folds), "good")
    assert [caption for caption in found.figures["utility"] if "12 months" in caption] == []
    assert next(iter(found.figures["calibration"])) == "good 6 months"
    assert not [caption for caption in found.figures["calibration"] if "12 months" in caption]
    assert found.tables["observed_expected_over_time"]["time"].max() <= 8


def test_with_competing_events_the_calibration_alone_is_drawn(judged):
    outcome = judged.outcome
    competing = ~outcome.event & (np.arange(N) % 2 == 0)
    found = assess(
        of(replace(outcome, competing=competing), judged.learners, judged.folds), "good", ["null"]
    )
    assert set(found.figures) == {"calibration"}
    assert set(found.tables) == {"calibration_groups_good"}
    assert found.tables["calibration_groups_good"]["ci_method"].str.contains("Aalen").all()


def test_who_is_never_tested_is_in_no_picture(judged):
    never = np.arange(N) < 20
    fold = np.where(never, -1, judged.folds[0])
    good = judged.learners["good"][0]
    blank = SurvivalPrediction(
        np.where(never, np.nan, good.risk_score),
        np.where(never[:, None], np.nan, good.survival),
        TIMES,
    )
    found = assess(of(judged.outcome, {"good": [blank]}, [fold]), "good")
    assert found.tables["calibration_groups_good"].groupby("horizon")["n"].sum().tolist() == [
        70,
        70,
    ]
    assert set(found.figures) == {"calibration", "curves", "utility", "risk"}
