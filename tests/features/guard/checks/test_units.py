"""Two units in one column: a second group of values, not the tail of a skewed one."""

import numpy as np
import pytest

from features.guard.checks.units import lie_apart

# Bilirubin in mg/dL beside umol/L.
FACTOR = 17.1


def sample(n, spread, seed=1):
    return np.exp(np.random.default_rng(seed).normal(np.log(0.8), spread, n))


@pytest.mark.parametrize("n", [70, 300])
@pytest.mark.parametrize("spread", [0.5, 0.8, 1.1])
def test_a_skewed_measurement_is_one_group(n, spread):
    found = 0
    for seed in range(40):
        values = sample(n, spread, seed)
        found += lie_apart(values, values > 85 / FACTOR, FACTOR)
    assert found <= 1


@pytest.mark.parametrize("up", [True, False])
def test_a_second_unit_is_a_group_of_its_own(up):
    values = sample(150, 0.5)
    changed = np.arange(150) < 15
    values[changed] *= FACTOR if up else 1 / FACTOR
    others = values > 5 if up else values < 0.15
    assert lie_apart(values, others, FACTOR if up else 1 / FACTOR)


def test_a_gap_is_enough_for_few_values():
    # Hemoglobin between 70 and 110 g/L, three patients in g/dL.
    values = np.array([*np.linspace(70, 110, 30), 7.9, 8.8, 9.4, np.nan])
    assert lie_apart(values, values < 20, 0.1)


def test_nothing_lies_apart_from_nothing():
    values = np.array([np.nan, 2.0, 3.0])
    assert not lie_apart(values, np.zeros(3, dtype=bool), FACTOR)
    assert not lie_apart(values, ~np.isnan(values), FACTOR)
