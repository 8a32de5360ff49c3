r"""Relations between layers and between what a shower has in each, at fixed incident energy.

A layer that is mirrored, or taken from another shower of the same energy, has all distributions
that it should have, and so has a response that belongs to another shower. What is lost are
correlations: :func:`compare_relations` measures them in both samples, each with its error, and
:func:`mirrored_layer`, :func:`permuted_layer` and :func:`permuted_response` ask which failure
explains those of the candidate.

A correlation is that of ranks in bins of incident energy (Spearman's at fixed energy), from up to
20,000 events. Its error is that of the mean over events of
:math:`z_a z_b - \rho (z_a^2 + z_b^2)/2`, the influence of an event on a correlation of
standardised values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm, rankdata

from phys_gan.detectors import CartesianLayer, Detector, Layer, PolarLayer
from phys_gan.events import Events
from phys_gan.metrics.result import Result
from phys_gan.metrics.statistics import Floats, Weights, effective_size, mean_and_error
from phys_gan.observables import Showers, map_blocks
from phys_gan.observables.sums import Numbers, ratio
from phys_gan.validation.evidence import (
    NAMED_LEVEL,
    NOTHING,
    Evidence,
    Suspicion,
    layer_name,
    two_sided,
)
from phys_gan.validation.sample import Sample

_MOST_EVENTS = 20_000
_PER_BIN = 250
_MOST_BINS = 20
_MANY_LAYERS = 7
_EXACT = 0.3
"""A failure explains correlations that are within this part of what it makes of them."""
_NEARLY_AS_GOOD = 16.0
_STRONG = 4.0
"""Standard deviations that correlations need together for their loss to be seen."""


@dataclass(frozen=True)
class Relations:
    """Correlations of two samples at fixed energy, P pairs of quantities.

    Attributes:
        names: What is correlated with what, "energy of 0, energy of 1".
        reference: Correlations in the reference, shape (P,).
        candidate: Those in the candidate, shape (P,).
        reference_error: Their standard errors, shape (P,).
        candidate_error: The same.
        distances: Mean distance between the centres of adjacent layers [mm], by name, with errors:
            (reference, error, candidate, error).
        result: Root mean square of all differences, with floor and p-value.
    """

    names: tuple[str, ...]
    reference: Floats
    candidate: Floats
    reference_error: Floats
    candidate_error: Floats
    distances: dict[str, tuple[float, float, float, float]]
    result: Result

    def as_dict(self) -> dict[str, Any]:
        """Return all numbers for JSON, by name."""
        keys = ("reference", "reference_error", "candidate", "candidate_error")
        rows = zip(*(getattr(self, key).tolist() for key in keys), strict=True)
        found = {
            name: dict(zip(keys, row, strict=True))
            for name, row in zip(self.names, rows, strict=True)
        }
        distances = {
            name: dict(zip(keys, numbers, strict=True)) for name, numbers in self.distances.items()
        }
        return {"correlations": found, "centre_distances": distances}


@dataclass(frozen=True)
class _Pair:
    """Two quantities that are correlated.

    Attributes:
        first: Kind and layer of one; -1 for the whole shower.
        second: Kind and layer of the other.
    """

    first: tuple[str, int]
    second: tuple[str, int]

    @property
    def layers(self) -> tuple[int, int]:
        """Both layers."""
        return self.first[1], self.second[1]

    @property
    def kinds(self) -> tuple[str, str]:
        """Both kinds."""
        return self.first[0], self.second[0]


@dataclass(frozen=True)
class _Measured:
    """The correlations of one sample.

    Attributes:
        value: Correlations, shape (P,).
        influence: Influence of every event on each of them, shape (N, P).
        weights: Weights of the events.
    """

    value: Floats
    influence: Floats
    weights: Weights

    @property
    def error(self) -> Floats:
        """Standard errors, shape (P,)."""
        return np.asarray(mean_and_error(self.influence, self.weights)[1])

    def error_of(self, along: Floats) -> float:
        """Return the standard error of a sum of correlations with these coefficients."""
        return float(mean_and_error(self.influence @ along, self.weights)[1])


@dataclass(frozen=True)
class _Both:
    """The same correlations of both samples.

    Attributes:
        pairs: What is correlated, P of them.
        reference: Those of the reference.
        candidate: Those of the candidate.
        distances: As in :class:`Relations`.
    """

    pairs: tuple[_Pair, ...]
    reference: _Measured
    candidate: _Measured
    distances: dict[str, tuple[float, float, float, float]]

    @property
    def error(self) -> Floats:
        """Standard errors of the differences, shape (P,)."""
        return np.maximum(np.hypot(self.reference.error, self.candidate.error), 1e-9)


def compare_relations(evidence: Evidence) -> Relations | None:
    """Compare the correlations between layers, and of the response with the shape.

    Between layers: energies, centres and widths of adjacent and next to adjacent layers, of all in
    a detector of up to 7. With the response: the share of every layer (of the last one in a longer
    detector), depth, width of the depth, fraction of hits.

    Returns:
        The comparison; None for images, toys and too few events.
    """
    both = _measured(evidence)
    if both is None or not both.pairs:
        return None
    shown = np.array([not set(pair.kinds) & set(_FLAT.values()) for pair in both.pairs])
    names = tuple(
        ", ".join(_words(evidence.reference, *side) for side in (pair.first, pair.second))
        for pair, is_shown in zip(both.pairs, shown, strict=True)
        if is_shown
    )
    difference = (both.candidate.value - both.reference.value)[shown]
    error_of = both.error[shown]
    variance = error_of**2
    p_value = min(1.0, len(names) * min(two_sided(z) for z in (difference / error_of).tolist()))
    value = float(np.sqrt(np.mean(difference**2)))
    floor = float(np.sqrt(np.mean(variance)))
    # The mean of P squares has 2/P of relative variance; an observed value its own errors.
    floor_error = floor / (2 * len(names)) ** 0.5
    error = float(np.sqrt(np.sum(difference**2 * variance))) / (max(value, 1e-12) * len(names))
    sizes = len(both.reference.influence), len(both.candidate.influence)
    limit = floor + 3 * float(np.hypot(floor_error, error))
    result = Result(
        value, error, floor, floor_error, limit, *sizes, p_value >= 0.00135, p_value=p_value
    )
    return Relations(
        names,
        both.reference.value[shown],
        both.candidate.value[shown],
        both.reference.error[shown],
        both.candidate.error[shown],
        both.distances,
        result,
    )


def _words(sample: Sample, kind: str, layer: int) -> str:
    return kind if layer < 0 else f"{kind} of {layer_name(sample, layer)}"


# Measuring

_SHAPE = ("depth", "depth width", "hits")
_FLAT = {"x": "flat x", "y": "flat y"}
"""Centres with the weights sqrt(E), which know more of the tails of a shower."""
_AXES = {kind: axis for axis, flat in _FLAT.items() for kind in (axis, flat)}


def _measured(evidence: Evidence) -> _Both | None:
    return evidence.once(_measure)


def _measure(evidence: Evidence) -> _Both | None:
    if evidence.reference.detector.kind != "calorimeter":
        return None
    shared = all("energy" in sample.kept.conditions for sample in evidence.samples)
    samples = [s.kept[:: -(-len(s.kept) // _MOST_EVENTS)] for s in evidence.samples]
    if min(len(events) for events in samples) < 2 * _PER_BIN:
        return None
    quantities = [_quantities(events) for events in samples]
    names = [name for name in quantities[0] if name in quantities[1]]
    places = _energy_bins(samples, shared)
    scores = [
        {name: _scores(values[name], place) for name in names}
        for values, place in zip(quantities, places, strict=True)
    ]
    pairs = [
        pair
        for pair in _pairs(samples[0].detector, names)
        if all(score[name].any() for score in scores for name in (pair.first, pair.second))
    ]
    measured = []
    for score, events in zip(scores, samples, strict=True):
        products = np.stack([score[p.first] * score[p.second] for p in pairs], axis=1)
        squares = {name: values**2 / 2 for name, values in score.items()}
        scale = np.stack([squares[p.first] + squares[p.second] for p in pairs], axis=1)
        value = mean_and_error(products, events.weights)[0]
        measured.append(_Measured(value, products - value * scale, events.weights))
    distances = {}
    for j, k in pairwise(range(samples[0].detector.n_layers)):
        numbers = [
            number
            for q, events in zip(quantities, samples, strict=True)
            for number in _mean_distance(q, j, k, events.weights)
        ]
        if len(numbers) == 4:
            names_of = [samples[0].detector.layers[i].name or str(i) for i in (j, k)]
            distances[", ".join(names_of)] = (numbers[0], numbers[1], numbers[2], numbers[3])
    return _Both(tuple(pairs), measured[0], measured[1], distances)


def _mean_distance(
    quantities: dict[tuple[str, int], Numbers], j: int, k: int, weights: Weights
) -> tuple[float, ...]:
    """Return the mean distance [mm] between the centres of two layers, and its error."""
    square: Numbers | None = None
    for axis in ("x", "y"):
        if (axis, j) in quantities and (axis, k) in quantities:
            part = (quantities[axis, j] - quantities[axis, k]) ** 2
            square = part if square is None else square + part
    if square is None:
        return ()
    good = np.isfinite(square)
    own = None if weights is None else weights[good]
    if effective_size(int(good.sum()), own) < 2:
        return ()
    mean, error = mean_and_error(np.sqrt(square[good]), own)
    return float(mean), float(error)


def _quantities(events: Events) -> dict[tuple[str, int], Numbers]:
    """Measure energy, centre and width of every layer, and the shape of the whole shower."""
    n, detector = len(events), events.detector
    n_layers = detector.n_layers
    columns: dict[str, Numbers] = {
        name: np.empty((n, n_layers))
        for name in ("energy", "x", "y", "width", "share", *_FLAT.values())
    }
    positions = [layer.positions for layer in detector.layers]
    whole: dict[str, Numbers] = {name: np.empty(n) for name in ("response", *_SHAPE)}
    has_energy = "energy" in events.conditions

    def work(showers: Showers) -> dict[str, Numbers]:
        share = ratio(showers.layer_energy, showers.total[:, None])
        number = np.arange(n_layers, dtype=np.float64)
        depth = share @ number
        lateral = np.hypot(showers.width("x"), showers.width("y"))
        roots = np.sqrt(np.maximum(showers.doubles, 0))
        flat = np.empty((2, len(showers), n_layers))
        for k in range(n_layers):
            part = roots[:, detector.slice(k)]
            sums = part.sum(axis=1)
            for axis in range(2):
                flat[axis, :, k] = ratio(part @ positions[k][:, axis], sums)
        return {
            _FLAT["x"]: flat[0],
            _FLAT["y"]: flat[1],
            "energy": showers.layer_energy,
            "x": showers.centre("x"),
            "y": showers.centre("y"),
            "width": lateral,
            "share": share,
            "response": showers.total / (showers.incident if has_energy else 1.0),
            "depth": depth,
            "depth width": np.sqrt(np.maximum(share @ number**2 - depth**2, 0)),
            "hits": showers.hits.sum(axis=1).astype(np.float64),
        }

    for rows, block in map_blocks(events, work):
        for name, values in block.items():
            (columns if name in columns else whole)[name][rows] = values
    found = {("response", -1): whole["response"]} if has_energy else {}
    if n_layers > 1:
        found |= {(name, -1): whole[name] for name in _SHAPE}
    else:
        found["hits", -1] = whole["hits"]
    for k, layer in enumerate(detector.layers):
        found["energy", k], found["share", k] = columns["energy"][:, k], columns["share"][:, k]
        for axis in _axes(layer):
            for kind in (axis, _FLAT[axis]):
                found[kind, k] = columns[kind][:, k]
        if layer.n_cells > 1:
            found["width", k] = columns["width"][:, k]
    return found


def _axes(layer: Layer) -> tuple[str, ...]:
    """Return the axes along which a layer has a centre."""
    if isinstance(layer, CartesianLayer):
        x, y = layer.positions.T
        return tuple(name for name, along in (("x", x), ("y", y)) if np.ptp(along) > 0)
    return ("x", "y") if isinstance(layer, PolarLayer) and layer.n_alpha > 1 else ()


def _energy_bins(samples: Sequence[Events], shared: bool) -> list[NDArray[np.int64]]:
    """Return the bin of incident energy of every event; of deposited energy where unknown."""
    energies = [events.energy if shared else events.total_energy() for events in samples]
    n_bins = int(np.clip(min(map(len, energies)) // _PER_BIN, 1, _MOST_BINS))
    levels = np.linspace(0, 1, n_bins + 1)[1:-1]
    edges = np.unique(np.quantile(np.concatenate(energies), levels))
    return [np.searchsorted(edges, energy, side="right") for energy in energies]


def _scores(values: Numbers, place: NDArray[np.int64]) -> Floats:
    """Return ranks within each bin, with mean 0 and variance 1; 0 where not defined."""
    scores = np.zeros(len(values))
    for b in np.unique(place):
        rows = np.flatnonzero((place == b) & np.isfinite(values))
        if len(rows) > 10:
            ranks = rankdata(values[rows])
            spread = ranks.std()
            if spread > 0:
                scores[rows] = (ranks - ranks.mean()) / spread
    return scores


def _pairs(detector: Detector, names: Sequence[tuple[str, int]]) -> Iterator[_Pair]:
    """Yield what is correlated: kinds that belong together in two layers, response with shape."""
    known = set(names)
    n_layers = detector.n_layers
    reach = n_layers if n_layers <= _MANY_LAYERS else 2
    kinds = [("energy", "energy"), ("width", "width"), *product("xy", "xy")]
    kinds += list(product(_FLAT.values(), _FLAT.values()))
    for j in range(n_layers):
        for k in range(j + 1, min(n_layers, j + reach + 1)):
            for first, second in kinds:
                if {(first, j), (second, k)} <= known:
                    yield _Pair((first, j), (second, k))
    if ("response", -1) not in known:
        return
    shares = range(n_layers) if n_layers <= _MANY_LAYERS else (n_layers - 1,)
    shape = [*((name, -1) for name in _SHAPE), *(("share", k) for k in shares)]
    if n_layers <= _MANY_LAYERS:
        shape += [("width", k) for k in range(n_layers)]
    if n_layers == 1:
        shape.remove(("share", 0))
    for quantity in shape:
        if quantity in known:
            yield _Pair(("response", -1), quantity)


# What explains them


@dataclass(frozen=True)
class _Explanation:
    """How well a failure explains the correlations of the candidate.

    Attributes:
        p_value: Of the difference from the reference in the direction of this failure.
        part: How much of what the failure would do is there, near 1 where it is there.
        fits: Whether the candidate is as the failure would make it.
        distance: Chi2 of the candidate from what the failure would make of the reference.
    """

    p_value: float
    part: float
    fits: bool
    distance: float


def _explain(both: _Both, rows: NDArray[np.int64], would_be: Floats) -> _Explanation | None:
    """Ask whether the correlations ``rows`` of the candidate are ``would_be``, shape (P,)."""
    known, own = both.reference.value[rows], both.candidate.value[rows]
    sigma = both.error[rows]
    change = (known - would_be) / sigma**2
    # Seen only where the reference differs from it by far.
    reach = float(change @ (known - would_be))
    if not reach > _STRONG**2:
        return None
    along = np.zeros(len(both.pairs))
    along[rows] = change
    error = float(np.hypot(both.reference.error_of(along), both.candidate.error_of(along)))
    seen = float(change @ (known - own))
    part, part_error = seen / reach, error / reach
    distance = float((((own - would_be) / sigma) ** 2).sum())
    # Correlations of correlations make chi2 wider than it should be.
    fits = abs(part - 1) < _EXACT + 2 * part_error and chi2.sf(distance / 2, len(rows)) > 1e-4
    return _Explanation(float(norm.sf(seen / error)), part, bool(fits), distance)


_OPERATIONS = {
    "mirrored in x": ((-1, 0), (0, 1)),
    "mirrored in y": ((1, 0), (0, -1)),
    "turned by 180 degrees": ((-1, 0), (0, -1)),
    "mirrored in the diagonal": ((0, 1), (1, 0)),
    "mirrored in the other diagonal": ((0, -1), (-1, 0)),
    "turned by 90 degrees": ((0, -1), (1, 0)),
    "turned by -90 degrees": ((0, 1), (-1, 0)),
}
"""How a layer may lie, and what becomes of the centre (x, y) of a shower in it."""


def mirrored_layer(evidence: Evidence) -> Suspicion | None:
    """Look for a layer that is mirrored or turned while the others are not.

    In a detector with that symmetry no distribution of one layer shows it, but the correlations of
    its centre with those of other layers change their signs. Where the mean energies of its cells
    are not symmetric, they must agree with those of the reference as they would be then.
    """
    both = _measured(evidence)
    tests: list[tuple[float, float, str]] = []
    n_asked = 0
    detector = evidence.reference.detector
    if both is not None:
        centres = np.array(
            [i for i, pair in enumerate(both.pairs) if set(pair.kinds) <= set(_AXES)], np.int64
        )
        for k in range(detector.n_layers):
            rows = np.array([i for i in centres if k in both.pairs[i].layers], np.int64)
            if not len(rows):
                continue
            lost = _explain(both, rows, np.zeros(len(rows)))
            others = np.setdiff1d(centres, rows)
            change = both.candidate.value[others] - both.reference.value[others]
            elsewhere = float(((change / both.error[others]) ** 2).sum())
            for words, matrix in _OPERATIONS.items():
                if matrix[0][0] == 0 and not _square(detector.layers[k]):
                    continue
                would_be = _after(both, rows, k, matrix)
                if would_be is None or (found := _explain(both, rows, would_be)) is None:
                    continue
                n_asked += 1
                if found.fits and (lost is None or found.distance < lost.distance):
                    text = (
                        f"Layer {layer_name(evidence.reference, k)} is {words}: the correlations "
                        "of its centre with those of other layers are"
                        + _shown(both, rows, would_be, "as after that")
                    )
                    tests.append((found.p_value, found.distance + elsewhere, text))
    by_maps, n_maps = _mirrored_maps(evidence)
    n_asked += n_maps
    tests += by_maps
    if not n_asked:
        return None
    if not tests:
        return NOTHING
    # Of several explanations that are beyond chance, the one that leaves the least to explain.
    sure = [test for test in tests if test[0] * n_asked < NAMED_LEVEL]
    # Of those that are nearly as good, the first and simplest.
    least = min((distance for _, distance, _ in sure), default=0.0) + _NEARLY_AS_GOOD
    best = next((test for test in sure if test[1] <= least), min(tests))
    return Suspicion(min(1.0, n_asked * best[0]), best[2])


def _square(layer: Layer) -> bool:
    """Return whether a layer looks the same after a quarter of a turn."""
    if isinstance(layer, CartesianLayer):
        return layer.shape[0] == layer.shape[1]
    return isinstance(layer, PolarLayer) and layer.n_alpha % 4 == 0


def _shown(both: _Both, rows: NDArray[np.int64], would_be: Floats, how: str) -> str:
    strongest = rows[np.argmax(np.abs(both.reference.value[rows] - would_be))]
    return (
        f" {how} ({both.candidate.value[strongest]:.3f} ± {both.candidate.error[strongest]:.3f}, "
        f"{both.reference.value[strongest]:.3f} in the reference)."
    )


def _after(
    both: _Both, rows: NDArray[np.int64], k: int, matrix: tuple[tuple[int, int], tuple[int, int]]
) -> Floats | None:
    """Return the correlations of the reference if layer k were transformed; None if impossible."""
    known = {both.pairs[row]: both.reference.value[row] for row in rows}
    result = np.zeros(len(rows))
    for i, row in enumerate(rows):
        pair = both.pairs[row]
        own, other = (pair.first, pair.second) if pair.first[1] == k else (pair.second, pair.first)
        flat = own[0] != _AXES[own[0]]
        for axis, factor in zip("xy", matrix["xy".index(_AXES[own[0]])], strict=True):
            if not factor:
                continue
            source = (_FLAT[axis] if flat else axis, k)
            first, second = (source, other) if pair.first[1] == k else (other, source)
            if _Pair(first, second) not in known:
                return None
            result[i] += factor * known[_Pair(first, second)]
    return result


def _mirrored_maps(evidence: Evidence) -> tuple[list[tuple[float, float, str]], int]:
    """Compare the mean cells of each layer with those of the reference, mirrored and turned."""
    reference = evidence.reference
    tests, n_asked = [], 0
    if reference.detector.kind != "calorimeter":
        return [], 0
    for k, layer in enumerate(reference.detector.layers):
        if layer.n_cells < 2 or not hasattr(layer, "shape"):
            continue
        cells = reference.detector.slice(k)
        first, second = (s.profiles.cells.mean[cells] for s in evidence.samples)
        one, two = (s.profiles.cells.error[cells] for s in evidence.samples)
        numbers = np.arange(layer.n_cells).reshape(layer.shape)
        events = [s.kept[:: -(-len(s.kept) // _MOST_EVENTS)] for s in evidence.samples]
        for words, moved in _moved_cells(layer, numbers):
            order = moved.ravel()
            variance = one**2 + one[order] ** 2 + two**2
            change = np.where(
                variance > 0, (first - first[order]) / np.maximum(variance, 1e-300), 0
            )
            reach = float(change @ (first - first[order]))
            if not reach > _STRONG**2:
                continue
            n_asked += 1
            part = float(change @ (first - second)) / reach
            if abs(part - 1) > _EXACT:
                continue
            sums = [
                mean_and_error(e.cells[:, cells].astype(np.float64) @ change, e.weights)
                for e in events
            ]
            sigma = float(np.hypot(sums[0][1], sums[1][1]))
            chance = float(norm.sf(abs(float(sums[0][0] - sums[1][0])) / sigma))
            good = variance > 0
            distance = float(((second - first[order])[good] ** 2 / variance[good]).sum())
            if distance > 0.2 * float(((second - first)[good] ** 2 / variance[good]).sum()):
                continue
            text = (
                f"Layer {layer_name(reference, k)} is {words}: the mean energies of its cells are "
                "those of the reference after that."
            )
            tests.append((chance, distance, text))
    return tests, n_asked


def _moved_cells(
    layer: Layer, numbers: NDArray[np.int64]
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    if isinstance(layer, CartesianLayer):
        for words, axes in (("x", 0), ("y", 1)):
            if numbers.shape[axes] > 1:
                yield f"mirrored in {words}", np.flip(numbers, axes)
        if min(numbers.shape) > 1:
            yield "turned by 180 degrees", np.flip(numbers)
        if numbers.shape[0] == numbers.shape[1] > 1:
            yield "mirrored in the diagonal", numbers.T
    elif isinstance(layer, PolarLayer) and layer.n_alpha > 1:
        yield "mirrored in alpha", np.flip(numbers, 0)
        if layer.n_alpha > 2:
            yield "turned by 180 degrees", np.roll(numbers, layer.n_alpha // 2, axis=0)


def permuted_layer(evidence: Evidence) -> Suspicion | None:
    """Look for a layer that belongs to other showers of the same energy.

    None of its energies, centres and widths correlates with those of other layers at fixed
    energy, as they do in the reference.
    """
    both = _measured(evidence)
    if both is None:
        return None
    tests, n_asked = [], 0
    for k in range(evidence.reference.detector.n_layers):
        rows = np.array(
            [i for i, pair in enumerate(both.pairs) if k in pair.layers and min(pair.layers) >= 0],
            np.int64,
        )
        if not len(rows) or (found := _explain(both, rows, np.zeros(len(rows)))) is None:
            continue
        n_asked += 1
        if found.fits:
            text = (
                f"Layer {layer_name(evidence.reference, k)} belongs to other showers of the same "
                "energy: its correlations with other layers are"
                + _shown(both, rows, np.zeros(len(rows)), "gone")
            )
            tests.append((found.p_value, text))
    if not n_asked:
        return None
    if not tests:
        return NOTHING
    chance, text = min(tests)
    return Suspicion(min(1.0, n_asked * chance), text)


def permuted_response(evidence: Evidence) -> Suspicion | None:
    """Look for a response that belongs to other showers of the same energy.

    It does not correlate with the shape of the shower at fixed energy, as that of the reference
    does.
    """
    both = _measured(evidence)
    if both is None:
        return None
    rows = np.array([i for i, p in enumerate(both.pairs) if p.first[0] == "response"], np.int64)
    if not len(rows) or (found := _explain(both, rows, np.zeros(len(rows)))) is None:
        return None
    if not found.fits:
        return NOTHING
    text = (
        "The response belongs to other showers of the same energy: its correlations with the "
        "shape are" + _shown(both, rows, np.zeros(len(rows)), "gone")
    )
    return Suspicion(found.p_value, text)


# Energy

_DEGREE = 5
_PLACES = 40
_LEAST_EVENTS = 500


def energy_continuity(evidence: Evidence) -> Suspicion | None:
    """Look for a step or a kink of response or depth against the incident energy.

    A smooth curve, of fifth degree in ln E, is taken from both samples; what is left may have a
    step, or a change of slope, at any of 40 energies, with robust errors (White, Econometrica 48,
    1980, 817). The candidate counts where it differs from the reference, which may have steps
    where a simulation changes its models.
    """
    energies = [sample.conditions.get("energy") for sample in evidence.samples]
    if any(
        e is None or len(np.unique(e)) < 4 * _PLACES or len(e) < _LEAST_EVENTS for e in energies
    ):
        return None
    if evidence.reference.detector.kind != "calorimeter":
        return None
    depths = evidence.reference.detector.depths
    tests = []
    logs = [np.log(e) for e in energies if e is not None]
    places = np.quantile(np.concatenate(logs), np.linspace(0.05, 0.95, _PLACES))
    for what in ("response", "depth"):
        found = []
        for sample, log in zip(evidence.samples, logs, strict=True):
            total = sample.layer_energies.sum(axis=1)
            if what == "response":
                values = total / np.exp(log)
            else:
                values = np.divide(
                    sample.layer_energies @ depths, total, out=np.zeros(len(total)), where=total > 0
                )
            found.append(_jumps(log, values, places, sample.weights))
        for kind in range(2):
            (first, one), (second, two) = (side[kind] for side in found)
            sigma = np.hypot(one, two)
            pulls = np.divide(second - first, sigma, out=np.zeros(len(sigma)), where=sigma > 0)
            worst = int(np.argmax(np.abs(pulls)))
            name = "E_tot/E_inc" if what == "response" else "depth [mm]"
            how = "a step of" if kind == 0 else "a change of slope per ln E of"
            text = (
                f"{name} of the candidate has {how} {second[worst]:.3g} ± {two[worst]:.2g} at "
                f"{np.exp(places[worst]) / 1000:.3g} GeV ({first[worst]:.2g} ± {one[worst]:.2g} in "
                "the reference)."
            )
            tests.append((two_sided(float(pulls[worst])), text))
    if evidence.reference.detector.n_layers < 2:
        tests = tests[:2]
    chance, text = min(tests)
    return Suspicion(min(1.0, len(tests) * _PLACES * chance), text)


def _jumps(x: Floats, y: Floats, places: Floats, weights: Weights) -> list[tuple[Floats, Floats]]:
    """Return steps and changes of slope at some places, beyond a smooth curve, with errors."""
    w = np.ones(len(x)) if weights is None else weights / np.abs(weights).max()
    scaled = 2 * (x - x.min()) / max(float(np.ptp(x)), 1e-12) - 1
    smooth = np.polynomial.legendre.legvander(scaled, _DEGREE)
    inverse = np.linalg.pinv(smooth.T @ (w[:, None] * smooth))

    def rest(columns: Floats) -> Floats:
        return columns - smooth @ (inverse @ (smooth.T @ (w[:, None] * columns)))

    left = rest(y[:, None])
    above = x[:, None] - places
    results = []
    for columns in ((above > 0).astype(np.float64), np.maximum(above, 0)):
        extra = rest(columns)
        norm_of = (w[:, None] * extra**2).sum(axis=0)
        norm_of = np.where(norm_of > 1e-9 * len(x), norm_of, np.inf)
        size = (w[:, None] * extra * left).sum(axis=0) / norm_of
        off = left - extra * size
        error = np.sqrt(((w[:, None] * extra * off) ** 2).sum(axis=0)) / norm_of
        results.append((size, error))
    return results
