"""Covariates derived from the dictionary's columns, each under its clinical sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.covariates.dictionary import Covariate
from features.covariates.genetic_risk import RISKS, derive_genetic_risk, read_genetic_risk
from features.errors import InputError, Problem, did_you_mean, name_some


@dataclass(frozen=True)
class Derivation:
    """A covariate computed from others: its dictionary line, its inputs and the rule."""

    covariate: Covariate
    inputs: tuple[str, ...]
    derive: Callable[[pd.DataFrame], pd.Series]


def _derive_log_wbc(table: pd.DataFrame) -> pd.Series:
    # White cells act on a log scale; 0.1 is the lowest count that laboratories report.
    return np.log10(table["wbc_1e9_per_l"].clip(lower=0.1))


def _derive_disease_group(table: pd.DataFrame) -> pd.Series:
    # ALL is not AML: B-ALL, T-ALL and ETP-ALL form one group, MPAL stands alone.
    def group(disease: str | None) -> str | None:
        if disease is None or pd.isna(disease):
            return None
        return "AML" if disease.startswith("AML") else "MPAL" if disease == "MPAL" else "ALL"

    return table["disease"].map(group).astype(object)


def _derive_secondary_aml(table: pd.DataFrame) -> pd.Series:
    # Secondary and therapy-related AML do worse than de novo; other diseases count as no.
    disease = table["disease"]
    secondary = disease.isin(["AML secondary", "AML therapy-related"]).astype(float)
    return secondary.where(disease.notna())


def _derive_refractory_or_early_relapse(table: pd.DataFrame) -> pd.Series:
    # Refractory disease and a first remission under 12 months share the poor prognosis.
    refractory = table["rr_status"] == "refractory"
    early = table["cr1_months"] < 12
    known = refractory | (table["rr_status"].notna() & table["cr1_months"].notna())
    return (refractory | early).astype(float).where(known)


def _derive_relapse_timing(table: pd.DataFrame) -> pd.Series:
    # A relapse within 12 months of the first remission is early, from 12 months on late; refractory
    # disease stands alone, however long an earlier remission was.
    status, months = table["rr_status"], table["cr1_months"]
    timing = np.full(len(table), None, dtype=object)
    timing[status == "refractory"] = "refractory"
    timing[(status == "relapsed") & (months < 12)] = "early relapse"
    timing[(status == "relapsed") & (months >= 12)] = "late relapse"
    return pd.Series(timing, index=table.index, dtype=object)


def _genetic_risk(scheme: str) -> Derivation:
    # The rules and their clinical sentences stand in configs/genetic_risk.yaml.
    rules = read_genetic_risk()[scheme]
    return Derivation(
        Covariate(name=scheme, label=rules.label, kind="category", vocabulary=RISKS),
        rules.inputs,
        lambda table: derive_genetic_risk(table, scheme)[0],
    )


def _any_mutated(*names: str) -> Callable[[pd.DataFrame], pd.Series]:
    # Mutated when any is; unmutated only when all were tested.
    def derive(table: pd.DataFrame) -> pd.Series:
        tested = table[list(names)]
        mutated = (tested == 1).any(axis=1)
        return mutated.astype(float).where(mutated | tested.notna().all(axis=1))

    return derive


DERIVATIONS: dict[str, Derivation] = {
    d.covariate.name: d
    for d in (
        Derivation(
            Covariate(name="log_wbc", label="White blood cells", kind="number", unit="log10 1e9/L"),
            ("wbc_1e9_per_l",),
            _derive_log_wbc,
        ),
        Derivation(
            Covariate(name="disease_group", label="Disease group", kind="category",
                      vocabulary=("AML", "ALL", "MPAL")),
            ("disease",),
            _derive_disease_group,
        ),
        Derivation(
            Covariate(name="secondary_aml", label="Secondary or therapy-related AML", kind="flag"),
            ("disease",),
            _derive_secondary_aml,
        ),
        Derivation(
            Covariate(name="refractory_or_early_relapse", kind="flag",
                      label="Refractory, or first remission under 12 months"),
            ("rr_status", "cr1_months"),
            _derive_refractory_or_early_relapse,
        ),
        Derivation(
            Covariate(name="relapse_timing", label="Refractory, early or late relapse",
                      kind="category", vocabulary=("refractory", "early relapse", "late relapse")),
            ("rr_status", "cr1_months"),
            _derive_relapse_timing,
        ),
        Derivation(
            Covariate(name="mut_ras", label="N/KRAS mutated", kind="flag"),
            ("mut_nras", "mut_kras"),
            _any_mutated("mut_nras", "mut_kras"),
        ),
        Derivation(
            Covariate(name="mut_idh", label="IDH1/2 mutated", kind="flag"),
            ("mut_idh1", "mut_idh2"),
            _any_mutated("mut_idh1", "mut_idh2"),
        ),
        *(_genetic_risk(scheme) for scheme in read_genetic_risk()),
    )
}  # fmt: skip


def needed_inputs(
    names: Iterable[str], dictionary: Mapping[str, Covariate]
) -> dict[str, Covariate]:
    """The dictionary columns that the named covariates are built from.

    Raises
    ------
    InputError
        When a name is neither in the dictionary nor derivable, or is not known at baseline.
    """
    inputs: dict[str, Covariate] = {}
    problems = []
    for name in names:
        wanted = (
            (name,)
            if name in dictionary
            else DERIVATIONS[name].inputs
            if name in DERIVATIONS
            else ()
        )
        if not wanted:
            known = [*dictionary, *DERIVATIONS]
            problems.append(
                Problem(
                    what="Unknown covariate",
                    where="covariates",
                    got=name,
                    allowed="a name from configs/dictionary.yaml, one under `dictionary:`, or "
                    + name_some(DERIVATIONS),
                    remedy=did_you_mean(name, known)
                    + "describe a covariate of your own under `dictionary:`",
                )
            )
        for column in wanted:
            covariate = dictionary[column]
            if covariate.timing != "baseline":
                problems.append(
                    Problem(
                        what="Not a baseline covariate",
                        where="covariates",
                        got=f"{name} ({covariate.timing})",
                        allowed="what is known at the first dose",
                        remedy="take it out: a model that sees the future is no prognosis",
                    )
                )
            inputs[column] = covariate
    if problems:
        raise InputError(problems)
    return inputs


def describe_covariates(
    names: Iterable[str], dictionary: Mapping[str, Covariate]
) -> dict[str, Covariate]:
    """The dictionary line of each named covariate, derived ones included."""
    return {n: dictionary[n] if n in dictionary else DERIVATIONS[n].covariate for n in names}


def derive_covariates(
    table: pd.DataFrame, names: Iterable[str], dictionary: Mapping[str, Covariate]
) -> pd.DataFrame:
    """Build the covariates that a model sees.

    Parameters
    ----------
    table : DataFrame of shape (n, n_inputs)
        As `features.covariates.columns.read_covariates` returns it.
    names : iterable of str
        Covariates of the dictionary, or of DERIVATIONS.

    Returns
    -------
    DataFrame of shape (n, n_names)
        Numbers and flags as float (NaN missing), categories as text (None missing).
    """
    return pd.DataFrame(
        {n: table[n] if n in dictionary else DERIVATIONS[n].derive(table) for n in names},
        index=table.index,
    )
