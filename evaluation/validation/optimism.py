"""Optimism of a whole pipeline by the bootstrap: Harrell's correction, .632 and .632+."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evaluation.bootstrap import MAX_UNDEFINED, percentile_interval
from evaluation.metrics import Metric, events_by, metric_obstacle
from evaluation.remarks import no_interval, not_estimable
from evaluation.results import METRIC_COLUMNS, metric_table
from evaluation.validation.refits import Refits
from models.prediction import SurvivalPrediction

ESTIMATORS = (
    "apparent",
    "optimism",
    "corrected",
    "out_of_bag",
    "no_information",
    ".632",
    ".632+",
)
OPTIMISM_COLUMNS = (*METRIC_COLUMNS[:2], "estimator", *METRIC_COLUMNS[2:])
# What a bootstrap sample leaves out holds about this share of the information.
_SHARE = 0.632
_LIMITS = (
    "covers some 90%, not 95%, with 70 patients and 8 covariates: it leaves out the variation of "
    "the optimism itself"
)
_TARGET = no_interval("a fit is about calibrated on its own patients, whatever they are")


def optimism_table(learner_name: str, refits: Refits, metrics: Sequence[Metric]) -> pd.DataFrame:
    """Apparent, optimism-corrected, .632 and .632+ estimates of each metric.

    Parameters
    ----------
    learner_name : str
    refits : Refits
        Some 200 samples or more.
    metrics : sequence of Metric

    Returns
    -------
    DataFrame with OPTIMISM_COLUMNS, one row a metric and estimator
        `apparent`: on the patients the model was fitted to. `optimism`: mean over bootstrap
        samples of a refit's value in its own sample less that on all patients. `corrected`:
        apparent - optimism. `out_of_bag`: mean value on the patients a refit did not see.
        `no_information`: the value when predictions and outcomes are independent. `.632`:
        0.368 apparent + 0.632 out-of-bag. `.632+`: its weight grows from 0.632 to 1 with the
        relative overfitting rate (out-of-bag - apparent) / (no information - apparent).

        `no_information` and `.632+` are NaN with a reason where a metric has no known value
        without information (O/E). The interval of `corrected`, `.632` and `.632+` is the
        location-shifted bootstrap interval: the percentiles of the refits' apparent values, moved
        so that their mean is the estimate; `note` states its limits. Noma et al. move them by the
        correction alone, and since refits are more optimistic than the model, their limits then
        lie on the favourable side. Calibration (O/E, slope) has none, since a refit is about
        calibrated in its own sample by construction. Nor have the other rows.

    References
    ----------
    Harrell et al., Stat Med 1996; Efron and Tibshirani, JASA 1997, 10.1080/01621459.1997.10474007;
    no information for the Brier score: Gerds and Schumacher, Biometrics 2007; the interval: Noma et
    al., Stat Med 2021, 10.1002/sim.9148.
    """
    rows = []
    for metric in metrics:
        about = {
            "learner": learner_name,
            "metric": metric.name,
            "horizon": metric.horizon,
            "n": len(refits.outcome),
            "events": events_by(refits.outcome, metric.horizon),
        }
        obstacle = metric_obstacle(metric, refits.outcome, [refits.original])
        if obstacle:
            estimates = {name: _missing(obstacle) for name in ESTIMATORS}
        else:
            estimates = _estimates(metric, refits)
        rows += [about | {"estimator": name} | estimates[name] for name in ESTIMATORS]
    estimators = [row.pop("estimator") for row in rows]
    table = metric_table(rows)
    table.insert(2, "estimator", estimators)
    return table


def _estimates(metric: Metric, refits: Refits) -> dict[str, dict[str, object]]:
    apparent = _values(metric, refits, refits.original, np.ones((1, len(refits.outcome))))[0]
    in_bag, original, out_of_bag = _replicates(metric, refits).T
    fits = f"B={len(refits.refitted)} refits"
    if refits.unfitted:
        fits += f", {refits.unfitted} of them without an event or a fit, left out"
    rows = {"apparent": _row(apparent, "")}

    optimism, gap = _mean(in_bag - original, "its own sample or all patients")
    rows["optimism"] = _row(optimism, gap or fits)
    rows["corrected"] = _shifted(metric, apparent - optimism, in_bag, gap or fits)

    outside, gap = _mean(out_of_bag, "the patients out of its sample")
    rows["out_of_bag"] = _row(outside, gap or fits)
    plain = (1 - _SHARE) * apparent + _SHARE * outside
    rows[".632"] = _shifted(metric, plain, in_bag, gap or fits)

    nothing = metric.no_information(refits.outcome, refits.original)
    if nothing is None:
        reason = f"{metric.name} has no known value for predictions without information"
        rows["no_information"] = rows[".632+"] = _missing(reason)
        return rows
    rows["no_information"] = _row(nothing, "")
    plus, rate = six_three_two_plus(
        apparent, outside, nothing, higher_is_better=metric.better not in ("lower", "zero")
    )
    note = gap or f"relative overfitting rate {rate:.2f}; {fits}"
    rows[".632+"] = _shifted(metric, plus, in_bag, note)
    return rows


def six_three_two_plus(
    apparent: float, out_of_bag: float, no_information: float, higher_is_better: bool
) -> tuple[float, float]:
    """The .632+ estimate and the relative overfitting rate, 0 to 1.

    The rate is (out-of-bag - apparent) / (no information - apparent), with an out-of-bag value
    worse than no information taken as it, and 0 when the out-of-bag value is no worse than the
    apparent one.

    References
    ----------
    Efron and Tibshirani, JASA 1997, equations 28 to 32
    """
    if np.isnan([apparent, out_of_bag, no_information]).any():
        return np.nan, np.nan
    sign = -1.0 if higher_is_better else 1.0
    gap = sign * (no_information - apparent)
    worse = min(sign * (out_of_bag - apparent), gap)
    rate = worse / gap if worse > 0 else 0.0
    plain = (1 - _SHARE) * apparent + _SHARE * out_of_bag
    more = worse * (1 - _SHARE) * _SHARE * rate / (1 - (1 - _SHARE) * rate)
    return float(plain + sign * more), float(rate)


def _replicates(metric: Metric, refits: Refits) -> np.ndarray:
    """Value of each refit in its sample, on all patients and out of bag, shape (B, 3)."""
    values = np.full((len(refits.refitted), 3), np.nan)
    for row, prediction, counts in zip(values, refits.refitted, refits.counts, strict=True):
        if prediction is None:
            continue
        samples = np.stack([counts, np.ones_like(counts), counts == 0]).astype(float)
        # Nobody is out of bag in a small sample now and then.
        some = samples.sum(axis=1) > 0
        row[some] = _values(metric, refits, prediction, samples[some])
    return values


def _values(
    metric: Metric, refits: Refits, prediction: SurvivalPrediction, samples: np.ndarray
) -> np.ndarray:
    return metric.evaluate(refits.outcome, prediction, None, samples)


def _mean(values: np.ndarray, where: str) -> tuple[float, str]:
    """Mean over the refits with a value, and why there is none when more than 10% lack one."""
    missing = np.isnan(values)
    if not len(values) or missing.mean() > MAX_UNDEFINED:
        share = f"{missing.mean():.0%} of the refits" if len(values) else "no refits"
        return np.nan, not_estimable(f"{share} without a value on {where}")
    return float(values[~missing].mean()), ""


def _shifted(metric: Metric, estimate: float, in_bag: np.ndarray, note: str) -> dict[str, object]:
    if np.isnan(estimate):
        return _missing(note)
    if metric.better in ("one", "zero"):
        return _row(estimate, "; ".join(filter(None, [note, _TARGET])))
    low, high = percentile_interval(in_bag)
    if np.isnan(low):
        refused = no_interval("too many refits without a value in their own sample")
        return _row(estimate, "; ".join(filter(None, [note, refused])))
    shift = estimate - float(np.nanmean(in_bag))
    lowest, highest = metric.bounds
    return {
        "estimate": estimate,
        "ci_low": max(low + shift, lowest),
        "ci_high": min(high + shift, highest),
        "ci_method": f"location-shifted bootstrap, centred, B={len(in_bag)}",
        "note": "; ".join(filter(None, [note, _LIMITS])),
    }


def _row(estimate: float, note: str) -> dict[str, object]:
    return {"estimate": estimate, "ci_low": np.nan, "ci_high": np.nan, "note": note}


def _missing(reason: str) -> dict[str, object]:
    return _row(np.nan, reason)
