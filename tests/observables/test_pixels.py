from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from phys_gan.detectors import load_detector
from phys_gan.events import Events
from phys_gan.observables.spectrum import (
    mirrored,
    mirrored_bins,
    open_edges,
    pixel_edges,
    plot_edges,
    softening,
    spectrum_per_event,
)

DETECTOR = load_detector("galaxies-32")
EDGES = open_edges(DETECTOR)
SIGMA = 0.05


def sky(n: int = 50, seed: int = 0) -> Events:
    """Return Gaussian noise, and one bright pixel of each sign in every image."""
    cells = np.random.default_rng(seed).normal(0, SIGMA, (n, DETECTOR.n_cells))
    cells[:, 0], cells[:, 1] = 30.0, -2.0
    return Events(cells.astype(np.float32), {}, DETECTOR)


@given(arrays(np.float32, 20, elements=st.floats(-1e9, 1e9, width=32, allow_subnormal=False)))
def test_bins_of_both_signs_are_those_of_a_search(values: np.ndarray) -> None:
    edges = mirrored(np.array([0.3, 1.7, 20.9, 51234567.3]))
    np.testing.assert_array_equal(
        mirrored_bins(edges, values), np.searchsorted(edges, values, side="right")
    )


def test_an_edge_belongs_to_the_bin_that_is_farther_from_zero() -> None:
    edges = mirrored(np.array([1.0, 10.0]))
    values = np.array([-10.0, -1.0, -0.0, 0.0, 1.0, 10.0], np.float32)
    assert mirrored_bins(edges, values).tolist() == [0, 1, 3, 3, 4, 5]


def test_every_pixel_counts_whatever_its_sign() -> None:
    counts = spectrum_per_event(sky(), EDGES)
    assert np.all(counts.sum(axis=1) == DETECTOR.n_cells)
    np.testing.assert_array_equal(EDGES, -EDGES[::-1])
    middle = len(EDGES) // 2
    below = counts[:, : middle + 1].sum() / counts.sum()
    assert abs(below - 0.5) < 0.01


def test_the_softening_is_the_typical_noise_and_padding_does_not_change_it() -> None:
    counts = spectrum_per_event(sky(), EDGES).sum(axis=0)
    # The median of |x| is 0.6745 sigma; edges are a tenth of a decade apart.
    assert 10**-0.1 <= softening(EDGES, counts) / (0.6745 * SIGMA) <= 1.0
    padded = counts.copy()
    padded[len(EDGES) // 2 + 1] += 10 * counts.sum()
    assert softening(EDGES, padded) == softening(EDGES, counts)
    assert softening(EDGES, np.zeros_like(counts)) == 1.0


def test_edges_of_a_plot_are_regular_in_asinh_and_hold_all_pixels() -> None:
    events = sky()
    counts = spectrum_per_event(events, EDGES).sum(axis=0)
    edges = plot_edges(DETECTOR, EDGES, counts)
    assert edges[0] <= events.cells.min() < edges[1]
    assert edges[-2] <= events.cells.max() < edges[-1]
    assert 0.0 in edges
    assert set(edges) <= set(EDGES)
    widths = np.diff(np.arcsinh(edges / softening(EDGES, counts)))
    step = np.log(10) / 10
    assert np.all((widths > 0.4 * step) & (widths < 1.6 * step))
    far = edges[1:] > 20 * SIGMA
    np.testing.assert_allclose(widths[far], step, rtol=0.01)


def test_no_pixels_have_bins_too() -> None:
    assert len(pixel_edges(EDGES, np.zeros(len(EDGES) + 1))) == 3
