"""Survival times that reproduce published medians, limits and log-rank p-values exactly.

In each arm the pattern of deaths and censorings fixes which ordered death is the Kaplan-Meier
median and which are its log-log limits. A monotone piecewise-linear warp of time keeps the order
and puts those deaths at the published months; whole draws are rejected until the log-rank p
rounds to the published one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import chdtrc

from features.life_table import LifeTable, log_rank, time_at_level
from features.simulated.reference_covariates import draw_beta

Survival = tuple[np.ndarray, np.ndarray]

# S(t) this close to 0.5 is a tie in floating point, where programs differ on the median.
_TIE = 1e-6


def km_median(time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Kaplan-Meier median with its 95% log-log limits.

    Parameters
    ----------
    time, event : ndarray of shape (n,)
        Months; True where the event was observed.

    Returns
    -------
    ndarray of shape (3,)
        Median, lower and upper limit in months; NaN where not reached, and all NaN where the
        curve has a step exactly at 0.5.
    """
    table = LifeTable.count(time, event)
    if _hits_a_half(table):
        return np.full(3, np.nan)
    # The lower limit of the median is where the lower band falls to one half. The band does not
    # exist where the last patient at risk dies.
    return time_at_level(table.times, np.stack([table.survival, *table.limits()]))


def _hits_a_half(table: LifeTable) -> bool:
    return bool((np.abs(table.survival - 0.5) < _TIE).any())


def logrank_p(time: np.ndarray, event: np.ndarray, in_arm: np.ndarray) -> float:
    """Two-sided log-rank p-value of one arm against the rest, hypergeometric variance."""
    statistic, _ = log_rank(LifeTable.count(time, event, weights=np.stack([in_arm, ~in_arm])))
    return float(chdtrc(1, statistic))


def harrell_c(time: np.ndarray, event: np.ndarray, risk_score: np.ndarray) -> float:
    """Harrell C: share of comparable pairs in which the higher risk score dies first."""
    later = (time[:, None] < time) | ((time[:, None] == time) & ~event)
    comparable = later & event[:, None]
    agree = (risk_score[:, None] > risk_score) + 0.5 * (risk_score[:, None] == risk_score)
    return float(agree[comparable].mean())


def draw_os(rng: np.random.Generator, study: Mapping[str, Any]) -> dict[str, Survival]:
    """Draw each arm's OS times and events, sorted by time, not yet given to patients.

    Medians and limits are the published ones to 0.01 months; the log-rank p rounds to the
    published one.
    """
    choices = study["generator"]["survival"]
    if choices["interval"] != "log-log":
        raise ValueError(f"interval must be 'log-log', got {choices['interval']!r}")
    in_arm = np.concatenate(
        [np.full(arm["n"], row == 0) for row, arm in enumerate(study["arms"].values())]
    )
    for _ in range(choices["tries"]):
        slots = {}
        for arm, aggregates in study["arms"].items():
            latent = _draw_arm(rng, aggregates["n"], choices["deaths"][arm], choices)
            slot = _pin(*latent, aggregates["median_os_months"], choices)
            if slot is None:
                break
            slots[arm] = slot
        else:
            time = np.concatenate([slot[0] for slot in slots.values()])
            event = np.concatenate([slot[1] for slot in slots.values()])
            if round(logrank_p(time, event, in_arm), 2) == study["p_values"]["os"]:
                return slots
    raise RuntimeError(
        "no draw of OS met the published medians, limits and log-rank p = "
        f"{study['p_values']['os']}"
    )


def _draw_arm(
    rng: np.random.Generator, n: int, n_deaths: int, choices: Mapping[str, Any]
) -> Survival:
    lifetime = rng.weibull(choices["weibull_shape"], size=n)
    event = np.ones(n, dtype=bool)
    event[rng.permutation(n)[n_deaths:]] = False
    share = rng.uniform(choices["lost_at"]["low"], choices["lost_at"]["high"], size=n)
    time = np.where(event, lifetime, lifetime * share)
    order = np.argsort(time)
    # The scale is free: the warp sets it.
    return choices["earliest_months"] + 8.0 * time[order], event[order]


def _pin(
    time: np.ndarray,
    event: np.ndarray,
    published: Mapping[str, float],
    choices: Mapping[str, Any],
) -> Survival | None:
    wanted = np.array([published["ci_low"], published["estimate"], published["ci_high"]])
    drawn = km_median(time, event)[[1, 0, 2]]
    earliest = choices["earliest_months"]
    if not (np.diff(drawn) > 0).all():
        return None
    if (~event & (time < drawn[1])).sum() < choices["censored_before_median"]:
        return None
    # Beyond the upper limit nothing is published: time keeps the scale that the median got.
    scale = (wanted[1] - earliest) / (drawn[1] - earliest)
    tail = max(time[-1] - drawn[2], 1.0)
    warped = np.interp(
        time, [earliest, *drawn, drawn[2] + tail], [earliest, *wanted, wanted[2] + scale * tail]
    )
    warped = np.round(warped, 2)
    # Rounding may tie times; what counts is that the rounded table still gives the figures.
    if not np.allclose(km_median(warped, event)[[1, 0, 2]], wanted, atol=1e-9):
        return None
    return warped, event


def match_survival(
    rng: np.random.Generator,
    regimen: np.ndarray,
    predictor: np.ndarray,
    center: np.ndarray,
    slots: Mapping[str, Survival],
    choices: Mapping[str, Any],
) -> Survival:
    """Give each arm's survival times to its patients, the higher risk the earlier time.

    The risk is the linear predictor plus a center frailty plus noise. The noise is scaled until
    Harrell C of the linear predictor alone is within `choices['harrell_c']` in the arm.

    Returns
    -------
    time, event : ndarrays of shape (n_patients,)
    """
    frailty = choices["center_frailty_sd"] * rng.standard_normal(len(set(center)))
    frailty = dict(zip(sorted(set(center)), frailty, strict=True))
    known = predictor + np.array([frailty[name] for name in center])
    time = np.empty(len(regimen))
    event = np.empty(len(regimen), dtype=bool)
    for arm, (arm_time, arm_event) in slots.items():
        rows = np.flatnonzero(regimen == arm)
        order = _match_arm(rng, predictor[rows], known[rows], (arm_time, arm_event), choices)
        time[rows[order]] = arm_time
        event[rows[order]] = arm_event
    return time, event


def _match_arm(
    rng: np.random.Generator,
    predictor: np.ndarray,
    known: np.ndarray,
    slot: Survival,
    choices: Mapping[str, Any],
) -> np.ndarray:
    wanted = choices["harrell_c"]
    for _ in range(choices["tries"]):
        noise = rng.gumbel(size=len(known))
        low, high = 1e-3, 1e3
        for _ in range(30):
            scale = np.sqrt(low * high)
            order = np.argsort(-(known + scale * noise), kind="stable")
            concordance = harrell_c(*slot, predictor[order])
            if wanted["low"] <= concordance <= wanted["high"]:
                return order
            # More noise lowers the concordance.
            low, high = (scale, high) if concordance > wanted["high"] else (low, scale)
    raise RuntimeError(
        f"no matching gave a within-arm Harrell C of {wanted['low']} to {wanted['high']}"
    )


def draw_efs(
    rng: np.random.Generator,
    regimen: np.ndarray,
    os_months: np.ndarray,
    os_event: np.ndarray,
    responded: np.ndarray,
    study: Mapping[str, Any],
) -> Survival | None:
    """Draw EFS (progression, relapse or death) below each patient's OS.

    EFS = OS x fraction ** g, with g set an arm so that the Kaplan-Meier median is the published
    one. A death is an event at or before it; only patients alive at last contact are censored.

    Returns
    -------
    time, event : ndarrays of shape (n_patients,)
        None where no draw gave the published medians and log-rank p: not every OS and response
        leaves room for them.
    """
    choices = study["generator"]["efs"]
    # A response must be seen before it can be lost.
    earliest = np.where(
        responded,
        study["generator"]["response"]["earliest_event_months"],
        choices["earliest_event_months"],
    )
    arms = study["arms"]
    first_arm = regimen == next(iter(arms))
    for _ in range(choices["tries"]):
        fraction, event = _draw_fraction(rng, os_event, responded, choices)
        time = np.empty(len(os_months))
        for arm, aggregates in arms.items():
            rows = regimen == arm
            pinned = _pin_efs(
                os_months[rows],
                fraction[rows],
                event[rows],
                earliest[rows],
                aggregates["median_efs_months"]["estimate"],
            )
            if pinned is None:
                break
            time[rows] = pinned
        else:
            if round(logrank_p(time, event, first_arm), 2) == study["p_values"]["efs"]:
                return time, event
    return None


def _draw_fraction(
    rng: np.random.Generator,
    os_event: np.ndarray,
    responded: np.ndarray,
    choices: Mapping[str, Any],
) -> Survival:
    n = len(os_event)
    fraction = np.where(
        responded,
        draw_beta(rng, n, choices["fraction"]["responder"]),
        draw_beta(rng, n, choices["fraction"]["other"]),
    )
    chance = np.where(
        os_event, 1.0 - choices["death_without_progression"], choices["progressed_among_censored"]
    )
    progressed = rng.random(n) < chance
    return np.where(progressed, fraction, 1.0), progressed | os_event


def _pin_efs(
    os_months: np.ndarray,
    fraction: np.ndarray,
    event: np.ndarray,
    earliest: np.ndarray,
    wanted: float,
) -> np.ndarray | None:
    low, high = 0.05, 20.0
    for _ in range(40):
        power = np.sqrt(low * high)
        time = np.round(np.maximum(os_months * fraction**power, earliest), 2)
        table = LifeTable.count(time, event)
        median = table.quantile()
        if np.isnan(median) or _hits_a_half(table):
            return None
        if abs(median - wanted) < 1e-9:
            return time
        # A higher power brings every progression forward.
        low, high = (power, high) if median > wanted else (low, power)
    return None
