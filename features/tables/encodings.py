"""Bytes of a text file into UTF-8, by the encoding that was stated; a wrong one is refused."""

from __future__ import annotations

import codecs
import re
import unicodedata

from features.errors import InputError, Problem
from features.tables.table_format import UTF_8

HEAD_BYTES = 1 << 20
UTF8_REMEDY = "save it again as CSV with UTF-8 encoding, or as Parquet"
NOT_TEXT = {
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "give it its own ending, such as .xlsx"),
    b"\xd0\xcf\x11\xe0": ("an Excel 97-2003 or encrypted workbook", UTF8_REMEDY),
    b"\x1f\x8b": ("a gzip archive", "unpack it and give the file inside"),
    b"PAR1": ("a Parquet file", "give it the ending .parquet"),
    b"%PDF": ("a PDF", "export the table itself as CSV"),
}
BOMS = (b"\xff\xfe", b"\xfe\xff")
IS_UTF8 = "it is UTF-8: state no encoding, or utf-8"
ASIAN = ("gb", "big5", "shift_jis", "cp932", "euc", "cp949")


def as_utf8(data: bytes, where: str, encoding: str = UTF_8) -> bytes:
    """Bring text to UTF-8 without byte order mark.

    Parameters
    ----------
    data : bytes
    where : str
        What an error calls the file.
    encoding : str
        One of `features.tables.table_format.ENCODINGS`.

    Raises
    ------
    InputError
        When the bytes are no such text. A declared encoding that any bytes would fit is checked
        against what it would hide: UTF-8, and control characters that no person types.
    """
    if encoding == UTF_8:
        return check_text(data, where)
    _check_not_text(data, where)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _wrong(
            f"{where}, line {_line(data, error.start)}",
            IS_UTF8
            if _is_utf8(data, encoding)
            else f"byte {error.start + 1} is no character of {encoding}",
            encoding,
        ) from error
    _check_declared(data, text, where, encoding)
    return check_text(text.removeprefix("\ufeff").encode("utf-8"), where)


def _check_declared(data: bytes, text: str, where: str, encoding: str) -> None:
    if encoding.startswith("utf-"):
        # Any bytes of an even number are UTF-16; but every table has digits, commas or blanks.
        if sum(map(text[:HEAD_BYTES].count, "0123456789,;\t\n ")) * 50 < len(text[:HEAD_BYTES]):
            raise _wrong(where, "hardly any digit, separator or line break", encoding)
        return
    if data.isascii():
        return
    if data.startswith(BOMS) or b"\0" in data[:HEAD_BYTES]:
        raise _wrong(where, "it looks like UTF-16", encoding)
    if _is_utf8(data, encoding):
        raise _wrong(where, IS_UTF8, encoding)
    odd = re.search("[\x80-\x9f]", text)
    if odd:
        at = len(text[: odd.start()].encode(encoding))
        raise _wrong(
            f"{where}, line {_line(data, at)}",
            f"byte {at + 1} would be a control character: it may be windows-1252",
            encoding,
        )


def _is_utf8(data: bytes, encoding: str) -> bool:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    if not encoding.startswith(ASIAN):
        return True
    # A few pairs of GB18030 may be UTF-8 by chance, but then letters of Greek or Arabic.
    letters = [c for c in text[:HEAD_BYTES] if not c.isascii()]
    return all(unicodedata.east_asian_width(c) in "WF" for c in letters)


def _wrong(where: str, got: str, encoding: str) -> InputError:
    return InputError(
        Problem(
            what=f"The table is not {encoding} text",
            where=where,
            got=got,
            remedy="correct `encoding`, or save the table again as CSV with UTF-8 encoding",
        )
    )


def _check_not_text(data: bytes, where: str) -> None:
    for start, (kind, remedy) in NOT_TEXT.items():
        if data.startswith(start):
            raise InputError(
                Problem(what="The table is not text", where=where, got=kind, remedy=remedy)
            )


def check_text(data: bytes, where: str) -> bytes:
    """Raise unless the bytes are UTF-8 text without NUL; return them without byte order mark."""
    _check_not_text(data, where)
    if data.startswith(BOMS):
        raise _not_utf8(
            where,
            "UTF-16 (its first two bytes say so)",
            f"state `encoding: utf-16`, or {UTF8_REMEDY}",
        )
    data = data.removeprefix(b"\xef\xbb\xbf")
    nul = data.find(b"\0")
    if nul >= 0:
        if data[:HEAD_BYTES].count(b"\0") * 3 > len(data[:HEAD_BYTES]):
            known = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
            raise _not_utf8(
                where,
                "UTF-16 (every other byte is zero)",
                f"state `encoding: {known}`, or {UTF8_REMEDY}",
            )
        raise InputError(
            Problem(
                what="The table holds a zero byte",
                where=f"{where}, line {_line(data, nul)}",
                got=f"byte {nul + 1} is zero, which no text contains",
                remedy="export the table again; the file is damaged or not text",
            )
        )
    _check_utf8(data, where)
    start = data[:512].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<table", b"<?xml", b"<meta")):
        raise InputError(
            Problem(
                what="The table is a web page or XML, not a table of text",
                where=where,
                got=start[:20].decode("utf-8", "replace").splitlines()[0],
                remedy="open it in a spreadsheet and save it as CSV UTF-8; a download that needs "
                "a login often gives such a page",
            )
        )
    return data


def _check_utf8(data: bytes, where: str) -> None:
    if data.isascii():
        return
    # In pieces: one emoji would make text of a whole file four times as large as its bytes.
    decoder = codecs.getincrementaldecoder("utf-8")()
    for at in range(0, len(data), HEAD_BYTES):
        kept = len(decoder.getstate()[0])
        try:
            decoder.decode(data[at : at + HEAD_BYTES], final=at + HEAD_BYTES >= len(data))
        except UnicodeDecodeError as error:
            wrong = at - kept + error.start
            likely, encoding = _likely_encoding(data)
            raise _not_utf8(
                f"{where}, line {_line(data, wrong)}",
                f"byte {wrong + 1} cannot be decoded",
                f"it looks like {likely}: state `encoding: {encoding}` if it is, or {UTF8_REMEDY}",
            ) from error


def _not_utf8(where: str, got: str, remedy: str) -> InputError:
    return InputError(
        Problem(what="The table is not UTF-8 text", where=where, got=got, remedy=remedy)
    )


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def _likely_encoding(data: bytes) -> tuple[str, str]:
    western = ("Windows-1252 or Latin-1 (Western Europe)", "windows-1252")
    # GB2312 characters are pairs of bytes from A1 up; Western text has single accented letters,
    # and even two of them stand inside a word.
    try:
        data.decode("gb2312")
    except UnicodeDecodeError:
        return western
    inside_a_word = re.search(rb"[A-Za-z][\x80-\xff]+[A-Za-z]", data)
    return western if inside_a_word else ("GB18030 or GBK (Chinese Windows)", "gb18030")
