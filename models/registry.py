"""The MLflow model registry: register a model without pickle, give it an alias, load it back."""

from __future__ import annotations

import contextlib
import os
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.pyfunc import PythonModel
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import TensorSpec

from features.errors import InputError, Problem
from models.artifact import load_model, save_model
from models.card import ModelCard, software_versions
from models.patients import predict_patients

if TYPE_CHECKING:
    from models.prediction import SurvivalModel

CHAMPION = "champion"
ENTRY = Path(__file__).with_name("mlflow_entry.py")


class RegisteredModel(PythonModel):
    """What `mlflow.pyfunc.load_model` gives: patients in, a table of predictions out."""

    def load_context(self, context: Any) -> None:
        """Load our own folder, with our own list of allowed types."""
        self.model, self.card = load_model(Path(context.artifacts["model"]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Predict at `params["horizons"]`, by default the evaluated ones."""
        horizons = (params or {}).get("horizons") or list(self.card.horizons)
        return predict_patients(self.model, self.card, model_input, horizons)


def register(
    model: SurvivalModel,
    card: ModelCard,
    *,
    run_id: str,
    model_name: str,
    folder: Path,
    alias: str | None = CHAMPION,
) -> str:
    """Store a model under a run and register it as a new version, once a run.

    Called again for a run that has its version, as after a kill, it only moves the alias.

    Parameters
    ----------
    run_id : str
        The run that the model belongs to.
    folder : Path
        Empty folder in which the model is written before MLflow copies it.
    alias : str, optional
        Moved to the new version; None moves none.

    Returns
    -------
    str
        The registered version.
    """
    client = mlflow.MlflowClient()
    known = client.search_model_versions(f"name = '{model_name}' and run_id = '{run_id}'")
    if known:
        if alias is not None:
            client.set_registered_model_alias(model_name, alias, known[0].version)
        return str(known[0].version)
    save_model(folder, model, card)
    with mlflow.start_run(run_id=run_id):
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(ENTRY),
            artifacts={"model": str(folder)},
            signature=make_signature(card),
            input_example=synthetic_patient(card),
            # Stated, because guessing them would start the model in a process of its own.
            pip_requirements=_requirements(),
        )
    # The client's calls, because mlflow.register_model prints.
    if not client.search_registered_models(f"name = '{model_name}'"):
        # Another training may have made it meanwhile.
        with contextlib.suppress(mlflow.MlflowException):
            client.create_registered_model(model_name)
    version = client.create_model_version(
        model_name,
        source=info.model_uri,
        run_id=run_id,
        model_id=info.model_id,
        tags={"learner": card.learner}
        | ({"recalibration": str(card.recalibration["kind"])} if card.recalibration else {}),
        description=describe_card(card),
    )
    if alias is not None:
        client.set_registered_model_alias(model_name, alias, version.version)
    return str(version.version)


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
    outputs += [ColSpec("double", f"event_probability_{h:g}m") for h in card.horizons]
    outputs += [ColSpec("double", "median_months"), ColSpec("string", "note")]
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


def load(uri: str) -> tuple[SurvivalModel, ModelCard]:
    """Load a registered model, e.g. 'models:/vensurv@champion', or one of a run.

    Raises
    ------
    InputError
        When the store has no such model.
    """
    try:
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    except (mlflow.MlflowException, OSError) as error:
        raise InputError(
            Problem(
                what="No such model in the MLflow store",
                where=mlflow.get_tracking_uri(),
                got=uri,
                allowed="models:/NAME@champion, models:/NAME/VERSION, or a folder",
                remedy="train first (python -m pipelines.train), or correct the name",
            )
        ) from error
    card = next(folder.rglob("card.json"), None)
    if card is None:
        raise InputError(Problem(what="This MLflow model was not written by vensurv", where=uri))
    return load_model(card.parent)
