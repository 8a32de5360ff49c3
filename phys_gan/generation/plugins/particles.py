"""Incident: the particles of an awkward array as flat arrays; :func:`read_particles`."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import ConfigError, DataError, MissingError
from phys_gan.units import MEV, find_particle

_PDG = ("pdg", "pdgId", "PDG", "pid")
_MOMENTUM = (("px", "momentum.x"), ("py", "momentum.y"), ("pz", "momentum.z"))
_VECTOR_MOMENTUM = (("px", "x"), ("py", "y"), ("pz", "z"))


@dataclass(frozen=True, eq=False)
class Incident:
    """The particles of many events, one after the other.

    Arguments:
        counts: Number of particles of each event, shape (N,).
        pdg: PDG numbers, 0 where missing, shape (n,).
        energy: Kinetic energies [MeV], NaN where missing, shape (n,).
        direction: Directions of any length, NaN where missing, shape (n, 3).
        present: Whether there is a particle, not None, shape (n,).
        present_events: Whether there is a list of particles, not None, shape (N,).
    """

    counts: NDArray[np.int64]
    pdg: NDArray[np.int64]
    energy: NDArray[np.float64]
    direction: NDArray[np.float64]
    present: NDArray[np.bool_]
    present_events: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.pdg)

    @property
    def n_events(self) -> int:
        """Number of events."""
        return len(self.counts)

    @property
    def event(self) -> NDArray[np.int64]:
        """Row of the event of each particle, shape (n,)."""
        return np.repeat(np.arange(self.n_events), self.counts)

    @property
    def index(self) -> NDArray[np.int64]:
        """Index of each particle among those of its event, shape (n,)."""
        starts = np.cumsum(self.counts) - self.counts
        return np.arange(len(self)) - np.repeat(starts, self.counts)

    def jagged(self, values: NDArray[np.bool_]) -> ak.Array:
        """Return one value per particle in the lists of the events, None where they had None."""
        array = ak.Array(values)
        if not self.present.all():
            array = ak.mask(array, self.present)
        array = ak.unflatten(array, self.counts)
        return array if self.present_events.all() else ak.mask(array, self.present_events)


def read_particles(particles: ak.Array, unit: str = "MeV") -> Incident:
    """Read particles, whose fields may have any of these names.

    * kind: ``pdg``, ``pdgId``, ``PDG`` or ``pid``;
    * direction: ``px, py, pz`` (``momentum.x`` or a field ``momentum`` of EDM4hep), or ``phi``
      with ``eta`` or ``theta``;
    * energy: ``energy``, the kinetic energy; without it, that of the momentum (``pt`` where the
      direction is one of angles). Masses are those of the kind, ``mass`` for kinds that
      phys_gan does not know.

    Records of scikit-hep's vector and of coffea (``Momentum4D``, ``PtEtaPhiMLorentzVector``) also
    have their momentum in ``x, y, z`` or ``rho``; there, ``energy`` is the total one and not read.

    Arguments:
        particles: One list of records per event; events and particles may be None.
        unit: Unit of energies, momenta and masses.

    Raises:
        ConfigError: There is no such unit.
        DataError: The array is not a list of records per event.
        MissingError: A field is missing; the message lists those that exist.
    """
    if unit not in MEV:
        raise ConfigError(
            f"'{unit}' is not a unit of energy", remedy=f"give one of {', '.join(MEV)}", value=unit
        )
    particles = ak.Array(particles)
    if len(particles) == 0 and not particles.fields:
        particles = ak.Array([[]])[:0]
    if particles.ndim != 2:
        raise DataError(
            f"the particles are of type {particles.type}, not a list of records per event",
            remedy="give events of particles; of one particle per event, particles[:, np.newaxis]",
            value=str(particles.type),
        )
    present_events = _present(particles)
    counts = np.zeros(len(particles), np.int64)
    lists = particles if present_events.all() else ak.drop_none(particles, axis=0)
    counts[present_events] = ak.to_numpy(ak.num(lists))
    flat = ak.flatten(lists)
    present = _present(flat)
    if len(flat) == 0 and not flat.fields:
        none = np.zeros(0)
        pdg, energy, direction = none.astype(np.int64), none, np.zeros((0, 3))
    else:
        fields = _Fields(flat)
        kind = fields.get(_PDG)
        if kind is None:
            raise fields.missing("kind", ", ".join(_PDG))
        pdg = np.nan_to_num(kind, posinf=0, neginf=0).astype(np.int64)
        direction = fields.direction()
        energy = fields.kinetic_energy(direction, pdg, MEV[unit])
    return Incident(counts, pdg, energy, direction, present, present_events)


def _present(array: ak.Array) -> NDArray[np.bool_]:
    """Return which elements are not None, shape (n,)."""
    if not isinstance(array.type.content, ak.types.OptionType):
        return np.ones(len(array), np.bool_)
    return ~np.asarray(ak.is_none(array), np.bool_)


class _Fields:
    """The fields of flat records, as numbers."""

    def __init__(self, flat: ak.Array) -> None:
        self.flat = flat
        name = flat.layout.purelist_parameter("__record__") or ""
        self.is_vector = name.startswith("Momentum") or "Vector" in name

    def get(self, names: tuple[str, ...]) -> NDArray[np.float64] | None:
        """Return the first of these fields that there is, NaN for None, shape (n,)."""
        for name in names:
            outer, _, inner = name.partition(".")
            column = None
            if name in self.flat.fields:
                column = self.flat[name]
            elif inner and outer in self.flat.fields and inner in self.flat[outer].fields:
                column = self.flat[outer][inner]
            if column is not None:
                filled = ak.to_numpy(ak.fill_none(column, np.nan, axis=0))
                return np.asarray(filled, np.float64)
        return None

    def missing(self, what: str, names: str) -> MissingError:
        return MissingError(
            f"the particles have no field for their {what} (one of {names}); they have "
            f"{', '.join(self.flat.fields) or 'none'}",
            remedy="rename the fields with ak.zip",
            value=what,
            constraint=names,
        )

    def momentum(self) -> NDArray[np.float64] | None:
        """Return the Cartesian components of the momentum, shape (n, 3), where there are any."""
        for spelling in (_MOMENTUM, *((_VECTOR_MOMENTUM,) if self.is_vector else ())):
            parts = [values for names in spelling if (values := self.get(names)) is not None]
            if len(parts) == 3:
                return np.stack(parts, axis=1)
        return None

    def direction(self) -> NDArray[np.float64]:
        """Return directions of any length, shape (n, 3)."""
        momentum = self.momentum()
        if momentum is not None:
            return momentum
        phi, eta, theta = (self.get((name,)) for name in ("phi", "eta", "theta"))
        if phi is None or (eta is None and theta is None):
            raise self.missing("direction", "px, py, pz; eta, phi; theta, phi")
        if eta is not None:
            with np.errstate(over="ignore"):
                sine, cosine = 1 / np.cosh(eta), np.tanh(eta)
        else:
            assert theta is not None
            sine, cosine = np.sin(theta), np.cos(theta)
        return np.stack([sine * np.cos(phi), sine * np.sin(phi), cosine], axis=1)

    def kinetic_energy(
        self, direction: NDArray[np.float64], pdg: NDArray[np.int64], scale: float
    ) -> NDArray[np.float64]:
        """Return kinetic energies [MeV], shape (n,)."""
        given = None if self.is_vector else self.get(("energy",))
        if given is not None:
            return given * scale
        momentum = self.momentum()
        across = self.get(("pt", *(("rho",) if self.is_vector else ())))
        with np.errstate(invalid="ignore", divide="ignore"):
            if momentum is not None:
                size = np.linalg.norm(momentum, axis=1)
            elif across is not None:
                # Along the beam, a transverse momentum does not determine the energy: NaN.
                size = across / np.linalg.norm(direction[:, :2], axis=1)
            else:
                raise self.missing("energy", "energy; px, py, pz; pt")
            squared, mass = (size * scale) ** 2, self._masses(pdg, scale)
            # sqrt(p^2 + m^2) - m without the difference of two large numbers.
            return np.asarray(squared / (np.sqrt(squared + mass**2) + mass), np.float64)

    def _masses(self, pdg: NDArray[np.int64], scale: float) -> NDArray[np.float64]:
        """Return masses [MeV]; files often have rounded ones, or 0 for those of light leptons."""
        given = self.get(("mass", "tau") if self.is_vector else ("mass",))
        mass = np.full(len(pdg), np.nan) if given is None else given * scale
        for kind in np.unique(pdg):
            try:
                mass[pdg == kind] = find_particle(int(kind)).mass
            except MissingError:
                continue
        return mass
