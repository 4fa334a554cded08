"""The file that MLflow runs to make a registered model: models from code, so no pickle."""

from mlflow.models import set_model

from models.store.registry import RegisteredModel

set_model(RegisteredModel())
