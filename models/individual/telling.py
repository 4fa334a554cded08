"""An answer in words, as a person reads it: what is doubtful first, then the figures."""

from __future__ import annotations

from collections.abc import Iterator

from models.individual.answer import ONE_MODEL, Answer, AtHorizon
from models.individual.words import percent, points

# Of the contributions; the others are told together.
MOST_PARTS = 8


def told(answer: Answer) -> Iterator[str]:
    """Lines about one patient, without any markup."""
    yield _whom(answer)
    for doubt in answer.doubts:
        yield f"  caution: {doubt.text}"
    for at in answer.horizons:
        yield _line(f"{answer.event} by {at.month:g} months", at)
    if answer.alive_at is not None:
        since = answer.alive_at.since
        for at in answer.alive_at.horizons:
            yield _line(f"by {at.month:g} months, given alive at {since:g}", at)
    yield f"  median {_median(answer)}"
    yield (
        f"  mean time without {answer.event}, of the first {answer.until:g} months: "
        f"{answer.restricted_mean:.1f} months"
    )
    if answer.standing is not None and answer.standing.told:
        yield f"  risk at {answer.standing.month:g} months: {answer.standing.told}"
    yield from _regimens(answer)
    yield from _contributions(answer)
    for one in answer.filled:
        yield f"  missing: {one.told}"
    if answer.interval is not None:
        yield f"  in brackets: {answer.interval.name}. {answer.interval.told}"


def _whom(answer: Answer) -> str:
    name = f"row {answer.row}" if answer.patient_id is None else answer.patient_id
    known = [f"{one.label} {one.told}" for one in answer.inputs if one.value is not None]
    regimen = [] if answer.regimen is None else [f"regimen {answer.regimen}"]
    return f"Patient {name}: {'; '.join([*known, *regimen])}"


def _line(what: str, at: AtHorizon) -> str:
    beside = "" if at.average is None else f", training average {percent(at.average)}"
    return f"  {what}: {at.told}{beside}"


def _median(answer: Answer) -> str:
    if answer.median is None:
        return f"time to {answer.event} is not reached within the follow-up"
    low, high = answer.median_low, answer.median_high
    limits = ""
    if low is not None:
        limits = f" ({low:.1f} to {'not reached' if high is None else f'{high:.1f}'})"
    return f"time to {answer.event}: {answer.median:.1f} months{limits}"


def _regimens(answer: Answer) -> Iterator[str]:
    for under in answer.regimens:
        parts = [f"{percent(at.probability)} by {at.month:g}" for at in under.horizons]
        given = " (given)" if under.given else ""
        like = (
            ""
            if under.propensity is None
            else f"; {percent(under.propensity)} of training patients like this one received it"
        )
        yield f"  under {under.regimen}{given}: {', '.join(parts)} months{like}"
    if answer.regimens:
        yield f"  {ONE_MODEL}"


def _contributions(answer: Answer) -> Iterator[str]:
    found = answer.contributions
    if found is None:
        return
    yield f"  {answer.event} by {found.month:g} months, from a typical patient to this one:"
    yield f"    typical patient {percent(found.start)}"
    for part in found.parts[:MOST_PARTS]:
        value, typical = _value(part.value), _value(part.typical)
        yield f"    {part.label} {value} (typical {typical}): {points(part.amount)}"
    rest = found.parts[MOST_PARTS:]
    if rest:
        yield f"    {len(rest)} others: {points(sum(part.amount for part in rest))}"
    yield f"    this patient {percent(found.end)}"


def _value(value: float | str | None) -> str:
    if value is None:
        return "unknown"
    return value if isinstance(value, str) else f"{value:g}"
