"""The tables of a regimen as models use it: effects, contributions, their course and agreement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evaluation.bootstrap import percentile_interval
from evaluation.estimators import parts_of, rows_of
from evaluation.regimens.model_effects import CONTRIBUTION, ESTIMATORS, SCALES, RegimenReading
from evaluation.remarks import Remark, joined, not_estimable
from evaluation.results import Estimate, regimen_table


def contribution_table(
    learner: str, reading: RegimenReading, replicates: np.ndarray | None = None
) -> pd.DataFrame:
    """One row a patient and output: the contribution of the regimen and how steady it is.

    Parameters
    ----------
    reading : RegimenReading
    replicates : ndarray of shape (n_replicates, n, K), optional
        Contributions for the same patients by models refitted to bootstrap samples.

    Returns
    -------
    DataFrame
        learner, row (in the table, from 1), regimen, scale, horizon, contribution, error (of
        sampling), refit_sd, refit_low, refit_high (percentiles over refits; NaN without them),
        method, note.
    """
    n, count = reading.contribution.shape
    frames = []
    for k in range(count):
        spread, low, high = (np.full(n, np.nan) for _ in range(3))
        if replicates is not None:
            spread = _spread(replicates[:, :, k])
            low, high = np.transpose([percentile_interval(one) for one in replicates[:, :, k].T])
        frames.append(
            pd.DataFrame(
                {
                    "learner": learner,
                    "row": reading.rows + 1,
                    "regimen": reading.regimen,
                    "scale": reading.outputs.names[k],
                    "horizon": reading.outputs.horizons[k],
                    "contribution": reading.contribution[:, k],
                    "error": reading.error[:, k],
                    "refit_sd": spread,
                    "refit_low": low,
                    "refit_high": high,
                    "method": reading.method,
                    "note": f"{CONTRIBUTION}; not causal",
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def heterogeneity_table(contributions: pd.DataFrame) -> pd.DataFrame:
    """Whether patients' contributions differ by more than one patient's does between refits.

    Parameters
    ----------
    contributions : DataFrame
        From `contribution_table`, with refits.

    Returns
    -------
    DataFrame
        One row a learner, scale, horizon and regimen: n, mean, between_sd (of patients within the
        regimen), within_sd (median over patients of the spread over refits), ratio, note.
    """
    rows = []
    keys = ["learner", "scale", "horizon", "regimen"]
    for place, own in contributions.groupby(keys, sort=False):
        between = float(own["contribution"].std(ddof=1)) if len(own) > 1 else np.nan
        within = float(own["refit_sd"].median())
        ratio = between / within if within > 0 else np.nan
        if not np.isfinite(between) or not np.isfinite(within):
            note: str = not_estimable("fewer than two patients, or no refits")
        elif within == 0:
            note = "the regimen is in no refit"
        elif ratio < 1:
            note = "patients differ by less than one patient does between refits: do not interpret"
        else:
            note = "patients differ by more than one patient does between refits; not causal"
        rows.append(
            dict(zip(keys, place, strict=True))
            | {
                "n": len(own),
                "mean": float(own["contribution"].mean()),
                "between_sd": between,
                "within_sd": within,
                "ratio": ratio,
                "note": note,
            }
        )
    columns = [*keys, "n", "mean", "between_sd", "within_sd", "ratio", "note"]
    return pd.DataFrame(rows, columns=columns)


def course_table(
    learner: str,
    arms: Sequence[str],
    times: Sequence[float],
    estimate: np.ndarray,
    replicates: np.ndarray,
) -> pd.DataFrame:
    """Course over time of the regimen's contribution, by arm and as contrasts.

    Parameters
    ----------
    arms : sequence of str
        The reference arm first.
    estimate : ndarray of shape (n_arms, n_times)
        Mean contribution of the regimen among each arm's patients, on the event probability; NaN
        beyond the model's follow-up.
    replicates : ndarray of shape (n_replicates, n_arms, n_times)
        The same from models refitted to bootstrap samples, each on its own sample.

    Returns
    -------
    DataFrame
        learner, kind ("mean in arm" or "contrast"), arm, reference_arm, time, estimate, ci_low,
        ci_high, ci_method, note.
    """
    kinds: list[tuple[str, str, str, np.ndarray, np.ndarray]] = [
        ("mean in arm", arm, "", estimate[a], replicates[:, a]) for a, arm in enumerate(arms)
    ]
    kinds += [
        ("contrast", arm, arms[0], estimate[a] - estimate[0], replicates[:, a] - replicates[:, 0])
        for a, arm in enumerate(arms)
        if a
    ]
    method = _refit_method(len(replicates))
    rows = [
        {
            "learner": learner,
            "kind": kind,
            "arm": arm,
            "reference_arm": reference,
            "time": time,
            "estimate": values[t],
            **dict(zip(("ci_low", "ci_high"), percentile_interval(refits[:, t]), strict=True)),
            "ci_method": method,
            "note": f"{CONTRIBUTION}, event probability; not causal",
        }
        for kind, arm, reference, values, refits in kinds
        for t, time in enumerate(times)
    ]
    return pd.DataFrame(rows)


def regimen_effect_table(
    learner: str,
    endpoint: str,
    arms: Sequence[str],
    horizons: Sequence[float],
    estimate: np.ndarray,
    replicates: np.ndarray,
    n: int,
    events: int,
    tau: float | None = None,
    sampling_error: np.ndarray | None = None,
) -> pd.DataFrame:
    """Tabulate a learner's contrasts with their bootstrap intervals.

    Parameters
    ----------
    estimate : ndarray of shape (2, n_arms - 1, n_horizons)
        From the model fitted to all patients, as `model_contrasts` returns it.
    replicates : ndarray of shape (n_replicates, 2, n_arms - 1, n_horizons)
        The same from models refitted to bootstrap samples with the same parameters.
    tau : float, optional
        Months; then the last output of both arrays is the RMST up to it.
    sampling_error : ndarray of shape (n_arms - 1, n_horizons), optional
        `RegimenReading.contrast_error`, told where it is not 0.

    Returns
    -------
    DataFrame
        With REGIMEN_COLUMNS.
    """
    outputs = [("event probability", horizon) for horizon in horizons]
    if tau is not None:
        outputs.append(("RMST", tau))
    if estimate.shape != (2, len(arms) - 1, len(outputs)):
        raise ValueError(
            f"estimate has shape {estimate.shape}; expected {(2, len(arms) - 1, len(outputs))}: "
            "contrast, arm, output"
        )
    method = _refit_method(len(replicates))
    notes = (
        f"{CONTRIBUTION}; not causal",
        "mean prediction with everyone under each regimen; not causal",
    )
    rows = []
    for which, (estimator, note) in enumerate(zip(ESTIMATORS, notes, strict=True)):
        for a, arm in enumerate(arms[1:]):
            for h, (scale, horizon) in enumerate(outputs):
                refits = replicates[:, which, a, h]
                low, high = percentile_interval(refits)
                parts = [note]
                if which == 0 and sampling_error is not None and sampling_error[a, h] > 0:
                    parts.append(f"sampled, standard error {sampling_error[a, h]:.2g}")
                without = float(np.mean(refits == 0))
                if without:
                    parts.append(Remark.LEFT.says(f"in {without:.0%} of refits"))
                if np.isnan(estimate[which, a, h]):
                    parts.append("beyond the follow-up")
                rows.append(
                    Estimate(
                        estimator=estimator,
                        part=learner,
                        endpoint=endpoint,
                        scale=SCALES[scale],
                        horizon=horizon,
                        arm=arm,
                        reference_arm=arms[0],
                        value=estimate[which, a, h],
                        low=low,
                        high=high,
                        method=method,
                        n=n,
                        events=events,
                        note=joined(*parts),
                    )
                )
    return regimen_table(rows)


def agreement_table(effects: pd.DataFrame) -> pd.DataFrame:
    """Whether the two readings of each model say the same of the regimen.

    Parameters
    ----------
    effects : DataFrame
        From `regimen_effect_table`, of any number of learners.

    Returns
    -------
    DataFrame
        One row a learner, endpoint, scale, horizon and arm: shap, standardised, difference,
        largest_gap (half the width of the narrower interval), verdict.
    """
    named = effects[rows_of(effects["estimator"], *ESTIMATORS)]
    named = named.assign(learner=parts_of(named["estimator"]))
    keys = ["learner", "endpoint", "scale", "horizon", "arm", "reference_arm"]
    rows = []
    for place, own in named.groupby(keys, sort=False):
        shap, standardised = (own[rows_of(own["estimator"], one)].iloc[0] for one in ESTIMATORS)
        width = min(one["ci_high"] - one["ci_low"] for one in (shap, standardised)) / 2
        rows.append(
            dict(zip(keys, place, strict=True))
            | {
                "shap": shap["estimate"],
                "standardised": standardised["estimate"],
                "difference": shap["estimate"] - standardised["estimate"],
                "largest_gap": width,
                "verdict": _verdict(shap, standardised, width),
            }
        )
    columns = [*keys, "shap", "standardised", "difference", "largest_gap", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def _verdict(shap: pd.Series, standardised: pd.Series, gap: float) -> str:
    estimates = np.array([shap["estimate"], standardised["estimate"]])
    if not np.isfinite(estimates).all():
        return "not estimable"
    if (estimates == 0).all():
        return "the regimen is not in this model"
    none = all(one["ci_low"] <= 0 <= one["ci_high"] for one in (shap, standardised))
    uncertain = "; neither is told apart from no difference" if none else ""
    if estimates.prod() < 0:
        return "opposite directions" + uncertain
    if np.isfinite(gap) and abs(estimates[0] - estimates[1]) > gap:
        return "same direction, sizes apart by more than half an interval" + uncertain
    return "agree" + uncertain


def _refit_method(count: int) -> str:
    return f"percentiles over {count} bootstrap refits, parameters fixed"


def _spread(replicates: np.ndarray) -> np.ndarray:
    """Standard deviation over replicates that have an estimate, shape (n,)."""
    known = replicates[~np.isnan(replicates).any(axis=1)]
    return known.std(axis=0, ddof=1) if len(known) > 1 else np.full(replicates.shape[1], np.nan)
