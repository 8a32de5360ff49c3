"""Trained models at work."""

from phys_gan.generation.fastsim import FastSim
from phys_gan.generation.pretrained import find_model, model_card, pretrained_names

__all__ = ["FastSim", "find_model", "model_card", "pretrained_names"]
