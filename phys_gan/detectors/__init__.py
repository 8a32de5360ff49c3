"""What is measured: layers of cells, units, thresholds, symmetries, and the built-in catalogue."""

from phys_gan.detectors.catalogue import detector_names, load_detector, read_binning_xml
from phys_gan.detectors.construction import Compound, Construction, Piece, Slab, Stack, StackSlab
from phys_gan.detectors.detector import Detector, Sampling
from phys_gan.detectors.layers import (
    AxisLayer,
    CartesianLayer,
    ImageLayer,
    Layer,
    PolarLayer,
    ShowerLayer,
)

__all__ = [
    "AxisLayer",
    "CartesianLayer",
    "Compound",
    "Construction",
    "Detector",
    "ImageLayer",
    "Layer",
    "Piece",
    "PolarLayer",
    "Sampling",
    "ShowerLayer",
    "Slab",
    "Stack",
    "StackSlab",
    "detector_names",
    "load_detector",
    "read_binning_xml",
]
