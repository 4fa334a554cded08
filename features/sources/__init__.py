"""Where a patient table comes from, until it has one row a patient."""

from features.sources.file import FileSource
from features.sources.source import Source
from features.sources.sql import resolve_url, shown_address

__all__ = [
    "FileSource",
    "Source",
    "resolve_url",
    "shown_address",
]
