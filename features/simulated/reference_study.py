"""The published study rebuilt as one patient table from its aggregates.

Every figure comes from `configs/reference_study.yaml`, which also says which of them are published
and which are choices of the generator. No row is a real patient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.simulated.reference_covariates import (
    assign_regimen,
    draw_covariates,
    draw_treatment,
    exact_shares,
    highest,
    is_confounded_as_documented,
    linear_predictor,
    mask_missing,
)
from features.simulated.reference_survival import draw_efs, draw_os, match_survival
from features.yaml_files import read_shipped, read_yaml

DEFAULT_STUDY = Path(__file__).resolve().parents[2] / "configs" / "reference_study.yaml"
# Mean length of a month, by which follow-up in months becomes days.
DAYS_PER_MONTH = 365.25 / 12


@dataclass(frozen=True)
class RebuiltStudy:
    """A rebuilt cohort together with what generated it.

    Attributes
    ----------
    cohort : DataFrame of shape (n_patients, n_columns)
        What a center would hand over, missing values included.
    complete_covariates : DataFrame of shape (n_patients, n_covariates)
        The same patients' baseline covariates before values went missing.
    linear_predictor : ndarray of shape (n_patients,)
        Log hazard ratio of OS by covariates alone; holds neither the regimen nor the center.
    """

    cohort: pd.DataFrame
    complete_covariates: pd.DataFrame
    linear_predictor: np.ndarray


def read_reference_study(path: str | Path | None = None) -> dict[str, Any]:
    """Read the published aggregates and the generator's choices.

    Parameters
    ----------
    path : path, optional
        Another file of the same form; the embedded study where left out.
    """
    study: dict[str, Any] = (
        read_yaml(Path(path), "study file") if path else read_shipped(DEFAULT_STUDY)
    )
    return study


def rebuild_reference_study(seed: int, study: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Rebuild the published study as one table that reproduces its figures.

    Parameters
    ----------
    seed : int
        The same seed gives the same table, to the byte.
    study : mapping, optional
        As returned by `read_reference_study`; the embedded study where left out.

    Returns
    -------
    DataFrame of shape (n_patients, n_columns)
        One row a patient, times in months from the first venetoclax dose. Both
        `attrs['provenance']` and the column `provenance` say that no row is a real patient.

    Raises
    ------
    RuntimeError
        If no attempt meets a constraint; the message names the seed and the constraint.
    """
    return rebuild_with_truth(seed, study).cohort


def rebuild_with_truth(seed: int, study: Mapping[str, Any] | None = None) -> RebuiltStudy:
    """Rebuild the study and keep the complete covariates and the generating linear predictor.

    Takes and raises what `rebuild_reference_study` does. The truth is for checking methods
    against it; it is never a covariate.
    """
    study = read_reference_study() if study is None else study
    generator = study["generator"]
    rng = np.random.default_rng(seed)
    try:
        covariates, regimen, predictor = _draw_patients(rng, study)
        center = _draw_centers(rng, regimen, generator["centers"])
        outcomes = _draw_outcomes(rng, covariates, regimen, predictor, center, study)
        start_date = _draw_start_dates(rng, outcomes["os_months"].to_numpy(), study)
    except RuntimeError as problem:
        raise RuntimeError(
            f"seed {seed}: {problem}; try another seed, or loosen the generator's choices"
        ) from problem

    baseline = pd.concat(
        [covariates, draw_treatment(rng, regimen, generator["treatment"])], axis="columns"
    )
    cohort = pd.concat(
        [
            pd.DataFrame(
                {"center": center, "regimen": regimen, "treatment_start_date": start_date}
            ),
            outcomes,
            _draw_adverse_events(rng, len(regimen), study),
            mask_missing(rng, baseline, generator["missing"]),
        ],
        axis="columns",
    )
    # Patients arrive shuffled, so that a row number says nothing about regimen or survival.
    order = rng.permutation(len(cohort))
    cohort = cohort.iloc[order].reset_index(drop=True)
    cohort.insert(0, "patient_id", [f"REF{number:03d}" for number in range(1, len(cohort) + 1)])
    cohort["provenance"] = study["provenance"]
    cohort.attrs["provenance"] = study["provenance"]
    complete = baseline.iloc[order].reset_index(drop=True)
    return RebuiltStudy(cohort, complete, predictor[order])


def _draw_patients(
    rng: np.random.Generator, study: Mapping[str, Any]
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    generator = study["generator"]
    sizes = {arm: aggregates["n"] for arm, aggregates in study["arms"].items()}
    for _ in range(generator["confounding"]["tries"]):
        covariates = draw_covariates(rng, sum(sizes.values()), generator["covariates"])
        predictor = linear_predictor(covariates, generator["effects"])
        regimen = assign_regimen(rng, covariates, sizes, generator["confounding"])
        if is_confounded_as_documented(covariates, regimen, predictor, generator["confounding"]):
            return covariates, regimen, predictor
    raise RuntimeError("no draw of covariates was confounded with the regimen as documented")


def _draw_centers(
    rng: np.random.Generator, regimen: np.ndarray, shares: Mapping[str, float]
) -> np.ndarray:
    center = np.empty(len(regimen), dtype=object)
    for arm in sorted(set(regimen)):
        # Every center treats with both regimens.
        rows = np.flatnonzero(regimen == arm)
        center[rows] = exact_shares(rng, len(rows), shares)
    return center


def _draw_outcomes(
    rng: np.random.Generator,
    covariates: pd.DataFrame,
    regimen: np.ndarray,
    predictor: np.ndarray,
    center: np.ndarray,
    study: Mapping[str, Any],
) -> pd.DataFrame:
    generator = study["generator"]
    for _ in range(generator["outcome_tries"]):
        slots = draw_os(rng, study)
        os_months, os_event = match_survival(
            rng, regimen, predictor, center, slots, generator["matching"]
        )
        responded = _draw_responders(rng, covariates, regimen, os_months, study)
        efs = draw_efs(rng, regimen, os_months, os_event, responded, study)
        if efs is not None:
            return pd.DataFrame(
                {
                    "os_months": os_months,
                    "os_event": os_event.astype(int),
                    "efs_months": efs[0],
                    "efs_event": efs[1].astype(int),
                    "response": _draw_response(rng, responded, generator["response"]),
                }
            )
    raise RuntimeError(
        f"no draw of EFS met the published medians and log-rank p = {study['p_values']['efs']}"
    )


def _draw_responders(
    rng: np.random.Generator,
    covariates: pd.DataFrame,
    regimen: np.ndarray,
    os_months: np.ndarray,
    study: Mapping[str, Any],
) -> np.ndarray:
    choices = study["generator"]["response"]
    log_odds = linear_predictor(covariates, study["generator"]["effects"], "odds_ratio_cr")
    # A patient must live long enough for a response to be seen.
    eligible = os_months >= choices["earliest_death_months"]
    for _ in range(choices["tries"]):
        responded = np.zeros(len(regimen), dtype=bool)
        longer = []
        for arm, aggregates in study["arms"].items():
            rows = np.flatnonzero((regimen == arm) & eligible)
            rank = os_months[rows].argsort().argsort()
            scores = (
                log_odds[rows]
                + choices["log_odds_per_sd_survival"] * (rank - rank.mean()) / rank.std()
                + rng.logistic(size=len(rows))
            )
            responded[rows[highest(scores, aggregates["response"]["count"])]] = True
            in_arm = regimen == arm
            longer.append(
                os_months[in_arm & responded].mean() > os_months[in_arm & ~responded].mean()
            )
        if all(longer):
            return responded
    raise RuntimeError("no draw of responses let the responders of every arm live longer")


def _draw_response(
    rng: np.random.Generator, responded: np.ndarray, choices: Mapping[str, Any]
) -> np.ndarray:
    response = np.empty(len(responded), dtype=object)
    for rows, shares in ((responded, choices["complete"]), (~responded, choices["incomplete"])):
        response[rows] = exact_shares(rng, int(rows.sum()), shares)
    return response


def _draw_adverse_events(
    rng: np.random.Generator, n: int, study: Mapping[str, Any]
) -> pd.DataFrame:
    shared = study["generator"]["adverse_event_shared_sd"] * rng.standard_normal(n)
    return pd.DataFrame(
        {
            f"ae_{name}": highest(shared + rng.standard_normal(n), event["count"]).astype(int)
            for name, event in study["adverse_events"].items()
        }
    )


def _draw_start_dates(
    rng: np.random.Generator, os_months: np.ndarray, study: Mapping[str, Any]
) -> np.ndarray:
    start, end, cutoff = (
        int(np.datetime64(day, "D").astype(int))
        for day in (
            study["period"]["start"],
            study["period"]["end"],
            study["generator"]["data_cutoff"],
        )
    )
    # Follow-up has ended by the cutoff, so a long follow-up needs an early start.
    follow_up = np.ceil(os_months * DAYS_PER_MONTH).astype(int)
    room = np.minimum(cutoff - follow_up, end) - start
    if (room < 0).any():
        raise RuntimeError("a follow-up is longer than the time from the first start to the cutoff")
    days = start + (rng.random(len(os_months)) * (room + 1)).astype(int)
    return days.astype("datetime64[D]").astype("datetime64[s]")
