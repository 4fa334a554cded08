"""Limits of one patient's probabilities, from models refitted to bootstrap samples.

The limits are symmetric about the prediction on the scale of the log cumulative hazard, where a
probability near 0 or 1 has room on both sides. Half their width is `WIDENED` times what a normal
interval would be from the spread of the refits alone: that one leaves out what the refits share,
the pull of a penalty or of averaging towards the cohort, and holds the truth far too rarely.
"""

from __future__ import annotations

import numpy as np

from models.individual.answer import Band

# Half widths as a multiple of the normal interval's, measured on simulated truth: see
# `docs/individual.md`, which `python -m benchmarks.individual` writes.
WIDENED = 2.0
# Learners that tell nobody apart: limits would be those of the average.
WITHOUT = ("kaplan_meier",)
# Student's t at 97.5% for that many refits less one; between two, the one for fewer.
T_975 = {20: 2.093, 25: 2.064, 30: 2.045, 40: 2.023, 50: 2.010, 100: 1.984, 200: 1.972}
FEWEST_REFITS = 20
# Refits that may predict nothing at a time, where their sample was followed for less long.
MOST_UNKNOWN = 0.1
# A probability this near 0 or 1 has no finite log cumulative hazard.
NEAREST = 1e-6


def limits(
    survival: np.ndarray, refits: np.ndarray, widened: float
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper limit of survival.

    Parameters
    ----------
    survival : ndarray of shape (..., n_times)
        By the model.
    refits : ndarray of shape (B, ..., n_times)
        By its refits; NaN where one predicts nothing.
    widened : float
        At least 1.

    Returns
    -------
    low, high : ndarray of shape (..., n_times)
        NaN where fewer than 20 refits, or less than nine tenths of them, predict.
    """
    known = ~np.isnan(refits)
    count = known.sum(axis=0)
    enough = (count >= FEWEST_REFITS) & (count >= (1 - MOST_UNKNOWN) * len(refits))
    at = log_hazard(survival)
    each = np.where(known, log_hazard(refits), 0.0)
    mean = each.sum(axis=0) / np.maximum(count, 1)
    squared = (np.where(known, each - mean, 0.0) ** 2).sum(axis=0)
    spread = np.sqrt(squared / np.maximum(count - 1, 1))
    reach = widened * _t(len(refits)) * spread
    with np.errstate(invalid="ignore"):
        low, high = (np.exp(-np.exp(at + sign * reach)) for sign in (1, -1))
    # Where everybody is event-free, before the first event, no refit differs: the limits are it.
    exact = (survival >= 1) | (survival <= 0)
    low, high = np.where(exact, survival, low), np.where(exact, survival, high)
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)


def along_curve(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Limits of one curve made non-increasing, as survival is; shape (n_times,) each.

    Survival is at least its lower limit of any later time and at most its upper limit of any
    earlier one. It matters before the events of most refits, where those without one yet say
    nothing of how large a small risk is.
    """
    lower = np.fmax.accumulate(low[::-1])[::-1]
    upper = np.fmin.accumulate(high)
    return np.where(np.isnan(low), np.nan, lower), np.where(np.isnan(high), np.nan, upper)


def log_hazard(survival: np.ndarray) -> np.ndarray:
    """log(-log S), kept finite."""
    inside = np.clip(survival, NEAREST, 1 - NEAREST)
    return np.asarray(np.log(-np.log(inside)))


def _t(refits: int) -> float:
    return T_975[max((known for known in T_975 if known <= refits), default=FEWEST_REFITS)]


def band_of(learner: str, refits: int, *, recalibrated: bool = False) -> Band | None:
    """What the limits by so many refits are called and worth; None where there are none."""
    if refits < FEWEST_REFITS or learner in WITHOUT:
        return None
    held = ", nor how exactly the recalibration is known" if recalibrated else ""
    return Band(
        name="widened range over refits",
        refits=refits,
        widened=WIDENED,
        told=f"Twice the spread of {refits} models refitted to bootstrap samples of the training "
        "patients, the tuned parameters kept; no confidence interval. It held the truth of about "
        "19 in 20 simulated patients where the cohort supported its covariates, of 4 in 5 where it "
        "did not (docs/individual.md). It counts neither what no covariate tells, nor a hospital "
        f"unlike those of the training{held}.",
    )


def why_no_band(learner: str) -> str:
    """Why a model gives no limits, where it gives none."""
    if learner in WITHOUT:
        return "this model tells nobody apart: it predicts the average for everybody"
    return f"the model was stored without refits, or with fewer than {FEWEST_REFITS}"
