"""A model with known survival, its card, and the summaries of 200 made-up training patients."""

import numpy as np
import pytest

from features.covariates import read_dictionary
from models.card import ModelCard
from models.individual import (
    Better,
    Distance,
    Engine,
    Overlap,
    Risks,
    Support,
    Terms,
    typical_values,
)

N = 200
STEPS = np.arange(1.0, 25.0)


def log_hazard(columns):
    """0.04 a year above 60, 0.8 secondary AML, 0.5 LDAC; unknown is as typical."""
    age = np.nan_to_num(columns["age_years"], nan=60.0)
    ecog = np.nan_to_num(columns["ecog"], nan=1.0)
    secondary = np.array([value == "AML secondary" for value in columns["disease"]])
    return (
        0.04 * (age - 60)
        + 0.3 * (ecog - 1)
        + 0.8 * secondary
        + 0.5 * (columns["regimen"] == "LDAC")
    )


def predictor(shift=0.0, follow_up=24.0):
    """Survival exp(-0.06 k exp(log hazard)) at month k, in steps; NaN beyond the follow-up."""

    def predict(columns, times):
        score = log_hazard(columns) + shift
        survival = np.exp(-0.06 * np.floor(times) * np.exp(score)[:, None])
        return score, np.where(times > follow_up, np.nan, survival)

    return predict


@pytest.fixture(scope="session")
def training():
    rng = np.random.default_rng(1)
    return {
        "age_years": rng.normal(62, 8, N).round(),
        "ecog": rng.integers(0, 3, N).astype(float),
        "disease": rng.choice(["AML de novo", "AML secondary"], N, p=[0.7, 0.3]).astype(object),
        "regimen": rng.choice(["HMA", "LDAC"], N, p=[0.6, 0.4]).astype(object),
    }


@pytest.fixture(scope="session")
def support(training):
    covariates = {name: column for name, column in training.items() if name != "regimen"}
    terms = Terms.of(covariates, 5)
    months = np.arange(1.0, 25.0)
    _, survival = predictor()(training, months)
    # LDAC went to the old: one SD of age is 3 on the log odds.
    coefficients = tuple(3.0 * (one.covariate == "age_years") for one in terms.terms)
    return Support(
        event="death",
        until=18.0,
        events_per_feature=30.0,
        months=tuple(months.tolist()),
        average=tuple(survival.mean(axis=0).round(4).tolist()),
        typical=typical_values(training),
        fills={"age_years": 62.0, "ecog": None, "disease": "AML de novo"},
        labels={"age_years": "Age (years)"},
        terms=terms,
        distance=Distance.of(terms.of_patients(covariates)),
        overlaps=(Overlap(arm="LDAC", reference_arm="HMA", share=0.4, intercept=-0.4,
                          coefficients=coefficients),),
        risks=Risks.of(12.0, 1 - survival[:, 11]),
        better=Better(month=12.0, estimate=0.2, low=0.1, high=0.3),
    )  # fmt: skip


@pytest.fixture(scope="session")
def card():
    dictionary = read_dictionary()
    return ModelCard(
        learner="cox",
        learner_label="Cox",
        params={},
        endpoint="OS",
        follow_up=24.0,
        first_event=1.0,
        horizons=(6.0, 12.0),
        covariates=("age_years", "ecog", "disease"),
        inputs=tuple(dictionary[name] for name in ("age_years", "ecog", "disease")),
        ranges={"age_years": (46.0, 78.0), "ecog": (0.0, 2.0)},
        levels={"disease": ("AML de novo", "AML secondary", "MPAL")},
        rare={"disease": ("MPAL",)},
        arms=("HMA", "LDAC"),
        training={"cohort": "made up", "patients": N, "events": 150},
        versions={},
    )


@pytest.fixture(scope="session")
def engine(card, support):
    shifts = np.random.default_rng(2).normal(0, 0.2, 40)
    return Engine(card, predictor(), STEPS, tuple(predictor(shift) for shift in shifts), support)
