"""What every kind of source can do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

import pandas as pd

# Column -> words that are codes there although they read like missing values, such as None.
Codes = Mapping[str, frozenset[str]] | None


class Readable(Protocol):
    """A description of where patients are, as a configuration holds it."""

    @property
    def name(self) -> str:
        """What a cohort is called when nobody named it."""
        ...

    def read(
        self, folder: Path, codes: Codes = None, used: Collection[str] | None = None
    ) -> pd.DataFrame:
        """Read the table.

        Parameters
        ----------
        folder : Path
            Where relative paths start: the folder of the configuration.
        codes : mapping of column -> words, optional
            What is a code there although it reads like a missing value, such as None: see
            `features.covariates.missing_words`.
        used : collection of str, optional
            Columns that are used: REDCap asks for rules of these alone.

        Returns
        -------
        DataFrame of shape (n, any)
            One row a patient for REDCap, cBioPortal and OMOP; for a file or query, the rows as
            they are. Cells are text or missing, except in Parquet, which keeps its types.

        Raises
        ------
        InputError
            When a file is missing or cannot be read, or a rule of its reader is broken.
        """
        ...
