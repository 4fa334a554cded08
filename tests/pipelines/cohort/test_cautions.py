import dataclasses

import numpy as np
import pandas as pd
import pytest

from features.cohort import Cohort
from features.outcome import Outcome
from pipelines.cohort.cautions import cautions
from pipelines.config import DEFAULT_CONFIG, read_config

N = 40


@pytest.fixture(scope="module")
def config():
    read = read_config(DEFAULT_CONFIG)
    own = {"covariates": ("age_years",), "clinical": (), "genetic_risk": ""}
    return read.model_copy(update=own)


@pytest.fixture
def cohort(dictionary):
    """One patient dies a month, all within follow-up."""
    time = np.arange(1.0, N + 1)
    return Cohort(
        inputs=pd.DataFrame({"age_years": np.linspace(40, 80, N)}),
        dictionary=dictionary,
        regimen=None,
        center=None,
        outcomes={"OS": Outcome(time, np.ones(N, dtype=bool))},
    )


def test_complete_follow_up_is_told_with_the_one_thing_that_may_be_wrong(config, cohort):
    told = cautions(config, cohort)
    assert any(text.startswith("Everybody had the event. Right where") for text in told)
    some = Outcome(np.arange(1.0, N + 1), np.arange(N) != 5)
    censored = cautions(config, dataclasses.replace(cohort, outcomes={"OS": some}))
    assert not any(text.startswith("Everybody") for text in censored)


def test_few_events_by_a_horizon_are_counted(config, cohort):
    # Horizons are 6 and 12 months: 6 and 12 deaths.
    told = [text for text in cautions(config, cohort) if "events by" in text]
    assert told == ["Only 6 events by 6 months: estimates at that horizon rest on very few."]
