"""What MLflow, the report and the files are told of a comparison."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from evaluation.regimens.triangulation import HAZARD_RATIO, RMST, on_one_scale
from evaluation.report import ComparisonReport, png_bytes, write_comparison_report
from evaluation.results import MODEL_BASED, format_estimate, with_refit_range
from features.errors import InputError
from models.card import software_versions
from pipelines.cohort import cohort_name
from pipelines.comparison.pictures import comparison_pictures
from pipelines.comparison.plan import ComparisonPlan
from pipelines.comparison.run import Comparison
from pipelines.config import resolved_yaml
from pipelines.output.files import records, write_bytes, write_csv, write_text
from pipelines.output.folder import replaced
from pipelines.tracking import runs as tracking

KIND = "comparison"


@dataclass(frozen=True)
class ComparisonRecord:
    """Writes what a comparison found. Decides nothing and estimates nothing new."""

    found: Comparison

    def write(self, out: Path | None) -> tuple[str, str]:
        """Write report, tables and pictures to a run of their own, and to a folder if one is named.

        Returns
        -------
        tuple of str
            Experiment and run.
        """
        plan = self.found.plan
        pictures = {
            section: {caption: png_bytes(figure) for caption, figure in figures.items()}
            for section, figures in comparison_pictures(self.found).items()
        }
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            self.write_files(folder, pictures)
            written = list(folder.iterdir())
            (folder / "figures").mkdir()
            for section, drawn in pictures.items():
                for number, picture in enumerate(drawn.values(), start=1):
                    (folder / "figures" / f"{section}_{number}.png").write_bytes(picture)
            try:
                if out is not None:
                    with replaced(out, "compare") as new:
                        for file in written:
                            write_bytes(new / file.name, file.read_bytes())
            except (OSError, InputError):
                # What the folder does not take, the store keeps.
                self._log(folder, plan)
                raise
            return self._log(folder, plan)

    def write_files(self, folder: Path, pictures: dict[str, dict[str, bytes]]) -> None:
        """Write report.html, the tables as CSV, summary.json and the resolved configuration."""
        found, plan = self.found, self.found.plan
        write_comparison_report(folder / "report.html", self._report(pictures))
        tables = {
            "comparison.csv": with_refit_range(found.table),
            "by_arm.csv": found.classical[found.classical["reference_arm"].isna()],
            "target_trial.csv": found.target_trial,
            "balance.csv": found.adjusted[plan.endpoint].balance,
            "positivity.csv": found.adjusted[plan.endpoint].positivity,
            "subgroups.csv": found.subgroups,
            "transplant.csv": found.transplant,
        }
        if found.effects is not None:
            tables |= {
                "agreement.csv": found.effects.agreement,
                "course.csv": found.effects.course.rename(
                    columns={"ci_low": "refit_low", "ci_high": "refit_high"}
                ),
                "heterogeneity.csv": found.effects.heterogeneity,
            }
        write_csv(folder / "findings.csv", plan.findings_table)
        for name, table in tables.items():
            if table is not None and len(table):
                write_csv(folder / name, table)
        write_text(folder / "summary.json", json.dumps(self.summary(), indent=2) + "\n")
        write_text(folder / "config.yaml", resolved_yaml(plan.config))

    def summary(self) -> dict[str, object]:
        """The comparison in a form for other programs."""
        found, plan = self.found, self.found.plan
        return {
            "cohort": cohort_name(plan.config),
            "endpoint": plan.endpoint,
            "reference_arm": plan.reference_arm,
            "paragraphs": [
                {"endpoint": endpoint, "arm": arm, "text": text}
                for (endpoint, arm), text in found.paragraphs.items()
            ],
            "cautions": list(found.cautions),
            "findings": records(plan.findings_table),
            "comparison": records(with_refit_range(found.table)),
            "data_fingerprint": plan.cohort.fingerprint,
            "seed": plan.config.seed,
            "git_commit": tracking.git_commit(),
            "versions": software_versions(),
        }

    def _report(self, pictures: dict[str, dict[str, bytes]]) -> ComparisonReport:
        found, plan = self.found, self.found.plan
        return ComparisonReport(
            title=plan.name,
            provenance=plan.cohort.provenance,
            facts=self._facts(),
            cautions=found.cautions,
            paragraphs=list(found.paragraphs.values()),
            adjustment_set=", ".join(plan.config.adjustment_set),
            endpoint=plan.endpoint,
            table=found.table,
            classical=found.classical,
            target_trial=found.target_trial,
            transplant=found.transplant,
            subgroups=found.subgroups,
            agreement=None if found.effects is None else found.effects.agreement,
            heterogeneity=None if found.effects is None else found.effects.heterogeneity,
            randomised=plan.config.cohort.randomised,
            pictures=pictures,
            findings=plan.findings_table,
        )

    def _facts(self) -> dict[str, str]:
        plan = self.found.plan
        outcome, regimen = plan.outcome(plan.endpoint)
        sizes = pd.Series(regimen).value_counts()
        arms = ", ".join(f"{arm} {sizes[arm]}" for arm in (plan.reference_arm, *plan.arms))
        learners = [f for f in ("model-based",) if (self.found.table["family"] == f).any()]
        return {
            "Patients": f"{len(outcome)} ({arms})",
            "Endpoint": f"{plan.endpoint}: {outcome.n_events} events, follow-up to "
            f"{outcome.follow_up:.1f} months",
            "Reference arm": plan.reference_arm,
            "Adjusted for": ", ".join(plan.config.adjustment_set),
            "Models": ", ".join(plan.learners)
            if learners
            else "none; --with-learners adds model-based rows",
            "Data fingerprint": plan.cohort.fingerprint,
            "Seed": str(plan.config.seed),
            "Versions": ", ".join(f"{k} {v}" for k, v in software_versions().items()),
        }

    def _log(self, folder: Path, plan: ComparisonPlan) -> tuple[str, str]:
        experiment = tracking.open_experiment(plan.config.tracking.experiment)
        tags = {
            "kind": KIND,
            "cohort": cohort_name(plan.config),
            "endpoint": plan.endpoint,
            "data_fingerprint": plan.cohort.fingerprint,
            "git_commit": tracking.git_commit(),
            "mlflow.source.name": "pipelines.compare",
            "mlflow.note.content": self._note(),
        }
        if plan.cohort.provenance:
            tags["provenance"] = plan.cohort.provenance
        run_id = tracking.start_run(experiment, plan.name, tags)
        with tracking.finishing(run_id):
            own = plan.config.comparison
            dataset = plan.cohort.dataset(plan.config.adjustment_set, plan.endpoint)
            params = {
                "seed": plan.config.seed,
                "endpoint": plan.endpoint,
                "reference_arm": plan.reference_arm,
                "arms": ", ".join(plan.arms),
                "adjust_for": ", ".join(plan.config.adjustment_set),
                "patients": len(dataset),
                "events": dataset.outcome.n_events,
                "horizons": ", ".join(f"{h:g}" for h in plan.config.evaluation.horizons),
                "tau": plan.tau(plan.endpoint),
                "missing": own.missing,
                "replicates": own.replicates,
            }
            tracking.log_run(run_id, params=params, metrics=self._metrics(), artifacts=folder)
            name = f"{cohort_name(plan.config)}, {plan.endpoint}"
            tracking.log_dataset(run_id, name, plan.cohort.fingerprint, dataset.predictors)
        return experiment, run_id

    def _metrics(self) -> dict[str, float]:
        """Hazard ratios and RMST differences of the modelled endpoint, for the compare view."""
        found, plan = self.found, self.found.plan
        flat: dict[str, float] = {}
        for arm in plan.arms:
            several = f"{arm}_" if len(plan.arms) > 1 else ""
            scales = (
                ("hr", HAZARD_RATIO, float("nan")),
                ("rmst", RMST, plan.tau(plan.endpoint)),
            )
            for short, scale, months in scales:
                rows = on_one_scale(found.table, plan.endpoint, arm, scale, months)
                for row in rows.itertuples():
                    words = re.sub(r"[^A-Za-z0-9]+", "_", f"{several}{short}_{row.estimator}")
                    limits = "refit" if row.family == MODEL_BASED else "ci"
                    flat[words] = float(row.estimate)
                    flat[f"{words}_{limits}_low"] = float(row.ci_low)
                    flat[f"{words}_{limits}_high"] = float(row.ci_high)
        return {name: value for name, value in flat.items() if np.isfinite(value)}

    def _note(self) -> str:
        """The run as a reader of the MLflow page sees it first."""
        found, plan = self.found, self.found.plan
        lines = [f"**{plan.name}**", ""]
        for text in found.paragraphs.values():
            lines += [text, ""]
        lines += ["| family | hazard ratio | estimate (95% interval) |", "|---|---|---|"]
        for arm in plan.arms:
            rows = on_one_scale(found.table, plan.endpoint, arm, HAZARD_RATIO)
            lines += [
                f"| {row.family} | {row.estimator}, {arm} | "
                f"{format_estimate(row.estimate, row.ci_low, row.ci_high)} |"
                for row in rows.itertuples()
            ]
        lines += ["", "What these data cannot support:", *(f"- {c}" for c in found.cautions)]
        return "\n".join(lines)
