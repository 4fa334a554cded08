"""One training, step by step: validate each learner, compare, choose, track, register."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from evaluation.bootstrap import bootstrap_counts
from evaluation.calibration import grouped_calibration
from evaluation.champion import Champion, choose_champion
from evaluation.performance import fold_scores, paired_difference, performance_table
from evaluation.published import check_published_claims
from evaluation.regimen_effects import covariate_contributions, regimen_effect_table
from evaluation.report import (
    Report,
    calibration_figure,
    discrimination_figure,
    kaplan_meier_figure,
    regimen_figure,
    save_figure,
    write_report,
)
from evaluation.results import format_estimate
from features.covariates import needed_inputs
from features.guard_settings import Severity
from features.regimens import RegimenColumn
from models.card import ModelCard, category_levels, covariate_ranges, software_versions
from models.fitted import FittedModel
from models.learners import LEARNERS
from models.registry import register
from models.resampling import repeated_folds, stratification
from pipelines import tracking
from pipelines.cautions import cautions, performance_cautions
from pipelines.cohorts import CheckedCohort, cohort_name, endpoint_label
from pipelines.config import REFERENCE_STUDY, TrainConfig, resolved_yaml
from pipelines.nested_validation import (
    LearnerFit,
    Search,
    bootstrap_contrasts,
    prediction_times,
    task_seed,
    validate_learner,
)
from pipelines.populations import compare_in_populations, population_cautions

Advance = Callable[[str, int], None]


@dataclass(frozen=True)
class TrainingResult:
    """What a training found, and where it is kept.

    Attributes
    ----------
    metrics, differences : DataFrame with METRIC_COLUMNS
    regimen : DataFrame with REGIMEN_COLUMNS, or None without regimens
    champion : Champion
    experiment_id, run_id, model_uri : str
        Where MLflow keeps it.
    html : str
        The report.
    """

    config: TrainConfig
    metrics: pd.DataFrame
    differences: pd.DataFrame
    regimen: pd.DataFrame | None
    claims: pd.DataFrame | None
    champion: Champion
    cautions: tuple[str, ...]
    fingerprint: str
    experiment_id: str
    run_id: str
    model_uri: str
    html: str

    def write(self, folder: Path) -> None:
        """Write metrics.csv, regimen_effects.csv, summary.json and report.html into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.metrics.to_csv(folder / "metrics.csv", index=False)
        if self.regimen is not None:
            self.regimen.to_csv(folder / "regimen_effects.csv", index=False)
        (folder / "summary.json").write_text(json.dumps(self.summary(), indent=2) + "\n")
        (folder / "report.html").write_text(self.html, encoding="utf-8")

    def summary(self) -> dict[str, object]:
        """The result in a form for other programs."""
        return {
            "cohort": cohort_name(self.config),
            "endpoint": endpoint_label(self.config),
            "champion": self.champion.learner,
            "reason": self.champion.reason,
            "cautions": list(self.cautions),
            "metrics": _records(self.metrics),
            "learner_differences": _records(self.differences),
            "regimen": None if self.regimen is None else _records(self.regimen),
            "data_fingerprint": self.fingerprint,
            "run_id": self.run_id,
            "model": self.model_uri,
            "versions": software_versions(),
        }


def _records(table: pd.DataFrame) -> list[dict[str, object]]:
    """Rows for JSON, in which a missing number is null."""
    return table.astype(object).where(table.notna(), None).to_dict(orient="records")


class Training:
    """A training of the configured learners on one cohort."""

    def __init__(self, config: TrainConfig, checked: CheckedCohort, workers: int) -> None:
        self.config = config
        self.cohort = checked.cohort
        self.table = checked.table
        self.findings = checked.findings
        self.workers = workers
        self.endpoint = endpoint_label(config)
        self.horizons = config.evaluation.horizons
        self.dataset = self.cohort.dataset(config.covariates, self.endpoint)
        self.learners = [name for name in LEARNERS if name in config.learners]
        self.times = prediction_times(self.horizons)
        self.folds = repeated_folds(
            self.dataset, config.resampling.folds, config.resampling.repeats, config.seed
        )

    @property
    def steps(self) -> int:
        """Number of times that a run calls `advance`."""
        folds = self.config.resampling.folds * self.config.resampling.repeats + 1
        refits = self.config.evaluation.regimen_refits if self.arms else 0
        return len(self.learners) * (folds + refits) + 2

    @cached_property
    def arms(self) -> tuple[str, ...]:
        """Regimens, the reference arm first; empty without regimens."""
        column = self.config.cohort.columns.regimen
        return column.arms if column else ()

    @cached_property
    def arm_sizes(self) -> dict[str, int]:
        """Patients under each regimen, of those whom the modelled endpoint is about."""
        return {arm: int(np.sum(self.dataset.regimen == arm)) for arm in self.arms}

    @cached_property
    def cohort_cautions(self) -> tuple[str, ...]:
        """What the cohort cannot support, and whom it and each endpoint leave out."""
        warnings = [f for f in self.findings if f.severity >= Severity.WARN]
        return (
            *cautions(self.config, self.cohort),
            *population_cautions(self.cohort, self.arms[0] if self.arms else None),
            *(f"{f.what}: {f.who}." for f in warnings),
        )

    @cached_property
    def counts(self) -> np.ndarray:
        """Bootstrap counts of the patients, (replicates, n), shared by all learners."""
        return bootstrap_counts(
            len(self.dataset),
            self.config.evaluation.bootstrap,
            task_seed(self.config.seed, "bootstrap"),
            strata=stratification(self.dataset),
        )

    def run(self, advance: Advance) -> TrainingResult:
        """Do everything. A failure marks the MLflow runs as failed and keeps what they hold."""
        experiment = tracking.open_experiment(self.config.tracking.experiment)
        self.experiment_id = experiment
        name = f"{cohort_name(self.config)}, {self.endpoint}"
        self.run_id = tracking.start_run(experiment, name, self._tags("training"))
        open_runs = [self.run_id]
        try:
            tracking.log_run(self.run_id, params=self._params())
            fits: dict[str, LearnerFit] = {}
            tables: dict[str, pd.DataFrame] = {}
            effects: list[pd.DataFrame] = []
            for learner in self.learners:
                run_id = tracking.start_run(
                    experiment, learner, self._tags("learner") | {"learner": learner}, self.run_id
                )
                open_runs.append(run_id)
                fits[learner] = self._validate(learner, advance)
                tables[learner] = self._evaluate(fits[learner])
                effect = self._regimen_effect(fits[learner].model, advance)
                effects += [] if effect is None else [effect]
                self._log_learner(run_id, fits[learner], tables[learner], effect)
                tracking.finish_run(run_id)
                open_runs.remove(run_id)
            advance("comparing", 1)
            result = self._conclude(fits, pd.concat(tables.values(), ignore_index=True), effects)
            advance("writing", 1)
            tracking.finish_run(self.run_id)
        except BaseException:
            for run_id in open_runs:
                tracking.finish_run(run_id, failed=True)
            raise
        return result

    def _validate(self, learner: str, advance: Advance) -> LearnerFit:
        search = Search(
            self.config.tuning.trials, self.config.resampling.inner_folds, self.config.seed
        )
        return validate_learner(
            learner,
            self.dataset,
            self.folds,
            search,
            self.times,
            workers=self.workers,
            advance=lambda: advance(f"{learner}: validating", 1),
        )

    def _evaluate(self, fit: LearnerFit) -> pd.DataFrame:
        return performance_table(
            fit.learner,
            self.dataset.outcome,
            fit.predictions,
            list(self.folds),
            self.horizons,
            max(self.horizons),
            self.counts,
        )

    def _regimen_effect(self, model: FittedModel, advance: Advance) -> pd.DataFrame | None:
        if not self.arms:
            return None
        estimate, replicates = bootstrap_contrasts(
            model,
            self.dataset,
            self.arms,
            self.horizons,
            replicates=self.config.evaluation.regimen_refits,
            seed=self.config.seed,
            workers=self.workers,
            advance=lambda: advance(f"{model.learner}: regimen effect", 1),
        )
        return regimen_effect_table(
            model.learner,
            self.endpoint,
            self.arms,
            self.horizons,
            estimate,
            replicates,
            len(self.dataset),
            self.dataset.outcome.n_events,
        )

    def _conclude(
        self, fits: dict[str, LearnerFit], metrics: pd.DataFrame, effects: list[pd.DataFrame]
    ) -> TrainingResult:
        tau = max(self.horizons)
        outcome = self.dataset.outcome
        predictions = {name: fit.predictions for name, fit in fits.items()}
        folds = list(self.folds)
        scores = {n: fold_scores(outcome, p, folds, tau) for n, p in predictions.items()}
        champion = choose_champion(scores, self.config.champion.rule, self.config.resampling.folds)
        differences = (
            paired_difference(outcome, predictions, folds, tau, self.counts)
            if len(fits) > 1
            else metrics.iloc[:0]
        )
        regimen = self._compare_regimens(effects)
        claims = None
        if self.config.cohort.path == REFERENCE_STUDY:
            from features.reference_study import read_reference_study

            claims = check_published_claims(self.table, read_reference_study())
        best = fits[champion.learner]
        self.cautions = (
            *performance_cautions(champion.learner, metrics),
            *self.cohort_cautions,
        )
        model_uri = self._register(best, metrics)
        html = self._log_conclusion(
            fits, metrics, differences, regimen, claims, champion, model_uri
        )
        return TrainingResult(
            config=self.config,
            metrics=metrics,
            differences=differences,
            regimen=regimen,
            claims=claims,
            champion=champion,
            cautions=self.cautions,
            fingerprint=self.cohort.fingerprint,
            experiment_id=self.experiment_id,
            run_id=self.run_id,
            model_uri=model_uri,
            html=html,
        )

    def _compare_regimens(self, effects: list[pd.DataFrame]) -> pd.DataFrame | None:
        if not self.arms or self.cohort.regimen is None:
            return None
        classical = compare_in_populations(self.cohort, self.arms[0], self.horizons)
        return pd.concat([classical, *effects], ignore_index=True)

    def _register(self, fit: LearnerFit, metrics: pd.DataFrame) -> str:
        name = self.config.tracking.model_name
        with tempfile.TemporaryDirectory() as folder, tracking.quiet():
            version = register(
                fit.model,
                self._card(fit, metrics),
                run_id=self.run_id,
                model_name=name,
                folder=Path(folder) / "model",
            )
        return f"models:/{name}/{version}"

    def _card(self, fit: LearnerFit, metrics: pd.DataFrame) -> ModelCard:
        outcome = self.dataset.outcome
        columns = self.config.cohort.columns
        inputs = needed_inputs(self.config.covariates, self.cohort.dictionary)
        own = metrics[metrics["learner"] == fit.learner]
        inputs_seen = self.cohort.inputs[self.cohort.of_endpoint(self.endpoint)]
        return ModelCard(
            learner=fit.learner,
            learner_label=LEARNERS[fit.learner].label,
            params=fit.model.params,
            endpoint=self.endpoint,
            follow_up=fit.model.follow_up,
            horizons=self.horizons,
            covariates=self.config.covariates,
            inputs=tuple(inputs.values()),
            sources={k: v for k, v in columns.covariates.items() if k in inputs},
            ranges=covariate_ranges(inputs_seen),
            levels=category_levels(inputs_seen),
            arms=self.arms,
            regimen=columns.regimen if isinstance(columns.regimen, RegimenColumn) else None,
            training={
                "cohort": cohort_name(self.config),
                "provenance": self.cohort.provenance,
                "patients": len(outcome),
                "events": outcome.n_events,
                "patients_by_regimen": self.arm_sizes,
                "data_fingerprint": self.cohort.fingerprint,
                "seed": self.config.seed,
            },
            performance={
                row.metric
                if np.isnan(row.horizon)
                else f"{row.metric} at {row.horizon:g} months": format_estimate(
                    row.estimate, row.ci_low, row.ci_high, 3
                )
                for row in own.itertuples()
            },
            cautions=self.cautions,
            versions=software_versions(),
        )

    # -- what MLflow is told ------------------------------------------------------------------

    def _tags(self, kind: str) -> dict[str, str]:
        tags = {
            "kind": kind,
            "cohort": cohort_name(self.config),
            "endpoint": self.endpoint,
            "data_fingerprint": self.cohort.fingerprint,
            "git_commit": tracking.git_commit(),
        }
        return tags | ({"provenance": self.cohort.provenance} if self.cohort.provenance else {})

    def _params(self) -> dict[str, object]:
        config = self.config
        return {
            "seed": config.seed,
            "endpoint": self.endpoint,
            "covariates": ", ".join(config.covariates),
            "learners": ", ".join(self.learners),
            "patients": len(self.dataset),
            "events": self.dataset.outcome.n_events,
            "arms": ", ".join(self.arms),
            "folds": config.resampling.folds,
            "repeats": config.resampling.repeats,
            "inner_folds": config.resampling.inner_folds,
            "trials": config.tuning.trials,
            "horizons": ", ".join(f"{h:g}" for h in self.horizons),
            "bootstrap": config.evaluation.bootstrap,
            "regimen_refits": config.evaluation.regimen_refits,
            "champion_rule": config.champion.rule,
        }

    def _log_learner(
        self, run_id: str, fit: LearnerFit, metrics: pd.DataFrame, effect: pd.DataFrame | None
    ) -> None:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            self._write_run_facts(folder)
            metrics.to_csv(folder / "metrics.csv", index=False)
            fit.searches.to_csv(folder / "outer_folds.csv", index=False)
            fit.tuning.trials.to_csv(folder / "trials.csv", index=False)
            if effect is not None:
                effect.to_csv(folder / "regimen_effects.csv", index=False)
            for caption, figure in self._calibration_figures(fit, metrics).items():
                save_figure(figure, folder / f"calibration_{caption.replace(' ', '_')}.png")
            tracking.log_run(
                run_id,
                params={"learner": fit.learner, "seed": self.config.seed, **fit.model.params},
                metrics=tracking.flat_metrics(metrics),
                artifacts=folder,
            )

    def _write_run_facts(self, folder: Path) -> None:
        (folder / "config.yaml").write_text(resolved_yaml(self.config))
        facts = {
            "data_fingerprint": self.cohort.fingerprint,
            "provenance": self.cohort.provenance,
            "git_commit": tracking.git_commit(),
            "versions": software_versions(),
        }
        (folder / "reproduce.json").write_text(json.dumps(facts, indent=2) + "\n")

    def _calibration_figures(self, fit: LearnerFit, metrics: pd.DataFrame) -> dict[str, Figure]:
        figures = {}
        own = metrics[metrics["learner"] == fit.learner].set_index(["metric", "horizon"])
        for horizon in self.horizons:
            predicted = 1 - np.mean([p.at(horizon) for p in fit.predictions], axis=0)
            if np.isnan(predicted).any():
                continue
            groups = 4 if len(predicted) < 200 else 8
            table = grouped_calibration(self.dataset.outcome, predicted, horizon, groups)
            shown = table.rename(columns={"expected": "predicted"}).assign(horizon=horizon)
            ratio = own.loc[("calibration_oe", horizon)]
            text = "O/E " + format_estimate(ratio["estimate"], ratio["ci_low"], ratio["ci_high"])
            figures[f"{fit.learner} {horizon:g} months"] = calibration_figure(
                shown, predicted, text
            )
        return figures

    def _log_conclusion(
        self,
        fits: dict[str, LearnerFit],
        metrics: pd.DataFrame,
        differences: pd.DataFrame,
        regimen: pd.DataFrame | None,
        claims: pd.DataFrame | None,
        champion: Champion,
        model_uri: str,
    ) -> str:
        """Write report and tables to the parent run; return the report's HTML."""
        best = fits[champion.learner]
        pictures = self._pictures(fits, metrics, regimen)
        report = Report(
            title=f"{cohort_name(self.config)}: {self.endpoint}",
            provenance=self.cohort.provenance,
            facts=self._facts(model_uri),
            cautions=self.cautions,
            metrics=metrics,
            differences=differences,
            champion=LEARNERS[champion.learner].label,
            reason=champion.reason,
            regimen=regimen,
            claims=claims,
            contributions=self._contributions(best.model),
            parameters=pd.DataFrame(
                {
                    "learner": name,
                    "parameters": ", ".join(
                        f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}"
                        for k, v in fit.model.params.items()
                    )
                    or "defaults",
                    "trials that failed": int((fit.tuning.trials["state"] == "pruned").sum())
                    if len(fit.tuning.trials)
                    else 0,
                }
                for name, fit in fits.items()
            ),
            pictures=pictures,
        )
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            self._write_run_facts(folder)
            metrics.to_csv(folder / "metrics.csv", index=False)
            differences.to_csv(folder / "learner_differences.csv", index=False)
            if regimen is not None:
                regimen.to_csv(folder / "regimen_effects.csv", index=False)
            if claims is not None:
                claims.to_csv(folder / "published_claims.csv", index=False)
            for section, figures in pictures.items():
                for number, figure in enumerate(figures.values(), start=1):
                    (folder / "figures").mkdir(exist_ok=True)
                    save_figure(figure, folder / "figures" / f"{section}_{number}.png")
            write_report(folder / "report.html", report)
            html = (folder / "report.html").read_text(encoding="utf-8")
            own = metrics[metrics["learner"] == champion.learner]
            tracking.log_run(
                self.run_id,
                metrics=tracking.flat_metrics(own),
                tags={
                    "champion": champion.learner,
                    "model": model_uri,
                    "mlflow.note.content": self._note(metrics, champion),
                },
                artifacts=folder,
            )
        return html

    def _facts(self, model_uri: str) -> dict[str, str]:
        config, outcome = self.config, self.dataset.outcome
        arms = ", ".join(f"{arm} {size}" for arm, size in self.arm_sizes.items())
        return {
            "Patients": f"{len(outcome)}" + (f" ({arms})" if arms else ""),
            "Endpoint": f"{self.endpoint}: {outcome.n_events} events, follow-up to "
            f"{outcome.follow_up:.1f} months",
            "Predictors": ", ".join(self.dataset.predictors.columns),
            "Validation": f"{config.resampling.folds}-fold cross-validation repeated "
            f"{config.resampling.repeats} times, stratified by event and regimen; "
            f"{config.tuning.trials} Optuna trials on {config.resampling.inner_folds} inner folds "
            "inside every training fold",
            "Registered model": model_uri,
            "Data fingerprint": self.cohort.fingerprint,
            "Seed": str(config.seed),
            "Versions": ", ".join(f"{k} {v}" for k, v in software_versions().items()),
        }

    def _note(self, metrics: pd.DataFrame, champion: Champion) -> str:
        lines = [f"**Champion: {champion.learner}.** {champion.reason}.", ""]
        lines += ["| learner | Uno C | IBS |", "|---|---|---|"]
        for learner in self.learners:
            own = metrics[metrics["learner"] == learner].set_index("metric")
            cells = [
                format_estimate(
                    own.loc[m, "estimate"], own.loc[m, "ci_low"], own.loc[m, "ci_high"], digits
                )
                for m, digits in (("uno_c", 2), ("ibs", 3))
            ]
            lines.append(f"| {learner} | {' | '.join(cells)} |")
        lines += ["", "What these data cannot support:", *(f"- {c}" for c in self.cautions)]
        return "\n".join(lines)

    def _contributions(self, model: FittedModel) -> pd.DataFrame:
        horizon = max(self.horizons)
        values = covariate_contributions(
            model, self.dataset.predictors, horizon, task_seed(self.config.seed, "shap")
        )
        mean = values.abs().mean().sort_values(ascending=False)
        return pd.DataFrame(
            {
                "covariate": mean.index,
                f"mean |contribution| to event probability at {horizon:g} months": [
                    f"{value:.3f}" for value in mean
                ],
            }
        )

    def _pictures(
        self, fits: dict[str, LearnerFit], metrics: pd.DataFrame, regimen: pd.DataFrame | None
    ) -> dict[str, dict[str, Figure]]:
        pictures: dict[str, dict[str, Figure]] = {
            "performance": {"Uno C of each learner, 95% interval": discrimination_figure(metrics)},
            "calibration": {},
            "regimen": {},
        }
        for fit in fits.values():
            pictures["calibration"] |= self._calibration_figures(fit, metrics)
        if regimen is None or self.cohort.regimen is None:
            return pictures
        for label, outcome in self.cohort.outcomes.items():
            # With competing events a Kaplan-Meier curve would overstate the probability.
            if outcome.competing is not None:
                continue
            caption = f"Kaplan-Meier, {label}, with 95% log-log intervals"
            among = self.cohort.regimen[self.cohort.of_endpoint(label)]
            pictures["regimen"][caption] = kaplan_meier_figure(outcome, among, label)
        for horizon in self.horizons:
            figure = regimen_figure(regimen, self.endpoint, horizon)
            if figure is not None:
                caption = f"Regimen contrasts on the same scale, {horizon:g} months"
                pictures["regimen"][caption] = figure
        return pictures
