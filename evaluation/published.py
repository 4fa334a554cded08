"""The published claims beside the values that a patient table gives.

Nothing is fitted here and no result is written down: every value is computed from the table's
rows, and every claim comes from the study file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import greenwood
import numpy as np
import pandas as pd
from scipy.stats import binomtest, chi2_contingency, fisher_exact

from evaluation.results import format_p
from features.outcome import Outcome

CLAIM_COLUMNS = ("claim", "published", "recomputed", "verdict")
REPRODUCED = "reproduced"

# Mean length of a month, by which a window in days becomes months.
DAYS_PER_MONTH = 365.25 / 12

Claim = tuple[str, str, str, str]


def check_published_claims(cohort: pd.DataFrame, study: Mapping[str, Any]) -> pd.DataFrame:
    """Recompute each published claim from the patients.

    Parameters
    ----------
    cohort : DataFrame of shape (n_patients, n_columns)
        With `center`, `regimen`, `treatment_start_date`, `os_months`, `os_event`, `efs_months`,
        `efs_event`, `response` and one 0/1 column `ae_*` per adverse event of the study.
    study : mapping
        The published aggregates, as `features.reference_study.read_reference_study` returns them.

    Returns
    -------
    DataFrame
        One row a claim: claim, published, recomputed, and the verdict 'reproduced' or
        'not reproduced: ...'. A value is reproduced when it rounds to the published one.

    Raises
    ------
    ValueError
        If the table lacks a column or a regimen of the study, or an outcome is unusable.
    """
    _check_columns(cohort, study)
    rows = [
        *_size_claims(cohort, study),
        *_response_claims(cohort, study),
        *_survival_claims(cohort, study, "os"),
        *_survival_claims(cohort, study, "efs"),
        *_safety_claims(cohort, study),
    ]
    return pd.DataFrame(rows, columns=list(CLAIM_COLUMNS))


def _check_columns(cohort: pd.DataFrame, study: Mapping[str, Any]) -> None:
    needed = ["center", "regimen", "treatment_start_date", "response"]
    needed += [f"{endpoint}_{part}" for endpoint in ("os", "efs") for part in ("months", "event")]
    needed += [f"ae_{name}" for name in study["adverse_events"]]
    missing = [column for column in needed if column not in cohort]
    if missing:
        raise ValueError(
            f"the cohort lacks the column(s) {', '.join(missing)}; the claims need "
            f"{', '.join(needed)}"
        )
    found = set(cohort["regimen"].dropna())
    if found != set(study["arms"]):
        raise ValueError(
            f"regimen must hold exactly {', '.join(study['arms'])}; got "
            f"{', '.join(sorted(map(str, found))) or 'no value'}"
        )


def _verdict(agrees: bool, why: str) -> str:
    return REPRODUCED if agrees else f"not reproduced: {why}"


def _size_claims(cohort: pd.DataFrame, study: Mapping[str, Any]) -> Iterator[Claim]:
    for arm, aggregates in study["arms"].items():
        n = int((cohort["regimen"] == arm).sum())
        published = aggregates["n"]
        yield (
            f"Patients, {arm}",
            str(published),
            str(n),
            _verdict(n == published, f"{n} patients, not {published}"),
        )
    n_centers = cohort["center"].nunique()
    yield (
        "Centers",
        str(study["n_centers"]),
        str(n_centers),
        _verdict(n_centers == study["n_centers"], f"{n_centers} centers"),
    )
    start, end = (pd.Timestamp(study["period"][side]) for side in ("start", "end"))
    dates = pd.to_datetime(cohort["treatment_start_date"])
    yield (
        "Treatment dates",
        f"{start:%Y-%m} to {end:%Y-%m}",
        f"{dates.min():%Y-%m} to {dates.max():%Y-%m}",
        _verdict(bool(dates.between(start, end).all()), "dates outside the period or missing"),
    )


def _response_claims(cohort: pd.DataFrame, study: Mapping[str, Any]) -> Iterator[Claim]:
    counted = study["responses_counted"]
    label = "/".join(counted)
    responded = cohort["response"].isin(counted)
    counts = []
    for arm, aggregates in study["arms"].items():
        in_arm = cohort["regimen"] == arm
        count, n = int((responded & in_arm).sum()), int(in_arm.sum())
        counts.append((count, n))
        published = aggregates["response"]["percent"]
        yield f"{label}, {arm}", f"{published}%", *_percent_against(published, count, n)

    tests = _response_tests(counts)
    published_p = study["p_values"]["response"]
    arms = " against ".join(f"{count}/{n}" for count, n in counts)
    yield (
        f"{label}, p for the difference",
        _published_p(published_p),
        ", ".join(f"{name} {_three_decimals(p)}" for name, p in tests.items()),
        _verdict(
            any(_rounds_to(p, published_p, 2) for p in tests.values()),
            f"{_published_p(published_p)} does not follow from {arms}",
        ),
    )


def _response_tests(counts: list[tuple[int, int]]) -> dict[str, float]:
    """Two-sided p-values of the 2 x 2 response table; the chi-square has no continuity correction.

    NaN for the chi-square where everyone or no one responded.
    """
    table = np.array([(count, n - count) for count, n in counts])
    chi_square = np.nan
    if (table.sum(axis=0) > 0).all():
        chi_square = chi2_contingency(table, correction=False).pvalue
    return {"chi-square": float(chi_square), "Fisher": float(fisher_exact(table).pvalue)}


def _survival_claims(
    cohort: pd.DataFrame, study: Mapping[str, Any], endpoint: str
) -> Iterator[Claim]:
    name = endpoint.upper()
    outcome = _outcome(cohort, endpoint)
    regimen = cohort["regimen"].to_numpy()
    for arm, aggregates in study["arms"].items():
        published = aggregates[f"median_{endpoint}_months"]
        in_arm = outcome.take(regimen == arm)
        curve = greenwood.KaplanMeier(conf_type="log-log").fit(
            greenwood.Surv(in_arm.time, in_arm.event)
        )
        median, low, high = curve.median(ci=True)
        yield (
            f"Median {name}, {arm}, months",
            f"{published['estimate']:.1f}",
            _months(median),
            _verdict(_rounds_to(median, published["estimate"], 1), _months(median)),
        )
        if "ci_low" not in published:
            continue
        limits = f"{_months(low)}-{_months(high)}"
        yield (
            f"Median {name}, {arm}, 95% CI (log-log)",
            f"{published['ci_low']:.1f}-{published['ci_high']:.1f}",
            limits,
            _verdict(
                _rounds_to(low, published["ci_low"], 1)
                and _rounds_to(high, published["ci_high"], 1),
                limits,
            ),
        )
    p_value = greenwood.logrank_test(
        greenwood.Surv(outcome.time, outcome.event), group=regimen
    ).p_value
    published_p = study["p_values"][endpoint]
    yield (
        f"{name}, log-rank p",
        _published_p(published_p),
        format_p(p_value),
        _verdict(_rounds_to(p_value, published_p, 2), f"p = {format_p(p_value)}"),
    )


def _safety_claims(cohort: pd.DataFrame, study: Mapping[str, Any]) -> Iterator[Claim]:
    for name, published in study["adverse_events"].items():
        happened = cohort[f"ae_{name}"].dropna()
        yield (
            f"{name.replace('_', ' ').capitalize()}, grade >= 3",
            f"{published['percent']}%",
            *_percent_against(published["percent"], int(happened.sum()), len(happened)),
        )
    outcome = _outcome(cohort, "os")
    for days in study["early_deaths"]["days"]:
        early = outcome.time * DAYS_PER_MONTH <= days
        deaths = int((early & outcome.event).sum())
        # Lost to follow-up inside the window: nobody knows whether the patient died in it.
        n = len(outcome) - int((early & ~outcome.event).sum())
        upper = binomtest(deaths, n).proportion_ci(method="exact").high if n else np.nan
        yield (
            f"Deaths within {days} days",
            str(study["early_deaths"]["count"]),
            f"{deaths}/{n} (Clopper-Pearson upper limit {100 * upper:.1f}%)",
            _verdict(deaths == study["early_deaths"]["count"], f"{deaths} of {n}"),
        )


def _outcome(cohort: pd.DataFrame, endpoint: str) -> Outcome:
    try:
        return Outcome(
            cohort[f"{endpoint}_months"].to_numpy(dtype=float),
            cohort[f"{endpoint}_event"].to_numpy(),
        )
    except ValueError as problem:
        raise ValueError(f"{endpoint}_months and {endpoint}_event: {problem}") from problem


def _percent_against(published: float, count: int, n: int) -> tuple[str, str]:
    if n == 0:
        return "no patient", _verdict(False, "no patient")
    percent = 100 * count / n
    text = f"{count}/{n} ({percent:.1f}%)"
    return text, _verdict(_rounds_to(percent, published, 1), text)


def _rounds_to(value: float, published: float, digits: int) -> bool:
    """Whether a value printed with the published number of decimals is the published one."""
    return f"{value:.{digits}f}" == f"{published:.{digits}f}"


def _months(value: float) -> str:
    return f"{value:.1f}" if np.isfinite(value) else "not reached"


def _three_decimals(p_value: float) -> str:
    return f"{p_value:.3f}".removeprefix("0") if np.isfinite(p_value) else "not estimable"


def _published_p(p_value: float) -> str:
    return f"{p_value:.2f}".removeprefix("0")
