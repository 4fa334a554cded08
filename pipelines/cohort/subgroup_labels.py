"""The configured groupings of patients, as labels."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.validation import age_bands
from features.cohort import Cohort
from features.dataset import REGIMEN
from features.errors import InputError, Problem, name_some
from pipelines.config import SUBGROUPS

AGE = "age_years"


def subgroup_labels(cohort: Cohort, endpoint: str, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Labels of the patients of an endpoint by each configured grouping.

    Parameters
    ----------
    names : tuple of str
        "age" (bands), "center", "regimen", or a flag or category of the cohort. Those of the
        default list that the cohort lacks, or that hold one value, are left out.

    Raises
    ------
    InputError
        When another one is not there, or is a number.
    """
    among = cohort.of_endpoint(endpoint)
    known = {str(name): cohort.inputs[name].to_numpy() for name in cohort.inputs}
    groups: dict[str, np.ndarray] = {}
    problems = []
    for name in names:
        labels = None
        if name == "age" and AGE in known:
            labels = age_bands(known[AGE].astype(float))
        elif name == "center":
            labels = cohort.center
        elif name == REGIMEN:
            labels = cohort.regimen
        elif name in known and cohort.dictionary[name].kind in ("flag", "category"):
            labels = known[name].astype(object)
            if cohort.dictionary[name].kind == "flag":
                words = {0.0: "no", 1.0: "yes"}
                labels = np.array([words.get(value) for value in labels], dtype=object)
        if labels is not None:
            inside = np.asarray(labels, dtype=object)[among]
            if len(pd.unique(inside[~pd.isna(inside)])) > 1:
                groups[name] = inside
        elif name not in SUBGROUPS:
            able = [n for n in known if cohort.dictionary[n].kind in ("flag", "category")]
            problems.append(
                Problem(
                    what="No such subgroups",
                    where="evaluation.subgroups",
                    got=name,
                    allowed=name_some(["age", "center", REGIMEN, *able], 40),
                    remedy="name a flag or category among the covariates, or take it out",
                )
            )
    if problems:
        raise InputError(problems)
    return groups
