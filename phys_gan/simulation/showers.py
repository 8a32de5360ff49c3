"""The shower simulator: :func:`simulate_showers`, from incident particles to events.

Each incident particle starts one or two electron cascades, each cascade is divided into spots
(small deposits of energy, each at a point), and the spots are summed into the cells of the
detector. What is drawn, and from which distributions, is in
:mod:`phys_gan.simulation.parametrisation`; how well it agrees with Geant4 in docs/simulators.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from phys_gan._version import __version__
from phys_gan.detectors import CartesianLayer, Detector, PolarLayer, Sampling
from phys_gan.errors import ConfigError, DataError, DetectorError, MissingError, RangeError
from phys_gan.events import Events
from phys_gan.randomness import stream
from phys_gan.simulation.parametrisation import (
    EffectiveMedium,
    draw_profiles,
    effective_medium,
    longitudinal_model,
    radial_profile,
    spot_model,
)
from phys_gan.units import MEV
from phys_gan.work import parallel_map

Spectrum = Literal["uniform", "log-uniform"]

_BLOCK = 64
"""Events that share a random stream and are worked on together; it bounds the memory."""
_ENERGY_RANGE = (50.0, 1e7)
"""Incident energies [MeV] outside which the fitted formulas do not hold."""
_SMALLEST_Y = 5.0
"""Smallest E / E_c: a shower of fewer particles has no mean profile to fluctuate around."""
_ELECTROMAGNETIC = ("e+", "e-", "gamma")
"""The particles whose showers are electromagnetic from the start."""
_MEAN_FREE_PATH = 9 / 7
"""Mean free path of a high-energy photon against pair production [X_0]."""
_SIGMA_LOG_ENERGY = 1.0
"""Standard deviation of the logarithm of a spot's energy."""


def simulate_showers(
    detector: Detector,
    n: int,
    *,
    particle: str = "e+",
    energy: tuple[float, float] | NDArray[np.float64] = (1e3, 1e5),
    seed: int = 0,
    spectrum: Spectrum = "uniform",
    threads: int | None = None,
) -> Events:
    """Simulate electromagnetic showers with parametrised profiles.

    Particles enter at x = y = 0 along +z; the front face is z = 0. The same arguments, those of
    :func:`phys_gan.simulation.simulate`, give the same events, whatever the number of threads.

    Returns:
        Events with the condition ``energy`` [MeV] and the energy beside the cells of each layer
        as ``overflow``. Energy behind the last layer is in neither.

    Raises:
        DetectorError: The detector is not a calorimeter, or its material is missing or not known.
        MissingError: The particle does not start an electromagnetic shower.
        RangeError: An energy or a number lies outside what the formulas hold for.
        DataError: The array of energies does not have the shape (n,).
        ConfigError: There is no such spectrum.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> simulate_showers(load_detector("calogan"), 3, particle="gamma", energy=(1e4, 2e4))
        Events(3 x 504 cells, calogan, energy)
    """
    medium = effective_medium(detector)
    assert detector.sampling is not None
    if detector.cell_unit not in MEV:
        raise DetectorError(
            f"detector '{detector.name}' has cells in '{detector.cell_unit}', not an energy",
            remedy=f"use one of: {', '.join(MEV)}",
            value=detector.cell_unit,
        )
    if n < 1:
        raise RangeError(f"n = {n} is less than 1", remedy="ask for at least one event", value=n)
    incident = incident_energies(energy, n, seed, spectrum)
    low, high = max(_ENERGY_RANGE[0], _SMALLEST_Y * medium.critical_energy), _ENERGY_RANGE[1]
    bad = incident[~((incident >= low) & (incident <= high))]
    if bad.size:
        raise RangeError(
            f"an incident energy is {bad[0]:g} MeV, but the shower formulas hold from {low:.0f} "
            f"MeV to {high / 1e6:g} TeV in '{detector.name}'",
            remedy="stay within this range (energies are in MeV)",
            value=float(bad[0]),
            constraint=(low, high),
        )
    start_cascades(particle, 0, stream(seed, "check"))  # refuses particles before the work starts

    # Each block writes its own rows and owns its stream, so the order of blocks is irrelevant.
    sampling, unit = detector.sampling, 1 / MEV[detector.cell_unit]
    cells = np.zeros((n, detector.n_cells), np.float32)
    overflow = np.zeros((n, detector.n_layers), np.float32)
    readout = Readout(detector)

    def fill(first: int) -> None:
        block = slice(first, first + _BLOCK)
        energies = incident[block]
        rng = stream(seed, f"showers {particle} {first}")
        cascades = start_cascades(particle, len(energies), rng)
        visible = visible_energy(sampling, energies, rng)
        spots = draw_spots(medium, cascades, energies, visible, rng)
        deposits = readout.deposit(spots, len(energies)) * unit
        cells[block] = deposits[:, : detector.n_cells]
        overflow[block] = deposits[:, detector.n_cells : -1]

    list(parallel_map(fill, range(0, n, _BLOCK), threads))
    cells[cells < detector.threshold] = 0
    provenance = {
        "simulator": "phys_gan parametric showers (Grindhammer and Peters, hep-ex/0001020)",
        "particle": particle,
        "seed": str(seed),
        "version": __version__,
    }
    return Events(cells, {"energy": incident}, detector, overflow, provenance)


def incident_energies(
    energy: tuple[float, float] | NDArray[np.float64], n: int, seed: int, spectrum: str | None
) -> NDArray[np.float64]:
    """Return incident energies [MeV], (n,), as given or drawn from a range, by default uniformly.

    Raises:
        DataError: The array of energies does not have the shape (n,).
        RangeError: The range does not rise from above 0.
        ConfigError: There is no such spectrum.
    """
    if not isinstance(energy, tuple):
        values = np.asarray(energy, np.float64)
        if values.shape != (n,):
            raise DataError(
                f"energy has shape {values.shape}, but n = {n}",
                remedy="give one value per event, or a range as a tuple of two numbers",
                value=values.shape,
                constraint=(n,),
            )
        return values
    low, high = energy
    if not 0 < low <= high:
        raise RangeError(
            f"the energy range {low:g} to {high:g} MeV does not rise from above 0",
            remedy="give the smaller energy first",
            value=energy,
        )
    uniform = stream(seed, "energies").random(n)
    if spectrum in ("uniform", None):
        return low + (high - low) * uniform
    if spectrum == "log-uniform":
        return np.asarray(low * (high / low) ** uniform, np.float64)
    raise ConfigError(
        f"'{spectrum}' is not a spectrum; available: uniform, log-uniform",
        remedy="name one of these",
        value=spectrum,
    )


def visible_energy(
    sampling: Sampling, incident: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    r"""Draw the energy that the read-out sees of showers that are contained completely, (N,).

    A gamma distribution of mean :math:`r E` and relative width
    :math:`\sigma / E = a / \sqrt{E / GeV} \oplus b`, with the response r, the stochastic term a
    and the constant term b.
    """
    variance = sampling.stochastic_term**2 / (incident / 1e3) + sampling.constant_term**2
    mean = sampling.response * incident
    if not np.any(variance):
        return mean
    return mean * variance * rng.standard_gamma(1 / variance)


@dataclass(frozen=True)
class Cascades:
    """The electron cascades of some events, in the order of the events; fields have shape (N,).

    Attributes:
        event: Number of the event.
        fraction: Fraction of the event's energy.
        start: Depth at which the cascade begins [X_0].
    """

    event: NDArray[np.int64]
    fraction: NDArray[np.float64]
    start: NDArray[np.float64]


def start_cascades(particle: str, n: int, rng: np.random.Generator) -> Cascades:
    """Start the cascades of n incident particles.

    Electrons and positrons begin to shower at the front face. A photon converts after an
    exponentially distributed depth of mean 9/7 X_0; electron and positron share its energy and
    make a cascade each (the annihilation of the positron is neglected).

    Raises:
        MissingError: No electromagnetic shower starts from this particle.
    """
    if particle not in _ELECTROMAGNETIC:
        raise MissingError(
            f"no parametric shower for the particle '{particle}'; available: "
            f"{', '.join(_ELECTROMAGNETIC)}",
            remedy="simulate hadrons and muons with Geant4 and read its file",
            value=particle,
        )
    if particle != "gamma":
        return Cascades(np.arange(n), np.ones(n), np.zeros(n))
    fraction = pair_fraction(n, rng)
    return Cascades(
        event=np.repeat(np.arange(n), 2),
        fraction=np.stack([fraction, 1 - fraction], axis=1).ravel(),
        start=np.repeat(rng.exponential(_MEAN_FREE_PATH, n), 2),
    )


def pair_fraction(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    r"""Draw the fraction x of a photon's energy that the electron of its pair takes.

    .. math:: \frac{d\sigma}{dx} \propto 1 - \frac{4}{3} x (1 - x)

    (complete screening; Particle Data Group, Passage of particles through matter, Eq. 34.31).
    """
    # 1 - 4/3 x (1 - x) = 2/3 + (1 - 2 x)^2 / 3 is a mixture of a uniform fraction, with weight
    # 6/7, and of a density of (1 - 2 x)^2, whose 1 - 2 x is the cube root of a uniform number.
    flat, uniform, chooser = rng.random((3, n))
    steep = (1 - np.cbrt(2 * uniform - 1)) / 2
    return np.asarray(np.where(chooser < 6 / 7, flat, steep), np.float64)


@dataclass(frozen=True)
class Spots:
    """Spots in the order of their events; each field has shape (N,).

    Attributes:
        event: Number of the event.
        depth: Depth [mm] behind the front face.
        radius: Distance from the axis [mm].
        turn: Angle around the axis from -pi on, as a fraction of a full turn, 0 <= turn < 1.
        energy: Energy [MeV].
    """

    event: NDArray[np.int64]
    depth: NDArray[np.float32]
    radius: NDArray[np.float32]
    turn: NDArray[np.float32]
    energy: NDArray[np.float64]


def draw_spots(
    medium: EffectiveMedium,
    cascades: Cascades,
    incident: NDArray[np.float64],
    deposited: NDArray[np.float64],
    rng: np.random.Generator,
) -> Spots:
    """Draw the spots of some events; the energies of an event's spots sum up to ``deposited``.

    Arguments:
        medium: The medium.
        cascades: The cascades of the events.
        incident: Energy of the incident particles [MeV], shape (n_events,).
        deposited: Energy to divide among the spots [MeV], shape (n_events,).
        rng: The random stream.
    """
    # The number of spots of each cascade; what belongs to a cascade is repeated for its spots.
    model = spot_model(medium)
    energy = incident[cascades.event] * cascades.fraction
    profiles = draw_profiles(longitudinal_model(medium, energy), rng)
    number = rng.poisson(model.mean_number(incident)[cascades.event] * cascades.fraction)
    number = np.maximum(number, 1)

    def repeated(values: NDArray[np.float64]) -> NDArray[np.float32]:
        return np.repeat(values.astype(np.float32), number)

    # Depths and radii, denser than the energy at both ends of the shower and in the halo.
    alpha = np.maximum(profiles.alpha * model.alpha_ratio, 1.05)
    beta = (alpha - 1) / (profiles.alpha - 1) * profiles.beta / model.t_ratio
    depth = rng.standard_gamma(repeated(alpha), dtype=np.float32) / repeated(beta)
    profile = radial_profile(
        medium, repeated(np.log(energy / 1e3)), depth * repeated(profiles.tau_per_depth)
    )
    radius, weight = profile.draw(rng, model.boost, model.stretch)

    # Log-normal energies, with weights that leave the mean profiles untouched.
    logarithm = np.float32(_SIGMA_LOG_ENERGY) * rng.standard_normal(len(depth), dtype=np.float32)
    if model.t_ratio != 1.0 or model.alpha_ratio != 1.0:
        # The ratio of both gamma densities, up to a factor that the normalisation takes away.
        logarithm += repeated(profiles.alpha - alpha) * np.log(depth * repeated(profiles.beta))
        logarithm -= repeated(profiles.beta - beta) * depth
    weight = (weight * np.exp(logarithm)).astype(np.float64)
    sums = np.bincount(np.repeat(np.arange(len(number)), number), weight, len(number))
    scale = deposited[cascades.event] * cascades.fraction / sums
    return Spots(
        event=np.repeat(cascades.event, number),
        depth=(depth + repeated(cascades.start)) * np.float32(medium.radiation_length),
        radius=radius,
        turn=rng.random(len(depth), dtype=np.float32),
        energy=weight * np.repeat(scale, number),
    )


class Readout:
    """Sum spots into the cells of a detector of Cartesian or polar layers.

    A spot has one of ``n_cells + n_layers + 1`` slots: the cells, the overflow beside the cells of
    each layer, and one for what is in no layer, behind the last one or between two. Nothing is
    ever dropped, so the slots of an event sum up to its energy.

    In single precision and in polar coordinates this is faster than :meth:`Detector.find`, which
    may put a point on a border into the cell on the other side.
    """

    def __init__(self, detector: Detector) -> None:
        self._n_cells, self._n_layers = detector.n_cells, detector.n_layers
        layers = [one for one in detector.layers if isinstance(one, CartesianLayer | PolarLayer)]
        self._fronts = _Edges((*(layer.z[0] for layer in layers), layers[-1].z[1]))
        self._backs = np.array([layer.z[1] for layer in layers], np.float32)
        self._offsets = np.array(detector.offsets[:-1])
        # Layers that share a grid are looked up together: 45 equal layers cost as much as one.
        grids: dict[CartesianLayer | PolarLayer, int] = {}
        bare = (layer.model_copy(update={"name": "", "z": (0.0, 1.0)}) for layer in layers)
        numbers = [grids.setdefault(grid, len(grids)) for grid in bare]
        self._grid_of_layer = np.array(numbers, np.int16)
        self._grids = [_look_up(grid) for grid in grids]

    def slots(self, spots: Spots) -> NDArray[np.int64]:
        """Return the slot of each spot, shape (n_spots,)."""
        layer = self._fronts.find(spots.depth)
        inside = (layer >= 0) & (spots.depth < self._backs[layer])
        index = np.where(inside, self._grid_of_layer[layer], -1)
        slots = np.full(len(layer), self._n_cells + self._n_layers)
        for member, find in enumerate(self._grids):
            chosen = np.flatnonzero(index == member)
            number = layer[chosen]
            cell = find(spots.radius[chosen], spots.turn[chosen])
            slots[chosen] = np.where(
                cell >= 0, cell + self._offsets[number], self._n_cells + number
            )
        return slots

    def deposit(self, spots: Spots, n_events: int) -> NDArray[np.float64]:
        """Return the energy [MeV] in each slot of the events 0 ... n_events - 1, (N, n_slots)."""
        n_slots = self._n_cells + self._n_layers + 1
        index = spots.event * n_slots + self.slots(spots)
        sums = np.asarray(np.bincount(index, spots.energy, n_events * n_slots), np.float64)
        return sums.reshape(n_events, n_slots)


class _Edges:
    """Find the half-open bin of values; regular bins by arithmetic, others by bisection."""

    def __init__(self, edges: tuple[float, ...]) -> None:
        self._edges = np.array(edges, np.float32)
        self._n = len(edges) - 1
        width = (edges[-1] - edges[0]) / self._n
        self._regular = bool(np.allclose(np.diff(edges), width, rtol=1e-6))
        self._first, self._per_width = np.float32(edges[0]), np.float32(1 / width)

    def find(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the bin of each value, -1 outside."""
        if self._regular:
            bins = np.floor((values - self._first) * self._per_width).astype(np.int64)
        else:
            bins = np.searchsorted(self._edges, values, side="right") - 1
        return np.where((bins >= 0) & (bins < self._n), bins, -1)


_Find = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.int64]]


def _look_up(layer: CartesianLayer | PolarLayer) -> _Find:
    """Return a function that finds the cell of radii and turns, -1 beside the cells."""
    outer, inner = layer.shape
    if isinstance(layer, CartesianLayer):
        x_edges, y_edges = _Edges(layer.x), _Edges(layer.y)

        def find(radius: NDArray[np.float32], turn: NDArray[np.float32]) -> NDArray[np.int64]:
            angle = np.float32(2 * np.pi) * turn - np.float32(np.pi)
            x, y = x_edges.find(radius * np.cos(angle)), y_edges.find(radius * np.sin(angle))
            return np.where((x >= 0) & (y >= 0), x * inner + y, -1)

    else:
        r_edges = _Edges(layer.r)

        def find(radius: NDArray[np.float32], turn: NDArray[np.float32]) -> NDArray[np.int64]:
            alpha = np.minimum((turn * outer).astype(np.int64), outer - 1)
            r = r_edges.find(radius)
            return np.where(r >= 0, alpha * inner + r, -1)

    return find
