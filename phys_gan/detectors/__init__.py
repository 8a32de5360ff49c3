"""What is measured: layers of cells, units, thresholds, symmetries, and the built-in catalogue."""

from phys_gan.detectors.binning_xml import read_binning_xml
from phys_gan.detectors.catalogue import detector_names, load_detector
from phys_gan.detectors.detector import Detector
from phys_gan.detectors.layers import (
    AxisLayer,
    CartesianLayer,
    ImageLayer,
    Layer,
    PolarLayer,
    ShowerLayer,
)
from phys_gan.detectors.sampling import Sampling, Slab

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
