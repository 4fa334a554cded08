"""The check of a cohort, end to end: exit status, terminal, report and CSV files."""

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipelines import check
from pipelines.cohort.reading import check_cohort
from pipelines.config import read_config
from pipelines.output import folder as output
from pipelines.training.plan import TrainingPlan

BROKEN = Path(__file__).parents[1] / "broken_tables"
FILES = ("data_report.html", "findings.csv", "table_one.csv")


@pytest.fixture
def clean():
    """24 invented patients, all cells text."""
    return pd.read_csv(BROKEN / "clean.csv", dtype=str, keep_default_na=False)


@pytest.fixture
def config():
    return yaml.safe_load((BROKEN / "base.yaml").read_text("utf-8"))


@pytest.fixture
def run(tmp_path, capsys):
    """Check a table with a configuration; returns the exit status, both streams and the folder."""

    def call(config, table=None, *more):
        if table is not None:
            config["cohort"]["path"] = "patients.csv"
            table.to_csv(tmp_path / "patients.csv", index=False)
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
        arguments = ["--config", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "out")]
        with pytest.raises(SystemExit) as end:
            check.main([*arguments, *more])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err
        return end.value.code, printed.out, printed.err, tmp_path / "out"

    return call


def report_of(out):
    """The report's text, without the pictures' bytes."""
    page = (out / "data_report.html").read_text("utf-8")
    return re.sub(r"data:[^\"')]+", "", page)


def section(page, title):
    """What stands between one heading and the next."""
    return re.search(rf"<h2[^>]*>{re.escape(title)}.*?(?=<h2|$)", page, re.DOTALL).group()


def cells(html):
    """Rows of the tables in a piece of HTML, as text."""
    rows = re.findall(r"<tr.*?</tr>", html, re.DOTALL)
    found = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]
    return [[re.sub(r"<.*?>", "", cell).strip() for cell in row] for row in found]


def setting(table, column, values):
    """A copy with cells changed; the first patient is row 1."""
    table = table.copy()
    for row, value in values.items():
        table.loc[row - 1, column] = value
    return table


# -- exit status and files -----------------------------------------------------------------------


def test_a_clean_cohort(run, config, clean):
    status, out, err, folder = run(config, clean)
    assert (status, err) == (0, "")
    assert "broken tables: 24 patients" in out
    assert "Nothing was found." in out
    written = {path.name for path in folder.iterdir()}
    assert written == {*FILES, output.LIST}
    assert pd.read_csv(folder / "findings.csv").empty
    table_one = pd.read_csv(folder / "table_one.csv", dtype=str)
    assert table_one.loc[0, ["All patients", "HMA", "LDAC"]].tolist() == ["24", "12", "12"]


def test_findings_are_told_everywhere(run, config, clean):
    # Patient 16 relapsed; without a date of remission that cannot be.
    status, out, err, folder = run(config, setting(clean, "remission_date", {16: ""}))
    assert (status, err) == (1, "")
    assert "warn: Relapse (column relapse_date) without, or before, remission" in out
    assert "row 16 (the first patient is row 1)" in out
    findings = pd.read_csv(folder / "findings.csv", dtype=str)
    assert findings[["severity", "check", "count", "total", "rows"]].to_numpy().tolist() == [
        ["warn", "relapse_without_remission", "1", "4", "16"]
    ]
    assert "relapse_without_remission" in section(report_of(folder), "What the checks found")


def test_a_table_that_cannot_be_read_leaves_no_report(run, config, clean):
    status, out, err, folder = run(config, setting(clean, "age_years", {3: "old"}))
    assert (status, out) == (2, "")
    assert "column age_years, 1 patient(s): row 3 (the first patient is row 1)" in err
    assert list(folder.iterdir()) == []


def test_a_failure_of_the_guard_is_reported_and_unusable(run, config, clean):
    status, out, err, folder = run(config, clean.assign(prior_hma="0"))
    assert (status, err) == (2, "")
    assert "fail: Covariate prior_hma is the same for everybody" in out
    assert "Not usable as it stands" in report_of(folder)


def test_what_a_training_would_refuse_is_unusable(run, config, clean):
    config["resampling"] = {"folds": 10}
    status, out, _, folder = run(config, clean)
    # 18 deaths, and two a fold are needed.
    assert status == 2
    assert "Too few events for cross-validation (endpoint OS): 18 events among 24 patients" in out
    assert pd.read_csv(folder / "findings.csv")["check"].tolist() == ["training"]


def test_a_split_that_cannot_be_made_is_unusable(run, config, clean):
    config["resampling"] = {"kind": "leave_one_center_out"}
    status, out, _, folder = run(config, clean.assign(center="Nord"))
    assert status == 2
    assert "No center to leave out" in out
    assert "training" in pd.read_csv(folder / "findings.csv")["check"].tolist()


def test_another_table_can_be_named(run, config, clean, tmp_path):
    setting(clean, "sex", {1: "1"}).to_csv(tmp_path / "other.csv", index=False)
    status, _, err, _ = run(config, clean, "--cohort", str(tmp_path / "other.csv"))
    assert status == 2
    assert "column sex, 1 patient(s): row 1 (the first patient is row 1)" in err


def test_a_wrong_key_of_the_configuration(run, config, clean):
    config["cohort"]["supress_below"] = 5
    status, _, err, _ = run(config, clean)
    assert status == 2
    assert "did you mean 'suppress_below'" in err


def test_a_folder_that_cannot_be_written(run, config, clean, tmp_path):
    (tmp_path / "out").write_text("a file", "utf-8")
    status, _, err, _ = run(config, clean)
    assert status == 2
    assert "The output folder cannot be written" in err


def test_names_with_brackets_are_printed_as_they_are(run, config, clean):
    config["cohort"]["name"] = "Hospital [/bold]"
    config["cohort"]["columns"]["endpoints"]["os"]["label"] = "OS [red]"
    status, out, _, _ = run(config, clean)
    assert status == 0
    assert "Hospital [/bold]: 24 patients" in out
    assert "OS [red]" in out


@pytest.mark.parametrize(
    ("severity", "status", "told"),
    [("ignore", 0, 0), ("note", 0, 1), ("warn", 1, 1), ("fail", 2, 1)],
)
def test_a_severity_can_be_decided(run, config, clean, severity, status, told):
    config["cohort"]["guard"]["severity"] = {"relapse_without_remission": severity}
    code, out, _, _ = run(config, setting(clean, "remission_date", {16: ""}))
    assert code == status
    assert out.count(f"{severity}: Relapse") == told


def test_an_unknown_check_in_the_severities(run, config, clean):
    config["cohort"]["guard"]["severity"] = {"relapse_without_remision": "ignore"}
    status, _, err, _ = run(config, clean)
    assert status == 2
    assert "did you mean 'relapse_without_remission'" in err


# -- what the report holds -----------------------------------------------------------------------


def test_every_section_of_the_report(run, config, clean):
    config["cohort"]["inclusion"] = [
        {"name": "fit", "column": "ecog", "at_most": 2, "missing": "keep"}
    ]
    status, out, _, folder = run(config, clean)
    page = report_of(folder)
    # Two patients have ECOG 3, one is unknown and kept.
    assert status == 0
    assert "Inclusion" in out
    attrition = cells(section(page, "From all patients to those analysed"))
    assert attrition[1][-1] == "24"
    assert attrition[2][-1] == "22"
    assert ["Patients, n", "", "22", "10", "12", ""] in cells(section(page, "Table 1"))
    missing = cells(section(page, "Missing values"))
    assert ["Hemoglobin", "1", "5", "0"] in missing
    assert ["ECOG performance status", "1", "5", "0"] in missing
    endpoints = cells(section(page, "Endpoints"))
    assert [row[:4] for row in endpoints[1:3]] == [
        ["OS", "All patients", "22", "16"],
        ["", "HMA", "10", "7"],
    ]
    assert "No finding" in section(page, "What the checks found")
    assert (folder / "data_report.html").read_text("utf-8").count("data:image") >= 3


def test_rows_are_those_of_the_file_after_inclusion(run, config, clean):
    # Patients 1 to 3 are left out, so patient 13 is the tenth of the cohort.
    config["cohort"]["inclusion"] = [
        {"name": "later ones", "column": "patient_id", "not_one_of": ["P01", "P02", "P03"]}
    ]
    table = setting(setting(clean, "remission_date", {16: ""}), "hb", {13: "182"})
    status, out, _, folder = run(config, setting(table, "os_days", {19: "0"}))
    assert status == 1
    rows = pd.read_csv(folder / "findings.csv", dtype=str).set_index("check")["rows"]
    # Seen in the table as handed over, and in the cohort as read.
    assert rows["relapse_without_remission"] == "16"
    assert rows["unusual_value"] == "13"
    assert rows["zero_time"] == "19"
    assert "row 13 (the first patient is row 1)" in out


def test_a_rule_that_removes_deaths_is_told(run, config, clean):
    config["cohort"]["inclusion"] = [{"name": "followed", "column": "os_days", "known": True}]
    dead = clean.index[clean["os_event"] == "1"][:4] + 1
    status, out, _, folder = run(config, setting(clean, "os_days", dict.fromkeys(dead, "")))
    assert status == 1
    found = pd.read_csv(folder / "findings.csv", dtype=str).set_index("check")
    assert found.loc["removed_by_outcome", ["count", "total"]].tolist() == ["4", "4"]
    assert "known: {removed_by_outcome: [followed]}" in " ".join(out.split())


def test_a_small_cohort_without_relapses_has_no_false_findings(run, config, clean):
    # Numbers that differ in every one of 12 patients are not the same; an empty column of dates
    # holds no numbers.
    table = clean.iloc[:12].assign(relapse_date="", death_date="", remission_date="")
    _, _, err, folder = run(config, table)
    assert err == ""
    found = set(pd.read_csv(folder / "findings.csv")["check"])
    assert not found & {"identical_covariates", "unreadable_date"}


def test_an_inclusion_rule_must_say_what_becomes_of_missing_values(run, config, clean):
    config["cohort"]["inclusion"] = [{"name": "fit", "column": "ecog", "at_most": 2}]
    status, _, err, _ = run(config, clean)
    assert status == 2
    assert "1 patient(s): row 15" in err
    assert "missing: exclude, or missing: keep" in err


def test_old_patients_are_pooled(run, config, clean):
    table = setting(clean, "age_years", {2: "97", 5: "93"})
    assert "Values of age_years lie outside 18 to 90" in run(config, table)[1]
    config["cohort"]["pool_ages_above"] = 89
    status, out, _, folder = run(config, table)
    # Both count as 90, which is nothing unusual.
    assert (status, "age_years" in out) == (0, False)
    assert "above 89 pooled" in report_of(folder)


# -- nobody can be recognised --------------------------------------------------------------------


def test_small_counts_are_hidden(run, config, clean):
    # ECOG 3: 2 patients, unknown: 1. Sex and prior HMA have no small count over all patients.
    config["cohort"] |= {
        "suppress_below": 5,
        "inclusion": [
            {"name": "not Nord in 2023", "column": "patient_id", "not_one_of": ["P05"]},
            {"name": "known", "column": "age_years", "known": True},
        ],
    }
    status, out, _, folder = run(config, clean)
    page = report_of(folder)
    assert status == 0
    # One patient was removed: neither that number nor the 24 before it is told.
    attrition = cells(section(page, "From all patients to those analysed"))
    assert [row[-1] for row in attrition[1:]] == ["hidden", "hidden", "23"]
    assert "24" not in {word for line in out.splitlines() for word in line.split()}
    table_one = pd.read_csv(folder / "table_one.csv", dtype=str).fillna("")
    ecog = table_one[table_one["covariate"].str.startswith("ECOG")].set_index("level")
    assert ecog.loc["3", "All patients"] == ecog.loc["missing", "All patients"] == "hidden"
    counts = table_one.to_numpy().ravel().tolist()
    assert [c for c in counts if re.match(r"[1-4] \(", c)] == []
    assert [
        c for row in cells(section(page, "Table 1")) for c in row if re.match(r"[1-4] \(", c)
    ] == []
    # 5 patients are alive: with LDAC fewer.
    endpoints = [row[2:4] for row in cells(section(page, "Endpoints"))[1:]]
    assert any("hidden" in row for row in endpoints)
    terminal = [line.split() for line in out.splitlines() if "HMA" in line or "LDAC" in line]
    assert any("hidden" in words for words in terminal)
    missing = cells(section(page, "Missing values"))
    assert all(row[1] in ("hidden", "unknown") for row in missing)


def test_findings_of_few_patients_are_counted_nowhere(run, config, clean):
    # One hemoglobin is unusual, one remission is not known: the rows are told, or they are not.
    table = setting(setting(clean, "hb", {13: "182"}), "remission_date", {16: ""})
    _, out, _, folder = run(config, table)
    assert "patient(s), 4%: row 13 (" in out
    assert sorted(pd.read_csv(folder / "findings.csv", dtype=str)["rows"]) == ["13", "16"]
    config["cohort"]["suppress_below"] = 5
    _, out, _, folder = run(config, table)
    findings = pd.read_csv(folder / "findings.csv", dtype=str)
    assert findings["count"].tolist() == ["under 5", "under 5"]
    assert findings["rows"].isna().all()
    assert out.count("under 5 of ") == 2
    assert out.count("which rows is told without `cohort.suppress_below`") == 2
    assert not re.search("row 1[36]", out)
    # Training tells the same, in words that come from the same findings.
    stated = read_config(folder.parent / "config.yaml")
    plan = TrainingPlan.of(stated, check_cohort(stated))
    assert plan.findings_table.astype(str).to_numpy().tolist() == (
        findings.fillna("").to_numpy().tolist()
    )
    assert not re.search("row 1[36]", "".join(plan.cautions))


def test_a_small_arm_is_not_described(run, config, clean):
    # Three patients, enough for as many folds, and too few to be told apart.
    table = clean.assign(regimen=["HMA" if row in (6, 12, 18) else "LDAC" for row in clean.index])
    config["cohort"]["suppress_below"] = 5
    _, out, _, folder = run(config, table)
    page = report_of(folder)
    assert pd.read_csv(folder / "table_one.csv").columns.tolist() == [
        "covariate", "level", "All patients",
    ]  # fmt: skip
    assert not re.search(r"\bHMA +3\b", out)
    assert "HMA hidden, LDAC hidden" in page
    assert {row[1] for row in cells(section(page, "Endpoints"))[1:]} == {"All patients"}


def test_fewer_patients_than_may_be_told(run, config, clean):
    config["cohort"]["suppress_below"] = 20
    status, _, err, folder = run(config, clean.iloc[:15])
    assert status == 2
    assert "Fewer patients than the smallest count that may be shown" in err
    assert list(folder.iterdir()) == []


def test_no_value_of_a_patient_is_told(run, config, clean):
    # One finding of each kind about patients who carry values that nothing else can produce.
    planted = {
        "patient_id": "ZQ-4711", "hb": "187.31", "wbc": "13.579", "start_date": "2021-07-13",
        "remission_date": "", "relapse_date": "2021-08-29", "death_date": "2022-02-03",
        "os_days": "205.25", "efs_days": "207.75", "bm_blasts": "37.913",
    }  # fmt: skip
    table = clean.assign(remark="", phone="")
    for column, value in (planted | {"remark": "Zqwxy", "phone": "+49-30-123"}).items():
        table.loc[15, column] = value
    status, out, err, folder = run(config, table)
    findings = pd.read_csv(folder / "findings.csv", dtype=str)
    assert status == 1
    assert {"endpoint_order", "relapse_without_remission", "unusual_value"} <= set(
        findings["check"]
    )
    told = out + err + report_of(folder)
    told += "".join((folder / name).read_text("utf-8") for name in FILES[1:])
    sentinels = {*planted.values(), "Zqwxy", "+49-30-123"} - {""}
    assert [value for value in sentinels if value in told] == []
    assert [value for value in clean["patient_id"] if value in told] == []
    assert [value for value in clean["start_date"] if value in told] == []


# -- other sources -------------------------------------------------------------------------------


def test_redcap(run, config, clean, tmp_path):
    (tmp_path / "dictionary.csv").write_text(
        "Variable / Field Name,Form Name,Field Type,Field Label,"
        '"Choices, Calculations, OR Slider Labels",Identifier?\n'
        "patient_id,base,text,Record,,\n"
        "surname,base,text,Surname,,y\n"
        'sex,base,radio,Sex,"1, Male | 2, Female",\n'
        + "".join(f"{name},base,text,{name},,\n" for name in clean.columns[3:] if name != "sex")
        + 'arm,base,radio,Regimen,"1, VEN-AZA | 2, VEN-LDAC",\n',
        "utf-8",
    )
    export = clean.drop(columns=["center", "regimen"]).assign(
        redcap_data_access_group=clean["center"],
        surname="Zqwxy",
        sex=clean["sex"].map({"M": "1", "F": "2"}),
        arm=clean["regimen"].map({"HMA": "1", "LDAC": "2"}),
        base_complete="2",
    )
    export.to_csv(tmp_path / "export.csv", index=False)
    del config["cohort"]["path"]
    config["cohort"]["source"] = {
        "kind": "redcap", "export": "export.csv", "dictionary": "dictionary.csv",
    }  # fmt: skip
    columns = config["cohort"]["columns"]
    columns["regimen"] = {
        "column": "arm", "values": {1: "HMA", 2: "LDAC"}, "reference_arm": "LDAC",
    }  # fmt: skip
    columns["covariates"]["sex"] = {"column": "sex", "values": {1: "M", 2: "F"}}
    status, out, err, folder = run(config)
    assert (status, err) == (0, "")
    page = report_of(folder)
    assert "HMA 12, LDAC 12" in page
    assert "Zqwxy" not in out + page
    # A code that is no choice of its field.
    export.assign(sex="3").to_csv(tmp_path / "export.csv", index=False)
    status, _, err, _ = run(config)
    assert status == 2
    assert "A value is not among the choices of its field" in err


def cbioportal(clean):
    """A clinical file of the clean patients, months from diagnosis, treated after two months."""
    months = (clean["os_days"].astype(float) * 12 / 365.25 + 2).round(3)
    table = pd.DataFrame(
        {
            "PATIENT_ID": clean["patient_id"],
            "AGE": clean["age_years"],
            "SEX": clean["sex"].map({"M": "Male", "F": "Female"}),
            "REGIMEN": clean["regimen"],
            "BLASTS": clean["bm_blasts"],
            "VEN_MONTHS": "2",
            "OS_STATUS": clean["os_event"].map({"1": "1:DECEASED", "0": "0:LIVING"}),
            "OS_MONTHS": months.astype(str),
        }
    )
    comments = "#a\n#b\n#STRING\n#1\n"
    return comments + table.to_csv(index=False, sep="\t")


def cbioportal_config(config, **source):
    config["cohort"] = {
        "source": {"kind": "cbioportal", "patients": "patients.txt", **source},
        "name": "study",
        "columns": {
            "patient_id": "PATIENT_ID",
            "regimen": {
                "column": "REGIMEN", "values": {"HMA": "HMA", "LDAC": "LDAC"},
                "reference_arm": "LDAC",
            },
            "covariates": {
                "age_years": "AGE", "bm_blasts_percent": "BLASTS",
                "sex": {"column": "SEX", "values": {"Male": "M", "Female": "F"}},
            },
            "endpoints": {
                "os": {"label": "OS", "time": "OS_MONTHS", "event": "OS_STATUS", "unit": "months"}
            },
        },
    }  # fmt: skip
    return config | {"covariates": ["age_years", "sex", "bm_blasts_percent"]}


def test_cbioportal_from_the_index_date(run, config, clean, tmp_path):
    (tmp_path / "patients.txt").write_text(cbioportal(clean), "utf-8")
    status, out, err, folder = run(cbioportal_config(config, origin="index"))
    assert (status, err) == (0, "")
    assert "study: 24 patients" in out
    (overall, *_) = cells(section(report_of(folder), "Endpoints"))[1:]
    assert overall[:4] == ["OS", "All patients", "24", "18"]


def test_cbioportal_from_diagnosis_without_the_delay(run, config, clean, tmp_path):
    (tmp_path / "patients.txt").write_text(cbioportal(clean), "utf-8")
    status, _, err, _ = run(cbioportal_config(config))
    assert status == 2
    assert "OS_MONTHS runs from diagnosis" in err


def test_cbioportal_with_an_impossible_delay(run, config, clean, tmp_path):
    # The first patient was followed for 10.049 months, 245 days and 2 months.
    text = cbioportal(clean).replace("\t2\t1:DECEASED\t10.049", "\t11\t1:DECEASED\t10.049")
    (tmp_path / "patients.txt").write_text(text, "utf-8")
    status, _, err, _ = run(cbioportal_config(config, start_offset_column="VEN_MONTHS"))
    assert status == 2
    assert "A start offset is impossible" in err


def test_regimens_from_drug_records(run, config, clean, tmp_path):
    companion = clean["regimen"].map({"HMA": "azacitidine", "LDAC": "cytarabine"})
    drugs = pd.concat(
        [
            clean[["patient_id", "start_date"]].assign(drug="Venclexta", dose=""),
            clean[["patient_id", "start_date"]].assign(drug=companion, dose="20"),
        ]
    )
    # The seventh patient had no venetoclax, the eighth high-dose cytarabine.
    drugs = drugs[(drugs["patient_id"] != "P07") | (drugs["drug"] != "Venclexta")]
    drugs.loc[(drugs["patient_id"] == "P08") & (drugs["drug"] == "cytarabine"), "dose"] = "1000"
    drugs.to_csv(tmp_path / "drugs.csv", index=False)
    config["cohort"]["columns"]["regimen"] = {
        "drugs": {
            "path": "drugs.csv", "patient_id": "patient_id", "drug": "drug",
            "start": "start_date", "dose": "dose", "dose_unit": "mg/m2",
        },
        "reference_arm": "LDAC",
    }  # fmt: skip
    table = setting(clean.drop(columns="regimen"), "hb", {13: "182"})
    status, out, err, folder = run(config, table)
    assert (status, err) == (0, "")
    assert "broken tables: 22 patients" in out
    assert "Regimens from drug records" in out
    assert "cytarabine above the low dose" in out
    # Rows stay those of the file, though two patients before were left out.
    assert pd.read_csv(folder / "findings.csv", dtype=str)["rows"].tolist() == ["13"]
    config["cohort"]["suppress_below"] = 5
    _, out, _, _ = run(config, table)
    counts = out.split("Regimens from drug records")[1].split("Endpoints")[0].splitlines()
    assert "hidden" in "".join(counts)
    assert not any(re.search(r"\b1 *$", line) for line in counts)
