"""Which model it is: a stored model with the names by which it is told apart from every other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from models.card import ModelCard
from models.individual import Support
from models.prediction import SurvivalModel

# Of a fingerprint or a run's identifier, where a person reads it; files hold the whole.
SHORT = 12


@dataclass(frozen=True)
class Beside:
    """What is stored beside a model, for the answer to one patient.

    Attributes
    ----------
    support : Support, optional
        Summaries of the training patients; no row of one.
    refits : tuple of SurvivalModel
        The model refitted to bootstrap samples of them.
    """

    support: Support | None = None
    refits: tuple[SurvivalModel, ...] = ()

    def recalibrated(self, recalibrate: Callable[[SurvivalModel], SurvivalModel]) -> Beside:
        """The same of a model whose probabilities were moved: every refit is moved alike.

        How the training patients' probabilities would have moved is not known from summaries: they
        are left out.
        """
        refits = tuple(recalibrate(one) for one in self.refits)
        support = None if self.support is None else self.support.without_risks()
        return replace(self, support=support, refits=refits)


@dataclass(frozen=True)
class StoredModel:
    """A model, its card, and its address, resolved once.

    Attributes
    ----------
    model : SurvivalModel
    card : ModelCard
    uri : str
        `models:/NAME/VERSION` where it is registered, whatever alias it was asked for by, so that a
        promotion meanwhile changes nothing; else as it was asked for.
    asked : str
        The address as it was given.
    name, version, run_id : str
        In the registry; empty for a folder.
    beside : Beside
        Its refits are there where they were asked for.
    """

    model: SurvivalModel
    card: ModelCard
    uri: str
    asked: str
    name: str = ""
    version: str = ""
    run_id: str = ""
    beside: Beside = Beside()
    digest: str = ""

    @property
    def data_fingerprint(self) -> str:
        """Fingerprint of the patients it was trained on."""
        return str(self.card.training.get("data_fingerprint", ""))

    @property
    def identity(self) -> dict[str, str]:
        """What files and programs are told of which model it is."""
        return {
            "model": self.uri,
            "model_asked_for": self.asked,
            "model_version": self.version,
            "model_run_id": self.run_id,
            "model_data_fingerprint": self.data_fingerprint,
        }

    @property
    def told(self) -> str:
        """What a person is told of which model it is."""
        asked = "" if self.asked == self.uri else f" (asked for as {self.asked})"
        run = f", run {self.run_id}" if self.run_id else ""
        made = self.card.recalibration
        data = f"trained on data {self.data_fingerprint[:SHORT] or '?'}"
        if made:
            data += f", recalibrated on data {str(made.get('data_fingerprint', '?'))[:SHORT]}"
        return f"{self.uri}{asked}{run}, {data}"
