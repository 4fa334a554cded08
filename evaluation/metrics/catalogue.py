"""Every metric that a table or a report holds, one entry each.

A new metric is a kernel in a file of its own and an entry here, in the tuple of those beside which
it is reported. What asks for a metric finds it here by name and reads its fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from evaluation.metrics import kernels
from evaluation.metrics.calibration import ERRORS, METHOD
from evaluation.metrics.metric import DIFFERENCE, Axis, Metric
from features.outcome import Outcome

RULE = "trapezoid from the first time of the grid"
NULL_MODEL = "null model: {} of all patients, not out-of-fold"
SHARE = (0.0, 1.0)
LOSS = (0.0, np.inf)
NO_PAIR = "no comparable pair of patients within a fold"
NO_CASE = "no fold holds both an event by then and a patient followed beyond"
NOBODY_APART = "predicted risks do not vary within a fold, or separate the events"

# -- metrics of predicted survival ----------------------------------------------------------------

HARRELL_C = Metric(
    "harrell_c", "Harrell C", kernels.harrell,
    better="higher", needs="order", place="none", section="overall",
    undefined=NO_PAIR, without_information=kernels.half, bounds=SHARE,
    axis=Axis("Harrell's C", 0.5),
)  # fmt: skip
UNO_C = replace(HARRELL_C, key="uno_c", label="Uno C", kernel=kernels.uno, place="tau", axis=None)
IBS = Metric(
    "ibs", "IBS", kernels.ibs,
    better="lower", needs="grid", place="tau", section="overall", digits=3,
    note=RULE, without_information=kernels.shuffled_ibs, bounds=LOSS,
)  # fmt: skip
BRIER = Metric(
    "brier", "Brier", kernels.brier,
    better="lower", needs="horizon", place="horizon", section="horizon", digits=3,
    without_information=kernels.shuffled_brier, bounds=LOSS,
)  # fmt: skip
IPA = Metric(
    "ipa", "IPA", kernels.ipa,
    better="higher", needs="horizon", place="horizon", section="horizon",
    undefined="the null model is never wrong", note=NULL_MODEL.format("Kaplan-Meier"),
    without_information=kernels.shuffled_ipa, bounds=(-np.inf, 1.0),
)  # fmt: skip
OBSERVED_EXPECTED = Metric(
    "calibration_oe", "O/E", kernels.observed_expected,
    better="one", needs="horizon", place="horizon", section="calibration",
    undefined="the expected probability is 0", near_1_out_of_fold=True,
    axis=Axis("Observed / expected", 1.0, ("risk overestimated", "risk underestimated"), log=True),
)  # fmt: skip
SLOPE = Metric(
    "calibration_slope", "Slope", kernels.slope,
    better="one", needs="horizon", place="horizon", section="calibration",
    undefined=NOBODY_APART, without_information=kernels.no_slope,
    axis=Axis("Calibration slope", 1.0, ("too extreme", "too timid")),
)  # fmt: skip
INTEGRATED_AUC = Metric(
    "integrated_auc", "Mean AUC", kernels.mean_auc,
    better="higher", needs="grid", place="tau", section="overall",
    undefined=NO_CASE,
    note_at=lambda tau: f"mean of AUC(t), trapezoid, {kernels.AUC_FROM * tau:g} to {tau:g} months",
    without_information=kernels.half, bounds=SHARE,
)  # fmt: skip
AUC = Metric(
    "auc", "AUC", kernels.auc,
    better="higher", needs="horizon", place="horizon", section="horizon",
    undefined=NO_CASE, without_information=kernels.half, bounds=SHARE,
)  # fmt: skip
INTERCEPT = Metric(
    "calibration_intercept", "Intercept", kernels.intercept,
    better="zero", needs="horizon", place="horizon", section="calibration",
    undefined="the observed probability is 0 or 1",
    note="slope kept at 1; above 0 risk is underestimated",
)  # fmt: skip
ICI, E50, E90 = CALIBRATION_ERRORS = tuple(
    Metric(
        key, key.upper(), kernels.calibration_error(place),
        better="lower", needs="horizon", place="horizon", section="calibration",
        digits=3, undefined=NOBODY_APART, note=METHOD.format(kernels.KNOTS), bounds=LOSS,
    )
    for place, key in enumerate(ERRORS[:3])
)  # fmt: skip
NET_BENEFIT = Metric(
    "net_benefit", "Net benefit", kernels.net_benefit,
    better="higher", needs="horizon", place="threshold", section="utility",
    digits=3, undefined="the patients flagged are not followed up to the horizon",
)  # fmt: skip
D_CALIBRATION = Metric(
    "d_calibration_p", "D-calibration p", None,
    better="higher", needs="grid", place="tau", section="overall",
)  # fmt: skip

# -- the same kernels on a predicted cumulative incidence -----------------------------------------

COMPETING_C = replace(
    UNO_C, key="competing_c", label="C, competing events", competing_for=(UNO_C, HARRELL_C)
)
COMPETING_IBS = replace(IBS, key="competing_ibs", label="IBS of incidence", competing_for=(IBS,))
COMPETING_AUC = replace(AUC, key="competing_auc", undefined=NO_PAIR, competing_for=(AUC,))
COMPETING_BRIER = replace(
    BRIER, key="competing_brier", label="Brier of incidence", competing_for=(BRIER,)
)
COMPETING_IPA = replace(
    IPA, key="competing_ipa", label="IPA of incidence", note=NULL_MODEL.format("Aalen-Johansen"),
    competing_for=(IPA,),
)  # fmt: skip
COMPETING_OBSERVED_EXPECTED = replace(
    OBSERVED_EXPECTED, key="competing_oe", label="O/E of incidence",
    competing_for=(OBSERVED_EXPECTED,),
)  # fmt: skip

# -- what refits of a model do, from `instability_table` -------------------------------------------

AVERAGE_MAPE = Metric(
    "average_mape", "average absolute change of a predicted probability", None,
    better="lower", needs="horizon", place="horizon", section="instability", digits=3,
)  # fmt: skip
REFITTED_OE = replace(
    OBSERVED_EXPECTED, key="refitted_oe", label="O/E of the refits on these patients",
    section="instability", digits=3,
)  # fmt: skip
REFITTED_SLOPE = replace(
    SLOPE, key="refitted_slope", label="slope of the refits on these patients",
    section="instability", digits=3,
)  # fmt: skip
AVERAGE_CHANGE = replace(
    AVERAGE_MAPE, key="average_change", place="threshold",
    label="share of refits that classify a patient otherwise",
)  # fmt: skip

# Also corrected for optimism.
STANDARD = (HARRELL_C, UNO_C, IBS, BRIER, IPA, OBSERVED_EXPECTED, SLOPE)
FURTHER = (INTEGRATED_AUC, AUC, INTERCEPT, *CALIBRATION_ERRORS, NET_BENEFIT)
COMPETING = (
    COMPETING_C,
    COMPETING_IBS,
    COMPETING_AUC,
    COMPETING_BRIER,
    COMPETING_IPA,
    COMPETING_OBSERVED_EXPECTED,
)
INSTABILITY = (AVERAGE_MAPE, REFITTED_OE, REFITTED_SLOPE, AVERAGE_CHANGE)
CATALOGUE = {
    metric.key: metric for metric in (*STANDARD, *FURTHER, D_CALIBRATION, *COMPETING, *INSTABILITY)
}
_NAME = re.compile(
    rf"(?P<key>{'|'.join(CATALOGUE)})(?:_(?P<threshold>\d+(?:\.\d+)?(?:e-\d+)?))?(?P<difference>{DIFFERENCE})?"
)


def find_metric(name: str) -> Metric | None:
    """The metric of a name in a table, its threshold and whether it is a difference; or None."""
    told = _NAME.fullmatch(name)
    if told is None:
        return None
    metric = CATALOGUE[told["key"]]
    if (metric.place == "threshold") != (told["threshold"] is not None):
        return None
    threshold = float(told["threshold"] or np.nan)
    return replace(metric, threshold=threshold, difference=told["difference"] is not None)


def metric_of(name: str) -> Metric:
    """The metric of a name in a table.

    Raises
    ------
    KeyError
        For a name that is not in the catalogue.

    Examples
    --------
    >>> metric_of("net_benefit_0.2_difference").threshold
    0.2
    """
    found = find_metric(name)
    if found is None:
        raise KeyError(f"{name!r} is no metric of the catalogue: {', '.join(CATALOGUE)}")
    return found


def metric_label(name: str, horizon: float = np.nan) -> str:
    """'Harrell C', 'Brier 12 mo': a metric as a reader sees it.

    Examples
    --------
    >>> metric_label("net_benefit_0.2", 6)
    'Net benefit at 20% 6 mo'
    """
    metric = metric_of(name)
    at = "" if np.isnan(metric.threshold) else f" at {metric.threshold:.0%}"
    months = f" {horizon:g} mo" if metric.has_horizon and np.isfinite(horizon) else ""
    return f"{metric.label}{at}{months}"


def stored_name(name: str, horizon: float) -> str:
    """'ibs', 'brier_12m': a metric as MLflow stores it."""
    alone = not metric_of(name).has_horizon or np.isnan(horizon)
    return name if alone else f"{name}_{horizon:g}m"


def is_one_of(name: str, *metrics: Metric) -> bool:
    """Whether a name is of one of these metrics, or of what stands for it under competing events.

    Examples
    --------
    >>> is_one_of("competing_ibs", IBS), is_one_of("brier", IBS)
    (True, False)
    """
    found = find_metric(name)
    keys = {metric.key for metric in metrics}
    return found is not None and any(m.key in keys for m in (found, *found.competing_for))


def rows_of(names: Iterable[str], *metrics: Metric) -> np.ndarray:
    """`is_one_of` for each name of a column, shape (n,)."""
    return np.array([is_one_of(name, *metrics) for name in names], dtype=bool)


def version_for(outcome: Outcome, metric: Metric) -> Metric:
    """The metric, or what stands for it where the outcome has competing events.

    Raises
    ------
    KeyError
        For a metric that has no version under competing events.
    """
    if not outcome.has_competing:
        return metric
    for one in COMPETING:
        if is_one_of(one.key, metric):
            return one
    raise KeyError(f"{metric.key} has no version under competing events")


def placed(
    metrics: Iterable[Metric], horizons: Sequence[float], tau: float, thresholds: Sequence[float]
) -> list[Metric]:
    """Those of one value up to tau, then each of the others at each horizon and threshold."""
    metrics = list(metrics)
    found = [metric.at(tau) for metric in metrics if not metric.has_horizon]
    for horizon in horizons:
        for metric in metrics:
            if metric.place == "threshold":
                found += [metric.at(horizon, threshold) for threshold in thresholds]
            elif metric.has_horizon:
                found.append(metric.at(horizon))
    return found


def standard_metrics(horizons: Sequence[float], tau: float) -> list[Metric]:
    """Harrell's and Uno's C and IBS; Brier, IPA, O/E and slope at each horizon (months)."""
    return placed(STANDARD, horizons, tau, ())


def cohort_metrics(
    outcome: Outcome, horizons: Sequence[float], tau: float, thresholds: Sequence[float] = ()
) -> list[Metric]:
    """Every metric that a training and an external validation report for this endpoint.

    Parameters
    ----------
    outcome : Outcome of n patients
        With competing events the metrics are those of the cumulative incidence: the predicted event
        probability must be one. A learner that took competing events for censorings predicts more.
    horizons : sequence of float
        Months.
    tau : float
        Months; the end of what is integrated.
    thresholds : sequence of float
        Event probabilities at which one would act, for the net benefit.
    """
    if outcome.has_competing:
        return placed(COMPETING, horizons, tau, ())
    return standard_metrics(horizons, tau) + placed(FURTHER, horizons, tau, thresholds)
