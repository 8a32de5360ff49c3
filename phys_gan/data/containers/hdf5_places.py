"""Where the numbers of an HDF5 data set lie: in its own file, as far as they are read."""

from __future__ import annotations

import math
import shlex
from typing import Any

from phys_gan.data.containers.opening import OpenFile, listing
from phys_gan.errors import DataError

__all__ = ["require_own"]

_MOST_COMPRESSED = 2_000
"""Bytes that one byte of a file stands for: no more than about 1,000 with gzip."""
_MOST_EMPTY = 1 << 26
"""Bytes that may be declared beside: a small file may hold little but zeros."""
_SAME_FILE = "."


def require_own(file: OpenFile, name: str, entry: Any) -> None:
    """Refuse a data set whose numbers lie in another file, or cannot be all there.

    Only what was named is opened. A virtual data set, which is a view of others, is read where
    those are plain ones of the same file.

    Arguments:
        file: The open file.
        name: Name of the data set.
        entry: The data set; anything else is passed over.

    Raises:
        DataError: The numbers lie elsewhere, are more than the file can hold, or are compressed by
            something that is not installed.
    """
    import h5py

    if not isinstance(entry, h5py.Dataset):
        return
    made = entry.id.get_create_plist()
    if made.get_external_count():
        outside = [made.get_external(i)[0].decode() for i in range(made.get_external_count())]
        raise _elsewhere(file, name, f"other files ({listing(outside)})")
    declared = entry.dtype.itemsize * math.prod(entry.shape or ())
    held = file.path.stat().st_size
    if declared > _MOST_EMPTY + _MOST_COMPRESSED * held:
        raise DataError(
            f"data set '{name}' declares {declared:.3g} bytes in a file of {held:,}",
            remedy="copy or make the file again",
            value=declared,
            constraint=held,
        )
    if made.get_layout() == h5py.h5d.VIRTUAL:
        _require_plain_sources(file, name, entry, made)
    else:
        _require_filters(file, name, entry, made)


def _require_plain_sources(file: OpenFile, name: str, entry: Any, made: Any) -> None:
    """Look at what a virtual data set shows, before the library follows it anywhere."""
    import h5py

    numbers = range(made.get_virtual_count())
    outside = dict.fromkeys(made.get_virtual_filename(i) for i in numbers)
    if others := [source for source in outside if source != _SAME_FILE]:
        raise _elsewhere(file, name, f"other files ({listing(others)})")
    shown = 0
    for inner in dict.fromkeys(made.get_virtual_dsetname(i) for i in numbers):
        # A per cent sign stands for a number that counts data sets.
        source = None if "%" in inner else file.handle.get(inner)
        if not isinstance(source, h5py.Dataset) or source == entry:
            # The library would give zeros, or follow it to itself without an end.
            what = "itself" if source == entry else f"'{inner}', which is no data set of the file"
            raise DataError(
                f"data set '{name}' takes its numbers from {what}",
                remedy="make the file again from all of its parts",
                value=inner,
            )
        if source.id.get_create_plist().get_layout() == h5py.h5d.VIRTUAL:
            raise _elsewhere(file, name, f"'{inner}', which takes them from elsewhere")
        require_own(file, inner, source)
    for i in numbers:
        try:
            shown += made.get_virtual_vspace(i).get_select_npoints()
        except RuntimeError:
            # It has no end, and shows as much as there is.
            return
    if shown < math.prod(entry.shape or ()):
        raise DataError(
            f"the virtual data set '{name}' shows nothing in a part of its cells",
            remedy="make the file again from all of its parts",
            value=shown,
            constraint=math.prod(entry.shape or ()),
        )


def _require_filters(file: OpenFile, name: str, entry: Any, made: Any) -> None:
    """Require what the chunks were compressed with; a filter may be left out of single ones."""
    from h5py import h5z

    filters = [made.get_filter(i) for i in range(made.get_nfilters())]
    missing = [i for i, (code, *_) in enumerate(filters) if not h5z.filter_avail(code)]
    if not missing or not entry.id.get_num_chunks():
        return
    skipped = entry.id.get_chunk_info(0).filter_mask
    for i in missing:
        code, _, _, text = filters[i]
        if not skipped >> i & 1:
            called = text.decode(errors="replace").partition(";")[0]
            raise DataError(
                f"data set '{name}' is compressed with the filter {called or 'of number'} {code}, "
                f"which is not installed",
                remedy="install it (pip install hdf5plugin) and set HDF5_PLUGIN_PATH to "
                f"hdf5plugin.PLUGIN_PATH, or where it is installed: h5repack -f GZIP=1 "
                f"{shlex.quote(str(file.path))} OUT.h5",
                value=code,
            )


def _elsewhere(file: OpenFile, name: str, where: str) -> DataError:
    """Return an error that says where the numbers are, and how to bring them into one file."""
    return DataError(
        f"data set '{name}' takes its numbers from {where}",
        remedy=f"copy them into one file: h5repack -l {shlex.quote(name)}:CONTI "
        f"{shlex.quote(str(file.path))} OUT.h5",
        value=name,
    )
