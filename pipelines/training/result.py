"""What a training found, for files and other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from evaluation.results import with_refit_range
from evaluation.validation import Champion
from models.artifact import SHORT
from models.card import software_versions
from models.store import Registration
from pipelines.cohort import cohort_name, endpoint_label
from pipelines.config import TrainConfig
from pipelines.output.files import records, write_csv, write_text
from pipelines.training.promotion import Promotion, became_text


@dataclass(frozen=True)
class TrainingResult:
    """What a training found, and where it is kept.

    Attributes
    ----------
    metrics : DataFrame with METRIC_COLUMNS
    differences : DataFrame with DIFFERENCE_COLUMNS
    regimen : DataFrame with REGIMEN_COLUMNS, or None without regimens
    claims : DataFrame or None
    champion : Champion
    verdict : str
        Whether Cox is enough; empty without a Cox model or anything to compare it with.
    sample_size : str
        How many parameters the cohort supports.
    cautions : tuple of str
    fingerprint : str
    experiment_id, run_id : str
        Where MLflow keeps it.
    registration : Registration
        Which version the model became, and who is champion beside it.
    promotion : Promotion or None
        Champion and candidate side by side, where the training was to promote.
    tables : mapping of file name -> DataFrame
        What is told of the champion: curves, subgroups, centers, stability.
    findings : DataFrame
        What the checks of the table found.
    html : str
        The report.
    """

    config: TrainConfig
    metrics: pd.DataFrame
    differences: pd.DataFrame
    regimen: pd.DataFrame | None
    claims: pd.DataFrame | None
    champion: Champion
    verdict: str
    sample_size: str
    cautions: tuple[str, ...]
    fingerprint: str
    experiment_id: str
    run_id: str
    registration: Registration
    promotion: Promotion | None
    tables: Mapping[str, pd.DataFrame]
    findings: pd.DataFrame
    html: str

    @property
    def model_uri(self) -> str:
        """The registered version."""
        return self.registration.version.uri

    @property
    def model_told(self) -> dict[str, str]:
        """What a person is told of the model: which it is, and what it became."""
        own = self.registration.version
        return {
            "Model": f"{own.uri}, run {own.run_id}, trained on data {self.fingerprint[:SHORT]}",
            "Registry": became_text(self.registration, self.promotion),
        }

    def write(self, folder: Path) -> None:
        """Write the tables as CSV, summary.json and report.html into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(folder / "metrics.csv", self.metrics)
        write_csv(folder / "findings.csv", self.findings)
        if self.regimen is not None:
            write_csv(folder / "regimen_effects.csv", with_refit_range(self.regimen))
        if len(self.differences):
            write_csv(folder / "learner_differences.csv", self.differences)
        for name, table in self.tables.items():
            if not name.startswith("calibration_"):
                write_csv(folder / f"{name}.csv", table)
        write_text(folder / "summary.json", json.dumps(self.summary(), indent=2) + "\n")
        write_text(folder / "report.html", self.html)
        if self.promotion is not None:
            self.promotion.write(folder)

    def summary(self) -> dict[str, object]:
        """The result in a form for other programs."""
        return {
            "cohort": cohort_name(self.config),
            "endpoint": endpoint_label(self.config),
            "champion": self.champion.learner,
            "reason": self.champion.reason,
            "cox_is_enough": self.verdict,
            "sample_size": self.sample_size,
            "cautions": list(self.cautions),
            "findings": records(self.findings),
            "metrics": records(self.metrics),
            "learner_differences": records(self.differences),
            "regimen": None if self.regimen is None else records(with_refit_range(self.regimen)),
            "data_fingerprint": self.fingerprint,
            "run_id": self.run_id,
            "model": self.model_uri,
            "model_version": self.registration.version.version,
            "registered": self.model_told["Registry"],
            "promotion": None if self.promotion is None else self.promotion.summary,
            "versions": software_versions(),
        }
