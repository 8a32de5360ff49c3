"""Losses and penalties as pure functions."""

from phys_gan.objectives.adversarial import (
    hinge_discriminator,
    hinge_generator,
    least_squares_discriminator,
    least_squares_generator,
    minimax_generator,
    non_saturating_discriminator,
    non_saturating_generator,
    wasserstein_discriminator,
    wasserstein_generator,
)
from phys_gan.objectives.censored import censored_log_likelihood
from phys_gan.objectives.cycles import cycle_consistency, identity
from phys_gan.objectives.history import historical_distance
from phys_gan.objectives.losses import (
    LOSSES,
    AdversarialLoss,
    DiscriminatorLoss,
    GeneratorLoss,
    value,
)
from phys_gan.objectives.matching import feature_matching
from phys_gan.objectives.moments import median_distance, mmd2
from phys_gan.objectives.penalties import (
    clip_weights,
    gradient_norms,
    interpolates,
    one_centred,
    perturbed,
    r1,
    r2,
)
from phys_gan.objectives.relativistic import (
    relativistic_average_discriminator,
    relativistic_average_generator,
    relativistic_discriminator,
    relativistic_generator,
)
from phys_gan.objectives.variational import gaussian_log_likelihood, kl_to_normal

__all__ = [
    "LOSSES",
    "AdversarialLoss",
    "DiscriminatorLoss",
    "GeneratorLoss",
    "censored_log_likelihood",
    "clip_weights",
    "cycle_consistency",
    "feature_matching",
    "gaussian_log_likelihood",
    "gradient_norms",
    "hinge_discriminator",
    "hinge_generator",
    "historical_distance",
    "identity",
    "interpolates",
    "kl_to_normal",
    "least_squares_discriminator",
    "least_squares_generator",
    "median_distance",
    "minimax_generator",
    "mmd2",
    "non_saturating_discriminator",
    "non_saturating_generator",
    "one_centred",
    "perturbed",
    "r1",
    "r2",
    "relativistic_average_discriminator",
    "relativistic_average_generator",
    "relativistic_discriminator",
    "relativistic_generator",
    "value",
    "wasserstein_discriminator",
    "wasserstein_generator",
]
