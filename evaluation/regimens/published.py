"""The published claims of a study beside the values that a patient table gives.

Nothing is fitted here and no result is written down: every value is computed from the table's
rows, and every claim comes from the study file. A study file claims what it holds; what it leaves
out is not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, fisher_exact

from evaluation.regimens.crude import cox_hazard_ratio, early_deaths, log_rank
from evaluation.results import format_p
from evaluation.statistics import median_time, proportion
from features.outcome import Outcome

CLAIM_COLUMNS = ("claim", "published", "recomputed", "verdict")
REPRODUCED = "reproduced"

# Decimals of a published figure. YAML drops a trailing zero, so that 0.10 reads as 0.1.
_PERCENT_DECIMALS, _MONTH_DECIMALS, _RATIO_DECIMALS, _P_DECIMALS = 1, 1, 2, 2
_CONF_TYPES = ("log-log", "log", "plain")

Claim = tuple[str, str, str, str]


def check_published_claims(cohort: pd.DataFrame, study: Mapping[str, Any]) -> pd.DataFrame:
    """Recompute each published claim from the patients.

    Parameters
    ----------
    cohort : DataFrame of shape (n_patients, n_columns)
        `regimen`, and what the study's claims need: `center` for n_centers,
        `treatment_start_date` for period, `response`, `<endpoint>_months` and `<endpoint>_event`
        for each endpoint with a median, a p-value or a hazard ratio, `os_months` and `os_event`
        for early deaths, one 0/1 column `ae_*` per adverse event.
    study : mapping
        The published aggregates, in the form of `configs/reference_study.yaml`, as
        `features.simulated.reference_study.read_reference_study` returns them:

        - arms: arm to n, response {percent}, median_<endpoint>_months {estimate, ci_low, ci_high}
          and adverse_events {name: {percent}}; each part may be left out. Two or more arms.
        - p_values: response or an endpoint to p.
        - hazard_ratios: endpoint to {arm, reference_arm, estimate, ci_low, ci_high}; the limits may
          be left out.
        - adverse_events: name to {percent}, of all patients; adverse_events_are ("grade >= 3").
        - n_centers, period {start, end}, responses_counted, early_deaths {count, days},
          median_interval ("log-log", "log" or "plain"; log-log where left out).

    Returns
    -------
    DataFrame
        One row a claim: claim, published, recomputed, and the verdict 'reproduced' or
        'not reproduced: ...'. A value is reproduced when it rounds to the published one, to the
        decimals published.

    Raises
    ------
    ValueError
        If the table lacks a column or a regimen of the study, an outcome is unusable, or the study
        has no arms or claims something about an arm that it does not have.
    """
    _check_study(study)
    _check_columns(cohort, study)
    rows = [
        *_size_claims(cohort, study),
        *_response_claims(cohort, study),
        *(claim for e in claimed_endpoints(study) for claim in _survival_claims(cohort, study, e)),
        *_safety_claims(cohort, study),
        *_early_death_claims(cohort, study),
    ]
    return pd.DataFrame(rows, columns=list(CLAIM_COLUMNS))


def claimed_endpoints(study: Mapping[str, Any]) -> list[str]:
    """Endpoints of which a study claims a median, a p-value or a hazard ratio, in its order."""
    found = []
    for aggregates in study["arms"].values():
        for key in aggregates:
            if key.startswith("median_") and key.endswith("_months"):
                found.append(key.removeprefix("median_").removesuffix("_months"))
    found += [name for name in study.get("p_values", {}) if name != "response"]
    found += list(study.get("hazard_ratios", {}))
    return list(dict.fromkeys(found))


def _check_study(study: Mapping[str, Any]) -> None:
    arms = study.get("arms") or {}
    if len(arms) < 2:
        raise ValueError(f"the study must have at least two arms; got {list(arms)}")
    for endpoint, ratio in study.get("hazard_ratios", {}).items():
        unknown = [ratio[k] for k in ("arm", "reference_arm") if ratio[k] not in arms]
        if unknown:
            raise ValueError(
                f"hazard_ratios, {endpoint}: {unknown[0]!r} is not among the arms {list(arms)}"
            )
    claims_response = any("response" in aggregates for aggregates in arms.values())
    if (claims_response or "response" in study.get("p_values", {})) and not study.get(
        "responses_counted"
    ):
        raise ValueError("the study claims a response, so responses_counted must list which count")
    interval = study.get("median_interval", "log-log")
    if interval not in _CONF_TYPES:
        raise ValueError(f"median_interval must be one of {_CONF_TYPES}; got {interval!r}")


def _check_columns(cohort: pd.DataFrame, study: Mapping[str, Any]) -> None:
    needed = ["regimen"]
    needed += ["center"] if "n_centers" in study else []
    needed += ["treatment_start_date"] if "period" in study else []
    needed += ["response"] if study.get("responses_counted") else []
    endpoints = claimed_endpoints(study)
    if "early_deaths" in study and "os" not in endpoints:
        endpoints.append("os")
    needed += [f"{endpoint}_{part}" for endpoint in endpoints for part in ("months", "event")]
    needed += [f"ae_{name}" for name in _adverse_events(study)]
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


def _adverse_events(study: Mapping[str, Any]) -> list[str]:
    names = list(study.get("adverse_events", {}))
    for aggregates in study["arms"].values():
        names += list(aggregates.get("adverse_events", {}))
    return list(dict.fromkeys(names))


def _verdict(agrees: bool, why: str) -> str:
    return REPRODUCED if agrees else f"not reproduced: {why}"


def _size_claims(cohort: pd.DataFrame, study: Mapping[str, Any]) -> Iterator[Claim]:
    for arm, aggregates in study["arms"].items():
        if "n" not in aggregates:
            continue
        n = int((cohort["regimen"] == arm).sum())
        published = aggregates["n"]
        yield (
            f"Patients, {arm}",
            str(published),
            str(n),
            _verdict(n == published, f"{n} patients, not {published}"),
        )
    if "n_centers" in study:
        n_centers = cohort["center"].nunique()
        yield (
            "Centers",
            str(study["n_centers"]),
            str(n_centers),
            _verdict(n_centers == study["n_centers"], f"{n_centers} centers"),
        )
    if "period" in study:
        start, end = (pd.Timestamp(study["period"][side]) for side in ("start", "end"))
        dates = pd.to_datetime(cohort["treatment_start_date"])
        yield (
            "Treatment dates",
            f"{start:%Y-%m} to {end:%Y-%m}",
            f"{dates.min():%Y-%m} to {dates.max():%Y-%m}",
            _verdict(bool(dates.between(start, end).all()), "dates outside the period or missing"),
        )


def _response_claims(cohort: pd.DataFrame, study: Mapping[str, Any]) -> Iterator[Claim]:
    if not study.get("responses_counted"):
        return
    counted = study["responses_counted"]
    label = "/".join(counted)
    responded = cohort["response"].isin(counted)
    counts = []
    for arm, aggregates in study["arms"].items():
        in_arm = cohort["regimen"] == arm
        count, n = int((responded & in_arm).sum()), int(in_arm.sum())
        counts.append((count, n))
        if "response" in aggregates:
            published = aggregates["response"]["percent"]
            yield f"{label}, {arm}", f"{published}%", *_percent_against(published, count, n)

    if "response" not in study.get("p_values", {}):
        return
    tests = _response_tests(counts)
    published_p = study["p_values"]["response"]
    arms = " against ".join(f"{count}/{n}" for count, n in counts)
    yield (
        f"{label}, p for the difference",
        _published_p(published_p),
        ", ".join(f"{name} {_three_decimals(p)}" for name, p in tests.items()),
        _verdict(
            any(_rounds_to(p, published_p, _P_DECIMALS) for p in tests.values()),
            f"{_published_p(published_p)} does not follow from {arms}",
        ),
    )


def _response_tests(counts: list[tuple[int, int]]) -> dict[str, float]:
    """Two-sided p-values of the response table; the chi-square has no continuity correction.

    NaN for the chi-square where everyone or no one responded; Fisher's test for two arms alone.
    """
    table = np.array([(count, n - count) for count, n in counts])
    chi_square = np.nan
    if (table.sum(axis=0) > 0).all():
        chi_square = chi2_contingency(table, correction=False).pvalue
    tests = {"chi-square": float(chi_square)}
    if len(counts) == 2:
        tests["Fisher"] = float(fisher_exact(table).pvalue)
    return tests


def _survival_claims(
    cohort: pd.DataFrame, study: Mapping[str, Any], endpoint: str
) -> Iterator[Claim]:
    name = endpoint.upper()
    outcome = _outcome(cohort, endpoint)
    regimen = cohort["regimen"].to_numpy()
    conf_type = study.get("median_interval", "log-log")
    for arm, aggregates in study["arms"].items():
        if f"median_{endpoint}_months" not in aggregates:
            continue
        published = aggregates[f"median_{endpoint}_months"]
        median, low, high = median_time(outcome.take(regimen == arm), conf_type)
        decimals = _decimals(published["estimate"], _MONTH_DECIMALS)
        yield (
            f"Median {name}, {arm}, months",
            f"{published['estimate']:.{decimals}f}",
            _months(median, decimals),
            _verdict(
                _rounds_to(median, published["estimate"], _MONTH_DECIMALS),
                _months(median, decimals),
            ),
        )
        if "ci_low" not in published:
            continue
        limits = f"{_months(low, decimals)}-{_months(high, decimals)}"
        yield (
            f"Median {name}, {arm}, 95% CI ({conf_type})",
            f"{published['ci_low']:.{decimals}f}-{_upper(published['ci_high'], decimals)}",
            limits,
            _verdict(
                _rounds_to(low, published["ci_low"], _MONTH_DECIMALS)
                and _limit_agrees(high, published["ci_high"]),
                limits,
            ),
        )
    if endpoint in study.get("p_values", {}):
        p_value = log_rank(outcome, regimen).p_value
        published_p = study["p_values"][endpoint]
        shown = format_p(p_value) or "not estimable"
        yield (
            f"{name}, log-rank p",
            _published_p(published_p),
            shown,
            _verdict(_rounds_to(p_value, published_p, _P_DECIMALS), f"p = {shown}"),
        )
    if endpoint in study.get("hazard_ratios", {}):
        yield _ratio_claim(outcome, regimen, name, study["hazard_ratios"][endpoint])


def _ratio_claim(
    outcome: Outcome, regimen: np.ndarray, name: str, published: Mapping[str, Any]
) -> Claim:
    arm, reference = published["arm"], published["reference_arm"]
    found = cox_hazard_ratio(outcome.take(regimen == arm), outcome.take(regimen == reference))
    decimals = _decimals(published["estimate"], _RATIO_DECIMALS)
    parts = [("estimate", found.estimate), ("ci_low", found.ci_low), ("ci_high", found.ci_high)]
    claimed = [(published[key], value) for key, value in parts if key in published]
    told = [f"{value:.{decimals}f}" for value, _ in claimed]
    ours = [_months(value, decimals, "not estimable") for _, value in claimed]
    recomputed = _with_limits(ours)
    return (
        f"{name}, hazard ratio {arm} over {reference}",
        _with_limits(told),
        recomputed,
        _verdict(
            all(_rounds_to(value, claim, _RATIO_DECIMALS) for claim, value in claimed), recomputed
        ),
    )


def _with_limits(texts: list[str]) -> str:
    estimate, *limits = texts
    return f"{estimate} ({'-'.join(limits)})" if limits else estimate


def _safety_claims(cohort: pd.DataFrame, study: Mapping[str, Any]) -> Iterator[Claim]:
    kind = study.get("adverse_events_are", "")
    ending = f", {kind}" if kind else ""
    for name in _adverse_events(study):
        label = f"{name.replace('_', ' ').capitalize()}{ending}"
        happened = cohort[f"ae_{name}"]
        groups = {label: (study.get("adverse_events", {}), np.ones(len(cohort), dtype=bool))}
        groups |= {
            f"{label}, {arm}": (
                aggregates.get("adverse_events", {}),
                (cohort["regimen"] == arm).to_numpy(),
            )
            for arm, aggregates in study["arms"].items()
        }
        for claim, (claims, patients) in groups.items():
            if name not in claims:
                continue
            known = happened[patients].dropna()
            published = claims[name]["percent"]
            yield (
                claim,
                f"{published}%",
                *_percent_against(published, int(known.sum()), len(known)),
            )


def _early_death_claims(cohort: pd.DataFrame, study: Mapping[str, Any]) -> Iterator[Claim]:
    if "early_deaths" not in study:
        return
    outcome = _outcome(cohort, "os")
    published = study["early_deaths"]["count"]
    for days in study["early_deaths"]["days"]:
        # Lost to follow-up inside the window: nobody knows whether the patient died in it.
        counts = early_deaths(outcome, days)
        upper = proportion(counts.events, counts.n).ci_high
        yield (
            f"Deaths within {days} days",
            str(published),
            f"{counts.events}/{counts.n} (Clopper-Pearson upper limit {100 * upper:.1f}%)",
            _verdict(counts.events == published, f"{counts.events} of {counts.n}"),
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
    decimals = _decimals(published, _PERCENT_DECIMALS)
    text = f"{count}/{n} ({percent:.{decimals}f}%)"
    return text, _verdict(_rounds_to(percent, published, _PERCENT_DECIMALS), text)


def _decimals(published: float, at_least: int) -> int:
    """Decimals of a figure as published: those in the file, or the usual number if more."""
    exponent = Decimal(str(published)).as_tuple().exponent
    return max(-exponent if isinstance(exponent, int) else 0, at_least)


def _rounds_to(value: float, published: float, at_least: int) -> bool:
    """Whether a value printed with the published number of decimals is the published one."""
    decimals = _decimals(published, at_least)
    return f"{value:.{decimals}f}" == f"{published:.{decimals}f}"


def _limit_agrees(value: float, published: float | None) -> bool:
    """Whether an upper limit agrees; none published means that it was not reached."""
    if published is None:
        return bool(np.isnan(value))
    return _rounds_to(value, published, _MONTH_DECIMALS)


def _upper(published: float | None, decimals: int) -> str:
    return "not reached" if published is None else f"{published:.{decimals}f}"


def _months(value: float, decimals: int, missing: str = "not reached") -> str:
    return f"{value:.{decimals}f}" if np.isfinite(value) else missing


def _three_decimals(p_value: float) -> str:
    return f"{p_value:.3f}".removeprefix("0") if np.isfinite(p_value) else "not estimable"


def _published_p(p_value: float) -> str:
    return f"{p_value:.{_decimals(p_value, _P_DECIMALS)}f}".removeprefix("0")
