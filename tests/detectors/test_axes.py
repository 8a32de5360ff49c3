from __future__ import annotations

import numpy as np
import pytest

from phys_gan.detectors import AxisLayer, Detector, load_detector
from phys_gan.errors import DataError, DetectorError
from phys_gan.events import Events

PLANE = load_detector("toy-grid")


def test_an_axis_is_one_number_without_a_place() -> None:
    layer = AxisLayer(name="x")
    assert (layer.shape, layer.n_cells) == ((1, 1), 1)
    np.testing.assert_array_equal(layer.positions, [[0.0, 0.0]])
    np.testing.assert_array_equal(layer.find([[0.0, 1.0]], 0.0), [[-1, -1]])


def test_a_toy_is_a_detector_of_axes() -> None:
    assert [layer.name for layer in PLANE.layers] == ["x", "y"]
    assert (PLANE.kind, PLANE.is_toy, PLANE.is_image, PLANE.n_cells) == ("points", True, False, 2)
    assert [load_detector(n).kind for n in ("calogan", "galaxies-32")] == ["calorimeter", "image"]
    assert [load_detector(n).is_toy for n in ("calogan", "galaxies-32")] == [False, False]
    np.testing.assert_array_equal(PLANE.depths, 0)
    np.testing.assert_array_equal(PLANE.find([0.0, 1.0], 0.0), -1)
    assert Detector.from_toml(PLANE.to_toml()) == PLANE


def test_events_of_a_toy_may_be_negative() -> None:
    events = Events([[-1.0, 2.0]], {}, PLANE)
    assert events.cells[0, 0] == -1
    assert repr(events) == "Events(1 x 2 cells, toy-grid, no conditions)"
    with pytest.raises(DataError, match="NaN or infinite values in 1 of 1"):
        Events([[np.nan, 2.0]], {}, PLANE)


def test_axes_stand_alone_and_have_no_symmetries() -> None:
    text = 'name = "mixed"\n[[layers]]\nkind = "axis"\n[[layers]]\nkind = "image"\n'
    with pytest.raises(DetectorError, match="axis layers, without any other"):
        Detector.from_toml(text + "rows = 2\ncolumns = 2\npixel_scale = 1.0\n")
    with pytest.raises(DetectorError, match="does not exist for axis layers"):
        Detector.from_toml('name = "a"\nsymmetries = ["reflect-x"]\n[[layers]]\nkind = "axis"\n')


def test_toys_of_different_names_are_different_spaces() -> None:
    assert PLANE.same_cells(load_detector("toy-grid"))
    assert not PLANE.same_cells(load_detector("toy-ring"))
    with pytest.raises(DetectorError, match="cannot join events of 'toy-grid' and 'toy-ring'"):
        Events.concatenate([Events([[0, 0]], {}, d) for d in (PLANE, load_detector("toy-ring"))])
