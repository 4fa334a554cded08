"""Refits to bootstrap samples: kept while a training goes on, with the models themselves."""

import numpy as np

from models.tuning import Search
from pipelines.training.checkpoint import Checkpoint
from pipelines.training.refits import refit_to_bootstrap


def test_finished_refits_are_not_repeated(dataset, models, tmp_path, monkeypatch):
    from pipelines.training import refits as made

    times, search = np.array([3.0, 6.0, 12.0]), Search(0, 2, 1)
    settings = {"replicates": 3, "tuned": False, "workers": 1, "advance": lambda: None}
    kept = Checkpoint(tmp_path)
    first = refit_to_bootstrap(models["cox"], dataset, times, search, checkpoint=kept, **settings)

    def fail(*args, **kwargs):
        raise AssertionError("fitted again")

    monkeypatch.setattr(made, "fit_model", fail)
    second = refit_to_bootstrap(models["cox"], dataset, times, search, checkpoint=kept, **settings)
    for one, other in zip(first.refitted, second.refitted, strict=True):
        np.testing.assert_array_equal(one.survival, other.survival)
    assert first.counts.sum(axis=1).tolist() == [len(dataset)] * 3
    # The models come back from where they were kept, to the last bit.
    for one, other in zip(first.models, second.models, strict=True):
        np.testing.assert_array_equal(
            one.predict(dataset.predictors, times).survival,
            other.predict(dataset.predictors, times).survival,
        )
    np.testing.assert_array_equal(
        first.models[0].predict(dataset.predictors, times).survival, first.refitted[0].survival
    )


def test_a_refit_that_does_not_converge_is_counted(dataset, models, monkeypatch):
    from pipelines.training import refits as made

    def fail(*args, **kwargs):
        raise ArithmeticError("no solution")

    monkeypatch.setattr(made, "fit_model", fail)
    refits = refit_to_bootstrap(
        models["cox"], dataset, np.array([6.0]), Search(0, 2, 1), replicates=2, tuned=False,
        workers=1, advance=lambda: None, checkpoint=Checkpoint(),
    )  # fmt: skip
    assert refits.unfitted == 2
