"""Storing a model without pickle, and loading it with our own list of allowed types."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import skops.io

from features.errors import InputError, Problem, first_line
from models.card import ModelCard
from models.individual import Support
from models.learners import LEARNERS
from models.prediction import SurvivalModel
from models.recalibration import TRUSTED_TYPES as RECALIBRATED_TYPES
from models.store.stored import Beside

CARD = "card.json"
MODEL = "model.skops"
SUPPORT = "support.json"
REFITS = "refits.skops"
SCHEMA = "schema.json"

# Beyond the plain types that skops always allows. Never read from the file itself, which an
# attacker may have written (GHSA-w582-9x45-8mpx).
COMMON_TYPES = ("models.fitted.FittedModel", "numpy.dtype")
# Types of models that were stored earlier, under the names that they had then.
EARLIER_NAMES = {
    "models.baseline.BreslowBaseline": "models.learners.baseline.BaselineHazard",
    **{
        f"models.{module}.{name}": f"models.learners.{module}.{name}"
        for module, name in (
            ("baseline", "BaselineHazard"),
            ("cox", "CoxElasticNet"),
            ("forest", "ExtraTreesForest"),
            ("forest", "SurvivalForest"),
            ("gradient_boosting", "GradientBoostingCox"),
            ("kaplan_meier_null", "KaplanMeierNull"),
            ("xgboost_aft", "XgboostAft"),
            ("xgboost_cox", "XgboostCox"),
        )
    },
}


def save_model(
    folder: Path, model: SurvivalModel, card: ModelCard, beside: Beside | None = None
) -> None:
    """Write a model, its card and what is kept beside it into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    skops.io.dump(model, folder / MODEL)
    (folder / CARD).write_text(card.model_dump_json(indent=2) + "\n")
    if beside is not None:
        save_beside(folder, beside)


def load_card(folder: Path) -> ModelCard:
    """Read the card alone.

    Raises
    ------
    InputError
        When the folder holds no model.
    """
    path = folder / CARD
    if not _is_file(path):
        raise InputError(
            Problem(
                what="No model here",
                where=str(folder),
                allowed=f"a folder with {CARD} and {MODEL}",
                remedy="give a folder that a training wrote, or models:/NAME@champion",
            )
        )
    try:
        card = ModelCard.model_validate(json.loads(path.read_text(encoding="utf-8")))
    # Pydantic's errors, those of JSON and of UTF-8 are all ValueErrors.
    except (ValueError, OSError, RecursionError) as error:
        raise _damaged(path, error) from error
    if card.learner not in LEARNERS:
        raise _damaged(path, f"learner {card.learner!r}, which this version does not know")
    return card


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # A name that no file can have.
        return False


def _damaged(path: Path, error: object) -> InputError:
    return InputError(
        Problem(
            what="The stored model is damaged, or was not written by this version of vensurv",
            where=str(path),
            got=first_line(error),
            remedy="bring the folder back from a copy, or train again",
        )
    )


def _with_present_names(path: Path) -> bytes:
    """A stored model, its types under the names that they have now; nothing in it is run."""
    changed = io.BytesIO()
    with ZipFile(path) as stored, ZipFile(changed, "w") as renamed:
        for name in stored.namelist():
            content = stored.read(name)
            if name == SCHEMA:
                content = json.dumps(json.loads(content, object_hook=_renamed)).encode()
            renamed.writestr(name, content)
    return changed.getvalue()


def _renamed(node: dict[str, Any]) -> dict[str, Any]:
    present = EARLIER_NAMES.get(f"{node.get('__module__')}.{node.get('__class__')}")
    if present is None:
        return node
    module, name = present.rsplit(".", 1)
    return node | {"__module__": module, "__class__": name}


def load_model(folder: Path) -> tuple[SurvivalModel, ModelCard]:
    """Load a model and its card.

    Raises
    ------
    InputError
        When the folder holds no model, or the file holds a type that its learner does not need.
    """
    card = load_card(folder)
    if not _is_file(folder / MODEL):
        raise _damaged(folder / MODEL, "the file is not there")
    return _load(folder / MODEL, card), card


def save_beside(folder: Path, beside: Beside) -> None:
    """Write what one patient's answer needs into the folder of a model."""
    if beside.support is not None:
        (folder / SUPPORT).write_text(beside.support.model_dump_json(indent=1) + "\n")
    if beside.refits:
        skops.io.dump(list(beside.refits), folder / REFITS, compression=ZIP_DEFLATED)


def load_beside(folder: Path, card: ModelCard, *, refits: bool) -> Beside:
    """Load what one patient's answer needs; empty for a model that was stored without.

    Parameters
    ----------
    refits : bool
        The refits as well, which takes longer than the rest.

    Raises
    ------
    InputError
        As `load_model`.
    """
    support = None
    if _is_file(folder / SUPPORT):
        try:
            text = (folder / SUPPORT).read_text(encoding="utf-8")
            support = Support.model_validate_json(text)
        except (ValueError, OSError, RecursionError) as error:
            raise _damaged(folder / SUPPORT, error) from error
    if not refits or not _is_file(folder / REFITS):
        return Beside(support)
    found = _load(folder / REFITS, card)
    if not isinstance(found, list) or any(not hasattr(one, "predict") for one in found):
        raise _damaged(folder / REFITS, "no list of models")
    return Beside(support, tuple(found))


def digest_of(folder: Path) -> str:
    """SHA-256 over names and contents of a stored model's files: another file, another digest."""
    told = hashlib.sha256()
    for name in (CARD, MODEL, SUPPORT, REFITS):
        if _is_file(folder / name):
            content = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            told.update(f"{name} {content}\n".encode())
    return told.hexdigest()


def packed(model: SurvivalModel) -> bytes:
    """A fitted model as bytes, to be kept until a training ends."""
    content: bytes = skops.io.dumps(model)
    return content


def unpacked(content: bytes, learner: str) -> SurvivalModel:
    """A model that was packed; it holds the types of its learner alone."""
    trusted = sorted({*COMMON_TYPES, *LEARNERS[learner].trusted_types})
    model: SurvivalModel = skops.io.loads(content, trusted=trusted)
    return model


def _load(path: Path, card: ModelCard) -> Any:
    allowed = {*COMMON_TYPES, *LEARNERS[card.learner].trusted_types}
    if card.recalibration:
        allowed |= {*RECALIBRATED_TYPES}
    try:
        data = _with_present_names(path)
        found = set(skops.io.get_untrusted_types(data=data))
    except Exception as error:  # a damaged archive fails in zipfile, json, or skops
        raise _damaged(path, error) from error
    if found - allowed:
        raise InputError(
            Problem(
                what="The stored model holds types that are not allowed, and was not loaded",
                where=str(path),
                got=", ".join(sorted(found - allowed)),
                allowed=", ".join(sorted(allowed)),
                remedy="do not use this file; train the model again or ask who wrote it",
            )
        )
    try:
        return skops.io.loads(data, trusted=sorted(allowed))
    except Exception as error:  # the same, in a part that holds values
        raise _damaged(path, error) from error
