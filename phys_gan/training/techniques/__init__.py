"""Techniques against what goes wrong in adversarial training: small, each with its own options.

Two time scales, the averaged generator and the end by a physics metric belong to every schedule
(:class:`~phys_gan.training.schedule.TrainingConfig`); virtual batch normalisation to a network
(:class:`~phys_gan.networks.MlpConfig`).
"""

from __future__ import annotations

from phys_gan.training.section import Section
from phys_gan.training.techniques.feature_matching import FeatureMatching
from phys_gan.training.techniques.historical import HistoricalAveraging
from phys_gan.training.techniques.instance_noise import InstanceNoise
from phys_gan.training.techniques.label_smoothing import LabelSmoothing
from phys_gan.training.techniques.minibatch import Minibatch
from phys_gan.training.techniques.packing import Packing
from phys_gan.training.techniques.spectral import Spectral
from phys_gan.training.techniques.unrolling import Unrolling

__all__ = ["Techniques"]


class Techniques(Section):
    """Techniques in use; each is left out by default.

    Attributes:
        packing: Several events are judged together.
        minibatch: The discriminator is told about the other events of the batch.
        spectral: Spectral normalisation.
        unrolling: The generator looks ahead.
        feature_matching: The generator matches means of features.
        historical_averaging: Weights are drawn to their mean over time.
        label_smoothing: Real events are a little less than certain.
        instance_noise: Noise on what the discriminator sees.
    """

    packing: Packing | None = None
    minibatch: Minibatch | None = None
    spectral: Spectral | None = None
    unrolling: Unrolling | None = None
    feature_matching: FeatureMatching | None = None
    historical_averaging: HistoricalAveraging | None = None
    label_smoothing: LabelSmoothing | None = None
    instance_noise: InstanceNoise | None = None
