"""What a layout cannot hold is refused in one sentence, and no file is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phys_gan.data import FORMATS, write
from phys_gan.data.formats.galaxies import image_detector
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DataError
from phys_gan.events import Events

POLAR = {"kind": "polar", "z": (0, 1), "r": (0, 1, 3), "n_alpha": 3}
SMALL = Detector.model_validate({"name": "small", "layers": [POLAR]})
MIXED = Detector.model_validate(
    {"name": "mixed", "layers": [POLAR, {**POLAR, "z": (1, 2), "n_alpha": 4}]}
)
FINE = Detector.model_validate(
    {
        "name": "fine",
        "layers": [{"kind": "cartesian", "z": (0, 1), "x": (0, 1 + 1e-9, 1 + 2e-9), "y": (0, 1)}],
    }
)
ENERGY = {"energy": [8, 8]}
PHOTONS = {**ENERGY, "pdg": [22, 22]}
ODD = {"a b": [1, 2]}


def bands(names: str) -> Detector:
    return image_detector("image", names, (4, 6), 0.5, "count")


CASES: dict[str, tuple[str | Detector, dict[str, Any], str]] = {
    "calogan-hdf5: other cells": (
        SMALL,
        ENERGY,
        "cells must be those of 'calogan', not of 'small'",
    ),
    "calogan-hdf5: no energy": ("calogan", {}, "energy is needed"),
    "hits-root: images": ("galaxies-32", {}, "cells must be those of a calorimeter, not"),
    "hits-root: odd name": (SMALL, ODD, "'a b' cannot be the name of a branch"),
    "edm4hep-root: images": ("galaxies-32", PHOTONS, "cells must be energies"),
    "edm4hep-root: no energy": (SMALL, {"pdg": [22, 22]}, "energy is needed"),
    "edm4hep-root: no particle": (
        SMALL,
        ENERGY,
        "energy needs the condition 'pdg' beside it (read 'FILE@e-' to",
    ),
    "edm4hep-root: unknown mass": (
        SMALL,
        {**ENERGY, "pdg": [12, 12]},
        "a particle without a mass: '12' is not a known par",
    ),
    "edm4hep-root: fraction of a particle": (
        SMALL,
        {**ENERGY, "pdg": [11.5, 11]},
        "'11.5' is not a known particle",
    ),
    "edm4hep-root: odd name": (SMALL, {**PHOTONS, **ODD}, "'a b' cannot be the name of a branch"),
    "galaxy10-hdf5: one band": (
        bands("g"),
        {},
        "must be an image of 3 bands, not one band of 4 x 6",
    ),
    "galaxiesml-hdf5: three bands": (
        bands("grz"),
        {},
        "must be an image of 5 bands, not 3 bands of 4 x 6",
    ),
    "cosmos-fits: odd name": (
        "cosmos-64",
        ODD,
        "'a b' cannot be the name of a column; leave it out with",
    ),
    "cosmos-fits: upper and lower case": (
        "cosmos-64",
        {"q": [1, 2], "Q": [1, 2]},
        "'Q' differs from another only in upper and lower case",
    ),
    "cosmos-fits: showers": ("calogan", {}, "cells must be an image of one band, not 504 cells"),
    "par04-root: no grid": (
        "calogan",
        ENERGY,
        "must share one polar grid, which 'calogan' does not",
    ),
    "par04-root: odd name": (
        SMALL,
        {**ENERGY, **ODD},
        "'a b' cannot be the name of a branch",
    ),
    "par04-hdf5: no grid": (
        "calogan",
        ENERGY,
        "must share one polar grid, which 'calogan' does not",
    ),
    "par04-hdf5: mixed grids": (
        MIXED,
        ENERGY,
        "must share one polar grid, which 'mixed' does not",
    ),
    "par04-hdf5: no energy": (SMALL, {}, "energy is needed"),
    "showerdata-hdf5: images": (
        "galaxies-32",
        ENERGY,
        "cells are pixels of 'galaxies-32', not points",
    ),
    "showerdata-hdf5: small cells": (
        FINE,
        ENERGY,
        "'fine' are too small for single-precision positions",
    ),
    "showerdata-hdf5: no energy": (SMALL, {}, "energy is needed"),
    "caloclouds-hdf5: images": (
        "galaxies-32",
        ENERGY,
        "cells are pixels of 'galaxies-32', not points",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_layout_cannot_hold(
    tmp_path: Path, one_sentence: Callable[..., None], case: str
) -> None:
    layout, (detector, conditions, words) = case.partition(":")[0], CASES[case]
    detector = load_detector(detector)
    events = Events(np.ones((2, detector.n_cells)), conditions, detector)
    path = tmp_path / f"a{FORMATS[layout].extensions[0]}"
    with pytest.raises(DataError) as caught:
        write(path, events, format=layout)
    one_sentence(caught.value, f"format '{layout}': ", words)
    assert list(tmp_path.iterdir()) == []
