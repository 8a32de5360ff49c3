"""Conditions as people write them on the command line: ``flux=50``, ``flux=50:100``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from phys_gan.errors import ConfigError, PhysGanError
from phys_gan.randomness import stream
from phys_gan.units import Values, draw_values, parse_values

if TYPE_CHECKING:
    from phys_gan.simulators.galaxies import Given

__all__ = ["galaxy_conditions", "read_conditions"]


def read_conditions(texts: Sequence[str]) -> dict[str, Values]:
    """Read conditions, each with what :func:`phys_gan.units.parse_values` reads.

    Raises:
        ConfigError: A text is none, or a name is given twice.
        RangeError: A range runs backwards, or has no logarithms.

    Example:
        >>> read_conditions(["flux=50:100:log", "noise=0.05", "axis_ratio=0.4,0.8"])
        {'flux': (50.0, 100.0, 'log'), 'noise': 0.05, 'axis_ratio': [0.4, 0.8]}
    """
    found: dict[str, Values] = {}
    for text in texts:
        name, _, values = text.partition("=")
        if name in found:
            raise ConfigError(f"--condition {name} is given twice", remedy="leave one out")
        try:
            found[name] = parse_values(values, float)
        except PhysGanError:
            raise
        except ValueError:
            raise ConfigError(
                f"'{text}' is not a condition",
                remedy="write NAME=VALUE or NAME=LOW:HIGH, such as flux=50:100",
                value=text,
            ) from None
    return found


def galaxy_conditions(texts: Sequence[str], n: int, seed: int) -> dict[str, Given]:
    """Read conditions of n galaxies, and draw what their simulator does not draw itself.

    Raises:
        PhysGanError: As in :func:`read_conditions`.
    """
    given: dict[str, Given] = {}
    for name, values in read_conditions(texts).items():
        if isinstance(values, list) or (isinstance(values, tuple) and len(values) == 3):
            given[name] = draw_values(values, n, stream(seed, f"galaxies {name}"))
        else:
            given[name] = values
    return given
