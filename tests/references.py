"""Values from R, and public cohorts, which lie beside a checkout or are skipped."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.outcome import Outcome

SHARED = Path(__file__).resolve().parents[1].parent / "shared"

# AML maintenance trial (Embury, Arch Intern Med 1977;137:1346), weeks.
AML = Outcome(
    [9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161, 5, 5, 8, 8, 12, 16, 23, 27, 30, 33, 43, 45],
    [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1],
)
AML_ARM = np.array(["maintained"] * 11 + ["not"] * 12, dtype=object)


def r_result(file, name):
    path = SHARED / "references" / file
    if not path.exists():
        pytest.skip("the R references are not beside this checkout")
    return next(r["result"] for r in json.loads(path.read_text())["refs"] if r["id"] == name)


def cohort(file, time, event):
    path = SHARED / "data" / file
    if not path.exists():
        pytest.skip("the public cohorts are not beside this checkout")
    table = pd.read_csv(path)
    return table, Outcome(table[time], table[event])
