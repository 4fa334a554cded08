"""Pictures that stand in several pages, drawn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.displays import (
    FEWEST_AVERAGED,
    INTERVAL_HEADER,
    BeeswarmDisplay,
    DependenceDisplay,
    ForestPlotDisplay,
    WaterfallDisplay,
)
from evaluation.metrics import UNO_C, metric_label, rows_of
from evaluation.report.arm_curves import kaplan_meier_display
from evaluation.report.page import png_bytes
from evaluation.results import MODEL_BASED, REFITS
from features.outcome import Outcome

if TYPE_CHECKING:
    import shap

# Of the patients, those whose predicted risk is highest.
HIGHEST_SHARE = 5
HIGHEST_FIFTH = "fifth of highest predicted risk"


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


def contribution_pictures(
    explanation: shap.Explanation, horizon: float, learner: str, labels: Mapping[str, str]
) -> dict[str, Figure]:
    """Draw all contributions, and the mean ones of the fifth of patients with the highest risk.

    Parameters
    ----------
    explanation : shap.Explanation of n patients
        On the event probability at the horizon (months).
    labels : mapping of covariate -> words for it

    Returns
    -------
    dict of caption -> Figure
        Without the second for fewer than 25 patients, and where nobody is told apart.
    """
    at = f"event probability at {horizon:g} months"
    swarm = BeeswarmDisplay(explanation, horizon, learner, labels)
    drawn = {f"{learner}: contributions to {at}": axes_figure(swarm.plot())}
    risk = explanation.values.sum(axis=1)
    count = len(risk) // HIGHEST_SHARE
    if count >= FEWEST_AVERAGED and np.ptp(risk) > 0:
        highest = np.zeros(len(risk), dtype=bool)
        highest[np.argsort(-risk, kind="stable")[:count]] = True
        group = WaterfallDisplay(explanation, highest, HIGHEST_FIFTH, horizon, learner, labels)
        caption = f"{learner}: mean contributions to {at} in the {HIGHEST_FIFTH}"
        drawn[caption] = axes_figure(group.plot())
    return drawn


def own_dependence(
    explanation: shap.Explanation, horizon: float, learner: str, labels: Mapping[str, str]
) -> dict[str, Figure]:
    """The covariate of the largest mean contribution: its contribution beside its values."""
    place = int(np.abs(explanation.values).mean(axis=0).argmax())
    name = explanation.feature_names[place]
    values = pd.Series(explanation.display_data[:, place]).infer_objects()
    frame = pd.DataFrame({"value": values, "contribution": explanation.values[:, place]})
    label = labels.get(name, name)
    shown = DependenceDisplay(frame, label, horizon, learner, of=label)
    return {f"{label}: its contribution by its value": axes_figure(shown.plot())}


def axes_figure(ax: Axes) -> Figure:
    """The figure that holds an axes."""
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, the same bytes each time."""
    path.write_bytes(png_bytes(figure))
