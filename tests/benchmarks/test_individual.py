"""A small form of the study of one patient's limits, and its table in the documentation."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.individual import CELLS, RESULTS, one_cohort, summarise, table
from models.individual.interval import WIDENED

# A bootstrap sample now and then holds no patient with a flag: coordinate descent then says so.
pytestmark = pytest.mark.filterwarnings("ignore:Optimization terminated early")

DOCS = Path(__file__).resolve().parents[2] / "docs" / "individual.md"


@pytest.fixture(scope="module")
def cohorts():
    return [one_cohort(CELLS["cox-70-few"], number, refits=20, trials=0) for number in range(3)]


def test_the_limits_hold_the_truth_more_often_than_percentiles(cohorts):
    first, _ = summarise(CELLS["cox-70-few"], cohorts)
    assert first["without"] == 0
    assert first["percentile_coverage"] < first["coverage"]
    # 19 in 20 over many cohorts; three of them share their luck.
    assert first["coverage"] > 0.8
    assert 0 < first["width"] < 0.9


def test_the_truth_is_each_patients_own(cohorts):
    truth, survival, low, high = cohorts[0][:4]
    assert np.unique(truth[:, 0]).size > 50
    assert (truth[:, 0] > truth[:, 1]).all()
    assert ((low <= survival) & (survival <= high)).all()


def test_the_same_seed_gives_the_same_cohort(cohorts):
    again = one_cohort(CELLS["cox-70-few"], 0, refits=20, trials=0)
    np.testing.assert_array_equal(again, cohorts[0])


def test_the_documentation_shows_what_was_measured():
    measured = json.loads(RESULTS.read_text())
    assert measured["widened"] == WIDENED
    assert table(measured["rows"]) in DOCS.read_text(encoding="utf-8")
