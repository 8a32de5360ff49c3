from __future__ import annotations

import numpy as np
import pytest

from phys_gan.detectors import Detector, load_detector
from phys_gan.events import Events
from phys_gan.observables import OBSERVABLES, measure, select


def calogan(cells: dict[int, float], energy: float = 1000.0) -> Events:
    detector = load_detector("calogan")
    values = np.zeros((1, detector.n_cells))
    for cell, deposit in cells.items():
        values[0, cell] = deposit
    return Events(values, {"energy": [energy]}, detector)


def values_of(events: Events, *names: str) -> list[float]:
    measured = measure(events, select(events.detector, ("energy",), names))
    return [float(measured[name][0]) for name in names]


def test_two_cells_by_hand() -> None:
    detector = load_detector("calogan")
    first, second = detector.find([-60.0, 100.0], [60.0, 20.0], [200.0, 200.0]).tolist()
    events = calogan({first: 300.0, second: 100.0}, 800.0)
    assert values_of(events, "E_tot/E_inc", "E_1/E_tot", "E_1", "E_0") == [0.5, 1.0, 0.4, 0.0]
    # Cell centres: (-60, 60) with weight 3/4 and (100, 20) with weight 1/4.
    assert values_of(events, "EC_x_1", "EC_y_1") == pytest.approx([-20.0, 50.0])
    root = np.sqrt(3) / 4
    assert values_of(events, "width_x_1", "width_y_1") == pytest.approx([160 * root, 40 * root])
    assert values_of(events, "brightest_1") == [0.75]
    assert values_of(events, "sparsity_1", "sparsity") == pytest.approx([142 / 144, 502 / 504])
    assert values_of(events, "depth", "depth_width") == pytest.approx([263.5, 0.0])


def test_depth_and_its_width_by_hand() -> None:
    events = calogan({0: 10.0, 432: 30.0})
    depth, width = values_of(events, "depth", "depth_width")
    assert depth == pytest.approx(0.25 * 45 + 0.75 * 458.5)
    assert width == pytest.approx((458.5 - 45) * np.sqrt(3) / 4)


def test_an_empty_layer_has_no_centre_no_width_and_no_brightest_cell() -> None:
    events = calogan({0: 10.0})
    assert np.isnan(values_of(events, "EC_x_2", "width_y_2", "brightest_2")).all()
    assert values_of(events, "E_2", "E_2/E_tot", "sparsity_2") == [0.0, 0.0, 1.0]
    nothing = calogan({})
    assert np.isnan(values_of(nothing, "E_0/E_tot", "depth", "depth_width")).all()
    assert values_of(nothing, "E_tot/E_inc", "sparsity") == [0.0, 1.0]


def test_polar_layers_by_hand() -> None:
    detector = load_detector("calochallenge-2")
    cells = np.zeros((1, detector.n_cells))
    # One deposit at alpha just above 0 in the second ring, one opposite in the first ring.
    x, y = np.array([7.0, -2.0]), np.array([0.1, -0.1])
    cells[0, detector.find(x, y, [1.0, 1.0])] = [3.0, 1.0]
    events = Events(cells, {"energy": [1000.0]}, detector)
    half = np.pi / 16
    inner, outer = 4.65 / 2, 3 * 4.65 / 2
    eta, phi, r, width = values_of(events, "EC_eta_0", "EC_phi_0", "EC_r_0", "width_r_0")
    assert eta == pytest.approx((3 * outer - inner) * np.cos(half) / 4)
    assert phi == pytest.approx((3 * outer - inner) * np.sin(half) / 4)
    assert r == pytest.approx((3 * outer + inner) / 4)
    assert width == pytest.approx((outer - inner) * np.sqrt(3) / 4)


def test_cells_at_the_threshold_are_not_hits() -> None:
    detector = load_detector("calogan").model_copy(update={"threshold": 1.0})
    cells = np.zeros((1, 504))
    cells[0, :3] = [0.5, 1.0, 1.5]
    events = Events(cells, {"energy": [10.0]}, detector)
    assert values_of(events, "sparsity_0") == [1 - 1 / 288]
    assert values_of(events, "E_tot/E_inc") == pytest.approx([0.3])


def test_widths_and_centres_equal_the_obvious_computation() -> None:
    detector = load_detector("calogan")
    cells = np.random.default_rng(2).exponential(size=(4, 504)).astype(np.float32)
    events = Events(cells, {"energy": np.ones(4)}, detector)
    measured = measure(events, select(detector, ("energy",), ["EC_y_0", "width_y_0"]))
    for i in range(4):
        layer, y = cells[i, :288].astype(np.float64), detector.positions[:288, 1]
        mean = np.average(y, weights=layer)
        assert measured["EC_y_0"][i] == pytest.approx(mean, abs=1e-9)
        sigma = np.sqrt(np.average((y - mean) ** 2, weights=layer))
        assert measured["width_y_0"][i] == pytest.approx(sigma)


def calogan_events(cells: dict[int, float]) -> list[float]:
    names = ["depth_energy", "layer_depth", "layer_depth_width", "deepest_layer"]
    return values_of(calogan(cells), *names, "E_ratio_0", "E_ratio_1")


def test_calogan_observables_by_hand() -> None:
    # 10 and 5 MeV in layer 0, 20 in layer 1, 30 in layer 2.
    found = calogan_events({0: 10.0, 7: 5.0, 288: 20.0, 503: 30.0})
    mean = (20 + 2 * 30) / 65
    width = np.sqrt((20 + 4 * 30) / 65 - mean**2)
    assert found == pytest.approx([0.08, mean, width, 2, 5 / 15, 1])


def test_calogan_observables_of_ties_and_nothing() -> None:
    assert calogan_events({0: 4.0, 200: 4.0, 100: 1.0})[3:5] == [0, 0]
    assert calogan_events({300: 4.0})[:4] == pytest.approx([0.004, 1, 0, 1])
    nothing = calogan_events({})
    assert nothing[0] == 0
    assert np.isnan(nothing[1:]).all()


def test_a_narrow_shower_far_from_the_origin_keeps_its_width() -> None:
    x = (1900 + 0.5 * np.arange(9)).tolist()
    detector = Detector.model_validate(
        {"name": "far", "layers": [{"kind": "cartesian", "x": x, "y": [0, 1], "z": (0, 1)}]}
    )
    generator = np.random.default_rng(1)
    cells = generator.exponential(size=(50, 8)) * 10.0 ** generator.uniform(-6, 0, (50, 8))
    events = Events(cells, {"energy": np.ones(50)}, detector)
    measured = measure(events, select(detector, names=["width_x_0"]))["width_x_0"]
    for i, row in enumerate(events.cells.astype(np.float64)):
        place = detector.positions[:, 0]
        mean = np.average(place, weights=row)
        expected = np.sqrt(np.average((place - mean) ** 2, weights=row))
        assert measured[i] == pytest.approx(expected, rel=1e-5)
    single = np.zeros((1, 8))
    single[0, 3] = 0.1
    alone = Events(single, {"energy": [1.0]}, detector)
    assert measure(alone, select(detector, names=["width_x_0"]))["width_x_0"] == 0


@pytest.mark.parametrize(("unit", "factor"), [("keV", 1e3), ("GeV", 1e-3)])
def test_the_unit_of_the_cells_does_not_matter(unit: str, factor: float) -> None:
    events = calogan({0: 10.0, 7: 5.0, 288: 20.0, 503: 30.0})
    detector = events.detector.model_copy(update={"cell_unit": unit})
    other = Events(events.cells * np.float32(factor), dict(events.conditions), detector)
    chosen = select(events.detector)
    expected = measure(events, chosen)
    for name, values in measure(other, chosen).items():
        assert values == pytest.approx(expected[name], rel=1e-6, nan_ok=True), name


@pytest.mark.parametrize(
    ("name", "number", "present", "absent"),
    [
        ("calogan", 48, "EC_x_0", "EC_eta_0"),
        ("calochallenge-1-photons", 37, "EC_eta_12", "EC_eta_0"),
        ("calochallenge-2", 141, "width_r_44", "EC_eta_3"),
    ],
)
def test_selection_follows_the_detector(name: str, number: int, present: str, absent: str) -> None:
    names = [o.name for o in select(load_detector(name))]
    if name == "calochallenge-1-photons":
        # Layers without alpha bins have radii, but no direction.
        present, absent = "EC_eta_1", "EC_eta_12"
        assert "EC_r_12" in names
        number = len(names)
    assert len(names) == len(set(names)) == number
    assert present in names
    assert absent not in names


def test_every_observable_has_a_label_and_a_description() -> None:
    for entry in OBSERVABLES.values():
        assert entry.label
        assert entry.description.endswith(".")
