"""Trained models at work."""

from phys_gan.generation.fastsim import FastSim

__all__ = ["FastSim"]
