"""The look-up of cells: many layers at once give what each layer gives alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from phys_gan.detectors import Detector, load_detector
from phys_gan.detectors.lookup import CellFinder

edges = st.lists(st.integers(-9, 9), min_size=2, max_size=6, unique=True).map(
    lambda numbers: [number * 0.1 for number in sorted(numbers)]
)
cartesian = st.fixed_dictionaries({"kind": st.just("cartesian"), "x": edges, "y": edges})
polar = st.fixed_dictionaries(
    {
        "kind": st.just("polar"),
        "r": edges.map(lambda r: [value + 0.9 for value in r]),
        "n_alpha": st.integers(1, 5),
    }
)


@st.composite
def detectors(draw: st.DrawFn, kinds: st.SearchStrategy) -> Detector:
    layers = draw(st.lists(kinds, min_size=1, max_size=4))
    placed = [{**layer, "z": [2 * k, 2 * k + 1]} for k, layer in enumerate(layers)]
    return Detector.model_validate({"name": "random", "layers": placed})


def one_by_one(detector: Detector, x: np.ndarray, y: np.ndarray, layer: np.ndarray) -> np.ndarray:
    found = np.full(len(x), -1)
    for k, one in enumerate(detector.layers):
        here = layer == k
        flat = one.find(x[here], y[here])
        found[here] = np.where(flat >= 0, flat + detector.offsets[k], -1)
    return found


@given(st.one_of(detectors(cartesian), detectors(st.one_of(cartesian, polar))), st.integers(0, 99))
def test_all_layers_at_once(detector: Detector, seed: int) -> None:
    random = np.random.default_rng(seed)
    # Half of the points lie exactly on edges, or on what looks like edges.
    x, y = np.where(
        random.random((2, 300)) < 0.5,
        random.integers(-10, 11, (2, 300)) * 0.1,
        random.uniform(-1.1, 1.1, (2, 300)),
    )
    layer = random.integers(-1, detector.n_layers + 1, 300)
    expected = one_by_one(detector, x, y, layer)
    np.testing.assert_array_equal(CellFinder(detector.layers).cells(x, y, layer), expected)


def test_nothing_is_found_outside() -> None:
    finder = load_detector("calogan").finder
    far = [np.nan, np.inf, -np.inf, 240.0, -240.1, 1e300]
    assert (finder.cells(far, 0.0, 1) == -1).all()
    assert (finder.cells(0.0, far, 2) == -1).all()
    assert finder.cells(-240.0, -240.0, [0, 1, 2, 3, -1]).tolist() == [0, 288, 432, -1, -1]
    assert finder.cells(np.zeros((2, 0)), 0.0, 0).shape == (2, 0)
