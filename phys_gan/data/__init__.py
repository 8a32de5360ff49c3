"""Files to events and back: one module per layout, one registry, recognised by content.

h5py, uproot and astropy are imported when the first file of their kind is opened.
"""

from phys_gan.data.converting import convert, join, split_files
from phys_gan.data.format import Format, HitMapping, Reader, load_mapping, register_format
from phys_gan.data.formats import FORMATS
from phys_gan.data.hits import Hits, hits_of, voxelise
from phys_gan.data.inspection import Inspection, inspect
from phys_gan.data.reading import read
from phys_gan.data.splitting import split
from phys_gan.data.streaming import Stream, stream
from phys_gan.data.survey import Blocks, blocks
from phys_gan.data.writing import write, writing

__all__ = [
    "FORMATS",
    "Blocks",
    "Format",
    "HitMapping",
    "Hits",
    "Inspection",
    "Reader",
    "Stream",
    "blocks",
    "convert",
    "hits_of",
    "inspect",
    "join",
    "load_mapping",
    "read",
    "register_format",
    "split",
    "split_files",
    "stream",
    "voxelise",
    "write",
    "writing",
]
