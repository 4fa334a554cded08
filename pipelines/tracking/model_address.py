"""From what a user gives as `--model` to the model: of the registry, a run or a folder alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from features.errors import InputError, Problem

if TYPE_CHECKING:
    from models.artifact import StoredModel

# The name of a run's own model.
OF_A_RUN = "model"
RUN = re.compile(r"[0-9a-f]{32}")
DEFAULT_MODEL = "models:/vensurv@champion"
ALLOWED = "models:/NAME@champion, models:/NAME/VERSION, runs:/RUN/model, a run, or a folder"
# One letter alone is a drive of Windows.
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


def load_any(uri: str, *, refits: bool = False) -> StoredModel:
    """Load a model from the registry, from a run, or from a folder of this machine.

    Nothing is fetched from anywhere else: a model decides what is told of patients, so that its
    origin is to be known.

    Parameters
    ----------
    uri : str
    refits : bool
        Load its refits too, which a single patient's limits are made of.

    Raises
    ------
    InputError
        When the address is of another kind, or leads to no model.
    """
    scheme = SCHEME.match(uri)
    kind = scheme[1].lower() if scheme else ""
    if RUN.fullmatch(uri) and not Path(uri).exists():
        uri, kind = f"runs:/{uri}/{OF_A_RUN}", "runs"
    if kind in ("models", "runs") and uri.startswith(f"{kind}:/"):
        stored = _load_local(uri, refits=refits)
        if stored is not None:
            return stored
        from models.store import load
        from pipelines.tracking.runs import connect, quiet

        connect(writes=False)
        with quiet():
            return load(uri, refits=refits)
    if kind not in ("", "file") or not uri.strip() or "\0" in uri:
        raise InputError(
            Problem(
                what="No model can be loaded from there",
                where="--model",
                got=uri or "nothing",
                allowed=ALLOWED,
                remedy="copy the model's folder to this machine and name it, or register it",
            )
        )
    from models.artifact import StoredModel, digest_of, load_beside, load_model

    folder = unquote(urlsplit(uri).path) if kind == "file" else uri
    model, card = load_model(Path(folder))
    beside = load_beside(Path(folder), card, refits=refits)
    return StoredModel(model, card, uri, uri, beside=beside, digest=digest_of(Path(folder)))


def _load_local(uri: str, *, refits: bool) -> StoredModel | None:
    """A model of a store on this machine, without MLflow; None where MLflow is to look itself."""
    from pipelines.tracking.local_model import find_local

    found = find_local(uri)
    if found is None:
        return None
    from models.artifact import StoredModel, digest_of, load_beside, load_model

    digest, registered = digest_of(found.folder), found.tags.get("digest", "")
    if registered and digest != registered:
        return None  # Refused there, with what was registered.
    model, card = load_model(found.folder)
    beside = load_beside(found.folder, card, refits=refits)
    names = (found.name, found.version, found.run_id)
    return StoredModel(model, card, found.uri, uri, *names, beside, digest)
