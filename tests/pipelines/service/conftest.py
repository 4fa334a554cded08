"""A service of a small Cox model with limits, its summaries and refits: made once."""

import pytest

from features.dataset import REGIMEN
from models.artifact import Beside, StoredModel
from models.fit import fit_model
from models.individual import Better, Distance, Overlap, Risks, Support, Terms, typical_values
from pipelines.service import make_app

REFITS = 20


@pytest.fixture(scope="session")
def stored(dataset, card, models):
    columns = {name: dataset.predictors[name].to_numpy() for name in dataset.predictors}
    covariates = {name: column for name, column in columns.items() if name != REGIMEN}
    terms = Terms.of(covariates, 5)
    months = [float(month) for month in range(1, int(card.follow_up))]
    survival = models["cox"].predict(dataset.predictors, months).survival
    typical = typical_values(columns)
    support = Support(
        event="death",
        until=20.0,
        events_per_feature=9.0,
        months=tuple(months),
        average=tuple(survival.mean(axis=0).round(4).tolist()),
        typical=typical,
        fills=typical,
        labels={"age_years": "Age (years)", "mut_tp53": "TP53 mutated"},
        terms=terms,
        distance=Distance.of(terms.of_patients(covariates)),
        overlaps=(Overlap(arm="HMA", reference_arm="LDAC", share=0.6, intercept=0.4,
                          coefficients=(0.0,) * len(terms.terms)),),
        risks=Risks.of(12.0, 1 - survival[:, months.index(12.0)]),
        better=Better(month=12.0, estimate=0.2, low=0.1, high=0.3),
    )  # fmt: skip
    refits = tuple(fit_model("cox", {}, dataset, seed) for seed in range(REFITS))
    return StoredModel(
        models["cox"], card, "models:/served/3", "models:/served@champion", "served", "3", "run7",
        Beside(support, refits), "d" * 64,
    )  # fmt: skip


@pytest.fixture(scope="session")
def log():
    return []


@pytest.fixture(scope="session")
def app(stored, log):
    return make_app(stored, log=log.append)
