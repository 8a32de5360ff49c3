"""Conditions as people write them on the command line: ``flux=50``, ``flux=50:100``."""

from __future__ import annotations

from collections.abc import Sequence

from phys_gan.errors import ConfigError

__all__ = ["read_conditions"]


def read_conditions(texts: Sequence[str]) -> dict[str, float | tuple[float, float]]:
    """Read conditions with one value each, or with a range.

    Raises:
        ConfigError: A text is none, or a name is given twice.

    Example:
        >>> read_conditions(["flux=50:100", "noise=0.05"])
        {'flux': (50.0, 100.0), 'noise': 0.05}
    """
    found: dict[str, float | tuple[float, float]] = {}
    for text in texts:
        name, _, value = text.partition("=")
        low, colon, high = value.partition(":")
        if name in found:
            raise ConfigError(f"--condition {name} is given twice", remedy="leave one out")
        try:
            found[name] = (float(low), float(high)) if colon else float(low)
        except ValueError:
            raise ConfigError(
                f"'{text}' is not a condition",
                remedy="write NAME=VALUE or NAME=LOW:HIGH, such as flux=50:100",
                value=text,
            ) from None
    return found
