"""Small sound files of every kind, to be damaged."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from phys_gan.data import FORMATS, write
from phys_gan.data.containers.hdf5_probe import attributes
from phys_gan.data.formats.galaxies import image_detector
from phys_gan.detectors import Detector, load_detector
from phys_gan.encodings import build_encoding
from phys_gan.encodings.conditions import Condition
from phys_gan.encodings.image import ImageEncodingConfig
from phys_gan.encodings.shower import ShowerEncodingConfig
from phys_gan.encodings.standard import StandardEncodingConfig
from phys_gan.events import Events
from phys_gan.model import Model
from phys_gan.networks import (
    AutoencoderConfig,
    CompactConfig,
    MlpConfig,
    ProgressiveConfig,
    Sizes,
    StyleGanConfig,
    build_generator,
)

_BANDS = {"galaxy10-hdf5": "grz", "galaxiesml-hdf5": "grizy", "cosmos-fits": "i"}
_SHOWERS = Detector.from_toml(
    'name = "small"\nsymmetries = ["rotate-alpha"]\n'
    + "".join(
        f'[[layers]]\nkind = "polar"\nz = [{z}.0, {z + 1}.0]\nr = [0.0, 1.0, 3.0]\nn_alpha = 3\n'
        for z in (0, 1)
    )
)
_POINTS = Detector.from_toml('name = "axes"\ncell_unit = ""\n' + 2 * '[[layers]]\nkind = "axis"\n')
_N = 4


def _sample(layout: str) -> Events:
    """Return a few events that a layout holds, with overflow, conditions, weights, provenance."""
    rng = np.random.default_rng(0)
    # Any numbers will do.
    cells: Any
    more: dict[str, Any]
    overflow: Any
    weights = np.linspace(-1, 2, _N)
    if layout in _BANDS:
        image = image_detector("image", _BANDS[layout], (8, 8), 0.2, "count")
        more = {"ans": rng.integers(0, 9, _N), "redshift": rng.random(_N), "mag": rng.random(_N)}
        cells = rng.integers(0, 255, (_N, image.n_cells))
        overflow = np.ones((_N, image.n_layers))
        return Events(cells, more, image, overflow, weights=weights)
    if layout == "toys-hdf5":
        more = {"mass": rng.random(_N)}
        cells, overflow = rng.normal(size=(_N, 2)), np.ones((_N, 2))
        return Events(cells, more, _POINTS, overflow, {"made": "here"}, weights)
    detector = load_detector("calogan") if layout.startswith("calogan") else _SHOWERS
    cells = rng.random((_N, detector.n_cells)) + 0.5
    more = {"energy": cells.sum(axis=1), "pdg": np.full(_N, 22.0), "theta": rng.random(_N)}
    overflow = np.ones((_N, detector.n_layers))
    return Events(cells, more, detector, overflow, {"made": "here", "odd\0": "x"}, weights)


def input_files(folder: Path) -> dict[str, Path]:
    """Write a small file of every layout that can be read here, where it is not there yet."""
    found = {}
    for name, layout in FORMATS.items():
        if layout.container == "FITS" and find_spec("astropy") is None:
            continue
        path = folder / name / f"a{layout.extensions[0]}"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, _sample(name), format=name)
        found[name] = path
    # Attributes as texts of variable length, as other programs write them.
    source = found["calochallenge-hdf5"]
    path = found["texts-hdf5"] = folder / "texts-hdf5" / source.name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)
        with h5py.File(path, "r+") as file:
            for name, text in attributes(file).items():
                file.attrs[name] = text
    return found


def model_files(folder: Path) -> dict[str, Path]:
    """Write a small model of several kinds, where it is not there yet."""
    image = image_detector("image", "gr", (8, 8), 0.2, "count")
    kinds: dict[str, tuple[Any, Any, Detector]] = {
        "compact": (CompactConfig(latent=4, width=8, depth=1), ShowerEncodingConfig(), _SHOWERS),
        "autoencoder": (
            AutoencoderConfig(latent=4, width=8, depth=1, neighbours=3),
            ShowerEncodingConfig(cells="scores"),
            _SHOWERS,
        ),
        "mlp": (
            MlpConfig(latent=4, width=8, depth=1),
            StandardEncodingConfig(conditions={"mass": Condition(kind="linear")}),
            _POINTS,
        ),
        "stylegan": (
            StyleGanConfig(latent=4, style=4, width=4, most=8),
            ImageEncodingConfig(
                conditions={
                    "mag": Condition(kind="linear"),
                    "angle": Condition(kind="periodic", order=2),
                }
            ),
            image,
        ),
        "progressive": (
            ProgressiveConfig(latent=4, width=4, most=8),
            ImageEncodingConfig(conditions={"mag": Condition(kind="linear")}),
            image,
        ),
    }
    found = {}
    for name, (config, options, detector) in kinds.items():
        path = folder / f"{name}.safetensors"
        if not path.exists():
            torch.manual_seed(0)
            encoding = build_encoding(options, detector)
            rng = np.random.default_rng(0)
            cells: Any = rng.random((200, detector.n_cells)) + 0.5
            energy = np.geomspace(10.0, 100.0, 200)
            conditions = {label: rng.random(200) for label in encoding.named} | {"energy": energy}
            events = Events(cells, conditions, detector)
            encoding.fit(events)
            generator = build_generator(config, detector, Sizes.of(encoding)).eval()
            generator.adapt(*encoding.encode(events))
            folder.mkdir(parents=True, exist_ok=True)
            Model(encoding, options, generator, config, {"recipe": "none"}).save(path)
        found[name] = path
    return found
