from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.data.hits import ShowerFrame, enter_cylinder
from phys_gan.errors import DataError

ONE = np.array([1])


def column(*point: float) -> np.ndarray:
    return np.array(point, float)[:, np.newaxis]


@pytest.mark.parametrize(
    ("direction", "point", "local"),
    [
        # Along the beam: as the experiment has it; against it: turned around x.
        ((0, 0, 2), (1, 2, 3), (1, 2, 3)),
        ((0, 0, -1), (1, 2, 3), (1, -2, -3)),
        # At right angles: x around the beam, y along it.
        ((1, 0, 0), (5, 2, 3), (2, 3, 5)),
        ((0, 1, 0), (5, 2, 3), (-5, 3, 2)),
        ((-4, 0, 0), (5, 2, 3), (-2, 3, -5)),
    ],
)
def test_axes(direction: tuple, point: tuple, local: tuple) -> None:
    frame = ShowerFrame(np.zeros((1, 3)), np.array([direction], float))
    np.testing.assert_allclose(frame.to_local(ONE, column(*point))[:, 0], local, atol=1e-15)


vectors = st.tuples(*[st.floats(-2000, 2000)] * 3)


@given(entry=vectors, direction=vectors, points=st.lists(vectors, min_size=1, max_size=5))
def test_a_frame_is_a_rotation(entry: tuple, direction: tuple, points: list) -> None:
    if np.linalg.norm(direction) < 1e-100:
        return
    frame = ShowerFrame(np.array([entry]), np.array([direction]))
    np.testing.assert_allclose(frame.axes[0] @ frame.axes[0].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(frame.axes[0]) == pytest.approx(1, abs=1e-12)
    cloud, counts = np.array(points).T, np.array([len(points)])
    local = frame.to_local(counts, cloud)
    np.testing.assert_allclose(frame.to_global(counts, local), cloud, atol=1e-8)
    # What lies on the way of the particle lies on the axis.
    ahead = np.array(entry) + 3 * np.array(direction) / np.linalg.norm(direction)
    np.testing.assert_allclose(frame.to_local(ONE, ahead[:, None])[:, 0], [0, 0, 3], atol=1e-9)


def test_each_event_has_its_own_frame() -> None:
    entry = np.array([[0, 0, 0], [10, 0, 0], [0, 20, 0]], float)
    direction = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], float)
    frame, counts = ShowerFrame(entry, direction), np.array([2, 0, 1])
    points = np.array([[1, 2, 3], [4, 5, 6], [7, 28, 9]], float).T
    expected = [[1, 2, 3], [4, 5, 6], [-7, 9, 8]]
    np.testing.assert_allclose(frame.to_local(counts, points).T, expected, atol=1e-14)
    # The same, begun at a later event.
    later = frame.to_local(counts[1:], points[:, 2:], first=1)
    np.testing.assert_allclose(later.T, expected[2:], atol=1e-14)
    np.testing.assert_allclose(frame.to_global(counts[1:], later, first=1), points[:, 2:])


@pytest.mark.parametrize("wrong", [(0, 0, 0), (np.nan, 0, 1), (np.inf, 0, 0)])
def test_no_direction(wrong: tuple) -> None:
    direction = np.array([[0, 0, 1], wrong], float)
    with pytest.raises(DataError, match=r"1 of 2 events have no direction .*first: event 1"):
        ShowerFrame(np.zeros((2, 3)), direction)
    with pytest.raises(DataError, match="1 of 1 events have no direction or point of entry"):
        ShowerFrame(np.array([[0, np.nan, 0]]), np.array([[0, 0, 1.0]]))


@pytest.mark.parametrize(
    ("point", "direction", "entry"),
    [
        ((0, 0, 0), (2, 0, 0), (100, 0, 0)),
        ((0, 0, 7), (0, -0.1, 0), (0, -100, 7)),
        ((-50, 0, 0), (1, 0, 0), (100, 0, 0)),
        ((0, 60, 0), (1, 0, 1), (80, 60, 80)),
        # To an endcap, exactly along the beam and not.
        ((1, 2, 0), (0, 0, 3), (1, 2, 200)),
        ((1, 2, 0), (0, 0, -3), (1, 2, -200)),
        ((0, 0, 0), (1, 0, 4), (50, 0, 200)),
        # On the surface already.
        ((0, 100, 0), (0, 1, 0), (0, 100, 0)),
        ((0, 100.0005, 0), (0, 1, 0), (0, 100, 0)),
        ((0, 0, 200), (0, 0, 1), (0, 0, 200)),
    ],
)
def test_where_a_line_enters(point: tuple, direction: tuple, entry: tuple) -> None:
    found = enter_cylinder(np.array([point]), np.array([direction]), 100, 200)
    np.testing.assert_allclose(found, [entry], atol=1e-9)


@given(point=vectors, direction=vectors)
def test_the_entry_lies_ahead_on_the_surface(point: tuple, direction: tuple) -> None:
    if np.linalg.norm(direction) < 1e-3:
        return
    found = enter_cylinder(np.array([point]), np.array([direction]), 3000, 2500)[0]
    radius, height = np.hypot(*found[:2]), abs(found[2])
    assert max(radius / 3000, height / 2500) == pytest.approx(1, abs=1e-9)
    way = found - np.array(point)
    assert way @ np.array(direction) > 0
    np.testing.assert_allclose(np.cross(way, direction) / np.linalg.norm(direction), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("point", "direction", "half_length"),
    [
        ((101, 0, 0), (1, 0, 0), 200),
        ((0, 0, 201), (1, 0, 0), 200),
        ((0, 0, 0), (0, 0, 1), None),
        ((0, 0, 0), (0, 0, 0), 200),
    ],
)
def test_lines_that_do_not_enter(point: tuple, direction: tuple, half_length: float | None) -> None:
    points, directions = np.array([(0, 0, 0), point]), np.array([(1, 0, 0), direction])
    with pytest.raises(DataError, match=r"1 of 2 particles .* radius 100 mm \(first: event 1"):
        enter_cylinder(points, directions, 100, half_length)
