"""A version of a registered model: its names, its aliases, and those of a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import mlflow

from models.artifact import SHORT

# Of a name: what predictions are asked of, and what was registered last. The champion moves by
# promotion alone.
CHAMPION = "champion"
CANDIDATE = "candidate"
# The tag of a version under which the digest of its files stands.
DIGEST = "digest"
VERSION_TAGS = ("learner", "endpoint", "cohort", "patients", "data_fingerprint")
RECALIBRATION_TAGS = ("recalibrated_on", "recalibration_fingerprint")


@dataclass(frozen=True)
class Version:
    """One version of a registered name, or a model that is none; without its files.

    Attributes
    ----------
    tags : mapping
        What was noted when it was registered: learner, endpoint, cohort, patients, fingerprint.
    """

    uri: str
    name: str = ""
    version: str = ""
    run_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Any) -> Version:
        """From MLflow's own description."""
        number = str(found.version)
        uri = f"models:/{found.name}/{number}"
        return cls(uri, str(found.name), number, str(found.run_id or ""), dict(found.tags or {}))

    @property
    def identity(self) -> dict[str, str]:
        """What files and programs are told of which model it is."""
        return {
            "model": self.uri,
            "model_version": self.version,
            "model_run_id": self.run_id,
            "model_data_fingerprint": str(self.tags.get("data_fingerprint", "")),
        }

    @property
    def told(self) -> str:
        """What a person is told of it: 'version 1 (cox for OS, trained on AML, ...)'."""
        known = {
            name: str(self.tags.get(name, "")) for name in (*VERSION_TAGS, *RECALIBRATION_TAGS)
        }
        parts = [
            " for ".join(filter(None, (known["learner"], known["endpoint"]))),
            known["cohort"] and f"trained on {known['cohort']}",
            known["patients"] and f"{known['patients']} patients",
            known["data_fingerprint"] and f"data {known['data_fingerprint'][:SHORT]}",
            known["recalibrated_on"]
            and f"recalibrated on {known['recalibrated_on']}, data "
            f"{known['recalibration_fingerprint'][:SHORT]}",
            self.run_id and f"run {self.run_id[:SHORT]}",
        ]
        return f"version {self.version} ({', '.join(filter(None, parts))})"


def versions(model_name: str) -> list[Version]:
    """Every version of a name, the oldest first; none where the store does not know the name."""
    found = mlflow.MlflowClient().search_model_versions(f"name = '{model_name}'")
    return sorted((Version.of(v) for v in found), key=lambda v: int(v.version))


def champion_of(model_name: str) -> Version | None:
    """The version that predictions are asked of by default; None where the name has none."""
    client = mlflow.MlflowClient()
    found = client.search_registered_models(f"name = '{model_name}'")
    number = found[0].aliases.get(CHAMPION) if found else None
    return None if number is None else Version.of(client.get_model_version(model_name, number))
