"""What is measured: layers of cells, units, thresholds, symmetries, and the built-in catalogue."""

from phys_gan.detectors.binning_xml import read_binning_xml
from phys_gan.detectors.catalogue import detector_names, load_detector
from phys_gan.detectors.detector import Detector, Sampling, Slab
from phys_gan.detectors.layers import CartesianLayer, ImageLayer, Layer, PolarLayer

__all__ = [
    "CartesianLayer",
    "Detector",
    "ImageLayer",
    "Layer",
    "PolarLayer",
    "Sampling",
    "Slab",
    "detector_names",
    "load_detector",
    "read_binning_xml",
]
