"""What every description of data in a configuration has in common: unknown keys are named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationInfo,
    field_validator,
    model_validator,
)

from features.errors import did_you_mean


def code_text(value: Any) -> Any:
    """A code of a YAML file as text; numbers may be written without quotes.

    Raises
    ------
    ValueError
        For true and false, for null, and for an empty text, which is a missing cell.
    """
    if isinstance(value, bool):
        raise ValueError(
            f"{str(value).lower()} is a truth value and no code (readers of YAML make one of yes, "
            "no, on, off, too); put the code in quotes as the table writes it, such as 'yes'"
        )
    if value is None:
        raise ValueError("null is no code; put the word in quotes as the table writes it")
    if isinstance(value, str) and not value.strip():
        raise ValueError("an empty cell is missing and no code")
    if isinstance(value, int):
        return str(value)
    return f"{value:.15g}" if isinstance(value, float) else value


def code_texts(values: Any) -> Any:
    """One code or several, each as text."""
    return tuple(map(code_text, values if isinstance(values, list | tuple) else (values,)))


def codes_or_truths(values: Any) -> Any:
    """As `code_texts`, for columns that may hold truth values: true means TRUE, True or true."""
    each = values if isinstance(values, list | tuple) else (values,)
    # A number stays as it is written: the cell 1.0 is not the code 1.
    return tuple(
        str(v).lower() if isinstance(v, bool) else str(v) if isinstance(v, float) else code_text(v)
        for v in each
    )


def coded(mapping: Any) -> Any:
    """A mapping of codes -> anything, with its codes as text; what is no mapping stays.

    Raises
    ------
    ValueError
        As `code_text`, and where two codes are the same text.
    """
    if not isinstance(mapping, Mapping):
        return mapping
    codes = [code_text(code) for code in mapping]
    twice = sorted({str(code) for code in codes if codes.count(code) > 1})
    if twice:
        raise ValueError(f"the code {', '.join(twice)} stands twice")
    return dict(zip(codes, mapping.values(), strict=True))


Code = Annotated[str, BeforeValidator(code_text)]
Codes = Annotated[tuple[str, ...], BeforeValidator(code_texts)]


class Settings(BaseModel):
    """A frozen part of a configuration: no unknown key, and numbers that are finite numbers.

    Pydantic alone takes true for 1, and NaN and infinity for any number without limits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields.get(info.field_name or "")
        if field is not None and _holds_truth(value) and _kinds(field.annotation) <= {int, float}:
            raise ValueError("a number, not true or false")
        return value


def _kinds(annotation: Any) -> set[Any]:
    """Types of the values that an annotation takes, at its leaves; None aside."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is None or origin is Literal:
        return set() if annotation in (None, type(None), ...) else {annotation}
    if origin is Annotated:
        parts = parts[:1]
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        parts = parts[1:]
    return {kind for part in parts for kind in _kinds(part)}


def _holds_truth(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_truth, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_truth, value))
    return isinstance(value, bool)


class Spec(Settings):
    """A frozen description that names its own keys when one is unknown.

    For forms that share their place in a configuration with another form, where the keys at that
    place alone do not tell which are meant.
    """

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        if isinstance(value, dict):
            unknown = [str(key) for key in value if key not in cls.model_fields]
            if unknown:
                near = did_you_mean(unknown[0], cls.model_fields)
                raise ValueError(
                    f"unknown key {', '.join(unknown)}; {near}the keys here are "
                    + ", ".join(cls.model_fields)
                )
        return value
