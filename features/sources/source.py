"""The kinds of sources that a configuration may name; a new one is a file and a word here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from features.sources.cbioportal import CbioportalSource
from features.sources.file import FileSource
from features.sources.omop import OmopSource
from features.sources.redcap import RedcapSource
from features.sources.sql import SqlSource

Source = Annotated[
    FileSource | RedcapSource | CbioportalSource | SqlSource | OmopSource,
    Field(discriminator="kind"),
]
