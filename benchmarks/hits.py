"""Hits to cells, against straightforward loops over events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.common import in_turns, print_header
from phys_gan.data import Hits, hits_of, voxelise
from phys_gan.detectors import CartesianLayer, Detector, PolarLayer, ShowerLayer, load_detector
from phys_gan.events import Events
from phys_gan.randomness import stream
from phys_gan.simulation import simulate

Values = NDArray[Any]
Loop = Callable[[Hits, Detector], NDArray[np.float32]]


def main(
    n: Annotated[int, typer.Option("-n", help="Number of showers.")] = 2000,
    looped: Annotated[int, typer.Option(help="How many of them the loops take.")] = 200,
    times: Annotated[int, typer.Option(help="How often each runs; the best time counts.")] = 5,
) -> None:
    """Time a hit, and how much longer it takes in loops over events.

    Example: python -m benchmarks.hits -n 500
    """
    print_header("detector", "hits per shower", "way", "ns per hit", "times as long")
    for name in ("calogan", "calochallenge-2"):
        detector = load_detector(name)
        events = simulate(detector, n, energy=(10e3, 100e3), seed=1)
        hits = _scattered(events)
        few = _first(hits, looped)
        cells, _ = voxelise(hits, detector)
        ours = 1e9 * in_turns([partial(voxelise, hits, detector)], times).min() / len(hits.x)
        typer.echo(f"| {name} | {len(hits.x) / n:.0f} | voxelise | {ours:.1f} | 1 |")
        loops: dict[str, Loop] = {
            "histogram2d per event and layer": _by_histogram2d,
            "digitize, add.at per event and layer": _by_digitize,
        }
        if isinstance(detector.layers[0], PolarLayer):
            loops["histogramdd per event, where all layers are alike"] = _by_histogramdd
        for way, loop in loops.items():
            np.testing.assert_allclose(loop(few, detector), cells[:looped], rtol=1e-5)
            theirs = 1e9 * in_turns([partial(loop, few, detector)], 2).min() / len(few.x)
            typer.echo(f"| {name} | | {way} | {theirs:.0f} | {theirs / ours:.1f} |")


def _scattered(events: Events) -> Hits:
    """Return a hit at a random place of each cell with a signal, in random order."""
    detector, random = events.detector, stream(1, "benchmark")
    middle = hits_of(events)
    event, cell = np.nonzero(events.cells)
    x, y, z = np.empty((3, len(cell)))
    for k, layer in enumerate(detector.layers):
        here = np.flatnonzero(detector.layer_of_cell[cell] == k)
        outer, inner = np.divmod(cell[here] - detector.offsets[k], layer.shape[1])
        a, b, c = random.uniform(0.01, 0.99, (3, len(here)))
        if isinstance(layer, CartesianLayer):
            x[here], y[here] = _inside(layer.x, outer, a), _inside(layer.y, inner, b)
            z[here] = _inside(layer.z, 0 * outer, c)
        elif isinstance(layer, PolarLayer):
            alpha = -np.pi + 2 * np.pi * (outer + a) / layer.n_alpha
            r = _inside(layer.r, inner, b)
            x[here], y[here] = r * np.cos(alpha), r * np.sin(alpha)
            z[here] = _inside(layer.z, 0 * outer, c)
    order = np.lexsort((random.random(len(cell)), event))
    points = np.stack([x, y, z])[:, order].astype(np.float32)
    return Hits(middle.counts, points[0], points[1], points[2], middle.energy[order])


def _inside(
    edges: tuple[float, ...], number: NDArray[np.int64], fraction: NDArray[np.float64]
) -> NDArray[np.float64]:
    bounds = np.asarray(edges)
    inside: NDArray[np.float64] = bounds[number] + fraction * (bounds[number + 1] - bounds[number])
    return inside


def _first(hits: Hits, n: int) -> Hits:
    end = int(hits.counts[:n].sum())
    return Hits(hits.counts[:n], hits.x[:end], hits.y[:end], hits.z[:end], hits.energy[:end])


def _across(detector: Detector, k: int) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Return the edges of a layer along both axes, and whether they are polar."""
    layer = detector.layers[k]
    if isinstance(layer, PolarLayer):
        return np.linspace(-np.pi, np.pi, layer.n_alpha + 1), np.asarray(layer.r), True
    assert isinstance(layer, CartesianLayer)
    return np.asarray(layer.x), np.asarray(layer.y), False


def _fronts(detector: Detector) -> NDArray[np.float64]:
    """Return where the layers, one after the other, begin and the last one ends."""
    depths = [layer.z for layer in detector.layers if isinstance(layer, ShowerLayer)]
    return np.array([*(front for front, _ in depths), depths[-1][1]])


def _each(hits: Hits) -> Iterator[tuple[Values, Values, Values, Values]]:
    """Yield x, y, z and energy of the hits of each event."""
    for begin, end in pairwise([0, *np.cumsum(hits.counts)]):
        here = slice(begin, end)
        yield hits.x[here], hits.y[here], hits.z[here], hits.energy[here]


def _by_histogram2d(hits: Hits, detector: Detector) -> NDArray[np.float32]:
    cells = np.zeros((len(hits), detector.n_cells), np.float32)
    grids = [_across(detector, k) for k in range(detector.n_layers)]
    fronts = _fronts(detector)
    for i, (x, y, z, energy) in enumerate(_each(hits)):
        for k in range(detector.n_layers):
            here = (z >= fronts[k]) & (z < fronts[k + 1])
            first, second, polar = grids[k]
            u, v = x[here], y[here]
            if polar:
                u, v = np.arctan2(v, u), np.hypot(u, v)
            sums = np.histogram2d(u, v, [first, second], weights=energy[here])[0]
            cells[i, detector.slice(k)] = sums.ravel()
    return cells


def _by_digitize(hits: Hits, detector: Detector) -> NDArray[np.float32]:
    cells = np.zeros((len(hits), detector.n_cells), np.float32)
    grids = [_across(detector, k) for k in range(detector.n_layers)]
    fronts = _fronts(detector)
    for i, (x, y, z, energy) in enumerate(_each(hits)):
        number = np.digitize(z, fronts) - 1
        for k in np.unique(number[(number >= 0) & (number < detector.n_layers)]):
            here = number == k
            first, second, polar = grids[k]
            u, v = x[here], y[here]
            if polar:
                u, v = np.arctan2(v, u), np.hypot(u, v)
            a, b = np.digitize(u, first) - 1, np.digitize(v, second) - 1
            inside = (a >= 0) & (a < len(first) - 1) & (b >= 0) & (b < len(second) - 1)
            flat = detector.offsets[k] + a * (len(second) - 1) + b
            np.add.at(cells[i], flat[inside], energy[here][inside])
    return cells


def _by_histogramdd(hits: Hits, detector: Detector) -> NDArray[np.float32]:
    cells = np.zeros((len(hits), detector.n_cells), np.float32)
    alpha, r, _ = _across(detector, 0)
    fronts = _fronts(detector)
    for i, (x, y, z, energy) in enumerate(_each(hits)):
        point = (z, np.arctan2(y, x), np.hypot(x, y))
        cells[i] = np.histogramdd(point, [fronts, alpha, r], weights=energy)[0].ravel()
    return cells


if __name__ == "__main__":
    typer.run(main)
