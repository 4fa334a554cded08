"""From the configuration to the resampling that every learner shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.cohort import Cohort
from features.covariates import read_dates
from features.dataset import Dataset
from features.errors import InputError, Problem, did_you_mean, name_some
from models.resampling import (
    Resampling,
    bootstrap,
    leave_one_center_out,
    repeated_kfold,
    temporal_split,
)
from pipelines.config import TrainConfig

FEWEST_TESTED = 10
FEWEST_EVENTS = 2


def make_resampling(
    config: TrainConfig, cohort: Cohort, dataset: Dataset, table: pd.DataFrame
) -> Resampling:
    """Draw the configured resampling of the patients of the modelled endpoint.

    Parameters
    ----------
    table : DataFrame
        The patient table, for the column of a temporal split.

    Raises
    ------
    InputError
        When the cohort cannot be split so: one center, a column without dates, a part with nobody,
        a training part that is not followed to the last horizon, or without an event by the first.
    """
    wanted = config.resampling
    if wanted.kind == "repeated_kfold":
        made = repeated_kfold(dataset, wanted.folds, wanted.repeats, config.seed)
    elif wanted.kind == "bootstrap":
        made = bootstrap(dataset, wanted.repeats, config.seed)
    elif wanted.kind == "leave_one_center_out":
        made = _by_center(dataset)
    else:
        endpoint = config.cohort.columns.endpoints[config.endpoint].label
        made = _by_time(config, table, cohort, cohort.of_endpoint(endpoint))
    if wanted.kind in ("leave_one_center_out", "temporal"):
        _check_parts(made, dataset)
    _check_follow_up(made, dataset, max(config.evaluation.horizons))
    _check_early_events(made, dataset, config.evaluation.horizons)
    return made


def describe_resampling(resampling: Resampling, regimens: bool = True) -> str:
    """One sentence for the report; without regimens folds are stratified by event alone."""
    repeats, sizes = len(resampling.folds), len(resampling.places)
    if resampling.kind == "repeated_kfold":
        again = "" if repeats == 1 else f" repeated {repeats} times"
        folds = sizes // repeats
        by = "event and regimen" if regimens else "event"
        return f"{folds}-fold cross-validation{again}, stratified by {by}"
    if resampling.kind == "leave_one_center_out":
        return "each center predicted by models of the others: " + ", ".join(resampling.labels)
    if resampling.kind == "bootstrap":
        return f"{repeats} bootstrap samples, those not drawn are predicted"
    tested = int((resampling.folds[0] == 0).sum())
    early = resampling.folds.shape[1] - tested
    return f"trained on the first {early} patients, the later {tested} are predicted"


def _by_center(dataset: Dataset) -> Resampling:
    if dataset.center is None or len(np.unique(dataset.center.astype(str))) < 2:
        raise InputError(
            Problem(
                what="No center to leave out",
                where="resampling.kind: leave_one_center_out",
                got="one center, or no column of centers",
                allowed="two centers or more, from cohort.columns.center",
                remedy="name the column of centers, or use kind: repeated_kfold",
            )
        )
    return leave_one_center_out(dataset.center)


def _by_time(
    config: TrainConfig, table: pd.DataFrame, cohort: Cohort, among: np.ndarray
) -> Resampling:
    column, limit = config.resampling.column, config.resampling.test_from
    day = None if limit.isdigit() else _limit(limit)
    if column not in table:
        raise InputError(
            Problem(
                what="The column of the temporal split is not in the table",
                where="resampling.column",
                got=column,
                allowed=name_some(table.columns, 40),
                remedy=did_you_mean(column, map(str, table.columns)) + "correct the name",
            )
        )
    places = np.arange(len(table)) if cohort.places is None else cohort.places
    kept = table.reset_index(drop=True).iloc[places[among]]
    years = pd.to_numeric(kept[column], errors="coerce")
    if day is None and years.notna().sum() >= len(years) / 2:
        order, start = years.to_numpy(dtype=float), float(limit)
    else:
        day = _limit(f"{limit}-01-01") if day is None else day
        days = read_dates(kept, column, "resampling.column")
        empty = np.isnat(days)
        order = days.astype("datetime64[D]").astype(float)
        order[empty] = np.nan
        start = float(day.astype(float))
    try:
        return temporal_split(order, start)
    except ValueError as error:
        raise InputError(
            Problem(
                what="The cohort cannot be split there",
                where=f"resampling.test_from: {limit}",
                got=str(error).replace(f"{start:g}", limit),
                allowed="a date or year with patients on both sides, known for everybody",
                remedy="choose another limit, or complete the column",
            )
        ) from error


def _limit(text: str) -> np.datetime64:
    stated = pd.DataFrame({"test_from": [text]})
    return np.asarray(read_dates(stated, "test_from", "resampling.test_from"))[0]


def _check_follow_up(resampling: Resampling, dataset: Dataset, horizon: float) -> None:
    """Every training part must be followed beyond the last horizon: its models know no more."""
    time = dataset.outcome.time
    short = {
        place: float(time[resampling.train(*place)].max())
        for place in resampling.places
        if time[resampling.train(*place)].max() <= horizon
    }
    if not short:
        return
    place = min(short, key=lambda each: short[each])
    left = f" without center {resampling.labels[place[1]]}" if resampling.labels else ""
    raise InputError(
        Problem(
            what="A training part is not followed to the last horizon",
            where=f"evaluation.horizons, {len(short)} of {len(resampling.places)} training parts",
            got=f"{horizon:g} months; the shortest part{left} ends at {short[place]:.1f}",
            allowed=f"horizons below {short[place]:.1f} months",
            remedy="ask for earlier horizons, or split otherwise",
        )
    )


def _check_early_events(
    resampling: Resampling, dataset: Dataset, horizons: Sequence[float]
) -> None:
    """Every training part needs an event by each horizon: its models predict 0 otherwise."""
    first = [
        dataset.outcome.take(resampling.train(*place)).first_event for place in resampling.places
    ]
    lacking = [h for h in horizons if h < max(first)]
    if not lacking:
        return
    raise InputError(
        Problem(
            what="A training part has no event by a horizon",
            where=f"evaluation.horizons, {sum(f > lacking[0] for f in first)} of {len(first)} "
            "training parts",
            got=name_some(f"{h:g}" for h in lacking),
            allowed=f"from {max(first):.2f} months, when each of them had an event",
            remedy="ask for later horizons, or use fewer folds",
        )
    )


def _check_parts(resampling: Resampling, dataset: Dataset) -> None:
    problems = []
    for place in resampling.places:
        parts = {"tested": resampling.test(*place), "train": resampling.train(*place)}
        for part, rows in parts.items():
            events = int(dataset.outcome.event[rows].sum())
            fewest = FEWEST_TESTED if part == "tested" else 2 * FEWEST_TESTED
            if len(rows) < fewest or events < FEWEST_EVENTS:
                label = resampling.labels[place[1]] if resampling.labels else part
                problems.append(
                    Problem(
                        what="A part of the split is too small",
                        where=f"resampling, {label}: {part}",
                        got=f"{len(rows)} patients, {events} events",
                        allowed=f"at least {fewest} patients and {FEWEST_EVENTS} events",
                        remedy="join small centers, move the limit, or use kind: repeated_kfold",
                    )
                )
    if problems:
        raise InputError(problems)
