"""Every estimate of one regimen contrast in one table."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pandas as pd

from evaluation.estimators import RMST_DIFFERENCE, SHAP, Named
from evaluation.regimens.adjusted import DRAWN
from evaluation.regimens.model_effects import SCALES
from evaluation.regimens.triangulation.checks import Checks
from evaluation.remarks import Remark, joined
from evaluation.results import ADJUSTED_COLUMNS, MODEL_BASED, tidy

HAZARD_RATIO, RMST, EVENT_PROBABILITY = (
    "hazard ratio",
    "RMST difference",
    "event probability difference",
)
SUBDISTRIBUTION = "subdistribution hazard ratio"
RATIOS = (HAZARD_RATIO, SUBDISTRIBUTION)
FAMILIES = ("classical", "adjusted", MODEL_BASED)
FAMILY_LABELS = {
    "classical": "Classical: as treated, unadjusted",
    "adjusted": "Adjusted for measured covariates",
    MODEL_BASED: "Model-based: contribution of the regimen to a model's prediction",
}
EXCHANGEABLE = "arms exchangeable as treated"
# What is said of patients who were not, and who were, given their regimen by chance.
NOT_RANDOMISED = "Patients were not randomised: no row is causal."


def one_table(
    classical: pd.DataFrame,
    adjusted: Sequence[pd.DataFrame],
    model_based: Sequence[pd.DataFrame],
    checks: Mapping[tuple[str, str], Checks],
    seen_by: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Every contrast of every family in the same columns, with its assumption and its check.

    Parameters
    ----------
    classical : DataFrame with REGIMEN_COLUMNS
        Rows of single arms are left out; they are no contrasts.
    adjusted : sequence of DataFrame with ADJUSTED_COLUMNS
    model_based : sequence of DataFrame with REGIMEN_COLUMNS
    checks : mapping of (endpoint, arm) -> Checks
    seen_by : mapping of learner -> covariates, optional
        What a model-based row adjusts for, in words.

    Returns
    -------
    DataFrame with ADJUSTED_COLUMNS
        Differences of the restricted mean have the scale "RMST difference" in every family.
    """
    contrasts = classical[classical["reference_arm"].notna()]
    drawn = any(known.randomised for known in checks.values())
    parts = [
        [_classical_row(row, checks, drawn) for row in contrasts.to_dict("records")],
        *(part.to_dict("records") for part in adjusted),
        *(
            [_model_row(row, seen_by or {}, drawn) for row in part.to_dict("records")]
            for part in model_based
        ),
    ]
    table = tidy(itertools.chain(*parts), ADJUSTED_COLUMNS).astype(object)
    numbers = ("horizon", "estimate", "ci_low", "ci_high", "p_value", "effective_n", "n", "events")
    for column in numbers:
        table[column] = table[column].astype(float)
    for column in set(ADJUSTED_COLUMNS) - set(numbers):
        table[column] = table[column].where(table[column].notna(), "")
    return table


def on_one_scale(
    table: pd.DataFrame, endpoint: str, arm: str, scale: str, horizon: float = np.nan
) -> pd.DataFrame:
    """The estimates of one contrast that can be laid beside each other.

    Parameters
    ----------
    table : DataFrame
        As `one_table` returns it.
    endpoint, arm : str
    scale : str
        HAZARD_RATIO, RMST or EVENT_PROBABILITY.
    horizon : float
        Months; NaN for a hazard ratio.

    Returns
    -------
    DataFrame
        By family, in the order of FAMILIES. Rows that could not be estimated stay.
    """
    at = table["horizon"].isna() if np.isnan(horizon) else np.isclose(table["horizon"], horizon)
    kept = table[
        (table["endpoint"] == endpoint)
        & (table["arm"] == arm)
        & (table["scale"] == scale)
        & at
        & table["family"].isin(FAMILIES)
    ]
    order = kept["family"].map(FAMILIES.index)
    return kept.iloc[np.argsort(order.to_numpy(), kind="stable")].reset_index(drop=True)


def shared_scales(table: pd.DataFrame, endpoint: str, arm: str) -> list[tuple[str, float]]:
    """The scales and horizons on which there is something to lay side by side."""
    own = table[(table["endpoint"] == endpoint) & (table["arm"] == arm) & (table["family"] != "")]
    found: list[tuple[str, float]] = []
    for scale in (HAZARD_RATIO, RMST, EVENT_PROBABILITY):
        months = own.loc[own["scale"] == scale, "horizon"].unique()
        found += [(scale, float(month)) for month in sorted(months)]
    return [
        key for key in found if on_one_scale(table, endpoint, arm, *key)["estimate"].notna().any()
    ]


def _classical_row(
    row: dict[str, object], checks: Mapping[tuple[str, str], Checks], drawn: bool
) -> dict[str, object]:
    endpoint, arm = str(row["endpoint"]), str(row["arm"])
    known = checks.get((endpoint, arm)) or checks.get(("", arm))
    estimator = _named(row).estimator
    assumes = estimator.assumes
    exchangeable = DRAWN if drawn else EXCHANGEABLE
    assumption, verdict = exchangeable, "cannot be checked"
    if known is not None:
        verdict = known.balance_words
    survival = (endpoint, arm) in checks
    trend = known.trend_words if known is not None else ""
    if assumes in ("hazards", "subdistribution hazards") and survival:
        assumption = f"{exchangeable}; proportional {assumes}"
        verdict = joined(trend if assumes == "hazards" else "", verdict)
    elif assumes in ("power", "no shape"):
        assumption = f"{exchangeable}; most power under proportional hazards"
        if assumes == "no shape":
            assumption = f"{exchangeable}; none on the shape of the hazards"
        verdict = joined(trend, verdict)
    elif survival:
        assumption = f"{exchangeable}; censoring independent within arms"
    own = dict(row) | {
        "adjustment_set": "none",
        "population": "as treated",
        "effective_n": row["n"],
        "assumption": assumption,
        "verdict": verdict,
    }
    if estimator == RMST_DIFFERENCE:
        own["scale"] = RMST
    return own


def _model_row(
    row: dict[str, object], seen_by: Mapping[str, str], drawn: bool
) -> dict[str, object]:
    name = _named(row)
    left = Remark.LEFT.within(row["note"])
    own = dict(row) | {
        "adjustment_set": seen_by.get(name.part, "what the model sees"),
        "population": "as treated" if name.estimator == SHAP else "ATE",
        "effective_n": row["n"],
        "assumption": f"{DRAWN if drawn else 'no unmeasured confounding'}; the model is right and "
        "does not shrink the regimen",
        "verdict": left[0] if left else "cannot be checked: penalised and tree models shrink",
    }
    if own["scale"] == SCALES["RMST"]:
        own["scale"] = RMST
    return own


def _named(row: Mapping[str, object]) -> Named:
    return cast(Named, row["estimator"])
