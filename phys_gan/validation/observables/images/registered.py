"""The observables of images: importing this module registers all of them."""

from phys_gan.validation.observables.images import light as _light  # noqa: F401
from phys_gan.validation.observables.images import shapes as _shapes  # noqa: F401

__all__: list[str] = []
