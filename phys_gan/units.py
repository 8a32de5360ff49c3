"""Energies, values and sizes as people write them: ``50GeV``, ``1GeV:100GeV:log``, ``8GB``.

And the particles that start showers, :data:`PARTICLES`, by name and PDG number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import ConfigError, MissingError, RangeError

MEV = {"eV": 1e-6, "keV": 1e-3, "MeV": 1.0, "GeV": 1e3, "TeV": 1e6}
"""How many MeV each unit is."""

Values = float | list[float] | tuple[float, float] | tuple[float, float, Literal["lin", "log"]]
"""One value for all events, values in turn, or a range (low, high) to draw from, evenly in the
values ("lin") or in their logarithms ("log")."""


def parse_energy(text: str) -> float:
    """Return an energy such as ``50GeV`` in MeV.

    Raises:
        ConfigError: There is no number or no known unit.
        RangeError: The energy is not positive.

    Example:
        >>> parse_energy("1.5 GeV")
        1500.0
    """
    match = re.fullmatch(r"\s*([-+.\deE]+?)\s*([a-zA-Z]+)\s*", text)
    try:
        value = float(match[1]) * MEV[match[2]] if match else None
    except (ValueError, KeyError):
        value = None
    if value is None:
        raise ConfigError(
            f"'{text}' is not an energy",
            remedy=f"write a number and one of {', '.join(MEV)}, such as 50GeV",
            value=text,
        )
    if not 0 < value < float("inf"):
        raise RangeError(
            f"the energy '{text}' is not positive and finite",
            remedy="give one above 0",
            value=value,
            constraint="> 0",
        )
    return value


LENGTHS = {"um": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1e3}
"""How many mm each unit is."""
ANGLES = {"rad": 1.0, "mrad": 1e-3, "deg": np.pi / 180}
"""How many rad each unit is."""


def parse_quantity(text: str, units: Mapping[str, float]) -> float:
    """Return a length such as ``0.7mm`` in mm, or an angle such as ``30deg`` in rad.

    Arguments:
        text: A number, and perhaps a unit; without one it is in that whose factor is 1.
        units: :data:`LENGTHS` or :data:`ANGLES`.

    Raises:
        ConfigError: There is no number, or the unit is not known.

    Example:
        >>> parse_quantity("2cm", LENGTHS), parse_quantity("0.5", ANGLES)
        (20.0, 0.5)
    """
    match = re.fullmatch(r"\s*([-+.\deE]+?)\s*([a-zA-Z]*)\s*", text)
    try:
        value = float(match[1]) * (units[match[2]] if match[2] else 1.0) if match else None
    except (ValueError, KeyError):
        value = None
    if value is None or not np.isfinite(value):
        default = next(unit for unit, factor in units.items() if factor == 1)
        raise ConfigError(
            f"'{text}' is not a number with one of the units {', '.join(units)}",
            remedy=f"write a number, such as 1.5{default}",
            value=text,
        )
    return value


def parse_energies(text: str) -> tuple[float, float]:
    """Return ``low:high``, or one energy, as a range in MeV.

    Raises:
        ConfigError: As in :func:`parse_energy`.
        RangeError: The range runs backwards.

    Example:
        >>> parse_energies("1GeV:100GeV")
        (1000.0, 100000.0)
    """
    low, colon, high = text.partition(":")
    bounds = (parse_energy(low), parse_energy(high if colon else low))
    if bounds[0] > bounds[1]:
        raise RangeError(
            f"the energies '{text}' run from high to low", remedy="write low:high", value=bounds
        )
    return bounds


def parse_values(text: str, number: Callable[[str], float] = parse_energy) -> Values:
    """Return ``VALUE``, ``VALUE,VALUE,...`` or ``LOW:HIGH``, which may end in ``:lin`` or ``:log``.

    Raises:
        ValueError: As from ``number``, which reads a value.
        ConfigError: A range ends in something else.
        RangeError: A range runs backwards, or has no logarithms.

    Example:
        >>> parse_values("1GeV:100GeV:log")
        (1000.0, 100000.0, 'log')
        >>> parse_values("10GeV,50GeV")
        [10000.0, 50000.0]
    """
    if "," in text:
        return [number(value) for value in text.split(",")]
    first, colon, rest = text.partition(":")
    if not colon:
        return number(first)
    second, ends, spacing = rest.partition(":")
    low, high = number(first), number(second)
    if not low <= high:
        raise RangeError(
            f"the range '{text}' runs from high to low", remedy="write LOW:HIGH", value=(low, high)
        )
    if not ends:
        return low, high
    if spacing == "lin":
        return low, high, "lin"
    if spacing != "log":
        raise ConfigError(
            f"the range '{text}' ends in '{spacing}'",
            remedy="write LOW:HIGH, LOW:HIGH:lin or LOW:HIGH:log",
            value=spacing,
        )
    if low <= 0:
        raise RangeError(
            f"the range '{text}' has no logarithms", remedy="begin above 0, or write :lin"
        )
    return low, high, "log"


def draw_values(
    values: Values, n: int, rng: np.random.Generator, *, logarithmic: bool = False
) -> NDArray[np.float64]:
    """Return the values of n events, shape (n,).

    Event i has the entry i modulo the length of a list. From a range, the first events of a
    larger sample are those of a smaller one; ``logarithmic`` is for a range without a third entry.

    Example:
        >>> draw_values([1.0, 2.0], 3, np.random.default_rng(0))
        array([1., 2., 1.])
    """
    if not isinstance(values, tuple):
        return np.resize(np.asarray(values, np.float64), n)
    low, high = values[:2]
    if not is_logarithmic(values, logarithmic):
        return rng.uniform(low, high, n)
    # Rounding may take the ends out of the range.
    return np.clip(np.exp(rng.uniform(np.log(low), np.log(high), n)), low, high)


def is_logarithmic(values: Values, otherwise: bool = False) -> bool:
    """Return whether logarithms are drawn evenly; ``otherwise`` without a third entry."""
    if isinstance(values, tuple) and len(values) == 3:
        return values[2] == "log"
    return otherwise


def format_energy(energy: float) -> str:
    """Write an energy [MeV] in the unit that keeps the number short.

    Example:
        >>> format_energy(65000.0)
        '65 GeV'
    """
    unit = next((u for u in ("TeV", "GeV", "MeV", "keV") if energy >= MEV[u]), "eV")
    return f"{energy / MEV[unit]:.4g} {unit}"


def parse_size(text: str) -> int:
    """Return a size such as ``8GB`` in bytes.

    Raises:
        ConfigError: There is no number or no known unit.

    Example:
        >>> parse_size("1.5GB")
        1500000000
    """
    units = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*(kB|MB|GB|TB)\s*", text)
    size = int(float(match[1]) * units[match[2]]) if match else 0
    if size < 1:
        raise ConfigError(
            f"'{text}' is not a size",
            remedy=f"write a number and one of {', '.join(units)}, such as 8GB",
            value=text,
        )
    return size


@dataclass(frozen=True)
class Particle:
    """A kind of particle: name, number of the Particle Data Group, mass [MeV]."""

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
        MissingError: There is no such particle; the message lists those there are.

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
