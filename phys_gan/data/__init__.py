"""Files to events and back: one module per layout, one registry, recognised by content.

h5py and uproot are imported when the first file of their kind is opened.
"""

from phys_gan.data.format import Format
from phys_gan.data.inspection import Inspection, inspect
from phys_gan.data.reading import read
from phys_gan.data.registry import FORMATS
from phys_gan.data.splitting import split
from phys_gan.data.writing import write

__all__ = ["FORMATS", "Format", "Inspection", "inspect", "read", "split", "write"]
