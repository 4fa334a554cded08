"""Covariates derived from the dictionary's columns, each under its clinical sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.columns import Columns, is_known, plain_columns
from features.covariates.dictionary import Covariate
from features.covariates.genetic_risk import RISKS, read_genetic_risk
from features.errors import InputError, Problem, did_you_mean, name_some

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Derivation:
    """A covariate computed from others: its dictionary line, its inputs and the rule."""

    covariate: Covariate
    inputs: tuple[str, ...]
    derive: Callable[[Columns], np.ndarray]


def _derive_log_wbc(columns: Columns) -> np.ndarray:
    # White cells act on a log scale; 0.1 is the lowest count that laboratories report.
    return np.log10(np.maximum(columns["wbc_1e9_per_l"], 0.1))


def _derive_disease_group(columns: Columns) -> np.ndarray:
    # ALL is not AML: B-ALL, T-ALL and ETP-ALL form one group, MPAL stands alone.
    def group(disease: str) -> str:
        return "AML" if disease.startswith("AML") else "MPAL" if disease == "MPAL" else "ALL"

    disease = columns["disease"]
    groups = np.full(len(disease), None, dtype=object)
    for name in dict.fromkeys(disease[is_known(disease)]):
        groups[disease == name] = group(name)
    return groups


def _derive_secondary_aml(columns: Columns) -> np.ndarray:
    # Secondary and therapy-related AML do worse than de novo; other diseases count as no.
    disease = columns["disease"]
    secondary = (disease == "AML secondary") | (disease == "AML therapy-related")
    return _flag(secondary, is_known(disease))


def _derive_refractory_or_early_relapse(columns: Columns) -> np.ndarray:
    # Refractory disease and a first remission under 12 months share the poor prognosis.
    status, months = columns["rr_status"], columns["cr1_months"]
    refractory = status == "refractory"
    return _flag(refractory | (months < 12), refractory | (is_known(status) & is_known(months)))


def _derive_relapse_timing(columns: Columns) -> np.ndarray:
    # A relapse within 12 months of the first remission is early, from 12 months on late; refractory
    # disease stands alone, however long an earlier remission was.
    status, months = columns["rr_status"], columns["cr1_months"]
    timing = np.full(len(status), None, dtype=object)
    timing[status == "refractory"] = "refractory"
    timing[(status == "relapsed") & (months < 12)] = "early relapse"
    timing[(status == "relapsed") & (months >= 12)] = "late relapse"
    return timing


def _genetic_risk(scheme: str) -> Derivation:
    # The rules and their clinical sentences stand in configs/genetic_risk.yaml.
    rules = read_genetic_risk()[scheme]
    return Derivation(
        Covariate(name=scheme, label=rules.label, kind="category", vocabulary=RISKS),
        rules.inputs,
        lambda columns: rules.risk_of(columns),
    )


def _any_mutated(*names: str) -> Callable[[Columns], np.ndarray]:
    # Mutated when any is; unmutated only when all were tested.
    def derive(columns: Columns) -> np.ndarray:
        tested = np.array([columns[name] for name in names])
        mutated = (tested == 1).any(axis=0)
        return _flag(mutated, mutated | ~np.isnan(tested).any(axis=0))

    return derive


def _flag(holds: np.ndarray, known: np.ndarray) -> np.ndarray:
    """1 where it holds, 0 where not, NaN where that is not known."""
    return np.where(known, holds.astype(float), np.nan)


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
    import pandas as pd

    names = list(names)
    derived = derive_columns(
        plain_columns(table), [n for n in names if n not in dictionary], dictionary
    )
    return pd.DataFrame(
        {
            n: pd.Series(derived[n], table.index, dtype=derived[n].dtype)
            if n in derived
            else table[n]
            for n in names
        },
        index=table.index,
    )


def derive_columns(
    columns: Columns, names: Iterable[str], dictionary: Mapping[str, Covariate]
) -> dict[str, np.ndarray]:
    """As `derive_covariates`, of plain columns."""
    return {n: columns[n] if n in dictionary else DERIVATIONS[n].derive(columns) for n in names}
