"""The options that every adversarial method has."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from torch import nn

from phys_gan.networks import Conditioning, HeadConfig
from phys_gan.networks.spectral import normalise_spectrally
from phys_gan.objectives import LOSSES
from phys_gan.training.penalties import Penalties
from phys_gan.training.section import Section
from phys_gan.training.techniques import Techniques

__all__ = ["GameConfig", "LossName"]


def _known(name: str) -> str:
    """Require the name of a loss, also of one that a user has added to the table."""
    if name not in LOSSES:
        raise ValueError(f"should be one of {', '.join(map(repr, LOSSES))}")
    return name


LossName = Annotated[str, AfterValidator(_known)]
_CONDITIONING = {
    "concatenation": "mirza2014cgan",
    "projection": "miyato2018projection",
    "auxiliary": "odena2016acgan",
}


class GameConfig(Section):
    """How a generator and a discriminator learn from each other.

    Attributes:
        loss: The adversarial loss, of :data:`phys_gan.objectives.LOSSES`.
        conditioning: How conditions enter the discriminator; any of "concatenation", "projection"
            and "auxiliary".
        auxiliary_weight: Weight of the squared error of conditions that are read from events.
        discriminator_steps: Steps of the discriminator, each with its own batch, for one turn of
            the generator.
        generator_steps: Steps of the generator in its turn.
        penalties: Penalties on the discriminator.
        techniques: Techniques.
    """

    loss: LossName = "non-saturating"
    conditioning: tuple[Conditioning, ...] = ("concatenation", "projection")
    auxiliary_weight: float = Field(default=1.0, gt=0)
    discriminator_steps: int = Field(default=1, ge=1)
    generator_steps: int = Field(default=1, ge=1)
    penalties: Penalties = Penalties()
    techniques: Techniques = Techniques()

    @property
    def references(self) -> tuple[str, ...]:
        """The loss, and how conditions enter."""
        return (LOSSES[self.loss].reference, *(_CONDITIONING[name] for name in self.conditioning))

    @property
    def historical_weight(self) -> float:
        """Weight of historical averaging in both losses; 0 without."""
        historical = self.techniques.historical_averaging
        return 0.0 if historical is None else historical.weight

    def turns(self, step: int) -> int:
        """Return how many steps the generator takes after this step of the discriminator."""
        return 0 if step % self.discriminator_steps else self.generator_steps

    def prepare(self, *generators: nn.Module) -> None:
        """Normalise generators spectrally where that is asked for."""
        spectral = self.techniques.spectral
        if spectral is not None and spectral.generator:
            for generator in generators:
                normalise_spectrally(generator)

    def head(self) -> HeadConfig:
        """Return what this game asks of the head of its discriminator."""
        minibatch, packing = self.techniques.minibatch, self.techniques.packing
        return HeadConfig(
            conditioning=self.conditioning,
            minibatch="none" if minibatch is None else minibatch.kind,
            n_minibatch=16 if minibatch is None else minibatch.features,
            pack=1 if packing is None else packing.m,
        )
