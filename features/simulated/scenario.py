"""Simulated cohorts of any size with a known truth; no row is a real patient.

What a cohort is made of (covariates, effects, confounding, missing values, named scenarios) is
data in configs/simulator.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, model_validator
from scipy.special import expit, logit, ndtri_exp

from features.covariates import CONFIGS
from features.errors import InputError, Problem, did_you_mean
from features.simulated.reference_covariates import (
    draw_covariates,
    draw_treatment,
    linear_predictor,
)
from features.simulated.truth import ARMS, Baseline, RegimenEffect, SimulatedTruth, event_time
from features.yaml_files import read_shipped

DEFAULT_SCENARIO = "randomised"
# About four minutes: a time of 0 has no logarithm.
SHORTEST_MONTHS = 1e-4
MONTH_DECIMALS = 4

Share = Annotated[float, Field(ge=0, lt=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Effect(_Part):
    """One term of the linear predictor; several covariates count once, where any applies."""

    covariate: str | tuple[str, ...]
    hazard_ratio: PositiveFloat
    values: tuple[str | float, ...] | None = Field(default=None, alias="is")
    above: float | None = None
    below: float | None = None
    center: float | None = None
    per: PositiveFloat | None = None

    @model_validator(mode="after")
    def _acts_in_one_way(self) -> Effect:
        ways = (self.values, self.above, self.below, self.per)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("give one of is, above, below and per")
        if (self.per is None) != (self.center is None):
            raise ValueError("center and per come together")
        named = (self.covariate,) if isinstance(self.covariate, str) else self.covariate
        unknown = set(named) - set(_read_simulator()["covariates"])
        if unknown:
            raise ValueError(f"not a simulated covariate: {', '.join(sorted(unknown))}")
        return self


class Assignment(_Part):
    """Who receives LDAC; `strength` multiplies the log odds of the confounders."""

    mechanism: Literal["randomised", "confounded"]
    ldac_share: Annotated[float, Field(gt=0, lt=1)]
    strength: float


class Unmeasured(_Part):
    """A standard normal factor that no column holds: ratios per SD, 1 for none."""

    hazard_ratio: PositiveFloat
    odds_ratio_ldac: PositiveFloat


class Centers(_Part):
    """Equally large centers, on average; SD of the log hazard between them."""

    count: Annotated[int, Field(ge=1)]
    frailty_sd: Annotated[float, Field(ge=0)]


class Censoring(_Part):
    """Loss to follow-up and end of study; configs/simulator.yaml explains each field."""

    rate_per_month: Annotated[float, Field(ge=0)]
    end_months: PositiveFloat
    by_prognosis: float
    informative: float


class Missing(_Part):
    """How values go missing; `share` takes the place of every block's own share."""

    mechanism: Literal["none", "completely_at_random", "at_random"]
    share: Share | None = None


class Scenario(_Part):
    """Everything that can be asked of a simulated cohort. `read_scenario` gives the defaults."""

    n: Annotated[int, Field(ge=1)]
    baseline: Baseline
    regimen: RegimenEffect
    assignment: Assignment
    unmeasured: Unmeasured
    centers: Centers
    censoring: Censoring
    missing: Missing
    effects: tuple[Effect, ...]


@dataclass(frozen=True)
class SimulatedCohort:
    """A simulated cohort.

    Attributes
    ----------
    table : DataFrame of shape (n, n_columns)
        As a center would hand it over: patient_id, center, regimen, the dictionary's baseline
        columns, os_months, os_event (1 death, 0 censored) and provenance.
    truth : SimulatedTruth
        Of the same patients, in the same order.
    """

    table: pd.DataFrame
    truth: SimulatedTruth


@lru_cache(maxsize=1)
def _read_simulator() -> dict[str, Any]:
    settings: dict[str, Any] = read_shipped(CONFIGS / "simulator.yaml")
    return settings


def scenario_names() -> tuple[str, ...]:
    """Names of the scenarios in configs/simulator.yaml."""
    return tuple(_read_simulator()["scenarios"])


def read_scenario(
    name: str = DEFAULT_SCENARIO, changes: Mapping[str, Any] | None = None
) -> Scenario:
    """Read a named scenario, and change what is asked for.

    Parameters
    ----------
    name : str
        One of `scenario_names()`.
    changes : mapping, optional
        Fields of a Scenario, e.g. `{"n": 5000, "missing": {"mechanism": "none"}}`. Of a nested
        one, the fields that are not named stay; a list is replaced as a whole.

    Raises
    ------
    InputError
        When the name, a field or a value is not allowed.
    """
    settings = _read_simulator()
    if name not in settings["scenarios"]:
        raise InputError(
            Problem(
                what="Unknown scenario",
                where="scenario",
                got=name,
                allowed=", ".join(settings["scenarios"]),
                remedy=did_you_mean(name, settings["scenarios"]) + "name one of these",
            )
        )
    fields = {**settings["defaults"], "effects": settings["effects"]}
    for layer in (settings["scenarios"][name], changes or {}):
        fields = _laid_over(fields, layer)
    try:
        return Scenario(**fields)
    except ValidationError as error:
        raise InputError(
            Problem(
                what="A scenario cannot be simulated",
                where=f"scenario {name}: {'.'.join(map(str, detail['loc']))}",
                got=f"{detail['input']}: {detail['msg']}",
                remedy="see `defaults` in configs/simulator.yaml",
            )
            for detail in error.errors()
        ) from None


def _laid_over(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(fields)
    for key, value in changes.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = {**below, **value}
        else:
            merged[key] = value
    return merged


def simulate_cohort(scenario: Scenario, seed: int) -> SimulatedCohort:
    """Simulate a cohort and keep the truth beside it.

    Parameters
    ----------
    scenario : Scenario
    seed : int
        The same scenario and seed give the same bytes.

    Returns
    -------
    SimulatedCohort
    """
    settings = _read_simulator()
    rng = np.random.default_rng(seed)
    covariates = draw_covariates(rng, scenario.n, settings["covariates"])
    effects = [effect.model_dump(by_alias=True, exclude_none=True) for effect in scenario.effects]
    predictor = linear_predictor(covariates, effects)
    factor = rng.standard_normal(scenario.n)
    center = rng.integers(scenario.centers.count, size=scenario.n)
    frailty = scenario.centers.frailty_sd * rng.standard_normal(scenario.centers.count)
    log_hazard = predictor + np.log(scenario.unmeasured.hazard_ratio) * factor + frailty[center]

    on_ldac = _assign(rng, covariates, factor, scenario)
    target = rng.standard_exponential(scenario.n)
    death = event_time(target, log_hazard, on_ldac, scenario.baseline, scenario.regimen)
    lost = _censoring_time(rng, predictor, target, scenario.censoring)
    regimen = np.where(on_ldac, ARMS[1], ARMS[0])
    table = pd.concat(
        [
            pd.DataFrame({
                "patient_id": np.char.mod("S%07d", np.arange(1, scenario.n + 1)).astype(object),
                "center": np.char.mod("center %d", np.arange(1, len(frailty) + 1))
                .astype(object)[center],
                "regimen": regimen.astype(object),
            }),
            covariates,
            draw_treatment(rng, regimen, settings["treatment"]),
            pd.DataFrame({
                "os_months": np.minimum(death, lost).round(MONTH_DECIMALS).clip(SHORTEST_MONTHS),
                "os_event": (death <= lost).astype(int),
            }),
        ],
        axis=1,
    )  # fmt: skip
    table = _mask(rng, table, scenario.missing, settings)
    table["provenance"] = settings["provenance"]
    truth = SimulatedTruth(scenario.baseline, scenario.regimen, predictor, log_hazard, death)
    return SimulatedCohort(table, truth)


def _assign(
    rng: np.random.Generator, covariates: pd.DataFrame, factor: np.ndarray, scenario: Scenario
) -> np.ndarray:
    """Whether each patient receives LDAC; the share is met up to chance."""
    assignment = scenario.assignment
    log_odds = np.full(scenario.n, logit(assignment.ldac_share))
    if assignment.mechanism == "confounded":
        confounders = _read_simulator()["confounding"]
        score = assignment.strength * linear_predictor(covariates, confounders, "odds_ratio")
        score += np.log(scenario.unmeasured.odds_ratio_ldac) * factor
        log_odds += score - score.mean()
    return rng.random(scenario.n) < expit(log_odds)


def _censoring_time(
    rng: np.random.Generator, predictor: np.ndarray, target: np.ndarray, censoring: Censoring
) -> np.ndarray:
    """Months to loss of follow-up or the end of the study, shape (n,)."""
    # A patient's own luck, whatever the prognosis: standard normal, higher for an early death.
    bad_luck = ndtri_exp(-target)
    log_ratio = censoring.by_prognosis * (predictor - predictor.mean())
    log_ratio += censoring.informative * bad_luck
    waiting = rng.standard_exponential(len(target))
    if censoring.rate_per_month == 0:
        return np.full(len(target), censoring.end_months)
    lost = waiting / (censoring.rate_per_month * np.exp(log_ratio))
    return np.minimum(lost, censoring.end_months)


def _mask(
    rng: np.random.Generator, table: pd.DataFrame, missing: Missing, settings: Mapping[str, Any]
) -> pd.DataFrame:
    """Empty cells block by block, each to its share of the patients to whom the block applies."""
    if missing.mechanism == "none":
        return table
    at_random = missing.mechanism == "at_random"
    terms: Sequence[Mapping[str, Any]] = settings["missing_at_random"] if at_random else ()
    log_odds = linear_predictor(table, terms, "odds_ratio")
    kept = {term["covariate"] for term in terms}
    emptied: dict[str, pd.Series] = {}
    for block in settings["missing"]:
        names = [name for name in block["together"] if name not in kept]
        applies = table[names].notna().any(axis=1).to_numpy()
        share = block["share"] if missing.share is None else missing.share
        chosen = _highest(log_odds + rng.logistic(size=len(table)), applies, share)
        emptied |= {name: table[name].mask(chosen) for name in names}
    return table.assign(**emptied)


def _highest(scores: np.ndarray, among: np.ndarray, share: float) -> np.ndarray:
    """Mask of the highest scores, a share of those who are among, to the nearest patient."""
    candidates = np.flatnonzero(among)
    count = round(share * len(candidates))
    chosen = np.zeros(len(scores), dtype=bool)
    if count:
        chosen[candidates[np.argpartition(-scores[candidates], count - 1)[:count]]] = True
    return chosen
