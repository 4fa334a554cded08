"""Which words a configuration uses as codes, by column: such a word is no missing cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from features.cohort import CohortColumns
from features.covariates import Covariate, merged
from features.endpoints import AnyEndpoint, DatedEndpoint, EfsEln2022, Endpoint
from features.guard import Guard
from features.inclusion import InclusionRule
from features.regimens import DRUG_NAMES, DrugRecords, LongRecords, RegimenColumn

Codes = Mapping[str, Iterable[str]]


def used_codes(
    columns: CohortColumns,
    dictionary: Mapping[str, Covariate],
    inclusion: Sequence[InclusionRule] = (),
    guard: Guard | None = None,
) -> dict[str, frozenset[str]]:
    """Codes of the patient table.

    Parameters
    ----------
    columns : CohortColumns
    dictionary : mapping of name -> Covariate
        A category's vocabulary is looked for in the column of its name when no other is mapped.
    inclusion : sequence of InclusionRule
    guard : Guard, optional

    Returns
    -------
    dict of column -> codes
    """
    parts: list[Codes] = [_covariate(c, columns) for c in dictionary.values()]
    parts += [part for endpoint in columns.endpoints.values() for part in _endpoint(endpoint)]
    if isinstance(columns.regimen, RegimenColumn):
        parts.append(regimen_codes(columns.regimen))
    if columns.response is not None:
        response = columns.response
        parts.append({response.column: (*response.responders, *response.non_responders)})
    conditions = (condition for rule in inclusion for condition in rule.conditions)
    parts += [{c.column: (*c.one_of, *c.not_one_of)} for c in conditions]
    for happened in () if guard is None else (guard.stage, guard.remission, guard.relapse):
        if happened is not None:
            parts.append({happened.column: happened.values})
    return merged(parts)


def drug_codes(regimen: DrugRecords, source: LongRecords) -> dict[str, frozenset[str]]:
    """Codes of the long drug table: names of drugs, and routes."""
    drugs = {*regimen.wanted, *source.names}
    names = [
        n for drug in drugs for n in (drug, *DRUG_NAMES.get(drug, ()), *source.names.get(drug, ()))
    ]
    parts: list[Codes] = [{source.drug: names}]
    if source.route:
        parts.append({source.route: regimen.low_dose_routes})
    return merged(parts)


def regimen_codes(source: RegimenColumn) -> Codes:
    """Codes of a regimen column; a regimen's own name is one, too."""
    return {source.column: (*source.values, *source.arms)}


def _covariate(covariate: Covariate, columns: CohortColumns) -> Codes:
    source = columns.covariates.get(covariate.name)
    if source is None:
        return {covariate.name: covariate.vocabulary}
    return {source.column: tuple(source.values) or covariate.vocabulary}


def _endpoint(endpoint: AnyEndpoint) -> Iterator[Codes]:
    if isinstance(endpoint, Endpoint):
        codes = (endpoint.event_values, endpoint.censored_values, endpoint.competing_values)
        yield {endpoint.event: [code for each in codes for code in each]}
        yield endpoint.population
        if endpoint.death is not None and endpoint.death.event:
            own = endpoint.death
            yield {own.event: (*own.event_values, *own.censored_values)}
    elif isinstance(endpoint, EfsEln2022):
        yield {endpoint.response: [code for codes in endpoint.codes.values() for code in codes]}
    elif isinstance(endpoint, DatedEndpoint):
        yield endpoint.population
        for kind in (endpoint.events, endpoint.competing, endpoint.censors, endpoint.censor_at):
            yield from (source.when for source in kind)
