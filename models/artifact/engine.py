"""A stored model as one patient's answer needs it: plain columns in, arrays out."""

from __future__ import annotations

import numpy as np

from features.columns import Columns
from models.artifact.stored import StoredModel
from models.individual import Engine, Predict
from models.prediction import OpenedModel, SurvivalModel
from models.recalibrated import RecalibratedModel
from models.stack import StackedModel


def engine_of(stored: StoredModel) -> Engine:
    """What answers about a patient are made from; limits need a model loaded with its refits."""
    return Engine(
        card=stored.card,
        predict=predict_plain(stored.model),
        jumps=steps_of(stored.model),
        refits=tuple(predict_plain(refit) for refit in stored.beside.refits),
        support=stored.beside.support,
    )


def predict_plain(model: SurvivalModel) -> Predict:
    """A model's predictions from plain columns."""

    def predict(columns: Columns, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        prediction = model.predict(columns, times)
        return prediction.risk_score, prediction.survival

    return predict


def steps_of(model: SurvivalModel) -> np.ndarray | None:
    """Months at which a model's survival steps; None where it falls continuously."""
    if isinstance(model, RecalibratedModel):
        # What is stretched steps where it did.
        return steps_of(model.model)
    if isinstance(model, StackedModel):
        every = [steps_of(member) for member in model.members]
        known = [steps for steps in every if steps is not None]
        return np.unique(np.concatenate(known)) if len(known) == len(every) else None
    opened = getattr(model, "opened", None)
    found = None if opened is None else opened()
    return found.jumps if isinstance(found, OpenedModel) else None
