"""HDF5, ROOT and FITS files: open them, read and write their tables, report damage."""
