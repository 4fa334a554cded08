"""One training, step by step: validate each learner, compare, choose, track, register."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
import pandas as pd

from evaluation.estimates import ELSEWHERE, OUT_OF_FOLD
from evaluation.metrics import HARRELL_C, IBS, UNO_C, version_for
from evaluation.regimens import check_published_claims, regimen_effect_table, within_arms
from evaluation.report import Judged as JudgedLearners
from evaluation.results import metric_table
from evaluation.validation import (
    COX_TYPE,
    DIFFERENCE_COLUMNS,
    best_cox,
    choose_champion,
    compared_metrics,
    cox_is_enough,
    fold_scores,
    learner_differences,
    performance_table,
)
from features.errors import InputError, Problem
from features.sources import resolve_url, shown_address
from models.card import software_versions
from models.fitted import NUMERICAL_ERRORS
from models.learners import LEARNERS, STACK
from models.tuning import NoTrialSucceededError, Search
from pipelines.cohort import compare_in_populations, performance_cautions
from pipelines.config import resolved_yaml
from pipelines.output.folder import replaced
from pipelines.tracking import runs as tracking
from pipelines.training.champion_tables import about_champion
from pipelines.training.checkpoint import Checkpoint
from pipelines.training.nested_validation import (
    FINAL,
    LearnerFit,
    bootstrap_contrasts,
    validate_learner,
)
from pipelines.training.plan import TrainingPlan
from pipelines.training.promotion import (
    Contender,
    Promotion,
    Rival,
    find_rival,
    make_champion,
    reasons,
    shared_horizons,
    show_both,
)
from pipelines.training.record import Conclusion, TrainingRecord
from pipelines.training.result import TrainingResult
from pipelines.training.unfinished import Unfinished, claim, training_key

Advance = Callable[[str, int], None]


@dataclass(frozen=True)
class Judged:
    """One learner: what it learned and how good that is.

    Attributes
    ----------
    metrics : DataFrame with METRIC_COLUMNS
    folds : DataFrame
        Scores of each test fold.
    effect : DataFrame with REGIMEN_COLUMNS, or None where the learner does not see the regimen
    """

    fit: LearnerFit
    metrics: pd.DataFrame
    folds: pd.DataFrame
    effect: pd.DataFrame | None


def claim_training(plan: TrainingPlan) -> Unfinished:
    """Take over what a killed training with the same settings, data and code left, or begin.

    Two trainings of the same kind at once each have a folder of their own.
    """
    uri = tracking.connect()
    key = training_key(
        resolved_yaml(plan.config),
        plan.cohort.fingerprint,
        uri,
        software_versions(),
        tracking.git_commit(),
    )
    return claim(tracking.local_folder(uri), key)


def find_rival_of(plan: TrainingPlan, *, anyway: bool) -> Rival:
    """The champion of the configured name, on the patients of the training.

    Raises
    ------
    InputError
        When it cannot be used on them.
    """
    tracking.connect()
    with tracking.quiet():
        name = plan.config.tracking.model_name
        rival = find_rival(plan.config, name, "--promote", anyway=anyway)
    if rival.given is None:
        return rival
    outcome = plan.dataset.outcome
    try:
        shared_horizons(rival, outcome, plan.horizons, outcome.follow_up)
    except InputError as error:
        if not anyway:
            raise
        return Rival(rival.version, rival.stored, why_not=reasons(error))
    return rival


def check_storage(address: str) -> None:
    """Open the database of the trials once, before anything is trained; empty is none.

    Raises
    ------
    InputError
        When it cannot be opened; a secret of the address is not repeated.
    """
    if not address:
        return
    url = resolve_url(address, "tuning.storage")
    try:
        with tracking.quiet():
            optuna.storages.get_storage(url.render_as_string(hide_password=False))
    except Exception as error:  # each driver raises its own
        raise InputError(
            Problem(
                what="The database of the trials cannot be opened",
                where="tuning.storage",
                got=f"{shown_address(url)}: {type(error).__name__}",
                allowed="a database that exists and that you may write to, such as "
                "postgresql+psycopg://user:${NAME}@host/trials",
                remedy="check address, driver, user and password; leave it empty to keep files",
            )
        ) from None


def run_training(
    plan: TrainingPlan,
    unfinished: Unfinished,
    workers: int,
    advance: Advance,
    out: Path | None = None,
    rival: Rival | None = None,
) -> TrainingResult:
    """Do everything, or what is left of it.

    A failure, or Ctrl-C, marks the run as failed; the same command goes on where it stopped.

    Parameters
    ----------
    workers : int
        Processes; the result does not depend on their number.
    advance : callable (description, steps)
    out : Path, optional
        Folder for the result's files.
    rival : Rival, optional
        The champion that the model is to be shown beside, and to replace; without one nothing is
        replaced.

    Raises
    ------
    InputError
        When no learner but the null model could be fitted.
    """
    experiment = tracking.open_experiment(plan.config.tracking.experiment)
    run_id = tracking.find_unfinished(experiment, unfinished.name)
    finished: dict[str, str] = {}
    record = TrainingRecord(plan)
    if run_id is None:
        tags = record.tags("training") | {"unfinished": unfinished.name}
        run_id = tracking.start_run(experiment, plan.name, tags)
    else:
        tracking.reopen_run(run_id)
        finished = tracking.children(experiment, run_id)
    place = (experiment, run_id)
    running = [run_id]
    try:
        record.log_start(experiment, run_id)
        judged: dict[str, Judged] = {}
        failures: dict[str, str] = {}
        for learner in plan.learners:
            own_run = finished.get(learner) or record.start_learner(place, learner)
            running.append(own_run)
            try:
                judged[learner] = _judge(plan, learner, judged, unfinished, workers, advance)
            except (NoTrialSucceededError, *NUMERICAL_ERRORS) as error:
                failures[learner] = str(error)
                tracking.log_run(own_run, tags={"failure": str(error)[:400]})
                tracking.finish_run(own_run, failed=True)
                running.remove(own_run)
                continue
            if learner not in finished:
                one = judged[learner]
                record.log_learner(place, own_run, one.fit, one.metrics, one.folds, one.effect)
                tracking.finish_run(own_run)
                finished[learner] = own_run
            running.remove(own_run)
        advance("comparing", 1)
        result = _conclude(
            plan, record, place, finished, judged, failures, unfinished, workers, advance, rival
        )
        advance("writing", 1)
        # In this order a kill at any point leaves a training that goes on, and none that is lost.
        if out is not None:
            with replaced(out, "train") as folder:
                result.write(folder)
        if result.promotion is not None:
            make_champion(result.registration.version, result.promotion)
        tracking.finish_run(run_id)
    except BaseException:
        tracking.fail_runs(running)
        raise
    unfinished.remove()
    tracking.forget_unfinished(run_id)
    return result


def _judge(
    plan: TrainingPlan,
    learner: str,
    others: Mapping[str, Judged],
    unfinished: Unfinished,
    workers: int,
    advance: Advance,
) -> Judged:
    config, outcome = plan.config, plan.judged
    members = None
    if learner == STACK:
        able = [name for name in config.stacked if name in others]
        if len(able) < 2:
            raise ArithmeticError("fewer than two learners to combine could be fitted")
        members = {
            place: {name: others[name].fit.params[place] for name in able}
            for place in (*plan.resampling.places, FINAL)
        }
    fit = validate_learner(
        learner,
        plan.view(learner),
        plan.resampling,
        _search(plan, unfinished),
        plan.times,
        workers=workers,
        advance=lambda: advance(f"{learner}: validating", 1),
        checkpoint=unfinished.checkpoint,
        members=members,
    )
    folds, tau = list(plan.resampling.folds), max(plan.horizons)
    metrics = performance_table(
        learner,
        outcome,
        fit.predictions,
        folds,
        plan.horizons,
        tau,
        plan.counts,
        config.evaluation.thresholds,
        ELSEWHERE if plan.resampling.kind in ("leave_one_center_out", "temporal") else OUT_OF_FOLD,
    )
    return Judged(
        fit,
        metrics,
        fold_scores(outcome, fit.predictions, folds, tau),
        _regimen_effect(plan, fit, unfinished.checkpoint, workers, advance),
    )


def _search(plan: TrainingPlan, unfinished: Unfinished) -> Search:
    config = plan.config
    address, prefix = str(unfinished.journals), ""
    if config.tuning.storage:
        url = resolve_url(config.tuning.storage, "tuning.storage")
        address, prefix = url.render_as_string(hide_password=False), f"{unfinished.name}/"
    return Search(
        config.tuning.trials,
        config.resampling.inner_folds,
        config.seed,
        config.tuning.objective,
        {str(name): params for name, params in config.tuning.fixed.items()},
        address,
        prefix,
    )


def _regimen_effect(
    plan: TrainingPlan, fit: LearnerFit, checkpoint: Checkpoint, workers: int, advance: Advance
) -> pd.DataFrame | None:
    arms = plan.arms_of(fit.learner)
    if not arms:
        return None
    tau = max(plan.horizons)
    estimate, replicates = bootstrap_contrasts(
        fit.model,
        plan.view(fit.learner),
        arms,
        plan.horizons,
        replicates=plan.config.evaluation.regimen_refits,
        seed=plan.config.seed,
        workers=workers,
        advance=lambda: advance(f"{fit.learner}: regimen effect", 1),
        kept=checkpoint.open(f"{fit.learner}_contrasts"),
        tau=tau,
    )
    table = regimen_effect_table(
        fit.learner,
        plan.endpoint,
        arms,
        plan.horizons,
        estimate,
        replicates,
        len(plan.dataset),
        plan.dataset.outcome.n_events,
        tau,
    )
    return within_arms(table, plan.dataset.outcome, np.asarray(plan.dataset.regimen))


def _conclude(
    plan: TrainingPlan,
    record: TrainingRecord,
    place: tuple[str, str],
    learner_runs: Mapping[str, str],
    judged: Mapping[str, Judged],
    failures: Mapping[str, str],
    unfinished: Unfinished,
    workers: int,
    advance: Advance,
    rival: Rival | None,
) -> TrainingResult:
    config = plan.config
    candidates = {name: one for name, one in judged.items() if LEARNERS[name].may_be_champion}
    if not candidates:
        raise InputError(
            Problem(
                what="No learner could be fitted to this cohort",
                where="learners",
                got="; ".join(f"{name}: {why}" for name, why in failures.items()),
                remedy="take out covariates that separate the events, or add penalised learners",
            )
        )
    metrics = pd.concat(
        [*(one.metrics for one in judged.values()), _failed_rows(plan, failures)],
        ignore_index=True,
    )
    scores = {name: one.folds for name, one in candidates.items()}
    try:
        champion = choose_champion(
            scores,
            config.champion.rule,
            plan.resampling.test_to_train,
        )
    except ValueError as error:
        raise InputError(
            Problem(
                what="No learner can be judged in every test fold",
                where="evaluation.horizons",
                got=str(error),
                remedy="ask for earlier horizons, or use fewer folds",
            )
        ) from error
    cox = best_cox(scores)
    reference = cox or next(iter(candidates))
    differences = _differences(plan, judged, reference)
    simple = ("kaplan_meier", "genetic_risk", *COX_TYPE)
    flexible = [name for name in candidates if name not in simple]
    cox_type = [name for name in candidates if name in COX_TYPE]
    verdict = cox_is_enough(differences, cox, flexible, cox_type) if cox else ""
    claims = None
    # What was published is about all patients of that study, and about nobody else.
    if config.cohort.is_reference_study and not config.cohort.inclusion:
        from features.simulated import read_reference_study

        claims = check_published_claims(plan.table, read_reference_study())
    fits = {name: one.fit for name, one in judged.items()}
    found, refits = about_champion(
        plan,
        JudgedLearners(
            plan.judged,
            {name: fit.predictions for name, fit in fits.items()},
            list(plan.resampling.folds),
            plan.horizons,
            config.evaluation.thresholds,
            plan.counts,
            metrics,
        ),
        fits,
        champion.learner,
        reference,
        _search(plan, unfinished),
        unfinished.checkpoint,
        workers,
        advance,
    )
    conclusion = Conclusion(
        fits=fits,
        assessment=found,
        metrics=metrics,
        differences=differences,
        regimen=_compare_regimens(plan, judged),
        claims=claims,
        champion=champion,
        verdict=verdict,
        cautions=(
            *(f"{name} could not be fitted: {why}." for name, why in failures.items()),
            *performance_cautions(champion.learner, metrics),
            *plan.cautions,
        ),
    )
    registration = record.register(place[1], conclusion, refits)
    promotion = None
    # A training that goes on after it was killed may have promoted its model already.
    if rival is not None and not (rival.version and rival.version.uri == registration.version.uri):
        promotion = _show_both(plan, rival, record, conclusion)
    html = record.log_conclusion(place, learner_runs, conclusion, registration, promotion)
    return TrainingResult(
        config=config,
        metrics=metrics,
        differences=differences,
        regimen=conclusion.regimen,
        claims=claims,
        champion=champion,
        verdict=verdict,
        sample_size=plan.sample_size_text,
        cautions=conclusion.cautions,
        fingerprint=plan.cohort.fingerprint,
        experiment_id=place[0],
        run_id=place[1],
        registration=registration,
        promotion=promotion,
        tables=found.tables,
        findings=plan.findings_table,
        html=html,
    )


def _show_both(
    plan: TrainingPlan, rival: Rival, record: TrainingRecord, conclusion: Conclusion
) -> Promotion:
    """The champion until now beside the out-of-fold predictions of the one that follows it."""
    own = Contender(
        record.card(conclusion),
        conclusion.best.predictions,
        list(plan.resampling.folds),
        plan.times,
        plan.counts,
        out_of_fold=True,
    )
    return show_both(rival, own, plan.dataset.outcome, plan.horizons)


def _differences(plan: TrainingPlan, judged: Mapping[str, Judged], reference: str) -> pd.DataFrame:
    """Paired differences of every learner from the reference, on the same patients and folds."""
    if len(judged) < 2:
        return pd.DataFrame(columns=list(DIFFERENCE_COLUMNS))
    order = [reference, *(name for name in judged if name != reference)]
    outcome = plan.judged
    return learner_differences(
        outcome,
        {name: judged[name].fit.predictions for name in order},
        list(plan.resampling.folds),
        compared_metrics(outcome, plan.horizons, max(plan.horizons)),
        plan.counts,
        plan.resampling.test_to_train,
    )


def _failed_rows(plan: TrainingPlan, failures: Mapping[str, str]) -> pd.DataFrame:
    """Rows that say why a learner has no metric."""
    outcome = plan.dataset.outcome
    return metric_table(
        {
            "learner": name,
            "metric": metric,
            "horizon": horizon,
            "n": len(outcome),
            "events": outcome.n_events,
            "note": f"could not be fitted: {why}",
        }
        for name, why in failures.items()
        for metric, horizon in _headline(plan)
    )


def _headline(plan: TrainingPlan) -> list[tuple[str, float]]:
    tau = max(plan.horizons)
    outcome = plan.dataset.outcome
    found = [version_for(outcome, metric).at(tau) for metric in (HARRELL_C, UNO_C, IBS)]
    # Both C have the same version under competing events.
    return list(dict.fromkeys((metric.name, metric.horizon) for metric in found))


def _compare_regimens(plan: TrainingPlan, judged: Mapping[str, Judged]) -> pd.DataFrame | None:
    if not plan.arms or plan.cohort.regimen is None:
        return None
    classical = compare_in_populations(plan.cohort, plan.arms[0], plan.horizons)
    effects = [one.effect for one in judged.values() if one.effect is not None]
    return pd.concat([classical, *effects], ignore_index=True)
