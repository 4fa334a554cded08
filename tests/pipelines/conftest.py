"""A made-up cohort of three arms with drug records and dates, for whole commands."""

import copy
import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

N = 120
REGIMEN = np.array(["HMA", "LDAC", "GILT"] * (N // 3), dtype=object)


def patients_and_drugs():
    """Three arms of different hazards, from drug records; ten patients never had venetoclax."""
    rng = np.random.default_rng(9)
    start = np.datetime64("2022-01-01") + rng.integers(0, 400, N)
    hazard = pd.Series(REGIMEN).map({"HMA": 1.0, "LDAC": 2.0, "GILT": 1.4}).to_numpy()
    age = rng.normal(65, 8, N).clip(30, 88).round()
    death = 20 + rng.exponential(300 / hazard / np.exp((age - 65) / 20)).astype(int)
    seen = rng.integers(200, 900, N)
    responded = rng.random(N) < 0.6
    response_day = rng.integers(5, 20, N)
    relapse = response_day + (0.5 * (death - response_day)).astype(int)
    end = np.minimum(death, seen)

    def dates(days, given):
        return np.where(given, (start + days).astype(str), "").astype(object)

    patients = pd.DataFrame(
        {
            "pid": [f"P{i}" for i in range(N)],
            "age_years": age,
            "ecog": rng.integers(0, 4, N),
            "death_date": dates(death, death <= seen),
            "last_contact_date": dates(end, True),
            "relapse_date": dates(relapse, responded & (relapse < end) & (rng.random(N) < 0.6)),
            "response": np.where(responded, "CR", "NR"),
            "response_date": dates(response_day, responded),
            "last_response_assessment_date": dates(end, responded),
            "hsct_after_date": dates(np.minimum(100, end), rng.random(N) < 0.1),
        }
    )
    companion = pd.Series(REGIMEN).map(
        {"HMA": "azacitidine", "LDAC": "cytarabine", "GILT": "gilteritinib"}
    )
    ven = pd.DataFrame({"pid": patients["pid"], "drug": "venetoclax", "start": start.astype(str)})
    rest = pd.DataFrame(
        {"pid": patients["pid"], "drug": companion, "start": (start + 2).astype(str), "dose": 20}
    )
    return patients, pd.concat([ven[10:], rest])


CONFIG = {
    "seed": 1,
    "cohort": {
        "path": "patients.csv",
        "name": "dated",
        "columns": {
            "patient_id": "pid",
            "regimen": {
                "drugs": {
                    "path": "drugs.csv", "patient_id": "pid", "drug": "drug", "start": "start",
                    "dose": "dose", "dose_unit": "mg/m2",
                    "names": {"gilteritinib": ["gilteritinib"]},
                },
                "companions": {
                    "HMA": ["azacitidine", "decitabine"], "LDAC": ["cytarabine"],
                    "GILT": ["gilteritinib"],
                },
                "reference_arm": "LDAC",
            },
            "endpoints": {
                name: {"preset": name, "columns": {"treatment_start_date": "index_date"}}
                for name in ("os", "os_censored_at_hsct", "efs_eln2022", "early_death_30")
            } | {name: {"preset": name} for name in ("rfs", "relapse")},
            "response": {"column": "response", "responders": ["CR"]},
        },
    },
    "endpoint": "rfs",
    "covariates": ["age_years", "ecog"],
    "learners": ["cox"],
    "resampling": {"folds": 3, "repeats": 1, "inner_folds": 2},
    "tuning": {"trials": 1},
    "evaluation": {"horizons": [3, 6], "bootstrap": 50, "regimen_refits": 20},
    "tracking": {"experiment": "dated", "model_name": "dated"},
}  # fmt: skip


@pytest.fixture(scope="session")
def dated_cohort():
    """Patients, their drugs, and the configuration of a training on responders."""
    patients, drugs = patients_and_drugs()
    return patients, drugs, copy.deepcopy(CONFIG)


@pytest.fixture(scope="module", autouse=True)
def pictures(request):
    """Pictures are made and a dot is drawn: what they show is tested where they are drawn.

    A module with `DRAWS = True` has them drawn, which takes most of the time of a command.
    """
    if getattr(request.module, "DRAWS", False):
        yield
        return
    buffer = io.BytesIO()
    Figure(figsize=(0.1, 0.1)).savefig(buffer, format="png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda self, file, **_: file.write(buffer.getvalue()))
        yield
