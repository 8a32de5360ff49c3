"""FastDetector: several models as one, each particle to the model that covers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError, DetectorError
from phys_gan.generation.fastsim import FastSim, find_model
from phys_gan.generation.plugins.coverage import NORMAL_INCIDENCE, Coverage
from phys_gan.generation.plugins.particles import Incident
from phys_gan.units import PARTICLES

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
