"""One patient's answer from a stored model: predictions, limits, summaries, doubts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from features.columns import Columns
from features.errors import InputError, Problem
from models.individual.answer import (
    Answer,
    Contributions,
    Filled,
    Given,
    GivenAlive,
    Part,
    Standing,
    UnderRegimen,
)
from models.individual.cautions import Caution, Doubt
from models.individual.contributions import Probability, shares
from models.individual.doubts import REGIMEN, doubts_of, is_missing, overlaps, propensity
from models.individual.interval import Band, band_of, why_no_band
from models.individual.seen import Model, Predict, Seen
from models.individual.support import Support

if TYPE_CHECKING:
    from models.card import ModelCard


@dataclass(frozen=True)
class Engine:
    """A stored model as one patient's answer needs it.

    Attributes
    ----------
    card : ModelCard
    predict : callable
        Plain columns of n patients and months in; risk score (n,) and survival (n, n_times) out.
    jumps : ndarray, optional
        Where survival steps, months; None where it falls continuously.
    refits : sequence of callable
        The same model refitted to bootstrap samples; empty where none were stored.
    support : Support, optional
        None where the model was stored without.
    """

    card: ModelCard
    predict: Predict
    jumps: np.ndarray | None = None
    refits: Sequence[Predict] = ()
    support: Support | None = None

    @property
    def band(self) -> Band | None:
        """How limits are made of the refits; None where there are none to be told."""
        return band_of(
            self.card.learner, len(self.refits), recalibrated=bool(self.card.recalibration)
        )

    @property
    def model(self) -> Model:
        """What predicts, with its refits where they give limits."""
        band = self.band
        plain = Model(self.predict, self.card.follow_up, self.jumps)
        return plain if band is None else replace(plain, refits=self.refits, widened=band.widened)


@dataclass(frozen=True)
class Question:
    """What is asked of every patient.

    Attributes
    ----------
    horizons : sequence of float
        Months within the follow-up.
    alive_at : float, optional
        Months: what is to come for those without the event until then.
    both_regimens, explain, curve : bool
    """

    horizons: Sequence[float]
    alive_at: float | None = None
    both_regimens: bool = False
    explain: bool = False
    curve: bool = False

    def check(self, card: ModelCard) -> None:
        """Refuse what the model cannot be asked.

        Raises
        ------
        InputError
            With every reason.
        """
        problems, last = [], max(self.horizons, default=0.0)
        wrong = [month for month in self.horizons if not 0 < month <= card.follow_up]
        if wrong or not self.horizons:
            problems.append(
                Problem(
                    what="No prediction at this horizon",
                    where="horizons",
                    got=", ".join(f"{month:g}" for month in wrong) or "none",
                    allowed=f"above 0 and up to {card.follow_up:.1f} months, the longest follow-up "
                    "in training",
                    remedy="ask for earlier horizons; nothing is known beyond",
                )
            )
        if self.alive_at is not None and not 0 < self.alive_at < last:
            problems.append(
                Problem(
                    what="No horizon lies after the time up to which the patient is alive",
                    where="alive_at",
                    got=f"{self.alive_at:g}",
                    allowed=f"above 0 and before the last horizon, {last:g} months",
                    remedy="ask for an earlier time, or a later horizon",
                )
            )
        if self.both_regimens and len(card.arms) < 2:
            problems.append(
                Problem(
                    what="This model does not tell regimens apart",
                    where="both_regimens",
                    got=f"a model of {', '.join(card.covariates) or 'no covariate'}",
                    remedy="leave it out, or take a model that was trained with regimens",
                )
            )
        if problems:
            raise InputError(problems)


@dataclass(frozen=True)
class Asked:
    """Patients as the model takes them.

    Attributes
    ----------
    predictors : mapping of predictor -> ndarray of shape (n,)
        Floats with NaN, or objects with None; the regimen is one of them where the model sees it.
    inputs : mapping of input -> ndarray of shape (n,)
        As given, in the dictionary's units.
    rows : ndarray of shape (n,), int
    ids : sequence of str, optional
    unclear : mapping of row -> covariates that known inputs do not determine
    """

    predictors: Columns
    inputs: Columns
    rows: np.ndarray
    ids: Sequence[object] | None = None
    unclear: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


def answers(engine: Engine, asked: Asked, question: Question) -> tuple[Answer, ...]:
    """Answer for each patient, in order.

    Raises
    ------
    InputError
        When the model cannot be asked that.
    """
    question.check(engine.card)
    return tuple(_answer(engine, asked, place, question) for place in range(len(asked.rows)))


def _answer(engine: Engine, asked: Asked, place: int, question: Question) -> Answer:
    card, support, band = engine.card, engine.support, engine.band
    patient = {name: column[place : place + 1] for name, column in asked.predictors.items()}
    inputs = {name: column[place] for name, column in asked.inputs.items()}
    months = sorted({float(month) for month in question.horizons})
    regimen = str(patient[REGIMEN][0]) if REGIMEN in patient else None
    since = question.alive_at
    reach = max(months) if support is None else min(support.until or max(months), card.follow_up)
    asked_times = months if since is None else [*months, since]
    seen = Seen.of(engine.model, support, patient, asked_times, reach)
    median, median_low, median_high = seen.medians
    own = () if regimen is None else (regimen,)
    doubts = doubts_of(
        card, support, inputs, patient, months,
        unclear=asked.unclear.get(int(asked.rows[place]), ()),
        arms=card.arms if question.both_regimens else own,
    )  # fmt: skip
    if band is None:
        doubts = tuple(one for one in doubts if one.caution is not Caution.NARROW_RANGE)
        doubts += (Doubt(Caution.NO_INTERVAL, why_no_band(card.learner)),)
    return Answer(
        patient_id=None if asked.ids is None else str(asked.ids[place]),
        row=int(asked.rows[place]),
        event=f"{card.endpoint} event" if support is None else support.event,
        regimen=regimen,
        risk_score=seen.risk_score,
        horizons=seen.at(months),
        interval=band,
        median=median,
        median_low=median_low,
        median_high=median_high,
        restricted_mean=seen.restricted_mean,
        until=reach,
        standing=None if support is None else _standing(engine, support, patient),
        inputs=_given(card, inputs),
        filled=_filled(support, patient),
        doubts=doubts,
        alive_at=None if since is None else GivenAlive(since, seen.given_alive(since, months)),
        contributions=_contributions(engine, support, patient)
        if question.explain and support is not None
        else None,
        regimens=_regimens(engine, patient, months) if question.both_regimens else (),
        curve=seen.curve() if question.curve else None,
    )


def _standing(engine: Engine, support: Support, patient: Columns) -> Standing | None:
    risks = support.risks
    if not risks.values and not risks.cutoffs:
        return None
    risk = float(_probability(engine, risks.month)(patient)[0])
    return Standing(
        month=risks.month,
        percentile=risks.percentile(risk),
        lowest=bool(risks.values) and risk < risks.values[0],
        highest=bool(risks.values) and risk > risks.values[-1],
        group=risks.group(risk),
        cutoffs=risks.cutoffs,
    )


def _given(card: ModelCard, inputs: Mapping[str, object]) -> tuple[Given, ...]:
    return tuple(
        Given(one.name, one.label, _value(inputs.get(one.name)), one.unit) for one in card.inputs
    )


def _filled(support: Support | None, patient: Columns) -> tuple[Filled, ...]:
    if support is None:
        return ()
    found = []
    for name, column in patient.items():
        if not is_missing(column[0]):
            continue
        value = support.fills.get(name)
        by = "the commonest of the training patients" if isinstance(value, str) else (
            "left open: the model has learned what to do without it"
            if value is None
            else "the median of the training patients"
        )  # fmt: skip
        found.append(Filled(name, value, by))
    return tuple(found)


def _contributions(engine: Engine, support: Support, patient: Columns) -> Contributions | None:
    if not patient or any(name not in support.typical for name in patient):
        return None
    month = support.risks.month
    typical = {
        name: np.array([support.typical[name]], dtype=column.dtype)
        for name, column in patient.items()
    }
    found = shares(_probability(engine, month), patient, typical)
    parts = [
        Part(
            name=name,
            label=support.labels.get(name, name),
            value=_value(patient[name][0]),
            typical=support.typical[name],
            amount=amount,
        )
        for name, amount in found.amounts.items()
    ]
    largest_first = sorted(parts, key=lambda part: -abs(part.amount))
    return Contributions(month, found.start, found.end, tuple(largest_first), found.method)


def _regimens(
    engine: Engine, patient: Columns, months: Sequence[float]
) -> tuple[UnderRegimen, ...]:
    found, support = [], engine.support
    for arm in engine.card.arms:
        under = {**patient, REGIMEN: np.array([arm], dtype=object)}
        seen = Seen.of(engine.model, None, under, months, max(months))
        found.append(
            UnderRegimen(
                regimen=arm,
                given=arm == patient[REGIMEN][0],
                horizons=seen.at(months),
                median=seen.medians[0],
                propensity=None if support is None else propensity(support, patient, arm),
                overlaps=None if support is None else overlaps(support, patient, arm),
            )
        )
    return tuple(found)


def _probability(engine: Engine, month: float) -> Probability:
    at = np.array([month])
    return lambda columns: 1 - engine.predict(columns, at)[1][:, 0]


def _value(value: object) -> float | str | None:
    if is_missing(value):
        return None
    return value if isinstance(value, str) else float(value)  # type: ignore[arg-type]
