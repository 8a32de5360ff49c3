"""Trained models at work."""

from phys_gan.generation.conditions import draw_conditions
from phys_gan.model import FastSim, Precision, find_model, model_card, pretrained_names

__all__ = [
    "FastSim",
    "Precision",
    "draw_conditions",
    "find_model",
    "model_card",
    "pretrained_names",
]
