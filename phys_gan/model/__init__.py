"""A trained model in one file, and how it generates events."""

from phys_gan.model.engine import Engine, Precision
from phys_gan.model.fastsim import FastSim, find_model, model_card, pretrained_names
from phys_gan.model.model import Model

__all__ = [
    "Engine",
    "FastSim",
    "Model",
    "Precision",
    "find_model",
    "model_card",
    "pretrained_names",
]
