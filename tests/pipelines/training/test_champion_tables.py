"""What a training tells of its champion: refits, centers, what it adds, competing events."""

import contextlib
import io
import json
import warnings

import numpy as np
import pandas as pd
import pytest
import yaml

from features.covariates.dictionary import CONFIGS
from pipelines import predict, train

SMALL = {
    "seed": 1,
    "clinical": ["age_years"],
    "learners": ["kaplan_meier", "cox_clinical", "cox"],
    "resampling": {"folds": 3, "repeats": 1, "inner_folds": 2},
    "tuning": {"trials": 1},
    "evaluation": {
        "horizons": [6, 12],
        "bootstrap": 50,
        "thresholds": [0.5],
        "subgroups": ["sex", "age", "site"],
        "optimism": 10,
        "instability": 10,
    },
    "champion": {"rule": "lowest_ibs"},
}


def run(main, argv):
    out, err = io.StringIO(), io.StringIO()
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with streams[0], streams[1], pytest.raises(SystemExit) as end:
        main([str(part) for part in argv])
    assert end.value.code == 0, err.getvalue()
    return out.getvalue()


@pytest.fixture(scope="module")
def table():
    """150 patients of an AML registry, in three made-up sites, some with a competing event."""
    from SurvSet.data import SurvLoader

    with warnings.catch_warnings():
        # The package's tables were pickled by an older NumPy.
        warnings.simplefilter("ignore")
        found = SurvLoader().load_dataset(ds_name="LeukSurv")["df"].sample(150, random_state=1)
    status = found["event"].to_numpy().copy()
    status[np.flatnonzero(status == 1)[::3]] = 2
    return found.assign(center=["North", "South", "West"] * 50, status=status)


@pytest.fixture(scope="module")
def trained(table, connect_to_store, tmp_path_factory):
    """Train with changes to the configuration; returns its folder and what was printed."""
    folder = tmp_path_factory.mktemp("champion")
    table.to_csv(folder / "leuksurv.csv", index=False)

    def call(name, workers=1, **changes):
        config = yaml.safe_load((CONFIGS / "examples" / "leuksurv.yaml").read_text()) | SMALL
        config["cohort"]["columns"]["center"] = "center"
        config["cohort"]["columns"]["endpoints"]["progress"] = {
            "label": "progress", "time": "time", "event": "status", "unit": "days",
            "event_values": [1], "censored_values": [0], "competing_values": [2],
        }  # fmt: skip
        config["evaluation"] = config["evaluation"] | {"subgroups": ["sex", "age", "center"]}
        config["tracking"] = {"experiment": name, "model_name": name}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(config | changes))
        argv = ["--config", folder / f"{name}.yaml", "--cohort", folder / "leuksurv.csv"]
        printed = run(train.main, [*argv, "--out", folder / name, "--workers", workers])
        return folder / name, printed

    with pytest.MonkeyPatch.context() as patch:
        connect_to_store(patch)
        yield call


@pytest.fixture(scope="module")
def centers(trained):
    resampling = SMALL["resampling"] | {"kind": "leave_one_center_out"}
    return trained("left-out", resampling=resampling)[0]


def test_refits_measure_optimism_and_instability(centers):
    optimism = pd.read_csv(centers / "optimism.csv").set_index(["metric", "estimator"])["estimate"]
    c_index = optimism["harrell_c"]
    expected = c_index["apparent"] - c_index["optimism"]
    assert c_index["corrected"] == pytest.approx(expected)
    instability = pd.read_csv(centers / "instability.csv").set_index("metric")
    assert instability.loc["average_mape", "estimate"].between(0, 0.3).all()
    assert "of 10 refits" in instability["ci_method"].iloc[0]


def test_each_center_has_its_row_and_there_is_a_summary(centers):
    table = pd.read_csv(centers / "centers.csv")
    c_index = table[table["metric"] == "harrell_c"].set_index("center")
    assert list(c_index.index) == ["North", "South", "West", "All centers"]
    assert np.isfinite(c_index.loc["All centers", "prediction_low"])
    report = (centers / "report.html").read_text()
    for part in ("Centers, each left out", "Optimism of the whole", "What the chosen model adds"):
        assert part in report


def test_what_the_champion_adds_is_the_paired_difference(centers):
    table = pd.read_csv(centers / "incremental_value.csv")
    assert set(table["reference"]) <= {"cox_clinical", "kaplan_meier"}
    metrics = pd.read_csv(centers / "metrics.csv").set_index(["learner", "metric"])["estimate"]
    champion = json.loads((centers / "summary.json").read_text())["champion"]
    row = table[
        (table["metric"] == "harrell_c_difference") & (table["reference"] == "kaplan_meier")
    ]
    expected = metrics[champion, "harrell_c"] - metrics["kaplan_meier", "harrell_c"]
    assert row["estimate"].item() == pytest.approx(expected.item())


def test_differences_have_both_intervals(centers):
    table = pd.read_csv(centers / "learner_differences.csv")
    percentile = table["ci_method"].str.contains("percentile", na=False)
    corrected = table["ci_method"].str.contains("corrected resampled t", na=False)
    assert percentile.sum() == corrected.sum() == 2 * 4
    assert table.loc[corrected, "p_value"].between(0, 1).all()


def test_groups_are_described_and_small_ones_suppressed(centers):
    table = pd.read_csv(centers / "subgroups.csv")
    assert set(table["variable"]) == {"all", "sex", "age", "center"}
    small = (table["n"] < 20) | (table["events"] < 10)
    suppressed = table["note"].astype(str).str.contains("suppressed")
    assert suppressed.tolist() == small.tolist()
    assert table["estimate"].isna().tolist() == small.tolist()


def test_the_number_of_processes_changes_nothing(trained, centers):
    resampling = SMALL["resampling"] | {"kind": "leave_one_center_out"}
    again, _ = trained("left-out-again", workers=2, resampling=resampling)
    for name in ("optimism.csv", "instability.csv", "centers.csv", "metrics.csv"):
        assert (again / name).read_bytes() == (centers / name).read_bytes()


# -- competing events ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def competing(trained):
    return trained("competing", endpoint="progress")


def test_competing_events_are_judged_as_a_cumulative_incidence(competing):
    out, printed = competing
    metrics = pd.read_csv(out / "metrics.csv")
    assert metrics["metric"].str.startswith("competing_").all()
    cox = metrics[metrics["learner"] == "cox"].set_index(["metric", "horizon"])["estimate"]
    # A third of the deaths compete, so that the predicted probability is too high.
    assert cox["competing_oe", 12.0] < 0.95
    told = "take for a censoring: a predicted probability of progress is higher"
    assert told in " ".join(printed.split())
    report = (out / "report.html").read_text()
    assert "Aalen-Johansen" in report
    assert "Decision curve" not in report
    # Refits, subgroups and curves would take the competing event for a censoring.
    names = {path.name for path in out.iterdir()}
    assert not names & {"optimism.csv", "instability.csv", "subgroups.csv", "auc_over_time.csv"}


def test_the_null_model_of_a_cause_overstates_its_incidence(competing):
    out, _ = competing
    metrics = pd.read_csv(out / "metrics.csv").set_index(["learner", "metric", "horizon"])
    # Kaplan-Meier of the cause, everything else censored, against Aalen-Johansen.
    assert metrics.loc[("kaplan_meier", "competing_oe", 12.0), "estimate"] < 1


def test_a_prediction_says_that_it_overstates(competing, tmp_path):
    (tmp_path / "one.json").write_text(json.dumps({"age_years": 61}))
    printed = run(predict.main, [tmp_path / "one.json", "--model", "models:/competing@champion"])
    assert "do not tell it to a patient" in " ".join(printed.split())
