"""A final model refitted to bootstrap samples of its patients, each as a seeded task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from joblib import delayed

from evaluation.bootstrap import bootstrap_counts
from evaluation.validation import Refits
from features.dataset import Dataset
from models.artifact import packed, unpacked
from models.fit import fit_model
from models.fitted import NUMERICAL_ERRORS
from models.prediction import SurvivalModel, SurvivalPrediction
from models.resampling import bootstrap_strata
from models.tuning import NoTrialSucceededError, Search
from pipelines.output.processes import in_parallel
from pipelines.training.checkpoint import Checkpoint
from pipelines.training.nested_validation import REFITS, search_and_fit, task_seed

Refitted = tuple[SurvivalModel | None, SurvivalPrediction | None]
NOT_FITTED: Refitted = (None, None)


def refit_to_sample(
    model: SurvivalModel,
    dataset: Dataset,
    times: np.ndarray,
    counts: np.ndarray,
    replicate: int,
    search: Search,
    tuned: bool,
    checkpoint: Checkpoint,
    members: Mapping[str, dict[str, Any]] | None,
) -> Refitted:
    """Fit to one bootstrap sample and predict for everybody; None where nothing could be fitted.

    The model itself is given back where its parameters were kept: it may be stored.

    Parameters
    ----------
    counts : ndarray of shape (n,)
        How often the sample holds each patient.
    tuned : bool
        Whether the parameters are searched anew in the sample, or stay those of `model`.
    """
    kind = "tuned" if tuned else "kept"
    kept = checkpoint.open(f"{model.learner}_refit_{kind}_{replicate}")
    with kept.held():
        found = kept.load()
        if found is not None:
            arrays, facts = found
            if not facts["fitted"]:
                return NOT_FITTED
            again = None if tuned else unpacked(arrays["model"].tobytes(), model.learner)
            return again, SurvivalPrediction(arrays["risk_score"], arrays["survival"], times)
        sample = dataset.take(np.repeat(np.arange(len(dataset)), counts))
        try:
            if tuned:
                place = (REFITS, replicate)
                _, refitted = search_and_fit(model.learner, sample, times, search, place, members)
            else:
                own_seed = task_seed(search.seed, model.learner, "instability", replicate)
                refitted = fit_model(model.learner, model.params, sample, own_seed)
        except (NoTrialSucceededError, *NUMERICAL_ERRORS):
            kept.save({}, {"fitted": False})
            return NOT_FITTED
        prediction = refitted.predict(dataset.predictors, times)
        arrays = {"risk_score": prediction.risk_score, "survival": prediction.survival}
        if not tuned and kept.path is not None:
            arrays["model"] = np.frombuffer(packed(refitted), dtype=np.uint8)
        kept.save(arrays, {"fitted": True})
        return None if tuned else refitted, prediction


def refit_to_bootstrap(
    model: SurvivalModel,
    dataset: Dataset,
    times: np.ndarray,
    search: Search,
    *,
    replicates: int,
    tuned: bool,
    workers: int,
    advance: Callable[[], None],
    checkpoint: Checkpoint,
    members: Mapping[str, dict[str, Any]] | None = None,
) -> Refits:
    """A final model, and models refitted to stratified bootstrap samples of its patients.

    With `tuned` everything that looked at the data is done anew in each sample, as optimism needs;
    without, the parameters stay, as for the regimen contrasts: this shows less than all of the
    instability, in a fraction of the time. Members of a stack keep their parameters.

    Returns
    -------
    Refits
        The same whatever the number of processes; with the models where the parameters were kept.
    """
    seed = task_seed(search.seed, model.learner, "refits")
    counts = bootstrap_counts(len(dataset), replicates, seed, bootstrap_strata(dataset))
    tasks = [
        delayed(refit_to_sample)(
            model, dataset, times, row, number, search, tuned, checkpoint, members
        )
        for number, row in enumerate(counts)
    ]
    results = []
    for result in in_parallel(tasks, workers):
        results.append(result)
        advance()
    original = model.predict(dataset.predictors, times)
    refitted, predicted = zip(*results, strict=True) if results else ((), ())
    found = () if tuned else tuple(one for one in refitted if one is not None)
    return Refits(dataset.outcome, original, predicted, counts, found)
