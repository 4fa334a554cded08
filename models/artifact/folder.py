"""A model in a folder: its card, its plain values, and a manifest that binds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from features.errors import InputError, Problem, first_line
from models.artifact.checks import check_model
from models.artifact.files import MANIFEST, NewerError, read_manifest, read_named, write_manifest
from models.artifact.plain import as_bytes, from_bytes
from models.artifact.stored import Beside
from models.card import ModelCard
from models.individual import Support
from models.learners import LEARNERS
from models.prediction import SurvivalModel
from models.recalibrated import RecalibratedModel

CARD = "card.json"
MODEL, ARRAYS = "model.json", "arrays.npz"
SUPPORT = "support.json"
REFITS, REFIT_ARRAYS = "refits.json", "refits.npz"
# What models were stored in before; it could hold objects.
EARLIER = "model.skops"


def save_model(
    folder: Path, model: SurvivalModel, card: ModelCard, beside: Beside | None = None
) -> str:
    """Write a model, its card and what is kept beside it into a folder, which is made.

    Returns
    -------
    str
        The digest: another model, card or refit, another digest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text, arrays = as_bytes(model)
    contents = {CARD: (card.model_dump_json(indent=2) + "\n").encode(), MODEL: text, ARRAYS: arrays}
    if beside is not None and beside.support is not None:
        contents[SUPPORT] = (beside.support.model_dump_json(indent=1) + "\n").encode()
    if beside is not None and beside.refits:
        contents[REFITS], contents[REFIT_ARRAYS] = as_bytes(list(beside.refits))
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    write_manifest(folder, list(contents))
    return digest_of(folder)


def load_card(folder: Path) -> ModelCard:
    """Read the card alone.

    Raises
    ------
    InputError
        When the folder holds no model, or it was changed.
    """
    files, _ = _manifest(folder)
    content = _content(folder, CARD, files)
    try:
        card = ModelCard.model_validate(json.loads(content))
    # Pydantic's errors, those of JSON and of UTF-8 are all ValueErrors.
    except (ValueError, RecursionError) as error:
        raise _damaged(folder / CARD, error) from error
    if card.learner not in LEARNERS:
        raise _damaged(folder / CARD, f"learner {card.learner!r}, which this version does not know")
    return card


def load_model(folder: Path, digest: str = "") -> tuple[SurvivalModel, ModelCard]:
    """Load a model and its card.

    Parameters
    ----------
    digest : str
        That under which it was registered; empty where it is in no registry.

    Raises
    ------
    InputError
        When the folder holds no model, was changed since it was written, is not the one that was
        registered, or holds anything but the plain values of its learner.
    """
    files, found = _manifest(folder)
    if digest and digest != found:
        raise InputError(
            Problem(
                what="This is not the model that was registered, and it was not loaded",
                where=str(folder),
                got=f"digest {found[:12]}",
                allowed=f"digest {digest[:12]}",
                remedy="bring the folder back from a copy, or train again: something changed it",
            )
        )
    card = load_card(folder)
    (model,) = _loaded(folder, (MODEL, ARRAYS), files, card)
    return model, card


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
    files, _ = _manifest(folder)
    support = None
    if SUPPORT in files:
        content = _content(folder, SUPPORT, files)
        try:
            support = Support.model_validate_json(content)
        except (ValueError, RecursionError) as error:
            raise _damaged(folder / SUPPORT, error) from error
    if not refits or REFITS not in files:
        return Beside(support)
    return Beside(
        support, tuple(_loaded(folder, (REFITS, REFIT_ARRAYS), files, card, several=True))
    )


def digest_of(folder: Path) -> str:
    """SHA-256 of the manifest, and so of every file: another file, another digest.

    Raises
    ------
    InputError
        When the folder holds no model.
    """
    return _manifest(folder)[1]


def packed(model: SurvivalModel) -> bytes:
    """A fitted model as bytes, to be kept until a training ends."""
    text, arrays = as_bytes(model)
    return len(text).to_bytes(8, "big") + text + arrays


def unpacked(content: bytes, learner: str) -> SurvivalModel:
    """A model that was packed.

    Raises
    ------
    ValueError
        When the bytes are no model of this learner.
    """
    end = 8 + int.from_bytes(content[:8], "big")
    return check_model(from_bytes(content[8:end], content[end:]), learner)


def _manifest(folder: Path) -> tuple[dict[str, str], str]:
    if _is_file(folder / EARLIER) and not _is_file(folder / MANIFEST):
        raise InputError(
            Problem(
                what="This model was stored by an earlier version, in a form that is not read any "
                "more",
                where=str(folder / EARLIER),
                allowed=f"a folder with {MANIFEST}",
                remedy="train again; the configuration of its run says how",
            )
        )
    if not _is_file(folder / CARD):
        raise InputError(
            Problem(
                what="No model here",
                where=str(folder),
                allowed=f"a folder with {CARD} and {MANIFEST}",
                remedy="give a folder that a training wrote, or models:/NAME@champion",
            )
        )
    try:
        return read_manifest(folder)
    except NewerError as error:
        raise InputError(
            Problem(
                what="This model was stored by a later version of vensurv",
                where=str(folder / MANIFEST),
                got=first_line(error),
                remedy="install that version, or train again with this one",
            )
        ) from error
    except (ValueError, OSError, RecursionError) as error:
        raise _damaged(folder / MANIFEST, error) from error


def _content(folder: Path, name: str, files: dict[str, str]) -> bytes:
    try:
        return read_named(folder, name, files)
    except (ValueError, OSError) as error:
        raise _damaged(folder / name, error) from error


def _loaded(
    folder: Path,
    names: tuple[str, str],
    files: dict[str, str],
    card: ModelCard,
    several: bool = False,
) -> list[Any]:
    text, arrays = (_content(folder, name, files) for name in names)
    try:
        value = from_bytes(text, arrays)
        if several and not isinstance(value, list):
            raise ValueError("no list of models")
        models = [check_model(one, card.learner) for one in (value if several else [value])]
        if any(isinstance(one, RecalibratedModel) != bool(card.recalibration) for one in models):
            raise ValueError("recalibrated or not, its card does not say so")
        return models
    except (ValueError, ArithmeticError, MemoryError) as error:
        raise _damaged(folder / names[0], error) from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # A name that no file can have.
        return False


def _damaged(path: Path, error: object) -> InputError:
    return InputError(
        Problem(
            what="The stored model is damaged, or was changed after it was written",
            where=str(path),
            got=first_line(error),
            remedy="bring the folder back from a copy, or train again",
        )
    )
