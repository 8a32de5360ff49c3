from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers import full_disk
from phys_gan.data import inspect, read, write
from phys_gan.detectors import load_detector
from phys_gan.errors import ConfigError, DataError, MissingError, OutputError
from phys_gan.events import Events

CALOGAN = load_detector("calogan")


def showers(n: int = 50) -> Events:
    rng = np.random.default_rng(0)
    return Events(rng.random((n, 504)) * 20, {"energy": np.full(n, 5000.0)}, CALOGAN)


@pytest.mark.parametrize("size", [0, 1000, 20_000])
@pytest.mark.parametrize("name", ["a.h5", "a.root"])
def test_a_full_disk(tmp_path: Path, name: str, size: int) -> None:
    path = tmp_path / name
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match="cannot write '") as caught, full_disk(size):
        write(path, showers())
    assert "File too large" in str(caught.value)
    assert "nothing was changed" in str(caught.value)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    write(path, showers())
    assert len(read(path)) == 50


@pytest.mark.parametrize(
    ("name", "detector", "layout"),
    [
        ("a.h5", "calogan", "calogan-hdf5"),
        ("a.hdf5", "calogan", "calogan-hdf5"),
        ("a.root", "calogan", "calogan-root"),
        ("a.h5", "calochallenge-1-pions", "calochallenge-hdf5"),
        ("a.hdf5", "galaxies-32", "calochallenge-hdf5"),
    ],
)
def test_the_ending_and_the_detector_choose(
    tmp_path: Path, name: str, detector: str, layout: str
) -> None:
    chosen = load_detector(detector)
    events = Events(np.ones((2, chosen.n_cells)), {"energy": [500, 500]}, chosen)
    write(tmp_path / name, events)
    assert inspect(tmp_path / name).format == layout


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'.*a.txt' has an ending that no .* calogan-hdf5 \(.h5"):
        write(tmp_path / "a.txt", showers())
    with pytest.raises(MissingError, match="'hdf' is not a format; available: calogan-hdf5, "):
        write(tmp_path / "a.h5", showers(), format="hdf")
    with pytest.raises(DataError, match="there are no events to write"):
        write(tmp_path / "a.h5", showers()[:0])
    image = Events(np.ones((2, 1024)), {}, load_detector("galaxies-32"))
    with pytest.raises(DataError, match=r"not of 'galaxies-32'.* choose one of: calochallenge-hdf"):
        write(tmp_path / "a.root", image)
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(OutputError):
        write(tmp_path / "folder.h5", showers())
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.h5"]


def test_the_same_events_give_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", showers())
    write(tmp_path / "b.h5", showers())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
