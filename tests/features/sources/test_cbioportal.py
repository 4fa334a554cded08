import pytest

from features.errors import InputError
from features.sources.cbioportal import CbioportalSource, read_cbioportal

COMMENTS = "#name\n#description\n#STRING\n#1\n"
PATIENTS = (
    COMMENTS
    + """PATIENT_ID\tSEX\tOS_STATUS\tOS_MONTHS\tDFS_STATUS\tDFS_MONTHS\tSMOKING_STATUS\tVEN_MONTHS
P1\tMale\t1:DECEASED\t24.5\t1:Recurred/Progressed\t20\t1: never\t18
P2\t"F"\t0:LIVING\t12\t\t\tformer\t2.5
P3\tFemale\tLIVING\t3\t0:DiseaseFree\t3\t[Not Available]\t
"""
)
SAMPLES = (
    COMMENTS + "PATIENT_ID\tSAMPLE_ID\tTMB\nP1\tP1-b\t3\nP1\tP1-a\t5\nP2\tP2-a\t[Not Applicable]\n"
)


def read(folder, patients=PATIENTS, samples=None, **fields):
    (folder / "p.txt").write_text(patients, encoding="utf-8")
    if samples:
        (folder / "s.txt").write_text(samples, encoding="utf-8")
        fields["samples"] = "s.txt"
    if not {"origin", "start_offset_column"} & set(fields):
        fields["start_offset_column"] = "VEN_MONTHS"
    return read_cbioportal(CbioportalSource(patients="p.txt", **fields), folder)


def refused(folder, *args, **fields):
    with pytest.raises(InputError) as error:
        read(folder, *args, **fields)
    (problem,) = error.value.problems
    return problem


def cells(table, name):
    return [None if cell != cell else cell for cell in table[name]]


def test_a_status_keeps_its_code_and_months_stay(tmp_path):
    table = read(tmp_path)
    assert cells(table, "OS_STATUS") == ["1", "0", "0"]
    assert cells(table, "DFS_STATUS") == ["1", None, "0"]
    assert cells(table, "OS_MONTHS") == ["24.5", "12", "3"]
    # No months beside it: not a survival status.
    assert cells(table, "SMOKING_STATUS") == ["1: never", "former", None]
    # A quotation mark is a character in these files.
    assert cells(table, "SEX") == ["Male", '"F"', "Female"]


def test_the_clock_starts_at_diagnosis_with_an_offset(tmp_path):
    table = read(tmp_path)
    assert table.attrs == {"time_origin": "diagnosis", "start_offset_column": "VEN_MONTHS"}
    assert read(tmp_path, origin="index").attrs == {"time_origin": "index"}


@pytest.mark.parametrize(
    "fields",
    [{"origin": None}, {"origin": "index", "start_offset_column": "VEN_MONTHS"}],
)
def test_the_start_must_be_stated(tmp_path, fields):
    problem = refused(tmp_path, **fields)
    assert "OS_MONTHS runs from diagnosis" in problem.what
    assert "as time from venetoclax it carries immortal time" in problem.what
    assert "delayed entry" in problem.remedy


@pytest.mark.parametrize(
    ("value", "how"),
    [
        ("25\n", "after OS_MONTHS"),
        ("-1\n", "not months, 0 or more"),
        ("2024-01-01\n", "not months, 0 or more"),
    ],
)
def test_an_impossible_offset(tmp_path, value, how):
    # A patient who starts after the end of his own follow-up was never at risk.
    patients = PATIENTS.replace("1: never\t18\n", "1: never\t" + value)
    patients = patients.replace("\t1:Recurred/Progressed\t20", "\t\t")
    problem = refused(tmp_path, patients)
    assert problem.what == f"A start offset is impossible: {how}"
    assert problem.got == value.strip()
    assert "1 patient(s): row 1 (" in problem.where


def test_an_offset_column_that_is_not_there(tmp_path):
    problem = refused(tmp_path, start_offset_column="VEN_MONTH")
    assert problem.got == "VEN_MONTH"
    assert "did you mean 'VEN_MONTHS'" in problem.remedy


def test_samples_join_their_patient(tmp_path):
    table = read(tmp_path, samples=SAMPLES, several_samples="first")
    assert cells(table, "SAMPLE_ID") == ["P1-b", "P2-a", None]
    assert cells(table, "TMB") == ["3", None, None]
    assert table.attrs["time_origin"] == "diagnosis"


@pytest.mark.parametrize(
    ("samples", "what", "got"),
    [
        (SAMPLES, "Patients have several samples", "1 patient(s)"),
        (COMMENTS + "PATIENT_ID\tSAMPLE_ID\nP9\tP9-a\n",
         "Samples belong to no patient of the patient file", ""),
        (COMMENTS + "PATIENT_ID\tSEX\nP1\tMale\n", "A column stands in both files", "SEX"),
    ],
)  # fmt: skip
def test_samples_that_do_not_join(tmp_path, samples, what, got):
    problem = refused(tmp_path, samples=samples)
    assert (problem.what, problem.got) == (what, got)


@pytest.mark.parametrize(
    ("patients", "what"),
    [
        (PATIENTS.removeprefix("#name\n"), "Not a cBioPortal clinical file"),
        ("Patient ID\tSex\nP1\tM\n", "Not a cBioPortal clinical file"),
        (PATIENTS.replace("\t", ","), "Not a cBioPortal clinical file"),
        (PATIENTS.replace("P2\t", "P1\t"), "A patient stands in several rows"),
        (PATIENTS.replace("P2\t", "\t"), "Rows have no PATIENT_ID"),
        (PATIENTS.replace("1:DECEASED", "dead"), "A status has no code"),
        (PATIENTS.replace("P2\t", "P2\tx\t"), "The table cannot be read"),
        (COMMENTS + "PATIENT_ID\tSEX\n", "The table holds no patient"),
    ],
)
def test_what_is_no_clinical_file(tmp_path, patients, what):
    assert refused(tmp_path, patients).what == what


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError) as error:
        read_cbioportal(CbioportalSource(patients="none.txt", origin="index"), tmp_path)
    assert error.value.problems[0].what == "No such table"


@pytest.mark.parametrize(
    ("now", "contrary"),
    [("0:LIVING", "1:LIVING"), ("1:DECEASED", "0:DECEASED"), ("0:DiseaseFree", "1:DiseaseFree"),
     ("1:Recurred/Progressed", "0:Recurred/Progressed"), ("0:LIVING", "1: Alive")],
)  # fmt: skip
def test_words_that_contradict_their_code(tmp_path, now, contrary):
    column = "DFS_STATUS" if "e" in now else "OS_STATUS"
    patients = PATIENTS.replace(now, contrary)
    problem = refused(tmp_path, patients)
    assert problem.what == "The words of a status contradict its code"
    assert f"column {column}" in problem.where
    assert "1 patient(s): row " in problem.where
    assert problem.got == contrary.strip()
    assert "`status_by: words`" in problem.remedy
    row = PATIENTS.splitlines()[5:].index(next(x for x in PATIENTS.splitlines() if now in x))
    for status_by, code in (("words", now[0]), ("codes", contrary[0])):
        assert cells(read(tmp_path, patients, status_by=status_by), column)[row] == code


@pytest.mark.parametrize(
    ("now", "other"),
    [("0:DiseaseFree", "0:DECEASED"), ("1:Recurred/Progressed", "1:DEAD WITH TUMOR"),
     ("0:LIVING", "0:ALIVE OR DEAD TUMOR FREE"), ("0:DiseaseFree", "1:ALIVE WITH DISEASE")],
)  # fmt: skip
def test_words_that_may_well_stand_behind_their_code(tmp_path, now, other):
    column = "OS_STATUS" if now == "0:LIVING" else "DFS_STATUS"
    assert other[0] in cells(read(tmp_path, PATIENTS.replace(now, other)), column)
