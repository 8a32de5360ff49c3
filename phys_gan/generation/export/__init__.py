"""Trained models for other programs: ONNX files, each as its program wants it."""

from phys_gan.generation.export import (  # noqa: F401  each registers its target
    ddml_grid,
    fastcalosim,
    galsim,
    generic,
    par04,
)
from phys_gan.generation.export.bundle import Export, export
from phys_gan.generation.export.target import TARGETS

__all__ = ["TARGETS", "Export", "export"]
