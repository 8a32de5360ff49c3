"""The parametric shower simulator: incident particles to events."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from phys_gan._version import __version__
from phys_gan.detectors import Detector, Sampling
from phys_gan.errors import ConfigError, DataError, DetectorError, RangeError
from phys_gan.events import Events
from phys_gan.randomness import stream
from phys_gan.simulators.cascades import start_cascades
from phys_gan.simulators.materials import EffectiveMedium, effective_medium
from phys_gan.simulators.readout import Deposits, Readout
from phys_gan.simulators.spots import draw_spots
from phys_gan.units import MEV

__all__ = ["Spectrum", "simulate", "visible_energy"]

Spectrum = Literal["uniform", "log-uniform"]

_BLOCK = 64
"""Events that share a random stream and are worked on together; it bounds the memory."""
_MOST_THREADS = 4
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
    workers = threads or min(os.cpu_count() or 1, _MOST_THREADS)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fill, range(0, n, _BLOCK)))
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
