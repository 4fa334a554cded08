"""An answer as one flat line of a table."""

from __future__ import annotations

from models.individual.answer import Answer, AtHorizon

Cell = float | str | None


def row_of(answer: Answer) -> dict[str, Cell]:
    """Columns of one patient: numbers as numbers; the cautions by name and, in `note`, in words.

    `event_probability_6m` with `_low` and `_high`; `..._alive_at_3m`, `..._under_LDAC` and
    `contribution_...` where they were asked for. Without limits their columns are empty.
    """
    row: dict[str, Cell] = {"row": answer.row}
    if answer.patient_id is not None:
        row = {"patient_id": answer.patient_id, "row": answer.row}
    if answer.regimen is not None:
        row["regimen"] = answer.regimen
    row["risk_score"] = answer.risk_score
    for at in answer.horizons:
        row |= _cells(at, "")
        row[f"average_probability_{at.month:g}m"] = at.average
    row["median_months"] = answer.median
    row["median_months_low"] = answer.median_low
    row["median_months_high"] = answer.median_high
    row[f"mean_months_to_{answer.until:g}m"] = answer.restricted_mean
    if answer.standing is not None:
        row["percentile"] = answer.standing.percentile
        row["risk_group"] = answer.standing.group
    if answer.alive_at is not None:
        for at in answer.alive_at.horizons:
            row |= _cells(at, f"_alive_at_{answer.alive_at.since:g}m")
    for under in answer.regimens:
        for at in under.horizons:
            row |= _cells(at, f"_under_{under.regimen}")
        row[f"propensity_{under.regimen}"] = under.propensity
    if answer.contributions is not None:
        row[f"typical_probability_{answer.contributions.month:g}m"] = answer.contributions.start
        # In the model's order, which is the same for every patient.
        for part in sorted(answer.contributions.parts, key=lambda part: part.name):
            row[f"contribution_{part.name}"] = part.amount
    row["filled"] = "; ".join(one.told for one in answer.filled)
    row["cautions"] = "; ".join(str(doubt.caution) for doubt in answer.doubts)
    row["note"] = "; ".join(doubt.text for doubt in answer.doubts)
    return row


def _cells(at: AtHorizon, suffix: str) -> dict[str, Cell]:
    name = f"event_probability_{at.month:g}m{suffix}"
    return {name: at.probability, f"{name}_low": at.low, f"{name}_high": at.high}
