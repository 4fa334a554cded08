"""The MLflow model registry: register a model without pickle, give it an alias, load it back."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
from mlflow.entities import LoggedModelStatus
from mlflow.models import ModelSignature
from mlflow.pyfunc import PythonModel
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import TensorSpec

from features.errors import InputError, Problem
from models.artifact import ask, engine_of, load_beside, load_model, save_model
from models.card import ModelCard, software_versions
from models.individual import Question, row_of
from models.patients import read_patients

if TYPE_CHECKING:
    from models.prediction import SurvivalModel

from models.artifact import Beside, StoredModel
from models.store.version import (
    CANDIDATE,
    CHAMPION,
    DIGEST,
    RECALIBRATION_TAGS,
    VERSION_TAGS,
    Version,
    champion_of,
    versions,
)

# The tag of a version that holds the fingerprint of its content.
CONTENT = "content"
ENTRY = Path(__file__).with_name("mlflow_entry.py")


class RegisteredModel(PythonModel):
    """What `mlflow.pyfunc.load_model` gives: patients in, a table of predictions out."""

    def load_context(self, context: Any) -> None:
        """Load our own folder, if it is the one that was registered."""
        folder = Path(context.artifacts["model"])
        model, self.card = load_model(folder, (context.model_config or {}).get(DIGEST, "unknown"))
        beside = load_beside(folder, self.card, refits=True)
        self.engine = engine_of(StoredModel(model, self.card, "", "", beside=beside))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Answer at `params["horizons"]`, by default the evaluated ones; cautions included."""
        horizons = (params or {}).get("horizons") or list(self.card.horizons)
        patients = read_patients(model_input, self.card)
        found = ask(self.engine, patients, Question([float(month) for month in horizons]))
        return pd.DataFrame([row_of(answer) for answer in found])


@dataclass(frozen=True)
class Registration:
    """What a model became in the registry.

    Attributes
    ----------
    version : Version
        Its own.
    champion : Version or None
        That of the name after the registration; None when it has none.
    first : bool
        Whether the name had no version before it.
    """

    version: Version
    champion: Version | None
    first: bool = False

    @property
    def is_champion(self) -> bool:
        """Whether it became the champion, as the first of its name does."""
        return self.champion is not None and self.champion.version == self.version.version

    @property
    def told(self) -> str:
        """What a person is told of it."""
        if self.is_champion:
            first = ", the first of its name" if self.first else ""
            return f"registered as version {self.version.version}{first}: champion"
        start = f"registered as version {self.version.version}, candidate"
        if self.champion is None:
            return f"{start}; the name has no champion"
        return f"{start}; champion stays {self.champion.told}"


def register(
    model: SurvivalModel,
    card: ModelCard,
    *,
    run_id: str,
    model_name: str,
    folder: Path,
    alias: str | None = None,
    content: str = "",
    beside: Beside | None = None,
) -> Registration:
    """Store a model under a run and register it as a new version, once a run and once a content.

    It becomes the name's candidate, and its champion when it is the first of the name; another
    champion is never replaced. Called again for a run that has its version, or for the same
    content, as after a kill, it only moves the aliases.

    Parameters
    ----------
    run_id : str
        The run that the model belongs to.
    folder : Path
        Empty folder in which the model is written before MLflow copies it.
    alias : str, optional
        Moved to the new version too.
    content : str
        Fingerprint of what the model was made of and how; empty where each run is one of its own.
    beside : Beside, optional
        What is stored with it for the answer to one patient.
    """
    client = mlflow.MlflowClient()
    known = client.search_model_versions(f"name = '{model_name}' and run_id = '{run_id}'")
    if not known and content:
        known = client.search_model_versions(
            f"name = '{model_name}' and tags.{CONTENT} = '{content}'"
        )
    if known:
        return _given_aliases(client, Version.of(known[0]), alias)
    # The same model is the same bytes: what was stored before a kill has this digest, too.
    digest = save_model(folder, model, card, beside)
    stored = _stored_model(client, run_id) or _store_model(card, run_id, folder, digest)
    # The client's calls, because mlflow.register_model prints.
    if not client.search_registered_models(f"name = '{model_name}'"):
        # Another training may have made it meanwhile.
        with contextlib.suppress(mlflow.MlflowException):
            client.create_registered_model(model_name)
    version = client.create_model_version(
        model_name,
        source=f"models:/{stored}",
        run_id=run_id,
        model_id=stored,
        tags=_version_tags(card) | {DIGEST: digest} | ({CONTENT: content} if content else {}),
        description=describe_card(card),
    )
    return _given_aliases(client, Version.of(version), alias)


def _stored_model(client: mlflow.MlflowClient, run_id: str) -> str | None:
    """Identifier of the model that a run has stored, where it was killed before it registered it.

    What it had not stored to the end is deleted.
    """
    experiment = client.get_run(run_id).info.experiment_id
    found = client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    for stored in found:
        if stored.status != LoggedModelStatus.READY:
            client.delete_logged_model(stored.model_id)
    return next((str(m.model_id) for m in found if m.status == LoggedModelStatus.READY), None)


def _store_model(card: ModelCard, run_id: str, folder: Path, digest: str) -> str:
    mlflow.start_run(run_id=run_id)
    try:
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(ENTRY),
            artifacts={"model": str(folder)},
            model_config={DIGEST: digest},
            signature=make_signature(card),
            input_example=synthetic_patient(card),
            # Stated, because guessing them would start the model in a process of its own.
            pip_requirements=_requirements(),
        )
    finally:
        # Whoever started the run ends it: killed before that, it is not to look finished.
        mlflow.end_run("RUNNING")
    return str(info.model_id)


def _version_tags(card: ModelCard) -> dict[str, str]:
    told = {"learner": card.learner, "endpoint": card.endpoint}
    told |= {name: str(card.training[name]) for name in VERSION_TAGS if name in card.training}
    if not card.recalibration:
        return told
    made = card.recalibration
    on = (str(made["cohort"]), str(made["data_fingerprint"]))
    return (
        told | {"recalibration": str(made["kind"])} | dict(zip(RECALIBRATION_TAGS, on, strict=True))
    )


def _given_aliases(client: mlflow.MlflowClient, own: Version, alias: str | None) -> Registration:
    client.set_registered_model_alias(own.name, CANDIDATE, own.version)
    if alias is not None and alias != CANDIDATE:
        client.set_registered_model_alias(own.name, alias, own.version)
    champion = champion_of(own.name)
    # Of two that are registered at once, the lower number is the first.
    first = all(int(v.version) >= int(own.version) for v in versions(own.name))
    if champion is None and first:
        client.set_registered_model_alias(own.name, CHAMPION, own.version)
        champion = own
    return Registration(own, champion, first)


def promote(own: Version, replaces: Version | None) -> None:
    """Make a version the champion of its name.

    Parameters
    ----------
    replaces : Version, optional
        The champion that it was shown beside; None when there was none.

    Raises
    ------
    InputError
        When another version has become champion meanwhile.
    """
    client = mlflow.MlflowClient()
    now = champion_of(own.name)
    if (now and now.version) not in (replaces and replaces.version, own.version):
        raise InputError(
            Problem(
                what="Another version has become champion meanwhile; nothing was promoted",
                where=f"models:/{own.name}@{CHAMPION}",
                got="none" if now is None else now.told,
                allowed="none" if replaces is None else replaces.told,
                remedy=f"look at both: python -m pipelines.promote --name {own.name} "
                f"--to {own.version}",
            )
        )
    client.set_model_version_tag(
        own.name, own.version, "promoted", datetime.now(UTC).isoformat(timespec="seconds")
    )
    if replaces is not None:
        client.set_model_version_tag(own.name, own.version, "replaced", replaces.version)
    client.set_registered_model_alias(own.name, CHAMPION, own.version)


def _requirements() -> list[str]:
    """The packages that a model needs, as they are installed here."""
    installed = {name for name in ("xgboost", "xgboost-cpu") if _is_installed(name)}
    names = {"xgboost": "xgboost-cpu" if "xgboost-cpu" in installed else "xgboost"}
    return [
        f"{names.get(package, package)}=={version}"
        for package, version in software_versions().items()
        if package != "vensurv"
    ]


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def make_signature(card: ModelCard) -> ModelSignature:
    """Columns of the model's input, in the dictionary's names and units, and its parameter."""
    columns: list[ColSpec | TensorSpec] = [
        ColSpec("double" if c.is_numeric else "string", c.name, required=True) for c in card.inputs
    ]
    if card.arms:
        columns.append(ColSpec("string", "regimen", required=True))
    outputs: list[ColSpec | TensorSpec] = [ColSpec("long", "row")]
    if card.arms:
        outputs.append(ColSpec("string", "regimen"))
    outputs.append(ColSpec("double", "risk_score"))
    for name in (f"event_probability_{h:g}m" for h in card.horizons):
        outputs.append(ColSpec("double", name))
        # Empty where the model was stored without refits.
        outputs += [ColSpec("double", f"{name}_{end}", required=False) for end in ("low", "high")]
    outputs.append(ColSpec("double", "median_months", required=False))
    outputs += [ColSpec("string", name) for name in ("cautions", "note")]
    horizons = ParamSpec("horizons", "double", list(card.horizons), shape=(-1,))
    return ModelSignature(Schema(columns), Schema(outputs), ParamSchema([horizons]))


def synthetic_patient(card: ModelCard) -> pd.DataFrame:
    """One row that fits the model's input and is nobody: the middle of every range."""
    values: dict[str, object] = {}
    for covariate in card.inputs:
        if not covariate.is_numeric:
            known = card.levels.get(covariate.name) or covariate.vocabulary
            values[covariate.name] = known[0]
            continue
        low, high = card.ranges.get(covariate.name, (0.0, 0.0))
        middle = (low + high) / 2
        values[covariate.name] = float(round(middle) if covariate.kind == "integer" else middle)
    if card.arms:
        values["regimen"] = card.arms[0]
    return pd.DataFrame([values])


def describe_card(card: ModelCard) -> str:
    """The card as the registry's page shows it, in Markdown."""
    training = card.training
    lines = [
        f"**{card.learner_label}** for {card.endpoint}, trained on {training.get('cohort', '')}: "
        f"{training.get('patients', '?')} patients, {training.get('events', '?')} events.",
        *(
            [f"**Not for patients: {training['provenance']}.**"]
            if training.get("provenance")
            else []
        ),
        "",
        *(
            [f"**Recalibrated:** {card.recalibration['statement']}.", ""]
            if card.recalibration
            else []
        ),
        f"Predicts up to {card.follow_up:.1f} months; evaluated at "
        + ", ".join(f"{h:g}" for h in card.horizons)
        + " months.",
        "",
        f"| {card.measured} | estimate (95% interval) |",
        "|---|---|",
        *(f"| {metric} | {value} |" for metric, value in card.performance.items()),
        "",
        "What the data cannot support:",
        *(f"- {caution}" for caution in card.cautions),
    ]
    return "\n".join(lines)
