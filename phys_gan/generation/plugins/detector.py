"""FastDetector: several models as one, each particle to the first whose Coverage holds it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DetectorError, MissingError, RangeError
from phys_gan.generation.plugins.particles import Incident
from phys_gan.model import FastSim, find_model, model_card, pretrained_names
from phys_gan.units import PARTICLES, find_particle

NORMAL_INCIDENCE = 0.01
"""Largest angle to the axis [rad] that still counts as normal incidence: the axis of the shower
moves by 1 mm in 100 mm of depth."""

_RECORDED = ("data_particle", "particle")


@dataclass(frozen=True)
class Coverage:
    """Particles that a model simulates; the others are left to full simulation.

    Arguments:
        pdg: Numbers of the Particle Data Group.
        energy: Lowest and highest kinetic energy [MeV].
        max_angle: Largest angle to the axis of the detector [rad]; pi takes all directions.

    Raises:
        RangeError: The energies run from high to low, or the angle is negative.
    """

    pdg: tuple[int, ...]
    energy: tuple[float, float]
    max_angle: float = NORMAL_INCIDENCE

    def __post_init__(self) -> None:
        low, high = self.energy
        if not 0 <= low <= high:
            raise RangeError(
                f"the energies {low:g} to {high:g} MeV are not a range",
                remedy="give (low, high)",
                value=self.energy,
            )
        if not 0 <= self.max_angle <= math.pi:
            raise RangeError(
                f"the largest angle {self.max_angle:g} is not between 0 and pi",
                remedy="give radians",
                value=self.max_angle,
                constraint=(0, math.pi),
            )

    @classmethod
    def of(
        cls,
        fast: FastSim,
        particles: Sequence[str | int] | None = None,
        *,
        name: str = "",
        energy: tuple[float, float] | None = None,
        max_angle: float = NORMAL_INCIDENCE,
    ) -> Coverage:
        """Take what is not given from the model.

        Arguments:
            fast: The model.
            particles: Names or PDG numbers; by default the one kind that it learned from.
            name: Name of a pretrained model, whose card names the particle.
            energy: Kinetic energies [MeV]; by default those of the training events.
            max_angle: Largest angle to the axis of the detector [rad].

        Raises:
            ConfigError: The model does not name the one kind of particle that it learned from.
            MissingError: A particle is not known.
            RangeError: The energies are outside the range of the model.

        Example:
            >>> fast = FastSim.load("calogan-eplus")
            >>> Coverage.of(fast, name="calogan-eplus").pdg
            (-11,)
        """
        if isinstance(particles, str | int):
            particles = [particles]
        if particles is None:
            particles = [_learned(fast, name)]
        low, high = fast.energy_range
        least, most = fast.model.encoding.told["energy"].allowed(low, high)
        if energy is not None and not (energy[0] >= least and energy[1] <= most):
            raise RangeError(
                f"the model was trained from {low:g} to {high:g} MeV, not from {energy[0]:g} to "
                f"{energy[1]:g} MeV",
                remedy="cover energies inside this range",
                value=energy,
                constraint=(low, high),
            )
        pdg = tuple(dict.fromkeys(find_particle(particle).pdg for particle in particles))
        return cls(pdg, energy or (low, high), max_angle)

    def holds(
        self,
        pdg: NDArray[np.int64],
        energy: NDArray[np.float64],
        angle: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Return which particles are covered, shape (n,); NaN is not.

        Arguments:
            pdg: PDG numbers, shape (n,).
            energy: Kinetic energies [MeV], shape (n,).
            angle: Angles to the axis of the detector [rad], shape (n,).
        """
        low, high = self.energy
        inside = (energy >= low) & (energy <= high)
        return np.isin(pdg, self.pdg) & inside & (angle <= self.max_angle)


def _learned(fast: FastSim, name: str) -> str:
    """Return the kind of particle that a model learned from."""
    recorded = next((text for key in _RECORDED if (text := fast.model.provenance.get(key))), "")
    if not recorded and name in pretrained_names():
        title = re.search(rf"^# {re.escape(name)}: (\S+) showers", model_card(name))
        recorded = title[1] if title else ""
    try:
        return find_particle(recorded).name
    except MissingError:
        known = f"'{recorded}'" if recorded else "nothing"
        raise ConfigError(
            f"the model{f' {name!r}' if name else ''} names {known} as its particle",
            remedy="name the particles that it may simulate, such as ['gamma']",
            value=recorded,
        ) from None


Kinds = Sequence[str | int] | None
"""Names or PDG numbers of particles; None for what the model learned from."""


@dataclass(frozen=True)
class _Files:
    """What to load: hashable, so that each process loads it once."""

    models: tuple[tuple[str, tuple[str | int, ...] | None], ...]
    versions: tuple[tuple[int, int], ...]
    max_angle: float
    axis: tuple[float, float, float]
    device: str


@dataclass(frozen=True, eq=False)
class FastDetector:
    """Simulate the particles that models cover; the first model that covers a particle takes it.

    Arguments:
        models: Models and what each covers.
        axis: Direction of the detector's axis in the frame of the particles.

    Raises:
        ConfigError: There is no model, one translates, or one needs more than the energy.
        DetectorError: The models have different cells.

    Example:
        >>> FastDetector.load(["calogan-eplus", "calogan-photon"])
        FastDetector(calogan: e+, gamma)
    """

    models: tuple[tuple[FastSim, Coverage], ...]
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0)
    _files: _Files | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", tuple(self.models))
        length = np.linalg.norm(self.axis)
        if not (np.isfinite(length) and length > 0):
            raise ConfigError(
                f"the axis {self.axis} is not a direction", remedy="give (x, y, z)", value=self.axis
            )
        if not self.models:
            raise ConfigError("a fast detector needs a model", remedy="give at least one")
        for fast, _ in self.models:
            named = fast.model.encoding.named
            if fast.translates or named != ("energy",):
                what = "events" if fast.translates else ", ".join(named) or "nothing"
                raise ConfigError(
                    f"a model needs {what}, but of a particle only the energy is known",
                    remedy="give models of showers that need only the incident energy",
                    value=named,
                )
            if not fast.detector.same_cells(self.detector):
                raise DetectorError(
                    f"the models belong to '{self.detector.name}' and '{fast.detector.name}', "
                    f"whose cells differ",
                    remedy="give models of one detector, and simulate others by themselves",
                    value=fast.detector.name,
                    constraint=self.detector.name,
                )

    @classmethod
    def load(
        cls,
        models: Mapping[str, Kinds] | Sequence[str | Path] | str | Path,
        *,
        max_angle: float = NORMAL_INCIDENCE,
        axis: tuple[float, float, float] = (0.0, 0.0, 1.0),
        device: str = "cpu",
    ) -> FastDetector:
        """Load models; the result is pickled by their names, and loaded once per process.

        Arguments:
            models: One model or several, as in :meth:`FastSim.load`; each with the particles that
                it simulates where these are not what it learned from:
                ``{"calogan-eplus": ["e+", "e-"]}``.
            max_angle: Largest angle to the axis [rad], for all models.
            axis: Direction of the detector's axis in the frame of the particles.
            device: Where to run, such as ``cpu`` or ``cuda``.

        Raises:
            MissingError: There is no such model or particle.
            DataError: A file is not a model, or is damaged.
            ConfigError: A model does not name its particle, is not one of showers, or there is no
                such device.
            DetectorError: The models have different cells.
        """
        listed = [models] if isinstance(models, str | Path) else models
        wanted = dict(listed) if isinstance(listed, Mapping) else dict.fromkeys(listed)
        pairs, versions = [], []
        for model, kinds in wanted.items():
            status = find_model(model).stat()
            # A model that was trained again under the same name is loaded again.
            versions.append((status.st_size, status.st_mtime_ns))
            place = str(Path(model).resolve()) if Path(model).exists() else str(model)
            kinds = [kinds] if isinstance(kinds, str | int) else kinds
            pairs.append((place, None if kinds is None else tuple(kinds)))
        x, y, z = axis
        return _load(_Files(tuple(pairs), tuple(versions), max_angle, (x, y, z), device))

    @property
    def detector(self) -> Detector:
        """The detector whose cells are filled."""
        return self.models[0][0].detector

    @property
    def latent(self) -> int:
        """Latents per particle: those of the model that needs most."""
        return max(fast.model.generator.latent for fast, _ in self.models)

    def assign(self, incident: Incident) -> NDArray[np.int64]:
        """Return the number of the model that takes each particle, -1 for none, shape (n,)."""
        axis = np.asarray(self.axis) / np.linalg.norm(self.axis)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            # The arc cosine would know small angles only to 1e-8.
            along = incident.direction @ axis
            across = np.linalg.norm(np.cross(incident.direction, axis), axis=1)
            angle = np.arctan2(across, along)
            angle[(across == 0) & (along == 0)] = np.nan
        chosen = np.full(len(incident), -1, np.int64)
        for number in reversed(range(len(self.models))):
            covers = self.models[number][1].holds(incident.pdg, incident.energy, angle)
            chosen[covers & incident.present] = number
        return chosen

    def __reduce__(self) -> tuple[Any, ...]:
        if self._files is not None:
            return _load, (self._files,)
        return FastDetector, (self.models, self.axis)

    def __repr__(self) -> str:
        names = {particle.pdg: particle.name for particle in PARTICLES}
        kinds = dict.fromkeys(names.get(k, str(k)) for _, c in self.models for k in c.pdg)
        return f"FastDetector({self.detector.name}: {', '.join(kinds)})"


@lru_cache(maxsize=8)
def _load(files: _Files) -> FastDetector:
    models = []
    for name, particles in files.models:
        fast = FastSim.load(name, files.device)
        coverage = Coverage.of(fast, particles, name=name, max_angle=files.max_angle)
        models.append((fast, coverage))
    return FastDetector(tuple(models), files.axis, _files=files)
