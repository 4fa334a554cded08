"""The patient whom tests of one answer ask about."""

import numpy as np

from models.individual import Asked

KNOWN = {"age_years": 60.0, "ecog": 1.0, "disease": "AML de novo", "regimen": "HMA"}


def asked(**changes):
    """One patient, 60 years old, ECOG 1, AML de novo, HMA, but for the changes."""
    values = KNOWN | changes
    columns = {
        name: np.array([value], dtype=object if name in ("disease", "regimen") else float)
        for name, value in values.items()
    }
    inputs = {name: column for name, column in columns.items() if name != "regimen"}
    return Asked(columns, inputs, np.array([1]), ["P7"])
