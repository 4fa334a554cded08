"""A file with one row a patient."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal

import pandas as pd

from features.sources.kind import Codes
from features.tables import TableFormat, read_table


class FileSource(TableFormat):
    """A file with one row a patient.

    Attributes
    ----------
    path : str
        CSV, other separated text, Parquet, JSON or Excel.
    separator, decimal, encoding, sheet, missing
        As for every `TableFormat`.
    """

    kind: Literal["file"] = "file"
    path: str

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(self.path).stem

    def read(
        self, folder: Path, codes: Codes = None, used: Collection[str] | None = None
    ) -> pd.DataFrame:
        """The rows as they are."""
        return read_table(folder / self.path, form=self, codes=codes)
