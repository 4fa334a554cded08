"""How a file of patients is written: separator, decimal mark, encoding, sheet, missing words."""

from __future__ import annotations

import codecs
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from features.covariates import Codes
from features.errors import did_you_mean

UTF_8 = "utf-8"
# What hospitals' programs write. Others are left out: some of Python's codecs (utf-7, idna) turn
# any bytes into text, so that a wrong one would go unnoticed.
ENCODINGS = (
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "ascii", "cp1250", "cp1251", "cp1252",
    "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp437", "cp850", "cp852", "cp866",
    "iso8859-1", "iso8859-2", "iso8859-3", "iso8859-4", "iso8859-5", "iso8859-7", "iso8859-8",
    "iso8859-9", "iso8859-10", "iso8859-13", "iso8859-14", "iso8859-15", "iso8859-16", "mac-roman",
    "koi8-r", "koi8-u", "gb18030", "gbk", "gb2312", "big5", "big5hkscs", "shift_jis", "cp932",
    "euc_jp", "euc_kr", "cp949",
)  # fmt: skip
NAMED_SEPARATORS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}


def _separator(value: Any) -> Any:
    if not isinstance(value, str) or not value:
        return value
    mark = NAMED_SEPARATORS.get(value.strip().lower(), value)
    if len(mark) != 1 or not mark.isascii() or mark.isalnum() or mark in "\"'.-+\r\n\0\\":
        raise ValueError('one mark, such as ";", ",", "|" or "tab"')
    return mark


def _encoding(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        name = codecs.lookup(value).name
    except (LookupError, ValueError):
        name = ""
    # utf-8-sig differs by the byte order mark alone, which is dropped anyway.
    name = UTF_8 if name == "utf-8-sig" else name
    if name not in ENCODINGS:
        raise ValueError(
            f"not a known encoding; {did_you_mean(value.lower(), ENCODINGS)}such as utf-8, "
            "windows-1252, latin-1, gb18030 or utf-16"
        )
    return name


def _distinct(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in words if word.strip()))


Separator = Annotated[str, BeforeValidator(_separator)]
Encoding = Annotated[str, BeforeValidator(_encoding)]
MissingList = Annotated[Codes, AfterValidator(_distinct)]


class TableFormat(BaseModel):
    """How a table's file is written. What is not stated is not guessed.

    Attributes
    ----------
    separator : str
        Of text files: one mark, or the word tab. Empty: a comma in .csv, a tab in .tsv, the only
        possible one in .txt.
    decimal : {'.', ','}
        The decimal mark of numbers that are written as text. Text and dates stay as they are;
        thousands marks are refused.
    encoding : str
        Of text and JSON files.
    sheet : str, optional
        Of an Excel workbook; needed when several sheets hold cells.
    missing : tuple of str
        Words that mean missing in any column, beside an empty cell and
        `features.covariates.missing_words.MISSING_WORDS`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    separator: Separator = ""
    decimal: Literal[".", ","] = "."
    encoding: Encoding = UTF_8
    sheet: str | None = None
    missing: MissingList = ()

    @property
    def stated(self) -> dict[str, Any]:
        """What differs from the default, of these keys alone."""
        default = TableFormat()
        return {
            key: getattr(self, key)
            for key in TableFormat.model_fields
            if getattr(self, key) != getattr(default, key)
        }
