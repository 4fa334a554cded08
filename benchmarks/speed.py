"""Speed of training: forests, nested validation and the main job, against named baselines."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sksurv.ensemble import RandomSurvivalForest
from sksurv.linear_model import CoxnetSurvivalAnalysis
from sksurv.metrics import concordance_index_censored
from sksurv.util import Surv

from benchmarks.rows import SEED, measurement, timed, weibull_cohort
from evaluation.bootstrap import bootstrap_counts
from evaluation.metrics import harrell_c
from features.dataset import Dataset
from features.outcome import Outcome
from models.fit import fit_model
from models.learners import SurvivalForest
from models.resampling import repeated_kfold
from models.tuning import Search, default_params
from pipelines.training import fit_outer_fold, inner_score, prediction_times

FOREST = {"n_estimators": 100, "min_samples_leaf": 15, "max_features": 0.4}


def plain_forest(X: np.ndarray, outcome: Outcome) -> RandomSurvivalForest:
    forest = RandomSurvivalForest(**FOREST, min_samples_split=30, random_state=SEED, n_jobs=-1)
    return forest.fit(X, Surv.from_arrays(outcome.event, outcome.time))


def c_index_bootstrap() -> dict[str, Any]:
    """Harrell's C of 1,000 bootstrap replicates at n = 10,000."""
    n, replicates, measured = 10_000, 1000, 5
    _, lp, outcome = weibull_cohort(n)
    counts = bootstrap_counts(n, replicates, SEED)
    harrell_c(outcome, lp, counts=counts[:1])  # compiles
    ours, _ = timed(lambda: harrell_c(outcome, lp, counts=counts))

    def loop() -> None:
        for count in counts[:measured]:
            rows = np.repeat(np.arange(n), count)
            concordance_index_censored(outcome.event[rows], outcome.time[rows], lp[rows])

    theirs, _ = timed(loop)
    return measurement(
        f"Harrell C, {replicates} replicates, n = {n}",
        ours,
        theirs * replicates / measured,
        f"scikit-survival in a loop, {measured} replicates scaled up",
    )


def forest_fit() -> dict[str, Any]:
    """A survival forest on bins and a grid against every value and every event time."""
    X, _, outcome = weibull_cohort(5000)
    new, _, truth = weibull_cohort(5000, seed=2)
    SurvivalForest(n_estimators=2).fit(X[:200], outcome.take(np.arange(200)))
    ours, forest = timed(lambda: SurvivalForest(**FOREST, seed=SEED).fit(X, outcome))
    theirs, plain = timed(lambda: plain_forest(X, outcome))
    own_c = harrell_c(truth, forest.risk_score(new))
    risk = np.concatenate([plain.predict(part) for part in np.array_split(new, 20)])
    plain_c = harrell_c(truth, risk)
    return measurement(
        f"{FOREST['n_estimators']} trees, n = 5000",
        ours,
        theirs,
        "scikit-survival RandomSurvivalForest, the same settings and threads",
        {"held_out_c": own_c, "baseline_held_out_c": plain_c, "c_difference": own_c - plain_c},
    )


def forest_predict() -> dict[str, Any]:
    """Survival of 100,000 patients at 10 horizons from the same trees."""
    X, _, outcome = weibull_cohort(1000)
    new, _, _ = weibull_cohort(100_000, seed=2)
    horizons = np.linspace(3, 30, 10)
    settings = {**FOREST, "n_estimators": 50}
    forest = SurvivalForest(**settings, seed=SEED).fit(X, outcome)
    plain = RandomSurvivalForest(**settings, min_samples_split=30, random_state=SEED)
    plain.fit(X, Surv.from_arrays(outcome.event, outcome.time))

    def baseline() -> np.ndarray:
        curves = plain.predict_survival_function(new, return_array=True)
        return curves[:, np.searchsorted(plain.unique_times_, horizons, side="right") - 1]

    forest.survival(new[:10], horizons)
    ours, own_memory = timed_with_memory(lambda: forest.survival(new, horizons))
    theirs, plain_memory = timed_with_memory(baseline)
    return measurement(
        "100,000 patients x 10 horizons, 50 trees grown on 1000 patients",
        ours,
        theirs,
        "scikit-survival predict_survival_function",
        {
            "extra_memory_mb": own_memory,
            "baseline_extra_memory_mb": plain_memory,
            "memory_ratio": plain_memory / own_memory,
        },
    )


def timed_with_memory(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds, then the peak of what NumPy and Python allocated, in MB; two runs."""
    seconds, _ = timed(work)
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return seconds, peak


def seventy_patients() -> Dataset:
    X, _, outcome = weibull_cohort(70, 10)
    table = pd.DataFrame(X, columns=[f"x{i}" for i in range(10)])
    return Dataset(table, None, None, outcome)


def nested(learner: str, baseline: str, plain: Callable[..., None]) -> dict[str, Any]:
    """5 outer x 3 inner folds x 30 trials at n = 70, one process; the baseline fits anew."""
    dataset, times = seventy_patients(), prediction_times((6.0, 12.0))
    resampling = repeated_kfold(dataset, 5, 1, SEED)
    fit_outer_fold(learner, dataset, resampling, (0, 0), Search(2, 3, SEED), times)

    def work() -> None:
        for place in resampling.places:
            fit_outer_fold(learner, dataset, resampling, place, Search(30, 3, SEED), times)

    ours, _ = timed(work)
    train = dataset.take(resampling.train(0, 0))
    inner = repeated_kfold(train, 3, 1, SEED)
    score = inner_score(train.outcome)
    trials = 3

    def one_fold_of_trials() -> None:
        for _ in range(trials):
            for place in inner.places:
                part, test = train.take(inner.train(*place)), train.take(inner.test(*place))
                plain(part, test, times, score)

    theirs, _ = timed(one_fold_of_trials)
    return measurement(
        "5 outer x 3 inner folds x 30 trials, n = 70",
        ours,
        theirs * 5 * 30 / trials,
        f"{baseline}; {trials} trials of one outer fold scaled up",
    )


def refit_everything(learner: str) -> Callable[..., None]:
    """Preprocessing and engine fitted anew in every trial, as a pipeline inside a search does."""

    def plain(train: Dataset, test: Dataset, times: np.ndarray, score: Any) -> None:
        model = fit_model(learner, default_params(learner), train, SEED)
        score(test.outcome, model.predict(test.predictors, times))

    return plain


def plain_coxnet(train: Dataset, test: Dataset, times: np.ndarray, score: Any) -> None:
    from sklearn.pipeline import make_pipeline

    from models.prediction import SurvivalPrediction
    from models.preprocessing.fitting import make_preprocessing

    preprocessing = make_preprocessing(train.predictors, handles_missing=False, scale=True)
    engine = CoxnetSurvivalAnalysis(alphas=[0.1], l1_ratio=0.05, fit_baseline_model=True)
    model = make_pipeline(preprocessing, engine)
    model.fit(train.predictors, Surv.from_arrays(train.outcome.event, train.outcome.time))
    curves = np.array([f(times) for f in model.predict_survival_function(test.predictors)])
    score(test.outcome, SurvivalPrediction(model.predict(test.predictors), curves, times))


def plain_forest_fold(train: Dataset, test: Dataset, times: np.ndarray, score: Any) -> None:
    from models.prediction import SurvivalPrediction

    forest = RandomSurvivalForest(
        n_estimators=100, min_samples_leaf=5, min_samples_split=10, max_features=0.4,
        random_state=SEED,
    )  # fmt: skip
    target = Surv.from_arrays(train.outcome.event, train.outcome.time)
    forest.fit(train.predictors.to_numpy(), target)
    X = test.predictors.to_numpy()
    curves = forest.predict_survival_function(X, return_array=True)
    column = np.searchsorted(forest.unique_times_, times, side="right")
    padded = np.column_stack([np.ones(len(X)), curves])[:, column]
    score(test.outcome, SurvivalPrediction(forest.predict(X), padded, times))


def nested_cv_cox() -> dict[str, Any]:
    """Coxnet on transformed folds."""
    baseline = "scikit-learn pipeline of preprocessing and Coxnet, fitted anew in every trial"
    return nested("cox", baseline, plain_coxnet)


def nested_cv_forest() -> dict[str, Any]:
    """The forest without bookkeeping."""
    baseline = "scikit-survival RandomSurvivalForest, 100 trees, in every trial"
    return nested("forest", baseline, plain_forest_fold)


def nested_cv_xgboost() -> dict[str, Any]:
    """XGBoost with the Breslow likelihood."""
    baseline = (
        "preprocessing and the same learner's defaults fitted anew in every trial, no pruning"
    )
    return nested("xgboost_cox", baseline, refit_everything("xgboost_cox"))


def main_job() -> dict[str, Any]:
    """The default training with a cold MLflow store, as a process; the target is 3 minutes."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "MLFLOW_TRACKING_URI": f"sqlite:///{Path(folder) / 'mlflow.db'}"
        }
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "pipelines.train", "--out", str(Path(folder) / "out")],
            check=True, env=environment, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        ours = time.perf_counter() - started
    learners = "6 learners, 5 folds x 3 repeats, 20 trials, 50 refits, report"
    return measurement(f"embedded cohort, {learners}", ours, 180.0, "the target of 3 minutes")


BENCHMARKS: dict[str, Callable[[], dict[str, Any]]] = {
    "c_index_bootstrap": c_index_bootstrap,
    "forest_fit": forest_fit,
    "forest_predict": forest_predict,
    "nested_cv_cox": nested_cv_cox,
    "nested_cv_forest": nested_cv_forest,
    "nested_cv_xgboost": nested_cv_xgboost,
    "main_job": main_job,
}
