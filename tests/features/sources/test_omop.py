import sqlite3
from contextlib import closing

import pytest

from features.errors import InputError
from features.sources.omop import OmopSource, read_omop

TABLES = """
CREATE TABLE person (person_id integer, gender_concept_id integer, year_of_birth integer,
    month_of_birth integer, day_of_birth integer, care_site_id integer);
CREATE TABLE drug_exposure (person_id integer, drug_concept_id integer,
    drug_exposure_start_date date);
CREATE TABLE concept_ancestor (ancestor_concept_id integer, descendant_concept_id integer);
CREATE TABLE concept (concept_id integer, concept_code varchar(50), vocabulary_id varchar(20));
CREATE TABLE measurement (measurement_id integer, person_id integer,
    measurement_concept_id integer, measurement_date date, value_as_number numeric,
    unit_concept_id integer);
CREATE TABLE death (person_id integer, death_date date);
CREATE TABLE observation_period (person_id integer, observation_period_end_date date);

-- Products (90 to 93) under their ingredients, which are their own descendants.
INSERT INTO concept_ancestor VALUES (35604205, 35604205), (35604205, 90), (1314865, 91),
    (19024728, 92), (1311078, 93);
INSERT INTO concept VALUES (3000963, '718-7', 'LOINC'), (3000905, '6690-2', 'LOINC'),
    (3016723, '2160-0', 'LOINC'), (8713, 'g/dL', 'UCUM'), (8848, '10*3/uL', 'UCUM'),
    (8636, 'g/L', 'UCUM');

-- 1: azacitidine on day 28 after, two lab values, dead. 2: decitabine on day 29 before, so no
-- companion; lab 31 days old. 3: cytarabine and azacitidine, birthday on the index date, lab on
-- it. 4: never venetoclax. 5: nothing else known.
INSERT INTO person VALUES (1, 8507, 1960, 6, 15, 10), (2, 8532, 1950, NULL, NULL, 10),
    (3, 0, 1970, 3, 1, 11), (4, 8507, 1940, 1, 1, 11), (5, 8532, 1955, 12, 31, NULL);
INSERT INTO drug_exposure VALUES
    (1, 90, '2024-03-01'), (1, 90, '2024-02-01'), (1, 91, '2024-02-29'),
    (2, 35604205, '2024-01-30'), (2, 92, '2024-01-01'),
    (3, 90, '2024-03-01'), (3, 93, '2024-03-01'), (3, 91, '2024-02-20'), (3, 91, '2023-01-01'),
    (4, 91, '2024-01-01'), (5, 90, '2024-01-01');
INSERT INTO measurement VALUES
    (1, 1, 3000963, '2024-01-20', 8.5, 8713), (2, 1, 3000963, '2024-01-31', 9.5, 8713),
    (3, 1, 3000963, '2024-02-02', 7.0, 8713), (4, 1, 3000905, '2024-01-31', 1.4, 8848),
    (5, 2, 3000963, '2023-12-30', 10.1, 8713), (6, 3, 3000963, '2024-03-01', 8.0, 8713),
    (7, 3, 3000905, '2024-02-28', NULL, 8848), (8, 3, 3016723, '2024-02-28', 1.1, 0),
    (9, 1, 3000963, '2024-01-31', 9.0, 8713);
INSERT INTO death VALUES (1, '2024-12-24');
INSERT INTO observation_period VALUES (1, '2023-01-01'), (1, '2024-12-24'), (2, '2025-01-01'),
    (3, '2024-08-08'), (4, '2025-01-01');
"""

EXPECTED = {
    "person_id": ["1", "2", "3", "5"],
    "center": ["10", "10", "11", None],
    "sex": ["M", "F", None, "F"],
    # 1960-06-15 to 2024-02-01: 63. Year alone: 2024 - 1950. The birthday itself counts: 54.
    "age_years": ["63", "74", "54", "68"],
    "index_date": ["2024-02-01", "2024-01-30", "2024-03-01", "2024-01-01"],
    "azacitidine": ["1", "0", "1", "0"],
    "decitabine": ["0", "0", "0", "0"],
    "cytarabine": ["0", "0", "1", "0"],
    "companion_drugs": ["azacitidine", "none", "azacitidine+cytarabine", "none"],
    "death_date": ["2024-12-24", None, None, None],
    "last_observation_date": ["2024-12-24", "2025-01-01", "2024-08-08", None],
    # Of two values on the day before, the later measurement_id; day 31 is too old.
    "hemoglobin_value": ["9", None, "8", None],
    "hemoglobin_unit": ["g/dL", None, "g/dL", None],
    "wbc_value": ["1.4", None, None, None],
    "creatinine_value": [None, None, "1.1", None],
    "creatinine_unit": [None, None, None, None],
}


def check(table):
    found = {name: [None if c is None or c != c else c for c in table[name]] for name in EXPECTED}
    # PostgreSQL writes numeric 9.0 with its decimals, SQLite without.
    for name in ("hemoglobin_value", "wbc_value", "creatinine_value"):
        found[name] = [c and f"{float(c):g}" for c in found[name]]
    assert found == EXPECTED
    assert not [name for name in table if name.endswith(("_before", "_after", "_of_birth"))]


@pytest.fixture
def sqlite_folder(tmp_path):
    with closing(sqlite3.connect(tmp_path / "cdm.db")) as connection:
        connection.executescript(TABLES)
    return tmp_path


def test_the_query_on_sqlite(sqlite_folder):
    check(read_omop(OmopSource(url="sqlite:///cdm.db"), sqlite_folder))


def test_the_query_on_postgresql_in_a_schema_of_its_own(postgres, tmp_path, monkeypatch):
    import psycopg

    monkeypatch.setenv("CDM_PASSWORD", postgres["password"])
    with psycopg.connect(
        user=postgres["user"], password=postgres["password"], host=postgres["host"],
        port=postgres["port"], dbname=postgres["database"],
    ) as connection:  # fmt: skip
        connection.execute("CREATE SCHEMA cdm; SET search_path TO cdm; " + TABLES)
    url = (
        f"postgresql+psycopg://{postgres['user']}:${{CDM_PASSWORD}}@{postgres['host']}:"
        f"{postgres['port']}/{postgres['database']}?options=-csearch_path%3Dcdm"
    )
    check(read_omop(OmopSource(url=url), tmp_path))


def test_the_windows_can_be_changed(sqlite_folder):
    source = OmopSource(url="sqlite:///cdm.db", companion_days=29, lab_days=31)
    table = read_omop(source, sqlite_folder).set_index("person_id")
    assert table.loc["2", "decitabine"] == "1"
    assert table.loc["2", "hemoglobin_value"] == "10.1"


def test_two_units_of_one_lab_are_refused(sqlite_folder):
    with closing(sqlite3.connect(sqlite_folder / "cdm.db")) as connection:
        connection.execute("UPDATE measurement SET unit_concept_id = 8636 WHERE person_id = 3")
        connection.commit()
    with pytest.raises(InputError) as error:
        read_omop(OmopSource(url="sqlite:///cdm.db"), sqlite_folder)
    (problem,) = error.value.problems
    assert problem.what == "A lab stands in several units"
    assert problem.got == "g/dL: 1 patient(s), g/L: 1 patient(s)"


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("SELECT 1 AS person_id", "The table has no such column"),
        ("SELECT '01.02.2024' AS index_date, 1 AS person_id, 1 AS year_of_birth, "
         "1 AS month_of_birth, 1 AS day_of_birth, NULL AS azacitidine_before, "
         "NULL AS azacitidine_after, NULL AS decitabine_before, NULL AS decitabine_after, "
         "NULL AS cytarabine_before, NULL AS cytarabine_after", "Not a date"),
    ],
)  # fmt: skip
def test_a_query_of_ones_own_must_give_what_is_derived_from(sqlite_folder, query, what):
    (sqlite_folder / "own.sql").write_text(query)
    with pytest.raises(InputError) as error:
        read_omop(OmopSource(url="sqlite:///cdm.db", query_file="own.sql"), sqlite_folder)
    assert {problem.what for problem in error.value.problems} == {what}
