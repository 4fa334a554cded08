"""What MLflow, the report and the model card are told of a training."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from evaluation.displays import BeeswarmDisplay
from evaluation.estimates import performance_texts
from evaluation.explanation import explain_event_probability
from evaluation.metrics import IBS, UNO_C, version_for
from evaluation.report import (
    SECTIONS,
    Assessment,
    Found,
    Judged,
    Record,
    calibration_pictures,
    contribution_pictures,
    discrimination_figure,
    kaplan_meier_figure,
    own_dependence,
    regimen_figure,
    save_figure,
    sections_of,
    write_record,
)
from evaluation.results import format_estimate, with_refit_range
from evaluation.validation import Champion, Refits
from features.covariates import describe_covariates, needed_inputs
from features.dataset import REGIMEN
from features.regimens import RegimenColumn
from models.card import ModelCard, category_levels, covariate_ranges, software_versions
from models.learners import LEARNERS
from models.prediction import SurvivalModel
from models.preprocessing.fitting import RARE_LEVEL
from models.store import Registration, Version, register
from models.tuning import searched_params
from pipelines.cohort import cohort_name
from pipelines.config import resolved_yaml
from pipelines.output.files import write_csv, write_text
from pipelines.tracking import runs as tracking
from pipelines.tracking.views import page, shared_views, trials_view
from pipelines.training.censoring import describe_censoring
from pipelines.training.individual import beside
from pipelines.training.nested_validation import LearnerFit, flat_params, task_seed
from pipelines.training.plan import TrainingPlan
from pipelines.training.promotion import Promotion, became_text

if TYPE_CHECKING:
    import shap


@dataclass(frozen=True)
class Conclusion:
    """Everything that was found about all learners.

    Attributes
    ----------
    fits : mapping of learner -> LearnerFit
    assessment : Assessment
        Tables and pictures of the champion beyond its metrics.
    metrics : DataFrame with METRIC_COLUMNS
    differences : DataFrame with DIFFERENCE_COLUMNS
    regimen : DataFrame with REGIMEN_COLUMNS, or None
    claims : DataFrame or None
    champion : Champion
    verdict : str
        Whether Cox is enough.
    cautions : tuple of str
    """

    fits: Mapping[str, LearnerFit]
    assessment: Assessment
    metrics: pd.DataFrame
    differences: pd.DataFrame
    regimen: pd.DataFrame | None
    claims: pd.DataFrame | None
    champion: Champion
    verdict: str
    cautions: tuple[str, ...]

    @property
    def best(self) -> LearnerFit:
        """The champion's fit."""
        return self.fits[self.champion.learner]


@dataclass(frozen=True)
class TrainingRecord:
    """Writes what a plan and its results come to. Decides nothing and estimates nothing new."""

    plan: TrainingPlan

    # -- runs --------------------------------------------------------------------------------

    def tags(self, kind: str) -> dict[str, str]:
        """What the run list can be filtered by."""
        plan = self.plan
        tags = {
            "kind": kind,
            "cohort": cohort_name(plan.config),
            "endpoint": plan.endpoint,
            "data_fingerprint": plan.cohort.fingerprint,
            "git_commit": tracking.git_commit(),
        }
        return tags | ({"provenance": plan.cohort.provenance} if plan.cohort.provenance else {})

    def start_learner(self, place: tuple[str, str], learner: str) -> str:
        """Open a learner's run below the training's."""
        tags = self.tags("learner") | {"learner": learner, "label": LEARNERS[learner].label}
        return tracking.start_run(place[0], learner, tags, place[1])

    @property
    def _searched(self) -> dict[str, list[str]]:
        """Learner -> parameters that its search looks for."""
        fixed = {str(name): known for name, known in self.plan.config.tuning.fixed.items()}
        names = {
            learner: searched_params(learner, fixed.get(learner, {}))
            for learner in self.plan.learners
        }
        return {learner: found for learner, found in names.items() if found}

    def log_start(self, experiment_id: str, run_id: str) -> None:
        """Write what is known before the first learner: settings, data, split, versions."""
        plan, config = self.plan, self.plan.config
        params = {
            "seed": config.seed,
            "endpoint": plan.endpoint,
            "covariates": ", ".join(config.covariates),
            "learners": ", ".join(plan.learners),
            "patients": len(plan.dataset),
            "events": plan.dataset.outcome.n_events,
            "arms": ", ".join(plan.arms),
            "resampling": config.resampling.kind,
            "splits": len(plan.resampling.places),
            "repeats": len(plan.resampling.folds),
            "inner_folds": config.resampling.inner_folds,
            "trials": config.tuning.trials,
            "objective": config.tuning.objective,
            "horizons": ", ".join(f"{h:g}" for h in plan.horizons),
            "censoring": config.evaluation.censoring,
            "bootstrap": config.evaluation.bootstrap,
            "thresholds": ", ".join(f"{t:g}" for t in config.evaluation.thresholds),
            "subgroups": ", ".join(plan.subgroups),
            "optimism": config.evaluation.optimism,
            "instability": config.evaluation.instability,
            "regimen_refits": config.evaluation.regimen_refits,
            "champion_rule": config.champion.rule,
            "parameters": plan.parameters,
            "parameters_supported": plan.supported,
        }
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            self._write_run_facts(folder)
            write_csv(folder / "folds.csv", plan.resampling.table())
            write_csv(folder / "findings.csv", plan.findings_table)
            write_csv(folder / "sample_size.csv", plan.sample_size)
            tracking.log_run(run_id, params=params, artifacts=folder)
        tracking.save_views(experiment_id, shared_views(self._searched, max(plan.horizons)))
        name = f"{cohort_name(config)}, {plan.endpoint}"
        tracking.log_dataset(run_id, name, plan.cohort.fingerprint, plan.dataset.predictors)

    def log_learner(
        self,
        place: tuple[str, str],
        run_id: str,
        fit: LearnerFit,
        metrics: pd.DataFrame,
        folds: pd.DataFrame,
        effect: pd.DataFrame | None,
    ) -> None:
        """Write a learner's parameters, metrics, scores of folds, search, tables and pictures."""
        trials = fit.tuning.trials
        measured = folds.drop(columns=["repeat", "fold"])
        by_fold = {f"fold_{metric}": measured[metric] for metric in measured}
        searched = "state" in trials
        as_runs = self.plan.config.tracking.trials == "runs"
        if searched and not as_runs:
            numbers = trials.select_dtypes("number").drop(columns="trial")
            by_fold |= {f"trial_{name}": numbers[name] for name in numbers}
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            self._write_run_facts(folder)
            write_csv(folder / "metrics.csv", metrics)
            write_csv(folder / "fold_scores.csv", folds)
            write_csv(folder / "outer_folds.csv", fit.searches)
            write_csv(folder / "trials.csv", trials)
            if effect is not None:
                write_csv(folder / "regimen_effects.csv", with_refit_range(effect))
            judged = Judged(
                self.plan.judged,
                {fit.learner: fit.predictions},
                list(self.plan.resampling.folds),
                self.plan.horizons,
                self.plan.config.evaluation.thresholds,
                self.plan.counts,
                metrics,
            )
            found = calibration_pictures(judged, fit.learner)
            for caption, figure in found.figures.get("calibration", {}).items():
                save_figure(figure, folder / f"calibration_{caption.replace(' ', '_')}.png")
            for name, table in found.tables.items():
                write_csv(folder / f"{name}.csv", table)
            tracking.log_run(
                run_id,
                params={
                    "learner": fit.learner,
                    "seed": self.plan.config.seed,
                    "sees": ", ".join(self.plan.config.covariates_of(fit.learner)) or "nothing",
                    **flat_params(fit.model.params),
                },
                metrics=tracking.flat_metrics(metrics)
                | {"failed_trials": fit.tuning.failed + fit.searches["failed_trials"].sum()},
                steps=by_fold,
                artifacts=folder,
            )
        if searched and as_runs:
            tags = self.tags("trial") | {"learner": fit.learner}
            tracking.log_trials(place[0], run_id, trials, tags)

    def log_conclusion(
        self,
        place: tuple[str, str],
        learner_runs: Mapping[str, str],
        conclusion: Conclusion,
        registration: Registration,
        promotion: Promotion | None,
    ) -> str:
        """Write report and tables to the training's run; return the report's HTML."""
        became = became_text(registration, promotion)
        explanation = self._explain(conclusion.best.model)
        pictures = self._pictures(conclusion, explanation)
        metrics, champion = conclusion.metrics, conclusion.champion
        record = Record(
            "training",
            title=f"{cohort_name(self.plan.config)}: {self.plan.endpoint}",
            provenance=self.plan.cohort.provenance,
            facts=self._facts(registration.version, became),
            cautions=conclusion.cautions,
            sections=sections_of(
                SECTIONS,
                Found(
                    metrics=metrics,
                    differences=conclusion.differences,
                    champion=LEARNERS[champion.learner].label,
                    reason=champion.reason,
                    verdict=conclusion.verdict,
                    sample_size=self.plan.sample_size,
                    sample_size_text=self.plan.sample_size_text,
                    regimen=conclusion.regimen,
                    claims=conclusion.claims,
                    contributions=self._contributions(explanation),
                    parameters=_parameters(conclusion.fits),
                    pictures=pictures,
                    tables=conclusion.assessment.tables,
                    findings=self.plan.findings_table,
                    randomised=self.plan.config.cohort.randomised,
                ),
            ),
        )
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write_csv(folder / "metrics.csv", metrics)
            write_csv(folder / "learner_differences.csv", conclusion.differences)
            if conclusion.regimen is not None:
                write_csv(folder / "regimen_effects.csv", with_refit_range(conclusion.regimen))
            for name, table in conclusion.assessment.tables.items():
                write_csv(folder / f"{name}.csv", table)
            if conclusion.claims is not None:
                write_csv(folder / "published_claims.csv", conclusion.claims)
            if promotion is not None:
                promotion.write(folder)
            for section, figures in pictures.items():
                for number, figure in enumerate(figures.values(), start=1):
                    (folder / "figures").mkdir(exist_ok=True)
                    save_figure(figure, folder / "figures" / f"{section}_{number}.png")
            write_record(folder / "report.html", record)
            html = (folder / "report.html").read_text(encoding="utf-8")
            tracking.log_run(
                place[1],
                metrics=tracking.flat_metrics(metrics[metrics["learner"] == champion.learner]),
                tags={
                    "champion": champion.learner,
                    "champion_reason": champion.reason,
                    "model": registration.version.uri,
                    "mlflow.note.content": self._note(place[0], conclusion, became),
                },
                artifacts=folder,
            )
        for learner, own_run in learner_runs.items():
            chosen = "yes" if learner == champion.learner else "no"
            tracking.log_run(own_run, tags={"champion": chosen})
        return html

    def register(self, run_id: str, conclusion: Conclusion, refits: Refits | None) -> Registration:
        """Store the chosen model in the registry, with what the answer to one patient needs."""
        plan, model, metrics = self.plan, conclusion.best.model, conclusion.metrics
        own = metrics[metrics["learner"] == model.learner]
        stored_beside = beside(plan, model, own, refits)
        with tempfile.TemporaryDirectory() as folder, tracking.quiet():
            registration = register(
                model,
                self.card(conclusion),
                run_id=run_id,
                model_name=plan.config.tracking.model_name,
                folder=Path(folder) / "model",
                beside=stored_beside,
            )
        tracking.reopen_run(run_id)
        return registration

    # -- texts and tables --------------------------------------------------------------------

    def _write_run_facts(self, folder: Path) -> None:
        write_text(folder / "config.yaml", resolved_yaml(self.plan.config))
        facts = {
            "data_fingerprint": self.plan.cohort.fingerprint,
            "provenance": self.plan.cohort.provenance,
            "seed": self.plan.config.seed,
            "git_commit": tracking.git_commit(),
            "versions": software_versions(),
        }
        write_text(folder / "reproduce.json", json.dumps(facts, indent=2) + "\n")

    def card(self, conclusion: Conclusion) -> ModelCard:
        """What the chosen model will say of itself."""
        plan, fit = self.plan, conclusion.best
        columns, outcome = plan.config.cohort.columns, plan.dataset.outcome
        sees = plan.config.covariates_of(fit.learner)
        covariates = tuple(name for name in sees if name != REGIMEN)
        arms = plan.arms_of(fit.learner)
        inputs = needed_inputs(covariates, plan.cohort.dictionary)
        seen = plan.cohort.inputs.loc[plan.cohort.of_endpoint(plan.endpoint), list(inputs)]
        numbers = [name for name, one in inputs.items() if one.kind in ("number", "integer")]
        own = conclusion.metrics[conclusion.metrics["learner"] == fit.learner]
        is_column = isinstance(columns.regimen, RegimenColumn) and arms
        return ModelCard(
            learner=fit.learner,
            learner_label=LEARNERS[fit.learner].label,
            params=fit.model.params,
            endpoint=plan.endpoint,
            follow_up=fit.model.follow_up,
            first_event=outcome.first_event,
            horizons=plan.horizons,
            covariates=covariates,
            inputs=tuple(inputs.values()),
            sources={k: v for k, v in columns.covariates.items() if k in inputs},
            ranges=covariate_ranges(seen[numbers]),
            levels=category_levels(seen),
            rare=category_levels(seen, fewer_than=RARE_LEVEL),
            arms=arms,
            regimen=columns.regimen if is_column else None,  # type: ignore[arg-type]
            training={
                "cohort": cohort_name(plan.config),
                "provenance": plan.cohort.provenance,
                "patients": len(outcome),
                "events": outcome.n_events,
                "patients_by_regimen": plan.arm_sizes,
                "data_fingerprint": plan.cohort.fingerprint,
                "outcome_fingerprint": outcome.fingerprint,
                "seed": plan.config.seed,
            },
            performance=performance_texts(own),
            cautions=conclusion.cautions,
            versions=software_versions(),
        )

    def _facts(self, version: Version, became: str) -> dict[str, str]:
        plan = self.plan
        outcome = plan.dataset.outcome
        arms = ", ".join(f"{arm} {size}" for arm, size in plan.arm_sizes.items())
        return {
            "Patients": f"{len(outcome)}" + (f" ({arms})" if arms else ""),
            "Endpoint": f"{plan.endpoint}: {outcome.n_events} events, follow-up to "
            f"{outcome.follow_up:.1f} months",
            "Predictors": ", ".join(plan.main.predictors.columns),
            "Validation": plan.validation_text,
            "Weights for censoring": describe_censoring(plan.config, plan.dataset.predictors),
            "Registered model": f"{version.uri}, run {version.run_id}: {became}",
            "Data fingerprint": plan.cohort.fingerprint,
            "Seed": str(plan.config.seed),
            "Versions": ", ".join(f"{k} {v}" for k, v in software_versions().items()),
        }

    def _note(self, experiment_id: str, conclusion: Conclusion, became: str) -> str:
        """The training's run as a reader of the MLflow page sees it first."""
        plan, champion, metrics = self.plan, conclusion.champion, conclusion.metrics
        headline = [version_for(plan.dataset.outcome, metric) for metric in (UNO_C, IBS)]
        lines = [
            f"**{plan.name}**: {len(plan.dataset)} patients, {plan.dataset.outcome.n_events} "
            f"events. {plan.validation_text}.",
            "",
            f"**Chosen: {champion.learner}.** {champion.reason}.",
            "",
            f"{became[0].upper()}{became[1:]}. Data fingerprint {plan.cohort.fingerprint}.",
            "",
            *([f"**{conclusion.verdict}**", ""] if conclusion.verdict else []),
            f"| learner | {' | '.join(metric.label for metric in headline)} |",
            "|---|---|---|",
        ]
        for learner in plan.learners:
            own = metrics[metrics["learner"] == learner].set_index("metric")
            shown = [(own.loc[metric.name], metric.digits) for metric in headline]
            cells = [
                format_estimate(row["estimate"], row["ci_low"], row["ci_high"], digits)
                for row, digits in shown
            ]
            lines.append(f"| {learner} | {' | '.join(cells)} |")
        lines += ["", "Out-of-fold; 95% bootstrap intervals. C: higher is better, IBS: lower.", ""]
        links = [f"[learners side by side]({page(experiment_id)})"]
        if plan.config.tracking.trials == "runs" and plan.config.tuning.trials:
            links += [
                f"[search of {name}]({page(experiment_id, trials_view(name))})"
                for name in self._searched
            ]
        lines += ["Pages: " + ", ".join(links) + ".", ""]
        lines += ["What these data cannot support:", *(f"- {c}" for c in conclusion.cautions)]
        return "\n".join(lines)

    def _explain(self, model: SurvivalModel) -> shap.Explanation:
        return explain_event_probability(
            model,
            self.plan.view(model.learner).predictors,
            max(self.plan.horizons),
            task_seed(self.plan.config.seed, "shap"),
        )

    def _contributions(self, explanation: shap.Explanation) -> pd.DataFrame:
        horizon = max(self.plan.horizons)
        mean = BeeswarmDisplay(explanation, horizon, "").frame
        return pd.DataFrame(
            {
                "covariate": mean["covariate"],
                f"mean |contribution| to event probability at {horizon:g} months": [
                    f"{value:.3f}" for value in mean["contribution"]
                ],
            }
        )

    # -- pictures ----------------------------------------------------------------------------

    def _pictures(
        self, conclusion: Conclusion, explanation: shap.Explanation
    ) -> dict[str, dict[str, Figure]]:
        plan, metrics = self.plan, conclusion.metrics
        pictures: dict[str, dict[str, Figure]] = {
            "performance": {"Uno C of each learner, 95% interval": discrimination_figure(metrics)},
            "regimen": {},
        }
        for section, figures in conclusion.assessment.figures.items():
            pictures.setdefault(section, {}).update(figures)
        # A model that tells nobody apart, as Kaplan-Meier, owes nothing to any covariate.
        if np.abs(explanation.values).max(initial=0) > 0:
            names = [name for name in explanation.feature_names if name != REGIMEN]
            labels = {
                name: own.label + (f" ({own.unit})" if own.unit else "")
                for name, own in describe_covariates(names, plan.cohort.dictionary).items()
            } | {REGIMEN: "Regimen"}
            shown = (explanation, max(plan.horizons), conclusion.champion.learner, labels)
            pictures["contributions"] = contribution_pictures(*shown) | own_dependence(*shown)
        if conclusion.regimen is None or plan.cohort.regimen is None:
            return pictures
        for label, outcome in plan.cohort.outcomes.items():
            # With competing events a Kaplan-Meier curve would overstate the probability.
            if outcome.competing is not None:
                continue
            caption = f"Kaplan-Meier, {label}, with 95% log-log intervals"
            among = plan.cohort.regimen[plan.cohort.of_endpoint(label)]
            pictures["regimen"][caption] = kaplan_meier_figure(outcome, among, label)
        for horizon in plan.horizons:
            figure = regimen_figure(conclusion.regimen, plan.endpoint, horizon)
            if figure is not None:
                caption = f"Regimen contrasts on the same scale, {horizon:g} months"
                pictures["regimen"][caption] = figure
        return pictures


def _parameters(fits: Mapping[str, LearnerFit]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "learner": name,
            "parameters": ", ".join(
                f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}"
                for k, v in flat_params(fit.model.params).items()
            )
            or "defaults",
            "trials that failed": fit.tuning.failed + int(fit.searches["failed_trials"].sum()),
        }
        for name, fit in fits.items()
    )
