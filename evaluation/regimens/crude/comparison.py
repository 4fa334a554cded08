"""Classical comparison of regimens: response, Kaplan-Meier, rank tests, RMST, Cox, adverse events.

Crude by design: no row here is adjusted for how the regimens were chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from evaluation.estimators import LOG_RANK
from evaluation.regimens.arms import (
    aligned_regimen,
    comparison_arms,
    outcomes_by_arm,
)
from evaluation.regimens.crude.cumulative_incidence import incidence_rows
from evaluation.regimens.crude.early_death import early_death_rows
from evaluation.regimens.crude.hazard_ratio import (
    HazardRatio,
    cox_hazard_ratio,
    hazard_ratio_rows,
    proportional_hazards_rows,
)
from evaluation.regimens.crude.median_difference import median_difference_rows
from evaluation.regimens.crude.rank_tests import global_test_row, log_rank, rank_test_rows
from evaluation.regimens.crude.response_rates import count_by_arm, rate_rows, ratio_and_test_rows
from evaluation.regimens.crude.rmst import choose_tau, rmst_rows
from evaluation.regimens.crude.survival import median_rows, survival_rows
from evaluation.remarks import joined
from evaluation.results import Estimate, regimen_table
from features.outcome import Outcome

__all__ = [
    "FurtherComparisons",
    "HazardRatio",
    "compare_regimens",
    "cox_hazard_ratio",
    "log_rank",
]


@dataclass(frozen=True)
class FurtherComparisons:
    """What `compare_regimens` adds to its core table, and how.

    Attributes
    ----------
    tau : float, optional
        Months up to which the mean survival time is restricted. Where left out: the last horizon
        within the follow-up of every arm, else the follow-up of the arm followed shortest.
    strata : array-like of shape (n,), optional
        For the stratified log-rank test.
    replicates : int
        Bootstrap samples of the median difference and permutations of the RMST difference.
    seed : int
        Of both.
    death : str
        The endpoint that is death of any cause; early death is counted from it where it is given.
    early_death_days : sequence of float
        Days by which death is early.
    competing : mapping of str to str
        Endpoint to the name of its competing event ("relapse" to "death without relapse").
    """

    tau: float | None = None
    strata: ArrayLike | None = None
    replicates: int = 2000
    seed: int = 0
    death: str = "OS"
    early_death_days: Sequence[float] = (30, 60)
    competing: Mapping[str, str] | None = None


def compare_regimens(
    outcomes: Mapping[str, Outcome],
    regimen: ArrayLike,
    reference_arm: str,
    horizons: Sequence[float],
    responder: ArrayLike | None = None,
    adverse_events: pd.DataFrame | None = None,
    further: FurtherComparisons | None = None,
) -> pd.DataFrame:
    """Every crude comparison of the regimens, one row an estimate.

    Parameters
    ----------
    outcomes : mapping of str to Outcome
        Endpoint label ("OS", "EFS") to the n patients' outcomes, in months.
    regimen : array-like of shape (n,), str
        Regimen of each patient; every distinct value is an arm.
    reference_arm : str
        The arm the others are compared with, each on its own.
    horizons : sequence of float
        Months at which survival is reported.
    responder : array-like of shape (n,), optional
        True/False (1/0) response; missing values are dropped and counted in `note`.
    adverse_events : DataFrame of shape (n, n_events), optional
        One column of 0/1 an adverse event, rows in the order of `regimen`.
    further : FurtherComparisons, optional
        Adds the rows below the line; the core table alone where left out.

    Returns
    -------
    DataFrame
        REGIMEN_COLUMNS, family "classical". Differences are arm minus reference
        arm on the probability scale; a hazard ratio above 1 is worse than the
        reference arm; `note` repeats the direction. On the row of a comparison n
        and events count both arms, on a row at a horizon the events up to it.

        ==================================  ======================  ==========================
        estimator                           scale                   interval / p
        ==================================  ======================  ==========================
        response rate                       probability             Clopper-Pearson
        response rate difference            probability difference  Newcombe and
                                                                    Miettinen-Nurminen;
                                                                    chi-square, Fisher in note
        median                              months                  log-log Brookmeyer-Crowley
        event probability                   probability             log-log Greenwood
        Kaplan-Meier difference             event probability       normal, Greenwood errors
                                            difference
        log-rank                            chi-square              all arms together
        Cox hazard ratio                    hazard ratio            Wald, Efron ties
        adverse event rate (difference)     as for response         as for response, Newcombe
        ----------------------------------  ----------------------  --------------------------
        response rate ratio, odds ratio     rate ratio, odds ratio  Katz, Woolf
        response chi-square, Fisher,        chi-square, p-value     no correction; exact
        Boschloo test
        early death rate (difference)       as for response         as for response, Newcombe
        stratified log-rank,                chi-square              all arms together
        Fleming-Harrington
        MaxCombo                            largest |z|             normal integral
        median difference                   months                  bootstrap percentile
        RMST                                months                  normal, Greenwood
        RMST difference                     months                  normal; permutation
        RMST ratio                          RMST ratio              log-normal
        proportional hazards test           chi-square              cox.zph, km transform
        cumulative incidence (difference)   as for event            log-log; normal
                                            probability
        Gray test                           chi-square              all arms together
        Fine-Gray hazard ratio              subdistribution         Wald, robust
                                            hazard ratio
        ==================================  ======================  ==========================

        With `further`, an endpoint with competing events has cumulative incidences in place of
        everything that rests on Kaplan-Meier, which would overstate them; its rank tests and
        hazard ratios are cause-specific and their notes say so. Without it such an endpoint has
        its log-rank test and hazard ratios alone.

    Raises
    ------
    ValueError
        With fewer than two arms, an unknown reference arm, a missing regimen, or
        inputs of different lengths.
    """
    given: dict[str, Any] = {**outcomes, "adverse_events": adverse_events}
    given["responder"] = None if responder is None else np.asarray(responder, dtype=object)
    strata = None if further is None else further.strata
    given["strata"] = None if strata is None else np.asarray(strata, dtype=object)
    regimen = aligned_regimen(regimen, given)
    arms = comparison_arms(regimen, reference_arm)

    rows: list[Estimate] = []
    if responder is not None:
        counts = count_by_arm("response", responder, regimen, arms)
        rows += rate_rows("response", "response", counts, ("newcombe", "miettinen-nurminen"))
        if further is not None:
            rows += ratio_and_test_rows("response", "response", counts)
    if further is not None and further.death in outcomes:
        deaths = outcomes_by_arm(outcomes[further.death], regimen, arms)
        rows += early_death_rows(deaths, further.early_death_days)
    for endpoint, outcome in outcomes.items():
        if further is None:
            found = _core_rows(outcome, regimen, arms, horizons)
        elif outcome.competing is None:
            found = _all_rows(outcome, regimen, arms, horizons, further)
        else:
            name = (further.competing or {}).get(endpoint, f"competing event of {endpoint}")
            rows += incidence_rows(outcome, regimen, arms, horizons, (endpoint, name))
            found = _cause_specific_rows(outcome, regimen, arms, further)
        rows += [replace(row, endpoint=endpoint) for row in found]
    if adverse_events is not None:
        for name, values in adverse_events.items():
            counts = count_by_arm(str(name), values, regimen, arms)
            rows += rate_rows(str(name), "adverse event", counts, ("newcombe",))
    return regimen_table(
        replace(
            row,
        )
        for row in rows
    )


def _core_rows(
    outcome: Outcome, regimen: np.ndarray, arms: list[str], horizons: Sequence[float]
) -> Iterator[Estimate]:
    by_arm = outcomes_by_arm(outcome, regimen, arms)
    # Where another event can come first, Kaplan-Meier overstates how often this one does.
    if outcome.competing is None:
        yield from median_rows(by_arm)
        yield from survival_rows(by_arm, horizons)
    yield global_test_row(LOG_RANK, log_rank(outcome, regimen), outcome, arms)
    yield from hazard_ratio_rows(by_arm)


def _all_rows(
    outcome: Outcome,
    regimen: np.ndarray,
    arms: list[str],
    horizons: Sequence[float],
    further: FurtherComparisons,
) -> Iterator[Estimate]:
    by_arm = outcomes_by_arm(outcome, regimen, arms)
    yield from median_rows(by_arm)
    yield from median_difference_rows(by_arm, further.replicates, further.seed)
    yield from survival_rows(by_arm, horizons)
    yield global_test_row(LOG_RANK, log_rank(outcome, regimen), outcome, arms)
    yield from rank_test_rows(outcome, regimen, arms, further.strata)
    tau = choose_tau(by_arm, horizons) if further.tau is None else further.tau
    if tau > 0:
        yield from rmst_rows(by_arm, tau, further.replicates, further.seed)
    yield from hazard_ratio_rows(by_arm)
    yield from proportional_hazards_rows(by_arm)


def _cause_specific_rows(
    outcome: Outcome, regimen: np.ndarray, arms: list[str], further: FurtherComparisons
) -> Iterator[Estimate]:
    by_arm = outcomes_by_arm(outcome, regimen, arms)
    competing = {
        arm: 0 if mine.competing is None else int(mine.competing.sum())
        for arm, mine in by_arm.items()
    }
    rows = [
        global_test_row(LOG_RANK, log_rank(outcome, regimen), outcome, arms),
        *rank_test_rows(outcome, regimen, arms, further.strata),
        *hazard_ratio_rows(by_arm),
        *proportional_hazards_rows(by_arm),
    ]
    for row in rows:
        of = (row.arm, arms[-1]) if row.arm in competing else arms
        said = f"{sum(competing[arm] for arm in of)} competing event(s) count as censored"
        yield replace(row, note=joined(row.note, f"cause-specific: {said}"))
