"""Our pixels against GalSim's, which knows nothing of ours."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest

from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import MissingError
from phys_gan.simulation.galaxies import simulate_galaxies

ODD = Detector.from_toml(
    'name = "odd"\ncell_unit = "count"\n'
    '[[layers]]\nkind = "image"\nrows = 31\ncolumns = 40\npixel_scale = 0.27\n'
)


@pytest.mark.parametrize(
    ("detector", "n"),
    [(load_detector("galaxies-32"), 200), (load_detector("galaxies-64"), 60), (ODD, 20)],
    ids=lambda value: getattr(value, "name", value),
)
def test_pixels_and_flux_agree(detector: Detector, n: int) -> None:
    pytest.importorskip("galsim")
    ours, theirs = (
        simulate_galaxies(detector, n, seed=1, engine=engine, noise=False).layer(0).astype(float)
        for engine in ("numpy", "galsim")
    )
    residual = np.abs(ours - theirs).max(axis=(1, 2)) / theirs.max(axis=(1, 2))
    flux = ours.sum(axis=(1, 2)) / theirs.sum(axis=(1, 2)) - 1
    # Required are 1e-2 and 5e-3.
    assert residual.max() < 5e-4
    assert np.abs(flux).max() < 2e-3


def test_both_engines_have_the_same_conditions_and_noise() -> None:
    pytest.importorskip("galsim")
    detector = load_detector("galaxies-32")
    ours, theirs = (
        simulate_galaxies(detector, 4, seed=1, engine=engine) for engine in ("numpy", "galsim")
    )
    for name, values in ours.conditions.items():
        np.testing.assert_array_equal(theirs.conditions[name], values)
    # Far below the noise of 0.02 to 0.1 counts.
    np.testing.assert_allclose(ours.cells, theirs.cells, atol=2e-3)
    assert theirs.provenance["engine"] == "galsim"


def test_without_galsim_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "galsim":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingError, match=r"pip install 'phys_gan\[galaxies\]'"):
        simulate_galaxies(load_detector("galaxies-32"), 1, engine="galsim")
