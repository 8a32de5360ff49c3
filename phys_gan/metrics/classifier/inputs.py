"""Inputs of classifiers: the forms that networks see, and features of cells for boosted trees.

Forms are those of CaloChallenge, the cells as they are, and functions of users. What a generator
gets wrong in single cells hardly shows in sums over them: :class:`CellFeatures` ask which cells are
hit, how soft the softest hits are, whether hits have neighbours and whether lines are there.
Every feature belongs to a group that a person can read ("isolated hits"), by which its importance
is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector, PolarLayer
from phys_gan.errors import DetectorError, MissingError
from phys_gan.events import Events
from phys_gan.observables.sums import Showers, blocks, map_blocks
from phys_gan.units import MEV

Form = Callable[[Events, Sequence[str]], NDArray[np.float32]]
"""Events and the names of the conditions to show, to inputs of shape (N, n_inputs)."""

_SMALL = 1e-8
"""Energy [MeV] that keeps the logarithm of an empty layer finite: it becomes -8."""

_LENGTH = 100.0
"""Unit of centres and widths [mm]."""


def low(events: Events, conditions: Sequence[str] = ("energy",)) -> NDArray[np.float32]:
    r"""Return :math:`[\log_{10} E_\mathrm{inc},\ E_i / E_\mathrm{inc}]`, shape (N, 1 + n_cells).

    Energies are in MeV. Without incident energy the cells stay in MeV (pixels in their own unit).

    References:
        CaloChallenge 2022 (Krause et al., 2024), https://arxiv.org/abs/2410.21611

    Arguments:
        events: The events.
        conditions: Conditions to show: ``energy`` as its logarithm, others as they are. Without
            ``energy`` nothing depends on the incident energy.

    Raises:
        MissingError: The events lack one of the conditions.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> events = Events(np.ones((2, 504)), {"energy": [1e3, 1e4]}, load_detector("calogan"))
        >>> low(events)[:, :2].round(4).tolist()
        [[3.0, 0.0010000000474974513], [4.0, 9.999999747378752e-05]]
    """
    inputs, cells = _with_room(events, conditions, events.detector.n_cells)
    np.multiply(events.cells, np.float32(_to_mev(events.detector)), out=cells)
    if "energy" in conditions:
        cells /= events.energy[:, None].astype(np.float32)
    return inputs


def low_normalised(events: Events, conditions: Sequence[str] = ("energy",)) -> NDArray[np.float32]:
    r"""Return :math:`[\log_{10} E_\mathrm{inc},\ E_i / E_k,\ \log_{10}(E_k + 10^{-8})]`.

    :math:`E_k` is the energy of the layer of cell i [MeV]; the cells of an empty layer are 0. It
    judges the shapes of showers apart from their energies. Shape (N, 1 + n_cells + n_layers).

    References:
        CaloChallenge 2022 (Krause et al., 2024), https://arxiv.org/abs/2410.21611

    Raises:
        MissingError: The events lack one of the conditions.
        DetectorError: The events are images or points, which go below zero.
    """
    detector = events.detector
    _need_showers(detector, "low-normalised")
    inputs, rest = _with_room(events, conditions, detector.n_cells + detector.n_layers)
    layers = events.layer_energies()
    rest[:, detector.n_cells :] = np.log10(layers * _to_mev(detector) + _SMALL)
    per_cell = np.where(layers > 0, layers, 1.0).astype(np.float32)
    for k in range(detector.n_layers):
        cells = detector.slice(k)
        np.divide(events.cells[:, cells], per_cell[:, k, None], out=rest[:, cells])
    return inputs


def high(events: Events, conditions: Sequence[str] = ("energy",)) -> NDArray[np.float32]:
    r"""Return the high-level inputs: what a physicist plots.

    :math:`[\log_{10} E_\mathrm{inc},\ \log_{10}(E_k + 10^{-8}),\ \mathrm{EC}_k,\ \sigma_k,\
    \log_{10}(E_\mathrm{tot} + 10^{-8}),\ \mathrm{sparsity}]` with energies in MeV, centres and
    widths in units of 100 mm along both directions. Polar layers that are not divided in alpha
    have no directions and therefore no centres and widths here.

    The centre and the width of an empty layer are not defined: they become 0, and the logarithm
    of its energy, which is then -8 and never otherwise, tells it from a shower at the centre.

    References:
        CaloChallenge 2022 (Krause et al., 2024), https://arxiv.org/abs/2410.21611

    Raises:
        MissingError: The events lack one of the conditions.
        DetectorError: The events are images or points, which have no shower observables.
    """
    detector = events.detector
    _need_showers(detector, "high")
    divided = [
        k
        for k, layer in enumerate(detector.layers)
        if not isinstance(layer, PolarLayer) or layer.n_alpha > 1
    ]
    inputs, rest = _with_room(events, conditions, detector.n_layers + 4 * len(divided) + 2)
    for rows, showers in blocks(events):
        lengths = [
            measure(direction)[:, divided] / _LENGTH
            for measure in (showers.centre, showers.width)
            for direction in ("x", "y")
        ]
        sparsity = 1 - showers.hits.sum(axis=1) / detector.n_cells
        rest[rows] = np.concatenate(
            [
                np.log10(showers.layer_energy + _SMALL),
                *(np.nan_to_num(values, nan=0.0) for values in lengths),
                np.log10(showers.total + _SMALL)[:, None],
                sparsity[:, None],
            ],
            axis=1,
        )
    return inputs


def cnn(events: Events, conditions: Sequence[str] = ("energy",)) -> NDArray[np.float32]:
    """Return conditions and cells [MeV], zero up to the threshold: inputs of convolutions.

    The energy is its logarithm; pixels and coordinates stay as they are. Shape (N, C + n_cells).

    Raises:
        MissingError: The events lack one of the conditions.
        DetectorError: The events are points, which have no grid.
    """
    detector = events.detector
    if detector.is_toy:
        raise DetectorError(
            f"'{detector.name}' has no grid of cells for convolutions",
            remedy="use the form low, or an own function",
            value=detector.name,
        )
    inputs, cells = _with_room(events, conditions, detector.n_cells)
    np.multiply(events.cells, np.float32(_to_mev(detector)), out=cells)
    if detector.kind == "calorimeter":
        cells[events.cells <= detector.threshold] = 0
    return inputs


FORMS: dict[str, Form] = {
    "low": low,
    "low-normalised": low_normalised,
    "high": high,
    "cnn": cnn,
}
"""The input forms by name. Add one by assignment: ``FORMS["mine"] = function``."""


def find_form(form: str | Form) -> Form:
    """Return an input form by name; a function is returned as it is.

    Raises:
        MissingError: There is no such form; the message lists those there are.
    """
    if not isinstance(form, str):
        return form
    if form not in FORMS:
        raise MissingError(
            f"'{form}' is not an input form of the classifier; available: {', '.join(FORMS)}",
            value=form,
        )
    return FORMS[form]


def _with_room(
    events: Events, conditions: Sequence[str], n_inputs: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return inputs that begin with the conditions, and a view of the rest, yet to be filled."""
    inputs = np.empty((len(events), len(conditions) + n_inputs), np.float32)
    for column, name in enumerate(conditions):
        values = events.condition(name)
        inputs[:, column] = np.log10(values) if name == "energy" else values
    return inputs, inputs[:, len(conditions) :]


def _to_mev(detector: Detector) -> float:
    """Return how many MeV the unit of a cell is; 1 where it is not an energy."""
    return MEV.get(detector.cell_unit, 1.0)


def _need_showers(detector: Detector, form: str) -> None:
    if detector.kind != "calorimeter":
        kind = "an image" if detector.is_image else "a toy"
        raise DetectorError(
            f"the input form '{form}' describes showers, but '{detector.name}' is {kind}",
            remedy="use the form low, or an own function",
            value=detector.name,
        )


Columns = Iterator[tuple[str, str, NDArray[np.number]]]
"""Group, name and values (n,) of features of a block."""

_FEW_LAYERS = 12
"""Detectors of more layers have what needs many numbers only of all cells together."""

_LEADING = 10
"""Brightest cells that are features."""

_RINGS = (0.0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Edges of rings around the shower axis, in units of the largest radius of a layer."""

_THRESHOLDS = 8
_LINES = 6
_LINE_BIN = 0.001
"""Width of the bins in which lines are looked for, relative to their energy."""
_SIDE = 10
_LINE_SIGMAS = 10.0
"""So far above its surroundings no fluctuation is: a line says nothing of the events it was
found in."""
_LINE_WIDTHS = (0.01, 0.001)
"""Half widths of the windows around a line, relative to its energy."""

_PIXEL_QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
_HIT_QUANTILES = (0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)

ENERGY = "energies of layers and their ratios"
HITS = "which cells are hit: number of hits"
ABOVE = "hits above thresholds"
ISOLATED = "isolated hits"
PAIRS = "neighbouring hits"
PEAKS = "local maxima"
DIFFERENCES = "differences between neighbours"
BRIGHTEST = "brightest cells"
TYPICAL = "energies of typical hits"
SMALLEST = "smallest hits"
SPREAD = "where hits lie"
PROFILE = "lateral profile of the energy"
CENTRE = "centres, and their distance between layers"
LINES = "lines of the spectrum"
CONDITIONS = "conditions"
SHAPE = "shape along the axis"
RESPONSE = "response"
OBSERVABLES = "other observables"
PIXELS = "quantiles of pixels"
COORDINATES = "coordinates"

_OF_SHOWERS = (
    (("E_inc",), CONDITIONS),
    (("E_tot",), RESPONSE),
    (("sparsity",), HITS),
    (("E_ratio", "brightest"), BRIGHTEST),
    (("E_",), ENERGY),
    (("EC_",), CENTRE),
    (("width_",), PROFILE),
    (("depth", "layer_depth", "deepest"), SHAPE),
)
_OF_IMAGES = (
    (("flux", "signal"), "flux"),
    (("noise", "sky", "pixel"), PIXELS),
    (("brightness", "half_light", "petrosian", "concentration"), "radial profile"),
    (("power",), "power spectrum"),
    (("centroid",), "position"),
    (("sigma", "rho4", "g1", "g2", "g_", "axis"), "size and ellipticity"),
    (("asymmetry", "smoothness", "gini", "m20"), "morphology"),
)
"""Beginnings of the names of observables, and the group of these."""


def group_of(observable: str, detector: Detector) -> str:
    """Return the group of an observable.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> [group_of(name, load_detector("calogan")) for name in ("width_x_1", "my own")]
        ['lateral profile of the energy', 'other observables']
    """
    kinds = {"calorimeter": _OF_SHOWERS, "image": _OF_IMAGES, "points": ()}[detector.kind]
    return next((group for names, group in kinds if observable.startswith(names)), OBSERVABLES)


@dataclass(frozen=True)
class CellFeatures:
    """Functions of the cells of an event, for any detector.

    Of calorimeters, in each layer of at most 12, or of all cells together: hits above thresholds,
    isolated hits, neighbouring pairs, differences between neighbours, the brightest and softest
    cells, quantiles of hits, rings, and hits in narrow lines of the spectrum. Neighbours share an
    edge within a layer; alpha is periodic. Of images: quantiles, brightest pixels and neighbours.
    Of points: the coordinates.

    Attributes:
        detector: The detector.
        thresholds: Energies above which hits are counted [MeV], rising.
        lines: Energies of narrow lines of the spectrum [MeV], the strongest first.
    """

    detector: Detector
    thresholds: tuple[float, ...] = ()
    lines: tuple[float, ...] = ()

    @classmethod
    def fit(cls, reference: Events) -> CellFeatures:
        """Choose thresholds and lines by the spectrum of the reference.

        Thresholds are powers of ten and half powers between the softest 2 % and the hardest 0.5 %
        of the hits. A line is a bin of 0.1 % that stands 10 standard deviations, and three times,
        above its surroundings of 1 % on both sides.
        """
        detector = reference.detector
        if detector.kind != "calorimeter":
            return cls(detector)
        hits = hits_of(reference)
        if len(hits) < 2 * _SIDE:
            return cls(detector)
        low, high = np.log10(np.quantile(hits, [0.02, 0.995]))
        powers = np.arange(np.ceil(2 * low), np.floor(2 * high) + 1) / 2
        if len(powers) > _THRESHOLDS:
            powers = powers[np.linspace(0, len(powers) - 1, _THRESHOLDS).round().astype(int)]
        return cls(detector, tuple((10.0**powers).tolist()), tuple(find_lines(hits)))

    def __call__(self, events: Events) -> tuple[NDArray[np.float32], list[str], list[str]]:
        """Return features (N, F), their names and their groups; NaN where not defined."""
        blocks = [block for _, block in map_blocks(events, self._block)]
        _, names, groups = blocks[0]
        return np.concatenate([values for values, _, _ in blocks]), names, groups

    def _block(self, showers: Showers) -> tuple[NDArray[np.float32], list[str], list[str]]:
        kind = self.detector.kind
        columns = {"calorimeter": self._showers, "image": self._images, "points": self._points}
        with np.errstate(divide="ignore", invalid="ignore"):
            found = list(columns[kind](showers))
        groups, names, values = zip(*found, strict=True)
        table = np.stack(values, axis=1).astype(np.float32)
        # Ratios to an empty layer.
        table[np.isinf(table)] = np.nan
        return table, list(names), list(groups)

    def _points(self, showers: Showers) -> Columns:
        for k, layer in enumerate(self.detector.layers):
            yield COORDINATES, layer.name or str(k), showers.events.cells[:, k]

    def _images(self, showers: Showers) -> Columns:
        for k, layer in enumerate(self.detector.layers):
            pixels = showers.events.layer(k)
            ordered = np.sort(pixels.reshape(len(showers), -1), axis=1)
            for q in _PIXEL_QUANTILES:
                name = f"{100 * q:g} % quantile of {layer.name or k}"
                yield PIXELS, name, ordered[:, round(q * (layer.n_cells - 1))]
            for i in range(1, min(_LEADING, layer.n_cells) + 1):
                yield BRIGHTEST, f"brightest pixel {i} of {layer.name or k}", ordered[:, -i]
            for axis, along in ((1, "columns"), (2, "rows")):
                step = np.diff(pixels, axis=axis)
                name = f"difference along {along} in {layer.name or k}"
                yield DIFFERENCES, f"mean {name}", np.abs(step).mean(axis=(1, 2))
                yield DIFFERENCES, f"rms {name}", np.sqrt(np.square(step).mean(axis=(1, 2)))

    def _showers(self, showers: Showers) -> Columns:
        detector = self.detector
        few = detector.n_layers <= _FEW_LAYERS
        cells = showers.events.cells * np.float32(MEV.get(detector.cell_unit, 1.0))
        total = showers.total
        yield from self._of_cells("", cells, showers.above, total)
        alone, energy_alone, pairs, holes, peaks = np.zeros((5, len(showers)))
        first = 0
        # Neighbouring layers of one grid are one array (n, L, *shape).
        for _, run in groupby(detector.layers, key=lambda layer: (layer.kind, layer.shape)):
            layers = list(run)
            shape, last = layers[0].shape, first + len(layers)
            here = slice(detector.offsets[first], detector.offsets[last])
            grid = cells[:, here].reshape(len(showers), len(layers), *shape)
            hit = showers.above[:, here].reshape(grid.shape)
            around = Neighbours.of(grid, hit, isinstance(layers[0], PolarLayer))
            n_hits, energy = hit.sum(axis=(2, 3)), grid.sum(axis=(2, 3))
            alone += around.alone.sum(axis=1)
            energy_alone += around.energy_alone.sum(axis=1)
            pairs += around.pairs.sum(axis=(0, 2))
            holes += around.holes.sum(axis=1)
            peaks += around.peaks.sum(axis=1)
            if len(layers) > 1:
                both = (hit[:, 1:] & hit[:, :-1]).sum(axis=(1, 2, 3))
                yield PAIRS, f"pairs of hits in depth from layer {first}", both
                yield PAIRS, f"the same per hit, from layer {first}", both / n_hits.sum(axis=1)
            for i, k in enumerate(range(first, last)):
                yield HITS, f"hits in layer {k}", n_hits[:, i]
                yield ISOLATED, f"isolated hits in layer {k}", around.alone[:, i]
                both = around.pairs[:, :, i].sum(axis=0)
                yield PAIRS, f"pairs of hits in layer {k}", both
                brightest = grid[:, i].max(axis=(1, 2))
                yield BRIGHTEST, f"brightest cell of layer {k}, fraction", brightest / energy[:, i]
                if not few:
                    continue
                name = f" in layer {k}"
                yield ISOLATED, f"energy of isolated hits{name}", around.energy_alone[:, i]
                yield PAIRS, f"empty cells among hits{name}", around.holes[:, i]
                yield PEAKS, f"local maxima{name}", around.peaks[:, i]
                for beside in range(4):
                    which = f"hits with {beside + 1} beside them{name}"
                    yield PAIRS, which, around.around[beside, :, i]
                for axis in range(2):
                    if shape[axis] > 1:
                        which = f"along axis {axis}{name}"
                        yield PAIRS, f"pairs of hits {which}", around.pairs[axis, :, i]
                        rough = around.differences[axis, :, i] / energy[:, i]
                        yield DIFFERENCES, f"differences {which}", rough
                        alike = around.products[axis, :, i] / around.squares[:, i]
                        yield DIFFERENCES, f"correlation {which}", alike
                flat, above = cells[:, detector.slice(k)], showers.above[:, detector.slice(k)]
                yield from self._of_cells(name, flat, above, energy[:, i])
                yield from self._of_positions(k, flat, above, energy[:, i])
            first = last
        hits = showers.above.sum(axis=1)
        yield ISOLATED, "isolated hits", alone
        yield ISOLATED, "isolated hits, fraction", alone / hits
        yield ISOLATED, "energy of isolated hits, fraction", energy_alone / total
        yield PAIRS, "pairs of hits", pairs
        yield PAIRS, "pairs per hit", pairs / hits
        yield PAIRS, "empty cells among hits", holes
        yield PEAKS, "local maxima", peaks
        yield PEAKS, "local maxima per hit", peaks / hits
        if few:
            energies = showers.layer_energy
            for k in range(detector.n_layers - 1):
                name = f"layers {k} and {k + 1}"
                yield ENERGY, f"ratio of {name}", energies[:, k + 1] / energies[:, k]
                for direction in ("x", "y"):
                    centre = showers.centre(direction)
                    away = centre[:, k + 1] - centre[:, k]
                    yield CENTRE, f"distance of {name} in {direction}", away

    def _of_cells(
        self,
        where: str,
        cells: NDArray[np.float32],
        above: NDArray[np.bool_],
        energy: NDArray[np.floating],
    ) -> Columns:
        """Yield what cells (n, c) say whatever their places: sorted energies, thresholds, lines."""
        n, n_cells = cells.shape
        ordered = np.sort(np.where(above, cells, np.float32(0)), axis=1)[:, ::-1]
        n_hits = above.sum(axis=1)
        if not where:
            yield HITS, "hits in all layers", n_hits
        for threshold in self.thresholds:
            yield ABOVE, f"hits above {threshold:.4g} MeV{where}", (cells > threshold).sum(axis=1)
        for i in range(min(_LEADING, n_cells)):
            yield BRIGHTEST, f"cell {i + 1} by energy{where}, fraction", ordered[:, i] / energy
        empty = n_hits == 0
        for q in _HIT_QUANTILES:
            place = np.maximum(((1 - q) * (n_hits - 1)).round().astype(np.intp), 0)
            value = np.where(empty, np.float32(np.nan), ordered[np.arange(n), place])
            group = SMALLEST if q <= 0.1 else TYPICAL
            yield group, f"{100 * q:g} % quantile of hits{where}", value
        for i in range(1, 4):
            value = ordered[np.arange(n), np.maximum(n_hits - i, 0)]
            smallest = np.where(n_hits < i, np.float32(np.nan), value)
            yield SMALLEST, f"hit {i} from the softest{where}", smallest
        # Of one layer the strongest line is enough.
        for line in self.lines[: 1 if where else None]:
            for width in _LINE_WIDTHS:
                count = (np.abs(cells - np.float32(line)) < width * line).sum(axis=1)
                name = f"hits within {100 * width:g} % of {line:.4g} MeV{where}"
                yield LINES, name, count

    def _of_positions(
        self,
        k: int,
        cells: NDArray[np.float32],
        above: NDArray[np.bool_],
        energy: NDArray[np.floating],
    ) -> Columns:
        """Yield where energy and hits of layer k lie: rings, centre and width of the hits."""
        layer = self.detector.layers[k]
        x, y = layer.positions.T
        radius = layer.radii if isinstance(layer, PolarLayer) else np.hypot(x, y)
        edges = np.array(_RINGS) * float(radius.max())
        ring = np.searchsorted(edges[1:-1], radius)
        table = (ring[:, None] == np.arange(len(_RINGS) - 1)).astype(np.float32)
        table = table[:, table.any(axis=0)]
        inside, hits = cells @ table, above.astype(np.float32) @ table
        for i in range(table.shape[1]):
            yield PROFILE, f"energy in ring {i} of layer {k}, fraction", inside[:, i] / energy
            yield SPREAD, f"hits in ring {i} of layer {k}", hits[:, i]
        n_hits = above.sum(axis=1)
        for direction, values in (("x", x), ("y", y)):
            if not np.ptp(values):
                continue
            powers = np.stack([values, values**2], axis=1).astype(np.float32)
            mean, square = ((above.astype(np.float32) @ powers) / n_hits[:, None]).T
            width = np.sqrt(np.maximum(square - mean**2, 0))
            yield SPREAD, f"mean {direction} of hits in layer {k}", mean
            yield SPREAD, f"width in {direction} of hits in layer {k}", width


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Sums over neighbours along both axes of layers of one grid.

    Attributes:
        alone: Number of hits without a hit beside them, shape (n, L).
        energy_alone: Their energy, shape (n, L).
        around: Number of hits with 1, 2, 3 and 4 hits beside them, shape (4, n, L).
        holes: Number of cells that are not hit with 3 or 4 hits beside them, shape (n, L).
        peaks: Number of hits with no larger one beside them, shape (n, L).
        pairs: Number of pairs of hits along each axis, shape (2, n, L).
        differences: Sum of moduli of differences between neighbours, shape (2, n, L).
        products: Sum of products of neighbours, shape (2, n, L).
        squares: Sum of squares of all cells, shape (n, L).
    """

    alone: NDArray[np.int64]
    energy_alone: NDArray[np.float32]
    around: NDArray[np.int64]
    holes: NDArray[np.int64]
    peaks: NDArray[np.int64]
    pairs: NDArray[np.int64]
    differences: NDArray[np.float32]
    products: NDArray[np.float32]
    squares: NDArray[np.float32]

    @classmethod
    def of(cls, grid: NDArray[np.float32], hit: NDArray[np.bool_], periodic: bool) -> Neighbours:
        """Sum over cells of shape (n, L, a, b); the first axis is closed where ``periodic``."""
        beside = np.zeros(hit.shape, np.int8)
        peak = hit.copy()
        shape = (2, *grid.shape[:2])
        pairs = np.zeros(shape, np.int64)
        differences, products = np.zeros((2, *shape), np.float32)
        for axis in range(2):
            length = grid.shape[2 + axis]
            if length < 2:
                continue
            # A ring of two cells has one pair of neighbours, not two.
            closed = periodic and axis == 0 and length > 2
            last = length if closed else length - 1
            cells, hits = np.moveaxis(grid, 2 + axis, 2), np.moveaxis(hit, 2 + axis, 2)
            counts, peaks = np.moveaxis(beside, 2 + axis, 2), np.moveaxis(peak, 2 + axis, 2)
            here, there = np.arange(last), np.arange(1, last + 1) % length
            first, second = cells[:, :, here], cells[:, :, there]
            one, other = hits[:, :, here], hits[:, :, there]
            pairs[axis] = (one & other).sum(axis=(2, 3))
            differences[axis] = np.abs(first - second).sum(axis=(2, 3))
            products[axis] = (first * second).sum(axis=(2, 3))
            counts[:, :, here] += other
            counts[:, :, there] += one
            peaks[:, :, here] &= first >= second
            peaks[:, :, there] &= second >= first
        alone = hit & (beside == 0)
        return cls(
            alone.sum(axis=(2, 3)),
            np.where(alone, grid, np.float32(0)).sum(axis=(2, 3)),
            np.stack([(hit & (beside == i)).sum(axis=(2, 3)) for i in range(1, 5)]),
            (~hit & (beside >= 3)).sum(axis=(2, 3)),
            peak.sum(axis=(2, 3)),
            pairs,
            differences,
            products,
            np.square(grid).sum(axis=(2, 3)),
        )


def hits_of(events: Events, most: int = 3_000_000) -> NDArray[np.float32]:
    """Return the energies of cells above the threshold [MeV], of evenly spaced events at most."""
    cells = events.cells
    step = max(1, cells.size // (8 * most))
    hits = cells[::step]
    hits = hits[hits > events.detector.threshold]
    return np.asarray(hits * np.float32(MEV.get(events.detector.cell_unit, 1.0)), np.float32)


def find_lines(hits: NDArray[np.floating], most: int = _LINES) -> list[float]:
    """Find narrow lines in a spectrum of positive energies, the strongest first.

    Returns:
        The median energy of the hits in each.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> found = find_lines(np.append(rng.uniform(0.1, 2, 100_000), np.full(1000, 0.511)))
        >>> [round(energy, 4) for energy in found]
        [0.511]
    """
    places = np.floor(np.log(hits.astype(np.float64)) / _LINE_BIN).astype(np.int64)
    lowest = places.min() - _SIDE
    counts = np.bincount(places - lowest, minlength=1).astype(np.float64)
    counts = np.append(counts, np.zeros(_SIDE))
    window = np.ones(2 * _SIDE + 1)
    window[_SIDE - 1 : _SIDE + 2] = 0
    around = np.convolve(counts, window / window.sum(), "same")
    excess = counts - around
    stands = (excess > _LINE_SIGMAS * np.sqrt(around + 1)) & (counts > 3 * around)
    stands &= counts > _LINE_SIGMAS**2
    found: list[int] = []
    for place in np.flatnonzero(stands)[np.argsort(-excess[stands], kind="stable")].tolist():
        if all(abs(place - other) > _SIDE for other in found):
            found.append(place)
        if len(found) == most:
            break
    return [float(np.median(hits[places - lowest == place])) for place in found]
