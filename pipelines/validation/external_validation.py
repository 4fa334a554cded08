"""A stored model judged on new patients, and recalibrated on them where that is asked for."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from evaluation.bootstrap import bootstrap_counts
from evaluation.estimates import FIXED, performance_texts
from evaluation.metrics import AUC, HARRELL_C, INTEGRATED_AUC, OBSERVED_EXPECTED, UNO_C, rows_of
from evaluation.report import (
    SECTIONS,
    Assessment,
    Found,
    Judged,
    Record,
    assess,
    save_figure,
    sections_of,
    write_record,
)
from evaluation.results import excludes, format_estimate
from evaluation.validation import performance_table
from features.errors import InputError, Problem
from features.guard import Severity, findings_frame
from models.artifact import StoredModel
from models.card import ModelCard, software_versions
from models.recalibration import ADVISED_EVENTS, Recalibration, recalibrate
from models.resampling import bootstrap_strata
from models.store import REGISTERED, Registration, register
from pipelines.cohort import (
    MAX_FOLLOW_UP,
    ModelCohort,
    beyond_training,
    cohort_name,
    endpoint_label,
    horizon_problems,
    subgroup_labels,
)
from pipelines.config import resolved_yaml
from pipelines.output.files import records, write_csv, write_text
from pipelines.tracking import runs as tracking
from pipelines.training import (
    Promotion,
    Rival,
    became_text,
    contender,
    describe_censoring,
    judged_outcome,
    make_champion,
    prediction_times,
    show_both,
    subgroups,
    task_seed,
    training_key,
)

HOW = (
    "Predictions of the stored model for patients whom it never saw; 95% bootstrap percentile "
    "intervals over patients, the model held fixed."
)
# What recalibration in the large or by a slope leaves as it is.
ORDER = (HARRELL_C, UNO_C, AUC, INTEGRATED_AUC)
# Follow-up this many times longer or shorter than the model's is likely in another unit.
OTHER_FOLLOW_UP = 10.0


@dataclass(frozen=True)
class Validation:
    """What a stored model was found to be worth on new patients.

    Attributes
    ----------
    stored : StoredModel
        The model that was judged.
    given : ModelCohort
    metrics : DataFrame with METRIC_COLUMNS
    assessment : Assessment
    recalibration : Recalibration or None
    cautions : tuple of str
    """

    stored: StoredModel
    given: ModelCohort
    metrics: pd.DataFrame
    assessment: Assessment
    recalibration: Recalibration | None
    cautions: tuple[str, ...]

    @property
    def card(self) -> ModelCard:
        """Card of the model that was judged."""
        return self.stored.card

    @property
    def name(self) -> str:
        """Cohort and endpoint."""
        return f"{cohort_name(self.given.config)}, {self.card.endpoint}"

    @property
    def findings_table(self) -> pd.DataFrame:
        """What the checks of the table found; small counts as configured."""
        return findings_frame(self.given.checked.findings)

    def write(self, folder: Path, kept: Kept) -> None:
        """Write the tables as CSV, summary.json and report.html into a folder."""
        write_tables(folder, self)
        summary = {
            "cohort": cohort_name(self.given.config),
            "endpoint": self.card.endpoint,
            **self.stored.identity,
            "cautions": list(self.cautions),
            "findings": records(self.findings_table),
            "metrics": records(self.metrics),
            "recalibrated": kept.recalibrated_uri or None,
            "registered": None if kept.registration is None else kept.told,
            "promotion": None if kept.promotion is None else kept.promotion.summary,
            "recalibration": None
            if self.recalibration is None
            else records(self.recalibration.table),
            "data_fingerprint": self.given.checked.cohort.fingerprint,
            "run_id": kept.run_id,
            "versions": software_versions(),
        }
        write_text(folder / "summary.json", json.dumps(summary, indent=2) + "\n")
        write_text(folder / "report.html", kept.html)
        if kept.promotion is not None:
            kept.promotion.write(folder)


@dataclass(frozen=True)
class Kept:
    """Where a validation is kept: run, experiment, report and the recalibrated version if any."""

    run_id: str
    experiment_id: str
    html: str
    registration: Registration | None = None
    promotion: Promotion | None = None

    @property
    def recalibrated_uri(self) -> str:
        """The recalibrated version; empty without a recalibration."""
        return "" if self.registration is None else self.registration.version.uri

    @property
    def told(self) -> str:
        """What a person is told of the recalibrated version."""
        if self.registration is None:
            return ""
        return became_text(self.registration, self.promotion)


def registered_name(uri: str) -> str:
    """NAME of models:/NAME@alias or models:/NAME/VERSION.

    Raises
    ------
    InputError
        When the model is not in the registry: a recalibrated one is stored as its new version.
    """
    found = REGISTERED.fullmatch(uri)
    if found:
        return found["name"]
    raise InputError(
        Problem(
            what="A recalibrated model is stored as a new version of a registered one",
            where="--recalibrate",
            got=f"--model {uri}",
            allowed="models:/NAME@champion or models:/NAME/VERSION",
            remedy="name the model in the registry, or leave --recalibrate out",
        )
    )


def validate_externally(
    stored: StoredModel,
    given: ModelCohort,
    kind: str | None = None,
) -> Validation:
    """Judge a model on a cohort by the measures of a training.

    Parameters
    ----------
    kind : {"in_the_large", "slope", "per_horizon"}, optional
        Also recalibrate, at the last horizon or at each of them.

    Raises
    ------
    InputError
        When the follow-up is longer than a life, or the cohort cannot support the recalibration.
    """
    model, card = stored.model, stored.card
    config, dataset = given.config, given.dataset
    if dataset.outcome.follow_up > MAX_FOLLOW_UP:
        raise InputError(horizon_problems(config, given.checked.cohort))
    horizons, thresholds = config.evaluation.horizons, config.evaluation.thresholds
    groups = subgroup_labels(
        given.checked.cohort, endpoint_label(config), config.evaluation.subgroups
    )
    recalibration = None
    if kind is not None:
        if dataset.outcome.has_competing:
            raise InputError(
                Problem(
                    what="No recalibration with competing events",
                    where="--recalibrate",
                    got=f"endpoint {card.endpoint} with competing events",
                    remedy="the model takes them for censorings; recalibrated so, it would match "
                    "a Kaplan-Meier curve, which overstates the probability",
                )
            )
        chosen = horizons if kind == "per_horizon" else horizons[-1:]
        recalibration = recalibrate(model, dataset, chosen, kind)
    prediction = model.predict(dataset.predictors, prediction_times(horizons, dataset.outcome))
    folds = [np.zeros(len(dataset), dtype=int)]
    counts = bootstrap_counts(
        len(dataset),
        config.evaluation.bootstrap,
        task_seed(config.seed, "bootstrap"),
        strata=bootstrap_strata(dataset),
    )
    cohort = given.checked.cohort
    among = cohort.of_endpoint(endpoint_label(config))
    regimen = None if cohort.regimen is None else cohort.regimen[among]
    outcome = judged_outcome(config, dataset, regimen)
    settings = (outcome, [prediction], folds, horizons, max(horizons), counts)
    metrics = performance_table(card.learner, *settings, thresholds, FIXED)
    judged = Judged(
        outcome, {card.learner: [prediction]}, folds, horizons, thresholds, counts, metrics
    )
    found = assess(judged, card.learner)
    found.join(subgroups(judged, card.learner, groups))
    if recalibration is not None:
        found.tables["recalibration"] = recalibration.table
    cautions = _cautions(card, given, metrics)
    return Validation(stored, given, metrics, found, recalibration, cautions)


def beside_champion(result: Validation, rival: Rival) -> Promotion:
    """The champion of the name beside the recalibrated model, on these patients.

    Raises
    ------
    InputError
        As `pipelines.training.promotion.show_both`.
    """
    assert result.recalibration is not None
    given = result.given
    own = contender(result.recalibration.model, recalibrated_card(result), given)
    return show_both(rival, own, given.dataset.outcome, given.config.evaluation.horizons)


def keep(
    result: Validation, model_name: str, alias: str | None, promotion: Promotion | None = None
) -> Kept:
    """Write an MLflow run of kind `evaluation`, and the recalibrated model as a new version.

    Parameters
    ----------
    model_name : str
        Registered name that gets the new version; unused without a recalibration.
    alias : str, optional
        Moved to the new version.
    promotion : Promotion, optional
        Make the new version the champion, in whose place.
    """
    given, config, card = result.given, result.given.config, result.card
    experiment = tracking.open_experiment(config.tracking.experiment)
    tags = {
        "kind": "evaluation",
        "mlflow.source.name": "pipelines.evaluate",
        "cohort": cohort_name(config),
        "endpoint": card.endpoint,
        "data_fingerprint": given.checked.cohort.fingerprint,
        "git_commit": tracking.git_commit(),
        "model": result.stored.uri,
        "model_run_id": result.stored.run_id,
        "model_data_fingerprint": result.stored.data_fingerprint,
        "learner": card.learner,
    }
    run_id = _started(result, experiment, tags)
    with tracking.finishing(run_id):
        registration = None
        if result.recalibration is not None:
            with tempfile.TemporaryDirectory() as folder, tracking.quiet():
                made = result.recalibration.model
                registration = register(
                    made,
                    recalibrated_card(result),
                    run_id=run_id,
                    model_name=model_name,
                    folder=Path(folder) / "model",
                    alias=alias,
                    content=_content(result),
                    beside=result.stored.beside.recalibrated(
                        lambda refit: replace(made, model=refit)
                    ),
                )
        html = _log(result, run_id, registration, promotion)
        if registration is not None and promotion is not None:
            make_champion(registration.version, promotion)
    tracking.forget_unfinished(run_id)
    return Kept(run_id, experiment, html, registration, promotion)


def _started(result: Validation, experiment: str, tags: Mapping[str, str]) -> str:
    """A run of its own, or that of the same evaluation that was stopped: it registers once."""
    given, made = result.given, result.recalibration
    key = training_key(
        resolved_yaml(given.config),
        given.checked.cohort.fingerprint,
        result.stored.uri,
        "" if made is None else made.model.kind,
        software_versions(),
        tracking.git_commit(),
    )
    name = f"evaluation-{key}"
    run_id = tracking.find_unfinished(experiment, name, alone=False)
    if run_id is None:
        title = f"evaluation: {result.name}"
        return tracking.start_run(experiment, title, {**tags, "unfinished": name})
    tracking.reopen_run(run_id)
    return run_id


def _content(result: Validation) -> str:
    """Fingerprint of the recalibrated model: which model, on whom, how, and what came out."""
    told = recalibrated_card(result).model_dump_json()
    return hashlib.sha256(f"{result.stored.run_id}\n{told}".encode()).hexdigest()


def recalibrated_card(result: Validation) -> ModelCard:
    """The card of the recalibrated model: what was recalibrated on whom, and what is known."""
    assert result.recalibration is not None
    card, given, made = result.card, result.given, result.recalibration
    name, outcome = cohort_name(given.config), given.dataset.outcome
    keeps_order = made.model.kind != "per_horizon"
    kept = rows_of(result.metrics["metric"], *(ORDER if keeps_order else ()))
    return card.model_copy(
        update={
            "performance": performance_texts(result.metrics[kept]),
            "measured": f"on the {len(outcome)} patients of {name}; recalibration keeps the order, "
            "its calibration was measured on nobody else",
            "recalibration": {
                "kind": made.model.kind,
                "of": result.stored.uri,
                "cohort": name,
                "patients": len(outcome),
                "events": outcome.n_events,
                "data_fingerprint": given.checked.cohort.fingerprint,
                "outcome_fingerprint": outcome.fingerprint,
                "horizons": list(made.model.horizons),
                "slope": made.model.slope,
                "multipliers": list(made.model.multipliers),
                "statement": made.statement,
                **({"before": card.recalibration} if card.recalibration else {}),
            },
            "cautions": (
                f"Recalibrated on {name} and not validated since: on those patients it looks "
                "calibrated by construction.",
                *card.cautions,
            ),
            "versions": software_versions(),
        }
    )


def _cautions(card: ModelCard, given: ModelCohort, metrics: pd.DataFrame) -> tuple[str, ...]:
    outcome = given.dataset.outcome
    found = []
    for who, provenance in (
        ("The patients are", given.checked.cohort.provenance),
        ("The model's training patients were", str(card.training.get("provenance") or "")),
    ):
        if provenance:
            found.append(f"{who} not real: {provenance}.")
    ratio = outcome.follow_up / card.follow_up
    if not 1 / OTHER_FOLLOW_UP <= ratio <= OTHER_FOLLOW_UP:
        found.append(
            f"The longest follow-up is {outcome.follow_up:.1f} months here and "
            f"{card.follow_up:.1f} in the model's training: check the unit of the endpoint's time."
        )
    if outcome.n_events < ADVISED_EVENTS:
        found.append(
            f"{outcome.n_events} events: an external validation is advised to have "
            f"{ADVISED_EVENTS} or more. Expect wide intervals."
        )
    share = given.dataset.covariates.isna().mean()
    missing = share[share > 0.2]
    if len(missing):
        found.append(
            "More than a fifth missing: "
            + ", ".join(f"{name} {part:.0%}" for name, part in missing.items())
            + ". The model fills them in as in its training."
        )
    found += beyond_training(card, given.checked.cohort, card.endpoint)
    # By a horizon that no event precedes there is nothing to tell apart or to be calibrated to.
    first = outcome.first_event
    early = [h for h in given.config.evaluation.horizons if h < first]
    if early:
        found.append(
            f"Nobody had the event by {', '.join(f'{h:g}' for h in early)} months (the first one "
            f"was at {first:.2f}): what stands there judges nothing."
        )
    if outcome.has_competing:
        found.append(
            "The model takes competing events for censorings; it is judged as a cumulative "
            "incidence, which it overstates."
        )
    off = metrics[rows_of(metrics["metric"], OBSERVED_EXPECTED)]
    off = off[excludes(off["ci_low"], off["ci_high"], 1.0)]
    for row in off.itertuples():
        which = "underestimates" if row.estimate > 1 else "overestimates"
        found.append(
            f"The model {which} risk here at {row.horizon:g} months: O/E "
            f"{format_estimate(row.estimate, row.ci_low, row.ci_high)}."
        )
    found += [
        f"{finding.what}: {finding.who}."
        for finding in given.checked.findings
        if finding.severity >= Severity.WARN
    ]
    return tuple(found)


def _log(
    result: Validation,
    run_id: str,
    registration: Registration | None,
    promotion: Promotion | None,
) -> str:
    recalibrated_uri = "" if registration is None else registration.version.uri
    given, config = result.given, result.given.config
    outcome, made = given.dataset.outcome, result.recalibration
    stated = "" if made is None else made.statement[0].upper() + made.statement[1:]
    record = Record(
        "training",
        title=f"{cohort_name(config)}: {result.card.endpoint}, external validation",
        provenance=given.checked.cohort.provenance,
        facts=_facts(result, run_id, registration, promotion),
        cautions=result.cautions,
        sections=sections_of(
            SECTIONS,
            Found(
                metrics=result.metrics,
                how=HOW,
                recalibration=None if made is None else made.table,
                recalibration_text=stated,
                pictures=result.assessment.figures,
                tables=result.assessment.tables,
                findings=result.findings_table,
            ),
        ),
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_text(folder / "config.yaml", resolved_yaml(config))
        facts = {
            "data_fingerprint": given.checked.cohort.fingerprint,
            **result.stored.identity,
            "seed": config.seed,
            "git_commit": tracking.git_commit(),
            "versions": software_versions(),
        }
        write_text(folder / "reproduce.json", json.dumps(facts, indent=2) + "\n")
        write_tables(folder, result)
        if promotion is not None:
            promotion.write(folder)
        for section, figures in result.assessment.figures.items():
            (folder / "figures").mkdir(exist_ok=True)
            for number, figure in enumerate(figures.values(), start=1):
                save_figure(figure, folder / "figures" / f"{section}_{number}.png")
        write_record(folder / "report.html", record)
        html = (folder / "report.html").read_text(encoding="utf-8")
        tracking.log_run(
            run_id,
            params={
                "seed": config.seed,
                "endpoint": result.card.endpoint,
                "patients": len(outcome),
                "events": outcome.n_events,
                "horizons": ", ".join(f"{h:g}" for h in config.evaluation.horizons),
                "bootstrap": config.evaluation.bootstrap,
                "censoring": config.evaluation.censoring,
                "recalibrate": "no" if made is None else made.model.kind,
            },
            metrics=tracking.flat_metrics(result.metrics),
            tags={"recalibrated": recalibrated_uri} if recalibrated_uri else {},
            artifacts=folder,
        )
    name = f"{cohort_name(config)}, {result.card.endpoint}"
    tracking.log_dataset(
        run_id, name, given.checked.cohort.fingerprint, given.dataset.predictors, "evaluation"
    )
    return html


def write_tables(folder: Path, result: Validation) -> None:
    """Write metrics.csv and the other tables as CSV into a folder."""
    write_csv(folder / "metrics.csv", result.metrics)
    write_csv(folder / "findings.csv", result.findings_table)
    for name, table in result.assessment.tables.items():
        write_csv(folder / f"{name}.csv", table)


def _facts(
    result: Validation,
    run_id: str,
    registration: Registration | None,
    promotion: Promotion | None,
) -> Mapping[str, str]:
    card, dataset = result.card, result.given.dataset
    training = card.training
    facts = {
        "Patients": str(len(dataset)),
        "Endpoint": f"{card.endpoint}: {dataset.outcome.n_events} events, follow-up to "
        f"{dataset.outcome.follow_up:.1f} months",
        "Model": f"{result.stored.told}: {card.learner_label}",
        "Trained on": f"{training.get('cohort', '')}, {training.get('patients', '?')} patients, "
        f"{training.get('events', '?')} events, follow-up to {card.follow_up:.1f} months; data "
        f"fingerprint {result.stored.data_fingerprint or 'unknown'}",
        "Weights for censoring": describe_censoring(result.given.config, dataset.predictors),
        "Predictors": ", ".join([*card.covariates, *(["regimen"] if card.arms else [])]),
        "Data fingerprint": f"{result.given.checked.cohort.fingerprint}, of these patients",
        "Run": run_id,
        "Seed": str(result.given.config.seed),
        "Versions": ", ".join(f"{k} {v}" for k, v in software_versions().items()),
    }
    if card.recalibration:
        facts["Recalibrated before"] = str(card.recalibration["statement"])
    if registration is not None:
        became = became_text(registration, promotion)
        facts["Recalibrated model"] = f"{registration.version.uri}: {became}"
    return facts
