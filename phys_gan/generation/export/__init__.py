"""Trained models for other programs: ONNX files, each as its consumer wants it."""

from phys_gan.generation.export.exporting import TARGETS, Export, export

__all__ = ["TARGETS", "Export", "export"]
