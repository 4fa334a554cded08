from importlib import import_module

import pytest

from benchmarks.registry import LATER, known


@pytest.mark.parametrize("name", LATER)
def test_a_benchmark_that_is_imported_when_run_is_found(name, monkeypatch):
    monkeypatch.setattr(import_module(LATER[name]), name, lambda: {"ours_s": 1.0})
    assert known()[name]() == {"ours_s": 1.0}


def test_the_explanations_of_forests_are_among_the_benchmarks():
    assert "shap_forest" in known()
