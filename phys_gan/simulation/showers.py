"""The parametric shower simulator: incident particles to events.

Particles to cascades: an electron starts one at the front, a photon two where it converts.

Cascades to spots: many small deposits of energy, each at a point.

Spots to cells: find the cell of every spot and add up the energies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from phys_gan._version import __version__
from phys_gan.detectors import CartesianLayer, Detector, Layer, PolarLayer, Sampling, ShowerLayer
from phys_gan.errors import ConfigError, DataError, DetectorError, MissingError, RangeError
from phys_gan.events import Events
from phys_gan.randomness import stream
from phys_gan.simulation.profiles import (
    EffectiveMedium,
    draw_profiles,
    effective_medium,
    longitudinal_model,
    radial_profile,
)
from phys_gan.units import MEV
from phys_gan.work import parallel_map

__all__ = [
    "Cascades",
    "Deposits",
    "Readout",
    "Spectrum",
    "SpotModel",
    "Spots",
    "draw_spots",
    "pair_share",
    "simulate",
    "spot_model",
    "start_cascades",
    "visible_energy",
]

_ELECTROMAGNETIC = ("e+", "e-", "gamma")
"""The particles whose showers are electromagnetic from the start."""

_MEAN_FREE_PATH = 9 / 7
"""Mean free path of a high-energy photon against pair production [X_0]."""


@dataclass(frozen=True)
class Cascades:
    """Hold the electron cascades of some events, in the order of the events.

    Attributes:
        event: Number of the event that the cascade belongs to, shape (N,).
        share: Its share of the event's energy, shape (N,).
        start: Where it begins [X_0], shape (N,).
    """

    event: NDArray[np.int64]
    share: NDArray[np.float64]
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
    share = pair_share(n, rng)
    return Cascades(
        event=np.repeat(np.arange(n), 2),
        share=np.stack([share, 1 - share], axis=1).ravel(),
        start=np.repeat(rng.exponential(_MEAN_FREE_PATH, n), 2),
    )


def pair_share(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    r"""Draw the share x of a photon's energy that the electron of its pair takes.

    .. math:: \frac{d\sigma}{dx} \propto 1 - \frac{4}{3} x (1 - x)

    (complete screening; Particle Data Group, Passage of particles through matter, Eq. 34.31).
    """
    # 1 - 4/3 x (1 - x) = 2/3 + (1 - 2 x)^2 / 3 is a mixture of a uniform share, with weight
    # 6/7, and of a density of (1 - 2 x)^2, whose 1 - 2 x is the cube root of a uniform number.
    flat, uniform, chooser = rng.random((3, n))
    steep = (1 - np.cbrt(2 * uniform - 1)) / 2
    share: NDArray[np.float64] = np.where(chooser < 6 / 7, flat, steep)
    return share


_SPREAD = 1.0
"""Standard deviation of the logarithm of a spot's energy."""


@dataclass(frozen=True)
class Spots:
    """Hold spots, in the order of their events; each field has shape (N,).

    Attributes:
        event: Number of the event.
        depth: Depth [mm] behind the front face.
        radius: Distance from the axis [mm].
        turn: Angle around the axis from -pi on, as a share of the full turn, 0 <= turn < 1.
        energy: Energy [MeV].
    """

    event: NDArray[np.int64]
    depth: NDArray[np.float32]
    radius: NDArray[np.float32]
    turn: NDArray[np.float32]
    energy: NDArray[np.float64]


@dataclass(frozen=True)
class SpotModel:
    r"""Say how many spots a shower has and where they are denser than its energy.

    The mean number is :math:`N = n (E / GeV)^k`, at most ``largest``.

    Attributes:
        number: n, the number at 1 GeV.
        power: k.
        t_ratio: Maximum of the spots' depths over that of the energy's.
        alpha_ratio: Shape parameter of the spots' depths over that of the energy's.
        boost: See :meth:`RadialProfile.draw`.
        stretch: See :meth:`RadialProfile.draw`.
        largest: Largest mean number, which bounds time and memory.
    """

    number: float
    power: float
    t_ratio: float = 1.0
    alpha_ratio: float = 1.0
    boost: float = 1.0
    stretch: float = 1.0
    largest: float = 10_000.0

    def mean_number(self, energy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean number of spots at some energies [MeV], shape (N,)."""
        return np.minimum(self.number * (energy / 1e3) ** self.power, self.largest)


def spot_model(medium: EffectiveMedium) -> SpotModel:
    """Return the spots of a medium.

    Where every deposit counts, soft photons make many small deposits far from the shower's
    centre: the depths of spots are those of hep-ex/0001020, appendix A.1.4, and the halo is
    drawn more often. In the thin slabs of a sampling calorimeter a spot is a charged particle
    that crosses, and the spots follow the energy. The numbers at 1 GeV and their powers are
    chosen for the numbers of hits in the Geant4 samples (see docs/simulators.md): where all is
    read out the paper's 93 ln(Z) E^0.876 would cost more time and change nothing else.
    """
    if medium.sampling:
        return SpotModel(number=130.0, power=0.95)
    return SpotModel(
        number=150.0,
        power=0.75,
        t_ratio=0.698 + 0.00212 * medium.z,
        alpha_ratio=0.639 + 0.00334 * medium.z,
        boost=3.0,
        stretch=2.0,
    )


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
        deposited: Energy to share among the spots [MeV], shape (n_events,).
        rng: The random stream.
    """
    model = spot_model(medium)
    energy = incident[cascades.event] * cascades.share
    profiles = draw_profiles(longitudinal_model(medium, energy), rng)
    number = rng.poisson(model.mean_number(incident)[cascades.event] * cascades.share)
    number = np.maximum(number, 1)
    of_cascade = np.repeat(np.arange(len(number)), number)

    def spread(values: NDArray[np.float64]) -> NDArray[np.float32]:
        return np.repeat(values.astype(np.float32), number)

    alpha = np.maximum(profiles.alpha * model.alpha_ratio, 1.05)
    beta = (alpha - 1) / (profiles.alpha - 1) * profiles.beta / model.t_ratio
    depth = rng.standard_gamma(spread(alpha), dtype=np.float32) / spread(beta)
    profile = radial_profile(
        medium, spread(np.log(energy / 1e3)), depth * spread(profiles.tau_per_depth)
    )
    radius, weight = profile.draw(rng, model.boost, model.stretch)
    logarithm = np.float32(_SPREAD) * rng.standard_normal(len(depth), dtype=np.float32)
    if model.t_ratio != 1.0 or model.alpha_ratio != 1.0:
        # The ratio of both gamma densities, up to a factor that the normalisation takes away.
        logarithm += spread(profiles.alpha - alpha) * np.log(depth * spread(profiles.beta))
        logarithm -= spread(profiles.beta - beta) * depth
    weight = (weight * np.exp(logarithm)).astype(np.float64)
    sums = np.bincount(of_cascade, weight, len(number))
    scale = deposited[cascades.event] * cascades.share / sums
    return Spots(
        event=np.repeat(cascades.event, number),
        depth=(depth + spread(cascades.start)) * np.float32(medium.radiation_length),
        radius=radius,
        turn=rng.random(len(depth), dtype=np.float32),
        energy=weight * np.repeat(scale, number),
    )


@dataclass(frozen=True)
class Deposits:
    """Hold where the energy of some events went [MeV].

    Attributes:
        cells: Energy in each cell, shape (n_events, n_cells).
        overflow: Energy beside the cells of each layer, shape (n_events, n_layers).
        lost: Energy in no layer: behind the last one or between two, shape (n_events,).
    """

    cells: NDArray[np.float64]
    overflow: NDArray[np.float64]
    lost: NDArray[np.float64]


class Readout:
    """Sum spots into the cells of a detector.

    A spot has one of ``n_cells + n_layers + 1`` slots: the cells, the overflow of the layers,
    and nowhere. Nothing is ever dropped, so the slots of an event sum up to its energy.

    Arguments:
        detector: A detector of Cartesian or polar layers.
    """

    def __init__(self, detector: Detector) -> None:
        self._n_cells, self._n_layers = detector.n_cells, detector.n_layers
        layers = [layer for layer in detector.layers if isinstance(layer, ShowerLayer)]
        self._fronts = _Edges((*(layer.z[0] for layer in layers), layers[-1].z[1]))
        self._backs = np.array([layer.z[1] for layer in layers], np.float32)
        self._offsets = np.array(detector.offsets[:-1])
        # Layers that share a grid are looked up together: 45 equal layers cost as much as one.
        grids: dict[Layer, list[int]] = {}
        for number, layer in enumerate(layers):
            grid = layer.model_copy(update={"name": "", "z": (0.0, 1.0)})
            grids.setdefault(grid, []).append(number)
        self._grids = [_grid(layer) for layer in grids]
        self._grid_of_layer = np.zeros(self._n_layers, np.int16)
        for index, members in enumerate(grids.values()):
            self._grid_of_layer[members] = index

    def slots(self, spots: Spots) -> NDArray[np.int64]:
        """Return the slot of each spot, shape (n_spots,)."""
        layer = self._fronts.find(spots.depth)
        inside = (layer >= 0) & (spots.depth < self._backs[layer])
        index = np.where(inside, self._grid_of_layer[layer], -1)
        slots = np.full(len(layer), self._n_cells + self._n_layers)
        for member, grid in enumerate(self._grids):
            chosen = np.flatnonzero(index == member)
            number = layer[chosen]
            cell = grid.find(spots.radius[chosen], spots.turn[chosen])
            slots[chosen] = np.where(
                cell >= 0, cell + self._offsets[number], self._n_cells + number
            )
        return slots

    def deposit(self, spots: Spots, n_events: int) -> Deposits:
        """Return the summed energies of the spots of the events 0 ... n_events - 1."""
        n_slots = self._n_cells + self._n_layers + 1
        index = spots.event * n_slots + self.slots(spots)
        sums = np.bincount(index, spots.energy, n_events * n_slots)
        flat = np.asarray(sums, np.float64).reshape(n_events, n_slots)
        return Deposits(
            cells=flat[:, : self._n_cells],
            overflow=flat[:, self._n_cells : -1],
            lost=flat[:, -1],
        )


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


class _CartesianGrid:
    def __init__(self, layer: CartesianLayer) -> None:
        self._x, self._y = _Edges(layer.x), _Edges(layer.y)
        self._n_y = layer.shape[1]

    def find(self, radius: NDArray[np.float32], turn: NDArray[np.float32]) -> NDArray[np.int64]:
        angle = np.float32(2 * np.pi) * turn - np.float32(np.pi)
        x, y = self._x.find(radius * np.cos(angle)), self._y.find(radius * np.sin(angle))
        return np.where((x >= 0) & (y >= 0), x * self._n_y + y, -1)


class _PolarGrid:
    def __init__(self, layer: PolarLayer) -> None:
        self._r = _Edges(layer.r)
        self._n_alpha, self._n_r = layer.shape

    def find(self, radius: NDArray[np.float32], turn: NDArray[np.float32]) -> NDArray[np.int64]:
        alpha = np.minimum((turn * self._n_alpha).astype(np.int64), self._n_alpha - 1)
        r = self._r.find(radius)
        return np.where(r >= 0, alpha * self._n_r + r, -1)


def _grid(layer: Layer) -> _CartesianGrid | _PolarGrid:
    if isinstance(layer, CartesianLayer):
        return _CartesianGrid(layer)
    if isinstance(layer, PolarLayer):
        return _PolarGrid(layer)
    raise TypeError(f"a layer of kind '{layer.kind}' has no depth")


Spectrum = Literal["uniform", "log-uniform"]

_BLOCK = 64
"""Events that share a random stream and are worked on together; it bounds the memory."""
_ENERGY_RANGE = (50.0, 1e7)
"""Incident energies [MeV] outside which the fitted formulas say nothing."""
_SMALLEST_Y = 5.0
"""Smallest E / E_c: a shower of fewer particles has no mean profile to fluctuate around."""


def simulate(
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

    Particles enter at x = y = 0 along +z; the front face is z = 0. What the method is and how
    well it agrees with Geant4 is written in docs/simulators.md. The same arguments give the same
    events, whatever the number of threads.

    References:
        Grindhammer and Peters, The parameterized simulation of electromagnetic showers in
        homogeneous and sampling calorimeters, hep-ex/0001020.

    Arguments:
        detector: A detector of Cartesian or polar layers with a ``[sampling]`` table.
        n: How many events.
        particle: ``"e+"``, ``"e-"`` or ``"gamma"``.
        energy: Range of the incident kinetic energy [MeV], or its values, shape (n,).
        seed: Seed of all random numbers.
        spectrum: Distribution of the energy within a range.
        threads: How many threads; by default one per CPU core, but at most 4.

    Returns:
        Events with the condition ``energy`` [MeV] and the energy beside the cells of each layer
        as ``overflow``. Energy behind the last layer is in neither.

    Raises:
        DetectorError: The detector is an image, or its material is missing or not known.
        MissingError: The particle does not start an electromagnetic shower.
        RangeError: An energy or a number lies outside what the formulas hold for.
        DataError: The array of energies does not have the shape (n,).
        ConfigError: There is no such spectrum.

    Example:
        >>> from phys_gan.detectors import load_detector
        >>> simulate(load_detector("calogan"), 3, particle="gamma", energy=(1e4, 2e4))
        Events(3 x 504 cells, calogan, energy)
    """
    medium = effective_medium(detector)
    if detector.cell_unit not in MEV:
        raise DetectorError(
            f"detector '{detector.name}' has cells in '{detector.cell_unit}', which is no energy",
            remedy=f"use one of: {', '.join(MEV)}",
            value=detector.cell_unit,
        )
    if n < 1:
        raise RangeError(f"n = {n} is no number of events", remedy="ask for at least one", value=n)
    incident = _incident_energies(energy, n, seed, spectrum)
    _check_energies(incident, medium, detector)
    start_cascades(particle, 0, stream(seed, "check"))  # refuses particles before the work starts
    unit = 1 / MEV[detector.cell_unit]
    cells = np.zeros((n, detector.n_cells), np.float32)
    overflow = np.zeros((n, detector.n_layers), np.float32)
    readout = Readout(detector)

    def fill(first: int) -> None:
        block = slice(first, first + _BLOCK)
        rng = stream(seed, f"showers {particle} {first}")
        deposits = _simulate_block(detector, medium, readout, particle, incident[block], rng)
        cells[block] = deposits.cells * unit
        overflow[block] = deposits.overflow * unit

    # Each block writes its own rows and owns its stream, so the order of blocks is irrelevant.
    list(parallel_map(fill, range(0, n, _BLOCK), threads))
    cells[cells < detector.threshold] = 0
    return Events(
        cells,
        {"energy": incident},
        detector,
        overflow,
        {
            "simulator": "phys_gan parametric showers (Grindhammer and Peters, hep-ex/0001020)",
            "particle": particle,
            "seed": str(seed),
            "version": __version__,
        },
    )


def visible_energy(
    sampling: Sampling, incident: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    r"""Draw the energy that the read-out sees of showers that are contained completely.

    A gamma distribution of mean :math:`r E` and relative width
    :math:`\sigma / E = a / \sqrt{E / GeV} \oplus b`.

    Arguments:
        sampling: r (response), a (stochastic term) and b (constant term).
        incident: Incident energies [MeV], shape (N,).
        rng: The random stream.
    """
    variance = sampling.stochastic_term**2 / (incident / 1e3) + sampling.constant_term**2
    mean = sampling.response * incident
    if not np.any(variance):
        return mean
    return mean * variance * rng.standard_gamma(1 / variance)


def _simulate_block(
    detector: Detector,
    medium: EffectiveMedium,
    readout: Readout,
    particle: str,
    incident: NDArray[np.float64],
    rng: np.random.Generator,
) -> Deposits:
    assert detector.sampling is not None
    cascades = start_cascades(particle, len(incident), rng)
    visible = visible_energy(detector.sampling, incident, rng)
    spots = draw_spots(medium, cascades, incident, visible, rng)
    return readout.deposit(spots, len(incident))


def _incident_energies(
    energy: tuple[float, float] | NDArray[np.float64], n: int, seed: int, spectrum: str
) -> NDArray[np.float64]:
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
    if spectrum == "uniform":
        return low + (high - low) * uniform
    if spectrum == "log-uniform":
        values = low * (high / low) ** uniform
        return np.asarray(values, np.float64)
    raise ConfigError(
        f"'{spectrum}' is not a spectrum; available: uniform, log-uniform",
        remedy="name one of these",
        value=spectrum,
    )


def _check_energies(
    incident: NDArray[np.float64], medium: EffectiveMedium, detector: Detector
) -> None:
    low = max(_ENERGY_RANGE[0], _SMALLEST_Y * medium.critical_energy)
    high = _ENERGY_RANGE[1]
    bad = incident[~((incident >= low) & (incident <= high))]
    if bad.size:
        raise RangeError(
            f"an incident energy is {bad[0]:g} MeV, but the shower formulas hold from {low:.0f} "
            f"MeV to {high / 1e6:g} TeV in '{detector.name}'",
            remedy="stay within this range (energies are in MeV)",
            value=float(bad[0]),
            constraint=(low, high),
        )
