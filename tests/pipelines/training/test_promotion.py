"""The champion moves only by promotion, which shows both models on the same patients."""

import json

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from features.covariates.derived import needed_inputs
from models.card import ModelCard, software_versions
from models.fit import fit_model
from models.learners.registry import LEARNERS
from models.store.registry import register
from models.store.version import champion_of
from pipelines import evaluate, promote, train
from pipelines.cohort.reading import check_cohort, endpoint_label
from pipelines.config import configured
from pipelines.tracking import runs as tracking

NAME = "promoted"
CONFIG = {
    "seed": 1,
    "cohort": {
        "name": "own",
        "columns": {
            "patient_id": "id",
            "endpoints": {
                "os": {"label": "OS", "time": "months", "unit": "months", "event": "died"},
                "efs": {"label": "EFS", "time": "months", "unit": "months", "event": "died"},
            },
        },
    },
    "endpoint": "os",
    "covariates": ["age_years", "hb_g_per_l"],
    "learners": ["cox"],
    "resampling": {"folds": 3, "repeats": 1, "inner_folds": 2},
    "tuning": {"trials": 0},
    "evaluation": {"horizons": [6, 12], "bootstrap": 50, "instability": "off"},
    "tracking": {"experiment": NAME, "model_name": NAME},
}
N = 150


def patients(seed):
    """Deaths that age hastens and hemoglobin does not."""
    rng = np.random.default_rng(seed)
    age = rng.normal(65, 10, N).clip(30, 88).round()
    death = rng.exponential(12 / np.exp((age - 65) / 12))
    seen = rng.uniform(10, 40, N)
    return pd.DataFrame(
        {
            "id": [f"P{i}" for i in range(N)],
            "age_years": age,
            "hb_g_per_l": rng.normal(95, 12, N).clip(60, 140).round(),
            "months": np.minimum(death, seen).round(3).clip(0.01),
            "died": (death <= seen).astype(int),
        }
    )


class Registry:
    """Two versions of a name: on age (champion), and on hemoglobin (candidate)."""

    def __init__(self, folder):
        self.folder = folder
        for name, seed in (("own", 1), ("other", 2)):
            patients(seed).to_csv(folder / f"{name}.csv", index=False)
            self.write(f"{name}.yaml", cohort={"name": name, "path": f"{name}.csv"})
        experiment = tracking.open_experiment(NAME)
        self.add(experiment, "own.yaml", ("age_years",))
        self.add(experiment, "own.yaml", ("hb_g_per_l",))

    def write(self, file, cohort, **changes):
        content = CONFIG | {"cohort": CONFIG["cohort"] | cohort} | changes
        (self.folder / file).write_text(yaml.safe_dump(content))
        return str(self.folder / file)

    def add(self, experiment, file, covariates):
        config = configured(self.folder / file, None).model_copy(update={"covariates": covariates})
        cohort = check_cohort(config).cohort
        label = endpoint_label(config)
        dataset = cohort.dataset(covariates, label)
        card = ModelCard(
            learner="cox",
            learner_label=LEARNERS["cox"].label,
            params={},
            endpoint=label,
            follow_up=dataset.outcome.follow_up,
            horizons=(6.0, 12.0),
            covariates=covariates,
            inputs=tuple(needed_inputs(covariates, cohort.dictionary).values()),
            training={
                "cohort": "own",
                "patients": N,
                "events": dataset.outcome.n_events,
                "data_fingerprint": cohort.fingerprint,
                "outcome_fingerprint": dataset.outcome.fingerprint,
            },
            versions=software_versions(),
        )
        run_id = tracking.start_run(experiment, "+".join(covariates), {})
        with tracking.quiet():
            model = fit_model("cox", {}, dataset, seed=1)
            made = register(
                model, card, run_id=run_id, model_name=NAME, folder=self.folder / f"m{run_id}"
            )
        tracking.finish_run(run_id)
        return made


@pytest.fixture(scope="module")
def registry(connect_to_store, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        connect_to_store(patch)
        yield Registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture(autouse=True)
def _champion_is_version_1(registry):
    mlflow.MlflowClient().set_registered_model_alias(NAME, "champion", "1")
    mlflow.MlflowClient().set_registered_model_alias(NAME, "candidate", "2")


def champion():
    with tracking.quiet():
        return champion_of(NAME).version


@pytest.fixture
def command(capsys):
    """Run a command; returns exit status, what it printed in one line, and its errors."""

    def call(main, *argv):
        with pytest.raises(SystemExit) as end:
            main([str(part) for part in argv])
        out, err = capsys.readouterr()
        return end.value.code, " ".join(out.split()), " ".join(err.split())

    return call


def test_both_are_shown_on_the_same_patients_and_the_candidate_follows(registry, command, tmp_path):
    given = ["--config", registry.folder / "other.yaml", "--out", tmp_path]
    status, printed, said = command(promote.main, *given)
    assert status == 0, said
    assert champion() == "2"
    assert "other: 150 patients" in printed
    assert "is now version 2 (cox for OS, trained on own, 150 patients, data" in printed
    assert "Replaces version 1 (cox for OS" in printed
    table = pd.read_csv(tmp_path / "promotion.csv")
    assert table["metric"].tolist() == ["uno_c", "ibs", "brier", "brier"]
    assert set(table["n"]) == {150}
    # Age matters in these patients, hemoglobin does not; the difference is candidate - champion.
    np.testing.assert_allclose(table["difference"], table["candidate"] - table["champion"])
    assert table["difference_ci_high"][0] < 0
    assert table["difference_ci_low"][1] > 0
    assert (table["difference_ci_low"] <= table["difference"]).all()
    assert "Neither was made from this cohort" in printed
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["promoted"]["model"] == f"models:/{NAME}/2"
    assert summary["replaces"]["model"] == f"models:/{NAME}/1"
    assert summary["replaces"]["model_run_id"]
    assert len(summary["replaces"]["model_data_fingerprint"]) == 64


def test_a_model_beside_itself_differs_by_nothing(registry, command, tmp_path):
    # A third version with the champion's covariates from the champion's patients.
    registry.add(tracking.open_experiment(NAME), "own.yaml", ("age_years",))
    given = ["--config", registry.folder / "other.yaml", "--out", tmp_path, "--look"]
    status, printed, said = command(promote.main, *given)
    assert status == 0, said
    table = pd.read_csv(tmp_path / "promotion.csv")
    assert (table[["difference", "difference_ci_low", "difference_ci_high"]] == 0).all(axis=None)
    assert "Nothing was changed" in printed
    assert champion() == "1"


def test_a_look_needs_no_right_to_write(registry, command, protected, store_folder):
    given = ["--config", registry.folder / "other.yaml"]
    with protected(store_folder):
        status, printed, said = command(promote.main, *given, "--look")
        assert status == 0, said
        assert "Nothing was changed" in printed
        status, _, said = command(promote.main, *given)
    assert status == 2
    assert "readonly database" in said
    assert champion() == "1"


def test_it_is_said_when_a_model_knows_the_patients(registry, command):
    given = ["--config", registry.folder / "own.yaml", "--look"]
    _, printed, _ = command(promote.main, *given)
    flattered = "trained, or recalibrated, on these very patients: the comparison flatters it"
    assert printed.count(flattered) == 2


def test_an_older_version_comes_back_the_same_way(registry, command):
    for version in ("2", "1"):
        given = ["--config", registry.folder / "other.yaml", "--to", version]
        assert command(promote.main, *given)[0] == 0
        assert champion() == version
    status, _, said = command(promote.main, *given)
    assert status == 2
    assert "is the champion already" in said


def test_nothing_is_promoted_unseen_unless_asked_for(registry, command):
    status, _, said = command(promote.main, "--name", NAME)
    assert status == 2
    assert "--anyway" in said
    assert champion() == "1"
    status, printed, _ = command(promote.main, "--name", NAME, "--anyway")
    assert status == 0
    assert "Not compared" in printed
    assert champion() == "2"


def test_what_cannot_be_compared_is_refused_with_every_reason(registry, command):
    other = patients(3).drop(columns="age_years")
    other.to_csv(registry.folder / "short.csv", index=False)
    config = registry.write("short.yaml", {"path": "short.csv", "name": "short"}, endpoint="os")
    status, _, said = command(promote.main, "--config", config)
    assert status == 2
    assert f"models:/{NAME}/1" in said
    assert "age_years" in said
    assert champion() == "1"
    status, printed, _ = command(promote.main, "--config", config, "--anyway")
    assert status == 0
    assert "Not compared" in printed
    assert "age_years" in printed

    config = registry.write("efs.yaml", {"path": "other.csv"}, endpoint="efs")
    mlflow.MlflowClient().set_registered_model_alias(NAME, "champion", "1")
    status, _, said = command(promote.main, "--config", config)
    assert status == 2
    assert "predicts another endpoint" in said
    assert champion() == "1"


@pytest.mark.parametrize("version", ["99", "x", "-1", "[/x]"])
def test_a_version_that_is_not_there(registry, command, version):
    status, _, said = command(promote.main, "--name", NAME, "--to", version, "--anyway")
    assert status == 2
    assert "No such model" in said


def test_a_recalibrated_model_takes_the_place_only_when_asked_to(registry, command, tmp_path):
    given = ["--model", f"models:/{NAME}/1", "--config", registry.folder / "other.yaml"]
    given += ["--recalibrate", "in_the_large", "--alias", "champion", "--out", tmp_path]
    status, printed, said = command(evaluate.main, *given)
    assert status == 0, said
    newest = champion()
    assert newest not in ("1", "2")
    assert f"version {newest} and promoted to champion; replaces version 1" in printed
    other = json.loads((tmp_path / "summary.json").read_text())["data_fingerprint"]
    _, looked, _ = command(promote.main, "--name", NAME, "--to", "2", "--anyway", "--look")
    assert f"recalibrated on other, data {other[:12]}, run" in looked
    # It was recalibrated on the very patients that both are shown on.
    assert "The candidate was trained, or recalibrated, on these very patients" in printed
    table = pd.read_csv(tmp_path / "promotion.csv").set_index("metric")
    assert table.loc["uno_c", "difference"] == 0  # Recalibration keeps the order.
    assert json.loads((tmp_path / "summary.json").read_text())["promotion"]["replaces"]


def test_a_training_promotes_only_when_asked_to(registry, command, tmp_path):
    given = ["--config", registry.folder / "other.yaml", "--workers", "1", "--out", tmp_path]
    status, printed, said = command(train.main, *given, "--promote")
    assert status == 0, said
    newest = champion()
    assert f"version {newest} and promoted to champion; replaces version 1" in printed
    assert "The candidate's predictions are out-of-fold" in printed
    table = pd.read_csv(tmp_path / "promotion.csv").set_index("metric")
    # The candidate's estimates are those of the training's own table: the same predictions.
    metrics = pd.read_csv(tmp_path / "metrics.csv").set_index("metric")["estimate"]
    assert table.loc["uno_c", "candidate"] == pytest.approx(metrics["uno_c"])
    assert table.loc["ibs", "candidate"] == pytest.approx(metrics["ibs"])
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["model_version"] == newest
    assert summary["promotion"]["replaces"]["model_version"] == "1"
    assert "promoted to champion" in (tmp_path / "report.html").read_text()

    # The champion reads no cohort of another endpoint: refused before anything is trained.
    config = registry.write("efs2.yaml", {"path": "other.csv"}, endpoint="efs")
    status, printed, said = command(train.main, "--config", config, "--promote")
    assert status == 2
    assert "predicts another endpoint" in said
    assert champion() == newest
    status, _, said = command(train.main, "--config", config, "--anyway")
    assert status == 2
    assert "--promote" in said
