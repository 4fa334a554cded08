"""The comparison of the regimens through its command, on the embedded and on a dated cohort."""

import contextlib
import copy
import errno
import io
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pandas as pd
import pytest
import yaml

from evaluation.results import ADJUSTED_COLUMNS
from features.covariates.dictionary import CONFIGS
from pipelines import compare
from pipelines.comparison import record as comparison_record
from pipelines.comparison.record import ComparisonRecord

PROVENANCE = "reconstructed from published aggregates; no real patient"
QUICK = {"replicates": 100, "imputations": 2}


@dataclass(frozen=True)
class Compared:
    """What a comparison left behind."""

    out: Path
    printed: str

    @property
    def table(self):
        return pd.read_csv(self.out / "comparison.csv", keep_default_na=True)

    @property
    def summary(self):
        return json.loads((self.out / "summary.json").read_text())

    @property
    def report(self):
        return (self.out / "report.html").read_text(encoding="utf-8")

    @property
    def held(self):
        """Learners whose model holds the regimen."""
        course = pd.read_csv(self.out / "course.csv")
        return {name for name, own in course.groupby("learner") if own["estimate"].any()}

    @property
    def words(self):
        """The report as a reader sees it."""
        text = re.sub(r"<style>.*?</style>|<img[^>]*>", " ", self.report, flags=re.DOTALL)
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def succeed(argv):
    out, err = io.StringIO(), io.StringIO()
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with streams[0], streams[1], pytest.raises(SystemExit) as end:
        compare.main(argv)
    assert err.getvalue() == ""
    assert end.value.code == 0
    return out.getvalue()


def run(folder, config, *more):
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    argv = ["--config", f"{folder / 'config.yaml'}", "--out", f"{folder / 'out'}", "--workers", "1"]
    return Compared(folder / "out", succeed([*argv, *more]))


def default_config(**changes):
    config = yaml.safe_load((CONFIGS / "train.yaml").read_text())
    config["comparison"] = config["comparison"] | QUICK | changes
    config["tracking"] = {"experiment": "compared", "model_name": "compared"}
    return config


@pytest.fixture(scope="module")
def store(connect_to_store):
    with pytest.MonkeyPatch.context() as patch:
        yield connect_to_store(patch)


@pytest.fixture(scope="module")
def embedded(store, tmp_path_factory):
    """The embedded cohort with two learners and half of its covariates."""
    config = default_config(strata=["prior_hma"])
    config["covariates"] = ["age_years", "ecog", "prior_hma", "log_wbc", "mut_tp53"]
    config["learners"] = ["cox", "xgboost_cox"]
    config["evaluation"] = {"horizons": [6, 12], "bootstrap": 50, "regimen_refits": 20}
    return run(tmp_path_factory.mktemp("embedded"), config, "--with-learners")


@pytest.fixture(scope="module")
def dated(store, tmp_path_factory, dated_cohort):
    """Three arms from drug records, competing events, responders, later transplants."""
    folder = tmp_path_factory.mktemp("dated_compared")
    patients, drugs, stated = dated_cohort
    patients.to_csv(folder / "patients.csv", index=False)
    drugs.to_csv(folder / "drugs.csv", index=False)
    config = copy.deepcopy(stated) | {"endpoint": "os"}
    config["cohort"]["columns"]["transplant"] = {"date": "hsct_after_date", "origin": "index_date"}
    config["comparison"] = QUICK | {
        "endpoints": ["os", "relapse"],
        "competing": {"relapse": "death without relapse"},
        "subgroups": {"age_years": [65], "ecog": []},
        "landmark_months": [2],
        "target_trial": {"departures": "Gilteritinib came later."},
    }
    return run(folder, config)


# ------------------------------------------------------------------------------- the embedded


def test_every_family_is_in_one_table(embedded):
    table = embedded.table
    assert [name for name in table if not name.startswith("refit_")] == list(ADJUSTED_COLUMNS)
    modelled = table["family"] == "model-based"
    assert table.loc[modelled, ["ci_low", "ci_high"]].isna().all(axis=None)
    assert table.loc[~modelled, ["refit_low", "refit_high"]].isna().all(axis=None)
    assert set(table["family"]) == {"classical", "adjusted", "model-based"}
    for column in ("assumption", "verdict", "population", "adjustment_set"):
        assert table[column].notna().all(), column
    estimators = set(table["estimator"])
    assert {"Cox hazard ratio", "overlap Cox", "stratified log-rank", "MaxCombo"} <= estimators
    assert {"SHAP contrast, cox", "standardised contrast, xgboost_cox"} <= estimators
    modelled = table[table["family"] == "model-based"]
    scales = {"event probability difference", "RMST difference"}
    assert set(modelled["scale"]) == scales


def test_the_anchors_of_the_embedded_cohort_are_found(embedded):
    own = embedded.table[embedded.table["endpoint"] == "OS"].set_index("estimator")
    # Pinned by the published log-rank p of .04.
    assert own.loc["log-rank", "p_value"] == pytest.approx(0.0418, abs=1e-4)
    assert own.loc["Cox hazard ratio", "estimate"] == pytest.approx(0.580, abs=1e-3)


def test_the_summary_tells_the_paragraph_the_table_and_the_places(embedded):
    printed = embedded.printed
    assert PROVENANCE in printed
    for words in ("OS, HMA against LDAC", "crude", "overlap weights", "SHAP contrast, cox",
                  "What these data cannot support", "Run ", "Time "):  # fmt: skip
        assert words in printed
    paragraphs = embedded.summary["paragraphs"]
    assert [(p["endpoint"], p["arm"]) for p in paragraphs] == [("OS", "HMA"), ("EFS", "HMA")]
    assert "No row knows what was not recorded" in paragraphs[0]["text"]


def test_the_report_shows_every_part(embedded):
    for words in ("In one paragraph", "Every family on the same scale", "E-values",
                  "The trial that this stands in for", "Time zero", "Adverse events",
                  "Clopper-Pearson", "The hazard ratio over time", "overlap and balance",
                  "Subgroups", "Every other contrast", PROVENANCE):  # fmt: skip
        assert words in embedded.words, words
    # Forests: hazard ratio, RMST, two horizons; two Kaplan-Meier, two ratios over time; overlap,
    # love plot, weighted curves; subgroups.
    # Of the models: a course for each that holds the regimen; contributions, those of the fifth of
    # highest risk, and dependence of cox.
    held = embedded.held
    assert "cox" in held
    assert embedded.report.count("data:image/png") == 4 + 2 + 2 + 3 + 1 + len(held) + 3
    assert "nan" not in embedded.words.lower().split()


def test_the_restricted_mean_of_a_model_stands_beside_the_others(embedded):
    table = embedded.table
    means = table[(table["endpoint"] == "OS") & (table["scale"] == "RMST difference")]
    assert set(means["family"]) == {"classical", "adjusted", "model-based"}
    assert set(means["horizon"]) == {12}
    modelled = means[means["family"] == "model-based"].set_index("estimator")
    assert len(modelled) == 4
    cox = modelled.loc["SHAP contrast, cox"]
    # Fewer events under HMA, so a longer mean; less than the crude contrast.
    crude = means.loc[means["estimator"] == "RMST difference", "estimate"].iloc[0]
    assert 0 < cox["estimate"] < crude
    assert cox["refit_low"] <= cox["estimate"] <= cox["refit_high"]


def test_the_two_readings_of_each_model_are_compared(embedded):
    table = pd.read_csv(embedded.out / "agreement.csv")
    assert len(table) == 2 * 3
    own = embedded.table.set_index(["estimator", "scale", "horizon"])["estimate"]
    for row in table.itertuples():
        scale = row.scale.removesuffix(" (months)")
        told = own[f"SHAP contrast, {row.learner}", scale, row.horizon]
        assert row.shap == pytest.approx(told, abs=1e-12)
    assert "Two readings of each model" in embedded.words


def test_the_course_meets_the_contrast_at_the_horizons(embedded):
    course = pd.read_csv(embedded.out / "course.csv", keep_default_na=False)
    agreement = pd.read_csv(embedded.out / "agreement.csv").set_index(["learner", "horizon"])
    contrasts = course[course["kind"] == "contrast"].set_index(["learner", "time"])
    for learner in ("cox", "xgboost_cox"):
        told = agreement[agreement["scale"].str.startswith("event")].loc[learner]["shap"]
        for horizon in (6.0, 12.0):
            found = float(contrasts.loc[(learner, horizon), "estimate"])
            assert found == pytest.approx(told[horizon], abs=1e-12)
    assert contrasts["ci_method"].str.contains("20 bootstrap refits").all()


def test_heterogeneity_stands_beside_its_instability(embedded):
    table = pd.read_csv(embedded.out / "heterogeneity.csv")
    # Learners, outputs, arms.
    assert len(table) == 2 * 3 * 2
    assert set(table["n"]) == {42, 28}
    cox = table[table["learner"] == "cox"]
    assert (cox["within_sd"] > 0).all()
    assert cox["ratio"].to_numpy() == pytest.approx(cox["between_sd"] / cox["within_sd"])
    assert "SD of one patient between refits" in embedded.words


def test_the_run_is_a_comparison_with_tables_pictures_and_the_note(embedded):
    client = mlflow.MlflowClient()
    run_id = re.search(r"Run +(\w+)", embedded.printed).group(1)
    logged = client.get_run(run_id)
    tags, metrics = logged.data.tags, logged.data.metrics
    assert tags["kind"] == "comparison"
    assert tags["mlflow.source.name"] == "pipelines.compare"
    assert "HMA against LDAC" in tags["mlflow.note.content"]
    assert metrics["hr_Cox_hazard_ratio"] == pytest.approx(0.580, abs=1e-3)
    assert logged.inputs.dataset_inputs[0].dataset.name == "reference study, OS"
    files = {file.path for file in client.list_artifacts(run_id)}
    assert {"report.html", "comparison.csv", "target_trial.csv", "summary.json", "figures",
            "agreement.csv", "course.csv", "heterogeneity.csv"} <= files  # fmt: skip
    pictures = {file.path for file in client.list_artifacts(run_id, "figures")}
    assert {"figures/course_1.png", "figures/contributions_1.png"} <= pictures


def test_what_the_folder_has_no_room_for_is_kept_in_the_store(tmp_path, monkeypatch):
    kept = []

    def full(path, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(comparison_record, "comparison_pictures", lambda found: {})
    monkeypatch.setattr(comparison_record, "write_bytes", full)
    monkeypatch.setattr(
        ComparisonRecord, "write_files",
        lambda self, folder, pictures: (folder / "comparison.csv").write_text("found"),
    )  # fmt: skip
    monkeypatch.setattr(
        ComparisonRecord, "_log",
        lambda self, folder, plan: kept.append((folder / "comparison.csv").read_text()),
    )  # fmt: skip
    with pytest.raises(OSError, match="No space left"):
        ComparisonRecord(SimpleNamespace(plan=None)).write(tmp_path)
    assert kept == ["found"]
    assert not list(tmp_path.iterdir())


def test_no_patient_row_is_written(embedded):
    # The propensity of each patient is drawn and not written.
    for file in embedded.out.glob("*.csv"):
        table = pd.read_csv(file)
        assert "propensity" not in table, file.name
        assert not {"row", "contribution", "refit_sd"} & set(table), file.name
        assert len(table) != 70, file.name


@pytest.mark.parametrize("which", ["embedded", "dated"])
def test_nothing_is_called_causal_or_an_individual_effect(which, request):
    found = request.getfixturevalue(which)
    for text in (found.words, found.printed, json.dumps(found.summary)):
        text = re.sub(r"\s+", " ", text)
        for match in re.finditer("causal", text):
            before = text[: match.start()].rstrip()
            assert before.endswith(("not", "no row is")), text[match.start() - 60 : match.end()]
        assert not re.search(r"(?<!no )individual (treatment )?effect", text)
        assert "treatment effect" not in text
        assert "effect of the regimen" not in text
    if which == "embedded":
        assert "contribution of the regimen to this model's prediction" in found.words


def test_the_same_seed_gives_the_same_table(embedded, store, tmp_path):
    config = yaml.safe_load((embedded.out.parent / "config.yaml").read_text())
    again = run(tmp_path, config).table
    first = embedded.table[embedded.table["family"] != "model-based"].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, first)


# ---------------------------------------------------------------------------------- the dated


def test_three_arms_are_each_compared_with_the_reference(dated):
    ratios = dated.table[dated.table["scale"] == "hazard ratio"]
    own = ratios[(ratios["endpoint"] == "OS") & (ratios["estimator"] == "overlap Cox")]
    assert set(own["arm"]) == {"HMA", "GILT"}
    assert (ratios["reference_arm"] == "LDAC").all()


def test_with_competing_events_no_probability_comes_from_kaplan_meier(dated):
    own = dated.table[dated.table["endpoint"] == "Relapse"]
    adjusted = set(own.loc[own["family"] == "adjusted", "scale"])
    assert adjusted <= {"hazard ratio", "risk ratio"}
    assert {"Gray test", "Fine-Gray hazard ratio"} <= set(own["estimator"])
    assert "Cumulative incidence of Relapse" in dated.words
    assert (dated.table["endpoint"] == "death without relapse").any()


def test_transplants_have_a_sensitivity_table(dated):
    table = pd.read_csv(dated.out / "transplant.csv")
    analyses = table["estimator"].str.removeprefix("Cox hazard ratio, ").unique().tolist()
    assert analyses == [
        "transplant ignored", "transplant as time-dependent covariate", "censored at transplant",
        "landmark",
    ]  # fmt: skip
    assert (table.loc[table["estimator"].str.endswith("landmark"), "horizon"] == 2).all()
    assert "Transplantation after the start of treatment" in dated.words


def test_subgroups_are_cut_where_the_configuration_says(dated):
    table = pd.read_csv(dated.out / "subgroups.csv")
    levels = table.groupby("subgroup")["level"].agg(lambda found: set(found.dropna()))
    assert levels["Age (years)"] == {"< 65", ">= 65"}
    assert (table["estimator"] == "interaction test").sum() == 2


def test_the_sheet_is_filled_from_drugs_dates_and_the_stated_departures(dated):
    sheet = pd.read_csv(dated.out / "target_trial.csv").set_index("component")["this cohort"]
    assert "azacitidine or decitabine" in sheet["Strategies"]
    assert sheet["Time zero"] == "column index_date"
    assert sheet["Departures"].startswith("Gilteritinib came later.")
    assert "10 patients had none of the regimens" in sheet["Departures"]
    assert "Gilteritinib came later." in dated.summary["cautions"]


# ---------------------------------------------------------------------------- a public cohort


def test_the_weighted_ratios_of_the_public_cohort_are_those_of_r(store, tmp_path):
    table = Path(__file__).parents[2].parent / "shared" / "data" / "mdacc_venhma_ldac.csv"
    if not table.is_file():
        pytest.skip("needs the public cohort")
    config = yaml.safe_load((CONFIGS / "examples" / "mdacc.yaml").read_text())
    config["cohort"]["path"] = str(table)
    config["comparison"] |= QUICK | {
        "adjust_for": [
            "age_years", "sex", "log_wbc", "aml_group", "cyto_risk", "bm_blasts_percent",
            "platelets_1e9_per_l", "hb_g_per_l",
        ],
        "missing": "complete",
    }  # fmt: skip
    found = run(tmp_path, config)
    ratios = found.table[found.table["scale"] == "hazard ratio"].set_index("estimator")["estimate"]
    # R 4.2.2, survival 3.5-3, 130 complete patients: coxph(Surv(os_months, os_event) ~ trt,
    # weights) with glm(trt ~ age + male + log(wbc) + secondary + unfavorable + bm_blasts +
    # platelets + hgb, binomial); stabilised weights and overlap weights. Crude: all 148.
    assert ratios["Cox hazard ratio"] == pytest.approx(0.735, abs=5e-4)
    assert ratios["stabilised IPTW Cox"] == pytest.approx(0.6906419974, abs=1e-6)
    assert ratios["overlap Cox"] == pytest.approx(0.7391697165, abs=1e-6)
    (paragraph,) = found.summary["paragraphs"]
    assert "of 148 and 130 patients" in paragraph["text"]


# --------------------------------------------------------------------------------- refusals


def refuse(tmp_path, config, capsys):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(SystemExit) as end:
        compare.main(["--config", f"{tmp_path / 'config.yaml'}"])
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message


def without_regimen(config):
    del config["cohort"]["columns"]["regimen"]
    config["clinical"] = ["age_years"]


def one_arm(config):
    config["cohort"]["inclusion"] = [{"name": "HMA", "column": "regimen", "one_of": ["HMA"]}]


AT_DAY_30 = {
    "name": "blasts_30", "label": "Blasts at day 30", "kind": "flag", "timing": "post_baseline",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_regimen, ["There is no regimen to compare"]),
        (one_arm, ["nobody to compare with", "HMA: 42 patients"]),
        (lambda c: c["comparison"].update(tau=40), ["tau lies beyond", "40 months", "16."]),
        (lambda c: c["comparison"].update(adjust_for=["age_year"]),
         ["Unknown covariate", "where:   comparison.adjust_for", "'age_years'"]),
        (lambda c: c["comparison"].update(subgroups={"neutrophils": [1]}),
         ["Unknown covariate", "where:   comparison.subgroups", "got:     neutrophils"]),
        (lambda c: c["comparison"].update(strata=["sexx"]),
         ["Unknown covariate", "where:   comparison.strata", "got:     sexx"]),
        (lambda c: (c.update(dictionary=[AT_DAY_30]), c["comparison"].update(strata=["blasts_30"])),
         ["Not a baseline covariate", "comparison.strata", "blasts_30 (post_baseline)"]),
        (lambda c: c["comparison"].update(death="oss"),
         ["no such endpoint", "config.yaml: comparison.death", "did you mean 'os'"]),
        (lambda c: c["comparison"].update(competing={"os": "relapse"}),
         ["no competing events", "comparison.competing: os", "got:     relapse"]),
        (lambda c: c["comparison"].update(early_death_days=[30, 6000]),
         ["Early death", "comparison.early_death_days", "got:     6000", "up to "]),
        (lambda c: c["comparison"].update(subgroups={"log_wbc": []}),
         ["too many values to make groups", "log_wbc", "where to cut"]),
        (lambda c: c["comparison"].update(strata=["age_years"]),
         ["too many values to make groups", "comparison.strata"]),
        (lambda c: c["comparison"].update(endpoints=["pfs"]),
         ["config.yaml: comparison.endpoints", "got:     pfs", "efs, os"]),
        (lambda c: c["comparison"].update(adjustment=["ecog"]), ["adjustment", "adjust_for"]),
        (lambda c: c.update(evaluation={"horizons": [6, 60]}), ["beyond the follow-up", "60"]),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_one_clear_block(change, words, store, tmp_path, capsys):
    config = default_config()
    change(config)
    message = refuse(tmp_path, config, capsys)
    for word in words:
        assert word in message, message
    assert len(message.strip().split("\n\n")) == 1
