import numpy as np
import pandas as pd

from evaluation.metrics.catalogue import IBS
from evaluation.validation.cox_comparison import best_cox, cox_is_enough
from evaluation.validation.learner_differences import DIFFERENCE_COLUMNS, learner_differences
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

PATIENTS = "bootstrap percentile, B=50"
TEST = "corrected resampled t over 15 test folds, df=14"


def differences(**ibs):
    """Both rows of each metric; the interval over patients always says that there is a gain."""
    rows = []
    for name, (estimate, low, high, p_value) in ibs.items():
        pair = {"learner": f"{name} - cox", "n": 70, "note": ""}
        sure = {"estimate": -0.02, "ci_low": -0.03, "ci_high": -0.01, "ci_method": PATIENTS}
        tested = {"ci_low": low, "ci_high": high, "ci_method": TEST, "p_value": p_value}
        rows.append(pair | {"metric": "ibs_difference"} | sure)
        rows.append(pair | {"metric": "ibs_difference", "estimate": estimate} | tested)
        c = {"estimate": 0.01, "ci_low": -0.02, "ci_high": 0.04, "p_value": 0.5}
        rows.append(pair | {"metric": "harrell_c_difference"} | c)
    return pd.DataFrame(rows, columns=list(DIFFERENCE_COLUMNS))


def test_the_test_over_folds_decides_and_not_the_interval_over_patients():
    table = differences(
        forest=(-0.004, -0.012, 0.003, 0.3), xgboost_cox=(0.001, -0.005, 0.006, 0.7)
    )
    said = cox_is_enough(table, "cox", ["forest", "xgboost_cox"], ["cox_clinical", "cox"])
    assert said == (
        "cox is enough (the best of cox_clinical, cox): no more flexible learner is shown to "
        "predict better. The closest, forest, differs in mean IBS of the test folds -0.004 "
        "(-0.012 to 0.003), mean C 0.010 (-0.020 to 0.040); corrected resampled t-test, p = .60, "
        "adjusted for 2 learners; one lower by 0.012 is not excluded."
    )


def test_a_learner_that_is_better_is_named_with_its_difference():
    table = differences(forest=(-0.02, -0.03, -0.01, 0.004), xgboost_cox=(-0.03, -0.07, 0.01, 0.2))
    said = cox_is_enough(table, "cox", ["forest", "xgboost_cox"])
    assert said.startswith(
        "forest predicts better than cox: difference in mean IBS of the test folds -0.020 "
        "(-0.030 to"
    )
    assert said.endswith("p = .008, adjusted for 2 learners.")


def test_a_p_value_counts_for_as_many_learners_as_were_compared():
    table = differences(forest=(-0.02, -0.03, -0.01, 0.03), xgboost_cox=(0.0, -0.1, 0.1, 0.9))
    assert cox_is_enough(table, "cox", ["forest"]).startswith("forest predicts better")
    assert cox_is_enough(table, "cox", ["forest", "xgboost_cox"]).startswith("cox is enough")


def test_a_learner_that_is_worse_is_not_better():
    table = differences(forest=(0.02, 0.01, 0.03, 0.001))
    assert cox_is_enough(table, "cox", ["forest"]).startswith("cox is enough")


def test_simpler_learners_do_not_count_as_flexible():
    table = differences(kaplan_meier=(-0.02, -0.03, -0.01, 0.001), forest=(0.0, -0.01, 0.01, 0.9))
    assert cox_is_enough(table, "cox", ["forest"]).startswith("cox is enough")


def test_nothing_is_said_without_a_test():
    assert cox_is_enough(differences(), "cox", ["forest"]) == ""
    unknown = differences(forest=(-0.02, np.nan, np.nan, np.nan))
    assert cox_is_enough(unknown, "cox", ["forest"]) == ""


def test_the_best_cox_type_learner_is_the_reference():
    scores = {
        name: pd.DataFrame({"ibs": ibs})
        for name, ibs in {
            "kaplan_meier": [0.10, 0.10],
            "cox_clinical": [0.15, 0.16],
            "cox": [0.16, 0.16],
            "forest": [0.12, 0.12],
        }.items()
    }
    assert best_cox(scores) == "cox_clinical"
    assert best_cox({"cox": scores["cox"], "forest": scores["forest"]}) == "cox"
    assert best_cox({"forest": scores["forest"]}) == ""


def equal_learners(rng, n, folds, repeats, learners, times):
    """A cohort without signal beyond x, and learners that see x and a noise of their own.

    Each is an exponential regression, fitted by three Newton steps in every training part: they
    differ by nothing but their noise.
    """
    x, noise = rng.normal(size=n), rng.normal(size=(learners, n))
    time, censored = rng.exponential(12 * np.exp(-0.6 * x)), rng.uniform(6, 40, n)
    outcome = Outcome(np.minimum(time, censored), time <= censored)
    labels, predictions = [], [[] for _ in range(learners)]
    for _ in range(repeats):
        fold = rng.permutation(np.arange(n) % folds)
        labels.append(fold)
        for k in range(learners):
            design = np.column_stack([np.ones(n), x, noise[k]])
            survival, risk = np.empty((n, len(times))), np.empty(n)
            for f in range(folds):
                train = fold != f
                X, t, d = design[train], outcome.time[train], outcome.event[train]
                beta = np.array([np.log(d.sum() / t.sum()), 0.0, 0.0])
                for _ in range(5):
                    expected = t * np.exp(X @ beta)
                    beta += np.linalg.solve((X * expected[:, None]).T @ X, X.T @ (d - expected))
                risk[~train] = design[~train] @ beta
                survival[~train] = np.exp(-np.exp(risk[~train])[:, None] * times)
            predictions[k].append(SurvivalPrediction(risk, survival, times))
    return outcome, labels, predictions


def test_five_equal_learners_are_seldom_told_apart():
    rng, times, false, by_patients = np.random.default_rng(4), np.linspace(1, 12, 8), 0, 0
    names = ["cox", "a", "b", "c", "d"]
    for _ in range(25):
        outcome, folds, predictions = equal_learners(rng, 70, 5, 1, 5, times)
        table = learner_differences(
            outcome, dict(zip(names, predictions, strict=True)), folds, [IBS.at(12.0)],
            np.random.default_rng(1).multinomial(70, np.full(70, 1 / 70), 100),
        )  # fmt: skip
        false += "predicts better" in cox_is_enough(table, "cox", names[1:])
        by_patients += bool((table.groupby("learner")["ci_high"].first() < 0).any())
    assert false <= 1
    assert by_patients > false
