r"""Physics after the calorimeter: what a reconstruction makes of full and of fast showers.

A reconstruction is a function of a block of showers that returns named quantities, one number per
event each: :func:`reconstruction` registers it, and :func:`reconstruct` compares its quantities
like observables. Two are built in: ``photon``, position and direction from the cells, and ``pi0``,
the mass of two photons that hit the calorimeter together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import CartesianLayer, Detector
from phys_gan.errors import ConfigError, DataError, DetectorError, MissingError
from phys_gan.events import Events
from phys_gan.files import finite
from phys_gan.metrics.result import Result
from phys_gan.metrics.statistics import Weights, taken
from phys_gan.observables import Observable, Showers, map_blocks
from phys_gan.observables.registry import Binning, first_line
from phys_gan.randomness import stream
from phys_gan.validation.distributions import MIN_EVENTS, Distributions, assess_all, choose_bins
from phys_gan.validation.sample import Sample

Values = NDArray[np.float64]
Quantities = Mapping[str, Values]
Reconstruct = Callable[[Showers], Quantities]
"""Showers to named quantities of shape (N,); NaN where one is not defined."""

Prepare = Callable[[Events, Events, int], tuple[Events, Events]]
"""Events of reference and candidate, and a seed, to the events that are reconstructed."""

PI0_MASS = 134.9768
"""Mass of the neutral pion [MeV] (PDG 2024)."""

_W0 = 4.0
_MOST_PAIRS = 20_000
_MATCHED = 0.02
_CELLS_APART = 4
_FARTHEST = 0.35
_REPLICAS = 100


class Shown(NamedTuple):
    """How a quantity is shown.

    Attributes:
        label: LaTeX label.
        unit: Its unit.
        description: One sentence for captions.
        peak: Whether it has a peak whose position and width are compared.
    """

    label: str
    unit: str = ""
    description: str = ""
    peak: bool = False


@dataclass(frozen=True)
class Reconstruction:
    """A reconstruction, and how to show what it returns.

    Attributes:
        name: Its name.
        compute: Showers to named quantities; must be pure.
        description: One or two sentences for the page.
        shown: How each quantity is shown; those that are not here by their names.
        why_not: Returns why it cannot be made for a detector; empty where it can.
        prepare: Makes the events that are reconstructed from those of both samples.
        conditions: Conditions that both samples need.
    """

    name: str
    compute: Reconstruct
    description: str = ""
    shown: Mapping[str, Shown] = field(default_factory=dict)
    why_not: Callable[[Detector], str] = lambda detector: ""
    prepare: Prepare | None = None
    conditions: tuple[str, ...] = ()


RECONSTRUCTIONS: dict[str, Reconstruction] = {}
"""All known reconstructions by name."""


def reconstruction(
    name: str,
    *,
    description: str = "",
    shown: Mapping[str, Shown] | None = None,
    why_not: Callable[[Detector], str] = lambda detector: "",
    prepare: Prepare | None = None,
    conditions: tuple[str, ...] = (),
) -> Callable[[Reconstruct], Reconstruct]:
    """Register a function of :class:`~phys_gan.observables.Showers` as a reconstruction.

    Options are those of :class:`Reconstruction`; the description is by default the first line of
    the docstring of the function.

    Raises:
        ConfigError: The name is taken.

    Example:
        >>> @reconstruction("clusters", shown={"n": Shown("$N$", description="Hits.")})
        ... def clusters(showers):
        ...     '''Count what is hit.'''
        ...     return {"n": showers.hits.sum(axis=1)}
        >>> RECONSTRUCTIONS.pop("clusters").description
        'Count what is hit.'
    """

    def register(compute: Reconstruct) -> Reconstruct:
        if name in RECONSTRUCTIONS:
            raise ConfigError(
                f"the reconstruction '{name}' exists already",
                remedy="choose another name",
                value=name,
            )
        text = description or first_line(compute)
        RECONSTRUCTIONS[name] = Reconstruction(
            name, compute, text, shown or {}, why_not, prepare, conditions
        )
        return compute

    return register


# What is compared


@dataclass(frozen=True)
class Peak:
    """Position and width of a peak.

    Attributes:
        position: Mean of what lies within two widths of it.
        position_error: Standard deviation over 100 bootstrap replicas.
        width: Standard deviation of the same, corrected for the tails that are cut off a Gaussian.
        width_error: As that of the position.
    """

    position: float
    position_error: float
    width: float
    width_error: float


@dataclass(frozen=True)
class Reconstructed:
    """A reconstruction of both samples, compared.

    Attributes:
        name: Name of the reconstruction.
        description: What it is, in a sentence or two.
        whole: Its quantities, compared like observables as a family of their own.
        peaks: Quantity to its peak in reference and candidate.
    """

    name: str
    description: str
    whole: Distributions
    peaks: Mapping[str, tuple[Peak, Peak]]

    @property
    def result(self) -> Result | None:
        """KS of the worst quantity, with the p-value of all of them; None without any."""
        found = {n: r["ks"] for n, r in self.whole.results.items() if "ks" in r}
        if not found:
            return None
        worst = next(name for name in self.whole.ranking if name in found)
        return replace(
            found[worst], p_value=self.whole.p_value, within_floor=not self.whole.outside
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        sides = ("reference", "candidate")
        return {
            "n_reference": self.whole.n_events[0],
            "n_candidate": self.whole.n_events[1],
            "p_value": self.whole.p_value,
            "outside_floor": self.whole.outside,
            "quantities": {
                name: {metric: r.as_dict() for metric, r in results.items()}
                for name, results in self.whole.results.items()
            },
            "peaks": {
                name: {side: finite(asdict(peak)) for side, peak in zip(sides, both, strict=True)}
                for name, both in self.peaks.items()
            },
        }


def check_reconstructions(
    wanted: Sequence[str | Reconstruct | Reconstruction], sample: Sample | None = None
) -> list[Reconstruction]:
    """Return reconstructions by name, or made of plain functions.

    Arguments:
        wanted: Names, functions, or reconstructions.
        sample: The reference, once it is known.

    Raises:
        MissingError: A name is not known, or the sample lacks a condition.
        DetectorError: One cannot be made for the detector.
    """
    found = []
    for one in wanted:
        if isinstance(one, str):
            if one not in RECONSTRUCTIONS:
                raise MissingError(
                    f"there is no reconstruction '{one}'; available: {', '.join(RECONSTRUCTIONS)}",
                    value=one,
                )
            one = RECONSTRUCTIONS[one]
        elif not isinstance(one, Reconstruction):
            one = Reconstruction(one.__name__, one, first_line(one))
        found.append(one)
        if sample is None:
            continue
        if why := one.why_not(sample.detector):
            raise DetectorError(
                f"the reconstruction '{one.name}' cannot be made for '{sample.detector.name}': "
                f"{why}",
                remedy="leave it out",
                value=sample.detector.name,
            )
        for name in one.conditions:
            if name not in sample.conditions:
                raise MissingError(
                    f"the reconstruction '{one.name}' needs the condition '{name}'; available: "
                    f"{', '.join(sample.conditions) or 'none'}",
                    value=name,
                )
    return found


def reconstruct(
    wanted: Reconstruction, reference: Sample, candidate: Sample, *, seed: int = 0
) -> Reconstructed:
    """Reconstruct the whole events that are kept of both samples, and compare what comes out.

    Raises:
        DataError: The function does not return one number per event and quantity, or too few
            events are left.
        MissingError: The candidate lacks a condition.
    """
    check_reconstructions([wanted], candidate)
    events = reference.kept, candidate.kept
    if wanted.prepare is not None:
        events = wanted.prepare(*events, seed)
    for name, own in zip(("reference", "candidate"), events, strict=True):
        if len(own) < MIN_EVENTS:
            raise DataError(
                f"the reconstruction '{wanted.name}' has {len(own)} events of the {name}, but "
                f"needs at least {MIN_EVENTS}",
                remedy="give more events, or leave it out",
            )
    first, second = (_quantities(wanted, own) for own in events)
    names = [name for name in first if name in second]
    observables = [_observable(name, wanted.shown.get(name)) for name in names]
    samples = [
        _as_sample(sample, observables, own, values)
        for sample, own, values in zip((reference, candidate), events, (first, second), strict=True)
    ]
    bins = choose_bins(samples[0], samples[1:], None, spectrum=False)
    (whole,) = assess_all(observables, samples[0], samples[1], [(None, bins)], seed)
    peaks = {}
    for name in names:
        if name in wanted.shown and wanted.shown[name].peak:
            one, other = (find_peak(s.values[name], s.weights, seed=seed) for s in samples)
            peaks[name] = (one, other)
    return Reconstructed(wanted.name, wanted.description, whole, peaks)


def find_peak(values: Values, weights: Weights = None, *, seed: int = 0) -> Peak:
    """Find position and width of a peak with tails, with bootstrap errors.

    The mean and the standard deviation within two widths are taken again and again until they
    stay. Of a Gaussian 12 % of the width are lost by the cut, which is corrected for.

    Arguments:
        values: Values, shape (n,); NaN are left out.
        weights: Their weights, shape (n,).
        seed: Seed of the replicas.

    Example:
        >>> peak = find_peak(np.random.default_rng(0).normal(135, 8, 10_000))
        >>> abs(peak.position - 135) < 3 * peak.position_error, round(peak.position_error, 1)
        (True, 0.1)
    """
    good = np.isfinite(values)
    values, weights = values[good], taken(weights, good)
    if len(values) < MIN_EVENTS:
        return Peak(*4 * [float("nan")])
    rows = stream(seed, "validation/peaks").integers(0, len(values), (_REPLICAS, len(values)))
    replicas = np.array([_core(values[own], taken(weights, own)) for own in rows])
    (position, width), errors = _core(values, weights), replicas.std(axis=0, ddof=1)
    return Peak(position, float(errors[0]), width, float(errors[1]))


_CUT = 2.0
_GAUSSIAN = 0.8796
"""Standard deviation of a Gaussian within two of its standard deviations."""


def _core(values: Values, weights: Weights) -> tuple[float, float]:
    low, middle, high = np.quantile(values, [0.16, 0.5, 0.84])
    position, width = float(middle), float(high - low) / 2
    for _ in range(20):
        inside = np.abs(values - position) <= _CUT * width
        own = taken(weights, inside)
        if not inside.any() or (own is not None and own.sum() <= 0):
            break
        mean = float(np.average(values[inside], weights=own))
        square = float(np.average((values[inside] - mean) ** 2, weights=own))
        before, position, width = (position, width), mean, max(square, 0.0) ** 0.5 / _GAUSSIAN
        if np.allclose(before, (position, width), rtol=1e-6):
            break
    return position, width


def _quantities(wanted: Reconstruction, events: Events) -> dict[str, Values]:
    parts: list[dict[str, Values]] = []

    def checked(showers: Showers) -> dict[str, Values]:
        with np.errstate(divide="ignore", invalid="ignore"):
            found = {n: np.asarray(v, np.float64) for n, v in wanted.compute(showers).items()}
        for name, values in found.items():
            if values.shape != (len(showers),):
                raise DataError(
                    f"the reconstruction '{wanted.name}' returns '{name}' of shape {values.shape} "
                    f"for {len(showers)} events",
                    remedy="return one number per event, NaN where it is not defined",
                    value=values.shape,
                )
        return found

    for _, found in map_blocks(events, checked):
        parts.append(found)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _observable(name: str, shown: Shown | None) -> Observable:
    shown = shown or Shown(name.replace("_", " "))

    def compute(showers: Showers) -> Values:
        raise NotImplementedError

    return Observable(
        name,
        compute,
        shown.label,
        shown.unit,
        Binning("linear", outside=0.01),
        shown.description or f"Reconstructed {name.replace('_', ' ')}.",
    )


def _as_sample(
    sample: Sample, observables: Sequence[Observable], events: Events, values: dict[str, Values]
) -> Sample:
    """Return the sample of which these values were measured."""
    n = len(events)
    return replace(
        sample,
        values=values,
        conditions={},
        layer_energies=np.zeros((n, 1)),
        spectrum=np.zeros((n, 1), np.uint16),
        digests=np.zeros((n, 2), np.uint64),
        weights=events.weights,
        observables=tuple(observables),
    )


# Photons


def _no_positions(detector: Detector) -> str:
    if detector.kind != "calorimeter":
        return "its cells are no calorimeter"
    spread = [np.ptp(layer.positions, axis=0).max() > 0 for layer in detector.layers]
    return "" if sum(spread) > 1 else "fewer than two of its layers have cells beside each other"


@reconstruction(
    "photon",
    description=(
        "Position and direction of a photon (or electron) from the cells: in each layer the "
        "centre of the cells weighted by max(0, 4 + ln E/E_layer) (Awes et al., NIM A311 (1992) "
        "130), then a straight line through the layers, weighted by their energies. Residuals "
        "against the truth where it is known."
    ),
    shown={
        "x": Shown("$x$", "mm", "Position at the front, from the cells.", peak=True),
        "y": Shown("$y$", "mm", "Position at the front, from the cells.", peak=True),
        "theta": Shown(r"$\theta$", "rad", "Angle to the axis, from the cells."),
        "x - truth": Shown(r"$x - x_\mathrm{true}$", "mm", "Residual of x at the front.", True),
        "y - truth": Shown(r"$y - y_\mathrm{true}$", "mm", "Residual of y at the front.", True),
        "theta - truth": Shown(
            r"$\theta - \theta_\mathrm{true}$", "rad", "Residual of the angle to the axis.", True
        ),
        "phi - truth": Shown(
            r"$\varphi - \varphi_\mathrm{true}$",
            "rad",
            "Residual of the azimuth, of photons more than 0.1 rad from the axis.",
            True,
        ),
    },
    why_not=_no_positions,
)
def photon(showers: Showers) -> Quantities:
    """Reconstruct position at the front [mm] and direction [rad] of a photon."""
    x, y, weights = layer_centres(showers)
    depths = showers.detector.depths
    (x0, tx), (y0, ty) = (fit_line(depths, centre, weights) for centre in (x, y))
    theta, phi = np.arctan(np.hypot(tx, ty)), np.arctan2(ty, tx)
    truth = showers.events.conditions
    found = {}
    for name, value in (("x", x0), ("y", y0), ("theta", theta)):
        if name in truth:
            found[f"{name} - truth"] = value - truth[name]
        else:
            found[name] = value
    if "phi" in truth and "theta" in truth:
        turned = (phi - truth["phi"] + np.pi) % (2 * np.pi) - np.pi
        found["phi - truth"] = np.where(truth["theta"] > 0.1, turned, np.nan)
    return found


def layer_centres(
    showers: Showers, masks: NDArray[np.bool_] | None = None
) -> tuple[Values, Values, Values]:
    r"""Return the centres of layers, weighted by :math:`w_i = \max(0, 4 + \ln E_i / E)`.

    The weight follows from the exponential fall of a shower with the distance from its axis: the
    plain centre of energy is drawn to the middle of the brightest cell.

    References:
        A simple method of shower localization and identification in laterally segmented
        calorimeters (Awes et al., 1992), https://doi.org/10.1016/0168-9002(92)90858-2, eq. 7

    Arguments:
        showers: N showers.
        masks: Cells to use, shape (N, n_cells); all when None.

    Returns:
        x and y [mm], and the energy [MeV] of these cells, of each layer; each (N, L). NaN where a
        layer is empty.
    """
    detector = showers.detector
    cells = showers.doubles if masks is None else np.where(masks, showers.doubles, 0.0)
    cells = np.maximum(cells, 0.0)
    starts = np.asarray(detector.offsets[:-1])
    energy = np.add.reduceat(cells, starts, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = cells / energy[:, detector.layer_of_cell]
        weights = np.where(cells > 0, np.maximum(0.0, _W0 + np.log(fraction)), 0.0)
        total = np.add.reduceat(weights, starts, axis=1)
        x, y = (
            np.add.reduceat(weights * detector.positions[:, axis], starts, axis=1) / total
            for axis in (0, 1)
        )
    return x, y, energy


def fit_line(depths: Values, centres: Values, weights: Values) -> tuple[Values, Values]:
    """Fit straight lines by weighted least squares: intercept at depth 0, and slope, each (N,).

    Arguments:
        depths: Depth of each layer [mm], shape (L,).
        centres: Centre of each layer [mm], shape (N, L); NaN where there is none.
        weights: Weights, shape (N, L).

    Returns:
        NaN where fewer than two layers have a centre.
    """
    good = np.isfinite(centres) & (weights > 0)
    w, c = np.where(good, weights, 0.0), np.where(good, centres, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = w.sum(axis=1)
        z = (w @ depths) / total
        mean = (w * c).sum(axis=1) / total
        off = np.where(good, depths - z[:, None], 0.0)
        slope = (w * off * c).sum(axis=1) / (w * off**2).sum(axis=1)
    slope = np.where(good.sum(axis=1) > 1, slope, np.nan)
    return mean - slope * z, slope


# Neutral pions


class Shifts(NamedTuple):
    """How showers of a detector can be moved by whole cells of all layers.

    Attributes:
        axis: 0 for x, 1 for y.
        step: Smallest shift [mm].
        steps: Numbers of steps between two showers that keep both apart, and inside.
    """

    axis: int
    step: float
    steps: NDArray[np.int64]


def find_shifts(detector: Detector) -> Shifts | None:
    """Return the shifts along the axis with the smaller step; None where there are none.

    A step is a whole number of cells in every layer, which have regular Cartesian cells. Two
    showers are at least four cells of the finest layer and at most 35 % of the detector apart.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> find_shifts(load_detector("calogan"))
        Shifts(axis=1, step=80.0, steps=array([1, 2]))
    """
    layers = [layer for layer in detector.layers if isinstance(layer, CartesianLayer)]
    if len(layers) < detector.n_layers:
        return None
    found = []
    for axis, edges in enumerate(zip(*((layer.x, layer.y) for layer in layers), strict=True)):
        widths = [np.diff(own) for own in edges]
        if not all(np.allclose(own, own[0], rtol=1e-6) for own in widths):
            continue
        sizes = np.array([own[0] for own in widths])
        multiples = sizes.max() * np.arange(1, 21)[:, None] / sizes
        whole = np.abs(multiples - multiples.round()).max(axis=1) < 1e-6
        if not whole.any():
            continue
        step = float(sizes.max() * (1 + np.argmax(whole)))
        extent = min(own[-1] - own[0] for own in edges)
        first = max(1, int(np.ceil(_CELLS_APART * sizes.min() / step - 1e-9)))
        steps = np.arange(first, int(_FARTHEST * extent / step + 1e-9) + 1)
        if len(steps):
            found.append(Shifts(axis, step, steps))
    return min(found, key=lambda shifts: shifts.step, default=None)


def _no_shifts(detector: Detector) -> str:
    if find_shifts(detector) is None:
        return "showers cannot be moved far enough apart by whole cells of all its layers"
    return ""


def shifted(events: Events, axis: int, distances: Values) -> NDArray[np.float32]:
    """Return the cells of showers moved along an axis by whole cells; what leaves is lost.

    Arguments:
        events: N showers in Cartesian layers.
        axis: 0 for x, 1 for y.
        distances: How far each is moved [mm], shape (N,).
    """
    cells = np.zeros_like(events.cells)
    for k, layer in enumerate(events.detector.layers):
        assert isinstance(layer, CartesianLayer)
        edges = (layer.x, layer.y)[axis]
        number = np.round(distances / (edges[1] - edges[0])).astype(int)
        before = events.cells[:, events.detector.slice(k)].reshape(-1, *layer.shape)
        after = cells[:, events.detector.slice(k)].reshape(-1, *layer.shape)
        n = layer.shape[axis]
        for step in np.unique(number):
            own = number == step
            low, high = max(0, step), min(n, n + step)
            if low >= high:
                continue
            to, of = slice(low, high), slice(low - step, high - step)
            moved = np.zeros_like(before[own])
            if axis == 0:
                moved[:, to] = before[own][:, of]
            else:
                moved[:, :, to] = before[own][:, :, of]
            after[own] = moved
        cells[:, events.detector.slice(k)] = after.reshape(len(cells), -1)
    return cells


def overlay_pairs(reference: Events, candidate: Events, seed: int) -> tuple[Events, Events]:
    r"""Overlay pairs of showers, as of the two photons of a neutral pion, in both samples.

    Two showers of energies :math:`E_1, E_2` are moved apart by a whole number of cells, which is
    their distance s where a pion of energy :math:`E_1 + E_2` decayed at the distance
    :math:`D = s / (2 \tan(\theta / 2))` with :math:`\sin^2(\theta / 2) = m^2 / (4 E_1 E_2)`. Pairs
    and shifts are drawn once, from the reference; the candidate takes showers of the same energies
    (the nearest within 2 %, scaled to them), so that only showers differ.

    Returns:
        Events with the conditions ``energy`` (of the pion), ``energy_1``, ``energy_2``,
        ``distance`` [mm] of the decay, ``separation`` [mm] and ``calibration``, the incident over
        the deposited energy of the reference, which serves both.
    """
    shifts = find_shifts(reference.detector)
    assert shifts is not None
    draws = stream(seed, "validation/pi0")
    n_pairs = min(len(reference) // 2, _MOST_PAIRS)
    pairs = draws.permutation(len(reference))[: 2 * n_pairs].reshape(2, n_pairs)
    steps = draws.choice(shifts.steps, n_pairs)
    energies = reference.energy[pairs]
    others = _matched(candidate.energy, energies.ravel(), draws).reshape(2, n_pairs)
    # Below the mass no pion can decay into these photons.
    near = np.abs(candidate.energy[others] / energies - 1).max(axis=0) < _MATCHED
    good = near & (4 * energies.prod(axis=0) > PI0_MASS**2)
    pairs, others, energies, steps = pairs[:, good], others[:, good], energies[:, good], steps[good]

    separation = steps * shifts.step
    half = np.arcsin(PI0_MASS / (2 * np.sqrt(energies.prod(axis=0))))
    deposited = reference.cells.sum(dtype=np.float64)
    conditions = {
        "energy": energies.sum(axis=0),
        "energy_1": energies[0],
        "energy_2": energies[1],
        "distance": separation / (2 * np.tan(half)),
        "separation": separation,
        "calibration": np.full(len(steps), reference.energy.sum() / deposited),
    }
    back = -(steps // 2) * shifts.step
    found = []
    for events, rows in ((reference, pairs), (candidate, others)):
        cells = np.zeros((rows.shape[1], events.detector.n_cells), np.float32)
        for own, energy, shift in zip(rows, energies, (back, back + separation), strict=True):
            scale = (energy / events.energy[own]).astype(np.float32)
            cells += shifted(events[own], shifts.axis, shift) * scale[:, None]
        weights = None if events.weights is None else events.weights[rows].prod(axis=0)
        found.append(Events(cells, conditions, events.detector, weights=weights))
    return found[0], found[1]


def _matched(available: Values, wanted: Values, draws: np.random.Generator) -> NDArray[np.int64]:
    """Return the event of the nearest energy for each that is wanted; equal ones take turns."""
    order = draws.permutation(len(available))
    order = order[np.argsort(available[order], kind="stable")]
    # Single precision: files may have rounded the energies of one sample.
    known, asked = available[order].astype(np.float32), wanted.astype(np.float32)
    start, stop = (np.searchsorted(known, asked, side=side) for side in ("left", "right"))
    by_energy = np.argsort(asked, kind="stable")
    ordered = asked[by_energy]
    turn = np.empty(len(asked), np.int64)
    turn[by_energy] = np.arange(len(asked)) - np.searchsorted(ordered, ordered)
    below, above = np.maximum(start - 1, 0), np.minimum(start, len(known) - 1)
    nearest = np.where(asked - known[below] < known[above] - asked, below, above)
    place = np.where(stop > start, start + turn % np.maximum(stop - start, 1), nearest)
    return np.asarray(order[place], np.int64)


@reconstruction(
    "pi0",
    description=(
        "Mass of two photons whose showers are overlaid in one calorimeter, at the separation that "
        "follows from the decay of a pion of their energies: cells belong to the nearer of two "
        "centres, energies are sums of cells with the calibration of the reference, positions are "
        "weighted as those of single photons. Both samples have the same pairs of energies and "
        "the same decays."
    ),
    shown={
        "mass": Shown(r"$m_{\gamma\gamma}$", "MeV", "Mass of two photons.", True),
        "energy": Shown(
            r"$E_{\gamma\gamma} / E_{\pi^0}$", "", "Energy of both photons over that of the pion."
        ),
        "separation - truth": Shown(
            r"$s - s_\mathrm{true}$", "mm", "Residual of the distance between both photons.", True
        ),
    },
    why_not=_no_shifts,
    prepare=overlay_pairs,
    conditions=("energy",),
)
def pi0(showers: Showers) -> Quantities:
    """Reconstruct two photons, and their mass [MeV], from showers that lie on each other."""
    truth = showers.events.conditions
    (x1, y1, e1), (x2, y2, e2) = two_clusters(showers)
    distance = np.hypot(x2 - x1, y2 - y1)
    calibration = truth["calibration"]
    half = np.arctan(distance / (2 * truth["distance"]))
    # m^2 = 2 E1 E2 (1 - cos theta), and 1 - cos theta = 2 sin^2(theta / 2).
    mass = 2 * calibration * np.sqrt(e1 * e2) * np.sin(half)
    return {
        "mass": mass,
        "energy": np.where(np.isfinite(mass), calibration * (e1 + e2) / truth["energy"], np.nan),
        "separation - truth": distance - truth["separation"],
    }


Cluster = tuple[Values, Values, Values]
"""x and y [mm] and energy in the unit of the cells, each (N,)."""

_ROUNDS = 4
_LEAST_SHARE = 0.01


def two_clusters(showers: Showers) -> tuple[Cluster, Cluster]:
    """Split showers into two clusters around the two highest maxima that are apart.

    The first maximum is the brightest cell of the layer with the most energy, the second one the
    brightest there that is at least 60 % of the smallest separation of pairs away. All cells go to
    the nearer one; then four times to the nearer of the new centres. NaN where a cluster has less
    than 1 % of the energy.
    """
    detector = showers.detector
    shifts = find_shifts(detector)
    assert shifts is not None
    apart = 0.6 * shifts.step * float(shifts.steps[0])
    cells, positions = np.maximum(showers.doubles, 0.0), detector.positions
    rows = np.arange(len(showers))
    main = showers.layer_sums.argmax(axis=1)
    inside = detector.layer_of_cell[None, :] == main[:, None]
    first = np.where(inside, cells, -1.0).argmax(axis=1)
    away = np.linalg.norm(positions[None] - positions[first][:, None], axis=2) >= apart
    second = np.where(inside & away, cells, -1.0).argmax(axis=1)
    centres = [positions[first], positions[second]]
    clusters: list[Cluster] = []
    for _ in range(_ROUNDS):
        near, far = (np.linalg.norm(positions[None] - c[:, None], axis=2) for c in centres)
        clusters = []
        for mask in (near <= far, near > far):
            x, y, energy = layer_centres(showers, mask)
            total = energy.sum(axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                middle = [np.nansum(c * energy, axis=1) / total for c in (x, y)]
            clusters.append((middle[0], middle[1], total))
        centres = [np.nan_to_num(np.stack(cluster[:2], axis=1)) for cluster in clusters]
    share = np.minimum(clusters[0][2], clusters[1][2]) / cells.sum(axis=1)
    bad = ~(share > _LEAST_SHARE)
    bad[rows] |= ~np.isfinite(share)
    blank = [tuple(np.where(bad, np.nan, values) for values in cluster) for cluster in clusters]
    return (blank[0][0], blank[0][1], blank[0][2]), (blank[1][0], blank[1][1], blank[1][2])
