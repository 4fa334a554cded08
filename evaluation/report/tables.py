"""Tables of a training as a reader sees them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.estimates import NEAR_1, is_by_construction
from evaluation.methods import in_short
from evaluation.metrics import HARRELL_C, metric_label, metric_of
from evaluation.results import (
    format_estimate,
    format_p,
    format_row,
    under_true_header,
)
from evaluation.validation import MIN_EVENTS, MIN_PATIENTS
from features.text import fixed, months_text


def without_empty_remarks(table: pd.DataFrame) -> pd.DataFrame:
    """Without the columns of remarks in which nothing stands."""
    empty = [c for c in ("note", "p") if c in table and (table[c] == "").all()]
    return table.drop(columns=empty)


def metrics_by_learner(metrics: pd.DataFrame) -> pd.DataFrame:
    """Learners as rows, metrics as columns, each cell 'estimate (interval)'."""
    near_1 = _near_1(metrics)
    shown = metrics.assign(
        column=[
            metric_label(row.metric, row.horizon) + near_1[row.metric]
            for row in metrics.itertuples()
        ],
        cell=_cells(metrics),
    )
    table = shown.set_index(["learner", "column"])["cell"].unstack()  # noqa: PD010
    table = table.loc[metrics["learner"].unique(), shown["column"].unique()].reset_index()
    return table.rename_axis(columns=None)


def _near_1(metrics: pd.DataFrame) -> dict[str, str]:
    """What the header of each metric adds: that it is near 1 whatever was predicted, or nothing."""
    return {
        str(metric): f", {NEAR_1}" if is_by_construction(own) else ""
        for metric, own in metrics.groupby("metric", sort=False)
    }


def metrics_by_horizon(metrics: pd.DataFrame) -> pd.DataFrame:
    """Learner and horizon as rows, metrics as columns, each cell 'estimate (interval)'."""
    names = {m: metric_label(m, np.nan) + told for m, told in _near_1(metrics).items()}
    shown = metrics.assign(column=metrics["metric"].map(names), cell=_cells(metrics))
    table = shown.set_index(["learner", "horizon", "column"])["cell"].unstack()  # noqa: PD010
    order = list(dict.fromkeys(zip(metrics["learner"], metrics["horizon"], strict=True)))
    table = table.loc[order, list(names.values())].reset_index().rename_axis(columns=None)
    table = table.rename(columns={"horizon": "months"})
    return table.assign(months=[months_text(h) for h in table["months"]])


def readable_differences(differences: pd.DataFrame) -> pd.DataFrame:
    """Differences between learners: two rows each, over patients and over trainings."""
    return pd.DataFrame(
        {
            "learners": differences["learner"],
            "difference in": [
                metric_label(m, h)
                for m, h in zip(differences["metric"], differences["horizon"], strict=True)
            ],
            "estimate (95% CI)": [
                format_estimate(r.estimate, r.ci_low, r.ci_high, 3)
                for r in differences.itertuples()
            ],
            "p": [format_p(p) for p in differences["p_value"]],
            "over": differences["ci_method"].fillna("").map(in_short),
            "note": differences["note"].where(differences["estimate"].isna(), ""),
        }
    )


def readable_subgroups(table: pd.DataFrame) -> pd.DataFrame:
    """A row a subgroup, C and O/E as columns."""
    unstable = (table["n"] < MIN_PATIENTS) | (table["events"] < MIN_EVENTS)
    cells = table.assign(
        column=[metric_label(m, h) for m, h in zip(table["metric"], table["horizon"], strict=True)],
        cell=np.where(unstable, "suppressed", _cells(table)),
    )
    keys = ["variable", "level"]
    wide = cells.set_index([*keys, "column"])["cell"].unstack()  # noqa: PD010
    first = table[table["metric"] == HARRELL_C.name].set_index(keys)
    wide = wide.loc[first.index, cells["column"].unique()]
    # Few patients are not counted out either.
    few = first["n"] < MIN_PATIENTS
    wide.insert(0, "patients", first["n"].astype(str).where(~few, f"< {MIN_PATIENTS}"))
    wide.insert(1, "events", first["events"].astype(str).where(~few, ""))
    return wide.reset_index().rename_axis(columns=None)


def readable_centers(table: pd.DataFrame) -> pd.DataFrame:
    """A row a measure and center, the random-effects summary with its prediction interval."""
    ahead = table[["estimate", "prediction_low", "prediction_high"]].itertuples(index=False)
    return pd.DataFrame(
        {
            "measure": [
                metric_label(m, h) for m, h in zip(table["metric"], table["horizon"], strict=True)
            ],
            "center": table["center"],
            "n": table["n"],
            "events": table["events"],
            "estimate (95% CI)": _cells(table),
            "95% prediction interval": [
                f"{low:.2f} to {high:.2f}" if np.isfinite(low) else "" for _, low, high in ahead
            ],
            "I²": [f"{v:.0%}" if np.isfinite(v) else "" for v in table["i2"]],
            "note": table["note"],
        }
    )


def readable_incremental(table: pd.DataFrame) -> pd.DataFrame:
    """What the model adds to each reference: the paired differences alone."""
    shown = table[[metric_of(name).difference for name in table["metric"]]]
    return pd.DataFrame(
        {
            "model - reference": shown["learner"],
            "difference in": [
                metric_label(m, h) for m, h in zip(shown["metric"], shown["horizon"], strict=True)
            ],
            "estimate (95% CI)": [
                format_estimate(r.estimate, r.ci_low, r.ci_high, 3) for r in shown.itertuples()
            ],
            "note": shown["note"].where(shown["estimate"].isna(), ""),
        }
    )


def readable_optimism(table: pd.DataFrame) -> pd.DataFrame:
    """A row a metric, the estimators as columns."""
    cells = table.assign(
        measure=[
            metric_label(m, h) for m, h in zip(table["metric"], table["horizon"], strict=True)
        ],
        cell=_cells(table, 3),
    )
    wide = cells.set_index(["measure", "estimator"])["cell"].unstack()  # noqa: PD010
    wide = wide.loc[cells["measure"].unique(), table["estimator"].unique()]
    return wide.replace("not estimable", "").reset_index().rename_axis(columns=None)


def readable_split_variation(table: pd.DataFrame) -> pd.DataFrame:
    """A row a metric: what the split into folds adds to the uncertainty of the patients."""
    return pd.DataFrame(
        {
            "metric": [
                metric_label(m, h) for m, h in zip(table["metric"], table["horizon"], strict=True)
            ],
            "mean over repeats (lowest to highest)": [
                f"{row.estimate:.3f} ({row.lowest:.3f} to {row.highest:.3f})"
                for row in table.itertuples()
            ],
            "standard error from the split": [f"{value:.4f}" for value in table["split_error"]],
            "from the patients": [f"{value:.4f}" for value in table["patient_error"]],
            "share of the split": [f"{value:.0%}" for value in table["split_share"]],
        }
    )


def readable_instability(table: pd.DataFrame) -> pd.DataFrame:
    """A row a measure and horizon."""
    return pd.DataFrame(
        {
            "measure": table["metric"].map(metric_label),
            "months": [months_text(h) for h in table["horizon"]],
            "mean (2.5 to 97.5 percentile of refits)": _cells(table, 3),
            "note": table["note"],
        }
    )


def readable_recalibration(table: pd.DataFrame) -> pd.DataFrame:
    """A row a horizon: observed, expected before and after, and what was estimated."""

    def limits(name: str, digits: int = 2) -> list[str]:
        columns = table[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False)
        return [format_estimate(row[0], row[1], row[2], digits) for row in columns]

    return pd.DataFrame(
        {
            "months": [months_text(h) for h in table["horizon"]],
            "events": table["events"],
            "observed": limits("observed"),
            "expected before": [f"{v:.2f}" for v in table["expected_before"]],
            "expected after": [f"{v:.2f}" for v in table["expected_after"]],
            "multiplier of the hazard": limits("multiplier"),
            "slope": limits("slope"),
        }
    )


def _cells(table: pd.DataFrame, digits: int | None = None) -> list[str]:
    """'estimate (low-high)' of each row."""
    return [
        format_estimate(
            row.estimate,
            row.ci_low,
            row.ci_high,
            digits or metric_of(str(row.metric)).digits,
        )
        for row in table.itertuples()
    ]


def readable_sample_size(sample_size: pd.DataFrame) -> pd.DataFrame:
    """Riley's criteria, one row each."""
    return pd.DataFrame(
        {
            "criterion": sample_size["criterion"],
            "parameters supported": [
                "" if np.isnan(value) else f"{value:.0f}" for value in sample_size["supported"]
            ],
            "met": sample_size["holds"].map({True: "yes", False: "no"}),
            "detail": sample_size["detail"],
        }
    )


def readable_regimen(regimen: pd.DataFrame) -> pd.DataFrame:
    """Every regimen estimate, classical and model-based, one row each, in the same columns."""
    cells = [format_row(row) for row in regimen.itertuples()]
    return pd.DataFrame(
        {
            "family": regimen["family"],
            "endpoint": regimen["endpoint"],
            "estimator": regimen["estimator"],
            "arms": describe_arms(regimen),
            "scale": regimen["scale"],
            "months": [months_text(h) for h in regimen["horizon"]],
            **under_true_header(regimen["family"], cells),
            "p": [format_p(p) for p in regimen["p_value"]],
            "n": [fixed(n, 0) for n in regimen["n"].astype(float)],
            "interval": regimen["ci_method"].fillna(""),
            "note": regimen["note"],
        }
    )  # fmt: skip


def describe_arms(regimen: pd.DataFrame) -> list[str]:
    """'HMA vs LDAC' for a comparison, 'HMA' for one arm, 'all' otherwise; one text a row."""
    described = []
    for arm, reference in zip(regimen["arm"], regimen["reference_arm"], strict=True):
        if pd.isna(arm):
            described.append("all")
        else:
            described.append(str(arm) if pd.isna(reference) else f"{arm} vs {reference}")
    return described


def labelled(table: pd.DataFrame) -> pd.DataFrame:
    """Names of learners with blanks."""
    return table.assign(learner=table["learner"].map(lambda name: name.replace("_", " ")))
