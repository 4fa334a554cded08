import contextlib
import io
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from evaluation.results import METRIC_COLUMNS, REGIMEN_COLUMNS
from features.covariates.dictionary import CONFIGS
from models.artifact.folder import load_model
from pipelines import predict, train
from pipelines.tracking import runs as tracking

PROVENANCE = "reconstructed from published aggregates; no real patient"
# Small, and otherwise the shipped configurations.
SMALL = {
    "learners": ["cox", "xgboost_cox"],
    "resampling": {"folds": 3, "repeats": 1, "inner_folds": 2},
    "tuning": {"trials": 2},
    "evaluation": {"horizons": [6, 12], "bootstrap": 50, "regimen_refits": 20, "instability": 10},
}
# Where what is found does not matter.
LEAST = {
    "resampling": {"folds": 2, "repeats": 1, "inner_folds": 2},
    "tuning": {"trials": 0},
    "evaluation": {
        "horizons": [6], "bootstrap": 50, "regimen_refits": 20, "instability": "off",
        "subgroups": [],
    },
}  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """What a training left behind."""

    out: Path
    name: str
    printed: str

    @property
    def metrics(self):
        return pd.read_csv(self.out / "metrics.csv")

    @property
    def summary(self):
        return json.loads((self.out / "summary.json").read_text())

    @property
    def report(self):
        return (self.out / "report.html").read_text(encoding="utf-8")

    @property
    def runs(self):
        """The parent run, and the child run of each learner."""
        client = mlflow.MlflowClient()
        parent = client.get_run(self.summary["run_id"])
        children = client.search_runs(
            [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
        )
        return parent, {child.data.tags["learner"]: child for child in children}


def succeed(main, argv):
    """Run a command and return what it printed on standard output; nothing may go elsewhere."""
    out, err = io.StringIO(), io.StringIO()
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with streams[0], streams[1], pytest.raises(SystemExit) as end:
        main(argv)
    assert err.getvalue() == ""
    assert end.value.code == 0
    return out.getvalue()


def run_training(config, folder):
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    printed = succeed(
        train.main,
        ["--config", f"{folder / 'config.yaml'}", "--out", f"{folder / 'out'}", "--workers", "1"],
    )
    return Trained(folder / "out", config["tracking"]["model_name"], printed)


@pytest.fixture(scope="module")
def store(connect_to_store):
    with pytest.MonkeyPatch.context() as patch:
        yield connect_to_store(patch)


def load_leuksurv():
    from SurvSet.data import SurvLoader

    with warnings.catch_warnings():
        # The package's tables were pickled by an older NumPy.
        warnings.simplefilter("ignore")
        return SurvLoader().load_dataset(ds_name="LeukSurv")["df"]


@pytest.fixture(scope="module")
def leuksurv(store, tmp_path_factory):
    """150 patients of the AML registry that PyPI's SurvSet carries; no regimen."""
    folder = tmp_path_factory.mktemp("leuksurv")
    load_leuksurv().sample(150, random_state=1).to_csv(folder / "leuksurv.csv", index=False)
    config = yaml.safe_load((CONFIGS / "examples" / "leuksurv.yaml").read_text()) | SMALL
    return run_training(config, folder)


def reference_config(model_name):
    config = yaml.safe_load((CONFIGS / "train.yaml").read_text()) | SMALL
    config["covariates"] = ["age_years", "ecog", "prior_hma", "log_wbc", "mut_tp53"]
    config["tracking"] = {"experiment": model_name, "model_name": model_name}
    return config


@pytest.fixture(scope="module")
def reference(store, tmp_path_factory):
    """The embedded cohort."""
    return run_training(reference_config("reference-one"), tmp_path_factory.mktemp("reference"))


def artifact_names(run):
    client = mlflow.MlflowClient()

    def walk(path):
        for entry in client.list_artifacts(run.info.run_id, path):
            if entry.is_dir:
                yield from walk(entry.path)
            else:
                yield entry.path

    return set(walk(None))


# -- a cohort without a regimen --------------------------------------------------------------


def test_metrics_of_every_learner_make_sense(leuksurv):
    metrics = leuksurv.metrics
    assert tuple(metrics.columns) == METRIC_COLUMNS
    assert set(metrics["learner"]) == {"cox", "xgboost_cox"}
    assert set(metrics["n"]) == {150}
    value = metrics.set_index(["learner", "metric", "horizon"])["estimate"]
    for learner in ("cox", "xgboost_cox"):
        own = metrics[metrics["learner"] == learner].set_index("metric")
        # Age and white cells are known to matter in this registry.
        assert 0.55 < own.loc["harrell_c", "estimate"] < 0.8
        assert 0.55 < own.loc["uno_c", "estimate"] < 0.8
        assert 0 < own.loc["ibs", "estimate"] < 0.25
        for horizon in (6.0, 12.0):
            assert 0.5 < value[learner, "calibration_oe", horizon] < 2
            assert 0 < value[learner, "brier", horizon] < 0.3
    estimated = metrics.dropna(subset=["ci_low", "ci_high"])
    assert len(estimated) > 10
    assert (estimated["ci_low"] <= estimated["ci_high"]).all()


def test_without_a_regimen_the_comparison_is_skipped_and_said(leuksurv):
    assert "regimen comparison and effects are skipped" in leuksurv.printed
    assert "Regimens" not in leuksurv.printed
    assert not (leuksurv.out / "regimen_effects.csv").exists()
    assert "model-based" not in leuksurv.report
    assert sorted(path.name for path in leuksurv.out.glob("[!.]*")) == [
        "auc_over_time.csv",
        "brier_over_time.csv",
        "d_calibration.csv",
        "decision_curve.csv",
        "findings.csv",
        "instability.csv",
        "learner_differences.csv",
        "metrics.csv",
        "observed_expected_over_time.csv",
        "report.html",
        "subgroups.csv",
        "summary.json",
    ]


def test_the_summary_is_for_programs(leuksurv):
    summary = leuksurv.summary
    assert summary["cohort"] == "LeukSurv"
    assert summary["endpoint"] == "OS"
    assert summary["champion"] in ("cox", "xgboost_cox")
    assert summary["model"] == "models:/vensurv-leuksurv/1"
    assert len(summary["data_fingerprint"]) == 64
    assert len(summary["metrics"]) == len(leuksurv.metrics)
    # What is not estimable is null: NaN is no JSON.
    assert "NaN" not in (leuksurv.out / "summary.json").read_text()


def test_the_terminal_says_where_everything_is(leuksurv):
    for part in (
        "LeukSurv: 150 patients",
        "Out-of-fold performance",
        "Chosen: ",
        leuksurv.summary["run_id"],
        "models:/vensurv-leuksurv/1",
        "registered as version 1, the first of its name: champion",
        "report.html",
    ):
        assert part in leuksurv.printed
    assert "Warning" not in leuksurv.printed


def test_the_report_is_one_file_with_its_pictures_inside(leuksurv):
    report = leuksurv.report
    assert report.lstrip().startswith("<!")
    assert "LeukSurv" in report
    assert "Harrell C" in report
    assert report.count("data:image/png;base64,") >= 3
    assert 'src="http' not in report


def test_nothing_left_behind_names_the_folders_of_the_machine(leuksurv):
    parent, children = leuksurv.runs
    for run in (parent, *children.values()):
        config = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/config.yaml")
        assert "path: leuksurv.csv" in config
        assert str(leuksurv.out.parent) not in config
    assert str(leuksurv.out.parent) not in leuksurv.report
    assert str(leuksurv.out.parent) not in (leuksurv.out / "summary.json").read_text()


def test_mlflow_holds_a_parent_run_and_a_child_a_learner(leuksurv):
    parent, children = leuksurv.runs
    assert set(children) == {"cox", "xgboost_cox"}
    assert parent.info.status == "FINISHED"
    assert parent.data.params["seed"] == "1"
    assert parent.data.params["patients"] == "150"
    assert parent.data.params["horizons"] == "6, 12"
    assert parent.data.tags["champion"] == leuksurv.summary["champion"]
    assert parent.data.tags["data_fingerprint"] == leuksurv.summary["data_fingerprint"]
    assert "provenance" not in parent.data.tags
    assert {"metrics.csv", "report.html", "config.yaml", "reproduce.json"} <= artifact_names(parent)

    metrics = leuksurv.metrics.set_index(["learner", "metric", "horizon"])["estimate"]
    for learner, run in children.items():
        assert run.info.status == "FINISHED"
        assert run.data.params["learner"] == learner
        assert run.data.metrics["brier_6m"] == pytest.approx(metrics[learner, "brier", 6.0])
        assert {"ibs", "uno_c", "harrell_c_ci_low"} <= set(run.data.metrics)
        names = artifact_names(run)
        assert {"metrics.csv", "trials.csv", "outer_folds.csv", "config.yaml"} <= names
        assert any(name.endswith(".png") for name in names)


def test_a_reviewer_finds_the_data_the_split_and_the_trials(leuksurv):
    client = mlflow.MlflowClient()
    parent, children = leuksurv.runs
    (given,) = parent.inputs.dataset_inputs
    assert given.dataset.name == "LeukSurv, OS"
    assert leuksurv.summary["data_fingerprint"].startswith(given.dataset.digest)
    assert json.loads(given.dataset.profile)["num_rows"] == 150
    columns = json.loads(given.dataset.schema)["mlflow_colspec"]
    assert [c["name"] for c in columns] == ["age_years", "sex", "log_wbc", "townsend_score"]
    folds = mlflow.artifacts.load_text(f"{parent.info.artifact_uri}/folds.csv")
    table = pd.read_csv(io.StringIO(folds))
    assert list(table) == ["patient", "fold_0"]
    assert len(table) == 150
    assert "sample_size.csv" in artifact_names(parent)
    assert "Out-of-fold" in parent.data.tags["mlflow.note.content"]
    for learner, run in children.items():
        history = client.get_metric_history(run.info.run_id, "fold_ibs")
        assert sorted(m.step for m in history) == [0, 1, 2]
        trials = client.search_runs(
            [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
        )
        assert len(trials) == 2
        for trial in trials:
            assert trial.data.tags["kind"] == "trial"
            assert trial.data.tags["learner"] == learner
            assert "ibs" not in trial.data.metrics
            assert "trial_ibs" in trial.data.metrics or trial.data.tags["state"] != "complete"
            assert trial.data.params
        chosen = learner == leuksurv.summary["champion"]
        assert run.data.tags["champion"] == ("yes" if chosen else "no")


def test_the_registered_model_has_an_example_and_its_card(leuksurv):
    version = mlflow.MlflowClient().get_model_version_by_alias("vensurv-leuksurv", "champion")
    assert "LeukSurv" in version.description
    info = mlflow.models.get_model_info("models:/vensurv-leuksurv@champion")
    assert info.signature is not None
    folder = Path(mlflow.artifacts.download_artifacts("models:/vensurv-leuksurv@champion"))
    example = json.loads((folder / "input_example.json").read_text())
    values = dict(zip(example["columns"], example["data"][0], strict=True))
    assert set(values) == {"age_years", "sex", "wbc_1e9_per_l", "townsend_score"}


def test_tuned_parameters_are_logged(leuksurv):
    _, children = leuksurv.runs
    assert {"alpha", "l1_ratio"} <= set(children["cox"].data.params)
    trials = mlflow.artifacts.load_text(f"{children['cox'].info.artifact_uri}/trials.csv")
    table = pd.read_csv(io.StringIO(trials))
    assert len(table) == 2
    assert table["alpha"].iloc[0] == 0.1  # the default
    # One search an outer fold.
    folds = mlflow.artifacts.load_text(f"{children['cox'].info.artifact_uri}/outer_folds.csv")
    assert len(pd.read_csv(io.StringIO(folds))) == 3


def test_the_experiment_is_marked_as_model_training(leuksurv):
    experiment = mlflow.get_experiment_by_name("vensurv-leuksurv")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_the_champion_is_registered(leuksurv):
    version = mlflow.MlflowClient().get_model_version_by_alias("vensurv-leuksurv", "champion")
    assert version.tags["learner"] == leuksurv.summary["champion"]
    assert version.run_id == leuksurv.summary["run_id"]


# -- predicting with it ----------------------------------------------------------------------

PATIENTS = "patient_id,age_years,sex,wbc_1e9_per_l,townsend_score\nA,40,F,3.1,0.5\nB,82,M,150,\n"


@pytest.fixture
def predict_with(leuksurv, tmp_path):
    """Predict for PATIENTS with the registered champion; returns what is printed."""
    (tmp_path / "patients.csv").write_text(PATIENTS)

    def call(*options, patients=str(tmp_path / "patients.csv")):
        model = f"models:/{leuksurv.name}@champion"
        return succeed(predict.main, [patients, "--model", model, *options])

    return call


def test_predictions_as_csv(predict_with, leuksurv):
    table = pd.read_csv(io.StringIO(predict_with("--format", "csv")), keep_default_na=False)
    assert list(table) == [
        "patient_id",
        "row",
        "risk_score",
        "event_probability_6m",
        "event_probability_12m",
        "median_months",
        "cautions",
        "note",
        "model",
        "model_version",
        "model_run_id",
        "model_data_fingerprint",
    ]
    assert set(table["model"]) == {"models:/vensurv-leuksurv/1"}
    assert set(table["model_run_id"]) == {leuksurv.summary["run_id"]}
    assert set(table["model_data_fingerprint"]) == {leuksurv.summary["data_fingerprint"]}
    assert table["patient_id"].tolist() == ["A", "B"]
    assert "missing: townsend_score" in table["note"][1]
    six, twelve = table["event_probability_6m"], table["event_probability_12m"]
    assert (six <= twelve).all()
    # 82 years with 150 white cells against 40 years with 3.
    assert six[1] > six[0]
    assert table["risk_score"][1] > table["risk_score"][0]


def test_predictions_as_json(predict_with, leuksurv):
    content = json.loads(predict_with("--format", "json", "--horizons", "3,9"))
    assert [patient["patient_id"] for patient in content["patients"]] == ["A", "B"]
    assert 0 < content["patients"][0]["event_probability_3m"] < 1
    assert "event_probability_6m" not in content["patients"][0]
    assert content["model"]["endpoint"] == "OS"
    assert content["model"]["model"] == "models:/vensurv-leuksurv/1"
    assert content["model"]["model_run_id"] == leuksurv.summary["run_id"]
    assert content["cautions"] == leuksurv.summary["cautions"]


def test_predictions_as_a_table(predict_with):
    printed = predict_with()
    for part in ("LeukSurv, 150 patients", "P(OS event by 6 mo)", "%", "out-of-fold"):
        assert part in printed
    assert "Not for patients" not in printed


def test_predictions_from_standard_input(predict_with, monkeypatch):
    from_file = predict_with("--format", "csv")
    monkeypatch.setattr("sys.stdin", io.StringIO(PATIENTS))
    assert predict_with("--format", "csv", patients="-") == from_file
    one = {"age_years": 40, "sex": "F", "wbc_1e9_per_l": 3.1, "townsend_score": 0.5}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(one)))
    alone = json.loads(predict_with("--format", "json", patients="-"))["patients"]
    first = pd.read_csv(io.StringIO(from_file)).iloc[0]
    assert len(alone) == 1
    assert alone[0]["event_probability_6m"] == pytest.approx(first["event_probability_6m"])


def test_predictions_into_a_file(predict_with, tmp_path):
    printed = predict_with("--format", "csv", "--out", str(tmp_path / "predicted.csv"))
    assert printed == ""
    assert len(pd.read_csv(tmp_path / "predicted.csv")) == 2


def test_the_training_table_itself_can_be_predicted(predict_with, leuksurv):
    # Its own names and codes (fac_sex 0/1), with the columns that the model does not know.
    table = str(leuksurv.out.parent / "leuksurv.csv")
    predicted = pd.read_csv(
        io.StringIO(predict_with("--format", "csv", "--ignore-extra", patients=table))
    )
    assert len(predicted) == 150
    assert predicted["event_probability_6m"].between(0, 1).all()
    assert np.isfinite(predicted["risk_score"]).all()


# -- the embedded cohort, with regimens -------------------------------------------------------


def test_classical_and_model_based_effects_stand_in_one_table(reference):
    effects = pd.read_csv(reference.out / "regimen_effects.csv")
    own = tuple(name for name in effects if not name.startswith("refit_"))
    assert own == REGIMEN_COLUMNS
    assert set(effects["family"]) >= {"classical", "model-based"}
    modelled = effects[effects["family"] == "model-based"]
    # Two learners, SHAP and standardised: two horizons, and the restricted mean to the last.
    assert len(modelled) == 12
    means = modelled["scale"] == "RMST difference (months)"
    assert (modelled.loc[means, "horizon"] == 12).all()
    assert modelled.loc[means, "estimate"].abs().between(0.001, 4).all()
    assert set(modelled["estimator"]) == {
        f"{kind} contrast, {learner}"
        for kind in ("SHAP", "standardised")
        for learner in ("cox", "xgboost_cox")
    }
    assert set(modelled["arm"]) == {"HMA"}
    assert set(modelled["reference_arm"]) == {"LDAC"}
    assert modelled.loc[~means, "estimate"].abs().max() < 0.5
    assert (modelled["refit_low"] <= modelled["refit_high"]).all()
    assert modelled["note"].str.contains("not causal").all()
    difference = effects[effects["estimator"] == "Kaplan-Meier difference"]
    assert set(difference["scale"]) == set(modelled.loc[~means, "scale"])
    assert set(effects["endpoint"]) >= {"OS", "EFS", "response"}


def test_two_contrasts_of_one_model_agree_in_direction(reference):
    effects = pd.read_csv(reference.out / "regimen_effects.csv")
    cox = effects[effects["estimator"].str.endswith("contrast, cox")]
    shap, standardised = (
        cox[cox["estimator"].str.startswith(kind)]["estimate"].to_numpy()
        for kind in ("SHAP", "standardised")
    )
    assert shap == pytest.approx(standardised, abs=0.03)


def test_that_no_patient_is_real_is_said_everywhere(reference):
    assert PROVENANCE in reference.printed
    assert PROVENANCE in reference.report
    assert any(PROVENANCE in caution for caution in reference.summary["cautions"])
    parent, children = reference.runs
    for run in (parent, *children.values()):
        assert run.data.tags["provenance"] == PROVENANCE
        facts = json.loads(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/reproduce.json"))
        assert facts["provenance"] == PROVENANCE
    assert PROVENANCE in parent.data.tags["mlflow.note.content"]


def test_the_card_says_what_the_model_is(reference, tmp_path):
    with tracking.quiet():
        uri = f"models:/{reference.name}@champion"
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(tmp_path)))
    model, card = load_model(next(folder.rglob("card.json")).parent)
    assert card.training["provenance"] == PROVENANCE
    assert card.training["patients"] == 70
    assert card.training["patients_by_regimen"] == {"HMA": 42, "LDAC": 28}
    assert card.arms == ("LDAC", "HMA")
    assert card.learner == model.learner == reference.summary["champion"]
    assert card.horizons == (6.0, 12.0)
    assert card.follow_up == model.follow_up
    assert any(PROVENANCE in caution for caution in card.cautions)
    assert {"uno_c", "ibs"} <= {name.split(" ")[0] for name in card.performance}
    assert [c.name for c in card.inputs] == [
        "age_years",
        "ecog",
        "prior_hma",
        "wbc_1e9_per_l",
        "mut_tp53",
    ]


def test_a_prediction_from_it_is_not_for_patients(reference, monkeypatch):
    patient = {"age_years": 61, "ecog": 1, "regimen": "HMA"}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(patient)))
    model = f"models:/{reference.name}@champion"
    printed = succeed(predict.main, ["-", "--model", model])
    assert "Not for patients" in printed
    assert "caution: " in printed
    assert "missing: " in printed


def test_published_claims_are_checked_against_the_table(reference):
    assert "Published claims: 19 of 20 reproduced" in reference.printed
    parent, _ = reference.runs
    assert {"published_claims.csv", "regimen_effects.csv"} <= artifact_names(parent)


def test_a_learner_that_cannot_be_fitted_is_told_and_the_others_go_on(store, tmp_path, monkeypatch):
    from pipelines.training import run as training

    validate = training.validate_learner

    def fail_once(learner, *args, **kwargs):
        if learner == "cox":
            raise ArithmeticError("unpenalised Cox has no solution")
        return validate(learner, *args, **kwargs)

    monkeypatch.setattr(training, "validate_learner", fail_once)
    trained = run_training(reference_config("without-cox") | LEAST, tmp_path)
    told = "cox could not be fitted: unpenalised Cox has no solution"
    assert trained.summary["champion"] == "xgboost_cox"
    assert any(told in caution for caution in trained.summary["cautions"])
    rows = trained.metrics[trained.metrics["learner"] == "cox"]
    assert rows["estimate"].isna().all()
    assert rows["note"].str.contains("no solution").all()
    parent, children = trained.runs
    assert parent.info.status == "FINISHED"
    assert children["cox"].info.status == "FAILED"
    assert "no solution" in children["cox"].data.tags["failure"]


def test_a_failure_marks_the_runs_and_keeps_them(store, tmp_path, monkeypatch):
    from pipelines.training import run as training

    def fail(*args, **kwargs):
        raise RuntimeError("the learner broke")

    monkeypatch.setattr(training, "validate_learner", fail)
    with pytest.raises(RuntimeError, match="the learner broke"):
        run_training(reference_config("broken") | LEAST, tmp_path)
    experiment = mlflow.get_experiment_by_name("broken")
    runs = mlflow.MlflowClient().search_runs([experiment.experiment_id])
    assert {run.info.status for run in runs} == {"FAILED"}
    assert len(runs) == 2
    # What was begun waits for the same command.
    assert len(list((store / "unfinished").iterdir())) == 1
    with pytest.raises(mlflow.MlflowException):
        mlflow.MlflowClient().get_registered_model("broken")
