"""One cohort through every kind of source and every command: the numbers are those of the table."""

import contextlib
import io
import json
import re
import sqlite3
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from evaluation.statistics.kaplan_meier import survival_at
from features.outcome import MONTHS, Outcome
from pipelines import check, compare, evaluate, predict, train
from pipelines.comparison import record as comparison_record

KINDS = ("path", "file", "redcap", "cbioportal", "sql", "omop")
COMMANDS = ("check", "train", "compare", "evaluate", "predict")
# Days from diagnosis to the first dose in the study files, where the clock starts at diagnosis.
DELAY = 61
SETTINGS = {
    "seed": 4,
    "endpoint": "os",
    "covariates": ["age_years", "hb_g_per_l"],
    "clinical": ["age_years", "regimen"],
    "learners": ["kaplan_meier", "cox_clinical"],
    "resampling": {"folds": 2, "repeats": 1, "inner_folds": 2},
    "tuning": {"trials": 0},
    "evaluation": {
        "horizons": [9], "bootstrap": 50, "regimen_refits": 20, "instability": "off",
        "subgroups": [],
    },
    "comparison": {"replicates": 100, "imputations": 2, "subgroups": {}},
}  # fmt: skip
REGIMEN = {"values": {"AZA": "HMA", "ARA-C": "LDAC"}, "reference_arm": "LDAC"}
OS = {"label": "OS", "time": "os_days", "event": "dead", "unit": "days"}
PLAIN = {
    "patient_id": "mrn",
    "regimen": {"column": "companion"} | REGIMEN,
    "covariates": {
        "age_years": "age",
        "sex": {"column": "gender", "values": {"male": "M", "female": "F"}},
        "hb_g_per_l": {"column": "hb", "unit": "g/dL"},
    },
    "endpoints": {"os": OS},
}


def patients(seed, n=72):
    """Older patients, and those under low-dose cytarabine, die sooner. One in ten lacks the lab.

    The first patient died on the day of the first dose, and the third stands there twice.
    """
    rng = np.random.default_rng(seed)
    first = pd.Timestamp("2021-03-01") + pd.to_timedelta(rng.integers(0, 300, n), "D")
    age = rng.integers(45, 85, n)
    companion = np.where(rng.random(n) < 0.6, "AZA", "ARA-C")
    hazard = np.exp(0.04 * (age - 65) + 0.5 * (companion == "ARA-C"))
    death = rng.exponential(330 / hazard).astype(int) + 10
    seen = rng.integers(250, 900, n)
    death[0], companion[0] = 0, "AZA"
    table = pd.DataFrame(
        {
            "mrn": np.arange(1001, 1001 + n).astype(str),
            "companion": companion,
            "age": age,
            "gender": rng.choice(["male", "female"], n),
            "hb": np.where(rng.random(n) < 0.1, "", rng.normal(9.2, 1.4, n).round(1).astype(str)),
            "os_days": np.minimum(death, seen),
            "dead": (death <= seen).astype(int),
            "first_dose": first.strftime("%Y-%m-%d"),
        }
    )
    table.loc[2, "hb"] = "9.4"
    table.loc[3, table.columns[1:]] = table.loc[2, table.columns[1:]]
    return table


# -- the cohort in the form of each source: where it is, and how its columns map -------------------


def as_path(table, folder):
    table.to_csv(folder / "patients.csv", index=False)
    return {"path": "patients.csv"}, PLAIN


def as_file(table, folder):
    table.assign(hb=table["hb"].str.replace(".", ",")).to_csv(
        folder / "patients.txt", index=False, sep=";", encoding="windows-1252"
    )
    form = {"separator": ";", "decimal": ",", "encoding": "windows-1252"}
    return {"source": {"kind": "file", "path": "patients.txt"} | form}, PLAIN


def as_redcap(table, folder):
    fields = [
        ("mrn", "base", "text", "Record", "", ""),
        ("surname", "base", "text", "Surname", "", "y"),
        ("age", "base", "text", "Age", "", ""),
        ("gender", "base", "radio", "Sex", "1, male | 2, female", ""),
        ("companion", "base", "radio", "With venetoclax", "1, AZA | 2, ARA-C", ""),
        ("hb", "lab", "text", "Hemoglobin, g/dL", "", ""),
        ("os_days", "end", "text", "Days", "", ""),
        ("dead", "end", "yesno", "Dead", "", ""),
    ]
    header = [
        "Variable / Field Name", "Form Name", "Field Type", "Field Label",
        "Choices, Calculations, OR Slider Labels", "Identifier?",
    ]  # fmt: skip
    pd.DataFrame(fields, columns=header).to_csv(folder / "fields.csv", index=False)
    export = table.drop(columns="first_dose").assign(
        surname="Zqwxy",
        gender=table["gender"].map({"male": "1", "female": "2"}),
        companion=table["companion"].map({"AZA": "1", "ARA-C": "2"}),
        base_complete="2",
        lab_complete="2",
        end_complete="2",
    )
    export.to_csv(folder / "records.csv", index=False)
    source = {"kind": "redcap", "export": "records.csv", "dictionary": "fields.csv"}
    return {"source": source | {"values": "labels"}}, PLAIN | {
        "endpoints": {"os": OS | {"event_values": ["Yes"], "censored_values": ["No"]}}
    }


def as_cbioportal(table, folder):
    months = MONTHS["days"]
    clinical = pd.DataFrame(
        {
            "PATIENT_ID": table["mrn"],
            "AGE": table["age"],
            "SEX": table["gender"].str.title(),
            "COMPANION": table["companion"],
            "VEN_MONTHS": DELAY * months,
            "OS_MONTHS": (table["os_days"] + DELAY) * months,
            "OS_STATUS": table["dead"].map({1: "1:DECEASED", 0: "0:LIVING"}),
        }
    )
    samples = pd.DataFrame(
        {"PATIENT_ID": table["mrn"], "SAMPLE_ID": "S" + table["mrn"], "HB": table["hb"]}
    )
    for name, part in (("patient", clinical), ("sample", samples)):
        text = "#a\n#b\n#STRING\n#1\n" + part.to_csv(index=False, sep="\t")
        (folder / f"data_clinical_{name}.txt").write_text(text, "utf-8")
    source = {
        "kind": "cbioportal", "patients": "data_clinical_patient.txt",
        "samples": "data_clinical_sample.txt", "start_offset_column": "VEN_MONTHS",
    }  # fmt: skip
    return {"source": source}, {
        "patient_id": "PATIENT_ID",
        "regimen": {"column": "COMPANION"} | REGIMEN,
        "covariates": {
            "age_years": "AGE",
            "sex": {"column": "SEX", "values": {"Male": "M", "Female": "F"}},
            "hb_g_per_l": {"column": "HB", "unit": "g/dL"},
        },
        "endpoints": {
            "os": {"label": "OS", "time": "OS_MONTHS", "event": "OS_STATUS", "unit": "months"}
        },
    }


def as_sql(table, folder):
    with contextlib.closing(sqlite3.connect(folder / "ward.db")) as database:
        table.replace("", None).to_sql("cohort", database, index=False)
    source = {"kind": "sql", "url": "sqlite:///ward.db", "query": "SELECT * FROM cohort"}
    return {"source": source}, PLAIN


def as_omop(table, folder):
    first = pd.to_datetime(table["first_dose"])
    end = (first + pd.to_timedelta(table["os_days"], "D")).dt.strftime("%Y-%m-%d")
    number, dead = table["mrn"].astype(int), table["dead"] == 1
    # Venetoclax 35604205, azacitidine 1314865, cytarabine 1311078; hemoglobin is LOINC 718-7.
    companion = table["companion"].map({"AZA": 1314865, "ARA-C": 1311078})
    doses = [(number, 35604205, first), (number, companion, first + pd.Timedelta(days=2))]
    known = table["hb"] != ""
    tables = {
        "person": pd.DataFrame(
            {
                "person_id": number,
                "gender_concept_id": table["gender"].map({"male": 8507, "female": 8532}),
                "year_of_birth": first.dt.year - table["age"],
                "month_of_birth": 1,
                "day_of_birth": 1,
                "care_site_id": 7,
            }
        ),
        "drug_exposure": pd.concat(
            pd.DataFrame(
                {
                    "person_id": who,
                    "drug_concept_id": drug,
                    "drug_exposure_start_date": day.dt.strftime("%Y-%m-%d"),
                }
            )
            for who, drug, day in doses
        ),
        "concept_ancestor": pd.DataFrame(
            {
                "ancestor_concept_id": [35604205, 1314865, 1311078],
                "descendant_concept_id": [35604205, 1314865, 1311078],
            }
        ),
        "concept": pd.DataFrame(
            {
                "concept_id": [3000963, 8713],
                "concept_code": ["718-7", "g/dL"],
                "vocabulary_id": ["LOINC", "UCUM"],
            }
        ),
        "measurement": pd.DataFrame(
            {
                "measurement_id": number,
                "person_id": number,
                "measurement_concept_id": 3000963,
                "measurement_date": table["first_dose"],
                "value_as_number": pd.to_numeric(table["hb"]),
                "unit_concept_id": 8713,
            }
        )[known],
        "death": pd.DataFrame({"person_id": number, "death_date": end})[dead],
        "observation_period": pd.DataFrame(
            {"person_id": number, "observation_period_end_date": end}
        ),
    }
    with contextlib.closing(sqlite3.connect(folder / "cdm.db")) as database:
        for name, part in tables.items():
            part.to_sql(name, database, index=False)
    return {"source": {"kind": "omop", "url": "sqlite:///cdm.db"}}, {
        "patient_id": "person_id",
        "regimen": {
            "column": "companion_drugs",
            "values": {"azacitidine": "HMA", "cytarabine": "LDAC"},
            "reference_arm": "LDAC",
        },
        "covariates": {
            "age_years": "age_years",
            "hb_g_per_l": {"column": "hemoglobin_value", "unit": "g/dL"},
        },
        "endpoints": {
            "os": {
                "preset": "os",
                "columns": {
                    "treatment_start_date": "index_date",
                    "last_contact_date": "last_observation_date",
                },
            }
        },
    }


FORMS = {
    "path": as_path, "file": as_file, "redcap": as_redcap, "cbioportal": as_cbioportal,
    "sql": as_sql, "omop": as_omop,
}  # fmt: skip


# -- the commands ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """How a command ended, what it printed, and where it wrote."""

    status: int
    printed: str
    errors: str
    out: Path

    def table(self, name):
        return pd.read_csv(self.out / name)

    @property
    def summary(self):
        return json.loads((self.out / "summary.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def ran(connect_to_store, tmp_path_factory):
    """Run a command on the cohort from one kind of source, once."""
    root = tmp_path_factory.mktemp("matrix")

    def configured(kind, seed):
        folder = root / kind / str(seed)
        if not folder.exists():
            folder.mkdir(parents=True)
            place, columns = FORMS[kind](patients(seed), folder)
            cohort = place | {"name": "matrix", "columns": columns}
            names = {"tracking": {"experiment": "matrix", "model_name": f"matrix_{kind}"}}
            config = SETTINGS | {"cohort": cohort} | names
            (folder / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
        return folder / "config.yaml"

    @cache
    def call(kind, command):
        out = root / kind / command
        model = ["--model", f"models:/matrix_{kind}@champion"]
        own = ["--config", configured(kind, 1)]
        # A model is judged on, and predicts for, the patients of another hospital.
        other = ["--config", configured(kind, 2)]
        if command in ("evaluate", "predict"):
            call(kind, "train")
        arguments = {
            "check": [*own, "--out", out],
            "train": [*own, "--out", out, "--workers", "1"],
            "compare": [*own, "--out", out],
            "evaluate": [*other, *model, "--out", out],
            "predict": [*other, *model, "--format", "csv", "--out", out / "predictions.csv"],
        }[command]
        out.mkdir(parents=True)
        main = {"check": check, "train": train, "compare": compare, "evaluate": evaluate,
                "predict": predict}[command].main  # fmt: skip
        printed, errors = io.StringIO(), io.StringIO()
        streams = contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors)
        with streams[0], streams[1], pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        return Ran(end.value.code, printed.getvalue(), errors.getvalue(), out)

    with pytest.MonkeyPatch.context() as patch:
        connect_to_store(patch)
        patch.setattr(comparison_record, "comparison_pictures", lambda found: {})
        yield call


FILES = {
    "check": {"data_report.html", "findings.csv", "table_one.csv"},
    "train": {"report.html", "summary.json", "metrics.csv", "regimen_effects.csv"},
    "compare": {"report.html", "summary.json", "comparison.csv", "config.yaml"},
    "evaluate": {"report.html", "summary.json", "metrics.csv"},
    "predict": {"predictions.csv"},
}
# The table with the numbers of each command.
NUMBERS = {
    "check": "table_one.csv",
    "train": "metrics.csv",
    "compare": "comparison.csv",
    "evaluate": "metrics.csv",
    "predict": "predictions.csv",
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_command_takes_every_source(ran, kind, command):
    done = ran(kind, command)
    # The check ends with 1: there are warnings to look at.
    assert done.status == (command == "check"), done.errors
    assert FILES[command] <= {path.name for path in done.out.iterdir()}
    plain = ran("path", command).table(NUMBERS[command])
    table = done.table(NUMBERS[command])
    if command == "predict":
        plain = plain.drop(columns=["model", "model_run_id"], errors="ignore")
        table = table.drop(columns=["model", "model_run_id"], errors="ignore")
    pd.testing.assert_frame_equal(table, plain, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_check_finds_the_other_commands_tell(ran, kind):
    checked = ran(kind, "check")
    findings = checked.table("findings.csv")
    # Two rows of one patient are looked for by ready-made times, which OMOP does not have.
    faults = {"zero_time"} if kind == "omop" else {"zero_time", "near_duplicate"}
    assert faults <= set(findings["check"])
    # Months from diagnosis are told to be set back; every other table starts at the first dose.
    assert ("clock_moved" in set(findings["check"])) == (kind == "cbioportal")
    for command in ("train", "compare"):
        done = ran(kind, command)
        pd.testing.assert_frame_equal(done.table("findings.csv"), findings)
        assert [f["what"] for f in done.summary["findings"]] == findings["what"].tolist()
        report = (done.out / "report.html").read_text("utf-8")
        told = " ".join(done.printed.split())
        for finding in findings.itertuples():
            assert f"<td>{finding.check}</td>" in report
            assert f"{finding.severity}: {finding.what} [{finding.check}]" in told
    # The new patients of the evaluation have the same two faults, in rows of their own.
    other = ran(kind, "evaluate").table("findings.csv")
    assert faults <= set(other["check"])


@pytest.mark.parametrize(
    ("kind", "taken_off"), [("cbioportal", ", less column VEN_MONTHS;"), ("path", ";")]
)
def test_the_target_trial_says_what_was_taken_off_the_times(ran, kind, taken_off):
    sheet = ran(kind, "compare").table("target_trial.csv").set_index("component")["this cohort"]
    assert re.fullmatch(
        rf"where the times of column \w+ start{taken_off} that this is the first dose .*",
        sheet["Time zero"],
    )


def test_published_claims_are_of_the_published_study_alone(ran):
    for kind in KINDS:
        done = ran(kind, "train")
        assert "Published claims" not in done.printed
        assert "not real" not in done.printed


def test_what_was_predicted_is_what_was_judged(ran):
    # O/E at 9 months of the evaluation, from the predictions of the other command.
    metrics = ran("path", "evaluate").table("metrics.csv")
    row = metrics[(metrics["metric"] == "calibration_oe") & (metrics["horizon"] == 9)].iloc[0]
    predicted = ran("omop", "predict").table("predictions.csv")
    table = patients(2)
    time, dead = table["os_days"].to_numpy(float) * MONTHS["days"], table["dead"] == 1
    observed = 1 - survival_at(Outcome(time, dead), [9.0])["survival"].iloc[0]
    assert len(predicted) == len(table)
    assert row["estimate"] == pytest.approx(observed / predicted["event_probability_9m"].mean())
