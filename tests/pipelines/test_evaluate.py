"""A stored model on other patients: the same measures, recalibration as a version, refusals."""

import contextlib
import copy
import io
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import yaml

from evaluation.metrics.discrimination import harrell_c
from evaluation.results import METRIC_COLUMNS
from evaluation.statistics.kaplan_meier import survival_at
from features.covariates.dictionary import CONFIGS
from features.outcome import MONTHS, Outcome
from models.artifact.folder import load_model, save_model
from models.recalibration import RecalibratedModel
from models.store.loading import load
from pipelines import evaluate, predict, train
from pipelines.tracking import runs as tracking

SMALL = {
    "learners": ["cox"],
    "resampling": {"folds": 3, "repeats": 1, "inner_folds": 2},
    "tuning": {"trials": 0},
    "evaluation": {"horizons": [6, 12], "bootstrap": 60, "instability": "off"},
    "tracking": {"experiment": "external", "model_name": "external"},
}
MODEL = "models:/external@champion"


def run(main, argv):
    """Run a command; returns exit status, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with streams[0], streams[1], pytest.raises(SystemExit) as end:
        main([str(part) for part in argv])
    return end.value.code, out.getvalue(), err.getvalue()


@dataclass(frozen=True)
class Hospitals:
    """A model trained in one hospital, and the tables of others."""

    folder: Path

    @property
    def config(self):
        return self.folder / "config.yaml"

    def evaluate(self, *options, table="other.csv", config=None):
        given = ["--config", config or self.config, "--cohort", self.folder / table]
        if "--model" not in options:
            given += ["--model", MODEL]
        return run(evaluate.main, [*given, *options])


@pytest.fixture(scope="module")
def hospitals(connect_to_store, tmp_path_factory):
    """200 patients of an AML registry to train on, 250 others, and 30 more."""
    from SurvSet.data import SurvLoader

    with warnings.catch_warnings():
        # The package's tables were pickled by an older NumPy.
        warnings.simplefilter("ignore")
        table = SurvLoader().load_dataset(ds_name="LeukSurv")["df"]
    folder = tmp_path_factory.mktemp("hospitals")
    mixed = table.sample(480, random_state=2)
    for name, rows in (("own", slice(200)), ("other", slice(200, 450)), ("few", slice(450, 480))):
        mixed.iloc[rows].to_csv(folder / f"{name}.csv", index=False)
    config = yaml.safe_load((CONFIGS / "examples" / "leuksurv.yaml").read_text()) | SMALL
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.MonkeyPatch.context() as patch:
        connect_to_store(patch)
        given = ["--config", folder / "config.yaml", "--cohort", folder / "own.csv"]
        status, _, said = run(train.main, [*given, "--workers", "1"])
        assert status == 0, said
        yield Hospitals(folder)


@pytest.fixture(scope="module")
def evaluated(hospitals):
    status, printed, said = hospitals.evaluate("--out", hospitals.folder / "out")
    assert status == 0, said
    return hospitals.folder / "out", printed


def other_outcome(hospitals):
    table = pd.read_csv(hospitals.folder / "other.csv")
    return Outcome(table["time"] * MONTHS["days"], table["event"] == 1)


def last_run():
    experiment = mlflow.get_experiment_by_name("external")
    runs = mlflow.MlflowClient().search_runs(
        [experiment.experiment_id], "tags.kind = 'evaluation'", max_results=1
    )
    return runs[0]


def test_the_measures_are_those_of_the_model_on_these_patients(hospitals, evaluated):
    out, printed = evaluated
    metrics = pd.read_csv(out / "metrics.csv")
    assert tuple(metrics.columns) == METRIC_COLUMNS
    assert set(metrics["n"]) == {250}
    assert "patients, predictions fixed" in metrics["ci_method"].iloc[0]
    # The same patients through the command that predicts.
    options = ["--model", MODEL, "--format", "csv", "--ignore-extra"]
    _, told, _ = run(predict.main, [hospitals.folder / "other.csv", *options])
    predicted, outcome = pd.read_csv(io.StringIO(told)), other_outcome(hospitals)
    value = metrics.set_index("metric")["estimate"]
    expected = harrell_c(outcome, predicted["risk_score"].to_numpy())
    assert value["harrell_c"] == pytest.approx(expected)
    observed = 1 - survival_at(outcome, [6.0])["survival"].iloc[0]
    ratio = observed / predicted["event_probability_6m"].mean()
    assert value["calibration_oe"].iloc[0] == pytest.approx(ratio)
    assert "250 patients" in printed


def test_the_report_leaves_out_what_is_about_training(evaluated):
    out, _ = evaluated
    report = (out / "report.html").read_text()
    for part in ("external validation", "How well the model predicts these patients", "Decision"):
        assert part in report
    for part in ("Chosen parameters", "Differences between learners", "Chosen:", "Recalibration<"):
        assert part not in report
    names = {path.name for path in out.iterdir()}
    assert {"metrics.csv", "auc_over_time.csv", "decision_curve.csv", "subgroups.csv"} <= names
    text = (out / "summary.json").read_text()
    summary = json.loads(text)
    assert summary["model"] == "models:/external/1"
    assert summary["model_asked_for"] == MODEL
    assert summary["model_run_id"] in report
    assert summary["model_data_fingerprint"] in report
    assert summary["recalibrated"] is None
    assert len(summary["metrics"]) == len(pd.read_csv(out / "metrics.csv"))
    # What is not estimable is null: NaN is no JSON.
    assert "NaN" not in text


def test_mlflow_has_a_run_of_kind_evaluation(hospitals, evaluated):
    run = last_run()
    assert run.info.status == "FINISHED"
    assert run.data.tags["model"] == "models:/external/1"
    assert len(run.data.tags["model_data_fingerprint"]) == 64
    assert run.data.params["patients"] == "250"
    assert {"harrell_c", "brier_12m", "auc_12m_ci_low", "net_benefit_0.5_6m"} <= set(
        run.data.metrics
    )
    (given,) = run.inputs.dataset_inputs
    assert given.tags[0].value == "evaluation"
    assert json.loads(given.dataset.profile)["num_rows"] == 250
    config = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/config.yaml")
    assert str(hospitals.folder) not in config


def test_the_same_seed_gives_the_same_bytes(hospitals, evaluated):
    again = hospitals.folder / "again"
    assert hospitals.evaluate("--out", again)[0] == 0
    for name in ("metrics.csv", "decision_curve.csv", "subgroups.csv"):
        assert (again / name).read_bytes() == (evaluated[0] / name).read_bytes()


@pytest.mark.parametrize("kind", ["in_the_large", "slope", "per_horizon"])
def test_a_recalibrated_model_is_a_new_version_that_predicts(hospitals, kind):
    client = mlflow.MlflowClient()
    champion = client.get_model_version_by_alias("external", "champion").version
    status, printed, said = hospitals.evaluate("--recalibrate", kind)
    assert status == 0, said
    newest = max(int(v.version) for v in client.search_model_versions("name = 'external'"))
    assert f"models:/external/{newest}" in printed
    assert newest > int(champion)
    assert int(client.get_model_version_by_alias("external", "candidate").version) == newest
    assert f"version {newest}, candidate; champion stays version 1" in " ".join(printed.split())
    # Nobody's champion is replaced unasked.
    assert client.get_model_version_by_alias("external", "champion").version == champion
    with tracking.quiet():
        stored = load(f"models:/external/{newest}")
    model, card = stored.model, stored.card
    assert isinstance(model, RecalibratedModel)
    assert card.recalibration["kind"] == kind
    assert card.recalibration["of"] == "models:/external/1"
    assert card.recalibration["patients"] == 250
    assert card.recalibration["events"] == other_outcome(hospitals).n_events
    assert len(card.recalibration["data_fingerprint"]) == 64
    assert card.training["patients"] == 200
    assert any("not validated since" in caution for caution in card.cautions)
    # Calibration was measured on nobody else, so that none is claimed.
    assert not any("calibration" in metric or "brier" in metric for metric in card.performance)

    # Its mean prediction for the patients of the recalibration is what was observed.
    options = ["--model", f"models:/external/{newest}", "--format", "csv", "--ignore-extra"]
    status, printed, said = run(predict.main, [hospitals.folder / "other.csv", *options])
    assert status == 0, said
    predicted = pd.read_csv(io.StringIO(printed))["event_probability_12m"]
    observed = 1 - survival_at(other_outcome(hospitals), [12.0])["survival"].iloc[0]
    assert predicted.mean() == pytest.approx(observed, abs=1e-6)
    options[options.index("csv")] = "table"
    _, printed, _ = run(predict.main, [hospitals.folder / "other.csv", *options])
    assert "ecalibrated" in printed
    assert "out-of-fold" not in printed


def test_an_alias_is_moved_where_it_is_named(hospitals):
    status, printed, said = hospitals.evaluate("--recalibrate", "in_the_large", "--alias", "here")
    assert status == 0, said
    version = mlflow.MlflowClient().get_model_version_by_alias("external", "here")
    assert f"models:/external/{version.version}" in printed
    assert version.tags["recalibration"] == "in_the_large"


def test_a_recalibrated_model_can_be_evaluated_where_its_card_says_so(hospitals, tmp_path):
    with tracking.quiet():
        folder = mlflow.artifacts.download_artifacts(
            "models:/external@here", dst_path=str(tmp_path)
        )
    stored = next(Path(folder).rglob("card.json")).parent
    model, card = load_model(stored)
    plain = tmp_path / "plain"
    # A card that does not speak of a recalibration lets none in.
    save_model(plain, model, card.model_copy(update={"recalibration": {}}))
    status, _, said = hospitals.evaluate("--model", plain)
    assert status == 2
    assert "its card does not say so" in said
    status, _, said = hospitals.evaluate("--model", stored, table="few.csv")
    assert status == 0, said


# -- refusals ---------------------------------------------------------------------------------


def refused(hospitals, *options, change=None, table="other.csv"):
    config = None
    if change is not None:
        content = copy.deepcopy(yaml.safe_load(hospitals.config.read_text()))
        change(content)
        config = hospitals.folder / "changed.yaml"
        config.write_text(yaml.safe_dump(content))
    runs = mlflow.MlflowClient().search_runs
    experiment = mlflow.get_experiment_by_name("external").experiment_id
    before = len(runs([experiment]))
    status, printed, said = hospitals.evaluate(*options, config=config, table=table)
    assert status == 2
    assert "Traceback" not in printed + said
    # What is refused leaves nothing behind.
    assert len(runs([experiment])) == before
    return said


def test_another_endpoint_is_refused(hospitals):
    def change(content):
        content["cohort"]["columns"]["endpoints"]["os"]["label"] = "EFS"

    said = refused(hospitals, change=change)
    assert "predicts another endpoint" in said
    assert "EFS" in said
    assert "OS" in said


def test_another_unit_in_the_dictionary_is_refused(hospitals):
    def change(content):
        content["dictionary"].append({"name": "wbc_1e9_per_l", "unit": "per uL"})

    said = refused(hospitals, change=change)
    assert "another unit in the configuration than in the model" in said
    assert "wbc_1e9_per_l" in said


def test_every_mismatch_is_told_at_once(hospitals):
    def change(content):
        content["cohort"]["columns"]["endpoints"]["os"]["label"] = "EFS"
        content["evaluation"]["horizons"] = [900]

    said = refused(hospitals, change=change)
    assert said.startswith("2 errors")


def test_days_read_as_months_are_refused(hospitals):
    def change(content):
        content["cohort"]["columns"]["endpoints"]["os"]["unit"] = "months"

    said = refused(hospitals, change=change)
    assert "The follow-up is longer than a life" in said
    assert "are these days?" in said


def test_a_follow_up_of_another_size_is_a_caution(hospitals):
    table = pd.read_csv(hospitals.folder / "other.csv")
    # Longest follow-up of the training: years; here at most 13 months.
    table = table.assign(event=table["event"].where(table["time"] <= 400, 0))
    table.assign(time=table["time"].clip(upper=400)).to_csv(
        hospitals.folder / "brief.csv", index=False
    )
    status, _, said = hospitals.evaluate("--out", hospitals.folder / "brief", table="brief.csv")
    assert status == 0, said
    told = json.loads((hospitals.folder / "brief" / "summary.json").read_text())["cautions"]
    assert any("longest follow-up is 13.1 months here" in text.lower() for text in told)


def test_the_cohort_of_the_training_is_refused(hospitals):
    assert "on this very cohort" in refused(hospitals, table="own.csv")
    # Its order, and columns that the model does not see, change nothing of that.
    table = pd.read_csv(hospitals.folder / "own.csv").sample(frac=1, random_state=3)
    table.assign(fac_sex=1 - table["fac_sex"]).to_csv(hospitals.folder / "again.csv", index=False)
    assert "on this very cohort" in refused(hospitals, table="again.csv")


def test_the_cohort_of_a_recalibration_is_refused(hospitals):
    status, _, said = hospitals.evaluate("--recalibrate", "slope", "--alias", "recalibrated")
    assert status == 0, said
    again = refused(hospitals, "--model", "models:/external@recalibrated")
    assert "trained, or recalibrated, on this very cohort" in again


def test_a_cohort_followed_for_less_than_the_last_horizon_is_judged_before_it(hospitals):
    table = pd.read_csv(hospitals.folder / "other.csv")
    late = table["time"] > 300
    table.assign(time=table["time"].clip(upper=300), event=table["event"].where(~late, 0)).to_csv(
        hospitals.folder / "brief.csv", index=False
    )
    out = hospitals.folder / "brief"
    status, _, said = hospitals.evaluate("--out", out, table="brief.csv")
    assert status == 0, said
    metrics = pd.read_csv(out / "metrics.csv").set_index(["metric", "horizon"])
    assert metrics.loc[("brier", 6.0), "estimate"] > 0
    assert pd.isna(metrics.loc[("brier", 12.0), "estimate"])
    assert "beyond the follow-up" in metrics.loc[("brier", 12.0), "note"]


@pytest.mark.parametrize("alias", ["v1", "latest", "a b", ""])
def test_an_alias_that_the_registry_keeps_for_itself(hospitals, alias):
    said = refused(hospitals, "--recalibrate", "slope", "--alias", alias)
    assert "no such alias" in said


def test_too_few_events_are_not_recalibrated_on(hospitals):
    said = refused(hospitals, "--recalibrate", "slope", table="few.csv")
    assert "Too few events to recalibrate" in said
    assert "at least 50" in said


def test_a_cohort_without_an_event_is_refused(hospitals):
    table = pd.read_csv(hospitals.folder / "few.csv").assign(event=0)
    table.to_csv(hospitals.folder / "none.csv", index=False)
    assert "event" in refused(hospitals, table="none.csv")


def test_a_missing_column_is_told_with_its_name(hospitals):
    table = pd.read_csv(hospitals.folder / "other.csv").drop(columns="num_tpi")
    table.to_csv(hospitals.folder / "short.csv", index=False)
    said = refused(hospitals, table="short.csv")
    assert "num_tpi" in said


def test_the_models_covariates_are_read_whatever_the_configuration_lists(hospitals, evaluated):
    content = yaml.safe_load(hospitals.config.read_text())
    content["covariates"] = ["age_years"]
    config = hospitals.folder / "age.yaml"
    config.write_text(yaml.safe_dump(content))
    out = hospitals.folder / "age"
    assert hospitals.evaluate("--out", out, config=config)[0] == 0
    assert (out / "metrics.csv").read_bytes() == (evaluated[0] / "metrics.csv").read_bytes()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--alias", "here"], "no new version for an alias"),
        (["--model", "models:/nobody@champion"], "No such model"),
        (["--model", "no/such/folder"], "No model here"),
        (["--model", "no/such/folder", "--recalibrate", "slope"], "new version of a registered"),
    ],
)
def test_options_that_do_not_fit(hospitals, options, told):
    assert told in refused(hospitals, *options)


def test_an_unknown_kind_is_refused(hospitals):
    status, _, said = hospitals.evaluate("--recalibrate", "somehow")
    assert status == 2
    assert "somehow" in said


def test_a_model_with_regimens_needs_one_that_it_knows(hospitals, models, card, tmp_path):
    save_model(tmp_path / "cox", models["cox"], card)
    said = refused(hospitals, "--model", tmp_path / "cox")
    assert "The model needs the regimen" in said

    def change(content):
        content["cohort"]["columns"]["regimen"] = {
            "column": "fac_sex",
            "values": {0: "HMA", 1: "GILT"},
            "reference_arm": "HMA",
        }

    said = refused(hospitals, "--model", tmp_path / "cox", change=change)
    assert "does not know a configured regimen" in said
    assert "GILT" in said


def test_a_killed_recalibration_is_taken_up_again_and_registers_once(hospitals, monkeypatch):
    def runs():
        client = mlflow.MlflowClient()
        experiment = client.get_experiment_by_name("external").experiment_id
        found = client.search_runs([experiment], "tags.kind = 'evaluation'", max_results=1000)
        return {run.info.run_id: run.info.status for run in found}

    def stop(*arguments, **options):
        raise KeyboardInterrupt

    options = ("--recalibrate", "slope")
    before = runs()
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.validation.external_validation._log", stop)
        assert hospitals.evaluate(*options)[0] == 130
    (killed,) = set(runs()) - set(before)
    assert runs()[killed] == "FAILED"
    versions = mlflow.MlflowClient().search_model_versions("name = 'external'")
    assert hospitals.evaluate(*options)[0] == 0
    assert runs() == before | {killed: "FINISHED"}
    assert len(mlflow.MlflowClient().search_model_versions("name = 'external'")) == len(versions)
