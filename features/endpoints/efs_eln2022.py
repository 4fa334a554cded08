"""Event-free survival as ELN 2022 defines it, with failures of induction on day 1.

Döhner et al., Blood 2022;140:1345, table of outcome measures; the landmark for non-intensive
therapy is 180 days.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from features.covariates import Codes, check_columns, read_codes, unknown_code
from features.endpoints.clock import (
    CUT_OFF,
    Clock,
    DateSource,
    before_origin,
    no_event,
    pick,
    read_origin,
    read_source,
)
from features.errors import InputError, Problem, collect, refuse
from features.errors.wrong_cells import wrong_cells
from features.outcome import MONTHS, Outcome


class EfsEln2022(Clock):
    """Event-free survival by ELN 2022.

    Attributes
    ----------
    label, origin, cutoff, landmark_months, date_format
        As for every `Clock`.
    rule : 'efs_eln2022'
        What tells this endpoint from others.
    response : str
        Column of the best response.
    response_date, relapse_date, death_date, last_assessment_date : str
        Columns: first CR/CRh/CRi, relapse after it, death, last assessment of the response.
    responders, non_responders, not_evaluable, died : sequence of str
        Codes of the response: CR/CRh/CRi; assessed without one; not assessed (a missing cell
        counts as such); died before an assessment.
    response_by_days : int
        The landmark by which CR/CRh/CRi must be reached.
    """

    rule: Literal["efs_eln2022"] = "efs_eln2022"
    response: str
    response_date: str
    relapse_date: str
    death_date: str
    last_assessment_date: str
    responders: Codes = ("CR", "CRh", "CRi")
    non_responders: Codes = ("MLFS", "PR", "SD", "PD", "NR")
    not_evaluable: Codes = ("not evaluated",)
    died: Codes = ("death",)
    response_by_days: int = Field(default=180, gt=0)

    @model_validator(mode="after")
    def _one_meaning_a_code(self) -> EfsEln2022:
        codes = [code.lower() for codes in self.codes.values() for code in codes]
        twice = sorted({code for code in codes if codes.count(code) > 1})
        if twice:
            raise ValueError(f"response {', '.join(twice)} stands under two of {list(self.codes)}")
        return self

    @property
    def codes(self) -> dict[str, tuple[str, ...]]:
        """Codes of the response, by what they mean."""
        kinds = ("responders", "non_responders", "not_evaluable", "died")
        return {kind: getattr(self, kind) for kind in kinds}

    @property
    def columns(self) -> dict[str, str]:
        """Every column of dates, by what it is for."""
        names = ("origin", "response_date", "relapse_date", "death_date", "last_assessment_date")
        return {name: getattr(self, name) for name in names}


def derive_efs_eln2022(table: pd.DataFrame, endpoint: EfsEln2022) -> Outcome:
    """Derive event-free survival by ELN 2022 for every patient.

    Parameters
    ----------
    table : DataFrame of shape (n, any), index the patient's position in the whole table

    Returns
    -------
    Outcome
        In months, with reason and source. Day 1 is one day after the origin.

    Raises
    ------
    InputError
        When a column is absent, a date cannot be read, the origin is missing, a date lies before
        the origin, a response has an unknown code or no date, or relapse comes before response.
    """
    where = f"endpoint {endpoint.label}"
    columns = endpoint.columns
    names = tuple(name for name in columns if name != "origin")
    needed = {"response": endpoint.response, **columns}
    check_columns(table, {f"{where}, {name}": column for name, column in needed.items()})
    problems: list[Problem] = []
    origin = collect(problems, lambda: read_origin(table, endpoint))
    dates = {}
    for name in names:
        source = DateSource(date=columns[name], reason=name.removesuffix("_date").replace("_", " "))
        day = collect(problems, lambda s=source: read_source(table, s, endpoint))  # type: ignore[misc]
        if day is not None and origin is not None:
            problems += before_origin(table, day, origin, source, endpoint)
            dates[name] = day
    kind = _kinds(table, endpoint, problems)
    if problems or origin is None:
        raise InputError(problems)
    response, relapse, death, assessed = (dates[name] for name in names)
    _check_responders(table, endpoint, kind["responders"], (response, relapse, death))

    landmark = origin + endpoint.response_by_days
    cutoff = np.datetime64("NaT" if endpoint.cutoff is None else endpoint.cutoff, "D")
    # Responders: CR, CRh or CRi by the landmark.
    responder = kind["responders"] & (response <= landmark) & ~(response > cutoff)
    # Neither is known of a patient whose landmark and response both lie after the cut-off.
    too_early = kind["responders"] & (response > cutoff) & (landmark > cutoff)
    # Evaluable patients without CR, CRh or CRi by the landmark, however they fared later: an event
    # on day 1.
    failure = kind["non_responders"] | (kind["responders"] & ~responder & ~too_early)
    # Deaths before the landmark without an assessment: an event on day 1.
    unassessed = kind["not_evaluable"] | kind["died"]
    early_death = unassessed & (death <= landmark) & ~(death > cutoff)
    # Alive at the landmark and not evaluable: censored on day 1.
    unknown = too_early | (unassessed & ~early_death)
    # Responders: relapse or death, the earlier; on the same day relapse.
    event = pick([relapse, death], len(table))
    happened = responder & ~np.isnat(event.day) & ~(event.day > cutoff)
    # Responders without either: censored at the last assessment. The response itself is one.
    last = np.fmax(assessed, response)
    past = responder & ~happened & ((last >= cutoff) | (event.day > cutoff))

    day = np.where(happened, event.day, np.where(past, cutoff, last))
    days = np.where(responder, (day - origin).astype(float), 1.0)
    by = f"day {endpoint.response_by_days}"
    cases = [
        (failure, f"no CR, CRh or CRi by {by}", endpoint.response),
        (early_death, f"death by {by} without assessment", endpoint.death_date),
        (unknown, "response not evaluable", endpoint.response),
        (happened & (event.which == 0), "relapse", endpoint.relapse_date),
        (happened & (event.which == 1), "death", endpoint.death_date),
        (past, CUT_OFF, "cutoff"),
    ]
    conditions = [condition for condition, _, _ in cases]
    last_case = ("last response assessment", endpoint.last_assessment_date)
    reasons, sources = zip(
        *[(reason, source) for _, reason, source in cases], last_case, strict=True
    )
    number = np.select(conditions, range(len(cases)), len(cases))
    observed = failure | early_death | happened
    if not observed.any():
        raise InputError(no_event(endpoint.label, [endpoint.relapse_date, endpoint.death_date]))
    return Outcome(
        days * MONTHS["days"],
        observed,
        np.array(reasons, dtype=object)[number],
        np.array(sources, dtype=object)[number],
    )


def _kinds(
    table: pd.DataFrame, endpoint: EfsEln2022, problems: list[Problem]
) -> dict[str, np.ndarray]:
    """Which patients hold a code of each kind; a missing response is not evaluable."""
    code = read_codes(table[endpoint.response]).str.lower()
    kinds = {
        kind: code.isin([c.lower() for c in codes]).to_numpy(dtype=bool)
        for kind, codes in endpoint.codes.items()
    }
    missing = code.isna().to_numpy(dtype=bool)
    kinds["not_evaluable"] = kinds["not_evaluable"] | missing
    unknown = ~np.logical_or.reduce(list(kinds.values()))
    where = f"endpoint {endpoint.label}"
    problems += unknown_code(table, endpoint.response, unknown, where, endpoint.codes)
    return kinds


def _check_responders(
    table: pd.DataFrame,
    endpoint: EfsEln2022,
    responder: np.ndarray,
    dates: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    response, relapse, death = dates
    died = _kinds(table, endpoint, [])["died"]
    problems: list[Problem] = []
    for wrong, column, what, remedy in (
        (responder & np.isnat(response), endpoint.response_date,
         "A response has no date",
         "fill in the date: whether it came by the landmark is not known without it"),
        (responder & (relapse < response), endpoint.relapse_date,
         "Relapse lies before the response",
         "give the relapse after this response; earlier ones belong to the disease's history"),
        (responder & (death < response), endpoint.death_date,
         "Death lies before the response", "correct the dates"),
        (died & np.isnat(death), endpoint.death_date,
         "The response says died, but there is no date of death",
         "fill in the date of death, or correct the response"),
    ):  # fmt: skip
        problems += wrong_cells(table[column], wrong, f"endpoint {endpoint.label}", what, remedy)
    refuse(problems)
