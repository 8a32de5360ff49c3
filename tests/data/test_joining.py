"""Files into one, without decompression where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from phys_gan.data import FORMATS, inspect, join, read, write
from phys_gan.data.containers import hdf5_tables
from phys_gan.data.containers.hdf5_tables import Piece, Stored, encode
from phys_gan.data.converting import ALIGNED
from phys_gan.errors import DataError, DetectorError, MissingError
from phys_gan.events import Events
from phys_gan.toys import simulate_toy

Sample = Callable[..., Events]


def same(one: Events, other: Events) -> None:
    np.testing.assert_array_equal(one.cells, other.cells)
    assert one.conditions.keys() == other.conditions.keys()
    for name, values in one.conditions.items():
        np.testing.assert_array_equal(values, other.conditions[name])
    np.testing.assert_array_equal(one.overflow, other.overflow)
    assert (one.detector, one.provenance) == (other.detector, other.provenance)


def parts(folder: Path, events: Events, layout: str, *edges: int) -> list[Path]:
    ending, paths = FORMATS[layout].extensions[0], []
    for number, (start, stop) in enumerate(zip((0, *edges), (*edges, len(events)), strict=True)):
        paths.append(folder / f"part{number}{ending}")
        write(paths[-1], events[start:stop], format=layout)
    return paths


# A tree of 508 branches takes seconds, and is joined as other trees are.
@pytest.mark.parametrize("layout", [name for name in FORMATS if name != "calogan-root"])
def test_every_layout(layout: str, sample: Sample, tmp_path: Path) -> None:
    events = sample(layout, 9)
    paths = parts(tmp_path, events, layout, 3, 4)
    out = tmp_path / f"all{paths[0].suffix}"
    assert join(paths, out) == 9
    write(tmp_path / f"once{out.suffix}", events, format=layout)
    assert inspect(out).format == layout
    same(read(out), read(tmp_path / f"once{out.suffix}"))


def test_chunks_are_copied_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = simulate_toy("toy-ring", 2 * ALIGNED + 30, seed=1)
    paths = parts(tmp_path, events, "toys-hdf5", ALIGNED, 2 * ALIGNED)
    copied: list[bool] = []

    def counting(pieces: list[Piece], shape: tuple[int, ...], dtype: np.dtype) -> bytes:
        (piece,) = pieces
        copied.append(isinstance(piece, Stored) and piece.chunk(shape) is not None)
        return encode(pieces, shape, dtype)

    monkeypatch.setattr(hdf5_tables, "encode", counting)
    join(paths, tmp_path / "all.h5")
    assert copied == [True, True, False]
    write(tmp_path / "once.h5", events)
    assert (tmp_path / "all.h5").read_bytes() == (tmp_path / "once.h5").read_bytes()


def test_files_that_are_not_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = simulate_toy("toy-ring", 20, seed=1)
    one, two = parts(tmp_path, events, "toys-hdf5", 8)
    other = Events(events.cells[8:], {}, events.detector, provenance={"made": "there"})
    write(two, other)
    monkeypatch.setattr(hdf5_tables, "join_tables", None)
    join([one, two], tmp_path / "all.h5")
    same(read(tmp_path / "all.h5"), read([one, two]))


def test_what_cannot_be_joined(tmp_path: Path, sample: Sample) -> None:
    out = tmp_path / "all.h5"
    write(tmp_path / "a.h5", sample("calogan-hdf5"))
    write(tmp_path / "b.h5", sample("toys-hdf5"))
    with pytest.raises(DetectorError, match="cannot join events of 'calogan' and 'axes'"):
        join([tmp_path / "a.h5", tmp_path / "b.h5"], out)
    bare = sample("calogan-hdf5")
    write(tmp_path / "b.h5", bare, drop=["overflow"])
    with pytest.raises(DataError, match=r"b.h5' does not know the energy outside its cells, and"):
        join([tmp_path / "a.h5", tmp_path / "b.h5"], out)
    with pytest.raises(MissingError, match="there is no file"):
        join([tmp_path / "a.h5", tmp_path / "c.h5"], out)
    whole = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "b.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"b.h5"):
        join([tmp_path / "a.h5", tmp_path / "b.h5"], out)
    assert not out.exists()
