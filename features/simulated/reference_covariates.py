"""Covariates, regimen and missing values of the rebuilt study, from the choices in its YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd


def draw_covariates(
    rng: np.random.Generator, n: int, covariates: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """Draw n patients' baseline covariates, complete except where one does not apply.

    Parameters
    ----------
    rng : Generator
    n : int
        Number of patients.
    covariates : mapping of name to distribution
        In the order in which they are drawn: one that depends on another comes after it.

    Returns
    -------
    DataFrame of shape (n, n_covariates)
    """
    table = pd.DataFrame(index=pd.RangeIndex(n))
    for name, spec in covariates.items():
        values = _draw_one(rng, n, spec, table)
        otherwise = spec.get("otherwise", np.nan)
        for other, allowed in spec.get("only_where", {}).items():
            values = np.where(table[other].isin(allowed), values, otherwise)
        for other, limit in spec.get("only_below", {}).items():
            values = np.where(table[other] < limit, values, otherwise)
        table[name] = values
    return table


def _draw_one(
    rng: np.random.Generator, n: int, spec: Mapping[str, Any], table: pd.DataFrame
) -> np.ndarray:
    kind = spec["distribution"]
    if kind in ("category", "integer"):
        values, shares = zip(*spec["shares"].items(), strict=True)
        rows = rng.choice(len(values), size=n, p=shares)
        return np.array(values, dtype=object if kind == "category" else float)[rows]
    if kind == "flag":
        return (rng.random(n) < _share(spec, table)).astype(float)
    if kind == "share_of":
        whole = table[spec["of"]].to_numpy(dtype=float)
        part = np.round(whole * draw_beta(rng, n, spec["beta"]), spec["decimals"])
        # A part stays within its whole after rounding too.
        return np.minimum(part, whole)
    if kind == "normal":
        drawn = rng.normal(spec["mean"], spec["sd"], size=n)
    elif kind == "lognormal":
        drawn = spec["median"] * np.exp(spec["sdlog"] * rng.standard_normal(n))
    elif kind == "logit_normal":
        odds = spec["median"] / (100.0 - spec["median"])
        odds = odds * np.exp(spec["sd"] * rng.standard_normal(n))
        drawn = 100.0 * odds / (1.0 + odds)
    else:
        raise ValueError(
            f"unknown distribution {kind!r}; use category, integer, flag, share_of, normal, "
            "lognormal or logit_normal"
        )
    return np.round(np.clip(drawn, spec["low"], spec["high"]), spec["decimals"])


def draw_beta(rng: np.random.Generator, n: int, parameters: Sequence[float]) -> np.ndarray:
    """Draw n shares between 0 and 1 from the beta distribution with these two parameters."""
    first, second = parameters
    return rng.beta(first, second, size=n)


def _share(spec: Mapping[str, Any], table: pd.DataFrame) -> np.ndarray | float:
    if "share_by" not in spec:
        return float(spec["share"])
    [(other, shares)] = spec["share_by"].items()
    return table[other].map(shares).to_numpy(dtype=float)


def linear_predictor(
    table: pd.DataFrame, terms: Sequence[Mapping[str, Any]], ratio: str = "hazard_ratio"
) -> np.ndarray:
    """Add up log ratios over the terms; higher is worse for a hazard ratio above 1.

    Parameters
    ----------
    table : DataFrame of shape (n, n_covariates)
        Before missing values are made: an empty value means that the covariate does not apply,
        and adds nothing.
    terms : sequence of mappings
        Each with `covariate` (one name, or several of which any counts), one of `per` (with
        `center`), `above`, `below`, `is`, and the ratio.
    ratio : str
        Which ratio to add up: hazard_ratio, odds_ratio_cr, odds_ratio.

    Returns
    -------
    ndarray of shape (n,)
        Natural logarithm of the ratio against a patient for whom every term is zero.
    """
    total = np.zeros(len(table))
    for term in terms:
        names = [term["covariate"]] if isinstance(term["covariate"], str) else term["covariate"]
        # Of several covariates in one term, any counts, once.
        exposure = np.max([_exposure(table[str(name)], term) for name in names], axis=0)
        total += np.log(term[ratio]) * exposure
    return total


def _exposure(values: pd.Series, term: Mapping[str, Any]) -> np.ndarray:
    if "is" in term:
        return values.isin(term["is"]).to_numpy(dtype=float)
    if "above" in term:
        return (values > term["above"]).to_numpy(dtype=float)
    if "below" in term:
        return (values < term["below"]).to_numpy(dtype=float)
    return ((values - term["center"]) / term["per"]).fillna(0.0).to_numpy(dtype=float)


def assign_regimen(
    rng: np.random.Generator,
    table: pd.DataFrame,
    arm_sizes: Mapping[str, int],
    confounding: Mapping[str, Any],
) -> np.ndarray:
    """Give each patient one of two regimens, with exact arm sizes and the stated confounding.

    The patients with the highest log odds plus a standard logistic draw receive
    `confounding['arm']`, the others the other regimen.

    Returns
    -------
    ndarray of shape (n,), str
    """
    chosen_arm = confounding["arm"]
    [other_arm] = [arm for arm in arm_sizes if arm != chosen_arm]
    log_odds = linear_predictor(table, confounding["terms"], "odds_ratio")
    chosen = highest(log_odds + rng.logistic(size=len(table)), arm_sizes[chosen_arm])
    return np.where(chosen, chosen_arm, other_arm)


def is_confounded_as_documented(
    table: pd.DataFrame,
    regimen: np.ndarray,
    predictor: np.ndarray,
    confounding: Mapping[str, Any],
) -> bool:
    """Whether the drawn cohort shows the confounding that the study file describes."""
    chosen = regimen == confounding["arm"]
    for term in confounding["terms"]:
        values = table[term["covariate"]].to_numpy(dtype=float)
        higher = values[chosen].mean() > values[~chosen].mean()
        if higher != (term["odds_ratio"] > 1):
            return False
    wanted = confounding["standardised_difference"]
    return wanted["low"] <= standardised_difference(predictor, chosen) <= wanted["high"]


def standardised_difference(values: np.ndarray, chosen: np.ndarray) -> float:
    """Mean of the chosen minus mean of the others, in standard deviations of the two groups."""
    spread = np.sqrt((values[chosen].var(ddof=1) + values[~chosen].var(ddof=1)) / 2.0)
    return float((values[chosen].mean() - values[~chosen].mean()) / spread)


def draw_treatment(
    rng: np.random.Generator, regimen: np.ndarray, treatment: Mapping[str, Any]
) -> pd.DataFrame:
    """Draw azole, venetoclax dose and hypomethylating agent for each patient's regimen."""
    n = len(regimen)
    azoles, shares = zip(*treatment["azole"].items(), strict=True)
    azole = rng.choice(azoles, size=n, p=shares)
    dose = np.empty(n)
    for row in range(n):
        # The dose follows the azole; without one it is the full dose of the regimen.
        amount = treatment["ven_dose_mg"][str(azole[row])]
        dose[row] = amount[regimen[row]] if isinstance(amount, Mapping) else amount
    agents = treatment["hma_agent"]
    agent = np.full(n, np.nan, dtype=object)
    in_arm = np.flatnonzero(regimen == agents["arm"])
    agent[in_arm] = exact_shares(rng, len(in_arm), agents["shares"])
    return pd.DataFrame({"ven_dose_mg": dose, "azole": azole.astype(object), "hma_agent": agent})


def mask_missing(
    rng: np.random.Generator, table: pd.DataFrame, missing: Sequence[Mapping[str, Any]]
) -> pd.DataFrame:
    """Empty the stated share of each covariate, completely at random.

    A block loses its values in the same patients. Values that an earlier block has already
    emptied count towards the share of a later one.
    """
    applies = table.notna()
    masked = table.copy()
    for block in missing:
        names = block["together"]
        candidates = np.flatnonzero(applies[names].any(axis=1))
        gone = candidates[masked.loc[candidates, names].isna().all(axis=1)]
        left = np.setdiff1d(candidates, gone)
        n_more = max(round(block["share"] * len(candidates)) - len(gone), 0)
        masked.loc[rng.permutation(left)[:n_more], names] = np.nan
    return masked


def exact_shares(rng: np.random.Generator, n: int, shares: Mapping[str, float]) -> np.ndarray:
    """Return n shuffled labels whose counts are the shares of n, to the nearest whole patient."""
    edges = np.round(np.cumsum(list(shares.values())) * n).astype(int)
    labels = np.repeat(np.array(list(shares), dtype=object), np.diff(edges, prepend=0))
    return rng.permutation(labels)


def highest(scores: np.ndarray, count: int) -> np.ndarray:
    """Return a mask of the `count` highest scores; ties go to the earlier row."""
    chosen = np.zeros(len(scores), dtype=bool)
    chosen[np.argsort(-scores, kind="stable")[:count]] = True
    return chosen
