"""A stored model by its address: of the registry, of a run, or a folder."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
from mlflow.entities import LoggedModel, LoggedModelStatus

from features.errors import InputError, Problem, first_line, name_some
from features.sources import shown_address
from models.artifact import StoredModel, digest_of, load_beside, load_model
from models.store.version import CHAMPION, DIGEST, Version, versions

REGISTERED = re.compile(r"models:/+(?P<name>[^/@:]+)(?:@(?P<alias>[^/@]+)|/(?P<number>\d+|latest))")
# What MLflow's error codes say of a name, number, alias or address that leads to nothing.
NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "ENDPOINT_NOT_FOUND")


def load(uri: str, *, refits: bool = False) -> StoredModel:
    """Load a registered model, e.g. 'models:/vensurv@champion', or one of a run.

    An alias is resolved once: what is loaded is the version that it pointed to at that moment.

    Parameters
    ----------
    uri : str
    refits : bool
        Load its refits too, which a single patient's limits are made of.

    Raises
    ------
    InputError
        When the store has no such model, or its files are gone or damaged.
    """
    which = resolve(uri)
    with _files_of(which) as folder:
        card = next(folder.rglob("card.json"), None)
        if card is None:
            raise InputError(
                Problem(
                    what="This MLflow model was not written by vensurv, or its files are gone",
                    where=which.uri,
                    allowed="a model that a training or a recalibration registered",
                    remedy="name another version",
                )
            )
        model, told = load_model(card.parent, which.tags.get(DIGEST, ""))
        beside, digest = load_beside(card.parent, told, refits=refits), digest_of(card.parent)
    names = (which.name, which.version, which.run_id)
    return StoredModel(model, told, which.uri, uri, *names, beside, digest)


@contextlib.contextmanager
def _files_of(which: Version) -> Iterator[Path]:
    """The folder of a model's files: where they lie on this machine, else fetched for the moment.

    Nothing is written beside them, as MLflow does for an address of its own: the store may be
    protected, and others read from it at the same time.
    """
    client = mlflow.MlflowClient()
    with tempfile.TemporaryDirectory() as fetched:
        try:
            address = (
                client.get_model_version_download_uri(which.name, which.version)
                if which.name
                else _logged_model(client, which.uri).artifact_location
            )
            is_here = urlsplit(address).scheme in ("", "file")
            folder = mlflow.artifacts.download_artifacts(
                artifact_uri=address, dst_path=None if is_here else fetched
            )
        except (mlflow.MlflowException, OSError) as error:
            raise InputError(
                Problem(
                    what="The files of this model are gone, or cannot be read",
                    where=shown_address(mlflow.get_tracking_uri()),
                    got=f"{which.uri}: {first_line(error)}",
                    remedy="bring them back from a copy of the store, or name another version",
                )
            ) from error
        yield Path(folder)


def resolve(uri: str) -> Version:
    """Say which version an address means at this moment.

    Parameters
    ----------
    uri : str
        `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `models:/NAME/latest`; or `models:/m-ID` and
        `runs:/RUN/NAME`, which are no version of a name.

    Raises
    ------
    InputError
        When the store has no such model.
    """
    client = mlflow.MlflowClient()
    try:
        found = REGISTERED.fullmatch(uri)
        if found is None:
            return Version(uri=uri, run_id=_logged_model(client, uri).source_run_id or "")
        name, alias, number = found["name"], found["alias"], found["number"]
        if number is not None and number.lower() == "latest":
            every = client.search_model_versions(f"name = '{name}'")
            number = str(max((int(v.version) for v in every), default=0))
        if alias is not None:
            return Version.of(client.get_model_version_by_alias(name, alias))
        return Version.of(client.get_model_version(name, number))
    except (mlflow.MlflowException, ValueError) as error:
        if getattr(error, "error_code", NOT_THERE[0]) not in NOT_THERE:
            raise
        raise _no_such_model(client, uri) from error


def _logged_model(client: mlflow.MlflowClient, uri: str) -> LoggedModel:
    """The model of `models:/m-ID` or `runs:/RUN/NAME`; a ValueError of any other address."""
    if uri.startswith("models:/m-"):
        return client.get_logged_model(uri.removeprefix("models:/"))
    run_id, _, name = uri.removeprefix("runs:/").strip("/").partition("/")
    found: list[LoggedModel] = []
    if uri.startswith("runs:/"):
        experiment = client.get_run(run_id).info.experiment_id
        found = client.search_logged_models(
            [experiment], f"source_run_id = '{run_id}' and name = '{name}'"
        )
    ready = [model for model in found if model.status == LoggedModelStatus.READY]
    if not ready:
        raise ValueError(f"{uri} is no address of a model")
    return ready[0]


def _no_such_model(client: mlflow.MlflowClient, uri: str) -> InputError:
    found = REGISTERED.fullmatch(uri)
    there: list[Version] = []
    # The store has just answered; where it does not any more, the first error is the one to tell.
    with contextlib.suppress(mlflow.MlflowException):
        there = [] if found is None else versions(found["name"])
    allowed = "models:/NAME@champion, models:/NAME/VERSION, or a folder"
    remedy = "train first (python -m pipelines.train), or correct the name"
    if there and found is not None:
        allowed = name_some(f"models:/{v.name}/{v.version}" for v in there)
        remedy = "name one of its versions"
        if found["alias"] == CHAMPION:
            remedy = (
                "nobody is champion: name a version, or make one champion "
                "(python -m pipelines.promote --to VERSION)"
            )
    return InputError(
        Problem(
            what="No such model in the MLflow store",
            where=shown_address(mlflow.get_tracking_uri()),
            got=uri,
            allowed=allowed,
            remedy=remedy,
        )
    )
