"""The doubts of many patients at once are those of each patient's own answer."""

import numpy as np
import pytest

from features.columns import plain_columns
from models.artifact import Beside, StoredModel, ask, engine_of
from models.individual import (
    Better,
    Caution,
    Distance,
    Overlap,
    Question,
    Risks,
    Support,
    Terms,
    typical_values,
)
from models.patients import Patients, predictions_of

# What is about the range alone is said where there is one.
OF_THE_RANGE = {Caution.NARROW_RANGE, Caution.NO_INTERVAL}


@pytest.fixture(scope="module")
def support(dataset):
    covariates = plain_columns(dataset.covariates)
    terms = Terms.of(covariates, 5)
    typical = typical_values(plain_columns(dataset.predictors))
    steep = tuple(4.0 * (term.covariate == "age_years") for term in terms.terms)
    return Support(
        event="death", until=9.0, events_per_feature=9.0, months=(6.0,), average=(0.7,),
        typical=typical, fills=dict.fromkeys(typical), terms=terms,
        distance=Distance.of(terms.of_patients(covariates)),
        overlaps=(Overlap(arm="HMA", reference_arm="LDAC", share=0.6, intercept=0.4,
                          coefficients=steep),),
        risks=Risks(month=12.0), better=Better(month=12.0, estimate=0.0, low=-0.1, high=0.1),
    )  # fmt: skip


def patients_of(dictionary, n=60):
    rng = np.random.default_rng(5)

    def some(values):
        return np.where(rng.random(n) < 0.25, np.nan, values)

    disease = rng.choice(["AML de novo", "AML secondary", "T-ALL", "MPAL"], n).astype(object)
    inputs = {
        "age_years": rng.uniform(18, 100, n),
        "hb_g_per_l": some(rng.uniform(40, 180, n)),
        "disease": np.where(rng.random(n) < 0.2, None, disease),
        "mut_tp53": some(rng.integers(0, 2, n).astype(float)),
        "wbc_1e9_per_l": some(rng.lognormal(1, 2, n)),
    }
    regimen = rng.choice(["HMA", "LDAC"], n).astype(object)
    return Patients(inputs, regimen, np.arange(1, n + 1))


@pytest.mark.parametrize("horizons", [(6.0,), (0.001, 12.0)])
@pytest.mark.parametrize("known", [True, False])
def test_they_are_the_same(models, card, dictionary, support, horizons, known):
    told = card.model_copy(
        update={
            "levels": {"disease": ("AML de novo", "AML secondary", "T-ALL")},
            "rare": {"disease": ("T-ALL",)},
            "first_event": 0.01,
        }
    )
    beside = Beside(support if known else None)
    stored = StoredModel(models["cox"], told, "m", "m", beside=beside)
    patients = patients_of(dictionary)
    made = predictions_of(stored.model, told, patients, horizons, beside.support)
    answers = ask(engine_of(stored), patients, Question(horizons))
    each = [{doubt.caution for doubt in one.doubts} - OF_THE_RANGE for one in answers]
    assert [set(filter(None, names.split("; "))) for names in made["cautions"]] == each
    raised = set().union(*each)
    if known and len(horizons) == 2:
        assert raised == set(Caution) - OF_THE_RANGE - {Caution.CANNOT_BE_DERIVED}
