import re

import mlflow
import numpy as np
import pandas as pd

from evaluation.results import metric_table
from pipelines.tracking import runs as tracking


def test_the_projects_own_store_keeps_its_artifacts_beside_it(monkeypatch, tmp_path, mlflow_store):
    # A copy of a migrated store, so that its migration is not paid again.
    own = tmp_path / "project" / "mlruns"
    own.mkdir(parents=True)
    (own / "mlflow.db").write_bytes((mlflow_store / "mlflow.db").read_bytes())
    monkeypatch.setattr(tracking, "store_folder", lambda: own)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(tmp_path)

    assert tracking.connect() == f"sqlite:///{own / 'mlflow.db'}"
    experiment = mlflow.get_experiment(tracking.open_experiment("own"))
    assert experiment.artifact_location.startswith((own / "artifacts").as_uri())
    # A second training in the same process finds the same place.
    tracking.connect()
    other = mlflow.get_experiment(tracking.open_experiment("another"))
    assert other.artifact_location.startswith((own / "artifacts").as_uri())
    mlflow.set_tracking_uri(f"sqlite:///{mlflow_store / 'mlflow.db'}")


def test_an_experiment_opens_on_its_training_page(mlflow_store):
    tracking.connect()
    first = tracking.open_experiment("tagged")
    assert tracking.open_experiment("tagged") == first
    tags = mlflow.get_experiment(first).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"


def test_a_deleted_experiment_is_used_again(mlflow_store):
    tracking.connect()
    experiment = tracking.open_experiment("deleted once")
    mlflow.delete_experiment(experiment)
    assert tracking.open_experiment("deleted once") == experiment
    assert mlflow.get_experiment(experiment).lifecycle_stage == "active"


def test_a_child_run_is_nested_under_its_parent(mlflow_store, tmp_path):
    tracking.connect()
    experiment = tracking.open_experiment("nested")
    parent = tracking.start_run(experiment, "parent", {"kind": "training"})
    child = tracking.start_run(experiment, "child", {"kind": "learner"}, parent)
    (tmp_path / "table.csv").write_text("a\n1\n")
    tracking.log_run(
        child,
        params={"alpha": 0.1},
        metrics={"ibs": 0.2, "undefined": float("nan")},
        artifacts=tmp_path,
    )
    tracking.finish_run(child)
    tracking.finish_run(parent, failed=True)

    run = mlflow.get_run(child)
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert run.data.params == {"alpha": "0.1"}
    # What is not estimable is not logged.
    assert run.data.metrics == {"ibs": 0.2}
    assert run.info.status == "FINISHED"
    assert mlflow.get_run(parent).info.status == "FAILED"
    assert mlflow.active_run() is None


def test_metric_names_carry_their_horizon():
    table = pd.DataFrame(
        {
            "metric": ["ibs", "brier"],
            "horizon": [12.0, 6.0],
            "estimate": [0.2, 0.1],
            "ci_low": [0.1, np.nan],
            "ci_high": [0.3, np.nan],
        }
    )
    flat = tracking.flat_metrics(table)
    assert flat["ibs"] == 0.2
    assert flat["ibs_ci_high"] == 0.3
    assert flat["brier_6m"] == 0.1
    assert np.isnan(flat["brier_6m_ci_low"])


def test_names_carry_a_horizon_only_where_there_are_several():
    metrics = ["harrell_c", "integrated_auc", "d_calibration_p", "auc", "net_benefit_0.25"]
    table = metric_table(
        {"metric": m, "horizon": h, "estimate": 0.5, "note": ""}
        for m, h in zip(metrics, [np.nan, 12.0, 12.0, 6.0, 7.5], strict=True)
    )
    flat = tracking.flat_metrics(table)
    names = [name for name in flat if "_ci_" not in name]
    assert names == [
        "harrell_c",
        "integrated_auc",
        "d_calibration_p",
        "auc_6m",
        "net_benefit_0.25_7.5m",
    ]
    # What MLflow takes in a name.
    assert all(re.fullmatch(r"[\w./ -]+", name) for name in flat)
