import numpy as np

from evaluation.cox_comparison import cox_is_enough
from evaluation.results import metric_table


def differences(**ibs):
    rows = []
    for name, (estimate, low, high) in ibs.items():
        pair = {"learner": f"{name} - cox", "n": 70, "note": ""}
        interval = {"estimate": estimate, "ci_low": low, "ci_high": high}
        rows.append(pair | {"metric": "ibs_difference"} | interval)
        c = {"estimate": 0.01, "ci_low": -0.02, "ci_high": 0.04}
        rows.append(pair | {"metric": "harrell_c_difference"} | c)
    return metric_table(rows)


def test_an_interval_that_holds_0_says_that_cox_is_enough():
    table = differences(forest=(-0.004, -0.012, 0.003), xgboost_cox=(0.001, -0.005, 0.006))
    said = cox_is_enough(table, "cox", ["forest", "xgboost_cox"])
    assert said == (
        "cox is enough: no more flexible learner is shown to predict better. The closest, forest, "
        "differs in IBS -0.004 (-0.012 to 0.003), C 0.010 (-0.020 to 0.040); an IBS lower by 0.012 "
        "is not excluded. Of 2 compared, intervals not adjusted for that."
    )


def test_a_learner_that_is_better_is_named_with_its_difference():
    table = differences(forest=(-0.02, -0.03, -0.01), xgboost_cox=(-0.03, -0.07, 0.01))
    said = cox_is_enough(table, "cox", ["forest", "xgboost_cox"])
    assert said.startswith("forest predicts better than cox: difference in IBS -0.020 (-0.030 to")


def test_simpler_learners_do_not_count_as_flexible():
    table = differences(kaplan_meier=(-0.02, -0.03, -0.01), forest=(0.0, -0.01, 0.01))
    assert cox_is_enough(table, "cox", ["forest"]).startswith("cox is enough")


def test_nothing_is_said_without_a_comparison():
    assert cox_is_enough(differences(), "cox", ["forest"]) == ""
    unknown = differences(forest=(np.nan, np.nan, np.nan))
    assert cox_is_enough(unknown, "cox", ["forest"]) == ""
