"""Comparisons of regimens beside those of R, on two public cohorts; part of benchmarks.parity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evaluation.regimens.adjusted import Kind, adjustment_design, balancing_weights, fit_propensity
from evaluation.regimens.crude import (
    competing_as_event,
    cox_hazard_ratio,
    gray_test,
    log_rank,
    restricted_mean,
)
from evaluation.statistics import (
    CoxFit,
    TwoProportions,
    fine_gray,
    fit_firth_cox,
    proportion,
    weighted_survival,
)
from features.outcome import Outcome

Value = tuple[str, float, float]
Row = tuple[str, str, float, float]
# Ours, and the name in the references.
KINDS: tuple[tuple[Kind, str], ...] = (
    ("IPTW", "ate"),
    ("stabilised IPTW", "ate_stabilised"),
    ("overlap", "overlap"),
    ("matching", "matching"),
    ("as treated", "att"),
)
MDACC_TIMES, BMT_TIMES = (6.0, 12.0, 24.0), (182.625, 365.25, 730.5)


def regimen_rows(folder: Path, refs: Mapping[str, Any]) -> Iterator[Row]:
    """Cohort, measure, ours and R's; a cohort or a reference that is not there has no row."""
    for name, file, rows in (
        ("mdacc", "mdacc_venhma_ldac.csv", _mdacc),
        ("bmt", "bmt.csv", _bmt),
    ):
        path = folder / "data" / file
        if path.exists():
            yield from ((name, *row) for row in rows(pd.read_csv(path), refs))


def _mdacc(table: pd.DataFrame, refs: Mapping[str, Any]) -> Iterator[Value]:
    outcome = Outcome(table["os_months"].to_numpy(float), table["os_event"] == 1)
    arm = (table["trt"] == 1).to_numpy()
    yield from _rank("log-rank", outcome, arm, None, refs.get("lr_mdacc"))
    strata = table["aml_group"].to_numpy()
    yield from _rank(
        "log-rank by AML group", outcome, arm, strata, refs.get("lr_mdacc_strat_aml_group")
    )
    theirs = refs.get("cox_mdacc_uni_efron")
    if theirs:
        found = cox_hazard_ratio(outcome.take(arm), outcome.take(~arm))
        yield "hazard ratio", found.estimate, theirs["hr"]
        yield "hazard ratio, lower limit", found.ci_low, theirs["hr_lower"]
        yield "hazard ratio, upper limit", found.ci_high, theirs["hr_upper"]
        yield "hazard ratio, p", found.p_value, theirs["p"]
    for tau in (12, 24):
        yield from _means(outcome, arm, refs.get(f"rmst_mdacc_{tau}m"))
    yield from _response(refs.get("resp_mdacc"))
    needed = ["age", "sex", "wbc", "aml_group", "cyto_risk", "bm_blasts", "platelets", "hgb"]
    known = table[needed].notna().all(axis=1).to_numpy()
    columns = pd.DataFrame(
        {
            "age": table["age"],
            "male": table["sex"] == "male",
            "lwbc": np.log(table["wbc"]),
            "sec": table["aml_group"] == "secondary",
            "unfav": table["cyto_risk"] == "unfavorable",
            "bm_blasts": table["bm_blasts"],
            "platelets": table["platelets"],
            "hgb": table["hgb"],
        }
    )[known].astype(float)
    theirs = refs.get("iptw_mdacc")
    yield from _weighted(outcome.take(known), arm[known], columns, MDACC_TIMES, theirs)


def _bmt(table: pd.DataFrame, refs: Mapping[str, Any]) -> Iterator[Value]:
    outcome = Outcome(table["t2"].to_numpy(float), table["d3"] == 1)
    arm, group = (table["z10"] == 1).to_numpy(), table["group"].to_numpy()
    yield from _rank("log-rank of three groups", outcome, group, None, refs.get("lr_bmt_group"))
    yield from _rank(
        "log-rank of MTX by group", outcome, arm, group, refs.get("lr_bmt_z10_strat_group")
    )
    second, third = group == 2, group == 3
    columns = np.column_stack([second, third, table[["z1", "z2", "z8", "z10"]]]).astype(float)
    theirs = refs.get("cox_bmt_multi_efron")
    if theirs:
        fit = CoxFit.fit(outcome, columns)
        errors = np.sqrt(np.diag(fit.covariance))
        yield from _each("Cox", theirs["terms"], fit.coef, theirs["coef"])
        yield from _each("Cox, standard error", theirs["terms"], errors, theirs["se"])
    for ties in ("breslow", "efron"):
        theirs = refs.get(f"firth_bmt_{ties}")
        if theirs:
            found = fit_firth_cox(outcome, table[theirs["terms"]].to_numpy(float), ties=ties)  # type: ignore[arg-type]
            for what, ours, key in (
                ("", found.coef, "coef"),
                (", lower limit", found.ci_low, "profile_lower"),
                (", upper limit", found.ci_high, "profile_upper"),
                (", p", found.p_value, "plr_p"),
            ):
                yield from _each(f"Firth, {ties}{what}", theirs["terms"], ours, theirs[key])
    yield from _means(outcome, arm, refs.get("rmst_bmt_z10_24m"))
    columns_of_arm = pd.DataFrame(
        {"g2": second, "g3": third, "z1": table["z1"], "z2": table["z2"]}
    ).astype(float)
    yield from _weighted(outcome, arm, columns_of_arm, BMT_TIMES, refs.get("iptw_bmt_mtx"))
    status = table["cr_status"]
    relapse = Outcome(outcome.time, status == 1, competing=status == 2)
    theirs = refs.get("cuminc_bmt_group")
    if theirs:
        for place, (cause, event) in enumerate(
            (("relapse", relapse), ("death in remission", competing_as_event(relapse)))
        ):
            test = gray_test(event, group)
            yield f"Gray, {cause}", test.statistic, theirs["gray_test"]["stat"][place]
            yield f"Gray, {cause}, p", test.p_value, theirs["gray_test"]["p"][place]
    # Of death in remission R ends its search before its score is 0.
    theirs = refs.get("crr_bmt_relapse")
    if theirs:
        model = fine_gray(relapse, np.column_stack([second, third, table["z1"]]).astype(float))
        errors = np.sqrt(np.diag(model.covariance))
        yield from _each("Fine-Gray, relapse", theirs["terms"], model.coef, theirs["coef"])
        yield from _each(
            "Fine-Gray, relapse, standard error", theirs["terms"], errors, theirs["se"]
        )


def _rank(
    label: str, outcome: Outcome, arm: np.ndarray, strata: np.ndarray | None, theirs: Any
) -> Iterator[Value]:
    if theirs:
        test = log_rank(outcome, arm, strata)
        yield f"{label}, chi-square", test.statistic, theirs["chisq"]
        yield f"{label}, p", test.p_value, theirs["p"]


def _means(outcome: Outcome, arm: np.ndarray, theirs: Any) -> Iterator[Value]:
    if not theirs:
        return
    tau = float(theirs["tau"])
    reference, treated = (restricted_mean(outcome.take(one), tau) for one in (~arm, arm))
    difference = treated.estimate - reference.estimate
    error = float(np.hypot(treated.std_error, reference.std_error))
    yield f"RMST difference to {tau:g}", difference, theirs["diff_2_minus_1"]
    yield f"RMST difference to {tau:g}, standard error", error, theirs["diff_se"]


def _response(theirs: Any) -> Iterator[Value]:
    if not theirs:
        return
    pair = TwoProportions(theirs["x1"], theirs["n1"], theirs["x2"], theirs["n2"])
    for label, limits, key in (
        ("difference, Newcombe", pair.risk_difference(), "rd_newcombe_ci"),
        ("difference, Miettinen-Nurminen", pair.risk_difference("miettinen-nurminen"),
         "rd_miettinen_nurminen_ci"),
        ("ratio, Katz", pair.risk_ratio(), "rr_katz_ci"),
        ("odds ratio, Woolf", pair.odds_ratio(), "or_wald_ci"),
        ("rate, Clopper-Pearson", proportion(pair.events, pair.n), "p1_clopper_pearson"),
    ):  # fmt: skip
        yield f"response {label}, lower limit", limits.ci_low, theirs[key][0]
        yield f"response {label}, upper limit", limits.ci_high, theirs[key][1]
    yield "response chi-square", pair.chi_square().statistic, theirs["chisq"]
    yield "response Fisher, p", pair.fisher(), theirs["fisher_p"]


def _weighted(
    outcome: Outcome,
    arm: np.ndarray,
    columns: pd.DataFrame,
    times: Sequence[float],
    theirs: Any,
) -> Iterator[Value]:
    if not theirs:
        return
    propensity = fit_propensity(adjustment_design(columns), arm)
    for kind, key in KINDS:
        weight, given = balancing_weights(propensity, kind).weight, theirs[key]
        fit = CoxFit.fit(outcome, arm[:, np.newaxis].astype(float), weight)
        yield f"{kind}, hazard ratio", float(np.exp(fit.coef[0])), given["hr"]
        for label, rows, group in (("arm", arm, "treated"), ("reference", ~arm, "control")):
            curve = weighted_survival(outcome.take(rows), weight[rows], times, times[-1])
            for time, ours, expected in zip(
                times, curve.survival, given[f"km_{group}"], strict=True
            ):
                yield f"{kind}, survival of the {label} at {time:g}", ours, expected
            yield f"{kind}, RMST of the {label}", curve.rmst, given[f"rmst_{group}"]


def _each(label: str, terms: Sequence[str], ours: np.ndarray, theirs: Any) -> Iterator[Value]:
    for term, value, expected in zip(terms, ours, theirs, strict=True):
        yield f"{label}: {term}", float(value), expected
