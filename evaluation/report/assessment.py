"""Tables and pictures of predictions beside what happened: AUC(t), Brier(t), calibration, utility.

The same for the out-of-fold predictions of a training and for a stored model on new patients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.displays import CalibrationDisplay, DCalibrationDisplay, RiskDistributionDisplay
from evaluation.estimates import NEAR_1, is_by_construction
from evaluation.metrics import ICI, OBSERVED_EXPECTED, SLOPE, at_own_time, tells_apart, version_for
from evaluation.metrics.calibration import calibration_curve, grouped_calibration
from evaluation.remarks import Remark
from evaluation.report.out_of_fold_curves import (
    FEWEST_EVENTS,
    auc_over_time,
    brier_over_time,
    decisions,
    observed_expected_over_time,
)
from evaluation.results import format_estimate
from evaluation.validation import mean_prediction
from features.outcome import Outcome
from models.prediction import SurvivalPrediction

# With fewer patients groups of predicted risk hold too few to show anything.
FEWEST_DRAWN = 20
MANY = 200
# Times at which O/E is drawn.
CURVE_POINTS = 24
# The smooth curve is drawn from this lowest prediction to this highest.
EACH_END = 5
CORNER = (OBSERVED_EXPECTED, SLOPE, ICI)


@dataclass(frozen=True)
class Judged:
    """Predictions of several learners for the same n patients, and what happened to them.

    Attributes
    ----------
    outcome : Outcome of n patients
    learners : mapping of name to sequence of SurvivalPrediction
        One a repeat, on the same folds and times.
    folds : sequence of ndarray of shape (n,)
        -1 for a patient whom a repeat does not test.
    horizons : sequence of float
        Months; the last one ends what is integrated.
    thresholds : sequence of float
        Event probabilities at which one would act.
    counts : ndarray of shape (B, n)
    metrics : DataFrame with METRIC_COLUMNS
        Of all the learners.
    """

    outcome: Outcome
    learners: Mapping[str, Sequence[SurvivalPrediction]]
    folds: Sequence[np.ndarray]
    horizons: Sequence[float]
    thresholds: Sequence[float]
    counts: np.ndarray
    metrics: pd.DataFrame

    @property
    def tau(self) -> float:
        """The last horizon, months."""
        return max(self.horizons)

    @property
    def tested(self) -> np.ndarray:
        """Who is tested by some repeat, (n,)."""
        tested: np.ndarray = np.any([np.asarray(fold) >= 0 for fold in self.folds], axis=0)
        return tested


@dataclass(frozen=True)
class Assessment:
    """Tables by file name, and figures by section and caption."""

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    figures: dict[str, dict[str, Figure]] = field(default_factory=dict)

    def draw(self, section: str, caption: str, ax: Axes) -> None:
        """Add the figure that holds an axes."""
        figure = ax.get_figure(root=True)
        assert isinstance(figure, Figure)
        self.figures.setdefault(section, {})[caption] = figure

    def join(self, other: Assessment) -> None:
        """Add everything of another one, after what is there."""
        self.tables.update(other.tables)
        for section, figures in other.figures.items():
            self.figures.setdefault(section, {}).update(figures)


def assess(judged: Judged, main: str, beside: Sequence[str] = ()) -> Assessment:
    """Curves and distributions of one learner, with others beside it where they compare.

    Parameters
    ----------
    judged : Judged
    main : str
        The learner that everything is drawn of.
    beside : sequence of str
        Learners drawn with it in AUC(t), Brier(t) and the decision curve.

    Returns
    -------
    Assessment
        Sections "calibration" of every learner; "curves", "utility" and "risk" of the main one.
        With competing events the calibration alone, against Aalen-Johansen: the other curves would
        take the competing event for a censoring. A curve that cannot be estimated anywhere is left
        out; its metrics say why.
    """
    found = Assessment()
    for name in judged.learners:
        found.join(calibration_pictures(judged, name))
    if judged.outcome.has_competing:
        return found
    drawn = {name: judged.learners[name] for name in dict.fromkeys([main, *beside])}
    settings = (judged.outcome, drawn, judged.folds)
    auc = auc_over_time(*settings, judged.tau, judged.counts)
    found.tables["auc_over_time"] = auc.frame
    if auc.frame["estimate"].notna().any():
        several = len(np.unique([fold[fold >= 0] for fold in judged.folds[:1]])) > 1
        pairs = ", pairs of the same test fold" if several else ""
        found.draw("curves", f"AUC(t) for events by month t{pairs}", auc.plot())
    brier = brier_over_time(*settings, judged.tau, judged.counts)
    found.tables["brier_over_time"] = brier.frame
    if brier.frame["estimate"].notna().any():
        found.draw("curves", "Brier score at month t beside that of Kaplan-Meier", brier.plot())
    found.join(_over_all_times(judged, list(drawn)))
    benefit = []
    for horizon in judged.horizons:
        if _unknown(judged, drawn.values(), horizon):
            continue
        curve = decisions(*settings, horizon, judged.counts, judged.thresholds)
        benefit.append(curve.frame)
        found.draw(
            "utility",
            f"Decision curve at {horizon:g} months; dotted: the configured thresholds",
            curve.plot(),
        )
        risk = 1.0 - mean_prediction(judged.learners[main], judged.folds).at(horizon)[judged.tested]
        spread = RiskDistributionDisplay.from_predictions(
            judged.outcome.take(judged.tested), risk, horizon
        )
        found.draw("risk", f"Predicted risk by what happened by {horizon:g} months", spread.plot())
    if benefit:
        found.tables["decision_curve"] = pd.concat(benefit, ignore_index=True)
    return found


def _over_all_times(judged: Judged, learners: Sequence[str]) -> Assessment:
    """O/E over time of these learners, and D-calibration of the first, both of mean predictions."""
    found = Assessment()
    outcome, tested = judged.outcome.take(judged.tested), judged.tested
    counts = judged.counts[:, tested]
    mean = {name: mean_prediction(judged.learners[name], judged.folds) for name in learners}
    times = mean[learners[0]].times
    # From the fifth event on; before it a ratio rests on a handful of patients.
    events = np.array([(outcome.event & (outcome.time <= time)).sum() for time in times])
    usable = np.flatnonzero(
        (events >= FEWEST_EVENTS) & (times <= min(judged.tau, outcome.follow_up))
    )
    chosen = usable[:: max(1, len(usable) // CURVE_POINTS)]
    survival = {name: p.survival[np.ix_(tested, chosen)] for name, p in mean.items()}
    if len(chosen) > 1 and not any(np.isnan(each).any() for each in survival.values()):
        over_time = observed_expected_over_time(outcome, survival, times[chosen], counts)
        found.tables["observed_expected_over_time"] = over_time.frame
        near_1 = f", {NEAR_1}" if is_by_construction(judged.metrics) else ""
        caption = f"O/E at month t, mean predictions{near_1}"
        found.draw("calibration", caption, over_time.plot())
    first = mean[learners[0]]
    if not np.isnan(first.survival[np.ix_(tested, times <= outcome.follow_up)]).any():
        own = at_own_time(outcome, first.take(tested))
        display = DCalibrationDisplay.from_predictions(own.outcome, own.survival, counts)
        found.tables["d_calibration"] = display.frame
        words = learners[0].replace("_", " ")
        found.draw("calibration", f"D-calibration of {words}, mean predictions", display.plot())
    return found


def calibration_pictures(judged: Judged, learner: str) -> Assessment:
    """Calibration plot of one learner at each horizon, and the smooth curves as a table.

    Groups and curve are of each patient's prediction averaged over repeats; the corner repeats the
    metrics, each the mean over repeats. A learner that tells nobody apart has no plot.
    """
    found = Assessment()
    own = judged.metrics[judged.metrics["learner"] == learner].set_index(["metric", "horizon"])
    outcome, tested = judged.outcome.take(judged.tested), judged.tested
    mean = mean_prediction(judged.learners[learner], judged.folds)
    curves, groups_found = [], []
    for horizon in judged.horizons:
        risk = 1.0 - mean.at(horizon)[tested]
        few = len(risk) < FEWEST_DRAWN or horizon > outcome.follow_up
        if few or np.isnan(risk).any() or not _tells_apart(judged, learner, horizon):
            continue
        groups = 4 if len(risk) < MANY else 8
        curve = None
        table = grouped_calibration(outcome, risk, horizon, groups)
        if not outcome.has_competing:
            # Beyond the outer patients the spline rests on nobody.
            low, high = np.sort(risk)[[EACH_END - 1, -EACH_END]]
            at = np.linspace(low, high, 101)
            curve = calibration_curve(outcome, risk, horizon, judged.counts[:, tested], at=at)
            curves.append(curve)
        shown = table.rename(columns={"expected": "predicted"}).assign(horizon=horizon)
        groups_found.append(shown)
        lines = [
            f"{metric.label} {_cell(own, version_for(outcome, metric).name, horizon)}"
            for metric in ((OBSERVED_EXPECTED,) if outcome.has_competing else CORNER)
        ]
        display = CalibrationDisplay(shown, risk, curve, "\n".join([*lines, "(95% intervals)"]))
        found.draw("calibration", f"{learner} {horizon:g} months", display.plot())
    for name, parts in (("calibration_curve", curves), ("calibration_groups", groups_found)):
        if parts:
            found.tables[f"{name}_{learner}"] = pd.concat(parts, ignore_index=True)
    return found


def _unknown(
    judged: Judged, learners: Iterable[Sequence[SurvivalPrediction]], horizon: float
) -> bool:
    """Whether a horizon is beyond what is followed or predicted."""
    outcome = judged.outcome.take(judged.tested)
    if horizon > outcome.follow_up or not (outcome.event & (outcome.time <= horizon)).any():
        return True
    return any(
        np.isnan(mean_prediction(repeats, judged.folds).at(horizon)[judged.tested]).any()
        for repeats in learners
    )


def _tells_apart(judged: Judged, learner: str, horizon: float) -> bool:
    each = zip(judged.learners[learner], judged.folds, strict=True)
    return any(tells_apart(1.0 - p.at(horizon)[f >= 0], f[f >= 0]) for p, f in each)


def _cell(own: pd.DataFrame, metric: str, horizon: float) -> str:
    if (metric, horizon) not in own.index:
        return "not estimable"
    row = own.loc[(metric, horizon)]
    cell = format_estimate(row["estimate"], row["ci_low"], row["ci_high"])
    return f"{cell}, {NEAR_1}" if Remark.BY_CONSTRUCTION.within(row["note"]) else cell
