"""A good file of each layout, and what must be true of every complaint about a bad one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phys_gan.data import FORMATS, convert, inspect, read, stream, write
from phys_gan.data.formats.galaxies import image_detector
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import PhysGanError
from phys_gan.events import Events

SMALL = Detector.from_toml(
    'name = "small"\n[sampling]\nresponse = 0.8\nactive = { material = "Si", thickness = 0.3 }\n'
    + "".join(
        f'[[layers]]\nkind = "polar"\nz = [{z}, {z + 1}]\nr = [0.0, 1.0, 3.0]\nn_alpha = 3\n'
        for z in (0.0, 1.0)
    )
)
AXES = Detector.from_toml('name = "axes"\ncell_unit = ""\n' + 2 * '[[layers]]\nkind = "axis"\n')
BANDS = {"galaxy10-hdf5": "grz", "galaxiesml-hdf5": "grizy", "cosmos-fits": "i"}


def some(layout: str, n: int = 4) -> Events:
    """Return events that the layout holds, with overflow, weights and further conditions."""
    rng, weights = np.random.default_rng(0), np.linspace(-1, 2, n)
    if layout in BANDS:
        image = image_detector("image", BANDS[layout], (8, 8), 0.2, "count")
        more = {"ans": rng.integers(0, 9, n), "redshift": rng.random(n), "mag": rng.random(n)}
        cells = rng.integers(0, 255, (n, image.n_cells))
        return Events(cells, more, image, np.ones((n, image.n_layers)), weights=weights)
    if layout == "toys-hdf5":
        more = {"mass": rng.random(n)}
        overflow = np.ones((n, 2))
        return Events(rng.normal(size=(n, 2)), more, AXES, overflow, {"made": "here"}, weights)
    detector = load_detector("calogan") if layout.startswith("calogan") else SMALL
    cells = rng.random((n, detector.n_cells)) + 0.5
    conditions = {"energy": cells.sum(axis=1), "pdg": np.full(n, 22.0), "theta": rng.random(n)}
    overflow = np.ones((n, detector.n_layers))
    return Events(cells, conditions, detector, overflow, {"made": "here"}, weights)


@pytest.fixture(scope="session")
def sample() -> Callable[..., Events]:
    """Return a function from the name of a layout and a number to events."""
    return some


@pytest.fixture(scope="session")
def goods(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a good file of each layout."""
    folder = tmp_path_factory.mktemp("good")
    paths = {name: folder / name / f"a{FORMATS[name].extensions[0]}" for name in FORMATS}
    for name, path in paths.items():
        write(path, some(name), format=name)
    return paths


@pytest.fixture
def copied(goods: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that copies the good file of a layout, with the stamps beside it."""

    def copy(layout: str) -> Path:
        shutil.copytree(goods[layout].parent, tmp_path, dirs_exist_ok=True)
        return tmp_path / goods[layout].name

    return copy


@pytest.fixture
def one_sentence() -> Callable[..., None]:
    """Return a function that requires one sentence with these words, and a remedy."""
    return _one_sentence


def _one_sentence(error: PhysGanError, *words: str) -> None:
    text = str(error)
    assert error.remedy
    assert not re.search(r"\n|[.!?] [A-Z]|[.:;]$|\b(None|NoneType|Traceback)\b", text), text
    for word in words:
        assert word in text, text


@pytest.fixture
def wrong() -> Callable[..., PhysGanError]:
    """Return a function that requires one sentence from all that reads a file."""
    return _wrong


def _wrong(path: Path, *words: str, every: bool = True, **how: Any) -> PhysGanError:
    """Require one sentence on a file from all that reads it, and that nothing else changes."""
    folder = path.parent / "out"
    folder.mkdir(exist_ok=True)
    target = folder / "old.h5"
    target.write_bytes(b"what stood here before")
    users: list[Callable[[], Any]] = [lambda: read(path, **how)]
    if every:
        users += [
            lambda: inspect(path, **how),
            lambda: convert(path, target, **how),
            lambda: stream(path, 2, **how),
        ]
    for use in users:
        with pytest.raises(PhysGanError) as caught:
            use()
        _one_sentence(caught.value, str(path), *words)
    assert target.read_bytes() == b"what stood here before"
    assert list(folder.iterdir()) == [target]
    return caught.value
