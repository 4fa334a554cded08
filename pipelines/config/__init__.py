"""The configuration of a training: every setting, its default and its check."""

from pipelines.config.sections import REFERENCE_STUDY, SUBGROUPS
from pipelines.config.training import (
    DEFAULT_CONFIG,
    TrainConfig,
    configured,
    read_config,
    resolved_yaml,
)

__all__ = [
    "DEFAULT_CONFIG",
    "REFERENCE_STUDY",
    "SUBGROUPS",
    "TrainConfig",
    "configured",
    "read_config",
    "resolved_yaml",
]
