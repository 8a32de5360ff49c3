from __future__ import annotations

import numpy as np
import pytest

from phys_gan.detectors import Detector, load_detector
from phys_gan.errors import DetectorError, MissingError
from phys_gan.events import Events
from phys_gan.metrics.classifier.inputs import FORMS, find_form, high, low, low_normalised

LAYERS = [
    {"kind": "cartesian", "z": (0, 1), "x": [-10, 0, 10], "y": [-20, 20], "name": "front"},
    {"kind": "polar", "z": (1, 2), "r": [0, 10, 30], "n_alpha": 2, "name": "middle"},
    {"kind": "polar", "z": (2, 3), "r": [0, 10, 30], "n_alpha": 1, "name": "back"},
]


def two_events(unit: str = "MeV", threshold: float = 0.0) -> Events:
    """One shower by hand, and one that leaves only the last layer hit."""
    detector = Detector.model_validate(
        {"name": "small", "layers": LAYERS, "cell_unit": unit, "threshold": threshold}
    )
    cells = np.array([[1, 3, 0, 4, 0, 0, 2, 0], [0, 0, 0, 0, 0, 0, 5, 5]], np.float64)
    return Events(cells, {"energy": [100.0, 1000.0], "angle": [0.25, 0.5]}, detector)


def test_low_level_inputs_by_hand() -> None:
    inputs = low(two_events())
    assert inputs.dtype == np.float32
    np.testing.assert_allclose(inputs[0], [2, 0.01, 0.03, 0, 0.04, 0, 0, 0.02, 0], rtol=1e-6)
    assert inputs[1, -1] == pytest.approx(0.005)


def test_normalised_inputs_by_hand() -> None:
    inputs = low_normalised(two_events())
    assert inputs.dtype == np.float32
    expected = [2, 0.25, 0.75, 0, 1, 0, 0, 1, 0, *np.log10([4, 4, 2])]
    np.testing.assert_allclose(inputs[0], expected, rtol=1e-6)
    # Empty layers: no cell has a share, and the logarithm of the energy is -8.
    np.testing.assert_allclose(inputs[1], [3, *[0] * 6, 0.5, 0.5, -8, -8, 1], rtol=1e-6)


def test_high_level_inputs_by_hand() -> None:
    inputs = high(two_events())
    assert inputs.dtype == np.float32
    # Layers with directions are the first two. The cell of 4 MeV is the outer one of the ring
    # segment from -pi to 0, at r = 20 mm and alpha = -pi/2.
    centres = [5 * (3 - 1) / 4, 0.0], [0.0, -20.0]
    width = np.sqrt(25 - 2.5**2)
    expected = [
        *(2.0, *np.log10([4, 4, 2])),
        *np.divide([*centres[0], *centres[1]], 100),
        *np.divide([width, 0, 0, 0], 100),
        *(np.log10(10), 1 - 4 / 8),
    ]
    np.testing.assert_allclose(inputs[0], expected, rtol=1e-5, atol=1e-7)


def test_empty_layers_are_told_from_central_showers_by_their_energy() -> None:
    empty = high(two_events())[1]
    assert np.isfinite(empty).all()
    np.testing.assert_allclose(empty[1:3], -8)
    assert np.all(empty[4:12] == 0)
    cells = np.array([[1, 1, 0, 0, 0, 0, 5, 5]], np.float64)
    central = high(Events(cells, {"energy": [1000.0]}, two_events().detector))[0]
    assert np.all(central[[4, 6]] == 0)
    assert central[1] == pytest.approx(np.log10(2))


@pytest.mark.parametrize("form", FORMS)
def test_energies_are_in_mev_whatever_the_unit_of_the_cells(form: str) -> None:
    events = two_events()
    in_gev = Events(events.cells / 1000, dict(events.conditions), two_events("GeV").detector)
    np.testing.assert_allclose(FORMS[form](in_gev, ("energy",)), FORMS[form](events, ("energy",)))


@pytest.mark.parametrize("form", FORMS)
def test_conditions_are_shown_as_asked(form: str) -> None:
    events = two_events()
    make = FORMS[form]
    both = make(events, ("energy", "angle"))
    np.testing.assert_array_equal(both[:, 1], np.float32([0.25, 0.5]))
    np.testing.assert_array_equal(np.delete(both, 1, axis=1), make(events, ("energy",)))
    with pytest.raises(MissingError, match=r"no condition 'charge'.*energy, angle"):
        make(events, ("charge",))


@pytest.mark.parametrize("form", FORMS)
def test_without_the_incident_energy_nothing_depends_on_it(form: str) -> None:
    events = two_events()
    other = Events(events.cells, {"energy": [7.0, 9.0]}, events.detector)
    without = FORMS[form](events, ())
    assert without.shape[1] == FORMS[form](events, ("energy",)).shape[1] - 1
    np.testing.assert_array_equal(without, FORMS[form](other, ()))


def test_sparsity_knows_the_threshold() -> None:
    assert high(two_events(threshold=1.5))[0, -1] == pytest.approx(1 - 3 / 8)


def test_sizes_for_the_detectors_of_calochallenge() -> None:
    for name, n_divided in (("calochallenge-2", 45), ("calochallenge-1-photons", 2)):
        detector = load_detector(name)
        events = Events(np.ones((2, detector.n_cells)), {"energy": [1e3, 1e4]}, detector)
        assert high(events).shape == (2, 1 + detector.n_layers + 4 * n_divided + 2)


def test_images_have_cells_only() -> None:
    detector = load_detector("galaxies-32")
    events = Events(np.full((3, detector.n_cells), -1.0), {}, detector)
    assert np.all(low(events, ()) == -1)
    for form in ("low-normalised", "high"):
        with pytest.raises(DetectorError, match=rf"'{form}' describes showers, but 'galaxies-32'"):
            FORMS[form](events, ())


def test_own_forms_have_a_name_or_are_passed() -> None:
    assert find_form(low) is low
    with pytest.raises(MissingError, match=r"'mid' is not.*available: low, low-normalised, high"):
        find_form("mid")
    FORMS["mid"] = high
    try:
        assert find_form("mid") is high
    finally:
        del FORMS["mid"]
