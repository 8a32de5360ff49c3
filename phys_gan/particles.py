"""The particles that start showers: names, PDG numbers, masses."""

from __future__ import annotations

from dataclasses import dataclass

from phys_gan.errors import MissingError

__all__ = ["PARTICLES", "Particle", "find_particle"]


@dataclass(frozen=True)
class Particle:
    """One kind of particle.

    Attributes:
        name: Name, such as ``"e+"``.
        pdg: Number in the scheme of the Particle Data Group.
        mass: Mass [MeV].
    """

    name: str
    pdg: int
    mass: float


PARTICLES = (
    Particle("gamma", 22, 0.0),
    Particle("e-", 11, 0.51099895),
    Particle("e+", -11, 0.51099895),
    Particle("mu-", 13, 105.6583755),
    Particle("mu+", -13, 105.6583755),
    Particle("pi0", 111, 134.9768),
    Particle("pi+", 211, 139.57039),
    Particle("pi-", -211, 139.57039),
    Particle("K+", 321, 493.677),
    Particle("K-", -321, 493.677),
    Particle("K0L", 130, 497.611),
    Particle("proton", 2212, 938.27208816),
    Particle("antiproton", -2212, 938.27208816),
    Particle("neutron", 2112, 939.5654205),
)
"""Masses from the Review of Particle Physics (doi:10.1103/PhysRevD.110.030001)."""

_ALIASES = {"photon": "gamma", "electron": "e-", "positron": "e+", "p": "proton", "n": "neutron"}


def find_particle(particle: str | int) -> Particle:
    """Return a particle by its name, or by its PDG number as a number or as text.

    Raises:
        MissingError: It is not known; the message lists those that are.

    Example:
        >>> find_particle("e+").pdg
        -11
    """
    text = _ALIASES.get(str(particle).strip().lower(), str(particle).strip())
    for known in PARTICLES:
        if text.lower() == known.name.lower() or text == str(known.pdg):
            return known
    raise MissingError(
        f"'{particle}' is not a known particle; available: "
        f"{', '.join(f'{known.name} ({known.pdg})' for known in PARTICLES)}",
        remedy="give one of these names or PDG numbers",
        value=particle,
    )
