"""Units of files, and the check that they are right."""

from __future__ import annotations

import numpy as np
import pytest

from phys_gan.data.metadata import check_units, expected_response, response, scale, to_mev
from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DataError
from phys_gan.events import Events

CALOGAN = load_detector("calogan")


def showers(ratio: float, detector: Detector = CALOGAN, n: int = 50) -> Events:
    energy = np.geomspace(1e3, 1e5, n)
    cells = np.zeros((n, detector.n_cells))
    cells[:, 0] = energy * ratio
    return Events(cells, {"energy": energy}, detector)


def test_units_of_energy() -> None:
    assert [to_mev(unit) for unit in ("eV", "keV", "MeV", "GeV", "TeV")] == [
        1e-6,
        1e-3,
        1.0,
        1e3,
        1e6,
    ]
    with pytest.raises(DataError, match="'gev' is not known; give one of: eV, keV, MeV"):
        to_mev("gev")


def test_scale_of_the_cells() -> None:
    in_gev = CALOGAN.model_copy(update={"cell_unit": "GeV"})
    image = load_detector("galaxies-32")
    assert scale(None, "MeV", CALOGAN) == 1.0
    assert scale("GeV", "MeV", CALOGAN) == 1000.0
    assert scale(None, "MeV", in_gev) == 1e-3
    assert scale("GeV", "MeV", in_gev) == 1.0
    assert scale(None, "MeV", image) == 1.0
    assert scale("count", "MeV", image) == 1.0
    with pytest.raises(DataError, match="the cells are in 'MeV', but detector 'galaxies-32'"):
        scale("MeV", "MeV", image)


def test_response() -> None:
    measured = response(showers(0.5))
    assert measured is not None
    np.testing.assert_allclose(measured, 0.5, rtol=1e-6)
    in_gev = response(showers(0.5, CALOGAN.model_copy(update={"cell_unit": "GeV"})))
    assert in_gev is not None
    np.testing.assert_allclose(in_gev, 500, rtol=1e-6)
    assert (
        response(Events(np.ones((2, 1024)), {"energy": [1, 2]}, load_detector("galaxies-32")))
        is None
    )
    assert response(Events(np.ones((2, 504)), {}, CALOGAN)) is None


def test_expected_response() -> None:
    sampling = CALOGAN.sampling
    assert sampling is not None
    assert expected_response(CALOGAN) == sampling.response
    assert expected_response(CALOGAN.model_copy(update={"sampling": None})) == 1.0


@pytest.mark.parametrize("ratio", [1.0, 0.03, 1 / 190, 190])
def test_sampling_calorimeters_without_calibration_pass(ratio: float) -> None:
    check_units(showers(ratio), "MeV")


@pytest.mark.parametrize(
    ("ratio", "unit", "hints"),
    [
        (1e-3, "GeV", ["incident energies look like MeV where GeV", "cells look like GeV where"]),
        (1e3, "MeV", ["incident energies look like GeV where MeV", "cells look like keV where"]),
        (1e-3, "MeV", ["incident energies look like keV where MeV", "cells look like GeV where"]),
        (1e6, "MeV", ["incident energies look like TeV where MeV", "cells look like eV where"]),
        (1e-6, "MeV", ["incident energies look like eV where MeV", "cells look like TeV where"]),
        (1e3, "TeV", ["expected; correct", "cells look like keV where MeV"]),
    ],
)
def test_hints(ratio: float, unit: str, hints: list[str]) -> None:
    with pytest.raises(DataError, match="the median of E_tot/E_inc is") as caught:
        check_units(showers(ratio), unit)
    for hint in hints:
        assert hint in str(caught.value)
    assert caught.value.value == pytest.approx(ratio, rel=1e-5)


def test_a_detector_may_say_that_its_response_is_small() -> None:
    sampling = CALOGAN.sampling
    assert sampling is not None
    thin = CALOGAN.model_copy(update={"sampling": sampling.model_copy(update={"response": 1e-3})})
    check_units(showers(1e-3, thin), "MeV")
    with pytest.raises(DataError, match=r"has about 0\.001"):
        check_units(showers(1.0, thin), "MeV")


def test_events_without_deposits_say_nothing() -> None:
    check_units(showers(0.0), "MeV")
    mostly = np.concatenate([showers(0.0).cells, showers(1.0).cells[:5]])
    check_units(Events(mostly, {"energy": np.full(55, 1e4)}, CALOGAN), "MeV")
