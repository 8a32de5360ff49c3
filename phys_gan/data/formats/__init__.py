"""File layouts, a module per family; each layout registers itself in ``FORMATS``.

In the order of these imports layouts are asked whether they recognise a file, and the first of
those that hold the events is written.
"""

# ruff: noqa: I001
from phys_gan.data.format import FORMATS
from phys_gan.data.formats.calogan import CaloGanHDF5, CaloGanROOT
from phys_gan.data.formats.hits import HitsROOT
from phys_gan.data.formats.edm4hep import EDM4hepROOT
from phys_gan.data.formats.toys import ToysHDF5
from phys_gan.data.formats.calochallenge import CaloChallengeHDF5
from phys_gan.data.formats.galaxies import Galaxy10HDF5, GalaxiesMLHDF5
from phys_gan.data.formats.cosmos import CosmosFITS
from phys_gan.data.formats.par04 import Par04ROOT, Par04HDF5
from phys_gan.data.formats.point_clouds import ShowerDataHDF5, CaloCloudsHDF5

__all__ = [
    "FORMATS",
    "CaloChallengeHDF5",
    "CaloCloudsHDF5",
    "CaloGanHDF5",
    "CaloGanROOT",
    "CosmosFITS",
    "EDM4hepROOT",
    "GalaxiesMLHDF5",
    "Galaxy10HDF5",
    "HitsROOT",
    "Par04HDF5",
    "Par04ROOT",
    "ShowerDataHDF5",
    "ToysHDF5",
]
