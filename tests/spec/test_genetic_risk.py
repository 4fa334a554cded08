"""Genetic risk as small tables: patients named for their trap, and the risk each must get."""

import numpy as np
import pandas as pd
import pytest

from features.covariates.derived import DERIVATIONS, derive_covariates
from features.covariates.dictionary import read_dictionary
from features.covariates.genetic_risk import RISKS, derive_genetic_risk, read_genetic_risk
from features.errors import InputError

MISSING = float("nan")
# Everything looked for and nothing found.
NORMAL = {
    "disease": "AML de novo",
    "prior_hma": 0.0,
    **{c: 0.0 for c in DERIVATIONS["eln2022"].inputs if c not in ("disease", "vaf_tp53")},
    "vaf_tp53": MISSING,
    "chr7_abnormal": 0.0,
    "mut_nras": 0.0,
    "mut_kras": 0.0,
}
UNTESTED = {name: MISSING for name in NORMAL} | {"disease": "AML de novo", "prior_hma": 0.0}


def table_of(patients):
    return pd.DataFrame.from_dict(patients, orient="index")


def risks(scheme, patients):
    risk, _ = derive_genetic_risk(table_of(patients), scheme)
    return risk.to_dict()


def notes(scheme, patients):
    _, note = derive_genetic_risk(table_of(patients), scheme)
    return note.to_dict()


def test_eln2022_tp53():
    assert risks(
        "eln2022",
        {
            "TP53 found, nothing else tested": {**UNTESTED, "mut_tp53": 1.0},
            "TP53 outweighs NPM1": {**NORMAL, "mut_tp53": 1.0, "mut_npm1": 1.0},
            "a clone of 10% counts": {**NORMAL, "mut_tp53": 1.0, "vaf_tp53": 0.10},
            "a clone below 10% does not": {**NORMAL, "mut_tp53": 1.0, "vaf_tp53": 0.09},
            "a small clone of TP53 hides no complex karyotype": {
                **NORMAL, "mut_tp53": 1.0, "vaf_tp53": 0.04, "complex_karyotype": 1.0},
            "TP53 not tested, all else normal": {**NORMAL, "mut_tp53": MISSING},
        },
    ) == {
        "TP53 found, nothing else tested": "adverse",
        "TP53 outweighs NPM1": "adverse",
        "a clone of 10% counts": "adverse",
        "a clone below 10% does not": "intermediate",
        "a small clone of TP53 hides no complex karyotype": "adverse",
        "TP53 not tested, all else normal": None,
    }  # fmt: skip


def test_eln2022_cytogenetics():
    no_karyotype = {
        name: MISSING
        for name in ("complex_karyotype", "monosomal_karyotype", "chr5_abnormal", "chr7_abnormal",
                     "inv3", "adverse_karyotype")
    }  # fmt: skip
    assert risks(
        "eln2022",
        {
            "-5 or del(5q)": {**NORMAL, "chr5_abnormal": 1.0},
            "adverse karyotype outweighs NPM1": {
                **NORMAL, "mut_npm1": 1.0, "adverse_karyotype": 1.0},
            "del(7q) alone is not -7": {**NORMAL, "chr7_abnormal": 1.0},
            "-7 or del(7q), which one is not recorded": {
                **NORMAL, "chr7_abnormal": 1.0, "adverse_karyotype": MISSING},
            "no metaphases, NPM1 alone does not make it favorable": {
                **NORMAL, **no_karyotype, "mut_npm1": 1.0},
            "no metaphases, but RUNX1 decides": {**NORMAL, **no_karyotype, "mut_runx1": 1.0},
            "inv(3) found, the summary left empty": {
                **UNTESTED, "inv3": 1.0},
            "only the summary was entered": {**NORMAL, **no_karyotype, "adverse_karyotype": 0.0},
        },
    ) == {
        "-5 or del(5q)": "adverse",
        "adverse karyotype outweighs NPM1": "adverse",
        "del(7q) alone is not -7": "intermediate",
        "-7 or del(7q), which one is not recorded": None,
        "no metaphases, NPM1 alone does not make it favorable": None,
        "no metaphases, but RUNX1 decides": "adverse",
        "inv(3) found, the summary left empty": "adverse",
        "only the summary was entered": "intermediate",
    }  # fmt: skip


def test_eln2022_genes():
    assert risks(
        "eln2022",
        {
            "nothing found": NORMAL,
            "NPM1 alone": {**NORMAL, "mut_npm1": 1.0},
            "NPM1 with FLT3-ITD": {**NORMAL, "mut_npm1": 1.0, "mut_flt3_itd": 1.0},
            "FLT3-ITD alone": {**NORMAL, "mut_flt3_itd": 1.0},
            "NPM1, FLT3-ITD not tested": {**NORMAL, "mut_npm1": 1.0, "mut_flt3_itd": MISSING},
            "ASXL1 does not count against NPM1": {**NORMAL, "mut_npm1": 1.0, "mut_asxl1": 1.0},
            "ASXL1 counts with NPM1 and FLT3-ITD": {
                **NORMAL, "mut_npm1": 1.0, "mut_flt3_itd": 1.0, "mut_asxl1": 1.0},
            "ASXL1 alone": {**NORMAL, "mut_asxl1": 1.0},
            "ASXL1, NPM1 not tested": {**NORMAL, "mut_asxl1": 1.0, "mut_npm1": MISSING},
            "CEBPA, bZIP or not is not recorded": {**NORMAL, "mut_cebpa": 1.0},
            "CEBPA with NPM1": {**NORMAL, "mut_cebpa": 1.0, "mut_npm1": 1.0},
            "DNMT3A is not among the genes": {**NORMAL, "mut_dnmt3a": 1.0},
        },
    ) == {
        "nothing found": "intermediate",
        "NPM1 alone": "favorable",
        "NPM1 with FLT3-ITD": "intermediate",
        "FLT3-ITD alone": "intermediate",
        "NPM1, FLT3-ITD not tested": None,
        "ASXL1 does not count against NPM1": "favorable",
        "ASXL1 counts with NPM1 and FLT3-ITD": "adverse",
        "ASXL1 alone": "adverse",
        "ASXL1, NPM1 not tested": None,
        "CEBPA, bZIP or not is not recorded": None,
        "CEBPA with NPM1": "favorable",
        "DNMT3A is not among the genes": "intermediate",
    }  # fmt: skip


@pytest.mark.parametrize("scheme", ["eln2024_less_intensive", "mprs"])
def test_the_four_genes(scheme):
    assert risks(
        scheme,
        {
            "none of the four": NORMAL,
            "complex karyotype is not asked": {**NORMAL, "complex_karyotype": 1.0},
            "NPM1 with FLT3-ITD": {**NORMAL, "mut_npm1": 1.0, "mut_flt3_itd": 1.0},
            "KRAS alone": {**NORMAL, "mut_kras": 1.0},
            "TP53 with NRAS": {**NORMAL, "mut_tp53": 1.0, "mut_nras": 1.0},
            "TP53 at any fraction": {**NORMAL, "mut_tp53": 1.0, "vaf_tp53": 0.03},
            "TP53 and nothing else tested": {**UNTESTED, "mut_tp53": 1.0},
            "KRAS, TP53 not tested": {**NORMAL, "mut_kras": 1.0, "mut_tp53": MISSING},
            "NRAS not tested": {**NORMAL, "mut_nras": MISSING},
            "FLT3-ITD found, NRAS not tested": {
                **NORMAL, "mut_flt3_itd": 1.0, "mut_nras": MISSING},
            "no panel": UNTESTED,
        },
    ) == {
        "none of the four": "favorable",
        "complex karyotype is not asked": "favorable",
        "NPM1 with FLT3-ITD": "intermediate",
        "KRAS alone": "intermediate",
        "TP53 with NRAS": "adverse",
        "TP53 at any fraction": "adverse",
        "TP53 and nothing else tested": "adverse",
        "KRAS, TP53 not tested": None,
        "NRAS not tested": None,
        "FLT3-ITD found, NRAS not tested": "intermediate",
        "no panel": None,
    }  # fmt: skip


@pytest.mark.parametrize("scheme", read_genetic_risk())
@pytest.mark.parametrize("disease", ["B-ALL Ph-", "B-ALL Ph+", "T-ALL", "ETP-ALL", "MPAL"])
def test_no_scheme_applies_outside_aml(scheme, disease):
    patients = {"mutated all the same": {**NORMAL, "disease": disease, "mut_tp53": 1.0}}
    assert risks(scheme, patients) == {"mutated all the same": None}
    assert notes(scheme, patients) == {"mutated all the same": "defined for AML only"}


def test_what_limits_eln2024_in_a_patient():
    patients = {
        "untreated by HMA": NORMAL,
        "prior HMA": {**NORMAL, "prior_hma": 1.0},
        "prior HMA not recorded": {**NORMAL, "prior_hma": MISSING},
        "disease not recorded either": {**NORMAL, "prior_hma": 1.0, "disease": None},
    }
    assert notes("eln2024_less_intensive", patients) == {
        "untreated by HMA": "",
        "prior HMA": "does not apply after a prior hypomethylating agent",
        "prior HMA not recorded": "prior hypomethylating agent not recorded; does not apply after "
        "one",
        "disease not recorded either": "does not apply after a prior hypomethylating agent; "
        "disease not recorded; defined for AML only",
    }
    # A warning, not a refusal.
    assert set(risks("eln2024_less_intensive", patients).values()) == {"favorable"}


@pytest.mark.parametrize("scheme", read_genetic_risk())
def test_what_a_scheme_was_made_for_is_said(scheme):
    rules = read_genetic_risk()[scheme]
    assert rules.source
    assert any("diagnos" in caution for caution in rules.cautions)


def test_what_the_dictionary_cannot_express_is_said():
    said = " ".join(read_genetic_risk()["eln2022"].cautions)
    for item in ("t(8;21)", "inv(16)", "t(9;11)", "bZIP", "EZH2", "ZRSR2"):
        assert item in said
    assert "DDX41" in " ".join(read_genetic_risk()["eln2024_less_intensive"].cautions)


@pytest.mark.parametrize("scheme", read_genetic_risk())
def test_a_column_that_is_absent_counts_as_not_tested(scheme):
    without = {"no NPM1, no panel column": {"disease": "AML de novo", "mut_tp53": 1.0}}
    assert risks(scheme, without) == {"no NPM1, no panel column": "adverse"}
    assert risks(scheme, {"nothing": {"disease": "AML de novo"}}) == {"nothing": None}


@pytest.mark.parametrize("scheme", read_genetic_risk())
def test_a_test_done_later_never_turns_a_decided_risk(scheme):
    # A decided risk must be the one found when every result is in.
    rng = np.random.default_rng(7)
    columns = [c for c in NORMAL if c not in ("disease", "prior_hma", "vaf_tp53", "mut_cebpa")]
    full = pd.DataFrame(rng.random((4000, len(columns))) < 0.1, columns=columns).astype(float)
    # The summary holds its parts.
    parts = ["complex_karyotype", "monosomal_karyotype", "chr5_abnormal", "inv3"]
    full["adverse_karyotype"] = full[["adverse_karyotype", *parts]].max(axis=1)
    partly = full.mask(rng.random(full.shape) < 0.1)
    common = {"disease": "AML de novo", "mut_cebpa": 0.0}
    decided, truth = (derive_genetic_risk(t.assign(**common), scheme)[0] for t in (partly, full))
    known = decided.notna()
    assert truth.notna().all()
    assert 0.2 < known.mean() < 1
    assert (decided[known] == truth[known]).all()


@pytest.mark.parametrize("scheme", read_genetic_risk())
def test_the_risk_is_a_derived_covariate(scheme):
    derivation = DERIVATIONS[scheme]
    assert derivation.covariate.vocabulary == RISKS
    assert set(derivation.inputs) <= set(read_dictionary())
    table = table_of({"TP53": {**NORMAL, "mut_tp53": 1.0}})
    assert derive_covariates(table, [scheme], read_dictionary())[scheme].tolist() == ["adverse"]


def test_an_unknown_scheme_is_refused():
    with pytest.raises(InputError, match="eln2022") as error:
        derive_genetic_risk(table_of({"a": NORMAL}), "eln2021")
    assert error.value.problems[0].remedy.startswith("did you mean 'eln2022'?")
