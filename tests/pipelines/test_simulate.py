import subprocess
import sys

import pandas as pd
import pytest

from evaluation.regimens.published_study import check_study
from features.simulated.reference_study import read_reference_study
from pipelines.simulate import main

PROVENANCE = "reconstructed from published aggregates; no real patient"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("reference") / "cohort.csv"
    main(["reference", "--out", str(out), "--seed", "1"])
    return out


def refused(capsys, argv):
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message


def test_reference_writes_the_cohort(written):
    cohort = pd.read_csv(written)
    needed = ["patient_id", "center", "regimen", "treatment_start_date", "os_months", "os_event"]
    needed += ["efs_months", "efs_event", "response"]
    needed += ["ae_febrile_neutropenia", "ae_thrombocytopenia", "ae_infection"]

    assert len(cohort) == 70
    assert set(needed) <= set(cohort)
    assert set(cohort["regimen"]) == {"HMA", "LDAC"}
    assert (cohort["provenance"] == PROVENANCE).all()
    # A day, without a time of day.
    assert cohort["treatment_start_date"].str.fullmatch(r"\d{4}-\d{2}-\d{2}").all()


def test_reference_says_what_it_wrote(tmp_path, capsys):
    main(["reference", "--out", str(tmp_path / "cohort.csv"), "--seed", "2"])
    printed = capsys.readouterr().out
    assert PROVENANCE in printed
    assert "cohort.csv: 70 rows (HMA 42, LDAC 28)" in printed
    assert "seed 2" in printed


def test_the_same_seed_writes_the_same_bytes(written, tmp_path):
    again, other = tmp_path / "again.csv", tmp_path / "other.csv"
    main(["reference", "--out", str(again), "--seed", "1"])
    main(["reference", "--out", str(other), "--seed", "2"])
    assert again.read_bytes() == written.read_bytes()
    assert other.read_bytes() != written.read_bytes()


def test_parquet_holds_the_same_table(written, tmp_path):
    out = tmp_path / "cohort.parquet"
    main(["reference", "--out", str(out), "--seed", "1"])
    cohort = pd.read_parquet(out)
    assert cohort.to_csv(index=False) == written.read_text("utf-8")


def test_claims_of_a_seed(capsys):
    main(["claims", "--seed", "1"])
    printed = capsys.readouterr().out
    assert f"seed 1: {PROVENANCE}" in printed
    assert "not reproduced" in printed


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_claims_of_a_file(tmp_path, capsys, suffix):
    out = tmp_path / f"cohort{suffix}"
    main(["reference", "--out", str(out)])
    capsys.readouterr()
    main(["claims", "--cohort", str(out)])
    assert f"{out}: {PROVENANCE}" in capsys.readouterr().out


def test_a_table_without_origin_is_not_called_reconstructed(written, tmp_path, capsys):
    own = tmp_path / "own.csv"
    pd.read_csv(written).drop(columns="provenance").to_csv(own, index=False)
    main(["claims", "--cohort", str(own)])
    printed = capsys.readouterr().out
    assert "does not say where it comes from" in printed
    assert PROVENANCE not in printed


def test_an_unknown_suffix_is_refused(tmp_path, capsys):
    message = refused(capsys, ["reference", "--out", str(tmp_path / "cohort.xlsx")])
    assert "unknown suffix '.xlsx'; use .csv or .parquet" in message


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_unwritable_path_is_refused(tmp_path, capsys, suffix):
    message = refused(capsys, ["reference", "--out", str(tmp_path / "none" / f"cohort{suffix}")])
    assert "cannot write --out" in message


def test_a_file_that_is_not_there_is_refused(tmp_path, capsys):
    message = refused(capsys, ["claims", "--cohort", str(tmp_path / "none.csv")])
    assert message.startswith("error: cannot read --cohort")
    assert message.count("error:") == 1
    assert "No such table" in message


@pytest.mark.parametrize("name", ["empty.csv", "broken.parquet"])
def test_an_unreadable_file_is_refused(tmp_path, capsys, name):
    (tmp_path / name).write_text("")
    assert "cannot read --cohort" in refused(capsys, ["claims", "--cohort", str(tmp_path / name)])


def test_missing_columns_are_named(written, tmp_path, capsys):
    own = tmp_path / "own.csv"
    pd.read_csv(written).drop(columns=["os_event"]).to_csv(own, index=False)
    assert "lacks the column(s) os_event;" in refused(capsys, ["claims", "--cohort", str(own)])


def test_seed_and_cohort_together_are_refused(written, capsys):
    message = refused(capsys, ["claims", "--seed", "1", "--cohort", str(written)])
    assert "not both" in message


def test_help_loads_no_heavy_library():
    code = (
        "import sys\n"
        "from pipelines.simulate import main\n"
        "main(['--help'])\n"
        "assert not {'pandas', 'scipy', 'greenwood'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "reference" in done.stdout


def test_the_module_runs_from_any_folder(tmp_path):
    command = [sys.executable, "-m", "pipelines.simulate", "reference", "--out", "cohort.csv"]
    done = subprocess.run(
        [*command, "--seed", "1"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cohort.csv").exists()


def test_a_cohort_with_a_known_truth(tmp_path, capsys):
    out = tmp_path / "cohort.csv"
    main(["cohort", "--out", str(out), "--n", "80", "--seed", "3", "--scenario", "confounded"])
    printed = capsys.readouterr().out
    cohort = pd.read_csv(out)
    assert len(cohort) == 80
    assert {"patient_id", "center", "regimen", "os_months", "os_event"} <= set(cohort)
    assert set(cohort["provenance"]) == {"simulated; no real patient"}
    assert "simulated; no real patient" in printed
    assert "scenario confounded, seed 3" in printed
    assert "true event probability difference at 12 months, HMA minus LDAC: -0." in printed


@pytest.mark.parametrize(
    "scenario", ["randomised", "confounded", "null", "non_proportional", "unmeasured"]
)
def test_every_named_scenario_can_be_asked_for(tmp_path, scenario):
    out = tmp_path / "cohort.parquet"
    main(["cohort", "--out", str(out), "--n", "20", "--scenario", scenario])
    assert len(pd.read_parquet(out)) == 20


def test_the_same_seed_writes_the_same_simulated_bytes(tmp_path):
    paths = [tmp_path / name for name in ("first.csv", "again.csv", "other.csv")]
    for path, seed in zip(paths, "112", strict=True):
        main(["cohort", "--out", str(path), "--n", "50", "--seed", seed])
    first, again, other = (path.read_bytes() for path in paths)
    assert first == again != other


def test_an_unknown_scenario_is_refused(tmp_path, capsys):
    message = refused(
        capsys, ["cohort", "--out", str(tmp_path / "cohort.csv"), "--scenario", "confounding"]
    )
    assert message.count("error:") == 1
    assert "use randomised, confounded, null, non_proportional, unmeasured" in message
    assert not (tmp_path / "cohort.csv").exists()


@pytest.mark.parametrize(
    "argv",
    [["--out", "cohort.xlsx"], ["--out", "cohort.csv", "--n", "0"],
     ["--out", "none/cohort.csv", "--n", "20"]],
)  # fmt: skip
def test_a_mistake_in_asking_for_a_cohort_is_refused(tmp_path, monkeypatch, capsys, argv):
    monkeypatch.chdir(tmp_path)
    assert refused(capsys, ["cohort", *argv])
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------- claims of another study


STUDY = """
arms:
  B: {n: 3, median_os_months: {estimate: 2.0}}
  A: {n: 4, median_os_months: {estimate: 5.0}}
hazard_ratios: {os: {arm: A, reference_arm: B, estimate: 0.1}}
"""
PATIENTS = "regimen,os_months,os_event\nB,1,1\nB,2,1\nB,3,1\nA,2.5,1\nA,4,1\nA,5,1\nA,6,1\n"


def test_the_claims_of_any_study_are_checked_on_its_own_table(tmp_path, capsys):
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "cohort.csv").write_text(PATIENTS)
    main(
        ["claims", "--study", f"{tmp_path / 'study.yaml'}",
         "--cohort", f"{tmp_path / 'cohort.csv'}"]
    )  # fmt: skip
    printed = capsys.readouterr().out
    # B: half of three have died at month 2. A: S is exactly a half from month 4 to 5, so 4.5.
    assert printed.count("reproduced") == 5
    assert "not reproduced: 4.5" in " ".join(printed.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "No such study file"),
        ("a: [", "is not valid YAML"),
        ("- 1", "not a mapping"),
        ("arms: {A: {n: 1}}", "at least two arms"),
        ("arms: [A, B]", "where:   study file study.yaml: arms"),
    ],
)
def test_a_study_file_that_is_none_is_refused(tmp_path, capsys, text, words):
    study, cohort = tmp_path / "study.yaml", tmp_path / "cohort.csv"
    cohort.write_text(PATIENTS)
    if text is not None:
        study.write_text(text)
    assert words in refused(capsys, ["claims", "--study", f"{study}", "--cohort", f"{cohort}"])


def test_another_study_needs_its_table(tmp_path, capsys):
    (tmp_path / "study.yaml").write_text(STUDY)
    message = refused(capsys, ["claims", "--study", f"{tmp_path / 'study.yaml'}"])
    assert "needs --cohort" in message


ARMS = "arms: {A: {n: 4}, B: {n: 3}}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ARMS + "p_value: {os: 0.04}", ["Unknown key", "study.yaml: p_value", "'p_values'"]),
        ("arms: {A: {n: 4, responce: {percent: 5}}, B: {n: 3}}",
         ["Unknown key", "study.yaml: arms.A.responce", "'response'", "median_ENDPOINT_months"]),
        ("arms: {A: {n: 4, median_os_months: {estimat: 5}}, B: {n: 3}}",
         ["Unknown key", "study.yaml: arms.A.median_os_months.estimat", "'estimate'"]),
        ("arms: {A: {n: many}, B: {n: 3}}", ["study.yaml: arms.A.n", "got:     many"]),
        ("arms: {A: {n: 4}, B: }", ["study.yaml: arms.B"]),
        ("arms: {A: {n: 4, median_os_months: {estimate: 5, ci_low: 3}}, B: {n: 3}}",
         ["study.yaml: arms.A.median_os_months", "belong together"]),
        (ARMS + "p_values: {os: '.04'}", ["study.yaml: p_values.os", "got:     .04"]),
        (ARMS + "hazard_ratios: {os: {arm: A, estimate: 0.5}}",
         ["A key is missing", "study.yaml: hazard_ratios.os.reference_arm"]),
        (ARMS + "period: {start: soon, end: 2020-01-31}", ["study.yaml: period.start"]),
        (ARMS + "median_interval: logit", ["study.yaml: median_interval", "got:     logit"]),
        (ARMS + "early_deaths: {count: none, days: [30]}", ["study.yaml: early_deaths.count"]),
        (ARMS + "hazard_ratios: {os: {arm: A, reference_arm: C, estimate: 0.5}}",
         ["study.yaml: hazard_ratios", "'C' is not among the arms"]),
    ],
)  # fmt: skip
def test_what_a_study_file_cannot_hold_is_one_clear_block(tmp_path, capsys, text, words):
    study, cohort = tmp_path / "study.yaml", tmp_path / "cohort.csv"
    cohort.write_text(PATIENTS)
    study.write_text(text)
    message = refused(capsys, ["claims", "--study", f"{study}", "--cohort", f"{cohort}"])
    assert message.count("error:") == 1
    for word in words:
        assert word in message, message


def test_the_embedded_study_is_in_the_form_of_a_study_file():
    check_study(read_reference_study(), "reference_study.yaml")
