"""From drug records to regimens: venetoclax and what was started with it, as rules in data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field, field_validator, model_validator

from features.covariates import Code, Codes, code_text, code_texts
from features.errors import InputError, Problem, did_you_mean
from features.regimens.column import reference_first
from features.regimens.drug_tables import (
    DRUG_NAMES,
    NEVER,
    LongRecords,
    Records,
    WideRecords,
    read_long,
    read_wide,
)
from features.specs import Spec

if TYPE_CHECKING:
    import pandas as pd

# Low-dose cytarabine with venetoclax is 20 mg/m2 once daily (Wei, Blood 2020;135:2137); older
# schedules give it twice.
LOW_DOSE = {"cytarabine": 40.0}
COMPANIONS = {"HMA": ("azacitidine", "decitabine"), "LDAC": ("cytarabine",)}
EXCLUDE, FIRST = "exclude", "first"
_LATE = np.iinfo(np.int64).max


class DrugRecords(Spec):
    """How a regimen follows from drug records.

    The index date is the first dose of venetoclax (`index`). The regimen is the arm whose drug was
    started within `window_days` of it, or was already running and not stopped before it. What is
    started later is a switch: the patient stays in the first regimen (intention to treat).

    Attributes
    ----------
    drugs : LongRecords or WideRecords
        With `path`, a table of its own; with `columns`, columns of the patient table.
    index : str
        The drug that everybody must have received. Without it a patient is not eligible.
    companions : mapping of arm -> drugs
        Any one of its drugs, with venetoclax, makes the arm.
    reference_arm : str
    window_days : (int, int)
        First and last day, from the index date, on which a companion may start.
    low_dose : mapping of drug -> highest daily dose, in the records' unit
        Such a drug counts at this dose or below; without a dose, given by one of
        `low_dose_routes`. Above it, or where neither is known, the regimen is none of the arms.
    both : 'exclude', 'first' or the name of an arm
        For companions of two arms within the window: not eligible; the one started first (on the
        same day: not eligible); or an arm of their own.
    alone : 'exclude' or the name of an arm
        For venetoclax without any companion in the window.
    """

    drugs: LongRecords | WideRecords
    index: str = "venetoclax"
    companions: dict[str, Codes] = Field(default=COMPANIONS)
    reference_arm: Code
    window_days: tuple[int, int] = (-7, 28)
    low_dose: dict[str, Annotated[float, Field(gt=0)]] = Field(default=LOW_DOSE)
    low_dose_routes: Codes = ("low-dose", "low dose", "subcutaneous", "sc", "s.c.")
    both: Code = EXCLUDE
    alone: Code = EXCLUDE

    @field_validator("drugs", mode="before")
    @classmethod
    def _long_or_wide(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return (WideRecords if "columns" in value else LongRecords).model_validate(value)
        return value

    @field_validator("companions", mode="before")
    @classmethod
    def _as_text(cls, companions: Any) -> Any:
        if not isinstance(companions, dict):
            return companions
        return {code_text(arm): code_texts(drugs) for arm, drugs in companions.items()}

    @model_validator(mode="after")
    def _consistent(self) -> DrugRecords:
        _check_arms(self)
        _check_drugs(self)
        _check_doses(self)
        return self

    @property
    def arms(self) -> tuple[str, ...]:
        """Every arm, the reference arm first."""
        own = [name for name in (self.both, self.alone) if name not in (EXCLUDE, FIRST)]
        return reference_first([*self.companions, *own], self.reference_arm)

    @property
    def wanted(self) -> list[str]:
        """Every drug that the rules ask for, the index drug first."""
        return [self.index, *self.arm_of]

    @property
    def arm_of(self) -> dict[str, int]:
        """Drug -> number of its arm."""
        return {drug: at for at, drugs in enumerate(self.companions.values()) for drug in drugs}


@dataclass(frozen=True)
class RegimenAssignment:
    """The regimen of n patients, and why.

    Attributes
    ----------
    regimen : ndarray of shape (n,), object
        None where the patient is not eligible.
    reason : ndarray of shape (n,), object
    switched : ndarray of shape (n,), bool
        A drug of another arm was started after the window.
    index_date : ndarray of shape (n,), datetime64[D], or None
        First dose of the index drug; None with flags.
    """

    regimen: np.ndarray
    reason: np.ndarray
    switched: np.ndarray
    index_date: np.ndarray | None

    @property
    def eligible(self) -> np.ndarray:
        """Who has a regimen, shape (n,), bool."""
        return _placed(self.regimen)

    @property
    def counts(self) -> pd.DataFrame:
        """Patients by regimen (empty: not eligible), reason and whether they switched later."""
        import pandas as pd

        rows = pd.DataFrame(
            {
                "regimen": pd.Series(self.regimen, dtype=object).fillna(""),
                "reason": self.reason,
                "switched": self.switched,
            }
        )
        sizes = rows.groupby(["regimen", "reason", "switched"], sort=True).size()
        return sizes.rename("patients").reset_index()


def derive_regimens(
    table: pd.DataFrame,
    source: DrugRecords,
    drugs: pd.DataFrame | None = None,
    patient_id: str | None = None,
    *,
    every_arm: bool = True,
) -> RegimenAssignment:
    """Derive the regimen of every patient from drug records.

    Parameters
    ----------
    table : DataFrame of shape (n, any)
        The patients.
    drugs : DataFrame, optional
        The long table that `source.drugs.path` names.
    patient_id : str, optional
        Column of `table`; needed with a long table.
    every_arm : bool
        Whether an arm without a patient is an error, as it is in a cohort; a few new patients need
        not be of every arm.

    Raises
    ------
    InputError
        When a column is absent, a date or dose cannot be read, a drug's name only resembles a known
        one, nobody received the index drug, or an arm has no patient.
    """
    table = table.reset_index(drop=True)
    if isinstance(source.drugs, WideRecords):
        records = read_wide(table, source.drugs, source.wanted)
    elif drugs is None or patient_id is None:
        raise InputError(
            Problem(
                what="Drug records cannot be joined to the patients",
                where="cohort.columns.regimen.drugs",
                got="no patient_id" if patient_id is None else "no drug table",
                remedy="state `patient_id:` under cohort.columns: the drug table has the same "
                "identifiers",
            )
        )
    else:
        records = read_long(table, drugs, source.drugs, patient_id, source.wanted)
    assignment = _assign(len(table), records, source)
    if every_arm:
        _check_found(assignment, source)
    return assignment


def _assign(n: int, records: Records, source: DrugRecords) -> RegimenAssignment:
    import pandas as pd

    dated = not (isinstance(source.drugs, WideRecords) and source.drugs.holds == "flag")
    first, last = source.window_days
    is_index = records.drug == 0
    eligible = np.zeros(n, dtype=bool)
    eligible[records.patient[is_index]] = True
    # The index date: the first dose of venetoclax.
    index = np.full(n, _LATE)
    np.minimum.at(index, records.patient[is_index], records.start[is_index])

    # Companions of patients on venetoclax.
    companion = ~is_index & eligible[records.patient]
    patient, start, stop, dose, route, drug = (
        part[companion]
        for part in (records.patient, records.start, records.stop, records.dose, records.route,
                     records.drug)
    )  # fmt: skip
    arm = np.array([-1, *source.arm_of.values()])[drug]
    if dated:
        offset = start - index[patient]
        # Started within the window, or already running when venetoclax was started.
        running = (offset < first) & (stop != NEVER) & (stop >= index[patient])
        together = ((offset >= first) & (offset <= last)) | running
        later = offset > last
    else:
        together, later = np.ones(len(patient), dtype=bool), np.zeros(len(patient), dtype=bool)

    # Cytarabine counts at a low dose; without a dose, by a route that only low doses take.
    limit = np.array([source.low_dose.get(name, np.nan) for name in source.wanted])[drug]
    routes = [name.lower() for name in source.low_dose_routes]
    low_route = pd.Series(route, dtype=object).isin(routes).to_numpy()
    limited = ~np.isnan(limit)
    too_high = limited & (dose > limit)
    unproven = limited & np.isnan(dose) & ~low_route
    counts = ~too_high & ~unproven

    k = len(source.companions)
    began = np.full((n, k), _LATE)
    chosen = together & counts
    np.minimum.at(began, (patient[chosen], arm[chosen]), start[chosen])
    has = np.zeros((n, k), dtype=bool)
    has[patient[chosen], arm[chosen]] = True
    afterwards = np.zeros((n, k), dtype=bool)
    afterwards[patient[later & counts], arm[later & counts]] = True
    high, unknown = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    high[patient[together & too_high]] = True
    unknown[patient[together & unproven]] = True

    return _decide(
        source, eligible, has, began, afterwards, (high, unknown), index if dated else None
    )


def _decide(
    source: DrugRecords,
    eligible: np.ndarray,
    has: np.ndarray,
    began: np.ndarray,
    afterwards: np.ndarray,
    dose: tuple[np.ndarray, np.ndarray],
    index: np.ndarray | None,
) -> RegimenAssignment:
    n = len(eligible)
    names = np.array(list(source.companions), dtype=object)
    number, only = has.sum(axis=1), has.argmax(axis=1)
    earliest = began.argmin(axis=1)
    tied = (began == began.min(axis=1, keepdims=True)).sum(axis=1) > 1
    high, unknown = dose
    none = np.full(n, None, dtype=object)
    limited = "/".join(source.low_dose)
    # Each rule: who, the regimen, the reason. The first that holds decides.
    several = eligible & (number > 1)
    alone = eligible & (number == 0)
    rules: list[tuple[np.ndarray, Any, Any]] = [
        # Without venetoclax a patient is not of this cohort.
        (~eligible, none, f"no {source.index}"),
        # Intensive cytarabine, alone or beside a hypomethylating agent, is none of the arms.
        (high, none, f"{limited} above the low dose"),
        # Cytarabine of unknown dose may be intensive: nothing is assumed.
        (unknown, none, f"{limited} of unknown dose"),
        # One companion in the window: its arm.
        (eligible & (number == 1), names[only],
         np.array([f"{source.index} with {name}" for name in names], dtype=object)[only]),
    ]  # fmt: skip
    # Companions of two arms in the window.
    if source.both == FIRST:
        # Two that start on the same day have no order.
        rules.append((several & tied, none, "two arms' drugs started on the same day"))
        firsts = np.array([f"two arms' drugs, {name} first" for name in names], dtype=object)
        rules.append((several, names[earliest], firsts[earliest]))
    else:
        own = none if source.both == EXCLUDE else np.full(n, source.both, dtype=object)
        rules.append((several, own, "two arms' drugs within the window"))
    # Venetoclax alone, whatever was started after the window.
    own = none if source.alone == EXCLUDE else np.full(n, source.alone, dtype=object)
    rules.append((alone, own, f"{source.index} alone"))

    who = [condition for condition, _, _ in rules]
    regimen = np.select(who, [value for _, value, _ in rules], default=none)
    reason = np.select(
        who, [np.broadcast_to(np.asarray(text, dtype=object), n) for _, _, text in rules],
        default=none,
    )  # fmt: skip
    # A switch: a drug of another arm started after the window. The first regimen is kept.
    placed = _placed(regimen)
    switched = placed & (afterwards & ~has).any(axis=1)
    days = None if index is None else np.where(eligible, index, NEVER).astype("datetime64[D]")
    return RegimenAssignment(regimen, reason, switched, days)


def _placed(regimen: np.ndarray) -> np.ndarray:
    import pandas as pd

    return pd.Series(regimen, dtype=object).notna().to_numpy(dtype=bool)


def _check_found(assignment: RegimenAssignment, source: DrugRecords) -> None:
    counts = assignment.counts
    sizes = counts.groupby("regimen")["patients"].sum()
    empty = [arm for arm in source.arms if arm not in sizes.index]
    if empty:
        found = "; ".join(f"{row.reason}: {row.patients}" for row in counts.itertuples())
        raise InputError(
            Problem(
                what="An arm has no patient",
                where="cohort.columns.regimen",
                got=", ".join(empty),
                allowed=found,
                remedy="check the drugs' names and doses, the window, and the arms",
            )
        )


def _check_arms(source: DrugRecords) -> None:
    drugs = [drug for drugs in source.companions.values() for drug in drugs]
    twice = sorted({drug for drug in drugs if drugs.count(drug) > 1})
    if twice or source.index in drugs or not all(source.companions.values()):
        raise ValueError(
            f"each arm under `companions` needs drugs of its own, beside {source.index}"
            + (f"; named twice: {', '.join(twice)}" if twice else "")
        )
    reserved = {EXCLUDE, FIRST} & set(source.companions)
    if reserved:
        raise ValueError(f"an arm cannot be called {reserved.pop()}")
    if source.alone == FIRST or {source.both, source.alone} & set(source.companions):
        raise ValueError(
            f"`both` is {EXCLUDE}, {FIRST} or a new arm's name, `alone` {EXCLUDE} or a new arm's "
            "name: neither joins one of `companions`"
        )
    own = {source.both, source.alone} - {EXCLUDE, FIRST}
    known = [*source.companions, *sorted(own)]
    if source.reference_arm not in known:
        raise ValueError(f"{source.reference_arm!r} is not among the regimens {known}")
    if len(known) < 2:
        raise ValueError(f"a comparison needs two arms or more, not {known}")
    first, last = source.window_days
    if first > 0 or last < 0:
        raise ValueError("window_days runs from 0 or a day before to 0 or a later one: [-7, 28]")


def _check_drugs(source: DrugRecords) -> None:
    wanted = source.wanted
    if isinstance(source.drugs, LongRecords):
        known = {*DRUG_NAMES, *source.drugs.names}
        unknown = [drug for drug in wanted if drug not in known]
        if unknown:
            raise ValueError(
                f"no name is known for {', '.join(unknown)}; {did_you_mean(unknown[0], known)}"
                "state how the drug table writes it under `drugs.names`"
            )
        return
    stray = [drug for drug in source.drugs.columns if drug not in wanted]
    if stray:
        raise ValueError(
            f"`drugs.columns` names {', '.join(stray)}, which is neither {source.index} nor of an "
            f"arm; {did_you_mean(stray[0], wanted)}the drugs are {', '.join(wanted)}"
        )
    bare = [
        arm
        for arm, drugs in source.companions.items()
        if not set(drugs) & set(source.drugs.columns)
    ]
    if bare or source.index not in source.drugs.columns:
        raise ValueError(f"`drugs.columns` has no column for {', '.join(bare) or source.index}")
    if source.drugs.holds == "flag" and source.both == FIRST:
        raise ValueError(f"`both: {FIRST}` needs dates; flags do not say which drug came first")


def _check_doses(source: DrugRecords) -> None:
    limited = [drug for drug in source.arm_of if drug in source.low_dose]
    records = source.drugs
    if isinstance(records, LongRecords):
        has_dose, proven = bool(records.dose), bool(records.dose or records.route)
    else:
        has_dose = bool(records.doses)
        limited = [drug for drug in limited if drug in records.columns]
        proven = set(limited) <= set(records.doses)
    if limited and not proven:
        raise ValueError(
            f"nothing says whether {', '.join(limited)} was low-dose: state the column of its dose "
            "(or route), or `low_dose: {}` if your records hold low-dose courses alone"
        )
    if has_dose and not records.dose_unit:
        raise ValueError("state `drugs.dose_unit`, mg/m2 or mg a day")
    if limited and records.dose_unit == "mg" and "low_dose" not in source.model_fields_set:
        raise ValueError(
            "the default limit of low-dose cytarabine is in mg/m2; with doses in mg state your "
            "own, such as `low_dose: {cytarabine: 80}`"
        )
