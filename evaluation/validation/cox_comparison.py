"""Whether learners more flexible than Cox gain anything by it on these patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from evaluation.metrics import HARRELL_C, IBS, rows_of
from evaluation.results import format_estimate, p_text
from evaluation.validation.champion import MEAN_IBS, mean_ibs

# Cox regressions of covariates; those on other functions of them are the flexible ones.
COX_TYPE = ("cox_clinical", "cox")
SIGNIFICANT = 0.05


def best_cox(scores: Mapping[str, pd.DataFrame]) -> str:
    """The Cox-type learner with the lowest mean IBS over the test folds; empty without one.

    Parameters
    ----------
    scores : mapping of learner -> table of `fold_scores`
        Ordered from the simplest learner on; of equal ones the first is taken.
    """
    means = mean_ibs({name: scores[name] for name in scores if name in COX_TYPE})
    known = {name: mean for name, mean in means.items() if np.isfinite(mean)}
    return min(known, key=lambda name: known[name]) if known else next(iter(means), "")


def cox_is_enough(
    differences: pd.DataFrame, reference: str, flexible: Sequence[str], cox_type: Sequence[str] = ()
) -> str:
    """Say whether Cox is enough, by the test that knows the variation of training.

    Parameters
    ----------
    differences : DataFrame with DIFFERENCE_COLUMNS
        From `learner_differences` with the Cox model as reference; the rows with a p-value are
        read, the corrected resampled t-test over the folds. The interval over patients holds the
        fitted models fixed: with it, one of five equal learners is called better far too often.
    reference : str
        Name of the Cox learner.
    flexible : sequence of str
        Learners more flexible than it.
    cox_type : sequence of str
        The Cox-type learners among which the reference is the best.

    Returns
    -------
    str
        One sentence, empty when nothing can be said. A learner is called better when its p-value
        times the number of learners compared (Bonferroni) is below .05.
    """
    known = "p_value" in differences
    tested = differences[differences["p_value"].notna()] if known else differences[:0]
    error, order = (
        tested[rows_of(tested["metric"], metric)].drop_duplicates("learner").set_index("learner")
        for metric in (IBS, HARRELL_C)
    )
    shown = {}
    for name in flexible:
        key = f"{name} - {reference}"
        if key in error.index and np.isfinite(error.loc[key, "estimate"]):
            shown[name] = error.loc[key]
    if not shown:
        return ""
    count = len(shown)
    better = [
        name
        for name, row in shown.items()
        if row["estimate"] < 0 and count * row["p_value"] < SIGNIFICANT
    ]
    best = min(better or shown, key=lambda name: shown[name]["estimate"])
    told = f"{MEAN_IBS} {_interval(shown[best])}"
    key = f"{best} - {reference}"
    if key in order.index:
        told += f", mean C {_interval(order.loc[key])}"
    adjusted = min(1.0, count * float(shown[best]["p_value"]))
    test = f"corrected resampled t-test, {p_text(adjusted)}"
    if count > 1:
        test += f", adjusted for {count} learners"
    among = f" (the best of {', '.join(cox_type)})" if len(cox_type) > 1 else ""
    if better:
        return f"{best} predicts better than {reference}{among}: difference in {told}; {test}."
    gain = max(0.0, -float(shown[best]["ci_low"]))
    return (
        f"{reference} is enough{among}: no more flexible learner is shown to predict better. The "
        f"closest, {best}, differs in {told}; {test}; one lower by "
        f"{gain:.3f} is not excluded."
    )


def _interval(row: pd.Series) -> str:
    return format_estimate(row["estimate"], row["ci_low"], row["ci_high"], 3)
