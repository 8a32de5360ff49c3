"""What is measured: layers of cells, units, thresholds, symmetries, and the built-in catalogue."""

from phys_gan.detectors.catalogue import detector_names, load_detector, read_binning_xml
from phys_gan.detectors.detector import Detector, Sampling, Slab
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
    "Detector",
    "ImageLayer",
    "Layer",
    "PolarLayer",
    "Sampling",
    "ShowerLayer",
    "Slab",
    "detector_names",
    "load_detector",
    "read_binning_xml",
]
