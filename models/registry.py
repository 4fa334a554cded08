"""Where models that were registered earlier look for what MLflow runs; `models.store` has it."""

from models.store import RegisteredModel

__all__ = ["RegisteredModel"]
