"""The HTML report of a training: one file, pictures inside, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.displays import CalibrationDisplay, ForestPlotDisplay, KaplanMeierDisplay
from evaluation.html_page import DPI, embed_figure, html_table, render_page
from evaluation.results import format_estimate, format_p
from features.outcome import Outcome

METRIC_LABELS = {
    "harrell_c": "Harrell C",
    "uno_c": "Uno C",
    "ibs": "IBS",
    "brier": "Brier",
    "ipa": "IPA",
    "calibration_oe": "O/E",
    "calibration_slope": "Calibration slope",
}
DIGITS = {"ibs": 3, "brier": 3}


@dataclass(frozen=True)
class Report:
    """What a report shows.

    Attributes
    ----------
    title : str
    provenance : str
        Printed on top when the patients are not real.
    facts : mapping of label -> text
        Cohort, endpoint, validation, versions.
    cautions : sequence of str
        What the data cannot support.
    metrics, differences : DataFrame with METRIC_COLUMNS
    champion, reason : str
    verdict : str
        Whether Cox is enough; empty when that was not asked.
    sample_size : DataFrame
        How many parameters the cohort supports, by criterion; `sample_size_text` says it in words.
    regimen : DataFrame with REGIMEN_COLUMNS, or None without regimens
    claims : DataFrame or None
        Published claims against recomputed values.
    contributions : DataFrame or None
        Mean absolute SHAP contribution of each covariate.
    parameters : DataFrame
        Chosen parameters of every learner.
    pictures : mapping of caption -> Figure, by section
    """

    title: str
    provenance: str
    facts: Mapping[str, str]
    cautions: Sequence[str]
    metrics: pd.DataFrame
    differences: pd.DataFrame
    champion: str
    reason: str
    verdict: str
    sample_size: pd.DataFrame
    sample_size_text: str
    regimen: pd.DataFrame | None
    claims: pd.DataFrame | None
    contributions: pd.DataFrame | None
    parameters: pd.DataFrame
    pictures: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)


def write_report(path: Path, report: Report) -> None:
    """Write the report as one HTML file."""
    pictures = {
        section: {caption: embed_figure(figure) for caption, figure in figures.items()}
        for section, figures in report.pictures.items()
    }
    calibration = report.metrics["metric"].str.startswith("calibration")
    page = render_page(
        "report.html",
        report=report,
        pictures=pictures,
        metrics=html_table(_labelled(metrics_by_learner(report.metrics[~calibration]))),
        calibration=html_table(_labelled(metrics_by_learner(report.metrics[calibration]))),
        sample_size=html_table(readable_sample_size(report.sample_size)),
        differences=html_table(readable_differences(report.differences)),
        regimen=None if report.regimen is None else html_table(readable_regimen(report.regimen)),
        claims=None if report.claims is None else html_table(report.claims),
        contributions=None if report.contributions is None else html_table(report.contributions),
        parameters=html_table(report.parameters),
    )
    path.write_text(page, encoding="utf-8")


def metric_label(metric: str, horizon: float) -> str:
    """'Harrell C', 'Brier 12 mo': the name of a metric as a reader sees it."""
    label = METRIC_LABELS.get(metric, metric)
    at_horizon = metric not in ("harrell_c", "uno_c", "ibs") and np.isfinite(horizon)
    return f"{label} {horizon:g} mo" if at_horizon else label


def metrics_by_learner(metrics: pd.DataFrame) -> pd.DataFrame:
    """Learners as rows, metrics as columns, each cell 'estimate (interval)'."""
    shown = metrics.assign(
        column=[
            metric_label(m, h) for m, h in zip(metrics["metric"], metrics["horizon"], strict=True)
        ],
        cell=[
            format_estimate(row.estimate, row.ci_low, row.ci_high, DIGITS.get(row.metric, 2))
            for row in metrics.itertuples()
        ],
    )
    table = shown.set_index(["learner", "column"])["cell"].unstack()  # noqa: PD010
    table = table.loc[metrics["learner"].unique(), shown["column"].unique()].reset_index()
    return table.rename_axis(columns=None)


def readable_differences(differences: pd.DataFrame) -> pd.DataFrame:
    """Paired differences between learners, one row each."""
    labels = {
        "harrell_c_difference": "Harrell C (above 0 favours the first)",
        "ibs_difference": "IBS (below 0 favours the first)",
    }
    return pd.DataFrame(
        {
            "learners": differences["learner"],
            "difference in": differences["metric"].map(lambda m: labels.get(m, m)),
            "estimate (95% CI)": [
                format_estimate(r.estimate, r.ci_low, r.ci_high, 3)
                for r in differences.itertuples()
            ],
            "note": differences["note"],
        }
    )


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
    digits = {"months": 1, "event probability difference": 3}
    return pd.DataFrame(
        {
            "family": regimen["family"],
            "endpoint": regimen["endpoint"],
            "estimator": regimen["estimator"],
            "arms": describe_arms(regimen),
            "scale": regimen["scale"],
            "months": [f"{h:g}" if np.isfinite(h) else "" for h in regimen["horizon"]],
            "estimate (95% interval)": [
                format_estimate(r.estimate, r.ci_low, r.ci_high, digits.get(r.scale, 2))
                for r in regimen.itertuples()
            ],
            "p": [format_p(p) for p in regimen["p_value"]],
            "n": [f"{n:g}" for n in regimen["n"].astype(float)],
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
    display = KaplanMeierDisplay.from_outcomes(outcome, regimen, endpoint=endpoint)
    return axes_figure(display.plot())


def calibration_figure(table: pd.DataFrame, predicted: np.ndarray, summary: str) -> Figure:
    """Observed against predicted event probability in risk groups, at one horizon."""
    return axes_figure(CalibrationDisplay(table, predicted, summary=summary).plot())


def discrimination_figure(metrics: pd.DataFrame) -> Figure:
    """Uno's C of every learner with its interval."""
    rows = metrics[metrics["metric"] == "uno_c"].rename(columns={"learner": "label"})
    months = rows["horizon"].iloc[0]
    frame = rows[["label", "estimate", "ci_low", "ci_high", "n"]]
    display = ForestPlotDisplay(
        frame,
        scale=f"Uno C, {months:g} months",
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
    label = rows["estimator"] + ("" if not several else ": " + rows["arm"])
    frame = rows.assign(label=label)[["label", "estimate", "ci_low", "ci_high", "n"]]
    arm, reference = rows["arm"].iloc[0], rows["reference_arm"].iloc[0]
    display = ForestPlotDisplay(
        frame,
        scale=f"Difference in probability of {endpoint} event by {horizon:g} months",
        favours=(f"fewer events, {'the arm' if several else arm}", f"fewer events, {reference}"),
        reference=0.0,
        log=False,
    )  # fmt: skip
    return axes_figure(display.plot())


def axes_figure(ax: Axes) -> Figure:
    """The figure that holds an axes."""
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, the same bytes each time."""
    figure.savefig(path, dpi=DPI, bbox_inches="tight", metadata={"Software": None})


def _labelled(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(learner=table["learner"].map(lambda name: name.replace("_", " ")))
