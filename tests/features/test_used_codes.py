"""A word that the configuration uses as a code is that code, whatever the table comes from."""

import sqlite3
from contextlib import closing

import pandas as pd
import pytest
import yaml
from openpyxl import Workbook

from features.cohort import CohortColumns
from features.covariates.dictionary import read_dictionary
from features.covariates.missing_words import MissingWords, merged
from features.errors import InputError
from features.guard.settings import Guard
from features.inclusion import InclusionRule
from features.regimens.drug_regimens import DrugRecords
from features.sources.cbioportal import CbioportalSource, read_cbioportal
from features.sources.redcap import RedcapSource, read_redcap
from features.used_codes import drug_codes, used_codes
from models.patients import known_codes
from pipelines.cohort.reading import check_cohort, load_table
from pipelines.config import read_config

ROWS = [  # `None` is a drug that was not given, `NA` a site; an empty cell is not known
    (60, "None", "NA", "7,5", 5.5, "None", "x"),
    (71, "A", "EU", "8", 3.0, "event", "y"),
    (55, "", "NA", "", 8.5, "None", ""),
    (66, "None", "EU", "10,25", 9.0, "event", "NA"),
    (49, "A", "EU", "9", 2.5, "None", "y"),
    (62, "A", "NA", "9,5", 7.0, "event", "x"),
]
NAMES = ["age_years", "drug", "site_code", "hb", "os", "dead", "unused"]


def configuration(folder, source):
    (folder / "c.yaml").write_text(yaml.safe_dump({
        "cohort": {
            "source": source,
            "columns": {
                "regimen": {"column": "site_code", "values": {"NA": "HMA", "EU": "LDAC"},
                            "reference_arm": "LDAC"},
                "covariates": {"hb_g_per_l": {"column": "hb", "unit": "g/dL"},
                               "companion": {"column": "drug", "values": {"None": "no", "A": "A"}}},
                "endpoints": {"os": {"label": "OS", "time": "os", "event": "dead", "unit": "months",
                                     "event_values": ["event"], "censored_values": ["None"]}},
            },
        },
        "dictionary": [{"name": "companion", "label": "Companion", "kind": "category",
                        "vocabulary": ["no", "A"]}],
        "endpoint": "os",
        "covariates": ["age_years", "hb_g_per_l", "companion"],
    }))  # fmt: skip
    return read_config(folder / "c.yaml")


def every_source(folder):
    table = pd.DataFrame(ROWS, columns=NAMES)
    points = table.assign(hb=table["hb"].str.replace(",", "."))
    table.to_csv(folder / "a.csv", sep=";", decimal=",", encoding="utf-16")
    yield {"kind": "file", "path": "a.csv", "separator": ";", "decimal": ",", "encoding": "utf-16"}
    points.to_csv(folder / "b.tsv", sep="\t", index=False)
    yield {"kind": "file", "path": "b.tsv"}
    table.to_parquet(folder / "c.parquet")
    yield {"kind": "file", "path": "c.parquet", "decimal": ","}
    points.to_json(folder / "d.json", orient="records")
    yield {"kind": "file", "path": "d.json"}
    book = Workbook()
    for row in [NAMES, *ROWS]:
        book.active.append(row)
    book.create_sheet("other").append(["x"])
    book.save(folder / "e.xlsx")
    yield {"kind": "file", "path": "e.xlsx", "decimal": ",", "sheet": "Sheet"}
    with closing(sqlite3.connect(folder / "f.db")) as database:
        points.to_sql("t", database, index=False)
    yield {"kind": "sql", "url": "sqlite:///f.db", "query": "SELECT * FROM t"}


def test_every_source_gives_the_same_cohort(tmp_path):
    found = set()
    for source in every_source(tmp_path):
        cohort = check_cohort(configuration(tmp_path, source)).cohort
        companion = cohort.inputs["companion"]
        assert [c for c in companion if c == c and c] == ["no", "A", "no", "A", "A"], source
        assert cohort.inputs["hb_g_per_l"].dropna().tolist() == [75, 80, 102.5, 90, 95]
        assert list(cohort.regimen) == ["HMA", "LDAC", "HMA", "LDAC", "LDAC", "HMA"]
        assert cohort.outcomes["OS"].n_events == 3
        found.add(cohort.fingerprint)
    assert len(found) == 1


def test_a_column_without_such_a_code_keeps_its_missing_words(tmp_path):
    table, _ = load_table(configuration(tmp_path, list(every_source(tmp_path))[1]))
    assert table["unused"].isna().tolist() == [False, False, True, True, False, False]


def test_a_missing_word_that_is_a_code_is_refused(tmp_path):
    source = {**list(every_source(tmp_path))[1], "missing": ["NA"]}
    with pytest.raises(InputError, match="A word is stated as missing and as a code") as error:
        load_table(configuration(tmp_path, source))
    assert [p.where for p in error.value.problems] == ["column site_code"]


def test_where_codes_stand():
    columns = CohortColumns.model_validate({
        "regimen": {"column": "arm", "values": {0: "HMA", "None": "LDAC"}, "reference_arm": "LDAC"},
        "covariates": {"sex": {"column": "gender", "values": {"m": "M"}}, "azole": "antifungal"},
        "endpoints": {
            "os": {"label": "OS", "time": "t", "event": "e", "unit": "days", "event_values": "NA",
                   "competing_values": 2},
            "rfs": {"label": "RFS", "origin": "o", "population": {"best": ["CR"]},
                    "events": [{"date": "relapse", "when": {"kind": ["None"]}}]},
        },
        "response": {"column": "best", "responders": ["CR"], "non_responders": ["NA"]},
    })  # fmt: skip
    rule = InclusionRule(name="first", column="line", not_one_of=["NA"])
    guard = Guard.model_validate({"stage": {"column": "sampled", "values": ["None"]}})
    found = used_codes(columns, read_dictionary(), [rule], guard)
    assert found["arm"] == {"0", "None", "HMA", "LDAC"}
    assert found["gender"] == {"m"}
    assert "none" in found["antifungal"]
    assert {"NA", "2", "0"} <= found["e"]
    assert found["best"] == {"CR", "NA"}
    assert found["kind"] == found["sampled"] == {"None"}
    assert found["line"] == {"NA"}


def test_codes_of_a_drug_table():
    regimen = DrugRecords.model_validate({
        "drugs": {"path": "d.csv", "separator": ";", "patient_id": "p", "drug": "what",
                  "start": "from", "route": "how", "names": {"azacitidine": ["NA"]}},
        "reference_arm": "LDAC", "low_dose_routes": ["None"],
    })  # fmt: skip
    found = drug_codes(regimen, regimen.drugs)
    assert {"NA", "venetoclax", "vidaza"} <= found["what"]
    assert found["how"] == {"None"}


def test_choices_of_redcap_are_codes(tmp_path):
    (tmp_path / "dictionary.csv").write_text(
        "field_name,form_name,field_type,field_label,select_choices_or_calculations,identifier\n"
        'id,f,text,ID,,\ndrug,f,radio,Drug,"NA, None | 1, A",\nhb,f,text,Hb,,\n'
    )
    (tmp_path / "codes.csv").write_text("id;drug;hb\np;NA;7,5\nq;1;NA\nr;;8\n")
    (tmp_path / "labels.csv").write_text("ID,Drug,Hb\np,None,7.5\nq,A,NA\nr,,8\n")
    parts = {"dictionary": "dictionary.csv"}
    codes = RedcapSource(export="codes.csv", separator=";", decimal=",", **parts)
    labels = RedcapSource(export="labels.csv", **parts)
    for source in (codes, labels):
        table = read_redcap(source, tmp_path)
        assert table["drug"].fillna("-").tolist() == ["NA", "1", "-"]
        assert table["hb"].fillna("-").tolist() == ["7.5", "-", "8"]
    shown = read_redcap(labels.model_copy(update={"values": "labels"}), tmp_path)
    assert shown["drug"].fillna("-").tolist() == ["None", "A", "-"]
    with pytest.raises(InputError, match="A word is stated as missing and as a code"):
        read_redcap(codes.model_copy(update={"missing_codes": ("NA",)}), tmp_path,
                    {"drug": frozenset(["NA"])})  # fmt: skip


def test_codes_of_cbioportal(tmp_path):
    head = "#a\n#b\n#c\n#d\nPATIENT_ID\tDRUG\tSITE\n"
    (tmp_path / "p.txt").write_bytes(f"{head}p\tNone\tNone\nq\tunk\té\n".encode("latin-1"))
    source = CbioportalSource(
        patients="p.txt", origin="index", encoding="latin-1", missing=["unk", -9]
    )
    table = read_cbioportal(source, tmp_path, {"DRUG": frozenset(["None"])})
    assert table["DRUG"].fillna("-").tolist() == ["None", "-"]
    assert table["SITE"].fillna("-").tolist() == ["-", "é"]


def test_codes_meet_words_whatever_their_case():
    words = MissingWords(extra=("unk",), codes=merged([{"a": ["none"]}, {"a": ["na"], "b": []}]))
    assert words.in_column("a") == ("", "N/A", "NaN", "nan", "null", "NULL", ".", "unk")
    assert "None" in words.in_column("b")
    assert "None" not in words.anywhere
    # What the user states as missing is missing, where it is no code to the letter.
    stated = MissingWords(extra=("None",), codes={"a": frozenset(["none"])})
    stated.check()
    assert "None" in stated.in_column("a")


def test_a_model_knows_the_codes_of_its_patients(card):
    codes = known_codes(card)
    assert codes["regimen"] >= set(card.arms)
