"""The HTML report of a training: one file, pictures inside, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.displays.forest import INTERVAL_HEADER, ForestPlotDisplay
from evaluation.estimates import NEAR_1, is_by_construction
from evaluation.metrics.catalogue import (
    HARRELL_C,
    UNO_C,
    metric_label,
    metric_of,
    rows_of,
)
from evaluation.report.arm_curves import kaplan_meier_display
from evaluation.report.page import embed_figure, html_findings, html_table, png_bytes, write_page
from evaluation.results import (
    MODEL_BASED,
    REFITS,
    format_estimate,
    format_p,
    format_row,
    under_true_header,
)
from evaluation.validation.subgroups import MIN_PATIENTS
from features.outcome import Outcome
from features.text.numbers import fixed, months_text

OUT_OF_FOLD = (
    "Out-of-fold, every modelling step inside the folds; mean over the repeats with 95% bootstrap "
    "percentile intervals over patients, predictions held fixed. C and AUC compare patients of the "
    "same test fold only."
)


@dataclass(frozen=True)
class Report:
    """What a report shows. A part that is empty is left out, its heading too.

    Attributes
    ----------
    title : str
    provenance : str
        Printed on top when the patients are not real.
    facts : mapping of label -> text
        Cohort, endpoint, validation, versions.
    cautions : sequence of str
        What the data cannot support.
    metrics : DataFrame with METRIC_COLUMNS
    how : str
        How the predictions were made and what the intervals are.
    differences : DataFrame with DIFFERENCE_COLUMNS, or None
    champion, reason : str
    verdict : str
        Whether Cox is enough; empty when that was not asked.
    sample_size : DataFrame or None
        How many parameters the cohort supports, by criterion; `sample_size_text` says it in words.
    regimen : DataFrame with REGIMEN_COLUMNS, or None without regimens
    claims : DataFrame or None
        Published claims against recomputed values.
    contributions : DataFrame or None
        Mean absolute SHAP contribution of each covariate.
    parameters : DataFrame or None
        Chosen parameters of every learner.
    recalibration : DataFrame or None
        What a recalibration estimated; `recalibration_text` says on whom.
    pictures : mapping of caption -> Figure, by section
    tables : mapping of name -> DataFrame
        Of an assessment; those with a section of their own are shown.
    randomised : bool
        The regimen was drawn at random.
    findings : DataFrame or None
        What the checks of the table found.
    """

    title: str
    provenance: str
    facts: Mapping[str, str]
    cautions: Sequence[str]
    metrics: pd.DataFrame
    how: str = OUT_OF_FOLD
    differences: pd.DataFrame | None = None
    champion: str = ""
    reason: str = ""
    verdict: str = ""
    sample_size: pd.DataFrame | None = None
    sample_size_text: str = ""
    regimen: pd.DataFrame | None = None
    claims: pd.DataFrame | None = None
    contributions: pd.DataFrame | None = None
    parameters: pd.DataFrame | None = None
    recalibration: pd.DataFrame | None = None
    recalibration_text: str = ""
    pictures: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    randomised: bool = False
    findings: pd.DataFrame | None = None


def write_report(path: Path, report: Report) -> None:
    """Write the report as one HTML file."""
    pictures = {
        section: {caption: embed_figure(figure) for caption, figure in figures.items()}
        for section, figures in report.pictures.items()
    }
    metrics = report.metrics
    kinds = [metric_of(name) for name in metrics["metric"]]
    section = pd.Series([kind.section for kind in kinds], index=metrics.index, dtype=object)
    readable = {
        name: html_table(_told(make(report.tables[name])))
        for name, make in READABLE.items()
        if name in report.tables and len(report.tables[name])
    }
    write_page(
        path,
        "report.html",
        report=report,
        pictures=pictures,
        findings=html_findings(report.findings),
        metrics=html_table(_labelled(metrics_by_learner(metrics[section == "overall"]))),
        at_horizons=_by_horizon(metrics[section == "horizon"]),
        calibration=_by_horizon(metrics[section == "calibration"]),
        benefit=_by_horizon(metrics[section == "utility"]),
        reasons=sorted(set(metrics.loc[metrics["estimate"].isna(), "note"])),
        competing=any(kind.is_competing for kind in kinds),
        by_construction=is_by_construction(metrics),
        differences=_if_any(report.differences, readable_differences),
        sample_size=_if_any(report.sample_size, readable_sample_size),
        regimen=_if_any(report.regimen, readable_regimen),
        claims=_if_any(report.claims),
        contributions=_if_any(report.contributions),
        parameters=_if_any(report.parameters),
        recalibration=_if_any(report.recalibration, readable_recalibration),
        **readable,
    )


def _by_horizon(metrics: pd.DataFrame) -> Markup | None:
    return _if_any(metrics, lambda table: _labelled(metrics_by_horizon(table)))


def _if_any(
    table: pd.DataFrame | None, make: Callable[[pd.DataFrame], pd.DataFrame] = lambda t: t
) -> Markup | None:
    return None if table is None or table.empty else html_table(_told(make(table)))


def _told(table: pd.DataFrame) -> pd.DataFrame:
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
            "over": differences["ci_method"].fillna("").map(_short_method),
            "note": differences["note"].where(differences["estimate"].isna(), ""),
        }
    )


def _short_method(method: str) -> str:
    """'patients, B=500' or 'mean of 15 test folds, corrected t'."""
    if method.startswith("bootstrap percentile"):
        return f"patients, {method.split(', ')[1]}"
    if method.startswith("corrected resampled t"):
        told = method.removeprefix("corrected resampled t over ")
        return "mean of " + told.replace(", df", ", corrected t, df")
    return method


def readable_subgroups(table: pd.DataFrame) -> pd.DataFrame:
    """A row a subgroup, C and O/E as columns."""
    cells = table.assign(
        column=[metric_label(m, h) for m, h in zip(table["metric"], table["horizon"], strict=True)],
        cell=[
            "suppressed" if note.startswith("suppressed") else cell
            for note, cell in zip(table["note"], _cells(table), strict=True)
        ],
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


def kaplan_meier_figure(outcome: Outcome, regimen: np.ndarray | None, endpoint: str) -> Figure:
    """Survival curves by regimen, or of all patients, with numbers at risk."""
    return axes_figure(kaplan_meier_display(outcome, regimen, endpoint).plot())


def discrimination_figure(metrics: pd.DataFrame) -> Figure:
    """Uno's C, or that under competing events, of every learner with its interval."""
    rows = metrics[rows_of(metrics["metric"], UNO_C)].rename(columns={"learner": "label"})
    months = rows["horizon"].iloc[0]
    frame = rows[["label", "estimate", "ci_low", "ci_high", "n"]]
    display = ForestPlotDisplay(
        frame,
        scale=f"{metric_label(rows['metric'].iloc[0])}, {months:g} months",
        reference=0.5,
        log=False,
    )
    return axes_figure(display.plot())


def regimen_figure(regimen: pd.DataFrame, endpoint: str, horizon: float) -> Figure | None:
    """Event-probability differences at one horizon, classical and model-based; None if none."""
    rows = regimen[
        (regimen["scale"] == "event probability difference")
        & (regimen["endpoint"] == endpoint)
        & (regimen["horizon"] == horizon)
        & regimen["estimate"].notna()
    ]
    if rows.empty:
        return None
    several = len(rows["arm"].unique()) > 1
    modelled = rows["family"] == MODEL_BASED
    label = rows["estimator"] + ("" if not several else ": " + rows["arm"])
    label += np.where(modelled, f" {REFITS}", "")
    frame = rows.assign(label=label)[["label", "estimate", "ci_low", "ci_high", "n"]]
    arm, reference = rows["arm"].iloc[0], rows["reference_arm"].iloc[0]
    display = ForestPlotDisplay(
        frame,
        scale=f"Difference in probability of {endpoint} event by {horizon:g} months",
        favours=(f"fewer events, {'the arm' if several else arm}", f"fewer events, {reference}"),
        reference=0.0,
        log=False,
        header="Estimate" if modelled.any() else INTERVAL_HEADER,
    )  # fmt: skip
    return axes_figure(display.plot())


def axes_figure(ax: Axes) -> Figure:
    """The figure that holds an axes."""
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, the same bytes each time."""
    path.write_bytes(png_bytes(figure))


def _labelled(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(learner=table["learner"].map(lambda name: name.replace("_", " ")))


# Tables of an assessment that have a section of their own, and how each is read.
READABLE: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "subgroups": readable_subgroups,
    "centers": readable_centers,
    "incremental_value": readable_incremental,
    "optimism": readable_optimism,
    "instability": readable_instability,
    "split_variation": readable_split_variation,
}
