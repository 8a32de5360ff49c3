"""Clusters of hits against counting by hand, and against a search from cell to cell."""

from __future__ import annotations

import numpy as np
import pytest

from phys_gan.detectors import Detector, load_detector
from phys_gan.events import Events
from phys_gan.observables import measure, select

NAMES = ["isolated_0", "pairs_0", "clusters_0", "largest_cluster_0"]


def of_one(detector: Detector, pictures: list[np.ndarray]) -> np.ndarray:
    """Measure pictures of the first layer, shape (N, 4)."""
    cells = np.zeros((len(pictures), detector.n_cells), np.float32)
    cells[:, detector.slice(0)] = np.stack(pictures).reshape(len(pictures), -1)
    events = Events(cells, {"energy": np.full(len(pictures), 1e4)}, detector)
    found = measure(events, select(detector, names=NAMES))
    return np.stack([found[name] for name in NAMES], axis=1)


def searched(picture: np.ndarray, *, closed: bool) -> tuple[int, int, int, int]:
    """Walk from hit to hit."""
    hits = {tuple(place) for place in np.argwhere(picture).tolist()}

    def neighbours(i: int, j: int) -> set[tuple[int, int]]:
        around = [(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]
        if closed:
            around = [(a % picture.shape[0], b) for a, b in around]
        return hits & set(around)

    left, sizes = set(hits), []
    while left:
        waiting, size = [left.pop()], 1
        while waiting:
            for other in neighbours(*waiting.pop()) & left:
                left.discard(other)
                waiting.append(other)
                size += 1
        sizes.append(size)
    alone = sum(not neighbours(*hit) for hit in hits)
    pairs = sum(len(neighbours(*hit)) for hit in hits) // 2
    return alone, pairs, len(sizes), max(sizes, default=0)


def test_a_small_picture_is_counted_by_hand() -> None:
    detector = load_detector("calogan")
    picture = np.zeros((3, 96))
    picture[0, [0, 1, 5]] = picture[1, [1, 90]] = picture[2, 89] = 1.0
    # A corner of three, and three hits alone: a diagonal does not touch.
    assert of_one(detector, [picture, 0 * picture]).tolist() == [[3, 2, 4, 3], [0, 0, 0, 0]]


@pytest.mark.parametrize(("name", "closed"), [("calogan", False), ("calochallenge-2", True)])
def test_random_pictures_agree_with_a_search(name: str, closed: bool) -> None:
    detector = load_detector(name)
    generator = np.random.default_rng(2)
    shape = detector.layers[0].shape
    pictures = [
        np.where(generator.random(shape) < part, 100.0, 0) for part in np.linspace(0, 0.7, 12)
    ]
    expected = [searched(picture, closed=closed) for picture in pictures]
    assert of_one(detector, pictures).tolist() == [list(row) for row in expected]
