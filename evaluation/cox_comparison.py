"""Whether learners more flexible than Cox gain anything by it on these patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evaluation.results import format_estimate


def cox_is_enough(differences: pd.DataFrame, reference: str, flexible: Sequence[str]) -> str:
    """Say whether Cox is enough, with the paired differences that say so.

    Parameters
    ----------
    differences : DataFrame with DIFFERENCE_COLUMNS
        From `learner_differences` with the Cox model as reference; of the rows of a metric the
        first, the percentile interval over patients, is read.
    reference : str
        Name of the Cox learner.
    flexible : sequence of str
        Learners more flexible than it.

    Returns
    -------
    str
        One sentence, empty when nothing can be said. The intervals are not adjusted for the number
        of learners compared.
    """
    named = differences.assign(metric=differences["metric"].str.removeprefix("competing_"))
    named["metric"] = named["metric"].replace("c_difference", "harrell_c_difference")
    rows = named.drop_duplicates(["learner", "metric"]).set_index(["learner", "metric"])
    shown = {}
    for name in flexible:
        key = f"{name} - {reference}", "ibs_difference"
        if key in rows.index and np.isfinite(rows.loc[key, "estimate"]):
            shown[name] = rows.loc[key]
    if not shown:
        return ""
    better = [name for name, row in shown.items() if row["ci_high"] < 0]
    best = min(better or shown, key=lambda name: shown[name]["estimate"])
    told = f"IBS {_interval(shown[best])}"
    c_key = f"{best} - {reference}", "harrell_c_difference"
    if c_key in rows.index and np.isfinite(rows.loc[c_key, "estimate"]):
        told += f", C {_interval(rows.loc[c_key])}"
    among = f" Of {len(shown)} compared, intervals not adjusted for that." if len(shown) > 1 else ""
    if better:
        return f"{best} predicts better than {reference}: difference in {told}.{among}"
    gain = max(0.0, -float(shown[best]["ci_low"]))
    return (
        f"{reference} is enough: no more flexible learner is shown to predict better. The closest, "
        f"{best}, differs in {told}; an IBS lower by {gain:.3f} is not excluded.{among}"
    )


def _interval(row: pd.Series) -> str:
    return format_estimate(row["estimate"], row["ci_low"], row["ci_high"], 3)
