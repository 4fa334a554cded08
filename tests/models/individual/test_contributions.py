"""Shapley values against one reference, by hand and by construction."""

import numpy as np
import pytest

from models.individual.contributions import EXACT, SAMPLED, shares

PATIENT = {"age": np.array([70.0]), "sick": np.array([1.0]), "kind": np.array(["b"], dtype=object)}
TYPICAL = {"age": np.array([60.0]), "sick": np.array([0.0]), "kind": np.array(["a"], dtype=object)}


def probability(columns):
    """0.1 + 0.2 where sick + 0.3 where sick and over 65; nothing else."""
    old = columns["age"] > 65
    return 0.1 + 0.2 * columns["sick"] + 0.3 * columns["sick"] * old


def test_an_interaction_is_shared_evenly():
    found = shares(probability, PATIENT, TYPICAL)
    # Age alone adds 0, after sick 0.3; sick alone 0.2, after age 0.5: halves of the sums.
    assert found.amounts == pytest.approx({"age": 0.15, "sick": 0.35, "kind": 0.0})
    assert (found.start, found.end, found.method) == (0.1, pytest.approx(0.6), EXACT)


def test_whoever_is_typical_owes_nothing_to_any_covariate():
    found = shares(probability, TYPICAL, TYPICAL)
    assert set(found.amounts.values()) == {0.0}


@pytest.mark.parametrize(("count", "method"), [(8, EXACT), (20, SAMPLED)])
def test_the_amounts_add_up(count, method):
    rng = np.random.default_rng(count)
    effects = rng.normal(size=count)
    names = [f"x{i}" for i in range(count)]

    def risk(columns):
        score = sum(e * columns[name] for e, name in zip(effects, names, strict=True))
        return 1 - np.exp(-np.exp(score - 1))

    patient = {name: np.array([rng.normal()]) for name in names}
    typical = {name: np.array([0.0]) for name in names}
    found = shares(risk, patient, typical)
    assert found.method == method
    assert sum(found.amounts.values()) == pytest.approx(found.end - found.start, abs=1e-9)
    # Each acts in the direction of its effect, exactly or sampled: the risk is increasing in it.
    signs = {name: np.sign(e * patient[name][0]) for e, name in zip(effects, names, strict=True)}
    assert {name: np.sign(value) for name, value in found.amounts.items()} == signs


def test_a_missing_value_is_a_value_of_its_own():
    patient = {"age": np.array([np.nan]), "kind": np.array([None], dtype=object)}
    typical = {"age": np.array([60.0]), "kind": np.array(["a"], dtype=object)}

    def risk(columns):
        missing = np.isnan(columns["age"]), np.array([v is None for v in columns["kind"]])
        return 0.5 + 0.1 * missing[0] + 0.2 * missing[1]

    assert shares(risk, patient, typical).amounts == pytest.approx({"age": 0.1, "kind": 0.2})
    assert shares(risk, patient, patient).amounts == {"age": 0.0, "kind": 0.0}
