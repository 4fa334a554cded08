"""Summaries of training patients: what is told of one patient by them, and what they hide."""

import numpy as np
import pytest
from pydantic import ValidationError

from models.individual import Distance, Risks, Support, Terms, supported_until, typical_values


def test_percentile_is_read_between_the_quantiles():
    # 100 patients, risks 0.005 to 0.995: 20 parts of five patients, cut at every 5%.
    risks = Risks.of(12.0, (np.arange(100) + 0.5) / 100)
    assert len(risks.values) == 19
    assert risks.percentile(0.5) == pytest.approx(50, abs=0.5)
    assert risks.percentile(0.0) == pytest.approx(5)
    assert risks.percentile(1.0) == pytest.approx(95)


def test_groups_are_cut_at_the_tertiles():
    risks = Risks.of(12.0, np.linspace(0, 0.9, 91))
    assert risks.cutoffs == (0.3, 0.6)
    assert [risks.group(p) for p in (0.1, 0.3, 0.59, 0.8)] == [
        "low", "intermediate", "intermediate", "high"
    ]  # fmt: skip


def test_a_small_cohort_keeps_few_quantiles_or_none():
    assert len(Risks.of(12.0, np.linspace(0, 1, 40)).values) == 7
    few = Risks.of(12.0, np.linspace(0, 1, 9))
    assert (few.values, few.cutoffs) == ((), ())
    assert few.percentile(0.5) is None
    assert few.group(0.5) is None


def test_neither_the_lowest_nor_the_highest_risk_is_kept():
    risks = Risks.of(12.0, np.array([0.001, *np.full(98, 0.5), 0.999]))
    assert not {0.001, 0.999} & set(risks.values)


def test_the_supported_follow_up_is_the_tenth_longest_rounded_down():
    assert supported_until(np.arange(1.0, 21.0) + 0.19) == 11.1
    assert supported_until(np.arange(9.0)) == 0.0


def test_typical_values_are_medians_and_commonest_categories():
    columns = {
        "age": np.array([50.0, 61.234, 70.0, np.nan]),
        "disease": np.array(["a", "b", "b", None], dtype=object),
        "empty": np.array([np.nan] * 4),
    }
    assert typical_values(columns) == {"age": 61.2, "disease": "b"}


def test_distance_of_uncorrelated_terms_is_the_root_mean_square():
    rng = np.random.default_rng(3)
    terms = Terms.of({"x": rng.normal(size=4000), "y": rng.normal(size=4000)}, 5)
    away = terms.of_patients({"x": np.array([3.0]), "y": np.array([4.0])})
    distance = Distance.of(rng.normal(size=(4000, 2)))
    # sqrt((9 + 16) / 2), up to chance.
    assert distance.of_patients(away)[0] == pytest.approx(np.sqrt(12.5), rel=0.05)
    # One in a hundred lies beyond sqrt(9.21 / 2), 9.21 being the quantile of chi-squared with 2.
    assert distance.cutoff == pytest.approx(np.sqrt(9.21 / 2), abs=0.2)


def test_an_unusual_combination_is_far_though_each_value_is_usual():
    rng = np.random.default_rng(4)
    both = rng.normal(size=1000)
    columns = {"x": both, "y": both + 0.2 * rng.normal(size=1000)}
    terms = Terms.of(columns, 5)
    distance = Distance.of(terms.of_patients(columns))
    usual, odd = distance.of_patients(
        terms.of_patients({"x": np.array([1.5, 1.5]), "y": np.array([1.5, -1.5])})
    )
    assert usual < distance.cutoff < odd


def test_a_missing_value_is_no_distance():
    terms = Terms.of({"x": np.arange(10.0), "kind": np.array(list("aabbbbbbbb"), dtype=object)}, 2)
    assert [(t.covariate, t.level) for t in terms.terms] == [("x", None), ("kind", "a")]
    missing = {"x": np.array([np.nan]), "kind": np.array([None], dtype=object)}
    assert terms.of_patients(missing).tolist() == [[0.0, 0.0]]


def test_of_two_categories_as_common_one_is_a_term():
    terms = Terms.of({"kind": np.array(list("aaabbb"), dtype=object)}, 2)
    assert [term.level for term in terms.terms] == ["b"]


def test_stored_and_read_again_it_is_the_same(support):
    assert Support.model_validate_json(support.model_dump_json()) == support


@pytest.mark.parametrize(
    "change",
    [{"months": [2.0, 1.0], "average": [0.9, 0.8]}, {"average": [0.5]}, {"until": float("nan")},
     {"row": 1}],
)  # fmt: skip
def test_damaged_summaries_are_refused(support, change):
    with pytest.raises(ValidationError):
        Support.model_validate(support.model_dump() | change)
