"""Energies and sizes as people write them on a command line: ``1GeV:100GeV``, ``8GB``."""

from __future__ import annotations

import re

from phys_gan.errors import ConfigError, RangeError

__all__ = ["MEV", "format_energy", "parse_energies", "parse_energy", "parse_size"]

MEV = {"eV": 1e-6, "keV": 1e-3, "MeV": 1.0, "GeV": 1e3, "TeV": 1e6}
"""How many MeV each unit is."""


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
        raise RangeError(f"the energy '{text}' is not positive", value=value, constraint="> 0")
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
