"""A trained model in one file, and how it is run."""

from phys_gan.model.engine import Engine, Precision
from phys_gan.model.model import Model

__all__ = ["Engine", "Model", "Precision"]
