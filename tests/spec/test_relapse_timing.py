"""Refractory, early or late relapse: patients named for their trap."""

import numpy as np
import pandas as pd

from features.covariates.derived import derive_covariates
from features.covariates.dictionary import read_dictionary

MISSING = np.nan


def test_relapse_timing():
    patients = {
        "refractory, so without a first remission": ("refractory", MISSING, "refractory"),
        "refractory to salvage after a long one": ("refractory", 30.0, "refractory"),
        "relapse the day before 12 months": ("relapsed", 11.97, "early relapse"),
        "relapse at 12 months exactly": ("relapsed", 12.0, "late relapse"),
        "relapse after a remission of unknown length": ("relapsed", MISSING, None),
        "long remission, status unknown": (None, 30.0, None),
    }
    table = pd.DataFrame(
        [row[:2] for row in patients.values()], columns=["rr_status", "cr1_months"], index=patients
    )
    derived = derive_covariates(table, ["relapse_timing"], read_dictionary())["relapse_timing"]
    assert derived.to_dict() == {name: row[2] for name, row in patients.items()}
