"""Trained models at work."""

from phys_gan.generation.fastsim import FastSim, find_model, model_card, pretrained_names
from phys_gan.model import Precision

__all__ = ["FastSim", "Precision", "find_model", "model_card", "pretrained_names"]
